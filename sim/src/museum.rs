//! Bugs that were. Each item is the smallest run that one of them broke, and names the planted bug that brings it back.
//!
//! Every change runs them twice: as the code is, the promise must hold; with the bug, the same promise must be broken, or
//! the item shows nothing. A run is as good as its choices: when clients or faults draw differently, an old one leads
//! elsewhere, and [`renew`] looks for another.

use std::{fs, io, path::Path};

use crate::{
    mutant::{CORE_HAS_BUGS, Mutant, PlantedBug},
    repro::Repro,
    run,
    script::{Script, Watch},
    shape::Size,
    shrink::{self, Limits},
    violation::Violation,
};

/// Where the items are.
pub const DIRECTORY: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/museum");

/// An item.
#[derive(Clone, Debug)]
pub struct Item {
    /// Its name: that of its file, and of the bug.
    pub name: String,
    /// The run, with the bug.
    pub repro: Repro,
}

/// What became of an item.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Condition {
    /// The promise holds, and does not if the bug is there.
    Sound,
    /// A promise is broken, this one or another.
    Broken(Violation),
    /// With the bug in place, this comes out instead of what it broke.
    Stale(Option<Violation>),
}

/// All items of a folder, by name.
///
/// # Errors
/// The folder or a file cannot be read, or a file is no repro.
pub fn items(directory: &Path) -> io::Result<Vec<Item>> {
    let mut items = Vec::new();
    for entry in fs::read_dir(directory)? {
        let path = entry?.path();
        if path.extension().is_none_or(|extension| extension != "toml") {
            continue;
        }
        let name = path.file_stem().unwrap_or_default().to_string_lossy().into_owned();
        let repro = Repro::parse(&fs::read_to_string(&path)?)
            .map_err(|error| io::Error::other(format!("{}: {error}", path.display())))?;
        items.push(Item { name, repro });
    }
    items.sort_by(|one, other| one.name.cmp(&other.name));
    Ok(items)
}

impl Item {
    /// Runs it. With the bug only where that can be planted: in the core, it takes a build with `--cfg evenkeel_sim`.
    #[must_use]
    pub fn look(&self) -> Condition {
        let outcome = |mutant| {
            let script = Script { mutant, ..self.repro.script.clone() };
            run::script(&script, Watch::default()).violation
        };
        if let Some(violation) = outcome(None) {
            return Condition::Broken(violation);
        }
        let bug = self.repro.script.mutant;
        if matches!(bug, Some(Mutant::Core(_))) && !CORE_HAS_BUGS {
            return Condition::Sound;
        }
        let broken = outcome(bug);
        let same = broken.as_ref().is_some_and(|broken| Some(broken.name) == self.repro.violation.as_deref());
        if same { Condition::Sound } else { Condition::Stale(broken) }
    }
}

/// Looks for a run that a bug breaks, for the oracle that is there for it, and makes it small. Gives the item and the seeds
/// that it took; `None` if there is none within its seeds.
#[must_use]
pub fn renew(bug: &PlantedBug, limits: Limits) -> Option<(Item, u64)> {
    let script = |seed| Script::of(seed, Size::Lite, Some(bug.mutant));
    let seed = bug.first_kill(1..bug.seeds_max? + 1)?;
    let small = shrink::shrink(&script(seed), limits)?.script;
    // Where the small one ends with the bug, it goes on without it, and its few choices may lead nowhere: then the seed's own.
    let without = run::script(&Script { mutant: None, ..small.clone() }, Watch::default()).violation;
    let script = if without.is_none() { small } else { script(seed) };
    let outcome = run::script(&script, Watch::default());
    let repro = Repro {
        found_by: Some(seed),
        story: Some(bug.does.to_string()),
        hash: None,
        ..Repro::of(script, &outcome, None)
    };
    Some((Item { name: bug.name.to_string(), repro }, seed))
}
