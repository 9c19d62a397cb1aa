//! Crash points.

use std::{
    process::ExitCode,
    time::{Duration, Instant},
};

use clap::Args;
use evenkeel_sim::{
    crashpoints::{BASES, Base, Counts, Place, Report, Space, explore, tell},
    mutant::{CATALOGUE, Mutant, plant},
};

use crate::{jobs, mutant};

/// What is tried.
#[derive(Args)]
pub(crate) struct Crashpoints {
    /// Longest sequences, 1 to 3.
    #[arg(long, default_value_t = 2, value_parser = clap::value_parser!(u8).range(1..=3))]
    ops: u8,
    /// Only sequences that begin there; may be given several times.
    #[arg(long, value_parser = base)]
    base: Vec<Base>,
    /// Threads; all cores if not given.
    #[arg(long)]
    jobs: Option<usize>,
    /// Shows one image alone: the place that a violation names.
    #[arg(long)]
    at: Option<Place>,
    /// With this planted bug.
    #[arg(long, value_parser = mutant)]
    mutant: Option<Mutant>,
    /// Plants each bug, and says which of them are found here.
    #[arg(long, conflicts_with_all = ["at", "mutant"])]
    mutants: bool,
}

fn base(text: &str) -> Result<Base, String> {
    Base::named(text).ok_or_else(|| {
        let known: Vec<_> = BASES.iter().map(|base| base.name()).collect();
        format!("one of {}", known.join(", "))
    })
}

impl Crashpoints {
    pub(crate) fn run(&self) -> ExitCode {
        if let Some(place) = &self.at {
            return show(place, self.mutant);
        }
        if self.mutants {
            return self.hunt();
        }
        let began = Instant::now();
        plant(self.mutant);
        let report = explore(&self.space(self.mutant));
        print(&report.counts, began.elapsed());
        verdict(&report)
    }

    fn space(&self, mutant: Option<Mutant>) -> Space {
        let bases = if self.base.is_empty() { BASES.to_vec() } else { self.base.clone() };
        Space { operations: usize::from(self.ops), bases, mutant, jobs: jobs(self.jobs) }
    }

    fn hunt(&self) -> ExitCode {
        for bug in CATALOGUE.iter() {
            let (name, began) = (bug.name, Instant::now());
            plant(Some(bug.mutant));
            let report = explore(&self.space(Some(bug.mutant)));
            let (images, seconds) = (report.counts.images, began.elapsed().as_secs_f64());
            match report.found {
                Some(found) => println!(
                    "{name}: killed at {} after {images} images, {seconds:.1} s ({})",
                    found.place, found.violation
                ),
                None => println!("{name}: survived {images} images, {seconds:.1} s"),
            }
        }
        ExitCode::SUCCESS
    }
}

fn print(counts: &Counts, took: Duration) {
    let Counts { sequences, senseless, points, images, distinct, ways, second, recoveries } = counts;
    println!("{sequences:>10}  sequences, {senseless} more have nothing to work on");
    println!("{points:>10}  crash points");
    println!("{images:>10}  images, {distinct} of them different");
    println!("{ways:>10}  ways of recovery, each crashed at each step");
    println!("{second:>10}  images of these second crashes");
    #[expect(clippy::cast_precision_loss, reason = "a rate for people")]
    let rate = (images + second) as f64 / took.as_secs_f64();
    println!("{recoveries:>10}  recoveries; {:.1} s, {rate:.0} images a second", took.as_secs_f64());
}

fn verdict(report: &Report) -> ExitCode {
    let Some(found) = &report.found else { return ExitCode::SUCCESS };
    println!("VIOLATION {}", found.violation);
    println!("again, with its story: cargo sim crashpoints --at {}", found.place);
    ExitCode::FAILURE
}

fn show(place: &Place, mutant: Option<Mutant>) -> ExitCode {
    plant(mutant);
    let (lines, violation) = tell(place, mutant);
    for line in lines {
        println!("{line}");
    }
    match violation {
        Some(violation) => {
            println!("VIOLATION {violation}");
            ExitCode::FAILURE
        }
        None => ExitCode::SUCCESS,
    }
}
