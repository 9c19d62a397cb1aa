//! Which batches a fetch would get now.

use alloc::vec::Vec;

use crate::{
    broker::{
        fetch::{Job, Part},
        lookup::check_leader_epoch,
    },
    error_code,
    marks::{Mark, mark},
    partition::{Partition, index::IndexEntry},
    planted::{Planted, planted},
    port::FetchedPartition,
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
}

/// The batches of one part.
#[derive(Debug, Default)]
pub(super) struct PlannedBatches {
    pub(super) partition: Option<PartitionId>,
    pub(super) entries: Vec<IndexEntry>,
}

impl Plan {
    pub(super) fn make(job: &Job, state: &State) -> Plan {
        let count = job.parts.len();
        let mut plan = Plan {
            answers: Vec::with_capacity(count),
            batches: Vec::with_capacity(count),
            bytes: 0,
            has_error: false,
        };
        for part in &job.parts {
            let mut answer = FetchedPartition { index: part.index, ..FetchedPartition::default() };
            let mut batches = PlannedBatches::default();
            match checked(part, state) {
                Ok(partition) => {
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
                        plan.take(part, partition, job.max_bytes, &mut batches.entries);
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

    /// Whole batches, within the bounds of the part and of the request. The very first batch of the response comes in any
    /// case, so that a consumer with small bounds makes progress (KIP-74).
    fn take(&mut self, part: &Part, partition: &Partition, max_bytes: u32, entries: &mut Vec<IndexEntry>) {
        let mut part_bytes = 0;
        for entry in partition.batches.from_offset(part.offset) {
            let len = u64::from(entry.len());
            let within =
                part_bytes + len <= u64::from(part.max_bytes) && self.bytes + len <= u64::from(max_bytes);
            if !within && self.bytes > 0 {
                mark(Mark::FetchBounded);
                break;
            }
            entries.push(*entry);
            part_bytes += len;
            self.bytes += len;
            if !within {
                mark(Mark::FetchFirstWhole);
                break;
            }
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
    if part.offset > partition.visible {
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
