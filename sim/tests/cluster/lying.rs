//! A planted bug for this tier: the log is never synced.

use std::sync::Arc;

use bytes::Bytes;
use evenkeel_core::port::{Disk, DiskError, FileEntry, FileName};
use evenkeel_sim::disk::SimDisk;

/// Says that it has synced the log, and has not.
pub(crate) struct Lying(pub(crate) Arc<SimDisk>);

impl Disk for Lying {
    fn space(&self) -> Result<evenkeel_core::port::Space, DiskError> {
        self.0.space()
    }
    fn list(&self) -> Result<Vec<FileEntry>, DiskError> {
        self.0.list()
    }
    fn read_at(&self, file: FileName, position: u64, into: &mut [u8]) -> Result<usize, DiskError> {
        self.0.read_at(file, position, into)
    }
    fn len(&self, file: FileName) -> Result<u64, DiskError> {
        self.0.len(file)
    }
    fn create(&self, file: FileName) -> Result<(), DiskError> {
        self.0.create(file)
    }
    fn zero(&self, file: FileName, len: u64) -> Result<(), DiskError> {
        self.0.zero(file, len)
    }
    fn reserve(&self, file: FileName, len: u64) -> Result<(), DiskError> {
        self.0.reserve(file, len)
    }
    fn write_at(&self, file: FileName, position: u64, data: &[Bytes]) -> Result<(), DiskError> {
        self.0.write_at(file, position, data)
    }
    fn sync(&self, file: FileName) -> Result<(), DiskError> {
        if matches!(file, FileName::Segment(_)) { Ok(()) } else { self.0.sync(file) }
    }
    fn sync_directory(&self) -> Result<(), DiskError> {
        self.0.sync_directory()
    }
    fn rename(&self, from: FileName, to: FileName) -> Result<(), DiskError> {
        self.0.rename(from, to)
    }
    fn remove(&self, file: FileName) -> Result<(), DiskError> {
        self.0.remove(file)
    }
}
