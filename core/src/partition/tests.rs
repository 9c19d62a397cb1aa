use super::*;
use crate::{
    units::{ProducerId, SegmentSequence, Timestamp},
    wire::batch::BatchHeader,
};

fn append(base: i64, count: i32, epoch: i32, max_timestamp: i64) -> Append {
    Append {
        partition: PartitionId(0),
        appended_at: Timestamp(0),
        header: BatchHeader {
            base_offset: Offset(base),
            batch_length: 100,
            leader_epoch: epoch,
            magic: 2,
            crc: 0,
            attributes: 0,
            last_offset_delta: count - 1,
            base_timestamp: Timestamp(0),
            max_timestamp: Timestamp(max_timestamp),
            producer_id: ProducerId(-1),
            producer_epoch: -1,
            base_sequence: -1,
            record_count: count,
        },
    }
}

fn filled() -> Partition {
    let mut partition = Partition::new(PartitionId(0), TopicId::NONE, 0);
    // Epochs 1, 1, 4; a gap before the last; times that go back.
    for (at, append) in
        [append(0, 10, 1, 50), append(10, 5, 1, 20), append(15, 5, 4, 70), append(100, 1, 4, 60)]
            .iter()
            .enumerate()
    {
        partition.apply(Lsn(at as u64), append);
        partition.publish(append, Place { segment: SegmentSequence(1), position: 4096 });
    }
    partition
}

#[test]
fn an_offset_finds_its_batch_and_a_gap_the_one_behind_it() {
    let partition = filled();
    let first =
        |offset| partition.batches.from_offset(Offset(offset)).next().map(|entry| entry.base_offset().0);
    assert_eq!([0, 9, 10, 14, 19].map(first), [Some(0), Some(0), Some(10), Some(10), Some(15)]);
    assert_eq!([20, 99, 100].map(first), [Some(100), Some(100), Some(100)]);
    assert_eq!(first(101), None);
}

#[test]
fn a_time_finds_the_first_batch_that_reaches_it() {
    let partition = filled();
    let first = |time| partition.batches.by_time(Timestamp(time)).map(|entry| entry.base_offset().0);
    assert_eq!([0, 50, 51, 70, 71].map(first), [Some(0), Some(0), Some(15), Some(15), None]);
    let (entry, newest) = partition.batches.newest().expect("not empty");
    assert_eq!((entry.base_offset(), newest), (Offset(15), Timestamp(70)));
}

#[test]
fn epoch_ends_are_those_of_kip_101() {
    let partition = filled();
    let current = Epoch(6);
    assert_eq!(partition.epoch_end(0, current), Some((0, Offset(0))), "before all: nothing agrees");
    assert_eq!(partition.epoch_end(1, current), Some((1, Offset(15))));
    assert_eq!(partition.epoch_end(3, current), Some((1, Offset(15))), "largest known epoch at most 3");
    assert_eq!(partition.epoch_end(4, current), Some((4, Offset(101))));
    assert_eq!(partition.epoch_end(5, current), Some((4, Offset(101))));
    assert_eq!(partition.epoch_end(6, current), Some((6, Offset(101))));
    assert_eq!(partition.epoch_end(7, current), None);
    assert_eq!([0, 14, 15, 100].map(|at| partition.epoch_at(Offset(at))), [1, 1, 4, 4]);
}
