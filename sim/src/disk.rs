//! A disk in memory that does what real ones may do, and no more: the fault model of the durability contract.
//!
//! Three layers: what the process sees is the page cache; behind it lies the media. A file's sectors, its size and its
//! names become durable each on their own. [`SimDisk::power_cut`] gives one of the states that a power loss may leave;
//! a process kill leaves the cache as it is. Faults at run time come at rates that the world sets ([`Faults`]); media
//! faults are asked for one by one ([`MediaFault`]).
//!
//! Not modelled: intermediate versions of a sector written twice between two syncs, reads of a page under write-back.

mod crash;
mod directory;
mod faults;
mod file;
mod fingerprint;
mod media;
mod pages;
mod scans;
mod sectors;
mod units;

use std::sync::{Mutex, MutexGuard};

use bytes::Bytes;
use evenkeel_core::port::{Disk, DiskError, DiskErrorKind, FileEntry, FileName, Space};

pub use crash::Loss;
pub use faults::Faults;
pub use fingerprint::Fingerprint;
pub use media::{MediaFault, blocks};
pub use units::{Fate, Unit};

use crate::{
    dice::Dice,
    disk::{directory::Directory, faults::Injector, file::File, scans::Scans},
    store::SimStore,
};

/// Bytes that a power loss keeps or loses as one.
pub const SECTOR_BYTES: usize = 512;

/// The disk. A clone is a disk of its own, cheap as long as the two are alike.
#[derive(Debug, Default)]
pub struct SimDisk {
    inner: Mutex<Inner>,
    /// The object store of the machine. No loss of the disk touches it; a copy of the disk comes with a copy of it, so that what if
    /// questions have a store of their own.
    store: SimStore,
    /// Shared with its copies.
    scans: Scans,
}

#[derive(Clone, Debug, Default)]
struct Inner {
    directory: Directory,
    injector: Injector,
}

impl Clone for SimDisk {
    fn clone(&self) -> SimDisk {
        SimDisk {
            inner: Mutex::new(self.inner().clone()),
            store: self.store.clone(),
            scans: self.scans.clone(),
        }
    }
}

impl SimDisk {
    fn inner(&self) -> MutexGuard<'_, Inner> {
        self.inner.lock().expect("nothing panics with the disk in hand")
    }

    fn on<T>(&self, name: FileName, act: impl FnOnce(&mut File) -> T) -> Result<T, DiskError> {
        let mut inner = self.inner();
        inner.directory.file_mut(name).map(act).ok_or_else(|| not_found(name))
    }

    /// Writes `count` bytes from `position` on, or as many as are kept of them: `act` is told how many.
    fn put(
        &self,
        file: FileName,
        position: u64,
        count: usize,
        act: impl FnOnce(&mut File, usize),
    ) -> Result<(), DiskError> {
        let mut inner = self.inner();
        let Inner { directory, injector } = &mut *inner;
        let contents = directory.file_mut(file).ok_or_else(|| not_found(file))?;
        let grows = (position + count as u64).saturating_sub(contents.len());
        let (kept, failure) = match injector.write(file, count, grows) {
            Ok(()) => (count, None),
            Err((kept, DiskErrorKind::Full)) => (kept, Some(enospc(file))),
            Err((kept, DiskErrorKind::NotFound | DiskErrorKind::Damaged | DiskErrorKind::Failed)) => {
                (kept, Some(eio(file)))
            }
        };
        act(contents, kept);
        failure.map_or(Ok(()), Err)
    }

    /// What a power loss leaves, by the seed: any of the legal states.
    #[must_use]
    pub fn power_cut(&self, seed: u64) -> SimDisk {
        let mut dice = Dice::new(seed);
        let loss = Loss::draw(&mut dice);
        self.after(&loss, &mut dice)
    }

    /// What is left when nothing survives that was not synced.
    #[must_use]
    pub fn durable_only(&self) -> SimDisk {
        self.after(&Loss::Everything, &mut Dice::new(0))
    }

    /// What a power loss of that kind leaves. No run-time faults are carried over.
    #[must_use]
    pub fn after(&self, loss: &Loss, dice: &mut Dice) -> SimDisk {
        let directory = self.inner().directory.after(loss, dice);
        let inner = Mutex::new(Inner { directory, injector: Injector::default() });
        SimDisk { inner, store: self.store.clone(), scans: self.scans.clone() }
    }

    /// An empty disk, in a machine with that object store.
    #[must_use]
    pub fn beside(store: SimStore) -> SimDisk {
        SimDisk { store, ..SimDisk::default() }
    }

    /// The same disk in a machine with another object store.
    #[must_use]
    pub fn moved_beside(mut self, store: SimStore) -> SimDisk {
        self.store = store;
        self
    }

    /// The object store of the machine.
    #[must_use]
    pub fn store(&self) -> &SimStore {
        &self.store
    }

    /// Sets what goes wrong from now on, at moments that follow from the seed.
    pub fn arm(&self, faults: Faults, seed: u64) {
        self.arm_with(faults, Dice::new(seed));
    }

    /// What goes wrong from now on happens at other moments, others for each salt.
    pub fn reseed(&self, salt: u64) {
        self.inner().injector.reseed(salt);
    }

    /// Sets what goes wrong from now on, at moments that the dice say.
    pub fn arm_with(&self, faults: Faults, dice: Dice) {
        self.inner().injector = Injector::new(faults, dice);
    }

    /// Sectors of each file that a power loss may take, a failed sync's included.
    #[must_use]
    pub fn unsynced(&self) -> Vec<(FileName, usize)> {
        self.inner().directory.unsynced()
    }

    /// Names that came, moved or went since the directory was synced.
    #[must_use]
    pub fn unsynced_names(&self) -> Vec<FileName> {
        self.inner().directory.unsynced_names()
    }

    /// Nothing goes wrong any more.
    pub fn calm(&self) {
        self.arm(Faults::default(), 0);
    }

    /// The same disk, on which nothing goes wrong.
    #[must_use]
    pub fn without_faults(&self) -> SimDisk {
        let disk = self.clone();
        disk.calm();
        disk
    }

    /// What went wrong since this was last asked.
    pub fn take_injected(&self) -> Vec<String> {
        std::mem::take(&mut self.inner().injector.injected)
    }

    /// A file is again what it was on another disk, if it was there. False if that changes nothing.
    pub fn take_back(&self, file: FileName, older: &SimDisk) -> bool {
        let Some(was) = older.inner().directory.file_mut(file).cloned() else { return false };
        let mut inner = self.inner();
        let Some(is) = inner.directory.file_mut(file) else { return false };
        let changes = !is.reads_like(&was);
        *is = was;
        changes
    }

    /// Damages what is on the media, and what the cache holds of it. False if there is nothing to damage there.
    pub fn damage(&self, fault: &MediaFault) -> bool {
        fault.apply(&mut self.inner().directory)
    }
}

fn error(kind: DiskErrorKind, file: FileName, detail: &str) -> DiskError {
    DiskError { kind, file: Some(file), detail: String::from(detail) }
}

fn not_found(name: FileName) -> DiskError {
    error(DiskErrorKind::NotFound, name, "ENOENT")
}

fn eio(name: FileName) -> DiskError {
    error(DiskErrorKind::Failed, name, "EIO")
}

fn enospc(name: FileName) -> DiskError {
    error(DiskErrorKind::Full, name, "ENOSPC")
}

impl Disk for SimDisk {
    fn space(&self) -> Result<Space, DiskError> {
        let inner = self.inner();
        let total = 1 << 30;
        let used = inner.directory.list().iter().map(|entry| entry.len).sum();
        let usable = inner.injector.room().unwrap_or_else(|| u64::saturating_sub(total, used));
        Ok(Space { total, usable })
    }

    fn list(&self) -> Result<Vec<FileEntry>, DiskError> {
        Ok(self.inner().directory.list())
    }

    fn read_at(&self, file: FileName, position: u64, into: &mut [u8]) -> Result<usize, DiskError> {
        if self.inner().injector.read(file) {
            return Err(eio(file));
        }
        self.on(file, |contents| contents.read(position, into))
    }

    fn len(&self, file: FileName) -> Result<u64, DiskError> {
        self.on(file, |contents| contents.len())
    }

    fn create(&self, file: FileName) -> Result<(), DiskError> {
        let mut inner = self.inner();
        if inner.injector.no_room(file, 0) {
            return Err(enospc(file));
        }
        inner.directory.create(file);
        Ok(())
    }

    fn zero(&self, file: FileName, len: u64) -> Result<(), DiskError> {
        let count = usize::try_from(len).expect("simulated files are small");
        self.put(file, 0, count, |contents, kept| contents.zero(kept as u64))
    }

    fn reserve(&self, file: FileName, len: u64) -> Result<(), DiskError> {
        let mut inner = self.inner();
        let known = inner.directory.file_mut(file).map_or(0, |contents| contents.len());
        if inner.injector.no_room(file, len.saturating_sub(known)) {
            return Err(enospc(file));
        }
        drop(inner);
        self.on(file, |contents| contents.reserve(len))
    }

    /// What stands there becomes zeros, whatever it was: whoever gives back too much has lost it.
    fn release(&self, file: FileName, from: u64) {
        // A file that is not there has nothing to give.
        let _ = self.on(file, |contents| contents.clear_from(from));
    }

    fn write_at(&self, file: FileName, position: u64, data: &[Bytes]) -> Result<(), DiskError> {
        let gathered;
        let bytes: &[u8] = match data {
            [one] => one,
            several => {
                gathered = several.concat();
                &gathered
            }
        };
        self.put(file, position, bytes.len(), |contents, kept| contents.write(position, &bytes[..kept]))
    }

    fn sync(&self, file: FileName) -> Result<(), DiskError> {
        let failed = self.inner().injector.sync(file);
        match failed {
            None => self.on(file, File::sync),
            Some(mut dice) => {
                self.on(file, |contents| contents.fail_sync(&mut dice))?;
                Err(eio(file))
            }
        }
    }

    fn sync_directory(&self) -> Result<(), DiskError> {
        self.inner().directory.sync();
        Ok(())
    }

    fn rename(&self, from: FileName, to: FileName) -> Result<(), DiskError> {
        if self.inner().directory.rename(from, to) { Ok(()) } else { Err(not_found(from)) }
    }

    fn remove(&self, file: FileName) -> Result<(), DiskError> {
        let mut inner = self.inner();
        if inner.injector.remove(file) {
            return Err(eio(file));
        }
        inner.directory.remove(file);
        Ok(())
    }
}

#[cfg(test)]
mod tests;
