//! librdkafka in the few forms that the tests need.

use std::{
    sync::{Arc, Mutex},
    time::Duration,
};

use rdkafka::{
    ClientConfig, ClientContext, Message, Offset, TopicPartitionList,
    consumer::{BaseConsumer, Consumer},
    message::{BorrowedMessage, DeliveryResult},
    producer::{BaseProducer, Producer, ProducerContext},
};

use crate::PATIENCE;

/// A confirmed delivery.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Delivered {
    /// Partition.
    pub partition: i32,
    /// Offset that was confirmed.
    pub offset: i64,
    /// The value.
    pub value: Vec<u8>,
}

/// Collects delivery reports.
#[derive(Clone, Default)]
pub struct Reports {
    delivered: Arc<Mutex<Vec<Delivered>>>,
    failed: Arc<Mutex<Vec<String>>>,
}

impl ClientContext for Reports {
    // Connections break all the time in these tests; librdkafka need not say so.
    fn log(&self, _: rdkafka::config::RDKafkaLogLevel, _: &str, _: &str) {}
    fn error(&self, _: rdkafka::error::KafkaError, _: &str) {}
}

impl ProducerContext for Reports {
    type DeliveryOpaque = ();

    fn delivery(&self, result: &DeliveryResult<'_>, (): ()) {
        match result {
            Ok(message) => {
                self.delivered.lock().expect("reports are collected without a panic").push(Delivered {
                    partition: message.partition(),
                    offset: message.offset(),
                    value: message.payload().unwrap_or_default().to_vec(),
                })
            }
            Err((error, _)) => {
                self.failed.lock().expect("reports are collected without a panic").push(error.to_string());
            }
        }
    }
}

/// A producer that remembers what was confirmed.
pub struct Collector {
    /// The producer itself.
    pub producer: BaseProducer<Reports>,
    reports: Reports,
}

impl Collector {
    /// A producer with librdkafka's defaults, and what is given on top.
    pub fn new(bootstrap: &str, settings: &[(&str, &str)]) -> Collector {
        let mut config = ClientConfig::new();
        config.set("bootstrap.servers", bootstrap);
        config.set("reconnect.backoff.ms", "10").set("reconnect.backoff.max.ms", "200");
        for (name, value) in settings {
            config.set(*name, *value);
        }
        let reports = Reports::default();
        let producer = config.create_with_context(reports.clone()).expect("a valid configuration");
        Collector { producer, reports }
    }

    /// Waits until everything sent is confirmed or has failed.
    pub fn flush(&self) {
        self.producer.flush(PATIENCE).expect("everything is confirmed in time");
    }

    /// Waits until so many records are confirmed, without the pauses of [`Collector::flush`].
    ///
    /// # Panics
    /// It takes too long.
    pub fn wait_for(&self, count: usize) {
        crate::wait_for("deliveries", || {
            self.producer.poll(Duration::from_millis(1));
            (self.delivered().len() >= count).then_some(())
        });
    }

    /// What was confirmed so far.
    pub fn delivered(&self) -> Vec<Delivered> {
        self.reports.delivered.lock().expect("reports are collected without a panic").clone()
    }

    /// What failed so far.
    pub fn failed(&self) -> Vec<String> {
        self.reports.failed.lock().expect("reports are collected without a panic").clone()
    }
}

/// A consumer by assignment.
pub fn consumer(bootstrap: &str, settings: &[(&str, &str)]) -> BaseConsumer<Quiet> {
    let mut config = ClientConfig::new();
    config.set("bootstrap.servers", bootstrap).set("group.id", "unused").set("enable.auto.commit", "false");
    config.set("reconnect.backoff.ms", "10").set("reconnect.backoff.max.ms", "200");
    for (name, value) in settings {
        config.set(*name, *value);
    }
    config.create_with_context(Quiet).expect("a valid configuration")
}

/// Says nothing.
pub struct Quiet;

impl ClientContext for Quiet {
    fn log(&self, _: rdkafka::config::RDKafkaLogLevel, _: &str, _: &str) {}
    fn error(&self, _: rdkafka::error::KafkaError, _: &str) {}
}

impl rdkafka::consumer::ConsumerContext for Quiet {}

/// Everything in a topic from the log start up to the high watermark: for each partition `(offset, value)` in the order received.
///
/// # Panics
/// It takes too long, or a client error comes.
pub fn read_all(bootstrap: &str, topic: &str, partitions: i32) -> Vec<Vec<(i64, Vec<u8>)>> {
    let consumer = consumer(bootstrap, &[("check.crcs", "true")]);
    let mut assignment = TopicPartitionList::new();
    let mut ends = Vec::new();
    for partition in 0..partitions {
        assignment.add_partition_offset(topic, partition, Offset::Beginning).expect("a valid offset");
        ends.push(end_offset(&consumer, topic, partition));
    }
    consumer.assign(&assignment).expect("a valid assignment");
    let mut found: Vec<Vec<(i64, Vec<u8>)>> = vec![Vec::new(); ends.len()];
    let begun = std::time::Instant::now();
    // An end is reached when the last offset below it has come; after a loss that was accepted there may be gaps before it.
    while found.iter().zip(&ends).any(|(got, end)| got.last().map_or(0, |(offset, _)| offset + 1) < *end) {
        assert!(begun.elapsed() < PATIENCE, "the topic cannot be read up to its end");
        let message = next_record(&consumer);
        let partition = usize::try_from(message.partition()).expect("not negative");
        found[partition].push((message.offset(), message.payload().unwrap_or_default().to_vec()));
    }
    found
}

/// The next record. A connection that breaks on the way is not the end: clients connect again by themselves.
///
/// # Panics
/// It takes too long, or another error comes.
pub fn next_record<C: rdkafka::consumer::ConsumerContext>(consumer: &BaseConsumer<C>) -> BorrowedMessage<'_> {
    use rdkafka::{error::KafkaError, types::RDKafkaErrorCode};
    crate::wait_for("a record", || match consumer.poll(Duration::from_millis(100)) {
        Some(Ok(message)) => Some(message),
        None
        | Some(Err(KafkaError::MessageConsumption(
            RDKafkaErrorCode::BrokerTransportFailure | RDKafkaErrorCode::AllBrokersDown,
        ))) => None,
        Some(Err(error)) => panic!("{error}"),
    })
}

/// The high watermark, as soon as the broker tells.
///
/// # Panics
/// It takes too long.
pub fn end_offset(consumer: &BaseConsumer<Quiet>, topic: &str, partition: i32) -> i64 {
    crate::wait_for("the end offset", || {
        consumer.fetch_watermarks(topic, partition, Duration::from_secs(5)).ok().map(|(_, end)| end)
    })
}

/// Creates a topic by the admin client.
///
/// # Panics
/// It fails.
pub fn create_topic(bootstrap: &str, name: &str, partitions: i32) {
    use rdkafka::admin::{AdminClient, AdminOptions, NewTopic, TopicReplication};
    let admin: AdminClient<_> =
        ClientConfig::new().set("bootstrap.servers", bootstrap).create().expect("a valid configuration");
    let topic = NewTopic::new(name, partitions, TopicReplication::Fixed(1));
    let done = block_on(admin.create_topics([&topic], &AdminOptions::new()));
    for result in done.expect("the broker answers") {
        result.expect("the topic is created");
    }
}

/// Runs a future that other threads drive.
pub fn block_on<T>(future: impl Future<Output = T>) -> T {
    use std::task::{Context, Poll, Wake, Waker};
    struct Unpark(std::thread::Thread);
    impl Wake for Unpark {
        fn wake(self: Arc<Self>) {
            self.0.unpark();
        }
    }
    let waker = Waker::from(Arc::new(Unpark(std::thread::current())));
    let mut context = Context::from_waker(&waker);
    let mut future = Box::pin(future);
    loop {
        match future.as_mut().poll(&mut context) {
            Poll::Ready(value) => return value,
            Poll::Pending => std::thread::park(),
        }
    }
}
