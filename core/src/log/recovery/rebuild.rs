//! The end of recovery: a new segment that begins with what is not proven, made durable before it becomes part of the log.

use alloc::{boxed::Box, format, string::String, string::ToString, vec, vec::Vec};

use bytes::Bytes;

use crate::{
    limits::{
        BLOCK_BYTES, CHECKPOINTS_KEPT, LITTLE_ROOM_BYTES, LOSS_SKIP_OFFSETS, RESERVE_BYTES, RESERVED_EPOCHS,
        SEGMENT_BYTES_MIN,
    },
    log::{
        entry::{Append, Entry},
        group::{GroupHeader, GroupKind, padded_len},
        identity::Identity,
        recovery::{End, Recovered, Recovery, RecoveryOp, Room, Verdict, request, walk::Unproven},
        refusal::{Damage, Refusal},
        scan::ScannedRecord,
        segment::{SegmentFront, SegmentHeader},
        writer::{Log, Tail, Writer},
    },
    marks::{Mark, mark},
    partition::index::Place,
    planted::{Planted, planted},
    port::{DiskError, DiskErrorKind, DiskReply, DiskStep, FileName, Lane, Notice},
    state::checkpoint,
    store::Manifest,
    turn::{Purpose, Turn},
    units::{Epoch, Lsn, SegmentSequence, Timestamp},
};

impl Recovery {
    pub(super) fn rebuild(&mut self, replies: Vec<DiskReply>, turn: &mut Turn<'_>) -> Result<(), Refusal> {
        let mut reads = replies.into_iter().map(|reply| match reply {
            DiskReply::Bytes(bytes) => bytes,
            DiskReply::Done
            | DiskReply::Files(_)
            | DiskReply::Scan(_)
            | DiskReply::Batches(_)
            | DiskReply::Space(_) => {
                unreachable!("only reads were asked for")
            }
        });
        let served = self.identity.as_ref().map_or(Epoch(0), |identity| identity.epoch);
        let newest = self.walk.epoch.max(served);
        let epoch = self.next_epoch(newest)?;
        let cluster_id = self.cluster_id(turn);
        let mut writer = Writer::new(&self.config, epoch, cluster_id.clone());

        let unproven = self.walk.unproven.take();
        let copied = match &unproven {
            Some(unproven) => {
                let bytes = reads.next().expect("one reply for each step");
                Some(unproven_bytes(unproven, bytes)?)
            }
            None => None,
        };
        let torn_bytes = self.walk.torn.map(|_| reads.next().expect("one reply for each step"));

        let first = unproven.as_ref().map_or(self.walk.next, |unproven| unproven.group.header.first);
        let copied_len = unproven.as_ref().map_or(0, |unproven| unproven.group.header.padded_len());
        // A smaller --segment-bytes than before must not make the copy impossible.
        writer.segment_bytes = writer.segment_bytes.max(copied_len + 4 * BLOCK_BYTES);
        let segment_bytes = match self.room {
            Room::Ample => writer.segment_bytes,
            Room::Little => writer.segment_bytes.min(copied_len + LITTLE_ROOM_BYTES),
            Room::Least => copied_len + SEGMENT_BYTES_MIN,
        };
        let sequence = match (self.walk.replaces, self.walk.last) {
            (Some(replaced), _) => replaced,
            (None, Some(last)) => last.next(),
            // Nothing in front of it counts: it begins the log.
            (None, None) if planted(Planted::LossFromFirstFile) => {
                self.layout.first().unwrap_or(SegmentSequence(1))
            }
            (None, None) => self.state.log_floor.max(SegmentSequence(1)),
        };
        let header = SegmentHeader {
            sequence,
            salt: match self.layout.salt_of(sequence) {
                _ if planted(Planted::SaltRepeated) => 1,
                Some(salt) => salt,
                None => turn.work.random.bits(),
            },
            first,
            epoch,
            previous: if self.walk.last.is_some() { self.walk.link } else { 0 },
            node_id: self.config.node_id,
            segment_bytes,
            cluster_id: cluster_id.clone(),
        };
        let (block, link) = header.encode();
        let mut tail =
            Tail { segment: sequence, segment_bytes, salt: header.salt, position: BLOCK_BYTES, link };
        let mut data = vec![Bytes::from(block)];
        if let (Some(unproven), Some(bytes)) = (unproven, copied) {
            self.copy_group(&unproven, &bytes, epoch, &mut tail, &mut data);
        }
        let cut = self.restored.as_ref().map(|restored| {
            (restored.manifest.cut, Bytes::from(checkpoint::encode(&self.state, restored.manifest.cut)))
        });
        let next = self.start(epoch, &mut tail, &mut data, turn);
        let begins = self.layout.begun().next().map_or(first, |(_, header, _)| header.first);

        let mut steps = vec![];
        // The report comes first: from here on it is the only proof that something was given up.
        if !planted(Planted::LossReportedLast) {
            self.report_loss(epoch, turn, &mut steps);
        }
        self.remove_untrue_checkpoints(&mut steps);
        if let Some((lsn, bytes)) = cut {
            self.keep_checkpoint(lsn, bytes, &mut steps);
        }
        self.set_aside(epoch, sequence, &mut steps);
        self.keep_torn(torn_bytes, &mut steps);
        self.give_room(sequence, &mut steps);
        let draft = FileName::SegmentDraft(sequence);
        steps.push(DiskStep::Create(draft));
        steps.push(DiskStep::Zero { file: draft, len: u64::from(segment_bytes) });
        steps.push(DiskStep::Write { file: draft, position: 0, data });
        steps.push(DiskStep::Sync(draft));
        // The segment in front may be the work of a recovery that was killed before its last sync: its name must not be younger
        // than the link to it.
        if !planted(Planted::NamesNotSettled) {
            steps.push(DiskStep::SyncDirectory);
        }
        steps.push(DiskStep::Rename { from: draft, to: FileName::Segment(sequence) });
        steps.push(DiskStep::SyncDirectory);
        if planted(Planted::LossReportedLast) {
            self.report_loss(epoch, turn, &mut steps);
        }
        self.keep_another_checkpoint(begins, next, &mut steps);
        self.remove_leftovers(sequence, &mut steps);
        self.keep_reserve(&mut steps);
        turn.disk(Purpose::Recovery(RecoveryOp::Rebuild), request(Lane::Background, steps));

        let verdict = Verdict { end: self.end(), next: self.walk.next, records: self.walk.records };
        self.tell_verdict(verdict, epoch, next, turn);
        self.verdict = Some(verdict);
        let first_segment = self.layout.first().filter(|first| *first < sequence).unwrap_or(sequence);
        self.rebuilt = Some(Box::new(Recovered {
            state: core::mem::take(&mut self.state),
            log: Log::new(writer, first_segment, tail, next),
            cluster_id,
            checkpoints: self.checkpoints.clone(),
            restored: self.restored.take(),
        }));
        Ok(())
    }

    /// The epoch of this start, above every epoch that anybody was told of. Not every epoch reaches the object store before it is told.
    fn next_epoch(&self, newest: Epoch) -> Result<Epoch, Refusal> {
        let skipped = match &self.restored {
            Some(_) if !planted(Planted::RestoredIntoNextEpoch) => RESERVED_EPOCHS,
            Some(_) | None => 0,
        };
        let next = newest.0.saturating_add(skipped).saturating_add(1);
        if next > i32::MAX.cast_unsigned() {
            return Err(Refusal::EpochsExhausted);
        }
        Ok(if planted(Planted::EpochNotRaised) { newest } else { Epoch(next) })
    }

    fn cluster_id(&self, turn: &mut Turn<'_>) -> String {
        let known = self
            .config
            .cluster_id
            .as_deref()
            .or(self.restored.as_ref().map(|restored| restored.manifest.cluster_id.as_str()))
            .or(self.identity.as_ref().map(|identity| identity.cluster_id.as_str()))
            .or(self.layout.cluster_id());
        known.map_or_else(|| turn.work.random.cluster_id(), ToString::to_string)
    }

    /// The unproven group again, as the first of the new segment: same records, same LSNs, new salt and chain.
    fn copy_group(
        &mut self,
        unproven: &Unproven,
        bytes: &Bytes,
        epoch: Epoch,
        tail: &mut Tail,
        data: &mut Vec<Bytes>,
    ) {
        let old = &unproven.group;
        let header = GroupHeader {
            previous: tail.link,
            salt: tail.salt,
            synced: old.header.first,
            epoch,
            ..old.header
        };
        let front_len = header.front_len() as usize;
        let (front, link) = header.encode_front(&bytes[crate::log::group::GROUP_HEADER_BYTES..front_len]);
        data.push(Bytes::from(front));
        data.push(bytes.slice(front_len..));
        for (lsn, record) in (old.header.first.0..).map(Lsn).zip(&old.records) {
            let ScannedRecord::Intact { entry, position } = record else {
                unreachable!("chained groups are intact")
            };
            // Of an entry without a body, the place means nothing.
            let moved = (tail.position + position).saturating_sub(old.position);
            let place = Place { segment: tail.segment, position: moved };
            self.walk.replay_entry(lsn, entry, place, &mut self.state);
        }
        for partition in self.state.partitions_mut() {
            partition.visible = partition.log_end;
        }
        tail.link = link;
        tail.position += header.padded_len();
    }

    /// Offsets to be skipped after an accepted loss. What is lost may begin in front of an earlier loss, and take with it what that one
    /// skipped: the reports of earlier losses stay.
    fn loss_skip(&self) -> i64 {
        let earlier = self.files.iter().filter(|entry| matches!(entry.file, FileName::LossReport(_))).count();
        LOSS_SKIP_OFFSETS.saturating_mul(1 + i64::try_from(earlier).unwrap_or(i64::MAX - 1))
    }

    /// The entry with which every start begins.
    fn start(&mut self, epoch: Epoch, tail: &mut Tail, data: &mut Vec<Bytes>, turn: &mut Turn<'_>) -> Lsn {
        let skip_offsets = match &self.restored {
            Some(_) if planted(Planted::RestoreOffsetsReused) => 0,
            Some(restored) => restored.manifest.reserved_offsets,
            None if planted(Planted::LossOffsetsReused) => 0,
            None => self.walk.accepted.as_ref().map_or(0, |_| self.loss_skip()),
        };
        let started = Entry::Started { epoch, at: turn.now.wall, skip_offsets };
        let lineage = self.restored.as_ref().map(|restored| Entry::LineageBegun {
            lineage: turn.work.random.bits() | 1,
            from: restored.manifest.lineage,
            manifest: restored.manifest.number,
            at: turn.now.wall,
        });
        let mut heads = Vec::new();
        started.encode_head(&mut heads);
        if let Some(lineage) = &lineage {
            lineage.encode_head(&mut heads);
        }
        let header = GroupHeader {
            previous: tail.link,
            salt: tail.salt,
            first: self.walk.next,
            records: 1 + u32::from(lineage.is_some()),
            kind: GroupKind::Data,
            heads_len: u32::try_from(heads.len()).expect("a short head"),
            bodies_len: 0,
            synced: self.walk.next,
            epoch,
        };
        let (front, link) = header.encode_front(&heads);
        let pad = padded_len(header.heads_len, 0) as usize - front.len();
        data.push(Bytes::from(front));
        data.push(Bytes::from(vec![0; pad]));
        self.state.apply(self.walk.next, &started);
        if let Some(lineage) = &lineage {
            self.state.apply(self.walk.next.plus(1), lineage);
        }
        tail.link = link;
        tail.position += header.padded_len();
        header.upto()
    }

    /// Segments that an accepted loss gives up: kept, under another name.
    fn set_aside(&self, epoch: Epoch, sequence: SegmentSequence, steps: &mut Vec<DiskStep>) {
        if self.walk.accepted.is_none() {
            return;
        }
        // The newest first, each durably before the next: a crash in between leaves no hole that was not there.
        let mut lost: Vec<SegmentSequence> =
            self.layout.sequences().filter(|lost| *lost >= sequence || self.walk.last.is_none()).collect();
        lost.reverse();
        for lost in lost {
            let file = FileName::Segment(lost);
            let unused = self.layout.get(lost).is_some_and(|segment| segment.front == SegmentFront::Unused);
            steps.push(if unused {
                DiskStep::Remove(file)
            } else {
                mark(Mark::SegmentSetAside);
                DiskStep::Rename { from: file, to: FileName::Lost(epoch, lost) }
            });
            steps.push(DiskStep::SyncDirectory);
        }
    }

    /// Checkpoints that know what an accepted loss gives up: gone before the log that ends in front of them is whole.
    fn remove_untrue_checkpoints(&self, steps: &mut Vec<DiskStep>) {
        if self.walk.accepted.is_none() || planted(Planted::UntrueCheckpointKept) {
            return;
        }
        for entry in &self.files {
            if let file @ FileName::Checkpoint(lsn) = entry.file
                && !self.checkpoints.contains(&lsn)
            {
                mark(Mark::UntrueCheckpointRemoved);
                steps.push(DiskStep::Remove(file));
            }
        }
        steps.push(DiskStep::SyncDirectory);
    }

    /// A checkpoint: the state at a cut, durable before the log that builds upon it begins, or the state at the end of the log.
    fn keep_checkpoint(&mut self, lsn: Lsn, bytes: Bytes, steps: &mut Vec<DiskStep>) {
        let draft = FileName::CheckpointDraft(lsn);
        steps.push(DiskStep::Create(draft));
        steps.push(DiskStep::Write { file: draft, position: 0, data: vec![bytes] });
        steps.push(DiskStep::Sync(draft));
        steps.push(DiskStep::Rename { from: draft, to: FileName::Checkpoint(lsn) });
        steps.push(DiskStep::SyncDirectory);
        self.checkpoints.push(lsn);
    }

    /// A log that does not begin at LSN 0 cannot be read without a checkpoint, and one checkpoint may rot: before anything is
    /// served there are as many as are kept. Behind the log's own steps, since no checkpoint may know more than the log.
    fn keep_another_checkpoint(&mut self, begins: Lsn, next: Lsn, steps: &mut Vec<DiskStep>) {
        let enough = self.checkpoints.len() >= CHECKPOINTS_KEPT || begins == Lsn(0);
        if enough || self.checkpoints.contains(&next) || planted(Planted::OneCheckpointAfterLoss) {
            return;
        }
        mark(Mark::CheckpointAtStart);
        let bytes = Bytes::from(checkpoint::encode(&self.state, next));
        self.keep_checkpoint(next, bytes, steps);
    }

    /// What nobody needs goes before the new segment asks for room: the end of the segment in front of it, which a process that ended
    /// early leaves nearly empty; and when the disk is full, segments that were prepared behind the new one, and drafts.
    fn give_room(&self, sequence: SegmentSequence, steps: &mut Vec<DiskStep>) {
        if let Some((last, from)) = self.walk.zeros
            && self.walk.last == Some(last)
            && self.walk.accepted.is_none()
        {
            let from =
                if planted(Planted::ReleasedTooMuch) { from.saturating_sub(BLOCK_BYTES) } else { from };
            steps.push(DiskStep::Release { file: FileName::Segment(last), from: u64::from(from) });
        }
        if self.room == Room::Ample {
            return;
        }
        steps.push(DiskStep::Remove(FileName::SegmentDraft(sequence)));
        steps.push(DiskStep::Remove(FileName::Reserve));
        let mut unused: Vec<SegmentSequence> = self
            .layout
            .sequences()
            .filter(|spare| *spare > sequence)
            .filter(|spare| self.layout.get(*spare).is_some_and(|spare| spare.front == SegmentFront::Unused))
            .collect();
        unused.reverse();
        // The newest first, each durably before the next: never a hole in the numbers.
        for spare in unused {
            steps.push(DiskStep::Remove(FileName::Segment(spare)));
            steps.push(DiskStep::SyncDirectory);
        }
    }

    /// Room for the next start, should the disk be full by then.
    fn keep_reserve(&self, steps: &mut Vec<DiskStep>) {
        let len = u64::from(RESERVE_BYTES.min(self.config.segment_bytes));
        let file = FileName::Reserve;
        let there = self.files.iter().any(|entry| entry.file == file && entry.len >= len);
        if !there && self.room == Room::Ample {
            steps.extend([DiskStep::Create(file), DiskStep::Reserve { file, len }, DiskStep::Sync(file)]);
        }
    }

    fn keep_torn(&self, bytes: Option<Bytes>, steps: &mut Vec<DiskStep>) {
        if let (Some(torn), Some(bytes)) = (self.walk.torn, bytes)
            && self.room != Room::Least
        {
            let file = FileName::Torn(torn.segment);
            mark(Mark::TornKept);
            steps.push(DiskStep::Create(file));
            steps.push(DiskStep::Write { file, position: 0, data: vec![bytes] });
            steps.push(DiskStep::Sync(file));
        }
    }

    fn report_loss(&self, epoch: Epoch, turn: &mut Turn<'_>, steps: &mut Vec<DiskStep>) {
        let text = match (&self.walk.accepted, &self.restored) {
            (Some(damage), _) => loss_report(damage, epoch, self.loss_skip()),
            (None, Some(restored)) => restore_report(&restored.manifest, epoch, turn.now.wall),
            (None, None) => return,
        };
        mark(Mark::LossReported);
        turn.tell(Notice::error(text.replace('\n', " ")));
        let file = FileName::LossReport(epoch);
        steps.push(DiskStep::Create(file));
        steps.push(DiskStep::Write { file, position: 0, data: vec![Bytes::from(text.into_bytes())] });
        steps.push(DiskStep::Sync(file));
        steps.push(DiskStep::SyncDirectory);
    }

    /// Drafts of earlier attempts, segments below the floor, and checkpoints that know more than the log or cannot be read.
    fn remove_leftovers(&self, sequence: SegmentSequence, steps: &mut Vec<DiskStep>) {
        for entry in &self.files {
            let stale = match entry.file {
                FileName::SegmentDraft(draft) => draft != sequence,
                FileName::IdentityDraft | FileName::CheckpointDraft(_) => true,
                FileName::Checkpoint(lsn) => {
                    !self.checkpoints.contains(&lsn) && !planted(Planted::UntrueCheckpointKept)
                }
                FileName::Identity
                | FileName::Segment(_)
                | FileName::Torn(_)
                | FileName::Lost(..)
                | FileName::LossReport(_)
                | FileName::Reserve => false,
            };
            if stale {
                mark(Mark::LeftoverRemoved);
                steps.push(DiskStep::Remove(entry.file));
            }
        }
    }

    fn end(&self) -> End {
        match (self.walk.torn, self.walk.last.or(self.walk.replaces)) {
            (Some(torn), _) => End::Torn(torn),
            (None, None) if self.restored.is_some() => End::Restored,
            (None, None) => End::New,
            (None, Some(_)) if self.walk.ended_sealed() => End::Sealed,
            (None, Some(_)) => End::Unsealed,
        }
    }

    fn tell_verdict(&self, verdict: Verdict, epoch: Epoch, next: Lsn, turn: &mut Turn<'_>) {
        let took = turn.now.mono.since(self.started.expect("set at the first completion"));
        let took_ms = took.as_millis();
        let segments = self.walk.scans_absorbed();
        let words = match verdict.end {
            End::Torn(torn) => format!(
                "torn unacknowledged tail cut at byte {} of {} ({} bytes{})",
                torn.from,
                FileName::Segment(torn.segment),
                torn.upto - torn.from,
                if self.room == Room::Least {
                    String::from(", not kept for want of room")
                } else {
                    format!(" kept in {}", FileName::Torn(torn.segment))
                }
            ),
            End::Restored => String::from("restored from the object store"),
            End::New => {
                mark(Mark::VerdictNew);
                String::from("new log")
            }
            End::Sealed => {
                mark(Mark::VerdictClean);
                String::from("clean end")
            }
            End::Unsealed => {
                mark(Mark::VerdictEnd);
                String::from("end without a closing seal, nothing torn")
            }
        };
        turn.tell(Notice::info(format!(
            "recovery: {words}; {} records in {segments} segments verified in {took_ms} ms; epoch {epoch}, next LSN {next}",
            verdict.records,
        )));
    }

    pub(super) fn write_identity(&mut self, turn: &mut Turn<'_>) {
        let rebuilt = self.rebuilt.as_ref().expect("the identity is written behind the new segment");
        let identity = Identity {
            node_id: self.config.node_id,
            epoch: rebuilt.state.epoch,
            cluster_id: rebuilt.cluster_id.clone(),
        };
        let steps = vec![
            DiskStep::Create(FileName::IdentityDraft),
            DiskStep::Write {
                file: FileName::IdentityDraft,
                position: 0,
                data: vec![Bytes::from(identity.encode())],
            },
            DiskStep::Sync(FileName::IdentityDraft),
            DiskStep::Rename { from: FileName::IdentityDraft, to: FileName::Identity },
            DiskStep::SyncDirectory,
        ];
        turn.disk(Purpose::Recovery(RecoveryOp::Identity), request(Lane::Background, steps));
    }
}

/// The bytes must still be those that were scanned: what was read once may read differently from a bad disk.
fn unproven_bytes(unproven: &Unproven, bytes: Bytes) -> Result<Bytes, Refusal> {
    let rescanned = GroupHeader::decode_front(&bytes);
    let same_front = rescanned == Some((unproven.group.header, unproven.group.link));
    let same_bodies = unproven.group.records.iter().all(|record| match record {
        ScannedRecord::Intact { entry: Entry::Append(append), position } => {
            let from = (position - unproven.group.position) as usize;
            bytes.get(from..from + append.body_len() as usize).is_some_and(|body| {
                let Append { header, .. } = append;
                crate::wire::batch::verify_stored(body, header.base_offset, header.leader_epoch)
                    == Ok(*header)
            })
        }
        ScannedRecord::Intact { .. } => true,
        ScannedRecord::Damaged(_) => false,
    });
    let in_full = bytes.len() == unproven.group.header.padded_len() as usize;
    if same_front && same_bodies && (in_full || !planted(Planted::PaddingCompared)) {
        // The padding of a file that was cut is not there.
        let mut whole = Vec::from(bytes);
        whole.resize(unproven.group.header.padded_len() as usize, 0);
        Ok(Bytes::from(whole))
    } else {
        Err(Refusal::Disk(DiskError {
            kind: DiskErrorKind::Damaged,
            file: Some(FileName::Segment(unproven.segment)),
            detail: format!("bytes from {} read differently the second time", unproven.group.position),
        }))
    }
}

fn restore_report(manifest: &Manifest, epoch: Epoch, now: Timestamp) -> String {
    let age = now.0.saturating_sub(manifest.cut_at.0).max(0);
    format!(
        "The data directory was empty and was restored from manifest {} of the object store, beginning epoch {epoch}.\n\
         The log up to LSN {} is there, as it was {}.{} s before this start; whatever was acknowledged behind it is \
         lost.\nOffsets of every partition, and producer ids, go on {} higher.\n",
        manifest.number,
        manifest.cut,
        age / 1000,
        age % 1000 / 100,
        manifest.reserved_offsets
    )
}

fn loss_report(damage: &Damage, epoch: Epoch, skipped: i64) -> String {
    format!(
        "Loss accepted by --accept-loss-from-lsn {}, beginning epoch {epoch}.\n{damage}Everything from that LSN on was \
         given up. Offsets of every partition, and producer ids, go on {skipped} higher.\n",
        damage.accept_from
    )
}
