//! A consumer: follows partitions from their start, sometimes goes back, sometimes asks where the end is.

use std::collections::BTreeMap;

use evenkeel_core::port::{Request, Response};

use crate::{
    batch,
    client::{Desk, Outgoing},
    dice::Dice,
    ledger::{Asked, PartitionKey},
    probe,
};

/// A consumer.
#[derive(Clone, Debug, Default)]
pub(super) struct Consumer {
    positions: BTreeMap<PartitionKey, i64>,
    waits: bool,
}

/// How much a fetch wants, and how long it waits.
#[derive(Clone, Copy, Debug)]
pub(super) struct Terms {
    pub(super) max_bytes: i32,
    pub(super) partition_max_bytes: i32,
    pub(super) max_wait_ms: i32,
    pub(super) min_bytes: i32,
}

impl Terms {
    /// Bytes that are worth an answer: the least that is wanted, or what an answer can hold.
    pub(super) fn enough(&self) -> i32 {
        self.min_bytes.min(self.max_bytes)
    }

    /// `content`: thousandths that are content with a single byte.
    pub(super) fn draw(dice: &mut Dice, content: u64) -> Terms {
        let small = |drawn: u64| i32::try_from(drawn).expect("small");
        let max_bytes = small(dice.magnitude(1, 1 << 17));
        let partition_max_bytes = small(dice.magnitude(1, 1 << 17));
        // Some wait long, so that a wake-up that does not come is noticed.
        let wait_ms = if dice.chance(100) { dice.between(2000, 5000) } else { dice.magnitude(1, 300) - 1 };
        let min_bytes = if dice.chance(content) { 1 } else { small(dice.magnitude(1, 20_000)) };
        Terms { max_bytes, partition_max_bytes, max_wait_ms: small(wait_ms), min_bytes }
    }
}

impl Consumer {
    pub(super) fn act(&mut self, desk: &mut Desk<'_>, dice: &mut Dice, outbox: &mut Vec<Outgoing>) {
        if self.waits || *desk.operations_left == 0 {
            return;
        }
        let usable: Vec<(PartitionKey, String)> =
            desk.ledger.usable().map(|(key, topic)| (key, topic.name.clone())).collect();
        if usable.is_empty() {
            return;
        }
        let (key, name) = &usable[dice.index(usable.len())];
        let known = desk.ledger.high_watermark(*key);
        self.waits = true;
        // A look-up reads one batch: where reads may fail, enough of them that some do.
        let looks = if desk.shape.read_eio > 0 { 600 } else { 250 };
        if name.starts_with("lasting") && dice.chance(looks) {
            let (timestamp, asked) = match some_time(desk, *key, dice) {
                Some((time, known)) if dice.chance(700) => (time, Asked::Time(*key, time, known)),
                Some(_) | None => (-1, Asked::End(*key, known)),
            };
            outbox.push(Outgoing {
                version: 7,
                request: Request::ListOffsets(probe::list_offsets(*key, name, timestamp)),
                asked,
                silent: false,
            });
            return;
        }
        let position = reset(self.positions.get(key).copied().unwrap_or(0), *key, desk, dice);
        let from = if dice.chance(200) {
            i64::try_from(dice.below(position.cast_unsigned() + 1)).expect("below a position")
        } else {
            position
        };
        let terms = Terms::draw(dice, 500);
        let Terms { max_bytes, partition_max_bytes, max_wait_ms, min_bytes } = terms;
        let request = probe::fetch(*key, from, max_bytes, partition_max_bytes, max_wait_ms, min_bytes);
        outbox.push(Outgoing {
            version: 13,
            request: Request::Fetch(request),
            asked: Asked::Fetch(*key, from, known, terms.enough().min(partition_max_bytes)),
            silent: false,
        });
    }

    pub(super) fn hear(&mut self, asked: &Asked, response: &Response) {
        self.waits = false;
        if let (Asked::Fetch(key, ..), Response::Fetch(answer)) = (asked, response)
            && let Some(part) = answer.topics.first().and_then(|topic| topic.partitions.first())
            && let Some((last, _)) = batch::split(&part.records.concat()).as_deref().and_then(<[_]>::last)
        {
            self.positions.insert(*key, last.last_offset().0 + 1);
        }
    }

    pub(super) fn lost(&mut self) {
        self.waits = false;
    }
}

/// A position in front of the log start moves there, as a consumer's does that was told; some have not been told.
pub(super) fn reset(position: i64, key: PartitionKey, desk: &Desk<'_>, dice: &mut Dice) -> i64 {
    let start = desk.ledger.log_start(key);
    if position < start && dice.chance(900) { start } else { position }
}

/// The time of some batch that is known, if clients give the times, and where the first with a record of that time is.
fn some_time(desk: &Desk<'_>, key: PartitionKey, dice: &mut Dice) -> Option<(i64, i64)> {
    let facts = &desk.ledger.partitions.get(&key).filter(|_| !desk.ledger.is_ever_stamped(key.topic))?.facts;
    let (number, _) = facts.values().nth(dice.index(facts.len()))?;
    let time = desk.ledger.op(*number)?.header.max_timestamp.0;
    Some((time, desk.ledger.first_at(key, time)?))
}
