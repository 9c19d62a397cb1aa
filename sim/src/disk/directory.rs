//! The names, and the files behind them. A change of names is durable with the next sync of the directory; before that,
//! each may have happened or not, whatever became of the others.

use std::collections::{BTreeMap, BTreeSet};

use evenkeel_core::port::{FileEntry, FileName};

use crate::{
    dice::Dice,
    disk::{SECTOR_BYTES, crash::Loss, file::File, pages::Pages},
};

/// A file's number: names move, the file stays.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord)]
pub(super) struct Inode(u64);

pub(super) type Names = BTreeMap<FileName, Inode>;

#[derive(Clone, Copy, Debug)]
pub(super) enum Change {
    Created(FileName, Inode),
    Renamed(FileName, FileName, Inode),
    Removed(FileName),
}

impl Change {
    pub(super) fn apply(self, names: &mut Names) {
        match self {
            Change::Created(name, inode) => {
                names.insert(name, inode);
            }
            Change::Renamed(from, to, inode) => {
                if names.get(&from) == Some(&inode) {
                    names.remove(&from);
                }
                names.insert(to, inode);
            }
            Change::Removed(name) => {
                names.remove(&name);
            }
        }
    }
}

/// The one directory.
#[derive(Clone, Debug, Default)]
pub(super) struct Directory {
    pub(super) next: Inode,
    pub(super) files: BTreeMap<Inode, File>,
    pub(super) names: Names,
    pub(super) durable: Names,
    pub(super) pending: Vec<Change>,
    /// Bytes of the file that went last: its blocks may be given to others.
    pub(super) freed: Pages,
}

impl Directory {
    pub(super) fn file_mut(&mut self, name: FileName) -> Option<&mut File> {
        self.files.get_mut(self.names.get(&name)?)
    }

    pub(super) fn list(&self) -> Vec<FileEntry> {
        let len = |inode| self.files.get(inode).map_or(0, File::len);
        // A directory has no order: whoever needs one has to make it.
        self.names.iter().rev().map(|(file, inode)| FileEntry { file: *file, len: len(inode) }).collect()
    }

    pub(super) fn unsynced(&self) -> Vec<(FileName, usize)> {
        let sectors = |inode| self.files.get(inode).map_or(0, File::unsynced);
        let all = self.names.iter().map(|(file, inode)| (*file, sectors(inode)));
        all.filter(|(_, sectors)| *sectors > 0).collect()
    }

    pub(super) fn unsynced_names(&self) -> Vec<FileName> {
        let name = |change: &Change| match change {
            Change::Created(name, _) | Change::Renamed(_, name, _) | Change::Removed(name) => *name,
        };
        let names: BTreeSet<FileName> = self.pending.iter().map(name).collect();
        names.into_iter().collect()
    }

    pub(super) fn create(&mut self, name: FileName) {
        if let Some(file) = self.file_mut(name) {
            file.truncate(0);
            return;
        }
        self.next = Inode(self.next.0 + 1);
        self.files.insert(self.next, File::default());
        self.change(Change::Created(name, self.next));
    }

    pub(super) fn rename(&mut self, from: FileName, to: FileName) -> bool {
        let Some(inode) = self.names.get(&from).copied() else { return false };
        self.change(Change::Renamed(from, to, inode));
        true
    }

    pub(super) fn remove(&mut self, name: FileName) {
        if self.names.contains_key(&name) {
            self.change(Change::Removed(name));
        }
    }

    fn change(&mut self, change: Change) {
        change.apply(&mut self.names);
        self.pending.push(change);
    }

    pub(super) fn sync(&mut self) {
        self.pending.clear();
        self.durable.clone_from(&self.names);
        let named: BTreeSet<Inode> = self.names.values().copied().collect();
        let freed = &mut self.freed;
        self.files.retain(|inode, file| {
            let stays = named.contains(inode);
            if !stays && file.media.sector(0) != [0; SECTOR_BYTES] {
                freed.clone_from(&file.media);
            }
            stays
        });
    }

    pub(super) fn after(&self, loss: &Loss, dice: &mut Dice) -> Directory {
        let mut names = self.durable.clone();
        for change in &self.pending {
            if loss.keeps(dice) {
                change.apply(&mut names);
            }
        }
        let named: BTreeSet<Inode> = names.values().copied().collect();
        let files = self
            .files
            .iter()
            .filter(|(inode, _)| named.contains(inode))
            .map(|(inode, file)| (*inode, file.after(loss, dice)))
            .collect();
        let freed = self.freed.clone();
        Directory { next: self.next, files, durable: names.clone(), names, pending: Vec::new(), freed }
    }
}
