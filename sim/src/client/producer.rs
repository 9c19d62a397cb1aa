//! Producers. An idempotent one keeps up to five batches of a partition in flight and sends what was not answered again, in
//! order, under the same sequences; a plain one gives up or sends once more.

use std::collections::{BTreeMap, BTreeSet, VecDeque};

use evenkeel_core::{
    error_code,
    port::{ProduceIntake, ProducePartition, ProduceTopic, Request, Response},
    units::{ProducerId, TopicId},
    wire::batch::Batch,
};
use kafka_protocol::{
    messages::{InitProducerIdRequest, ProduceResponse, TopicName},
    protocol::StrBytes,
};

use crate::{
    batch::{self, Sequenced, sequence_after},
    client::{Desk, Outgoing},
    dice::Dice,
    ledger::{Asked, OpNumber, PartitionKey, TopicBook},
    violation::{Verdict, broken},
};

/// Batches of one partition in flight, as in Kafka's own producers.
const IN_FLIGHT_MAX: usize = 5;
/// Versions of Produce from this one on name topics by id.
const BY_ID_FROM: i16 = 13;

#[derive(Clone, Debug)]
struct Unit {
    op: OpNumber,
    batch: Batch,
    in_flight: bool,
    /// How many batches were begun before it.
    place: usize,
}

#[derive(Clone, Debug, Default)]
struct Line {
    units: VecDeque<Unit>,
    /// `None`: nothing was sent yet.
    next_sequence: Option<i32>,
    /// Batches begun.
    begun: usize,
    /// Something was not answered: all is sent again once nothing is in flight.
    broken: bool,
    retry_at: u64,
    /// The newest batch of which it was told that it is stored.
    stored: Option<OpNumber>,
}

impl Line {
    /// Whether one batch more would leave the oldest that is open further behind than the broker remembers.
    fn is_full(&self) -> bool {
        self.units.front().is_some_and(|oldest| self.begun - oldest.place >= IN_FLIGHT_MAX)
    }
}

/// A producer.
#[derive(Clone, Debug)]
pub(super) struct Producer {
    idempotent: bool,
    id: Option<ProducerId>,
    epoch: i16,
    /// Where each line stood in the epoch before this one.
    retired: BTreeMap<PartitionKey, i32>,
    asked_for_id: bool,
    lines: BTreeMap<PartitionKey, Line>,
    /// Lines of this epoch that ended with their topic. A topic whose deletion is lost with the disk is there again, and the broker may
    /// know the sequences that were used in it.
    ended: BTreeSet<PartitionKey>,
    /// What it was told to be stored was lost: once nothing is open, it goes on in a new epoch.
    resets: bool,
}

/// Where records are kept for a time they have one of now, or somewhat before: they do not come in the order of their times.
fn timed(batch: Batch, op: OpNumber, desk: &Desk<'_>) -> Batch {
    match i64::try_from(desk.shape.retention_millis).expect("a short time") {
        0 => batch,
        kept => batch::at(batch, desk.ledger.wall_ms() - i64::try_from(op.0 % 7).expect("small") * kept / 8),
    }
}

impl Producer {
    pub(super) fn plain() -> Producer {
        Producer {
            idempotent: false,
            id: None,
            epoch: 0,
            retired: BTreeMap::new(),
            asked_for_id: false,
            lines: BTreeMap::new(),
            ended: BTreeSet::new(),
            resets: false,
        }
    }

    pub(super) fn idempotent() -> Producer {
        Producer { idempotent: true, ..Producer::plain() }
    }

    pub(super) fn is_plain(&self) -> bool {
        !self.idempotent
    }

    pub(super) fn wants(&self) -> bool {
        self.lines.values().any(|line| !line.units.is_empty())
    }

    pub(super) fn act(&mut self, desk: &mut Desk<'_>, dice: &mut Dice, outbox: &mut Vec<Outgoing>) {
        if self.idempotent && self.id.is_none() {
            if !self.asked_for_id && *desk.operations_left > 0 {
                self.asked_for_id = true;
                let request = InitProducerIdRequest::default().with_transactional_id(None);
                outbox.push(Outgoing {
                    version: 4,
                    request: Request::InitProducerId(request),
                    asked: Asked::ProducerId,
                    silent: false,
                });
            }
            return;
        }
        self.repair(desk, dice, outbox);
        if self.idempotent && (dice.chance(30) || self.resets) {
            self.raise_epoch();
        }
        if self.resets {
            // Nothing new before the new epoch.
            return;
        }
        if !self.retired.is_empty() && dice.chance(30) {
            self.send_as_a_zombie(desk, dice, outbox);
        }
        let mut targets = Vec::new();
        let wanted = if dice.chance(250) { dice.between(2, 3) } else { 1 };
        for _ in 0..wanted {
            let usable = desk.ledger.usable_count();
            if usable == 0 {
                break;
            }
            let key = desk.ledger.usable_at(dice.index(usable)).expect("as many as were counted");
            if self.ended.contains(&key) {
                self.resets = true;
                continue;
            }
            let line = self.lines.entry(key).or_default();
            let blocked = line.broken || line.is_full() || targets.contains(&key);
            if !blocked && desk.begin() {
                self.begin(key, desk, dice);
                targets.push(key);
            }
        }
        // A burst of requests goes out at once, so that the log has something to gather.
        let chosen: Vec<_> = targets
            .into_iter()
            .filter_map(|key| {
                let unit = self.lines.get_mut(&key)?.units.back_mut()?;
                unit.in_flight = true;
                Some((key, unit.op, unit.batch.clone()))
            })
            .collect();
        if !chosen.is_empty() {
            let acks = match dice.below(10) {
                0 if !self.idempotent => 0,
                1..=2 if !self.idempotent => 1,
                _ => -1,
            };
            outbox.push(produce(chosen, acks, desk, dice));
            if acks == 0 {
                self.lines.clear();
            }
        }
    }

    /// A new batch at the end of a line.
    fn begin(&mut self, key: PartitionKey, desk: &mut Desk<'_>, dice: &mut Dice) {
        let op = desk.number();
        let count = i32::try_from(dice.magnitude(1, 5)).expect("small");
        let least = if batch::is_hostile(op) { desk.shape.filling_bytes } else { 1 };
        let filling = usize::try_from(dice.magnitude(least, desk.shape.filling_bytes)).expect("small");
        let line = self.lines.entry(key).or_default();
        // Some have sent nearly 2^31 records before; an epoch that was raised begins at 0.
        let at_the_end = self.epoch == 0 && dice.chance(150);
        let begins = if at_the_end { i32::MAX - i32::try_from(dice.below(30)).expect("small") } else { 0 };
        let first = *line.next_sequence.get_or_insert(begins);
        let sequenced = self.id.map(|producer| Sequenced { producer, epoch: self.epoch, first });
        let batch = timed(batch::make(op, count, filling, sequenced), op, desk);
        line.next_sequence = Some(sequence_after(first, count));
        desk.ledger.open(op, key, &batch);
        line.units.push_back(Unit { op, batch, in_flight: false, place: line.begun });
        line.begun += 1;
    }

    /// As KIP-360 lets a producer do it by itself: once nothing is open, a new epoch begins with new sequences.
    fn raise_epoch(&mut self) {
        if self.wants() {
            return;
        }
        self.resets = false;
        if self.lines.is_empty() && self.ended.is_empty() {
            return;
        }
        self.ended.clear();
        self.epoch += 1;
        let lines = std::mem::take(&mut self.lines);
        self.retired = lines.into_iter().filter_map(|(key, line)| Some((key, line.next_sequence?))).collect();
    }

    /// What went on in the epoch before goes on for one batch more: it must be fenced where the new epoch is known.
    fn send_as_a_zombie(&self, desk: &mut Desk<'_>, dice: &mut Dice, outbox: &mut Vec<Outgoing>) {
        let Some(producer) = self.id else { return };
        let (key, first) = self.retired.iter().nth(dice.index(self.retired.len())).expect("not empty");
        let usable = desk.ledger.topics.get(&key.topic).is_some_and(TopicBook::must_exist);
        let newest =
            desk.ledger.partitions.get(key).and_then(|book| book.producer_epochs.get(&producer)).copied();
        if !usable || newest != Some(self.epoch) || !desk.begin() {
            return;
        }
        let op = desk.number();
        let by = Sequenced { producer, epoch: self.epoch - 1, first: *first };
        let batch = timed(batch::make(op, 1, 10, Some(by)), op, desk);
        desk.ledger.open(op, *key, &batch);
        outbox.push(produce(vec![(*key, op, batch)], -1, desk, dice));
    }

    /// Sends again what was not answered, each line in its order, once nothing of it is in flight any more.
    fn repair(&mut self, desk: &mut Desk<'_>, dice: &mut Dice, outbox: &mut Vec<Outgoing>) {
        for (key, line) in &mut self.lines {
            let due = line.broken && line.retry_at <= desk.now;
            if !due || line.units.iter().any(|unit| unit.in_flight) {
                continue;
            }
            line.broken = false;
            let resent = outbox.len();
            for unit in &mut line.units {
                unit.in_flight = true;
                outbox.push(produce(vec![(*key, unit.op, unit.batch.clone())], -1, desk, dice));
            }
            let books = desk.ledger.partitions.get(key);
            let newest = books.zip(self.id).and_then(|(book, id)| book.producer_epochs.get(&id));
            if newest == Some(&self.epoch) && dice.chance(100) {
                // The broker knows this producer, and does not let it begin just anywhere. The first comes last: what follows it must be refused, or was stored before.
                outbox[resent..].rotate_left(1);
            }
        }
    }

    pub(super) fn hear(
        &mut self,
        asked: &Asked,
        response: &Response,
        desk: &mut Desk<'_>,
        dice: &mut Dice,
    ) -> Verdict {
        match (asked, response) {
            (Asked::ProducerId, Response::InitProducerId(answer)) => {
                self.asked_for_id = false;
                if answer.error_code == error_code::NONE {
                    self.id = Some(ProducerId(answer.producer_id.0));
                }
                Ok(())
            }
            (Asked::Produce(ops), Response::Produce(answer)) => self.heard(ops, answer, desk, dice),
            (asked, response) => broken("wrong-answer", format!("{asked:?} was answered with {response:?}")),
        }
    }

    fn heard(
        &mut self,
        ops: &[OpNumber],
        answer: &ProduceResponse,
        desk: &mut Desk<'_>,
        dice: &mut Dice,
    ) -> Verdict {
        let told = answer.responses.iter().flat_map(|topic| &topic.partition_responses);
        for (op, told) in ops.iter().zip(told) {
            let Some(key) = desk.ledger.op(*op).map(|op| op.key) else { continue };
            let Some(line) = self.lines.get_mut(&key) else { continue };
            let Some(at) = line.units.iter().position(|unit| unit.op == *op) else { continue };
            match told.error_code {
                error_code::NONE => {
                    line.units.remove(at);
                    line.stored = Some(*op);
                }
                error_code::UNKNOWN_TOPIC_ID | error_code::UNKNOWN_TOPIC_OR_PARTITION => {
                    self.lines.remove(&key);
                    if self.idempotent {
                        self.ended.insert(key);
                    }
                }
                _ if !self.idempotent => {
                    line.units.remove(at);
                }
                // As KIP-360 has it: what comes behind the hole is given up, and a new epoch begins.
                error_code::OUT_OF_ORDER_SEQUENCE_NUMBER if desk.ledger.is_torn(key.topic, line.stored) => {
                    line.units.clear();
                    line.broken = false;
                    self.resets = true;
                }
                error_code::OUT_OF_ORDER_SEQUENCE_NUMBER if at == 0 => {
                    return broken(
                        "stuck-producer",
                        format!("{op:?} is next in {key:?} for its producer, and is refused as out of order"),
                    );
                }
                _ => {
                    line.units[at].in_flight = false;
                    line.broken = true;
                    line.retry_at = desk.now + dice.between(1_000, 400_000);
                }
            }
        }
        Ok(())
    }

    pub(super) fn lost(&mut self, dice: &mut Dice) {
        self.asked_for_id = false;
        for line in self.lines.values_mut() {
            if !self.idempotent && dice.chance(600) {
                line.units.clear();
            }
            line.broken = !line.units.is_empty();
            for unit in &mut line.units {
                unit.in_flight = false;
            }
        }
    }
}

/// A produce request for these batches: by name as long as a topic of that name cannot be another one, otherwise by id.
fn produce(
    chosen: Vec<(PartitionKey, OpNumber, Batch)>,
    acks: i16,
    desk: &Desk<'_>,
    dice: &mut Dice,
) -> Outgoing {
    let lasting = |topic: &TopicId| {
        // One that was lost may have another one of its name behind it.
        let book = desk.ledger.topics.get(topic).filter(|book| !book.deleted);
        book.map(|book| book.name.clone()).filter(|name| name.starts_with("lasting"))
    };
    let by_name = dice.chance(500) && chosen.iter().all(|(key, _, _)| lasting(&key.topic).is_some());
    let ops = chosen.iter().map(|(_, op, _)| *op).collect();
    let mut topics: Vec<ProduceTopic> = Vec::new();
    for (key, _, batch) in chosen {
        let (name, id) = match lasting(&key.topic) {
            Some(name) if by_name => (TopicName(StrBytes::from_string(name)), TopicId::NONE),
            Some(_) | None => (TopicName::default(), key.topic),
        };
        let partition = ProducePartition { index: key.index, batch: Ok(batch) };
        topics.push(ProduceTopic { name, id, partitions: vec![partition] });
    }
    Outgoing {
        version: if by_name { 9 } else { BY_ID_FROM },
        request: Request::Produce(ProduceIntake { transactional_id: None, acks, topics, request_bytes: 0 }),
        asked: Asked::Produce(ops),
        silent: acks == 0,
    }
}

/// A request for one batch, by a client that nobody plays.
pub(super) fn one(key: PartitionKey, batch: Batch) -> ProduceIntake {
    let partition = ProducePartition { index: key.index, batch: Ok(batch) };
    let topic = ProduceTopic { name: TopicName::default(), id: key.topic, partitions: vec![partition] };
    ProduceIntake { transactional_id: None, acks: -1, topics: vec![topic], request_bytes: 0 }
}
