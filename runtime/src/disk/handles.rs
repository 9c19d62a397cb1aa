//! The open files: so many that reading all over a long log opens few of them anew, and no more.

use std::{collections::BTreeMap, fs::File, sync::Arc};

use evenkeel_core::port::FileName;

/// Files that are kept open beside those with changes that were not synced.
pub(super) const OPEN_MAX: usize = 128;

#[derive(Debug)]
struct Handle {
    file: Arc<File>,
    /// Changes asked for, and how many of them a sync has covered. A file with more of the first is not closed: the system tells
    /// of a failed write-back to those who had the file open then.
    changes: u64,
    synced: u64,
    /// When it was last used, in uses of the table.
    used: u64,
}

/// The table.
#[derive(Debug, Default)]
pub(super) struct Handles {
    open: BTreeMap<FileName, Handle>,
    uses: u64,
}

impl Handles {
    /// An open file.
    pub(super) fn get(&mut self, name: FileName) -> Option<Arc<File>> {
        self.uses += 1;
        let handle = self.open.get_mut(&name)?;
        handle.used = self.uses;
        Some(Arc::clone(&handle.file))
    }

    /// A file that is about to be changed: it stays open until a sync covers that.
    pub(super) fn change(&mut self, name: FileName) {
        if let Some(handle) = self.open.get_mut(&name) {
            handle.changes += 1;
        }
    }

    /// Changes that a sync which begins now will cover.
    pub(super) fn changes(&self, name: FileName) -> u64 {
        self.open.get(&name).map_or(0, |handle| handle.changes)
    }

    /// So many changes are covered.
    pub(super) fn synced(&mut self, name: FileName, changes: u64) {
        if let Some(handle) = self.open.get_mut(&name) {
            handle.synced = handle.synced.max(changes);
        }
    }

    /// Adds a file. What it replaces, and what makes room for it, is to be closed by the caller.
    #[must_use]
    pub(super) fn insert(&mut self, name: FileName, file: Arc<File>) -> [Option<Arc<File>>; 2] {
        self.uses += 1;
        let handle = Handle { file, changes: 0, synced: 0, used: self.uses };
        let replaced = self.open.insert(name, handle).map(|handle| handle.file);
        let mut oldest = None;
        if self.open.len() > OPEN_MAX {
            let idle = self.open.iter().filter(|(_, handle)| handle.changes == handle.synced);
            oldest = idle.min_by_key(|(_, handle)| handle.used).map(|(name, _)| *name);
        }
        [replaced, oldest.and_then(|name| self.remove(name))]
    }

    /// The file has another name from here on. What had that name is to be closed by the caller.
    #[must_use]
    pub(super) fn rename(&mut self, from: FileName, to: FileName) -> Option<Arc<File>> {
        let replaced = self.open.remove(&to);
        if let Some(handle) = self.open.remove(&from) {
            self.open.insert(to, handle);
        }
        replaced.map(|handle| handle.file)
    }

    /// Takes a file out. To be closed by the caller.
    #[must_use]
    pub(super) fn remove(&mut self, name: FileName) -> Option<Arc<File>> {
        self.open.remove(&name).map(|handle| handle.file)
    }
}
