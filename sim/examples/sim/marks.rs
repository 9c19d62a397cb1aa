//! The marks inside the core: how often many seeds come by each. One that is never reached is code that no world has tried.

use std::{ops::Range, process::ExitCode};

use evenkeel_sim::{mutant::CORE_HAS_BUGS, run};

#[cfg(evenkeel_sim)]
use evenkeel_core::marks::hits;

/// Without the marks there is nothing to count.
#[cfg(not(evenkeel_sim))]
fn hits() -> impl Iterator<Item = (&'static str, u64)> {
    std::iter::empty()
}

pub(crate) fn table(seeds: Range<u64>) -> ExitCode {
    if !CORE_HAS_BUGS {
        println!(
            "the core was built without its marks: `cargo sim` sets --cfg evenkeel_sim, RUSTFLAGS undo that"
        );
        return ExitCode::FAILURE;
    }
    for seed in seeds {
        if let Some(violation) = run::seed(seed, None, false).violation {
            println!("seed {seed}: {violation}");
            return ExitCode::FAILURE;
        }
    }
    let (mut all, mut missed) = (0, 0);
    for (name, count) in hits() {
        println!("{count:>12}  {name}{}", if count == 0 { "  NEVER REACHED" } else { "" });
        all += 1;
        missed += usize::from(count == 0);
    }
    println!("{} of {all} marks reached", all - missed);
    if missed == 0 { ExitCode::SUCCESS } else { ExitCode::FAILURE }
}
