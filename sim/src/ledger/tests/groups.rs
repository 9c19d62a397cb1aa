//! Answers of and about groups, and what is told of committed offsets.

use evenkeel_core::{port::GroupResponse, units::Tag};
use kafka_protocol::messages::{
    DeleteGroupsResponse, DescribeGroupsResponse, GroupId, HeartbeatResponse, JoinGroupResponse,
    LeaveGroupResponse, ListGroupsResponse, OffsetCommitResponse, OffsetDeleteResponse, OffsetFetchResponse,
    SyncGroupResponse,
    delete_groups_response::DeletableGroupResult,
    describe_groups_response::DescribedGroup,
    join_group_response::JoinGroupResponseMember,
    leave_group_response::MemberResponse,
    list_groups_response::ListedGroup,
    offset_commit_response::{OffsetCommitResponsePartition, OffsetCommitResponseTopic},
    offset_delete_response::{OffsetDeleteResponsePartition, OffsetDeleteResponseTopic},
    offset_fetch_response::{
        OffsetFetchResponseGroup, OffsetFetchResponsePartitions, OffsetFetchResponseTopics,
    },
};

use super::*;
use crate::{
    assignment,
    ledger::{Commit, CommitNumber, GroupAsked, OffsetPlace, Spoken, epoch_beside},
};

fn group(asked: GroupAsked) -> Asked {
    Asked::Group(asked)
}

fn name() -> String {
    String::from("g")
}

fn spoken(member: &str, generation: i32) -> Spoken {
    Spoken { group: name(), member: String::from(member), generation }
}

fn id(member: &str) -> StrBytes {
    StrBytes::from_string(String::from(member))
}

fn join(member: &str) -> Asked {
    let session_micros = 1_000_000;
    group(GroupAsked::Join {
        group: name(),
        member: String::from(member),
        instance: None,
        session_micros,
        newest: 0,
    })
}

/// A member is in a generation that `leader` leads; the leader is told of all.
fn joined(member: &str, generation: i32, leader: &str, all: &[&str]) -> Response {
    let members = all.iter().map(|of| JoinGroupResponseMember::default().with_member_id(id(of)));
    Response::Group(GroupResponse::Join(
        JoinGroupResponse::default()
            .with_generation_id(generation)
            .with_leader(id(leader))
            .with_member_id(id(member))
            .with_members(members.collect()),
    ))
}

fn sync(member: &str, generation: i32) -> Asked {
    group(GroupAsked::Sync(spoken(member, generation)))
}

fn synced(generation: i32, place: &str, partitions: &[PartitionKey]) -> Response {
    let told =
        assignment::Assignment { generation, place: String::from(place), partitions: partitions.to_vec() };
    Response::Group(GroupResponse::Sync(SyncGroupResponse::default().with_assignment(told.encode())))
}

fn heartbeat(member: &str, generation: i32) -> Asked {
    group(GroupAsked::Heartbeat(spoken(member, generation)))
}

fn beat(error: i16) -> Response {
    Response::Group(GroupResponse::Heartbeat(HeartbeatResponse::default().with_error_code(error)))
}

fn place() -> OffsetPlace {
    OffsetPlace { group: name(), topic: String::from("t"), index: 0 }
}

/// Commits under a number, which is also the offset.
fn commit(member: &str, generation: i32, number: u64) -> Asked {
    let offset = i64::try_from(number).expect("small");
    let commit = Commit { place: place(), key: KEY, offset };
    group(GroupAsked::Commit(spoken(member, generation), vec![(CommitNumber(number), commit)]))
}

fn committed(errors: &[i16]) -> Response {
    let partitions =
        errors.iter().map(|error| OffsetCommitResponsePartition::default().with_error_code(*error));
    let topic = OffsetCommitResponseTopic::default().with_partitions(partitions.collect());
    Response::Group(GroupResponse::OffsetCommit(OffsetCommitResponse::default().with_topics(vec![topic])))
}

fn offsets() -> Asked {
    group(GroupAsked::Offsets(vec![place()]))
}

/// The commit of that number is there, or none.
fn there(number: Option<u64>) -> Response {
    let found = OffsetFetchResponsePartitions::default();
    let found = match number {
        None => found.with_committed_offset(-1),
        Some(number) => found
            .with_committed_offset(i64::try_from(number).expect("small"))
            .with_committed_leader_epoch(epoch_beside(CommitNumber(number)))
            .with_metadata(Some(StrBytes::from_string(assignment::metadata(CommitNumber(number))))),
    };
    let topic = OffsetFetchResponseTopics::default().with_partitions(vec![found]);
    let told = OffsetFetchResponseGroup::default().with_topics(vec![topic]);
    Response::Group(GroupResponse::OffsetFetch(OffsetFetchResponse::default().with_groups(vec![told])))
}

fn described(state: &'static str) -> Response {
    let told = DescribedGroup::default()
        .with_group_id(GroupId(id("g")))
        .with_group_state(StrBytes::from_static_str(state));
    Response::Group(GroupResponse::Describe(DescribeGroupsResponse::default().with_groups(vec![told])))
}

fn listed_groups(all: &[&str]) -> Response {
    let groups = all.iter().map(|of| ListedGroup::default().with_group_id(GroupId(id(of))));
    Response::Group(GroupResponse::List(ListGroupsResponse::default().with_groups(groups.collect())))
}

fn deleted_group(error: i16) -> Response {
    let result = DeletableGroupResult::default().with_error_code(error);
    Response::Group(GroupResponse::Delete(DeleteGroupsResponse::default().with_results(vec![result])))
}

fn forgotten(errors: &[i16]) -> Response {
    let partitions =
        errors.iter().map(|error| OffsetDeleteResponsePartition::default().with_error_code(*error));
    let topic = OffsetDeleteResponseTopic::default().with_partitions(partitions.collect());
    Response::Group(GroupResponse::OffsetDelete(OffsetDeleteResponse::default().with_topics(vec![topic])))
}

fn left(member: &str) -> (Asked, Response) {
    let told = LeaveGroupResponse::default().with_members(vec![MemberResponse::default()]);
    (group(GroupAsked::Leave(spoken(member, 1))), Response::Group(GroupResponse::Leave(told)))
}

/// Members `a` and `b` are in generation 1, `a` leads, and each was told what it has.
fn settled() -> Talk {
    let mut talk = Talk::new();
    assert_eq!(talk.told(join("a"), &joined("a", 1, "a", &["a", "b"])), "");
    assert_eq!(talk.told(join("b"), &joined("b", 1, "a", &[])), "");
    assert_eq!(talk.told(sync("a", 1), &synced(1, "a", &[KEY])), "");
    assert_eq!(talk.told(sync("b", 1), &synced(1, "b", &[])), "");
    talk
}

#[test]
fn a_generation_has_one_leader_and_the_same_members_and_is_never_taken_back() {
    let mut talk = settled();
    assert_eq!(talk.told(join("b"), &joined("b", 1, "b", &[])), "generation-repeated", "another leader");
    let mut talk = settled();
    assert_eq!(talk.told(join("a"), &joined("a", 1, "a", &["a"])), "generation-repeated", "other members");
    let mut talk = settled();
    assert_eq!(talk.told(join("a"), &joined("a", 2, "a", &["a", "b"])), "");
    let again = group(GroupAsked::Join {
        group: name(),
        member: String::from("b"),
        instance: None,
        session_micros: 1_000_000,
        newest: 2,
    });
    assert_eq!(talk.told(again, &joined("b", 1, "a", &[])), "generation-lost");
}

#[test]
fn an_assignment_is_whose_it_is_and_a_partition_has_one_owner() {
    let mut talk = settled();
    assert_eq!(talk.told(sync("a", 1), &synced(1, "b", &[])), "wrong-owner", "another's");
    assert_eq!(talk.told(sync("a", 1), &synced(2, "a", &[KEY])), "wrong-owner", "of another generation");
    assert_eq!(talk.told(sync("a", 1), &synced(1, "a", &[])), "wrong-owner", "it was told otherwise");
    assert_eq!(talk.told(sync("b", 1), &synced(1, "b", &[KEY])), "two-owners");
    let noise = SyncGroupResponse::default().with_assignment(Bytes::from_static(b"noise"));
    let noise = Response::Group(GroupResponse::Sync(noise));
    assert_eq!(talk.told(sync("a", 1), &noise), "wrong-owner", "nobody assigned that");
    assert_eq!(talk.told(sync("a", 1), &synced(1, "a", &[KEY])), "", "told again");
}

#[test]
fn who_is_out_does_not_speak_for_the_group() {
    let mut talk = settled();
    let (leave, gone) = left("b");
    assert_eq!(talk.told(leave, &gone), "");
    assert_eq!(talk.told(heartbeat("b", 1), &beat(25)), "");
    assert_eq!(talk.told(heartbeat("b", 1), &beat(0)), "zombie-member");
    assert_eq!(talk.told(join("b"), &joined("b", 2, "a", &[])), "zombie-member");
    assert_eq!(talk.told(commit("b", 1, 1), &committed(&[0])), "stale-commit");
    assert_eq!(talk.told(sync("b", 1), &synced(1, "b", &[])), "zombie-member");
}

#[test]
fn a_settled_group_stays_as_it_is() {
    let mut talk = settled();
    assert_eq!(talk.told(heartbeat("a", 1), &beat(0)), "");
    assert_eq!(talk.told(heartbeat("a", 1), &beat(27)), "needless-rebalance");
    assert_eq!(
        talk.told(
            sync("b", 1),
            &Response::Group(GroupResponse::Sync(SyncGroupResponse::default().with_error_code(25)))
        ),
        "needless-rebalance"
    );
    assert_eq!(talk.told(heartbeat("a", 1), &beat(42)), "needless-rebalance", "whatever the reason");
    assert_eq!(talk.told(heartbeat("c", 1), &beat(25)), "", "no member");
    assert_eq!(talk.told(heartbeat("c", 1), &beat(42)), "wrong-error");
    let describe = || group(GroupAsked::Describe(name()));
    assert_eq!(talk.told(describe(), &described("Stable")), "");
    assert_eq!(talk.told(describe(), &described("PreparingRebalance")), "needless-rebalance");
    let none = Response::Group(GroupResponse::Describe(DescribeGroupsResponse::default()));
    assert_eq!(talk.told(describe(), &none), "wrong-answer");
    assert_eq!(talk.told(group(GroupAsked::List), &listed_groups(&["g"])), "");
    assert_eq!(talk.told(group(GroupAsked::List), &listed_groups(&["h"])), "lost-group");
    // Whoever was not heard of for its session may be out.
    talk.ledger.now += 2_000_000;
    assert_eq!(talk.told(heartbeat("a", 1), &beat(25)), "");
    assert_eq!(talk.told(describe(), &described("Empty")), "");
    assert_eq!(talk.told(group(GroupAsked::List), &listed_groups(&[])), "");
}

#[test]
fn a_commit_is_there_until_the_next_and_takes_a_member() {
    let mut talk = settled();
    assert_eq!(talk.told(offsets(), &there(None)), "");
    assert_eq!(talk.told(offsets(), &there(Some(3))), "phantom-offset");
    assert_eq!(talk.told(commit("a", 1, 3), &committed(&[0])), "");
    assert_eq!(talk.told(offsets(), &there(Some(3))), "");
    assert_eq!(talk.told(offsets(), &there(None)), "lost-offset");
    assert_eq!(talk.told(commit("a", 1, 5), &committed(&[0])), "");
    assert_eq!(talk.told(offsets(), &there(Some(3))), "offset-went-back");
    assert_eq!(talk.told(commit("a", 1, 6), &committed(&[22])), "needless-rebalance");
    assert_eq!(talk.told(commit("a", 1, 7), &committed(&[14])), "", "it is refused");
    assert_eq!(talk.told(offsets(), &there(Some(7))), "phantom-offset", "it was refused");
    assert_eq!(talk.told(commit("a", 1, 8), &committed(&[3])), "lost-topic");
    assert_eq!(talk.told(commit("a", 1, 9), &committed(&[])), "wrong-answer");
    assert_eq!(talk.told(commit("", -1, 10), &committed(&[22])), "", "it is no member");
    assert_eq!(talk.told(commit("", -1, 11), &committed(&[0])), "stale-commit", "the group has members");
    let nothing = OffsetFetchResponse::default();
    assert_eq!(talk.told(offsets(), &Response::Group(GroupResponse::OffsetFetch(nothing))), "wrong-answer");
}

#[test]
fn of_commits_under_way_each_may_be_the_last() {
    let mut talk = settled();
    assert_eq!(talk.told(commit("a", 1, 1), &committed(&[0])), "");
    let asks = |talk: &mut Talk, asked| {
        talk.next += 1;
        talk.ledger.sent(CONN, Tag(talk.next), asked);
        Tag(talk.next)
    };
    let (two, three) = (asks(&mut talk, commit("a", 1, 2)), asks(&mut talk, commit("a", 1, 3)));
    assert_eq!(talk.told(offsets(), &there(Some(1))), "", "neither has happened");
    assert_eq!(talk.told(offsets(), &there(Some(3))), "");
    assert_eq!(talk.told(offsets(), &there(Some(1))), "offset-went-back");
    assert!(talk.ledger.answered(CONN, three, &committed(&[0])).is_ok());
    assert_eq!(talk.told(offsets(), &there(Some(2))), "", "it may have come behind");
    assert!(talk.ledger.answered(CONN, two, &committed(&[0])).is_ok());
    assert_eq!(talk.told(offsets(), &there(Some(3))), "offset-went-back", "it came before");
    assert_eq!(talk.told(offsets(), &there(Some(2))), "");
}

#[test]
fn what_is_deleted_is_asked_for_and_does_not_come_back() {
    let forget = || group(GroupAsked::Forget(vec![place()]));
    let delete = || group(GroupAsked::Delete(name()));
    let mut talk = settled();
    assert_eq!(talk.told(commit("a", 1, 3), &committed(&[0])), "");
    assert_eq!(talk.told(forget(), &forgotten(&[86])), "", "the group reads that topic");
    assert_eq!(talk.told(offsets(), &there(None)), "lost-offset", "it was refused");
    assert_eq!(talk.told(forget(), &forgotten(&[])), "wrong-answer");
    assert_eq!(talk.told(forget(), &forgotten(&[42])), "wrong-error");
    assert_eq!(talk.told(forget(), &forgotten(&[0])), "");
    assert_eq!(talk.told(offsets(), &there(Some(3))), "offset-went-back");
    assert_eq!(talk.told(offsets(), &there(None)), "");

    let mut talk = settled();
    assert_eq!(talk.told(commit("a", 1, 3), &committed(&[0])), "");
    assert_eq!(talk.told(delete(), &deleted_group(68)), "", "it has members");
    assert_eq!(talk.told(delete(), &deleted_group(69)), "lost-group", "it was there");
    assert_eq!(talk.told(delete(), &deleted_group(42)), "wrong-error");
    assert_eq!(talk.told(delete(), &deleted_group(0)), "");
    assert_eq!(talk.told(offsets(), &there(Some(3))), "offset-went-back");
    assert_eq!(talk.told(delete(), &deleted_group(69)), "", "it is gone");

    // Somebody else has asked for it and is not answered: who is told that it is not there knows what became of that.
    let mut talk = settled();
    talk.ledger.sent(ConnId(2), Tag(0), delete());
    assert_eq!(talk.told(delete(), &deleted_group(69)), "");
    assert!(talk.ledger.groups["g"].deleted, "it does not come back");
}

// Seed 159735989.
#[test]
fn a_group_that_may_have_been_deleted_may_begin_with_the_same_number_again() {
    let alone = || {
        let mut talk = Talk::new();
        assert_eq!(talk.told(join("a"), &joined("a", 1, "a", &["a"])), "");
        assert_eq!(talk.told(sync("a", 1), &synced(1, "a", &[KEY])), "");
        talk
    };
    // The deletion was sent, and nobody waits for what becomes of it.
    let given_up = |talk: &mut Talk| {
        talk.next += 1;
        talk.ledger.sent(CONN, Tag(talk.next), group(GroupAsked::Delete(name())));
        talk.ledger.hung_up(CONN);
    };
    let mut talk = alone();
    given_up(&mut talk);
    assert_eq!(talk.told(join("a"), &joined("a", 1, "a", &["a"])), "");
    assert_eq!(talk.told(sync("a", 1), &synced(1, "a", &[])), "", "the leader of another group");
    assert_eq!(talk.told(sync("a", 1), &synced(1, "a", &[])), "");
    let mut talk = alone();
    given_up(&mut talk);
    assert_eq!(talk.told(join("a"), &joined("a", 1, "a", &["a", "b"])), "", "others are in another group");
    assert_eq!(talk.told(sync("b", 1), &synced(1, "b", &[KEY])), "");

    let mut talk = alone();
    assert_eq!(talk.told(sync("a", 1), &synced(1, "a", &[])), "wrong-owner", "nobody deleted it");
}
