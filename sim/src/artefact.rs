//! What is left of a failure for people and tools: a folder with the run, its trace, its story, a page, and the disk.

use std::{
    fs, io,
    path::{Path, PathBuf},
    process::Command,
};

use evenkeel_core::port::Disk;

use crate::{
    disk::SimDisk,
    lifeline,
    mutant::Mutant,
    report,
    repro::Repro,
    run,
    script::{Script, Watch},
    shape::Size,
    shrink::{self, Limits, Shrunk},
    timeline,
    violation::Violation,
};

/// A failure, explained.
#[derive(Clone, Debug)]
pub struct Explained {
    /// What was broken, in the small run.
    pub violation: Violation,
    /// The story in three sentences.
    pub story: [String; 3],
    /// Where everything is.
    pub directory: PathBuf,
    /// How it was made small.
    pub shrunk: Shrunk,
}

impl Explained {
    /// What to say about it, line by line.
    #[must_use]
    pub fn lines(&self) -> Vec<String> {
        let Shrunk { before, after, runs, took, .. } = &self.shrunk;
        let mut lines = vec![format!("{}: {}", self.violation.name, self.violation.promise())];
        lines.extend(self.story.iter().map(|sentence| format!("  {sentence}")));
        lines.push(format!("{after}; shrunk from {before} in {runs} runs, {:.1} s", took.as_secs_f64()));
        lines.push(format!("see {}", self.directory.join("timeline.html").display()));
        lines.push(format!("again: cargo sim replay {}", self.directory.display()));
        lines
    }
}

/// The folder for a seed under the target folder.
#[must_use]
pub fn directory(seed: u64, size: Size, mutant: Option<Mutant>) -> PathBuf {
    let target = std::env::var_os("CARGO_TARGET_DIR").map_or_else(|| PathBuf::from("target"), PathBuf::from);
    let mut name = match size {
        Size::Lite => seed.to_string(),
        Size::Standard => format!("{}-{seed}", size.name()),
    };
    if let Some(mutant) = mutant {
        name = format!("{name}-{}", mutant.name());
    }
    target.join("sim").join(name)
}

/// Runs a seed again, shrinks it, and writes the folder. `None` if it breaks no promise.
///
/// # Errors
/// The folder cannot be written.
pub fn explain(
    seed: u64,
    size: Size,
    mutant: Option<Mutant>,
    limits: Limits,
    directory: &Path,
) -> io::Result<Option<Explained>> {
    let Some(shrunk) = shrink::shrink(&Script::of(seed, size, mutant), limits) else { return Ok(None) };
    explain_script(seed, shrunk, directory).map(Some)
}

fn explain_script(seed: u64, shrunk: Shrunk, directory: &Path) -> io::Result<Explained> {
    let script = &shrunk.script;
    let outcome = run::script(script, Watch { scenes: true, ..Watch::default() });
    let violation = outcome.violation.clone().unwrap_or_else(|| shrunk.violation.clone());
    let commit = commit();
    let repro = Repro { found_by: Some(seed), ..Repro::of(script.clone(), &outcome, commit.clone()) };
    let lives = lifeline::lives(&outcome.scenes);
    let telling = report::tell(&outcome.scenes, &lives, &violation);
    let front = front(seed, &shrunk, commit, &outcome.digest, directory);

    if directory.exists() {
        fs::remove_dir_all(directory)?;
    }
    fs::create_dir_all(directory)?;
    let write = |name: &str, text: &str| fs::write(directory.join(name), text);
    write("repro.toml", &repro.to_text())?;
    write("trace.jsonl", &outcome.scenes.iter().map(|scene| scene.json() + "\n").collect::<String>())?;
    write("report.md", &report::markdown(&outcome.scenes, &lives, &violation, &telling, &front))?;
    write("timeline.html", &timeline::page(&outcome.scenes, &lives, &violation, &telling, &front))?;
    if let Some(disk) = &outcome.disk {
        write_disk(disk, &directory.join("disk"))?;
    }
    if let Some(disk) = &outcome.checked_disk {
        write_disk(disk, &directory.join("disk-checked"))?;
    }
    let story = telling.sentences().map(String::from);
    Ok(Explained { violation, story, directory: directory.to_path_buf(), shrunk })
}

fn front(
    seed: u64,
    shrunk: &Shrunk,
    commit: Option<String>,
    hash: &str,
    directory: &Path,
) -> Vec<(&'static str, String)> {
    let Shrunk { script, before, after, .. } = shrunk;
    let mut front = vec![("seed", seed.to_string())];
    front.extend(script.mutant.map(|mutant| ("planted bug", mutant.name().to_string())));
    front.push(("this run", after.to_string()));
    front.extend(commit.map(|commit| ("commit", commit)));
    front.push(("shrunk from", before.to_string()));
    front.push(("hash", hash.to_string()));
    front.push(("again", format!("cargo sim replay {}", directory.display())));
    front.push(("the disk as the process saw it at the end", String::from("disk/")));
    front.push((
        "the disk on which the oracle found it, if it was another one",
        String::from("disk-checked/"),
    ));
    front
}

/// The revision, if this is run where it can be found out.
fn commit() -> Option<String> {
    let output = Command::new("git").args(["rev-parse", "HEAD"]).output().ok()?;
    let text = String::from_utf8(output.stdout).ok()?;
    (output.status.success() && !text.trim().is_empty()).then(|| text.trim().to_string())
}

/// The files of a simulated disk, as the process sees them: a broker can be started on them.
fn write_disk(disk: &SimDisk, directory: &Path) -> io::Result<()> {
    fs::create_dir_all(directory)?;
    for entry in disk.list().unwrap_or_default() {
        let mut bytes = vec![0; usize::try_from(entry.len).map_err(io::Error::other)?];
        disk.read_at(entry.file, 0, &mut bytes).map_err(|error| io::Error::other(error.to_string()))?;
        fs::write(directory.join(entry.file.to_string()), bytes)?;
    }
    Ok(())
}
