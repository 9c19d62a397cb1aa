//! The planted bugs: how many seeds each lives, and which oracle finds it.

use std::process::ExitCode;

use evenkeel_sim::{
    crashpoints::{BASES, Space, explore},
    mutant::{CATALOGUE, CORE_HAS_BUGS, PlantedBug, plant},
    run,
};

/// Ranges of seeds that a mean is taken over, at most, and the seeds after which no further one is begun.
const RANGES_MAX: u64 = 5;
const SEEDS_FOR_A_MEAN: u64 = 60;
/// Between the beginnings of two ranges.
const RANGE_STRIDE: u64 = 1_000_000;
/// Of a violation's words, at most.
const DETAIL_CHARS_MAX: usize = 100;

struct Kill {
    seed: u64,
    tried: u64,
    oracle: &'static str,
    detail: String,
    /// Violations by another oracle than those that are there for this bug.
    by_others: Vec<(u64, &'static str)>,
}

pub(crate) fn hunt(only: Option<&PlantedBug>, seeds_max: Option<u64>) -> ExitCode {
    if !CORE_HAS_BUGS {
        println!(
            "the core was built without its planted bugs: `cargo sim` sets --cfg evenkeel_sim, RUSTFLAGS undo that"
        );
        return ExitCode::FAILURE;
    }
    // A panic under a planted bug is a find like any other; it is told in the table.
    std::panic::set_hook(Box::new(|_| {}));
    let mut bugs: Vec<&PlantedBug> =
        CATALOGUE.iter().filter(|bug| only.is_none_or(|only| bug.name == only.name)).collect();
    bugs.sort_by_key(|bug| bug.seeds_max);
    println!("{:<32} {:>6} {:>8}  {:<22} detail", "planted bug", "seed", "mean", "oracle");
    let mut killed = 0_usize;
    for bug in &bugs {
        let Some(budget) = bug.seeds_max else {
            killed += usize::from(crash_points(bug));
            continue;
        };
        let within = seeds_max.unwrap_or(budget);
        let Some(first) = kill(bug, 1, within) else {
            println!("{:<32} SURVIVED {within} seeds", bug.name);
            continue;
        };
        killed += 1;
        println!(
            "{:<32} {:>6} {:>8}  {:<22} {}",
            bug.name,
            first.seed,
            mean(bug, first.tried, within),
            first.oracle,
            first.detail
        );
        if let Some((seed, oracle)) = first.by_others.first() {
            println!(
                "{:<32} {} seeds broke another promise first, {seed} was {oracle}",
                "",
                first.by_others.len()
            );
        }
    }
    println!("killed {killed} of {}", bugs.len());
    if killed == bugs.len() { ExitCode::SUCCESS } else { ExitCode::FAILURE }
}

/// Whether the crash points of single operations find it, as what it is there for.
fn crash_points(bug: &PlantedBug) -> bool {
    plant(Some(bug.mutant));
    let bases = BASES.to_vec();
    let space = Space { operations: 1, bases, mutant: Some(bug.mutant), jobs: crate::jobs(None) };
    let report = explore(&space);
    let Some(found) = report.found.filter(|found| bug.oracles.contains(&found.violation.name)) else {
        println!("{:<32} SURVIVED the crash points", bug.name);
        return false;
    };
    let at = format!("{} of {} images", found.place, report.counts.images);
    println!("{:<32} {:>6} {:>8}  {:<22} {at}", bug.name, "crash", "points", found.violation.name);
    true
}

/// The first seed of the range at which one of the bug's oracles fires.
fn kill(bug: &PlantedBug, from: u64, within: u64) -> Option<Kill> {
    let mut by_others = Vec::new();
    for seed in from..from + within {
        let Some(violation) = run::seed(seed, Some(bug.mutant), false).violation else { continue };
        if bug.oracles.contains(&violation.name) {
            let line = violation.detail.lines().next().unwrap_or_default();
            let detail = line.chars().take(DETAIL_CHARS_MAX).collect();
            return Some(Kill { seed, tried: seed - from + 1, oracle: violation.name, detail, by_others });
        }
        by_others.push((seed, violation.name));
    }
    None
}

/// Seeds to a kill, over several ranges if that is cheap.
fn mean(bug: &PlantedBug, first: u64, within: u64) -> String {
    let (mut tried, mut kills) = (first, 1_u64);
    for range in 1..RANGES_MAX {
        if tried > SEEDS_FOR_A_MEAN {
            break;
        }
        let found = kill(bug, range * RANGE_STRIDE, within);
        tried += found.as_ref().map_or(within, |kill| kill.tried);
        kills += u64::from(found.is_some());
    }
    #[expect(clippy::cast_precision_loss, reason = "a mean for people")]
    let mean = tried as f64 / kills as f64;
    format!("{mean:.1}")
}
