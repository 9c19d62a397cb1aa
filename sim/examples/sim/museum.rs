//! The museum: bugs that were, run again.

use std::{fs, path::Path, process::ExitCode, time::Duration};

use evenkeel_sim::{
    museum::{self, Condition},
    mutant::PlantedBug,
    repro::Repro,
    shrink::Limits,
};

pub(crate) fn visit() -> ExitCode {
    let items = match museum::items(Path::new(museum::DIRECTORY)) {
        Ok(items) => items,
        Err(error) => {
            println!("{error}");
            return ExitCode::from(2);
        }
    };
    let mut sound = 0;
    for item in &items {
        let condition = match crate::quietly(|| item.look()) {
            Condition::Sound => {
                sound += 1;
                String::from("sound")
            }
            Condition::Broken(violation) => format!("BROKEN: {violation}"),
            Condition::Stale(None) => String::from("STALE: with the bug in place, nothing is broken"),
            Condition::Stale(Some(other)) => {
                format!("STALE: with the bug in place, another promise is broken: {other}")
            }
        };
        println!("{:<28} {condition}", item.name);
        println!("{:<28} {}", "", item.repro.story.as_deref().unwrap_or("nobody wrote down what it was"));
    }
    println!("{sound} of {} sound", items.len());
    if sound == items.len() && sound > 0 { ExitCode::SUCCESS } else { ExitCode::FAILURE }
}

/// Makes items anew, or for the first time.
pub(crate) fn renew(bugs: &[&PlantedBug], seconds: u64) -> ExitCode {
    let mut failed = false;
    for bug in bugs {
        let name = bug.name;
        let limits = Limits { time: Duration::from_secs(seconds), ..Limits::default() };
        let Some((item, seed)) = crate::quietly(|| museum::renew(bug, limits)) else {
            println!("{name}: nothing is broken within {} seeds", bug.seeds_max.unwrap_or(0));
            failed = true;
            continue;
        };
        let path = Path::new(museum::DIRECTORY).join(format!("{name}.toml"));
        let kept = fs::read_to_string(&path).ok().and_then(|text| Repro::parse(&text).ok());
        let mut repro = item.repro;
        repro.story = kept.and_then(|kept| kept.story).or(repro.story);
        match fs::write(&path, repro.to_text()) {
            Ok(()) => println!("{name}: {} of seed {seed}", repro.violation.unwrap_or_default()),
            Err(error) => {
                println!("{}: {error}", path.display());
                return ExitCode::from(2);
            }
        }
    }
    if failed { ExitCode::FAILURE } else { ExitCode::SUCCESS }
}
