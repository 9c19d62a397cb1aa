use alloc::{collections::BTreeMap, string::String, vec, vec::Vec};

use super::*;
use crate::log::entry::{CommittedOffset, GroupChange, GroupMember, TopicCreated};

fn topic(id: u8, first: u32, partitions: u32) -> Entry {
    Entry::TopicCreated(TopicCreated {
        id: TopicId([id; 16]),
        name: alloc::format!("t{id}"),
        partitions,
        first_partition: PartitionId(first),
        at: Timestamp(0),
        configs: BTreeMap::new(),
    })
}

fn group(what: GroupEntry) -> Entry {
    Entry::Group(GroupChange { group: String::from("g"), what })
}

fn state(entries: &[Entry]) -> State {
    let mut state = State::default();
    for (lsn, entry) in (0..).map(Lsn).zip(entries) {
        state.apply(lsn, entry);
    }
    state
}

#[test]
fn members_told_for_a_generation_that_never_began_are_not_in_another() {
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
    let generation = |generation| {
        group(GroupEntry::Generation {
            generation,
            at: Timestamp(0),
            protocol_type: String::from("consumer"),
            protocol: String::new(),
            leader: String::new(),
        })
    };
    let told = group(GroupEntry::Member { generation: 3, member });
    let members = |entries: &[Entry]| state(entries).group("g").map(|group| group.members.len());
    assert_eq!(members(&[told.clone(), generation(3)]), Some(1));
    // A crash came between the two, and everybody left.
    assert_eq!(members(&[told.clone(), generation(4)]), Some(0));
    assert_eq!(members(&[told, generation(3), generation(4)]), Some(0), "they count once");
}

#[test]
fn offsets_of_partitions_that_are_gone_are_not_taken() {
    let offset = CommittedOffset { offset: Offset(5), leader_epoch: 1, metadata: String::new() };
    let offsets = vec![(PartitionId(0), offset.clone()), (PartitionId(9), offset)];
    let state = state(&[topic(1, 0, 2), group(GroupEntry::Committed { at: Timestamp(0), offsets })]);
    let known = state.group("g").map(|group| group.offsets.keys().copied().collect::<Vec<_>>());
    assert_eq!(known, Some(vec![PartitionId(0)]));
}

#[test]
fn partitions_added_after_a_loss_begin_behind_the_highest_offset_that_may_be_known() {
    let mut state = state(&[topic(1, 0, 3)]);
    for (id, skipped) in [(0, 10), (1, 30), (2, 20)] {
        state.partition_mut(PartitionId(id)).expect("it is there").skip(skipped);
    }
    let added =
        Entry::PartitionsAdded { topic: TopicId([1; 16]), first_partition: PartitionId(3), partitions: 1 };
    state.apply(Lsn(9), &added);
    assert_eq!(state.partition(PartitionId(3)).map(Partition::next_offset), Some(Offset(30)));
}
