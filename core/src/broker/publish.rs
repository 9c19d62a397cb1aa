//! From durable to visible: the high watermark moves, the batch gets its place in index and cache, parked fetches wake.

use alloc::vec::Vec;

use crate::{
    broker::{Live, cache::CachedBatch},
    log::{entry::Entry, writer::Written},
    marks::{Mark, mark},
    planted::{Planted, planted},
};

impl Live {
    pub(super) fn publish(&mut self, written: Vec<Written>) {
        for Written { staged, place, batch_header } in written {
            match staged.entry {
                Entry::Append(append) => {
                    if let Some(cuts) = &mut self.cuts {
                        cuts.written(&append, place);
                    }
                    // A topic deleted while its batch was on the way to the disk: nobody will read it.
                    let Some(partition) = self.state.partition_mut(append.partition) else {
                        mark(Mark::PublishedForNobody);
                        continue;
                    };
                    mark(Mark::Published);
                    partition.publish(&append, place);
                    if !partition.waiting.is_empty() {
                        mark(Mark::FetchWoken);
                    }
                    if !planted(Planted::WakeupLost) {
                        self.fetches.wake(&partition.waiting);
                    }
                    let batch = CachedBatch {
                        base_offset: append.header.base_offset,
                        header: batch_header,
                        held: staged.held,
                        records: staged.records,
                    };
                    if let Some(cuts) = &mut self.cuts {
                        cuts.published(&append);
                    }
                    self.cache.push(append.partition, batch);
                }
                Entry::Started { .. }
                | Entry::TopicCreated(_)
                | Entry::TopicDeleted { .. }
                | Entry::ProducerIdsReserved { .. }
                | Entry::ProducersExpired { .. }
                | Entry::Trimmed { .. }
                | Entry::PartitionsAdded { .. }
                | Entry::ConfigsChanged { .. }
                | Entry::RecordsDeleted { .. }
                | Entry::LineageBegun { .. }
                | Entry::CutStored { .. }
                | Entry::Group(_) => {}
            }
        }
    }
}
