//! The simulator's command line: `run --seeds 1..1000`, `seed 42`, `mutants`.
#![expect(clippy::print_stdout, reason = "this is what the tool is for")]

use std::{collections::BTreeMap, ops::Range, process::ExitCode, time::Instant};

use clap::{Parser, Subcommand};
use evenkeel_sim::{
    mutant::{MUTANTS, Mutant},
    run,
};

#[derive(Parser)]
#[command(
    name = "evenkeel-sim",
    about = "Runs the broker in simulated worlds and checks every promise it makes"
)]
struct Arguments {
    #[command(subcommand)]
    command: Command,
}

#[derive(Subcommand)]
enum Command {
    /// Runs many seeds; stops with 1 at the first that breaks a promise, unless told to go on.
    Run {
        /// Which, as `first..end`.
        #[arg(long, value_parser = range, default_value = "1..1000")]
        seeds: Range<u64>,
        /// With this planted bug.
        #[arg(long, value_parser = mutant)]
        mutant: Option<Mutant>,
        /// Go on after a violation.
        #[arg(long)]
        keep_going: bool,
    },
    /// Runs one seed and tells its story.
    Seed {
        /// Which.
        seed: u64,
        /// With this planted bug.
        #[arg(long, value_parser = mutant)]
        mutant: Option<Mutant>,
    },
    /// Plants each bug and counts the seeds until it is found.
    Mutants,
}

fn range(text: &str) -> Result<Range<u64>, String> {
    let (first, end) = text.split_once("..").ok_or("a range is first..end")?;
    let number = |text: &str| text.parse::<u64>().map_err(|error| format!("{text:?}: {error}"));
    Ok(number(first)?..number(end)?)
}

fn mutant(text: &str) -> Result<Mutant, String> {
    Mutant::named(text).ok_or_else(|| {
        let known: Vec<_> = MUTANTS.iter().map(|(_, name, _)| *name).collect();
        format!("one of {}", known.join(", "))
    })
}

fn main() -> ExitCode {
    match Arguments::parse().command {
        Command::Run { seeds, mutant, keep_going } => run_many(seeds, mutant, keep_going),
        Command::Seed { seed, mutant } => tell_one(seed, mutant),
        Command::Mutants => hunt_mutants(),
    }
}

fn run_many(seeds: Range<u64>, mutant: Option<Mutant>, keep_going: bool) -> ExitCode {
    let began = Instant::now();
    let mut marks: BTreeMap<&'static str, u64> = BTreeMap::new();
    let mut names: BTreeMap<&'static str, u64> = BTreeMap::new();
    let (mut events, mut done) = (0, 0_u64);
    for seed in seeds {
        let outcome = run::seed(seed, mutant, false);
        done += 1;
        events += outcome.events;
        for (name, count) in outcome.marks {
            *marks.entry(name).or_default() += count;
        }
        if let Some(violation) = outcome.violation {
            println!("seed {seed}: {violation}");
            *names.entry(violation.name).or_default() += 1;
            if !keep_going {
                return ExitCode::FAILURE;
            }
        }
    }
    let seconds = began.elapsed().as_secs_f64();
    for (name, count) in &marks {
        println!("{count:>10}  {name}");
    }
    #[expect(clippy::cast_precision_loss, reason = "a rate for people")]
    let (seeds_per_second, events_per_second) = (done as f64 / seconds, events as f64 / seconds);
    println!(
        "{done} seeds, {seeds_per_second:.1} a second; {events} events, {events_per_second:.0} a second"
    );
    for (name, count) in &names {
        println!("{count:>10}  VIOLATIONS {name}");
    }
    if names.is_empty() { ExitCode::SUCCESS } else { ExitCode::FAILURE }
}

fn tell_one(seed: u64, mutant: Option<Mutant>) -> ExitCode {
    let outcome = run::seed(seed, mutant, true);
    for line in &outcome.lines {
        println!("{line}");
    }
    println!("seed {seed}: {} events, hash {}", outcome.events, outcome.digest);
    match outcome.violation {
        Some(violation) => {
            println!("VIOLATION {violation}");
            ExitCode::FAILURE
        }
        None => ExitCode::SUCCESS,
    }
}

fn hunt_mutants() -> ExitCode {
    let mut survived = 0;
    for (mutant, name, seeds_max) in MUTANTS {
        let killer = (1..=seeds_max).find_map(|seed| {
            run::seed(seed, Some(mutant), false).violation.map(|violation| (seed, violation))
        });
        match killer {
            Some((seed, violation)) => println!("{name}: killed by seed {seed} ({violation})"),
            None => {
                survived += 1;
                println!("{name}: SURVIVED {seeds_max} seeds");
            }
        }
    }
    if survived == 0 { ExitCode::SUCCESS } else { ExitCode::FAILURE }
}
