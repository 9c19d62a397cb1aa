//! The segments around the one in use: prepared ahead of it, removed behind it.

use alloc::{string::String, vec, vec::Vec};

use crate::{
    limits::SPARE_SEGMENTS,
    log::writer::Log,
    marks::{Mark, mark},
    port::{DiskError, DiskRequest, DiskStep, FileName, Lane, Notice},
    turn::{Purpose, Timer, Turn},
    units::SegmentSequence,
};

impl Log {
    pub(super) fn prepare(&mut self, turn: &mut Turn<'_>) {
        if self.preparing || self.closing || self.spares.len() >= SPARE_SEGMENTS {
            return;
        }
        self.preparing = true;
        let file = FileName::Segment(self.next_spare);
        let len = u64::from(self.writer.segment_bytes);
        // Written zeros make every later small sync about a third cheaper, and cost as many bytes as the log itself. So they
        // are for quiet times; a log that is busy, or about to run out of prepared segments, takes space without them.
        let hurry = self.fills_fast || (self.spares.is_empty() && self.room() < self.tail.segment_bytes / 2);
        let steps = vec![
            DiskStep::Create(file),
            if hurry {
                mark(Mark::SegmentReserved);
                DiskStep::Reserve { file, len }
            } else {
                mark(Mark::SegmentZeroed);
                DiskStep::Zero { file, len }
            },
            DiskStep::Sync(file),
            DiskStep::SyncDirectory,
        ];
        turn.disk(Purpose::Spare(self.next_spare), DiskRequest { lane: Lane::Background, steps });
    }

    /// A segment has been prepared, or not.
    pub fn prepared(&mut self, segment: SegmentSequence, result: Result<(), DiskError>, turn: &mut Turn<'_>) {
        assert_eq!(segment, self.next_spare, "segments are prepared one at a time, in order");
        match result {
            Ok(()) => {
                if self.prepare_failures > 0 {
                    mark(Mark::SegmentsAgain);
                    turn.tell(Notice::info(String::from("the disk gives log segments again")));
                }
                mark(Mark::SegmentPrepared);
                self.preparing = false;
                self.prepare_failures = 0;
                self.spares.push_back(segment);
                self.next_spare = segment.next();
            }
            Err(error) => {
                // The same name is created anew next time, so nothing of the failed attempt is trusted.
                mark(Mark::SegmentNotPrepared);
                self.prepare_failures += 1;
                let wait = core::time::Duration::from_secs(1 << self.prepare_failures.min(5));
                turn.tell(Notice::warn(alloc::format!(
                    "cannot prepare a log segment: {error}; {} spare left, next try in {wait:?}{}",
                    self.spares.len(),
                    if self.accepts() { "" } else { "; refusing writes until then" }
                )));
                turn.at(turn.now.mono.after(wait), Timer::Spare);
            }
        }
    }

    /// The time to try again has come.
    pub fn retry_prepare(&mut self) {
        self.preparing = false;
    }

    /// Removes the segments in front of `floor`, oldest first, each durably before the next: an undone removal then
    /// never leaves a hole, and neither does one that fails, as long as nothing counts as gone before [`Log::trimmed`].
    pub fn trim(&self, floor: SegmentSequence, steps: &mut Vec<DiskStep>) {
        assert!(floor <= self.tail.segment, "the segment in use stays");
        let mut segment = self.first_segment;
        while segment < floor {
            mark(Mark::SegmentTrimmed);
            steps.push(DiskStep::Remove(FileName::Segment(segment)));
            steps.push(DiskStep::SyncDirectory);
            segment = segment.next();
        }
    }

    /// The segments in front of `floor` are gone.
    pub fn trimmed(&mut self, floor: SegmentSequence) {
        self.first_segment = self.first_segment.max(floor);
    }
}
