use std::panic::catch_unwind;

use evenkeel_core::{
    log::entry::Entry,
    units::{PartitionId, Timestamp},
};
use kafka_protocol::{
    messages::{
        CreatePartitionsResponse, DeleteGroupsResponse, DeleteRecordsResponse, GroupId, HeartbeatResponse,
        IncrementalAlterConfigsResponse, JoinGroupResponse, LeaveGroupResponse, OffsetCommitResponse,
        OffsetDeleteResponse, SyncGroupResponse,
        create_partitions_response::CreatePartitionsTopicResult,
        delete_groups_response::DeletableGroupResult,
        delete_records_response::{DeleteRecordsPartitionResult, DeleteRecordsTopicResult},
        incremental_alter_configs_response::AlterConfigsResourceResponse,
        leave_group_response::MemberResponse,
        offset_commit_response::{OffsetCommitResponsePartition, OffsetCommitResponseTopic},
        offset_delete_response::{OffsetDeleteResponsePartition, OffsetDeleteResponseTopic},
    },
    protocol::StrBytes,
};

use super::*;
use crate::requests::{
    of_admin::{delete_records, grow, set},
    of_groups::{Speaker, delete_group, forget},
    topic_name,
};

/// Topic a: one partition, then three with a config and its first records gone. Group g: a member of generation 1 and one
/// commit, and then none of it.
fn truth() -> Truth {
    use evenkeel_core::log::entry::{CommittedOffset, GroupChange, GroupEntry, GroupMember, TopicCreated};
    let at = Timestamp(5);
    let id = evenkeel_core::units::TopicId([7; 16]);
    let group = |what| Entry::Group(GroupChange { group: String::from("g"), what });
    let member = GroupMember {
        id: String::from("m"),
        instance: None,
        client_id: String::new(),
        client_host: String::new(),
        session_timeout_ms: 1,
        rebalance_timeout_ms: 1,
        metadata: Vec::new(),
        assignment: Vec::new(),
    };
    let offset = CommittedOffset {
        offset: evenkeel_core::units::Offset(7),
        leader_epoch: -1,
        metadata: String::from("mmm"),
    };
    let append = crate::batch::Numbered { number: 1, count: 7, filling: 0, by: None };
    let append = evenkeel_core::log::entry::Append {
        partition: PartitionId(0),
        appended_at: at,
        header: crate::batch::numbered(append).header,
    };
    Truth::of(vec![
        Entry::TopicCreated(TopicCreated {
            id,
            name: String::from("a"),
            partitions: 1,
            first_partition: PartitionId(0),
            at,
            configs: BTreeMap::new(),
        }),
        Entry::Append(append),
        Entry::PartitionsAdded { topic: id, first_partition: PartitionId(1), partitions: 2 },
        Entry::ConfigsChanged {
            topic: id,
            configs: BTreeMap::from([(String::from("flush.ms"), Some(String::from("7")))]),
        },
        Entry::RecordsDeleted { partition: PartitionId(0), log_start: evenkeel_core::units::Offset(2) },
        group(GroupEntry::Member { generation: 1, member }),
        group(GroupEntry::Generation {
            generation: 1,
            at,
            protocol_type: String::from("consumer"),
            protocol: String::from("range"),
            leader: String::from("m"),
        }),
        group(GroupEntry::Assignment { generation: 1, member: String::from("m"), assignment: vec![4; 3] }),
        group(GroupEntry::Assigned { generation: 1 }),
        group(GroupEntry::Committed { at, offsets: vec![(PartitionId(0), offset)] }),
        group(GroupEntry::Forgotten { partitions: vec![PartitionId(0)] }),
        group(GroupEntry::Removed { member: String::from("m"), at }),
        group(GroupEntry::Deleted),
    ])
}

/// Each kind of answer, and the LSN behind the entry that makes it so.
fn answers() -> Vec<(u64, Request, Response)> {
    let text = StrBytes::from_static_str;
    let admin = Response::Admin;
    let group = Response::Group;
    let speaker =
        Speaker { group: String::from("g"), member: String::from("m"), instance: None, generation: 1 };
    let grown = vec![CreatePartitionsTopicResult::default().with_name(topic_name("a"))];
    let start = vec![DeleteRecordsPartitionResult::default().with_partition_index(0).with_low_watermark(2)];
    let start = vec![DeleteRecordsTopicResult::default().with_name(topic_name("a")).with_partitions(start)];
    let joined = JoinGroupResponse::default().with_generation_id(1).with_member_id(text("m"));
    let offset = KnownOffset { offset: 7, leader_epoch: -1, metadata: String::from("mmm") };
    let committed = vec![OffsetCommitResponsePartition::default()];
    let committed =
        vec![OffsetCommitResponseTopic::default().with_name(topic_name("a")).with_partitions(committed)];
    let forgotten = vec![OffsetDeleteResponsePartition::default()];
    let forgotten =
        vec![OffsetDeleteResponseTopic::default().with_name(topic_name("a")).with_partitions(forgotten)];
    let left = vec![MemberResponse::default().with_member_id(text("m"))];
    let deleted = vec![DeletableGroupResult::default().with_group_id(GroupId(text("g")))];
    let set_one = vec![AlterConfigsResourceResponse::default()];
    vec![
        (
            3,
            grow("a", 3),
            admin(AdminResponse::CreatePartitions(CreatePartitionsResponse::default().with_results(grown))),
        ),
        (
            4,
            set("a", "flush.ms", Some("7")),
            admin(AdminResponse::IncrementalAlterConfigs(
                IncrementalAlterConfigsResponse::default().with_responses(set_one),
            )),
        ),
        (
            5,
            delete_records("a", 0, 2),
            admin(AdminResponse::DeleteRecords(DeleteRecordsResponse::default().with_topics(start))),
        ),
        (7, speaker.join("c"), group(GroupResponse::Join(joined))),
        (7, speaker.heartbeat(), group(GroupResponse::Heartbeat(HeartbeatResponse::default()))),
        (
            9,
            speaker.sync(&[]),
            group(GroupResponse::Sync(
                SyncGroupResponse::default().with_assignment(bytes::Bytes::from_static(&[4; 3])),
            )),
        ),
        (
            10,
            speaker.commit("a", 0, &offset),
            group(GroupResponse::OffsetCommit(OffsetCommitResponse::default().with_topics(committed))),
        ),
        (
            11,
            forget("g", "a", 0),
            group(GroupResponse::OffsetDelete(OffsetDeleteResponse::default().with_topics(forgotten))),
        ),
        (12, speaker.leave(), group(GroupResponse::Leave(LeaveGroupResponse::default().with_members(left)))),
        (
            13,
            delete_group("g"),
            group(GroupResponse::Delete(DeleteGroupsResponse::default().with_results(deleted))),
        ),
    ]
}

#[test]
fn what_was_told_must_have_been_so_at_a_durable_place_since_it_was_asked_for() {
    let truth = truth();
    for (behind, request, response) in answers() {
        let asked = |since, durable| {
            let answer = || assert_told(&truth, Lsn(since), Lsn(durable), &request, &response);
            catch_unwind(std::panic::AssertUnwindSafe(answer)).is_ok()
        };
        assert!(asked(behind - 1, behind), "{response:?}");
        assert!(asked(behind - 1, 13.max(behind)), "later changes do not make it untrue: {response:?}");
        assert!(!asked(behind - 1, behind - 1), "told before it is durable: {response:?}");
    }
}

#[test]
#[should_panic(expected = "was not so at any LSN from 11 to 13")]
fn what_was_so_only_before_it_was_asked_for_is_found_out() {
    let (_, request, response) = answers().swap_remove(6);
    assert_told(&truth(), Lsn(11), Lsn(13), &request, &response);
}
