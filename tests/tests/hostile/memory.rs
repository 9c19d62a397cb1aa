//! Connections that hold memory: announced frames, half frames, slow ones, many.

use std::{
    io::Write,
    net::{SocketAddr, TcpStream},
    thread,
    time::{Duration, Instant},
};

use bytes::Bytes;
use evenkeel_tests::{
    raw::{self, Raw},
    wait_for,
};
use kafka_protocol::{
    messages::{
        ApiKey, ProduceRequest, TopicName,
        produce_request::{PartitionProduceData, TopicProduceData},
    },
    protocol::StrBytes,
};

use crate::siege::{Siege, WIDE, ask, flexible, frame, framed, open, repeated, short};

/// A frame of 100 MiB, of which nothing follows.
const ANNOUNCED: [u8; 4] = (100i32 << 20).to_be_bytes();

/// One large record, as another producer sends it.
fn write_large(at: SocketAddr) -> Duration {
    let begun = Instant::now();
    raw::write(at, WIDE, 9, &vec![7; 900_000]);
    begun.elapsed()
}

#[test]
fn frames_that_are_announced_and_not_sent_take_nothing_from_others() {
    let siege = Siege::begin(&[]);
    siege.attack("300 connections announce 100 MiB each and send nothing", |at| {
        let streams: Vec<TcpStream> = (0..300)
            .map(|_| {
                let mut stream = open(at);
                stream.write_all(&ANNOUNCED).expect("sent");
                stream
            })
            .collect();
        let took = write_large(at);
        assert!(took < Duration::from_secs(10), "{took:?} with {} of them", streams.len());
    });
    siege.attack("200 connections announce 100 MiB each and send 2 MiB of it", |at| {
        let streams: Vec<TcpStream> = (0..200)
            .map(|_| {
                let mut stream = open(at);
                stream.set_write_timeout(Some(Duration::from_millis(50))).expect("a timeout");
                stream.write_all(&ANNOUNCED).expect("sent");
                // The broker does not take it all: there is no memory for it.
                let _ = stream.write_all(&produce_head());
                let _ = stream.write_all(&vec![0; 2 << 20]);
                stream
            })
            .collect();
        let begun = Instant::now();
        raw::write(at, WIDE, 8, &vec![7; 20_000]);
        assert!(begun.elapsed() < Duration::from_secs(10), "{:?}, {}", begun.elapsed(), streams.len());
    });
    siege.attack("200 connections send a byte every 10 ms", |at| {
        let mut streams: Vec<TcpStream> = (0..200).map(|_| open(at)).collect();
        let request = raw::produce(WIDE, 0, raw::batch(1, 100));
        for byte in request.iter().take(100) {
            for stream in &mut streams {
                stream.write_all(&[*byte]).expect("sent");
            }
            thread::sleep(Duration::from_millis(10));
        }
        write_large(at);
    });
    siege.attack("2,000 half frames", |at| {
        let request = raw::produce(WIDE, 0, raw::batch(1, 100_000));
        for part in 0..2000 {
            let mut stream = open(at);
            // It may be closed under us; that is one of the right answers.
            let _ = stream.write_all(&request[..part * 50]);
        }
    });
    siege.attack("500 idle connections", |at| {
        let streams: Vec<TcpStream> = (0..500).map(|_| open(at)).collect();
        write_large(at);
        streams.len()
    });
    siege.end();
}

fn produce_head() -> Vec<u8> {
    raw::produce(WIDE, 0, raw::batch(1, 10))[4..20].to_vec()
}

/// A produce request with a small batch that is taken and a large one for a topic that is not there.
fn small_beside_refused(large: &Bytes) -> Vec<u8> {
    let topic = |name: &str, partition, batch: Bytes| {
        let data = PartitionProduceData::default().with_index(partition).with_records(Some(batch));
        TopicProduceData::default()
            .with_name(TopicName(StrBytes::from_string(name.to_string())))
            .with_partition_data(vec![data])
    };
    let request = ProduceRequest::default()
        .with_transactional_id(None)
        .with_acks(-1)
        .with_timeout_ms(30_000)
        .with_topic_data(vec![topic(WIDE, 4, raw::batch(1, 10)), topic("not-there", 0, large.clone())]);
    raw::frame(ApiKey::Produce, 9, 2, &request)
}

#[test]
fn what_is_kept_of_a_request_does_not_keep_the_request() {
    let siege = Siege::begin(&[]);
    siege.attack("60 batches of 80 bytes, each in a request of 20 MiB that is refused otherwise", |at| {
        let request = small_beside_refused(&raw::batch(1, 20 << 20));
        let (mut client, mut answer) = (Raw::connect(at).expect("it accepts"), Vec::new());
        for _ in 0..60 {
            client.send(&request).and_then(|()| client.receive(&mut answer)).expect("answered");
        }
    });
    siege.attack("100 fetch sessions, each opened by a request of 1 MiB", |at| {
        let long = "x".repeat(249);
        let mut streams = Vec::new();
        for session in 0..100i32 {
            let mut body = [&(-1i32).to_be_bytes()[..], &[0; 8], &i32::MAX.to_be_bytes(), &[0; 9]].concat();
            let mut topics = 4000i32.to_be_bytes().to_vec();
            for topic in 0..4000 {
                topics.extend(short(&format!("{}{topic:04}{session:03}", &long[..240])));
                topics.extend(repeated(1, &[0; 28]));
            }
            body.extend(topics);
            body.extend([0; 4]);
            body.extend(short(""));
            let mut stream = open(at);
            stream.write_all(&frame(1, 11, &body)).expect("sent");
            streams.push(stream);
        }
        for stream in &mut streams {
            assert!(crate::siege::skip_answer(stream).is_some());
        }
    });
    siege.end();
}

#[test]
fn requests_with_as_many_elements_as_there_can_be_are_refused_or_served() {
    let siege = Siege::begin(&[]);
    siege.attack("arrays of a million elements, and of more than follow", |at| {
        for (api, version) in
            [(3, 1), (9, 5), (15, 4), (2, 1), (1, 4), (19, 4), (20, 3), (42, 1), (21, 1), (37, 1)]
        {
            for count in [1_000_000, i32::MAX] {
                let mut body = count.to_be_bytes().to_vec();
                body.extend(vec![0; 4_000_000]);
                ask(at, &frame(api, version, &body));
            }
        }
    });
    siege.attack("20 connections with 8 produce requests of 150,000 broken batches each", |at| {
        let mut topic = [&short(WIDE)[..], &150_000i32.to_be_bytes()].concat();
        (0..150_000i32)
            .for_each(|index| topic.extend([&index.to_be_bytes()[..], &[0, 0, 0, 8], &[1; 8]].concat()));
        let body = [&[0xff, 0xff, 0xff, 0xff, 0, 0, 0, 100][..], &repeated(1, &topic)].concat();
        let streams = crate::answers::pipelined(at, 20, 8, &frame(0, 3, &body));
        write_large(at);
        streams.len()
    });
    siege.attack("20 connections with metadata requests of 200,000 names each", |at| {
        let mut body = 200_000i32.to_be_bytes().to_vec();
        (0..200_000).for_each(|at| body.extend(short(&format!("no-such-{at:06}!"))));
        let streams = crate::answers::pipelined(at, 20, 4, &frame(3, 1, &body));
        write_large(at);
        streams.len()
    });
    siege.attack("10,000 tagged fields in the header, and in every structure", |at| {
        let mut tags = vec![0x90, 0x4e];
        for tag in 0..10_000u32 {
            tags.extend([(tag & 0x7f) as u8 | 0x80, (tag >> 7 & 0x7f) as u8 | 0x80, (tag >> 14) as u8, 0]);
        }
        ask(at, &framed(3, 9, &tags, &[1, 0, 0, 0, 0]));
        let body = [&[1, 0, 0, 0][..], &tags].concat();
        ask(at, &flexible(3, 9, &body));
        ask(at, &flexible(18, 3, &[&[2, b'a', 2, b'1'][..], &tags].concat()));
    });
    siege.attack("numbers at their ends in every API", |at| {
        for api in 0..80 {
            for version in 0..10 {
                for byte in [0x7f, 0x80, 0xff] {
                    for tags in [&[][..], &[0]] {
                        let mut stream = open(at);
                        let body = [&1i32.to_be_bytes()[..], &[byte; 64]].concat();
                        // It may be closed under us; that is one of the right answers.
                        let _ = stream.write_all(&framed(api, version, tags, &body));
                    }
                }
            }
        }
    });
    siege.end();
}

/// The page that operators look at when something is wrong.
#[test]
fn idle_sockets_do_not_keep_anyone_from_the_metrics() {
    let metrics = evenkeel_tests::free_address();
    let siege = Siege::begin(&["--metrics-listen", &metrics.to_string()]);
    let idle: Vec<TcpStream> =
        (0..100).map(|_| wait_for("the metrics", || TcpStream::connect(metrics).ok())).collect();
    let begun = Instant::now();
    let mut page = String::new();
    let mut stream = TcpStream::connect(metrics).expect("it accepts");
    stream.write_all(b"GET /metrics HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n").expect("sent");
    stream.set_read_timeout(Some(Duration::from_secs(30))).expect("a timeout");
    std::io::Read::read_to_string(&mut stream, &mut page).expect("a page");
    eprintln!("the metrics behind {} idle sockets: {:.1?}", idle.len(), begun.elapsed());
    assert!(page.contains("evenkeel_serving 1"), "{page}");
    assert!(begun.elapsed() < Duration::from_secs(10));
    siege.end();
}
