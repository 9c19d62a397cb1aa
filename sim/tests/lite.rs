//! Whole runs: seeds that must pass, planted bugs that must not, and the same seed twice.

use evenkeel_sim::{
    mutant::{CATALOGUE, Mutant},
    run,
    shape::Shape,
};

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
fn an_empty_disk_in_the_place_of_a_lost_one_is_not_asked_what_it_has_without_its_store() {
    for seed in [251_538_980, 99_735_435] {
        let violation = run::seed(seed, None, false).violation;
        assert!(violation.is_none(), "{seed}: {violation:?}");
    }
}

#[test]
fn a_witness_whose_write_failed_half_done_is_nothing_to_go_on_from() {
    let violation = run::seed(99_735_380, None, false).violation;
    assert!(violation.is_none(), "{violation:?}");
}

#[test]
fn what_a_lost_disk_takes_away_is_nobodys_fault() {
    let lite = [
        (51_200_684, "a producer forgot the sequences that it used in a topic whose deletion was lost"),
        (700_000_360, "what came last is nothing that a cut brings into the store"),
        (700_001_128, "a member was heard in a generation that nobody still promised knew"),
        (700_006_947, "the same, with a member that keeps its place"),
    ];
    for (seed, what) in lite {
        let violation = run::seed(seed, None, false).violation;
        assert!(violation.is_none(), "{seed}: {what}: {violation:?}");
    }
    // A partition that a topic gets after a loss is read before anybody was told of it.
    let violation = run::shaped(700_000_019, Shape::standard(700_000_019), None, false).violation;
    assert!(violation.is_none(), "{violation:?}");
}

#[test]
fn clients_do_not_knock_without_end_at_a_broker_that_stops() {
    let violation = run::shaped(51_200_038, Shape::standard(51_200_038), None, false).violation;
    assert!(violation.is_none(), "{violation:?}");
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
fn every_wrong_disk_script_is_found_within_its_seeds() {
    // Those in the core are for `cargo sim mutants`: one is planted in a whole process, and other tests run in this one.
    for bug in CATALOGUE.iter().filter(|bug| !matches!(bug.mutant, Mutant::Core(_))) {
        let within = bug.seeds_max.expect("a budget of seeds");
        let killed = bug.first_kill(1..within + 1).is_some();
        assert!(killed, "{} survived {within} seeds", bug.name);
    }
}

#[test]
fn long_runs_of_many_clients_keep_every_promise_too() {
    for seed in 1..=3 {
        let outcome = run::shaped(seed, Shape::standard(seed), None, false);
        if let Some(violation) = outcome.violation {
            panic!("seed {seed}: {violation}");
        }
        assert!(outcome.events > 5_000, "seed {seed}: {} events", outcome.events);
    }
}
