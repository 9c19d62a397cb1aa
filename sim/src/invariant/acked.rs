//! D1, V1: every batch that was acknowledged or read is at its offset, with identical content, unless all of its records were deleted.

use std::collections::BTreeMap;

use crate::{
    ledger::{Known, Ledger},
    reading::Reading,
    violation::{Subject, Verdict, broken_for},
};

pub(super) fn check(ledger: &Ledger, found: &Reading) -> Verdict {
    for (key, partition) in &found.partitions {
        let Some(book) = ledger.partitions.get(key) else { continue };
        let batches: BTreeMap<i64, _> =
            partition.batches.iter().map(|batch| (batch.header.base_offset.0, batch)).collect();
        for (offset, (number, known)) in &book.facts {
            let (name, how) = match known {
                Known::Acked => ("lost-write", "acknowledged"),
                Known::Seen => ("unseen", "read"),
            };
            let end = ledger.op(*number).map_or(*offset, |op| op.last_offset(*offset));
            if end < partition.log_start {
                continue;
            }
            let subject = Subject::Batch { op: *number, key: *key, offset: *offset };
            let Some(batch) = batches.get(offset) else {
                return broken_for(
                    name,
                    subject,
                    format!(
                        "{number:?} was {how} at offset {offset} of {key:?} and is gone; the partition ends at {}",
                        partition.high_watermark
                    ),
                );
            };
            let intact = ledger.op(*number).is_some_and(|op| op.is_intact(&batch.header, &batch.records));
            if batch.op != Some(*number) || !intact {
                return broken_for(
                    name,
                    subject,
                    format!(
                        "{number:?} was {how} at offset {offset} of {key:?}, where now {:?} is",
                        batch.op
                    ),
                );
            }
        }
    }
    Ok(())
}
