//! Scans of segments that are remembered: most what-if starts scan the same sealed segments again. The answer to a scan follows
//! from the bytes of the file alone, and pages that two files share hold the same bytes.

use std::sync::{Arc, Mutex, MutexGuard};

use evenkeel_core::{
    log::{ScanOrder, SegmentScan, scan},
    port::{DiskReply, DiskResult, DiskStep, perform},
};

use crate::disk::{SimDisk, pages::Pages};

/// Scans remembered by the disks of one world.
const SCANS_MAX: usize = 96;

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

impl SimDisk {
    /// Runs a script. The same as [`perform`], which it calls for everything but scans of bytes that were scanned before.
    ///
    /// # Errors
    /// The first step that failed.
    pub fn perform(&self, steps: &[DiskStep]) -> DiskResult {
        let mut replies = Vec::with_capacity(steps.len());
        for step in steps {
            match self.scan_again(step) {
                Some(found) => replies.push(DiskReply::Scan(Box::new(found))),
                None => replies.extend(perform(self, std::slice::from_ref(step))?),
            }
        }
        Ok(replies)
    }

    /// The answer to a scan, if no read can fail and there is such a file.
    fn scan_again(&self, step: &DiskStep) -> Option<SegmentScan> {
        let DiskStep::Scan(order) = step else { return None };
        let (bytes, len) = {
            let mut inner = self.inner();
            if inner.injector.reads_may_fail() {
                return None;
            }
            let file = inner.directory.file_mut(order.file)?;
            (file.cache.clone(), file.len())
        };
        if let Some(found) = self.scans.find(&bytes, len, order.salt) {
            debug_assert_eq!(Some(&found), self.scan_anew(order).as_ref(), "{order:?}");
            return Some(found);
        }
        let found = self.scan_anew(order)?;
        self.scans.remember(Scanned { bytes, len, salt: order.salt, found: found.clone() });
        Some(found)
    }

    fn scan_anew(&self, order: &ScanOrder) -> Option<SegmentScan> {
        scan(self, order).ok()
    }
}
