//! Planted bugs: each must be found, by the oracle that is there for it, or the simulator is blind.
//!
//! Some are wrong in what is asked of the disk: the world changes the script on its way ([`Mutant::change`]). The others are
//! places in the core that can be told to be wrong; these exist only under `--cfg evenkeel_sim`. [`catalogue`] lists them all.

pub mod catalogue;

use evenkeel_core::{
    planted::Planted,
    port::{DiskRequest, DiskStep, FileName, Lane},
};

pub use catalogue::{CATALOGUE, PlantedBug};

/// A planted bug.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Mutant {
    /// Log writes are acknowledged and never synced.
    LogUnsynced,
    /// A write that goes over two segments syncs only the new one.
    RollUnsynced,
    /// Names are never made durable.
    DirectoryUnsynced,
    /// Answers leave when the log is written, before it is synced.
    AnsweredWhenWritten,
    /// Checkpoints get their name without a sync of their contents. (A sync behind the rename would do no harm: until it is
    /// done, recovery falls back to the checkpoint before.)
    CheckpointUnsynced,
    /// The segment that recovery writes gets its name before its contents are synced.
    RecoveryRenamedFirst,
    /// Segments are prepared without a sync of their zeros.
    PreparedUnsynced,
    /// A failed sync of the log is tried once more, and believed.
    SyncRetried,
    /// Trimmed segments go newest first.
    TrimmedNewestFirst,
    /// Somewhere in the core.
    Core(Planted),
}

/// Whether the core was built with its planted bugs and marks.
pub const CORE_HAS_BUGS: bool = cfg!(evenkeel_sim);

/// Plants a bug for everything that this process runs from now on.
///
/// # Panics
/// One in the core was asked for, and the core was built without them: nothing would be wrong, and nothing found.
pub fn plant(mutant: Option<Mutant>) {
    let in_core = match mutant {
        Some(Mutant::Core(planted)) => Some(planted),
        Some(_) | None => None,
    };
    #[cfg(evenkeel_sim)]
    evenkeel_core::planted::plant(in_core);
    #[cfg(not(evenkeel_sim))]
    assert!(in_core.is_none(), "built without --cfg evenkeel_sim, which `cargo sim` sets");
}

impl Mutant {
    /// The mutant of that name.
    #[must_use]
    pub fn named(name: &str) -> Option<Mutant> {
        PlantedBug::named(name).map(|bug| bug.mutant)
    }

    /// Its name, as in the catalogue.
    #[must_use]
    pub fn name(self) -> &'static str {
        CATALOGUE.iter().find(|bug| bug.mutant == self).map_or("unlisted", |bug| bug.name)
    }

    /// What is asked of the disk instead.
    pub fn change(self, request: &mut DiskRequest) {
        let steps = &mut request.steps;
        match self {
            Mutant::LogUnsynced if request.lane == Lane::Log => {
                steps.retain(|step| !matches!(step, DiskStep::Sync(_)));
            }
            Mutant::RollUnsynced if request.lane == Lane::Log => {
                if let [DiskStep::Write { .. }, DiskStep::Sync(_), _, _] = steps[..] {
                    steps.remove(1);
                }
            }
            Mutant::DirectoryUnsynced => steps.retain(|step| !matches!(step, DiskStep::SyncDirectory)),
            Mutant::CheckpointUnsynced => {
                steps.retain(|step| !matches!(step, DiskStep::Sync(FileName::CheckpointDraft(_))));
            }
            Mutant::RecoveryRenamedFirst => rename_first(steps, |to| matches!(to, FileName::Segment(_))),
            Mutant::PreparedUnsynced => {
                let prepares = matches!(steps.first(), Some(DiskStep::Create(FileName::Segment(_))));
                if prepares {
                    steps.retain(|step| !matches!(step, DiskStep::Sync(_)));
                }
            }
            Mutant::TrimmedNewestFirst => newest_first(steps),
            Mutant::LogUnsynced
            | Mutant::RollUnsynced
            | Mutant::AnsweredWhenWritten
            | Mutant::SyncRetried
            | Mutant::Core(_) => {}
        }
    }

    /// Whether a request is told to be done before its last step, a sync of the log, is.
    #[must_use]
    pub fn answers_early(self, request: &DiskRequest) -> bool {
        self == Mutant::AnsweredWhenWritten && request.lane == Lane::Log
    }
}

/// Moves the rename to such a name, and the sync of the directory behind it, in front of the sync of the contents.
fn rename_first(steps: &mut Vec<DiskStep>, named: impl Fn(FileName) -> bool) {
    let at = steps.iter().position(|step| matches!(step, DiskStep::Rename { to, .. } if named(*to)));
    if let Some(at) = at
        && let DiskStep::Rename { from, to } = steps[at]
        && let Some(sync) = steps[..at].iter().position(|step| *step == DiskStep::Sync(from))
    {
        steps.remove(sync);
        // Behind the rename and the directory's sync, under the new name.
        steps.insert(at + 1, DiskStep::Sync(to));
    }
}

/// Turns a trim around: removals of segments, each followed by a sync of the directory.
fn newest_first(steps: &mut [DiskStep]) {
    let is_trim = steps
        .chunks(2)
        .all(|pair| matches!(pair, [DiskStep::Remove(FileName::Segment(_)), DiskStep::SyncDirectory]));
    if is_trim {
        steps.reverse();
        // Each removal in front of its sync again.
        for pair in steps.chunks_mut(2) {
            pair.reverse();
        }
    }
}
