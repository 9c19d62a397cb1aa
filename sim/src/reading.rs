//! Everything that fresh clients find when they read a broker from one end to the other.

use std::collections::BTreeMap;

use bytes::Bytes;
use evenkeel_core::{units::TopicId, wire::batch::BatchHeader};

use crate::{
    disk::Fingerprint,
    ledger::{OpNumber, PartitionKey},
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

/// A partition, read from its start to its high watermark.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct FoundPartition {
    /// In the order in which they came.
    pub batches: Vec<FoundBatch>,
    /// First offset.
    pub log_start: i64,
    /// End of what is visible.
    pub high_watermark: i64,
}

/// All of it.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Reading {
    /// By id.
    pub topics: BTreeMap<TopicId, FoundTopic>,
    /// By topic and index.
    pub partitions: BTreeMap<PartitionKey, FoundPartition>,
    /// A producer id that was asked for at the end.
    pub producer_id: Option<i64>,
    /// In which it leads, if there is a topic to tell it of.
    pub leader_epoch: Option<i32>,
}

impl Reading {
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
        print.add(self.producer_id.map_or(0, i64::cast_unsigned));
    }
}
