//! A disk in memory with two layers: what the process sees, and what a power cut leaves.
//!
//! Bytes and sizes become durable with a sync of their file; names (creations, renames, removals) with a sync of the
//! directory. A power cut keeps all, nothing, or a seeded choice of the unsynced 512-byte sectors, each for itself, and of
//! the unsynced directory changes a prefix.

use std::{
    collections::BTreeMap,
    sync::{Mutex, MutexGuard},
};

use bytes::Bytes;
use evenkeel_core::{
    port::{Disk, DiskError, DiskErrorKind, FileEntry, FileName},
    random::Random,
};

const SECTOR: usize = 512;

/// A file's number: names may move, the file stays.
type Inode = u64;

#[derive(Clone, Debug, Default)]
struct Contents {
    seen: Vec<u8>,
    durable: Vec<u8>,
}

#[derive(Clone, Debug)]
enum NameChange {
    Link(FileName, Inode),
    Unlink(FileName),
    Rename(FileName, FileName),
}

#[derive(Clone, Debug, Default)]
struct Layers {
    next: Inode,
    files: BTreeMap<Inode, Contents>,
    names: BTreeMap<FileName, Inode>,
    durable_names: BTreeMap<FileName, Inode>,
    pending: Vec<NameChange>,
}

/// The disk.
#[derive(Debug, Default)]
pub struct SimDisk {
    layers: Mutex<Layers>,
}

impl Clone for SimDisk {
    fn clone(&self) -> SimDisk {
        SimDisk { layers: Mutex::new(self.layers().clone()) }
    }
}

fn apply(names: &mut BTreeMap<FileName, Inode>, change: &NameChange) {
    match change {
        NameChange::Link(name, inode) => {
            names.insert(*name, *inode);
        }
        NameChange::Unlink(name) => {
            names.remove(name);
        }
        NameChange::Rename(from, to) => {
            if let Some(inode) = names.remove(from) {
                names.insert(*to, inode);
            }
        }
    }
}

impl SimDisk {
    fn layers(&self) -> MutexGuard<'_, Layers> {
        self.layers.lock().expect("nothing panics with the disk in hand")
    }

    /// What a power cut leaves, by the seed.
    #[must_use]
    pub fn power_cut(&self, seed: u64) -> SimDisk {
        let mut random = Random::new(seed);
        let mut layers = self.layers().clone();
        // Some cuts keep everything, some nothing, most a mixture with a weight of their own.
        let weight = match random.bits() % 4 {
            0 => 0,
            1 => 100,
            _ => random.bits() % 101,
        };
        let kept_names =
            usize::try_from(random.bits() % (layers.pending.len() as u64 + 1)).expect("a short list");
        let mut names = layers.durable_names.clone();
        for change in &layers.pending[..kept_names] {
            apply(&mut names, change);
        }
        for contents in layers.files.values_mut() {
            contents.tear(weight, &mut random);
        }
        layers.names = names.clone();
        layers.durable_names = names;
        layers.pending.clear();
        SimDisk { layers: Mutex::new(layers) }
    }

    fn with<T>(&self, name: FileName, change: impl FnOnce(&mut Contents) -> T) -> Result<T, DiskError> {
        let mut layers = self.layers();
        let inode = layers.names.get(&name).copied();
        let contents = inode.and_then(|inode| layers.files.get_mut(&inode)).ok_or_else(|| not_found(name))?;
        Ok(change(contents))
    }

    fn rename_or_link(&self, change: NameChange) {
        let mut layers = self.layers();
        apply(&mut layers.names, &change);
        layers.pending.push(change);
    }
}

impl Contents {
    /// Each sector that differs is old, new or zero; the size is that of before, of after, or between.
    fn tear(&mut self, weight: u64, random: &mut Random) {
        let (old, new) = (self.durable.len(), self.seen.len());
        let len = if random.bits() % 100 < weight { new } else { old };
        let mut left = vec![0; len];
        for (at, sector) in left.chunks_mut(SECTOR).enumerate() {
            let from = at * SECTOR;
            let fate = random.bits() % 100;
            let source = if fate < weight { &self.seen } else { &self.durable };
            // One in twenty of what was not synced is lost to zeros.
            let lost = self.seen.get(from..from + sector.len())
                != self.durable.get(from..from + sector.len())
                && random.bits().is_multiple_of(20);
            if !lost {
                let there = source.get(from..).unwrap_or_default();
                let count = there.len().min(sector.len());
                sector[..count].copy_from_slice(&there[..count]);
            }
        }
        self.durable.clone_from(&left);
        self.seen = left;
    }
}

fn not_found(name: FileName) -> DiskError {
    DiskError { kind: DiskErrorKind::NotFound, file: Some(name), detail: String::from("no such file") }
}

impl Disk for SimDisk {
    fn list(&self) -> Result<Vec<FileEntry>, DiskError> {
        let layers = self.layers();
        let len = |inode| layers.files.get(inode).map_or(0, |contents: &Contents| contents.seen.len() as u64);
        Ok(layers.names.iter().map(|(file, inode)| FileEntry { file: *file, len: len(inode) }).collect())
    }

    fn read_at(&self, file: FileName, position: u64, into: &mut [u8]) -> Result<usize, DiskError> {
        self.with(file, |contents| {
            let from =
                usize::try_from(position).ok().and_then(|from| contents.seen.get(from..)).unwrap_or_default();
            let count = from.len().min(into.len());
            into[..count].copy_from_slice(&from[..count]);
            count
        })
    }

    fn len(&self, file: FileName) -> Result<u64, DiskError> {
        self.with(file, |contents| contents.seen.len() as u64)
    }

    fn create(&self, file: FileName) -> Result<(), DiskError> {
        let inode = {
            let mut layers = self.layers();
            layers.next += 1;
            let inode = layers.next;
            layers.files.insert(inode, Contents::default());
            inode
        };
        self.rename_or_link(NameChange::Link(file, inode));
        Ok(())
    }

    fn zero(&self, file: FileName, len: u64) -> Result<(), DiskError> {
        let len = usize::try_from(len).expect("simulated files are small");
        self.with(file, |contents| contents.seen = vec![0; len])
    }

    fn write_at(&self, file: FileName, position: u64, data: &[Bytes]) -> Result<(), DiskError> {
        self.with(file, |contents| {
            let mut at = usize::try_from(position).expect("simulated files are small");
            for slice in data {
                if contents.seen.len() < at + slice.len() {
                    contents.seen.resize(at + slice.len(), 0);
                }
                contents.seen[at..at + slice.len()].copy_from_slice(slice);
                at += slice.len();
            }
        })
    }

    fn sync(&self, file: FileName) -> Result<(), DiskError> {
        self.with(file, |contents| contents.durable.clone_from(&contents.seen))
    }

    fn sync_directory(&self) -> Result<(), DiskError> {
        let mut layers = self.layers();
        layers.pending.clear();
        layers.durable_names = layers.names.clone();
        Ok(())
    }

    fn rename(&self, from: FileName, to: FileName) -> Result<(), DiskError> {
        if !self.layers().names.contains_key(&from) {
            return Err(not_found(from));
        }
        self.rename_or_link(NameChange::Rename(from, to));
        Ok(())
    }

    fn remove(&self, file: FileName) -> Result<(), DiskError> {
        self.rename_or_link(NameChange::Unlink(file));
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use evenkeel_core::units::SegmentSequence;

    use super::*;

    const FILE: FileName = FileName::Segment(SegmentSequence(1));

    #[test]
    fn what_was_synced_survives_every_power_cut_and_what_was_not_survives_some() {
        let disk = SimDisk::default();
        disk.create(FILE).expect("memory");
        disk.zero(FILE, 4096).expect("memory");
        disk.write_at(FILE, 0, &[Bytes::from_static(&[1; 1024])]).expect("memory");
        disk.sync(FILE).expect("memory");
        disk.sync_directory().expect("memory");
        disk.write_at(FILE, 2048, &[Bytes::from_static(&[2; 1024])]).expect("memory");
        let (mut kept, mut lost) = (0, 0);
        for seed in 0..200 {
            let after = disk.power_cut(seed);
            let mut bytes = [9; 4096];
            assert_eq!(after.read_at(FILE, 0, &mut bytes), Ok(4096));
            assert_eq!(bytes[..1024], [1; 1024], "seed {seed}");
            assert!(bytes[2048..3072].iter().all(|byte| matches!(byte, 0 | 2)));
            if bytes[2048..3072] == [2; 1024] {
                kept += 1;
            } else if bytes[2048..3072] == [0; 1024] {
                lost += 1;
            }
        }
        assert!(kept > 10 && lost > 10 && kept + lost < 195, "{kept} kept, {lost} lost");
    }

    #[test]
    fn a_name_survives_only_with_its_directory() {
        let disk = SimDisk::default();
        disk.create(FILE).expect("memory");
        disk.sync(FILE).expect("memory");
        let survived = (0..100).filter(|seed| disk.power_cut(*seed).len(FILE).is_ok()).count();
        assert!((1..100).contains(&survived), "{survived}");
        disk.sync_directory().expect("memory");
        assert!((0..100).all(|seed| disk.power_cut(seed).len(FILE).is_ok()));
    }
}
