//! Consumer groups of librdkafka against the real binary that is killed under them: each record is processed at least once,
//! commits that were acknowledged are there, and a restart of the broker is no reason to rebalance.

use std::{
    collections::{BTreeMap, BTreeSet},
    sync::{
        Arc, Mutex,
        atomic::{AtomicBool, Ordering},
        mpsc::{Receiver, Sender, channel},
    },
    thread::JoinHandle,
    time::{Duration, Instant},
};

use evenkeel_tests::{Broker, kafka, kafka::Collector, seed, wait_for};
use rand::{Rng, SeedableRng, rngs::SmallRng};
use rdkafka::{
    ClientConfig, ClientContext, Message, Offset, TopicPartitionList,
    consumer::{BaseConsumer, CommitMode, Consumer, ConsumerContext, Rebalance},
    error::KafkaError,
    producer::BaseRecord,
    types::RDKafkaErrorCode,
};

const TOPIC: &str = "shared";
const PARTITIONS: i32 = 6;
const GROUP: &str = "workers";

/// What the members of a group have done, seen from outside.
#[derive(Clone, Default)]
struct Record {
    /// Values that were processed.
    processed: Arc<Mutex<BTreeSet<Vec<u8>>>>,
    /// Who owns what, and how often that changed.
    owners: Arc<Mutex<Owners>>,
}

#[derive(Default)]
struct Owners {
    of: BTreeMap<usize, BTreeSet<i32>>,
    changes: usize,
}

impl Record {
    fn processed(&self) -> BTreeSet<Vec<u8>> {
        self.processed.lock().expect("no member panics").clone()
    }

    fn changes(&self) -> usize {
        self.owners.lock().expect("no member panics").changes
    }

    /// Waits until so many members share all partitions among them.
    fn wait_until_shared_by(&self, members: usize) {
        wait_for("each member to own a share", || {
            let owners = self.owners.lock().expect("no member panics");
            let owned: usize = owners.of.values().map(BTreeSet::len).sum();
            let working = owners.of.values().filter(|owned| !owned.is_empty()).count();
            (working == members && owned == PARTITIONS.cast_unsigned() as usize).then_some(())
        });
    }
}

/// A member tells when its partitions change.
struct Told {
    member: usize,
    record: Record,
}

impl ClientContext for Told {
    fn log(&self, _: rdkafka::config::RDKafkaLogLevel, _: &str, _: &str) {}
    fn error(&self, _: KafkaError, _: &str) {}
}

impl ConsumerContext for Told {
    /// The client is not asked what it has: within the last revocation of one that closes, that question may never be answered.
    fn post_rebalance(&self, _: &BaseConsumer<Self>, rebalance: &Rebalance<'_>) {
        let mut owners = self.record.owners.lock().expect("no member panics");
        owners.changes += 1;
        let owned = owners.of.entry(self.member).or_default();
        match rebalance {
            Rebalance::Assign(gained) => {
                owned.extend(gained.elements().iter().map(|gained| gained.partition()))
            }
            Rebalance::Revoke(lost) => {
                lost.elements().iter().for_each(|lost| {
                    owned.remove(&lost.partition());
                });
            }
            Rebalance::Error(_) => {}
        }
    }
}

/// A member in a thread of its own: processes, then commits, and goes on whatever the broker does.
struct Member {
    stop: Arc<AtomicBool>,
    /// It stays until this is gone.
    stay: Sender<()>,
    /// What became of its last commit, once it has stopped.
    last: Receiver<Result<(), KafkaError>>,
    thread: JoinHandle<()>,
}

impl Member {
    fn join(bootstrap: &str, number: usize, settings: &[(&str, &str)], record: &Record) -> Member {
        let mut config = ClientConfig::new();
        config
            .set("bootstrap.servers", bootstrap)
            .set("group.id", GROUP)
            .set("auto.offset.reset", "earliest")
            .set("enable.auto.commit", "false")
            .set("heartbeat.interval.ms", "200")
            .set("topic.metadata.refresh.interval.ms", "1000")
            .set("reconnect.backoff.ms", "10")
            .set("reconnect.backoff.max.ms", "200");
        for (name, value) in settings {
            config.set(*name, *value);
        }
        let consumer: BaseConsumer<Told> = config
            .create_with_context(Told { member: number, record: record.clone() })
            .expect("a valid configuration");
        consumer.subscribe(&[TOPIC]).expect("a valid subscription");
        let stop = Arc::new(AtomicBool::new(false));
        let (stopped, record) = (stop.clone(), record.clone());
        let ((tell, last), (stay, leave)) = (channel(), channel());
        let thread = std::thread::spawn(move || {
            let mut since = 0;
            while !stopped.load(Ordering::Relaxed) {
                let Some(Ok(message)) = consumer.poll(Duration::from_millis(50)) else { continue };
                let value = message.payload().unwrap_or_default().to_vec();
                record.processed.lock().expect("no member panics").insert(value);
                since += 1;
                if since >= 50 {
                    since = 0;
                    // One that fails is made good by the next.
                    consumer.commit_message(&message, CommitMode::Sync).ok();
                }
            }
            // What was processed last is committed before leaving, so that the others need not do it again.
            let committed = wait_for("the last commit", || {
                let last = consumer.commit_consumer_state(CommitMode::Sync);
                (!last.as_ref().is_err_and(is_away)).then_some(last)
            });
            tell.send(committed).expect("the member is there");
            leave.recv().ok();
            drop(consumer);
            record.owners.lock().expect("no member panics").of.remove(&number);
        });
        Member { stop, stay, last, thread }
    }

    /// It processes no more. Whether what it has processed is committed; with nothing new to commit it is.
    fn stop(&self) -> Result<(), KafkaError> {
        self.stop.store(true, Ordering::Relaxed);
        match self.last.recv().expect("a member does not panic") {
            Err(error) if error.rdkafka_error_code() == Some(RDKafkaErrorCode::NoOffset) => Ok(()),
            last => last,
        }
    }

    fn leave(self) {
        drop(self.stay);
        self.thread.join().expect("a member does not panic");
    }
}

/// The coordinator has no connection at the moment.
fn is_away(error: &KafkaError) -> bool {
    use RDKafkaErrorCode::{
        BrokerTransportFailure, OperationTimedOut, RequestTimedOut, WaitingForCoordinator,
    };
    let codes = [BrokerTransportFailure, OperationTimedOut, RequestTimedOut, WaitingForCoordinator];
    error.rdkafka_error_code().is_some_and(|code| codes.contains(&code))
}

/// Sends for a while, to partitions by turns; the values differ.
fn send(producer: &Collector, next: &mut u64, random: &mut SmallRng) {
    let end = Instant::now() + Duration::from_millis(random.random_range(20..200));
    while Instant::now() < end {
        let value = next.to_string();
        let partition = i32::try_from(*next % PARTITIONS.cast_unsigned() as u64).expect("small");
        let record = BaseRecord::<(), _>::to(TOPIC).partition(partition).payload(&value);
        if producer.producer.send(record).is_ok() {
            *next += 1;
        }
        producer.producer.poll(Duration::from_micros(100));
    }
}

fn all_processed(producer: &Collector, record: &Record) {
    producer.flush();
    assert_eq!(producer.failed(), Vec::<String>::new());
    let sent: BTreeSet<Vec<u8>> = producer.delivered().into_iter().map(|sent| sent.value).collect();
    assert!(!sent.is_empty());
    wait_for("every record to be processed", || {
        let processed = record.processed();
        sent.is_subset(&processed).then_some(())
    });
}

/// What the group has committed, by partition; -1 where nothing.
fn committed(broker: &Broker, group: &str) -> Vec<(i64, String)> {
    let consumer = kafka::consumer(&broker.bootstrap(), &[("group.id", group)]);
    let mut asked = TopicPartitionList::new();
    for partition in 0..PARTITIONS {
        asked.add_partition(TOPIC, partition);
    }
    let told = wait_for("the committed offsets", || {
        consumer.committed_offsets(asked.clone(), Duration::from_secs(5)).ok()
    });
    let of = |offset| if let Offset::Offset(offset) = offset { offset } else { -1 };
    told.elements().iter().map(|told| (of(told.offset()), told.metadata().to_string())).collect()
}

fn broker(directory: &tempfile::TempDir) -> Broker {
    let arguments = ["--group-initial-rebalance-delay", "0s", "--segment-bytes", "4MiB"];
    let broker = Broker::start(&directory.path().join("data"), &arguments);
    kafka::create_topic(&broker.bootstrap(), TOPIC, PARTITIONS);
    broker
}

#[test]
fn a_group_processes_everything_over_kills_and_none_of_them_makes_it_rebalance() {
    let mut random = SmallRng::seed_from_u64(seed());
    let directory = tempfile::tempdir().expect("a temporary directory");
    let mut broker = broker(&directory);
    let record = Record::default();
    let settings = [("partition.assignment.strategy", "cooperative-sticky")];
    let join = |number| Member::join(&broker.bootstrap(), number, &settings, &record);
    let members: Vec<Member> = (0..3).map(join).collect();
    record.wait_until_shared_by(3);
    let producer = Collector::new(&broker.bootstrap(), &[("enable.idempotence", "true")]);
    let mut next = 0;
    let mut changes = record.changes();
    for round in 0..8 {
        send(&producer, &mut next, &mut random);
        if round == 0 {
            // Until here it may still settle; from here on nothing happens but that the broker is gone for a while.
            all_processed(&producer, &record);
            record.wait_until_shared_by(3);
            changes = record.changes();
        }
        if random.random_range(0..4) == 0 {
            assert!(broker.stop().success());
        } else {
            broker.kill();
        }
        broker.start_again();
    }
    all_processed(&producer, &record);
    assert_eq!(record.changes(), changes, "nobody came or went but the broker");
    record.wait_until_shared_by(3);
    // While one leaves, the others may not commit: their group rebalances.
    for member in &members {
        assert_eq!(member.stop(), Ok(()), "the last commit");
    }
    members.into_iter().for_each(Member::leave);
    let watcher = kafka::consumer(&broker.bootstrap(), &[]);
    for (partition, (offset, _)) in (0..).zip(committed(&broker, GROUP)) {
        assert_eq!(offset, kafka::end_offset(&watcher, TOPIC, partition), "of partition {partition}");
    }
}

#[test]
fn members_come_and_go_over_kills_and_commits_never_go_back() {
    let mut random = SmallRng::seed_from_u64(seed());
    let directory = tempfile::tempdir().expect("a temporary directory");
    let mut broker = broker(&directory);
    let record = Record::default();
    let bootstrap = broker.bootstrap();
    // librdkafka does not say that it leaves while it has no connection: then only the end of its session tells.
    let settings = [("partition.assignment.strategy", "range,roundrobin"), ("session.timeout.ms", "6000")];
    let join = |number| Member::join(&bootstrap, number, &settings, &record);
    let mut members = vec![join(0)];
    let mut joined = 1;
    let producer = Collector::new(&broker.bootstrap(), &[("enable.idempotence", "true")]);
    let mut next = 0;
    let mut before = committed(&broker, GROUP);
    for _ in 0..8 {
        if members.len() > 1 && random.random_range(0..3) == 0 {
            let member = members.remove(random.random_range(0..members.len()));
            // In a rebalance it is refused; then the others process that again.
            member.stop().ok();
            member.leave();
        } else if members.len() < 4 {
            members.push(join(joined));
            joined += 1;
        }
        send(&producer, &mut next, &mut random);
        broker.kill();
        broker.start_again();
        let now = committed(&broker, GROUP);
        for (partition, (before, now)) in before.iter().zip(&now).enumerate() {
            assert!(before.0 <= now.0, "partition {partition} went back from {} to {}", before.0, now.0);
        }
        before = now;
    }
    all_processed(&producer, &record);
    record.wait_until_shared_by(members.len());
    members.iter().for_each(|member| drop(member.stop()));
    members.into_iter().for_each(Member::leave);
}

#[test]
fn an_acknowledged_commit_is_there_after_a_kill() {
    let mut random = SmallRng::seed_from_u64(seed());
    let directory = tempfile::tempdir().expect("a temporary directory");
    let mut broker = broker(&directory);
    let mut at = vec![-1i64; PARTITIONS.cast_unsigned() as usize];
    for _ in 0..10 {
        let consumer = kafka::consumer(&broker.bootstrap(), &[("group.id", "alone")]);
        // Of each partition: what was acknowledged last, and what was sent after it.
        let told = Arc::new(Mutex::new((at.clone(), at.clone())));
        let (shared, seed) = (told.clone(), random.random());
        let killed = Arc::new(AtomicBool::new(false));
        let ended = killed.clone();
        let committer = std::thread::spawn(move || {
            let mut random = SmallRng::seed_from_u64(seed);
            while !ended.load(Ordering::Relaxed) {
                let partition = random.random_range(0..PARTITIONS);
                let place = partition.cast_unsigned() as usize;
                let offset = shared.lock().expect("nobody panics").1[place] + random.random_range(1..5);
                let mut list = TopicPartitionList::new();
                list.add_partition_offset(TOPIC, partition, Offset::Offset(offset)).expect("a valid offset");
                let mut element = list.find_partition(TOPIC, partition).expect("it was just put there");
                element.set_metadata(format!("at {offset}"));
                shared.lock().expect("nobody panics").1[place] = offset;
                match consumer.commit(&list, CommitMode::Sync) {
                    Ok(()) => shared.lock().expect("nobody panics").0[place] = offset,
                    // The broker is gone: whether this one was stored nobody can know.
                    Err(_) => return,
                }
            }
        });
        let acked = |told: &Mutex<(Vec<i64>, Vec<i64>)>| told.lock().expect("nobody panics").0.clone();
        wait_for("a commit", || (acked(&told) != at).then_some(()));
        std::thread::sleep(Duration::from_millis(random.random_range(0..100)));
        broker.kill();
        killed.store(true, Ordering::Relaxed);
        broker.start_again();
        committer.join().expect("the committer does not panic");
        let found = committed(&broker, "alone");
        let (acked, sent) = told.lock().expect("nobody panics").clone();
        for (place, (offset, metadata)) in found.into_iter().enumerate() {
            assert!(
                acked[place] <= offset && offset <= sent[place],
                "{offset} of partition {place} is not between {} and {}",
                acked[place],
                sent[place]
            );
            assert_eq!(metadata, if offset < 0 { String::new() } else { format!("at {offset}") });
            at[place] = offset;
        }
    }
}
