use super::*;
use crate::units::PartitionId;

fn batch(epoch: i16, base_sequence: i32, count: i32) -> BatchHeader {
    BatchHeader {
        base_offset: Offset(0),
        batch_length: 49,
        leader_epoch: 0,
        magic: 2,
        crc: 0,
        attributes: 0,
        last_offset_delta: count - 1,
        base_timestamp: Timestamp(0),
        max_timestamp: Timestamp(0),
        producer_id: ProducerId(9),
        producer_epoch: epoch,
        base_sequence,
        record_count: count,
    }
}

fn take(producers: &mut Producers, header: BatchHeader, offset: i64) {
    assert_eq!(producers.check(&header), Verdict::New, "{header:?}");
    let header = BatchHeader { base_offset: Offset(offset), ..header };
    let append = Append { partition: PartitionId(0), appended_at: Timestamp(offset), header };
    producers.apply(Lsn(offset.cast_unsigned()), &append);
}

#[test]
fn exactly_five_batches_are_remembered() {
    let mut producers = Producers::default();
    for at in 0..7 {
        take(&mut producers, batch(0, at * 10, 10), i64::from(at) * 10);
    }
    for at in 0..2 {
        assert_eq!(producers.check(&batch(0, at * 10, 10)), Verdict::OutOfOrder, "batch {at} is forgotten");
    }
    for at in 2..7 {
        match producers.check(&batch(0, at * 10, 10)) {
            Verdict::Duplicate(taken) => assert_eq!(taken.base_offset, Offset(i64::from(at) * 10)),
            other @ (Verdict::New | Verdict::OutOfOrder | Verdict::Fenced) => panic!("batch {at}: {other:?}"),
        }
    }
    assert_eq!(producers.check(&batch(0, 60, 9)), Verdict::OutOfOrder, "same first, other last");
}

#[test]
fn sequences_wrap_from_the_largest_to_zero() {
    let mut producers = Producers::default();
    take(&mut producers, batch(0, i32::MAX - 1, 1), 0);
    assert_eq!(producers.check(&batch(0, 0, 1)), Verdict::OutOfOrder);
    take(&mut producers, batch(0, i32::MAX, 3), 1);
    assert_eq!(producers.known[&ProducerId(9)].batches[1].last_sequence, 1);
    take(&mut producers, batch(0, 2, 1), 4);
}

#[test]
fn a_new_epoch_starts_at_zero_and_fences_the_old_one() {
    let mut producers = Producers::default();
    take(&mut producers, batch(3, 17, 1), 0);
    assert_eq!(producers.check(&batch(4, 5, 1)), Verdict::OutOfOrder);
    take(&mut producers, batch(4, 0, 1), 1);
    assert_eq!(producers.check(&batch(3, 18, 1)), Verdict::Fenced);
}

#[test]
fn an_expired_producer_may_go_on_where_it_was() {
    let mut producers = Producers::default();
    take(&mut producers, batch(0, 5, 1), 100);
    producers.expire(Timestamp(100));
    assert_eq!(producers.check(&batch(0, 9, 1)), Verdict::OutOfOrder, "not yet expired");
    producers.expire(Timestamp(101));
    assert_eq!(producers.check(&batch(0, 9, 1)), Verdict::New);
}
