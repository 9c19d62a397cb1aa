//! C1: what is committed is the newest acknowledged commit or one that was tried since; what was deleted, with its group, its topic
//! or alone, does not come back.

use crate::{ledger::Ledger, reading::Reading, violation::Verdict};

pub(super) fn check(ledger: &Ledger, found: &Reading) -> Verdict {
    for (place, offset) in &found.offsets {
        ledger.may_be_committed(place, Some(offset), ledger.order_now())?;
    }
    for place in ledger.offsets.places().filter(|place| !found.offsets.contains_key(*place)) {
        ledger.may_be_committed(place, None, ledger.order_now())?;
    }
    Ok(())
}
