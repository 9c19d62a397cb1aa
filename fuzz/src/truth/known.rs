//! What is known of topics and groups after a prefix of the log, made from its records alone, not with the broker's state:
//! how many partitions a topic has, its configs, where each partition starts and ends, members and committed offsets.

use std::collections::BTreeMap;

use evenkeel_core::{
    log::entry::{Entry, GroupChange, GroupEntry, GroupMember},
    units::{PartitionId, TopicId},
};

/// Topics and groups, by name.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Known {
    /// Topics.
    pub topics: BTreeMap<String, KnownTopic>,
    /// Groups.
    pub groups: BTreeMap<String, KnownGroup>,
}

/// A topic.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct KnownTopic {
    /// First offset that is still there and the next one to be given out, for each partition.
    pub spans: Vec<(i64, i64)>,
    /// The configs that are given.
    pub configs: BTreeMap<String, String>,
}

/// A group.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct KnownGroup {
    /// Of the latest generation.
    pub generation: i32,
    /// `consumer` for consumers.
    pub protocol_type: String,
    /// The assignor.
    pub protocol: String,
    /// Members by id.
    pub members: BTreeMap<String, KnownMember>,
    /// Whether the assignments of this generation count.
    pub assigned: bool,
    /// Whether a member has gone since it began.
    pub unsettled: bool,
    /// By topic and partition.
    pub offsets: BTreeMap<(String, i32), KnownOffset>,
}

/// A member.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct KnownMember {
    /// Of a static member.
    pub instance: Option<String>,
    /// Its subscription.
    pub metadata: Vec<u8>,
    /// What it was assigned.
    pub assignment: Vec<u8>,
}

/// A committed offset.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct KnownOffset {
    /// The next to be read.
    pub offset: i64,
    /// -1 if not told.
    pub leader_epoch: i32,
    /// What the client wrote beside it.
    pub metadata: String,
}

/// The records up to some LSN, folded.
#[derive(Clone, Debug, Default)]
pub(super) struct Fold {
    topics: BTreeMap<TopicId, FoldedTopic>,
    spans: BTreeMap<PartitionId, (i64, i64)>,
    groups: BTreeMap<String, FoldedGroup>,
}

#[derive(Clone, Debug, Default)]
struct FoldedTopic {
    name: String,
    configs: BTreeMap<String, String>,
    partitions: Vec<PartitionId>,
}

#[derive(Clone, Debug, Default)]
struct FoldedGroup {
    group: KnownGroup,
    offsets: BTreeMap<PartitionId, KnownOffset>,
    /// A generation that has not begun, and its members as far as they were told.
    told: (i32, BTreeMap<String, KnownMember>),
    /// Generations up to this one may be known to members of an earlier process.
    spent: i32,
}

fn member(member: &GroupMember) -> (String, KnownMember) {
    let known = KnownMember {
        instance: member.instance.clone(),
        metadata: member.metadata.clone(),
        assignment: member.assignment.clone(),
    };
    (member.id.clone(), known)
}

impl Fold {
    pub(super) fn take(&mut self, entry: &Entry) {
        match entry {
            Entry::Append(append) => {
                if let Some((_, end)) = self.spans.get_mut(&append.partition) {
                    *end = append.header.last_offset().0 + 1;
                }
            }
            Entry::Started { skip_offsets, .. } => {
                self.spans.values_mut().for_each(|(_, end)| *end += skip_offsets);
                for folded in self.groups.values_mut() {
                    folded.spent = folded.group.generation.max(folded.told.0);
                }
            }
            Entry::TopicCreated(created) => {
                let topic = FoldedTopic {
                    name: created.name.clone(),
                    configs: created.configs.clone(),
                    partitions: Vec::new(),
                };
                self.topics.insert(created.id, topic);
                self.grow(created.id, created.first_partition, created.partitions);
            }
            Entry::PartitionsAdded { topic, first_partition, partitions } => {
                self.grow(*topic, *first_partition, *partitions);
            }
            Entry::TopicDeleted { id } => {
                let topic = self.topics.remove(id).expect("only what is there is deleted");
                for partition in topic.partitions {
                    self.spans.remove(&partition);
                    self.groups.values_mut().for_each(|group| drop(group.offsets.remove(&partition)));
                }
            }
            Entry::ConfigsChanged { topic, configs } => {
                let topic = self.topics.get_mut(topic).expect("only of what is there");
                topic.configs.retain(|name, _| configs.get(name) != Some(&None));
                let given = configs.iter().filter_map(|(name, value)| Some((name.clone(), value.clone()?)));
                topic.configs.extend(given);
            }
            Entry::RecordsDeleted { partition, log_start } => {
                let (start, end) = self.spans.get_mut(partition).expect("only of what is there");
                assert!(
                    *start < log_start.0 && log_start.0 <= *end,
                    "a log start moves forward to {log_start}"
                );
                *start = log_start.0;
            }
            Entry::Group(change) => self.change(change),
            Entry::ProducerIdsReserved { .. }
            | Entry::ProducersExpired { .. }
            | Entry::Trimmed { .. }
            | Entry::LineageBegun { .. }
            | Entry::CutStored { .. } => {}
        }
    }

    fn grow(&mut self, topic: TopicId, first: PartitionId, count: u32) {
        let topic = self.topics.get_mut(&topic).expect("only what is there grows");
        for partition in (first.0..first.0 + count).map(PartitionId) {
            topic.partitions.push(partition);
            let before = self.spans.insert(partition, (0, 0));
            assert!(before.is_none(), "{partition:?} is given out twice");
        }
    }

    fn change(&mut self, change: &GroupChange) {
        let folded = self.groups.entry(change.group.clone()).or_default();
        let group = &mut folded.group;
        match &change.what {
            GroupEntry::Member { generation, member: told } => {
                assert!(*generation > folded.spent, "generation {generation} is given out again");
                if folded.told.0 != *generation {
                    folded.told = (*generation, BTreeMap::new());
                }
                folded.told.1.extend([member(told)]);
            }
            GroupEntry::Generation { generation, protocol_type, protocol, .. } => {
                assert!(*generation > folded.spent.max(group.generation), "{generation} is given out again");
                let (told, members) = std::mem::take(&mut folded.told);
                let members = if told == *generation { members } else { BTreeMap::new() };
                *group = KnownGroup {
                    generation: *generation,
                    protocol_type: protocol_type.clone(),
                    protocol: protocol.clone(),
                    assigned: members.is_empty(),
                    members,
                    ..KnownGroup::default()
                };
            }
            GroupEntry::Assignment { generation, member, assignment } => {
                assert_eq!(*generation, group.generation, "nobody is assigned anything in another one");
                let member = group.members.get_mut(member).expect("only members are assigned something");
                member.assignment.clone_from(assignment);
            }
            GroupEntry::Assigned { generation } => {
                assert_eq!(*generation, group.generation, "nobody is assigned anything in another one");
                group.assigned = true;
            }
            GroupEntry::Removed { member, .. } => {
                group.members.remove(member).expect("only members are removed");
                group.unsettled = true;
            }
            GroupEntry::Replaced { old, new } => {
                let former = group.members.remove(old).expect("only members are replaced");
                let (id, new) = member(new);
                group.members.insert(id, KnownMember { assignment: former.assignment, ..new });
            }
            GroupEntry::Committed { offsets, .. } => {
                for (partition, told) in offsets {
                    let told = KnownOffset {
                        offset: told.offset.0,
                        leader_epoch: told.leader_epoch,
                        metadata: told.metadata.clone(),
                    };
                    assert!(self.spans.contains_key(partition), "only for partitions that are there");
                    folded.offsets.insert(*partition, told);
                }
            }
            GroupEntry::Forgotten { partitions } => {
                partitions.iter().for_each(|partition| drop(folded.offsets.remove(partition)));
            }
            GroupEntry::Deleted => drop(self.groups.remove(&change.group)),
        }
    }

    /// By name.
    pub(super) fn known(&self) -> Known {
        let mut places = BTreeMap::new();
        let mut known = Known::default();
        for topic in self.topics.values() {
            for (index, partition) in (0..).zip(&topic.partitions) {
                places.insert(*partition, (topic.name.clone(), index));
            }
            let spans = topic.partitions.iter().map(|partition| self.spans[partition]).collect();
            let told = KnownTopic { spans, configs: topic.configs.clone() };
            assert!(known.topics.insert(topic.name.clone(), told).is_none(), "{} is there twice", topic.name);
        }
        for (id, folded) in &self.groups {
            let offsets =
                folded.offsets.iter().map(|(place, offset)| (places[place].clone(), offset.clone()));
            known
                .groups
                .insert(id.clone(), KnownGroup { offsets: offsets.collect(), ..folded.group.clone() });
        }
        known
    }
}
