//! Which batches a fetch would get now.

use alloc::{collections::BTreeSet, vec::Vec};

use crate::{
    broker::{
        cuts::{Cuts, Place},
        fetch::{Job, Part},
        lookup::check_leader_epoch,
    },
    error_code,
    marks::{Mark, mark},
    partition::{Partition, index::IndexEntry},
    planted::{Planted, planted},
    port::{FetchedPartition, ReadBatches},
    state::State,
    units::PartitionId,
};

/// The outcome of planning.
#[derive(Debug)]
pub(super) struct Plan {
    /// One for each part, without records yet.
    pub(super) answers: Vec<FetchedPartition>,
    /// One for each part.
    pub(super) batches: Vec<PlannedBatches>,
    pub(super) bytes: u64,
    /// Something that must be told at once.
    pub(super) has_error: bool,
    /// A bound of the answer is reached, or of what one read takes: waiting does not bring more.
    pub(super) is_full: bool,
    /// Parts that got less than their share because the answer was full.
    pub(super) cut_short: BTreeSet<usize>,
}

/// The batches of one part.
#[derive(Debug, Default)]
pub(super) struct PlannedBatches {
    pub(super) partition: Option<PartitionId>,
    pub(super) entries: Vec<IndexEntry>,
    /// What is to come from the object store; then nothing else does.
    pub(super) stored: Option<ReadBatches>,
}

impl Plan {
    /// `max_bytes`: how long the whole answer may be, the first batch aside.
    pub(super) fn make(job: &Job, max_bytes: u32, state: &State, cuts: Option<&Cuts>) -> Plan {
        let count = job.parts.len();
        let mut plan = Plan {
            answers: Vec::with_capacity(count),
            batches: Vec::with_capacity(count),
            bytes: 0,
            has_error: false,
            is_full: false,
            cut_short: BTreeSet::new(),
        };
        for part in &job.parts {
            let mut answer = FetchedPartition { index: part.index, ..FetchedPartition::default() };
            let mut batches = PlannedBatches::default();
            let checked =
                checked(part, state).and_then(|partition| Ok((partition, source(part, partition, cuts)?)));
            match checked {
                Ok((partition, stored)) => {
                    let early = planted(Planted::WatermarkEarlyInFetch);
                    answer.high_watermark = if early { partition.log_end.0 } else { partition.visible.0 };
                    // Without transactions everything visible is decided.
                    answer.last_stable_offset = partition.visible.0;
                    answer.log_start_offset = partition.log_start.0;
                    answer.aborted_transactions = job.read_committed.then(Vec::new);
                    answer.diverging_epoch = diverging(part, partition, state);
                    if answer.diverging_epoch.is_some() {
                        plan.has_error = true;
                    } else {
                        batches.partition = Some(partition.id);
                        match stored {
                            Some(place) => {
                                batches.stored = plan.take_stored(part, partition, &place, max_bytes);
                            }
                            None => plan.take(part, partition, max_bytes, &mut batches.entries),
                        }
                    }
                }
                Err(error_code) => {
                    plan.has_error = true;
                    answer.error_code = error_code;
                    answer.high_watermark = -1;
                    answer.last_stable_offset = -1;
                    answer.log_start_offset = -1;
                }
            }
            plan.answers.push(answer);
            plan.batches.push(batches);
        }
        plan
    }

    /// From one object, as far as the bounds allow; its batches are known only when it is read.
    fn take_stored(
        &mut self,
        part: &Part,
        partition: &Partition,
        place: &Place,
        max_bytes: u32,
    ) -> Option<ReadBatches> {
        let room = u64::from(max_bytes).saturating_sub(self.bytes);
        let left = room.min(u64::from(part.max_bytes));
        let takes = place.bytes.min(left.max(1));
        if takes < place.bytes || place.end < partition.visible {
            self.is_full = true;
        }
        if room < place.bytes.min(u64::from(part.max_bytes)) {
            self.cut_short.insert(self.answers.len());
        }
        if left == 0 && self.bytes > 0 {
            return None;
        }
        mark(Mark::FetchStored);
        self.bytes += takes;
        Some(ReadBatches {
            object: place.object,
            partition: partition.id,
            from: part.offset,
            newest_min: None,
            bytes_max: left,
        })
    }

    /// Whole batches, within the bounds of the part and of the request. The very first batch of the response comes in any
    /// case, so that a consumer with small bounds makes progress (KIP-74).
    fn take(&mut self, part: &Part, partition: &Partition, max_bytes: u32, entries: &mut Vec<IndexEntry>) {
        let mut part_bytes = 0;
        for entry in partition.batches.from_offset(part.offset) {
            let len = u64::from(entry.len());
            let in_share = part_bytes + len <= u64::from(part.max_bytes);
            let within = in_share && self.bytes + len <= u64::from(max_bytes);
            if !within && self.bytes > 0 {
                mark(Mark::FetchBounded);
                self.is_full = true;
                if in_share {
                    self.cut_short.insert(self.answers.len());
                }
                break;
            }
            entries.push(*entry);
            part_bytes += len;
            self.bytes += len;
            if !within {
                mark(Mark::FetchFirstWhole);
                self.is_full = true;
                break;
            }
        }
    }
}

/// Where the records from that offset on are: in the object store, or in the log.
fn source(part: &Part, partition: &Partition, cuts: Option<&Cuts>) -> Result<Option<Place>, i16> {
    let Some(cuts) = cuts else { return Ok(None) };
    if part.offset >= partition.oldest_in_log() {
        return Ok(None);
    }
    match cuts.archive() {
        Some(_) if planted(Planted::StoredRecordsSkipped) => Ok(None),
        Some(archive) => Ok(archive.find(partition.id, part.offset)),
        // Perhaps nothing is missing there, but that is not known.
        None => {
            mark(Mark::FetchStoreUnknown);
            Err(error_code::KAFKA_STORAGE_ERROR)
        }
    }
}

fn checked<'a>(part: &Part, state: &'a State) -> Result<&'a Partition, i16> {
    let id = part.partition(state)?;
    check_leader_epoch(part.current_leader_epoch, state.epoch)?;
    let partition = state.partition(id).ok_or(error_code::UNKNOWN_TOPIC_OR_PARTITION)?;
    // Staged but not durable offsets are nobody's business: the end that counts is the visible one.
    if part.offset < partition.log_start && !planted(Planted::DeletedRecordsServed) {
        mark(Mark::FetchInFront);
        return Err(error_code::OFFSET_OUT_OF_RANGE);
    }
    if part.offset > partition.visible.max(partition.reserved_upto) {
        return Err(error_code::OFFSET_OUT_OF_RANGE);
    }
    Ok(partition)
}

/// KIP-595: where the fetcher's log leaves ours, if it says what it has.
fn diverging(part: &Part, partition: &Partition, state: &State) -> Option<(i32, i64)> {
    if part.last_fetched_epoch < 0 {
        return None;
    }
    let (epoch, end) = partition.epoch_end(part.last_fetched_epoch, state.epoch)?;
    (epoch < part.last_fetched_epoch || end < part.offset).then_some((epoch, end.0))
}
