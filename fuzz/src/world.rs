//! A broker on a disk in memory, driven turn by turn; the truth about its log is taken down as it is written.

use std::{collections::VecDeque, time::Duration};

use evenkeel_core::{
    Broker, ClientEvent, Config, Effect, Event, Now,
    port::{DiskRequest, DiskStep, Fault, FileName, Lane, Request, Response, perform},
    units::{ConnId, Instant, Lsn, OpId, Tag, Timestamp},
};

use crate::{memory_disk::MemoryDisk, requests, truth::Truth};

/// More turns without a rest than any world here needs: an endless loop.
const TURNS_MAX: usize = 5_000;

/// The connection of [`World::send`].
const OWN: ConnId = ConnId(1);

/// Segments small enough that a few batches fill one; groups that soon come together, and commits that soon expire.
#[must_use]
pub fn small(segment_bytes: u32) -> Config {
    let mut config = Config {
        segment_bytes,
        cache_bytes: 4 << 10,
        group_initial_rebalance_delay: Duration::from_millis(5),
        offsets_retention: Duration::from_secs(600),
        ..Config::default()
    };
    config.message_bytes_max = config.message_bytes_bound();
    config
}

/// A broker and its world.
#[derive(Debug)]
pub struct World {
    /// The broker.
    pub broker: Broker,
    /// Its disk.
    pub disk: MemoryDisk,
    /// The log as it was written; `None`: it is not taken down.
    pub truth: Option<Truth>,
    /// Everything below was durable by the word of some broker of this world.
    pub durable: Lsn,
    /// Whether clients are served.
    pub serving: bool,
    /// Whether it stopped in order.
    pub stopped: bool,
    /// Why it refused or halted.
    pub fault: Option<Fault>,
    /// What it told the operator.
    pub notices: Vec<String>,
    /// While true, log writes wait, and what is produced gathers.
    pub hold_log: bool,
    held: VecDeque<(OpId, DiskRequest)>,
    replies: Vec<(ConnId, Tag, Response)>,
    closed: Vec<ConnId>,
    config: Config,
    now: Now,
    deadline: Option<Instant>,
    next_tag: u64,
    boots: u64,
}

impl World {
    /// Boots on what the disk holds.
    #[must_use]
    pub fn boot(disk: MemoryDisk, config: Config, truth: Option<Truth>) -> World {
        let mut effects = Vec::new();
        let broker = Broker::boot(config.clone(), 1, &mut effects);
        let mut world = World {
            broker,
            disk,
            truth,
            durable: Lsn(0),
            serving: false,
            stopped: false,
            fault: None,
            notices: Vec::new(),
            hold_log: false,
            held: VecDeque::new(),
            replies: Vec::new(),
            closed: Vec::new(),
            config,
            now: Now { mono: Instant(0), wall: Timestamp(1_700_000_000_000) },
            deadline: None,
            next_tag: 0,
            boots: 1,
        };
        let events = world.carry_out(effects);
        world.feed(events);
        world
    }

    /// The configuration.
    #[must_use]
    pub fn config(&self) -> &Config {
        &self.config
    }

    /// A new process on the same disk: whatever the old one was about to do is not done.
    pub fn reboot(&mut self) {
        self.boots += 1;
        let mut effects = Vec::new();
        self.broker = Broker::boot(self.config.clone(), self.boots, &mut effects);
        (self.serving, self.stopped, self.fault) = (false, false, None);
        (self.hold_log, self.deadline) = (false, None);
        self.held.clear();
        self.replies.clear();
        self.closed.clear();
        self.notices.clear();
        let events = self.carry_out(effects);
        self.feed(events);
    }

    fn carry_out(&mut self, effects: Vec<Effect>) -> Vec<Event> {
        let mut events = Vec::new();
        for effect in effects {
            match effect {
                Effect::Reply(conn, tag, response) => self.replies.push((conn, tag, *response)),
                Effect::Close(conn) => self.closed.push(conn),
                Effect::Disk(op, request) if self.hold_log && request.lane == Lane::Log => {
                    self.held.push_back((op, request));
                }
                Effect::Disk(op, request) => events.extend(self.run(op, &request)),
                Effect::Notice(notice) => self.notices.push(notice.text),
                Effect::Serve => self.serving = true,
                Effect::Object(..) => unreachable!("there is no object store"),
                Effect::Stopped { .. } => self.stopped = true,
                Effect::Halt(fault) => self.fault = Some(fault),
            }
        }
        events
    }

    /// Runs a script. `None`: the process died in it.
    fn run(&mut self, op: OpId, request: &DiskRequest) -> Option<Event> {
        if self.disk.crashed() {
            return None;
        }
        for step in &request.steps {
            if let DiskStep::Write { file: FileName::Segment(_) | FileName::SegmentDraft(_), data, .. } = step
                && let Some(truth) = &mut self.truth
            {
                truth.written(&data.concat(), self.durable);
            }
        }
        let result = perform(&self.disk, &request.steps);
        (!self.disk.crashed()).then_some(Event::Disk(op, result))
    }

    /// Turns until the world is quiet, or the process dead.
    ///
    /// # Panics
    /// It never gets quiet.
    pub fn feed(&mut self, mut events: Vec<Event>) {
        for _ in 0..TURNS_MAX {
            if self.disk.crashed() {
                return;
            }
            self.now.mono = Instant(self.now.mono.0 + 10);
            let mut effects = Vec::new();
            self.deadline = self.broker.turn(self.now, &mut events, &mut effects);
            if let Some(durable) = self.broker.durable() {
                assert!(durable >= self.durable, "what is durable never shrinks");
                self.durable = durable;
            }
            events = self.carry_out(effects);
            if events.is_empty() {
                return;
            }
        }
        panic!("no rest after {TURNS_MAX} turns");
    }

    /// Lets time pass, timers included.
    pub fn pass(&mut self, time: Duration) {
        let end = self.now.mono.after(time);
        let mut timers = 0;
        while let Some(deadline) = self.deadline
            && deadline <= end
            && !self.disk.crashed()
        {
            self.now.mono = self.now.mono.max(deadline);
            self.feed(Vec::new());
            timers += 1;
            assert!(timers < TURNS_MAX, "a deadline that is always in the past");
        }
        self.now.mono = self.now.mono.max(end);
        self.now.wall = Timestamp(self.now.wall.0 + i64::try_from(time.as_millis()).expect("short"));
    }

    /// Completes the held log writes.
    pub fn release_log(&mut self) {
        self.hold_log = false;
        while let Some((op, request)) = self.held.pop_front() {
            let done = self.run(op, &request);
            self.feed(done.into_iter().collect());
        }
    }

    /// Sends a request.
    pub fn send(&mut self, request: Request) -> Tag {
        let tag = Tag(self.next_tag);
        self.next_tag += 1;
        self.submit(OWN, tag, requests::version(&request), request);
        tag
    }

    /// Sends a request as some connection.
    pub fn submit(&mut self, conn: ConnId, tag: Tag, version: i16, request: Request) {
        let event = ClientEvent::Request { tag, version, request: Box::new(request) };
        self.feed(vec![Event::Client(conn, event)]);
    }

    /// The answer, if it has come.
    pub fn reply(&mut self, tag: Tag) -> Option<Response> {
        let at = self.replies.iter().position(|(conn, known, _)| (*conn, *known) == (OWN, tag))?;
        Some(self.replies.swap_remove(at).2)
    }

    /// Answers to this connection that were not taken yet, in the order in which they came.
    pub fn take_replies(&mut self, to: ConnId) -> Vec<(Tag, Response)> {
        let (its, others) =
            std::mem::take(&mut self.replies).into_iter().partition(|(conn, _, _)| *conn == to);
        self.replies = others;
        let its: Vec<(ConnId, Tag, Response)> = its;
        its.into_iter().map(|(_, tag, response)| (tag, response)).collect()
    }

    /// Whether the broker wants this connection closed.
    #[must_use]
    pub fn is_closed(&self, conn: ConnId) -> bool {
        self.closed.contains(&conn)
    }

    /// Sends a request to a broker at rest, which answers at once.
    ///
    /// # Panics
    /// There is no answer.
    pub fn ask(&mut self, request: Request) -> Response {
        let tag = self.send(request);
        self.reply(tag).expect("a broker at rest answers at once")
    }

    /// Asks for a stop in order.
    pub fn stop(&mut self) {
        self.release_log();
        self.feed(vec![Event::Stop]);
    }
}
