//! What the broker may let go by itself: records that are too old, and those in front of the bytes that are to be kept.

use crate::{
    ledger::{Ledger, PartitionKey},
    reading::{FoundBatch, FoundPartition},
    violation::{Verdict, broken},
};

/// What the wall clock says when a world begins, in milliseconds since the epoch.
pub const WALL_BEGIN_MS: i64 = 1_700_000_000_000;

/// How long, and how much, all topics keep.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Retention {
    /// Age of records in milliseconds.
    pub millis: Option<i64>,
    /// Bytes of a partition.
    pub bytes: Option<u64>,
}

impl Ledger {
    /// By producers' clocks, which are right.
    #[must_use]
    pub fn wall_ms(&self) -> i64 {
        WALL_BEGIN_MS + i64::try_from(self.now / 1000).expect("a run is short")
    }

    /// A record of this time and all younger ones are to be kept.
    fn kept_since(&self) -> Option<i64> {
        self.retention.millis.map(|millis| self.wall_ms() - millis)
    }

    /// Whether the broker may have let go by itself what is in front of that offset, as far as is known what that is. Of bytes a reading
    /// of the whole partition tells more: see [`Ledger::check_kept`].
    #[must_use]
    pub fn may_have_let_go(&self, key: PartitionKey, upto: i64) -> bool {
        if self.retention.bytes.is_some() {
            return true;
        }
        let (Some(since), Some(book)) = (self.kept_since(), self.partitions.get(&key)) else { return false };
        // What is in front of that a client may have deleted.
        let deleted = book.start.last_known(upto);
        let mut kept = book.times.range(..upto).filter(|(base, _)| self.last_offset(key, **base) >= deleted);
        kept.all(|(_, time)| *time < since)
    }

    /// At least the bytes are there that are to be kept, unless it begins where a client deleted its records up to.
    ///
    /// # Errors
    /// They are not.
    pub fn check_kept(&self, key: PartitionKey, found: &FoundPartition) -> Verdict {
        let Retention { millis: None, bytes: Some(bytes) } = self.retention else { return Ok(()) };
        let asked = self.partitions.get(&key).is_some_and(|book| book.start.is_asked(found.log_start));
        let kept = bytes_of(&found.batches);
        if found.log_start == 0 || asked || kept >= bytes {
            return Ok(());
        }
        broken(
            "let-go-too-early",
            format!(
                "{key:?} begins at {}, and of {bytes} bytes that it keeps {kept} are there",
                found.log_start
            ),
        )
    }

    /// Some time after the last look nothing is there that is not to be kept. An object of the store goes as a whole, by the youngest
    /// that was ever in it.
    ///
    /// # Errors
    /// Something is.
    pub fn check_let_go(&self, key: PartitionKey, found: &FoundPartition, stored: bool) -> Verdict {
        let Some(first) = found.batches.first() else { return Ok(()) };
        let base = first.header.base_offset.0;
        if let Some(since) = self.kept_since() {
            let judged = if stored { &found.batches[..] } else { &found.batches[..1] };
            let before = self.partitions.get(&key).into_iter().flat_map(|book| book.times.values());
            let before = before.filter(|_| stored).copied();
            let mut times = judged.iter().map(|batch| batch.header.max_timestamp.0).chain(before);
            if times.all(|time| time < since) {
                let age = self.wall_ms() - first.header.max_timestamp.0;
                return broken(
                    "kept-too-long",
                    format!("{key:?} has a batch at {base} that is {age} ms old"),
                );
            }
        }
        if let Some(bytes) = self.retention.bytes
            && !stored
            && bytes_of(&found.batches[1..]) >= bytes
        {
            return broken("kept-too-long", format!("{key:?} has {bytes} bytes behind its batch at {base}"));
        }
        Ok(())
    }
}

fn bytes_of(batches: &[FoundBatch]) -> u64 {
    batches.iter().map(FoundBatch::bytes).sum()
}
