//! Mutants that a program makes, and what finds them.

use std::{
    fs::File,
    io::Write,
    ops::Range,
    path::{Path, PathBuf},
    process::ExitCode,
    sync::Mutex,
    time::{Duration, Instant},
};

use clap::Args;
use evenkeel_audit::{
    copy::{CORE, Copy, RUNTIME, Subject},
    equivalent::Equivalents,
    hunt::{Layers, Worlds, hunt},
    site::Site,
    suite::Suite,
    table::{self, Row, Score},
};

use crate::{jobs, range};

/// Mutants that change nothing, with the reasons.
const EQUIVALENTS: &str = "sim/audit/equivalent.tsv";
/// Where the copy is made and results are written.
const FOLDER: &str = "target/audit";
/// Bases of sequences in the crash points.
const BASES: u64 = 5;

/// What is audited, and by what.
#[derive(Args)]
pub(crate) struct Audit {
    /// Which crate: `core`, or `runtime`, which no world judges, only tests.
    #[arg(long, value_parser = subject, default_value = "core")]
    of: Subject,
    /// Mutants, drawn by `--seed`; all if not given.
    #[arg(long)]
    sample: Option<usize>,
    /// Draws the sample: the revision, say.
    #[arg(long, default_value_t = 0)]
    seed: u64,
    /// Share of one machine, as `K/N`: mutants whose lot is K modulo N.
    #[arg(long, value_parser = share, default_value = "0/1")]
    shard: (u64, u64),
    /// Only mutants whose key contains this.
    #[arg(long)]
    only: Option<String>,
    /// Only mutants whose keys stand in this file, one a line.
    #[arg(long)]
    keys: Option<PathBuf>,
    /// Lite worlds, as `first..end`.
    #[arg(long, value_parser = range, default_value = "1..401")]
    lite: Range<u64>,
    /// Standard worlds, as `first..end`.
    #[arg(long, value_parser = range, default_value = "1..5")]
    standard: Range<u64>,
    /// Worlds of each kind that reach a mutant and are tried with it.
    #[arg(long, default_value_t = 60)]
    tries: usize,
    /// Crash points of single operations, too: half a minute for each mutant that survives them.
    #[arg(long)]
    points: bool,
    /// No unit tests.
    #[arg(long)]
    no_tests: bool,
    /// Judges the mutants that are listed as equivalent, too: one that is killed makes the list wrong.
    #[arg(long)]
    doubt: bool,
    /// Time after which no further mutant is begun, like `6m`.
    #[arg(long, value_parser = humantime::parse_duration)]
    minutes: Option<Duration>,
    /// Fails if less than this percentage of what is reached is killed.
    #[arg(long, default_value_t = 0.0)]
    least: f64,
    /// Processes; one for each core if not given.
    #[arg(long)]
    jobs: Option<usize>,
    /// Puts the results of several machines together instead: prints the table.
    #[arg(long, num_args = 1.., conflicts_with_all = ["sample", "only", "keys"])]
    join: Vec<PathBuf>,
    /// Only lists the mutants.
    #[arg(long)]
    list: bool,
}

fn subject(text: &str) -> Result<Subject, String> {
    [CORE, RUNTIME]
        .into_iter()
        .find(|subject| subject.folder == text)
        .ok_or_else(|| String::from("core or runtime"))
}

fn share(text: &str) -> Result<(u64, u64), String> {
    let (which, of) = text.split_once('/').ok_or("a share is K/N")?;
    let number = |text: &str| text.parse::<u64>().map_err(|error| format!("{text:?}: {error}"));
    match (number(which)?, number(of)?) {
        (which, of) if which < of => Ok((which, of)),
        _ => Err(String::from("K is below N")),
    }
}

impl Audit {
    pub(crate) fn run(&self) -> ExitCode {
        let done = if self.join.is_empty() { self.audit() } else { self.join() };
        done.unwrap_or_else(|error| {
            eprintln!("audit: {error}");
            ExitCode::from(2)
        })
    }

    fn join(&self) -> Result<ExitCode, String> {
        let mut rows = Vec::new();
        for path in &self.join {
            rows.extend(table::read(path)?);
        }
        rows.sort_by(|one, other| one.key.cmp(&other.key));
        rows.dedup_by(|one, other| one.key == other.key);
        println!("{}", table::table(&rows));
        println!(
            "Survived:\n{}\nNot reached:\n{}",
            table::list(&rows, "survived"),
            table::list(&rows, "not-reached")
        );
        Ok(ExitCode::SUCCESS)
    }

    fn audit(&self) -> Result<ExitCode, String> {
        let began = Instant::now();
        let here = std::env::current_dir().map_err(|error| format!("the current folder: {error}"))?;
        let folder = here.join(FOLDER);
        let copy = Copy::make(&here, &folder, self.of)?;
        let equivalents = Equivalents::read(&here.join(EQUIVALENTS))?;
        for key in equivalents.stale(&copy.sites) {
            println!("{EQUIVALENTS}: no mutant is called {key}");
        }
        let chosen = self.choose(&copy.sites)?;
        if self.list {
            for site in &chosen {
                println!("{}", site.key());
            }
            return Ok(ExitCode::SUCCESS);
        }
        let jobs = jobs(self.jobs);
        let worlds = self.of.folder == CORE.folder;
        let binary = match worlds {
            true => copy.build(&["-p", "evenkeel-sim", "--example", "sim"], "examples/sim")?,
            false => PathBuf::new(),
        };
        eprintln!("built after {} s", began.elapsed().as_secs());
        let layers = self.layers(&copy, worlds.then_some(binary.as_path()), jobs)?;
        eprintln!("what is reached is known after {} s", began.elapsed().as_secs());
        let results =
            folder.join(format!("results-{}-{}-{}.tsv", self.of.folder, self.shard.0, self.shard.1));
        let failed = |error: std::io::Error| format!("{}: {error}", results.display());
        let file = Mutex::new(File::create(&results).map_err(failed)?);
        let rows = Mutex::new(Vec::new());
        let note = |row: Row| {
            if let (Ok(mut file), Ok(mut rows)) = (file.lock(), rows.lock()) {
                // The table is printed from memory as well.
                let _ = writeln!(file, "{}", row.line());
                rows.push(row);
            }
        };
        let mut asked = Vec::new();
        for site in &chosen {
            match equivalents.reason(site) {
                Some(_) if !self.doubt => note(Row::equivalent(site)),
                _ => asked.push(*site),
            }
        }
        let deadline = self.minutes.map(|minutes| began + minutes);
        hunt(&binary, &layers, &asked, jobs, deadline, &|site, verdict| note(Row::of(site, verdict)))?;
        let rows = rows.into_inner().map_err(|_| "a thread panicked")?;
        Ok(self.tell(&chosen, &rows, &equivalents, began.elapsed()))
    }

    fn choose<'a>(&self, sites: &'a [Site]) -> Result<Vec<&'a Site>, String> {
        let keys = match &self.keys {
            Some(path) => {
                Some(std::fs::read_to_string(path).map_err(|error| format!("{}: {error}", path.display()))?)
            }
            None => None,
        };
        let keys: Option<std::collections::BTreeSet<&str>> = keys.as_ref().map(|text| text.lines().collect());
        let mut chosen: Vec<&Site> = sites
            .iter()
            .filter(|site| site.lot(0) % self.shard.1 == self.shard.0)
            .filter(|site| self.only.as_ref().is_none_or(|part| site.key().contains(part.as_str())))
            .filter(|site| keys.as_ref().is_none_or(|keys| keys.contains(site.key().as_str())))
            .collect();
        chosen.sort_by_key(|site| site.lot(self.seed));
        if let Some(sample) = self.sample {
            chosen.truncate(sample);
        }
        Ok(chosen)
    }

    /// `binary`: the simulator on the copy, where worlds judge.
    fn layers(&self, copy: &Copy, binary: Option<&Path>, jobs: usize) -> Result<Layers, String> {
        let mut layers = Layers::default();
        let points = if self.points { 0..BASES } else { 0..0 };
        let all = [("lite", self.lite.clone()), ("standard", self.standard.clone()), ("points", points)];
        for (name, seeds) in all.into_iter().filter(|(_, seeds)| !seeds.is_empty()) {
            if let Some(binary) = binary {
                let seeds: Vec<u64> = seeds.collect();
                layers.worlds.push(Worlds::reach(binary, name, &seeds, self.tries, jobs)?);
            }
        }
        if !self.no_tests {
            let suite = Suite::of(copy, &copy.root.join("../reached"), jobs)?;
            eprintln!("{} tests", suite.len());
            layers.tests = Some(suite);
        }
        Ok(layers)
    }

    fn tell(&self, chosen: &[&Site], rows: &[Row], equivalents: &Equivalents, took: Duration) -> ExitCode {
        print!("{}", table::table(rows));
        println!("\nSurvived:\n{}", table::list(rows, "survived"));
        if chosen.len() > rows.len() {
            println!(
                "{} of {} mutants were not judged: the time was up",
                chosen.len() - rows.len(),
                chosen.len()
            );
        }
        let wrong: Vec<&Row> = rows
            .iter()
            .filter(|row| row.verdict == "killed")
            .filter(|row| {
                chosen.iter().any(|site| site.key() == row.key && equivalents.reason(site).is_some())
            })
            .collect();
        for row in &wrong {
            println!("listed as equivalent, and killed by {}: {}", row.by, row.key);
        }
        let (durable, all) =
            (Score::of(rows.iter().filter(|row| table::is_durable(&row.file))), Score::of(rows.iter()));
        let ((worlds, _), (_, both)) = (durable.percent(), all.percent());
        println!(
            "killed {both:.1} % of {} that were reached; by worlds alone, in files that decide durability, {worlds:.1} % of {}; {} s",
            all.reached(),
            durable.reached(),
            took.as_secs()
        );
        if both < self.least || !wrong.is_empty() { ExitCode::FAILURE } else { ExitCode::SUCCESS }
    }
}
