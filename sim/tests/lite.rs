//! Whole runs: seeds that must pass, planted bugs that must not, and the same seed twice.

use evenkeel_sim::{mutant::MUTANTS, run};

/// Seeds of the suite. Set `EVENKEEL_SIM_SEEDS` for more.
const SEEDS: u64 = 300;

fn seeds() -> u64 {
    std::env::var("EVENKEEL_SIM_SEEDS").ok().and_then(|given| given.parse().ok()).unwrap_or(SEEDS)
}

#[test]
fn every_promise_is_kept_on_every_seed() {
    for seed in 1..=seeds() {
        if let Some(violation) = run::seed(seed, None, false).violation {
            panic!("seed {seed}: {violation}");
        }
    }
}

#[test]
fn the_same_seed_is_the_same_run_and_others_are_others() {
    let digests: Vec<_> = (1..=20).map(|seed| run::seed(seed, None, false).digest).collect();
    for (seed, digest) in (1..).zip(&digests) {
        // Words cost time, and change nothing.
        assert_eq!(run::seed(seed, None, true).digest, *digest, "seed {seed}");
    }
    let different: std::collections::BTreeSet<_> = digests.iter().collect();
    assert_eq!(different.len(), digests.len());
}

#[test]
fn every_planted_bug_is_found_within_its_seeds() {
    for (mutant, name, seeds_max) in MUTANTS {
        let killed = (1..=seeds_max).any(|seed| run::seed(seed, Some(mutant), false).violation.is_some());
        assert!(killed, "{name} survived {seeds_max} seeds");
    }
}
