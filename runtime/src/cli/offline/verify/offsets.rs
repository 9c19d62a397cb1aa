//! Whether what is stored of a partition is all that there must be: every offset from its log start to its end, each once.
//!
//! Offsets that were never given out are no gap: where a loss was accepted, or a cluster restored, they go on far behind what was the
//! end, and a new leader epoch begins there.

use evenkeel_core::{limits::LOSS_SKIP_OFFSETS, partition::Partition, units::Offset};

/// What is wrong with the ranges of offsets that are stored, in the order in which they are referred to.
pub(super) fn check(partition: &Partition, ranges: &[(Offset, Offset)]) -> Vec<String> {
    let mut wrong = Vec::new();
    let mut behind = Offset(0);
    let mut next = partition.log_start;
    for &(first, end) in ranges {
        if first < behind {
            wrong.push(format!(
                "offsets {first} to {} are stored twice or out of order",
                behind.0.min(end.0) - 1
            ));
        }
        if first > next && !skipped(partition, next, first) {
            wrong.push(format!("offsets {next} to {} are stored nowhere", first.0 - 1));
        }
        behind = behind.max(end);
        next = next.max(end);
    }
    if next > partition.log_end {
        wrong.push(format!("it ends at offset {}, but is stored up to {next}", partition.log_end));
    }
    if next < partition.log_end {
        wrong.push(format!("offsets {next} to {} are stored nowhere", partition.log_end.0 - 1));
    }
    wrong
}

/// Whether no record ever had an offset from `from` up to `upto`.
fn skipped(partition: &Partition, from: Offset, upto: Offset) -> bool {
    let Some(at) = partition.epochs.iter().position(|known| known.start == upto) else { return false };
    // Nothing was written before, or so much was skipped, or the log starts somewhere within that.
    at == 0 || upto.0 - from.0 >= LOSS_SKIP_OFFSETS || from == partition.log_start && from > Offset(0)
}

#[cfg(test)]
mod tests {
    use evenkeel_core::{
        partition::EpochStart,
        units::{Epoch, PartitionId, TopicId},
    };

    use super::*;

    fn partition(log_start: i64, log_end: i64, epochs: &[i64]) -> Partition {
        let mut partition = Partition::new(PartitionId(0), TopicId::NONE, 0);
        (partition.log_start, partition.log_end) = (Offset(log_start), Offset(log_end));
        let starts = epochs.iter().enumerate();
        partition.epochs = starts
            .map(|(at, start)| EpochStart { epoch: Epoch(at as u32 + 1), start: Offset(*start) })
            .collect();
        partition
    }

    fn checked(partition: &Partition, ranges: &[(i64, i64)]) -> Vec<String> {
        let ranges: Vec<_> = ranges.iter().map(|(first, end)| (Offset(*first), Offset(*end))).collect();
        check(partition, &ranges)
    }

    #[test]
    fn every_offset_between_start_and_end_is_stored_once() {
        let whole = partition(0, 30, &[0]);
        assert!(checked(&whole, &[(0, 10), (10, 30)]).is_empty());
        assert!(checked(&partition(0, 0, &[]), &[]).is_empty());
        assert!(
            checked(&partition(15, 30, &[0]), &[(10, 30)]).is_empty(),
            "a batch on both sides of the start"
        );
        assert_eq!(checked(&whole, &[(10, 30)]), ["offsets 0 to 9 are stored nowhere"]);
        assert_eq!(checked(&whole, &[(0, 10), (20, 30)]), ["offsets 10 to 19 are stored nowhere"]);
        assert_eq!(checked(&whole, &[(0, 10)]), ["offsets 10 to 29 are stored nowhere"]);
        assert_eq!(checked(&whole, &[]), ["offsets 0 to 29 are stored nowhere"]);
        assert_eq!(
            checked(&whole, &[(0, 20), (10, 30)]),
            ["offsets 10 to 19 are stored twice or out of order"]
        );
        assert_eq!(checked(&whole, &[(0, 40)]), ["it ends at offset 30, but is stored up to 40"]);
    }

    #[test]
    fn offsets_that_were_skipped_are_no_gap() {
        let far = 10 + LOSS_SKIP_OFFSETS;
        let restored = partition(0, far + 5, &[0, far]);
        assert!(checked(&restored, &[(0, 10), (far, far + 5)]).is_empty());
        assert!(
            checked(&partition(0, far + 5, &[far]), &[(far, far + 5)]).is_empty(),
            "nothing was written before"
        );
        // A restart begins an epoch too, and skips nothing.
        let restarted = partition(0, 30, &[0, 20]);
        assert_eq!(checked(&restarted, &[(0, 10), (20, 30)]), ["offsets 10 to 19 are stored nowhere"]);
        assert_eq!(checked(&restarted, &[(20, 30)]), ["offsets 0 to 19 are stored nowhere"]);
    }
}
