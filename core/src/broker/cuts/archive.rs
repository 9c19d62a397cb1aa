//! Which data objects hold which offsets of a partition: what the newest manifest says, in memory, 32 bytes for each partition in
//! each object. And which of them nobody needs any more.

use alloc::{
    collections::{BTreeMap, BTreeSet, VecDeque},
    vec::Vec,
};
use core::ops;

use super::merge::Policy;
use crate::{
    planted::{Planted, planted},
    store::{DataRef, IndexRef, ObjectName, StoredObject},
    units::{Offset, PartitionId, Timestamp},
};

/// Offsets of a partition in one object.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(in crate::broker) struct Range {
    slot: u32,
    end: Offset,
    bytes: u32,
    newest: Timestamp,
}

/// A place in the store to read from.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(in crate::broker) struct Place {
    pub(in crate::broker) object: StoredObject,
    /// Offset behind the last record of the partition in it.
    pub(in crate::broker) end: Offset,
    /// Bytes of the partition in it.
    pub(in crate::broker) bytes: u64,
    /// Largest timestamp of the partition in it, of records that were deleted too.
    pub(in crate::broker) newest: Timestamp,
}

#[derive(Clone, Copy, Debug)]
struct Slot {
    object: StoredObject,
    /// Partitions that need it.
    needed_by: u32,
    /// The newest manifest refers to it.
    referred: bool,
}

/// An index of the newest manifest. The slots of its objects come behind those of the index before.
#[derive(Clone, Copy, Debug)]
struct Listed {
    name: ObjectName,
    upto: u32,
}

/// All of it.
#[derive(Clone, Debug, Default)]
pub(in crate::broker) struct Archive {
    objects: Vec<Slot>,
    partitions: BTreeMap<PartitionId, VecDeque<Range>>,
    indexes: Vec<Listed>,
    /// Slots of objects that nobody needs, though the newest manifest refers to them.
    unneeded: BTreeSet<u32>,
}

impl Archive {
    /// One more object. Objects come in the order in which they were committed, so offsets only grow.
    pub(super) fn add(&mut self, data: &DataRef) {
        let slot = u32::try_from(self.objects.len()).expect("2^32 objects do not fit into memory");
        let needed_by = u32::try_from(data.parts.len()).expect("partitions are bounded");
        self.objects.push(Slot { object: data.object, needed_by, referred: true });
        for part in &data.parts {
            let ranges = self.partitions.entry(part.partition).or_default();
            assert!(ranges.back().is_none_or(|last| last.end <= part.first), "offsets are stored in order");
            let bytes = u32::try_from(part.bytes).unwrap_or(u32::MAX);
            ranges.push_back(Range { slot, end: part.end, bytes, newest: part.newest });
        }
    }

    /// All objects that were added so far, and are in no other index, are in that one.
    pub(super) fn indexed(&mut self, name: ObjectName) {
        let upto = u32::try_from(self.objects.len()).expect("counted when they were added");
        self.indexes.push(Listed { name, upto });
    }

    /// An index is written anew, or is not there any more.
    pub(super) fn index_replaced(&mut self, old: ObjectName, new: Option<ObjectName>) {
        match new {
            Some(new) => {
                self.indexes.iter_mut().filter(|index| index.name == old).for_each(|index| index.name = new);
            }
            None => self.indexes.retain(|index| index.name != old),
        }
    }

    /// The partition is gone.
    pub(super) fn forget(&mut self, partition: PartitionId) {
        for range in self.partitions.remove(&partition).unwrap_or_default() {
            self.release(range.slot);
        }
    }

    /// Forgets partitions that are gone.
    pub(super) fn keep(&mut self, is_there: impl Fn(PartitionId) -> bool) {
        let gone: Vec<PartitionId> = self.partitions.keys().copied().filter(|id| !is_there(*id)).collect();
        for partition in gone {
            self.forget(partition);
        }
    }

    /// The partition begins there now.
    pub(super) fn drop_below(&mut self, partition: PartitionId, log_start: Offset) {
        let Some(ranges) = self.partitions.get_mut(&partition) else { return };
        let stays = |range: &Range| planted(Planted::ObjectAtStartStays) && range.end == log_start;
        let below = ranges.partition_point(|range| range.end <= log_start && !stays(range));
        let below: Vec<Range> = ranges.drain(..below).collect();
        for range in below {
            self.release(range.slot);
        }
    }

    fn release(&mut self, slot: u32) {
        let object = &mut self.objects[slot as usize];
        object.needed_by -= 1;
        if object.needed_by == 0 && object.referred {
            self.unneeded.insert(slot);
        }
    }

    /// Objects that nobody needs, though the newest manifest refers to them.
    pub(super) fn unneeded(&self) -> BTreeSet<ObjectName> {
        self.unneeded.iter().map(|slot| self.objects[*slot as usize].object.name).collect()
    }

    /// How many of them are in each index, in the order of the indexes.
    pub(super) fn unneeded_in_indexes(&self, unneeded: &BTreeSet<ObjectName>) -> Vec<u32> {
        let mut from = 0;
        let mut counts = Vec::with_capacity(self.indexes.len());
        for index in &self.indexes {
            let within = self.unneeded.range(from..index.upto);
            let counted = within.filter(|slot| unneeded.contains(&self.objects[**slot as usize].object.name));
            counts.push(u32::try_from(counted.count()).expect("slots are counted in 32 bits"));
            from = index.upto;
        }
        counts
    }

    /// The newest manifest does not refer to these any more, but for those in indexes that stay as they are. Returns which.
    pub(super) fn drop_unneeded(
        &mut self,
        names: &BTreeSet<ObjectName>,
        stays: impl Fn(ObjectName) -> bool,
    ) -> Vec<ObjectName> {
        let mut dropped = Vec::new();
        let (objects, indexes) = (&mut self.objects, &self.indexes);
        self.unneeded.retain(|slot| {
            let object = &mut objects[*slot as usize];
            let index = indexes.get(indexes.partition_point(|index| index.upto <= *slot));
            if !names.contains(&object.object.name) || index.is_some_and(|index| stays(index.name)) {
                return true;
            }
            object.referred = false;
            dropped.push(object.object.name);
            false
        });
        dropped
    }

    /// Whether the newest manifest refers to it.
    pub(super) fn is_referred(&self, slot: u32) -> bool {
        self.objects[slot as usize].referred
    }

    /// Objects one behind the other in the lists that are to become one, all of them in indexes or none; none: there are no such.
    /// Objects that nobody needs are passed over. `indexes` are those of the newest manifest.
    pub(super) fn small_ones(
        &self,
        policy: Policy,
        indexes: &[IndexRef],
        not: &BTreeSet<ObjectName>,
    ) -> Vec<(u32, StoredObject)> {
        let mut run = Run::default();
        let mut index = 0;
        for (slot, object) in (0u32..).zip(&self.objects) {
            if !object.referred || object.needed_by == 0 {
                continue;
            }
            while self.indexes.get(index).is_some_and(|listed| listed.upto <= slot) {
                index += 1;
            }
            if not.contains(&object.object.name) {
                if run.settle(policy) {
                    break;
                }
                continue;
            }
            // Behind the last index is the manifest's own list.
            let listed = indexes.get(index).map(|listed| listed.len);
            if !run.has_room(policy, object.object.len, index, listed) && run.settle(policy) {
                break;
            }
            run.push(slot, object.object, index, listed);
        }
        if run.settle(policy) { run.objects } else { Vec::new() }
    }

    /// The indexes that have these objects; none: the manifest's own list has them.
    pub(super) fn indexes_of(&self, slots: &[u32]) -> ops::Range<usize> {
        let index = |slot: &u32| self.indexes.partition_point(|index| index.upto <= *slot);
        let upto = slots.last().map_or(0, |last| self.indexes.len().min(index(last) + 1));
        slots.first().map_or(0, index).min(upto)..upto
    }

    /// The newest manifest refers to one object in the place of these. Returns which they were.
    pub(super) fn merge(&mut self, slots: &[u32], data: &DataRef) -> Vec<ObjectName> {
        let Some(last) = slots.last().copied() else { return Vec::new() };
        let mut names = Vec::with_capacity(slots.len());
        for slot in slots {
            let object = &mut self.objects[*slot as usize];
            names.push(object.object.name);
            object.needed_by = 0;
            object.referred = false;
            self.unneeded.remove(slot);
        }
        let mut needed_by = 0;
        for part in &data.parts {
            let Some(ranges) = self.partitions.get_mut(&part.partition) else { continue };
            let is_one = |range: &Range| slots.binary_search(&range.slot).is_ok();
            let Some(first) = ranges.iter().position(is_one) else { continue };
            let upto = ranges.iter().rposition(is_one).map_or(first, |at| at + 1);
            let bytes = u32::try_from(part.bytes).unwrap_or(u32::MAX);
            let merged = Range { slot: last, end: part.end, bytes, newest: part.newest };
            ranges.drain(first..upto);
            ranges.insert(first, merged);
            needed_by += 1;
        }
        self.objects[last as usize] = Slot { object: data.object, needed_by, referred: true };
        if needed_by == 0 {
            self.unneeded.insert(last);
        }
        names
    }

    /// All objects that the newest manifest refers to.
    pub(super) fn referred(&self) -> BTreeSet<ObjectName> {
        self.objects.iter().filter(|slot| slot.referred).map(|slot| slot.object.name).collect()
    }

    /// Offset behind the last stored record; `None`: nothing is stored.
    pub(in crate::broker) fn end(&self, partition: PartitionId) -> Option<Offset> {
        self.partitions.get(&partition)?.back().map(|range| range.end)
    }

    /// All places of a partition, in the order of the offsets. The first may reach in front of the log start.
    pub(in crate::broker) fn places(&self, partition: PartitionId) -> impl Iterator<Item = Place> {
        self.partitions.get(&partition).into_iter().flatten().map(|range| self.place(range))
    }

    /// Where the record at that offset is, or the first one behind it.
    pub(in crate::broker) fn find(&self, partition: PartitionId, offset: Offset) -> Option<Place> {
        let ranges = self.partitions.get(&partition)?;
        let late = i64::from(planted(Planted::ArchiveOneLate));
        ranges
            .get(ranges.partition_point(|range| range.end.0 <= offset.0 + late))
            .map(|range| self.place(range))
    }

    /// The first place with offsets from `from` on, and in front of `upto`, with a record at or after that time.
    pub(in crate::broker) fn by_time(
        &self,
        partition: PartitionId,
        (from, upto): (Offset, Offset),
        time: Timestamp,
    ) -> Option<Place> {
        self.within(partition, (from, upto)).find(|range| range.newest >= time).map(|range| self.place(range))
    }

    /// The largest timestamp there.
    pub(in crate::broker) fn newest(
        &self,
        partition: PartitionId,
        offsets: (Offset, Offset),
    ) -> Option<Timestamp> {
        self.within(partition, offsets).map(|range| range.newest).max()
    }

    fn within(&self, partition: PartitionId, (from, upto): (Offset, Offset)) -> impl Iterator<Item = &Range> {
        let ranges = self.partitions.get(&partition);
        let behind = ranges.map(|ranges| {
            let first = ranges.partition_point(|range| range.end <= from);
            // A range begins at the earliest where the one before it ends.
            let last = ranges.partition_point(|range| range.end < upto);
            ranges.range(first..ranges.len().min(last + 1).max(first))
        });
        behind.into_iter().flatten()
    }

    fn place(&self, range: &Range) -> Place {
        Place {
            object: self.objects[range.slot as usize].object,
            end: range.end,
            bytes: u64::from(range.bytes),
            newest: range.newest,
        }
    }
}

/// Objects one behind the other.
#[derive(Debug, Default)]
struct Run {
    objects: Vec<(u32, StoredObject)>,
    bytes: u64,
    /// The index of the last, and the bytes of all of which it has objects; `None`: the manifest's own list.
    index: usize,
    index_bytes: Option<u64>,
}

impl Run {
    fn has_room(&self, policy: Policy, len: u64, index: usize, listed: Option<u64>) -> bool {
        if self.objects.is_empty() {
            return true;
        }
        // What one index has may be merged, however large it is; what the manifest's own list has, with nothing in an index.
        let joined = index == self.index
            || self.index_bytes.zip(listed).is_some_and(|(before, more)| policy.joins(before + more));
        joined && policy.has_room(self.objects.len() + 1, self.bytes + len)
    }

    fn push(&mut self, slot: u32, object: StoredObject, index: usize, listed: Option<u64>) {
        if self.objects.is_empty() {
            self.index_bytes = listed;
        } else if index != self.index {
            self.index_bytes = self.index_bytes.zip(listed).map(|(before, more)| before + more);
        }
        self.index = index;
        self.bytes += object.len;
        self.objects.push((slot, object));
    }

    /// Whether it can be merged, without what is in front of and with an object too large for the others. If not, it is empty then.
    fn settle(&mut self, policy: Policy) -> bool {
        loop {
            let largest = self.objects.iter().enumerate().max_by_key(|(_, (_, object))| object.len);
            let Some((at, len)) = largest.map(|(at, (_, object))| (at, object.len)) else { break };
            if policy.takes(self.objects.len(), len, self.bytes) {
                return true;
            }
            if len.saturating_mul(super::merge::GROWTH) <= self.bytes {
                break;
            }
            let dropped = self.objects.drain(..=at);
            self.bytes -= dropped.map(|(_, object)| object.len).sum::<u64>();
        }
        *self = Run::default();
        false
    }
}

#[cfg(test)]
mod tests;
