//! Bytes that no client sends. The broker answers as Kafka does or closes cleanly, and others notice nothing.

use std::{
    fs,
    io::{Read, Write},
    net::TcpStream,
    time::Duration,
};

use evenkeel_tests::{Broker, PATIENCE, kafka::Collector, seed};
use rand::{Rng, RngCore, SeedableRng, rngs::SmallRng};
use rdkafka::producer::BaseRecord;

fn resident_kib(pid: u32) -> u64 {
    let status = fs::read_to_string(format!("/proc/{pid}/status")).expect("our child lives");
    let line = status.lines().find(|line| line.starts_with("VmHWM")).expect("the kernel tells");
    line.split_whitespace().nth(1).and_then(|number| number.parse().ok()).expect("a number")
}

fn frame(api: i16, version: i16, body: &[u8]) -> Vec<u8> {
    let mut frame = Vec::new();
    frame.extend_from_slice(&api.to_be_bytes());
    frame.extend_from_slice(&version.to_be_bytes());
    frame.extend_from_slice(&7i32.to_be_bytes());
    frame.extend_from_slice(&(-1i16).to_be_bytes());
    frame.extend_from_slice(body);
    let mut whole = i32::try_from(frame.len()).expect("small").to_be_bytes().to_vec();
    whole.extend_from_slice(&frame);
    whole
}

/// Sends bytes and reads until the broker closes or answers `want` bytes.
fn send(broker: &Broker, bytes: &[u8]) -> Option<Vec<u8>> {
    let mut stream = TcpStream::connect(broker.address()).expect("it accepts");
    stream.set_read_timeout(Some(PATIENCE)).expect("a timeout");
    // The broker may close while we still write; that is its answer.
    if stream.write_all(bytes).is_err() {
        return None;
    }
    let mut len = [0; 4];
    stream.read_exact(&mut len).ok()?;
    let mut answer = vec![0; usize::try_from(i32::from_be_bytes(len)).expect("not negative")];
    stream.read_exact(&mut answer).ok()?;
    Some(answer)
}

#[test]
fn hostile_bytes_get_an_error_or_a_close_and_cost_no_memory() {
    let mut random = SmallRng::seed_from_u64(seed());
    let temporary = tempfile::tempdir().expect("a temporary directory");
    let broker = Broker::start(&temporary.path().join("data"), &[]);
    let collector = Collector::new(&broker.bootstrap(), &[]);
    let healthy = |value: &str| {
        collector
            .producer
            .send(BaseRecord::<(), _>::to("t").payload(value))
            .map_err(|(error, _)| error)
            .expect("room");
        collector.flush();
    };
    healthy("before");
    let before = resident_kib(broker.pid());

    // ApiVersions in a version of the future: version 0, error 35, and the list.
    let answer = send(&broker, &frame(18, 99, &[])).expect("answered");
    assert_eq!(&answer[..6], &[0, 0, 0, 7, 0, 35]);
    assert!(answer.len() > 20);

    // A huge count in a tiny body.
    assert_eq!(send(&broker, &frame(3, 1, &i32::MAX.to_be_bytes())), None);
    assert_eq!(send(&broker, &frame(3, 1, &0x00ff_ffffi32.to_be_bytes())), None);
    // An API nobody knows, a version that is not served, a frame that is too long, too short, or negative.
    assert_eq!(send(&broker, &frame(999, 0, &[])), None);
    assert_eq!(send(&broker, &frame(1, 0, &[])), None);
    for len in [i32::MAX, 101 << 20, 0, 3, -1, i32::MIN] {
        assert_eq!(send(&broker, &len.to_be_bytes()), None, "length {len}");
    }
    assert_eq!(send(&broker, b"GET / HTTP/1.1\r\nHost: x\r\n\r\n"), None);

    for _ in 0..300 {
        let mut bytes = vec![0; random.random_range(1..400)];
        random.fill_bytes(&mut bytes);
        if random.random_range(0..4) != 0 {
            let api = random.random_range(0..70);
            let version = random.random_range(0..18);
            bytes = frame(api, version, &bytes);
        }
        let mut stream = TcpStream::connect(broker.address()).expect("it accepts");
        // It may be closed under us; that is one of the right answers.
        let _ = stream.write_all(&bytes);
        let _ = stream.shutdown(std::net::Shutdown::Write);
        stream.set_read_timeout(Some(Duration::from_secs(20))).expect("a timeout");
        let mut rest = Vec::new();
        let _ = stream.read_to_end(&mut rest);
    }
    healthy("after");
    let grown = resident_kib(broker.pid()).saturating_sub(before);
    assert!(grown < 64 << 10, "{grown} KiB more at its highest");
    assert!(!broker.printed().contains("panicked"), "{}", broker.printed());
}

#[test]
fn a_signal_stops_in_order_and_a_second_one_harms_nothing() {
    let temporary = tempfile::tempdir().expect("a temporary directory");
    let mut broker = Broker::start(&temporary.path().join("data"), &[]);
    let collector = Collector::new(&broker.bootstrap(), &[]);
    for (round, signal) in
        [rustix::process::Signal::TERM, rustix::process::Signal::INT].into_iter().enumerate()
    {
        collector
            .producer
            .send(BaseRecord::<(), _>::to("t").payload(&format!("{round}")))
            .map_err(|(error, _)| error)
            .expect("room");
        collector.flush();
        broker.signal(signal);
        assert_eq!(broker.wait().code(), Some(0));
        broker.start_again();
        assert!(
            broker.last_line_with("recovery:").is_some_and(|line| line.contains("clean end")),
            "{}",
            broker.printed()
        );
    }
    broker.signal(rustix::process::Signal::TERM);
    broker.signal(rustix::process::Signal::TERM);
    broker.wait();
    broker.start_again();
    assert_eq!(evenkeel_tests::kafka::read_all(&broker.bootstrap(), "t", 1)[0].len(), 2);
}
