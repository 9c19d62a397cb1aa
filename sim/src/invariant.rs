//! What must be true of everything that is read back, one invariant a file.

mod acked;
mod configs;
mod contiguous;
mod epochs;
mod groups;
mod idempotent;
mod offsets;
mod owners;
mod partitions;
mod sent;
mod settled;
mod stamped;
mod starts;
mod topics;
mod visible;
mod within;

use crate::{ledger::Ledger, reading::Reading, violation::Verdict};

type Check = fn(&Ledger, &Reading) -> Verdict;

/// All of them, in the order in which they are asked: a topic that is gone is told as that, not as the loss of its batches.
const INVARIANTS: [(&str, Check); 16] = [
    ("topics", topics::check),
    ("partitions", partitions::check),
    ("configs", configs::check),
    ("starts", starts::check),
    ("contiguous", contiguous::check),
    ("acked", acked::check),
    ("visible", visible::check),
    ("sent", sent::check),
    ("idempotent", idempotent::check),
    ("stamped", stamped::check),
    ("epochs", epochs::check),
    ("groups", groups::check),
    ("owners", owners::check),
    ("settled", settled::check),
    ("offsets", offsets::check),
    ("within", within::check),
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
