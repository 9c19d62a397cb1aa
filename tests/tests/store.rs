//! A broker with an object store, an S3 server in this process that fails as it is told: what is stored, what survives the loss of
//! the data directory, and what is said when the store cannot be had.
//!
//! With `EVENKEEL_TEST_S3_ENDPOINT` all of it runs with that server behind (`tests/stores/run`).

use std::{
    collections::BTreeMap,
    fs,
    io::{Read, Write},
    net::{SocketAddr, TcpStream},
    path::Path,
    time::{Duration, Instant},
};

use evenkeel_tests::{
    Broker, Start, face::Weather, free_address, kafka, kafka::Collector, load::Lane, load::Load, log_files,
    raw, raw::Raw, seed, store::Store, store::stored, wait_for,
};
use rand::{Rng, SeedableRng, rngs::SmallRng};
use rdkafka::{
    ClientConfig, Offset, TopicPartitionList,
    admin::{AdminClient, AdminOptions, NewTopic, ResourceSpecifier, TopicReplication},
    consumer::{CommitMode, Consumer},
    producer::BaseRecord,
};

/// The shortest that can be asked for.
const OFTEN: [&str; 2] = ["--s3-flush-interval", "1s"];
const INTERVAL: Duration = Duration::from_secs(1);
const RARELY: [&str; 2] = ["--s3-flush-interval", "24h"];
const PARTITIONS: i32 = 3;
const SERVER_ERROR: &str = "<Error><Code>InternalError</Code></Error>";
const SLOW_DOWN: &str = "<Error><Code>SlowDown</Code></Error>";

/// How long a server is away. `EVENKEEL_OUTAGE_SECONDS` for longer.
fn outage() -> Duration {
    let given = std::env::var("EVENKEEL_OUTAGE_SECONDS").ok().and_then(|given| given.parse().ok());
    given.map_or(3 * INTERVAL, Duration::from_secs)
}

/// Writes a record into each partition, and then reads everything: after a restore nothing else says where the end is.
fn read(broker: &Broker, topic: &str, partitions: i32) -> Vec<Vec<(i64, Vec<u8>)>> {
    for partition in 0..partitions {
        write(broker, topic, partition, b"the end");
    }
    let mut found = kafka::read_all(&broker.bootstrap(), topic, partitions);
    for partition in &mut found {
        partition.retain(|(_, value)| value != b"the end");
    }
    found
}

/// Writes one record. Returns its offset.
fn write(broker: &Broker, topic: &str, partition: i32, value: &[u8]) -> i64 {
    raw::write(broker.address(), topic, partition, value)
}

/// Loses the disk.
fn wipe(directory: &Path) {
    fs::remove_dir_all(directory).expect("it can be removed");
}

/// What is there is a prefix of what was acknowledged, and behind it perhaps what was on its way; nothing acknowledged before `sure`
/// is missing. Returns how many records are.
fn check_prefix(lanes: &[Lane], found: &[Vec<(i64, Vec<u8>)>], sure: Instant) -> usize {
    let mut missing = 0;
    for (partition, (lane, found)) in lanes.iter().zip(found).enumerate() {
        let acked = lane.acked.iter().map(|acked| (acked.offset, &acked.value));
        let last = lane.acked.last().map_or(0, |acked| acked.offset + 1);
        let all: Vec<(i64, &Vec<u8>)> = acked.chain((last..).zip(&lane.in_flight)).collect();
        assert!(found.len() <= all.len(), "partition {partition}: more than was sent");
        for ((offset, value), (expected_offset, expected)) in found.iter().zip(&all) {
            assert_eq!(offset, expected_offset, "partition {partition}");
            assert_eq!(&value, expected, "partition {partition}, offset {offset}");
        }
        let part_of_request = found.len() > lane.acked.len() && found.len() < all.len();
        assert!(!part_of_request, "partition {partition}: half of a batch");
        if let Some(lost) = lane.acked.get(found.len()..).and_then(|lost| lost.first()) {
            missing += lane.acked.len() - found.len();
            assert!(
                lost.at >= sure,
                "partition {partition}, offset {}: acknowledged {:?} before the cut began, and lost",
                lost.offset,
                sure - lost.at
            );
        }
    }
    missing
}

#[test]
fn what_was_written_is_stored_after_the_interval_and_then_nothing_is_asked() {
    let temporary = tempfile::tempdir().expect("a temporary directory");
    let store = Store::new();
    let broker = store.start(&temporary.path().join("data"), &OFTEN);
    kafka::create_topic(&broker.bootstrap(), "t", 1);
    write(&broker, "t", 0, b"one");
    let acked = Instant::now();
    let cut = wait_for("a cut with the record", || {
        stored(&broker.printed_now()).into_iter().find(|cut| cut.bytes > 0)
    });
    let data = store.made("data");
    assert!(!data.is_empty() && cut.objects <= 1, "{cut:?}, {data:?}");
    assert_eq!(data.len(), stored(&broker.printed_now()).iter().map(|cut| cut.objects).sum::<u64>() as usize);
    eprintln!(
        "stored {:?} after it was acknowledged",
        store.manifest(cut.manifest).map(|made| made.at - acked)
    );
    // Only time can show that nothing comes.
    let before = store.face.requests();
    std::thread::sleep(INTERVAL * 5 / 2);
    assert_eq!(store.face.requests(), before, "nothing was written, and the store is asked");
}

#[test]
fn sixty_four_mebibytes_of_a_partition_are_stored_at_once() {
    const BATCH: usize = 900 << 10;
    let temporary = tempfile::tempdir().expect("a temporary directory");
    let store = Store::new();
    let broker = store.start(&temporary.path().join("data"), &RARELY);
    kafka::create_topic(&broker.bootstrap(), "t", 1);
    let begun = Instant::now();
    let mut client = Raw::connect(broker.address()).expect("it serves");
    let (request, mut answer) = (raw::produce("t", 0, raw::batch(1, BATCH)), Vec::new());
    for _ in 0..(64 << 20) / BATCH + 1 {
        client.send(&request).and_then(|()| client.receive(&mut answer)).expect("it answers");
        assert_eq!(raw::produce_error(&answer), 0);
    }
    let cut = wait_for("a cut", || stored(&broker.printed_now()).pop());
    eprintln!("{cut:?} {:?} after the first write", begun.elapsed());
    assert!(cut.bytes >= 64 << 20, "{cut:?}");
    assert!(store.made("data").iter().all(|made| made.len < 66 << 20), "{:?}", store.made("data"));
}

#[test]
fn after_a_stop_the_store_has_everything() {
    let temporary = tempfile::tempdir().expect("a temporary directory");
    let directory = temporary.path().join("data");
    let store = Store::new();
    let mut broker = store.start(&directory, &RARELY);
    let admin: AdminClient<_> =
        ClientConfig::new().set("bootstrap.servers", broker.bootstrap()).create().expect("valid");
    let topic =
        NewTopic::new("t", PARTITIONS, TopicReplication::Fixed(1)).set("max.message.bytes", "2000000");
    kafka::block_on(admin.create_topics([&topic], &AdminOptions::new())).expect("it answers");
    kafka::create_topic(&broker.bootstrap(), "empty", 1);
    let idempotent = Collector::new(&broker.bootstrap(), &[("enable.idempotence", "true")]);
    let send = |values: std::ops::Range<u32>| {
        for at in values {
            let value = at.to_string();
            let record = BaseRecord::<(), _>::to("t").partition(0).payload(&value);
            idempotent.producer.send(record).map_err(|(error, _)| error).expect("there is room");
        }
        idempotent.flush();
    };
    send(0..100);
    let lanes = {
        let load = Load::begin(broker.address(), "t", PARTITIONS, "load", seed());
        wait_for("some load", || (load.acked() > 300).then_some(()));
        load.end()
    };
    let group = kafka::consumer(&broker.bootstrap(), &[("group.id", "readers")]);
    let mut offsets = TopicPartitionList::new();
    offsets.add_partition_offset("t", 1, Offset::Offset(17)).expect("a valid offset");
    group.commit(&offsets, CommitMode::Sync).expect("committed");
    let before = kafka::read_all(&broker.bootstrap(), "t", PARTITIONS);

    assert_eq!(broker.stop().code(), Some(0), "{}", broker.printed());
    wipe(&directory);
    broker.start_again();

    assert_eq!(read(&broker, "t", PARTITIONS), before);
    assert!(lanes.iter().all(|lane| !lane.acked.is_empty() && lane.in_flight.is_empty()));
    let metadata = group.fetch_metadata(None, Duration::from_secs(10)).expect("it answers");
    let topics: BTreeMap<&str, usize> =
        metadata.topics().iter().map(|topic| (topic.name(), topic.partitions().len())).collect();
    assert_eq!(topics, BTreeMap::from([("empty", 1), ("t", PARTITIONS.cast_unsigned() as usize)]));
    let asked = [ResourceSpecifier::Topic("t")];
    let configs = kafka::block_on(admin.describe_configs(&asked, &AdminOptions::new())).expect("it answers");
    let configs = configs[0].as_ref().expect("the topic is there");
    let told = configs.entry_map().get("max.message.bytes").and_then(|entry| entry.value.clone());
    assert_eq!(told.as_deref(), Some("2000000"));
    let mut asked = TopicPartitionList::new();
    asked.add_partition("t", 1);
    let committed = group.committed_offsets(asked, Duration::from_secs(10)).expect("it answers");
    assert_eq!(committed.elements()[0].offset(), Offset::Offset(17));

    // It goes on where it was: the same producer id, the next sequence.
    send(100..200);
    assert_eq!((idempotent.delivered().len(), idempotent.failed()), (200, Vec::new()));
    let mut client = Raw::connect(broker.address()).expect("it serves");
    let mut answer = Vec::new();
    let mut sequences: BTreeMap<i64, Vec<i32>> = BTreeMap::new();
    for delivered in idempotent.delivered() {
        client
            .send(&raw::fetch("t", 0, delivered.offset, 1))
            .and_then(|()| client.receive(&mut answer))
            .expect("it answers");
        let batch = raw::batches(&answer)[0];
        let into = i32::try_from(delivered.offset - batch.base_offset.0).expect("within the batch");
        sequences.entry(batch.producer_id.0).or_default().push(batch.base_sequence + into);
    }
    let sequences: Vec<Vec<i32>> = sequences.into_values().collect();
    assert_eq!(sequences, [(0..200).collect::<Vec<i32>>()]);
    let values = read(&broker, "t", 1).remove(0).into_iter().map(|(_, value)| value);
    let values: Vec<Vec<u8>> = values.filter(|value| value.iter().all(u8::is_ascii_digit)).collect();
    assert_eq!(values, (0..200).map(|at: u32| at.to_string().into_bytes()).collect::<Vec<_>>());
    assert_eq!(broker.stop().code(), Some(0), "{}", broker.printed());
}

#[test]
fn after_a_kill_and_the_loss_of_the_disk_a_prefix_up_to_the_newest_cut_is_there() {
    let mut random = SmallRng::seed_from_u64(seed());
    let temporary = tempfile::tempdir().expect("a temporary directory");
    let directory = temporary.path().join("data");
    let store = Store::new();
    let mut broker = store.start(&directory, &OFTEN);
    kafka::create_topic(&broker.bootstrap(), "t", PARTITIONS);
    // What each partition has had at an offset, over all lives.
    let mut ever: Vec<BTreeMap<i64, Vec<u8>>> = vec![BTreeMap::new(); PARTITIONS.cast_unsigned() as usize];
    let mut kept: Vec<Vec<(i64, Vec<u8>)>> = vec![Vec::new(); ever.len()];
    let mut epoch = -1;
    for life in 0..3 {
        let load = Load::begin(broker.address(), "t", PARTITIONS, &life.to_string(), random.random());
        store.wait_for_cut_after(&broker, Instant::now() + INTERVAL);
        std::thread::sleep(Duration::from_millis(random.random_range(0..1000)));
        broker.kill();
        let killed = Instant::now();
        let lanes = load.end();
        let (cut, sure) = store.newest_cut(&broker).expect("one was waited for");
        // The promise: what is older than the interval, and the time that cuts take, one before and its own.
        let slowest = stored(&broker.printed_now()).iter().map(|cut| cut.took).max().expect("there are cuts");
        let promised = INTERVAL + 2 * slowest + Duration::from_millis(500);
        assert!(
            killed - sure <= promised,
            "the newest cut is {:?} old, {slowest:?} the longest took",
            killed - sure
        );
        for (ever, lane) in ever.iter_mut().zip(&lanes) {
            for acked in &lane.acked {
                let before = ever.insert(acked.offset, acked.value.clone());
                assert_eq!(before, None, "offset {} was given out before", acked.offset);
            }
        }

        wipe(&directory);
        broker.start_again();
        let report = "was restored from manifest";
        let reports: Vec<_> = fs::read_dir(&directory)
            .expect("the data directory")
            .map(|entry| entry.expect("an entry").path())
            .filter(|path| {
                path.file_name().is_some_and(|name| name.to_string_lossy().starts_with("loss-report-"))
            })
            .collect();
        assert_eq!(reports.len(), 1, "one report");
        let text = fs::read_to_string(&reports[0]).expect("a report");
        assert!(text.contains(report) && text.contains("LSN"), "{text}");
        let printed = broker.printed_now();
        assert!(printed.contains(report), "{printed}");

        let mut found = read(&broker, "t", PARTITIONS);
        for (found, kept) in found.iter_mut().zip(&kept) {
            assert_eq!(&found[..kept.len()], kept, "what was restored before is there again");
        }
        let new: Vec<Vec<_>> =
            found.iter().zip(&kept).map(|(found, kept)| found[kept.len()..].to_vec()).collect();
        let lost = check_prefix(&lanes, &new, sure);
        eprintln!(
            "life {life}: {} acknowledged, {lost} lost with the disk, killed {:?} after {cut:?} began",
            lanes.iter().map(|lane| lane.acked.len()).sum::<usize>(),
            killed - sure
        );
        for (partition, (ever, lane)) in (0..).zip(ever.iter().zip(&lanes)) {
            let fresh = write(&broker, "t", partition, b"the end");
            let last = ever.last_key_value().map_or(0, |(offset, _)| *offset);
            assert!(
                fresh > last + i64::try_from(lane.in_flight.len()).expect("few"),
                "{fresh} was given out before"
            );
        }
        let now = leader_epoch(&broker, "t", 0);
        assert!(now > epoch, "epoch {now} after {epoch}");
        epoch = now;
        kept = found;
    }
}

/// Of the newest batch.
fn leader_epoch(broker: &Broker, topic: &str, partition: i32) -> i32 {
    let offset = write(broker, topic, partition, b"the end");
    let mut client = Raw::connect(broker.address()).expect("it serves");
    let mut answer = Vec::new();
    let request = raw::fetch(topic, partition, offset, 1 << 20);
    client.send(&request).and_then(|()| client.receive(&mut answer)).expect("it answers");
    raw::batches(&answer)[0].leader_epoch
}

#[test]
fn a_store_that_is_away_for_a_while_holds_up_nobody_and_then_gets_everything() {
    let temporary = tempfile::tempdir().expect("a temporary directory");
    let directory = temporary.path().join("data");
    let store = Store::new();
    let mut broker = store.start(&directory, &OFTEN);
    kafka::create_topic(&broker.bootstrap(), "t", PARTITIONS);
    // Through minutes of it, and all of that is read in the end.
    let pause = Duration::from_millis(20);
    let load = Load::paced(broker.address(), "t", PARTITIONS, "load", seed(), pause);
    for weather in [
        Weather::Frozen,
        Weather::Away,
        Weather::Answers(500, SERVER_ERROR),
        Weather::Answers(503, SLOW_DOWN),
    ] {
        store.wait_for_cut_after(&broker, Instant::now());
        let before = load.acked();
        let made = store.during(weather, || {
            std::thread::sleep(outage());
            store.face.made().len()
        });
        let back = Instant::now();
        let acked = load.acked() - before;
        assert!(acked > 10, "{weather:?}: {acked} were acknowledged in {:?}", outage());
        let cut = store.wait_for_cut_after(&broker, back);
        eprintln!(
            "{weather:?}: {acked} acknowledged, {made} objects by then, stored {:?} later",
            back.elapsed()
        );
        assert!(cut.bytes > 0, "{cut:?}");
    }
    broker.kill();
    let lanes = load.end();
    let (_, sure) = store.newest_cut(&broker).expect("there were cuts");
    wipe(&directory);
    broker.start_again();
    check_prefix(&lanes, &read(&broker, "t", PARTITIONS), sure);
}

#[test]
fn with_a_bound_on_what_is_not_stored_writes_are_refused_and_come_back() {
    let temporary = tempfile::tempdir().expect("a temporary directory");
    let store = Store::new();
    let bound = ["--max-unflushed-age", "2s"];
    let mut broker = store.start(&temporary.path().join("data"), &[&OFTEN[..], &bound].concat());
    kafka::create_topic(&broker.bootstrap(), "t", PARTITIONS);
    let load = Load::begin(broker.address(), "t", PARTITIONS, "load", seed());
    store.wait_for_cut_after(&broker, Instant::now());
    assert_eq!(load.refused(), 0, "the store keeps up");
    let at_refusal = store.during(Weather::Away, || {
        wait_for("a refusal", || (load.refused() > 0).then_some(()));
        let acked = load.acked();
        let (mut client, mut answer) = (Raw::connect(broker.address()).expect("it serves"), Vec::new());
        let request = raw::produce("t", 0, raw::batch(1, 1));
        client.send(&request).and_then(|()| client.receive(&mut answer)).expect("it answers");
        let told = raw::produce_refusal(&answer).expect("it is refused");
        assert_eq!(told, "too much of the log is not in the object store yet");
        // Reads go on.
        let consumer = kafka::consumer(&broker.bootstrap(), &[]);
        assert!(kafka::end_offset(&consumer, "t", 0) > 0);
        acked
    });
    wait_for("writes again", || (load.acked() > at_refusal + 100).then_some(()));
    let printed = broker.printed_now();
    assert!(printed.contains("writes are refused until the object store has caught up: "), "{printed}");
    assert!(printed.contains("the object store has caught up; writes are taken again"), "{printed}");
    drop(load.end());
    assert_eq!(broker.stop().code(), Some(0), "{}", broker.printed());
}

/// How old the newest cut is counts from the clock on the wall: with everything in the store, a pause makes it too old.
#[test]
fn after_a_pause_writes_are_taken_although_the_newest_cut_is_old() {
    let temporary = tempfile::tempdir().expect("a temporary directory");
    let store = Store::new();
    let bound = ["--max-unflushed-age", "1s"];
    let mut broker = store.start(&temporary.path().join("data"), &[&RARELY[..], &bound].concat());
    kafka::create_topic(&broker.bootstrap(), "t", 1);
    write(&broker, "t", 0, b"before");
    assert_eq!(broker.stop().code(), Some(0), "{}", broker.printed());
    std::thread::sleep(Duration::from_millis(1100));
    broker.start_again();
    let (mut client, mut answer) = (Raw::connect(broker.address()).expect("it serves"), Vec::new());
    let request = raw::produce("t", 0, raw::batch_of([&b"after"[..]]));
    let begun = Instant::now();
    wait_for("a write", || {
        client.send(&request).and_then(|()| client.receive(&mut answer)).expect("it answers");
        (raw::produce_error(&answer) == 0).then_some(())
    });
    eprintln!("taken {:?} after the start", begun.elapsed());
}

#[test]
fn a_stop_that_cannot_store_everything_says_so_and_the_next_one_does() {
    let temporary = tempfile::tempdir().expect("a temporary directory");
    let directory = temporary.path().join("data");
    let store = Store::new();
    for weather in [Weather::Answers(500, SERVER_ERROR), Weather::Answers(503, SLOW_DOWN), Weather::Away] {
        let short = ["--object-store-stop-wait", "1s"];
        let mut broker = store.start(&directory, &[&RARELY[..], &short].concat());
        if store.made("data").is_empty() {
            kafka::create_topic(&broker.bootstrap(), "t", 1);
        }
        let value = format!("{weather:?}");
        write(&broker, "t", 0, value.as_bytes());
        let status = store.during(weather, || broker.stop());
        let printed = broker.printed_now();
        assert_eq!(status.code(), Some(4), "{printed}");
        assert!(printed.contains("stopped, but the object store did not take everything: "), "{printed}");
        assert!(printed.contains("bytes of records in 1 partitions"), "{printed}");
        broker = store.start(&directory, &RARELY);
        assert_eq!(broker.stop().code(), Some(0), "{}", broker.printed_now());
        wipe(&directory);
        broker.start_again();
        let found = read(&broker, "t", 1).remove(0);
        assert_eq!(found.last().map(|(_, found)| &found[..]), Some(value.as_bytes()));
        assert_eq!(broker.stop().code(), Some(0), "{}", broker.printed_now());
    }
}

#[test]
fn an_empty_directory_is_refused_while_nobody_knows_what_the_store_holds() {
    let temporary = tempfile::tempdir().expect("a temporary directory");
    let directory = temporary.path().join("data");
    let store = Store::new();
    let wait = ["--object-store-start-wait", "1s"];
    let check = |status: std::process::ExitStatus, log: &str| {
        assert_eq!(status.code(), Some(2), "{log}");
        assert!(
            log.contains("refusing to start")
                && log.contains("An error is not an empty store; nothing was begun"),
            "{log}"
        );
        let files: Vec<_> = fs::read_dir(&directory)
            .expect("it was made")
            .map(|file| file.expect("an entry").file_name())
            .collect();
        assert!(files.iter().all(|name| name == "lock"), "{files:?}");
    };
    for weather in [
        Weather::Away,
        Weather::Frozen,
        Weather::Answers(503, SLOW_DOWN),
        Weather::Answers(404, SERVER_ERROR),
    ] {
        let begun = Instant::now();
        let (status, log) = store.during(weather, || store.refused(&directory, &wait));
        check(status, &log);
        eprintln!("{weather:?}: refused after {:?}", begun.elapsed());
        assert!(begun.elapsed() < Duration::from_secs(10), "{log}");
        // Only the look at what it can do may get there late.
        assert!(store.face.made().iter().all(|made| made.key.contains("probe/")), "{:?}", store.face.made());
    }
    // Nobody at all.
    let nobody = format!("http://{}", free_address());
    let arguments = ["--s3-bucket", "bucket", "--s3-endpoint", &nobody, "--object-store-start-wait", "1s"];
    match Broker::try_start(&directory, free_address(), &arguments) {
        Start::Serving(_) => panic!("it serves"),
        Start::Ended(status, log) => check(status, &log),
    }
    // And then it is the first.
    drop(store.start(&directory, &wait));
}

#[test]
fn a_second_broker_takes_over_and_the_first_ends() {
    let temporary = tempfile::tempdir().expect("a temporary directory");
    let directories = ["first", "second"].map(|name| temporary.path().join(name));
    let store = Store::new();
    let mut first = store.start(&directories[0], &OFTEN);
    kafka::create_topic(&first.bootstrap(), "t", PARTITIONS);
    let load = Load::begin(first.address(), "t", PARTITIONS, "load", seed());
    store.wait_for_cut_after(&first, Instant::now() + INTERVAL);
    // It may find that the first has made a cut between its look at the store and its own manifest. Then it is the one that ends.
    let mut second = wait_for("a take-over", || match store.try_start(&directories[1], &OFTEN) {
        Start::Serving(broker) => Some(broker),
        Start::Ended(status, log) => {
            assert_eq!(status.code(), Some(5), "{log}");
            wipe(&directories[1]);
            None
        }
    });
    let took_over = Instant::now();
    let status = first.wait();
    let lanes = load.end();
    let printed = first.printed();
    assert_eq!(status.code(), Some(5), "{printed}");
    assert!(printed.contains("another process has taken over this cluster's object store"), "{printed}");
    eprintln!("the first ended {:?} after the second served", took_over.elapsed());
    let (_, sure) = store.newest_cut(&first).expect("it had cuts");
    check_prefix(&lanes, &read(&second, "t", PARTITIONS), sure);

    // What was committed since is the second's: each manifest is one that it tells of, its claim is the first of them.
    let last_of_first = stored(&printed).pop().expect("it had cuts").manifest;
    let cut = store.write_until_cut(&second, "t", b"of the second");
    let of_second: Vec<u64> = stored(&second.printed_now()).iter().map(|cut| cut.manifest).collect();
    assert_eq!(of_second, (last_of_first + 2..=cut.manifest).collect::<Vec<u64>>());

    let (status, log) = store.refused(&directories[0], &OFTEN);
    assert_eq!(status.code(), Some(5), "{log}");
    assert!(log.contains("from another data directory: that one stands for the cluster now"), "{log}");
    store.write_until_cut(&second, "t", b"still there");
    assert_eq!(second.stop().code(), Some(0), "{}", second.printed());
}

#[test]
fn a_consumer_from_the_start_gets_out_of_the_store_what_the_log_has_no_more() {
    const SMALL: [&str; 6] =
        ["--segment-bytes", "256KiB", "--message-bytes-max", "100KiB", "--cache-bytes", "64KiB"];
    let temporary = tempfile::tempdir().expect("a temporary directory");
    let directory = temporary.path().join("data");
    let store = Store::new();
    let mut broker = store.start(&directory, &[&OFTEN[..], &SMALL].concat());
    kafka::create_topic(&broker.bootstrap(), "t", PARTITIONS);
    let first = log_files::segments(&directory);
    let load = Load::begin(broker.address(), "t", PARTITIONS, "load", seed());
    wait_for("enough load", || (load.acked() > 6000).then_some(()));
    store.wait_for_cut_after(&broker, Instant::now());
    let begun = Instant::now();
    // The log is trimmed behind a cut once two checkpoints are behind it, and those come with segments.
    wait_for("the first segments to go", || first.iter().all(|segment| !segment.exists()).then_some(()));
    store.wait_for_cut_after(&broker, begun);
    let lanes = load.end();
    let sent: usize = lanes.iter().flat_map(|lane| &lane.acked).map(|acked| acked.value.len()).sum();
    let local: u64 = log_files::segments(&directory)
        .iter()
        // One that goes just now holds nothing any more.
        .filter_map(|segment| segment.metadata().ok())
        .map(|told| told.len())
        .sum();
    assert!(local < sent as u64, "{local} bytes of log for {sent} bytes of values");
    let before = store.face.counts();
    let expected: Vec<Vec<(i64, Vec<u8>)>> = lanes
        .iter()
        .map(|lane| lane.acked.iter().map(|acked| (acked.offset, acked.value.clone())).collect())
        .collect();
    assert!(read(&broker, "t", PARTITIONS) == expected, "not what was written");
    let after = store.face.counts();
    eprintln!(
        "{sent} bytes, {local} of them in the log; {} reads of {} bytes",
        after.gets - before.gets,
        after.bytes_out - before.bytes_out
    );
    assert!(after.gets > before.gets, "the store was not read");
    // The same after a restart, which has the rest of the log, and after one which has nothing.
    broker.kill();
    broker.start_again();
    assert!(read(&broker, "t", PARTITIONS) == expected, "not what was written");
    assert_eq!(broker.stop().code(), Some(0), "{}", broker.printed());
    wipe(&directory);
    broker.start_again();
    assert!(read(&broker, "t", PARTITIONS) == expected, "not what was written");
}

#[test]
fn a_store_in_which_creations_overwrite_is_refused() {
    let temporary = tempfile::tempdir().expect("a temporary directory");
    let directory = temporary.path().join("data");
    let store = Store::new();
    let (status, log) = store.during(Weather::Overwrites, || store.refused(&directory, &[]));
    assert_eq!(status.code(), Some(1), "{log}");
    assert!(log.contains("cannot be trusted") && log.contains("If-None-Match"), "{log}");
    assert!(store.made("manifest").is_empty());
    assert_eq!(store.start(&directory, &[]).stop().code(), Some(0));
}

#[test]
fn a_directory_that_is_not_there_is_no_store() {
    let temporary = tempfile::tempdir().expect("a temporary directory");
    let directory = temporary.path().join("data");
    let url = format!("file://{}", temporary.path().join("unmounted").display());
    match Broker::try_start(&directory, free_address(), &["--object-store", &url]) {
        Start::Serving(_) => panic!("it serves without its store"),
        Start::Ended(status, log) => {
            assert_eq!(status.code(), Some(1), "{log}");
            assert!(log.contains("cannot use the object store") && !log.contains("panicked"), "{log}");
        }
    }
    assert_eq!(fs::read_dir(temporary.path()).expect("it can be read").count(), 2, "the log, and data");
}

#[test]
fn a_store_in_memory_is_announced_and_missed_by_the_next_start() {
    let temporary = tempfile::tempdir().expect("a temporary directory");
    let directory = temporary.path().join("data");
    let mut broker = Broker::start(&directory, &["--object-store", "memory://"]);
    let warning = broker.last_line_with("memory:// is for tests").expect("it is told");
    assert!(warning.contains("WARN"), "{warning}");
    kafka::create_topic(&broker.bootstrap(), "t", 1);
    write(&broker, "t", 0, b"in memory");
    assert_eq!(broker.stop().code(), Some(0));
    match Broker::try_start(&directory, free_address(), &["--object-store", "memory://"]) {
        Start::Serving(_) => panic!("it serves without what was stored"),
        Start::Ended(status, log) => assert_eq!(status.code(), Some(5), "{log}"),
    }
}

/// One request on a connection of its own: the head and the body of its answer.
fn http(address: SocketAddr, request: &str) -> (String, String) {
    let mut stream = TcpStream::connect(address).expect("it listens");
    let head = format!("{request} HTTP/1.1\r\nHost: {address}\r\nConnection: close\r\n\r\n");
    stream.write_all(head.as_bytes()).expect("sent");
    let mut answer = String::new();
    stream.read_to_string(&mut answer).expect("text");
    let (head, body) = answer.split_once("\r\n\r\n").expect("a head and a body");
    (head.to_string(), body.to_string())
}

#[test]
fn metrics_tell_how_old_and_how_much_is_what_is_not_stored() {
    let temporary = tempfile::tempdir().expect("a temporary directory");
    let store = Store::new();
    let listen = free_address();
    let (listen_text, refusing) = (listen.to_string(), ["--max-unflushed-age", "3s"]);
    let metrics = ["--metrics-listen", &listen_text];
    let mut broker = store.start(&temporary.path().join("data"), &[&OFTEN[..], &metrics, &refusing].concat());
    let value = |name: &str| {
        let (head, body) = http(listen, "GET /metrics");
        assert!(
            head.starts_with("HTTP/1.1 200 ") && head.contains("content-type: text/plain; version=0.0.4"),
            "{head}"
        );
        let name = format!("evenkeel_{name} ");
        let line = body.lines().find_map(|line| line.strip_prefix(&name)).expect("it is told");
        line.parse::<f64>().expect("a number")
    };
    kafka::create_topic(&broker.bootstrap(), "t", 1);
    store.write_until_cut(&broker, "t", b"stored");
    wait_for("all to be stored", || (value("rpo_seconds") == 0.0).then_some(()));
    assert_eq!((value("serving"), value("unflushed_bytes"), value("writes_refused")), (1.0, 0.0, 0.0));
    let (stored, durable) = (value("stored_lsn"), value("durable_lsn"));
    assert!(0.0 < stored && stored <= durable, "{stored} of {durable}");

    store.during(Weather::Away, || {
        let begun = Instant::now();
        write(&broker, "t", 0, &[b'x'; 1000]);
        let written = Instant::now();
        assert!(value("unflushed_bytes") > 1000.0);
        wait_for("writes to be refused", || (value("writes_refused") == 1.0).then_some(()));
        let at_least = written.elapsed().as_secs_f64();
        let told = value("rpo_seconds");
        assert!(told > 3.0 && (at_least..=begun.elapsed().as_secs_f64()).contains(&told), "{told} s");
        assert_eq!(value("stored_lsn"), stored);
    });
    wait_for("all to be stored", || (value("rpo_seconds") == 0.0).then_some(()));
    assert_eq!((value("unflushed_bytes"), value("writes_refused")), (0.0, 0.0));
    assert!(value("stored_lsn") > stored);

    assert!(http(listen, "GET /").0.starts_with("HTTP/1.1 404 "));
    assert!(http(listen, "POST /metrics").0.starts_with("HTTP/1.1 405 "));
    assert_eq!(http(listen, "HEAD /metrics").1, "");
    // Bytes that are no request end their connection only.
    TcpStream::connect(listen).and_then(|mut stream| stream.write_all(&[0xff; 100])).expect("sent");
    assert_eq!(value("serving"), 1.0);
    assert_eq!(broker.stop().code(), Some(0));
}
