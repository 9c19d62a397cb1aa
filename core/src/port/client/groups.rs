//! Requests and answers of consumer groups.

use alloc::string::String;

use kafka_protocol::messages::{
    DeleteGroupsRequest, DeleteGroupsResponse, DescribeGroupsRequest, DescribeGroupsResponse,
    HeartbeatRequest, HeartbeatResponse, JoinGroupRequest, JoinGroupResponse, LeaveGroupRequest,
    LeaveGroupResponse, ListGroupsRequest, ListGroupsResponse, OffsetCommitRequest, OffsetCommitResponse,
    OffsetDeleteRequest, OffsetDeleteResponse, OffsetFetchRequest, OffsetFetchResponse, SyncGroupRequest,
    SyncGroupResponse,
};

use crate::limits::ANSWER_BYTES_FREE;

/// A request about consumer groups.
#[derive(Clone, Debug, PartialEq)]
#[expect(missing_docs, reason = "each variant is the Kafka API of that name")]
pub enum GroupRequest {
    Join(JoinIntake),
    Sync(SyncGroupRequest),
    Heartbeat(HeartbeatRequest),
    Leave(LeaveGroupRequest),
    Describe(DescribeGroupsRequest),
    List(ListGroupsRequest),
    Delete(DeleteGroupsRequest),
    OffsetCommit(OffsetCommitRequest),
    OffsetFetch(OffsetFetchRequest),
    OffsetDelete(OffsetDeleteRequest),
}

/// A join request and who sends it, which is shown to operators.
#[derive(Clone, Debug, PartialEq)]
pub struct JoinIntake {
    /// From the request's header.
    pub client_id: String,
    /// Address of the connection.
    pub client_host: String,
    /// As sent.
    pub request: JoinGroupRequest,
}

/// An answer about consumer groups.
#[derive(Clone, Debug, PartialEq)]
#[expect(missing_docs, reason = "each variant is the Kafka API of that name")]
pub enum GroupResponse {
    Join(JoinGroupResponse),
    Sync(SyncGroupResponse),
    Heartbeat(HeartbeatResponse),
    Leave(LeaveGroupResponse),
    Describe(DescribeGroupsResponse),
    List(ListGroupsResponse),
    Delete(DeleteGroupsResponse),
    OffsetCommit(OffsetCommitResponse),
    OffsetFetch(OffsetFetchResponse),
    OffsetDelete(OffsetDeleteResponse),
}

impl GroupResponse {
    pub(super) fn is_reported(&self) -> bool {
        match self {
            GroupResponse::Describe(_) | GroupResponse::List(_) | GroupResponse::OffsetFetch(_) => true,
            GroupResponse::Join(response) => !response.members.is_empty(),
            GroupResponse::Sync(response) => response.assignment.len() as u64 > ANSWER_BYTES_FREE,
            GroupResponse::Heartbeat(_)
            | GroupResponse::Leave(_)
            | GroupResponse::Delete(_)
            | GroupResponse::OffsetCommit(_)
            | GroupResponse::OffsetDelete(_) => false,
        }
    }
}
