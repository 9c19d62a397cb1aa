//! Bytes of a file, in pages that clones share until one of them writes. What was never written reads as zeros.

use std::sync::Arc;

use crate::disk::{SECTOR_BYTES, fingerprint::Fingerprint};

const PAGE_BYTES: usize = 4096;

type Page = [u8; PAGE_BYTES];

/// The bytes. Has no length of its own.
#[derive(Clone, Debug, Default)]
pub(super) struct Pages {
    pages: Vec<Option<Arc<Page>>>,
}

impl Pages {
    pub(super) fn read(&self, mut at: usize, mut into: &mut [u8]) {
        while !into.is_empty() {
            let (page, within) = (at / PAGE_BYTES, at % PAGE_BYTES);
            let count = into.len().min(PAGE_BYTES - within);
            let (now, later) = into.split_at_mut(count);
            match self.pages.get(page) {
                Some(Some(bytes)) => now.copy_from_slice(&bytes[within..within + count]),
                Some(None) | None => now.fill(0),
            }
            into = later;
            at += count;
        }
    }

    pub(super) fn write(&mut self, mut at: usize, mut bytes: &[u8]) {
        while !bytes.is_empty() {
            let (page, within) = (at / PAGE_BYTES, at % PAGE_BYTES);
            let count = bytes.len().min(PAGE_BYTES - within);
            let (now, later) = bytes.split_at(count);
            if self.pages.len() <= page {
                self.pages.resize(page + 1, None);
            }
            let slot = &mut self.pages[page];
            if count == PAGE_BYTES && now.iter().all(|byte| *byte == 0) {
                *slot = None;
            } else {
                let page = slot.get_or_insert_with(|| Arc::new([0; PAGE_BYTES]));
                Arc::make_mut(page)[within..within + count].copy_from_slice(now);
            }
            bytes = later;
            at += count;
        }
    }

    pub(super) fn sector(&self, sector: usize) -> [u8; SECTOR_BYTES] {
        let mut bytes = [0; SECTOR_BYTES];
        self.read(sector * SECTOR_BYTES, &mut bytes);
        bytes
    }

    pub(super) fn set_sector(&mut self, sector: usize, bytes: &[u8; SECTOR_BYTES]) {
        self.write(sector * SECTOR_BYTES, bytes);
    }

    /// Zeros from `len` on.
    pub(super) fn cut(&mut self, len: usize) {
        let whole = len.div_ceil(PAGE_BYTES);
        self.pages.truncate(whole);
        let end = self.pages.len() * PAGE_BYTES;
        if len < end {
            self.write(len, &vec![0; end - len]);
        }
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
