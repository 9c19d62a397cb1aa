//! Failures that brokers of this kind were seen with, each by its name, on the real binary: with no fault at all, and with an object
//! store.

mod stored;

use std::{sync::Barrier, time::Duration};

use evenkeel_tests::{
    Broker, kafka,
    kafka::Collector,
    raw::{self, Raw},
};
use rdkafka::producer::BaseRecord;

/// Batches of a partition from its start to its end, and the records in them.
fn count(broker: &Broker, topic: &str, partition: i32) -> i64 {
    let mut client = Raw::connect(broker.address()).expect("connected");
    let (mut answer, mut offset) = (Vec::new(), 0);
    loop {
        client.send(&raw::fetch(topic, partition, offset, 16 << 20)).expect("sent");
        client.receive(&mut answer).expect("answered");
        let batches = raw::batches(&answer);
        let Some(last) = batches.last() else { return offset };
        for batch in &batches {
            assert_eq!(batch.base_offset.0, offset, "offsets without a gap");
            offset = batch.last_offset().0 + 1;
        }
        assert_eq!(last.last_offset().0 + 1, offset);
    }
}

#[test]
fn s01_600_megabytes_and_600_partitions_come_back_after_an_orderly_stop() {
    let temporary = tempfile::tempdir().expect("a temporary directory");
    let mut broker = Broker::start(&temporary.path().join("data"), &[]);
    kafka::create_topic(&broker.bootstrap(), "large", 1);
    kafka::create_topic(&broker.bootstrap(), "wide", 600);
    let batch = raw::batch(64, 1000);
    let batches = 600_000_000 / batch.len();
    let mut client = Raw::connect(broker.address()).expect("connected");
    let mut answer = Vec::new();
    let request = raw::produce("large", 0, batch);
    for at in 0..batches + 8 {
        if at < batches {
            client.send(&request).expect("sent");
        }
        if at >= 8 {
            client.receive(&mut answer).expect("answered");
            assert_eq!(raw::produce_error(&answer), 0);
        }
    }
    for partition in 0..600 {
        client.send(&raw::produce("wide", partition, raw::batch(1, 10))).expect("sent");
        client.receive(&mut answer).expect("answered");
        assert_eq!(raw::produce_error(&answer), 0);
    }
    assert!(broker.stop().success());
    broker.start_again();
    assert_eq!(count(&broker, "large", 0), 64 * i64::try_from(batches).expect("few"));
    for partition in 0..600 {
        assert_eq!(count(&broker, "wide", partition), 1, "partition {partition}");
    }
}

#[test]
fn s02_sixteen_producers_on_one_partition_stay_in_order_over_a_stop() {
    let temporary = tempfile::tempdir().expect("a temporary directory");
    let last = sixteen_producers(Broker::start(&temporary.path().join("data"), &[]), Broker::start_again);
    assert_eq!(last, 16 * 300 - 1, "without a gap");
}

/// They write, with a stop in the middle and another one behind, and after each the broker comes back in some way. Returns the last offset.
fn sixteen_producers(mut broker: Broker, come_back: impl Fn(&mut Broker)) -> i64 {
    const PRODUCERS: usize = 16;
    const EACH: usize = 300;
    kafka::create_topic(&broker.bootstrap(), "t", 1);
    let producers: Vec<Collector> = (0..PRODUCERS)
        .map(|_| Collector::new(&broker.bootstrap(), &[("enable.idempotence", "true"), ("linger.ms", "0")]))
        .collect();
    for half in 0..2 {
        for sequence in half * EACH / 2..(half + 1) * EACH / 2 {
            for (at, producer) in producers.iter().enumerate() {
                let value = format!("{at}/{sequence}");
                let record = BaseRecord::<(), _>::to("t").partition(0).payload(&value);
                producer.producer.send(record).expect("the queue has room");
                producer.producer.poll(Duration::ZERO);
            }
        }
        // With batches on their way.
        assert!(broker.stop().success());
        come_back(&mut broker);
    }
    for producer in &producers {
        producer.flush();
        assert_eq!(producer.failed(), Vec::<String>::new());
    }
    let found = kafka::read_all(&broker.bootstrap(), "t", 1).remove(0);
    assert_eq!(found.len(), PRODUCERS * EACH, "each once");
    let mut next = [0; PRODUCERS];
    assert!(found.windows(2).all(|pair| pair[0].0 < pair[1].0), "in the order of offsets");
    for (offset, value) in &found {
        let value = String::from_utf8_lossy(value);
        let (producer, sequence) = value.split_once('/').expect("one of our values");
        let producer: usize = producer.parse().expect("a number");
        assert_eq!(sequence.parse(), Ok(next[producer]), "producer {producer} at {offset}");
        next[producer] += 1;
    }
    for producer in producers {
        for delivered in producer.delivered() {
            let at =
                found.binary_search_by_key(&delivered.offset, |(offset, _)| *offset).expect("it is there");
            assert_eq!(found[at].1, delivered.value);
        }
    }
    found.last().map_or(-1, |(offset, _)| *offset)
}

#[test]
fn s06_the_largest_batch_that_is_allowed_is_stored_and_comes_back_again_and_again() {
    let temporary = tempfile::tempdir().expect("a temporary directory");
    let arguments = ["--message-bytes-max", "16MiB"];
    let mut broker = Broker::start(&temporary.path().join("data"), &arguments);
    kafka::create_topic(&broker.bootstrap(), "t", 1);
    let batch = raw::batch(1, (16 << 20) - 100);
    let mut client = Raw::connect(broker.address()).expect("connected");
    let mut answer = Vec::new();
    for (batch, error) in [(batch.clone(), 0), (batch, 0), (raw::batch(1, 16 << 20), 10)] {
        client.send(&raw::produce("t", 0, batch)).expect("sent");
        client.receive(&mut answer).expect("answered");
        assert_eq!(raw::produce_error(&answer), error);
    }
    for kill in [true, false, true] {
        if kill {
            broker.kill();
        } else {
            assert!(broker.stop().success());
        }
        broker.start_again();
        assert_eq!(count(&broker, "t", 0), 2);
    }
}

#[test]
fn s18_no_wake_up_is_lost_between_a_look_and_the_wait() {
    const ROUNDS: i64 = 2000;
    let temporary = tempfile::tempdir().expect("a temporary directory");
    let broker = Broker::start(&temporary.path().join("data"), &[]);
    kafka::create_topic(&broker.bootstrap(), "t", 1);
    let begin = Barrier::new(2);
    std::thread::scope(|scope| {
        scope.spawn(|| {
            let mut producer = Raw::connect(broker.address()).expect("connected");
            let (request, mut answer) = (raw::produce("t", 0, raw::batch(1, 10)), Vec::new());
            for _ in 0..ROUNDS {
                begin.wait();
                producer.send(&request).expect("sent");
                producer.receive(&mut answer).expect("answered");
                assert_eq!(raw::produce_error(&answer), 0);
            }
        });
        let mut consumer = Raw::connect(broker.address()).expect("connected");
        consumer.patience(Duration::from_secs(30)).expect("a socket option");
        let mut answer = Vec::new();
        for offset in 0..ROUNDS {
            begin.wait();
            // Both at the same moment. A fetch that misses the record would wait for five minutes.
            consumer.send(&raw::long_poll("t", 0, offset, 1 << 20, 300_000)).expect("sent");
            consumer.receive(&mut answer).expect("woken");
            assert_eq!(raw::batches(&answer).len(), 1);
        }
    });
}
