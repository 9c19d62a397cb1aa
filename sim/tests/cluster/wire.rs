//! What the simulator's clients ask and hear, as the bytes of Kafka's protocol.

use bytes::{Bytes, BytesMut};
use evenkeel_core::{
    port::{
        AdminRequest, FetchAnswer, FetchedPartition, FetchedTopic, FoundOffset, GroupRequest, GroupResponse,
        ListOffsetsAnswer, ListedPartition, ListedTopic, ProduceIntake, Request, Response,
    },
    units::{Offset, Timestamp, TopicId},
};
use kafka_protocol::{
    messages::{
        ApiKey, CreateTopicsResponse, DeleteGroupsResponse, DeleteTopicsResponse, DescribeGroupsResponse,
        FetchResponse, HeartbeatResponse, InitProducerIdResponse, JoinGroupResponse, LeaveGroupResponse,
        ListGroupsResponse, ListOffsetsResponse, MetadataResponse, OffsetCommitResponse,
        OffsetDeleteResponse, OffsetFetchResponse, ProduceRequest, ProduceResponse, RequestHeader,
        ResponseHeader, SyncGroupResponse,
        produce_request::{PartitionProduceData, TopicProduceData},
    },
    protocol::{Decodable, Encodable},
};
use uuid::Uuid;

/// A question that was sent: what its answer is to be read as.
#[derive(Clone, Copy)]
pub(crate) struct Sent {
    key: ApiKey,
    version: i16,
}

/// A request as a frame, length in front.
pub(crate) fn encode(correlation: i32, version: i16, request: &Request) -> (Sent, Bytes) {
    let key = match request {
        Request::Produce(_) => ApiKey::Produce,
        Request::Fetch(_) => ApiKey::Fetch,
        Request::ListOffsets(_) => ApiKey::ListOffsets,
        Request::Metadata(_) => ApiKey::Metadata,
        Request::CreateTopics(_) => ApiKey::CreateTopics,
        Request::DeleteTopics(_) => ApiKey::DeleteTopics,
        Request::InitProducerId(_) => ApiKey::InitProducerId,
        Request::FindCoordinator(_) => ApiKey::FindCoordinator,
        Request::DescribeCluster(_) => ApiKey::DescribeCluster,
        Request::OffsetForLeaderEpoch(_) => ApiKey::OffsetForLeaderEpoch,
        Request::Group(request) => group_key(request),
        Request::Admin(request) => admin_key(request),
    };
    let mut frame = BytesMut::from(&[0u8; 4][..]);
    let header = RequestHeader::default()
        .with_request_api_key(key as i16)
        .with_request_api_version(version)
        .with_correlation_id(correlation);
    header.encode(&mut frame, key.request_header_version(version)).expect("a valid header");
    match request {
        Request::Produce(intake) => produce(intake).encode(&mut frame, version),
        Request::Fetch(request) => request.encode(&mut frame, version),
        Request::ListOffsets(request) => request.encode(&mut frame, version),
        Request::Metadata(request) => request.encode(&mut frame, version),
        Request::CreateTopics(request) => request.encode(&mut frame, version),
        Request::DeleteTopics(request) => request.encode(&mut frame, version),
        Request::InitProducerId(request) => request.encode(&mut frame, version),
        Request::FindCoordinator(request) => request.encode(&mut frame, version),
        Request::DescribeCluster(request) => request.encode(&mut frame, version),
        Request::OffsetForLeaderEpoch(request) => request.encode(&mut frame, version),
        Request::Group(request) => {
            group(request, &mut frame, version);
            Ok(())
        }
        Request::Admin(request) => {
            admin(request, &mut frame, version);
            Ok(())
        }
    }
    .expect("a valid request");
    let len = i32::try_from(frame.len() - 4).expect("small");
    frame[..4].copy_from_slice(&len.to_be_bytes());
    (Sent { key, version }, frame.freeze())
}

fn group_key(request: &GroupRequest) -> ApiKey {
    match request {
        GroupRequest::OffsetCommit(_) => ApiKey::OffsetCommit,
        GroupRequest::OffsetFetch(_) => ApiKey::OffsetFetch,
        GroupRequest::Join(_) => ApiKey::JoinGroup,
        GroupRequest::Heartbeat(_) => ApiKey::Heartbeat,
        GroupRequest::Leave(_) => ApiKey::LeaveGroup,
        GroupRequest::Sync(_) => ApiKey::SyncGroup,
        GroupRequest::Describe(_) => ApiKey::DescribeGroups,
        GroupRequest::List(_) => ApiKey::ListGroups,
        GroupRequest::Delete(_) => ApiKey::DeleteGroups,
        GroupRequest::OffsetDelete(_) => ApiKey::OffsetDelete,
    }
}

fn group(request: &GroupRequest, frame: &mut BytesMut, version: i16) {
    match request {
        GroupRequest::OffsetCommit(request) => request.encode(frame, version),
        GroupRequest::OffsetFetch(request) => request.encode(frame, version),
        GroupRequest::Join(intake) => intake.request.encode(frame, version),
        GroupRequest::Heartbeat(request) => request.encode(frame, version),
        GroupRequest::Leave(request) => request.encode(frame, version),
        GroupRequest::Sync(request) => request.encode(frame, version),
        GroupRequest::Describe(request) => request.encode(frame, version),
        GroupRequest::List(request) => request.encode(frame, version),
        GroupRequest::Delete(request) => request.encode(frame, version),
        GroupRequest::OffsetDelete(request) => request.encode(frame, version),
    }
    .expect("a valid request");
}

fn admin_key(request: &AdminRequest) -> ApiKey {
    match request {
        AdminRequest::DeleteRecords(_) => ApiKey::DeleteRecords,
        AdminRequest::DescribeConfigs(_) => ApiKey::DescribeConfigs,
        AdminRequest::AlterConfigs(_) => ApiKey::AlterConfigs,
        AdminRequest::DescribeLogDirs(_) => ApiKey::DescribeLogDirs,
        AdminRequest::CreatePartitions(_) => ApiKey::CreatePartitions,
        AdminRequest::ElectLeaders(_) => ApiKey::ElectLeaders,
        AdminRequest::IncrementalAlterConfigs(_) => ApiKey::IncrementalAlterConfigs,
        AdminRequest::AlterPartitionReassignments(_) => ApiKey::AlterPartitionReassignments,
        AdminRequest::ListPartitionReassignments(_) => ApiKey::ListPartitionReassignments,
        AdminRequest::DescribeProducers(_) => ApiKey::DescribeProducers,
        AdminRequest::DescribeTopicPartitions(_) => ApiKey::DescribeTopicPartitions,
    }
}

fn admin(request: &AdminRequest, frame: &mut BytesMut, version: i16) {
    match request {
        AdminRequest::DeleteRecords(request) => request.encode(frame, version),
        AdminRequest::DescribeConfigs(request) => request.encode(frame, version),
        AdminRequest::AlterConfigs(request) => request.encode(frame, version),
        AdminRequest::DescribeLogDirs(request) => request.encode(frame, version),
        AdminRequest::CreatePartitions(request) => request.encode(frame, version),
        AdminRequest::ElectLeaders(request) => request.encode(frame, version),
        AdminRequest::IncrementalAlterConfigs(request) => request.encode(frame, version),
        AdminRequest::AlterPartitionReassignments(request) => request.encode(frame, version),
        AdminRequest::ListPartitionReassignments(request) => request.encode(frame, version),
        AdminRequest::DescribeProducers(request) => request.encode(frame, version),
        AdminRequest::DescribeTopicPartitions(request) => request.encode(frame, version),
    }
    .expect("a valid request");
}

fn produce(intake: &ProduceIntake) -> ProduceRequest {
    let topics = intake.topics.iter().map(|topic| {
        let partitions = topic.partitions.iter().map(|partition| {
            let batch = partition.batch.as_ref().expect("clients send whole batches");
            let bytes = [&batch.header.encode()[..], &batch.records].concat();
            PartitionProduceData::default().with_index(partition.index).with_records(Some(Bytes::from(bytes)))
        });
        TopicProduceData::default()
            .with_name(topic.name.clone())
            .with_topic_id(Uuid::from_bytes(topic.id.0))
            .with_partition_data(partitions.collect())
    });
    ProduceRequest::default()
        .with_transactional_id(None)
        .with_acks(intake.acks)
        .with_timeout_ms(30_000)
        .with_topic_data(topics.collect())
}

/// The correlation id of an answer, with which the question is found.
pub(crate) fn correlation(frame: &Bytes) -> Option<i32> {
    frame.first_chunk::<4>().map(|bytes| i32::from_be_bytes(*bytes))
}

/// An answer, its length taken off. `None`: not an answer to that question.
pub(crate) fn decode(sent: Sent, mut frame: Bytes) -> Option<Response> {
    let Sent { key, version } = sent;
    let body = &mut frame;
    ResponseHeader::decode(body, key.response_header_version(version)).ok()?;
    let response = match key {
        ApiKey::Produce => Response::Produce(ProduceResponse::decode(body, version).ok()?),
        ApiKey::Fetch => Response::Fetch(fetched(FetchResponse::decode(body, version).ok()?)),
        ApiKey::ListOffsets => {
            Response::ListOffsets(listed(&ListOffsetsResponse::decode(body, version).ok()?))
        }
        ApiKey::Metadata => Response::Metadata(MetadataResponse::decode(body, version).ok()?),
        ApiKey::CreateTopics => Response::CreateTopics(CreateTopicsResponse::decode(body, version).ok()?),
        ApiKey::DeleteTopics => Response::DeleteTopics(DeleteTopicsResponse::decode(body, version).ok()?),
        ApiKey::InitProducerId => {
            Response::InitProducerId(InitProducerIdResponse::decode(body, version).ok()?)
        }
        other => Response::Group(grouped(other, body, version)?),
    };
    frame.is_empty().then_some(response)
}

fn grouped(key: ApiKey, body: &mut Bytes, version: i16) -> Option<GroupResponse> {
    let response = match key {
        ApiKey::OffsetCommit => {
            GroupResponse::OffsetCommit(OffsetCommitResponse::decode(body, version).ok()?)
        }
        ApiKey::OffsetFetch => GroupResponse::OffsetFetch(OffsetFetchResponse::decode(body, version).ok()?),
        ApiKey::JoinGroup => GroupResponse::Join(JoinGroupResponse::decode(body, version).ok()?),
        ApiKey::Heartbeat => GroupResponse::Heartbeat(HeartbeatResponse::decode(body, version).ok()?),
        ApiKey::LeaveGroup => GroupResponse::Leave(LeaveGroupResponse::decode(body, version).ok()?),
        ApiKey::SyncGroup => GroupResponse::Sync(SyncGroupResponse::decode(body, version).ok()?),
        ApiKey::DescribeGroups => {
            GroupResponse::Describe(DescribeGroupsResponse::decode(body, version).ok()?)
        }
        ApiKey::ListGroups => GroupResponse::List(ListGroupsResponse::decode(body, version).ok()?),
        ApiKey::DeleteGroups => GroupResponse::Delete(DeleteGroupsResponse::decode(body, version).ok()?),
        ApiKey::OffsetDelete => {
            GroupResponse::OffsetDelete(OffsetDeleteResponse::decode(body, version).ok()?)
        }
        other => panic!("no client asks {other:?}"),
    };
    Some(response)
}

fn fetched(response: FetchResponse) -> FetchAnswer {
    let topics = response.responses.into_iter().map(|topic| FetchedTopic {
        name: topic.topic,
        id: TopicId(*topic.topic_id.as_bytes()),
        partitions: topic
            .partitions
            .into_iter()
            .map(|partition| FetchedPartition {
                index: partition.partition_index,
                error_code: partition.error_code,
                high_watermark: partition.high_watermark,
                last_stable_offset: partition.last_stable_offset,
                log_start_offset: partition.log_start_offset,
                records: partition.records.into_iter().collect(),
                ..FetchedPartition::default()
            })
            .collect(),
    });
    FetchAnswer { error_code: response.error_code, session_id: response.session_id, topics: topics.collect() }
}

fn listed(response: &ListOffsetsResponse) -> ListOffsetsAnswer {
    let topics = response.topics.iter().map(|topic| ListedTopic {
        name: topic.name.clone(),
        partitions: topic
            .partitions
            .iter()
            .map(|partition| ListedPartition {
                index: partition.partition_index,
                found: match partition.error_code {
                    0 => FoundOffset::At {
                        timestamp: Timestamp(partition.timestamp),
                        offset: Offset(partition.offset),
                        leader_epoch: partition.leader_epoch,
                    },
                    error => FoundOffset::Error(error),
                },
            })
            .collect(),
    });
    ListOffsetsAnswer { topics: topics.collect() }
}
