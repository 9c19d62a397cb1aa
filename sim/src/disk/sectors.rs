//! A set of sectors of one file.

/// The set, one bit a sector.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(super) struct Sectors {
    words: Vec<u64>,
}

impl Sectors {
    pub(super) fn insert(&mut self, sector: usize) {
        let word = sector / 64;
        if word >= self.words.len() {
            self.words.resize(word + 1, 0);
        }
        self.words[word] |= 1 << (sector % 64);
    }

    pub(super) fn remove(&mut self, sector: usize) {
        if let Some(word) = self.words.get_mut(sector / 64) {
            *word &= !(1 << (sector % 64));
        }
    }

    /// Forgets every sector from this one on.
    pub(super) fn keep_below(&mut self, upto: usize) {
        self.words.truncate(upto.div_ceil(64));
        for sector in upto..self.words.len() * 64 {
            self.remove(sector);
        }
    }

    pub(super) fn clear(&mut self) {
        self.words.clear();
    }

    /// In ascending order.
    pub(super) fn iter(&self) -> impl Iterator<Item = usize> {
        let bits = |word: u64| (0..64).filter(move |bit| word & (1 << bit) != 0);
        self.words.iter().enumerate().flat_map(move |(at, word)| bits(*word).map(move |bit| at * 64 + bit))
    }
}
