//! Just enough JSON to write: objects in the order in which their fields are given.

use core::fmt::Write as _;

/// A text between quotes. `<` is escaped too, so that it can stand in a page.
#[must_use]
pub fn quoted(text: &str) -> String {
    let mut out = String::with_capacity(text.len() + 2);
    out.push('"');
    for character in text.chars() {
        match character {
            '"' => out.push_str("\\\""),
            '\\' => out.push_str("\\\\"),
            '\n' => out.push_str("\\n"),
            '<' => out.push_str("\\u003c"),
            control if control < ' ' => {
                write!(out, "\\u{:04x}", u32::from(control)).expect("a string takes all");
            }
            plain => out.push(plain),
        }
    }
    out.push('"');
    out
}

/// An array of what is JSON already.
#[must_use]
pub fn array(items: impl IntoIterator<Item = String>) -> String {
    format!("[{}]", items.into_iter().collect::<Vec<_>>().join(","))
}

/// An object that grows by its fields.
#[derive(Clone, Debug, Default)]
pub struct Object {
    fields: Vec<String>,
}

impl Object {
    /// A field that is JSON already.
    #[must_use]
    pub fn with(mut self, name: &str, json: &str) -> Object {
        self.fields.push(format!("{}:{json}", quoted(name)));
        self
    }

    /// A text.
    #[must_use]
    pub fn text(self, name: &str, text: &str) -> Object {
        self.with(name, &quoted(text))
    }

    /// A number.
    #[must_use]
    pub fn number(self, name: &str, number: impl Into<i128>) -> Object {
        self.with(name, &number.into().to_string())
    }

    /// A number, if there is one.
    #[must_use]
    pub fn maybe(self, name: &str, number: Option<impl Into<i128>>) -> Object {
        match number {
            Some(number) => self.number(name, number),
            None => self,
        }
    }

    /// The object.
    #[must_use]
    pub fn done(self) -> String {
        format!("{{{}}}", self.fields.join(","))
    }
}
