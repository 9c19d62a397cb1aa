//! D2, ORD: offsets begin at the log's start, strictly increase, and leave nothing out up to the high watermark.

use crate::{
    ledger::Ledger,
    reading::Reading,
    violation::{Verdict, broken},
};

pub(super) fn check(_: &Ledger, found: &Reading) -> Verdict {
    for (key, partition) in &found.partitions {
        let mut next = partition.log_start;
        for batch in &partition.batches {
            let base = batch.header.base_offset.0;
            if base != next {
                return broken(
                    "inconsistent-offsets",
                    format!("{key:?}: offset {base} follows {}", next - 1),
                );
            }
            next = batch.header.last_offset().0 + 1;
        }
        if next != partition.high_watermark {
            return broken(
                "inconsistent-offsets",
                format!(
                    "{key:?} can be read up to {next}, its high watermark is {}",
                    partition.high_watermark
                ),
            );
        }
    }
    Ok(())
}
