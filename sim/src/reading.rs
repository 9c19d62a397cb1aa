//! Everything that fresh clients find when they read a broker from one end to the other.

use std::collections::BTreeMap;

use bytes::Bytes;
use evenkeel_core::{
    units::TopicId,
    wire::batch::{BatchHeader, HEADER_BYTES},
};

use crate::{
    assignment::commit_of,
    disk::Fingerprint,
    ledger::{CommitNumber, OffsetPlace, OpNumber, PartitionKey},
};

/// A topic as metadata tells it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct FoundTopic {
    /// Its name.
    pub name: String,
    /// Number of partitions.
    pub partitions: i32,
}

/// A batch as it was fetched.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct FoundBatch {
    /// Its header.
    pub header: BatchHeader,
    /// The bytes behind it.
    pub records: Bytes,
    /// Which operation it says that it is.
    pub op: Option<OpNumber>,
}

impl FoundBatch {
    /// All of them, with its header.
    #[must_use]
    pub fn bytes(&self) -> u64 {
        (HEADER_BYTES + self.records.len()) as u64
    }
}

/// A partition, read from its start to its high watermark.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct FoundPartition {
    /// In the order in which they came.
    pub batches: Vec<FoundBatch>,
    /// First offset.
    pub log_start: i64,
    /// End of what is visible.
    pub high_watermark: i64,
    /// Whether a fetch from in front of the first offset brought anything but a refusal.
    pub serves_deleted: bool,
}

/// A group as it is described, and the number of its generation.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct FoundGroup {
    /// Kafka's name of its state.
    pub state: String,
    /// Its generation, which no answer tells.
    pub generation: i32,
    /// Assignments by member id.
    pub members: BTreeMap<String, Bytes>,
}

/// A committed offset.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct FoundOffset {
    /// The offset.
    pub offset: i64,
    /// The leader epoch beside it.
    pub leader_epoch: i32,
    /// The metadata beside it.
    pub metadata: String,
}

/// All of it.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Reading {
    /// By id.
    pub topics: BTreeMap<TopicId, FoundTopic>,
    /// By topic and index.
    pub partitions: BTreeMap<PartitionKey, FoundPartition>,
    /// By id.
    pub groups: BTreeMap<String, FoundGroup>,
    /// By place.
    pub offsets: BTreeMap<OffsetPlace, FoundOffset>,
    /// Configs that are given, by topic and name.
    pub configs: BTreeMap<(TopicId, String), String>,
    /// A producer id that was asked for at the end.
    pub producer_id: Option<i64>,
    /// In which it leads, if there is a topic to tell it of.
    pub leader_epoch: Option<i32>,
}

impl Reading {
    /// Which commit is found at a place.
    #[must_use]
    pub fn commit(&self, place: &OffsetPlace) -> Option<CommitNumber> {
        commit_of(&self.offsets.get(place)?.metadata)
    }

    /// A config that is given.
    #[must_use]
    pub fn config(&self, topic: TopicId, name: &str) -> Option<&str> {
        self.configs.get(&(topic, name.to_string())).map(String::as_str)
    }

    /// Adds all of it to a hash.
    pub fn fingerprint(&self, print: &mut Fingerprint) {
        for (id, topic) in &self.topics {
            print.add_bytes(&id.0);
            print.add_bytes(topic.name.as_bytes());
            print.add(u64::from(topic.partitions.unsigned_abs()));
        }
        for (key, partition) in &self.partitions {
            print.add_bytes(&key.topic.0);
            print.add(u64::from(key.index.unsigned_abs()));
            print.add(partition.log_start.cast_unsigned());
            print.add(partition.high_watermark.cast_unsigned());
            for batch in &partition.batches {
                print.add_bytes(&batch.header.encode());
                print.add_bytes(&batch.records);
            }
        }
        for (id, group) in &self.groups {
            print.add_bytes(id.as_bytes());
            print.add_bytes(group.state.as_bytes());
            print.add(u64::from(group.generation.unsigned_abs()));
            for (member, assignment) in &group.members {
                print.add_bytes(member.as_bytes());
                print.add_bytes(assignment);
            }
        }
        for (place, found) in &self.offsets {
            print.add_bytes(place.group.as_bytes());
            print.add_bytes(place.topic.as_bytes());
            print.add(u64::from(place.index.unsigned_abs()));
            print.add(found.offset.cast_unsigned());
            print.add_bytes(found.metadata.as_bytes());
        }
        for ((topic, name), value) in &self.configs {
            print.add_bytes(&topic.0);
            print.add_bytes(name.as_bytes());
            print.add_bytes(value.as_bytes());
        }
        print.add(self.producer_id.map_or(0, i64::cast_unsigned));
    }
}
