//! What an object store costs: throughput while it is fed, reads of what only it has, restores, requests in money, memory.
//! The server is in this process and takes its share of the processors from the broker.

use std::{
    fs,
    io::{BufRead, BufReader, Read, Write},
    net::{SocketAddr, TcpStream},
    path::Path,
    time::{Duration, Instant},
};

use bytes::Bytes;
use evenkeel_tests::{
    Broker,
    face::{Counts, Made},
    kafka, raw,
    raw::Raw,
    store::{Store, stored},
    wait_for,
};

use crate::{LOG_ONLY, resident_kib, row, saturate};

const CLIENTS: i32 = 4;
/// List prices of S3 in dollars, for a request.
const PUT_PRICE: f64 = 0.005 / 1000.0;
const GET_PRICE: f64 = 0.0004 / 1000.0;

pub(crate) fn store(temporary: &Path) {
    fed_and_read_back(temporary);
    for partitions in [1, 1000] {
        requests(temporary, partitions);
    }
    for partitions in [10, 1000, 10_000] {
        restore(temporary, partitions);
    }
}

fn mib(bytes: u64) -> String {
    format!("{:.0} MiB", bytes as f64 / f64::from(1 << 20))
}

fn middle(mut values: Vec<f64>) -> f64 {
    values.sort_unstable_by(f64::total_cmp);
    values[values.len() / 2]
}

/// Forgets the peak of its memory.
fn reset_peak(broker: &Broker) {
    fs::write(format!("/proc/{}/clear_refs", broker.pid()), "5").expect("it is our child");
}

fn peak_kib(broker: &Broker) -> u64 {
    let status = fs::read_to_string(format!("/proc/{}/status", broker.pid())).expect("our child lives");
    let peak = status.lines().find_map(|line| line.strip_prefix("VmHWM:")?.trim().strip_suffix(" kB"));
    peak.and_then(|kib| kib.trim().parse().ok()).expect("a process has memory")
}

/// One broker with a store that cuts every second, one without; by turns. Then what was stored is read.
fn fed_and_read_back(temporary: &Path) {
    const ROUNDS: usize = 12;
    const ROUND_BYTES: usize = 256 << 20;
    let store = Store::new();
    let directory = temporary.join("with-store");
    let mut with = store.start(&directory, &["--s3-flush-interval", "1s"]);
    let without = Broker::start(&temporary.join("without-store"), &LOG_ONLY);
    let within = Broker::start(&temporary.join("store-within"), &["--s3-flush-interval", "1s"]);
    let batch = raw::batch(64, 1000);
    let each = ROUND_BYTES / CLIENTS as usize / batch.len();
    for broker in [&with, &without, &within] {
        kafka::create_topic(&broker.bootstrap(), "t", CLIENTS);
        saturate(broker, CLIENTS, each / 4, &batch);
        reset_peak(broker);
    }
    // Each comes first as often as the others: what one leaves behind in the disk, the next one finds.
    let brokers = [&with, &without, &within];
    let round = |round: usize| {
        let mut times = [Duration::ZERO; 3];
        for at in (0..3).map(|at| (at + round) % 3) {
            times[at] = saturate(brokers[at], CLIENTS, each, &batch);
        }
        times
    };
    let times: Vec<[Duration; 3]> = (0..ROUNDS).map(round).collect();
    let bytes = (each * CLIENTS as usize * batch.len()) as u64;
    // Over all rounds: the disk is at times several times as fast as at others.
    let total = |at: usize| times.iter().map(|times| times[at].as_secs_f64()).sum::<f64>();
    let speed = |at: usize| (bytes * ROUNDS as u64) as f64 / total(at) / 1e6;
    for (what, at) in [("a store", 0), ("the store in the data directory", 2)] {
        let mut ratios: Vec<f64> =
            times.iter().map(|times| times[1].as_secs_f64() / times[at].as_secs_f64()).collect();
        ratios.sort_unstable_by(f64::total_cmp);
        row(
            &format!(
                "produce at saturation with {what}, a cut every second, against no store; {ROUNDS} rounds from {:.2} to {:.2}",
                ratios[0],
                ratios[ROUNDS - 1]
            ),
            &format!("{:.0} MB/s", speed(at)),
            &format!("{:.0} MB/s", speed(1)),
            total(1) / total(at),
        );
    }
    let begun = Instant::now();
    store.write_until_cut(&with, "t", b"the last");
    println!("| the rest is stored after the last write | {:.1?} | | |", begun.elapsed());
    let cuts = stored(&with.printed_now());
    let slowest = cuts.iter().max_by_key(|cut| cut.took).expect("there are cuts");
    println!("| {} cuts, the slowest: {} | {:?} | | |", cuts.len(), mib(slowest.bytes), slowest.took);
    let peaks = [&with, &without, &within].map(peak_kib);
    for (what, at) in [("with a store", 0), ("with the store in the data directory", 2)] {
        row(
            &format!("peak of resident memory {what}, against no store"),
            &mib(peaks[at] << 10),
            &mib(peaks[1] << 10),
            peaks[at] as f64 / peaks[1] as f64,
        );
    }
    drop((without, within));

    wait_for("the log to be trimmed", || with.last_line_with("are not needed any more and are removed"));
    let end = (each * ROUNDS / 2) as i64 * 64;
    for cache in ["0B", "64MiB"] {
        assert!(with.stop().success(), "{}", with.printed());
        with = store.start(&directory, &["--s3-flush-interval", "1s", "--object-store-cache-bytes", cache]);
        // On loopback, and with a store as far away as one mostly is.
        for delay in [Duration::ZERO, Duration::from_millis(15)] {
            store.face.set_delay(delay);
            for fetch_bytes in [1 << 20, 8 << 20] {
                let what =
                    format!("a cache of {cache}, a store that takes {} ms to answer", delay.as_millis());
                read_back(&store, &with, end, fetch_bytes, &what);
            }
        }
        store.face.set_delay(Duration::ZERO);
    }
}

/// A consumer of what the log has no more, and as many bytes as it gets by plain requests in parts of the same size; by turns.
fn read_back(store: &Store, broker: &Broker, end: i64, fetch_bytes: i32, what: &str) {
    const ROUNDS: usize = 5;
    reset_peak(broker);
    let objects = store.made("data");
    let (mut speeds, mut read_all, mut counts) = (Vec::new(), 0, Counts::default());
    for _ in 0..ROUNDS {
        let before = store.face.counts();
        let (read, time) = consume(broker, end, fetch_bytes);
        counts = since(before, store.face.counts());
        assert!(counts.bytes_out > read * 9 / 10, "{counts:?} for {read} bytes: the store was not read");
        let (bare, bare_time) = get(store.face.address(), &objects, read, fetch_bytes as usize);
        assert!(bare >= read, "{bare} of {read} bytes");
        speeds.push(
            [(read, time), (bare, bare_time)].map(|(bytes, time)| bytes as f64 / time.as_secs_f64() / 1e6),
        );
        read_all = read;
    }
    row(
        &format!(
            "one consumer of stored records, fetches of {}, {what}, against as many bytes by GETs",
            mib(fetch_bytes as u64)
        ),
        &format!("{:.0} MB/s", middle(speeds.iter().map(|[ours, _]| *ours).collect())),
        &format!("{:.0} MB/s", middle(speeds.iter().map(|[_, bare]| *bare).collect())),
        middle(speeds.iter().map(|[ours, bare]| ours / bare).collect()),
    );
    let gib = read_all as f64 / f64::from(1 << 30);
    println!(
        "| ... reads a GiB | {:.0} GETs, ${:.5}, {:.2} bytes a byte | | |",
        counts.gets as f64 / gib,
        dollars(counts) / gib,
        counts.bytes_out as f64 / read_all as f64
    );
    println!("| ... peak of resident memory | {} | | |", mib(peak_kib(broker) << 10));
}

/// One partition up to that offset.
fn consume(broker: &Broker, end: i64, fetch_bytes: i32) -> (u64, Duration) {
    let mut client = Raw::connect(broker.address()).expect("connected");
    let (mut offset, mut bytes, mut answer) = (0, 0, Vec::new());
    let begun = Instant::now();
    while offset < end {
        let request = raw::fetch("t", 0, offset, fetch_bytes);
        client.send(&request).and_then(|()| client.receive(&mut answer)).expect("answered");
        bytes += answer.len() as u64;
        let batches = answer.len() / raw_batch_len();
        assert!(batches > 0, "the consumer makes progress");
        offset += i64::try_from(batches).expect("few") * 64;
    }
    (bytes, begun.elapsed())
}

fn raw_batch_len() -> usize {
    static LEN: std::sync::OnceLock<usize> = std::sync::OnceLock::new();
    *LEN.get_or_init(|| raw::batch(64, 1000).len())
}

/// Parts of so many bytes of these objects, one after the other on one connection, until enough has come.
fn get(server: SocketAddr, objects: &[Made], enough: u64, part: usize) -> (u64, Duration) {
    let mut stream = TcpStream::connect(server).expect("connected");
    stream.set_nodelay(true).expect("a socket option");
    let mut reader = BufReader::new(stream.try_clone().expect("a second handle"));
    let (mut bytes, mut body) = (0, Vec::new());
    let begun = Instant::now();
    for object in objects {
        for from in (0..object.len).step_by(part) {
            if bytes >= enough {
                return (bytes, begun.elapsed());
            }
            let last = (from + part).min(object.len) - 1;
            let head = format!("GET /bucket/{} HTTP/1.1\r\nRange: bytes={from}-{last}\r\n\r\n", object.key);
            stream.write_all(head.as_bytes()).expect("sent");
            loop {
                let mut line = String::new();
                reader.read_line(&mut line).expect("answered");
                if line.trim_end().is_empty() {
                    break;
                }
            }
            body.resize(last + 1 - from, 0);
            reader.read_exact(&mut body).expect("answered");
            bytes += body.len() as u64;
        }
    }
    (bytes, begun.elapsed())
}

fn since(before: Counts, now: Counts) -> Counts {
    Counts {
        puts: now.puts - before.puts,
        gets: now.gets - before.gets,
        lists: now.lists - before.lists,
        deletes: now.deletes - before.deletes,
        bytes_in: now.bytes_in - before.bytes_in,
        bytes_out: now.bytes_out - before.bytes_out,
    }
}

fn dollars(counts: Counts) -> f64 {
    (counts.puts + counts.lists) as f64 * PUT_PRICE + counts.gets as f64 * GET_PRICE
}

fn told(counts: Counts) -> String {
    let Counts { puts, gets, lists, deletes, .. } = counts;
    format!("{puts} PUT, {lists} LIST, {gets} GET, {deletes} DELETE: ${:.5}", dollars(counts))
}

/// What a GiB costs that is written at once, an hour of a few writes, and an hour of none.
fn requests(temporary: &Path, partitions: i32) {
    const CUTS: u64 = 5;
    let directory = temporary.join(format!("requests-{partitions}"));
    let store = Store::new();
    let mut broker = store.start(&directory, &[]);
    kafka::create_topic(&broker.bootstrap(), "t", partitions);
    let before = store.face.counts();
    let batch = raw::batch(64, 1000);
    spread(&broker, partitions, (1 << 30) / batch.len(), &batch);
    assert!(broker.stop().success(), "{}", broker.printed());
    let counts = since(before, store.face.counts());
    println!("| {partitions} partitions, a GiB | {} | | |", told(counts));
    fs::remove_dir_all(&directory).expect("removed");
    drop(store);

    let store = Store::new();
    let broker = store.start(&directory, &["--s3-flush-interval", "1s"]);
    kafka::create_topic(&broker.bootstrap(), "t", partitions);
    store.write_until_cut(&broker, "t", b"the last");
    let (before, cuts) = (store.face.counts(), stored(&broker.printed_now()).len() as u64);
    let small = raw::batch(1, 100);
    for _ in 0..CUTS {
        spread(&broker, partitions, partitions as usize, &small);
        store.write_until_cut(&broker, "t", b"the last");
    }
    let cuts = stored(&broker.printed_now()).len() as u64 - cuts;
    let counts = since(before, store.face.counts());
    let hour = |count: u64| count * 60 / cuts;
    let hourly =
        Counts { puts: hour(counts.puts), gets: hour(counts.gets), lists: hour(counts.lists), ..counts };
    println!(
        "| {partitions} partitions, an hour of few writes to all, cut every minute | {} | | |",
        told(hourly)
    );
    println!(
        "| ... bytes of a cut with {} bytes of records | {} | | |",
        small.len() * partitions as usize,
        counts.bytes_in / cuts
    );
    let before = store.face.counts();
    std::thread::sleep(Duration::from_secs(5));
    let idle = since(before, store.face.counts());
    println!("| {partitions} partitions, 5 idle seconds | {} | | |", told(idle));
    println!("| ... resident memory | {} | | |", mib(resident_kib(broker.pid()) << 10));
}

/// So many batches, one partition after the other, many on their way at any time.
fn spread(broker: &Broker, partitions: i32, count: usize, batch: &Bytes) {
    const IN_FLIGHT: usize = 32;
    let mut client = Raw::connect(broker.address()).expect("connected");
    let mut answer = Vec::new();
    let mut partition = 0;
    for at in 0..count + IN_FLIGHT {
        if at < count {
            client.send(&raw::produce("t", partition, batch.clone())).expect("sent");
            partition = (partition + 1) % partitions;
        }
        if at >= IN_FLIGHT {
            client.receive(&mut answer).expect("answered");
            assert_eq!(raw::produce_error(&answer), 0);
        }
    }
}

/// A start with an empty directory against one with the directory as it was.
fn restore(temporary: &Path, partitions: i32) {
    let directory = temporary.join(format!("restore-{partitions}"));
    let store = Store::new();
    let mut broker = store.start(&directory, &[]);
    kafka::create_topic(&broker.bootstrap(), "t", partitions);
    spread(&broker, partitions, partitions as usize, &raw::batch(1, 100));
    assert!(broker.stop().success(), "{}", broker.printed());
    let objects = ["state", "index", "data"].map(|kind| store.made(kind).last().map_or(0, |made| made.len));
    let (mut kept, mut restored) = (Vec::new(), Vec::new());
    for _ in 0..3 {
        broker.start_again();
        kept.push(broker.start_time);
        assert!(broker.stop().success(), "{}", broker.printed());
        fs::remove_dir_all(&directory).expect("removed");
        broker.start_again();
        restored.push(broker.start_time);
        assert!(broker.stop().success(), "{}", broker.printed());
    }
    kept.sort_unstable();
    restored.sort_unstable();
    row(
        &format!(
            "restore of {partitions} partitions (state of {} KiB), against a start with what the disk has",
            objects[0] >> 10
        ),
        &format!("{:.0?}", restored[1]),
        &format!("{:.0?}", kept[1]),
        restored[1].as_secs_f64() / kept[1].as_secs_f64(),
    );
}
