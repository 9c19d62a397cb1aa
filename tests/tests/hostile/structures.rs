//! What the broker remembers of clients: groups, members, sessions, producers.

use std::{io::Write, net::SocketAddr};

use crate::siege::{
    Siege, WIDE, ask, compact, compact_text, flexible, frame, open, ordinary, short, skip_answer,
};

fn join_group(group: &str, member: &str, metadata: usize, protocols: usize) -> Vec<u8> {
    let mut body = short(group);
    body.extend_from_slice(&1_800_000i32.to_be_bytes());
    body.extend_from_slice(&1_800_000i32.to_be_bytes());
    body.extend(short(member));
    body.extend(short("consumer"));
    body.extend_from_slice(&i32::try_from(protocols).expect("small").to_be_bytes());
    for protocol in 0..protocols {
        body.extend(short(&format!("p{protocol}")));
        body.extend_from_slice(&i32::try_from(metadata).expect("small").to_be_bytes());
        body.extend(vec![1; metadata]);
    }
    frame(11, 2, &body)
}

#[test]
fn groups_and_members_are_bounded() {
    let siege = Siege::begin(&["--group-initial-rebalance-delay", "0s"]);
    siege.attack("1,500 members with subscriptions of 224 KiB, each in a group of its own", |at| {
        let mut stream = open(at);
        for group in 0..1500 {
            stream.write_all(&join_group(&format!("g{group}"), "", 56 << 10, 4)).expect("sent");
            skip_answer(&mut stream).expect("answered");
        }
    });
    siege.attack("20,000 member ids that are asked for and not used", |at| {
        let mut stream = open(at);
        for group in 0..20_000 {
            let mut body = compact_text(&format!("h{}", group / 500));
            body.extend_from_slice(&1_800_000i32.to_be_bytes());
            body.extend_from_slice(&1i32.to_be_bytes());
            body.extend([&compact_text("")[..], &[0], &compact_text("consumer")].concat());
            body.extend([&compact(1)[..], &compact_text("p"), &compact(4), &[0; 4], &[0]].concat());
            body.push(0);
            stream.write_all(&flexible(11, 6, &body)).expect("sent");
            skip_answer(&mut stream).expect("answered");
        }
    });
    siege.end();
}

/// A batch of an idempotent producer with this id.
fn produced_by(producer: i64) -> Vec<u8> {
    use evenkeel_core::{
        units::ProducerId,
        wire::batch::{BatchHeader, CRC_COVERS_FROM, HEADER_BYTES},
    };
    let mut batch = evenkeel_tests::raw::batch(1, 1).to_vec();
    let mut header = BatchHeader::parse(batch[..HEADER_BYTES].try_into().expect("a header"));
    (header.producer_id, header.producer_epoch, header.base_sequence) = (ProducerId(producer), 0, 0);
    batch[..HEADER_BYTES].copy_from_slice(&header.encode());
    header.crc = crc32c::crc32c(&batch[CRC_COVERS_FROM..]);
    batch[..HEADER_BYTES].copy_from_slice(&header.encode());
    batch
}

/// A produce request with a batch for each of these partitions, each of another producer.
fn by_many(from: i64, partitions: i64) -> Vec<u8> {
    let mut body = vec![0xff, 0xff, 0xff, 0xff, 0, 0, 0x75, 0x30, 0, 0, 0, 1];
    body.extend(short(WIDE));
    body.extend_from_slice(&i32::try_from(partitions).expect("small").to_be_bytes());
    for index in 0..partitions {
        let batch = produced_by(from + index);
        body.extend_from_slice(&i32::try_from(index).expect("small").to_be_bytes());
        body.extend_from_slice(&i32::try_from(batch.len()).expect("small").to_be_bytes());
        body.extend(batch);
    }
    frame(0, 7, &body)
}

#[test]
fn producers_and_their_descriptions_are_bounded() {
    let siege = Siege::begin(&[]);
    siege.attack("200,000 producers", |at| {
        let mut stream = open(at);
        for round in 0..20 {
            stream.write_all(&by_many(round * 10_000, 10_000)).expect("sent");
            skip_answer(&mut stream).expect("answered");
        }
    });
    siege.attack("DescribeProducers of all of them, 64 times on 20 connections", |at| {
        let mut topic = compact_text(WIDE);
        topic.extend(compact(10_000));
        (0..10_000i32).for_each(|index| topic.extend_from_slice(&index.to_be_bytes()));
        topic.push(0);
        let request = flexible(61, 0, &[&compact(1)[..], &topic, &[0]].concat());
        let streams = crate::answers::pipelined(at, 20, 64, &request);
        let mut reader = ordinary(at);
        reader.write_all(&request).expect("sent");
        assert!(skip_answer(&mut reader).is_some_and(|len| len > 200_000 * 33));
        streams.len()
    });
    siege.end();
}

fn fetch_in_session(at: SocketAddr, topics: i32) {
    let mut body = [&(-1i32).to_be_bytes()[..], &[0; 8], &i32::MAX.to_be_bytes(), &[0; 9]].concat();
    body.extend_from_slice(&topics.to_be_bytes());
    for topic in 0..topics {
        body.extend(short(&format!("t{topic}")));
        body.extend(crate::siege::repeated(10, &[0; 28]));
    }
    body.extend([0; 4]);
    body.extend(short(""));
    ask(at, &frame(1, 11, &body));
}

#[test]
fn fetch_sessions_are_bounded() {
    let siege = Siege::begin(&[]);
    siege.attack("1,500 fetch sessions with 1,000 partitions each", |at| {
        (0..1500).for_each(|_| fetch_in_session(at, 100));
    });
    siege.end();
}
