//! Damage on the media: a broker that starts on it must refuse and say where, or serve everything that was promised. One
//! exception: the last group of the log, as long as nothing on the disk proves that it was ever synced, and nothing need (`witness.rs`).

use std::collections::BTreeSet;

use evenkeel_core::{
    log::{
        Refusal, ScanOrder, entry::Entry, group::GroupKind, scan, scan::ScannedRecord, segment::SegmentFront,
    },
    port::{Disk, Fault, FileEntry, FileName},
    wire::batch::HEADER_BYTES,
};

use crate::{
    batch,
    disk::{MediaFault, SimDisk, blocks},
    ledger::{Ledger, OpNumber},
    probe::Ended,
    violation::{Verdict, broken},
    world::{World, oracle},
};

/// What the last group holds, if nothing younger proves it.
#[derive(Debug, Default)]
struct Unproven {
    batches: BTreeSet<(OpNumber, i64)>,
    /// Changes of these consumer groups.
    groups: BTreeSet<String>,
    other: bool,
}

impl Unproven {
    fn is_something(&self) -> bool {
        self.other || !self.batches.is_empty() || !self.groups.is_empty()
    }
}

impl World {
    pub(super) fn check_detection(&mut self) -> Verdict {
        // What the cache holds is made durable first: this is about damage, not about loss.
        let image = self.disk.without_faults();
        let files: Vec<FileEntry> = image.list().unwrap_or_default();
        if files.is_empty() {
            return Ok(());
        }
        if self.oracle.chance(300) {
            self.check_rot(&image)?;
        }
        for _ in 0..3 {
            let fault = self.some_fault(&image, &files);
            let damaged = image.clone();
            if damaged.damage(&fault) {
                self.mark("media fault tried");
                self.check_damaged(&image, damaged, &fault)?;
                self.satisfied();
            }
        }
        Ok(())
    }

    /// A fault anywhere; often enough where it is hardest to tell from a crash, in the segment in which the log ends.
    fn some_fault(&mut self, image: &SimDisk, files: &[FileEntry]) -> MediaFault {
        let anywhere = files[self.oracle.index(files.len())];
        let in_use = |entry: &&FileEntry| {
            let mut front = [0; 8];
            matches!(entry.file, FileName::Segment(_))
                && image.read_at(entry.file, 0, &mut front).is_ok()
                && front != [0; 8]
        };
        let end = files.iter().filter(in_use).max_by_key(|entry| entry.file).copied();
        let entry = end.filter(|_| self.oracle.chance(300)).unwrap_or(anywhere);
        if self.oracle.chance(100) {
            // A write of the log lands elsewhere in the log. Two files hit at once are more than one fault.
            let segments: Vec<FileEntry> =
                files.iter().filter(|entry| matches!(entry.file, FileName::Segment(_))).copied().collect();
            if segments.is_empty() {
                return MediaFault::Lose(entry.file);
            }
            let (other, entry) =
                (segments[self.oracle.index(segments.len())], segments[self.oracle.index(segments.len())]);
            let mut block = |entry: &FileEntry| (entry.file, self.oracle.magnitude(1, blocks(entry.len)) - 1);
            // Later writes land on what earlier ones left, never the other way round.
            let (one, two) = (block(&other), block(&entry));
            return MediaFault::Misdirect { from: one.max(two), to: one.min(two) };
        }
        if self.oracle.chance(100) {
            return MediaFault::Shorten(entry.file, self.oracle.below(entry.len.max(1)));
        }
        MediaFault::draw(entry.file, entry.len, &mut self.oracle)
    }

    /// Rot under a running broker: it is read as what it was, or not at all.
    fn check_rot(&mut self, image: &SimDisk) -> Verdict {
        let mut probe = self.what_if(image.clone());
        let segments = probe.disk().list().unwrap_or_default();
        let segments: Vec<FileEntry> =
            segments.into_iter().filter(|entry| matches!(entry.file, FileName::Segment(_))).collect();
        if !probe.serves() || segments.is_empty() {
            return Ok(());
        }
        for _ in 0..8 {
            let entry = segments[self.oracle.index(segments.len())];
            probe.disk().damage(&MediaFault::draw(entry.file, entry.len, &mut self.oracle));
        }
        self.mark("rot under a running broker");
        match oracle::holds(&self.ledger, &mut probe) {
            Err(violation) if violation.name == "unreadable" => {
                self.mark("rot refused");
                Ok(())
            }
            // The segment that it writes to is gone, and it had something to write: standard seed 70225.
            Err(violation)
                if violation.name == "stuck"
                    && matches!(probe.ended(), Some(Ended::Halted(Fault::LogWrite(_)))) =>
            {
                self.mark("rot ends the process");
                Ok(())
            }
            verdict => verdict,
        }
    }

    pub(super) fn check_damaged(&mut self, image: &SimDisk, damaged: SimDisk, fault: &MediaFault) -> Verdict {
        self.exhibit(&format!("what if the disk had been damaged: {fault}?"));
        self.exhibit_disk(&damaged);
        let mut probe = self.what_if(damaged);
        if let Some(Ended::Halted(Fault::Deposed(_))) = probe.ended()
            && matches!(fault.file(), FileName::Segment(_))
        {
            // A log that ends in front of what is stored of it, or that has forgotten which store is its own.
            self.mark("media fault refused by the store");
            return Ok(());
        }
        if let Some(Ended::Halted(Fault::Refused(refusal))) = probe.ended() {
            self.mark("media fault refused");
            let named = refusal.to_string();
            if !matches!(fault.file(), FileName::Segment(_)) {
                // Two checkpoints are kept so that one may rot; everything else beside the log is there twice, or not needed.
                return broken("needless-refusal", format!("{fault}: {named}"));
            }
            if matches!(refusal, Refusal::Damage(_)) && self.oracle.chance(300) {
                let excused = without(&self.ledger, &unproven_but_for(image, fault, self.witness_owed));
                self.check_accepted_loss(probe.disk(), &excused)
                    .map_err(|violation| violation.when(&format!("{fault}; ")))?;
            }
            if named.contains("log-")
                || named.contains("checkpoint")
                || named.contains("epoch")
                || named.contains("identity")
            {
                return Ok(());
            }
            return broken("vague-refusal", format!("{fault}: {named}"));
        }
        let Err(violation) = oracle::holds(&self.ledger, &mut probe) else {
            self.mark("media fault survived");
            return Ok(());
        };
        // What is missing may be the one group that nothing proves.
        let unproven = unproven_but_for(image, fault, self.witness_owed);
        let excused = without(&self.ledger, &unproven);
        let mut also = String::new();
        if unproven.is_something() {
            match oracle::holds(&excused, &mut probe) {
                Ok(()) => {
                    self.mark("media fault took an unproven group");
                    return Ok(());
                }
                Err(violation) => {
                    also = format!("; without the last group, which nothing proves: {violation}")
                }
            }
        }
        broken("silent-loss", format!("{fault}: the broker serves all the same, and {violation}{also}"))
    }
}

/// The last group of the log, unless a witness of it is owed: then it is there, or the broker has not kept its word, and nothing is
/// excused. A write that went elsewhere proves nothing where it should have been: then also the last one without it, if what went
/// elsewhere was the witness.
fn unproven_but_for(image: &SimDisk, fault: &MediaFault, owed: bool) -> Unproven {
    let mut last = unproven(image);
    if owed && last.is_something() {
        return Unproven::default();
    }
    if let MediaFault::Misdirect { from: (file, block), .. } = *fault {
        let before = image.clone();
        before.damage(&MediaFault::LoseBlocks(file, block, 1));
        let Unproven { batches, groups, other } = unproven(&before);
        last.batches.extend(batches);
        last.groups.extend(groups);
        last.other |= other;
    }
    last
}

/// The last group of the log, if the log ends with it.
fn unproven(image: &SimDisk) -> Unproven {
    let mut last = Unproven::default();
    let mut segments: Vec<FileName> = image
        .list()
        .unwrap_or_default()
        .into_iter()
        .map(|entry| entry.file)
        .filter(|file| matches!(file, FileName::Segment(_)))
        .collect();
    segments.sort_unstable();
    for file in segments {
        let Ok(found) = scan(image, &ScanOrder { file, salt: None }) else { continue };
        if !matches!(found.front, SegmentFront::Begun(..)) {
            continue;
        }
        let proven = found.groups.len() > found.chained;
        let Some(group) = found.groups[..found.chained].last() else { continue };
        last = Unproven::default();
        if proven || group.header.kind != GroupKind::Data {
            continue;
        }
        for record in &group.records {
            match record {
                ScannedRecord::Intact { entry: Entry::Append(append), position } => {
                    let mut batch = vec![0; append.body_len() as usize];
                    let read = image.read_at(file, u64::from(*position), &mut batch);
                    let number = batch.get(HEADER_BYTES..).and_then(batch::op_of).filter(|_| read.is_ok());
                    last.batches.extend(number.map(|number| (number, append.header.base_offset.0)));
                }
                ScannedRecord::Intact { entry: Entry::Group(change), .. } => {
                    last.groups.insert(change.group.clone());
                }
                ScannedRecord::Intact { .. } | ScannedRecord::Damaged(_) => last.other = true,
            }
        }
    }
    last
}

/// The ledger as it would be if what is in that group had never been promised.
fn without(ledger: &Ledger, unproven: &Unproven) -> Ledger {
    let mut excused = ledger.clone();
    for (number, offset) in &unproven.batches {
        let Some(key) = ledger.op(*number).map(|op| op.key) else { continue };
        if let Some(book) = excused.partitions.get_mut(&key) {
            book.facts.remove(offset);
            book.high_watermark = book.high_watermark.min(book.end_before(*offset));
        }
    }
    for group in &unproven.groups {
        excused.groups.remove(group);
        excused.offsets.excuse(group);
    }
    if unproven.other {
        // With topics go what was committed for them.
        excused.offsets.excuse_all();
        // Topics that came or went with it, their partitions, configs and records, and producer ids.
        for book in excused.topics.values_mut() {
            book.deletions += 1;
            book.deleted = false;
            book.excused = true;
        }
        excused.configs.excuse();
        for book in excused.partitions.values_mut() {
            book.start.excuse();
        }
        excused.producer_ids.clear();
    }
    excused
}
