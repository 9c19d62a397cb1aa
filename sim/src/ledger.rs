//! The ledger of promises: what clients asked for, what they were told, and what must hence be true for ever.
//!
//! A promise is made when an answer leaves the broker, whether or not it arrives. An operation whose answer never left is
//! neither done nor undone: it may show up, at most as often as it was tried. The [`crate::invariant`]s compare this
//! with what is read back.

mod admin;
mod admin_judge;
mod conduct;
mod configs;
mod followed;
mod group_judge;
mod groups;
mod judge;
mod lost;
mod offsets;
mod register;
mod retention;
mod starts;

pub use admin::{AdminAsked, Stamps};
pub use admin_judge::given;
pub use configs::{APPEND_TIME, CHANGED, Changes, ConfigBook, TIMESTAMP_TYPE, UntrueConfig, default_of};
pub use group_judge::{epoch_beside, owners};
pub use groups::{GenerationBook, GroupAsked, GroupBook, Spoken};
pub use lost::SkipBook;
pub use offsets::{Commit, CommitNumber, Erasure, OffsetBook, OffsetPlace, Untrue};
pub use retention::{Retention, WALL_BEGIN_MS};
pub use starts::{StartBook, Upto};

use core::fmt;
use std::collections::{BTreeMap, BTreeSet};

use bytes::Bytes;
use evenkeel_core::{
    units::{ConnId, ProducerId, Tag, TopicId},
    wire::batch::{BatchHeader, LOG_APPEND_TIME},
};

use crate::{
    batch::Sequenced,
    violation::{Subject, Verdict, broken, broken_for},
};

/// Number of one batch that a client wants to be stored; every record of it carries it.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub struct OpNumber(pub u64);

impl fmt::Debug for OpNumber {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "batch {}", self.0)
    }
}

/// A partition, by the id of its topic: names come back, ids do not.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub struct PartitionKey {
    /// The topic.
    pub topic: TopicId,
    /// Index of the partition.
    pub index: i32,
}

impl fmt::Debug for PartitionKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{:.8}-{}", self.topic.to_string(), self.index)
    }
}

/// A batch that a client wants to be stored.
#[derive(Clone, Debug)]
pub struct Op {
    /// Where.
    pub key: PartitionKey,
    /// Its header as sent.
    pub header: BatchHeader,
    /// The bytes behind it.
    pub records: Bytes,
    /// For idempotent producers.
    pub sequenced: Option<Sequenced>,
    /// Attempts that may have been stored.
    pub possible: u32,
    /// The time that the broker says that it wrote into it, -1 for none, to an idempotent producer.
    pub append_time: Option<i64>,
    /// Whether the broker may write its own time into it.
    pub stamps: Stamps,
    /// Offset of the acknowledgement, the same each time for an idempotent producer.
    pub acked_at: Option<i64>,
}

impl Op {
    /// How often it may be in the partition.
    #[must_use]
    pub fn copies_max(&self) -> u32 {
        if self.sequenced.is_some() { self.possible.min(1) } else { self.possible }
    }

    /// Batches are what they were when they were sent, but for what the broker writes into them.
    #[must_use]
    pub fn is_intact(&self, header: &BatchHeader, records: &[u8]) -> bool {
        let stamped = header.attributes & LOG_APPEND_TIME != 0 && self.stamps.stamped;
        let sent = BatchHeader {
            base_offset: header.base_offset,
            leader_epoch: header.leader_epoch,
            attributes: if stamped { header.attributes } else { self.header.attributes },
            max_timestamp: if stamped { header.max_timestamp } else { self.header.max_timestamp },
            crc: if stamped { header.crc } else { self.header.crc },
            ..self.header
        };
        sent == *header && *self.records == *records
    }

    /// Offset of its last record, if it begins there.
    #[must_use]
    pub fn last_offset(&self, base: i64) -> i64 {
        base + i64::from(self.header.last_offset_delta)
    }
}

/// How a batch at an offset came to be known.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Known {
    /// A producer was told.
    Acked,
    /// A consumer got it.
    Seen,
}

/// What is promised of a partition.
#[derive(Clone, Debug, Default)]
pub struct PartitionBook {
    /// Where it begins.
    pub start: StartBook,
    /// Batches by base offset.
    pub facts: BTreeMap<i64, (OpNumber, Known)>,
    /// Largest high watermark that anybody was told.
    pub high_watermark: i64,
    /// When each batch came to be known.
    pub since: BTreeMap<i64, u64>,
    /// Newest timestamp of each batch, as it was told: the broker's own time where it stamps.
    pub times: BTreeMap<i64, i64>,
    /// Newest epoch of each idempotent producer of which a batch was acknowledged.
    pub producer_epochs: BTreeMap<ProducerId, i16>,
    /// Offsets that losses took.
    pub skips: SkipBook,
}

/// What is promised of a topic.
#[derive(Clone, Debug)]
pub struct TopicBook {
    /// Its name.
    pub name: String,
    /// Number of partitions, the largest that anybody was told.
    pub partitions: i32,
    /// All numbers of them that were told.
    pub counts: BTreeSet<i32>,
    /// The partitions that it was told to have last may be lost.
    pub excused: bool,
    /// Deletions that were asked for and may have happened.
    pub deletions: u32,
    /// Somebody was told that it is gone.
    pub deleted: bool,
    /// When that was.
    pub deleted_at: Option<u64>,
}

impl TopicBook {
    /// Whether it must be there.
    #[must_use]
    pub fn must_exist(&self) -> bool {
        !self.deleted && self.deletions == 0
    }

    /// Somebody was told that it is gone, in so many words or by an answer without it.
    pub(crate) fn seen_gone(&mut self, now: u64) {
        self.deleted = true;
        self.deleted_at.get_or_insert(now);
    }
}

/// Whether a topic of that name is stamped with the broker's time: clients make all of a name alike.
#[must_use]
pub fn is_stamped(name: &str) -> bool {
    name.ends_with("-stamped")
}

/// What a consumer with a session wants to read.
#[derive(Clone, Debug, PartialEq)]
pub struct Followed {
    /// Partitions, from where, and the watermark that was known then.
    pub parts: Vec<(PartitionKey, i64, i64)>,
    /// All of it is told, and not only what changed.
    pub whole: bool,
    /// Bytes worth an answer, or what an answer can hold.
    pub enough: i32,
}

/// A question that was sent.
#[derive(Clone, Debug, PartialEq)]
pub enum Asked {
    /// Store these batches, in this order within the request.
    Produce(Vec<OpNumber>),
    /// Read from a place; the watermark that was known then, and the bytes worth an answer, or what an answer
    /// can hold.
    Fetch(PartitionKey, i64, i64, i32),
    /// Read from several places through a session.
    Follow(Followed),
    /// The end of a partition; the watermark that was known then.
    End(PartitionKey, i64),
    /// The first record at or after a time; the offset of a batch that was known then to have one.
    Time(PartitionKey, i64, i64),
    /// What is there, perhaps creating the topic of that name.
    Metadata(Option<String>),
    /// Create a topic of that name.
    Create(String),
    /// Delete that topic.
    Delete(TopicId),
    /// A new producer id.
    ProducerId,
    /// Something of a group.
    Group(GroupAsked),
    /// Something of administration.
    Admin(AdminAsked),
}

/// A question without an answer yet.
#[derive(Clone, Debug)]
struct Open {
    asked: Asked,
    /// When it was sent: microseconds, and its place in the order of questions and answers.
    since: u64,
    order: u64,
    /// Number of the deletion that it is.
    erasure: Option<u64>,
    /// Largest log starts that were known then, of the partitions that the answer tells of.
    starts: BTreeMap<PartitionKey, i64>,
    /// Whoever asks was told before that it is out of its group, or its generation over.
    stale: bool,
}

impl Open {
    /// The log start of a partition that was known when it was sent.
    fn start(&self, key: PartitionKey) -> i64 {
        self.starts.get(&key).copied().unwrap_or(0)
    }
}

/// Everything promised so far.
#[derive(Clone, Debug, Default)]
pub struct Ledger {
    /// All batches.
    pub ops: BTreeMap<OpNumber, Op>,
    /// All topics ever known.
    pub topics: BTreeMap<TopicId, TopicBook>,
    /// All partitions of them.
    pub partitions: BTreeMap<PartitionKey, PartitionBook>,
    /// Creations that may have happened or may yet, by name.
    pub creating: BTreeMap<String, u32>,
    /// Producer ids given out.
    pub producer_ids: BTreeSet<i64>,
    /// Whether the disk may refuse reads or room: errors that say so are then no surprise.
    pub disk_fails: bool,
    /// Until when the process did not know what the object store has. What was asked up to then may fail for that, and be answered later.
    pub store_unknown_until: Option<u64>,
    /// So it may be with the answer that is judged.
    store_unknown: bool,
    /// Until when something hangs, or stands still: nothing is late before.
    pub slow_until: u64,
    /// The time, in microseconds.
    pub now: u64,
    /// Newest leader epoch that the running process was heard of, and any process before it.
    pub epoch_now: i32,
    /// See [`Ledger::epoch_now`].
    pub epoch_past: i32,
    /// Sequence with which each epoch of a producer begins in a partition.
    pub first_sequences: BTreeMap<(PartitionKey, ProducerId, i16), i32>,
    /// Partitions that were lost, and the first offset of each that nobody knows.
    gone: BTreeMap<PartitionKey, i64>,
    /// Topics that were deleted, or about to be, when a loss took the deletion with it.
    revived: BTreeSet<TopicId>,
    /// Batches that were known and are lost, with an announcement.
    lost: BTreeSet<OpNumber>,
    /// Producers that a partition may have forgotten in a loss: their next batch is taken wherever it begins.
    strangers: BTreeSet<(PartitionKey, ProducerId)>,
    /// What members of groups were told.
    pub groups: BTreeMap<String, GroupBook>,
    /// What may be committed.
    pub offsets: OffsetBook,
    /// What the configs of topics may be.
    pub configs: ConfigBook,
    /// Numbers of partitions that topics of a name may get yet.
    pub growing: BTreeMap<String, Vec<i32>>,
    /// What the broker may let go by itself.
    pub retention: Retention,
    /// How long a message may be on its way after its connection is gone, in microseconds.
    pub late_micros: u64,
    /// Since when no process runs, if none does.
    pub down_since: Option<u64>,
    /// Questions and answers so far.
    order: u64,
    /// Questions without an answer yet.
    asked: BTreeMap<(ConnId, Tag), Open>,
}

/// Questions and answers between two looks for what nobody can be told any more.
const PRUNE_EVERY: u64 = 256;

impl Ledger {
    /// A batch is about to be sent for the first time.
    pub fn open(&mut self, op: OpNumber, key: PartitionKey, batch: &evenkeel_core::wire::batch::Batch) {
        let header = batch.header;
        let sequenced = header.is_idempotent().then_some(Sequenced {
            producer: header.producer_id,
            epoch: header.producer_epoch,
            first: header.base_sequence,
        });
        if let Some(Sequenced { producer, epoch, first }) = sequenced {
            self.first_sequences.entry((key, producer, epoch)).or_insert(first);
        }
        let records = batch.records.clone();
        let known = self.ops.insert(
            op,
            Op {
                key,
                header,
                records,
                sequenced,
                possible: 0,
                append_time: None,
                stamps: Stamps::default(),
                acked_at: None,
            },
        );
        assert!(known.is_none(), "operations have numbers of their own");
    }

    /// A question was sent.
    pub fn sent(&mut self, conn: ConnId, tag: Tag, asked: Asked) {
        self.order += 1;
        let (mut erasure, mut stale) = (None, false);
        match &asked {
            Asked::Produce(ops) => {
                for op in ops {
                    let op = self.ops.get_mut(op).expect("an operation is opened before it is sent");
                    op.possible += 1;
                    for value in self.configs.values(op.key.topic, TIMESTAMP_TYPE, self.order) {
                        op.stamps.add(value);
                    }
                }
            }
            Asked::Create(name) | Asked::Metadata(Some(name)) => {
                *self.creating.entry(name.clone()).or_default() += 1;
            }
            Asked::Delete(topic) => {
                if let Some(topic) = self.topics.get_mut(topic) {
                    topic.deletions += 1;
                    let name = topic.name.clone();
                    erasure = Some(self.offsets.erase(Erasure::Topic(name), self.order));
                }
            }
            Asked::Group(asked) => {
                stale = self.is_stale(asked);
                erasure = self.sent_of_group(asked);
            }
            Asked::Admin(asked) => self.sent_of_admin(asked),
            Asked::Fetch(..)
            | Asked::Follow(_)
            | Asked::End(..)
            | Asked::Time(..)
            | Asked::Metadata(None)
            | Asked::ProducerId => {}
        }
        let starts = self.tells_starts_of(&asked).into_iter().map(|key| (key, self.log_start(key))).collect();
        let open = Open { asked, since: self.now, order: self.order, erasure, starts, stale };
        self.asked.insert((conn, tag), open);
        if self.order.is_multiple_of(PRUNE_EVERY) {
            let oldest = self.asked.values().map(|open| open.order).min().unwrap_or(self.order);
            self.offsets.prune(oldest);
            self.configs.prune(oldest);
        }
    }

    /// The process is gone, and every question with it. What it left is what recovery says: see [`Ledger::settle`].
    pub fn forget_questions(&mut self) {
        self.asked.clear();
        self.down_since = Some(self.now);
        self.epoch_past = self.epoch_past.max(self.epoch_now);
    }

    /// A connection is gone: its questions are not answered any more.
    pub fn hung_up(&mut self, conn: ConnId) {
        let dropped: Vec<(ConnId, Tag)> =
            self.asked.keys().filter(|(asked, _)| *asked == conn).copied().collect();
        for question in dropped {
            if let Some(Open { asked: Asked::Group(asked), .. }) = self.asked.remove(&question) {
                self.dropped_of_group(&asked);
            }
        }
    }

    /// After a start that serves: what may have happened has now happened or not.
    ///
    /// # Errors
    /// A topic that nobody created.
    pub fn settle(&mut self, found: &crate::reading::Reading) -> Verdict {
        for (id, topic) in &found.topics {
            self.learn(*id, &topic.name, topic.partitions)?;
        }
        self.creating.clear();
        self.growing.clear();
        self.down_since = None;
        self.offsets.settle(|place| found.commit(place));
        self.configs.settle(|topic, name| found.config(topic, name).map(str::to_string));
        for (key, book) in &mut self.partitions {
            if let Some(partition) = found.partitions.get(key) {
                book.start.settle(partition.log_start);
            }
        }
        for (group, book) in &mut self.groups {
            if book.deletions > 0 {
                // It may be another one: of what was before, nothing need be true.
                book.begin_anew();
                book.exists = found.groups.contains_key(group);
            }
            book.deletions = 0;
        }
        for (id, book) in &mut self.topics {
            if found.topics.contains_key(id) {
                book.deletions = 0;
            } else if book.deletions > 0 {
                book.deleted = true;
            }
        }
        Ok(())
    }

    /// Somebody was told of a topic.
    ///
    /// # Errors
    /// It was deleted, or nobody created it, or it is not as it was.
    pub fn learn(&mut self, id: TopicId, name: &str, partitions: i32) -> Verdict {
        self.check_topic(id, name)?;
        self.check_partitions(id, partitions)?;
        let book = self.topics.entry(id).or_insert_with(|| {
            self.configs.begin(id, is_stamped(name));
            TopicBook {
                name: name.to_string(),
                partitions,
                counts: BTreeSet::new(),
                excused: false,
                deletions: 0,
                deleted: false,
                deleted_at: None,
            }
        });
        book.partitions = partitions;
        book.counts.insert(partitions);
        for index in 0..partitions {
            let key = PartitionKey { topic: id, index };
            if !self.partitions.contains_key(&key) {
                let book = self.new_partition(key);
                self.partitions.insert(key, book);
            }
        }
        Ok(())
    }

    /// Whether a topic may be there.
    ///
    /// # Errors
    /// It was deleted, or nobody created it, or it has another name.
    pub fn check_topic(&self, id: TopicId, name: &str) -> Verdict {
        if let Some(book) = self.topics.get(&id) {
            if book.deleted {
                return broken_for(
                    "resurrected-topic",
                    Subject::Topic(id),
                    format!("{name} ({id}) was deleted and is there again"),
                );
            }
            if book.name != name {
                return broken("changed-topic", format!("{id} was {}, now it is {name}", book.name));
            }
            return Ok(());
        }
        if self.creating.get(name).is_none_or(|attempts| *attempts == 0) {
            return broken("phantom-topic", format!("{name} ({id}) is there, and nobody asked for it"));
        }
        Ok(())
    }

    /// Whether a topic may have so many partitions.
    ///
    /// # Errors
    /// It had more, or nobody asked for so many.
    pub fn check_partitions(&self, id: TopicId, partitions: i32) -> Verdict {
        let Some(book) = self.topics.get(&id) else { return Ok(()) };
        if book.partitions == partitions || (book.excused && book.counts.contains(&partitions)) {
            return Ok(());
        }
        let told = format!("{} ({id}) had {} partitions, now {partitions}", book.name, book.partitions);
        if partitions < book.partitions && !book.excused {
            return broken_for("lost-partition", Subject::Topic(id), told);
        }
        if self.growing.get(&book.name).is_some_and(|counts| counts.contains(&partitions)) {
            return Ok(());
        }
        broken_for("phantom-partition", Subject::Topic(id), told)
    }

    /// What was asked, as long as it is not answered.
    #[must_use]
    pub fn question(&self, conn: ConnId, tag: Tag) -> Option<&Asked> {
        self.asked.get(&(conn, tag)).map(|open| &open.asked)
    }

    /// A partition by the name of its topic; with a part of the id if several had that name.
    #[must_use]
    pub fn partition_name(&self, key: PartitionKey) -> String {
        let Some(book) = self.topics.get(&key.topic) else { return format!("{key:?}") };
        if self.topics.values().filter(|other| other.name == book.name).count() > 1 {
            return format!("{}-{} ({:.8})", book.name, key.index, key.topic.to_string());
        }
        format!("{}-{}", book.name, key.index)
    }

    /// A batch that is known.
    #[must_use]
    pub fn op(&self, op: OpNumber) -> Option<&Op> {
        self.ops.get(&op)
    }

    fn op_mut(&mut self, op: OpNumber) -> &mut Op {
        self.ops.get_mut(&op).expect("an operation is opened before it is sent")
    }

    /// Largest watermark that anybody was told.
    #[must_use]
    pub fn high_watermark(&self, key: PartitionKey) -> i64 {
        self.partitions.get(&key).map_or(0, |book| book.high_watermark)
    }

    /// The first batch known to have a record at or after that time.
    #[must_use]
    pub fn first_at(&self, key: PartitionKey, time: i64) -> Option<i64> {
        let facts = &self.partitions.get(&key)?.facts;
        let late = |number: &OpNumber| self.op(*number).is_some_and(|op| op.header.max_timestamp.0 >= time);
        facts.iter().find(|(_, (number, _))| late(number)).map(|(offset, _)| *offset)
    }

    /// How many [`Ledger::usable`] partitions there are.
    #[must_use]
    pub fn usable_count(&self) -> usize {
        let books = self.topics.values().filter(|book| book.must_exist());
        books.map(|book| usize::try_from(book.partitions).unwrap_or(0)).sum()
    }

    /// One of the [`Ledger::usable`] partitions, by its place among them.
    #[must_use]
    pub fn usable_at(&self, place: usize) -> Option<PartitionKey> {
        let mut left = place;
        for (id, book) in self.topics.iter().filter(|(_, book)| book.must_exist()) {
            let count = usize::try_from(book.partitions).unwrap_or(0);
            if left < count {
                return Some(PartitionKey { topic: *id, index: i32::try_from(left).ok()? });
            }
            left -= count;
        }
        None
    }

    /// Partitions that clients may use: of topics that nobody has tried to delete.
    pub fn usable(&self) -> impl Iterator<Item = (PartitionKey, &TopicBook)> {
        let books = self.topics.iter().filter(|(_, book)| book.must_exist());
        books.flat_map(|(id, book)| {
            (0..book.partitions).map(move |index| (PartitionKey { topic: *id, index }, book))
        })
    }
}

#[cfg(test)]
mod tests;
