//! From the files of a data directory to the state to serve: a sans-I/O process of a few stages.
//!
//! The log is one chain. Each segment header names the link of the last group that counts before it; each group names
//! the group before it. Recovery walks the chain from the oldest segment and asks one question where it ends:
//! *could anything behind this place have been acknowledged?* One log write is in flight at a time, so a group was issued
//! only after everything before it was durable, and says so in its synced mark. Hence the case table:
//!
//! | what stands where the chain ends | verdict |
//! |---|---|
//! | a closing seal, nothing behind it | **clean end** |
//! | zeros only | **end**: the process was killed between two writes |
//! | a group that is not intact, or other bytes; no group anywhere behind with a synced mark beyond the end | **torn tail**: it was the one write in flight, so it was never acknowledged; cut, counted, a copy of the bytes kept |
//! | a roll seal, and the next segment prepared but not begun, or begun by a torn write as above | **torn tail** |
//! | a group behind it whose synced mark lies beyond the end, or that is intact without following | **damage** |
//! | the link that the next segment's header names was not reached | **damage** up to that header's first LSN |
//! | as before, but all its records are there: only an empty group is hurt | **end** of that segment, with a warning |
//! | a roll seal with no file, or a short one, behind it; a hole in the numbers of the segments | **damage** |
//! | the last segment's file is shorter than it was made, and no closing seal proves that nothing was there | **damage** |
//! | a checkpoint or the identity file knows of a later LSN or epoch | **damage** |
//! | a read error | **refusal**: an error is never an absence |
//!
//! Damage ends in a refusal with exact ranges, unless the operator names that very place as given up.
//!
//! What the chain's last group holds may be in the page cache only (a killed process, or a failed sync before it), and
//! a sync proves nothing about pages that an earlier sync failed on. So recovery never appends to an old segment and never
//! rewrites a sector: it copies that last group into a new segment under a draft name, syncs it, syncs the directory for the
//! names that it builds upon, renames it into the log, syncs the directory again, and only then serves. Crashed anywhere on the
//! way, the next recovery finds the old log as it was, or the new one whole. Every older group has a younger one, which was issued
//! only after its sync had succeeded. The same holds for the header of a segment: one with no group that a younger one proves is
//! not built upon but written anew, under its number.

mod layout;
mod rebuild;
mod walk;

use alloc::{boxed::Box, format, string::String, vec, vec::Vec};

use bytes::Bytes;

use crate::{
    config::Config,
    log::{
        identity::{Identity, NotAnIdentity},
        recovery::{layout::Layout, walk::Walk},
        refusal::{Damage, Refusal},
        scan::{ScanOrder, front_of},
        writer::Log,
    },
    marks::{Mark, mark},
    planted::{Planted, planted},
    port::{
        DiskError, DiskErrorKind, DiskReply, DiskRequest, DiskResult, DiskStep, FileEntry, FileName, Lane,
        Notice,
    },
    state::{
        State,
        checkpoint::{self, NotACheckpoint},
    },
    store::{Index, Manifest},
    turn::{Purpose, Turn},
    units::{Instant, Lsn, SegmentSequence},
};

/// Scans under way at once.
const SCANS_IN_FLIGHT: usize = 2;

/// A step of recovery that the disk works on.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum RecoveryOp {
    /// Listing the directory.
    List,
    /// Reading the identity file and the front of each segment.
    Look,
    /// Reading a checkpoint.
    Checkpoint(Lsn),
    /// Scanning a segment.
    Scan(SegmentSequence),
    /// Reading the bytes of the last group and of a torn tail.
    Tail,
    /// Writing the new segment.
    Rebuild,
    /// Writing the identity file.
    Identity,
}

/// What the object store gave to go on with: that of an empty directory.
#[derive(Clone, Debug, PartialEq)]
pub struct Restoration {
    /// The state at the cut.
    pub state: State,
    /// Where it is from.
    pub from: Restored,
}

/// Where the state is from, when it is not from the directory.
#[derive(Clone, Debug, PartialEq)]
pub struct Restored {
    /// The manifest.
    pub manifest: Manifest,
    /// The lists of data objects that it refers to.
    pub indexes: Vec<Index>,
}

/// How recovery ended.
#[derive(Clone, Debug, PartialEq)]
pub enum Outcome {
    /// Ready to serve.
    Recovered(Box<Recovered>),
    /// The directory is empty, and there is an object store: to go on with [`Recovery::resume`].
    Empty,
    /// Not to be served.
    Refused(Refusal),
}

/// How the log of a directory that is not refused ends.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum End {
    /// There is none yet.
    New,
    /// There is none yet: the state is from the object store.
    Restored,
    /// With a closing seal.
    Sealed,
    /// Between two writes.
    Unsealed,
    /// Within a write that was never acknowledged.
    Torn(TornTail),
}

/// Bytes behind the end that were never acknowledged.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct TornTail {
    /// Where they are.
    pub segment: SegmentSequence,
    /// First byte.
    pub from: u32,
    /// Behind the last byte that is not zero.
    pub upto: u32,
}

/// How much room on the disk the new segment is given.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Room {
    /// As much as a segment has.
    Ample,
    /// Enough for some hundred small changes: the disk is full.
    Little,
    /// For nothing beside what a start writes, and no copy of a torn tail.
    Least,
}

impl Room {
    /// For the next attempt, when there was not that much.
    fn less(self) -> Option<Room> {
        match self {
            Room::Ample => Some(Room::Little),
            Room::Little => Some(Room::Least),
            Room::Least => None,
        }
    }
}

/// What was found before anything was written.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Verdict {
    /// How the log ends.
    pub end: End,
    /// LSN behind its last record.
    pub next: Lsn,
    /// Records in it.
    pub records: u64,
}

/// What recovery leads to.
#[derive(Clone, Debug, PartialEq)]
pub struct Recovered {
    /// The state.
    pub state: State,
    /// The live end of the log.
    pub log: Log,
    /// The cluster.
    pub cluster_id: String,
    /// Checkpoints that are there and intact as far as known, oldest first.
    pub checkpoints: Vec<Lsn>,
    /// Where the state is from, if not from the directory.
    pub restored: Option<Restored>,
}

/// The process.
#[derive(Clone, Debug, PartialEq)]
pub struct Recovery {
    config: Config,
    started: Option<Instant>,
    files: Vec<FileEntry>,
    identity: Option<Identity>,
    layout: Layout,
    checkpoints: Vec<Lsn>,
    state: State,
    walk: Walk,
    /// What an earlier walk found, from a checkpoint behind the damage.
    damage_known: Option<Damage>,
    scans_issued: usize,
    scans_waiting: Vec<(SegmentSequence, DiskReply)>,
    rebuilt: Option<Box<Recovered>>,
    verdict: Option<Verdict>,
    /// It waits for [`Recovery::resume`].
    is_empty: bool,
    room: Room,
    restored: Option<Restored>,
}

fn request(lane: Lane, steps: Vec<DiskStep>) -> DiskRequest {
    DiskRequest { lane, steps }
}

impl Recovery {
    /// Begins with a look at the directory.
    pub fn begin(config: Config, turn: &mut Turn<'_>) -> Recovery {
        turn.disk(Purpose::Recovery(RecoveryOp::List), request(Lane::Background, vec![DiskStep::List]));
        Recovery {
            config,
            started: None,
            files: Vec::new(),
            identity: None,
            layout: Layout::default(),
            checkpoints: Vec::new(),
            state: State::default(),
            walk: Walk::default(),
            damage_known: None,
            scans_issued: 0,
            scans_waiting: Vec::new(),
            rebuilt: None,
            verdict: None,
            is_empty: false,
            room: Room::Ample,
            restored: None,
        }
    }

    /// What was found, and what is to be served, as soon as the steps that write it are asked for. Whoever only wants to know stops
    /// here.
    #[must_use]
    pub fn verdict(&self) -> Option<(Verdict, &Recovered)> {
        Some((self.verdict?, self.rebuilt.as_deref()?))
    }

    /// A step is done. `None`: more steps are under way.
    pub fn completed(&mut self, op: RecoveryOp, result: DiskResult, turn: &mut Turn<'_>) -> Option<Outcome> {
        self.started.get_or_insert(turn.now.mono);
        match self.advance(op, result, turn) {
            Ok(None) if core::mem::take(&mut self.is_empty) => Some(Outcome::Empty),
            Ok(recovered) => recovered.map(Outcome::Recovered),
            Err(refusal) => Some(Outcome::Refused(refusal)),
        }
    }

    fn advance(
        &mut self,
        op: RecoveryOp,
        result: DiskResult,
        turn: &mut Turn<'_>,
    ) -> Result<Option<Box<Recovered>>, Refusal> {
        match op {
            RecoveryOp::List => self.listed(one(result)?, turn),
            RecoveryOp::Look => self.looked(result.map_err(Refusal::Disk)?, turn)?,
            RecoveryOp::Checkpoint(lsn) => self.checkpoint_read(lsn, result, turn)?,
            RecoveryOp::Scan(sequence) => self.scanned(sequence, one(result)?, turn)?,
            RecoveryOp::Tail => self.rebuild(result.map_err(Refusal::Disk)?, turn)?,
            RecoveryOp::Rebuild => match (result, self.room.less()) {
                (Ok(_), _) => self.write_identity(turn),
                (Err(error), Some(room)) if error.kind == DiskErrorKind::Full && self.may_begin_again() => {
                    self.begin_again(room, turn);
                }
                (Err(error), _) => return Err(Refusal::Disk(error)),
            },
            RecoveryOp::Identity => {
                result.map_err(Refusal::Disk)?;
                return Ok(self.rebuilt.take());
            }
        }
        Ok(None)
    }

    /// What an object store gave is not asked for twice.
    fn may_begin_again(&self) -> bool {
        self.rebuilt.as_ref().is_some_and(|rebuilt| rebuilt.restored.is_none())
    }

    /// The disk has no room for the new segment. What was written of it counts for nothing, as if the process had been killed.
    fn begin_again(&mut self, room: Room, turn: &mut Turn<'_>) {
        mark(Mark::RecoveryCramped);
        turn.tell(Notice::warn(String::from(
            "the disk is full: starting with a smaller log segment; writes are refused until there is room for a whole one",
        )));
        let fresh = Recovery::begin(self.config.clone(), turn);
        *self = Recovery { room, started: self.started, ..fresh };
    }

    fn listed(&mut self, reply: DiskReply, turn: &mut Turn<'_>) {
        let DiskReply::Files(mut files) = reply else { unreachable!("a listing was asked for") };
        files.sort_by_key(|entry| entry.file);
        self.files = files;
        for entry in &self.files {
            if let FileName::Checkpoint(lsn) = entry.file {
                self.checkpoints.push(lsn);
            }
        }
        let mut steps = Vec::new();
        if self.files.iter().any(|entry| entry.file == FileName::Identity) {
            steps.push(DiskStep::Read(FileName::Identity));
        }
        for entry in &self.files {
            if let file @ FileName::Segment(_) = entry.file {
                steps.push(DiskStep::ReadAt { file, position: 0, len: crate::limits::BLOCK_BYTES });
            }
        }
        turn.disk(Purpose::Recovery(RecoveryOp::Look), request(Lane::Background, steps));
    }

    fn looked(&mut self, replies: Vec<DiskReply>, turn: &mut Turn<'_>) -> Result<(), Refusal> {
        let mut replies = replies.into_iter().map(|reply| match reply {
            DiskReply::Bytes(bytes) => bytes,
            DiskReply::Done
            | DiskReply::Files(_)
            | DiskReply::Scan(_)
            | DiskReply::Batches(_)
            | DiskReply::Space(_) => {
                unreachable!("only reads were asked for")
            }
        });
        if self.files.iter().any(|entry| entry.file == FileName::Identity) {
            let bytes = replies.next().expect("one reply for each step");
            self.read_identity(&bytes, turn)?;
        }
        let fronts = self.files.iter().filter_map(|entry| match entry.file {
            FileName::Segment(sequence) => Some((sequence, entry.len)),
            FileName::Identity
            | FileName::IdentityDraft
            | FileName::SegmentDraft(_)
            | FileName::Checkpoint(_)
            | FileName::CheckpointDraft(_)
            | FileName::Torn(_)
            | FileName::Lost(..)
            | FileName::LossReport(_)
            | FileName::Reserve => None,
        });
        self.layout = Layout::new(
            fronts.zip(replies).map(|((sequence, len), block)| (sequence, len, front_of(&block))),
        );
        let expected =
            self.config.cluster_id.clone().or(self.identity.as_ref().map(|known| known.cluster_id.clone()));
        self.layout.check_owner(expected.as_deref())?;
        let is_empty =
            !self.files.iter().any(|entry| matches!(entry.file, FileName::Identity | FileName::Segment(_)));
        if is_empty && self.config.store.is_some() && !planted(Planted::StoreNotAsked) {
            self.is_empty = true;
            return Ok(());
        }
        self.next_checkpoint(turn)
    }

    /// Goes on in an empty directory: with what the object store holds, or with nothing.
    pub fn resume(&mut self, found: Option<Restoration>, turn: &mut Turn<'_>) -> Option<Outcome> {
        let done = match found {
            None => self.next_checkpoint(turn),
            Some(Restoration { mut state, from }) => {
                mark(Mark::Restored);
                state.log_floor = SegmentSequence(1);
                self.walk.resume(&from.manifest);
                self.state = state;
                self.checkpoints.clear();
                self.restored = Some(from);
                self.rebuild(Vec::new(), turn)
            }
        };
        done.err().map(Outcome::Refused)
    }

    fn read_identity(&mut self, bytes: &Bytes, turn: &mut Turn<'_>) -> Result<(), Refusal> {
        match Identity::decode(bytes) {
            Ok(identity) => {
                if let Some(expected) = &self.config.cluster_id
                    && *expected != identity.cluster_id
                {
                    return Err(Refusal::ForeignCluster {
                        expected: expected.clone(),
                        found: identity.cluster_id,
                        file: FileName::Identity,
                    });
                }
                if identity.node_id != self.config.node_id {
                    return Err(Refusal::ForeignNode {
                        expected: self.config.node_id,
                        found: identity.node_id,
                    });
                }
                self.identity = Some(identity);
                Ok(())
            }
            Err(NotAnIdentity::Newer(version)) => {
                Err(Refusal::NewerFormat { file: FileName::Identity, version: Some(version) })
            }
            Err(NotAnIdentity::Damaged) => {
                // The segments carry the cluster id too; a directory without segments and with a damaged identity had a log once.
                let any = self.files.iter().any(|entry| matches!(entry.file, FileName::Segment(_)));
                if !any {
                    return Err(Refusal::Disk(DiskError {
                        kind: DiskErrorKind::Damaged,
                        file: Some(FileName::Identity),
                        detail: String::from("its checksum does not match, and there is no log beside it"),
                    }));
                }
                mark(Mark::IdentityDamaged);
                turn.tell(Notice::warn(String::from(
                    "the identity file is damaged; the log tells the cluster id, and the file is written anew",
                )));
                Ok(())
            }
        }
    }

    /// Reads the newest checkpoint not looked at yet, or goes on without one.
    fn next_checkpoint(&mut self, turn: &mut Turn<'_>) -> Result<(), Refusal> {
        match self.checkpoints.last() {
            Some(&lsn) => {
                let steps = vec![DiskStep::Read(FileName::Checkpoint(lsn))];
                turn.disk(Purpose::Recovery(RecoveryOp::Checkpoint(lsn)), request(Lane::Background, steps));
                Ok(())
            }
            None => {
                mark(Mark::NoCheckpoint);
                self.begin_walk(Lsn(0), turn)
            }
        }
    }

    fn checkpoint_read(&mut self, lsn: Lsn, result: DiskResult, turn: &mut Turn<'_>) -> Result<(), Refusal> {
        let DiskReply::Bytes(bytes) = one(result)? else { unreachable!("a read was asked for") };
        match checkpoint::decode(&bytes) {
            Ok((state, said)) if said == lsn => {
                mark(Mark::CheckpointUsed);
                self.state = state;
                self.begin_walk(lsn, turn)
            }
            Ok(_) | Err(NotACheckpoint::Damaged) => {
                turn.tell(Notice::warn(format!(
                    "{} is damaged; falling back to the one before it, or to the whole log",
                    FileName::Checkpoint(lsn)
                )));
                mark(Mark::CheckpointDamaged);
                self.checkpoints.pop();
                self.walk.note_damaged_checkpoint(lsn);
                self.next_checkpoint(turn)
            }
            Err(NotACheckpoint::Newer(version)) => {
                Err(Refusal::NewerFormat { file: FileName::Checkpoint(lsn), version: Some(version) })
            }
        }
    }

    fn begin_walk(&mut self, replay_from: Lsn, turn: &mut Turn<'_>) -> Result<(), Refusal> {
        self.walk.begin(replay_from, &self.layout);
        self.issue_scans(turn);
        if self.layout.scans().is_empty() { self.finish_walk(turn) } else { Ok(()) }
    }

    fn issue_scans(&mut self, turn: &mut Turn<'_>) {
        let scans = self.layout.scans();
        while self.scans_issued < scans.len()
            && self.scans_issued < self.walk.scans_absorbed() + SCANS_IN_FLIGHT
        {
            let sequence = scans[self.scans_issued];
            self.scans_issued += 1;
            let order = ScanOrder { file: FileName::Segment(sequence), salt: self.layout.salt_of(sequence) };
            let steps = vec![DiskStep::Scan(order)];
            // Two lanes, so that two cores read and verify at once.
            let lane = if self.scans_issued.is_multiple_of(2) { Lane::Read } else { Lane::Background };
            turn.disk(Purpose::Recovery(RecoveryOp::Scan(sequence)), request(lane, steps));
        }
    }

    fn scanned(
        &mut self,
        sequence: SegmentSequence,
        reply: DiskReply,
        turn: &mut Turn<'_>,
    ) -> Result<(), Refusal> {
        self.scans_waiting.push((sequence, reply));
        while let Some(&next) = self.layout.scans().get(self.walk.scans_absorbed()) {
            let Some(at) = self.scans_waiting.iter().position(|(sequence, _)| *sequence == next) else {
                break;
            };
            let (_, DiskReply::Scan(scan)) = self.scans_waiting.swap_remove(at) else {
                unreachable!("a scan was asked for")
            };
            self.walk.absorb(next, *scan, &self.layout, &mut self.state, turn)?;
        }
        self.issue_scans(turn);
        if self.walk.scans_absorbed() == self.layout.scans().len() { self.finish_walk(turn) } else { Ok(()) }
    }

    /// The chain has been walked: decide, and fetch what is to be copied.
    fn finish_walk(&mut self, turn: &mut Turn<'_>) -> Result<(), Refusal> {
        let identity_epoch = self.identity.as_ref().map(|identity| identity.epoch);
        let reports = self.files.iter().filter_map(|entry| match entry.file {
            FileName::LossReport(epoch) => Some(epoch),
            FileName::Identity
            | FileName::IdentityDraft
            | FileName::Segment(_)
            | FileName::SegmentDraft(_)
            | FileName::Checkpoint(_)
            | FileName::CheckpointDraft(_)
            | FileName::Torn(_)
            | FileName::Lost(..)
            | FileName::Reserve => None,
        });
        self.walk.conclude(&self.layout, &mut self.state, identity_epoch, reports.max(), turn);
        if self.config.accept_loss_from.is_none() && self.walk.is_damaged() {
            self.walk.replay_unproven(&mut self.state);
        }
        let damage = self.walk.damage(&self.state);
        if let Some(damage) = &damage
            && self.checkpoints.last().is_some_and(|newest| *newest > damage.from)
            && !planted(Planted::CheckpointOfTheLost)
        {
            return self.walk_again(damage.clone(), turn);
        }
        let damage = match (self.damage_known.take(), damage) {
            (Some(known), Some(damage)) => Some(Damage { accept_from: damage.accept_from, ..known }),
            (known, damage) => known.or(damage),
        };
        match (damage, self.config.accept_loss_from) {
            (None, None) => {}
            (None, Some(accepted)) => {
                mark(Mark::LossNotThere);
                return Err(Refusal::LossNotNamed { accepted, damage: None });
            }
            (Some(damage), None) => {
                mark(Mark::RefusedDamage);
                return Err(Refusal::Damage(damage));
            }
            (Some(damage), Some(accepted)) if damage.accept_from == accepted => self.walk.accept(damage),
            (Some(damage), Some(accepted)) => {
                mark(Mark::LossElsewhere);
                return Err(Refusal::LossNotNamed { accepted, damage: Some(damage.accept_from) });
            }
        }
        let steps = self.walk.tail_reads();
        turn.disk(Purpose::Recovery(RecoveryOp::Tail), request(Lane::Background, steps));
        Ok(())
    }

    /// The checkpoint that the walk began from knows more than the log in front of the damage: what could be served without the
    /// rest is told by an older one. The same with and without `--accept-loss-from-lsn`, so that a refusal names what is accepted.
    fn walk_again(&mut self, damage: Damage, turn: &mut Turn<'_>) -> Result<(), Refusal> {
        mark(Mark::WalkAgain);
        self.checkpoints.retain(|lsn| *lsn <= damage.from);
        // They still prove that the log went as far as the newest of them.
        let mut walk = Walk::default();
        walk.note_damaged_checkpoint(self.walk.known_lsn());
        self.damage_known.get_or_insert(damage);
        self.walk = walk;
        self.state = State::default();
        self.scans_issued = 0;
        self.next_checkpoint(turn)
    }
}

/// The one reply of a script with one step.
fn one(result: DiskResult) -> Result<DiskReply, Refusal> {
    let mut replies = result.map_err(Refusal::Disk)?;
    Ok(replies.pop().expect("one reply for each step"))
}

#[cfg(test)]
mod tests;
