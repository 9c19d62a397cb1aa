//! What the operator is told. One variant a fact, worded in one place.

use alloc::string::String;
use core::fmt;

/// How loud a notice is.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Level {
    /// Ordinary life.
    Info,
    /// Something an operator may want to look at.
    Warn,
    /// Something was refused or lost.
    Error,
}

/// A line for the operator.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Notice {
    /// How loud.
    pub level: Level,
    /// One line, no line break.
    pub text: String,
}

impl Notice {
    /// An ordinary line.
    #[must_use]
    pub fn info(text: String) -> Notice {
        Notice { level: Level::Info, text }
    }

    /// A line to look at.
    #[must_use]
    pub fn warn(text: String) -> Notice {
        Notice { level: Level::Warn, text }
    }

    /// A line that tells of a loss or refusal.
    #[must_use]
    pub fn error(text: String) -> Notice {
        Notice { level: Level::Error, text }
    }
}

impl fmt::Display for Notice {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.text)
    }
}
