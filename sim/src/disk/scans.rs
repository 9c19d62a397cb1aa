//! Scans of segments and reads of batches that are remembered: most what-if starts scan and read the same sealed segments again. Both
//! answers follow from the bytes of the file alone, and pages that two files share hold the same bytes.

use std::{
    collections::BTreeMap,
    sync::{Arc, Mutex, MutexGuard},
};

use bytes::Bytes;

use evenkeel_core::{
    log::{ScanOrder, SegmentScan, scan},
    port::{BatchAt, DiskReply, DiskResult, DiskStep, FileName, perform},
};

use crate::disk::{Fingerprint, SimDisk, pages::Pages};

/// Scans remembered by the disks of one world.
const SCANS_MAX: usize = 256;
/// Bytes of batches remembered by them.
const BATCH_BYTES_MAX: usize = 8 << 20;

/// What copies of one disk remember together. Runs with different planted bugs have different disks.
#[derive(Clone, Debug, Default)]
pub(super) struct Scans {
    known: Arc<Mutex<Known>>,
}

#[derive(Debug, Default)]
struct Known {
    scans: Vec<Scanned>,
    /// The one that is forgotten next.
    oldest: usize,
    /// By a hash of the places that were read. Of several files with the same places, the last.
    reads: BTreeMap<u64, Read>,
    /// Bytes of batches in `reads`.
    read_bytes: usize,
}

/// A file's bytes, and the batches in it.
#[derive(Debug)]
struct Read {
    bytes: Pages,
    len: u64,
    places: Vec<BatchAt>,
    found: Vec<Bytes>,
}

/// A file's bytes, and what was found in them. While they are here, a write to the file goes to a page of its own.
#[derive(Clone, Debug)]
struct Scanned {
    bytes: Pages,
    len: u64,
    salt: Option<u64>,
    found: SegmentScan,
}

impl Scans {
    fn known(&self) -> MutexGuard<'_, Known> {
        self.known.lock().expect("nothing panics with the scans in hand")
    }

    fn find(&self, bytes: &Pages, len: u64, salt: Option<u64>) -> Option<SegmentScan> {
        let known = self.known();
        let same = |scan: &&Scanned| scan.len == len && scan.salt == salt && scan.bytes.is_shared_with(bytes);
        known.scans.iter().rev().find(same).map(|scan| scan.found.clone())
    }

    fn remember(&self, scanned: Scanned) {
        let mut known = self.known();
        if known.scans.len() < SCANS_MAX {
            known.scans.push(scanned);
            return;
        }
        let oldest = known.oldest;
        known.scans[oldest] = scanned;
        known.oldest = (oldest + 1) % SCANS_MAX;
    }
}

fn hash_of(places: &[BatchAt]) -> u64 {
    let mut print = Fingerprint::default();
    for at in places {
        print.add(u64::from(at.position) << 32 | u64::from(at.len));
        print.add(at.base_offset.0.cast_unsigned());
    }
    print.word()
}

impl Scans {
    fn find_read(&self, bytes: &Pages, len: u64, places: &[BatchAt]) -> Option<Vec<Bytes>> {
        let known = self.known();
        let read = known.reads.get(&hash_of(places))?;
        let same = read.len == len && read.places == places && read.bytes.is_shared_with(bytes);
        same.then(|| read.found.clone())
    }

    /// Keeps a copy of the batches, without what was read between them.
    fn remember_read(&self, bytes: Pages, len: u64, places: &[BatchAt], found: &[Bytes]) {
        let size = |found: &[Bytes]| found.iter().map(Bytes::len).sum::<usize>();
        let mut known = self.known();
        if known.read_bytes > BATCH_BYTES_MAX {
            known.reads.clear();
            known.read_bytes = 0;
        }
        let mut rest = Bytes::from(found.concat());
        let found: Vec<Bytes> = found.iter().map(|batch| rest.split_to(batch.len())).collect();
        known.read_bytes += size(&found);
        let read = Read { bytes, len, places: places.to_vec(), found };
        if let Some(before) = known.reads.insert(hash_of(places), read) {
            known.read_bytes -= size(&before.found);
        }
    }
}

impl SimDisk {
    /// Runs a script. The same as [`perform`], which it calls for everything but scans and reads of bytes that were scanned and read
    /// before.
    ///
    /// # Errors
    /// The first step that failed.
    pub fn perform(&self, steps: &[DiskStep]) -> DiskResult {
        let mut replies = Vec::with_capacity(steps.len());
        for step in steps {
            let known = match step {
                DiskStep::Scan(order) => self.scan_again(order).map(|found| DiskReply::Scan(Box::new(found))),
                DiskStep::ReadBatches { file, batches } => {
                    self.read_again(*file, batches, step).map(DiskReply::Batches)
                }
                DiskStep::List
                | DiskStep::Read(_)
                | DiskStep::ReadAt { .. }
                | DiskStep::Create(_)
                | DiskStep::Zero { .. }
                | DiskStep::Reserve { .. }
                | DiskStep::Release { .. }
                | DiskStep::Write { .. }
                | DiskStep::Sync(_)
                | DiskStep::SyncDirectory
                | DiskStep::Rename { .. }
                | DiskStep::Remove(_)
                | DiskStep::Space => None,
            };
            match known {
                Some(reply) => replies.push(reply),
                None => replies.extend(perform(self, std::slice::from_ref(step))?),
            }
        }
        Ok(replies)
    }

    /// The bytes of a file and its length, if no read can fail and there is such a file.
    fn known_bytes(&self, file: FileName) -> Option<(Pages, u64)> {
        let mut inner = self.inner();
        if inner.injector.reads_may_fail() {
            return None;
        }
        let file = inner.directory.file_mut(file)?;
        Some((file.cache.clone(), file.len()))
    }

    /// The answer to a scan.
    fn scan_again(&self, order: &ScanOrder) -> Option<SegmentScan> {
        let (bytes, len) = self.known_bytes(order.file)?;
        if let Some(found) = self.scans.find(&bytes, len, order.salt) {
            debug_assert_eq!(Some(&found), self.scan_anew(order).as_ref(), "{order:?}");
            return Some(found);
        }
        let found = self.scan_anew(order)?;
        self.scans.remember(Scanned { bytes, len, salt: order.salt, found: found.clone() });
        Some(found)
    }

    /// The answer to a read of batches. One that finds damage is not remembered.
    fn read_again(&self, file: FileName, places: &[BatchAt], step: &DiskStep) -> Option<Vec<Bytes>> {
        let (bytes, len) = self.known_bytes(file)?;
        if let Some(found) = self.scans.find_read(&bytes, len, places) {
            debug_assert_eq!(Some(&found), self.read_anew(step).as_ref(), "{step:?}");
            return Some(found);
        }
        let found = self.read_anew(step)?;
        self.scans.remember_read(bytes, len, places, &found);
        Some(found)
    }

    fn read_anew(&self, step: &DiskStep) -> Option<Vec<Bytes>> {
        match perform(self, std::slice::from_ref(step)).ok()?.pop()? {
            DiskReply::Batches(found) => Some(found),
            DiskReply::Done
            | DiskReply::Files(_)
            | DiskReply::Bytes(_)
            | DiskReply::Scan(_)
            | DiskReply::Space(_) => None,
        }
    }

    fn scan_anew(&self, order: &ScanOrder) -> Option<SegmentScan> {
        scan(self, order).ok()
    }
}
