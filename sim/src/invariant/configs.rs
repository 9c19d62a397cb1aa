//! M3: a config is what the newest acknowledged change made of it, a deletion too, or one that was tried since.

use crate::{
    ledger::{CHANGED, Ledger},
    reading::Reading,
    violation::Verdict,
};

pub(super) fn check(ledger: &Ledger, found: &Reading) -> Verdict {
    for id in found.topics.keys() {
        for name in CHANGED {
            ledger.may_be_config(*id, name, found.config(*id, name), ledger.order_now())?;
        }
    }
    Ok(())
}
