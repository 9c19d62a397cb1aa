//! What the broker costs beside the bare disk, as ratios measured in one run: `cargo bench -p evenkeel-tests`.
//!
//! Every figure stands beside the same work without a broker, on the same volume, in the same run. Absolute numbers
//! depend on the machine; the ratios are what is looked at.
#![expect(clippy::print_stdout, reason = "the table is the result")]

mod groups;
mod store;

use std::{
    fs::{self, File},
    io::{Read, Write},
    os::unix::fs::FileExt,
    path::Path,
    time::{Duration, Instant},
};

use evenkeel_tests::{Broker, kafka, log_files, raw, raw::Raw};

/// Without an object store.
const LOG_ONLY: [&str; 2] = ["--object-store", "none"];

fn main() {
    // `cargo test` asks benches for nothing; only `cargo bench` measures.
    if std::env::args().any(|argument| argument == "--test")
        || !std::env::args().any(|argument| argument == "--bench")
    {
        return;
    }
    let place = std::env::var_os("EVENKEEL_BENCH_DIR").map_or_else(std::env::temp_dir, Into::into);
    let temporary = tempfile::tempdir_in(place).expect("a temporary directory");
    println!("| what | evenkeel | bare | ratio |");
    println!("|---|---|---|---|");
    let only = std::env::var("EVENKEEL_BENCH_ONLY").ok();
    for (name, measure) in [
        ("latency", latency as fn(&Path)),
        ("throughput", throughput),
        ("groups", groups::groups),
        ("store", store::store),
        ("idle", idle),
    ] {
        if only.as_ref().is_none_or(|only| only == name) {
            measure(temporary.path());
        }
    }
}

fn row(what: &str, ours: &str, bare: &str, ratio: f64) {
    println!("| {what} | {ours} | {bare} | {ratio:.2} |");
}

fn percentile(times: &mut [Duration], part: f64) -> Duration {
    times.sort_unstable();
    times[((times.len() - 1) as f64 * part) as usize]
}

fn zeroed(path: &Path, len: usize) -> File {
    let mut file =
        File::options().create(true).truncate(true).read(true).write(true).open(path).expect("created");
    let zeros = vec![0; 1 << 20];
    for _ in 0..len.div_ceil(zeros.len()) {
        file.write_all(&zeros).expect("written");
    }
    file.sync_all().expect("synced");
    file
}

fn reserved(path: &Path, len: usize) -> File {
    let file =
        File::options().create(true).truncate(true).read(true).write(true).open(path).expect("created");
    rustix::fs::fallocate(&file, rustix::fs::FallocateFlags::empty(), 0, len as u64).expect("reserved");
    file.sync_all().expect("synced");
    file
}

/// One client, one record at a time: the answer against one bare write and sync of a block.
fn latency(temporary: &Path) {
    const ROUNDS: usize = 10;
    const EACH: usize = 200;
    let broker = Broker::start(&temporary.join("latency"), &LOG_ONLY);
    kafka::create_topic(&broker.bootstrap(), "t", 1);
    let request = raw::produce("t", 0, raw::batch(1, 100));
    let mut client = Raw::connect(broker.address()).expect("connected");
    let file = zeroed(&temporary.join("bare"), ROUNDS * EACH * 4096);
    let (mut ours, mut bare, mut answer) = (Vec::new(), Vec::new(), Vec::new());
    for round in 0..ROUNDS {
        for at in 0..EACH {
            let begun = Instant::now();
            file.write_all_at(&[1; 4096], ((round * EACH + at) * 4096) as u64).expect("written");
            file.sync_data().expect("synced");
            bare.push(begun.elapsed());
        }
        for _ in 0..EACH {
            let begun = Instant::now();
            client.send(&request).and_then(|()| client.receive(&mut answer)).expect("answered");
            ours.push(begun.elapsed());
            assert_eq!(raw::produce_error(&answer), 0);
        }
    }
    let mut served = bare_server(temporary, &request, ROUNDS * EACH);
    for (name, part) in [("median", 0.5), ("99th percentile", 0.99)] {
        let ours = percentile(&mut ours, part);
        for (than, times) in [("one sync", &mut bare), ("a bare server that syncs each request", &mut served)]
        {
            let bare = percentile(times, part);
            let ratio = ours.as_secs_f64() / bare.as_secs_f64();
            let what = format!("ack of one client, {name}, against {than}");
            row(&what, &format!("{ours:.0?}"), &format!("{bare:.0?}"), ratio);
        }
    }
}

/// The least that a durable answer over a socket costs: a thread that reads a request, writes and syncs a block, and answers.
fn bare_server(temporary: &Path, request: &[u8], count: usize) -> Vec<Duration> {
    let listener = std::net::TcpListener::bind("127.0.0.1:0").expect("loopback has a free port");
    let address = listener.local_addr().expect("it is bound");
    let file = zeroed(&temporary.join("bare-server"), count * 4096);
    let len = request.len();
    let server = std::thread::spawn(move || {
        let (mut stream, _) = listener.accept().expect("accepted");
        stream.set_nodelay(true).expect("a socket option");
        let mut request = vec![0; len];
        for at in 0..count {
            stream.read_exact(&mut request).expect("read");
            file.write_all_at(&[1; 4096], (at * 4096) as u64).expect("written");
            file.sync_data().expect("synced");
            stream.write_all(&[0, 0, 0, 4, 0, 0, 0, 0]).expect("answered");
        }
    });
    let mut client = Raw::connect(address).expect("connected");
    let (mut times, mut answer) = (Vec::new(), Vec::new());
    for _ in 0..count {
        let begun = Instant::now();
        client.send(request).and_then(|()| client.receive(&mut answer)).expect("answered");
        times.push(begun.elapsed());
    }
    server.join().expect("no panic");
    times
}

/// Makes a file of so many bytes.
type Make = fn(&Path, usize) -> File;

/// How the bare files are made: their pages in the page cache already, or not, as in the log of a busy broker.
const WAYS: [(&str, Make); 2] =
    [("reserved space, as the busy log makes them", reserved), ("written zeros", zeroed)];

/// Several clients, several requests on their way each: the log's throughput against the same groups written bare. By turns and
/// in equal parts, so that neither finds the machine's memory in a better state; the median part counts. Then the log that
/// this leaves is read by a consumer and by a restart.
fn throughput(temporary: &Path) {
    const CLIENTS: i32 = 4;
    const ROUNDS: usize = 5;
    let bytes_wanted =
        std::env::var("EVENKEEL_BENCH_MIB").ok().and_then(|given| given.parse().ok()).unwrap_or(1280usize)
            << 20;
    let mut broker = Broker::start(&temporary.join("throughput"), &LOG_ONLY);
    kafka::create_topic(&broker.bootstrap(), "t", CLIENTS);
    let batch = raw::batch(64, 1000);
    let each = bytes_wanted / ROUNDS / CLIENTS as usize / batch.len();
    let mut known = log_files::groups(broker.directory()).len();
    let mut rates: Vec<[f64; 3]> = Vec::new();
    let (mut count, mut total) = (0, 0);
    for _ in 0..ROUNDS {
        let ours = saturate(&broker, CLIENTS, each, &batch);
        let all = log_files::groups(broker.directory());
        let groups: Vec<usize> = all[known..].iter().map(|group| group.len.next_multiple_of(4096)).collect();
        known = all.len();
        let bytes: usize = groups.iter().sum();
        count += groups.len();
        total += bytes;
        let [reserved, zeroed] = WAYS.map(|(_, prepare)| replay(temporary, &groups, prepare));
        rates.push([ours, reserved, zeroed].map(|time| bytes as f64 / time.as_secs_f64()));
    }
    let median = |of: &dyn Fn(&[f64; 3]) -> f64| {
        let mut values: Vec<f64> = rates.iter().map(of).collect();
        values.sort_unstable_by(f64::total_cmp);
        values[values.len() / 2]
    };
    for (at, (files, _)) in (1..).zip(WAYS) {
        row(
            &format!(
                "produce at saturation, {count} groups of {} KiB on average, against the same bare into files of {files}",
                total / count / 1024
            ),
            &format!("{:.0} MB/s", median(&|rates| rates[0]) / 1e6),
            &format!("{:.0} MB/s", median(&|rates| rates[at]) / 1e6),
            median(&|rates| rates[0] / rates[at]),
        );
    }
    consume(&broker, each * ROUNDS, &batch);
    broker.kill();
    let begun = Instant::now();
    let mut read = 0;
    for file in log_files::segments(broker.directory()) {
        read += fs::read(file).expect("read").len();
    }
    let bare = begun.elapsed();
    broker.start_again();
    row(
        &format!("restart after a kill with {} MiB of log, against reading it", read >> 20),
        &format!("{:.0?}", broker.start_time),
        &format!("{bare:.0?}"),
        broker.start_time.as_secs_f64() / bare.as_secs_f64(),
    );
}

/// So many clients, one partition and so many batches each, several on their way at any time.
fn saturate(broker: &Broker, clients: i32, each: usize, batch: &bytes::Bytes) -> Duration {
    const IN_FLIGHT: usize = 8;
    let begun = Instant::now();
    std::thread::scope(|scope| {
        for client in 0..clients {
            let (address, batch) = (broker.address(), batch.clone());
            scope.spawn(move || {
                let request = raw::produce("t", client, batch);
                let mut client = Raw::connect(address).expect("connected");
                let mut answer = Vec::new();
                for at in 0..each + IN_FLIGHT {
                    if at < each {
                        client.send(&request).expect("sent");
                    }
                    if at >= IN_FLIGHT {
                        client.receive(&mut answer).expect("answered");
                        assert_eq!(raw::produce_error(&answer), 0);
                    }
                }
            });
        }
    });
    begun.elapsed()
}

/// Writes and syncs groups of these sizes, in files like segments, out of memory that no cache of the processor holds: what a
/// broker writes has just come from somewhere, too.
fn replay(temporary: &Path, groups: &[usize], prepare: Make) -> Duration {
    const SEGMENT: usize = 64 << 20;
    let data: Vec<u8> = (0..2 * SEGMENT).map(|at| u8::try_from(at >> 12 & 0xff).expect("masked")).collect();
    let mut source = 0;
    let segments = groups.iter().sum::<usize>() / SEGMENT * 2 + 2;
    let files: Vec<File> =
        (0..segments).map(|at| prepare(&temporary.join(format!("replay-{at}")), SEGMENT)).collect();
    let (mut file, mut at) = (0, 0);
    let begun = Instant::now();
    for &len in groups {
        if at + len > SEGMENT {
            file += 1;
            at = 0;
        }
        source = if source + len > data.len() { 0 } else { source };
        files[file].write_all_at(&data[source..source + len], at as u64).expect("written");
        source += len;
        files[file].sync_data().expect("synced");
        at += len;
    }
    let time = begun.elapsed();
    for at in 0..segments {
        fs::remove_file(temporary.join(format!("replay-{at}"))).expect("removed");
    }
    time
}

/// One consumer from the start of one partition, most of it from the disk.
fn consume(broker: &Broker, batches: usize, batch: &bytes::Bytes) {
    let mut client = Raw::connect(broker.address()).expect("connected");
    let mut answer = Vec::new();
    let (mut offset, mut bytes) = (0i64, 0usize);
    let end = i64::try_from(batches).expect("few") * 64;
    let begun = Instant::now();
    while offset < end {
        client
            .send(&raw::fetch("t", 0, offset, 8 << 20))
            .and_then(|()| client.receive(&mut answer))
            .expect("answered");
        let count = answer.len() / batch.len();
        assert!(count > 0, "the consumer makes progress");
        offset += i64::try_from(count).expect("few") * 64;
        bytes += answer.len();
    }
    let ours = begun.elapsed();
    let begun = Instant::now();
    let mut read = 0;
    for file in log_files::segments(broker.directory()) {
        read += fs::read(file).expect("read").len();
        if read >= bytes {
            break;
        }
    }
    let bare = begun.elapsed().mul_f64(bytes as f64 / read as f64);
    let rate = |time: Duration| format!("{:.0} MB/s", bytes as f64 / time.as_secs_f64() / 1e6);
    row(
        "one consumer from the start, against reading files of as many bytes",
        &rate(ours),
        &rate(bare),
        bare.as_secs_f64() / ours.as_secs_f64(),
    );
}

fn switches(pid: u32) -> u64 {
    let mut sum = 0;
    for task in fs::read_dir(format!("/proc/{pid}/task")).expect("our child lives").flatten() {
        let status = fs::read_to_string(task.path().join("status")).unwrap_or_default();
        let count =
            |name| status.lines().find_map(|line: &str| line.strip_prefix(name)?.trim().parse::<u64>().ok());
        sum += count("voluntary_ctxt_switches:").unwrap_or(0)
            + count("nonvoluntary_ctxt_switches:").unwrap_or(0);
    }
    sum
}

/// Nothing to do: memory and wake-ups.
fn idle(temporary: &Path) {
    let broker = Broker::start(&temporary.join("idle"), &LOG_ONLY);
    kafka::create_topic(&broker.bootstrap(), "t", 1);
    // The start itself, the marker and the preparation of segments are over then.
    std::thread::sleep(Duration::from_secs(3));
    let before = switches(broker.pid());
    std::thread::sleep(Duration::from_secs(10));
    let wakeups = switches(broker.pid()) - before;
    println!("| idle: resident memory | {} kB | | |", resident_kib(broker.pid()));
    println!("| idle: context switches of all threads in 10 s | {wakeups} | | |");
}

fn resident_kib(pid: u32) -> u64 {
    let status = fs::read_to_string(format!("/proc/{pid}/status")).expect("our child lives");
    let resident = status.lines().find_map(|line| line.strip_prefix("VmRSS:")?.trim().strip_suffix(" kB"));
    resident.and_then(|kib| kib.trim().parse().ok()).expect("a process has memory")
}
