//! V1: no high watermark that anybody was told is taken back.

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
    }
    Ok(())
}
