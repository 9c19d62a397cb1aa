//! Runs over many seeds.

use std::{
    collections::BTreeMap,
    panic::{AssertUnwindSafe, catch_unwind},
};

use crate::{
    mutant::Mutant,
    shape::Shape,
    violation::Violation,
    world::{Outcome, World},
};

/// Runs one seed. A panic is a violation like any other.
#[must_use]
pub fn seed(seed: u64, mutant: Option<Mutant>, words: bool) -> Outcome {
    shaped(seed, Shape::lite(seed), mutant, words)
}

/// Runs one seed in that shape.
#[must_use]
pub fn shaped(seed: u64, shape: Shape, mutant: Option<Mutant>, words: bool) -> Outcome {
    let world = World::new(seed, shape, mutant, words);
    catch_unwind(AssertUnwindSafe(|| world.run())).unwrap_or_else(|panic| {
        let text = panic
            .downcast_ref::<String>()
            .cloned()
            .or_else(|| panic.downcast_ref::<&str>().map(|text| (*text).to_string()))
            .unwrap_or_default();
        Outcome {
            violation: Some(Violation { name: "panic", detail: text }),
            digest: String::new(),
            events: 0,
            micros: 0,
            trail: Vec::new(),
            lines: Vec::new(),
            marks: BTreeMap::new(),
        }
    })
}
