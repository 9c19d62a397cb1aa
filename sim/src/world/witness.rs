//! When the last group of the log must have its younger witness: once the marker's delay is over since its sync ended, by the clock of
//! the world and by what went wrong since. What the broker wrote, or did not write, excuses nothing.

use evenkeel_core::{
    limits::{BLOCK_BYTES, MARKER_DELAY},
    log::{ScanOrder, group::GroupKind, scan, segment::SegmentFront},
    port::{Disk, FileName, Lane},
};

use crate::{
    disk::{MediaFault, SECTOR_BYTES, SimDisk},
    violation::Verdict,
    world::World,
};

/// Beyond the delay: turns come a little late.
const SLACK_MICROS: u64 = 1_000;

impl World {
    /// The process ends: does it owe a witness for the last group of its log? Not while a write of the log, or of a segment for it, is
    /// under way or has just ended; nor if the process stood still, or its disk failed it or had no room.
    pub(super) fn note_witness(&mut self, abruptly: bool) {
        let delay = u64::try_from(MARKER_DELAY.as_micros()).expect("some milliseconds") + SLACK_MICROS;
        let quiet_since = self.node.written_at.max(self.node.paused_until);
        let writes = self.node.lanes().any(|lane| matches!(lane, Lane::Log | Lane::Background));
        let quiet = !writes && self.now.saturating_sub(quiet_since) > delay;
        let whole = self.node.serves() && !self.node.is_excused() && !self.shape.fills_up;
        self.witness_owed = whole && (quiet || !abruptly);
    }

    /// What if just the last group with records had rotted, once its witness is owed?
    pub(super) fn check_witness(&mut self) -> Verdict {
        if !self.witness_owed || !self.eyes.chance(500) {
            return Ok(());
        }
        let image = self.disk.without_faults();
        let Some((file, position)) = last_records(&image) else { return Ok(()) };
        self.mark("last group rots, witness owed");
        let fault = match self.eyes.below(3) {
            0 => MediaFault::Flip(file, (position + self.eyes.below(64)) * 8 + self.eyes.below(8)),
            1 => MediaFault::ZeroSector(file, position / SECTOR_BYTES as u64),
            _ => MediaFault::LoseBlocks(file, position / u64::from(BLOCK_BYTES), 1),
        };
        let damaged = image.clone();
        if damaged.damage(&fault) {
            self.check_damaged(&image, damaged, &fault)?;
            self.satisfied();
        }
        Ok(())
    }
}

/// Where the last group with records begins.
fn last_records(image: &SimDisk) -> Option<(FileName, u64)> {
    let mut segments: Vec<FileName> =
        image.list().unwrap_or_default().into_iter().map(|entry| entry.file).collect();
    segments.retain(|file| matches!(file, FileName::Segment(_)));
    segments.sort_unstable();
    segments.into_iter().rev().find_map(|file| {
        let found = scan(image, &ScanOrder { file, salt: None }).ok()?;
        let begun = matches!(found.front, SegmentFront::Begun(..));
        let groups = if begun { &found.groups[..found.chained] } else { &[] };
        let last = groups.iter().rfind(|group| group.header.kind == GroupKind::Data)?;
        Some((file, u64::from(last.position)))
    })
}
