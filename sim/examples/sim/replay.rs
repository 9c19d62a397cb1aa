//! A run out of a file.

use std::{fs, path::Path, process::ExitCode};

use evenkeel_sim::{repro::Repro, run, script::Watch};

pub(crate) fn replay(path: &Path, story: bool) -> ExitCode {
    let file = if path.is_dir() { path.join("repro.toml") } else { path.to_path_buf() };
    let text = fs::read_to_string(&file).map_err(|error| error.to_string());
    let repro = match text.and_then(|text| Repro::parse(&text)) {
        Ok(repro) => repro,
        Err(error) => {
            println!("{}: {error}", file.display());
            return ExitCode::from(2);
        }
    };
    let outcome = run::script(&repro.script, Watch { scenes: story, ..Watch::default() });
    for line in outcome.lines() {
        println!("{line}");
    }
    let found = outcome.violation.as_ref().map(|violation| violation.name.to_string());
    println!("{} events, hash {}", outcome.events, outcome.digest);
    println!(
        "{}",
        match (found == repro.violation, repro.hash.as_ref() == Some(&outcome.digest)) {
            (true, true) => "the same run, event for event",
            (true, false) => "the same end, but not the same events: it was made with another revision",
            (false, _) => "another end than it had",
        }
    );
    match outcome.violation {
        Some(violation) => {
            println!("VIOLATION {violation}");
            ExitCode::FAILURE
        }
        None => ExitCode::SUCCESS,
    }
}
