//! One seed, with its story.

use std::process::ExitCode;

use evenkeel_sim::{mutant::Mutant, run, shape::Size};

pub(crate) fn tell(seed: u64, size: Size, mutant: Option<Mutant>) -> ExitCode {
    let outcome = run::shaped(seed, size.shape(seed), mutant, true);
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
