//! What must be true of everything that is read back, one invariant a file.

mod acked;
mod contiguous;
mod idempotent;
mod sent;
mod topics;
mod visible;

use crate::{ledger::Ledger, reading::Reading, violation::Verdict};

/// Checks all of them.
///
/// # Errors
/// The first that does not hold.
pub fn check_all(ledger: &Ledger, found: &Reading) -> Verdict {
    topics::check(ledger, found)?;
    contiguous::check(found)?;
    acked::check(ledger, found)?;
    visible::check(ledger, found)?;
    sent::check(ledger, found)?;
    idempotent::check(ledger, found)
}

#[cfg(test)]
mod tests;
