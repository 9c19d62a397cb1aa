//! A promise that was broken.

use core::fmt;

/// What was broken, under the name that the field gives it, and what shows it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Violation {
    /// `lost-write`, `duplicate` and the like.
    pub name: &'static str,
    /// What was expected and what was found.
    pub detail: String,
}

/// Whether everything is as promised.
pub type Verdict = Result<(), Violation>;

/// Says that a promise was broken.
///
/// # Errors
/// Always.
pub fn broken<T>(name: &'static str, detail: impl Into<String>) -> Result<T, Violation> {
    Err(Violation { name, detail: detail.into() })
}

impl fmt::Display for Violation {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}: {}", self.name, self.detail)
    }
}
