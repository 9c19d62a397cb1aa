//! Retention on the real binary: records that are too old, or too much, go by themselves, and stay away over a kill.

use std::{path::Path, time::Duration};

use evenkeel_tests::{
    Broker,
    kafka::{self, Collector},
    wait_for,
};
use rdkafka::{
    ClientConfig,
    admin::{AdminClient, AdminOptions, NewTopic, TopicReplication},
    consumer::Consumer,
    producer::BaseRecord,
};

const TOPIC: &str = "t";
const CHECK: &str = "50ms";

fn send(broker: &Broker, topic: &str, values: impl Iterator<Item = String>) {
    let settings = [("linger.ms", "0"), ("batch.num.messages", "1")];
    let producer = Collector::new(&broker.bootstrap(), &settings);
    for value in values {
        let record = BaseRecord::<(), _>::to(topic).partition(0).payload(&value);
        producer.producer.send(record).expect("it is queued");
    }
    producer.flush();
    assert_eq!(producer.failed(), Vec::<String>::new());
}

fn numbers() -> impl Iterator<Item = String> {
    (0..100).map(|number| number.to_string())
}

/// First offset and the offset behind the last.
fn bounds(broker: &Broker, topic: &str) -> (i64, i64) {
    let consumer = kafka::consumer(&broker.bootstrap(), &[]);
    wait_for("the bounds", || consumer.fetch_watermarks(topic, 0, Duration::from_secs(5)).ok())
}

/// How many segments the log has.
fn segments(data: &Path) -> usize {
    let files = std::fs::read_dir(data)
        .expect("it is there")
        .filter_map(|file| file.ok()?.file_name().into_string().ok());
    files.filter(|name| name.starts_with("log-")).count()
}

#[test]
fn records_go_when_they_are_too_old_and_stay_away_over_a_kill() {
    let directory = tempfile::tempdir().expect("a temporary directory");
    let arguments = ["--retention", "1s", "--retention-check-interval", CHECK];
    let mut broker = Broker::start(&directory.path().join("data"), &arguments);
    // A topic has the last word.
    let admin: AdminClient<_> = ClientConfig::new()
        .set("bootstrap.servers", broker.bootstrap())
        .create()
        .expect("a valid configuration");
    let kept = NewTopic::new("kept", 1, TopicReplication::Fixed(1)).set("retention.ms", "-1");
    let created = kafka::block_on(admin.create_topics([&kept], &AdminOptions::new()));
    assert_eq!(created.expect("an answer"), [Ok(String::from("kept"))]);
    kafka::create_topic(&broker.bootstrap(), TOPIC, 1);
    send(&broker, "kept", numbers());
    for round in 1..=2 {
        send(&broker, TOPIC, numbers());
        let all = 100 * round;
        wait_for("all of them to go", || (bounds(&broker, TOPIC) == (all, all)).then_some(()));
        let told = broker.printed();
        assert!(told.contains("are deleted: they are older, or more, than their topics keep"), "{told}");
        broker.kill();
        broker.start_again();
        assert_eq!(bounds(&broker, TOPIC), (all, all));
        assert_eq!(bounds(&broker, "kept"), (0, 100));
    }
}

#[test]
fn the_newest_bytes_stay_and_the_log_does_not_grow() {
    let directory = tempfile::tempdir().expect("a temporary directory");
    let data = directory.path().join("data");
    let arguments =
        ["--retention-bytes", "1MiB", "--retention-check-interval", CHECK, "--segment-bytes", "2MiB"];
    let broker = Broker::start(&data, &arguments);
    kafka::create_topic(&broker.bootstrap(), TOPIC, 1);
    // Twenty times what is kept.
    let filling = "x".repeat(10_000);
    for part in 0..20 {
        send(&broker, TOPIC, (0..100).map(|number| format!("{part}-{number}-{filling}")));
    }
    // Batches are a little larger than the values.
    let kept = wait_for("the older ones to go", || {
        let (start, end) = bounds(&broker, TOPIC);
        assert_eq!(end, 2000);
        let kept = (end - start) * 10_100;
        (kept < 2 << 20).then_some(kept)
    });
    assert!(kept >= 1 << 20, "{kept} bytes are left");
    // A log that rolls on removes what holds nothing else.
    wait_for("old segments to go", || {
        send(&broker, TOPIC, (0..20).map(|number| format!("{number}-{filling}")));
        (segments(&data) <= 6).then_some(())
    });
    let left = kafka::read_all(&broker.bootstrap(), TOPIC, 1).remove(0);
    assert!(left.len() > 100 && left.iter().all(|(_, value)| value.ends_with(filling.as_bytes())));
}
