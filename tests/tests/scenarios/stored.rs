//! The same failures where there is an object store: what it has is not lost, not passed over and not taken for nothing.

use std::{fs, path::Path, process::ExitStatus};

use evenkeel_tests::{
    Broker, PATIENCE,
    face::{Fault, Weather},
    kafka,
    raw::{self, Raw},
    store::Store,
    wait_for,
};
use rdkafka::consumer::Consumer;

use super::{count, sixteen_producers};

const OFTEN: [&str; 2] = ["--s3-flush-interval", "1s"];
const RARELY: [&str; 2] = ["--s3-flush-interval", "24h"];
const SLOW_DOWN: &str = "<Error><Code>SlowDown</Code></Error>";
/// `KAFKA_STORAGE_ERROR`.
const STORAGE_ERROR: i16 = 56;

fn stop(broker: &mut Broker) {
    assert_eq!(broker.stop().code(), Some(0), "{}", broker.printed_now());
}

/// Another disk, and a start with the same store.
fn lose_disk(broker: &mut Broker) {
    fs::remove_dir_all(broker.directory()).expect("it can be removed");
    broker.start_again();
}

/// A topic with records of one byte each, in batches of their own.
fn fill(broker: &Broker, records: u8) -> Vec<(i64, Vec<u8>)> {
    kafka::create_topic(&broker.bootstrap(), "t", 1);
    (0..records).map(|at| (raw::write(broker.address(), "t", 0, &[at]), vec![at])).collect()
}

/// One fetch of the partition: error code, batches.
fn fetch(client: &mut Raw, offset: i64, bytes: i32) -> (i16, Vec<evenkeel_core::wire::batch::BatchHeader>) {
    let mut answer = Vec::new();
    client.send(&raw::fetch("t", 0, offset, bytes)).expect("sent");
    client.receive(&mut answer).expect("answered");
    raw::fetched(&answer)
}

fn refused(store: &Store, directory: &Path) -> (ExitStatus, String) {
    store.refused(directory, &["--object-store-start-wait", "1s"])
}

#[test]
fn s01_a_hundred_megabytes_and_600_partitions_come_back_from_the_store() {
    const BATCHES: i64 = 1600;
    let temporary = tempfile::tempdir().expect("a temporary directory");
    let store = Store::new();
    let mut broker = store.start(&temporary.path().join("data"), &RARELY);
    kafka::create_topic(&broker.bootstrap(), "large", 1);
    kafka::create_topic(&broker.bootstrap(), "wide", 600);
    let mut client = Raw::connect(broker.address()).expect("connected");
    let mut answer = Vec::new();
    let large = raw::produce("large", 0, raw::batch(64, 1000));
    let wide = (0..600).map(|partition| raw::produce("wide", partition, raw::batch(1, 10)));
    for request in std::iter::repeat_n(large, BATCHES as usize).chain(wide) {
        client.send(&request).and_then(|()| client.receive(&mut answer)).expect("answered");
        assert_eq!(raw::produce_error(&answer), 0);
    }
    stop(&mut broker);
    lose_disk(&mut broker);
    assert_eq!(count(&broker, "large", 0), 64 * BATCHES);
    for partition in 0..600 {
        assert_eq!(count(&broker, "wide", partition), 1, "partition {partition}");
    }
}

#[test]
fn s02_sixteen_producers_on_one_partition_stay_in_order_in_the_store() {
    let temporary = tempfile::tempdir().expect("a temporary directory");
    let store = Store::new();
    let broker = store.start(&temporary.path().join("data"), &OFTEN);
    sixteen_producers(broker, lose_disk);
}

#[test]
fn s05_a_quiet_topic_outlives_the_trimming_of_a_busy_one() {
    let temporary = tempfile::tempdir().expect("a temporary directory");
    let store = Store::new();
    let small = ["--segment-bytes", "2MiB", "--cache-bytes", "64KiB"];
    let mut broker = store.start(&temporary.path().join("data"), &[&OFTEN[..], &small].concat());
    assert_eq!(fill(&broker, 1).len(), 1);
    kafka::create_topic(&broker.bootstrap(), "busy", 1);
    let mut client = Raw::connect(broker.address()).expect("connected");
    let (busy, mut answer) = (raw::produce("busy", 0, raw::batch(64, 1000)), Vec::new());
    wait_for("the log to be trimmed", || {
        client.send(&busy).and_then(|()| client.receive(&mut answer)).expect("answered");
        assert_eq!(raw::produce_error(&answer), 0);
        broker.last_line_with("are not needed any more and are removed")
    });
    let mut next = 1;
    for lose in [false, false, true] {
        broker.kill();
        match lose {
            true => lose_disk(&mut broker),
            false => broker.start_again(),
        }
        let (error, batches) = fetch(&mut Raw::connect(broker.address()).expect("connected"), 0, 1 << 20);
        assert_eq!((error, batches[0].base_offset.0), (0, 0), "the quiet record");
        let offset = raw::write(broker.address(), "t", 0, b"more");
        assert!(offset >= next, "offset {offset} was given out before");
        next = offset + 1;
    }
}

#[test]
fn s06_the_largest_batch_that_is_allowed_comes_into_the_store_and_back() {
    let temporary = tempfile::tempdir().expect("a temporary directory");
    let store = Store::new();
    let large = ["--message-bytes-max", "16MiB"];
    let mut broker = store.start(&temporary.path().join("data"), &[&RARELY[..], &large].concat());
    kafka::create_topic(&broker.bootstrap(), "t", 1);
    let mut client = Raw::connect(broker.address()).expect("connected");
    let mut answer = Vec::new();
    for _ in 0..5 {
        let request = raw::produce("t", 0, raw::batch(1, (16 << 20) - 100));
        client.send(&request).and_then(|()| client.receive(&mut answer)).expect("answered");
        assert_eq!(raw::produce_error(&answer), 0);
    }
    for _ in 0..2 {
        stop(&mut broker);
        lose_disk(&mut broker);
        assert_eq!(count(&broker, "t", 0), 5);
    }
}

/// In a store the metadata are objects: damaged, nothing is begun by them, and nothing is removed; mended, all is there.
#[test]
fn s24_s25_damaged_metadata_delete_nothing_and_are_not_written_over() {
    type Damage = fn(&mut Vec<u8>);
    let torn: Damage = |bytes| bytes.truncate(bytes.len() / 2);
    let flipped: Damage = |bytes| {
        let middle = bytes.len() / 2;
        bytes[middle] ^= 1;
    };
    let temporary = tempfile::tempdir().expect("a temporary directory");
    let directory = temporary.path().join("data");
    let store = Store::new();
    let mut broker = store.start(&directory, &RARELY);
    let written = fill(&broker, 10);
    stop(&mut broker);
    let before = store.face.counts();
    for kind in ["manifest", "state"] {
        let key = store.made(kind).pop().expect("there is one").key;
        for damage in [torn, flipped] {
            let whole = store.face.change(&key, damage);
            fs::remove_dir_all(&directory).expect("it can be removed");
            let made = store.made(kind).len();
            let (status, log) = refused(&store, &directory);
            assert_eq!(status.code(), Some(2), "{log}");
            assert!(log.contains("damaged") && log.contains("nothing was begun"), "{log}");
            assert_eq!(store.made(kind).len(), made, "nothing was written");
            store.face.change(&key, |bytes| *bytes = whole);
        }
    }
    broker.start_again();
    assert_eq!(kafka::read_all(&broker.bootstrap(), "t", 1), [written]);
    // But for what each start tries out.
    let probes = |before: u64, now: u64| now - before <= 2 * 5;
    assert!(probes(before.deletes, store.face.counts().deletes));
    stop(&mut broker);
}

#[test]
fn s29_a_stop_goes_on_trying_when_the_store_says_503() {
    let temporary = tempfile::tempdir().expect("a temporary directory");
    let store = Store::new();
    let mut broker = store.start(&temporary.path().join("data"), &RARELY);
    let written = fill(&broker, 10);
    for _ in 0..3 {
        store.face.next(Fault::Answer(503, SLOW_DOWN));
    }
    stop(&mut broker);
    assert!(broker.printed_now().contains("SlowDown"), "{}", broker.printed_now());
    lose_disk(&mut broker);
    assert_eq!(kafka::read_all(&broker.bootstrap(), "t", 1), [written]);
}

#[test]
fn s30_a_failed_get_passes_nothing_over() {
    let temporary = tempfile::tempdir().expect("a temporary directory");
    let store = Store::new();
    // Each fetch asks the store, so that each fault meets one.
    let none = ["--object-store-cache-bytes", "0B"];
    let mut broker = store.start(&temporary.path().join("data"), &[&RARELY[..], &none].concat());
    let written = fill(&broker, 60);
    stop(&mut broker);
    lose_disk(&mut broker);
    let mut client = Raw::connect(broker.address()).expect("connected");
    let faults = [
        Fault::Answer(500, SLOW_DOWN),
        Fault::Answer(404, "<Error><Code>NoSuchKey</Code></Error>"),
        Fault::CutBefore,
        Fault::CutAfter,
        Fault::Truncated,
        Fault::IgnoresRange,
    ];
    let (mut offset, mut failed) = (0, 0);
    for at in 0.. {
        if offset == written.len() as i64 {
            break;
        }
        // In the first of its requests, for the footer, or in the second, for the records.
        if at % 2 == 0 {
            if at % 4 == 0 {
                store.face.next(faults[at / 4 % faults.len()]);
            } else {
                store.face.turn(Weather::Answers(503, SLOW_DOWN));
            }
        }
        let (error, batches) = fetch(&mut client, offset, 1);
        store.face.turn(Weather::Fair);
        match batches.first() {
            Some(batch) => {
                assert_eq!((error, batch.base_offset.0), (0, offset), "nothing is passed over");
                offset = batches.last().map_or(offset, |last| last.last_offset().0 + 1);
            }
            None => {
                assert_eq!(error, STORAGE_ERROR, "at offset {offset}: an error, and not an empty answer");
                failed += 1;
            }
        }
    }
    assert!(failed >= 30, "{failed} fetches failed");
}

#[test]
fn s31_an_empty_identity_file_does_not_hide_the_store() {
    let temporary = tempfile::tempdir().expect("a temporary directory");
    let directory = temporary.path().join("data");
    let store = Store::new();
    let cluster = |broker: &Broker| {
        let id = kafka::consumer(&broker.bootstrap(), &[]).client().fetch_cluster_id(PATIENCE);
        id.expect("it has one")
    };
    let mut broker = store.start(&directory, &RARELY);
    let cluster_before = cluster(&broker);
    let written = fill(&broker, 10);
    stop(&mut broker);
    fs::write(directory.join("identity"), b"").expect("written");
    // The log knows who it is; and so does the store.
    for lose in [false, true] {
        match lose {
            true => lose_disk(&mut broker),
            false => broker.start_again(),
        }
        assert_eq!(kafka::read_all(&broker.bootstrap(), "t", 1), std::slice::from_ref(&written));
        assert_eq!(cluster(&broker), cluster_before);
        stop(&mut broker);
    }
}

#[test]
fn s32_a_store_that_says_503_at_first_is_not_an_empty_one() {
    let temporary = tempfile::tempdir().expect("a temporary directory");
    let store = Store::new();
    let mut broker = store.start(&temporary.path().join("data"), &RARELY);
    let written = fill(&broker, 10);
    stop(&mut broker);
    let named = store.made("manifest").len();
    fs::remove_dir_all(broker.directory()).expect("it can be removed");
    // The look at what it can do, and what is asked first of what it has.
    for _ in 0..8 {
        store.face.next(Fault::Answer(503, SLOW_DOWN));
    }
    broker.start_again();
    assert_eq!(kafka::read_all(&broker.bootstrap(), "t", 1), [written]);
    assert_eq!(store.made("manifest").len(), named + 1, "the epoch, and nothing else");
    assert!(store.made("data").iter().all(|made| store.face.has(&made.key)), "nothing was removed");
}

#[test]
fn s33_while_the_store_cannot_be_read_offsets_go_on_and_no_object_is_written_over() {
    let temporary = tempfile::tempdir().expect("a temporary directory");
    let store = Store::new();
    let mut broker = store.start(&temporary.path().join("data"), &OFTEN);
    let mut written = fill(&broker, 10);
    stop(&mut broker);
    lose_disk(&mut broker);
    let mut client = Raw::connect(broker.address()).expect("connected");
    store.during(Weather::Answers(500, SLOW_DOWN), || {
        assert_eq!(fetch(&mut client, 0, 1 << 20), (STORAGE_ERROR, Vec::new()));
        for at in 10..20 {
            let offset = raw::write(broker.address(), "t", 0, &[at]);
            assert!(offset > written.last().map_or(0, |(last, _)| *last), "offset {offset}");
            written.push((offset, vec![at]));
        }
    });
    assert_eq!(kafka::read_all(&broker.bootstrap(), "t", 1), std::slice::from_ref(&written));
    stop(&mut broker);
    let mut keys: Vec<String> = store.made("data").into_iter().map(|made| made.key).collect();
    keys.sort();
    assert!(keys.windows(2).all(|pair| pair[0] != pair[1]), "each is created once: {keys:?}");
    lose_disk(&mut broker);
    assert_eq!(kafka::read_all(&broker.bootstrap(), "t", 1), [written]);
}

#[test]
fn s34_offsets_of_a_lost_end_are_not_given_out_again_and_the_epoch_is_another() {
    let temporary = tempfile::tempdir().expect("a temporary directory");
    let store = Store::new();
    let mut broker = store.start(&temporary.path().join("data"), &RARELY);
    fill(&broker, 10);
    stop(&mut broker);
    broker.start_again();
    let mut client = Raw::connect(broker.address()).expect("connected");
    let before = fetch(&mut client, 0, 1 << 20).1[0].leader_epoch;
    let mut known = before;
    // Read by somebody, and never stored.
    let lost = (0..5).map(|_| raw::write(broker.address(), "t", 0, b"lost")).max().expect("some");
    assert_eq!(lost, 14);
    for _ in 0..2 {
        broker.kill();
        lose_disk(&mut broker);
        let mut client = Raw::connect(broker.address()).expect("connected");
        let (error, batches) = fetch(&mut client, 0, 1 << 20);
        assert_eq!((error, batches.last().map(|batch| batch.last_offset().0)), (0, Some(9)));
        let offset = raw::write(broker.address(), "t", 0, b"new");
        assert!(offset > lost, "offset {offset} names two records");
        let (error, batches) = fetch(&mut client, offset, 1 << 20);
        assert_eq!((error, batches[0].base_offset.0), (0, offset));
        assert!(batches[0].leader_epoch > known, "{batches:?} after epoch {known}");
        known = batches[0].leader_epoch;
    }
}
