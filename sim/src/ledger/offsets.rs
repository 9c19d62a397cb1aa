//! What committed offsets may be. A place (group, topic, partition) is a register: commits write to it, deletions write
//! nothing into it, and both may be under way at once. Each write has the moment at which it was sent, the one by which it
//! has surely taken effect, and the one by which it is surely overwritten; whoever asks after that must not be told of it.
//!
//! Topics are known by their names here, as in Kafka's protocol: what was committed for a topic that is gone must not come
//! back under another one of its name.

use std::collections::{BTreeMap, BTreeSet};

use crate::ledger::PartitionKey;

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

/// When it was written. All in the order of questions and answers.
#[derive(Clone, Copy, Debug)]
struct Write {
    sent: u64,
    done: Option<u64>,
    over: Option<u64>,
}

/// What may be committed at one place.
#[derive(Clone, Debug)]
struct Register {
    writes: BTreeMap<Written, Write>,
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

impl Register {
    fn new() -> Register {
        let before = Write { sent: 0, done: Some(0), over: None };
        Register { writes: [(Written::Nothing(0), before)].into() }
    }

    fn is_of(written: Written, told: Option<CommitNumber>) -> bool {
        match (written, told) {
            (Written::Nothing(_), None) => true,
            (Written::Commit(number), Some(told)) => number == told,
            (Written::Nothing(_), Some(_)) | (Written::Commit(_), None) => false,
        }
    }

    /// Whether somebody who asked at `since` may be told that.
    fn may_be(&self, told: Option<CommitNumber>, since: u64) -> Result<(), Untrue> {
        let mut all = self.writes.iter().filter(|(written, _)| Register::is_of(**written, told));
        let why = if told.is_some() { Untrue::Over } else { Untrue::Lost };
        all.any(|(_, write)| write.over.is_none_or(|over| over >= since)).then_some(()).ok_or(why)
    }

    /// What had taken effect before `before` and is not that, is overwritten by `now`.
    fn pass(&mut self, stays: impl Fn(Written) -> bool, before: u64, now: u64) {
        for (written, write) in &mut self.writes {
            if !stays(*written) && write.done.is_some_and(|done| done < before) {
                write.over.get_or_insert(now);
            }
        }
    }

    fn done(&mut self, written: Written, now: u64) {
        let Some(write) = self.writes.get_mut(&written) else { return };
        write.done.get_or_insert(now);
        let sent = write.sent;
        self.pass(|other| other == written, sent, now);
    }

    fn told(&mut self, told: Option<CommitNumber>, since: u64, now: u64) {
        let candidates: Vec<Written> = self
            .writes
            .iter()
            .filter(|(written, write)| {
                Register::is_of(**written, told) && write.over.is_none_or(|over| over >= since)
            })
            .map(|(written, _)| *written)
            .collect();
        if let [one] = candidates[..]
            && let Some(write) = self.writes.get_mut(&one)
        {
            write.done.get_or_insert(now);
        }
        self.pass(|written| Register::is_of(written, told), since, now);
    }
}

/// Everything that was committed, and everything that may be.
#[derive(Clone, Debug, Default)]
pub struct OffsetBook {
    commits: BTreeMap<CommitNumber, Commit>,
    refused: BTreeSet<CommitNumber>,
    registers: BTreeMap<OffsetPlace, Register>,
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
            let mut register = Register::new();
            let under_way = self.erasures.iter().filter(|(_, (erasure, _))| erasure.covers(&commit.place));
            register.writes.extend(under_way.map(|(id, (_, sent))| {
                (Written::Nothing(*id), Write { sent: *sent, done: None, over: None })
            }));
            register
        });
        register.writes.insert(Written::Commit(number), Write { sent: now, done: None, over: None });
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
            register.writes.remove(&Written::Commit(number));
        }
    }

    fn of(&mut self, number: CommitNumber) -> Option<&mut Register> {
        self.registers.get_mut(&self.commits.get(&number)?.place)
    }

    /// A deletion leaves its client: its number.
    pub fn erase(&mut self, erasure: Erasure, now: u64) -> u64 {
        self.erasures_begun += 1;
        let id = self.erasures_begun;
        for (_, register) in self.registers.iter_mut().filter(|(place, _)| erasure.covers(place)) {
            register.writes.insert(Written::Nothing(id), Write { sent: now, done: None, over: None });
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
            register.writes.remove(&Written::Nothing(id));
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
            (Some(register), told) => register.may_be(told, since),
            (None, None) => Ok(()),
            (None, Some(_)) => Err(Untrue::Over),
        }
    }

    /// Somebody who asked at `since` is told that.
    pub fn told(&mut self, place: &OffsetPlace, told: Option<CommitNumber>, since: u64, now: u64) {
        if let Some(register) = self.registers.get_mut(place) {
            register.told(told, since, now);
        }
    }

    /// After a start: that is what is there, and nothing is under way any more.
    pub fn settle(&mut self, found: impl Fn(&OffsetPlace) -> Option<CommitNumber>) {
        self.erasures.clear();
        for (place, register) in &mut self.registers {
            *register = Register::new();
            if let Some(number) = found(place) {
                let there = Write { sent: 0, done: Some(0), over: None };
                register.writes = [(Written::Commit(number), there)].into();
            }
        }
    }

    /// Forgets what nobody can be told any more who asked at `since` or later.
    pub fn prune(&mut self, since: u64) {
        for register in self.registers.values_mut() {
            register.writes.retain(|_, write| write.over.is_none_or(|over| over >= since));
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
