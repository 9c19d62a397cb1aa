//! Requests of consumer groups.

use bytes::Bytes;
use evenkeel_core::port::{GroupRequest, JoinIntake, Request};
use kafka_protocol::{
    messages::{
        DeleteGroupsRequest, DescribeGroupsRequest, GroupId, HeartbeatRequest, JoinGroupRequest,
        LeaveGroupRequest, ListGroupsRequest, OffsetCommitRequest, OffsetDeleteRequest, OffsetFetchRequest,
        SyncGroupRequest,
        join_group_request::JoinGroupRequestProtocol,
        leave_group_request::MemberIdentity,
        offset_commit_request::{OffsetCommitRequestPartition, OffsetCommitRequestTopic},
        offset_delete_request::{OffsetDeleteRequestPartition, OffsetDeleteRequestTopic},
        offset_fetch_request::OffsetFetchRequestGroup,
        sync_group_request::SyncGroupRequestAssignment,
    },
    protocol::StrBytes,
};

use super::topic_name;
use crate::truth::KnownOffset;

/// Kind and assignor of all groups here.
pub const PROTOCOL_TYPE: &str = "consumer";
/// The assignor.
pub const PROTOCOL: &str = "range";
const SESSION_MS: i32 = 10_000;
const REBALANCE_MS: i32 = 20_000;

/// Who speaks for a group: not a member at all, in generation -1 and without an id, or a member.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Speaker {
    /// The group.
    pub group: String,
    /// The member, as it was told; empty before.
    pub member: String,
    /// Of a static member.
    pub instance: Option<String>,
    /// As it was told.
    pub generation: i32,
}

fn text(text: &str) -> StrBytes {
    StrBytes::from_string(String::from(text))
}

impl Speaker {
    fn instance(&self) -> Option<StrBytes> {
        self.instance.as_deref().map(text)
    }

    fn group(&self) -> GroupId {
        GroupId(text(&self.group))
    }

    /// Joins, with a subscription to one topic; version 7.
    #[must_use]
    pub fn join(&self, topic: &str) -> Request {
        let mut metadata = vec![0, 0, 0, 0, 0, 1, 0];
        metadata.push(u8::try_from(topic.len()).expect("short"));
        metadata.extend(topic.as_bytes());
        let protocol = JoinGroupRequestProtocol::default()
            .with_name(text(PROTOCOL))
            .with_metadata(Bytes::from(metadata));
        let request = JoinGroupRequest::default()
            .with_group_id(self.group())
            .with_session_timeout_ms(SESSION_MS)
            .with_rebalance_timeout_ms(REBALANCE_MS)
            .with_member_id(text(&self.member))
            .with_group_instance_id(self.instance())
            .with_protocol_type(text(PROTOCOL_TYPE))
            .with_protocols(vec![protocol]);
        let (client_id, client_host) = (String::from("fuzz"), String::from("/127.0.0.1"));
        Request::Group(GroupRequest::Join(JoinIntake { client_id, client_host, request }))
    }

    /// Asks for its assignment; a leader says what all of these get; version 3.
    #[must_use]
    pub fn sync(&self, assignments: &[(String, u8)]) -> Request {
        let told = assignments.iter().map(|(member, what)| {
            SyncGroupRequestAssignment::default()
                .with_member_id(text(member))
                .with_assignment(Bytes::copy_from_slice(&[*what; 3]))
        });
        Request::Group(GroupRequest::Sync(
            SyncGroupRequest::default()
                .with_group_id(self.group())
                .with_generation_id(self.generation)
                .with_member_id(text(&self.member))
                .with_group_instance_id(self.instance())
                .with_assignments(told.collect()),
        ))
    }

    /// Is still there; version 3.
    #[must_use]
    pub fn heartbeat(&self) -> Request {
        Request::Group(GroupRequest::Heartbeat(
            HeartbeatRequest::default()
                .with_group_id(self.group())
                .with_generation_id(self.generation)
                .with_member_id(text(&self.member))
                .with_group_instance_id(self.instance()),
        ))
    }

    /// Goes; version 3.
    #[must_use]
    pub fn leave(&self) -> Request {
        let identity = MemberIdentity::default()
            .with_member_id(text(&self.member))
            .with_group_instance_id(self.instance());
        let request = LeaveGroupRequest::default().with_group_id(self.group()).with_members(vec![identity]);
        Request::Group(GroupRequest::Leave(request))
    }

    /// Commits one offset; version 7.
    #[must_use]
    pub fn commit(&self, topic: &str, index: i32, told: &KnownOffset) -> Request {
        let partition = OffsetCommitRequestPartition::default()
            .with_partition_index(index)
            .with_committed_offset(told.offset)
            .with_committed_leader_epoch(told.leader_epoch)
            .with_committed_metadata(Some(text(&told.metadata)));
        let topic =
            OffsetCommitRequestTopic::default().with_name(topic_name(topic)).with_partitions(vec![partition]);
        Request::Group(GroupRequest::OffsetCommit(
            OffsetCommitRequest::default()
                .with_group_id(self.group())
                .with_generation_id_or_member_epoch(self.generation)
                .with_member_id(text(&self.member))
                .with_group_instance_id(self.instance())
                .with_topics(vec![topic]),
        ))
    }
}

/// Forgets one offset; version 0.
#[must_use]
pub fn forget(group: &str, topic: &str, index: i32) -> Request {
    let partition = OffsetDeleteRequestPartition::default().with_partition_index(index);
    let topic =
        OffsetDeleteRequestTopic::default().with_name(topic_name(topic)).with_partitions(vec![partition]);
    let request = OffsetDeleteRequest::default().with_group_id(GroupId(text(group))).with_topics(vec![topic]);
    Request::Group(GroupRequest::OffsetDelete(request))
}

/// Deletes a group; version 2.
#[must_use]
pub fn delete_group(group: &str) -> Request {
    let request = DeleteGroupsRequest::default().with_groups_names(vec![GroupId(text(group))]);
    Request::Group(GroupRequest::Delete(request))
}

/// All groups; version 4.
#[must_use]
pub fn all_groups() -> Request {
    Request::Group(GroupRequest::List(ListGroupsRequest::default()))
}

/// What these groups are; version 5.
#[must_use]
pub fn groups<'a>(groups: impl Iterator<Item = &'a str>) -> Request {
    let request = DescribeGroupsRequest::default();
    let request = request.with_groups(groups.map(|group| GroupId(text(group))).collect());
    Request::Group(GroupRequest::Describe(request))
}

/// All that these groups committed; version 8.
#[must_use]
pub fn committed<'a>(groups: impl Iterator<Item = &'a str>) -> Request {
    let asked = groups.map(|group| {
        OffsetFetchRequestGroup::default().with_group_id(GroupId(text(group))).with_topics(None)
    });
    Request::Group(GroupRequest::OffsetFetch(OffsetFetchRequest::default().with_groups(asked.collect())))
}

pub(super) fn version(request: &GroupRequest) -> i16 {
    match request {
        GroupRequest::Join(_) | GroupRequest::OffsetCommit(_) => 7,
        GroupRequest::Sync(_) | GroupRequest::Heartbeat(_) | GroupRequest::Leave(_) => 3,
        GroupRequest::Describe(_) => 5,
        GroupRequest::List(_) => 4,
        GroupRequest::Delete(_) => 2,
        GroupRequest::OffsetFetch(_) => 8,
        GroupRequest::OffsetDelete(_) => 0,
    }
}
