//! A data directory, judged by the recovery of the core: the same code that a start runs, stopped before its first write.

use std::collections::VecDeque;

use evenkeel_core::{
    Config, Effect, Notice, Now,
    log::{
        Refusal,
        recovery::{Outcome, Recovered, Recovery, RecoveryOp, Restoration, Verdict},
    },
    port::{Disk, DiskError, DiskErrorKind, FileEntry, FileName, Space, perform},
    turn::{Purpose, Turn, Work},
    units::{Instant, Lsn},
};

use super::sheet::now;

/// What a start would find.
pub(super) struct Survey {
    recovery: Recovery,
    /// Why it would be refused.
    pub(super) refusal: Option<Refusal>,
    /// What it would tell.
    pub(super) notices: Vec<Notice>,
}

impl Survey {
    /// How the log ends, and what would be served; `None` if the start would be refused.
    pub(super) fn verdict(&self) -> Option<(Verdict, &Recovered)> {
        self.recovery.verdict()
    }
}

/// Runs a recovery up to the step that would write. `restoration` is what an empty directory goes on with, if the configuration has
/// a store.
pub(super) fn survey(disk: &dyn Disk, config: Config, mut restoration: Option<Restoration>) -> Survey {
    let now = Now { mono: Instant(0), wall: now() };
    let (mut effects, mut work) = (Vec::new(), Work::new(0));
    let mut asked = VecDeque::new();
    let mut notices = Vec::new();
    let mut recovery = Recovery::begin(config, &mut Turn { now, effects: &mut effects, work: &mut work });
    loop {
        for effect in effects.drain(..) {
            match effect {
                Effect::Disk(op, request) => asked.push_back((op, request)),
                Effect::Notice(notice) => notices.push(notice),
                Effect::Reply(..)
                | Effect::Close(_)
                | Effect::Object(..)
                | Effect::Serve
                | Effect::Stopped { .. }
                | Effect::Halt(_) => unreachable!("recovery asks the disk, and tells the operator"),
            }
        }
        let Some((op, request)) = asked.pop_front() else { break };
        let Some(Purpose::Recovery(step)) = work.complete(op) else {
            unreachable!("nobody but recovery asks")
        };
        match step {
            RecoveryOp::Rebuild | RecoveryOp::Identity => break,
            RecoveryOp::List
            | RecoveryOp::Look
            | RecoveryOp::Checkpoint(_)
            | RecoveryOp::Scan(_)
            | RecoveryOp::Tail => {}
        }
        let result = perform(disk, &request.steps);
        let mut turn = Turn { now, effects: &mut effects, work: &mut work };
        let mut outcome = recovery.completed(step, result, &mut turn);
        if outcome == Some(Outcome::Empty) {
            outcome = recovery.resume(restoration.take(), &mut turn);
        }
        match outcome {
            None => {}
            Some(Outcome::Refused(refusal)) => return Survey { recovery, refusal: Some(refusal), notices },
            Some(Outcome::Recovered(_) | Outcome::Empty) => {
                unreachable!("it ends with steps that are not taken here")
            }
        }
    }
    Survey { recovery, refusal: None, notices }
}

fn refused<T>() -> Result<T, DiskError> {
    let detail = String::from("the directory is only looked at");
    Err(DiskError { kind: DiskErrorKind::Failed, file: None, detail })
}

/// A directory as it would be without its checkpoints from one on.
pub(super) struct Earlier<'a> {
    pub(super) disk: &'a dyn Disk,
    pub(super) hidden_from: Lsn,
}

/// A directory with nothing in it.
pub(super) struct Nowhere;

macro_rules! only_read {
    () => {
        fn create(&self, _: FileName) -> Result<(), DiskError> {
            refused()
        }
        fn zero(&self, _: FileName, _: u64) -> Result<(), DiskError> {
            refused()
        }
        fn write_at(&self, _: FileName, _: u64, _: &[bytes::Bytes]) -> Result<(), DiskError> {
            refused()
        }
        fn sync(&self, _: FileName) -> Result<(), DiskError> {
            refused()
        }
        fn sync_directory(&self) -> Result<(), DiskError> {
            refused()
        }
        fn rename(&self, _: FileName, _: FileName) -> Result<(), DiskError> {
            refused()
        }
        fn remove(&self, _: FileName) -> Result<(), DiskError> {
            refused()
        }
        fn space(&self) -> Result<Space, DiskError> {
            refused()
        }
    };
}

impl Disk for Earlier<'_> {
    fn list(&self) -> Result<Vec<FileEntry>, DiskError> {
        let mut files = self.disk.list()?;
        files.retain(|entry| !matches!(entry.file, FileName::Checkpoint(lsn) if lsn >= self.hidden_from));
        Ok(files)
    }

    fn read_at(&self, file: FileName, position: u64, into: &mut [u8]) -> Result<usize, DiskError> {
        self.disk.read_at(file, position, into)
    }

    fn len(&self, file: FileName) -> Result<u64, DiskError> {
        self.disk.len(file)
    }

    only_read!();
}

impl Disk for Nowhere {
    fn list(&self) -> Result<Vec<FileEntry>, DiskError> {
        Ok(Vec::new())
    }

    fn read_at(&self, _: FileName, _: u64, _: &mut [u8]) -> Result<usize, DiskError> {
        refused()
    }

    fn len(&self, _: FileName) -> Result<u64, DiskError> {
        refused()
    }

    only_read!();
}
