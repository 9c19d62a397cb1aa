//! The requests of consumer groups and their offsets.

use kafka_protocol::{
    messages::{
        GroupId, join_group_request, leave_group_request, offset_commit_request, offset_delete_request,
        offset_fetch_request, sync_group_request,
    },
    protocol::StrBytes,
};

use super::{Fields, Kind, array, bytes, fields, int8, int32, int64, string};
use crate::wire::api::GroupApi;

/// The fields of a request.
pub(super) fn request(api: GroupApi) -> Fields {
    match api {
        GroupApi::OffsetCommit => OFFSET_COMMIT,
        GroupApi::OffsetFetch => OFFSET_FETCH,
        GroupApi::JoinGroup => JOIN_GROUP,
        GroupApi::Heartbeat => HEARTBEAT,
        GroupApi::LeaveGroup => LEAVE_GROUP,
        GroupApi::SyncGroup => SYNC_GROUP,
        GroupApi::DescribeGroups => DESCRIBE_GROUPS,
        GroupApi::ListGroups => LIST_GROUPS,
        GroupApi::DeleteGroups => DELETE_GROUPS,
        GroupApi::OffsetDelete => OFFSET_DELETE,
    }
}

const OFFSET_COMMIT: Fields = &[
    string("group_id"),
    int32("generation_id_or_member_epoch"),
    string("member_id"),
    string("group_instance_id").since(7).nullable(),
    int64("retention_time_ms").last(4),
    array::<offset_commit_request::OffsetCommitRequestTopic>("topics", &OFFSET_COMMIT_TOPIC),
];
const OFFSET_COMMIT_TOPIC_PARTITION: Kind = fields(&[
    int32("partition_index"),
    int64("committed_offset"),
    int32("committed_leader_epoch").since(6),
    string("committed_metadata").nullable(),
]);
const OFFSET_COMMIT_TOPIC: Kind = fields(&[
    string("name"),
    array::<offset_commit_request::OffsetCommitRequestPartition>(
        "partitions",
        &OFFSET_COMMIT_TOPIC_PARTITION,
    ),
]);

const OFFSET_FETCH: Fields = &[
    string("group_id").last(7),
    array::<offset_fetch_request::OffsetFetchRequestTopic>("topics", &OFFSET_FETCH_TOPIC)
        .last(7)
        .nullable_since(2),
    array::<offset_fetch_request::OffsetFetchRequestGroup>("groups", &OFFSET_FETCH_GROUP).since(8),
    int8("require_stable").since(7),
];
const OFFSET_FETCH_TOPIC: Kind =
    fields(&[string("name").last(7), array::<i32>("partition_indexes", &Kind::Fixed(4)).last(7)]);
const OFFSET_FETCH_GROUP_TOPICS: Kind =
    fields(&[string("name").since(8), array::<i32>("partition_indexes", &Kind::Fixed(4)).since(8)]);
const OFFSET_FETCH_GROUP: Kind = fields(&[
    string("group_id").since(8),
    string("member_id").since(9).nullable(),
    int32("member_epoch").since(9),
    array::<offset_fetch_request::OffsetFetchRequestTopics>("topics", &OFFSET_FETCH_GROUP_TOPICS)
        .since(8)
        .nullable(),
]);

const JOIN_GROUP: Fields = &[
    string("group_id"),
    int32("session_timeout_ms"),
    int32("rebalance_timeout_ms").since(1),
    string("member_id"),
    string("group_instance_id").since(5).nullable(),
    string("protocol_type"),
    array::<join_group_request::JoinGroupRequestProtocol>("protocols", &JOIN_GROUP_PROTOCOL),
    string("reason").since(8).nullable(),
];
const JOIN_GROUP_PROTOCOL: Kind = fields(&[string("name"), bytes("metadata")]);

const HEARTBEAT: Fields = &[
    string("group_id"),
    int32("generation_id"),
    string("member_id"),
    string("group_instance_id").since(3).nullable(),
];

const LEAVE_GROUP: Fields = &[
    string("group_id"),
    string("member_id").last(2),
    array::<leave_group_request::MemberIdentity>("members", &LEAVE_GROUP_MEMBER).since(3),
];
const LEAVE_GROUP_MEMBER: Kind = fields(&[
    string("member_id").since(3),
    string("group_instance_id").since(3).nullable(),
    string("reason").since(5).nullable(),
]);

const SYNC_GROUP: Fields = &[
    string("group_id"),
    int32("generation_id"),
    string("member_id"),
    string("group_instance_id").since(3).nullable(),
    string("protocol_type").since(5).nullable(),
    string("protocol_name").since(5).nullable(),
    array::<sync_group_request::SyncGroupRequestAssignment>("assignments", &SYNC_GROUP_ASSIGNMENT),
];
const SYNC_GROUP_ASSIGNMENT: Kind = fields(&[string("member_id"), bytes("assignment")]);

const DESCRIBE_GROUPS: Fields =
    &[array::<GroupId>("groups", &Kind::String), int8("include_authorized_operations").since(3)];

const LIST_GROUPS: Fields = &[
    array::<StrBytes>("states_filter", &Kind::String).since(4),
    array::<StrBytes>("types_filter", &Kind::String).since(5),
];

const DELETE_GROUPS: Fields = &[array::<GroupId>("groups_names", &Kind::String)];

const OFFSET_DELETE: Fields = &[
    string("group_id"),
    array::<offset_delete_request::OffsetDeleteRequestTopic>("topics", &OFFSET_DELETE_TOPIC),
];
const OFFSET_DELETE_TOPIC_PARTITION: Kind = fields(&[int32("partition_index")]);
const OFFSET_DELETE_TOPIC: Kind = fields(&[
    string("name"),
    array::<offset_delete_request::OffsetDeleteRequestPartition>(
        "partitions",
        &OFFSET_DELETE_TOPIC_PARTITION,
    ),
]);
