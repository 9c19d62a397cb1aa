//! A broker without clients: once all has come to rest, nothing more is written and nothing asked.

use crate::{
    probe::Probe,
    violation::{Verdict, broken},
    world::{LIVENESS_MICROS, World},
};

impl World {
    /// Sessions end, records grow old, objects that nothing refers to go. Then three times the longest interval passes.
    pub(super) fn check_idle(&mut self, mut calm: Probe) -> Verdict {
        self.exhibit("leaves the broker alone, and looks at what it goes on doing:");
        self.mark("left alone");
        calm.hang_up(self.conns.keys().copied());
        let retention = u64::try_from(self.shape.config.retention_check_interval.as_micros()).unwrap_or(0);
        let (garbage, flush) = (self.shape.garbage_micros, self.shape.flush_micros);
        calm.wait(LIVENESS_MICROS + self.shape.retention_millis * 1000 + 4 * (garbage + flush + retention));
        let before = (calm.requests(), calm.broker().durable());
        calm.wait(3 * garbage.max(flush).max(retention));
        if let Some(ended) = calm.ended() {
            return broken("false-halt", format!("left alone, it ended: {}", ended.words()));
        }
        check_rest(before, (calm.requests(), calm.broker().durable()))?;
        check_counted(calm.broker().unstored())
    }
}

/// What is not stored is told to operators and makes cuts due: when all is stored, it is nothing.
fn check_counted(unstored: Option<(u64, bool)>) -> Verdict {
    match unstored {
        None | Some((0, false)) => Ok(()),
        Some((bytes, overdue)) => broken(
            "unstored-miscounted",
            format!("all is stored, and {bytes} bytes count as not stored; writes are refused: {overdue}"),
        ),
    }
}

type Done = ((u64, u64), Option<evenkeel_core::units::Lsn>);

fn check_rest(before: Done, after: Done) -> Verdict {
    if before == after {
        return Ok(());
    }
    let ((disk, store), durable) = before;
    let ((disk_then, store_then), durable_then) = after;
    broken(
        "restless",
        format!(
            "nobody asks anything, and the disk was asked {} times, the object store {} times; durable up to {durable:?}, then {durable_then:?}",
            disk_then - disk,
            store_then - store
        ),
    )
}

#[cfg(test)]
mod tests {
    use evenkeel_core::units::Lsn;

    use super::*;

    #[test]
    fn nothing_counts_as_unstored_when_all_is_stored() {
        assert_eq!(check_counted(None), Ok(()), "without an object store");
        assert_eq!(check_counted(Some((0, false))), Ok(()));
        for wrong in [(1, false), (0, true)] {
            let name = check_counted(Some(wrong)).err().map(|violation| violation.name);
            assert_eq!(name, Some("unstored-miscounted"), "{wrong:?}");
        }
    }

    #[test]
    fn rest_is_when_nothing_is_asked_and_nothing_logged() {
        let before = ((7, 3), Some(Lsn(9)));
        assert_eq!(check_rest(before, before), Ok(()));
        for after in [((8, 3), Some(Lsn(9))), ((7, 4), Some(Lsn(9))), ((7, 3), Some(Lsn(10)))] {
            assert_eq!(check_rest(before, after).err().map(|violation| violation.name), Some("restless"));
        }
    }
}
