//! The planted bugs.

use std::process::ExitCode;

use evenkeel_sim::{mutant::MUTANTS, run};

pub(crate) fn hunt() -> ExitCode {
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
