//! Each checker is shown a good history and bad ones that it must reject.

use bytes::Bytes;
use evenkeel_core::{
    units::{ConnId, Offset, ProducerId, Tag, TopicId},
    wire::batch::Batch,
};

use crate::{
    batch::{self, Sequenced},
    invariant::check_all,
    ledger::{Asked, Known, Ledger, OpNumber, PartitionKey},
    reading::{FoundBatch, FoundPartition, FoundTopic, Reading},
};

const TOPIC: TopicId = TopicId([7; 16]);
const KEY: PartitionKey = PartitionKey { topic: TOPIC, index: 0 };
const PRODUCER: ProducerId = ProducerId(5);

fn batches() -> [Batch; 3] {
    let by = |first| Some(Sequenced { producer: PRODUCER, first });
    [
        batch::make(OpNumber(1), 2, 10, by(0)),
        batch::make(OpNumber(2), 1, 10, None),
        batch::make(OpNumber(3), 3, 10, by(2)),
    ]
}

/// A ledger with a topic and three batches, the first two acknowledged, the third read by somebody.
fn ledger() -> Ledger {
    let mut ledger = Ledger::default();
    ledger.sent(ConnId(1), Tag(0), Asked::Create(String::from("t")));
    ledger.learn(TOPIC, "t", 1).expect("it was asked for");
    ledger.creating.clear();
    let mut offset = 0;
    for ((number, batch), known) in
        (1..).map(OpNumber).zip(batches()).zip([Known::Acked, Known::Acked, Known::Seen])
    {
        ledger.open(number, KEY, &batch);
        ledger.sent(ConnId(1), Tag(number.0), Asked::Produce(vec![number]));
        let book = ledger.partitions.get_mut(&KEY).expect("learned");
        book.facts.insert(offset, (number, known));
        offset += i64::from(batch.header.record_count);
        book.high_watermark = offset;
    }
    ledger.producer_ids.insert(PRODUCER.0);
    ledger
}

fn found(batches: impl IntoIterator<Item = Batch>) -> Reading {
    let mut partition = FoundPartition::default();
    for batch in batches {
        let mut header = batch.header;
        header.base_offset = Offset(partition.high_watermark);
        partition.high_watermark += i64::from(header.record_count);
        let op = batch::op_of(&batch.records);
        partition.batches.push(FoundBatch { header, records: batch.records, op });
    }
    Reading {
        topics: [(TOPIC, FoundTopic { name: String::from("t"), partitions: 1 })].into(),
        partitions: [(KEY, partition)].into(),
        producer_id: Some(1000),
    }
}

fn partition(reading: &mut Reading) -> &mut FoundPartition {
    reading.partitions.get_mut(&KEY).expect("it is there")
}

fn name(ledger: &Ledger, reading: &Reading) -> &'static str {
    check_all(ledger, reading).expect_err("this history is bad").name
}

#[test]
fn a_good_history_passes() {
    assert_eq!(check_all(&ledger(), &found(batches())), Ok(()));
}

#[test]
fn a_lost_acknowledged_batch_is_a_lost_write_and_a_lost_read_one_is_unseen() {
    let [first, second, third] = batches();
    assert_eq!(name(&ledger(), &found([first.clone()])), "lost-write");
    assert_eq!(name(&ledger(), &found([first, second])), "unseen");
    assert_eq!(name(&ledger(), &found([third])), "lost-write");
}

#[test]
fn a_batch_at_another_offset_or_with_other_bytes_is_lost() {
    let [first, second, third] = batches();
    assert_eq!(name(&ledger(), &found([second, first, third])), "lost-write");
    let mut changed = found(batches());
    let batch = &mut partition(&mut changed).batches[0];
    let mut bytes = batch.records.to_vec();
    *bytes.last_mut().expect("not empty") ^= 1;
    batch.records = Bytes::from(bytes);
    assert_eq!(name(&ledger(), &changed), "lost-write");
}

#[test]
fn a_gap_or_an_end_before_the_high_watermark_is_inconsistent() {
    let mut gap = found(batches());
    partition(&mut gap).batches[2].header.base_offset = Offset(4);
    assert_eq!(name(&ledger(), &gap), "inconsistent-offsets");
    let mut short = found(batches());
    partition(&mut short).high_watermark += 1;
    assert_eq!(name(&ledger(), &short), "inconsistent-offsets");
}

#[test]
fn a_high_watermark_that_goes_back_is_nonmonotonic() {
    let mut ledger = ledger();
    ledger.partitions.get_mut(&KEY).expect("learned").high_watermark = 100;
    assert_eq!(name(&ledger, &found(batches())), "nonmonotonic");
}

#[test]
fn records_that_nobody_sent_are_phantoms_and_a_second_copy_is_a_duplicate() {
    let stranger = batch::make(OpNumber(99), 1, 10, None);
    assert_eq!(name(&ledger(), &found(batches().into_iter().chain([stranger]))), "phantom");
    let again = batches()[1].clone();
    assert_eq!(name(&ledger(), &found(batches().into_iter().chain([again]))), "duplicate");
}

#[test]
fn an_idempotent_batch_is_there_once_however_often_it_was_sent() {
    let mut ledger = ledger();
    ledger.sent(ConnId(2), Tag(1), Asked::Produce(vec![OpNumber(3)]));
    let again = batches()[2].clone();
    assert_eq!(name(&ledger, &found(batches().into_iter().chain([again]))), "duplicate");
}

#[test]
fn a_hole_in_the_sequences_of_a_producer_is_a_lost_write() {
    let mut ledger = ledger();
    let batch = batch::make(OpNumber(4), 1, 10, Some(Sequenced { producer: PRODUCER, first: 6 }));
    ledger.open(OpNumber(4), KEY, &batch);
    ledger.sent(ConnId(1), Tag(4), Asked::Produce(vec![OpNumber(4)]));
    assert_eq!(name(&ledger, &found(batches().into_iter().chain([batch]))), "lost-write");
}

#[test]
fn a_producer_id_comes_once() {
    let reissued = Reading { producer_id: Some(PRODUCER.0), ..found(batches()) };
    assert_eq!(name(&ledger(), &reissued), "reissued-producer-id");
}

#[test]
fn topics_neither_vanish_nor_appear_nor_come_back() {
    assert_eq!(name(&ledger(), &Reading::default()), "lost-topic");
    let mut strange = found(batches());
    strange.topics.insert(TopicId([9; 16]), FoundTopic { name: String::from("x"), partitions: 1 });
    assert_eq!(name(&ledger(), &strange), "phantom-topic");
    let mut deleted = ledger();
    deleted.topics.get_mut(&TOPIC).expect("learned").deleted = true;
    assert_eq!(name(&deleted, &found(batches())), "resurrected-topic");
    assert_eq!(check_all(&deleted, &Reading::default()), Ok(()));
}
