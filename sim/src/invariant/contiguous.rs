//! D2, ORD: offsets begin at the log's start, or with the batch that it is in, strictly increase, and leave nothing out up to the high
//! watermark, but for what was lost.

use crate::{
    ledger::Ledger,
    reading::Reading,
    violation::{Verdict, broken},
};

pub(super) fn check(ledger: &Ledger, found: &Reading) -> Verdict {
    for (key, partition) in &found.partitions {
        let mut next = partition.log_start;
        for batch in &partition.batches {
            let (base, last) = (batch.header.base_offset.0, batch.header.last_offset().0);
            let holds_start = next == partition.log_start && base < next && next <= last;
            let skipped = ledger.jumps(*key, next, base);
            if base != next && !holds_start && !skipped {
                return broken(
                    "inconsistent-offsets",
                    format!("{key:?}: offset {base} follows {}", next - 1),
                );
            }
            next = last + 1;
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
