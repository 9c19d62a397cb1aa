//! What goes wrong while the disk is in use.

use evenkeel_core::port::{DiskErrorKind, FileName};

use crate::dice::Dice;

/// Rates in thousandths of all calls, and a full disk.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Faults {
    /// A sync fails and marks its pages clean.
    pub sync_eio: u64,
    /// A write fails after a part of it.
    pub write_eio: u64,
    /// A read fails.
    pub read_eio: u64,
    /// The removal of a file fails.
    pub remove_eio: u64,
    /// There is room for so many bytes and no more.
    pub room: Option<u64>,
}

/// Decides when something goes wrong.
#[derive(Clone, Debug)]
pub(super) struct Injector {
    faults: Faults,
    /// What went wrong, for the story.
    pub(super) injected: Vec<String>,
    dice: Dice,
}

impl Default for Injector {
    fn default() -> Injector {
        Injector::new(Faults::default(), Dice::new(0))
    }
}

impl Injector {
    pub(super) fn new(faults: Faults, dice: Dice) -> Injector {
        Injector { faults, injected: Vec::new(), dice }
    }

    pub(super) fn reads_may_fail(&self) -> bool {
        self.faults.read_eio > 0
    }

    pub(super) fn reseed(&mut self, salt: u64) {
        self.dice.reseed(salt);
    }

    pub(super) fn read(&mut self, file: FileName) -> bool {
        let fails = self.dice.chance(self.faults.read_eio);
        if fails {
            self.injected.push(format!("read of {file}: EIO"));
        }
        fails
    }

    pub(super) fn remove(&mut self, file: FileName) -> bool {
        let fails = self.dice.chance(self.faults.remove_eio);
        if fails {
            self.injected.push(format!("removal of {file}: EIO"));
        }
        fails
    }

    /// Bytes that still fit. `None`: as many as there are.
    pub(super) fn room(&self) -> Option<u64> {
        self.faults.room
    }

    /// Takes room for so many bytes more; not even for an empty file there is any once all is used up.
    pub(super) fn no_room(&mut self, file: FileName, bytes: u64) -> bool {
        let Some(room) = &mut self.faults.room else { return false };
        if *room > 0 && bytes <= *room {
            *room -= bytes;
            return false;
        }
        self.injected.push(format!("{file}: ENOSPC"));
        true
    }

    /// How many bytes of a write are taken before it fails, and how.
    pub(super) fn write(
        &mut self,
        file: FileName,
        len: usize,
        grows: u64,
    ) -> Result<(), (usize, DiskErrorKind)> {
        if grows > 0 && self.no_room(file, grows) {
            return Err((self.dice.index(len + 1), DiskErrorKind::Full));
        }
        if self.dice.chance(self.faults.write_eio) {
            let kept = self.dice.index(len + 1);
            self.injected.push(format!("write to {file}: EIO after {kept} of {len} bytes"));
            return Err((kept, DiskErrorKind::Failed));
        }
        Ok(())
    }

    /// If a sync is to fail: the dice that say what reached the media.
    pub(super) fn sync(&mut self, file: FileName) -> Option<Dice> {
        if !self.dice.chance(self.faults.sync_eio) {
            return None;
        }
        self.injected.push(format!("sync of {file}: EIO, pages marked clean"));
        Some(Dice::new(self.dice.bits()))
    }
}
