//! Retention: what is older than its topic keeps it, or more than it keeps, goes (`retention.ms`, `retention.bytes`).
//!
//! A partition loses whole pieces from its beginning: batches, or what one object of the store holds of it. As in Kafka, a piece is
//! too old when its largest timestamp is, one with a young record keeps all behind it, and of bytes at least as many stay as the topic
//! says. A piece without any timestamp goes with the next one that has a time. What goes is told to the log as if a client had deleted
//! it, so every start sees the same, and a disk that is lost gives back at most what the last cut had.

use alloc::{format, vec::Vec};
use core::time::Duration;

use crate::{
    broker::{Live, cuts::Archive},
    marks::{Mark, mark},
    partition::Partition,
    planted::{Planted, planted},
    port::Notice,
    state::topic::TopicConfig,
    turn::{Timer, Turn},
    units::{Offset, PartitionId, Timestamp},
};

/// What goes or stays as a whole.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
struct Piece {
    /// Behind its last record.
    end: Offset,
    bytes: u64,
    newest: Timestamp,
}

/// How much of a partition stays.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
struct Kept {
    /// What is younger, or just as old.
    since: Option<Timestamp>,
    /// At least so many bytes.
    bytes: Option<u64>,
}

impl Kept {
    fn of(topic: &TopicConfig, age: Option<Duration>, bytes: Option<u64>, now: Timestamp) -> Kept {
        let age = age.map(|age| i64::try_from(age.as_millis()).unwrap_or(i64::MAX));
        // A number below zero: without a bound.
        let age = topic.retention_ms.map_or(age, |ms| (ms >= 0).then_some(ms));
        let bytes = topic.retention_bytes.map_or(bytes, |bytes| u64::try_from(bytes).ok());
        Kept { since: age.map(|age| Timestamp(now.0.saturating_sub(age))), bytes }
    }

    fn is_everything(self) -> bool {
        self.since.is_none() && self.bytes.is_none()
    }
}

/// What goes: offset behind its last record, and its bytes. `all` counts the bytes of all pieces.
fn gone(kept: Kept, all: impl FnOnce() -> u64, pieces: impl Iterator<Item = Piece>) -> Option<(Offset, u64)> {
    let mut rest = kept.bytes.map_or(0, |_| all());
    let (mut gone, mut bytes) = (None, 0);
    let mut old_so_far = true;
    for piece in pieces {
        bytes += piece.bytes;
        rest = rest.saturating_sub(piece.bytes);
        let fewer = if planted(Planted::RetentionKeepsTooFewBytes) { piece.bytes } else { 0 };
        let is_surplus = kept.bytes.is_some_and(|enough| rest + fewer >= enough);
        old_so_far &= kept.since.is_some_and(|since| piece.newest < since);
        if !is_surplus && !old_so_far && !planted(Planted::RetentionSkipsYoung) {
            break;
        }
        // Without a time of its own it waits for one that has.
        if is_surplus || piece.newest >= Timestamp(0) {
            gone = Some((piece.end, bytes));
        }
    }
    gone
}

/// What of a partition everybody may see, in pieces. The last object may reach into the log: what is in both is counted there.
fn pieces<'a>(partition: &'a Partition, archive: Option<&'a Archive>) -> impl Iterator<Item = Piece> + 'a {
    let in_log = partition.oldest_in_log();
    let mut from = partition.log_start;
    let stored =
        archive.into_iter().flat_map(move |archive| archive.places(partition.id)).map_while(move |stored| {
            if from >= in_log {
                return None;
            }
            let end = stored.end.min(in_log);
            from = end;
            let both =
                partition.batches.from_offset(in_log).take_while(|batch| batch.last_offset() < stored.end);
            let both: u64 = both.map(|batch| u64::from(batch.len())).sum();
            Some(Piece { end, bytes: stored.bytes.saturating_sub(both), newest: stored.newest })
        });
    stored.chain(partition.batches.from_offset(partition.log_start).map(|batch| Piece {
        end: batch.last_offset().plus(1),
        bytes: u64::from(batch.len()),
        newest: batch.own_newest(),
    }))
}

impl Live {
    /// Looks at every partition. Decided here, once, and written to the log: every replay deletes the same.
    pub(super) fn retain(&mut self, turn: &mut Turn<'_>) {
        if !planted(Planted::RetentionForgetsItself) {
            turn.at(turn.now.mono.after(self.config.retention_check_interval), Timer::Retention);
        }
        if self.stopping || !self.log.accepts_deletion() {
            mark(Mark::RetentionWaits);
            return;
        }
        let archive = self.cuts.as_ref().and_then(|cuts| cuts.archive());
        // Then it is not known how old, and how much, the records are that only the store has.
        let knows_no_archive = self.cuts.is_some() && archive.is_none();
        let mut moved: Vec<(PartitionId, Offset)> = Vec::new();
        let mut bytes = 0;
        for topic in self.state.topics() {
            let (age, most) = (self.config.retention, self.config.retention_bytes);
            let kept = Kept::of(&topic.config, age, most, turn.now.wall);
            if kept.is_everything() {
                continue;
            }
            for partition in topic.partition_ids().filter_map(|id| self.state.partition(id)) {
                if knows_no_archive && partition.log_start < partition.oldest_in_log() {
                    continue;
                }
                let all = || pieces(partition, archive).map(|piece| piece.bytes).sum();
                if let Some((log_start, of_these)) = gone(kept, all, pieces(partition, archive)) {
                    bytes += of_these;
                    moved.push((partition.id, log_start));
                }
            }
        }
        if moved.is_empty() {
            return;
        }
        turn.tell(Notice::info(format!(
            "{bytes} bytes of records in {} partitions are deleted: they are older, or more, than their topics keep",
            moved.len()
        )));
        for (partition, log_start) in moved {
            mark(Mark::RecordsExpired);
            self.move_log_start(partition, log_start);
        }
    }
}

#[cfg(test)]
mod tests;
