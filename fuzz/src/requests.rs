//! The requests that the worlds of this crate send.

pub mod of_admin;
pub mod of_groups;

use evenkeel_core::{
    port::{ProduceIntake, ProducePartition, ProduceTopic, Request},
    units::TopicId,
    wire::batch::Batch,
};
use kafka_protocol::{
    messages::{
        BrokerId, CreateTopicsRequest, DeleteTopicsRequest, FetchRequest, InitProducerIdRequest,
        ListOffsetsRequest, MetadataRequest, TopicName,
        create_topics_request::CreatableTopic,
        fetch_request::{FetchPartition, FetchTopic},
        list_offsets_request::{ListOffsetsPartition, ListOffsetsTopic},
    },
    protocol::StrBytes,
};

/// Asks for the first offset that is there.
const EARLIEST: i64 = -2;

/// A topic's name as the protocol has it.
#[must_use]
pub fn topic_name(name: &str) -> TopicName {
    TopicName(StrBytes::from_string(String::from(name)))
}

/// Create one topic; version 7.
#[must_use]
pub fn create(name: &str, partitions: i32) -> Request {
    let topic = CreatableTopic::default()
        .with_name(topic_name(name))
        .with_num_partitions(partitions)
        .with_replication_factor(-1);
    Request::CreateTopics(CreateTopicsRequest::default().with_topics(vec![topic]))
}

/// Delete one topic; version 5.
#[must_use]
pub fn delete(name: &str) -> Request {
    Request::DeleteTopics(DeleteTopicsRequest::default().with_topic_names(vec![topic_name(name)]))
}

/// One batch for one partition; version 11.
#[must_use]
pub fn produce(topic: &str, index: i32, acks: i16, batch: Batch) -> Request {
    Request::Produce(ProduceIntake {
        transactional_id: None,
        acks,
        topics: vec![ProduceTopic {
            name: topic_name(topic),
            id: TopicId::NONE,
            partitions: vec![ProducePartition { index, batch: Ok(batch) }],
        }],
        request_bytes: 0,
    })
}

/// What is there from an offset on; version 11.
#[must_use]
pub fn fetch(topic: &str, index: i32, offset: i64, wait_ms: i32) -> Request {
    let partition = FetchPartition::default()
        .with_partition(index)
        .with_fetch_offset(offset)
        .with_current_leader_epoch(-1)
        .with_partition_max_bytes(1 << 20);
    Request::Fetch(
        FetchRequest::default()
            .with_max_wait_ms(wait_ms)
            .with_min_bytes(1)
            .with_max_bytes(10 << 20)
            .with_session_epoch(-1)
            .with_topics(vec![
                FetchTopic::default().with_topic(topic_name(topic)).with_partitions(vec![partition]),
            ]),
    )
}

/// Where these partitions start; version 7.
#[must_use]
pub fn starts<'a>(topics: impl Iterator<Item = (&'a str, i32)>) -> Request {
    let asked = topics.map(|(name, count)| {
        let earliest = |index| {
            ListOffsetsPartition::default()
                .with_partition_index(index)
                .with_current_leader_epoch(-1)
                .with_timestamp(EARLIEST)
        };
        ListOffsetsTopic::default()
            .with_name(topic_name(name))
            .with_partitions((0..count).map(earliest).collect())
    });
    let request = ListOffsetsRequest::default().with_replica_id(BrokerId(-1));
    Request::ListOffsets(request.with_topics(asked.collect()))
}

/// All topics; version 12.
#[must_use]
pub fn all_topics() -> Request {
    Request::Metadata(MetadataRequest::default().with_topics(None))
}

/// A producer id; version 4.
#[must_use]
pub fn producer_id() -> Request {
    Request::InitProducerId(InitProducerIdRequest::default().with_transactional_id(None))
}

/// The version in which each of them is sent.
#[must_use]
pub fn version(request: &Request) -> i16 {
    match request {
        Request::Produce(_) | Request::Fetch(_) => 11,
        Request::CreateTopics(_) => 7,
        Request::DeleteTopics(_) => 5,
        Request::Metadata(_) => 12,
        Request::InitProducerId(_) => 4,
        Request::Group(request) => of_groups::version(request),
        Request::Admin(request) => of_admin::version(request),
        Request::ListOffsets(_) => 7,
        Request::FindCoordinator(_) => 4,
        Request::DescribeCluster(_) => 1,
        Request::OffsetForLeaderEpoch(_) => 4,
    }
}
