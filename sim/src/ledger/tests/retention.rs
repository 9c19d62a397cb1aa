//! What the broker may let go by itself, and what it must not keep.

use super::*;
use crate::{
    ledger::{Retention, WALL_BEGIN_MS},
    reading::{FoundBatch, FoundPartition},
};

const KEPT_MS: i64 = 100;

/// A ledger of a topic that keeps records for [`KEPT_MS`], at that time.
fn talk_at(millis: u64) -> Talk {
    let mut talk = Talk::new();
    talk.ledger.retention = Retention { millis: Some(KEPT_MS), bytes: None };
    talk.ledger.now = millis * 1000;
    talk
}

fn at(number: u64, millis: i64) -> Batch {
    batch::at(plain(number), WALL_BEGIN_MS + millis)
}

/// A batch of two records: the second one is a millisecond younger.
fn found(batch: &Batch, stamp: Option<i64>) -> FoundPartition {
    let mut header = batch.header;
    if let Some(millis) = stamp {
        header.max_timestamp = Timestamp(WALL_BEGIN_MS + millis);
    }
    let batch = FoundBatch { header, records: batch.records.clone(), op: None };
    FoundPartition { batches: vec![batch], ..FoundPartition::default() }
}

#[test]
fn what_is_old_may_go_and_what_is_younger_may_not() {
    let mut talk = talk_at(10);
    assert_eq!(talk.produce(1, &at(1, 9), (0, 0, -1)), "");
    talk.ledger.now = 110_000;
    assert!(!talk.ledger.may_have_let_go(KEY, 2), "its second record is of 10 ms");
    assert_eq!(talk.ledger.check_let_go(KEY, &found(&at(1, 9), None), false), Ok(()));
    talk.ledger.now = 111_000;
    assert!(talk.ledger.may_have_let_go(KEY, 2));
    let verdict = talk.ledger.check_let_go(KEY, &found(&at(1, 9), None), false);
    assert_eq!(verdict.err().map(|violation| violation.name), Some("kept-too-long"));
}

#[test]
fn the_bytes_that_are_kept_are_there_unless_a_client_deleted_up_to_just_there() {
    let mut talk = talk_at(10);
    talk.ledger.retention = Retention { millis: None, bytes: Some(1000) };
    let mut few = found(&at(1, 9), None);
    few.log_start = 2;
    let name = |talk: &Talk, found: &FoundPartition| {
        talk.ledger.check_kept(KEY, found).err().map(|violation| violation.name)
    };
    assert_eq!(name(&talk, &few), Some("let-go-too-early"));
    let book = talk.ledger.partitions.get_mut(&KEY).expect("learned");
    book.start.ask(1, crate::ledger::Upto::Offset(1));
    assert_eq!(name(&talk, &few), Some("let-go-too-early"), "a deletion up to elsewhere");
    let book = talk.ledger.partitions.get_mut(&KEY).expect("learned");
    book.start.ask(2, crate::ledger::Upto::Offset(2));
    assert_eq!(name(&talk, &few), None);
}

// Standard seed 62: four records from a producer, the last one 3 ms ahead of the broker, which wrote its own time into them. The ledger
// took the producer's time for theirs, and the broker had let them go after just the time that it keeps them.
#[test]
fn a_stamped_batch_is_as_old_as_the_broker_says() {
    let mut talk = talk_at(10);
    talk.stamped();
    assert_eq!(talk.produce(1, &at(1, 12), (0, 0, WALL_BEGIN_MS + 10)), "");
    assert_eq!(talk.produce(2, &at(2, -50), (0, 2, WALL_BEGIN_MS + 12)), "");
    talk.ledger.now = 111_000;
    assert!(talk.ledger.may_have_let_go(KEY, 2), "the producer was ahead");
    assert!(!talk.ledger.may_have_let_go(KEY, 4), "the producer was behind: it is as young as its stamp");
    talk.ledger.now = 113_000;
    assert!(talk.ledger.may_have_let_go(KEY, 4));
    let verdict = talk.ledger.check_let_go(KEY, &found(&at(2, -50), Some(12)), true);
    assert_eq!(verdict.err().map(|violation| violation.name), Some("kept-too-long"));
}
