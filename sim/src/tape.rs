//! The choices of a run, written down: one tape for each domain of [`crate::dice`].
//!
//! A recorded tape, given to a run of the same settings, makes the same run. A changed one makes another, legal run: each value
//! is taken within the bounds that are asked for, and where a tape has ended, 0 is taken, which is the simplest choice:
//! no fault, the shortest delay, the first of what there is. That is what shrinking builds on. A client whose tape has ended
//! begins nothing more; what it draws then is not written down, so that the same tape always ends at the same place.

use core::{fmt, fmt::Write as _};
use std::{
    collections::BTreeMap,
    sync::{Arc, Mutex, MutexGuard},
};

use crate::dice::Dice;

/// The choices of one domain, in the order in which they were made.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Tape {
    /// The choices: a number below its bound, 1 for a chance that came true, or 64 bits.
    pub values: Vec<u64>,
    /// Where an action of a client begins. Only in what was recorded; a replay does not need it.
    pub actions: Vec<usize>,
}

impl Tape {
    /// Without what is taken anyhow behind its end.
    pub fn trim(&mut self) {
        let kept = self.values.iter().rposition(|value| *value != 0).map_or(0, |last| last + 1);
        self.values.truncate(kept);
    }
}

/// All choices of a run, by domain.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Choices(pub BTreeMap<String, Tape>);

impl Choices {
    /// Without what is taken anyhow: ends of zeros, and tapes of nothing else. Tapes with actions on them stay as long as they
    /// are: it matters where they end.
    #[must_use]
    pub fn trimmed(mut self) -> Choices {
        for tape in self.0.values_mut().filter(|tape| tape.actions.is_empty()) {
            tape.trim();
        }
        self.0.retain(|_, tape| !tape.values.is_empty());
        self
    }

    /// Number of choices that are not the simplest.
    #[must_use]
    pub fn weight(&self) -> u64 {
        self.0.values().flat_map(|tape| &tape.values).filter(|value| **value != 0).count() as u64
    }
}

impl fmt::Display for Tape {
    /// Values with blanks between them; `0*12` is twelve zeros.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let mut rest = &self.values[..];
        let mut text = String::new();
        while let Some(value) = rest.first() {
            let alike = rest.iter().take_while(|next| *next == value).count();
            let blank = if text.is_empty() { "" } else { " " };
            match alike {
                1 => write!(text, "{blank}{value}")?,
                _ => write!(text, "{blank}{value}*{alike}")?,
            }
            rest = &rest[alike..];
        }
        f.write_str(&text)
    }
}

/// Choices on one tape, at most: more would be a slip of the pen.
const VALUES_MAX: usize = 1 << 22;

impl Tape {
    /// Reads what [`Tape`] displays.
    ///
    /// # Errors
    /// A word that is no number, or a tape that is too long.
    pub fn parse(text: &str) -> Result<Tape, String> {
        let mut values = Vec::new();
        for word in text.split_whitespace() {
            let (value, count) = word.split_once('*').unwrap_or((word, "1"));
            let number = |text: &str| text.parse::<u64>().map_err(|error| format!("{word:?}: {error}"));
            let count = usize::try_from(number(count)?).map_err(|error| error.to_string())?;
            if count > VALUES_MAX - values.len() {
                return Err(format!("{word:?}: too many choices"));
            }
            values.resize(values.len() + count, number(value)?);
        }
        Ok(Tape { values, actions: Vec::new() })
    }
}

/// Recorded so far, for all domains. Dice of one domain share a tape.
type Recorded = Arc<Mutex<BTreeMap<String, Tape>>>;

/// Where the dice of a run come from: a seed, or tapes, and whether what they show is written down.
#[derive(Clone, Debug)]
pub struct Source {
    seed: u64,
    given: Option<Arc<Choices>>,
    recorded: Option<Recorded>,
}

impl Source {
    /// Choices by the seed alone, or by tapes; `record`: written down.
    #[must_use]
    pub fn new(seed: u64, given: Option<Choices>, record: bool) -> Source {
        Source { seed, given: given.map(Arc::new), recorded: record.then(Recorded::default) }
    }

    /// The dice of a domain.
    #[must_use]
    pub fn dice(&self, domain: &str) -> Dice {
        self.on_tape(domain, Dice::of(self.seed, domain))
    }

    /// Dice with a seed of their own, as a domain that is written down like the others.
    #[must_use]
    pub fn dice_of(&self, domain: &str, seed: u64) -> Dice {
        self.on_tape(domain, Dice::new(seed))
    }

    fn on_tape(&self, domain: &str, dice: Dice) -> Dice {
        if self.given.is_none() && self.recorded.is_none() {
            return dice;
        }
        let reel = |domain: String| Reel {
            domain,
            given: self.given.clone(),
            at: 0,
            recorded: self.recorded.clone(),
        };
        dice.on(reel(domain.to_string()), reel(format!("{domain} pace")))
    }

    /// Whether the choices are on tapes.
    #[must_use]
    pub fn is_given(&self) -> bool {
        self.given.is_some()
    }

    /// What was written down.
    #[must_use]
    pub fn recorded(&self) -> Choices {
        Choices(self.recorded.as_ref().map(|recorded| lock(recorded).clone()).unwrap_or_default())
    }
}

fn lock(recorded: &Recorded) -> MutexGuard<'_, BTreeMap<String, Tape>> {
    recorded.lock().expect("nothing panics with the tapes in hand")
}

/// A place on a tape.
#[derive(Clone, Debug)]
pub(crate) struct Reel {
    domain: String,
    given: Option<Arc<Choices>>,
    at: usize,
    recorded: Option<Recorded>,
}

impl Reel {
    /// The next choice below `bound` (0: of 64 bits): from the tape, or else a fresh one.
    pub(crate) fn next(&mut self, bound: u64, fresh: impl FnOnce() -> u64) -> u64 {
        let value = if let Some(given) = &self.given {
            let tape = given.0.get(&self.domain).map_or(&[][..], |tape| &tape.values);
            self.at += 1;
            match tape.get(self.at - 1) {
                Some(value) if bound > 0 => value % bound,
                Some(value) => *value,
                None => return 0,
            }
        } else {
            fresh()
        };
        self.record(|tape| tape.values.push(value));
        value
    }

    fn record(&self, write: impl FnOnce(&mut Tape)) {
        if let Some(recorded) = &self.recorded {
            write(lock(recorded).entry(self.domain.clone()).or_default());
        }
    }

    /// An action begins: does the tape want it?
    pub(crate) fn acts(&mut self) -> bool {
        if !self.has_ended() {
            self.record(|tape| tape.actions.push(tape.values.len()));
        }
        self.next(2, || 1) == 1
    }

    fn len(&self) -> Option<usize> {
        let given = self.given.as_ref()?;
        Some(given.0.get(&self.domain).map_or(0, |tape| tape.values.len()))
    }

    /// Whether nothing is left on a tape that was given.
    fn has_ended(&self) -> bool {
        self.len().is_some_and(|len| len <= self.at)
    }

    /// Whether more was drawn than is on a tape that was given.
    pub(crate) fn is_spent(&self) -> bool {
        self.len().is_some_and(|len| len < self.at)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_tape_is_written_and_read() {
        let tape = Tape { values: vec![0, 0, 0, 7, 7, u64::MAX, 0, 1], actions: Vec::new() };
        assert_eq!(tape.to_string(), format!("0*3 7*2 {} 0 1", u64::MAX));
        assert_eq!(Tape::parse(&tape.to_string()), Ok(tape));
        assert_eq!(Tape::parse(""), Ok(Tape::default()));
        for wrong in ["x", "1*", "*2", "1*99999999999", "-1"] {
            assert!(Tape::parse(wrong).is_err(), "{wrong}");
        }
    }

    fn draw(dice: &mut Dice) -> Vec<u64> {
        let mut drawn = Vec::new();
        for bound in 1..50 {
            drawn.push(dice.below(bound));
            drawn.push(dice.bits());
            drawn.push(u64::from(dice.chance(300)));
            drawn.push(dice.magnitude(10, 1000));
        }
        drawn
    }

    #[test]
    fn what_was_recorded_can_be_given_and_what_is_missing_is_the_simplest() {
        let fresh = draw(&mut Source::new(5, None, false).dice("a"));
        let recording = Source::new(5, None, true);
        assert_eq!(draw(&mut recording.dice("a")), fresh, "recording changes nothing");
        // Another seed: nothing comes from it.
        let given = Source::new(6, Some(recording.recorded()), true);
        assert_eq!(draw(&mut given.dice("a")), fresh);
        assert_eq!(given.recorded(), recording.recorded());
        let mut empty = given.dice("b");
        assert_eq!((empty.below(9), empty.chance(999), empty.between(3, 9)), (0, false, 3));
        assert!(empty.chance(1000), "what is certain is certain");
        assert!(!empty.acts() && empty.is_spent());
        assert_eq!(given.recorded(), recording.recorded(), "what is behind the end is not written down");
    }
}
