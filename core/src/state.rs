//! Everything that is a function of the log: topics, partitions, producer ids, the epoch.
//!
//! `apply` is the one way to change it, in log order: when serving, when recovering, and on a standby.

pub mod checkpoint;
pub mod topic;

use alloc::{boxed::Box, collections::BTreeMap, string::String, vec::Vec};

use crate::{
    log::entry::{Entry, TopicCreated},
    partition::Partition,
    state::topic::{Topic, TopicConfig},
    units::{Epoch, Lsn, PartitionId, ProducerId, SegmentSequence, TopicId},
};

/// The replicated state.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct State {
    /// Of the latest start.
    pub epoch: Epoch,
    /// All below may have been given out.
    pub producer_ids_upto: ProducerId,
    /// LSN behind the entry that reserved them.
    pub producer_ids_known: Lsn,
    /// Oldest segment that must be there.
    pub log_floor: SegmentSequence,
    /// LSN behind the newest entry that changed the catalog of topics.
    pub catalog_known: Lsn,
    topics: BTreeMap<TopicId, Topic>,
    names: BTreeMap<String, TopicId>,
    /// By internal number; a deleted one leaves a hole.
    partitions: Vec<Option<Box<Partition>>>,
    live_partitions: usize,
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
                    for partition in self.partitions.iter_mut().flatten() {
                        partition.log_end = partition.log_end.plus(*skip_offsets);
                        partition.visible = partition.log_end;
                    }
                }
            }
            Entry::TopicCreated(created) => {
                self.catalog_known = lsn.plus(1);
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
                for partition in self.partitions.iter_mut().flatten() {
                    partition.producers.expire(*before);
                }
            }
            Entry::Trimmed { floor } => self.log_floor = (*floor).max(self.log_floor),
        }
    }

    fn add_topic(&mut self, created: TopicCreated) {
        let upto = (created.first_partition.0 + created.partitions) as usize;
        if self.partitions.len() < upto {
            self.partitions.resize_with(upto, || None);
        }
        for (id, index) in (created.first_partition.0..).zip(0..created.partitions.cast_signed()) {
            self.partitions[id as usize] = Some(Box::new(Partition::new(PartitionId(id), created.id, index)));
            self.live_partitions += 1;
        }
        self.names.insert(created.name.clone(), created.id);
        let config = TopicConfig::read(&created.configs);
        self.topics.insert(created.id, Topic { created, config });
    }

    fn remove_topic(&mut self, id: TopicId) {
        let Some(topic) = self.topics.remove(&id) else { return };
        self.names.remove(&topic.created.name);
        for partition in topic.partition_ids() {
            if self.partitions[partition.0 as usize].take().is_some() {
                self.live_partitions -= 1;
            }
        }
    }

    /// A partition by its internal number.
    #[must_use]
    pub fn partition(&self, id: PartitionId) -> Option<&Partition> {
        self.partitions.get(id.0 as usize)?.as_deref()
    }

    /// A partition by its internal number.
    pub fn partition_mut(&mut self, id: PartitionId) -> Option<&mut Partition> {
        self.partitions.get_mut(id.0 as usize)?.as_deref_mut()
    }

    /// All partitions, by internal number.
    pub fn partitions(&self) -> impl Iterator<Item = &Partition> {
        self.partitions.iter().flatten().map(|partition| &**partition)
    }

    /// All partitions, by internal number.
    pub fn partitions_mut(&mut self) -> impl Iterator<Item = &mut Partition> {
        self.partitions.iter_mut().flatten().map(|partition| &mut **partition)
    }

    /// Number of partitions that are not deleted.
    #[must_use]
    pub fn partition_count(&self) -> usize {
        self.live_partitions
    }

    /// The number the next partition gets.
    #[must_use]
    pub fn next_partition(&self) -> PartitionId {
        PartitionId(
            u32::try_from(self.partitions.len()).expect("partitions are bounded when a topic is created"),
        )
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
