//! Which data objects hold which offsets of a partition: what the newest manifest says, in memory, 32 bytes for each partition in
//! each object.

use alloc::{collections::BTreeMap, collections::VecDeque, vec::Vec};

use crate::{
    planted::{Planted, planted},
    store::{DataRef, StoredObject},
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
    /// Bytes of the partition in it.
    pub(in crate::broker) bytes: u64,
    /// Largest timestamp of the partition in it.
    pub(in crate::broker) newest: Timestamp,
}

/// All of it.
#[derive(Clone, Debug, Default)]
pub(in crate::broker) struct Archive {
    objects: Vec<StoredObject>,
    partitions: BTreeMap<PartitionId, VecDeque<Range>>,
}

impl Archive {
    /// One more object. Objects come in the order in which they were committed, so offsets only grow.
    pub(super) fn add(&mut self, data: &DataRef) {
        let slot = u32::try_from(self.objects.len()).expect("2^32 objects do not fit into memory");
        self.objects.push(data.object);
        for part in &data.parts {
            let ranges = self.partitions.entry(part.partition).or_default();
            assert!(ranges.back().is_none_or(|last| last.end <= part.first), "offsets are stored in order");
            let bytes = u32::try_from(part.bytes).unwrap_or(u32::MAX);
            ranges.push_back(Range { slot, end: part.end, bytes, newest: part.newest });
        }
    }

    /// The partition is gone.
    pub(super) fn forget(&mut self, partition: PartitionId) {
        self.partitions.remove(&partition);
    }

    /// Forgets partitions that are gone.
    pub(super) fn keep(&mut self, is_there: impl Fn(PartitionId) -> bool) {
        self.partitions.retain(|partition, _| is_there(*partition));
    }

    /// Offset behind the last stored record; `None`: nothing is stored.
    pub(in crate::broker) fn end(&self, partition: PartitionId) -> Option<Offset> {
        self.partitions.get(&partition)?.back().map(|range| range.end)
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
            object: self.objects[range.slot as usize],
            bytes: u64::from(range.bytes),
            newest: range.newest,
        }
    }
}
