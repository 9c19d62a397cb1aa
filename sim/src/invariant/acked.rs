//! D1, V1: every batch that was acknowledged or read is at its offset, with identical content, unless all of its records were deleted.

use crate::{
    ledger::{Known, Ledger},
    reading::{FoundBatch, Reading},
    violation::{Subject, Verdict, broken_for},
};

pub(super) fn check(ledger: &Ledger, found: &Reading) -> Verdict {
    for (key, partition) in &found.partitions {
        let Some(book) = ledger.partitions.get(key) else { continue };
        let batches = ByOffset::new(&partition.batches);
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
            let Some(batch) = batches.at(*offset) else {
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

/// Batches by their first offset.
struct ByOffset<'a> {
    sorted: Vec<&'a FoundBatch>,
}

impl<'a> ByOffset<'a> {
    fn new(batches: &'a [FoundBatch]) -> ByOffset<'a> {
        let mut sorted: Vec<&FoundBatch> = batches.iter().collect();
        sorted.sort_by_key(|batch| batch.header.base_offset);
        ByOffset { sorted }
    }

    /// Of several at one offset, the last that was read.
    fn at(&self, offset: i64) -> Option<&'a FoundBatch> {
        let behind = self.sorted.partition_point(|batch| batch.header.base_offset.0 <= offset);
        self.sorted[..behind].last().copied().filter(|batch| batch.header.base_offset.0 == offset)
    }
}
