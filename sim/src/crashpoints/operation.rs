//! The alphabet: what the broker asks of its disk, as the things that make it ask.

use core::fmt;
use std::collections::{BTreeMap, BTreeSet};

use evenkeel_core::{
    limits::BLOCK_BYTES,
    port::{ProduceIntake, ProducePartition, ProduceTopic, Request},
    units::{ProducerId, TopicId},
    wire::batch::{Batch, HEADER_BYTES},
};
use kafka_protocol::{
    messages::{
        CreateTopicsRequest, DeleteTopicsRequest, InitProducerIdRequest, TopicName,
        create_topics_request::CreatableTopic, delete_topics_request::DeleteTopicState,
    },
    protocol::StrBytes,
};

use crate::{
    batch::{self, Sequenced},
    client::{offsets, steward},
    crashpoints::stage::{Order, Stage, Watch},
    ledger::{Asked, Commit, CommitNumber, OffsetPlace, OpNumber, PartitionKey, Spoken, Upto},
    probe::fetch,
    violation::{Verdict, broken},
};

/// One letter.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Operation {
    /// One record to one partition: a group of one block.
    Produce,
    /// Batches for several partitions at once: one group of several blocks.
    Wide,
    /// A batch that does not fit into the segment in use: seal, roll, and in the background a checkpoint, perhaps a trim,
    /// and a new segment.
    Roll,
    /// A batch of an idempotent producer.
    Idempotent,
    /// The last batch of an idempotent producer once more.
    Again,
    /// A new topic.
    Create,
    /// The youngest topic goes.
    Delete,
    /// A new producer id.
    ProducerId,
    /// All topics go, and the log rolls until their segments can go too.
    Trim,
    /// A topic grows, a config changes or is given no more, records are deleted: all at once.
    Administer,
    /// Somebody without a group commits an offset.
    Commit,
    /// A consumer reads to the end.
    Read,
    /// Nothing for a while: the marker is written.
    Idle,
    /// An orderly stop: a checkpoint, and the closing seal.
    Stop,
    /// `kill -9`, and a start.
    Restart,
    /// A power loss that keeps nothing unsynced, and a start.
    PowerCycle,
}

/// All of them.
pub const ALPHABET: [Operation; 16] = [
    Operation::Produce,
    Operation::Wide,
    Operation::Roll,
    Operation::Idempotent,
    Operation::Again,
    Operation::Create,
    Operation::Delete,
    Operation::ProducerId,
    Operation::Trim,
    Operation::Administer,
    Operation::Commit,
    Operation::Read,
    Operation::Idle,
    Operation::Stop,
    Operation::Restart,
    Operation::PowerCycle,
];

/// Rolls that make a trim happen: two checkpoints, the older one behind the last batch, and one more for the trim's record.
const TRIM_ROLLS: u64 = 4;

impl Operation {
    /// Its name on the command line.
    #[must_use]
    pub fn name(self) -> &'static str {
        match self {
            Operation::Produce => "produce",
            Operation::Wide => "wide",
            Operation::Roll => "roll",
            Operation::Idempotent => "idempotent",
            Operation::Again => "again",
            Operation::Create => "create",
            Operation::Delete => "delete",
            Operation::ProducerId => "producer-id",
            Operation::Trim => "trim",
            Operation::Administer => "administer",
            Operation::Commit => "commit",
            Operation::Read => "read",
            Operation::Idle => "idle",
            Operation::Stop => "stop",
            Operation::Restart => "restart",
            Operation::PowerCycle => "power-cycle",
        }
    }

    /// The operation of that name.
    #[must_use]
    pub fn named(name: &str) -> Option<Operation> {
        ALPHABET.into_iter().find(|known| known.name() == name)
    }

    fn needs_broker(self) -> bool {
        !matches!(self, Operation::Restart | Operation::PowerCycle)
    }
}

impl fmt::Display for Operation {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.name())
    }
}

/// The client: what it needs to know to go on.
#[derive(Clone, Debug, Default)]
pub(super) struct Hand {
    next_op: u64,
    created: u64,
    producer: Option<ProducerId>,
    /// Next sequence of the producer in each partition.
    sequences: BTreeMap<PartitionKey, i32>,
    last: Option<(PartitionKey, OpNumber, Batch)>,
}

/// Stage and client.
#[derive(Clone, Debug)]
pub(super) struct Play {
    pub(super) stage: Stage,
    hand: Hand,
}

impl Play {
    pub(super) fn new(stage: Stage) -> Play {
        Play { stage, hand: Hand::default() }
    }

    /// Whether an operation can be done here.
    pub(super) fn allows(&self, operation: Operation) -> bool {
        let mut usable = self.stage.ledger.usable();
        match operation {
            Operation::Produce | Operation::Wide | Operation::Roll | Operation::Read => {
                usable.next().is_some()
            }
            Operation::Delete | Operation::Trim | Operation::Administer | Operation::Commit => {
                usable.next().is_some()
            }
            Operation::Idempotent => self.hand.producer.is_some() && usable.next().is_some(),
            Operation::Again => {
                self.hand.last.as_ref().is_some_and(|(known, _, _)| usable.any(|(key, _)| key == *known))
            }
            Operation::Create
            | Operation::ProducerId
            | Operation::Idle
            | Operation::Stop
            | Operation::Restart
            | Operation::PowerCycle => true,
        }
    }

    /// Does it. With [`Order::Oldest`] until nothing is under way any more, otherwise until it is answered.
    ///
    /// # Errors
    /// A promise is broken on the way.
    pub(super) fn act(&mut self, operation: Operation, watch: &mut dyn Watch) -> Verdict {
        self.stage.tell(|| format!("--- {operation}"));
        if operation.needs_broker() && !self.stage.serves() {
            // What a crash in this start leaves is tried by the sequence with a restart in this place.
            self.start(&mut super::stage::Nobody)?;
        }
        match operation {
            Operation::Produce => self.produce(1, 10),
            Operation::Wide => self.ask_wide(),
            Operation::Roll => self.roll(),
            Operation::Idempotent => self.idempotent(),
            Operation::Again => self.again(),
            Operation::Create => self.create(),
            Operation::Delete => self.delete(),
            Operation::ProducerId => return self.producer_id(watch),
            Operation::Trim => return self.trim(watch),
            Operation::Administer => self.administer(),
            Operation::Commit => self.commit(),
            Operation::Read => self.read(),
            Operation::Idle => {
                self.stage.run(&|_| false, watch)?;
                return self.stage.wait(15_000, watch);
            }
            Operation::Stop => {
                self.stage.stop();
                self.stage.run(&|_| false, watch)?;
                return match self.stage.ended() {
                    Some(crate::probe::Ended::Stopped) => {
                        self.stage.kill();
                        Ok(())
                    }
                    Some(ended) => broken("false-halt", ended.words()),
                    None => broken("stuck", "an orderly stop comes to no end"),
                };
            }
            Operation::Restart => {
                self.stage.kill();
                return self.start(watch);
            }
            Operation::PowerCycle => {
                self.stage.kill();
                self.stage.disk = self.stage.disk.durable_only();
                return self.start(watch);
            }
        }
        self.go_on(watch)
    }

    fn go_on(&mut self, watch: &mut dyn Watch) -> Verdict {
        match self.stage.order {
            Order::Oldest => self.stage.run(&|_| false, watch)?,
            Order::InTurn => self.stage.run(&|stage| stage.open() == 0, watch)?,
        }
        match self.stage.ended() {
            Some(ended) => broken("false-halt", ended.words()),
            None if self.stage.open() > 0 => broken("stuck", "a request is not answered"),
            None => Ok(()),
        }
    }

    /// Starts the broker, until it serves.
    pub(super) fn start(&mut self, watch: &mut dyn Watch) -> Verdict {
        self.stage.boot(watch)?;
        self.stage.run(&Stage::serves, watch)?;
        super::judge::serving(&self.stage)?;
        self.stage.settle(watch)?;
        if self.stage.order == Order::Oldest { self.stage.run(&|_| false, watch) } else { Ok(()) }
    }

    fn number(&mut self) -> OpNumber {
        self.hand.next_op += 1;
        OpNumber(self.hand.next_op)
    }

    /// Partitions of the topic that sorts first.
    fn targets(&self) -> Vec<PartitionKey> {
        let usable: Vec<_> = self.stage.ledger.usable().collect();
        let first = usable.iter().map(|(_, book)| &book.name).min();
        usable.iter().filter(|(_, book)| Some(&book.name) == first).map(|(key, _)| *key).collect()
    }

    fn send(&mut self, batches: Vec<(PartitionKey, OpNumber, Batch)>) {
        let ops = batches.iter().map(|(_, op, _)| *op).collect();
        let topics = batches
            .into_iter()
            .map(|(key, _, batch)| {
                let partition = ProducePartition { index: key.index, batch: Ok(batch) };
                ProduceTopic { name: TopicName::default(), id: key.topic, partitions: vec![partition] }
            })
            .collect();
        let intake = ProduceIntake { transactional_id: None, acks: -1, topics, request_bytes: 0 };
        self.stage.ask(13, Request::Produce(intake), Asked::Produce(ops));
    }

    /// Asks for [`Operation::Wide`], and does not wait.
    pub(super) fn ask_wide(&mut self) {
        self.produce(3, 700);
    }

    fn produce(&mut self, partitions: usize, filling: usize) {
        let keys: Vec<_> = self.targets().into_iter().take(partitions).collect();
        let batches = keys.into_iter().map(|key| {
            let op = self.number();
            let batch = batch::make(op, 1, filling, None);
            self.stage.ledger.open(op, key, &batch);
            (key, op, batch)
        });
        let batches = batches.collect();
        self.send(batches);
    }

    /// A batch as long as what is left of the segment.
    fn roll(&mut self) {
        let overhead = batch::make(OpNumber(0), 1, 0, None).records.len() + HEADER_BYTES;
        // The last block is the seal's. Lengths are variable integers: a few bytes more than without filling.
        let room = self.stage.room().saturating_sub(BLOCK_BYTES as usize);
        self.produce(1, room.saturating_sub(overhead + 8));
    }

    fn idempotent(&mut self) {
        let (Some(producer), Some(key)) = (self.hand.producer, self.targets().first().copied()) else {
            return;
        };
        let op = self.number();
        let next = self.hand.sequences.entry(key).or_default();
        let batch = batch::make(op, 2, 10, Some(Sequenced { producer, epoch: 0, first: *next }));
        *next += 2;
        self.stage.ledger.open(op, key, &batch);
        self.hand.last = Some((key, op, batch));
        self.again();
    }

    fn again(&mut self) {
        if let Some((key, op, batch)) = self.hand.last.clone() {
            self.send(vec![(key, op, batch)]);
        }
    }

    fn create(&mut self) {
        self.hand.created += 1;
        // Each sorts in front of the one before: new batches go to the youngest.
        let name = format!("topic-{}", 9 - self.hand.created % 10);
        let topic = CreatableTopic::default()
            .with_name(TopicName(StrBytes::from_string(name.clone())))
            .with_num_partitions(3)
            .with_replication_factor(1);
        let request = CreateTopicsRequest::default().with_topics(vec![topic]);
        self.stage.ask(7, Request::CreateTopics(request), Asked::Create(name));
    }

    fn delete(&mut self) {
        if let Some(key) = self.targets().first() {
            self.delete_topic(key.topic);
        }
    }

    fn delete_topic(&mut self, topic: TopicId) {
        let state =
            DeleteTopicState::default().with_name(None).with_topic_id(uuid::Uuid::from_bytes(topic.0));
        let request = DeleteTopicsRequest::default().with_topics(vec![state]);
        self.stage.ask(6, Request::DeleteTopics(request), Asked::Delete(topic));
    }

    fn producer_id(&mut self, watch: &mut dyn Watch) -> Verdict {
        let request = InitProducerIdRequest::default().with_transactional_id(None);
        self.stage.ask(4, Request::InitProducerId(request), Asked::ProducerId);
        self.go_on(watch)?;
        if let Some(newest) = self.stage.ledger.producer_ids.last() {
            self.hand.producer = Some(ProducerId(*newest));
            self.hand.sequences.clear();
        }
        Ok(())
    }

    fn read(&mut self) {
        for key in self.targets() {
            let known = self.stage.ledger.high_watermark(key);
            let asked = Asked::Fetch(key, 0, known, 1);
            self.stage.ask(13, Request::Fetch(fetch(key, 0, 1 << 20, 1 << 20, 0, 0)), asked);
        }
    }

    /// The partition grows by one; every other time, the config that was given is taken back.
    fn administer(&mut self) {
        let Some(key) = self.targets().first().copied() else { return };
        let Some(book) = self.stage.ledger.topics.get(&key.topic) else { return };
        let (name, partitions) = (book.name.clone(), book.partitions);
        let number = self.number().0;
        let value = number.is_multiple_of(2).then(|| number.to_string());
        let (start, end) = (self.stage.ledger.log_start(key), self.stage.ledger.high_watermark(key));
        let upto = Upto::Offset(end.min(start + 1));
        let questions = [
            steward::grow_to(key.topic, &name, partitions + 1),
            steward::alter(key.topic, &name, [("flush.ms", value)].into()),
            steward::delete_upto(key, &name, upto, end),
        ];
        for (version, request, asked) in questions {
            self.stage.ask(version, request, Asked::Admin(asked));
        }
    }

    fn commit(&mut self) {
        let Some(key) = self.targets().first().copied() else { return };
        let Some(book) = self.stage.ledger.topics.get(&key.topic) else { return };
        let place = OffsetPlace { group: String::from("g"), topic: book.name.clone(), index: key.index };
        let offset = self.stage.ledger.high_watermark(key);
        let commit = Commit { place, key, offset };
        let number = CommitNumber(self.number().0);
        let spoken = Spoken { group: String::from("g"), member: String::new(), generation: -1 };
        let outgoing = offsets::commit(spoken, None, vec![(number, commit)]);
        self.stage.ask(outgoing.version, outgoing.request, outgoing.asked);
    }

    fn trim(&mut self, watch: &mut dyn Watch) -> Verdict {
        let topics: BTreeSet<_> = self.stage.ledger.usable().map(|(key, _)| key.topic).collect();
        self.create();
        self.go_on(watch)?;
        for topic in topics {
            self.delete_topic(topic);
        }
        self.go_on(watch)?;
        for _ in 0..TRIM_ROLLS {
            self.roll();
            self.go_on(watch)?;
        }
        Ok(())
    }
}
