//! librdkafka with its defaults against the real binary.

use std::{collections::BTreeMap, time::Duration};

use evenkeel_tests::{Broker, kafka, kafka::Collector};
use rdkafka::{
    Message, Offset, TopicPartitionList,
    consumer::Consumer,
    message::{Header, Headers, OwnedHeaders},
    producer::BaseRecord,
};

fn broker() -> (tempfile::TempDir, Broker) {
    let temporary = tempfile::tempdir().expect("a temporary directory");
    let broker = Broker::start(&temporary.path().join("data"), &[]);
    (temporary, broker)
}

#[test]
fn records_come_back_as_they_were_sent_over_a_restart() {
    let (_temporary, mut broker) = broker();
    let collector = Collector::new(&broker.bootstrap(), &[]);
    let headers = OwnedHeaders::new()
        .insert(Header { key: "twice", value: Some("1") })
        .insert(Header { key: "twice", value: Some("2") })
        .insert(Header::<&[u8]> { key: "none", value: None });
    for at in 0..100i64 {
        let (key, value) = (format!("k{at}"), format!("v{at}"));
        let record = BaseRecord::to("auto")
            .key(&key)
            .payload(&value)
            .timestamp(1_700_000_000_000 + at)
            .headers(headers.clone());
        collector.producer.send(record).map_err(|(error, _)| error).expect("there is room");
    }
    collector.flush();
    assert_eq!(collector.delivered().len(), 100);
    for restart in 0..2 {
        let consumer = kafka::consumer(&broker.bootstrap(), &[]);
        let mut assignment = TopicPartitionList::new();
        assignment.add_partition_offset("auto", 0, Offset::Beginning).expect("a valid offset");
        consumer.assign(&assignment).expect("a valid assignment");
        for at in 0..100i64 {
            let message = kafka::next_record(&consumer);
            assert_eq!(message.offset(), at);
            assert_eq!(message.key(), Some(format!("k{at}").as_bytes()));
            assert_eq!(message.payload(), Some(format!("v{at}").as_bytes()));
            assert_eq!(message.timestamp().to_millis(), Some(1_700_000_000_000 + at));
            let headers = message.headers().expect("there are headers");
            let told: Vec<_> = headers
                .iter()
                .map(|header| (header.key.to_string(), header.value.map(<[u8]>::to_vec)))
                .collect();
            assert_eq!(
                told,
                [
                    ("twice".into(), Some(b"1".to_vec())),
                    ("twice".into(), Some(b"2".to_vec())),
                    ("none".into(), None)
                ]
            );
        }
        if restart == 0 {
            drop(consumer);
            assert!(broker.stop().success());
            broker.start_again();
        }
    }
}

#[test]
fn every_codec_passes_through_and_large_records_fit() {
    let (_temporary, broker) = broker();
    for codec in ["none", "gzip", "snappy", "lz4", "zstd"] {
        let collector =
            Collector::new(&broker.bootstrap(), &[("compression.type", codec), ("linger.ms", "50")]);
        let topic = format!("codec-{codec}");
        for at in 0..500 {
            let value = format!("{at}-{}", "abc".repeat(50));
            collector
                .producer
                .send(BaseRecord::<(), _>::to(&topic).partition(0).payload(&value))
                .map_err(|(error, _)| error)
                .expect("room");
        }
        let large = vec![b'z'; 900_000];
        collector
            .producer
            .send(BaseRecord::<(), _>::to(&topic).partition(0).payload(&large))
            .map_err(|(error, _)| error)
            .expect("room");
        collector.flush();
        assert_eq!(collector.failed(), Vec::<String>::new());
        let found = kafka::read_all(&broker.bootstrap(), &topic, 1).remove(0);
        assert_eq!(found.len(), 501);
        assert_eq!(found[500].1, large);
    }
}

#[test]
fn what_is_larger_than_allowed_is_refused_and_hurts_nobody() {
    let (_temporary, broker) = broker();
    let collector = Collector::new(&broker.bootstrap(), &[("message.max.bytes", "5000000")]);
    collector
        .producer
        .send(BaseRecord::<(), _>::to("t").payload(&vec![1; 2_000_000]))
        .map_err(|(error, _)| error)
        .expect("room");
    collector.flush();
    assert!(collector.failed()[0].contains("MessageSizeTooLarge"), "{:?}", collector.failed());
    collector
        .producer
        .send(BaseRecord::<(), _>::to("t").payload(b"small"))
        .map_err(|(error, _)| error)
        .expect("room");
    collector.flush();
    assert_eq!(collector.delivered().len(), 1);
}

#[test]
fn a_hundred_partitions_keep_count_and_order() {
    let (_temporary, broker) = broker();
    kafka::create_topic(&broker.bootstrap(), "many", 100);
    let collector = Collector::new(&broker.bootstrap(), &[("enable.idempotence", "true")]);
    let mut sent: BTreeMap<i32, u32> = BTreeMap::new();
    for at in 0..20_000u32 {
        let partition = i32::try_from(at * 7919 % 100).expect("small");
        let count = sent.entry(partition).or_default();
        let value = count.to_string();
        *count += 1;
        collector
            .producer
            .send(BaseRecord::<(), _>::to("many").partition(partition).payload(&value))
            .map_err(|(error, _)| error)
            .expect("room");
    }
    collector.flush();
    for (partition, found) in (0..).zip(kafka::read_all(&broker.bootstrap(), "many", 100)) {
        let values: Vec<String> =
            found.iter().map(|(_, value)| String::from_utf8_lossy(value).into_owned()).collect();
        assert_eq!(
            values,
            (0..sent[&partition]).map(|at| at.to_string()).collect::<Vec<_>>(),
            "partition {partition}"
        );
    }
}

#[test]
fn a_time_finds_its_record_inside_a_batch() {
    let (_temporary, mut broker) = broker();
    for codec in ["none", "zstd"] {
        let collector =
            Collector::new(&broker.bootstrap(), &[("linger.ms", "200"), ("compression.type", codec)]);
        for at in 0..100i64 {
            let record = BaseRecord::<(), _>::to(codec)
                .partition(0)
                .payload(b"v")
                .timestamp(1_700_000_000_000 + at * 10);
            collector.producer.send(record).map_err(|(error, _)| error).expect("room");
        }
        collector.flush();
    }
    for restart in 0..2 {
        for codec in ["none", "zstd"] {
            let consumer = kafka::consumer(&broker.bootstrap(), &[]);
            for (time, want) in
                [(0, 0), (1_700_000_000_000, 0), (1_700_000_000_495, 50), (1_700_000_000_990, 99)]
            {
                let mut asked = TopicPartitionList::new();
                asked.add_partition_offset(codec, 0, Offset::Offset(time)).expect("a valid offset");
                let found = evenkeel_tests::wait_for("the offset of a time", || {
                    consumer.offsets_for_times(asked.clone(), Duration::from_secs(10)).ok()
                });
                assert_eq!(found.elements()[0].offset(), Offset::Offset(want), "{codec} {time}");
            }
        }
        if restart == 0 {
            broker.kill();
            broker.start_again();
        }
    }
}

#[test]
fn a_waiting_consumer_gets_a_record_at_once_and_stays_over_a_kill() {
    let (_temporary, mut broker) = broker();
    kafka::create_topic(&broker.bootstrap(), "t", 1);
    let consumer = kafka::consumer(&broker.bootstrap(), &[("fetch.wait.max.ms", "5000")]);
    let mut assignment = TopicPartitionList::new();
    assignment.add_partition_offset("t", 0, Offset::Beginning).expect("a valid offset");
    consumer.assign(&assignment).expect("a valid assignment");
    let collector = Collector::new(&broker.bootstrap(), &[("linger.ms", "0")]);
    for round in 0..3u8 {
        if round == 0 {
            assert!(consumer.poll(Duration::from_millis(300)).is_none(), "there is nothing yet");
        }
        collector
            .producer
            .send(BaseRecord::<(), _>::to("t").partition(0).payload(&[round]))
            .map_err(|(error, _)| error)
            .expect("room");
        collector.flush();
        let sent = std::time::Instant::now();
        let message = kafka::next_record(&consumer);
        assert_eq!((message.offset(), message.payload()), (i64::from(round), Some(&[round][..])));
        if round == 0 {
            assert!(sent.elapsed() < Duration::from_secs(3), "a long poll wakes on data");
        }
        broker.kill();
        broker.start_again();
    }
}

#[test]
fn topics_go_and_come_back_empty() {
    use rdkafka::{
        ClientConfig,
        admin::{AdminClient, AdminOptions},
        client::DefaultClientContext,
    };
    let (_temporary, broker) = broker();
    let collector = Collector::new(&broker.bootstrap(), &[]);
    collector
        .producer
        .send(BaseRecord::<(), _>::to("t").payload(b"old"))
        .map_err(|(error, _)| error)
        .expect("room");
    collector.flush();
    let admin: AdminClient<DefaultClientContext> =
        ClientConfig::new().set("bootstrap.servers", broker.bootstrap()).create().expect("valid");
    let deleted =
        kafka::block_on(admin.delete_topics(&["t", "nope"], &AdminOptions::new())).expect("an answer");
    assert_eq!(deleted[0], Ok(String::from("t")));
    assert!(deleted[1].is_err());
    kafka::create_topic(&broker.bootstrap(), "t", 1);
    let consumer = kafka::consumer(&broker.bootstrap(), &[]);
    assert_eq!(kafka::end_offset(&consumer, "t", 0), 0);
}
