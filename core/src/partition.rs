//! One partition: its offsets, leader epochs, producers, and where its batches are.
//!
//! What the log says is applied at once when staged ([`Partition::apply`]); what readers see
//! (`visible`, the index, the cache) moves only when the log is durable ([`Partition::publish`]).
//! Invariant: `log_start <= visible <= log_end`.

pub mod index;
pub mod producers;

use alloc::{collections::BTreeSet, vec::Vec};

use crate::{
    log::entry::Append,
    partition::{
        index::{BatchIndex, IndexEntry, Place},
        producers::Producers,
    },
    planted::{Planted, planted},
    units::{Epoch, Lsn, Offset, PartitionId, TopicId},
};

/// A leader epoch and the first offset written in it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct EpochStart {
    /// The epoch.
    pub epoch: Epoch,
    /// Its first offset.
    pub start: Offset,
}

/// The state of one partition.
#[derive(Clone, Debug, PartialEq)]
pub struct Partition {
    /// Internal number.
    pub id: PartitionId,
    /// Its topic.
    pub topic: TopicId,
    /// Number within the topic.
    pub index: i32,
    /// First offset that is still there.
    pub log_start: Offset,
    /// LSN behind the entry that moved it there, if that was since the start.
    pub start_known: Lsn,
    /// Offset behind the last record; staged, perhaps not durable.
    pub log_end: Offset,
    /// Below it offsets may have been given out to records that a loss took: no new record gets them. See
    /// [`Partition::next_offset`].
    pub reserved_upto: Offset,
    /// End of what readers may see: Kafka's high watermark.
    pub visible: Offset,
    /// In ascending order, one for each epoch in which something was written.
    pub epochs: Vec<EpochStart>,
    /// Idempotent producers.
    pub producers: Producers,
    /// Where the visible batches are.
    pub batches: BatchIndex,
    /// Parked fetches that want to know when `visible` moves.
    pub waiting: BTreeSet<u64>,
}

impl Partition {
    /// An empty partition.
    #[must_use]
    pub fn new(id: PartitionId, topic: TopicId, index: i32) -> Partition {
        Partition {
            id,
            topic,
            index,
            log_start: Offset(0),
            start_known: Lsn(0),
            log_end: Offset(0),
            reserved_upto: Offset(0),
            visible: Offset(0),
            epochs: Vec::new(),
            producers: Producers::default(),
            batches: BatchIndex::default(),
            waiting: BTreeSet::new(),
        }
    }

    /// A batch joins, as the log says.
    pub fn apply(&mut self, lsn: Lsn, append: &Append) {
        let header = &append.header;
        // Earlier versions let partitions that a topic got after a loss begin at 0: in their logs `reserved_upto` was another.
        assert!(header.base_offset >= self.log_end, "offsets only grow");
        let epoch = Epoch(header.leader_epoch.cast_unsigned());
        if self.epochs.last().is_none_or(|last| last.epoch < epoch) {
            self.epochs.push(EpochStart { epoch, start: header.base_offset });
        }
        self.log_end = header.last_offset().plus(1);
        if header.is_idempotent() {
            self.producers.apply(lsn, append);
        }
    }

    /// Next offset to give out.
    #[must_use]
    pub fn next_offset(&self) -> Offset {
        self.log_end.max(self.reserved_upto)
    }

    /// What the log has begins there, the end if that is nothing. It may lie in front of the log start: batches stay whole.
    #[must_use]
    pub fn oldest_in_log(&self) -> Offset {
        self.batches.first().map_or(self.visible, IndexEntry::base_offset)
    }

    /// Records may have been lost, with at most so many offsets: the next record comes behind them. The end of the partition stays
    /// where its last record is, so that whoever reads to the end arrives there.
    pub fn skip(&mut self, offsets: i64) {
        self.reserved_upto = self.next_offset().plus(offsets);
    }

    /// Records in front of `log_start` are gone, as the log says. A batch that holds records on both sides stays.
    pub fn delete_records(&mut self, lsn: Lsn, log_start: Offset) {
        assert!(log_start <= self.log_end, "only what was taken is deleted");
        if log_start > self.log_start {
            self.log_start = log_start;
            if !planted(Planted::LogStartReadBeforeDurable) {
                self.start_known = lsn.plus(1);
            }
            if !planted(Planted::DeletedRecordsServed) {
                self.batches.drop_below(log_start);
            }
        }
    }

    /// A batch is durable at its place and may be seen.
    pub fn publish(&mut self, append: &Append, place: Place) {
        let end = append.header.last_offset().plus(1);
        assert!(
            self.visible <= append.header.base_offset && end <= self.log_end,
            "batches are published in order"
        );
        self.visible = end;
        self.batches.push(append, place);
    }

    /// Leader epoch in which the record at `offset` was written; -1 before the first.
    #[must_use]
    pub fn epoch_at(&self, offset: Offset) -> i32 {
        let after = self.epochs.partition_point(|known| known.start <= offset);
        after.checked_sub(1).map_or(-1, |at| self.epochs[at].epoch.leader_epoch())
    }

    /// Largest epoch at most `asked` with the offset behind its last record, as KIP-101 wants it;
    /// `None` if nothing is known of it. `current` is the epoch of this leader.
    #[must_use]
    pub fn epoch_end(&self, asked: i32, current: Epoch) -> Option<(i32, Offset)> {
        if asked == current.leader_epoch() {
            return Some((asked, self.visible));
        }
        if asked < 0 || asked > current.leader_epoch() {
            return None;
        }
        let asked = Epoch(asked.cast_unsigned());
        let after = self.epochs.partition_point(|known| known.epoch <= asked);
        let end = self.epochs.get(after).map_or(self.visible, |next| next.start);
        let epoch = after.checked_sub(1).map_or(asked, |at| self.epochs[at].epoch);
        Some((epoch.leader_epoch(), end))
    }
}

#[cfg(test)]
mod tests;
