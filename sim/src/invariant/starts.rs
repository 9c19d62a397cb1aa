//! D4: a partition begins where records were deleted up to, never before what anybody was told, and nothing in front of that is served
//! again.

use crate::{
    ledger::Ledger,
    reading::Reading,
    violation::{Verdict, broken},
};

pub(super) fn check(ledger: &Ledger, found: &Reading) -> Verdict {
    for (key, partition) in &found.partitions {
        let Some(book) = ledger.partitions.get(key) else { continue };
        let start = partition.log_start;
        if start < book.start.told() {
            return broken(
                "log-start-went-back",
                format!("{key:?} begins at {start}, {} was told before", book.start.told()),
            );
        }
        if !book.start.may_be(start) && !ledger.may_have_let_go(*key, start) {
            return ledger.phantom_start(*key, start);
        }
        ledger.check_kept(*key, partition)?;
        if partition.serves_deleted {
            return broken(
                "resurrected-record",
                format!("{key:?} begins at {start}, and a record in front of it is served"),
            );
        }
    }
    Ok(())
}
