//! Many seeds.

use std::{collections::BTreeMap, ops::Range, process::ExitCode, time::Instant};

use evenkeel_sim::{mutant::Mutant, run};

pub(crate) fn run(seeds: Range<u64>, mutant: Option<Mutant>, keep_going: bool) -> ExitCode {
    let began = Instant::now();
    let mut marks: BTreeMap<&'static str, u64> = BTreeMap::new();
    let mut names: BTreeMap<&'static str, u64> = BTreeMap::new();
    let (mut events, mut done) = (0, 0_u64);
    for seed in seeds {
        let outcome = run::seed(seed, mutant, false);
        done += 1;
        events += outcome.events;
        for (name, count) in outcome.marks {
            *marks.entry(name).or_default() += count;
        }
        if let Some(violation) = outcome.violation {
            println!("seed {seed}: {violation}");
            *names.entry(violation.name).or_default() += 1;
            if !keep_going {
                return ExitCode::FAILURE;
            }
        }
    }
    let seconds = began.elapsed().as_secs_f64();
    for (name, count) in &marks {
        println!("{count:>10}  {name}");
    }
    #[expect(clippy::cast_precision_loss, reason = "a rate for people")]
    let (seeds_per_second, events_per_second) = (done as f64 / seconds, events as f64 / seconds);
    println!(
        "{done} seeds, {seeds_per_second:.1} a second; {events} events, {events_per_second:.0} a second"
    );
    for (name, count) in &names {
        println!("{count:>10}  VIOLATIONS {name}");
    }
    if names.is_empty() { ExitCode::SUCCESS } else { ExitCode::FAILURE }
}
