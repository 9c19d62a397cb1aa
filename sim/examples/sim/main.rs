//! The simulator's command line: `run --seeds 1..1000`, `seed 42`, `mutants`.
#![expect(clippy::print_stdout, reason = "this is what the tool is for")]

mod marks;
mod mutants;
mod run;
mod seed;

use std::{ops::Range, process::ExitCode};

use clap::{Parser, Subcommand};
use evenkeel_sim::mutant::{CATALOGUE, Mutant};

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
    /// Plants each bug and counts the seeds until the oracle that is there for it fires.
    Mutants {
        /// Only this one.
        #[arg(long)]
        id: Option<String>,
        /// Seeds within which each must be found, instead of its own number.
        #[arg(long)]
        seeds_max: Option<u64>,
    },
    /// Counts the marks in the core that many seeds come by; 1 if one is never reached.
    Marks {
        /// Which seeds, as `first..end`.
        #[arg(long, value_parser = range, default_value = "1..2000")]
        seeds: Range<u64>,
    },
}

fn range(text: &str) -> Result<Range<u64>, String> {
    let (first, end) = text.split_once("..").ok_or("a range is first..end")?;
    let number = |text: &str| text.parse::<u64>().map_err(|error| format!("{text:?}: {error}"));
    Ok(number(first)?..number(end)?)
}

fn mutant(text: &str) -> Result<Mutant, String> {
    Mutant::named(text).ok_or_else(|| {
        let known: Vec<_> = CATALOGUE.iter().map(|bug| bug.name).collect();
        format!("one of {}", known.join(", "))
    })
}

fn main() -> ExitCode {
    match Arguments::parse().command {
        Command::Run { seeds, mutant, keep_going } => run::run(seeds, mutant, keep_going),
        Command::Seed { seed, mutant } => seed::tell(seed, mutant),
        Command::Mutants { id, seeds_max } => mutants::hunt(id.as_deref(), seeds_max),
        Command::Marks { seeds } => marks::table(seeds),
    }
}
