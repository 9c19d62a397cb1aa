//! C1: no committed offset lies behind the end of its partition, or of what it had before a loss.

use crate::{
    ledger::Ledger,
    reading::Reading,
    violation::{Verdict, broken},
};

pub(super) fn check(ledger: &Ledger, found: &Reading) -> Verdict {
    for (place, offset) in &found.offsets {
        let Some(commit) = found.commit(place).and_then(|number| ledger.offsets.commit(number)) else {
            continue;
        };
        // A commit names its topic; by now that may be another one.
        let end = found.partitions.get(&commit.key).map(|partition| partition.high_watermark);
        let lost = ledger.partitions.get(&commit.key).map_or(0, |book| book.skips.upto());
        if end.is_some_and(|end| offset.offset > end.max(lost)) {
            return broken(
                "offset-beyond-end",
                format!("{place:?} is at {}, the partition ends at {end:?}", offset.offset),
            );
        }
    }
    Ok(())
}
