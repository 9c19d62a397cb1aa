//! The simulator's command line: `run --seeds 1..1000`, `seed 42`, `replay target/sim/42`, `museum`, `mutants`.
#![expect(clippy::print_stdout, reason = "this is what the tool is for")]

mod audit;
mod audit_worker;
mod crashpoints;
mod determinism;
mod explore;
mod marks;
mod museum;
mod mutants;
mod replay;
mod run;
mod seed;
mod shrink;

use std::{ops::Range, panic, path::PathBuf, process::ExitCode};

use clap::{Parser, Subcommand};
use evenkeel_sim::{
    explore::Path,
    mutant::{CATALOGUE, Mutant, PlantedBug},
    shape::{SIZES, Size},
};

/// Worlds and brokers are copied and dropped all the time: with the system's allocator that is a sixth of a run.
#[global_allocator]
static ALLOCATOR: mimalloc::MiMalloc = mimalloc::MiMalloc;

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
    Run(run::Run),
    /// Runs one seed and tells its story.
    Seed {
        /// Which, as a number, or as a path with forks: `42@1234:7`.
        #[arg(value_parser = explore_path)]
        seed: Path,
        /// How large the run is.
        #[arg(long, value_parser = size, default_value = "lite")]
        shape: Size,
        /// With this planted bug.
        #[arg(long, value_parser = mutant)]
        mutant: Option<Mutant>,
        /// If it breaks a promise: shrink it, and write a folder that explains it.
        #[arg(long)]
        artefacts: bool,
        /// Shrink for so many seconds at most; 0: explain the run as it is.
        #[arg(long, default_value_t = 60, requires = "artefacts")]
        seconds: u64,
    },
    /// Makes the run of a seed that breaks a promise small, and says how small.
    Shrink {
        /// Which; without it, the first that finds each planted bug.
        seed: Option<u64>,
        /// How large the run is.
        #[arg(long, value_parser = size, default_value = "lite")]
        shape: Size,
        /// With this planted bug.
        #[arg(long, value_parser = mutant, requires = "seed")]
        mutant: Option<Mutant>,
        /// For so long at most.
        #[arg(long, default_value_t = 60)]
        seconds: u64,
    },
    /// Runs everything that once broke a promise again, without the bug and with it.
    Museum {
        /// Look for a new run for these bugs of the catalogue instead.
        #[arg(long, num_args = 1.., value_parser = planted_bug)]
        renew: Vec<&'static PlantedBug>,
        /// Make it small for so many seconds at most.
        #[arg(long, default_value_t = 60)]
        seconds: u64,
    },
    /// Runs a `repro.toml` again, or that in a folder, and says whether the same comes out.
    Replay {
        /// The file or the folder.
        path: PathBuf,
        /// Tells its story.
        #[arg(long)]
        story: bool,
    },
    /// Tries every crash of every short sequence of operations.
    Crashpoints(crashpoints::Crashpoints),
    /// Runs each seed in two processes and compares every event.
    Determinism(determinism::Determinism),
    /// Plants each bug and counts the seeds until the oracle that is there for it fires.
    Mutants {
        /// Only this one.
        #[arg(long, value_parser = planted_bug)]
        id: Option<&'static PlantedBug>,
        /// Seeds within which each must be found, instead of its own number.
        #[arg(long)]
        seeds_max: Option<u64>,
        /// Processes; one for each core if not given.
        #[arg(long)]
        jobs: Option<usize>,
    },
    /// Forks worlds that come by rare places, and tries their continuations.
    Explore(explore::Explore),
    /// Changes one thing at a time in the source of the core, everywhere, and says what finds it.
    Audit(audit::Audit),
    /// The other end of `audit`.
    #[command(hide = true)]
    AuditWorker,
    /// Counts the marks in the core that many seeds come by; 1 if one is never reached.
    Marks {
        /// Which seeds, as `first..end`.
        #[arg(long, value_parser = range, default_value = "1..2000")]
        seeds: Range<u64>,
    },
}

/// Runs that panic are run thousands of times while they are made small: once is enough to read about it.
fn quietly<T>(act: impl FnOnce() -> T) -> T {
    let loud = panic::take_hook();
    panic::set_hook(Box::new(|_| {}));
    let done = act();
    panic::set_hook(loud);
    done
}

fn range(text: &str) -> Result<Range<u64>, String> {
    let (first, end) = text.split_once("..").ok_or("a range is first..end")?;
    let number = |text: &str| text.parse::<u64>().map_err(|error| format!("{text:?}: {error}"));
    let range = number(first)?..number(end)?;
    if range.is_empty() {
        Err(String::from("the end is behind the last, and this has none"))
    } else {
        Ok(range)
    }
}

fn explore_path(text: &str) -> Result<Path, String> {
    Path::parse(text)
}

fn size(text: &str) -> Result<Size, String> {
    Size::named(text).ok_or_else(|| format!("one of {}", SIZES.map(|(_, name)| name).join(", ")))
}

fn mutant(text: &str) -> Result<Mutant, String> {
    planted_bug(text).map(|bug| bug.mutant)
}

fn planted_bug(text: &str) -> Result<&'static PlantedBug, String> {
    PlantedBug::named(text).ok_or_else(|| {
        let known: Vec<_> = CATALOGUE.iter().map(|bug| bug.name).collect();
        format!("one of {}", known.join(", "))
    })
}

/// Threads: as many as were asked for, or one for each core.
fn jobs(given: Option<usize>) -> usize {
    given.unwrap_or_else(|| std::thread::available_parallelism().map_or(1, usize::from)).max(1)
}

fn main() -> ExitCode {
    match Arguments::parse().command {
        Command::Run(run) => run.run(),
        Command::Seed { seed: path, shape, mutant, artefacts, seconds } => {
            if artefacts && path.forks.is_empty() {
                seed::explain(path.seed, shape, mutant, seconds)
            } else {
                seed::tell(&path, shape, mutant)
            }
        }
        Command::Shrink { seed: Some(seed), shape, mutant, seconds } => {
            shrink::shrink(seed, shape, mutant, seconds)
        }
        Command::Shrink { seed: None, seconds, .. } => shrink::all(seconds),
        Command::Museum { renew, seconds } if !renew.is_empty() => museum::renew(&renew, seconds),
        Command::Museum { .. } => museum::visit(),
        Command::Replay { path, story } => replay::replay(&path, story),
        Command::Crashpoints(crashpoints) => crashpoints.run(),
        Command::Determinism(determinism) => determinism.run(),
        Command::Mutants { id, seeds_max, jobs: given } => mutants::hunt(id, seeds_max, jobs(given)),
        Command::Explore(explore) => explore.run(),
        Command::Audit(audit) => audit.run(),
        Command::AuditWorker => audit_worker::serve(),
        Command::Marks { seeds } => marks::table(seeds),
    }
}
