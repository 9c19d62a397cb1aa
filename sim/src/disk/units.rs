//! What a power loss would decide now, one by one: the units of loss of a disk, and what each may become.
//!
//! [`SimDisk::after`](crate::disk::SimDisk::after) draws one of the legal outcomes; here they can be enumerated. A unit
//! whose outcomes are all alike is left out.

use core::fmt;
use std::collections::{BTreeMap, BTreeSet};

use evenkeel_core::port::FileName;

use crate::{
    dice::Dice,
    disk::{
        Inner, SECTOR_BYTES, SimDisk,
        crash::garbage,
        directory::{Change, Directory, Inode},
        faults::Injector,
        file::{File, sectors, size},
        pages::Pages,
    },
};

/// Something that a power loss keeps or loses by itself.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Unit {
    /// Of which file, by its name now; of a removal, the name that goes.
    pub file: Option<FileName>,
    at: At,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
enum At {
    /// A change of names, by its place among those that are pending.
    Name(usize),
    /// A truncation.
    Cut(Inode),
    /// A size, between these two.
    Size(Inode, u64, u64),
    /// A sector that was written, and whether it had no place on the media before.
    Sector(Inode, usize, bool),
    /// Space that is new to the media and was never written, or with zeros.
    Space(Inode),
}

/// What became of a unit.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Fate {
    /// It is as it was made last.
    New,
    /// It is as it was at the last sync.
    Old,
    /// A sector reads as zeros.
    Zero,
    /// A sector holds what no one wrote.
    Garbage,
    /// A sector holds what stood at its place in a file that was removed: its block was that file's.
    Foreign,
    /// The size is neither.
    Between(u64),
}

impl Unit {
    /// Whether this is a change of names.
    #[must_use]
    pub fn is_name(&self) -> bool {
        matches!(self.at, At::Name(_))
    }

    /// What it may become beside old and new.
    #[must_use]
    pub fn strange_fates(&self) -> Vec<Fate> {
        match self.at {
            At::Name(_) | At::Cut(_) => Vec::new(),
            At::Sector(_, _, fresh) if fresh => vec![Fate::Zero, Fate::Garbage, Fate::Foreign],
            At::Sector(..) => vec![Fate::Zero],
            At::Space(_) => vec![Fate::Garbage, Fate::Foreign],
            At::Size(_, synced, newest) => sizes_between(synced.min(newest), synced.max(newest)),
        }
    }

    /// Whether old and new are the same.
    #[must_use]
    pub fn is_same(&self) -> bool {
        matches!(self.at, At::Space(_))
    }
}

/// The borders between two sizes: a byte, a sector and a block from either, and the middle.
fn sizes_between(low: u64, high: u64) -> Vec<Fate> {
    let (sector, block) = (SECTOR_BYTES as u64, 4096);
    let borders = [
        low + 1,
        low + sector,
        low + block,
        low + (high - low) / 2 / block * block,
        high.saturating_sub(block),
        high.saturating_sub(sector),
        high.saturating_sub(1),
    ];
    let inside: BTreeSet<u64> = borders.into_iter().filter(|size| low < *size && *size < high).collect();
    inside.into_iter().map(Fate::Between).collect()
}

impl SimDisk {
    /// Everything that a power loss would decide now, changes of names first, in an order that depends on nothing else.
    #[must_use]
    pub fn units(&self) -> Vec<Unit> {
        self.inner().directory.units()
    }

    /// What is left of it when each of [`SimDisk::units`] has that fate.
    #[must_use]
    pub fn left(&self, units: &[Unit], fates: &[Fate]) -> SimDisk {
        assert_eq!(units.len(), fates.len(), "a fate for each unit");
        let fates = units.iter().map(|unit| unit.at).zip(fates.iter().copied()).collect();
        let directory = self.inner().directory.left(&fates);
        let inner = std::sync::Mutex::new(Inner { directory, injector: Injector::default() });
        SimDisk { inner, store: self.store.clone(), scans: self.scans.clone() }
    }
}

impl Directory {
    fn units(&self) -> Vec<Unit> {
        let mut found: Vec<Unit> = self
            .pending
            .iter()
            .enumerate()
            .map(|(at, change)| Unit { file: Some(change.name()), at: At::Name(at) })
            .collect();
        let mut named: BTreeSet<Inode> = self.durable.values().copied().collect();
        named.extend(self.names.values());
        for inode in named {
            let Some(file) = self.files.get(&inode) else { continue };
            let by_name = self.names.iter().chain(&self.durable).find(|(_, known)| **known == inode);
            let name = by_name.map(|(name, _)| *name);
            found.extend(file.units(inode).map(|at| Unit { file: name, at }));
        }
        found
    }

    fn left(&self, fates: &BTreeMap<At, Fate>) -> Directory {
        let mut names = self.durable.clone();
        for (at, change) in self.pending.iter().enumerate() {
            if fates[&At::Name(at)] == Fate::New {
                change.apply(&mut names);
            }
        }
        let named: BTreeSet<Inode> = names.values().copied().collect();
        let files = self
            .files
            .iter()
            .filter(|(inode, _)| named.contains(inode))
            .map(|(inode, file)| (*inode, file.left(*inode, fates, &self.freed)))
            .collect();
        let freed = self.freed.clone();
        Directory { next: self.next, files, durable: names.clone(), names, pending: Vec::new(), freed }
    }
}

impl Change {
    fn name(self) -> FileName {
        match self {
            Change::Created(name, _) | Change::Renamed(_, name, _) | Change::Removed(name) => name,
        }
    }
}

impl File {
    fn units(&self, inode: Inode) -> impl Iterator<Item = At> {
        let (cut, allocated) =
            self.cut_to.map_or((u64::MAX, self.allocated), |cut| (cut, self.allocated.min(sectors(cut))));
        let synced = self.media_len.min(cut);
        let written = self.dirty.iter().filter(move |sector| self.differs(*sector));
        let blank = self.dirty.iter().any(|sector| sector >= allocated && !self.differs(sector));
        let sized = synced != self.cache_len;
        self.cut_to
            .map(|_| At::Cut(inode))
            .into_iter()
            .chain(sized.then_some(At::Size(inode, synced, self.cache_len)))
            .chain(written.map(move |sector| At::Sector(inode, sector, sector >= allocated)))
            .chain(blank.then_some(At::Space(inode)))
    }

    /// Whether old and new differ, be the truncation undone or not.
    fn differs(&self, sector: usize) -> bool {
        let new = self.cache.sector(sector);
        let cut = self.cut_to.is_some_and(|cut| sector >= sectors(cut));
        new != self.media.sector(sector) || (cut && new != [0; SECTOR_BYTES])
    }

    fn left(&self, inode: Inode, fates: &BTreeMap<At, Fate>, freed: &Pages) -> File {
        let mut left = self.media.clone();
        let mut allocated = self.allocated;
        let mut synced = self.media_len;
        if let Some(cut) = self.cut_to
            && fates.get(&At::Cut(inode)) == Some(&Fate::New)
        {
            left.cut(size(cut));
            synced = synced.min(cut);
        }
        if let Some(cut) = self.cut_to {
            allocated = allocated.min(sectors(cut));
        }
        let space = fates.get(&At::Space(inode)).copied().unwrap_or(Fate::New);
        for sector in self.dirty.iter() {
            let fresh = sector >= allocated;
            let fate = match fates.get(&At::Sector(inode, sector, fresh)) {
                Some(fate) => *fate,
                None if fresh => space,
                None => Fate::New,
            };
            match fate {
                Fate::New | Fate::Between(_) => left.set_sector(sector, self.cache.sector(sector)),
                Fate::Old => {}
                Fate::Zero => left.set_sector(sector, &[0; SECTOR_BYTES]),
                Fate::Garbage => left.set_sector(sector, &garbage(&mut Dice::new(sector as u64))),
                Fate::Foreign => left.set_sector(sector, freed.sector(sector)),
            }
        }
        let sized = fates.iter().find(|(at, _)| matches!(at, At::Size(of, ..) if *of == inode));
        let len = match sized.map_or(Fate::Old, |(_, fate)| *fate) {
            Fate::New => self.cache_len,
            Fate::Between(len) => len,
            Fate::Old | Fate::Zero | Fate::Garbage | Fate::Foreign => synced,
        };
        left.cut(size(len));
        File::settled(left, len)
    }

    fn settled(bytes: Pages, len: u64) -> File {
        File {
            cache: bytes.clone(),
            cache_len: len,
            media: bytes,
            media_len: len,
            allocated: sectors(len),
            ..File::default()
        }
    }
}

impl fmt::Display for Unit {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let file = self.file.map_or_else(|| String::from("a file without a name"), |file| file.to_string());
        match self.at {
            At::Name(at) => write!(f, "change {at} of names, {file}"),
            At::Cut(_) => write!(f, "truncation of {file}"),
            At::Size(_, synced, newest) => write!(f, "size of {file}, {synced} synced, {newest} now"),
            At::Sector(_, sector, _) => write!(f, "sector {sector} of {file}"),
            At::Space(_) => write!(f, "new space of {file}"),
        }
    }
}

impl fmt::Display for Fate {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Fate::New => f.write_str("kept"),
            Fate::Old => f.write_str("lost"),
            Fate::Zero => f.write_str("zeros"),
            Fate::Garbage => f.write_str("garbage"),
            Fate::Foreign => f.write_str("a removed file's bytes"),
            Fate::Between(len) => write!(f, "{len} bytes"),
        }
    }
}
