//! Everything that fresh clients find when they read a broker from one end to the other.

use std::collections::BTreeMap;

use bytes::Bytes;
use evenkeel_core::{units::TopicId, wire::batch::BatchHeader};

use crate::ledger::{OpNumber, PartitionKey};

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
