//! What members of groups were told: generations, who assigns in them, what each of them has, who is out.
//!
//! A group is *settled* once every member of its newest generation was told what it has, and nobody has asked since to come, to
//! go, or to delete it. As long as each member of a settled group is heard of within its session timeout, nothing may change.

use core::fmt;
use std::collections::{BTreeMap, BTreeSet};

use crate::{
    assignment::{Assignment, place_of},
    ledger::{Asked, Commit, CommitNumber, Erasure, Ledger, OffsetPlace, PartitionKey},
};

/// A question of or about a group.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum GroupAsked {
    /// To take part; the newest generation that was known then.
    Join {
        /// Which group.
        group: String,
        /// Under which id; empty for a new one.
        member: String,
        /// A member that keeps its place.
        instance: Option<String>,
        /// Not heard of for so long, it is gone; microseconds.
        session_micros: u64,
        /// Told to anybody before.
        newest: i32,
    },
    /// For its part of the assignment.
    Sync(Spoken),
    /// Whether all is as it was.
    Heartbeat(Spoken),
    /// To be let go.
    Leave(Spoken),
    /// To commit offsets.
    Commit(Spoken, Vec<(CommitNumber, Commit)>),
    /// What is committed.
    Offsets(Vec<OffsetPlace>),
    /// Who is in it.
    Describe(String),
    /// Which groups there are.
    List,
    /// To delete the group.
    Delete(String),
    /// To delete offsets.
    Forget(Vec<OffsetPlace>),
}

/// Who speaks, in which generation: -1 for one that is in no group.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Spoken {
    /// Which group.
    pub group: String,
    /// Under which id.
    pub member: String,
    /// In which generation.
    pub generation: i32,
}

impl fmt::Display for GroupAsked {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            GroupAsked::Join { group, member, .. } if member.is_empty() => {
                write!(f, "to join {group} for the first time")
            }
            GroupAsked::Join { group, member, .. } => write!(f, "to join {group} as {member}"),
            GroupAsked::Sync(spoken) => write!(f, "for the assignment of {spoken}"),
            GroupAsked::Heartbeat(spoken) => write!(f, "heartbeat of {spoken}"),
            GroupAsked::Leave(spoken) => write!(f, "to leave: {spoken}"),
            GroupAsked::Commit(spoken, commits) => {
                write!(f, "to commit for {spoken}:")?;
                for (number, Commit { place, offset, .. }) in commits {
                    write!(f, " {}-{} {offset} (commit {})", place.topic, place.index, number.0)?;
                }
                Ok(())
            }
            GroupAsked::Offsets(places) => write!(f, "what is committed at {} places?", places.len()),
            GroupAsked::Describe(group) => write!(f, "who is in {group}?"),
            GroupAsked::List => f.write_str("which groups are there?"),
            GroupAsked::Delete(group) => write!(f, "delete {group}"),
            GroupAsked::Forget(places) => write!(f, "forget what is committed at {} places", places.len()),
        }
    }
}

impl fmt::Display for Spoken {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Spoken { group, member, generation } = self;
        write!(f, "{member:?} in generation {generation} of {group}")
    }
}

impl GroupAsked {
    /// Whether the answer may change who is in the group, and which group that is.
    #[must_use]
    pub fn disturbs(&self) -> Option<&str> {
        match self {
            GroupAsked::Join { group, .. } | GroupAsked::Delete(group) => Some(group),
            GroupAsked::Leave(spoken) => Some(&spoken.group),
            GroupAsked::Sync(_)
            | GroupAsked::Heartbeat(_)
            | GroupAsked::Commit(..)
            | GroupAsked::Offsets(_)
            | GroupAsked::Describe(_)
            | GroupAsked::List
            | GroupAsked::Forget(_) => None,
        }
    }

    /// Whether it may make the group be there.
    pub(super) fn makes(&self) -> Option<&str> {
        match self {
            GroupAsked::Join { group, .. } => Some(group),
            GroupAsked::Commit(spoken, _) => Some(&spoken.group),
            GroupAsked::Sync(_)
            | GroupAsked::Heartbeat(_)
            | GroupAsked::Leave(_)
            | GroupAsked::Offsets(_)
            | GroupAsked::Describe(_)
            | GroupAsked::List
            | GroupAsked::Delete(_)
            | GroupAsked::Forget(_) => None,
        }
    }

    fn spoken(&self) -> Option<(&str, &str, i32)> {
        match self {
            GroupAsked::Sync(spoken)
            | GroupAsked::Heartbeat(spoken)
            | GroupAsked::Leave(spoken)
            | GroupAsked::Commit(spoken, _) => Some((&spoken.group, &spoken.member, spoken.generation)),
            GroupAsked::Join { group, member, .. } => Some((group, member, i32::MAX)),
            GroupAsked::Offsets(_)
            | GroupAsked::Describe(_)
            | GroupAsked::List
            | GroupAsked::Delete(_)
            | GroupAsked::Forget(_) => None,
        }
    }
}

/// What is known of one generation.
#[derive(Clone, Debug, Default)]
pub struct GenerationBook {
    /// Place of the one that assigns.
    pub leader: String,
    /// Places of all members, as the leader was told.
    pub places: Option<BTreeSet<String>>,
    /// What each was told to have.
    pub told: BTreeMap<String, Assignment>,
}

impl GenerationBook {
    /// Whether it has another leader, or other members as far as they are told: only a leader hears of them.
    #[must_use]
    pub fn is_another(&self, leader: &str, places: &BTreeSet<String>) -> bool {
        let others = |known: &BTreeSet<String>| !places.is_empty() && known != places;
        self.leader != leader || self.places.as_ref().is_some_and(others)
    }

    /// Whether all members know what they have.
    #[must_use]
    pub fn is_complete(&self) -> bool {
        let told = |places: &BTreeSet<String>| places.iter().all(|place| self.told.contains_key(place));
        self.places.as_ref().is_some_and(told)
    }

    /// Who has that partition.
    #[must_use]
    pub fn owner(&self, key: PartitionKey) -> Option<&str> {
        self.told.iter().find(|(_, told)| told.partitions.contains(&key)).map(|(place, _)| place.as_str())
    }
}

/// What is known of a member by its place.
#[derive(Clone, Copy, Debug)]
struct MemberBook {
    session_micros: u64,
    /// When the latest question was sent of which it is known that it was heard.
    heard: u64,
}

/// What is known of a group.
#[derive(Clone, Debug, Default)]
pub struct GroupBook {
    /// Newest generation that anybody was told.
    pub newest: i32,
    /// All of them.
    pub generations: BTreeMap<i32, GenerationBook>,
    /// Ids of members that are out: they left, or their instance came back under another id.
    pub out: BTreeSet<String>,
    /// Whether it is settled.
    pub settled: bool,
    /// Deletions that may have happened.
    pub deletions: u32,
    /// Somebody was told that it is gone, and nobody has asked for it since.
    pub deleted: bool,
    /// Something that was acknowledged stands in it.
    pub exists: bool,
    /// The id that each static member has.
    pub(super) ids: BTreeMap<String, String>,
    members: BTreeMap<String, MemberBook>,
    /// The latest moment at which somebody asked for it, or was answered.
    made_at: u64,
    /// What was asked before that may still come to the broker.
    uneasy_until: u64,
    /// The place of each client that means to stay.
    present: BTreeMap<u64, String>,
}

impl GroupBook {
    /// This book, opened again when `now` is what clients know: nothing is settled before all of them have noticed.
    pub(super) fn gone_on(&self, now: &GroupBook, uneasy_until: u64) -> GroupBook {
        GroupBook {
            settled: false,
            members: now.members.clone(),
            made_at: now.made_at,
            uneasy_until: now.uneasy_until.max(uneasy_until),
            present: now.present.clone(),
            ..self.clone()
        }
    }

    /// It is another one: the one before was deleted.
    pub(super) fn begin_anew(&mut self) {
        self.newest = 0;
        self.generations.clear();
        self.settled = false;
        self.exists = false;
    }

    /// Whether it may have been made again after a deletion that was sent then.
    pub(super) fn asked_for_since(&self, order: u64) -> bool {
        self.made_at > order
    }

    pub(super) fn heard(&mut self, member: &str, session_micros: Option<u64>, at: u64) {
        let place = place_of(member);
        if let Some(known) = self.members.get_mut(place) {
            known.heard = known.heard.max(at);
            known.session_micros = session_micros.unwrap_or(known.session_micros);
        } else if let Some(session_micros) = session_micros {
            self.members.insert(place.to_string(), MemberBook { session_micros, heard: at });
        }
    }

    /// The newest generation, if nothing may have changed in it up to that time.
    #[must_use]
    pub fn undisturbed(&self, at: u64) -> Option<&GenerationBook> {
        let generation = self.generations.get(&self.newest).filter(|_| self.settled)?;
        let alive = |place: &String| {
            self.members.get(place).is_some_and(|member| member.heard + member.session_micros > at)
        };
        generation.places.as_ref()?.iter().all(alive).then_some(generation)
    }

    /// Whether the newest generation has no other members than clients that mean to stay, and each knows what it has.
    #[must_use]
    pub fn is_complete(&self) -> bool {
        let Some(generation) = self.generations.get(&self.newest) else { return false };
        let stays = |place: &String| self.present.values().any(|present| present == place);
        generation.is_complete() && generation.places.as_ref().is_some_and(|all| all.iter().all(stays))
    }

    /// Who has which partition in the newest generation.
    #[must_use]
    pub fn owner(&self, key: PartitionKey) -> Option<&str> {
        self.generations.get(&self.newest)?.owner(key)
    }
}

impl Ledger {
    /// What is known of a group.
    #[must_use]
    pub fn group(&self, group: &str) -> Option<&GroupBook> {
        self.groups.get(group)
    }

    pub(super) fn group_mut(&mut self, group: &str) -> &mut GroupBook {
        self.groups.entry(group.to_string()).or_default()
    }

    /// A client says under which id it means to be in its group, or that it is not.
    pub fn present(&mut self, group: &str, client: u64, member: Option<&str>) {
        let book = self.group_mut(group);
        match member {
            Some(member) => book.present.insert(client, place_of(member).to_string()),
            None => book.present.remove(&client),
        };
    }

    /// Whether every partition that clients may use has an owner in the newest generation of that group.
    #[must_use]
    pub fn all_owned(&self, group: &str) -> bool {
        let Some(book) = self.group(group) else { return false };
        self.usable().all(|(key, _)| book.owner(key).is_some())
    }

    /// Whether whoever asks that was told before that it is out, or that its generation is over.
    pub(super) fn is_stale(&self, asked: &GroupAsked) -> bool {
        let Some((group, member, generation)) = asked.spoken() else { return false };
        let book = self.group(group);
        book.is_some_and(|book| {
            let over = generation >= 0 && generation < book.newest && book.deletions == 0;
            over || book.out.contains(member)
        })
    }

    /// A question about groups was sent: the number of the deletion, if it is one.
    pub(super) fn sent_of_group(&mut self, asked: &GroupAsked) -> Option<u64> {
        let order = self.order;
        if let Some(group) = asked.disturbs() {
            self.group_mut(group).settled = false;
        }
        self.made(asked);
        match asked {
            GroupAsked::Commit(_, commits) => {
                for (number, commit) in commits {
                    self.offsets.open(*number, commit, order);
                }
                None
            }
            GroupAsked::Delete(group) => {
                self.group_mut(group).deletions += 1;
                Some(self.offsets.erase(Erasure::Group(group.clone()), order))
            }
            GroupAsked::Forget(places) => Some(self.offsets.erase(Erasure::Places(places.clone()), order)),
            GroupAsked::Join { .. }
            | GroupAsked::Sync(_)
            | GroupAsked::Heartbeat(_)
            | GroupAsked::Leave(_)
            | GroupAsked::Offsets(_)
            | GroupAsked::Describe(_)
            | GroupAsked::List => None,
        }
    }

    /// A question that may make a group be there was sent, answered or given up.
    pub(super) fn made(&mut self, asked: &GroupAsked) {
        let order = self.order;
        if let Some(group) = asked.makes() {
            let book = self.group_mut(group);
            book.deleted = false;
            book.made_at = order;
        }
    }

    /// Nobody waits for the answer any more; the question may still be on its way for a while.
    pub(super) fn dropped_of_group(&mut self, asked: &GroupAsked) {
        let until = self.now + self.late_micros;
        self.made(asked);
        if let Some(group) = asked.disturbs() {
            let book = self.group_mut(group);
            book.uneasy_until = book.uneasy_until.max(until);
        }
    }

    /// Somebody of the group was told something at a question that was sent then: is it settled by now?
    pub(super) fn settle_group(&mut self, group: &str, sent: u64) {
        let disturbs =
            |asked: &Asked| matches!(asked, Asked::Group(asked) if asked.disturbs() == Some(group));
        let disturbed = self.asked.values().any(|open| disturbs(&open.asked));
        let book = self.group_mut(group);
        let complete = book.generations.get(&book.newest).is_some_and(GenerationBook::is_complete);
        book.settled = complete && !disturbed && sent >= book.uneasy_until && book.deletions == 0;
    }

    /// Until when the members of groups were heard: the process may be gone.
    #[must_use]
    pub fn heard_until(&self) -> u64 {
        self.down_since.unwrap_or(self.now)
    }
}
