//! One file: the page cache that the process sees, the media behind it, and which sectors of the two may differ.

use crate::{
    dice::Dice,
    disk::{SECTOR_BYTES, crash::Loss, pages::Pages, sectors::Sectors},
};

/// A file's contents in all layers.
#[derive(Clone, Debug, Default)]
pub(super) struct File {
    pub(super) cache: Pages,
    pub(super) cache_len: u64,
    pub(super) media: Pages,
    pub(super) media_len: u64,
    /// Written since the last sync; the next one will bring them to the media.
    pub(super) dirty: Sectors,
    /// Not on the media, and no sync will change that: a failed one marked them clean.
    pub(super) stale: Sectors,
    /// Smallest size since the last sync: a truncation that may be undone.
    pub(super) cut_to: Option<u64>,
    /// Sectors from here on had no place on the media at the last sync; they may come up with anything in them.
    pub(super) allocated: usize,
}

pub(super) fn size(len: u64) -> usize {
    usize::try_from(len).expect("simulated files are small")
}

pub(super) fn sectors(len: u64) -> usize {
    size(len).div_ceil(SECTOR_BYTES)
}

impl File {
    pub(super) fn len(&self) -> u64 {
        self.cache_len
    }

    /// Sectors that are not known to be on the media.
    pub(super) fn unsynced(&self) -> usize {
        self.dirty.len() + self.stale.len()
    }

    pub(super) fn read(&self, position: u64, into: &mut [u8]) -> usize {
        let there = size(self.cache_len.saturating_sub(position));
        let count = there.min(into.len());
        self.cache.read(size(position), &mut into[..count]);
        count
    }

    pub(super) fn write(&mut self, position: u64, bytes: &[u8]) {
        if bytes.is_empty() {
            return;
        }
        self.cache.write(size(position), bytes);
        self.written(position, position + bytes.len() as u64);
    }

    /// Zeros from the start on.
    pub(super) fn zero(&mut self, len: u64) {
        self.cache.zero(0, size(len));
        self.written(0, len);
    }

    /// Zeros from there to the end.
    pub(super) fn clear_from(&mut self, from: u64) {
        if from < self.cache_len {
            self.cache.zero(size(from), size(self.cache_len));
            self.written(from, self.cache_len);
        }
    }

    fn written(&mut self, position: u64, end: u64) {
        if position == end {
            return;
        }
        self.cache_len = self.cache_len.max(end);
        let range = size(position) / SECTOR_BYTES..sectors(end);
        self.dirty.insert_all(range.clone());
        // A sector is written whole, with it what was lost before.
        self.stale.remove_all(range);
    }

    pub(super) fn reserve(&mut self, len: u64) {
        self.cache_len = self.cache_len.max(len);
    }

    /// As `O_TRUNC` does it.
    pub(super) fn truncate(&mut self, len: u64) {
        self.cache.cut(size(len));
        self.cache_len = len;
        self.dirty.keep_below(sectors(len));
        self.stale.keep_below(sectors(len));
        self.cut_to = Some(self.cut_to.map_or(len, |known| known.min(len)));
    }

    pub(super) fn sync(&mut self) {
        self.cut_media();
        for (page, sectors) in self.dirty.eights() {
            self.media.take_sectors(page, sectors, &self.cache);
        }
        self.dirty.clear();
        self.media_len = self.cache_len;
        self.allocated = self.allocated.max(sectors(self.cache_len));
    }

    fn cut_media(&mut self) {
        if let Some(len) = self.cut_to.take() {
            self.media.cut(size(len));
            self.allocated = self.allocated.min(sectors(len));
        }
    }

    /// Any subset reaches the media, the rest is marked clean all the same. The cache shows the new data, or drops some of it.
    pub(super) fn fail_sync(&mut self, dice: &mut Dice) {
        let reached = dice.below(1001);
        let dropped = if dice.chance(300) { dice.below(1001) } else { 0 };
        self.cut_media();
        let dirty = std::mem::take(&mut self.dirty);
        for sector in dirty.iter() {
            if dice.chance(reached) {
                self.media.set_sector(sector, self.cache.sector(sector));
            } else if dice.chance(dropped) {
                self.cache.set_sector(sector, self.media.sector(sector));
            } else {
                self.stale.insert(sector);
            }
        }
        self.media_len = dice.between(self.media_len.min(self.cache_len), self.media_len.max(self.cache_len));
        self.allocated = self.allocated.max(sectors(self.media_len));
    }

    /// What a power loss leaves of it.
    pub(super) fn after(&self, loss: &Loss, dice: &mut Dice) -> File {
        let mut left = self.media.clone();
        let mut len = self.media_len;
        let mut allocated = self.allocated;
        if let Some(cut_to) = self.cut_to
            && loss.keeps(dice)
        {
            left.cut(size(cut_to));
            len = len.min(cut_to);
            allocated = allocated.min(sectors(cut_to));
        }
        loss.resolve(&self.dirty, &self.cache, &mut left, allocated, dice);
        len = loss.size(len, self.cache_len, dice);
        left.cut(size(len));
        File {
            cache: left.clone(),
            cache_len: len,
            media: left,
            media_len: len,
            allocated: sectors(len),
            ..File::default()
        }
    }

    pub(super) fn reads_like(&self, other: &File) -> bool {
        self.cache_len == other.cache_len
            && (0..sectors(self.cache_len)).all(|at| self.cache.sector(at) == other.cache.sector(at))
    }

    /// A media fault: these bytes change everywhere.
    pub(super) fn overwrite(&mut self, position: u64, bytes: &[u8]) {
        self.cache.write(size(position), bytes);
        self.media.write(size(position), bytes);
    }

    /// A media fault: the file is shorter.
    pub(super) fn shorten(&mut self, len: u64) {
        self.truncate(len);
        self.sync();
    }
}
