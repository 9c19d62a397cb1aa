//! The simulator's own generator. One for each domain (network, disk, each client, faults), so that one more draw in one
//! place does not shift every other.
//!
//! A draw can be written down and given again: see [`crate::tape`].

use evenkeel_core::random::Random;

use crate::tape::Reel;

/// A stream of choices, wholly in its seed, or on a tape.
#[derive(Clone, Debug)]
pub struct Dice {
    random: Random,
    reel: Option<Box<Reels>>,
}

/// Choices on a tape. Pauses have one of their own: an action can then be taken out without a shift of every pause behind it.
#[derive(Clone, Debug)]
struct Reels {
    choices: Reel,
    pauses: Reel,
}

impl Dice {
    /// A stream of that seed.
    #[must_use]
    pub fn new(seed: u64) -> Dice {
        let mut random = Random::new(seed);
        // Neighbouring seeds begin alike without this.
        let mixed = random.bits();
        Dice { random: Random::new(mixed), reel: None }
    }

    /// A stream of its own for `domain`, which does not depend on how many draws were made here.
    #[must_use]
    pub fn of(seed: u64, domain: &str) -> Dice {
        let salt = domain.bytes().fold(0xcbf2_9ce4_8422_2325_u64, |hash, byte| {
            (hash ^ u64::from(byte)).wrapping_mul(0x100_0000_01b3)
        });
        Dice::new(seed ^ salt.rotate_left(17))
    }

    /// Another stream from here on, one for each salt.
    pub fn reseed(&mut self, salt: u64) {
        let mixed = self.random.bits() ^ salt.wrapping_mul(0x9e37_79b9_7f4a_7c15);
        self.random = Dice::new(mixed).random;
    }

    /// The same, written down or read from a tape.
    pub(crate) fn on(self, choices: Reel, pauses: Reel) -> Dice {
        Dice { reel: Some(Box::new(Reels { choices, pauses })), ..self }
    }

    /// A choice below `bound`, 0 for any.
    fn draw(&mut self, bound: u64, fresh: impl FnOnce(&mut Random) -> u64) -> u64 {
        match &mut self.reel {
            None => fresh(&mut self.random),
            Some(reel) => reel.choices.next(bound, || fresh(&mut self.random)),
        }
    }

    /// 64 bits.
    pub fn bits(&mut self) -> u64 {
        self.draw(0, Random::bits)
    }

    /// A number below `bound`; 0 for a bound of 0.
    pub fn below(&mut self, bound: u64) -> u64 {
        if bound == 0 { 0 } else { self.draw(bound, |random| random.bits() % bound) }
    }

    /// A number from `low` to `high`, both included.
    pub fn between(&mut self, low: u64, high: u64) -> u64 {
        low + self.below(high.saturating_sub(low).saturating_add(1))
    }

    /// A pause from `low` to `high`, both included.
    pub fn pause(&mut self, low: u64, high: u64) -> u64 {
        let bound = high.saturating_sub(low).saturating_add(1);
        let fresh = |random: &mut Random| random.bits() % bound;
        low + match &mut self.reel {
            None => fresh(&mut self.random),
            Some(reel) => reel.pauses.next(bound, || fresh(&mut self.random)),
        }
    }

    /// An index into something that long.
    pub fn index(&mut self, len: usize) -> usize {
        usize::try_from(self.below(len as u64)).expect("below a usize")
    }

    /// True so many times in a thousand.
    pub fn chance(&mut self, per_mille: u64) -> bool {
        if per_mille == 0 {
            return false;
        }
        let drawn = self.draw(2, |random| u64::from(random.bits() % 1000 < per_mille)) == 1;
        drawn || per_mille >= 1000
    }

    /// True so many times in a hundred thousand.
    pub fn rarely(&mut self, often: u64) -> bool {
        often > 0 && self.draw(2, |random| u64::from(random.bits() % 100_000 < often)) == 1
    }

    /// A number from `low` to `high` whose magnitude, not value, is uniform. `low` is at least 1.
    pub fn magnitude(&mut self, low: u64, high: u64) -> u64 {
        let doublings = (high / low.max(1)).max(1).ilog2();
        let shift = self.between(0, u64::from(doublings));
        let base = low << shift;
        self.between(base, (base * 2).min(high).max(base))
    }

    /// Whether an action goes ahead: always, unless a tape says otherwise, or has ended.
    pub fn acts(&mut self) -> bool {
        self.reel.as_mut().is_none_or(|reel| reel.choices.acts())
    }

    /// Whether more was drawn than is on the tape, if there is one.
    #[must_use]
    pub fn is_spent(&self) -> bool {
        self.reel.as_ref().is_some_and(|reel| reel.choices.is_spent())
    }
}
