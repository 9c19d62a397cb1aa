//! What committed offsets may be. A place (group, topic, partition) is a [`Register`]: commits write to it, deletions write
//! nothing into it, and both may be under way at once.
//!
//! Topics are known by their names here, as in Kafka's protocol: what was committed for a topic that is gone must not come
//! back under another one of its name.

use std::collections::{BTreeMap, BTreeSet};

use crate::ledger::{PartitionKey, register::Register};

/// Number of one committed offset; the metadata beside it names it.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct CommitNumber(pub u64);

/// Where an offset is committed.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct OffsetPlace {
    /// Whose offset.
    pub group: String,
    /// Name of the topic.
    pub topic: String,
    /// Index of the partition.
    pub index: i32,
}

/// An offset that a client wants to be committed.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Commit {
    /// Where.
    pub place: OffsetPlace,
    /// The partition that the client means.
    pub key: PartitionKey,
    /// The offset.
    pub offset: i64,
}

/// What is deleted.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Erasure {
    /// Everything of a group.
    Group(String),
    /// Everything of a topic.
    Topic(String),
    /// These.
    Places(Vec<OffsetPlace>),
}

impl Erasure {
    fn covers(&self, place: &OffsetPlace) -> bool {
        match self {
            Erasure::Group(group) => place.group == *group,
            Erasure::Topic(topic) => place.topic == *topic,
            Erasure::Places(places) => places.contains(place),
        }
    }
}

/// What was written: an offset, or nothing, by the deletion of that number. Deletion 0 is what was there before any commit.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
enum Written {
    Nothing(u64),
    Commit(CommitNumber),
}

/// Why something must not be told.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Untrue {
    /// Nobody committed that there, or it was refused.
    Phantom,
    /// It was overwritten or deleted before.
    Over,
    /// Nothing, and something must be there.
    Lost,
}

type Place = Register<Written, Option<CommitNumber>>;

fn empty() -> Place {
    Register::with(Written::Nothing(0), None)
}

/// Everything that was committed, and everything that may be.
#[derive(Clone, Debug, Default)]
pub struct OffsetBook {
    commits: BTreeMap<CommitNumber, Commit>,
    refused: BTreeSet<CommitNumber>,
    registers: BTreeMap<OffsetPlace, Place>,
    /// Deletions under way.
    erasures: BTreeMap<u64, (Erasure, u64)>,
    erasures_begun: u64,
    excused: Excused,
}

/// Of whom nothing is promised but that nothing is made up.
#[derive(Clone, Debug, Default)]
struct Excused {
    groups: BTreeSet<String>,
    all: bool,
}

impl OffsetBook {
    /// A commit leaves its client.
    pub fn open(&mut self, number: CommitNumber, commit: &Commit, now: u64) {
        let register = self.registers.entry(commit.place.clone()).or_insert_with(|| {
            let mut register = empty();
            for (id, (erasure, sent)) in &self.erasures {
                if erasure.covers(&commit.place) {
                    register.sent(Written::Nothing(*id), None, *sent);
                }
            }
            register
        });
        register.sent(Written::Commit(number), Some(number), now);
        self.commits.insert(number, commit.clone());
    }

    /// A commit is acknowledged.
    pub fn acked(&mut self, number: CommitNumber, now: u64) {
        if let Some(register) = self.of(number) {
            register.done(Written::Commit(number), now);
        }
    }

    /// A commit is refused: it never happens.
    pub fn refused(&mut self, number: CommitNumber) {
        self.refused.insert(number);
        if let Some(register) = self.of(number) {
            register.refused(Written::Commit(number));
        }
    }

    fn of(&mut self, number: CommitNumber) -> Option<&mut Place> {
        self.registers.get_mut(&self.commits.get(&number)?.place)
    }

    /// A deletion leaves its client: its number.
    pub fn erase(&mut self, erasure: Erasure, now: u64) -> u64 {
        self.erasures_begun += 1;
        let id = self.erasures_begun;
        for (_, register) in self.registers.iter_mut().filter(|(place, _)| erasure.covers(place)) {
            register.sent(Written::Nothing(id), None, now);
        }
        self.erasures.insert(id, (erasure, now));
        id
    }

    /// A deletion is acknowledged.
    pub fn erased(&mut self, id: u64, now: u64) {
        self.erasures.remove(&id);
        for register in self.registers.values_mut() {
            register.done(Written::Nothing(id), now);
        }
    }

    /// A deletion is refused, for that place or for all.
    pub fn not_erased(&mut self, id: u64, only: Option<&OffsetPlace>) {
        if only.is_none() {
            self.erasures.remove(&id);
        }
        for (_, register) in
            self.registers.iter_mut().filter(|(place, _)| only.is_none_or(|only| only == *place))
        {
            register.refused(Written::Nothing(id));
        }
    }

    /// A commit by its number.
    #[must_use]
    pub fn commit(&self, number: CommitNumber) -> Option<&Commit> {
        self.commits.get(&number)
    }

    /// All places at which anything was ever committed.
    pub fn places(&self) -> impl Iterator<Item = &OffsetPlace> {
        self.registers.keys()
    }

    /// Whether somebody who asked at `since` may be told that.
    ///
    /// # Errors
    /// Why not.
    pub fn may_be(&self, place: &OffsetPlace, told: Option<CommitNumber>, since: u64) -> Result<(), Untrue> {
        let sent = |number: CommitNumber| {
            !self.refused.contains(&number)
                && self.commit(number).is_some_and(|commit| commit.place == *place)
        };
        match (self.registers.get(place), told) {
            (_, Some(number)) if !sent(number) => Err(Untrue::Phantom),
            _ if self.excused.all || self.excused.groups.contains(&place.group) => Ok(()),
            (Some(register), told) if register.may_be(&told, since) => Ok(()),
            (Some(_), None) => Err(Untrue::Lost),
            (None, None) => Ok(()),
            (Some(_) | None, Some(_)) => Err(Untrue::Over),
        }
    }

    /// Somebody who asked at `since` is told that.
    pub fn told(&mut self, place: &OffsetPlace, told: Option<CommitNumber>, since: u64, now: u64) {
        if let Some(register) = self.registers.get_mut(place) {
            register.told(&told, since, now);
        }
    }

    /// After a start: that is what is there, and nothing is under way any more.
    pub fn settle(&mut self, found: impl Fn(&OffsetPlace) -> Option<CommitNumber>) {
        self.erasures.clear();
        for (place, register) in &mut self.registers {
            *register = match found(place) {
                Some(number) => Register::with(Written::Commit(number), Some(number)),
                None => empty(),
            };
        }
    }

    /// What may be committed if all is as it was then. Commits keep their numbers.
    pub(super) fn as_of(&self, then: &OffsetBook) -> OffsetBook {
        let mut registers = then.registers.clone();
        for place in self.registers.keys() {
            registers.entry(place.clone()).or_insert_with(empty);
        }
        OffsetBook {
            registers,
            erasures: then.erasures.clone(),
            excused: then.excused.clone(),
            ..self.clone()
        }
    }

    /// Forgets what nobody can be told any more who asked at `since` or later.
    pub fn prune(&mut self, since: u64) {
        for register in self.registers.values_mut() {
            register.prune(since);
        }
    }

    /// What was last committed for that group may be lost.
    pub fn excuse(&mut self, group: &str) {
        self.excused.groups.insert(group.to_string());
    }

    /// What was last committed by anyone may be lost.
    pub fn excuse_all(&mut self) {
        self.excused.all = true;
    }
}
