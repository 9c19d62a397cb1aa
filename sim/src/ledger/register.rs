//! A register that several write to at once: what whoever reads it may be told.
//!
//! Each write has the moment at which it was sent, the one by which it has surely taken effect, and the one by which it is surely
//! overwritten; whoever asks after that must not be told of it. A write of which nobody knows what became of it may take effect at
//! any time. Moments are places in the order of questions and answers.

use std::collections::BTreeMap;

#[derive(Clone, Copy, Debug)]
struct Write {
    sent: u64,
    done: Option<u64>,
    over: Option<u64>,
}

/// Values `V`, written by writes that are numbered by `K`.
#[derive(Clone, Debug)]
pub(super) struct Register<K, V> {
    writes: BTreeMap<K, (V, Write)>,
}

impl<K: Ord + Copy, V: PartialEq> Register<K, V> {
    /// One that holds this, written before anybody asks.
    pub(super) fn with(number: K, value: V) -> Register<K, V> {
        let before = Write { sent: 0, done: Some(0), over: None };
        Register { writes: [(number, (value, before))].into() }
    }

    /// What whoever asked at `since` may be told.
    pub(super) fn values(&self, since: u64) -> impl Iterator<Item = &V> {
        let current = move |write: &Write| write.over.is_none_or(|over| over >= since);
        self.writes.values().filter(move |(_, write)| current(write)).map(|(value, _)| value)
    }

    /// Whether somebody who asked at `since` may be told that.
    pub(super) fn may_be(&self, told: &V, since: u64) -> bool {
        self.values(since).any(|value| value == told)
    }

    /// A write leaves its client.
    pub(super) fn sent(&mut self, number: K, value: V, now: u64) {
        self.writes.insert(number, (value, Write { sent: now, done: None, over: None }));
    }

    /// A write is refused: it never happens.
    pub(super) fn refused(&mut self, number: K) {
        self.writes.remove(&number);
    }

    /// What had taken effect before `before` and is not to stay, is overwritten by `now`.
    fn pass(&mut self, stays: impl Fn(&K, &V) -> bool, before: u64, now: u64) {
        for (number, (value, write)) in &mut self.writes {
            if !stays(number, value) && write.done.is_some_and(|done| done < before) {
                write.over.get_or_insert(now);
            }
        }
    }

    /// A write is acknowledged.
    pub(super) fn done(&mut self, number: K, now: u64) {
        let Some((_, write)) = self.writes.get_mut(&number) else { return };
        write.done.get_or_insert(now);
        let sent = write.sent;
        self.pass(|other, _| *other == number, sent, now);
    }

    /// Somebody who asked at `since` is told that.
    pub(super) fn told(&mut self, told: &V, since: u64, now: u64) {
        let candidates: Vec<K> = self
            .writes
            .iter()
            .filter(|(_, (value, write))| value == told && write.over.is_none_or(|over| over >= since))
            .map(|(number, _)| *number)
            .collect();
        if let [one] = candidates[..]
            && let Some((_, write)) = self.writes.get_mut(&one)
        {
            write.done.get_or_insert(now);
        }
        self.pass(|_, value| value == told, since, now);
    }

    /// Forgets what nobody can be told any more who asked at `since` or later.
    pub(super) fn prune(&mut self, since: u64) {
        self.writes.retain(|_, (_, write)| write.over.is_none_or(|over| over >= since));
    }
}
