//! Small requests whose answers would be long.

use std::{io::Write, net::SocketAddr};

use evenkeel_tests::raw;

use crate::siege::{
    Siege, WIDE, ask, compact, compact_repeated, compact_text, flexible, frame, open, ordinary, repeated,
    short, skip_answer,
};

fn join(parts: &[&[u8]]) -> Vec<u8> {
    parts.concat()
}

/// A topic and all of its first partitions, in a version without tagged fields.
fn partitions(count: i32) -> Vec<u8> {
    let mut out = short(WIDE);
    out.extend_from_slice(&count.to_be_bytes());
    (0..count).for_each(|index| out.extend_from_slice(&index.to_be_bytes()));
    out
}

#[test]
fn names_that_are_repeated_cost_one_answer() {
    let siege = Siege::begin(&[]);
    let len = siege.attack("Metadata, a topic of 10,000 partitions 60,000 times", |at| {
        ask(at, &frame(3, 1, &repeated(60_000, &short(WIDE))))
    });
    assert!(len.is_some_and(|len| (260_000..600_000).contains(&len)), "{len:?}");
    let len = siege.attack("Metadata by id and name, 50,000 times", |at| {
        let one = join(&[&[0; 16], &compact_text(WIDE), &[0]]);
        ask(at, &flexible(3, 12, &join(&[&compact_repeated(50_000, &one), &[0, 0, 0]])))
    });
    assert!(len.is_some_and(|len| len < 900_000), "{len:?}");
    siege.attack("OffsetFetch of the same 1,000 partitions 500 times", |at| {
        let one = partitions(1000);
        ask(at, &frame(9, 5, &join(&[&short("nobody"), &repeated(500, &one)])))
    });
    siege.attack("OffsetFetch of the same group 50,000 times", |at| {
        let one = join(&[&compact_text("nobody"), &[0], &[0]]);
        ask(at, &flexible(9, 8, &join(&[&compact_repeated(50_000, &one), &[0, 0]])))
    });
    siege.attack("DescribeGroups, a group 60,000 times", |at| {
        ask(at, &frame(15, 4, &join(&[&repeated(60_000, &short("nobody")), &[1]])))
    });
    siege.attack("DescribeConfigs with synonyms and documentation, a topic 60,000 times", |at| {
        let one = join(&[&[2], &short(WIDE), &(-1i32).to_be_bytes()]);
        ask(at, &frame(32, 3, &join(&[&repeated(60_000, &one), &[1, 1]])))
    });
    siege.attack("DescribeConfigs, a topic 20,000 times by another key each time", |at| {
        let mut body = 20_000i32.to_be_bytes().to_vec();
        for key in 0..20_000 {
            body.extend(join(&[&[2], &short(WIDE), &2i32.to_be_bytes()]));
            body.extend(join(&[&short("retention.ms"), &short(&format!("k{key}"))]));
        }
        ask(at, &frame(32, 3, &join(&[&body, &[1, 1]])))
    });
    siege.attack("DescribeLogDirs, 1,000 partitions 500 times", |at| {
        ask(at, &frame(35, 1, &repeated(500, &partitions(1000))))
    });
    siege.attack("DescribeProducers, 1,000 partitions 300 times", |at| {
        let mut one = compact_text(WIDE);
        one.extend(compact(1000));
        (0..1000i32).for_each(|index| one.extend_from_slice(&index.to_be_bytes()));
        one.push(0);
        ask(at, &flexible(61, 0, &join(&[&compact_repeated(300, &one), &[0]])))
    });
    siege.attack("DescribeTopicPartitions, a topic 60,000 times", |at| {
        let one = join(&[&compact_text(WIDE), &[0]]);
        let limit = i32::MAX.to_be_bytes();
        ask(at, &flexible(75, 0, &join(&[&compact_repeated(60_000, &one), &limit, &[0xff, 0]])))
    });
    siege.attack("FindCoordinator, a key 200,000 times", |at| {
        ask(at, &flexible(10, 4, &join(&[&[0], &compact_repeated(200_000, &compact_text("g")), &[0]])))
    });
    siege.attack("ListOffsets by time, a partition 100,000 times", |at| {
        raw::write(at, WIDE, 0, &vec![7; 900_000]);
        let one = join(&[&0i32.to_be_bytes(), &1i64.to_be_bytes()]);
        let topic = join(&[&short(WIDE), &repeated(100_000, &one)]);
        ask(at, &frame(2, 1, &join(&[&(-1i32).to_be_bytes(), &repeated(1, &topic)])))
    });
    siege.end();
}

#[test]
fn long_answers_are_refused_or_wait_for_each_other() {
    let siege = Siege::begin(&[]);
    siege.attack("CreateTopics, 100,000 topics to be validated", |at| {
        let mut body = 100_000i32.to_be_bytes().to_vec();
        for topic in 0..100_000 {
            body.extend(short(&format!("n{topic}")));
            body.extend(join(&[&1i32.to_be_bytes(), &1i16.to_be_bytes(), &[0; 8]]));
        }
        ask(at, &frame(19, 4, &join(&[&body, &30_000i32.to_be_bytes(), &[1]])))
    });
    siege.attack("ElectLeaders, 150,000 partitions of a topic with a long name", |at| {
        let name = short(&"x".repeat(249));
        let mut indexes = 150_000i32.to_be_bytes().to_vec();
        (0..150_000i32).for_each(|index| indexes.extend_from_slice(&index.to_be_bytes()));
        let body = join(&[&[0], &repeated(1, &join(&[&name, &indexes])), &30_000i32.to_be_bytes()]);
        ask(at, &frame(43, 1, &body))
    });
    siege.attack("Metadata of all topics, 64 times on each of 40 connections, and nobody reads", |at| {
        let request = frame(3, 1, &(-1i32).to_be_bytes());
        let streams = pipelined(at, 40, 64, &request);
        // A client that does read gets all of its answers.
        let mut reader = ordinary(at);
        reader.write_all(&request.repeat(64)).expect("sent");
        for _ in 0..64 {
            assert!(skip_answer(&mut reader).is_some_and(|len| len > 260_000));
        }
        streams.len()
    });
    siege.end();
}

/// Connections that ask and do not read. What the broker does not take is left out.
pub(crate) fn pipelined(
    at: SocketAddr,
    connections: usize,
    requests: usize,
    request: &[u8],
) -> Vec<std::net::TcpStream> {
    let all = request.repeat(requests);
    (0..connections)
        .map(|_| {
            let mut stream = open(at);
            stream.set_write_timeout(Some(std::time::Duration::from_millis(200))).expect("a timeout");
            // A broker that holds back reading fills the socket: then the rest is not sent.
            let _ = stream.write_all(&all);
            stream
        })
        .collect()
}

#[test]
fn fetches_that_nobody_reads_have_a_budget() {
    // Without a cache each answer is read from the disk, into memory of its own.
    let siege = Siege::begin(&["--cache-bytes", "0B"]);
    for _ in 0..60 {
        raw::write(siege.address(), WIDE, 0, &vec![7; 1_000_000]);
    }
    siege.attack("Fetch of 50 MiB, 64 times on each of 20 connections, and nobody reads", |at| {
        let streams = pipelined(at, 20, 64, &raw::fetch(WIDE, 0, 0, 50 << 20));
        let mut reader = ordinary(at);
        reader.write_all(&raw::fetch(WIDE, 0, 0, 50 << 20)).expect("sent");
        let first = skip_answer(&mut reader);
        drop(streams);
        assert!(first.is_some_and(|len| len >= 1_000_000), "{first:?}");
    });
    siege.attack("small batches between large ones, and fetches of the small ones", |at| {
        for _ in 0..400 {
            raw::write(at, WIDE, 1, &[1]);
            raw::write(at, WIDE, 2, &vec![7; 60_000]);
        }
        let streams = pipelined(at, 20, 64, &raw::fetch(WIDE, 1, 0, 1 << 20));
        let mut reader = ordinary(at);
        reader.write_all(&raw::fetch(WIDE, 1, 0, 1 << 20)).expect("sent");
        assert!(skip_answer(&mut reader).is_some_and(|len| len > 400 * 60));
        streams.len()
    });
    siege.end();
}
