//! V1: no high watermark that anybody was told is taken back, and no log start moves without a reason.

use crate::{
    ledger::Ledger,
    reading::Reading,
    violation::{Verdict, broken},
};

pub(super) fn check(ledger: &Ledger, found: &Reading) -> Verdict {
    for (key, partition) in &found.partitions {
        let told = ledger.high_watermark(*key);
        if partition.high_watermark < told {
            return broken(
                "nonmonotonic",
                format!("high watermark {} of {key:?}, {told} was told before", partition.high_watermark),
            );
        }
        if partition.log_start != 0 {
            return broken("unseen", format!("{key:?} begins at {}", partition.log_start));
        }
    }
    Ok(())
}
