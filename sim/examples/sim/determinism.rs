//! The same seed in two processes.

use std::{
    ops::Range,
    process::{Command, ExitCode},
    sync::{
        Mutex,
        atomic::{AtomicU64, Ordering},
    },
};

use clap::Args;
use evenkeel_sim::{
    determinism::{Parting, compare, trail},
    shape::Size,
};

use crate::{jobs, range, size};

/// Which seeds.
#[derive(Args)]
pub(crate) struct Determinism {
    /// As `first..end`.
    #[arg(long, value_parser = range, default_value = "1..65")]
    seeds: Range<u64>,
    /// How large the runs are.
    #[arg(long, value_parser = size, default_value = "lite")]
    shape: Size,
    /// Pairs at once; as many as there are cores if not given.
    #[arg(long)]
    jobs: Option<usize>,
    /// What a child does: print the trail of the first seed.
    #[arg(long, hide = true)]
    child: bool,
    /// The trail in words.
    #[arg(long, hide = true, requires = "child")]
    words: bool,
    /// Bytes that are taken from the heap before the run.
    #[arg(long, hide = true, default_value_t = 0)]
    ballast: usize,
    /// Its stack in kibibytes.
    #[arg(long, hide = true, default_value_t = 8192)]
    stack: usize,
}

impl Determinism {
    pub(crate) fn run(&self) -> ExitCode {
        if self.child {
            return self.be_child();
        }
        let next = AtomicU64::new(self.seeds.start);
        let found: Mutex<Vec<(u64, Result<Parting, String>)>> = Mutex::default();
        std::thread::scope(|scope| {
            for _ in 0..jobs(self.jobs) {
                scope.spawn(|| {
                    loop {
                        let seed = next.fetch_add(1, Ordering::Relaxed);
                        if seed >= self.seeds.end {
                            break;
                        }
                        let parting = match self.pair(seed) {
                            Ok(None) => continue,
                            Ok(Some(parting)) => Ok(parting),
                            Err(why) => Err(why),
                        };
                        found.lock().expect("nobody panics with it").push((seed, parting));
                    }
                });
            }
        });
        let mut found = found.into_inner().expect("nobody panics with it");
        found.sort_by_key(|(seed, _)| *seed);
        for (seed, parting) in &found {
            match parting {
                Ok(parting) => println!("seed {seed} is not the same in two processes:\n{parting}"),
                Err(why) => println!("seed {seed}: {why}"),
            }
        }
        println!("{} pairs, {} differ", self.seeds.end.saturating_sub(self.seeds.start), found.len());
        if found.is_empty() { ExitCode::SUCCESS } else { ExitCode::FAILURE }
    }

    fn pair(&self, seed: u64) -> Result<Option<Parting>, String> {
        let Some(parting) = compare(&self.spawn(seed, false, false)?, &self.spawn(seed, true, false)?) else {
            return Ok(None);
        };
        // Hashes say that they differ; words say in what.
        let told = compare(&self.spawn(seed, false, true)?, &self.spawn(seed, true, true)?);
        Ok(Some(told.unwrap_or(parting)))
    }

    fn spawn(&self, seed: u64, other: bool, words: bool) -> Result<String, String> {
        let own = std::env::current_exe().map_err(|error| error.to_string())?;
        let mut command = Command::new(own);
        command.args(["determinism", "--child", "--seeds", &format!("{seed}..{}", seed + 1)]);
        command.args(["--shape", self.shape.name()]);
        if words {
            command.arg("--words");
        }
        if other {
            command.args(["--ballast", "12345677", "--stack", "16384"]).current_dir(std::env::temp_dir());
            command.env("TZ", "Asia/Kolkata").env("LANG", "tr_TR.UTF-8").env("PADDING", "x".repeat(5000));
        } else {
            command.current_dir("/").env_clear().env("TZ", "UTC").env("LANG", "C");
        }
        let output = command.output().map_err(|error| error.to_string())?;
        if !output.status.success() {
            return Err(format!("a child ended with {}", output.status));
        }
        String::from_utf8(output.stdout).map_err(|error| error.to_string())
    }

    fn be_child(&self) -> ExitCode {
        let ballast = vec![1_u8; self.ballast];
        let (seed, size, words) = (self.seeds.start, self.shape, self.words);
        let runner = std::thread::Builder::new().stack_size(self.stack << 10);
        let lines = runner.spawn(move || trail(seed, size, words)).map(std::thread::JoinHandle::join);
        drop(ballast);
        let Ok(Ok(lines)) = lines else { return ExitCode::FAILURE };
        println!("{}", lines.join("\n"));
        ExitCode::SUCCESS
    }
}
