//! Just enough JSON to write.

use std::fmt;

/// A value. Objects keep the order in which their fields are given.
#[derive(Clone, Debug, PartialEq)]
pub(super) enum Json {
    Null,
    Bool(bool),
    Number(i64),
    Text(String),
    List(Vec<Json>),
    Object(Vec<(String, Json)>),
}

impl Json {
    /// An object of fixed fields.
    pub(super) fn object<const N: usize>(fields: [(&str, Json); N]) -> Json {
        Json::Object(fields.into_iter().map(|(name, value)| (name.to_string(), value)).collect())
    }

    /// A list.
    pub(super) fn list<T: Into<Json>>(items: impl IntoIterator<Item = T>) -> Json {
        Json::List(items.into_iter().map(Into::into).collect())
    }

    /// A field for bytes: its text if they are UTF-8; else the field is called `NAME_base64` and has them in Base64.
    pub(super) fn bytes(name: &str, bytes: Option<&[u8]>) -> (String, Json) {
        let Some(bytes) = bytes else { return (name.to_string(), Json::Null) };
        match str::from_utf8(bytes) {
            Ok(text) => (name.to_string(), Json::from(text)),
            Err(_) => (format!("{name}_base64"), Json::Text(base64(bytes, BASE64, true))),
        }
    }
}

impl From<&str> for Json {
    fn from(text: &str) -> Json {
        Json::Text(text.to_string())
    }
}

impl From<i32> for Json {
    fn from(number: i32) -> Json {
        Json::Number(i64::from(number))
    }
}

impl From<i64> for Json {
    fn from(number: i64) -> Json {
        Json::Number(number)
    }
}

impl From<bool> for Json {
    fn from(truth: bool) -> Json {
        Json::Bool(truth)
    }
}

impl<T: Into<Json>> From<Option<T>> for Json {
    fn from(value: Option<T>) -> Json {
        value.map_or(Json::Null, Into::into)
    }
}

impl fmt::Display for Json {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Json::Null => f.write_str("null"),
            Json::Bool(truth) => truth.fmt(f),
            Json::Number(number) => number.fmt(f),
            Json::Text(text) => quoted(text, f),
            Json::List(items) => {
                for (at, item) in items.iter().enumerate() {
                    write!(f, "{}{item}", if at == 0 { '[' } else { ',' })?;
                }
                f.write_str(if items.is_empty() { "[]" } else { "]" })
            }
            Json::Object(fields) => {
                for (at, (name, value)) in fields.iter().enumerate() {
                    f.write_str(if at == 0 { "{" } else { "," })?;
                    quoted(name, f)?;
                    write!(f, ":{value}")?;
                }
                f.write_str(if fields.is_empty() { "{}" } else { "}" })
            }
        }
    }
}

fn quoted(text: &str, f: &mut fmt::Formatter<'_>) -> fmt::Result {
    f.write_str("\"")?;
    let mut rest = text;
    while let Some(at) = rest.find(|character: char| character < ' ' || matches!(character, '"' | '\\')) {
        f.write_str(&rest[..at])?;
        match rest.as_bytes()[at] {
            b'"' => f.write_str("\\\"")?,
            b'\\' => f.write_str("\\\\")?,
            b'\n' => f.write_str("\\n")?,
            b'\r' => f.write_str("\\r")?,
            b'\t' => f.write_str("\\t")?,
            control => write!(f, "\\u{control:04x}")?,
        }
        rest = &rest[at + 1..];
    }
    f.write_str(rest)?;
    f.write_str("\"")
}

const BASE64: &[u8; 64] = b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";
const BASE64_URL: &[u8; 64] = b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_";

/// An id of a topic as Kafka's tools print it.
pub(super) fn topic_id(id: &[u8; 16]) -> String {
    base64(id, BASE64_URL, false)
}

/// RFC 4648.
fn base64(bytes: &[u8], alphabet: &[u8; 64], pad: bool) -> String {
    let mut out = String::with_capacity(bytes.len().div_ceil(3) * 4);
    for piece in bytes.chunks(3) {
        let at = |index: usize| u32::from(piece.get(index).copied().unwrap_or(0));
        let bits = at(0) << 16 | at(1) << 8 | at(2);
        for digit in 0..4 {
            if digit <= piece.len() {
                out.push(char::from(alphabet[(bits >> (18 - 6 * digit) & 63) as usize]));
            } else if pad {
                out.push('=');
            }
        }
    }
    out
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn texts_are_escaped_and_everything_else_is_as_json_has_it() {
        let value = Json::object([
            ("a", Json::list(["x\"y\\z\n\u{1}é"])),
            ("b", Json::from(None::<i32>)),
            ("c", Json::list([1, -2])),
            ("d", Json::List(vec![])),
            ("e", Json::Object(vec![])),
            ("f", Json::from(true)),
        ]);
        let expected = r#"{"a":["x\"y\\z\n\u0001é"],"b":null,"c":[1,-2],"d":[],"e":{},"f":true}"#;
        assert_eq!(value.to_string(), expected);
    }

    #[test]
    fn bytes_that_are_no_text_are_base64_by_the_rfc() {
        for (bytes, encoded) in
            [("", ""), ("f", "Zg=="), ("fo", "Zm8="), ("foo", "Zm9v"), ("foob", "Zm9vYg==")]
        {
            assert_eq!(base64(bytes.as_bytes(), BASE64, true), encoded);
        }
        assert_eq!(Json::bytes("v", Some(b"\xff\xfe\xfd")), ("v_base64".into(), Json::from("//79")));
        assert_eq!(Json::bytes("v", Some("é".as_bytes())), ("v".into(), Json::from("é")));
        assert_eq!(Json::bytes("v", None), ("v".into(), Json::Null));
        assert_eq!(topic_id(&[0xff; 16]), "_____________________w");
    }
}
