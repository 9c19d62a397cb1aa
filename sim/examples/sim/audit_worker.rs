//! The other end of `cargo sim audit`: this program, built on the instrumented core, runs what it is asked on its input.
//! In every other build there is nothing to switch, and it says so.

#[cfg(not(evenkeel_audit))]
pub(crate) fn serve() -> std::process::ExitCode {
    eprintln!(
        "this program was built on the core as it is: `cargo sim audit` builds another one and asks it"
    );
    std::process::ExitCode::from(2)
}

#[cfg(evenkeel_audit)]
pub(crate) use serving::serve;

#[cfg(evenkeel_audit)]
mod serving {
    use std::{
        io::{BufRead, Write},
        process::ExitCode,
        time::Instant,
    };

    use evenkeel_core::audit;
    use evenkeel_sim::{
        crashpoints::{BASES, Space, explore},
        mutant::plant,
        run,
        shape::Size,
        violation::{Violation, broken},
    };

    /// Reads requests until there are no more: `reach LAYER SEED...`, `try NUMBER LAYER SEED...`.
    pub(crate) fn serve() -> ExitCode {
        std::panic::set_hook(Box::new(|_| {}));
        for line in std::io::stdin().lock().lines() {
            let Ok(line) = line else { break };
            let words: Vec<&str> = line.split(' ').collect();
            let numbers = |from: usize| words[from..].iter().filter_map(|word| word.parse::<u64>().ok());
            let done = match words[..] {
                ["reach", layer, ..] => {
                    numbers(2).try_for_each(|seed| reach(layer, seed)).map(|()| "done".to_owned())
                }
                ["try", number, layer, ..] => {
                    audit::set(number.parse().unwrap_or(audit::NONE));
                    try_all(layer, numbers(3))
                }
                _ => Err(format!("not understood: {line}")),
            };
            say(&done.unwrap_or_else(|error| error));
        }
        ExitCode::SUCCESS
    }

    fn say(line: &str) {
        let mut out = std::io::stdout().lock();
        if writeln!(out, "{line}").and_then(|()| out.flush()).is_err() {
            // Nobody listens any more.
            std::process::exit(0);
        }
    }

    fn reach(layer: &str, seed: u64) -> Result<(), String> {
        audit::set(audit::REACH);
        audit::take_reached();
        let began = Instant::now();
        let violation = run_one(layer, seed)?;
        if let Some(violation) = violation {
            say(&format!("violation {seed} {}", violation.name));
            return Ok(());
        }
        let words: Vec<String> = audit::take_reached().iter().map(|word| format!("{word:x}")).collect();
        say(&format!("reached {seed} {} {}", began.elapsed().as_millis(), words.join(",")));
        Ok(())
    }

    fn try_all(layer: &str, seeds: impl Iterator<Item = u64>) -> Result<String, String> {
        for seed in seeds {
            say(&format!("at {seed}"));
            if let Some(violation) = run_one(layer, seed)? {
                return Ok(format!("killed {}", violation.name));
            }
        }
        Ok("survived".to_owned())
    }

    /// One run of a layer. For crash points the seed is the base that sequences begin with.
    fn run_one(layer: &str, seed: u64) -> Result<Option<Violation>, String> {
        if layer == "points" {
            plant(None);
            let base = usize::try_from(seed).ok().and_then(|at| BASES.get(at)).ok_or("no such base")?;
            let space = Space { operations: 1, bases: vec![*base], mutant: None, jobs: 1 };
            let report = std::panic::catch_unwind(|| explore(&space));
            return Ok(match report {
                Ok(report) => report.found.map(|found| found.violation),
                Err(_) => broken::<()>("panic", "in the crash points").err(),
            });
        }
        let size = Size::named(layer).ok_or_else(|| format!("no layer {layer}"))?;
        Ok(run::shaped(seed, size.shape(seed), None, false).violation)
    }
}
