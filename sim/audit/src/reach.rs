//! Which mutants a run comes by. A run that does not come by a mutant is the same with it: it need not be run again.

/// What one run reaches, as a bit set over the numbers of mutants.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Reached {
    words: Vec<u64>,
    /// How long the run takes, ms.
    pub millis: u64,
}

impl Reached {
    /// Of words in hexadecimal, separated by commas.
    ///
    /// # Errors
    /// A word that is none.
    pub fn read(text: &str, millis: u64) -> Result<Reached, String> {
        let words = text.split(',').map(|word| u64::from_str_radix(word, 16));
        let words = words.collect::<Result<_, _>>().map_err(|error| format!("{text:?}: {error}"))?;
        Ok(Reached { words, millis })
    }

    /// Of numbers.
    #[must_use]
    pub fn of(numbers: impl Iterator<Item = u32>, millis: u64) -> Reached {
        let mut reached = Reached { words: Vec::new(), millis };
        for number in numbers {
            let word = number as usize / 64;
            if reached.words.len() <= word {
                reached.words.resize(word + 1, 0);
            }
            reached.words[word] |= 1 << (number % 64);
        }
        reached
    }

    /// Whether the run comes by that mutant.
    #[must_use]
    pub fn has(&self, number: u32) -> bool {
        self.words.get(number as usize / 64).is_some_and(|word| word & (1 << (number % 64)) != 0)
    }
}
