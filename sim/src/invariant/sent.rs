//! D3: nothing is there that no client sent, and nothing more often than it was sent.

use std::collections::BTreeMap;

use crate::{
    ledger::Ledger,
    reading::Reading,
    violation::{Verdict, broken},
};

pub(super) fn check(ledger: &Ledger, found: &Reading) -> Verdict {
    let mut copies = BTreeMap::new();
    for (key, partition) in &found.partitions {
        for batch in &partition.batches {
            let offset = batch.header.base_offset;
            let Some((number, op)) = batch.op.and_then(|number| Some((number, ledger.op(number)?))) else {
                return broken("phantom", format!("{key:?} at {offset}: records that nobody sent"));
            };
            if op.key != *key {
                return broken("phantom", format!("{number:?} was sent to {:?}, and is in {key:?}", op.key));
            }
            if !op.is_intact(&batch.header, &batch.records) {
                return broken("phantom", format!("{key:?} at {offset}: not what {number:?} sent"));
            }
            let count = copies.entry(number).or_insert(0);
            *count += 1;
            if *count > op.copies_max() {
                return broken(
                    "duplicate",
                    format!("{number:?} is {count} times in {key:?}, at most {} may be", op.copies_max()),
                );
            }
        }
    }
    Ok(())
}
