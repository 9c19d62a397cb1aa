//! The recovery point, turn by turn: what the broker says is at risk grows with the clock until more is stored, and nothing counts as
//! stored that is in no manifest.

use evenkeel_core::units::{Instant, Lsn};

use crate::{
    violation::{Verdict, broken},
    world::World,
};

/// What a process said about a loss of its disk.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Risk {
    incarnation: u64,
    /// When it said that, in microseconds.
    at: u64,
    /// Everything below is in the store.
    stored: Option<Lsn>,
    /// Age of the oldest change that is not, in microseconds.
    micros: u64,
}

impl World {
    /// After each turn.
    pub(super) fn watch_risk(&mut self) -> Verdict {
        if !self.shape.stored {
            return Ok(());
        }
        let Some(broker) = self.node.broker() else { return Ok(()) };
        let Some(at_risk) = broker.recovery_point(Instant(self.now)) else { return Ok(()) };
        let said = Risk {
            incarnation: self.node.incarnation,
            at: self.now,
            stored: broker.stored(),
            micros: u64::try_from(at_risk.as_micros()).unwrap_or(u64::MAX),
        };
        let before = self.risk.replace(said).filter(|before| before.incarnation == said.incarnation);
        if before.is_none_or(|before| before.stored != said.stored) {
            let cut = self.disk.store().newest_manifest().map(|manifest| manifest.cut);
            check_stored(said.stored, cut)?;
        }
        before.map_or(Ok(()), |before| check_risk(before, said))
    }
}

fn check_stored(said: Option<Lsn>, cut: Option<Lsn>) -> Verdict {
    if said <= cut {
        return Ok(());
    }
    broken(
        "recovery-point-untrue",
        format!("all up to {said:?} is said to be stored, and the newest manifest is of {cut:?}"),
    )
}

fn check_risk(before: Risk, now: Risk) -> Verdict {
    let least = if before.micros == 0 { 0 } else { before.micros + (now.at - before.at) };
    if before.stored != now.stored || now.micros >= least {
        return Ok(());
    }
    broken(
        "recovery-point-untrue",
        format!(
            "{} us were at risk {} us ago, now it is said to be {} us, and no more is stored than then",
            before.micros,
            now.at - before.at,
            now.micros
        ),
    )
}

#[cfg(test)]
mod tests {
    use super::*;

    fn risk(at: u64, stored: u64, micros: u64) -> Risk {
        Risk { incarnation: 1, at, stored: Some(Lsn(stored)), micros }
    }

    fn name(verdict: Verdict) -> Option<&'static str> {
        verdict.err().map(|violation| violation.name)
    }

    #[test]
    fn what_is_at_risk_grows_older_until_more_is_stored() {
        assert_eq!(name(check_risk(risk(100, 5, 40), risk(150, 5, 90))), None);
        assert_eq!(name(check_risk(risk(100, 5, 40), risk(150, 9, 10))), None, "a cut");
        assert_eq!(name(check_risk(risk(100, 5, 0), risk(150, 5, 10))), None, "there was nothing");
        assert_eq!(name(check_risk(risk(100, 5, 40), risk(150, 5, 50))), Some("recovery-point-untrue"));
        assert_eq!(name(check_risk(risk(100, 5, 40), risk(150, 5, 0))), Some("recovery-point-untrue"));
    }

    #[test]
    fn nothing_is_stored_that_no_manifest_has() {
        assert_eq!(name(check_stored(None, None)), None);
        assert_eq!(name(check_stored(Some(Lsn(5)), Some(Lsn(5)))), None);
        assert_eq!(name(check_stored(Some(Lsn(5)), Some(Lsn(7)))), None, "not heard of yet");
        assert_eq!(name(check_stored(Some(Lsn(5)), Some(Lsn(4)))), Some("recovery-point-untrue"));
        assert_eq!(name(check_stored(Some(Lsn(0)), None)), Some("recovery-point-untrue"));
    }
}
