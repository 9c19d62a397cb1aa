//! The marks of the core, in the order in which it comes by them. One list for the process: whoever follows them runs one world
//! at a time.

/// Marks since the last call, as numbers in [`names`]. Of very many in one turn the last are missing.
#[cfg(evenkeel_sim)]
pub use evenkeel_core::marks::take_recent;

/// In a build without marks there are none.
#[cfg(not(evenkeel_sim))]
#[must_use]
pub fn take_recent() -> Vec<u16> {
    Vec::new()
}

/// Their names, by number.
#[must_use]
pub fn names() -> &'static [&'static str] {
    #[cfg(evenkeel_sim)]
    return evenkeel_core::marks::MARKS;
    #[cfg(not(evenkeel_sim))]
    &[]
}
