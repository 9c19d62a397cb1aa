//! A broker under attack, with an ordinary producer beside it.

use std::{
    fs,
    io::{self, Read, Write},
    net::{SocketAddr, TcpStream},
    sync::mpsc::{Receiver, Sender, TryRecvError, channel},
    thread::{self, JoinHandle},
    time::{Duration, Instant},
};

use evenkeel_tests::{
    Broker, PATIENCE, kafka,
    raw::{self, Raw},
};
use tempfile::TempDir;

/// Bound of the broker's memory, KiB.
const MEMORY_KIB: u64 = 512 << 10;
/// Address space of the broker: an attack that succeeds ends the broker and not the machine. Threads reserve much that they never use.
const ADDRESS_SPACE: u64 = 6 << 30;
/// Pause of the producer between two records.
const PAUSE: Duration = Duration::from_millis(5);
/// Longest time in which 99 of 100 records are acknowledged. It has room for a machine that does other things too.
const ACK_P99: Duration = Duration::from_secs(5);

/// Records that the producer sends at least.
const ACKS_MIN: usize = 200;

/// The topic with many partitions.
pub(crate) const WIDE: &str = "wide";
/// Its partitions.
pub(crate) const WIDE_PARTITIONS: i32 = 10_000;

/// A broker under attack.
pub(crate) struct Siege {
    broker: Broker,
    _temporary: TempDir,
    stop: Sender<()>,
    producer: JoinHandle<Vec<Duration>>,
}

impl Siege {
    /// Starts a broker with its defaults and these arguments, two topics, and the producer.
    pub(crate) fn begin(arguments: &[&str]) -> Siege {
        let temporary = tempfile::tempdir().expect("a temporary directory");
        let broker = Broker::start(&temporary.path().join("data"), arguments);
        let pid = i32::try_from(broker.pid()).ok().and_then(rustix::process::Pid::from_raw).expect("a pid");
        let limit = rustix::process::Rlimit { current: Some(ADDRESS_SPACE), maximum: Some(ADDRESS_SPACE) };
        rustix::process::prlimit(Some(pid), rustix::process::Resource::As, limit).expect("it is our child");
        kafka::create_topic(&broker.bootstrap(), WIDE, WIDE_PARTITIONS);
        kafka::create_topic(&broker.bootstrap(), "acks", 1);
        let (stop, stopped) = channel();
        let address = broker.address();
        let producer = thread::spawn(move || produce(address, &stopped));
        Siege { broker, _temporary: temporary, stop, producer }
    }

    pub(crate) fn address(&self) -> SocketAddr {
        self.broker.address()
    }

    /// Runs one attack, and prints and checks the peak of the broker's memory.
    pub(crate) fn attack<T>(&self, name: &str, attack: impl FnOnce(SocketAddr) -> T) -> T {
        let pid = self.broker.pid();
        // The kernel's peak begins again from what is there now.
        fs::write(format!("/proc/{pid}/clear_refs"), "5").expect("it is our child");
        let (before, begun) = (status(pid, "VmRSS"), Instant::now());
        let result = attack(self.broker.address());
        let peak = status(pid, "VmHWM");
        let text = self.broker.printed();
        eprintln!("{name}: {} MiB before, peak {} MiB, {:.1?}", before >> 10, peak >> 10, begun.elapsed());
        assert!(!text.contains("panicked"), "{name}: {text}");
        assert!(peak <= MEMORY_KIB, "{name}: {} MiB", peak >> 10);
        result
    }

    /// Ends the producer. Prints and checks how long its records took.
    pub(crate) fn end(self) {
        self.stop.send(()).expect("the producer is there until it is told to stop");
        let mut acks = self.producer.join().expect("every record was acknowledged");
        acks.sort_unstable();
        let p99 = acks[acks.len() * 99 / 100];
        let slowest = acks[acks.len() - 1];
        eprintln!("{} records acknowledged, p99 {p99:.1?}, slowest {slowest:.1?}", acks.len());
        assert!(p99 < ACK_P99, "p99 {p99:?}");
    }
}

/// A line of `/proc/PID/status`, KiB.
fn status(pid: u32, name: &str) -> u64 {
    let status = fs::read_to_string(format!("/proc/{pid}/status")).expect("our child lives");
    let line = status.lines().find(|line| line.starts_with(name)).expect("the kernel tells");
    line.split_whitespace().nth(1).and_then(|number| number.parse().ok()).expect("a number")
}

fn produce(address: SocketAddr, stopped: &Receiver<()>) -> Vec<Duration> {
    let mut client = Raw::connect(address).expect("the broker serves");
    client.patience(PATIENCE).expect("a timeout");
    let request = raw::produce("acks", 0, raw::batch(1, 100));
    let (mut answer, mut acks) = (Vec::new(), Vec::new());
    while acks.len() < ACKS_MIN || stopped.try_recv() == Err(TryRecvError::Empty) {
        let sent = Instant::now();
        client.send(&request).and_then(|()| client.receive(&mut answer)).expect("the broker answers");
        assert_eq!(raw::produce_error(&answer), 0);
        acks.push(sent.elapsed());
        thread::sleep(PAUSE);
    }
    acks
}

/// A connection of the attacker's, who has another address than everybody else.
pub(crate) fn open(address: SocketAddr) -> TcpStream {
    use rustix::net::{AddressFamily, SocketType, bind, connect, socket};
    let ours = socket(AddressFamily::INET, SocketType::STREAM, None).expect("a socket");
    bind(&ours, &SocketAddr::from(([127, 0, 0, 66], 0))).expect("all of 127.0.0.0/8 is ours");
    connect(&ours, &address).expect("it accepts");
    let stream = TcpStream::from(ours);
    stream.set_read_timeout(Some(PATIENCE)).expect("a timeout");
    stream.set_write_timeout(Some(PATIENCE)).expect("a timeout");
    stream
}

/// A connection of an ordinary client.
pub(crate) fn ordinary(address: SocketAddr) -> TcpStream {
    let stream = TcpStream::connect(address).expect("it accepts");
    stream.set_read_timeout(Some(PATIENCE)).expect("a timeout");
    stream
}

/// A frame of a version without tagged fields, with its length.
pub(crate) fn frame(api: i16, version: i16, body: &[u8]) -> Vec<u8> {
    framed(api, version, &[], body)
}

/// A frame of a version with tagged fields.
pub(crate) fn flexible(api: i16, version: i16, body: &[u8]) -> Vec<u8> {
    framed(api, version, &[0], body)
}

pub(crate) fn framed(api: i16, version: i16, tags: &[u8], body: &[u8]) -> Vec<u8> {
    let mut frame = vec![0; 4];
    frame.extend_from_slice(&api.to_be_bytes());
    frame.extend_from_slice(&version.to_be_bytes());
    frame.extend_from_slice(&7i32.to_be_bytes());
    frame.extend_from_slice(&(-1i16).to_be_bytes());
    frame.extend_from_slice(tags);
    frame.extend_from_slice(body);
    let len = i32::try_from(frame.len() - 4).expect("below 2 GiB");
    frame[..4].copy_from_slice(&len.to_be_bytes());
    frame
}

/// Reads a whole answer and forgets it. Returns its length, or `None` if the connection was closed.
pub(crate) fn skip_answer(stream: &mut TcpStream) -> Option<u64> {
    let mut len = [0; 4];
    stream.read_exact(&mut len).ok()?;
    let len = u64::try_from(i32::from_be_bytes(len)).expect("not negative");
    let read = io::copy(&mut stream.take(len), &mut io::sink()).ok()?;
    (read == len).then_some(len)
}

/// Sends one request and reads its answer on a connection of its own. `None`: the broker closed it.
pub(crate) fn ask(address: SocketAddr, request: &[u8]) -> Option<u64> {
    let mut stream = open(address);
    // The broker may close while this writes; that is its answer.
    stream.write_all(request).ok()?;
    skip_answer(&mut stream)
}

/// A length or a count as a compact one.
pub(crate) fn compact(len: usize) -> Vec<u8> {
    let mut rest = len + 1;
    let mut out = Vec::new();
    while rest >= 0x80 {
        out.push(rest as u8 | 0x80);
        rest >>= 7;
    }
    out.push(rest as u8);
    out
}

/// A string behind its two bytes of length.
pub(crate) fn short(text: &str) -> Vec<u8> {
    let mut out = i16::try_from(text.len()).expect("short").to_be_bytes().to_vec();
    out.extend_from_slice(text.as_bytes());
    out
}

/// A string behind its compact length.
pub(crate) fn compact_text(text: &str) -> Vec<u8> {
    let mut out = compact(text.len());
    out.extend_from_slice(text.as_bytes());
    out
}

/// A count and that many of the same.
pub(crate) fn repeated(count: usize, element: &[u8]) -> Vec<u8> {
    let mut out = i32::try_from(count).expect("small").to_be_bytes().to_vec();
    (0..count).for_each(|_| out.extend_from_slice(element));
    out
}

/// The same with a compact count.
pub(crate) fn compact_repeated(count: usize, element: &[u8]) -> Vec<u8> {
    let mut out = compact(count);
    (0..count).for_each(|_| out.extend_from_slice(element));
    out
}
