//! What became of a batch or a topic, from the question to each copy on the disk, to each reader, to its loss: read off the scenes
//! of a run, by the rules of the disk.

mod reader;

use evenkeel_core::port::FileName;

use crate::{ledger::OpNumber, lifeline::reader::Reader, trace::Scene};

/// Whose life it is.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Who {
    /// A batch.
    Batch(OpNumber),
    /// What a question asks of a topic: connection and tag.
    Topic(u64, u64),
}

/// A stage of a life.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Stage {
    /// A client sent it.
    Sent,
    /// It reached the broker.
    Arrived,
    /// It is in a file.
    Written,
    /// A file that holds it got its name.
    Named,
    /// It is on the media.
    Synced,
    /// A sync that should have brought it to the media failed.
    SyncFailed,
    /// A sync succeeded that no longer brings it anywhere: the one before had failed and marked it clean.
    SyncHollow,
    /// Its client was told that it is done.
    Acked,
    /// Its client was told that it is not.
    Refused,
    /// The answer arrived.
    Heard,
    /// A reader was given it.
    Read,
    /// It went with the power.
    Lost,
    /// It was looked for and not found.
    Missing,
    /// It is not as it was promised.
    Broken,
}

impl Stage {
    /// Its name in the page.
    #[must_use]
    pub fn name(self) -> &'static str {
        match self {
            Stage::Sent => "sent",
            Stage::Arrived => "arrived",
            Stage::Written => "written",
            Stage::Named => "named",
            Stage::Synced => "synced",
            Stage::SyncFailed => "sync failed",
            Stage::SyncHollow => "hollow sync",
            Stage::Acked => "acknowledged",
            Stage::Refused => "refused",
            Stage::Heard => "heard",
            Stage::Read => "read",
            Stage::Lost => "lost",
            Stage::Missing => "missing",
            Stage::Broken => "promise broken",
        }
    }
}

/// One step of a life.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Step {
    /// Index of its scene.
    pub scene: usize,
    /// What it was.
    pub stage: Stage,
    /// In words.
    pub words: String,
}

/// A life.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Life {
    /// Whose.
    pub who: Who,
    /// Its name.
    pub name: String,
    /// Where it was said to be.
    pub place: Option<String>,
    /// In order.
    pub steps: Vec<Step>,
    copies: Vec<Copy>,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
struct Copy {
    file: FileName,
    durable: Durable,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Durable {
    /// The next sync brings it to the media.
    NotYet,
    Yes,
    /// No sync does: one has failed.
    Never,
}

impl Life {
    fn step(&mut self, scene: usize, stage: Stage, words: impl Into<String>) {
        self.steps.push(Step { scene, stage, words: words.into() });
    }

    /// The log write that its answer waited for.
    fn waited_for(&mut self, write: LastWrite) {
        let LastWrite { scene, file, durable, decided, hollow } = write;
        self.step(scene, Stage::Written, format!("written to {file}"));
        match durable {
            Durable::NotYet => {}
            Durable::Yes => self.step(decided, Stage::Synced, format!("synced with {file}")),
            Durable::Never => self.step(decided, Stage::SyncFailed, sync_failed(file)),
        }
        if let Some(hollow) = hollow {
            self.step(hollow, Stage::SyncHollow, sync_hollow(file));
        }
        self.copies.push(Copy { file, durable });
    }

    /// The first step of that kind.
    #[must_use]
    pub fn first(&self, stage: Stage) -> Option<&Step> {
        self.steps.iter().find(|step| step.stage == stage)
    }

    /// Whether a copy was brought to the media, as far as the scenes tell.
    #[must_use]
    pub fn is_durable(&self) -> bool {
        self.copies.iter().any(|copy| copy.durable == Durable::Yes)
    }
}

fn sync_failed(file: FileName) -> String {
    format!("the sync of {file} fails and marks these bytes clean")
}

fn sync_hollow(file: FileName) -> String {
    format!("{file} is synced again, which writes nothing: they count as clean")
}

/// All lives, in the order in which they began.
#[must_use]
pub fn lives(scenes: &[Scene]) -> Vec<Life> {
    let mut reader = Reader::default();
    for (at, scene) in scenes.iter().enumerate() {
        reader.read(at, scene);
    }
    reader.lives
}

#[derive(Clone, Copy, Debug)]
struct LastWrite {
    scene: usize,
    file: FileName,
    durable: Durable,
    /// Where that was decided.
    decided: usize,
    /// A later sync that brings it nowhere.
    hollow: Option<usize>,
}
