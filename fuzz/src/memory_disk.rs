//! A disk in memory with a page cache above it: what was written is seen at once, what was synced survives a power cut.
//!
//! A process crash keeps the cache. A power cut keeps what was synced and any sectors of what was not, file names likewise.

use std::{collections::BTreeMap, ops::Range, sync::Mutex};

use bytes::Bytes;
use evenkeel_core::port::{Disk, DiskError, DiskErrorKind, FileEntry, FileName, Space};

use crate::choices::mixed;

/// The bytes of all files.
pub type Image = BTreeMap<FileName, Vec<u8>>;

/// What a device writes at once.
pub const SECTOR_BYTES: usize = 512;

/// The disk.
#[derive(Debug, Default)]
pub struct MemoryDisk {
    inner: Mutex<Inner>,
}

#[derive(Debug, Default)]
struct Inner {
    files: Vec<File>,
    names: BTreeMap<FileName, usize>,
    durable: BTreeMap<FileName, usize>,
    /// Changes of names since the directory was synced.
    unsynced: Vec<NameChange>,
    crash: Option<Crash>,
    crashed: bool,
}

#[derive(Debug, Default)]
struct File {
    cached: Vec<u8>,
    synced: Vec<u8>,
    dirty: Range<usize>,
}

#[derive(Clone, Copy, Debug)]
enum NameChange {
    Bind(FileName, usize),
    Rename(FileName, FileName),
    Remove(FileName),
}

/// A crash of the process to come.
#[derive(Clone, Copy, Debug)]
struct Crash {
    calls_left: u32,
    tear: u64,
}

fn error(kind: DiskErrorKind, file: FileName, detail: &str) -> DiskError {
    DiskError { kind, file: Some(file), detail: String::from(detail) }
}

fn change_name(names: &mut BTreeMap<FileName, usize>, change: NameChange) {
    match change {
        NameChange::Bind(file, at) => drop(names.insert(file, at)),
        NameChange::Rename(from, to) => {
            if let Some(at) = names.remove(&from) {
                names.insert(to, at);
            }
        }
        NameChange::Remove(file) => drop(names.remove(&file)),
    }
}

fn put(bytes: &mut Vec<u8>, at: usize, data: &[u8]) {
    let end = at + data.len();
    if bytes.len() < end {
        bytes.resize(end, 0);
    }
    bytes[at..end].copy_from_slice(data);
}

impl File {
    fn write(&mut self, at: usize, data: &[u8]) {
        put(&mut self.cached, at, data);
        self.touch(at..at + data.len());
    }

    fn touch(&mut self, range: Range<usize>) {
        self.dirty = if self.dirty.is_empty() {
            range
        } else {
            self.dirty.start.min(range.start)..self.dirty.end.max(range.end)
        };
    }

    fn sync(&mut self) {
        self.synced.resize(self.cached.len(), 0);
        let dirty = self.dirty.start.min(self.cached.len())..self.dirty.end.min(self.cached.len());
        self.synced[dirty.clone()].copy_from_slice(&self.cached[dirty]);
        self.dirty = 0..0;
    }

    /// Sectors that were not synced are there or not, each for itself; so is a new length.
    fn cut(&mut self, seed: u64) {
        let keeps = |what: u64| match seed % 4 {
            0 => false,
            1 => true,
            _ => mixed(&[seed, what]) & 1 == 1,
        };
        let longer = self.cached.len() > self.synced.len() && keeps(u64::MAX);
        let mut left = std::mem::take(&mut self.synced);
        if longer {
            left.resize(self.cached.len(), 0);
        }
        for at in (self.dirty.start / SECTOR_BYTES * SECTOR_BYTES..self.dirty.end).step_by(SECTOR_BYTES) {
            let end = (at + SECTOR_BYTES).min(self.cached.len()).min(left.len());
            if at < end && keeps(at as u64) {
                left[at..end].copy_from_slice(&self.cached[at..end]);
            }
        }
        self.cached.clone_from(&left);
        self.synced = left;
        self.dirty = 0..0;
    }
}

impl Inner {
    /// One call that changes something; the crash may fall on it.
    fn spend(&mut self, file: FileName) -> Result<(), DiskError> {
        if self.crashed {
            return Err(error(DiskErrorKind::Failed, file, "the process has crashed"));
        }
        if let Some(crash) = &mut self.crash {
            match crash.calls_left.checked_sub(1) {
                Some(left) => crash.calls_left = left,
                None => {
                    self.crashed = true;
                    return Err(error(DiskErrorKind::Failed, file, "the process crashes here"));
                }
            }
        }
        Ok(())
    }

    fn file(&mut self, file: FileName) -> Result<&mut File, DiskError> {
        let at = *self.names.get(&file).ok_or_else(|| error(DiskErrorKind::NotFound, file, "not there"))?;
        Ok(&mut self.files[at])
    }

    fn rebind(&mut self, change: NameChange) {
        change_name(&mut self.names, change);
        self.unsynced.push(change);
    }
}

impl MemoryDisk {
    /// A disk that holds exactly this, all of it durable.
    #[must_use]
    pub fn holding(image: &Image) -> MemoryDisk {
        let files =
            image.values().map(|bytes| File { cached: bytes.clone(), synced: bytes.clone(), dirty: 0..0 });
        let names: BTreeMap<FileName, usize> = image.keys().copied().zip(0..).collect();
        let inner = Inner { files: files.collect(), durable: names.clone(), names, ..Inner::default() };
        MemoryDisk { inner: Mutex::new(inner) }
    }

    fn with<T>(&self, change: impl FnOnce(&mut Inner) -> T) -> T {
        change(&mut self.inner.lock().expect("nobody panics while holding it"))
    }

    /// What a process sees.
    #[must_use]
    pub fn image(&self) -> Image {
        self.with(|inner| {
            inner.names.iter().map(|(name, at)| (*name, inner.files[*at].cached.clone())).collect()
        })
    }

    /// The process will crash after so many more calls that change something; a write it falls on is done in part.
    pub fn arm(&self, calls_left: u32, tear: u64) {
        self.with(|inner| inner.crash = Some(Crash { calls_left, tear }));
    }

    /// The crash that is still to come.
    #[must_use]
    pub fn armed(&self) -> Option<(u32, u64)> {
        self.with(|inner| {
            let crash = inner.crash.filter(|_| !inner.crashed)?;
            Some((crash.calls_left, crash.tear))
        })
    }

    /// Whether the process has crashed.
    #[must_use]
    pub fn crashed(&self) -> bool {
        self.with(|inner| inner.crashed)
    }

    /// A new process is there.
    pub fn restart(&self) {
        self.with(|inner| (inner.crash, inner.crashed) = (None, false));
    }

    /// The power fails.
    pub fn cut(&self, seed: u64) {
        self.with(|inner| {
            for (at, file) in inner.files.iter_mut().enumerate() {
                file.cut(mixed(&[seed, at as u64]));
            }
            let mut names = inner.durable.clone();
            for (at, change) in inner.unsynced.drain(..).enumerate() {
                if mixed(&[seed, at as u64, 1]) & 1 == 1 {
                    change_name(&mut names, change);
                }
            }
            inner.names.clone_from(&names);
            inner.durable = names;
        });
    }
}

impl Disk for MemoryDisk {
    fn space(&self) -> Result<Space, DiskError> {
        let used = self.list()?.iter().map(|entry| entry.len).sum();
        Ok(Space { total: 1 << 30, usable: u64::saturating_sub(1 << 30, used) })
    }

    fn list(&self) -> Result<Vec<FileEntry>, DiskError> {
        Ok(self.with(|inner| {
            let entry = |(file, at): (&FileName, &usize)| FileEntry {
                file: *file,
                len: inner.files[*at].cached.len() as u64,
            };
            inner.names.iter().map(entry).collect()
        }))
    }

    fn read_at(&self, file: FileName, position: u64, into: &mut [u8]) -> Result<usize, DiskError> {
        self.with(|inner| {
            let bytes = &inner.file(file)?.cached;
            let from = usize::try_from(position).ok().and_then(|at| bytes.get(at..)).unwrap_or(&[]);
            let len = from.len().min(into.len());
            into[..len].copy_from_slice(&from[..len]);
            Ok(len)
        })
    }

    fn len(&self, file: FileName) -> Result<u64, DiskError> {
        self.with(|inner| Ok(inner.file(file)?.cached.len() as u64))
    }

    fn create(&self, file: FileName) -> Result<(), DiskError> {
        self.with(|inner| {
            inner.spend(file)?;
            inner.files.push(File::default());
            inner.rebind(NameChange::Bind(file, inner.files.len() - 1));
            Ok(())
        })
    }

    fn release(&self, file: FileName, from: u64) {
        self.with(|inner| {
            let from = usize::try_from(from).expect("small segments");
            let Ok(file) = inner.file(file) else { return };
            let len = file.cached.len();
            if from < len {
                file.cached[from..].fill(0);
                file.touch(from..len);
            }
        });
    }

    fn zero(&self, file: FileName, len: u64) -> Result<(), DiskError> {
        self.with(|inner| {
            inner.spend(file)?;
            let len = usize::try_from(len).expect("small segments");
            let file = inner.file(file)?;
            file.cached.resize(len, 0);
            file.touch(0..len);
            Ok(())
        })
    }

    fn write_at(&self, file: FileName, position: u64, data: &[Bytes]) -> Result<(), DiskError> {
        self.with(|inner| {
            let was_crashed = inner.crashed;
            let spent = inner.spend(file);
            let mut bytes = data.concat();
            if spent.is_err() {
                let tear = inner.crash.map_or(0, |crash| crash.tear);
                if was_crashed {
                    return spent;
                }
                let sectors = bytes.len() / SECTOR_BYTES + 1;
                bytes.truncate(tear as usize % sectors * SECTOR_BYTES);
            }
            inner.file(file)?.write(usize::try_from(position).expect("small segments"), &bytes);
            spent
        })
    }

    fn sync(&self, file: FileName) -> Result<(), DiskError> {
        self.with(|inner| {
            inner.spend(file)?;
            inner.file(file)?.sync();
            Ok(())
        })
    }

    fn sync_directory(&self) -> Result<(), DiskError> {
        self.with(|inner| {
            inner.spend(FileName::Identity)?;
            inner.durable.clone_from(&inner.names);
            inner.unsynced.clear();
            Ok(())
        })
    }

    fn rename(&self, from: FileName, to: FileName) -> Result<(), DiskError> {
        self.with(|inner| {
            inner.spend(from)?;
            inner.file(from)?;
            inner.rebind(NameChange::Rename(from, to));
            Ok(())
        })
    }

    fn remove(&self, file: FileName) -> Result<(), DiskError> {
        self.with(|inner| {
            inner.spend(file)?;
            inner.rebind(NameChange::Remove(file));
            Ok(())
        })
    }
}

#[cfg(test)]
mod tests;
