//! Where sequences begin.

use core::fmt;

use evenkeel_core::{Config, limits::BLOCK_BYTES, port::DiskStep};

use crate::{
    crashpoints::{
        operation::{Operation, Play},
        stage::{Nobody, Order, Stage, Watch},
    },
    disk::{Fate, SimDisk},
    mutant::Mutant,
    violation::{Verdict, broken},
};

/// A state of the disk, and what is promised of it.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Base {
    /// Nothing.
    Empty,
    /// A broker that serves, with a log of two segments and a checkpoint.
    TwoSegments,
    /// The same, stopped in order.
    Clean,
    /// The same, killed with its last group written and not synced.
    Unproven,
    /// The same, its power lost in the middle of a group.
    Torn,
}

/// All of them.
pub const BASES: [Base; 5] = [Base::Empty, Base::TwoSegments, Base::Clean, Base::Unproven, Base::Torn];

impl Base {
    /// Its name on the command line.
    #[must_use]
    pub fn name(self) -> &'static str {
        match self {
            Base::Empty => "empty",
            Base::TwoSegments => "two-segments",
            Base::Clean => "clean",
            Base::Unproven => "unproven",
            Base::Torn => "torn",
        }
    }

    /// The base of that name.
    #[must_use]
    pub fn named(name: &str) -> Option<Base> {
        BASES.into_iter().find(|known| known.name() == name)
    }

    /// Makes it.
    pub(super) fn make(
        self,
        mutant: Option<Mutant>,
        words: bool,
    ) -> Result<Play, crate::violation::Violation> {
        let mut stage = Stage::new(config(), SimDisk::default(), mutant, 1);
        if words {
            stage.tell_story();
        }
        let mut play = Play::new(stage);
        if self == Base::Empty {
            return Ok(play);
        }
        for operation in [
            Operation::Restart,
            Operation::Create,
            Operation::Create,
            Operation::ProducerId,
            Operation::Produce,
            Operation::Idempotent,
            Operation::Wide,
            Operation::Roll,
            Operation::Produce,
            Operation::Idle,
        ] {
            play.act(operation, &mut Nobody)?;
        }
        match self {
            Base::Empty | Base::TwoSegments => {}
            Base::Clean => play.act(Operation::Stop, &mut Nobody)?,
            Base::Unproven | Base::Torn => interrupt(&mut play, self == Base::Torn)?,
        }
        play.stage.tell(|| format!("--- that was {self}"));
        Ok(play)
    }
}

impl fmt::Display for Base {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.name())
    }
}

/// Segments of six blocks: a header, a start, and not much more.
fn config() -> Config {
    Config {
        segment_bytes: 6 * BLOCK_BYTES,
        message_bytes_max: 3 * BLOCK_BYTES,
        cache_bytes: 0,
        ..Config::default()
    }
}

/// Sees the first write of a group, and no more.
#[derive(Default)]
struct FirstWrite {
    disk: Option<SimDisk>,
}

impl Watch for FirstWrite {
    fn stepped(&mut self, stage: &Stage, _: &SimDisk, step: &DiskStep) -> Verdict {
        if self.disk.is_none() && matches!(step, DiskStep::Write { .. }) {
            self.disk = Some(stage.disk.clone());
        }
        Ok(())
    }

    fn promised(&mut self, _: &Stage) -> Verdict {
        Ok(())
    }
}

/// A group is written, and the process is killed before the sync; or the power fails, and only its first sector is there.
fn interrupt(play: &mut Play, power: bool) -> Verdict {
    let mut later = play.clone();
    let mut seen = FirstWrite::default();
    later.act(Operation::Wide, &mut seen)?;
    let Some(disk) = seen.disk else { return broken("stuck", "a produce writes nothing") };
    // The client has asked, and hears nothing.
    play.stage.order = Order::Oldest;
    play.ask_wide();
    play.stage.kill();
    play.stage.disk = disk;
    if power {
        let units = play.stage.disk.units();
        let fates: Vec<_> = (0..units.len()).map(|at| if at == 0 { Fate::New } else { Fate::Old }).collect();
        play.stage.disk = play.stage.disk.left(&units, &fates);
    }
    Ok(())
}
