//! Runs that break a promise, made small.

use std::{process::ExitCode, time::Duration};

use evenkeel_sim::{
    mutant::{CATALOGUE, Mutant},
    script::Script,
    shape::Size,
    shrink::{self, Limits, Shrunk},
};

fn made_small(seed: u64, size: Size, mutant: Option<Mutant>, seconds: u64) -> Option<Shrunk> {
    let limits = Limits { time: Duration::from_secs(seconds), ..Limits::default() };
    crate::quietly(|| shrink::shrink(&Script::of(seed, size, mutant), limits))
}

/// One seed.
pub(crate) fn shrink(seed: u64, size: Size, mutant: Option<Mutant>, seconds: u64) -> ExitCode {
    let Some(shrunk) = made_small(seed, size, mutant, seconds) else {
        println!("seed {seed}: nothing is broken, nothing to shrink");
        return ExitCode::SUCCESS;
    };
    println!("seed {seed}: {}", shrunk.violation);
    println!("before: {}", shrunk.before);
    println!("after:  {}", shrunk.after);
    println!("{} runs, {:.1} s", shrunk.runs, shrunk.took.as_secs_f64());
    ExitCode::FAILURE
}

/// Operations and faults that a person still takes in at a glance.
const SMALL: (u64, u64) = (15, 4);

/// The first seed that finds each planted bug. Fails if one stays large.
pub(crate) fn all(seconds: u64) -> ExitCode {
    let mut large = 0;
    println!("| planted bug | seed | broken | operations | faults | events | runs | seconds |");
    println!("|---|---|---|---|---|---|---|---|");
    for bug in CATALOGUE {
        // What is for crash points to find, no seed is known for.
        let (mutant, name, Some(seeds_max)) = (bug.mutant, bug.name, bug.seeds_max) else { continue };
        let found = crate::quietly(|| bug.first_kill(1..seeds_max + 1));
        let shrunk =
            found.and_then(|seed| Some((seed, made_small(seed, Size::Lite, Some(mutant), seconds)?)));
        let Some((seed, Shrunk { violation, before, after, runs, took, .. })) = shrunk else {
            println!("| {name} | not found in {seeds_max} | | | | | | |");
            large += 1;
            continue;
        };
        println!(
            "| {name} | {seed} | {} | {} to {} | {} to {} | {} to {} | {runs} | {:.1} |",
            violation.name,
            before.operations,
            after.operations,
            before.faults,
            after.faults,
            before.events,
            after.events,
            took.as_secs_f64()
        );
        large += u64::from(after.operations > SMALL.0 || after.faults > SMALL.1);
    }
    if large == 0 { ExitCode::SUCCESS } else { ExitCode::FAILURE }
}
