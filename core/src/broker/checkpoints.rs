//! Checkpoints of the state, and what they allow to be removed.
//!
//! 1. A snapshot is taken of the staged state and written only once the log is durable up to its LSN: a checkpoint never
//!    knows more than the log. 2. Two are kept. 3. A segment may go when every record in it lies below the *older* kept
//!    checkpoint and no live batch is in it. 4. The new floor is a record of the log, durable before the first removal:
//!    a start that misses a segment above the floor knows that it was lost.

use alloc::{vec, vec::Vec};

use bytes::Bytes;

use crate::{
    broker::Live,
    limits::CHECKPOINTS_KEPT,
    log::{entry::Entry, writer::Log},
    marks::{Mark, mark},
    planted::{Planted, planted},
    port::{DiskRequest, DiskResult, DiskStep, FileName, Lane, Notice},
    state::checkpoint,
    turn::{Purpose, Turn},
    units::{Lsn, SegmentSequence},
};

/// Where checkpointing stands.
#[derive(Clone, Debug)]
pub(super) struct Checkpoints {
    /// Durable ones, oldest first, each with the segment that was in use when it was taken.
    kept: Vec<(Lsn, SegmentSequence)>,
    /// Segment in use at the newest snapshot.
    newest_segment: SegmentSequence,
    taken: Option<(Lsn, SegmentSequence, Bytes)>,
    writing: Option<(Lsn, SegmentSequence)>,
    /// A trim whose floor is staged at this LSN.
    trim: Option<(Lsn, SegmentSequence)>,
    last_done: bool,
}

impl Checkpoints {
    pub(super) fn new(found: Vec<Lsn>, log: &Log) -> Checkpoints {
        // The segment of an older checkpoint is not known any more; the oldest there is allows nothing to be removed.
        let kept = found.into_iter().map(|lsn| (lsn, log.first_segment())).collect();
        Checkpoints {
            kept,
            newest_segment: log.segment(),
            taken: None,
            writing: None,
            trim: None,
            last_done: false,
        }
    }

    pub(super) fn is_idle(&self) -> bool {
        self.taken.is_none() && self.writing.is_none() && self.last_done
    }
}

impl Live {
    /// After each roll.
    pub(super) fn checkpoint_if_due(&mut self, turn: &mut Turn<'_>) {
        let rolled = self.log.segment() > self.checkpoints.newest_segment;
        if rolled && self.checkpoints.taken.is_none() && self.checkpoints.writing.is_none() {
            self.take_snapshot();
        }
        self.write_snapshot(turn);
        self.trim_if_durable(turn);
    }

    /// Before the closing seal.
    pub(super) fn checkpoint_last(&mut self, turn: &mut Turn<'_>) {
        if !self.checkpoints.last_done
            && self.checkpoints.taken.is_none()
            && self.checkpoints.writing.is_none()
        {
            mark(Mark::CheckpointLast);
            self.checkpoints.last_done = true;
            self.take_snapshot();
        }
        self.write_snapshot(turn);
    }

    fn take_snapshot(&mut self) {
        let mut lsn = self.log.staged_upto();
        if planted(Planted::CheckpointOneLate) && !self.stopping {
            lsn = lsn.plus(1);
        }
        if planted(Planted::CheckpointOneEarly) {
            lsn = Lsn(lsn.0 - 1);
        }
        self.checkpoints.newest_segment = self.log.segment();
        let bytes = Bytes::from(checkpoint::encode(&self.state, lsn));
        self.checkpoints.taken = Some((lsn, self.log.segment(), bytes));
    }

    fn write_snapshot(&mut self, turn: &mut Turn<'_>) {
        let ahead = |lsn: Lsn| lsn > self.log.durable() && !planted(Planted::CheckpointAheadOfLog);
        if self.checkpoints.taken.as_ref().is_none_or(|(lsn, _, _)| ahead(*lsn)) {
            if self.checkpoints.taken.is_some() {
                mark(Mark::CheckpointWaits);
            }
            return;
        }
        let Some((lsn, segment, bytes)) = self.checkpoints.taken.take() else { return };
        mark(Mark::CheckpointBegun);
        self.checkpoints.writing = Some((lsn, segment));
        let draft = FileName::CheckpointDraft(lsn);
        let steps = vec![
            DiskStep::Create(draft),
            DiskStep::Write { file: draft, position: 0, data: vec![bytes] },
            DiskStep::Sync(draft),
            DiskStep::Rename { from: draft, to: FileName::Checkpoint(lsn) },
            DiskStep::SyncDirectory,
        ];
        turn.disk(Purpose::Checkpoint(lsn), DiskRequest { lane: Lane::Background, steps });
    }

    pub(super) fn checkpoint_written(&mut self, lsn: Lsn, result: DiskResult, turn: &mut Turn<'_>) {
        let written = self.checkpoints.writing.take().expect("a checkpoint completes once");
        assert_eq!(written.0, lsn, "one checkpoint is written at a time");
        match result {
            Ok(_) => {
                mark(Mark::CheckpointDone);
                self.checkpoints.kept.retain(|(known, _)| *known != lsn);
                self.checkpoints.kept.push(written);
                self.remove_old_checkpoints(turn);
                self.stage_trim();
            }
            // The log has everything; the next roll tries again.
            Err(error) => {
                mark(Mark::CheckpointFailed);
                turn.tell(Notice::warn(alloc::format!("cannot write a checkpoint: {error}")));
            }
        }
    }

    fn remove_old_checkpoints(&mut self, turn: &mut Turn<'_>) {
        let kept = &mut self.checkpoints.kept;
        let surplus = kept.len().saturating_sub(CHECKPOINTS_KEPT);
        let steps: Vec<_> =
            kept.drain(..surplus).map(|(lsn, _)| DiskStep::Remove(FileName::Checkpoint(lsn))).collect();
        if !steps.is_empty() {
            mark(Mark::CheckpointOld);
            turn.disk(Purpose::OldCheckpoints, DiskRequest { lane: Lane::Background, steps });
        }
    }

    /// The oldest segment that is still needed, if that allows something to go.
    pub(super) fn stage_trim(&mut self) {
        if self.checkpoints.kept.len() < CHECKPOINTS_KEPT || self.checkpoints.trim.is_some() || self.stopping
        {
            return;
        }
        let told_by =
            if planted(Planted::TrimOnNewestCheckpoint) { self.checkpoints.kept.len() - 1 } else { 0 };
        let covered = self.checkpoints.kept[told_by].1;
        // What is in the object store need not stay; what that is must be known from the newest manifest, not guessed.
        let archive = self.cuts.as_ref().and_then(|cuts| cuts.archive());
        let live = self
            .state
            .partitions()
            .filter_map(|partition| match archive.and_then(|archive| archive.end(partition.id)) {
                Some(_) if planted(Planted::TrimIgnoresUnstored) => None,
                Some(stored) => partition.batches.from_offset(stored).next(),
                None => partition.batches.first(),
            })
            .map(|batch| batch.segment());
        let mut floor = live.min().map_or(covered, |live| live.min(covered));
        if planted(Planted::TrimOneTooFar) {
            floor = floor.next().min(self.log.segment());
        }
        if floor > self.log.first_segment() {
            let unlogged = planted(Planted::TrimUnlogged);
            let lsn = if unlogged { Lsn(0) } else { self.commit(Entry::Trimmed { floor }, Bytes::new()) };
            self.checkpoints.trim = Some((lsn, floor));
        }
    }

    fn trim_if_durable(&mut self, turn: &mut Turn<'_>) {
        let ahead = |lsn: Lsn| lsn >= self.log.durable() && !planted(Planted::TrimBeforeFloor);
        if self.checkpoints.trim.is_none_or(|(lsn, _)| ahead(lsn)) {
            return;
        }
        let Some((_, floor)) = self.checkpoints.trim.take() else { return };
        mark(Mark::TrimBegun);
        for partition in self.state.partitions_mut() {
            partition.batches.drop_segments_below(floor);
        }
        let mut steps = Vec::new();
        self.log.trim(floor, &mut steps);
        turn.tell(Notice::info(alloc::format!(
            "log segments below {floor} are not needed any more and are removed"
        )));
        if planted(Planted::TrimCountedEarly) {
            self.log.trimmed(floor);
        }
        turn.disk(Purpose::Trim(floor), DiskRequest { lane: Lane::Background, steps });
    }
}
