//! E1: the sequences of an idempotent producer are in its partition in order, without a hole, each once; no producer id comes
//! twice.

use std::collections::BTreeMap;

use crate::{
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
            let next = expected.entry(header.producer_id).or_insert(0);
            if header.base_sequence != *next {
                let name = if header.base_sequence < *next { "duplicate" } else { "lost-write" };
                return broken(
                    name,
                    format!(
                        "{key:?} at {}: producer {} goes on with sequence {}, not {next}",
                        header.base_offset, header.producer_id, header.base_sequence
                    ),
                );
            }
            *next += header.record_count;
        }
    }
    match found.producer_id {
        Some(id) if ledger.producer_ids.contains(&id) => {
            broken("reissued-producer-id", format!("{id} was given out before"))
        }
        Some(_) | None => Ok(()),
    }
}
