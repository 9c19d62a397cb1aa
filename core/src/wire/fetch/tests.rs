use kafka_protocol::{
    messages::{
        FetchResponse, ResponseHeader, TopicName,
        fetch_response::{AbortedTransaction, EpochEndOffset, FetchableTopicResponse, PartitionData},
    },
    protocol::Encodable,
};
use uuid::Uuid;

use super::*;
use crate::{
    units::TopicId,
    wire::{
        api::Served,
        sample::{Dice, versions},
    },
};

fn random(dice: &mut Dice) -> FetchAnswer {
    let records = |dice: &mut Dice| {
        let many = if dice.below(5) == 0 { 40_000 } else { 300 };
        dice.bytes(many)
    };
    let partition = |dice: &mut Dice| FetchedPartition {
        index: dice.i32(),
        error_code: dice.i16(),
        high_watermark: dice.i64(),
        last_stable_offset: dice.i64(),
        log_start_offset: dice.i64(),
        diverging_epoch: dice.some(|dice| (dice.i32(), dice.i64())),
        aborted_transactions: dice.some(|dice| dice.list(|dice| (dice.i64(), dice.i64()))),
        records: dice.list(records),
    };
    let topic = |dice: &mut Dice| FetchedTopic {
        name: dice.name(),
        id: TopicId(dice.uuid().into_bytes()),
        partitions: dice.list(partition),
    };
    FetchAnswer { error_code: dice.i16(), session_id: dice.i32(), topics: dice.list(topic) }
}

/// The same answer as the crate has it, records joined.
fn by_crate(answer: &FetchAnswer, version: i16) -> FetchResponse {
    let partition = |p: &FetchedPartition| {
        let aborted = |list: &Vec<(i64, i64)>| {
            let line = |(id, first): &(i64, i64)| {
                AbortedTransaction::default().with_producer_id((*id).into()).with_first_offset(*first)
            };
            list.iter().map(line).collect::<Vec<_>>()
        };
        let mut line = PartitionData::default()
            .with_partition_index(p.index)
            .with_error_code(p.error_code)
            .with_high_watermark(p.high_watermark)
            .with_last_stable_offset(p.last_stable_offset)
            .with_log_start_offset(p.log_start_offset)
            .with_aborted_transactions(p.aborted_transactions.as_ref().map(aborted))
            .with_records(Some(p.records.concat().into()));
        if let (Some((epoch, end_offset)), true) = (p.diverging_epoch, version >= 12) {
            line = line.with_diverging_epoch(
                EpochEndOffset::default().with_epoch(epoch).with_end_offset(end_offset),
            );
        }
        line
    };
    let topic = |t: &FetchedTopic| {
        FetchableTopicResponse::default()
            .with_topic(TopicName(t.name.0.clone()))
            .with_topic_id(Uuid::from_bytes(t.id.0))
            .with_partitions(t.partitions.iter().map(partition).collect())
    };
    FetchResponse::default()
        .with_error_code(answer.error_code)
        .with_session_id(if version >= 7 { answer.session_id } else { 0 })
        .with_responses(answer.topics.iter().map(topic).collect())
}

#[test]
fn the_frame_is_byte_for_byte_what_the_crate_encodes_in_every_version() {
    let served = Served::by_key(1).expect("fetch");
    for (served, version) in versions().filter(|(api, _)| *api == served) {
        for seed in 0..200 {
            let answer = random(&mut Dice(seed));
            let mut expected = BytesMut::new();
            expected.put_i32(0);
            let header = ResponseHeader::default().with_correlation_id(-7);
            header.encode(&mut expected, i16::from(served.is_flexible(version))).expect("a header");
            by_crate(&answer, version).encode(&mut expected, version).expect("fits the version");
            let len = expected.len() as i32 - 4;
            expected[..4].copy_from_slice(&len.to_be_bytes());
            let frame = encode(answer, Form { served, version, correlation_id: -7 });
            assert_eq!(frame.concat(), expected, "version {version} seed {seed}");
        }
    }
}

#[test]
fn large_slices_are_passed_on_and_small_ones_copied() {
    let served = Served::by_key(1).expect("fetch");
    let large: Bytes = alloc::vec![7; 5000].into();
    let small = Bytes::from_static(&[1; 60]);
    let partition = FetchedPartition {
        records: [small.clone(), large.clone(), large.clone(), small].into(),
        ..FetchedPartition::default()
    };
    let topic = FetchedTopic { partitions: [partition].into(), ..FetchedTopic::default() };
    let answer = FetchAnswer { topics: [topic].into(), ..FetchAnswer::default() };
    let frame = encode(answer, Form { served, version: 12, correlation_id: 1 });
    let shape: Vec<bool> = frame.iter().map(|slice| slice.as_ptr() == large.as_ptr()).collect();
    assert_eq!(shape, [false, true, true, false], "{frame:?}");
}

#[test]
fn an_answer_without_topics_is_one_slice() {
    let served = Served::by_key(1).expect("fetch");
    let frame = encode(FetchAnswer::default(), Form { served, version: 17, correlation_id: 2 });
    let golden = [0, 0, 0, 17, 0, 0, 0, 2, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 1, 0];
    assert_eq!(frame, [Bytes::copy_from_slice(&golden)]);
}
