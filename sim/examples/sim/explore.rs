//! Rare worlds, reached on purpose.

use std::{
    fs,
    path::PathBuf,
    process::{Command, ExitCode, Stdio},
    time::Duration,
};

use clap::Args;
use evenkeel_sim::{explore, mutant::CORE_HAS_BUGS, shape::Size};

use crate::{jobs, size};

/// First seeds of two processes lie this far from each other.
const STRIDE: u64 = 1_000_000_000;

/// How long, and how.
#[derive(Args)]
pub(crate) struct Explore {
    /// For this long in each process, like `10m`, in CPU time.
    #[arg(long = "for", value_parser = humantime::parse_duration, default_value = "1m")]
    time: Duration,
    /// How large the runs are.
    #[arg(long, value_parser = size, default_value = "lite")]
    shape: Size,
    /// First seed.
    #[arg(long, default_value_t = 1)]
    from: u64,
    /// Seeds one after the other, no forks: what steering is measured against.
    #[arg(long)]
    unsteered: bool,
    /// Writes each pair of marks and the path of its first world to this file, rarest first.
    #[arg(long)]
    corpus: Option<PathBuf>,
    /// Processes; one for each core if not given.
    #[arg(long)]
    jobs: Option<usize>,
    /// What a child does: explore alone.
    #[arg(long, hide = true)]
    child: bool,
}

impl Explore {
    pub(crate) fn run(&self) -> ExitCode {
        if !CORE_HAS_BUGS {
            println!(
                "the core was built without its marks: `cargo sim` sets --cfg evenkeel_sim, RUSTFLAGS undo that"
            );
            return ExitCode::FAILURE;
        }
        if self.child {
            return self.be_child();
        }
        self.lead().unwrap_or_else(|error| {
            eprintln!("explore: {error}");
            ExitCode::from(2)
        })
    }

    fn be_child(&self) -> ExitCode {
        std::panic::set_hook(Box::new(|_| {}));
        let found = explore::explore(self.shape, self.from, self.time, !self.unsteered);
        for (path, violation) in &found.broken {
            println!("broken\t{path}\t{}", violation.to_string().replace('\n', " "));
        }
        for line in found.corpus() {
            println!("pair\t{line}");
        }
        println!("runs\t{}\t{}", found.runs, found.events);
        ExitCode::SUCCESS
    }

    fn lead(&self) -> Result<ExitCode, String> {
        let program = std::env::current_exe().map_err(|error| format!("this program: {error}"))?;
        let jobs = jobs(self.jobs) as u64;
        let mut children = Vec::new();
        for job in 0..jobs {
            let mut command = Command::new(&program);
            command.args(["explore", "--child", "--shape", self.shape.name(), "--from"]);
            command.arg((self.from + job * STRIDE).to_string());
            command.args(["--for", &format!("{}ms", self.time.as_millis())]);
            if self.unsteered {
                command.arg("--unsteered");
            }
            let child = command.stdout(Stdio::piped()).spawn().map_err(|error| format!("{error}"))?;
            children.push(child);
        }
        let mut pairs = std::collections::BTreeMap::<String, (u64, String)>::new();
        let (mut runs, mut events, mut broken) = (0, 0, 0);
        for child in children {
            let output = child.wait_with_output().map_err(|error| format!("{error}"))?;
            if !output.status.success() {
                return Err(format!("a process ended with {}", output.status));
            }
            for line in String::from_utf8_lossy(&output.stdout).lines() {
                let parts: Vec<&str> = line.split('\t').collect();
                let number = |text: &str| text.parse::<u64>().map_err(|error| format!("{line:?}: {error}"));
                match parts[..] {
                    ["pair", name, count, path] => {
                        let pair = pairs.entry(name.to_owned()).or_insert_with(|| (0, path.to_owned()));
                        pair.0 += number(count)?;
                    }
                    ["runs", count, of_them] => {
                        runs += number(count)?;
                        events += number(of_them)?;
                    }
                    ["broken", path, words] => {
                        broken += 1;
                        println!("{path}: {words}");
                    }
                    _ => return Err(format!("a process said {line:?}")),
                }
            }
        }
        if let Some(path) = &self.corpus {
            let mut lines: Vec<_> = pairs.iter().map(|(pair, (count, path))| (count, pair, path)).collect();
            lines.sort_unstable();
            let text: String =
                lines.iter().map(|(count, pair, path)| format!("{pair}\t{count}\t{path}\n")).collect();
            fs::write(path, text).map_err(|error| format!("{}: {error}", path.display()))?;
        }
        #[expect(clippy::cast_precision_loss, reason = "rates for people")]
        let hours = self.time.as_secs_f64() * jobs as f64 / 3600.0;
        println!(
            "{runs} runs, {events} events; {} pairs of marks in {hours:.3} CPU hours{}",
            pairs.len(),
            if self.unsteered { ", unsteered" } else { "" }
        );
        Ok(if broken == 0 { ExitCode::SUCCESS } else { ExitCode::FAILURE })
    }
}
