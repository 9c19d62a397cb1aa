//! The simulator's own generator. One for each domain (network, disk, each client, faults), so that one more draw in one
//! place does not shift every other.

use evenkeel_core::random::Random;

/// A stream of choices, wholly in its seed.
#[derive(Clone, Debug)]
pub struct Dice {
    random: Random,
}

impl Dice {
    /// A stream of that seed.
    #[must_use]
    pub fn new(seed: u64) -> Dice {
        let mut random = Random::new(seed);
        // Neighbouring seeds begin alike without this.
        let mixed = random.bits();
        Dice { random: Random::new(mixed) }
    }

    /// A stream of its own for `domain`, which does not depend on how many draws were made here.
    #[must_use]
    pub fn of(seed: u64, domain: &str) -> Dice {
        let salt = domain.bytes().fold(0xcbf2_9ce4_8422_2325_u64, |hash, byte| {
            (hash ^ u64::from(byte)).wrapping_mul(0x100_0000_01b3)
        });
        Dice::new(seed ^ salt.rotate_left(17))
    }

    /// 64 bits.
    pub fn bits(&mut self) -> u64 {
        self.random.bits()
    }

    /// A number below `bound`; 0 for a bound of 0.
    pub fn below(&mut self, bound: u64) -> u64 {
        if bound == 0 { 0 } else { self.bits() % bound }
    }

    /// A number from `low` to `high`, both included.
    pub fn between(&mut self, low: u64, high: u64) -> u64 {
        low + self.below(high.saturating_sub(low).saturating_add(1))
    }

    /// An index into something that long.
    pub fn index(&mut self, len: usize) -> usize {
        usize::try_from(self.below(len as u64)).expect("below a usize")
    }

    /// True so many times in a thousand.
    pub fn chance(&mut self, per_mille: u64) -> bool {
        per_mille > 0 && self.below(1000) < per_mille
    }

    /// A number from `low` to `high` whose magnitude, not value, is uniform. `low` is at least 1.
    pub fn magnitude(&mut self, low: u64, high: u64) -> u64 {
        let doublings = (high / low.max(1)).max(1).ilog2();
        let shift = self.between(0, u64::from(doublings));
        let base = low << shift;
        self.between(base, (base * 2).min(high).max(base))
    }
}
