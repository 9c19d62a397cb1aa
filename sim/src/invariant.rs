//! What must be true of everything that is read back, one invariant a file.

mod acked;
mod contiguous;
mod epochs;
mod idempotent;
mod sent;
mod stamped;
mod topics;
mod visible;

use crate::{ledger::Ledger, reading::Reading, violation::Verdict};

type Check = fn(&Ledger, &Reading) -> Verdict;

/// All of them, in the order in which they are asked: a topic that is gone is told as that, not as the loss of its batches.
const INVARIANTS: [(&str, Check); 8] = [
    ("topics", topics::check),
    ("contiguous", contiguous::check),
    ("acked", acked::check),
    ("visible", visible::check),
    ("sent", sent::check),
    ("idempotent", idempotent::check),
    ("stamped", stamped::check),
    ("epochs", epochs::check),
];

/// Checks all of them.
///
/// # Errors
/// The first that does not hold.
pub fn check_all(ledger: &Ledger, found: &Reading) -> Verdict {
    INVARIANTS.iter().try_for_each(|(_, check)| check(ledger, found))
}

#[cfg(test)]
mod tests;
