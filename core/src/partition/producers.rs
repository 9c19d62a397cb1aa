//! Duplicate detection for idempotent producers (KIP-98): for each producer its epoch and its last five batches.
//!
//! Applied when a batch is staged, so a retry of a batch in flight is already known; its answer then waits for the
//! original to be durable.

use alloc::collections::{BTreeMap, VecDeque};

use crate::{
    limits::PRODUCER_BATCHES,
    log::entry::Append,
    marks::{Mark, mark},
    planted::{Planted, planted},
    units::{Lsn, Offset, ProducerId, Timestamp},
    wire::batch::BatchHeader,
};

/// A batch that was taken.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct TakenBatch {
    /// Sequence of its first record.
    pub first_sequence: i32,
    /// Sequence of its last record.
    pub last_sequence: i32,
    /// Offset it got.
    pub base_offset: Offset,
    /// Timestamp it got under `LogAppendTime`, -1 otherwise.
    pub append_time: Timestamp,
    /// Its record in the log.
    pub lsn: Lsn,
}

/// What is known of one producer.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Producer {
    /// Its current epoch.
    pub epoch: i16,
    /// When its last batch was taken.
    pub last_append: Timestamp,
    /// Its last batches, oldest first, at most five.
    pub batches: VecDeque<TakenBatch>,
}

/// What a batch is to its partition.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Verdict {
    /// The next one.
    New,
    /// This one again.
    Duplicate(TakenBatch),
    /// Not the next one: `OUT_OF_ORDER_SEQUENCE_NUMBER`.
    OutOfOrder,
    /// From an older epoch: `INVALID_PRODUCER_EPOCH`.
    Fenced,
}

/// The producers of one partition.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Producers {
    known: BTreeMap<ProducerId, Producer>,
}

/// The sequence `delta` records behind `sequence`; from 2^31 - 1 it goes on at 0.
#[must_use]
pub fn sequence_after(sequence: i32, delta: i32) -> i32 {
    if planted(Planted::SequenceNotWrapped) {
        return sequence.wrapping_add(delta);
    }
    let sum = i64::from(sequence) + i64::from(delta);
    i32::try_from(sum % (i64::from(i32::MAX) + 1)).expect("the remainder lies below 2^31")
}

fn last_sequence(header: &BatchHeader) -> i32 {
    sequence_after(header.base_sequence, header.last_offset_delta)
}

impl Producers {
    /// Whether batches of that producer are remembered.
    #[must_use]
    pub fn is_known(&self, id: ProducerId) -> bool {
        self.known.contains_key(&id)
    }

    /// What this batch is. An unknown producer may start anywhere: its state may have expired.
    #[must_use]
    pub fn check(&self, header: &BatchHeader) -> Verdict {
        let Some(producer) = self.known.get(&header.producer_id) else { return Verdict::New };
        if header.producer_epoch < producer.epoch {
            return if planted(Planted::OldEpochTaken) { Verdict::New } else { Verdict::Fenced };
        }
        if header.producer_epoch > producer.epoch {
            return if header.base_sequence == 0 { Verdict::New } else { Verdict::OutOfOrder };
        }
        let last = last_sequence(header);
        let same =
            |taken: &&TakenBatch| taken.first_sequence == header.base_sequence && taken.last_sequence == last;
        if let Some(taken) = producer.batches.iter().rev().find(same) {
            let newest = producer.batches.back().filter(|_| planted(Planted::DuplicateWrongOffset));
            return Verdict::Duplicate(*newest.unwrap_or(taken));
        }
        match producer.batches.back() {
            Some(taken)
                if sequence_after(taken.last_sequence, 1) != header.base_sequence
                    && !planted(Planted::SequenceGapTaken) =>
            {
                Verdict::OutOfOrder
            }
            Some(_) | None => Verdict::New,
        }
    }

    /// A batch was taken.
    pub fn apply(&mut self, lsn: Lsn, append: &Append) {
        let header = &append.header;
        let producer = self.known.entry(header.producer_id).or_insert_with(|| Producer {
            epoch: header.producer_epoch,
            last_append: append.appended_at,
            batches: VecDeque::with_capacity(PRODUCER_BATCHES),
        });
        if producer.epoch != header.producer_epoch {
            mark(Mark::ProducerEpochRaised);
            producer.epoch = header.producer_epoch;
            producer.batches.clear();
        }
        if last_sequence(header) < header.base_sequence {
            mark(Mark::ProducerWrapped);
        }
        producer.last_append = append.appended_at;
        let remembered = PRODUCER_BATCHES - usize::from(planted(Planted::FourBatchesRemembered));
        if producer.batches.len() == remembered {
            mark(Mark::ProducerForgets);
            producer.batches.pop_front();
        }
        let stamped = header.attributes & crate::wire::batch::LOG_APPEND_TIME != 0;
        producer.batches.push_back(TakenBatch {
            first_sequence: header.base_sequence,
            last_sequence: last_sequence(header),
            base_offset: header.base_offset,
            append_time: if stamped { header.max_timestamp } else { Timestamp(-1) },
            lsn,
        });
    }

    /// Forgets producers whose last batch was taken before that time.
    pub fn expire(&mut self, before: Timestamp) {
        self.known.retain(|_, producer| producer.last_append >= before);
    }

    /// Adds a producer as a checkpoint tells it.
    pub fn restore(&mut self, id: ProducerId, producer: Producer) {
        self.known.insert(id, producer);
    }

    /// All producers, by id.
    pub fn iter(&self) -> impl Iterator<Item = (ProducerId, &Producer)> {
        self.known.iter().map(|(id, producer)| (*id, producer))
    }

    /// Number of producers.
    #[must_use]
    pub fn len(&self) -> usize {
        self.known.len()
    }

    /// Whether there is none.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.known.is_empty()
    }
}

#[cfg(test)]
mod tests;
