//! Bounds of ids, and of what one commit may say.

use evenkeel_core::{
    limits::{GROUP_ID_BYTES_MAX, OFFSETS_RECORD_BYTES},
    port::{GroupRequest, GroupResponse, Request, Response},
};
use kafka_protocol::messages::{
    GroupId, OffsetCommitRequest, OffsetFetchRequest, TopicName,
    offset_commit_request::{OffsetCommitRequestPartition, OffsetCommitRequestTopic},
    offset_fetch_request::OffsetFetchRequestGroup,
};

use super::{join, join_request, joined, rig, text};
use crate::rig::Rig;

fn commit_to(rig: &mut Rig, group: &str, partitions: i32) -> Vec<i16> {
    let partitions = (0..partitions).map(|index| {
        OffsetCommitRequestPartition::default()
            .with_partition_index(index)
            .with_committed_offset(i64::from(index) + 7)
            .with_committed_metadata(Some(text("m")))
    });
    let topic = OffsetCommitRequestTopic::default()
        .with_name(TopicName(text("t")))
        .with_partitions(partitions.collect());
    let request = OffsetCommitRequest::default()
        .with_group_id(GroupId(text(group)))
        .with_generation_id_or_member_epoch(-1)
        .with_topics(vec![topic]);
    match rig.ask(8, Request::Group(GroupRequest::OffsetCommit(request))) {
        Response::Group(GroupResponse::OffsetCommit(response)) => {
            response.topics[0].partitions.iter().map(|told| told.error_code).collect()
        }
        other => panic!("not a commit: {other:?}"),
    }
}

fn committed_of(rig: &mut Rig, group: &str) -> Vec<(i32, i64)> {
    let asked = OffsetFetchRequestGroup::default().with_group_id(GroupId(text(group))).with_topics(None);
    let request = OffsetFetchRequest::default().with_groups(vec![asked]);
    match rig.ask(8, Request::Group(GroupRequest::OffsetFetch(request))) {
        Response::Group(GroupResponse::OffsetFetch(response)) => {
            let partitions = response.groups[0].topics.iter().flat_map(|topic| &topic.partitions);
            partitions.map(|told| (told.partition_index, told.committed_offset)).collect()
        }
        other => panic!("not an answer: {other:?}"),
    }
}

#[test]
fn ids_have_a_bound() {
    let mut rig = rig();
    let (longest, longer) = ("g".repeat(GROUP_ID_BYTES_MAX), "g".repeat(GROUP_ID_BYTES_MAX + 1));
    assert_eq!(commit_to(&mut rig, &longest, 1), [0]);
    assert_eq!(commit_to(&mut rig, &longer, 1), [24]);
    let asks = |rig: &mut Rig, group: &str, member: &str, instance: Option<&str>| {
        let request = join_request(member, instance, &["range"]).with_group_id(GroupId(text(group)));
        joined(rig.ask(9, join(request))).error_code
    };
    assert_eq!(asks(&mut rig, &longest, "", None), 79);
    assert_eq!(asks(&mut rig, &longer, "", None), 24);
    assert_eq!(asks(&mut rig, "g", &longest, None), 25, "nobody has that id, but it could be one");
    assert_eq!(asks(&mut rig, "g", &longer, None), 42);
    assert_eq!(asks(&mut rig, "h", "", Some(&longest[..GROUP_ID_BYTES_MAX / 2])), 0);
    assert_eq!(asks(&mut rig, "i", "", Some(&longest[..GROUP_ID_BYTES_MAX / 2 + 1])), 42);
}

#[test]
fn a_commit_of_more_partitions_than_one_record_holds_is_taken_whole() {
    let mut rig = rig();
    rig.delete("t");
    let count = 2 * i32::try_from(OFFSETS_RECORD_BYTES).expect("small") / 19;
    rig.create("t", count, &[]);
    assert_eq!(commit_to(&mut rig, "g", count), vec![0; count as usize]);
    let expected: Vec<(i32, i64)> = (0..count).map(|index| (index, i64::from(index) + 7)).collect();
    assert_eq!(committed_of(&mut rig, "g"), expected);
    assert_eq!(committed_of(&mut rig.crash(), "g"), expected);
}
