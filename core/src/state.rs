//! Everything that is a function of the log: topics, partitions, producer ids, the epoch.
//!
//! `apply` is the one way to change it, in log order: when serving, when recovering, and on a standby.

pub mod checkpoint;
pub mod configs;
pub mod group;
pub mod topic;

use alloc::{boxed::Box, collections::BTreeMap, string::String};

use crate::{
    log::entry::{Entry, GroupEntry, TopicCreated},
    marks::{Mark, mark},
    partition::Partition,
    planted::{Planted, planted},
    state::{group::Group, topic::Topic},
    units::{Epoch, Lsn, Offset, PartitionId, ProducerId, SegmentSequence, Timestamp, TopicId},
};

/// How the data directory and the object store belong together.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct StoreLink {
    /// The directory's number; 0: it has had nothing to do with a store yet.
    pub lineage: u64,
    /// The one whose last cut it was restored from; 0: none.
    pub from: u64,
    /// The manifest it was restored from.
    pub restored_from: u64,
    /// The newest manifest that it knows to be committed.
    pub manifest: u64,
    /// All that the log says below is in the store.
    pub cut: Lsn,
    /// When that cut was begun, by the wall clock; before the first, when the directory was.
    pub cut_at: Timestamp,
}

impl StoreLink {
    /// Whether the directory was restored, and its log does not say that the store knows of it: another restore would give out the same
    /// offsets, ids and epochs.
    #[must_use]
    pub fn is_unclaimed(&self) -> bool {
        self.from != 0 && self.manifest == self.restored_from
    }
}

/// The replicated state.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct State {
    /// Of the latest start.
    pub epoch: Epoch,
    /// All below may have been given out.
    pub producer_ids_upto: ProducerId,
    /// LSN behind the entry that reserved them.
    pub producer_ids_known: Lsn,
    /// How the directory and the object store belong together.
    pub store: StoreLink,
    /// Oldest segment that must be there.
    pub log_floor: SegmentSequence,
    /// LSN behind the newest entry that changed the catalog of topics.
    pub catalog_known: Lsn,
    topics: BTreeMap<TopicId, Topic>,
    names: BTreeMap<String, TopicId>,
    partitions: BTreeMap<PartitionId, Box<Partition>>,
    /// Numbers below were given out, to partitions that may be gone.
    partitions_upto: PartitionId,
    groups: BTreeMap<String, Group>,
    /// LSN behind the newest entry that made a group or took one away.
    pub groups_known: Lsn,
}

impl State {
    /// One entry of the log takes effect.
    pub fn apply(&mut self, lsn: Lsn, entry: &Entry) {
        match entry {
            Entry::Append(append) => {
                // Only in replay can the topic be gone: the checkpoint that replay starts from may be newer.
                if let Some(partition) = self.partition_mut(append.partition) {
                    partition.apply(lsn, append);
                }
            }
            Entry::Started { epoch, at: _, skip_offsets } => {
                self.epoch = (*epoch).max(self.epoch);
                if *skip_offsets > 0 {
                    for partition in self.partitions.values_mut() {
                        partition.skip(*skip_offsets);
                    }
                    mark(Mark::LossSkips);
                    // Ids may have been given out by what was lost.
                    self.producer_ids_upto = ProducerId(self.producer_ids_upto.0 + *skip_offsets);
                    self.producer_ids_known = lsn.plus(1);
                }
            }
            Entry::TopicCreated(created) => {
                self.catalog_known = lsn.plus(1);
                mark(Mark::TopicCreated);
                self.add_topic(created.clone());
            }
            Entry::TopicDeleted { id } => {
                self.catalog_known = lsn.plus(1);
                self.remove_topic(*id);
            }
            Entry::ProducerIdsReserved { upto } => {
                self.producer_ids_upto = (*upto).max(self.producer_ids_upto);
                self.producer_ids_known = lsn.plus(1);
            }
            Entry::ProducersExpired { before } => {
                for partition in self.partitions.values_mut() {
                    partition.producers.expire(*before);
                }
            }
            Entry::Group(change) => {
                if !self.groups.contains_key(&change.group) {
                    self.groups_known = lsn.plus(1);
                    self.groups.insert(change.group.clone(), Group::default());
                }
                let group = self.groups.get_mut(&change.group).expect("it was just put there");
                if !group.apply(lsn, &change.what) {
                    self.groups_known = lsn.plus(1);
                    self.groups.remove(&change.group);
                }
                // Only in replay can a partition be gone: the checkpoint that replay starts from may be newer.
                if let Some(group) = self.groups.get_mut(&change.group)
                    && let GroupEntry::Committed { offsets, .. } = &change.what
                {
                    for (partition, _) in offsets {
                        if !self.partitions.contains_key(partition) {
                            group.offsets.remove(partition);
                        }
                    }
                }
            }
            // In these three too: only in replay can the topic be gone.
            Entry::PartitionsAdded { topic, first_partition, partitions } => {
                self.catalog_known = lsn.plus(1);
                self.add_partitions(*topic, *first_partition, *partitions);
            }
            Entry::ConfigsChanged { topic, configs } => {
                self.catalog_known = lsn.plus(1);
                if let Some(topic) = self.topics.get_mut(topic) {
                    topic.change_configs(configs);
                }
            }
            Entry::RecordsDeleted { partition, log_start } => {
                if let Some(partition) = self.partition_mut(*partition) {
                    partition.delete_records(lsn, *log_start);
                }
            }
            Entry::LineageBegun { lineage, from, manifest, at } => {
                self.store = StoreLink {
                    lineage: *lineage,
                    from: *from,
                    restored_from: *manifest,
                    manifest: *manifest,
                    cut: self.store.cut,
                    cut_at: *at,
                };
            }
            Entry::CutStored { manifest, cut, at } => {
                self.store.manifest = *manifest;
                self.store.cut = *cut;
                self.store.cut_at = *at;
            }
            Entry::Trimmed { floor } => self.log_floor = (*floor).max(self.log_floor),
        }
    }

    fn add_topic(&mut self, created: TopicCreated) {
        let (id, first, count) = (created.id, created.first_partition, created.partitions);
        self.names.insert(created.name.clone(), id);
        self.topics.insert(id, Topic::new(created));
        self.add_partitions(id, first, count);
    }

    fn add_partitions(&mut self, id: TopicId, first: PartitionId, count: u32) {
        let upto = PartitionId(first.0 + count);
        self.partitions_upto = self.partitions_upto.max(upto);
        let Some(topic) = self.topics.get_mut(&id) else { return };
        // The topic may have had partitions of these numbers that a loss took: their offsets are not given out again.
        let others = topic.partition_ids().filter_map(|other| self.partitions.get(&other));
        let reserved = others.map(|other| other.reserved_upto).max().unwrap_or(Offset(0));
        for partition in (first.0..upto.0).map(PartitionId) {
            let index = topic.add_partition(partition);
            let mut added = Partition::new(partition, id, index);
            if reserved > Offset(0) && !planted(Planted::GrownAfterLossFromZero) {
                mark(Mark::GrownAfterLoss);
                added.reserved_upto = reserved;
            }
            self.partitions.insert(partition, Box::new(added));
        }
    }

    fn remove_topic(&mut self, id: TopicId) {
        let Some(topic) = self.topics.remove(&id) else { return };
        self.names.remove(&topic.created.name);
        if planted(Planted::PartitionNumbersReused) {
            self.partitions_upto = topic.created.first_partition;
        }
        for partition in topic.partition_ids() {
            self.partitions.remove(&partition);
        }
        for group in self.groups.values_mut() {
            group.offsets.retain(|partition, _| self.partitions.contains_key(partition));
        }
    }

    /// Below which LSN everything must be durable before an answer about these partitions may leave; `None` for one that is said
    /// not to be there. Whatever is visible is durable, and the creation of its topic before it: such an answer waits for nothing but
    /// a deletion of records on its way, as it must not while the log has no room.
    pub fn known_by(&self, told: impl IntoIterator<Item = Option<PartitionId>>) -> Lsn {
        let mut known = Lsn(0);
        for id in told {
            match id.and_then(|id| self.partition(id)) {
                Some(partition) if partition.visible > Offset(0) => known = known.max(partition.start_known),
                Some(partition) => known = known.max(self.catalog_known).max(partition.start_known),
                None if planted(Planted::AbsenceToldBeforeDurable) => {}
                None => known = known.max(self.catalog_known),
            }
        }
        known
    }

    /// A partition by its internal number.
    #[must_use]
    pub fn partition(&self, id: PartitionId) -> Option<&Partition> {
        self.partitions.get(&id).map(|partition| &**partition)
    }

    /// A partition by its internal number.
    pub fn partition_mut(&mut self, id: PartitionId) -> Option<&mut Partition> {
        self.partitions.get_mut(&id).map(|partition| &mut **partition)
    }

    /// All partitions, by internal number.
    pub fn partitions(&self) -> impl Iterator<Item = &Partition> {
        self.partitions.values().map(|partition| &**partition)
    }

    /// All partitions, by internal number.
    pub fn partitions_mut(&mut self) -> impl Iterator<Item = &mut Partition> {
        self.partitions.values_mut().map(|partition| &mut **partition)
    }

    /// A group by its id.
    #[must_use]
    pub fn group(&self, id: &str) -> Option<&Group> {
        self.groups.get(id)
    }

    /// All groups, by id.
    pub fn groups(&self) -> impl Iterator<Item = (&str, &Group)> {
        self.groups.iter().map(|(id, group)| (id.as_str(), group))
    }

    /// Number of groups.
    #[must_use]
    pub fn group_count(&self) -> usize {
        self.groups.len()
    }

    /// Number of topics.
    #[must_use]
    pub fn topic_count(&self) -> usize {
        self.topics.len()
    }

    /// Number of partitions that are not deleted.
    #[must_use]
    pub fn partition_count(&self) -> usize {
        self.partitions.len()
    }

    /// The number the next partition gets.
    #[must_use]
    pub fn next_partition(&self) -> PartitionId {
        self.partitions_upto
    }

    /// A topic by its id.
    #[must_use]
    pub fn topic(&self, id: TopicId) -> Option<&Topic> {
        self.topics.get(&id)
    }

    /// A topic by its name.
    #[must_use]
    pub fn topic_named(&self, name: &str) -> Option<&Topic> {
        self.topics.get(self.names.get(name)?)
    }

    /// All topics, by name.
    pub fn topics(&self) -> impl Iterator<Item = &Topic> {
        self.names.values().filter_map(|id| self.topics.get(id))
    }
}

#[cfg(test)]
mod tests;
