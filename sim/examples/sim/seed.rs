//! One seed, with its story.

use std::{process::ExitCode, time::Duration};

use evenkeel_sim::{
    artefact,
    explore::Path,
    mutant::Mutant,
    run,
    script::{Script, Watch},
    shape::Size,
    shrink::Limits,
};

pub(crate) fn tell(path: &Path, size: Size, mutant: Option<Mutant>) -> ExitCode {
    let script = Script { mutant, ..path.script(size) };
    let outcome = run::script(&script, Watch { scenes: true, ..Watch::default() });
    for line in outcome.lines() {
        println!("{line}");
    }
    println!("seed {path}: {} events, hash {}", outcome.events, outcome.digest);
    match outcome.violation {
        Some(violation) => {
            println!("VIOLATION {violation}");
            ExitCode::FAILURE
        }
        None => ExitCode::SUCCESS,
    }
}

/// Shrinks a seed that breaks a promise, writes what explains it, and says so.
pub(crate) fn explain(seed: u64, size: Size, mutant: Option<Mutant>, seconds: u64) -> ExitCode {
    let directory = artefact::directory(seed, size, mutant);
    let limits = Limits { time: Duration::from_secs(seconds), ..Limits::default() };
    match crate::quietly(|| artefact::explain(seed, size, mutant, limits, &directory)) {
        Ok(None) => {
            println!("seed {seed}: nothing is broken");
            return ExitCode::SUCCESS;
        }
        Ok(Some(explained)) => {
            for line in explained.lines() {
                println!("{line}");
            }
        }
        Err(error) => println!("{}: {error}", directory.display()),
    }
    ExitCode::FAILURE
}
