//! T1: where the broker stamps records with its own time, each batch says so and carries the time that was told.

use crate::{ledger::Ledger, reading::Reading, violation::Verdict};

pub(super) fn check(ledger: &Ledger, found: &Reading) -> Verdict {
    for batch in found.partitions.values().flat_map(|partition| &partition.batches) {
        if let Some(number) = batch.op {
            ledger.check_stamp(number, &batch.header)?;
        }
    }
    Ok(())
}
