//! Commits, and questions for them; and a client that commits without being a member of anything.

use evenkeel_core::port::{GroupRequest, Request};
use kafka_protocol::messages::{
    GroupId, OffsetCommitRequest, OffsetFetchRequest, OffsetFetchResponse,
    offset_commit_request::{OffsetCommitRequestPartition, OffsetCommitRequestTopic},
    offset_fetch_request::{OffsetFetchRequestGroup, OffsetFetchRequestTopics},
};

use crate::{
    assignment::metadata,
    client::{Desk, Outgoing, text, topic_name},
    dice::Dice,
    ledger::{Asked, Commit, CommitNumber, GroupAsked, OffsetPlace, PartitionKey, Spoken, epoch_beside},
    reading::FoundOffset,
};

/// A commit and its number.
pub(crate) type Numbered = (CommitNumber, Commit);

/// A commit that was not there before.
pub(super) fn number(place: OffsetPlace, key: PartitionKey, offset: i64, desk: &mut Desk<'_>) -> Numbered {
    (CommitNumber(desk.number().0), Commit { place, key, offset })
}

/// Commits these.
pub(crate) fn commit(spoken: Spoken, instance: Option<&str>, some: Vec<Numbered>) -> Outgoing {
    let topics = some.iter().map(|(number, commit)| {
        let partition = OffsetCommitRequestPartition::default()
            .with_partition_index(commit.place.index)
            .with_committed_offset(commit.offset)
            .with_committed_leader_epoch(epoch_beside(*number))
            .with_committed_metadata(Some(text(&metadata(*number))));
        OffsetCommitRequestTopic::default()
            .with_name(topic_name(&commit.place.topic))
            .with_partitions(vec![partition])
    });
    let request = OffsetCommitRequest::default()
        .with_group_id(GroupId(text(&spoken.group)))
        .with_member_id(text(&spoken.member))
        .with_generation_id_or_member_epoch(spoken.generation)
        .with_group_instance_id(instance.filter(|_| spoken.generation >= 0).map(text))
        .with_topics(topics.collect());
    Outgoing {
        version: 8,
        request: Request::Group(GroupRequest::OffsetCommit(request)),
        asked: Asked::Group(GroupAsked::Commit(spoken, some)),
        silent: false,
    }
}

/// Asks what is committed at these places, all of one group.
pub(super) fn fetch(places: Vec<OffsetPlace>) -> Outgoing {
    let group = places.first().map(|place| place.group.clone()).unwrap_or_default();
    let topics = places.iter().map(|place| {
        OffsetFetchRequestTopics::default()
            .with_name(topic_name(&place.topic))
            .with_partition_indexes(vec![place.index])
    });
    let group = OffsetFetchRequestGroup::default()
        .with_group_id(GroupId(text(&group)))
        .with_topics(Some(topics.collect()));
    let request = OffsetFetchRequest::default().with_groups(vec![group]);
    Outgoing {
        version: 8,
        request: Request::Group(GroupRequest::OffsetFetch(request)),
        asked: Asked::Group(GroupAsked::Offsets(places)),
        silent: false,
    }
}

/// What was told, in the order in which it was asked for.
pub(super) fn told(answer: &OffsetFetchResponse) -> impl Iterator<Item = FoundOffset> {
    answer.groups.iter().flat_map(|group| &group.topics).flat_map(|topic| &topic.partitions).map(
        |partition| FoundOffset {
            offset: partition.committed_offset,
            leader_epoch: partition.committed_leader_epoch,
            metadata: partition.metadata.as_ref().map_or_else(String::new, ToString::to_string),
        },
    )
}

/// A client that assigns partitions to itself, and commits under a name that nobody joins; now and then, under one that others have
/// joined.
#[derive(Clone, Debug)]
pub(super) struct Committer {
    group: String,
    waits: bool,
}

impl Committer {
    pub(super) fn new(number: u64) -> Committer {
        Committer { group: format!("apart-{number}"), waits: false }
    }

    pub(super) fn act(&mut self, desk: &mut Desk<'_>, dice: &mut Dice, outbox: &mut Vec<Outgoing>) {
        if self.waits || *desk.operations_left == 0 {
            return;
        }
        let usable: Vec<(PartitionKey, String)> =
            desk.ledger.usable().map(|(key, topic)| (key, topic.name.clone())).collect();
        if usable.is_empty() {
            return;
        }
        let intrudes = desk.shape.members > 0 && dice.chance(50);
        let group = if intrudes { super::group_of(0) } else { self.group.clone() };
        let (key, topic) = &usable[dice.index(usable.len())];
        let place = OffsetPlace { group: group.clone(), topic: topic.clone(), index: key.index };
        self.waits = true;
        if dice.chance(400) {
            outbox.push(fetch(vec![place]));
            return;
        }
        let end = u64::try_from(desk.ledger.high_watermark(*key)).unwrap_or(0);
        let offset = i64::try_from(dice.below(end + 1)).expect("small");
        let some = vec![number(place, *key, offset, desk)];
        outbox.push(commit(Spoken { group, member: String::new(), generation: -1 }, None, some));
    }

    pub(super) fn hear(&mut self) {
        self.waits = false;
    }
}
