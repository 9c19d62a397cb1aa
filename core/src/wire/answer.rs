//! Responses as bytes: the frame's length, the response header, and the body in the version of its request.
//!
//! | bytes | field | |
//! |---|---|---|
//! | 0..4 | length | of what follows |
//! | 4..8 | correlation id | of the request |
//! | 8 | tagged fields | flexible versions except ApiVersions: none, 0 |
//! | .. | body | |
//!
//! Encoding cannot fail for anything a client did: a field that the version does not have, or a string too long
//! for it, is a bug of whoever built the response, and ends the process.

use alloc::{vec, vec::Vec};

use bytes::{BufMut, Bytes, BytesMut};
use kafka_protocol::{
    messages::{
        ListOffsetsResponse,
        list_offsets_response::{ListOffsetsPartitionResponse, ListOffsetsTopicResponse},
    },
    protocol::Encodable,
};

use super::{
    api::{AdminApi, Api, GroupApi, Served},
    batch::{BatchHeader, HEADER_BYTES},
    fetch,
    records::find_by_timestamp,
    session::Frame,
};
use crate::{
    port::{AdminResponse, FoundOffset, GroupResponse, ListOffsetsAnswer, ListedPartition, Response},
    units::{Offset, Timestamp},
};

/// First version of ListOffsets whose answer has a leader epoch (KIP-320).
const LEADER_EPOCH_SINCE: i16 = 4;

/// What a response must be in.
#[derive(Clone, Copy, Debug)]
pub(super) struct Form {
    pub(super) served: &'static Served,
    pub(super) version: i16,
    pub(super) correlation_id: i32,
}

impl Form {
    /// A buffer that holds the header, with room for the length.
    pub(super) fn begin(&self) -> BytesMut {
        let mut out = BytesMut::with_capacity(128);
        out.put_i32(0);
        out.put_i32(self.correlation_id);
        if self.served.has_flexible_response_header(self.version) {
            out.put_u8(0);
        }
        out
    }

    /// The frame of a message that the crate encodes.
    pub(super) fn encode<Message: Encodable>(&self, message: &Message) -> Frame {
        let mut out = self.begin();
        message.encode(&mut out, self.version).expect("the brain fills only what the version has");
        write_len(&mut out, 0);
        vec![out.freeze()]
    }
}

/// Writes the length of a frame into its first four bytes. `elsewhere`: bytes of the frame in other slices.
pub(super) fn write_len(out: &mut BytesMut, elsewhere: usize) {
    let len =
        i32::try_from(out.len() - 4 + elsewhere).expect("fetch and topic limits keep responses below 2 GiB");
    out[..4].copy_from_slice(&len.to_be_bytes());
}

/// The frame of a response; `None` for one that takes its place in the order and sends nothing.
pub(super) fn encode(response: Response, form: Form) -> Option<Frame> {
    assert!(answers(&response, form.served.api), "a {:?} is not answered with {response:?}", form.served.api);
    match response {
        Response::Silence => None,
        Response::Fetch(answer) => Some(fetch::encode(answer, form)),
        Response::ListOffsets(answer) => Some(form.encode(&list_offsets(answer, form.version))),
        Response::Produce(message) => Some(form.encode(&message)),
        Response::Metadata(message) => Some(form.encode(&message)),
        Response::CreateTopics(message) => Some(form.encode(&message)),
        Response::DeleteTopics(message) => Some(form.encode(&message)),
        Response::FindCoordinator(message) => Some(form.encode(&message)),
        Response::DescribeCluster(message) => Some(form.encode(&message)),
        Response::OffsetForLeaderEpoch(message) => Some(form.encode(&message)),
        Response::InitProducerId(message) => Some(form.encode(&message)),
        Response::Group(response) => Some(group(&response, form)),
        Response::Admin(response) => Some(admin(&response, form)),
    }
}

fn group(response: &GroupResponse, form: Form) -> Frame {
    match response {
        GroupResponse::Join(message) => form.encode(message),
        GroupResponse::Sync(message) => form.encode(message),
        GroupResponse::Heartbeat(message) => form.encode(message),
        GroupResponse::Leave(message) => form.encode(message),
        GroupResponse::Describe(message) => form.encode(message),
        GroupResponse::List(message) => form.encode(message),
        GroupResponse::Delete(message) => form.encode(message),
        GroupResponse::OffsetCommit(message) => form.encode(message),
        GroupResponse::OffsetFetch(message) => form.encode(message),
        GroupResponse::OffsetDelete(message) => form.encode(message),
    }
}

fn admin(response: &AdminResponse, form: Form) -> Frame {
    match response {
        AdminResponse::DeleteRecords(message) => form.encode(message),
        AdminResponse::DescribeConfigs(message) => form.encode(message),
        AdminResponse::AlterConfigs(message) => form.encode(message),
        AdminResponse::DescribeLogDirs(message) => form.encode(message),
        AdminResponse::CreatePartitions(message) => form.encode(message),
        AdminResponse::ElectLeaders(message) => form.encode(message),
        AdminResponse::IncrementalAlterConfigs(message) => form.encode(message),
        AdminResponse::AlterPartitionReassignments(message) => form.encode(message),
        AdminResponse::ListPartitionReassignments(message) => form.encode(message),
        AdminResponse::DescribeProducers(message) => form.encode(message),
        AdminResponse::DescribeTopicPartitions(message) => form.encode(message),
    }
}

fn answers(response: &Response, api: Api) -> bool {
    let its = match response {
        Response::Produce(_) | Response::Silence => Api::Produce,
        Response::Fetch(_) => Api::Fetch,
        Response::ListOffsets(_) => Api::ListOffsets,
        Response::Metadata(_) => Api::Metadata,
        Response::CreateTopics(_) => Api::CreateTopics,
        Response::DeleteTopics(_) => Api::DeleteTopics,
        Response::FindCoordinator(_) => Api::FindCoordinator,
        Response::DescribeCluster(_) => Api::DescribeCluster,
        Response::OffsetForLeaderEpoch(_) => Api::OffsetForLeaderEpoch,
        Response::InitProducerId(_) => Api::InitProducerId,
        Response::Group(response) => Api::Group(group_api(response)),
        Response::Admin(response) => Api::Admin(admin_api(response)),
    };
    its == api
}

fn group_api(response: &GroupResponse) -> GroupApi {
    match response {
        GroupResponse::Join(_) => GroupApi::JoinGroup,
        GroupResponse::Sync(_) => GroupApi::SyncGroup,
        GroupResponse::Heartbeat(_) => GroupApi::Heartbeat,
        GroupResponse::Leave(_) => GroupApi::LeaveGroup,
        GroupResponse::Describe(_) => GroupApi::DescribeGroups,
        GroupResponse::List(_) => GroupApi::ListGroups,
        GroupResponse::Delete(_) => GroupApi::DeleteGroups,
        GroupResponse::OffsetCommit(_) => GroupApi::OffsetCommit,
        GroupResponse::OffsetFetch(_) => GroupApi::OffsetFetch,
        GroupResponse::OffsetDelete(_) => GroupApi::OffsetDelete,
    }
}

fn admin_api(response: &AdminResponse) -> AdminApi {
    match response {
        AdminResponse::DeleteRecords(_) => AdminApi::DeleteRecords,
        AdminResponse::DescribeConfigs(_) => AdminApi::DescribeConfigs,
        AdminResponse::AlterConfigs(_) => AdminApi::AlterConfigs,
        AdminResponse::DescribeLogDirs(_) => AdminApi::DescribeLogDirs,
        AdminResponse::CreatePartitions(_) => AdminApi::CreatePartitions,
        AdminResponse::ElectLeaders(_) => AdminApi::ElectLeaders,
        AdminResponse::IncrementalAlterConfigs(_) => AdminApi::IncrementalAlterConfigs,
        AdminResponse::AlterPartitionReassignments(_) => AdminApi::AlterPartitionReassignments,
        AdminResponse::ListPartitionReassignments(_) => AdminApi::ListPartitionReassignments,
        AdminResponse::DescribeProducers(_) => AdminApi::DescribeProducers,
        AdminResponse::DescribeTopicPartitions(_) => AdminApi::DescribeTopicPartitions,
    }
}

fn list_offsets(answer: ListOffsetsAnswer, version: i16) -> ListOffsetsResponse {
    let topics = answer.topics.into_iter().map(|topic| {
        let partitions = topic.partitions.into_iter().map(|partition| listed(partition, version));
        ListOffsetsTopicResponse::default().with_name(topic.name).with_partitions(partitions.collect())
    });
    ListOffsetsResponse::default().with_topics(topics.collect())
}

fn listed(partition: ListedPartition, version: i16) -> ListOffsetsPartitionResponse {
    let line = ListOffsetsPartitionResponse::default().with_partition_index(partition.index);
    let (offset, timestamp, leader_epoch) = match partition.found {
        FoundOffset::Error(error_code) => {
            return line.with_error_code(error_code).with_offset(-1).with_timestamp(-1);
        }
        FoundOffset::At { timestamp, offset, leader_epoch } => (offset, timestamp, leader_epoch),
        FoundOffset::Within { batch, from, timestamp, leader_epoch } => {
            let (offset, timestamp) = match find_by_timestamp(&batch, from, timestamp) {
                Ok(Some(found)) => found,
                // Damaged, or its header promises a timestamp that no record has (possible where the records
                // were compressed at produce, or deleted): the consumer starts early rather than skip anything.
                Ok(None) | Err(_) => {
                    let (first, timestamp) = first_of(&batch);
                    (first.max(from), timestamp)
                }
            };
            (offset, timestamp, leader_epoch)
        }
    };
    let line = line.with_offset(offset.0).with_timestamp(timestamp.0);
    if version >= LEADER_EPOCH_SINCE { line.with_leader_epoch(leader_epoch) } else { line }
}

/// Base offset and base timestamp of a batch.
fn first_of(batch: &[Bytes]) -> (Offset, Timestamp) {
    let head: Vec<u8> = batch.iter().flatten().copied().take(HEADER_BYTES).collect();
    let head = head.first_chunk().expect("the brain hands over whole batches, and they begin with a header");
    let header = BatchHeader::parse(head);
    (header.base_offset, header.base_timestamp)
}

#[cfg(test)]
mod tests;
