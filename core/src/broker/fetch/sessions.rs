//! Incremental fetch sessions (KIP-227): the broker remembers what a consumer asks for and what it was told, so that
//! only changes travel.

use alloc::{
    collections::{BTreeMap, BTreeSet},
    string::ToString,
    vec::Vec,
};

use kafka_protocol::{
    messages::{FetchRequest, TopicName},
    protocol::StrBytes,
};

use crate::{
    broker::fetch::Part,
    error_code,
    limits::{FETCH_SESSION_PARTITIONS_MAX, FETCH_SESSIONS_MAX, TOPIC_NAME_BYTES_MAX},
    planted::{Planted, planted},
    port::{FetchAnswer, FetchedPartition, FetchedTopic},
    turn::Turn,
    units::{Instant, Offset, TopicId},
};

/// A session idle for this long may make room for a new one, as in Kafka.
const EVICTABLE_AFTER: core::time::Duration = core::time::Duration::from_secs(120);

/// Names one partition within a session. The name is a copy of its own, shared by the partitions of its topic: a slice of the request
/// would keep the whole request in memory.
type Key = (TopicId, TopicName, i32);

/// All sessions.
#[derive(Clone, Debug, Default)]
pub(super) struct Sessions {
    sessions: BTreeMap<i32, Session>,
    partitions: usize,
}

#[derive(Clone, Debug)]
struct Session {
    /// The epoch the next request must carry.
    epoch: i32,
    last_used: Instant,
    /// One of its fetches is parked or read. Each holds a list of all partitions, so there is one at a time.
    busy: bool,
    places: BTreeMap<Key, u64>,
    /// In the order in which they are served. A part that got its share moves to the end; one that was cut short stays in front.
    parts: BTreeMap<u64, Followed>,
    next_place: u64,
}

#[derive(Clone, Debug)]
struct Followed {
    part: Part,
    told: Option<Told>,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
struct Told {
    high_watermark: i64,
    log_start_offset: i64,
    last_stable_offset: i64,
}

/// The session of a fetch, whether only changes are told, and what is asked for.
pub(super) type Entered = (Option<(i32, bool)>, Vec<Part>);

fn key(part: &Part) -> Key {
    (part.id, part.name.clone(), part.index)
}

/// Whether a session may remember these. A longer name is that of no topic.
fn are_kept(parts: &[Part]) -> bool {
    parts.iter().all(|part| part.name.len() <= TOPIC_NAME_BYTES_MAX)
}

fn parts_of(request: FetchRequest) -> Vec<Part> {
    let mut parts = Vec::new();
    for topic in request.topics {
        for asked in topic.partitions {
            parts.push(Part {
                name: topic.topic.clone(),
                id: TopicId(*topic.topic_id.as_bytes()),
                index: asked.partition,
                offset: Offset(asked.fetch_offset),
                max_bytes: u32::try_from(asked.partition_max_bytes).unwrap_or(0),
                current_leader_epoch: asked.current_leader_epoch,
                last_fetched_epoch: asked.last_fetched_epoch,
            });
        }
    }
    parts
}

impl Sessions {
    /// What a request asks for, seen through its session.
    ///
    /// # Errors
    /// A Kafka error code for the whole request: the client starts a new session then.
    pub(super) fn enter(&mut self, request: FetchRequest, turn: &mut Turn<'_>) -> Result<Entered, i16> {
        let (id, epoch) = (request.session_id, request.session_epoch);
        if epoch <= 0 {
            // 0 asks for a new session, -1 for none; both end the one that is named.
            self.remove(id);
            let parts = parts_of(request);
            let session = if epoch == 0 { self.open(&parts, turn) } else { None };
            return Ok((session.map(|id| (id, false)), parts));
        }
        let session = self.sessions.get_mut(&id).ok_or(error_code::FETCH_SESSION_ID_NOT_FOUND)?;
        if session.epoch != epoch || session.busy {
            return Err(error_code::INVALID_FETCH_SESSION_EPOCH);
        }
        session.epoch = if epoch == i32::MAX { 1 } else { epoch + 1 };
        session.last_used = turn.now.mono;
        self.partitions -= session.parts.len();
        for topic in &request.forgotten_topics_data {
            for index in &topic.partitions {
                session.forget(&(TopicId(*topic.topic_id.as_bytes()), topic.topic.clone(), *index));
            }
        }
        let more = parts_of(request);
        let kept = are_kept(&more);
        let room = FETCH_SESSION_PARTITIONS_MAX - self.partitions;
        let fits = kept && session.parts.len() + session.unknown(&more, room) <= room;
        if fits {
            more.into_iter().for_each(|part| session.follow(part));
        }
        self.partitions += session.parts.len();
        if !fits {
            // The client asks for everything again, and gets no session while there is no room.
            self.remove(id);
            return Err(error_code::FETCH_SESSION_ID_NOT_FOUND);
        }
        session.busy = true;
        Ok((Some((id, true)), session.parts.values().map(|followed| followed.part.clone()).collect()))
    }

    /// The fetch under way in this session ended without an answer.
    pub(super) fn give_up(&mut self, session: Option<(i32, bool)>) {
        if let Some(session) = session.and_then(|(id, _)| self.sessions.get_mut(&id)) {
            session.busy = false;
        }
    }

    fn open(&mut self, parts: &[Part], turn: &mut Turn<'_>) -> Option<i32> {
        if self.sessions.len() >= FETCH_SESSIONS_MAX {
            let (&oldest, session) = self.sessions.iter().min_by_key(|(_, session)| session.last_used)?;
            if turn.now.mono.since(session.last_used) < EVICTABLE_AFTER {
                return None;
            }
            self.remove(oldest);
        }
        if !are_kept(parts) || self.partitions + parts.len() > FETCH_SESSION_PARTITIONS_MAX {
            return None;
        }
        let id = loop {
            let id = i32::try_from(turn.work.random.bits() >> 33).expect("31 bits");
            if id != 0 && !self.sessions.contains_key(&id) {
                break id;
            }
        };
        let mut session = Session {
            epoch: 1,
            last_used: turn.now.mono,
            busy: true,
            places: BTreeMap::new(),
            parts: BTreeMap::new(),
            next_place: 0,
        };
        for part in parts {
            session.follow(part.clone());
        }
        self.partitions += session.parts.len();
        self.sessions.insert(id, session);
        Some(id)
    }

    fn remove(&mut self, id: i32) {
        if let Some(session) = self.sessions.remove(&id) {
            self.partitions -= session.parts.len();
        }
    }

    /// Makes the response: for an incremental fetch only what has data, an error, or moved.
    pub(super) fn leave(
        &mut self,
        session: Option<(i32, bool)>,
        parts: Vec<Part>,
        answers: Vec<FetchedPartition>,
        cut_short: &BTreeSet<usize>,
    ) -> FetchAnswer {
        self.give_up(session);
        let mut answer =
            FetchAnswer { session_id: session.map_or(0, |(id, _)| id), ..FetchAnswer::default() };
        for (at, (part, fetched)) in parts.into_iter().zip(answers).enumerate() {
            let follower = session.and_then(|(id, _)| self.sessions.get_mut(&id));
            let incremental = session.is_some_and(|(_, incremental)| incremental);
            let tell = follower.is_none_or(|session| session.told(&part, &fetched, cut_short.contains(&at)))
                || !incremental;
            if !tell {
                continue;
            }
            match answer.topics.last_mut() {
                Some(topic) if topic.id == part.id && topic.name == part.name => {
                    topic.partitions.push(fetched)
                }
                Some(_) | None => answer.topics.push(FetchedTopic {
                    name: part.name,
                    id: part.id,
                    partitions: alloc::vec![fetched],
                }),
            }
        }
        answer
    }
}

impl Session {
    /// How many of these it does not follow yet; of more than `upto` no exact number.
    fn unknown(&self, parts: &[Part], upto: usize) -> usize {
        let new = parts.iter().filter(|part| !self.places.contains_key(&key(part)));
        let new: BTreeSet<Key> = new.map(key).take(upto.saturating_add(1)).collect();
        new.len()
    }

    fn follow(&mut self, mut part: Part) {
        let wanted = key(&part);
        if let Some((known, place)) = self.places.get_key_value(&wanted)
            && let Some(followed) = self.parts.get_mut(place)
        {
            if !planted(Planted::SessionKeepsOffset) {
                part.name = known.1.clone();
                followed.part = part;
            }
            return;
        }
        // Requests name all partitions of a topic one behind the other.
        let same = self.parts.last_key_value().map(|(_, last)| &last.part.name);
        part.name = match same.filter(|name| **name == part.name) {
            Some(name) => name.clone(),
            None => TopicName(StrBytes::from_string(part.name.to_string())),
        };
        let key = key(&part);
        self.places.insert(key, self.next_place);
        self.parts.insert(self.next_place, Followed { part, told: None });
        self.next_place += 1;
    }

    fn forget(&mut self, key: &Key) {
        if let Some(place) = self.places.remove(key) {
            self.parts.remove(&place);
        }
    }

    /// Notes what a partition is told. Returns whether there is anything to tell.
    fn told(&mut self, part: &Part, fetched: &FetchedPartition, cut_short: bool) -> bool {
        let key = key(part);
        let Some(place) = self.places.get(&key).copied() else { return true };
        let Some(followed) = self.parts.get_mut(&place) else { return true };
        let now = Told {
            high_watermark: fetched.high_watermark,
            log_start_offset: fetched.log_start_offset,
            last_stable_offset: fetched.last_stable_offset,
        };
        let has_data = !fetched.records.is_empty();
        let failed = fetched.error_code != error_code::NONE || fetched.diverging_epoch.is_some();
        let changed = followed.told != Some(now);
        // An error is told again each time, as long as it stands.
        followed.told = (!failed).then_some(now);
        if has_data
            && !cut_short
            && !planted(Planted::SessionNeverTurns)
            && let Some(followed) = self.parts.remove(&place)
        {
            self.parts.insert(self.next_place, followed);
            self.places.insert(key, self.next_place);
            self.next_place += 1;
        }
        (has_data && !planted(Planted::SessionHidesData)) || failed || changed
    }
}
