//! OffsetCommit, OffsetFetch, OffsetDelete, and how committed offsets expire.

use alloc::{
    string::{String, ToString},
    vec::Vec,
};

use kafka_protocol::{
    messages::{
        GroupId, OffsetCommitRequest, OffsetCommitResponse, OffsetDeleteRequest, OffsetDeleteResponse,
        OffsetFetchRequest, OffsetFetchResponse, TopicName,
        offset_commit_response::{OffsetCommitResponsePartition, OffsetCommitResponseTopic},
        offset_delete_response::{OffsetDeleteResponsePartition, OffsetDeleteResponseTopic},
        offset_fetch_response::{
            OffsetFetchResponseGroup, OffsetFetchResponsePartition, OffsetFetchResponsePartitions,
            OffsetFetchResponseTopic, OffsetFetchResponseTopics,
        },
    },
    protocol::StrBytes,
};

use crate::{
    broker::{Asker, Live},
    error_code,
    limits::{
        GROUP_ID_BYTES_MAX, GROUPS_MAX, OFFSET_EXPIRY_INTERVAL, OFFSET_METADATA_BYTES_MAX,
        OFFSETS_RECORD_BYTES,
    },
    log::entry::{CommittedOffset, GroupEntry},
    marks::{Mark, mark},
    planted::{Planted, planted},
    port::{GroupResponse, Response},
    state::group::Group,
    turn::{Timer, Turn},
    units::{Lsn, Offset, PartitionId},
};

/// First version of OffsetFetch that asks for several groups.
const BY_GROUP_SINCE: i16 = 8;

/// Bytes of a committed offset beside its metadata.
const OFFSET_BYTES: usize = 18;

impl Live {
    pub(super) fn commit_offsets(&mut self, asker: Asker, request: OffsetCommitRequest, turn: &mut Turn<'_>) {
        let id = request.group_id.to_string();
        let refused = self.may_commit(&id, &request).err();
        if refused.is_none() {
            self.hear(&id, &request.member_id, turn);
        }
        let at = turn.now.wall;
        let mut bytes = 0;
        let mut offsets = Vec::new();
        let mut topics = Vec::new();
        for topic in request.topics {
            let mut told = Vec::new();
            for partition in topic.partitions {
                let known = self.state.topic_named(&topic.name);
                let place = known.and_then(|topic| topic.partition_id(partition.partition_index));
                let metadata = partition.committed_metadata.map(|text| text.to_string()).unwrap_or_default();
                let error_code = match (refused, place) {
                    (Some(error_code), _) => error_code,
                    (None, None) => error_code::UNKNOWN_TOPIC_OR_PARTITION,
                    (None, Some(_)) if metadata.len() > OFFSET_METADATA_BYTES_MAX => {
                        error_code::OFFSET_METADATA_TOO_LARGE
                    }
                    (None, Some(place)) => {
                        bytes += OFFSET_BYTES + metadata.len();
                        let leader_epoch = partition.committed_leader_epoch;
                        let offset = Offset(partition.committed_offset);
                        offsets.push((place, CommittedOffset { offset, leader_epoch, metadata }));
                        if bytes > OFFSETS_RECORD_BYTES {
                            bytes = 0;
                            let offsets = core::mem::take(&mut offsets);
                            self.change(&id, GroupEntry::Committed { at, offsets });
                        }
                        error_code::NONE
                    }
                };
                told.push(
                    OffsetCommitResponsePartition::default()
                        .with_partition_index(partition.partition_index)
                        .with_error_code(error_code),
                );
            }
            topics.push(OffsetCommitResponseTopic::default().with_name(topic.name).with_partitions(told));
        }
        if !offsets.is_empty() {
            self.change(&id, GroupEntry::Committed { at, offsets });
        }
        let mut known = self.group_known(&id).max(self.state.catalog_known);
        if planted(Planted::CommitToldBeforeDurable) {
            known = Lsn(0);
        }
        let response = OffsetCommitResponse::default().with_topics(topics);
        self.answer(asker, Response::Group(GroupResponse::OffsetCommit(response)), known, turn);
    }

    fn may_commit(&self, id: &str, request: &OffsetCommitRequest) -> Result<(), i16> {
        let generation = request.generation_id_or_member_epoch;
        if id.len() > GROUP_ID_BYTES_MAX {
            return Err(error_code::INVALID_GROUP_ID);
        }
        if !self.accepts() {
            return Err(error_code::COORDINATOR_LOAD_IN_PROGRESS);
        }
        match self.state.group(id) {
            // A consumer that assigns partitions to itself.
            None if generation < 0 && self.state.group_count() >= GROUPS_MAX => {
                Err(error_code::POLICY_VIOLATION)
            }
            None if generation < 0 => Ok(()),
            None => Err(error_code::ILLEGAL_GENERATION),
            Some(group)
                if generation < 0
                    && (group.members.is_empty() || planted(Planted::OutsiderCommitTaken))
                    && request.member_id.is_empty() =>
            {
                Ok(())
            }
            Some(group)
                if planted(Planted::StaleCommitTaken) && (0..group.generation).contains(&generation) =>
            {
                Ok(())
            }
            Some(_) => {
                let instance = request.group_instance_id.as_ref();
                let spoken = self.speaks(id, &request.member_id, instance, generation);
                let group = spoken.inspect_err(|_| mark(Mark::CommitRefused))?;
                if !group.assigned && !self.in_rebalance(id) {
                    return Err(error_code::REBALANCE_IN_PROGRESS);
                }
                Ok(())
            }
        }
    }

    pub(super) fn fetch_offsets(&mut self, asker: Asker, request: OffsetFetchRequest, turn: &mut Turn<'_>) {
        let mut known = self.state.groups_known.max(self.state.catalog_known);
        let mut response = OffsetFetchResponse::default();
        if asker.version < BY_GROUP_SINCE {
            let group = self.state.group(&request.group_id);
            known = known.max(group.map_or(Lsn(0), |group| group.known));
            let asked = request.topics.map(|topics| {
                topics.into_iter().map(|topic| (topic.name, topic.partition_indexes)).collect()
            });
            let topics = self.committed(group, asked).into_iter().map(|(name, partitions)| {
                let partitions = partitions.into_iter().map(|(index, offset)| {
                    let told = OffsetFetchResponsePartition::default()
                        .with_partition_index(index)
                        .with_committed_offset(offset.offset.0)
                        .with_metadata(Some(StrBytes::from_string(offset.metadata)));
                    if asker.version >= 5 {
                        told.with_committed_leader_epoch(offset.leader_epoch)
                    } else {
                        told
                    }
                });
                OffsetFetchResponseTopic::default().with_name(name).with_partitions(partitions.collect())
            });
            response.topics = topics.collect();
        } else {
            for asked in request.groups {
                let id = asked.group_id;
                let group = self.state.group(&id);
                known = known.max(group.map_or(Lsn(0), |group| group.known));
                let asked = asked.topics.map(|topics| {
                    topics.into_iter().map(|topic| (topic.name, topic.partition_indexes)).collect()
                });
                response.groups.push(self.committed_group(id, group, asked));
            }
        }
        self.answer(asker, Response::Group(GroupResponse::OffsetFetch(response)), known, turn);
    }

    fn committed_group(
        &self,
        id: GroupId,
        group: Option<&Group>,
        asked: Option<Vec<(TopicName, Vec<i32>)>>,
    ) -> OffsetFetchResponseGroup {
        let topics = self.committed(group, asked).into_iter().map(|(name, partitions)| {
            let partitions = partitions.into_iter().map(|(index, offset)| {
                OffsetFetchResponsePartitions::default()
                    .with_partition_index(index)
                    .with_committed_offset(offset.offset.0)
                    .with_committed_leader_epoch(offset.leader_epoch)
                    .with_metadata(Some(StrBytes::from_string(offset.metadata)))
            });
            OffsetFetchResponseTopics::default().with_name(name).with_partitions(partitions.collect())
        });
        OffsetFetchResponseGroup::default().with_group_id(id).with_topics(topics.collect())
    }

    /// By topic and partition; -1 where nothing was committed. Without a question: all there are.
    fn committed(
        &self,
        group: Option<&Group>,
        asked: Option<Vec<(TopicName, Vec<i32>)>>,
    ) -> Vec<(TopicName, Vec<(i32, CommittedOffset)>)> {
        let none = || CommittedOffset { offset: Offset(-1), leader_epoch: -1, metadata: String::new() };
        let of = |place: PartitionId| group.and_then(|group| group.offsets.get(&place));
        match asked {
            Some(asked) => {
                let told = asked.into_iter().map(|(name, indexes)| {
                    let topic = self.state.topic_named(&name);
                    let partitions = indexes.into_iter().map(|index| {
                        let index_read = if planted(Planted::OffsetOfFirstPartition) { 0 } else { index };
                        let place = topic.and_then(|topic| topic.partition_id(index_read));
                        (index, place.and_then(of).map_or_else(none, |(_, offset)| offset.clone()))
                    });
                    let partitions = partitions.collect();
                    (name, partitions)
                });
                told.collect()
            }
            None => {
                let mut told: Vec<(TopicName, Vec<(i32, CommittedOffset)>)> = Vec::new();
                for (place, (_, offset)) in group.into_iter().flat_map(|group| &group.offsets) {
                    let Some(partition) = self.state.partition(*place) else { continue };
                    let Some(topic) = self.state.topic(partition.topic) else { continue };
                    match told.iter_mut().find(|(name, _)| name.as_str() == topic.name()) {
                        Some((_, partitions)) => partitions.push((partition.index, offset.clone())),
                        None => {
                            let name = TopicName(StrBytes::from_string(topic.name().to_string()));
                            told.push((name, Vec::from([(partition.index, offset.clone())])));
                        }
                    }
                }
                told
            }
        }
    }

    pub(super) fn delete_offsets(&mut self, asker: Asker, request: OffsetDeleteRequest, turn: &mut Turn<'_>) {
        let id = request.group_id.to_string();
        let refused = match self.state.group(&id) {
            _ if id.is_empty() => Some(error_code::INVALID_GROUP_ID),
            None => Some(error_code::GROUP_ID_NOT_FOUND),
            Some(group) if !group.members.is_empty() && group.protocol_type != "consumer" => {
                Some(error_code::NON_EMPTY_GROUP)
            }
            Some(_) if !self.accepts() => Some(error_code::COORDINATOR_LOAD_IN_PROGRESS),
            Some(_) => None,
        };
        if let Some(error_code) = refused {
            let response = OffsetDeleteResponse::default().with_error_code(error_code);
            self.answer_group(asker, &id, GroupResponse::OffsetDelete(response), turn);
            return;
        }
        let mut forgotten = Vec::new();
        let mut topics = Vec::new();
        for topic in request.topics {
            let read = self.state.group(&id).is_some_and(|group| subscribes(group, &topic.name));
            let known = self.state.topic_named(&topic.name);
            let partitions = topic.partitions.into_iter().map(|partition| {
                let place = known.and_then(|topic| topic.partition_id(partition.partition_index));
                let error_code = match place {
                    _ if read => error_code::GROUP_SUBSCRIBED_TO_TOPIC,
                    None => error_code::UNKNOWN_TOPIC_OR_PARTITION,
                    Some(place) => {
                        forgotten.push(place);
                        error_code::NONE
                    }
                };
                OffsetDeleteResponsePartition::default()
                    .with_partition_index(partition.partition_index)
                    .with_error_code(error_code)
            });
            let partitions = partitions.collect();
            topics
                .push(OffsetDeleteResponseTopic::default().with_name(topic.name).with_partitions(partitions));
        }
        if !planted(Planted::OffsetDeletionUnlogged) {
            self.forget_offsets(&id, &forgotten);
        }
        mark(Mark::OffsetsDeleted);
        let known = self.group_known(&id).max(self.state.catalog_known);
        let response = OffsetDeleteResponse::default().with_topics(topics);
        self.answer(asker, Response::Group(GroupResponse::OffsetDelete(response)), known, turn);
    }

    fn forget_offsets(&mut self, id: &str, partitions: &[PartitionId]) {
        for some in partitions.chunks(OFFSETS_RECORD_BYTES / 4) {
            self.change(id, GroupEntry::Forgotten { partitions: some.to_vec() });
        }
    }

    /// Offsets expire when their group has had no members, and they were not committed anew, for the retention time. A
    /// group without members and offsets goes with them.
    pub(in crate::broker) fn expire_offsets(&mut self, turn: &mut Turn<'_>) {
        turn.at(turn.now.mono.after(OFFSET_EXPIRY_INTERVAL), Timer::OffsetExpiry);
        if self.stopping || !self.accepts() {
            return;
        }
        let retention = i64::try_from(self.config.offsets_retention.as_millis()).unwrap_or(i64::MAX);
        let before = turn.now.wall.0.saturating_sub(retention);
        let mut expired: Vec<(String, Vec<PartitionId>, bool)> = Vec::new();
        for (id, group) in self.state.groups() {
            if !group.members.is_empty() || group.empty_since.0 >= before || self.in_rebalance(id) {
                continue;
            }
            let old = group.offsets.iter().filter(|(_, (at, _))| at.0 < before).map(|(place, _)| *place);
            let old: Vec<PartitionId> = old.collect();
            let all = old.len() == group.offsets.len();
            if all || !old.is_empty() {
                expired.push((id.to_string(), old, all));
            }
        }
        for (id, old, all) in expired {
            if all {
                self.change(&id, GroupEntry::Deleted);
            } else {
                self.forget_offsets(&id, &old);
            }
        }
    }
}

/// Whether a member reads that topic. What cannot be read may well name it.
fn subscribes(group: &Group, topic: &str) -> bool {
    let reads = |topics: Vec<&[u8]>| topics.contains(&topic.as_bytes());
    group.members.values().any(|member| subscribed(&member.metadata).is_none_or(reads))
}

/// The topics of a consumer's subscription: it begins with a version (i16) and an array of names (KIP-429).
pub(super) fn subscribed(metadata: &[u8]) -> Option<Vec<&[u8]>> {
    let (count, mut rest) = metadata.get(2..)?.split_first_chunk::<4>()?;
    let mut topics = Vec::new();
    for _ in 0..i32::from_be_bytes(*count) {
        let (len, behind) = rest.split_first_chunk::<2>()?;
        let len = usize::try_from(i16::from_be_bytes(*len)).ok()?;
        topics.push(behind.get(..len)?);
        rest = &behind[len..];
    }
    Some(topics)
}
