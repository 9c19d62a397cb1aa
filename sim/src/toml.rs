//! Just enough TOML for a repro: sections of `key = value`, where a value is a number or a text in double
//! quotes.

use std::collections::BTreeMap;

/// A value.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Value {
    /// A whole number.
    Number(u64),
    /// A text.
    Text(String),
}

/// The sections by name, the one before the first head under "".
pub type Document = BTreeMap<String, BTreeMap<String, Value>>;

/// Reads a document.
///
/// # Errors
/// Says which line is not understood.
pub fn parse(text: &str) -> Result<Document, String> {
    let mut document = Document::new();
    let mut section = String::new();
    for (at, line) in (1..).zip(text.lines()) {
        let line = line.trim();
        if line.is_empty() || line.starts_with('#') {
            continue;
        }
        if let Some(name) = line.strip_prefix('[').and_then(|rest| rest.strip_suffix(']')) {
            section = name.to_string();
            continue;
        }
        let (key, value) = pair(line).ok_or_else(|| format!("line {at} is not understood: {line}"))?;
        if document.entry(section.clone()).or_default().insert(key, value).is_some() {
            return Err(format!("line {at} says again what was said before: {line}"));
        }
    }
    Ok(document)
}

fn pair(line: &str) -> Option<(String, Value)> {
    let (key, rest) = if line.starts_with('"') {
        text(line)?
    } else {
        let (key, _) = line.split_once('=')?;
        (key.trim().to_string(), &line[key.len()..])
    };
    let value = rest.trim().strip_prefix('=')?.trim();
    Some((key, parse_value(value)?))
}

fn parse_value(value: &str) -> Option<Value> {
    if value.starts_with('"') {
        let (text, rest) = text(value)?;
        return rest.is_empty().then_some(Value::Text(text));
    }
    value.parse().ok().map(Value::Number)
}

/// A quoted text at the front, and what is behind it. Escapes are those that [`crate::json::quoted`] writes.
fn text(from: &str) -> Option<(String, &str)> {
    let mut out = String::new();
    let mut characters = from.strip_prefix('"')?.char_indices();
    while let Some((at, character)) = characters.next() {
        match character {
            '"' => return Some((out, &from[at + 2..])),
            '\\' => match characters.next()?.1 {
                'n' => out.push('\n'),
                'u' => {
                    let digits: String = (0..4).map_while(|_| Some(characters.next()?.1)).collect();
                    out.push(char::from_u32(u32::from_str_radix(&digits, 16).ok()?)?);
                }
                plain @ ('"' | '\\') => out.push(plain),
                _ => return None,
            },
            plain => out.push(plain),
        }
    }
    None
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_written_is_read() {
        let hostile = "a \"b\" \\ \n <c> é \u{1}";
        let line =
            format!("# note\nn = 18446744073709551615\n[part]\n\"a b\" = {}", crate::json::quoted(hostile));
        let document = parse(&line).expect("it was written");
        assert_eq!(document[""]["n"], Value::Number(u64::MAX));
        assert_eq!(document["part"]["a b"], Value::Text(hostile.to_string()));
        for wrong in ["a", "a =", "a = \"", "a = 1 2", "a = 1\na = 1", "a = \"x\" y"] {
            assert!(parse(wrong).is_err(), "{wrong}");
        }
    }
}
