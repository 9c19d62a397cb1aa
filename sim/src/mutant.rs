//! Planted bugs: what a wrong broker would ask of its disk, or wrongly believe. Each must be found, or the simulator is blind.

use evenkeel_core::port::{DiskRequest, DiskStep, FileName, Lane};

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
}

/// All of them, with their names and the number of seeds within which each must be found.
pub const MUTANTS: [(Mutant, &str, u64); 8] = [
    (Mutant::LogUnsynced, "log-unsynced", 10),
    (Mutant::RollUnsynced, "roll-unsynced", 300),
    (Mutant::DirectoryUnsynced, "directory-unsynced", 50),
    (Mutant::AnsweredWhenWritten, "answered-when-written", 20),
    (Mutant::CheckpointUnsynced, "checkpoint-unsynced", 1000),
    (Mutant::RecoveryRenamedFirst, "recovery-renamed-first", 100),
    (Mutant::PreparedUnsynced, "prepared-unsynced", 100),
    (Mutant::SyncRetried, "sync-retried", 300),
];

impl Mutant {
    /// The mutant of that name.
    #[must_use]
    pub fn named(name: &str) -> Option<Mutant> {
        MUTANTS.iter().find(|(_, known, _)| *known == name).map(|(mutant, _, _)| *mutant)
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
            Mutant::LogUnsynced
            | Mutant::RollUnsynced
            | Mutant::AnsweredWhenWritten
            | Mutant::SyncRetried => {}
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
