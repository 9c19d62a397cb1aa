//! A number for all that a disk holds: two disks with the same one are the same to whoever reads them or cuts their power.

use core::fmt;

use evenkeel_core::port::FileName;

use crate::disk::{
    SimDisk,
    directory::{Change, Directory, Names},
    file::{File, size},
};

/// Digits of the number in the name of a segment or a checkpoint.
const NAME_DIGITS: usize = 20;
/// The longest of these names, in bytes.
const NAME_BYTES_MAX: usize = "checkpoint-".len() + NAME_DIGITS + ".draft".len();

/// A 128-bit hash, quick rather than strong.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Fingerprint(u64, u64);

impl Fingerprint {
    /// Adds a word.
    pub fn add(&mut self, word: u64) {
        self.0 = (self.0 ^ word).wrapping_mul(0x9e37_79b9_7f4a_7c15);
        self.0 ^= self.0 >> 29;
        self.1 = (self.1 ^ word ^ self.0.rotate_left(32)).wrapping_mul(0xd6e8_feb8_6659_fd93).rotate_left(27);
    }

    /// Adds bytes, and how many there are.
    pub fn add_bytes(&mut self, bytes: &[u8]) {
        self.add(bytes.len() as u64);
        for bytes in bytes.chunks(8) {
            let mut padded = [0; 8];
            padded[..bytes.len()].copy_from_slice(bytes);
            self.add(u64::from_le_bytes(padded));
        }
    }

    /// Adds the name of a file.
    pub fn add_name(&mut self, file: FileName) {
        let (stem, number, end) = match file {
            FileName::Segment(sequence) => ("log-", sequence.0, ""),
            FileName::SegmentDraft(sequence) => ("log-", sequence.0, ".draft"),
            FileName::Checkpoint(lsn) => ("checkpoint-", lsn.0, ""),
            FileName::CheckpointDraft(lsn) => ("checkpoint-", lsn.0, ".draft"),
            FileName::Identity
            | FileName::IdentityDraft
            | FileName::Torn(_)
            | FileName::Lost(..)
            | FileName::LossReport(_)
            | FileName::Reserve => return self.add_bytes(file.to_string().as_bytes()),
        };
        let mut text = [b'0'; NAME_BYTES_MAX];
        let digits_end = stem.len() + NAME_DIGITS;
        text[..stem.len()].copy_from_slice(stem.as_bytes());
        let mut left = number;
        for digit in text[stem.len()..digits_end].iter_mut().rev() {
            *digit += u8::try_from(left % 10).expect("a digit");
            left /= 10;
        }
        let len = digits_end + end.len();
        text[digits_end..len].copy_from_slice(end.as_bytes());
        self.add_bytes(&text[..len]);
    }

    /// Half of it, for those who keep 64 bits.
    #[must_use]
    pub fn word(self) -> u64 {
        self.0 ^ self.1
    }
}

impl fmt::Display for Fingerprint {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{:016x}{:016x}", self.0, self.1)
    }
}

impl SimDisk {
    /// What a process sees: names, sizes, bytes.
    #[must_use]
    pub fn contents(&self) -> Fingerprint {
        let mut digest = Fingerprint::default();
        let inner = self.inner();
        inner.directory.fingerprint(&inner.directory.names, false, &mut digest);
        digest
    }

    /// What a process sees of one file: the names take turns.
    #[must_use]
    pub fn sample(&self, turn: u64) -> Fingerprint {
        let mut print = Fingerprint::default();
        let directory = &self.inner().directory;
        let count = directory.names.len().max(1) as u64;
        let nth = usize::try_from(turn % count).expect("few files");
        if let Some(file) = directory.names.values().nth(nth).and_then(|inode| directory.files.get(inode)) {
            file.fingerprint(false, &mut print);
        }
        print
    }

    /// What a process sees, and what a power loss may make of it.
    #[must_use]
    pub fn fingerprint(&self) -> Fingerprint {
        let mut digest = Fingerprint::default();
        let inner = self.inner();
        let directory = &inner.directory;
        directory.fingerprint(&directory.names, true, &mut digest);
        if directory.durable != directory.names || !directory.pending.is_empty() {
            digest.add(1);
            directory.fingerprint(&directory.durable, true, &mut digest);
            for change in &directory.pending {
                change.fingerprint(&mut digest);
            }
        }
        digest
    }
}

impl Change {
    fn fingerprint(self, digest: &mut Fingerprint) {
        let (kind, from, to) = match self {
            Change::Created(name, _) => (2, name, name),
            Change::Renamed(from, to, _) => (3, from, to),
            Change::Removed(name) => (4, name, name),
        };
        digest.add(kind);
        digest.add_name(from);
        digest.add_name(to);
    }
}

impl Directory {
    fn fingerprint(&self, names: &Names, all_layers: bool, digest: &mut Fingerprint) {
        for (name, inode) in names {
            digest.add_name(*name);
            if let Some(file) = self.files.get(inode) {
                file.fingerprint(all_layers, digest);
            }
        }
    }
}

impl File {
    fn fingerprint(&self, all_layers: bool, digest: &mut Fingerprint) {
        digest.add(self.cache_len);
        self.cache.fingerprint(size(self.cache_len), digest);
        if !all_layers || self.is_settled() {
            return;
        }
        digest.add(self.media_len);
        digest.add(self.cut_to.map_or(u64::MAX, |cut| cut));
        digest.add(self.allocated as u64);
        self.media.fingerprint(size(self.media_len), digest);
        for sector in self.dirty.iter() {
            digest.add(sector as u64);
        }
    }

    /// Whether all of it is on the media.
    fn is_settled(&self) -> bool {
        self.cut_to.is_none()
            && self.media_len == self.cache_len
            && self.dirty.is_empty()
            && self.stale.is_empty()
    }
}

#[cfg(test)]
mod tests {
    use evenkeel_core::units::{Epoch, Lsn, SegmentSequence};

    use super::*;

    #[test]
    fn a_name_counts_as_the_bytes_in_which_it_is_written() {
        for number in [0, 7, 10, 4_294_967_295, 12_345_678_901_234_567_890, u64::MAX] {
            let (sequence, lsn) = (SegmentSequence(number), Lsn(number));
            let epoch = Epoch(u32::try_from(number % 1000).expect("small"));
            for file in [
                FileName::Identity,
                FileName::IdentityDraft,
                FileName::Segment(sequence),
                FileName::SegmentDraft(sequence),
                FileName::Checkpoint(lsn),
                FileName::CheckpointDraft(lsn),
                FileName::Torn(sequence),
                FileName::Lost(epoch, sequence),
                FileName::LossReport(epoch),
            ] {
                let (mut quick, mut written) = (Fingerprint::default(), Fingerprint::default());
                quick.add_name(file);
                written.add_bytes(file.to_string().as_bytes());
                assert_eq!(quick, written, "{file}");
            }
        }
    }
}
