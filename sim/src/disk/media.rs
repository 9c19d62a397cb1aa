//! Faults of the media: what was synced is not there any more as it was.

use core::fmt;

use evenkeel_core::{limits::BLOCK_BYTES, port::FileName};

use crate::{
    dice::Dice,
    disk::{SECTOR_BYTES, directory::Directory, file::File},
};

/// Bytes of a block, the unit of the log.
const BLOCK: usize = BLOCK_BYTES as usize;

/// One fault.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum MediaFault {
    /// One bit is the other one.
    Flip(FileName, u64),
    /// One sector reads as zeros.
    ZeroSector(FileName, u64),
    /// So many blocks from one on read as zeros: writes that never came.
    LoseBlocks(FileName, u64, u64),
    /// A block that belongs to one place is in another, over what was there, and its own place reads as zeros.
    Misdirect {
        /// Where it belongs.
        from: (FileName, u64),
        /// Where it is.
        to: (FileName, u64),
    },
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
            MediaFault::LoseBlocks(file, first, count) => {
                write!(f, "{count} blocks of {file} from block {first} on zeroed")
            }
            MediaFault::Misdirect { from, to } => {
                write!(f, "block {} of {} written to block {} of {} instead", from.1, from.0, to.1, to.0)
            }
            MediaFault::Shorten(file, len) => write!(f, "{file} cut to {len} bytes"),
            MediaFault::Lose(file) => write!(f, "{file} lost"),
        }
    }
}

impl MediaFault {
    /// The file it hits; of two, that in which something else was.
    #[must_use]
    pub fn file(&self) -> FileName {
        match self {
            MediaFault::Flip(file, _)
            | MediaFault::ZeroSector(file, _)
            | MediaFault::LoseBlocks(file, ..)
            | MediaFault::Misdirect { to: (file, _), .. }
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
                let Some(file) = directory.file_mut(name) else { return false };
                replace(file, sector * SECTOR_BYTES as u64, &[0; SECTOR_BYTES])
            }
            MediaFault::LoseBlocks(name, first, count) => {
                let Some(file) = directory.file_mut(name) else { return false };
                let mut changed = false;
                for block in first..first + count {
                    changed |= replace(file, block * BLOCK as u64, &[0; BLOCK]);
                }
                changed
            }
            MediaFault::Misdirect { from, to } => {
                let mut bytes = [0; BLOCK];
                let Some(source) = directory.file_mut(from.0) else { return false };
                source.read(from.1 * BLOCK as u64, &mut bytes);
                replace(source, from.1 * BLOCK as u64, &[0; BLOCK]);
                let Some(target) = directory.file_mut(to.0) else { return false };
                replace(target, to.1 * BLOCK as u64, &bytes)
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

/// Blocks of a file with so many bytes, at least one.
#[must_use]
pub fn blocks(len: u64) -> u64 {
    (len / BLOCK as u64).max(1)
}

/// Puts other bytes into a file, as far as it reaches. False if they were there before.
fn replace(file: &mut File, position: u64, bytes: &[u8]) -> bool {
    let rest = file.len().saturating_sub(position);
    let bytes = &bytes[..usize::try_from(rest).map_or(bytes.len(), |rest| rest.min(bytes.len()))];
    let mut before = vec![0; bytes.len()];
    file.read(position, &mut before);
    file.overwrite(position, bytes);
    before != bytes
}
