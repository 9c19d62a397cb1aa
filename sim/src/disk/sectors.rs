//! A set of sectors of one file.

use core::ops::Range;

/// The set, one bit a sector.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(super) struct Sectors {
    words: Vec<u64>,
}

/// Bits of a word below this one.
fn below(bit: usize) -> u64 {
    if bit < 64 { (1 << bit) - 1 } else { u64::MAX }
}

/// The words that a range of sectors lies in, and its bits in each.
fn words(sectors: Range<usize>) -> impl Iterator<Item = (usize, u64)> {
    let within = move |word: usize| {
        let first = word * 64;
        below(sectors.end - first) & !below(sectors.start.saturating_sub(first))
    };
    let all = if sectors.is_empty() { 0..0 } else { sectors.start / 64..sectors.end.div_ceil(64) };
    all.map(move |word| (word, within(word)))
}

impl Sectors {
    pub(super) fn insert(&mut self, sector: usize) {
        self.insert_all(sector..sector + 1);
    }

    pub(super) fn insert_all(&mut self, sectors: Range<usize>) {
        let needed = sectors.end.div_ceil(64);
        if self.words.len() < needed {
            self.words.resize(needed, 0);
        }
        for (word, bits) in words(sectors) {
            self.words[word] |= bits;
        }
    }

    pub(super) fn remove_all(&mut self, sectors: Range<usize>) {
        let known = sectors.start..sectors.end.min(self.words.len() * 64);
        for (word, bits) in words(known) {
            self.words[word] &= !bits;
        }
    }

    /// Forgets every sector from this one on.
    pub(super) fn keep_below(&mut self, upto: usize) {
        self.words.truncate(upto.div_ceil(64));
        self.remove_all(upto..self.words.len() * 64);
    }

    pub(super) fn clear(&mut self) {
        self.words.clear();
    }

    pub(super) fn is_empty(&self) -> bool {
        self.words.iter().all(|word| *word == 0)
    }

    pub(super) fn len(&self) -> usize {
        self.words.iter().map(|word| word.count_ones() as usize).sum()
    }

    /// In ascending order.
    pub(super) fn iter(&self) -> impl Iterator<Item = usize> {
        self.words.iter().enumerate().flat_map(|(at, word)| {
            let mut left = *word;
            core::iter::from_fn(move || {
                let bit = (left != 0).then(|| left.trailing_zeros() as usize)?;
                left &= left - 1;
                Some(at * 64 + bit)
            })
        })
    }

    /// In ascending order, by groups of eight neighbours: the number of the group, and a bit for each of its sectors.
    pub(super) fn eights(&self) -> impl Iterator<Item = (usize, u8)> {
        self.words.iter().enumerate().flat_map(|(at, word)| {
            let eights = word.to_le_bytes().into_iter().enumerate();
            eights.filter(|(_, bits)| *bits != 0).map(move |(eighth, bits)| (at * 8 + eighth, bits))
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::dice::Dice;

    #[test]
    fn ranges_and_single_sectors_make_the_same_set_as_one_that_is_written_down() {
        let mut dice = Dice::new(7);
        for _ in 0..300 {
            let (mut sectors, mut known) = (Sectors::default(), std::collections::BTreeSet::new());
            for _ in 0..20 {
                let first = dice.index(300);
                let range = first..first + dice.index(200);
                match dice.below(4) {
                    0 => {
                        sectors.remove_all(range.clone());
                        known.retain(|sector| !range.contains(sector));
                    }
                    1 => {
                        sectors.keep_below(first);
                        known.retain(|sector| *sector < first);
                    }
                    2 => {
                        sectors.insert(first);
                        known.insert(first);
                    }
                    _ => {
                        sectors.insert_all(range.clone());
                        known.extend(range);
                    }
                }
                assert!(sectors.iter().eq(known.iter().copied()));
                let eights = sectors.eights().flat_map(|(at, bits)| {
                    (0..8).filter(move |bit| bits & (1 << bit) != 0).map(move |bit| at * 8 + bit)
                });
                assert!(eights.eq(known.iter().copied()));
                assert_eq!((sectors.len(), sectors.is_empty()), (known.len(), known.is_empty()));
            }
        }
    }
}
