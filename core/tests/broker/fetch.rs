//! Long polls and sizes of fetch answers.

use std::time::Duration;

use evenkeel_core::{
    port::{FetchAnswer, Request, Response},
    units::{ProducerId, TopicId},
};
use kafka_protocol::messages::FetchRequest;

use crate::rig::{Rig, batch, small};

/// Bytes of the batches of these tests.
const BATCH_BYTES: usize = 1061;

/// A topic whose partitions have that many batches each.
fn filled(partitions: i32, batches: u8) -> Rig {
    let mut rig = Rig::new(small());
    rig.create("t", partitions, &[]);
    for partition in 0..partitions {
        for at in 0..batches {
            rig.produce("t", partition, batch(1, 1000, at, 5));
        }
    }
    rig
}

/// A fetch of "t" that waits a second for that many bytes.
fn patient(partitions: i32, offset: i64, min_bytes: i32) -> FetchRequest {
    let mut request = Rig::fetch_request("t", 0, offset, 1000).with_min_bytes(min_bytes);
    let first = request.topics[0].partitions[0].clone();
    request.topics[0].partitions = (0..partitions).map(|index| first.clone().with_partition(index)).collect();
    request
}

fn answered(response: Option<Response>) -> Option<FetchAnswer> {
    response.map(|response| match response {
        Response::Fetch(answer) => answer,
        other => panic!("{other:?}"),
    })
}

/// Bytes that each partition got.
fn bytes(answer: &FetchAnswer) -> Vec<(i32, usize)> {
    let parts = answer.topics.iter().flat_map(|topic| &topic.partitions);
    parts.map(|part| (part.index, part.records.iter().map(bytes::Bytes::len).sum())).collect()
}

#[test]
fn a_fetch_that_can_hold_no_more_does_not_wait_for_more() {
    // A consumer that is far behind waited out its time in every fetch, when its least was near its most.
    let mut rig = filled(1, 10);
    for (max_bytes, partition_bytes) in [(3000, 1 << 20), (1 << 20, 3000)] {
        let mut request = patient(1, 0, 3000).with_max_bytes(max_bytes);
        request.topics[0].partitions[0].partition_max_bytes = partition_bytes;
        let tag = rig.send(1, 11, Request::Fetch(request));
        let answer = answered(rig.reply(tag)).expect("an answer at once");
        assert_eq!(bytes(&answer), [(0, 2 * BATCH_BYTES)], "{max_bytes} {partition_bytes}");
    }
    // The first batch comes whole, and uses up what its partition may have.
    let mut request = patient(1, 0, 3000);
    request.topics[0].partitions[0].partition_max_bytes = 1000;
    let tag = rig.send(1, 11, Request::Fetch(request));
    assert_eq!(bytes(&answered(rig.reply(tag)).expect("an answer at once")), [(0, BATCH_BYTES)]);
}

#[test]
fn a_fetch_waits_for_no_more_than_it_can_hold() {
    let mut rig = filled(1, 3);
    let tag = rig.send(1, 11, Request::Fetch(patient(1, 0, 1 << 20).with_max_bytes(3 * 1061)));
    assert_eq!(bytes(&answered(rig.reply(tag)).expect("it is full")), [(0, 3 * BATCH_BYTES)]);
    // Where there is room for more, it waits, and then gets what there is.
    let tag = rig.send(1, 11, Request::Fetch(patient(1, 0, 1 << 20)));
    rig.pass(Duration::from_millis(900));
    assert_eq!(rig.reply(tag), None);
    rig.pass(Duration::from_millis(200));
    assert_eq!(bytes(&answered(rig.reply(tag)).expect("its time is up")), [(0, 3 * BATCH_BYTES)]);
}

#[test]
fn neighbours_in_a_session_get_as_much_as_each_other() {
    // Two batches are a share, three fit. 1. The first got two and the second one, 2. and both moved back in that order, for ever.
    let mut rig = filled(2, 60);
    let mut next = [0_i64, 0];
    let mut session = (0, 0);
    for _ in 0..20 {
        let mut request = patient(2, 0, 1)
            .with_max_bytes(3 * 1061)
            .with_session_id(session.0)
            .with_session_epoch(session.1);
        for part in &mut request.topics[0].partitions {
            part.fetch_offset = next[usize::try_from(part.partition).expect("0 or 1")];
            part.partition_max_bytes = 2 * 1061;
        }
        let tag = rig.send(1, 11, Request::Fetch(request));
        let answer = answered(rig.reply(tag)).expect("an answer at once");
        session = (answer.session_id, session.1 + 1);
        for (index, bytes) in bytes(&answer) {
            next[usize::try_from(index).expect("0 or 1")] += i64::try_from(bytes / BATCH_BYTES).expect("few");
        }
    }
    assert_eq!(next, [30, 30]);
}

#[test]
fn the_id_of_no_topic_is_an_unknown_id() {
    let mut rig = filled(1, 1);
    let mut request = patient(1, 0, 1);
    request.topics[0].topic = kafka_protocol::messages::TopicName::default();
    let tag = rig.send(1, 13, Request::Fetch(request));
    let answer = answered(rig.reply(tag)).expect("an error is answered at once");
    assert_eq!(answer.topics[0].partitions[0].error_code, 100);
    assert_eq!(answer.topics[0].id, TopicId::NONE);

    let Request::Produce(mut intake) = Rig::produce_request("", 0, -1, batch(1, 10, 1, 5)) else {
        unreachable!("it is one")
    };
    intake.topics[0].id = TopicId::NONE;
    match rig.ask(13, Request::Produce(intake)) {
        Response::Produce(answer) => assert_eq!(crate::rig::outcome(&answer), (100, -1)),
        other => panic!("{other:?}"),
    }
    assert_eq!(rig.producer_id(), ProducerId(0).0, "it goes on");
}
