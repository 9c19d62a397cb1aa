//! Where the visible batches of a partition are in the log: 40 bytes for each batch, in offset order.

use alloc::collections::VecDeque;

use crate::{
    log::entry::Append,
    planted::{Planted, planted},
    port::BatchAt,
    units::{Offset, SegmentSequence, Timestamp},
};

/// Where the body of a record is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Place {
    /// The segment.
    pub segment: SegmentSequence,
    /// First byte in it.
    pub position: u32,
}

/// One batch.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct IndexEntry {
    base: i64,
    /// Largest timestamp of this batch and all before it: ascending, so a time is found by halving.
    newest: i64,
    /// Largest timestamp of this batch alone.
    own: i64,
    segment: u32,
    position: u32,
    len: u32,
    last_delta: u32,
}

const _: () = assert!(size_of::<IndexEntry>() == 40);

impl IndexEntry {
    /// An append at its place, and the largest timestamp of it and all before it.
    #[must_use]
    pub fn new(append: &Append, place: Place, newest: Timestamp) -> IndexEntry {
        let header = &append.header;
        IndexEntry {
            base: header.base_offset.0,
            newest: newest.0,
            own: header.max_timestamp.0,
            segment: u32::try_from(place.segment.0).expect("2^32 segments are 256 PiB of log"),
            position: place.position,
            len: append.body_len(),
            last_delta: header.last_offset_delta.cast_unsigned(),
        }
    }

    /// Offset of the first record.
    #[must_use]
    pub fn base_offset(&self) -> Offset {
        Offset(self.base)
    }

    /// Offset of the last record.
    #[must_use]
    pub fn last_offset(&self) -> Offset {
        Offset(self.base + i64::from(self.last_delta))
    }

    /// Its largest timestamp.
    #[must_use]
    pub fn own_newest(&self) -> Timestamp {
        Timestamp(self.own)
    }

    /// Bytes of the batch.
    #[must_use]
    pub fn len(&self) -> u32 {
        self.len
    }

    /// Never: a batch has a header.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        false
    }

    /// The segment it is in.
    #[must_use]
    pub fn segment(&self) -> SegmentSequence {
        SegmentSequence(u64::from(self.segment))
    }

    /// Where to read it and what to expect there. The leader epoch is its partition's to know.
    #[must_use]
    pub fn at(&self, leader_epoch: i32) -> BatchAt {
        BatchAt { position: self.position, len: self.len, base_offset: Offset(self.base), leader_epoch }
    }
}

/// All visible batches of a partition.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct BatchIndex {
    entries: VecDeque<IndexEntry>,
    bytes: u64,
}

impl BatchIndex {
    /// Adds a batch behind all others.
    pub fn push(&mut self, append: &Append, place: Place) {
        let own = append.header.max_timestamp;
        let newest = self.entries.back().map_or(own, |last| own.max(Timestamp(last.newest)));
        self.bytes += u64::from(append.body_len());
        self.entries.push_back(IndexEntry::new(append, place, newest));
    }

    /// Batches that lie below that offset as a whole are gone.
    pub fn drop_below(&mut self, offset: Offset) {
        let gone = self.entries.partition_point(|entry| entry.last_offset() < offset);
        self.bytes -= self.entries.drain(..gone).map(|entry| u64::from(entry.len)).sum::<u64>();
        let mut newest = i64::MIN;
        for entry in &mut self.entries {
            newest = newest.max(entry.own);
            // From here on what is gone was not the newest.
            if entry.newest == newest {
                break;
            }
            entry.newest = newest;
        }
    }

    /// Batches in segments in front of that one are not in the log any more.
    pub fn drop_segments_below(&mut self, floor: SegmentSequence) {
        let gone = self.entries.partition_point(|entry| entry.segment() < floor);
        if gone > 0 {
            let first = self.entries.get(gone).map_or(i64::MAX, |entry| entry.base);
            self.drop_below(Offset(first));
        }
    }

    /// Number of batches.
    #[must_use]
    pub fn len(&self) -> usize {
        self.entries.len()
    }

    /// Bytes of all batches together.
    #[must_use]
    pub fn bytes(&self) -> u64 {
        self.bytes
    }

    /// Whether there is no batch.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.entries.is_empty()
    }

    /// The oldest batch.
    #[must_use]
    pub fn first(&self) -> Option<&IndexEntry> {
        self.entries.front()
    }

    /// The newest batch.
    #[must_use]
    pub fn last(&self) -> Option<&IndexEntry> {
        self.entries.back()
    }

    /// The batch that holds `offset` or, in a gap, the first one behind it, and all that follow.
    pub fn from_offset(&self, offset: Offset) -> impl Iterator<Item = &IndexEntry> {
        let late = i64::from(planted(Planted::IndexOneBatchLate));
        let at = self.entries.partition_point(|entry| entry.last_offset().0 < offset.0 + late);
        self.entries.range(at..)
    }

    /// The first batch with a record at or after that time.
    #[must_use]
    pub fn by_time(&self, timestamp: Timestamp) -> Option<&IndexEntry> {
        let late = i64::from(planted(Planted::TimeLookupOneLate));
        self.entries
            .get(self.entries.partition_point(|entry| entry.newest < timestamp.0.saturating_add(late)))
    }

    /// The earliest batch with the largest timestamp, and that timestamp.
    #[must_use]
    pub fn newest(&self) -> Option<(&IndexEntry, Timestamp)> {
        let newest = Timestamp(self.entries.back()?.newest);
        Some((self.by_time(newest)?, newest))
    }
}
