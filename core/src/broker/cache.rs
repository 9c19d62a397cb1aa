//! The newest batches in memory, for consumers at the tail. First in, first out, bounded in bytes.

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
}

impl CachedBatch {
    fn cost(&self) -> u64 {
        OVERHEAD_BYTES + self.header.len() as u64 + self.records.len() as u64
    }
}

/// All cached batches.
#[derive(Clone, Debug)]
pub(super) struct Cache {
    limit_bytes: u64,
    bytes: u64,
    partitions: BTreeMap<PartitionId, VecDeque<CachedBatch>>,
    order: VecDeque<PartitionId>,
}

impl Cache {
    pub(super) fn new(limit_bytes: u64) -> Cache {
        Cache { limit_bytes, bytes: 0, partitions: BTreeMap::new(), order: VecDeque::new() }
    }

    pub(super) fn push(&mut self, partition: PartitionId, batch: CachedBatch) {
        self.bytes += batch.cost();
        self.partitions.entry(partition).or_default().push_back(batch);
        self.order.push_back(partition);
        while self.bytes > self.limit_bytes {
            mark(Mark::CacheEvicted);
            let oldest = self.order.pop_front().expect("bytes are counted for what is in the order");
            // A deleted partition has left its places in the order; its bytes are no longer counted.
            let Some(batches) = self.partitions.get_mut(&oldest) else { continue };
            if let Some(batch) = batches.pop_front() {
                self.bytes -= batch.cost();
            }
            if batches.is_empty() {
                self.partitions.remove(&oldest);
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
        for batch in batches.drain(..gone) {
            self.bytes -= batch.cost();
        }
        let mut places = gone;
        self.order.retain(|place| {
            let goes = places > 0 && *place == partition;
            places -= usize::from(goes);
            !goes
        });
    }

    pub(super) fn forget(&mut self, partition: PartitionId) {
        for batch in self.partitions.remove(&partition).unwrap_or_default() {
            self.bytes -= batch.cost();
        }
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
    fn a_forgotten_partition_frees_its_bytes_once() {
        let mut cache = Cache::new(10_000);
        cache.push(PartitionId(1), batch(0, 100));
        cache.push(PartitionId(2), batch(0, 100));
        cache.forget(PartitionId(1));
        cache.forget(PartitionId(1));
        assert_eq!(cache.bytes, OVERHEAD_BYTES + 161);
        for at in 1..100 {
            cache.push(PartitionId(2), batch(at, 1000));
            assert!(cache.bytes <= 10_000);
        }
    }

    #[test]
    fn deleted_records_leave_the_cache_and_the_order_with_it() {
        let mut cache = Cache::new(10_000);
        for at in 0..4 {
            cache.push(PartitionId(1), batch(at * 10, 100));
            cache.push(PartitionId(2), batch(at * 10, 100));
        }
        cache.forget_below(PartitionId(1), Offset(25));
        assert_eq!(cache.find(PartitionId(1), Offset(10)), None);
        assert!(cache.find(PartitionId(1), Offset(20)).is_some(), "it holds the offset");
        assert_eq!((cache.order.len(), cache.bytes), (6, 6 * (OVERHEAD_BYTES + 161)));
        cache.forget_below(PartitionId(1), Offset(1000));
        cache.forget_below(PartitionId(3), Offset(1000));
        assert_eq!((cache.order.len(), cache.bytes), (5, 5 * (OVERHEAD_BYTES + 161)));
        assert!(cache.find(PartitionId(2), Offset(0)).is_some());
    }

    #[test]
    fn a_batch_larger_than_the_whole_cache_is_not_kept() {
        let mut cache = Cache::new(1000);
        cache.push(PartitionId(1), batch(0, 5000));
        assert_eq!((cache.bytes, cache.order.len(), cache.partitions.len()), (0, 0, 0));
    }
}
