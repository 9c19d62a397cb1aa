//! Faults of the media: what was synced is not there any more as it was.

use core::fmt;

use evenkeel_core::port::FileName;

use crate::{
    dice::Dice,
    disk::{SECTOR_BYTES, directory::Directory},
};

/// One fault.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum MediaFault {
    /// One bit is the other one.
    Flip(FileName, u64),
    /// One sector reads as zeros.
    ZeroSector(FileName, u64),
    /// The file is shorter.
    Shorten(FileName, u64),
    /// The file is gone.
    Lose(FileName),
}

impl fmt::Display for MediaFault {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            MediaFault::Flip(file, bit) => write!(f, "bit {} of byte {} of {file} flipped", bit % 8, bit / 8),
            MediaFault::ZeroSector(file, sector) => write!(f, "sector {sector} of {file} zeroed"),
            MediaFault::Shorten(file, len) => write!(f, "{file} cut to {len} bytes"),
            MediaFault::Lose(file) => write!(f, "{file} lost"),
        }
    }
}

impl MediaFault {
    /// The file it hits.
    #[must_use]
    pub fn file(&self) -> FileName {
        match self {
            MediaFault::Flip(file, _)
            | MediaFault::ZeroSector(file, _)
            | MediaFault::Shorten(file, _)
            | MediaFault::Lose(file) => *file,
        }
    }

    /// Some fault of a file with so many bytes. Prefers the front, where there is more to hurt.
    pub fn draw(file: FileName, len: u64, dice: &mut Dice) -> MediaFault {
        let reach = if dice.chance(700) { dice.magnitude(1, len.max(1)) } else { len };
        let byte = dice.below(reach.max(1));
        match dice.below(8) {
            0 => MediaFault::Lose(file),
            1 => MediaFault::Shorten(file, byte),
            2 | 3 => MediaFault::ZeroSector(file, byte / SECTOR_BYTES as u64),
            _ => MediaFault::Flip(file, byte * 8 + dice.below(8)),
        }
    }

    /// False if nothing changes.
    pub(super) fn apply(&self, directory: &mut Directory) -> bool {
        match *self {
            MediaFault::Lose(name) => {
                let there = directory.file_mut(name).is_some();
                directory.remove(name);
                directory.sync();
                there
            }
            MediaFault::Flip(name, bit) => {
                let Some(file) = directory.file_mut(name).filter(|file| bit / 8 < file.len()) else {
                    return false;
                };
                let mut byte = [0];
                file.read(bit / 8, &mut byte);
                byte[0] ^= 1 << (bit % 8);
                file.overwrite(bit / 8, &byte);
                true
            }
            MediaFault::ZeroSector(name, sector) => {
                let position = sector * SECTOR_BYTES as u64;
                let Some(file) = directory.file_mut(name).filter(|file| position < file.len()) else {
                    return false;
                };
                let count = usize::try_from(file.len() - position)
                    .map_or(SECTOR_BYTES, |rest| rest.min(SECTOR_BYTES));
                let mut bytes = [0; SECTOR_BYTES];
                file.read(position, &mut bytes[..count]);
                file.overwrite(position, &[0; SECTOR_BYTES][..count]);
                bytes != [0; SECTOR_BYTES]
            }
            MediaFault::Shorten(name, len) => {
                let Some(file) = directory.file_mut(name).filter(|file| len < file.len()) else {
                    return false;
                };
                file.shorten(len);
                true
            }
        }
    }
}
