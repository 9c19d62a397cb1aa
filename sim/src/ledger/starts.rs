//! Where a partition may begin. Its log start only ever moves up, to where somebody asked for; of a deletion that was not answered
//! nobody knows whether it happened, and when.

use std::collections::{BTreeMap, BTreeSet};

/// Up to where records are to be deleted.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Upto {
    /// In front of this offset.
    Offset(i64),
    /// All that there are; at the least, those in front of what was known to be the end.
    End(i64),
}

impl Upto {
    /// The first offset that it may lead to.
    pub(super) fn least(self) -> i64 {
        match self {
            Upto::Offset(least) | Upto::End(least) => least,
        }
    }

    /// Whether that is where it leads.
    fn may_be(self, start: i64) -> bool {
        match self {
            Upto::Offset(offset) => offset == start,
            Upto::End(known) => start >= known,
        }
    }
}

/// The log start of a partition.
#[derive(Clone, Debug, Default)]
pub struct StartBook {
    /// Largest that anybody was told.
    told: i64,
    /// Deletions that may have happened or may yet, by number.
    under_way: BTreeMap<u64, Upto>,
    /// All that were ever told.
    ever: BTreeSet<i64>,
    /// All deletions that were ever tried.
    tried: Vec<Upto>,
    /// What was told last may be lost.
    excused: bool,
}

impl StartBook {
    /// Largest that anybody was told.
    #[must_use]
    pub fn told(&self) -> i64 {
        if self.excused { 0 } else { self.told }
    }

    /// Largest that it may be.
    #[must_use]
    pub fn most(&self) -> i64 {
        let most = |upto: &Upto| match *upto {
            Upto::Offset(offset) => offset,
            Upto::End(_) => i64::MAX,
        };
        self.under_way.values().map(most).max().unwrap_or(0).max(self.told)
    }

    fn leads_to(&self, start: i64) -> bool {
        self.under_way.values().any(|upto| upto.may_be(start))
    }

    fn was_told(&self, start: i64) -> bool {
        start == 0 || self.ever.contains(&start)
    }

    /// Whether it may be that.
    #[must_use]
    pub fn may_be(&self, start: i64) -> bool {
        let further = start > self.told() && self.leads_to(start);
        let before = self.was_told(start) || self.tried.iter().any(|upto| upto.may_be(start));
        start == self.told || further || (self.excused && before)
    }

    /// Whether somebody who asked when `known` was the largest that was told may be told that.
    #[must_use]
    pub fn may_be_told(&self, start: i64, known: i64) -> bool {
        start >= known && (self.was_told(start) || self.leads_to(start))
    }

    /// The largest start up to there that it may have had because somebody asked for it, or that somebody was told.
    pub(super) fn last_known(&self, upto: i64) -> i64 {
        let told = self.ever.range(..=upto).next_back().copied().unwrap_or(0);
        let asked = self.tried.iter().filter(|asked| asked.least() <= upto).map(|asked| match *asked {
            Upto::Offset(offset) => offset,
            // All that there was then, which may be all up to there.
            Upto::End(_) => upto,
        });
        asked.fold(told, i64::max)
    }

    /// Whether a client ever wanted records to be deleted up to there.
    pub(super) fn is_asked(&self, start: i64) -> bool {
        self.tried.iter().any(|upto| upto.may_be(start))
    }

    /// A deletion leaves its client.
    pub fn ask(&mut self, number: u64, upto: Upto) {
        self.under_way.insert(number, upto);
        self.tried.push(upto);
    }

    /// A deletion is answered: it is not under way any more.
    pub fn answered(&mut self, number: u64) {
        self.under_way.remove(&number);
    }

    /// Somebody is told where it begins.
    pub fn tell(&mut self, start: i64) {
        self.ever.insert(start);
        self.told = self.told.max(start);
    }

    /// After a start: that is where it begins, and nothing is under way any more.
    pub fn settle(&mut self, found: i64) {
        self.tell(found);
        self.under_way.clear();
    }

    /// What was told last may be lost.
    pub fn excuse(&mut self) {
        self.excused = true;
    }
}
