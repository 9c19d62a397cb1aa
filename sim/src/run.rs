//! Runs.

use crate::{
    mutant::Mutant,
    script::{Script, Watch},
    shape::Shape,
    world::{Outcome, World},
};

/// Runs one seed. A panic is a violation like any other. `words`: its scenes are kept.
#[must_use]
pub fn seed(seed: u64, mutant: Option<Mutant>, words: bool) -> Outcome {
    shaped(seed, Shape::lite(seed), mutant, words)
}

/// Runs one seed in that shape.
#[must_use]
pub fn shaped(seed: u64, shape: Shape, mutant: Option<Mutant>, words: bool) -> Outcome {
    script(
        &Script { seed, shape, mutant, choices: None, forks: Vec::new() },
        Watch { scenes: words, ..Watch::default() },
    )
}

/// Runs a script.
#[must_use]
pub fn script(script: &Script, watch: Watch) -> Outcome {
    World::of(script, watch).run()
}
