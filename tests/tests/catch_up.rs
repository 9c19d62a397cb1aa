//! Consumers from far behind, of records that only the object store has: what they cost it, and what they get while it fails.

use std::{path::Path, time::Instant};

use evenkeel_tests::{
    Broker, PATIENCE, face::Weather, kafka, log_files, raw, raw::Raw, store::Store, wait_for,
};
use rdkafka::{Message, Offset, TopicPartitionList, consumer::Consumer};

const SERVER_ERROR: &str = "<Error><Code>InternalError</Code></Error>";
const BATCH_RECORDS: u32 = 64;
const FETCH_BYTES: usize = 256 << 10;
/// At the end of the log, of which some may still be there: 16 MiB.
const LEFT_BATCHES: i64 = 256;

/// A broker whose log has been trimmed, and the offset up to which only the store has the records of its one partition.
fn trimmed(store: &Store, directory: &Path, more: &[&str]) -> (Broker, i64) {
    const SMALL: [&str; 6] =
        ["--segment-bytes", "2MiB", "--cache-bytes", "64KiB", "--s3-flush-interval", "1s"];
    let batches = batches();
    let broker = store.start(directory, &[&SMALL[..], more].concat());
    kafka::create_topic(&broker.bootstrap(), "t", 1);
    let mut client = Raw::connect(broker.address()).expect("it serves");
    let mut answer = Vec::new();
    for at in 0..batches {
        let values: Vec<Vec<u8>> =
            (0..BATCH_RECORDS).map(|record| value(at * 64 + i64::from(record))).collect();
        let batch = raw::batch_of(values.iter().map(|value| &value[..]));
        client
            .send(&raw::produce("t", 0, batch))
            .and_then(|()| client.receive(&mut answer))
            .expect("answered");
        assert_eq!(raw::produce_error(&answer), 0);
    }
    // Segments go behind a cut, on the word of two checkpoints.
    wait_for("the log to be trimmed", || {
        store.write_until_cut(&broker, "t", b"behind");
        let segments = log_files::segments(directory);
        let left: u64 =
            segments.iter().filter_map(|segment| segment.metadata().ok()).map(|told| told.len()).sum();
        (left < 13 << 20).then_some(())
    });
    (broker, (batches - LEFT_BATCHES) * i64::from(BATCH_RECORDS))
}

/// How many are written. `EVENKEEL_CATCH_UP_MIB` for more.
fn batches() -> i64 {
    let mib: i64 =
        std::env::var("EVENKEEL_CATCH_UP_MIB").ok().and_then(|given| given.parse().ok()).unwrap_or(0);
    (mib * 16).max(2 * LEFT_BATCHES)
}

/// 1000 bytes that are of no other record.
fn value(offset: i64) -> Vec<u8> {
    let mut value = vec![b'v'; 1000];
    value[..8].copy_from_slice(&offset.to_be_bytes());
    value
}

/// A consumer of the partition, from its start on.
fn consumer(broker: &Broker, group: &str) -> rdkafka::consumer::BaseConsumer<kafka::Quiet> {
    let fetch = FETCH_BYTES.to_string();
    let settings = [
        ("group.id", group),
        ("check.crcs", "true"),
        ("fetch.message.max.bytes", &fetch),
        // It has little in hand, and so needs the store while that fails.
        ("queued.min.messages", "1000"),
        ("fetch.queue.backoff.ms", "1"),
        ("fetch.error.backoff.ms", "20"),
    ];
    let consumer = kafka::consumer(&broker.bootstrap(), &settings);
    let mut assignment = TopicPartitionList::new();
    assignment.add_partition_offset("t", 0, Offset::Beginning).expect("a valid offset");
    consumer.assign(&assignment).expect("a valid assignment");
    consumer
}

/// Reads on, from that offset up to another. Nothing is missing, and nothing comes twice.
fn read(consumer: &rdkafka::consumer::BaseConsumer<kafka::Quiet>, from: i64, upto: i64) {
    for offset in from..upto {
        let record = kafka::next_record(consumer);
        assert_eq!(record.offset(), offset);
        assert!(record.payload() == Some(&value(offset)[..]), "offset {offset} has another value");
    }
}

#[test]
fn a_consumer_costs_far_less_than_a_get_for_each_fetch_and_a_second_one_next_to_nothing() {
    let temporary = tempfile::tempdir().expect("a temporary directory");
    let store = Store::new();
    let (broker, end) = trimmed(&store, &temporary.path().join("data"), &[]);
    let gets = |group: &str| {
        let before = store.face.counts();
        let begun = Instant::now();
        read(&consumer(&broker, group), 0, end);
        let after = store.face.counts();
        eprintln!(
            "{group}: {} GETs of {} bytes in {:?}",
            after.gets - before.gets,
            after.bytes_out - before.bytes_out,
            begun.elapsed()
        );
        after.gets - before.gets
    };
    let first = gets("first");
    let fetches = end as u64 * 1000 / FETCH_BYTES as u64;
    assert!((1..fetches / 2).contains(&first), "{first} GETs for {fetches} fetches");
    let second = gets("second");
    // Unless more was asked for than is kept.
    if end * 1000 < 32 << 20 {
        assert!(second <= first / 4, "{second} GETs after {first}");
    }
}

#[test]
fn without_a_cache_each_fetch_asks_the_store() {
    let temporary = tempfile::tempdir().expect("a temporary directory");
    let store = Store::new();
    let none = ["--object-store-cache-bytes", "0B"];
    let (broker, end) = trimmed(&store, &temporary.path().join("data"), &none);
    let before = store.face.counts().gets;
    read(&consumer(&broker, "readers"), 0, end);
    let gets = store.face.counts().gets - before;
    let fetches = end as u64 * 1000 / FETCH_BYTES as u64;
    assert!(gets >= fetches, "{gets} GETs for {fetches} fetches");
}

#[test]
fn a_consumer_gets_everything_in_order_although_the_store_fails_in_the_middle() {
    let temporary = tempfile::tempdir().expect("a temporary directory");
    let store = Store::new();
    // Little of it is kept, so that it fails before the consumer has all.
    let little = ["--object-store-cache-bytes", "4MiB"];
    let (broker, end) = trimmed(&store, &temporary.path().join("data"), &little);
    let consumer = consumer(&broker, "readers");
    let middle = end / 3;
    read(&consumer, 0, middle);
    let failed = || broker.printed_now().matches("the object store failed").count();
    let before = failed();
    let mut at = middle;
    store.during(Weather::Answers(500, SERVER_ERROR), || {
        let begun = Instant::now();
        // What is there is given out; then the fetches fail.
        while failed() < before + 3 {
            assert!(begun.elapsed() < PATIENCE, "it does without the store");
            if let Some(record) = consumer.poll(std::time::Duration::from_millis(10)) {
                let record = record.expect("an error of the store is nothing that ends a consumer");
                assert_eq!(record.offset(), at);
                assert!(record.payload() == Some(&value(at)[..]), "offset {at} has another value");
                at += 1;
            }
        }
    });
    assert!(at < end, "it failed before all was read");
    read(&consumer, at, end);
}
