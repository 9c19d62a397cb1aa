//! The shape of every request body that is served, as data, from Kafka's own message definitions
//! (`common/message/*.json` in the kafka-clients jar). Only what [`super::preflight`] needs: what a field is
//! made of, in which versions it is there, and how large an array's element becomes once decoded.

mod admin;
mod groups;

use core::mem::size_of;

use kafka_protocol::{
    messages::{
        BrokerId, TopicName,
        create_topics_request::{CreatableReplicaAssignment, CreatableTopic, CreatableTopicConfig},
        delete_topics_request::DeleteTopicState,
        fetch_request::{FetchPartition, FetchTopic, ForgottenTopic},
        list_offsets_request::{ListOffsetsPartition, ListOffsetsTopic},
        metadata_request::MetadataRequestTopic,
        offset_for_leader_epoch_request::{OffsetForLeaderPartition, OffsetForLeaderTopic},
        produce_request::{PartitionProduceData, TopicProduceData},
    },
    protocol::StrBytes,
};

use super::api::Api;
use crate::port::{ProducePartition, ProduceTopic};

/// What a field is made of.
#[derive(Clone, Copy, Debug)]
pub enum Kind {
    /// Always that many bytes.
    Fixed(usize),
    /// UTF-8 behind an i16 length, or a compact one. The UTF-8 is left to the decoder.
    String,
    /// Bytes behind an i32 length, or a compact one.
    Bytes,
    /// Fields one after the other, and tagged fields in flexible versions. Behind one byte where it may be null.
    Struct(Fields),
    /// Elements behind an i32 count, or a compact one; each takes `decoded` bytes of memory once decoded.
    Array {
        /// Each.
        element: &'static Kind,
        /// Bytes in memory.
        decoded: usize,
    },
}

/// The fields of a message or of a part of it, in their order.
pub type Fields = &'static [Field];

/// One field of a message.
#[derive(Clone, Copy, Debug)]
pub struct Field {
    /// Its name in the protocol, in our case style.
    pub name: &'static str,
    /// What it is made of.
    pub kind: Kind,
    /// First version that has it.
    since: i16,
    /// Last version that has it.
    last: i16,
    /// First version in which it may be null.
    nullable_since: i16,
    /// Its number, for one that is found among the tagged fields.
    pub tag: Option<u32>,
}

impl Field {
    /// Whether that version has it.
    #[must_use]
    pub fn is_in(&self, version: i16) -> bool {
        (self.since..=self.last).contains(&version)
    }

    /// Whether it may be null in that version.
    #[must_use]
    pub fn is_nullable_in(&self, version: i16) -> bool {
        version >= self.nullable_since
    }

    const fn since(self, version: i16) -> Field {
        Field { since: version, ..self }
    }

    const fn last(self, version: i16) -> Field {
        Field { last: version, ..self }
    }

    const fn nullable(self) -> Field {
        self.nullable_since(0)
    }

    const fn nullable_since(self, version: i16) -> Field {
        Field { nullable_since: version, ..self }
    }

    const fn tagged(self, tag: u32) -> Field {
        Field { tag: Some(tag), ..self }
    }
}

const fn field(name: &'static str, kind: Kind) -> Field {
    Field { name, kind, since: 0, last: i16::MAX, nullable_since: i16::MAX, tag: None }
}

const fn int8(name: &'static str) -> Field {
    field(name, Kind::Fixed(1))
}

const fn int16(name: &'static str) -> Field {
    field(name, Kind::Fixed(2))
}

const fn int32(name: &'static str) -> Field {
    field(name, Kind::Fixed(4))
}

const fn int64(name: &'static str) -> Field {
    field(name, Kind::Fixed(8))
}

const fn uuid(name: &'static str) -> Field {
    field(name, Kind::Fixed(16))
}

const fn string(name: &'static str) -> Field {
    field(name, Kind::String)
}

const fn bytes(name: &'static str) -> Field {
    field(name, Kind::Bytes)
}

const fn array<Decoded>(name: &'static str, element: &'static Kind) -> Field {
    field(name, Kind::Array { element, decoded: size_of::<Decoded>() })
}

/// The fields of an API's request.
#[must_use]
pub fn request(api: Api) -> Fields {
    match api {
        Api::Produce => PRODUCE,
        Api::Fetch => FETCH,
        Api::ListOffsets => LIST_OFFSETS,
        Api::Metadata => METADATA,
        Api::FindCoordinator => FIND_COORDINATOR,
        Api::ApiVersions => API_VERSIONS,
        Api::CreateTopics => CREATE_TOPICS,
        Api::DeleteTopics => DELETE_TOPICS,
        Api::InitProducerId => INIT_PRODUCER_ID,
        Api::OffsetForLeaderEpoch => OFFSET_FOR_LEADER_EPOCH,
        Api::DescribeCluster => DESCRIBE_CLUSTER,
        Api::Group(api) => groups::request(api),
        Api::Admin(api) => admin::request(api),
    }
}

const fn fields(fields: Fields) -> Kind {
    Kind::Struct(fields)
}

const PRODUCE: Fields = &[
    string("transactional_id").nullable(),
    int16("acks"),
    int32("timeout_ms"),
    // The crate decodes it and then it is turned into ours: for a moment both are there.
    array::<(TopicProduceData, ProduceTopic)>("topic_data", &PRODUCE_TOPIC),
];
const PRODUCE_TOPIC: Kind = fields(&[
    string("name").last(12),
    uuid("topic_id").since(13),
    array::<(PartitionProduceData, ProducePartition)>("partition_data", &PRODUCE_PARTITION),
]);
const PRODUCE_PARTITION: Kind = fields(&[int32("index"), bytes("records").nullable()]);

const FETCH: Fields = &[
    string("cluster_id").nullable().since(12).tagged(0),
    int32("replica_id").last(14),
    field("replica_state", FETCH_REPLICA_STATE).since(15).tagged(1),
    int32("max_wait_ms"),
    int32("min_bytes"),
    int32("max_bytes"),
    int8("isolation_level"),
    int32("session_id").since(7),
    int32("session_epoch").since(7),
    array::<FetchTopic>("topics", &FETCH_TOPIC),
    array::<ForgottenTopic>("forgotten_topics_data", &FETCH_FORGOTTEN).since(7),
    string("rack_id").since(11),
];
const FETCH_REPLICA_STATE: Kind = fields(&[int32("replica_id"), int64("replica_epoch")]);
const FETCH_TOPIC: Kind = fields(&[
    string("topic").last(12),
    uuid("topic_id").since(13),
    array::<FetchPartition>("partitions", &FETCH_PARTITION),
]);
const FETCH_PARTITION: Kind = fields(&[
    int32("partition"),
    int32("current_leader_epoch").since(9),
    int64("fetch_offset"),
    int32("last_fetched_epoch").since(12),
    int64("log_start_offset").since(5),
    int32("partition_max_bytes"),
    uuid("replica_directory_id").since(17).tagged(0),
    int64("high_watermark").since(18).tagged(1),
]);
const FETCH_FORGOTTEN: Kind = fields(&[
    string("topic").last(12),
    uuid("topic_id").since(13),
    array::<i32>("partitions", &Kind::Fixed(4)),
]);

const LIST_OFFSETS: Fields = &[
    int32("replica_id"),
    int8("isolation_level").since(2),
    array::<ListOffsetsTopic>("topics", &LIST_OFFSETS_TOPIC),
    int32("timeout_ms").since(10),
];
const LIST_OFFSETS_TOPIC: Kind =
    fields(&[string("name"), array::<ListOffsetsPartition>("partitions", &LIST_OFFSETS_PARTITION)]);
const LIST_OFFSETS_PARTITION: Kind =
    fields(&[int32("partition_index"), int32("current_leader_epoch").since(4), int64("timestamp")]);

const METADATA: Fields = &[
    array::<MetadataRequestTopic>("topics", &METADATA_TOPIC).nullable_since(1),
    int8("allow_auto_topic_creation").since(4),
    int8("include_cluster_authorized_operations").since(8).last(10),
    int8("include_topic_authorized_operations").since(8),
];
const METADATA_TOPIC: Kind = fields(&[uuid("topic_id").since(10), string("name").nullable_since(10)]);

const FIND_COORDINATOR: Fields = &[
    string("key").last(3),
    int8("key_type").since(1),
    array::<StrBytes>("coordinator_keys", &Kind::String).since(4),
];

const API_VERSIONS: Fields =
    &[string("client_software_name").since(3), string("client_software_version").since(3)];

const CREATE_TOPICS: Fields =
    &[array::<CreatableTopic>("topics", &CREATE_TOPICS_TOPIC), int32("timeout_ms"), int8("validate_only")];
const CREATE_TOPICS_TOPIC: Kind = fields(&[
    string("name"),
    int32("num_partitions"),
    int16("replication_factor"),
    array::<CreatableReplicaAssignment>("assignments", &CREATE_TOPICS_ASSIGNMENT),
    array::<CreatableTopicConfig>("configs", &CREATE_TOPICS_CONFIG),
]);
const CREATE_TOPICS_ASSIGNMENT: Kind =
    fields(&[int32("partition_index"), array::<BrokerId>("broker_ids", &Kind::Fixed(4))]);
const CREATE_TOPICS_CONFIG: Kind = fields(&[string("name"), string("value").nullable()]);

const DELETE_TOPICS: Fields = &[
    array::<DeleteTopicState>("topics", &DELETE_TOPICS_TOPIC).since(6),
    array::<TopicName>("topic_names", &Kind::String).last(5),
    int32("timeout_ms"),
];
const DELETE_TOPICS_TOPIC: Kind = fields(&[string("name").nullable(), uuid("topic_id")]);

const INIT_PRODUCER_ID: Fields = &[
    string("transactional_id").nullable(),
    int32("transaction_timeout_ms"),
    int64("producer_id").since(3),
    int16("producer_epoch").since(3),
];

const OFFSET_FOR_LEADER_EPOCH: Fields =
    &[int32("replica_id").since(3), array::<OffsetForLeaderTopic>("topics", &OFFSET_FOR_LEADER_EPOCH_TOPIC)];
const OFFSET_FOR_LEADER_EPOCH_TOPIC: Kind = fields(&[
    string("topic"),
    array::<OffsetForLeaderPartition>("partitions", &OFFSET_FOR_LEADER_EPOCH_PARTITION),
]);
const OFFSET_FOR_LEADER_EPOCH_PARTITION: Kind =
    fields(&[int32("partition"), int32("current_leader_epoch"), int32("leader_epoch")]);

const DESCRIBE_CLUSTER: Fields = &[
    int8("include_cluster_authorized_operations"),
    int8("endpoint_type").since(1),
    int8("include_fenced_brokers").since(2),
];
