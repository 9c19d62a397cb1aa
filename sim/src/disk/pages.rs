//! Bytes of a file, in pages that clones share until one of them writes. A page that was never written, or only with zeros, takes
//! no memory.

use std::sync::Arc;

use crate::disk::{SECTOR_BYTES, fingerprint::Fingerprint};

const PAGE_BYTES: usize = 4096;
/// Sectors in a page.
pub(super) const PAGE_SECTORS: usize = PAGE_BYTES / SECTOR_BYTES;

type Page = [u8; PAGE_BYTES];

static ZEROS: Page = [0; PAGE_BYTES];

/// The bytes. Has no length of its own. A clone costs one counter.
#[derive(Clone, Debug, Default)]
pub(super) struct Pages {
    pages: Arc<Vec<Option<Arc<Page>>>>,
}

fn is_zero(bytes: &[u8]) -> bool {
    *bytes == ZEROS[..bytes.len()]
}

impl Pages {
    pub(super) fn read(&self, mut at: usize, mut into: &mut [u8]) {
        while !into.is_empty() {
            let (page, within) = (at / PAGE_BYTES, at % PAGE_BYTES);
            let count = into.len().min(PAGE_BYTES - within);
            let (now, later) = into.split_at_mut(count);
            now.copy_from_slice(self.part(page, within, count));
            into = later;
            at += count;
        }
    }

    pub(super) fn write(&mut self, mut at: usize, mut bytes: &[u8]) {
        while !bytes.is_empty() {
            let (page, within) = (at / PAGE_BYTES, at % PAGE_BYTES);
            let count = bytes.len().min(PAGE_BYTES - within);
            let (now, later) = bytes.split_at(count);
            self.put(page, within, now);
            bytes = later;
            at += count;
        }
    }

    /// Writes zeros from `at` to `end`, without touching the bytes of whole pages.
    pub(super) fn zero(&mut self, mut at: usize, end: usize) {
        while at < end {
            let (page, within) = (at / PAGE_BYTES, at % PAGE_BYTES);
            let count = (end - at).min(PAGE_BYTES - within);
            if self.slot(page).is_some() {
                self.put(page, within, &ZEROS[..count]);
            }
            at += count;
        }
    }

    /// Whether all pages of both are the same ones. Two files with equal bytes in pages of their own do not count.
    pub(super) fn is_shared_with(&self, other: &Pages) -> bool {
        let one_page = |page| match (self.slot(page), other.slot(page)) {
            (Some(one), Some(two)) => Arc::ptr_eq(one, two),
            (None, None) => true,
            (Some(_), None) | (None, Some(_)) => false,
        };
        Arc::ptr_eq(&self.pages, &other.pages) || (0..self.pages.len().max(other.pages.len())).all(one_page)
    }

    fn slot(&self, page: usize) -> Option<&Arc<Page>> {
        self.pages.get(page)?.as_ref()
    }

    fn slot_mut(&mut self, page: usize) -> &mut Option<Arc<Page>> {
        let pages = Arc::make_mut(&mut self.pages);
        if pages.len() <= page {
            pages.resize(page + 1, None);
        }
        &mut pages[page]
    }

    fn part(&self, page: usize, within: usize, count: usize) -> &[u8] {
        let bytes = self.slot(page).map_or(&ZEROS, |page| page);
        &bytes[within..within + count]
    }

    fn put(&mut self, page: usize, within: usize, bytes: &[u8]) {
        let there = self.slot(page);
        if there.is_none() && is_zero(bytes) {
            return;
        }
        if let Ok(whole) = <&Page>::try_from(bytes) {
            *self.slot_mut(page) = (!is_zero(bytes)).then(|| Arc::new(*whole));
            return;
        }
        let slot = self.slot_mut(page);
        let page = slot.get_or_insert_with(|| Arc::new(ZEROS));
        Arc::make_mut(page)[within..within + bytes.len()].copy_from_slice(bytes);
    }

    pub(super) fn sector(&self, sector: usize) -> &[u8] {
        self.part(sector / PAGE_SECTORS, sector % PAGE_SECTORS * SECTOR_BYTES, SECTOR_BYTES)
    }

    pub(super) fn set_sector(&mut self, sector: usize, bytes: &[u8]) {
        if self.sector(sector) != bytes {
            self.put(sector / PAGE_SECTORS, sector % PAGE_SECTORS * SECTOR_BYTES, bytes);
        }
    }

    /// The sectors of a page that `which` has a bit for become those of `other`. Where the page is then the same in both, they
    /// share it.
    pub(super) fn take_sectors(&mut self, page: usize, which: u8, other: &Pages) {
        let (own, theirs) = (self.slot(page), other.slot(page));
        let shared = match (own, theirs) {
            (None, None) => true,
            (Some(own), Some(theirs)) => Arc::ptr_eq(own, theirs),
            (Some(_), None) | (None, Some(_)) => false,
        };
        if shared {
            return;
        }
        let first = page * PAGE_SECTORS;
        let same = |at: usize| which & (1 << at) != 0 || self.sector(first + at) == other.sector(first + at);
        if (0..PAGE_SECTORS).all(same) {
            *self.slot_mut(page) = theirs.cloned();
            return;
        }
        for at in (0..PAGE_SECTORS).filter(|at| which & (1 << at) != 0) {
            self.set_sector(first + at, other.sector(first + at));
        }
    }

    /// Zeros from `len` on.
    pub(super) fn cut(&mut self, len: usize) {
        let whole = len.div_ceil(PAGE_BYTES);
        if self.pages.len() > whole {
            Arc::make_mut(&mut self.pages).truncate(whole);
        }
        self.zero(len, self.pages.len() * PAGE_BYTES);
    }

    /// The same for the same bytes below `len`, whatever lies behind.
    pub(super) fn fingerprint(&self, len: usize, digest: &mut Fingerprint) {
        for (at, page) in self.pages.iter().enumerate().take(len.div_ceil(PAGE_BYTES)) {
            let Some(page) = page else { continue };
            let end = len.saturating_sub(at * PAGE_BYTES).min(PAGE_BYTES);
            let words = page[..end].chunks_exact(8);
            let rest = words.remainder();
            for (word, bytes) in words.enumerate() {
                let value = u64::from_le_bytes(bytes.try_into().expect("eight bytes"));
                if value != 0 {
                    digest.add((at * PAGE_BYTES / 8 + word) as u64);
                    digest.add(value);
                }
            }
            // A page of zeros counts as one that is not there.
            if rest.iter().any(|byte| *byte != 0) {
                digest.add(at as u64);
                digest.add_bytes(rest);
            }
        }
    }
}
