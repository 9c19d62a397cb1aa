//! Many seeds, on all cores. What is printed on stdout does not depend on their number, but for rates.

use std::{
    collections::BTreeMap,
    io::IsTerminal,
    ops::Range,
    process::ExitCode,
    sync::{
        atomic::{AtomicU64, Ordering},
        mpsc::{Receiver, RecvTimeoutError, SyncSender, sync_channel},
    },
    time::{Duration, Instant},
};

use clap::Args;
use evenkeel_sim::{
    mutant::Mutant,
    run,
    shape::Size,
    world::{FAULTS, Outcome},
};

use crate::{jobs, mutant, range, size};

/// Time between two lines of progress, on a terminal and elsewhere.
const PROGRESS: Duration = Duration::from_millis(500);
const PROGRESS_IN_FILES: Duration = Duration::from_secs(10);

/// Which seeds, and how.
#[derive(Args)]
pub(crate) struct Run {
    /// How large the runs are.
    #[arg(long, value_parser = size, default_value = "lite")]
    shape: Size,
    /// Which, as `first..end`.
    #[arg(long, value_parser = range, default_value = "1..1000", conflicts_with = "time")]
    seeds: Range<u64>,
    /// As many as can be done in that time, like `10m`.
    #[arg(long = "for", value_parser = humantime::parse_duration)]
    time: Option<Duration>,
    /// First seed of `--for`.
    #[arg(long, requires = "time", default_value_t = 1)]
    from: u64,
    /// Threads; as many as there are cores if not given.
    #[arg(long)]
    jobs: Option<usize>,
    /// With this planted bug.
    #[arg(long, value_parser = mutant)]
    mutant: Option<Mutant>,
    /// Print each seed's hash, to compare two builds.
    #[arg(long)]
    hashes: bool,
    /// Go on after a violation.
    #[arg(long)]
    keep_going: bool,
    /// Shrink a run that breaks a promise for so many seconds at most; 0: explain it as it is.
    #[arg(long, default_value_t = 60)]
    explain: u64,
}

/// What all runs came to so far.
#[derive(Default)]
struct Sum {
    seeds: u64,
    events: u64,
    micros: u64,
    marks: BTreeMap<&'static str, u64>,
    violations: BTreeMap<&'static str, u64>,
    /// The lowest seed that broke a promise.
    first: Option<u64>,
}

impl Run {
    pub(crate) fn run(&self) -> ExitCode {
        let began = Instant::now();
        let seeds = if self.time.is_some() { self.from..u64::MAX } else { self.seeds.clone() };
        let next = AtomicU64::new(seeds.start);
        let end = AtomicU64::new(seeds.end);
        let (send, receive) = sync_channel(64);
        let sum = std::thread::scope(|scope| {
            for _ in 0..jobs(self.jobs) {
                let send = send.clone();
                scope.spawn(|| self.work(began, &next, &end, send));
            }
            drop(send);
            self.gather(began, seeds.start, &end, &receive)
        });
        sum.print(began.elapsed());
        if !self.keep_going
            && let Some(seed) = sum.first
        {
            crate::seed::explain(seed, self.shape, self.mutant, self.explain);
        }
        if sum.violations.is_empty() { ExitCode::SUCCESS } else { ExitCode::FAILURE }
    }

    fn work(&self, began: Instant, next: &AtomicU64, end: &AtomicU64, send: SyncSender<(u64, Outcome)>) {
        while self.time.is_none_or(|time| began.elapsed() < time) {
            let seed = next.fetch_add(1, Ordering::Relaxed);
            if seed >= end.load(Ordering::Relaxed) {
                break;
            }
            let outcome = run::shaped(seed, self.shape.shape(seed), self.mutant, false);
            if outcome.violation.is_some() && !self.keep_going {
                // Seeds below are still run: the lowest that breaks a promise is the one to be told.
                end.fetch_min(seed + 1, Ordering::Relaxed);
            }
            if send.send((seed, outcome)).is_err() {
                break;
            }
        }
    }

    /// Takes the outcomes in the order of their seeds, whoever is done first.
    fn gather(&self, began: Instant, first: u64, end: &AtomicU64, receive: &Receiver<(u64, Outcome)>) -> Sum {
        let terminal = std::io::stderr().is_terminal();
        let pause = if terminal { PROGRESS } else { PROGRESS_IN_FILES };
        let (mut sum, mut waiting, mut next) = (Sum::default(), BTreeMap::new(), first);
        let mut due = Instant::now() + pause;
        loop {
            match receive.recv_timeout(due.saturating_duration_since(Instant::now())) {
                Ok((seed, outcome)) => {
                    waiting.insert(seed, outcome);
                }
                Err(RecvTimeoutError::Timeout) => {
                    sum.progress(began.elapsed(), terminal);
                    due = Instant::now() + pause;
                }
                Err(RecvTimeoutError::Disconnected) => break,
            }
            while next < end.load(Ordering::Relaxed)
                && let Some(outcome) = waiting.remove(&next)
            {
                if self.hashes {
                    println!("seed {next}: {} events, hash {}", outcome.events, outcome.digest);
                }
                sum.add(next, outcome);
                next += 1;
            }
        }
        if terminal {
            eprint!("\r\x1b[K");
        }
        sum
    }
}

/// The one place where a run that breaks a promise is told of.
fn report(seed: u64, outcome: &Outcome) {
    if let Some(violation) = &outcome.violation {
        println!("seed {seed}: {violation}");
    }
}

impl Sum {
    fn add(&mut self, seed: u64, outcome: Outcome) {
        report(seed, &outcome);
        self.seeds += 1;
        self.events += outcome.events;
        self.micros += outcome.micros;
        for (name, count) in outcome.marks {
            *self.marks.entry(name).or_default() += count;
        }
        if let Some(violation) = outcome.violation {
            *self.violations.entry(violation.name).or_default() += 1;
            self.first.get_or_insert(seed);
        }
    }

    fn faults(&self) -> u64 {
        FAULTS.iter().filter_map(|name| self.marks.get(name)).sum()
    }

    fn rates(&self, took: Duration) -> String {
        let seconds = took.as_secs_f64();
        #[expect(clippy::cast_precision_loss, reason = "rates for people")]
        let (seeds, events, speed) =
            (self.seeds as f64 / seconds, self.events as f64 / seconds, self.micros as f64 / 1e6 / seconds);
        format!(
            "{} seeds, {seeds:.1} a second; {} events, {events:.0} a second; simulated time at {speed:.0}x; {} faults, {} marks",
            self.seeds,
            self.events,
            self.faults(),
            self.marks.len()
        )
    }

    fn progress(&self, took: Duration, terminal: bool) {
        let rates = self.rates(took);
        if terminal { eprint!("\r\x1b[K{rates}") } else { eprintln!("{rates}") }
    }

    fn print(&self, took: Duration) {
        for (name, count) in &self.marks {
            println!("{count:>10}  {name}");
        }
        println!("{}", self.rates(took));
        for (name, count) in &self.violations {
            println!("{count:>10}  VIOLATIONS {name}");
        }
    }
}
