//! All that a run is a function of, and what is to be kept of it.

use crate::{
    mutant::Mutant,
    shape::{Shape, Size},
    tape::Choices,
};

/// All that a run is a function of.
#[derive(Clone, Debug)]
pub struct Script {
    /// The seed: of every choice, if there are no tapes; of the broker's own randomness in any case.
    pub seed: u64,
    /// The settings.
    pub shape: Shape,
    /// A planted bug.
    pub mutant: Option<Mutant>,
    /// The choices, if they are not to come from the seed.
    pub choices: Option<Choices>,
    /// Steps from which on every choice is another one.
    pub forks: Vec<Fork>,
}

/// Another continuation: from a step on every choice is another one, others for each salt.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Fork {
    /// Steps of the world that are as they were.
    pub step: u64,
    /// Which continuation.
    pub salt: u64,
}

impl Script {
    /// What a seed stands for, in runs of that size.
    #[must_use]
    pub fn of(seed: u64, size: Size, mutant: Option<Mutant>) -> Script {
        Script { seed, shape: size.shape(seed), mutant, choices: None, forks: Vec::new() }
    }

    /// What a seed stands for, in small runs.
    #[must_use]
    pub fn of_seed(seed: u64, mutant: Option<Mutant>) -> Script {
        Script::of(seed, Size::Lite, mutant)
    }
}

/// What is kept of a run. It changes nothing about it.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Watch {
    /// Its scenes, and the disk as it was left.
    pub scenes: bool,
    /// Its choices.
    pub choices: bool,
    /// Give up after so many events.
    pub events_max: Option<u64>,
}

impl Watch {
    /// Everything is kept.
    pub const ALL: Watch = Watch { scenes: true, choices: true, events_max: None };
}
