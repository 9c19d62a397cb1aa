//! L1: every start leads in an epoch above all that were told before it, and along a partition epochs never go back.

use crate::{
    ledger::Ledger,
    reading::Reading,
    violation::{Verdict, broken},
};

pub(super) fn check(ledger: &Ledger, found: &Reading) -> Verdict {
    let Some(leads) = found.leader_epoch else { return Ok(()) };
    if leads <= ledger.epoch_past {
        return broken(
            "epoch-not-raised",
            format!("leader epoch {leads} after a start, {} was told before it", ledger.epoch_past),
        );
    }
    for (key, partition) in &found.partitions {
        let mut newest = 0;
        for header in partition.batches.iter().map(|batch| &batch.header) {
            if header.leader_epoch < newest || header.leader_epoch > leads {
                return broken(
                    "epoch-not-raised",
                    format!(
                        "{key:?} at {}: leader epoch {} behind {newest}, led in {leads}",
                        header.base_offset, header.leader_epoch
                    ),
                );
            }
            newest = header.leader_epoch;
        }
    }
    Ok(())
}
