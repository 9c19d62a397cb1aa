//! One run of the `turns` target: arbitrary events into a broker. Disk work completes in any order, late, or fails; clients
//! come, ask and go; time leaps. The broker's own assertions are on, and what it tells is held against what its disk holds.

use std::{collections::BTreeMap, time::Duration};

use evenkeel_core::{
    Broker, ClientEvent, Config, Effect, Event, Now,
    port::{
        DiskError, DiskErrorKind, DiskRequest, DiskResult, DiskStep, Fault, FileName, Lane, Request,
        Response, perform,
    },
    units::{ConnId, Instant, Lsn, OpId, Tag, Timestamp},
};

use crate::{
    batch::{Numbered, Sequenced, numbered, split},
    changes::{self, Members, Who},
    choices::Choices,
    memory_disk::MemoryDisk,
    requests,
    told::assert_told,
    truth::Truth,
    world::{World, small},
};

/// Steps of the longest run.
const STEPS_MAX: usize = 200;
/// Turns within which everything comes to rest once the disk does its work.
const REST_TURNS_MAX: usize = 2_000;
/// Requests to the disk at once: recovery, the log, a spare, a checkpoint, a trim, and reads of fetches.
const DISK_REQUESTS_MAX: usize = 400;
const TOPICS: [&str; 2] = ["a", "b"];

/// A broker whose world is in the fuzzer's hands.
struct Turns {
    broker: Broker,
    config: Config,
    disk: MemoryDisk,
    truth: Truth,
    /// Everything below is on the disk, by completed log writes.
    synced: Lsn,
    now: Now,
    pending: Vec<(OpId, DiskRequest)>,
    asked: BTreeMap<(ConnId, Tag), Asked>,
    closed: Vec<ConnId>,
    members: Members,
    /// What members ask once they had an answer.
    next: Vec<(ConnId, Request, Option<Who>)>,
    next_tag: u64,
    numbers: u64,
    serving: bool,
    /// A log write or a step of recovery was told to have failed.
    failed: bool,
    stopping: bool,
    ended: bool,
}

#[derive(Clone, Debug)]
enum Asked {
    Produce(Numbered),
    Other {
        request: Box<Request>,
        /// A member of a group; `None`: somebody else.
        who: Option<Who>,
        /// What was synced when it was asked for.
        since: Lsn,
    },
}

fn is_of_log(step: &DiskStep) -> bool {
    matches!(step, DiskStep::Write { file: FileName::Segment(_) | FileName::SegmentDraft(_), .. })
}

/// Runs as these bytes choose.
///
/// # Panics
/// A finding.
pub fn turns(bytes: &[u8]) {
    let mut choices = Choices::new(bytes);
    let config = small(choices.of(&[16 << 10, 64 << 10]));
    let mut effects = Vec::new();
    let broker = Broker::boot(config.clone(), 1, &mut effects);
    let mut turns = Turns {
        broker,
        config,
        disk: MemoryDisk::default(),
        truth: Truth::default(),
        synced: Lsn(0),
        now: Now { mono: Instant(0), wall: Timestamp(1_700_000_000_000) },
        pending: Vec::new(),
        asked: BTreeMap::new(),
        closed: Vec::new(),
        members: Members::default(),
        next: Vec::new(),
        next_tag: 0,
        numbers: 0,
        serving: false,
        failed: false,
        stopping: false,
        ended: false,
    };
    turns.take(effects);
    for _ in 0..STEPS_MAX {
        if choices.is_over() || turns.ended {
            break;
        }
        let events = turns.events(&mut choices);
        turns.turn(events);
    }
    turns.come_to_rest();
    turns.start_again();
}

impl Turns {
    fn events(&mut self, choices: &mut Choices<'_>) -> Vec<Event> {
        let count = choices.of(&[1, 1, 2, 4]);
        let mut events: Vec<Event> = (0..count).filter_map(|_| self.event(choices)).collect();
        for (conn, request, who) in std::mem::take(&mut self.next) {
            if !self.closed.contains(&conn) {
                events.push(self.asked(conn, request, who));
            }
        }
        events
    }

    fn event(&mut self, choices: &mut Choices<'_>) -> Option<Event> {
        match choices.below(16) {
            0..=5 => self.complete(choices),
            6 => self.fail(choices),
            7..=12 => Some(self.request(choices)),
            13 => {
                let ms = choices.of(&[0, 1, 10, 11, 500, 2_000, 40_000, 700_000]);
                self.now.mono = self.now.mono.after(Duration::from_millis(ms));
                self.now.wall.0 += choices.of(&[0, 1, 1_000, -5_000, 100_000_000]);
                None
            }
            14 => {
                let conn = ConnId(1 + u64::from(choices.byte() % 3));
                self.asked.retain(|(asker, _), _| *asker != conn);
                // Numbers of connections are never used again.
                self.closed.push(conn);
                Some(Event::Client(conn, ClientEvent::Closed))
            }
            _ if choices.byte() % 8 == 7 => {
                self.stopping = true;
                Some(Event::Stop)
            }
            _ => None,
        }
    }

    /// Some disk work is done.
    fn complete(&mut self, choices: &mut Choices<'_>) -> Option<Event> {
        if self.pending.is_empty() {
            return None;
        }
        let at = choices.below(self.pending.len());
        let (op, request) = self.pending.remove(at);
        Some(self.done(op, &request))
    }

    fn done(&mut self, op: OpId, request: &DiskRequest) -> Event {
        let result = self.perform(&request.steps);
        if request.steps.iter().any(is_of_log) {
            self.synced = self.truth.upto();
        }
        Event::Disk(op, result)
    }

    fn perform(&mut self, steps: &[DiskStep]) -> DiskResult {
        for step in steps {
            if let DiskStep::Write { data, .. } = step
                && is_of_log(step)
            {
                self.truth.written(&data.concat(), self.synced);
            }
        }
        perform(&self.disk, steps)
    }

    /// Some disk work fails: before its first step, or behind one.
    fn fail(&mut self, choices: &mut Choices<'_>) -> Option<Event> {
        if self.pending.is_empty() {
            return None;
        }
        let at = choices.below(self.pending.len());
        let (op, request) = self.pending.remove(at);
        let done = choices.below(request.steps.len() + 1);
        let kind = choices.of(&[
            DiskErrorKind::Full,
            DiskErrorKind::Failed,
            DiskErrorKind::Damaged,
            DiskErrorKind::NotFound,
        ]);
        let _ = self.perform(&request.steps[..done]);
        self.failed |= !self.serving || request.lane == Lane::Log;
        let error = DiskError { kind, file: None, detail: String::from("as chosen") };
        Some(Event::Disk(op, Err(error)))
    }

    fn request(&mut self, choices: &mut Choices<'_>) -> Event {
        let mut conn = ConnId(1 + u64::from(choices.byte() % 3));
        while self.closed.contains(&conn) {
            conn.0 += 3;
        }
        let (topic, index) = (choices.of(&TOPICS), choices.of(&[0, 1]));
        let kind = choices.byte();
        if kind >= changes::FROM
            && let Some((request, who)) = self.members.request(kind, choices, &TOPICS)
        {
            return self.asked(conn, request, Some(who));
        }
        let request = match kind % 10 {
            0 => requests::create(topic, choices.of(&[1, 2])),
            1 => requests::delete(topic),
            2 => requests::all_topics(),
            3 => requests::producer_id(),
            4 | 5 => {
                let offset = choices.of(&[0, 1, 5, -1, 1000]);
                requests::fetch(topic, index, offset, choices.of(&[0, 1, 500, 1_000_000]))
            }
            _ => {
                self.numbers += 1;
                let by = (choices.byte() % 4 == 3)
                    .then(|| Sequenced { producer: 1000, first: choices.of(&[0, 1, 2, 3]) });
                let filling = choices.of(&[0, 100, 4000, 9000]);
                let batch = Numbered { number: self.numbers, count: 1, filling, by };
                let acks = choices.of(&[-1, 1, 0, 5]);
                let asked = Asked::Produce(batch);
                return self.sent(conn, requests::produce(topic, index, acks, numbered(batch)), asked);
            }
        };
        self.asked(conn, request, None)
    }

    fn asked(&mut self, conn: ConnId, request: Request, who: Option<Who>) -> Event {
        let asked = Asked::Other { request: Box::new(request.clone()), who, since: self.synced };
        self.sent(conn, request, asked)
    }

    fn sent(&mut self, conn: ConnId, request: Request, asked: Asked) -> Event {
        let tag = Tag(self.next_tag);
        self.next_tag += 1;
        self.asked.insert((conn, tag), asked);
        let version = requests::version(&request);
        Event::Client(conn, ClientEvent::Request { tag, version, request: Box::new(request) })
    }

    fn turn(&mut self, mut events: Vec<Event>) -> Option<Instant> {
        self.now.mono.0 += 1;
        let mut effects = Vec::new();
        let deadline = self.broker.turn(self.now, &mut events, &mut effects);
        assert!(events.is_empty(), "a turn takes all events");
        assert!(
            deadline.is_none_or(|deadline| deadline > self.now.mono),
            "a deadline that has passed already"
        );
        assert!(
            self.broker.durable().is_none_or(|durable| durable <= self.synced),
            "durable before it is synced"
        );
        self.take(effects);
        assert!(self.pending.len() <= DISK_REQUESTS_MAX, "{} requests to the disk", self.pending.len());
        deadline
    }

    fn take(&mut self, effects: Vec<Effect>) {
        for effect in effects {
            let is_over = self.ended && !matches!(effect, Effect::Close(_));
            assert!(!is_over, "nothing but closed connections follows the end: {effect:?}");
            match effect {
                Effect::Reply(conn, tag, response) => self.check_reply(conn, tag, &response),
                Effect::Close(conn) => self.closed.push(conn),
                Effect::Disk(op, request) => {
                    let log = |request: &DiskRequest| request.lane == Lane::Log;
                    let in_flight = self.pending.iter().any(|(_, pending)| log(pending));
                    assert!(!log(&request) || !in_flight, "one log write in flight");
                    self.pending.push((op, request));
                }
                Effect::Notice(_) => {}
                Effect::Serve => self.serving = true,
                Effect::Object(..) => unreachable!("there is no object store"),
                Effect::Stopped { .. } => {
                    assert!(self.stopping, "a stop that nobody asked for");
                    self.ended = true;
                }
                Effect::Halt(fault) => {
                    assert!(self.failed, "halted without a failed log write: {fault:?}");
                    assert!(matches!(fault, Fault::LogWrite(_)) || !self.serving, "{fault:?}");
                    self.ended = true;
                }
            }
        }
    }

    /// Each request is answered once, and with what is synced.
    fn check_reply(&mut self, conn: ConnId, tag: Tag, response: &Response) {
        let asked = self.asked.remove(&(conn, tag));
        if self.closed.contains(&conn) {
            return;
        }
        match (asked.expect("a request is answered once"), response) {
            (Asked::Produce(batch), Response::Produce(response)) => {
                let answer = &response.responses[0].partition_responses[0];
                if answer.error_code == 0 {
                    let place = self.truth.find(&answer.base_offset.to_be_bytes(), &numbered(batch).records);
                    let is_retry = batch.by.is_some();
                    assert!(
                        is_retry || place.is_some_and(|lsn| lsn < self.synced),
                        "{batch:?} is at {place:?}"
                    );
                }
            }
            (Asked::Other { .. }, Response::Fetch(answer)) => {
                for partition in answer.topics.iter().flat_map(|topic| &topic.partitions) {
                    let bytes = partition.records.concat();
                    for (header, records) in split(&bytes).expect("whole batches are served") {
                        let place = self.truth.find(&header.encode(), records);
                        assert!(place.is_some_and(|lsn| lsn < self.synced), "served from {place:?}");
                    }
                }
            }
            (Asked::Produce(_), Response::Silence) => {}
            (Asked::Other { request, who, since }, other) => {
                assert!(!matches!(other, Response::Produce(_) | Response::Silence));
                assert_told(&self.truth, since, self.synced, &request, other);
                let next = who.and_then(|who| Some((conn, self.members.answered(who, other)?, Some(who))));
                self.next.extend(next);
            }
            (Asked::Produce(_), other) => panic!("a produce is answered with {other:?}"),
        }
    }

    /// The disk does all that is asked of it, timers fire: then everyone has an answer.
    fn come_to_rest(&mut self) {
        for _ in 0..REST_TURNS_MAX {
            if self.ended {
                return;
            }
            let pending = std::mem::take(&mut self.pending);
            let events: Vec<Event> = pending.iter().map(|(op, request)| self.done(*op, request)).collect();
            let was_quiet = events.is_empty();
            let deadline = self.turn(events);
            if was_quiet && self.pending.is_empty() {
                let waiting = self.asked.keys().any(|(conn, _)| !self.closed.contains(conn));
                if !waiting && !self.stopping {
                    return;
                }
                // A fetch waits for its time, a full log for the next try to get a segment.
                let deadline = deadline.expect("whatever is not done yet has a deadline");
                self.now.mono = self.now.mono.max(deadline);
            }
        }
        panic!("no rest after {REST_TURNS_MAX} turns");
    }

    /// Whatever failed, the next start serves everything that was durable.
    fn start_again(&self) {
        let mut world = World::boot(MemoryDisk::holding(&self.disk.image()), self.config.clone(), None);
        assert!(world.serving, "the next start: {:?}", world.fault);
        let end = Lsn(world.broker.durable().expect("it serves").0 - 1);
        assert!((self.synced..=self.truth.upto()).contains(&end), "{end} of {}", self.synced);
        world.assert_serves(&self.truth, end);
    }
}

#[cfg(test)]
mod tests;
