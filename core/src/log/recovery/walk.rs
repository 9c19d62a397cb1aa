//! The walk along the chain, segment by segment: replay what counts, notice where and how it ends.

use alloc::{
    collections::BTreeMap,
    format,
    string::{String, ToString},
    vec,
    vec::Vec,
};

use crate::{
    limits::BLOCK_BYTES,
    log::{
        entry::Entry,
        group::GroupKind,
        recovery::{TornTail, layout::Layout},
        refusal::{Damage, DamagedRange, Refusal},
        scan::{ScannedGroup, ScannedRecord, SegmentScan, witness},
        segment::SegmentFront,
    },
    marks::{Mark, mark},
    partition::index::Place,
    planted::{Planted, planted},
    port::{DiskStep, FileName, Notice},
    state::State,
    store::Manifest,
    turn::Turn,
    units::{Epoch, Lsn, Offset, PartitionId, SegmentSequence},
};

/// The last group of the chain, if nothing younger proves that it was synced: it is copied before it is trusted.
#[derive(Clone, Debug, PartialEq)]
pub(super) struct Unproven {
    pub(super) segment: SegmentSequence,
    pub(super) group: ScannedGroup,
}

/// Where the walk is.
#[derive(Clone, Debug, Default, PartialEq)]
pub(super) struct Walk {
    absorbed: usize,
    replay_from: Lsn,
    /// LSN behind the last record that counts, the unproven group's included.
    pub(super) next: Lsn,
    /// Link of the last group that counts and is proven.
    pub(super) link: u32,
    /// The last segment that belongs to the chain.
    pub(super) last: Option<SegmentSequence>,
    /// The segment behind it, if it was begun but nothing in it proves that its header was ever synced: written anew.
    pub(super) replaces: Option<SegmentSequence>,
    last_kind: Option<GroupKind>,
    pub(super) unproven: Option<Unproven>,
    pub(super) torn: Option<TornTail>,
    /// The last segment that was begun, and where in it nothing but zeros follows.
    pub(super) zeros: Option<(SegmentSequence, u32)>,
    pub(super) epoch: Epoch,
    pub(super) records: u64,
    damaged_from: Option<Lsn>,
    causes: Vec<String>,
    /// First LSN behind the damage that is intact.
    intact_from: Option<Lsn>,
    intact_behind: u64,
    /// By partition: the first damaged batch that can be named, with the first intact offset behind it, and the first intact offset
    /// behind the damage.
    named: BTreeMap<PartitionId, (Offset, Option<Offset>)>,
    resumes: BTreeMap<PartitionId, Offset>,
    known_lsn: Lsn,
    pub(super) accepted: Option<Damage>,
}

impl Walk {
    /// A checkpoint that cannot be read still proves by its name that the log went that far.
    pub(super) fn note_damaged_checkpoint(&mut self, lsn: Lsn) {
        self.known_lsn = self.known_lsn.max(lsn);
    }

    /// The log went at least that far.
    pub(super) fn known_lsn(&self) -> Lsn {
        self.known_lsn
    }

    pub(super) fn begin(&mut self, replay_from: Lsn, layout: &Layout) {
        self.replay_from = replay_from;
        self.known_lsn = self.known_lsn.max(replay_from);
        self.next = replay_from;
        let Some((first, header, link)) = layout.begun().next() else {
            if replay_from > Lsn(0) {
                mark(Mark::WalkNoSegment);
                self.hurt(Lsn(0), String::from("there is a checkpoint, but no log segment"));
            }
            return;
        };
        // What was in the oldest is not known, so nothing that follows it can be placed.
        if layout.first() != Some(first) {
            let oldest = layout.first().expect("there is one that was begun");
            mark(Mark::WalkOldestHeader);
            self.hurt(Lsn(0), format!("the header of {} is damaged", FileName::Segment(oldest)));
        } else if header.sequence != first {
            self.hurt(Lsn(0), format!("the log begins with segment {}", header.sequence));
        }
        if header.first > replay_from {
            self.hurt(
                replay_from,
                format!("the log begins only at LSN {} ({})", header.first, FileName::Segment(first)),
            );
            mark(Mark::WalkBeginsLate);
            self.intact_from = Some(header.first);
        }
        self.next = header.first;
        self.link = link;
    }

    /// There is no log: it goes on behind what is stored.
    pub(super) fn resume(&mut self, manifest: &Manifest) {
        self.next = manifest.cut;
        self.epoch = manifest.epoch;
    }

    pub(super) fn scans_absorbed(&self) -> usize {
        self.absorbed
    }

    fn hurt(&mut self, from: Lsn, cause: String) {
        self.damaged_from.get_or_insert(from);
        self.causes.push(cause);
    }

    /// One segment, in order.
    pub(super) fn absorb(
        &mut self,
        sequence: SegmentSequence,
        scan: SegmentScan,
        layout: &Layout,
        state: &mut State,
        turn: &mut Turn<'_>,
    ) -> Result<(), Refusal> {
        self.absorbed += 1;
        if scan.groups.iter().any(|group| !group.is_readable()) {
            return Err(Refusal::NewerFormat { file: FileName::Segment(sequence), version: None });
        }
        match &scan.front {
            SegmentFront::Begun(header, link) => {
                self.epoch = self.epoch.max(header.epoch);
                if header.sequence != sequence {
                    self.hurt(
                        self.next,
                        format!("{} holds segment {}", FileName::Segment(sequence), header.sequence),
                    );
                }
                if self.damaged_from.is_none() && (self.last.is_none() || self.next == header.first) {
                    let before = (self.last, self.link);
                    self.link = *link;
                    self.last = Some(sequence);
                    let proven =
                        self.absorb_begun(sequence, &scan, header.segment_bytes, layout, state, turn);
                    let is_last = layout.begun_after(sequence).is_none();
                    if proven == 0
                        && is_last
                        && self.damaged_from.is_none()
                        && !planted(Planted::HeaderTrusted)
                    {
                        // Its header may be in the page cache only. Nothing may be chained to it.
                        mark(Mark::WalkReplaces);
                        (self.last, self.link) = before;
                        self.replaces = Some(sequence);
                    }
                } else {
                    if self.damaged_from.is_none() {
                        self.hurt(self.next, format!("{} does not follow", FileName::Segment(sequence)));
                    }
                    self.absorb_behind_damage(&scan.groups);
                }
            }
            SegmentFront::Unused | SegmentFront::Newer(_) | SegmentFront::Damaged => {
                self.absorb_unbegun(sequence, &scan, layout);
            }
        }
        Ok(())
    }

    /// Walks the chain within a segment. Returns the number of groups that younger ones prove.
    fn absorb_begun(
        &mut self,
        sequence: SegmentSequence,
        scan: &SegmentScan,
        made_bytes: u32,
        layout: &Layout,
        state: &mut State,
        turn: &mut Turn<'_>,
    ) -> usize {
        let file = FileName::Segment(sequence);
        self.zeros = Some((sequence, scan.dirty_upto));
        let target = layout.begun_after(sequence).map(|next| (next.first, next.previous));
        let sealed = planted(Planted::SealOutlivesCrash) && self.last_kind == Some(GroupKind::SealStop);
        self.last_kind = None;
        let mut counted = 0;
        for group in &scan.groups[..scan.chained] {
            if target.is_some_and(|(first, _)| group.header.upto() > first) {
                break;
            }
            counted += 1;
            self.next = group.header.upto();
            self.last_kind = Some(group.header.kind);
            self.epoch = self.epoch.max(group.header.epoch);
            // Where the chain stops short of the next segment, a group may be there twice: here, and as the copy that is damaged.
            let stops = target
                .is_none_or(|(first, _)| group.header.upto() < first && !planted(Planted::GapReplayedOver));
            if stops
                && counted == scan.chained
                && group.header.kind == GroupKind::Data
                && !planted(Planted::UnprovenTrusted)
            {
                if planted(Planted::UnprovenDropped) {
                    self.next = group.header.first;
                    break;
                }
                mark(Mark::WalkUnproven);
                self.unproven = Some(Unproven { segment: sequence, group: group.clone() });
                break;
            }
            self.link = group.link;
            self.replay(sequence, group, state);
        }
        if planted(Planted::GapReplayedOver) {
            self.next = target.map_or(self.next, |(first, _)| first);
        }
        if sealed {
            self.last_kind = Some(GroupKind::SealStop);
        }
        match target {
            Some((first, _)) if self.next < first => {
                self.hurt(self.next, format!("{} breaks at byte {}", file, scan.end));
                self.absorb_behind_damage(&scan.groups[counted..]);
                mark(Mark::WalkBreaks);
                let beyond = first;
                self.intact_from = Some(self.intact_from.map_or(beyond, |known| known.min(beyond)));
            }
            // A segment between the two is missing: told at the end.
            Some((_, link)) if self.link != link && layout.get(sequence.next()).is_some() => {
                mark(Mark::WalkEmptyGroupHurt);
                turn.tell(Notice::warn(format!(
                    "{file}: a group without records is damaged near byte {}; no record is",
                    scan.end
                )))
            }
            Some(_) => {}
            None => self.absorb_last(sequence, scan, made_bytes),
        }
        // A group is proven by the one behind it. One without records is not copied, but its segment may be in the page cache only.
        let alone = counted == 1 && target.is_none();
        counted - usize::from(self.unproven.is_some() || alone)
    }

    /// The chain ends in this segment, or in the one behind it.
    fn absorb_last(&mut self, sequence: SegmentSequence, scan: &SegmentScan, made_bytes: u32) {
        let file = FileName::Segment(sequence);
        let behind = &scan.groups[scan.chained..];
        if let Some(witness) = witness(behind, self.next)
            && !planted(Planted::WitnessIgnored)
        {
            self.hurt(
                self.next,
                format!(
                    "{file} breaks at byte {}, but the group at byte {} proves that more was synced",
                    scan.end, witness.position
                ),
            );
            mark(Mark::WalkWitness);
            self.absorb_behind_damage(behind);
            return;
        }
        if scan.file_len < u64::from(made_bytes)
            && self.last_kind != Some(GroupKind::SealStop)
            && !planted(Planted::ShortFileUnnoticed)
        {
            mark(Mark::WalkShort);
            self.hurt(
                self.next,
                format!(
                    "{file} has {} bytes of {made_bytes}; what was in the rest is not known",
                    scan.file_len
                ),
            );
            return;
        }
        if scan.dirty_upto > scan.end {
            mark(Mark::WalkTorn);
            self.torn = Some(TornTail { segment: sequence, from: scan.end, upto: scan.dirty_upto });
        }
    }

    /// A segment without a readable header, behind the last that was begun, or in a place where there must be one.
    fn absorb_unbegun(&mut self, sequence: SegmentSequence, scan: &SegmentScan, layout: &Layout) {
        let file = FileName::Segment(sequence);
        if layout.begun_after(sequence).is_some() {
            if self.last.is_some() {
                self.hurt(self.next, format!("the header of {file} is damaged"));
            }
            self.absorb_behind_damage(&scan.groups);
            return;
        }
        let rolled = self.last_kind == Some(GroupKind::SealRoll);
        let proof = scan.groups.iter().find(|group| group.header.synced > self.next || !rolled);
        if proof.is_some() {
            mark(Mark::WalkHeaderDamaged);
            self.hurt(
                self.next,
                format!("the header of {file} is damaged, and it holds groups that were synced"),
            );
            self.absorb_behind_damage(&scan.groups);
        } else if rolled && self.damaged_from.is_none() && scan.dirty_upto > BLOCK_BYTES {
            mark(Mark::WalkTornBegin);
            self.torn = Some(TornTail { segment: sequence, from: 0, upto: scan.dirty_upto });
        }
    }

    fn replay(&mut self, segment: SegmentSequence, group: &ScannedGroup, state: &mut State) {
        for (lsn, record) in (group.header.first.0..).map(Lsn).zip(&group.records) {
            let ScannedRecord::Intact { entry, position } = record else {
                unreachable!("chained groups are intact")
            };
            self.replay_entry(lsn, entry, Place { segment, position: *position }, state);
        }
    }

    /// One record takes effect. Below the checkpoint the state knows it already; only its place is new.
    pub(super) fn replay_entry(&mut self, lsn: Lsn, entry: &Entry, place: Place, state: &mut State) {
        self.records += 1;
        if let Entry::Started { epoch, .. } = entry {
            self.epoch = self.epoch.max(*epoch);
        }
        let known = planted(Planted::ReplayOneShort) && lsn == self.replay_from;
        if lsn < self.replay_from {
            mark(Mark::ReplayKnown);
        }
        if lsn >= self.replay_from && !known {
            if matches!(
                entry,
                Entry::PartitionsAdded { .. } | Entry::ConfigsChanged { .. } | Entry::RecordsDeleted { .. }
            ) {
                mark(Mark::ReplayAdmin);
            }
            state.apply(lsn, entry);
        }
        if let Entry::Append(append) = entry
            && let Some(partition) = state.partition_mut(append.partition)
        {
            if append.header.last_offset() >= partition.log_start {
                partition.batches.push(append, place);
            } else {
                mark(Mark::ReplayDeleted);
            }
        }
    }

    /// Groups that do not count any more, for the report only.
    fn absorb_behind_damage(&mut self, groups: &[ScannedGroup]) {
        for group in groups {
            self.epoch = self.epoch.max(group.header.epoch);
            if group.is_intact() && group.header.first >= self.next {
                let first = group.header.first;
                self.intact_from = Some(self.intact_from.map_or(first, |known| known.min(first)));
                self.intact_behind += u64::from(group.header.records);
            }
            for record in &group.records {
                match record {
                    ScannedRecord::Damaged(head) => {
                        self.named.entry(head.partition).or_insert((head.base_offset, None));
                    }
                    ScannedRecord::Intact { entry: Entry::Append(append), .. } => {
                        let base = append.header.base_offset;
                        if !group.is_intact() {
                            self.named.entry(append.partition).or_insert((base, None));
                            continue;
                        }
                        self.resumes.entry(append.partition).or_insert(base);
                        if let Some((_, intact)) = self.named.get_mut(&append.partition) {
                            intact.get_or_insert(base);
                        }
                    }
                    ScannedRecord::Intact { .. } => {}
                }
            }
        }
    }

    /// Everything has been scanned: what do the other witnesses say?
    pub(super) fn conclude(
        &mut self,
        layout: &Layout,
        state: &mut State,
        identity_epoch: Option<Epoch>,
        reported_epoch: Option<Epoch>,
        turn: &mut Turn<'_>,
    ) {
        self.epoch = self.epoch.max(state.epoch);
        let mut floor = state.log_floor.max(SegmentSequence(1));
        if !planted(Planted::TrimmedRecordUnseen) {
            floor = floor.max(self.unproven_floor());
        }
        if let Some(first) = layout.first().filter(|first| *first > floor)
            && !planted(Planted::FloorIgnored)
        {
            self.hurt(
                Lsn(0),
                format!(
                    "the log must begin with {}, the oldest is {}",
                    FileName::Segment(floor),
                    FileName::Segment(first)
                ),
            );
            mark(Mark::WalkOldestMissing);
            self.damaged_from = Some(Lsn(0));
        }
        for hole in layout.holes() {
            if self.damaged_from.is_none() && self.replaces.or(self.last).is_some_and(|last| hole < last) {
                mark(Mark::WalkHoleCovered);
                // The chain went over it. After a crash loop, all that a segment holds may have been copied on.
                turn.tell(Notice::warn(format!(
                    "{} is missing; every record it held is in the segments around it",
                    FileName::Segment(hole)
                )));
                continue;
            }
            mark(Mark::WalkHole);
            self.hurt(self.next, format!("{} is missing", FileName::Segment(hole)));
        }
        if self.damaged_from.is_none() && !planted(Planted::SuccessorNotExpected) {
            self.expect_successor(layout);
        }
        if self.damaged_from.is_none()
            && self.known_lsn > self.next
            && !planted(Planted::CheckpointProofIgnored)
        {
            mark(Mark::WalkCheckpointKnowsMore);
            self.hurt(
                self.next,
                format!("a checkpoint was made at LSN {}, the log ends before it", self.known_lsn),
            );
        }
        // Only starts that are readable count: the header of a segment says who began it, not that its start is still there.
        let started = self.unproven_start().max(state.epoch);
        if let Some(reported) = reported_epoch
            && reported > started
        {
            mark(Mark::WalkLossHalfAccepted);
            self.hurt(
                self.next,
                format!(
                    "{} says that a loss was being accepted, and that did not come to its end",
                    FileName::LossReport(reported)
                ),
            );
        }
        if let Some(served) = identity_epoch
            && served > started
            && !planted(Planted::EpochProofIgnored)
        {
            mark(Mark::WalkEpochServed);
            self.hurt(
                self.next,
                format!("this directory has served in epoch {served}, the log ends in epoch {started}"),
            );
        }
        for partition in state.partitions_mut() {
            partition.visible = partition.log_end;
        }
    }

    pub(super) fn ended_sealed(&self) -> bool {
        self.replaces.is_none() && self.last_kind == Some(GroupKind::SealStop)
    }

    pub(super) fn is_damaged(&self) -> bool {
        self.damaged_from.is_some()
    }

    /// For a report of what is damaged: the last group of the chain is not.
    pub(super) fn replay_unproven(&mut self, state: &mut State) {
        if let Some(Unproven { segment, group }) = self.unproven.take() {
            self.replay(segment, &group, state);
        }
    }

    /// What the unproven group says of the floor: segments in front of it may have been removed since.
    fn unproven_floor(&self) -> SegmentSequence {
        let records = self.unproven.iter().flat_map(|unproven| &unproven.group.records);
        let floors = records.filter_map(|record| match record {
            ScannedRecord::Intact { entry: Entry::Trimmed { floor }, .. } => Some(*floor),
            ScannedRecord::Intact { .. } | ScannedRecord::Damaged(_) => None,
        });
        floors.max().unwrap_or_default()
    }

    /// The newest start in the unproven group.
    fn unproven_start(&self) -> Epoch {
        let records = self.unproven.iter().flat_map(|unproven| &unproven.group.records);
        let epochs = records.filter_map(|record| match record {
            ScannedRecord::Intact { entry: Entry::Started { epoch, .. }, .. } => Some(*epoch),
            ScannedRecord::Intact { .. } | ScannedRecord::Damaged(_) => None,
        });
        epochs.max().unwrap_or_default()
    }

    /// Behind a roll seal there is a file that was prepared in full before the seal was written.
    fn expect_successor(&mut self, layout: &Layout) {
        let (Some(last), Some(GroupKind::SealRoll), None) = (self.last, self.last_kind, self.replaces) else {
            return;
        };
        let made = layout.get(last).map_or(0, |segment| match &segment.front {
            SegmentFront::Begun(header, _) => u64::from(header.segment_bytes),
            SegmentFront::Unused | SegmentFront::Newer(_) | SegmentFront::Damaged => 0,
        });
        let file = FileName::Segment(last.next());
        match layout.get(last.next()) {
            None => {
                mark(Mark::WalkNoSuccessor);
                self.hurt(
                    self.next,
                    format!("{file} is missing: the segment before it says that the log goes on"),
                );
            }
            Some(next) if next.len < made => {
                mark(Mark::WalkShortSuccessor);
                self.hurt(self.next, format!("{file} has {} bytes, less than it was made with", next.len));
            }
            Some(_) => {}
        }
    }

    /// What is damaged, named by partitions.
    pub(super) fn damage(&self, state: &State) -> Option<Damage> {
        let from = self.damaged_from?;
        let mut partitions = Vec::new();
        for partition in state.partitions() {
            let name = state.topic(partition.topic).map_or("?", |topic| topic.name());
            let resumes = self.resumes.get(&partition.id).copied();
            // A checkpoint from behind the damage, if the walk began with one, knows more than could be read.
            let read_upto = match partition.batches.last() {
                _ if self.replay_from <= from => Some(partition.log_end),
                last => last.map(|last| last.last_offset().plus(1)),
            };
            // The last group that was read is not in the state yet.
            let read_upto = read_upto.max(self.unproven_end(partition.id));
            // A batch that can be named need not be the first: those in front of it may have lost their heads. And where the first
            // behind the damage are intact, it is there behind them.
            let named = self.named.get(&partition.id).copied();
            let first_bad = read_upto.or(named.map(|(from, _)| from)).unwrap_or(partition.log_start);
            let resumes = resumes.or((partition.log_end > first_bad).then_some(partition.log_end));
            let (first_bad, resumes) = match (named, resumes) {
                (Some((from, upto)), Some(resumes)) if resumes <= first_bad && resumes <= from => {
                    (from, upto)
                }
                (_, resumes) => (first_bad, resumes),
            };
            if resumes.is_some_and(|resumes| resumes <= first_bad) {
                continue;
            }
            partitions.push(DamagedRange {
                topic: name.to_string(),
                partition: partition.index,
                from: first_bad,
                upto: resumes,
            });
        }
        Some(Damage {
            from,
            accept_from: from,
            upto: self.intact_from.filter(|upto| *upto > from),
            causes: self.causes.clone(),
            partitions,
            intact_behind: self.intact_behind,
            epoch: self.epoch,
        })
    }

    /// Offset behind the records of a partition in the group that is not proven.
    fn unproven_end(&self, partition: PartitionId) -> Option<Offset> {
        let records = self.unproven.iter().flat_map(|unproven| &unproven.group.records);
        let ends = records.filter_map(|record| match record {
            ScannedRecord::Intact { entry: Entry::Append(append), .. } if append.partition == partition => {
                Some(append.header.last_offset().plus(1))
            }
            ScannedRecord::Intact { .. } | ScannedRecord::Damaged(_) => None,
        });
        ends.max()
    }

    /// The operator gives up what is damaged and everything behind it.
    pub(super) fn accept(&mut self, damage: Damage) {
        mark(Mark::LossAccepted);
        self.torn = None;
        if self.last.is_none() && self.replaces.is_none() {
            // Nothing was read: what remains is what the checkpoint knows, or nothing at all.
            self.next = damage.accept_from;
        }
        self.accepted = Some(damage);
    }

    /// Reads of what is to be copied: the unproven group, then the torn tail.
    pub(super) fn tail_reads(&self) -> Vec<DiskStep> {
        let mut steps = vec![];
        if let Some(Unproven { segment, group }) = &self.unproven {
            steps.push(DiskStep::ReadAt {
                file: FileName::Segment(*segment),
                position: u64::from(group.position),
                len: group.header.padded_len(),
            });
        }
        if let Some(torn) = &self.torn {
            steps.push(DiskStep::ReadAt {
                file: FileName::Segment(torn.segment),
                position: u64::from(torn.from),
                len: torn.upto - torn.from,
            });
        }
        steps
    }
}
