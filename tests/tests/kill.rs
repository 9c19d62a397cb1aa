//! `kill -9` at random moments under load: nothing acknowledged is lost, nothing is there twice, everything is in order.

use std::{
    collections::BTreeMap,
    time::{Duration, Instant},
};

use evenkeel_tests::{Broker, kafka, kafka::Collector, seed};
use rand::{Rng, SeedableRng, rngs::SmallRng};
use rdkafka::{error::KafkaError, producer::BaseRecord, types::RDKafkaErrorCode};

const PARTITIONS: i32 = 4;

/// A value that says who sent it, and in which order.
fn value(random: &mut SmallRng, producer: usize, sequence: u64) -> Vec<u8> {
    let mut value = format!("{producer}/{sequence}/").into_bytes();
    value.resize(value.len() + random.random_range(0..2000), b'x');
    value
}

fn origin(value: &[u8]) -> (usize, u64) {
    let text = String::from_utf8_lossy(value);
    let mut parts = text.split('/');
    let mut number = || parts.next().and_then(|part| part.parse::<u64>().ok()).expect("one of our values");
    (usize::try_from(number()).expect("few producers"), number())
}

struct Load {
    producers: Vec<Collector>,
    idempotent: Vec<bool>,
    next: Vec<u64>,
    random: SmallRng,
}

impl Load {
    fn new(bootstrap: &str, random: SmallRng) -> Load {
        let kinds: [&[(&str, &str)]; 4] = [
            &[("enable.idempotence", "true")],
            &[("enable.idempotence", "true"), ("linger.ms", "0")],
            &[("acks", "all"), ("max.in.flight", "1"), ("linger.ms", "0")],
            &[("acks", "1"), ("compression.type", "lz4")],
        ];
        Load {
            producers: kinds.iter().map(|settings| Collector::new(bootstrap, settings)).collect(),
            idempotent: vec![true, true, false, false],
            next: vec![0; kinds.len()],
            random,
        }
    }

    /// Sends for a while.
    fn run(&mut self, topic: &str, time: Duration) {
        let end = Instant::now() + time;
        while Instant::now() < end {
            let at = self.random.random_range(0..self.producers.len());
            let sequence = self.next[at];
            let value = value(&mut self.random, at, sequence);
            // One partition for each run of 1000: a producer's order within a partition can be checked by its sequence.
            let partition = i32::try_from((sequence / 100 + at as u64) % PARTITIONS.cast_unsigned() as u64)
                .expect("small");
            let record = BaseRecord::<(), _>::to(topic).partition(partition).payload(&value);
            match self.producers[at].producer.send(record) {
                Ok(()) => self.next[at] += 1,
                Err((KafkaError::MessageProduction(RDKafkaErrorCode::QueueFull), _)) => {}
                Err((error, _)) => panic!("{error}"),
            }
            self.producers[at].producer.poll(Duration::ZERO);
            if self.random.random_range(0..50) == 0 {
                std::thread::sleep(Duration::from_millis(self.random.random_range(0..4)));
            }
        }
    }

    fn flush(&self) {
        for producer in &self.producers {
            producer.flush();
        }
    }

    /// Every confirmed record is where it was confirmed, with its content; idempotent records are there once and in order.
    fn check(&self, found: &[Vec<(i64, Vec<u8>)>]) -> usize {
        let mut confirmed = 0;
        for (at, producer) in self.producers.iter().enumerate() {
            assert_eq!(
                producer.failed(),
                Vec::<String>::new(),
                "producer {at}: librdkafka retries until it has an answer"
            );
            for delivered in producer.delivered() {
                confirmed += 1;
                let partition = &found[usize::try_from(delivered.partition).expect("not negative")];
                let known = partition.binary_search_by_key(&delivered.offset, |(offset, _)| *offset);
                match known {
                    Ok(place) => assert_eq!(
                        partition[place].1, delivered.value,
                        "wrong content at {}/{}",
                        delivered.partition, delivered.offset
                    ),
                    Err(_) => panic!(
                        "lost: {:?} was confirmed at {}/{}",
                        origin(&delivered.value),
                        delivered.partition,
                        delivered.offset
                    ),
                }
            }
        }
        for partition in found {
            let mut last: BTreeMap<usize, u64> = BTreeMap::new();
            for (expected, (offset, value)) in (0..).zip(partition) {
                assert_eq!(*offset, expected, "offsets without a gap");
                let (producer, sequence) = origin(value);
                if self.idempotent[producer] {
                    let before = last.insert(producer, sequence);
                    assert!(
                        before.is_none_or(|before| before < sequence),
                        "twice or out of order: {producer}/{sequence}"
                    );
                }
            }
        }
        confirmed
    }
}

fn rounds() -> u32 {
    std::env::var("EVENKEEL_KILL_ROUNDS").ok().and_then(|given| given.parse().ok()).unwrap_or(12)
}

#[test]
fn nothing_acknowledged_is_lost_or_doubled_over_many_kills() {
    let mut random = SmallRng::seed_from_u64(seed());
    let directory = tempfile::tempdir().expect("a temporary directory");
    let mut broker = Broker::start(&directory.path().join("data"), &["--segment-bytes", "4MiB"]);
    kafka::create_topic(&broker.bootstrap(), "load", PARTITIONS);
    let mut load = Load::new(&broker.bootstrap(), SmallRng::seed_from_u64(random.random()));
    let mut slowest = Duration::ZERO;
    for round in 0..rounds() {
        load.run("load", Duration::from_millis(random.random_range(20..300)));
        if random.random_range(0..8) == 0 {
            assert!(broker.stop().success(), "a stop ends with 0");
        } else {
            broker.kill();
        }
        broker.start_again();
        slowest = slowest.max(broker.start_time);
        if round % 8 == 7 {
            load.flush();
            load.check(&kafka::read_all(&broker.bootstrap(), "load", PARTITIONS));
        }
    }
    load.flush();
    let confirmed = load.check(&kafka::read_all(&broker.bootstrap(), "load", PARTITIONS));
    assert!(confirmed > 100, "there was load");
    eprintln!("{} rounds, {confirmed} records confirmed and found, slowest start {slowest:?}", rounds());
}

#[test]
fn a_kill_while_it_recovers_changes_nothing() {
    let mut random = SmallRng::seed_from_u64(seed());
    let directory = tempfile::tempdir().expect("a temporary directory");
    let mut broker = Broker::start(&directory.path().join("data"), &["--segment-bytes", "4MiB"]);
    kafka::create_topic(&broker.bootstrap(), "load", PARTITIONS);
    let mut load = Load::new(&broker.bootstrap(), SmallRng::seed_from_u64(random.random()));
    load.run("load", Duration::from_millis(1000));
    load.flush();
    for _ in 0..20 {
        broker.kill();
        let mut child = std::process::Command::new(evenkeel_tests::binary())
            .args(["serve", "--listen", "127.0.0.1:0", "--segment-bytes", "4MiB", "--data-dir"])
            .arg(broker.directory())
            .stdout(std::process::Stdio::null())
            .stderr(std::process::Stdio::null())
            .spawn()
            .expect("the binary starts");
        std::thread::sleep(Duration::from_micros(random.random_range(0..30_000)));
        child.kill().expect("our child");
        child.wait().expect("our child");
    }
    broker.start_again();
    load.check(&kafka::read_all(&broker.bootstrap(), "load", PARTITIONS));
}
