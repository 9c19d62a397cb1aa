//! What is promised beyond the data: that waiting ends in time, that leader epochs rise, that times and producer epochs are what
//! was told.

use evenkeel_core::{
    port::{FoundOffset, ListOffsetsAnswer},
    wire::batch::{BatchHeader, HEADER_BYTES, LOG_APPEND_TIME},
};

use crate::{
    batch::{self, Sequenced},
    ledger::{Ledger, OpNumber, PartitionKey},
    violation::{Verdict, broken},
};

/// From the moment at which there is something to tell to the answer of a fetch that waits for it: a read of the disk, and the syncs
/// of what the answer saw of the catalog, each at its slowest.
const PROMPT_MICROS: u64 = 1_000_000;

impl Ledger {
    /// A fetch that was sent at that time is answered now: has it waited for nothing? `enough`: bytes for which it is answered, the
    /// least that it wants, or what it can hold.
    pub(super) fn prompt(&self, key: PartitionKey, from: i64, enough: i32, sent: u64) -> Verdict {
        let deleted_at = self.topics.get(&key.topic).and_then(|book| book.deleted_at);
        let known_at = self.known_to_hold(key, from, usize::try_from(enough).unwrap_or(0));
        let Some(due) = deleted_at.into_iter().chain(known_at).min() else { return Ok(()) };
        let waited = self.now.saturating_sub(due.max(sent).max(self.slow_until));
        // Where the disk fails to give a segment, what was accepted before waits for the next try, and every answer that saw it too.
        if waited <= PROMPT_MICROS || self.disk_fails {
            return Ok(());
        }
        broken(
            "lost-wakeup",
            format!("a fetch of {key:?} from {from} slept {waited} us beyond its reason to wake"),
        )
    }

    /// Since when that many bytes of batches are known in a partition from that offset on.
    fn known_to_hold(&self, key: PartitionKey, from: i64, enough: usize) -> Option<u64> {
        let book = self.partitions.get(&key)?;
        let (mut bytes, mut at) = (0, 0);
        for (offset, since) in book.since.range(from..) {
            let op = book.facts.get(offset).and_then(|(number, _)| self.op(*number));
            bytes += op.map_or(0, |op| HEADER_BYTES + op.records.len());
            at = since.max(&at).to_owned();
            if bytes >= enough && bytes > 0 {
                return Some(at);
            }
        }
        None
    }

    /// Somebody was told of a leader epoch.
    pub(super) fn led(&mut self, epoch: i32) -> Verdict {
        if epoch <= self.epoch_past {
            return broken(
                "epoch-not-raised",
                format!("leader epoch {epoch} after a start, {} was told before it", self.epoch_past),
            );
        }
        self.epoch_now = self.epoch_now.max(epoch);
        Ok(())
    }

    /// Whether a batch of a newer epoch of its producer was acknowledged.
    pub(super) fn is_fenced(&self, number: OpNumber) -> bool {
        let Some((key, by)) = self.op(number).and_then(|op| Some((op.key, op.sequenced?))) else {
            return false;
        };
        let Sequenced { producer, epoch, .. } = by;
        let newest = self.partitions.get(&key).and_then(|book| book.producer_epochs.get(&producer));
        newest.is_some_and(|newest| *newest > epoch)
    }

    /// Batches carry the broker's time where and only where its topic is stamped, and the time that was told.
    ///
    /// # Errors
    /// This one does not.
    pub fn check_stamp(&self, number: OpNumber, header: &BatchHeader) -> Verdict {
        let Some(op) = self.op(number) else { return Ok(()) };
        let stamped = header.attributes & LOG_APPEND_TIME != 0;
        let time = if stamped { header.max_timestamp.0 } else { -1 };
        if !op.stamps.allow(stamped) || op.append_time.is_some_and(|told| told != time) {
            return broken(
                "wrong-timestamp",
                format!("{number:?} has append time {time}; {:?}, told {:?}", op.stamps, op.append_time),
            );
        }
        Ok(())
    }

    /// Last offset of the batch that is known to begin there.
    pub(super) fn last_offset(&self, key: PartitionKey, base: i64) -> i64 {
        let fact = self.partitions.get(&key).and_then(|book| book.facts.get(&base));
        let op = fact.and_then(|(number, _)| self.op(*number));
        op.map_or(base, |op| op.last_offset(base))
    }

    /// An offset was looked up by a time; a batch at or before `known` has one, unless it was deleted. Nothing in front of `start` is
    /// found.
    pub(super) fn found(
        &mut self,
        key: PartitionKey,
        time: i64,
        known: i64,
        start: i64,
        answer: &ListOffsetsAnswer,
    ) -> Verdict {
        let part = answer.topics.first().and_then(|topic| topic.partitions.first());
        let last = self.last_offset(key, known);
        let deleted = self.partitions.get(&key).is_some_and(|book| book.start.most() > known)
            || self.may_have_let_go(key, known + 1);
        match part.map(|part| &part.found) {
            Some(FoundOffset::Within { batch, .. }) => {
                let bytes = batch.concat();
                let found =
                    batch::split(&bytes).and_then(|batches| batches.first().map(|(header, _)| *header));
                let right = found.is_some_and(|header| {
                    header.max_timestamp.0 >= time
                        && (header.base_offset.0 <= known || deleted)
                        && header.last_offset().0 >= start
                });
                if right { Ok(()) } else { wrong_lookup(key, time, known, &format!("{found:?}")) }
            }
            // Over the wire: the session has looked into the batch.
            Some(FoundOffset::At { timestamp, offset, .. })
                if timestamp.0 >= time && (offset.0 <= last || deleted) && offset.0 >= start =>
            {
                Ok(())
            }
            // None at all.
            Some(FoundOffset::At { offset, .. }) if offset.0 < 0 && deleted => Ok(()),
            Some(FoundOffset::Error(error)) => self.allowed_at(*error, key),
            found @ (Some(FoundOffset::At { .. }) | None) => {
                wrong_lookup(key, time, known, &format!("{found:?}"))
            }
        }
    }
}

fn wrong_lookup(key: PartitionKey, time: i64, known: i64, found: &str) -> Verdict {
    broken("wrong-lookup", format!("{key:?} has a record at or after {time} at {known}; found: {found}"))
}
