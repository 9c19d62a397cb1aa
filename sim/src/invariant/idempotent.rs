//! E1: the sequences of an idempotent producer are in its partition in order, without a hole, each once; no producer id comes
//! twice.

use std::collections::BTreeMap;

use crate::{
    batch::sequence_after,
    ledger::Ledger,
    reading::Reading,
    violation::{Verdict, broken},
};

pub(super) fn check(ledger: &Ledger, found: &Reading) -> Verdict {
    for (key, partition) in &found.partitions {
        let mut expected = BTreeMap::new();
        for header in
            partition.batches.iter().map(|batch| &batch.header).filter(|header| header.is_idempotent())
        {
            let begins = ledger.first_sequences.get(&(*key, header.producer_id, header.producer_epoch));
            let begins = begins.copied().unwrap_or(0);
            // What came before may have been deleted, or lost and forgotten.
            let forgotten = ledger.is_stranger(*key, header.producer_id);
            let first = if partition.log_start > 0 || forgotten { header.base_sequence } else { begins };
            let (epoch, next) = expected.entry(header.producer_id).or_insert((header.producer_epoch, first));
            if header.producer_epoch < *epoch {
                return broken(
                    "zombie-append",
                    format!(
                        "{key:?} at {}: producer {} goes back to epoch {} from {epoch}",
                        header.base_offset, header.producer_id, header.producer_epoch
                    ),
                );
            }
            if header.producer_epoch > *epoch {
                (*epoch, *next) = (header.producer_epoch, begins);
            }
            if header.base_sequence != *next {
                // Of two sequences the one less than half the circle behind the other is the older one.
                let behind = header.base_sequence.wrapping_sub(*next) & i32::MAX > i32::MAX / 2;
                let name = if behind { "duplicate" } else { "lost-write" };
                return broken(
                    name,
                    format!(
                        "{key:?} at {}: producer {} goes on with sequence {}, not {next}",
                        header.base_offset, header.producer_id, header.base_sequence
                    ),
                );
            }
            *next = sequence_after(*next, header.record_count);
        }
    }
    match found.producer_id {
        Some(id) if ledger.producer_ids.contains(&id) => {
            broken("reissued-producer-id", format!("{id} was given out before"))
        }
        Some(_) | None => Ok(()),
    }
}
