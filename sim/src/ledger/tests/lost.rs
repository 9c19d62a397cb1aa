//! After a loss that was announced: what is given up, and what is not.

use evenkeel_core::{units::Offset, wire::batch::Batch};

use super::{KEY, TOPIC, Talk, plain, records, sequenced};
use crate::{
    batch,
    ledger::{Ledger, OpNumber},
    reading::{FoundBatch, FoundPartition, FoundTopic, Reading},
};

/// A reading of a partition with these batches, one behind the other from 0 on, and perhaps one more elsewhere.
fn found(batches: &[(u64, &Batch)], later: Option<(i64, u64, &Batch)>) -> Reading {
    let mut partition = FoundPartition::default();
    let mut next = 0;
    let placed = batches.iter().map(|(number, batch)| (None, *number, *batch));
    for (at, number, batch) in placed.chain(later.map(|(at, number, batch)| (Some(at), number, batch))) {
        let mut header = batch.header;
        header.base_offset = Offset(at.unwrap_or(next));
        next = header.last_offset().0 + 1;
        let (records, op) = (batch.records.clone(), Some(OpNumber(number)));
        partition.batches.push(FoundBatch { header, records, op });
    }
    partition.high_watermark = next;
    let topic = FoundTopic { name: String::from("t"), partitions: 1 };
    Reading { topics: [(TOPIC, topic)].into(), partitions: [(KEY, partition)].into(), ..Reading::default() }
}

/// Three batches are acknowledged; the first was when a cut was begun, and is all that a loss leaves.
fn lost() -> (Talk, Ledger) {
    let mut talk = Talk::new();
    assert_eq!(talk.produce(1, &plain(1), (0, 0, -1)), "");
    let cut = talk.ledger.clone();
    assert_eq!(talk.produce(2, &sequenced(2, 0, 0), (0, 2, -1)), "");
    assert_eq!(talk.produce(3, &plain(3), (0, 4, -1)), "");
    talk.ledger.producer_ids.insert(7);
    let before = talk.ledger.clone();
    talk.ledger = before.as_of(&cut);
    let left = found(&[(1, &plain(1))], None);
    assert!(crate::invariant::check_all(&talk.ledger, &left).is_ok());
    talk.ledger.settle(&left).expect("it is as it was");
    talk.ledger.lose(&before, &left).expect("it is what is left");
    (talk, before)
}

#[test]
fn what_came_behind_the_cut_is_given_up_and_its_numbers_are_not() {
    let (talk, before) = lost();
    let book = &talk.ledger.partitions[&KEY];
    assert_eq!(book.facts.keys().copied().collect::<Vec<_>>(), [0]);
    assert_eq!(book.unknown_from(&talk.ledger), 6);
    assert!(talk.ledger.is_lost(OpNumber(2)) && talk.ledger.is_lost(OpNumber(3)));
    assert!(!talk.ledger.is_lost(OpNumber(1)));
    assert!(talk.ledger.producer_ids.contains(&7));
    assert_eq!(before.partitions[&KEY].facts.len(), 3);
}

#[test]
fn an_offset_that_was_lost_is_given_to_nobody_and_one_behind_it_is() {
    let (mut talk, _) = lost();
    assert_eq!(talk.produce(4, &plain(4), (0, 2, -1)), "inconsistent-offsets");
    let (mut talk, _) = lost();
    assert_eq!(talk.produce(4, &plain(4), (0, 5, -1)), "inconsistent-offsets");
    let (mut talk, _) = lost();
    assert_eq!(talk.produce(4, &plain(4), (0, 100, -1)), "");
    // Sent again by who was not told, it is stored again.
    assert_eq!(talk.produce(2, &sequenced(2, 0, 0), (0, 102, -1)), "");
    assert!(!talk.ledger.is_lost(OpNumber(2)));
}

#[test]
fn who_stands_in_the_gap_comes_by_the_first_record_behind_it_and_by_no_other() {
    for (from, base, violation) in [
        (2, 100, ""),
        (5, 100, ""),
        (50, 100, ""),
        // It was given out before.
        (2, 5, "inconsistent-offsets"),
        // A record of the first batch is left out.
        (1, 100, "inconsistent-offsets"),
        // There is one at 100.
        (50, 102, "inconsistent-offsets"),
    ] {
        let (mut talk, _) = lost();
        assert_eq!(talk.produce(4, &plain(4), (0, 100, -1)), "");
        talk.ledger.open(OpNumber(5), KEY, &plain(5));
        let number = if base == 100 { 4 } else { 5 };
        let answer = records(base, &[plain(number)], base + 2);
        assert_eq!(talk.fetch(from, 0, answer), violation, "from {from} to {base}");
    }
}

#[test]
fn a_gap_is_where_the_loss_was_and_nowhere_else() {
    let (mut talk, _) = lost();
    assert_eq!(talk.produce(4, &plain(4), (0, 100, -1)), "");
    let book = &talk.ledger.partitions[&KEY];
    assert_eq!((book.end_before(100), book.end_before(102), book.end_before(1)), (2, 102, 1));
    let check = |talk: &Talk, found: &Reading| {
        crate::invariant::check_all(&talk.ledger, found).err().map_or("", |violation| violation.name)
    };
    let one = plain(1);
    assert_eq!(check(&talk, &found(&[(1, &one)], Some((100, 4, &plain(4))))), "");
    assert_eq!(check(&talk, &found(&[(1, &one)], Some((4, 4, &plain(4))))), "inconsistent-offsets");
    let longer = batch::make(OpNumber(1), 2, 10, None);
    assert_eq!(check(&talk, &found(&[], Some((100, 4, &longer)))), "inconsistent-offsets");
    // What was known in front of the new end must be there.
    let (talk, before) = lost();
    let another = found(&[(3, &plain(3))], Some((2, 2, &sequenced(2, 0, 0))));
    let verdict = talk.ledger.clone().lose(&before, &another);
    assert_eq!(verdict.err().map(|violation| violation.name), Some("lost-write"));
}
