//! The planted bugs: how many seeds each lives, and which oracle finds it.

use std::{
    process::{Command, ExitCode},
    sync::{
        Mutex,
        atomic::{AtomicUsize, Ordering},
    },
};

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

/// Plants one bug here, or each in a process of its own: what is planted is planted for the whole process.
pub(crate) fn hunt(only: Option<&PlantedBug>, seeds_max: Option<u64>, jobs: usize) -> ExitCode {
    if !CORE_HAS_BUGS {
        println!(
            "the core was built without its planted bugs: `cargo sim` sets --cfg evenkeel_sim, RUSTFLAGS undo that"
        );
        return ExitCode::FAILURE;
    }
    // A panic under a planted bug is a find like any other; it is told in the table.
    std::panic::set_hook(Box::new(|_| {}));
    if let Some(bug) = only {
        return if hunt_one(bug, seeds_max) { ExitCode::SUCCESS } else { ExitCode::FAILURE };
    }
    println!("{:<32} {:>6} {:>8}  {:<22} detail", "planted bug", "seed", "mean", "oracle");
    let found = hunt_all(seeds_max, jobs);
    let killed = found.iter().filter(|(_, killed)| *killed).count();
    for (lines, _) in &found {
        print!("{lines}");
    }
    println!("killed {killed} of {}", CATALOGUE.len());
    if killed == CATALOGUE.len() { ExitCode::SUCCESS } else { ExitCode::FAILURE }
}

/// What each process says, and whether its bug was killed; the bugs that live longest last.
fn hunt_all(seeds_max: Option<u64>, jobs: usize) -> Vec<(String, bool)> {
    let mut bugs: Vec<&PlantedBug> = CATALOGUE.iter().collect();
    bugs.sort_by_key(|bug| bug.seeds_max);
    // Those that live longest are begun first, so that no core waits for one of them in the end.
    let (left, found) = (AtomicUsize::new(bugs.len()), Mutex::new(vec![(String::new(), false); bugs.len()]));
    std::thread::scope(|scope| {
        for _ in 0..jobs {
            scope.spawn(|| {
                let take = |left| usize::checked_sub(left, 1);
                while let Ok(left) = left.fetch_update(Ordering::Relaxed, Ordering::Relaxed, take) {
                    let at = left - 1;
                    let done = in_process(bugs[at], seeds_max);
                    found.lock().expect("nobody panics with it")[at] = done;
                }
            });
        }
    });
    found.into_inner().expect("nobody panicked with it")
}

fn in_process(bug: &PlantedBug, seeds_max: Option<u64>) -> (String, bool) {
    let run = || {
        let mut command = Command::new(std::env::current_exe()?);
        command.args(["mutants", "--id", bug.name]);
        if let Some(seeds) = seeds_max {
            command.args(["--seeds-max", &seeds.to_string()]);
        }
        command.output()
    };
    match run() {
        Ok(output) => (String::from_utf8_lossy(&output.stdout).into_owned(), output.status.success()),
        Err(error) => (format!("{:<32} NOT RUN: {error}\n", bug.name), false),
    }
}

/// Whether a bug is found; says by what.
fn hunt_one(bug: &PlantedBug, seeds_max: Option<u64>) -> bool {
    let Some(budget) = bug.seeds_max else { return crash_points(bug) };
    let within = seeds_max.unwrap_or(budget);
    let Some(first) = kill(bug, 1, within) else {
        println!("{:<32} SURVIVED {within} seeds", bug.name);
        return false;
    };
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
    true
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
