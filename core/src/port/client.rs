//! What sessions and the brain say to each other. Requests are decoded and their batches verified before they
//! get here; answers are encoded, and bytes inside batches searched, after they left.

mod admin;
mod groups;

use alloc::{boxed::Box, vec::Vec};

use bytes::Bytes;
use kafka_protocol::messages::{
    CreateTopicsRequest, CreateTopicsResponse, DeleteTopicsRequest, DeleteTopicsResponse,
    DescribeClusterRequest, DescribeClusterResponse, FetchRequest, FindCoordinatorRequest,
    FindCoordinatorResponse, InitProducerIdRequest, InitProducerIdResponse, ListOffsetsRequest,
    MetadataRequest, MetadataResponse, OffsetForLeaderEpochRequest, OffsetForLeaderEpochResponse,
    ProduceResponse, TopicName, TransactionalId,
};

pub use self::admin::{AdminRequest, AdminResponse};
pub use self::groups::{GroupRequest, GroupResponse, JoinIntake};
use crate::{
    limits::ANSWER_BYTES_FREE,
    units::{Offset, Tag, Timestamp, TopicId},
    wire::batch::{Batch, BatchRefusal},
};

/// Something a connection did.
#[derive(Clone, Debug, PartialEq)]
pub enum ClientEvent {
    /// A whole, well-formed request.
    Request {
        /// Answered with this tag.
        tag: Tag,
        /// The version the client chose; always one that is served.
        version: i16,
        /// What it asks.
        request: Box<Request>,
    },
    /// The connection comes from this client address, as a number. Told before its first request, if at all.
    Opened {
        /// An IPv4 address, or the network part of an IPv6 address.
        address: u128,
    },
    /// The client has taken all answers up to this one. Told of answers that are [`Response::is_reported`].
    Taken {
        /// Tag of the last one.
        last: Tag,
    },
    /// The connection is gone. Nothing more comes from it and nothing more can be told to it.
    Closed,
}

/// A decoded request. ApiVersions is answered by the session itself.
#[derive(Clone, Debug, PartialEq)]
#[expect(missing_docs, reason = "each variant is the Kafka API of that name")]
pub enum Request {
    Produce(ProduceIntake),
    Fetch(FetchRequest),
    ListOffsets(ListOffsetsRequest),
    Metadata(MetadataRequest),
    CreateTopics(CreateTopicsRequest),
    DeleteTopics(DeleteTopicsRequest),
    FindCoordinator(FindCoordinatorRequest),
    DescribeCluster(DescribeClusterRequest),
    OffsetForLeaderEpoch(OffsetForLeaderEpochRequest),
    InitProducerId(InitProducerIdRequest),
    Group(GroupRequest),
    Admin(AdminRequest),
}

/// An answer, encoded by the session in the version of its request.
#[derive(Clone, Debug, PartialEq)]
#[expect(missing_docs, reason = "each variant is the Kafka API of that name")]
pub enum Response {
    Produce(ProduceResponse),
    /// For a produce with acks=0: takes its place in the order and sends nothing.
    Silence,
    Fetch(FetchAnswer),
    ListOffsets(ListOffsetsAnswer),
    Metadata(MetadataResponse),
    CreateTopics(CreateTopicsResponse),
    DeleteTopics(DeleteTopicsResponse),
    FindCoordinator(FindCoordinatorResponse),
    DescribeCluster(DescribeClusterResponse),
    OffsetForLeaderEpoch(OffsetForLeaderEpochResponse),
    InitProducerId(InitProducerIdResponse),
    Group(GroupResponse),
    Admin(AdminResponse),
}

impl Response {
    /// Whether the connection reports when the client has taken this answer: its memory counts until then.
    #[must_use]
    pub fn is_reported(&self) -> bool {
        match self {
            Response::Fetch(answer) => {
                let partitions = answer.topics.iter().flat_map(|topic| &topic.partitions);
                let mut left = ANSWER_BYTES_FREE as usize;
                partitions.flat_map(|partition| &partition.records).any(|slice| {
                    let is_over = slice.len() > left;
                    left -= slice.len().min(left);
                    is_over
                })
            }
            Response::Metadata(response) => {
                response.topics.len()
                    + response.topics.iter().map(|topic| topic.partitions.len()).sum::<usize>()
                    > METADATA_PARTS_FREE
            }
            Response::CreateTopics(_) => true,
            Response::Group(response) => response.is_reported(),
            Response::Admin(response) => response.is_reported(),
            Response::ListOffsets(answer) => {
                let partitions = answer.topics.iter().flat_map(|topic| &topic.partitions);
                partitions.map(|partition| partition.found.held_bytes()).sum::<u64>() > ANSWER_BYTES_FREE
            }
            Response::Produce(_)
            | Response::Silence
            | Response::DeleteTopics(_)
            | Response::FindCoordinator(_)
            | Response::DescribeCluster(_)
            | Response::OffsetForLeaderEpoch(_)
            | Response::InitProducerId(_) => false,
        }
    }
}

/// Topics and partitions in an answer to Metadata that is short.
const METADATA_PARTS_FREE: usize = 20;

/// A produce request with its batches parsed and verified.
#[derive(Clone, Debug, PartialEq)]
pub struct ProduceIntake {
    /// Set by transactional producers.
    pub transactional_id: Option<TransactionalId>,
    /// As sent; the brain refuses other than -1, 0, 1.
    pub acks: i16,
    /// By topic, in request order.
    pub topics: Vec<ProduceTopic>,
    /// Bytes of the request, which its batches are slices of; 0: they are not.
    pub request_bytes: u64,
}

/// One topic of a produce request.
#[derive(Clone, Debug, PartialEq)]
pub struct ProduceTopic {
    /// Versions up to 12; empty otherwise.
    pub name: TopicName,
    /// Versions from 13; [`TopicId::NONE`] otherwise.
    pub id: TopicId,
    /// In request order.
    pub partitions: Vec<ProducePartition>,
}

/// One partition of a produce request.
#[derive(Clone, Debug, PartialEq)]
pub struct ProducePartition {
    /// Partition index.
    pub index: i32,
    /// The one batch, or why it cannot be accepted whatever the topic says.
    pub batch: Result<Batch, BatchRefusal>,
}

/// A fetch response whose record bytes are still separate slices.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct FetchAnswer {
    /// Top-level Kafka error code.
    pub error_code: i16,
    /// KIP-227 session, 0 for none.
    pub session_id: i32,
    /// By topic.
    pub topics: Vec<FetchedTopic>,
}

/// One topic of a fetch response.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct FetchedTopic {
    /// Versions up to 12.
    pub name: TopicName,
    /// Versions from 13.
    pub id: TopicId,
    /// By partition.
    pub partitions: Vec<FetchedPartition>,
}

/// One partition of a fetch response.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct FetchedPartition {
    /// Partition index.
    pub index: i32,
    /// Kafka error code.
    pub error_code: i16,
    /// End of what is visible, -1 with an error.
    pub high_watermark: i64,
    /// End of what is decided, -1 with an error.
    pub last_stable_offset: i64,
    /// First offset that is still there, -1 with an error.
    pub log_start_offset: i64,
    /// KIP-595: the largest epoch at which the fetcher's log agrees with ours, with its end offset (versions from 12).
    pub diverging_epoch: Option<(i32, i64)>,
    /// The aborted transactions `(producer id, first offset)` overlapping the records; `None` for read_uncommitted.
    pub aborted_transactions: Option<Vec<(i64, i64)>>,
    /// Whole record batches, as slices that follow each other.
    pub records: Vec<Bytes>,
}

/// A list-offsets response whose lookups inside batches are still to be done.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct ListOffsetsAnswer {
    /// By topic.
    pub topics: Vec<ListedTopic>,
}

/// One topic of a list-offsets response.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct ListedTopic {
    /// Its name.
    pub name: TopicName,
    /// By partition.
    pub partitions: Vec<ListedPartition>,
}

/// One partition of a list-offsets response.
#[derive(Clone, Debug, PartialEq)]
pub struct ListedPartition {
    /// Partition index.
    pub index: i32,
    /// What was found.
    pub found: FoundOffset,
}

/// Result of one offset lookup.
#[derive(Clone, Debug, PartialEq)]
pub enum FoundOffset {
    /// A Kafka error code.
    Error(i16),
    /// Known.
    At {
        /// Timestamp of the record, -1 where the protocol wants none.
        timestamp: Timestamp,
        /// The offset, -1 for none.
        offset: Offset,
        /// Leader epoch of that offset, -1 for none.
        leader_epoch: i32,
    },
    /// The first record of this batch, from the offset `from` on, whose timestamp is at least `timestamp`.
    Within {
        /// The whole batch as slices, header first.
        batch: Vec<Bytes>,
        /// Where the partition starts: in front of it nothing is there any more.
        from: Offset,
        /// The timestamp looked for.
        timestamp: Timestamp,
        /// Leader epoch of the batch.
        leader_epoch: i32,
    },
}

impl FoundOffset {
    /// Bytes of the batch to be searched.
    fn held_bytes(&self) -> u64 {
        match self {
            FoundOffset::Within { batch, .. } => batch.iter().map(|slice| slice.len() as u64).sum(),
            FoundOffset::Error(_) | FoundOffset::At { .. } => 0,
        }
    }
}
