//! The newest batches in memory, for consumers at the tail. First in, first out, bounded in bytes.
//!
//! A batch is a slice of the request that it came in, so it holds more than itself: what it holds is counted. Batches of one request come
//! one behind the other and go together; one that is forgotten earlier counts until its turn comes, since the others may still hold what
//! it was part of.

use alloc::collections::{BTreeMap, VecDeque};

use bytes::Bytes;

use crate::{
    marks::{Mark, mark},
    units::{Offset, PartitionId},
};

/// What a cached batch costs beside its bytes.
const OVERHEAD_BYTES: u64 = 192;

/// A batch, as it is served.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct CachedBatch {
    pub(super) base_offset: Offset,
    pub(super) header: Bytes,
    pub(super) records: Bytes,
    /// Bytes of memory that its records hold.
    pub(super) held: u64,
}

impl CachedBatch {
    fn cost(&self) -> u64 {
        OVERHEAD_BYTES + self.header.len() as u64 + self.held
    }
}

/// A batch in the order in which batches came.
#[derive(Clone, Copy, Debug)]
struct Place {
    partition: PartitionId,
    base_offset: Offset,
    cost: u64,
}

/// All cached batches.
#[derive(Clone, Debug)]
pub(super) struct Cache {
    limit_bytes: u64,
    bytes: u64,
    partitions: BTreeMap<PartitionId, VecDeque<CachedBatch>>,
    order: VecDeque<Place>,
}

impl Cache {
    pub(super) fn new(limit_bytes: u64) -> Cache {
        Cache { limit_bytes, bytes: 0, partitions: BTreeMap::new(), order: VecDeque::new() }
    }

    pub(super) fn push(&mut self, partition: PartitionId, batch: CachedBatch) {
        let place = Place { partition, base_offset: batch.base_offset, cost: batch.cost() };
        self.bytes += place.cost;
        self.partitions.entry(partition).or_default().push_back(batch);
        self.order.push_back(place);
        while self.bytes > self.limit_bytes {
            mark(Mark::CacheEvicted);
            let oldest = self.order.pop_front().expect("bytes are counted for what is in the order");
            self.bytes -= oldest.cost;
            // One that was forgotten has left its place in the order.
            let Some(batches) = self.partitions.get_mut(&oldest.partition) else { continue };
            if batches.front().is_some_and(|batch| batch.base_offset == oldest.base_offset) {
                batches.pop_front();
            }
            if batches.is_empty() {
                self.partitions.remove(&oldest.partition);
            }
        }
    }

    pub(super) fn find(&self, partition: PartitionId, base_offset: Offset) -> Option<&CachedBatch> {
        let batches = self.partitions.get(&partition)?;
        let at = batches.binary_search_by_key(&base_offset, |batch| batch.base_offset).ok()?;
        batches.get(at)
    }

    /// Batches in front of the one that holds that offset. Where there is none behind them, the last stays: it does no harm.
    pub(super) fn forget_below(&mut self, partition: PartitionId, offset: Offset) {
        let Some(batches) = self.partitions.get_mut(&partition) else { return };
        let gone = batches.partition_point(|batch| batch.base_offset <= offset).saturating_sub(1);
        batches.drain(..gone);
    }

    pub(super) fn forget(&mut self, partition: PartitionId) {
        self.partitions.remove(&partition);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn batch(base_offset: i64, len: usize) -> CachedBatch {
        CachedBatch {
            base_offset: Offset(base_offset),
            header: Bytes::from_static(&[0; 61]),
            records: Bytes::from(alloc::vec![0; len]),
            held: len as u64,
        }
    }

    #[test]
    fn the_oldest_batches_of_any_partition_go_first_and_the_bound_holds() {
        let mut cache = Cache::new(3 * (OVERHEAD_BYTES + 61 + 100));
        for at in 0..2 {
            cache.push(PartitionId(1), batch(at, 100));
            cache.push(PartitionId(2), batch(at, 100));
            assert!(cache.bytes <= cache.limit_bytes);
        }
        assert_eq!(cache.find(PartitionId(1), Offset(0)), None);
        assert!(cache.find(PartitionId(1), Offset(1)).is_some());
        assert!(cache.find(PartitionId(2), Offset(0)).is_some());
    }

    #[test]
    fn a_forgotten_batch_counts_until_its_turn_comes() {
        let cost = OVERHEAD_BYTES + 161;
        let mut cache = Cache::new(4 * cost);
        cache.push(PartitionId(1), batch(0, 100));
        cache.push(PartitionId(2), batch(0, 100));
        cache.push(PartitionId(3), batch(0, 100));
        cache.forget(PartitionId(1));
        cache.forget(PartitionId(1));
        assert_eq!((cache.bytes, cache.order.len()), (3 * cost, 3));
        for at in 1..3 {
            cache.push(PartitionId(2), batch(at, 100));
        }
        assert_eq!((cache.bytes, cache.order.len()), (4 * cost, 4));
        assert!(cache.find(PartitionId(2), Offset(0)).is_some(), "nothing else had to go");
    }

    #[test]
    fn what_a_batch_holds_counts_not_what_it_is() {
        let mut cache = Cache::new(10_000);
        for at in 0..100 {
            cache.push(PartitionId(1), CachedBatch { held: 4000, ..batch(at, 1) });
            assert!(cache.order.len() <= 2);
        }
    }

    #[test]
    fn deleted_records_leave_the_cache_and_are_not_evicted_again() {
        let mut cache = Cache::new(10_000);
        for at in 0..4 {
            cache.push(PartitionId(1), batch(at * 10, 100));
            cache.push(PartitionId(2), batch(at * 10, 100));
        }
        cache.forget_below(PartitionId(1), Offset(25));
        assert_eq!(cache.find(PartitionId(1), Offset(10)), None);
        assert!(cache.find(PartitionId(1), Offset(20)).is_some(), "it holds the offset");
        cache.forget_below(PartitionId(1), Offset(1000));
        cache.forget_below(PartitionId(3), Offset(1000));
        assert!(cache.find(PartitionId(1), Offset(30)).is_some(), "the last stays");
        cache.limit_bytes = 5 * (OVERHEAD_BYTES + 161);
        cache.push(PartitionId(2), batch(40, 100));
        assert!(cache.find(PartitionId(1), Offset(30)).is_some(), "its turn has not come");
        assert_eq!(cache.find(PartitionId(2), Offset(10)), None);
        assert!(cache.find(PartitionId(2), Offset(20)).is_some());
    }

    #[test]
    fn a_batch_larger_than_the_whole_cache_is_not_kept() {
        let mut cache = Cache::new(1000);
        cache.push(PartitionId(1), batch(0, 5000));
        assert_eq!((cache.bytes, cache.order.len(), cache.partitions.len()), (0, 0, 0));
    }
}
