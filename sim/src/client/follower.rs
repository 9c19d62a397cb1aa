//! A consumer that follows all partitions through one incremental fetch session (KIP-227), as real consumers do: it says only what
//! changed, and is told only what changed.

use std::collections::BTreeMap;

use evenkeel_core::port::{FetchAnswer, Request, Response};
use kafka_protocol::messages::{FetchRequest, fetch_request::ForgottenTopic};

use crate::{
    batch,
    client::{
        Desk, Outgoing,
        consumer::{Terms, reset},
    },
    dice::Dice,
    ledger::{Asked, Followed, PartitionKey},
    probe,
};

/// Partitions that it follows at a time, at most.
const FOLLOWED_MAX: usize = 12;

/// The consumer.
#[derive(Clone, Debug, Default)]
pub(super) struct Follower {
    positions: BTreeMap<PartitionKey, i64>,
    /// The session's id and the epoch of its next request.
    session: Option<(i32, i32)>,
    /// What the broker knows of it: partitions, and from where they are wanted.
    told: BTreeMap<PartitionKey, i64>,
    waits: bool,
}

impl Follower {
    pub(super) fn act(&mut self, desk: &mut Desk<'_>, dice: &mut Dice, outbox: &mut Vec<Outgoing>) {
        if self.waits || *desk.operations_left == 0 {
            return;
        }
        if dice.chance(30) {
            // A consumer that was started again.
            self.session = None;
        }
        let mut wanted: BTreeMap<PartitionKey, i64> = BTreeMap::new();
        for (key, _) in desk.ledger.usable().take(FOLLOWED_MAX) {
            // Some are paused for a while, and some begin again from their start.
            if !dice.chance(100) {
                let position = reset(self.positions.get(&key).copied().unwrap_or(0), key, desk, dice);
                wanted.insert(key, if dice.chance(20) { 0 } else { position });
            }
        }
        if wanted.is_empty() {
            return;
        }
        self.waits = true;
        let terms = Terms::draw(dice, 700);
        let (id, epoch) = self.session.unwrap_or((0, 0));
        if epoch == 0 {
            self.told.clear();
        }
        let gone: Vec<PartitionKey> =
            self.told.keys().filter(|key| !wanted.contains_key(key)).copied().collect();
        let changed: Vec<(PartitionKey, i64)> = wanted
            .iter()
            .map(|(key, from)| (*key, *from))
            .filter(|(key, from)| self.told.get(key) != Some(from))
            .collect();
        let request = FetchRequest::default()
            .with_max_wait_ms(terms.max_wait_ms)
            .with_min_bytes(terms.min_bytes)
            .with_max_bytes(terms.max_bytes)
            .with_session_id(id)
            .with_session_epoch(epoch)
            .with_topics(
                changed
                    .into_iter()
                    .map(|(key, from)| probe::fetch_topic(key, from, terms.partition_max_bytes))
                    .collect(),
            )
            .with_forgotten_topics_data(gone.into_iter().map(forgotten).collect());
        let known = |key: &PartitionKey| desk.ledger.high_watermark(*key);
        let parts = wanted.iter().map(|(key, from)| (*key, *from, known(key))).collect();
        self.told = wanted;
        outbox.push(Outgoing {
            version: 13,
            request: Request::Fetch(request),
            asked: Asked::Follow(Followed { parts, whole: epoch == 0, enough: terms.enough() }),
            silent: false,
        });
    }

    pub(super) fn hear(&mut self, asked: &Asked, response: &Response) {
        self.waits = false;
        let (Asked::Follow(followed), Response::Fetch(answer)) = (asked, response) else { return };
        self.session = match (answer.error_code, self.session) {
            (0, Some((id, epoch))) if !followed.whole => Some((id, epoch + 1)),
            // There may be no room for a session: then each request says everything.
            (0, _) if answer.session_id != 0 => Some((answer.session_id, 1)),
            _ => None,
        };
        self.advance(answer);
    }

    fn advance(&mut self, answer: &FetchAnswer) {
        for topic in &answer.topics {
            for part in &topic.partitions {
                let key = PartitionKey { topic: topic.id, index: part.index };
                let bytes = part.records.concat();
                if let Some((last, _)) = batch::split(&bytes).as_deref().and_then(<[_]>::last) {
                    self.positions.insert(key, last.last_offset().0 + 1);
                }
            }
        }
    }

    /// The answer is lost, and with it whether the broker knows what was asked: the session ends, and another one begins in its place.
    pub(super) fn lost(&mut self) {
        if self.waits
            && let Some((_, epoch)) = &mut self.session
        {
            *epoch = 0;
        }
        self.waits = false;
    }
}

fn forgotten(key: PartitionKey) -> ForgottenTopic {
    ForgottenTopic::default()
        .with_topic_id(uuid::Uuid::from_bytes(key.topic.0))
        .with_partitions(vec![key.index])
}
