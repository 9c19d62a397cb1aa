//! One run: a broker, its disk, its clients and the faults between them, in one loop over events in simulated time.
//!
//! The world is a value: it can be copied at any moment, and the copy goes on by itself. Everything in it follows from
//! the seed.

mod courier;
mod cuts;
mod detection;
mod disaster;
mod fairness;
mod faults;
mod fork;
mod idle;
mod loss;
mod network;
mod node;
mod oracle;
mod over_budget;
mod queue;
mod risk;
mod salts;
mod sample;
mod scenes;
mod whole;
mod witness;

pub(crate) use courier::{come_true, no_answer};
pub(crate) use scenes::{brief, brief_step};

use std::{
    collections::BTreeMap,
    panic::{AssertUnwindSafe, catch_unwind},
};

use evenkeel_core::{
    port::{ClientEvent, Now, Response},
    store::ObjectName,
    units::{ConnId, Instant, OpId, Tag, Timestamp},
};

use crate::{
    client::{Client, Desk},
    dice::Dice,
    disk::SimDisk,
    ledger::{Ledger, Retention, WALL_BEGIN_MS},
    mutant::{self, Mutant},
    script::{Fork, Script, Watch},
    shape::Shape,
    story::Story,
    tape::{Choices, Source},
    trace::{Kind, Lane, Scene},
    violation::{Verdict, Violation, broken},
    world::{
        courier::Call, cuts::CutLedger, disaster::Disasters, faults::Plan, network::Conn, node::Node,
        queue::Queue, risk::Risk,
    },
};

/// Simulated time within which everything must be answered once the faults have stopped.
const LIVENESS_MICROS: u64 = 120_000_000;
/// Simulated time after which a run is considered to make no progress.
const RUN_MICROS_MAX: u64 = 3_600_000_000;
/// Events after which a run is considered to go in circles.
const EVENTS_MAX: u64 = 2_000_000;

/// Something that is going to happen.
#[derive(Clone, Debug)]
enum Happening {
    /// A client does what it wants to do.
    Act(usize),
    /// A message reaches the broker.
    Deliver(ConnId, ClientEvent),
    /// An answer reaches a client.
    Answer(ConnId, Tag, Box<Response>),
    /// A client notices that its connection is gone.
    Hangup(ConnId),
    /// The broker takes its events, or a deadline has come.
    Turn,
    /// The step of disk work that is under way ends.
    Step(OpId),
    /// The machine starts the broker.
    Boot,
    /// A planned crash.
    Crash,
    /// The disk fills up, or has room again.
    Full(bool),
    /// The object store does what was asked.
    CallDone(u64),
    /// The object store answers, or the broker gives up waiting.
    CallAnswered(u64),
    /// The object store is away, or back.
    StoreDown(bool),
}

/// Marks of what is done to the broker. A client that gives up waiting resets its connection, which counts.
pub const FAULTS: [&str; 14] = [
    "another size of segments",
    "connection reset",
    "crash",
    "crash in recovery",
    "disk fault",
    "disk full or free again",
    "disk hangs",
    "disk lost for good",
    "power loss",
    "process stands still",
    "stop asked for",
    "store away or back",
    "store fails",
    "wall clock leaps",
];

/// What a run came to.
#[derive(Clone, Debug)]
pub struct Outcome {
    /// What was broken, if anything.
    pub violation: Option<Violation>,
    /// The hash over all events.
    pub digest: String,
    /// Number of events.
    pub events: u64,
    /// What happened, if it was wanted.
    pub scenes: Vec<Scene>,
    /// The choices that were made, if they were wanted.
    pub choices: Choices,
    /// The disk at the end, and the one on which the promise was found broken, if scenes were wanted.
    pub disk: Option<SimDisk>,
    /// See [`Outcome::disk`].
    pub checked_disk: Option<SimDisk>,
    /// Questions that each client asked.
    pub asked: BTreeMap<usize, u64>,
    /// Simulated time.
    pub micros: u64,
    /// The hash over all events after each step of the world, if it was wanted.
    pub trail: Vec<(u64, String)>,
    /// What was done, by name.
    pub marks: BTreeMap<&'static str, u64>,
}

impl Outcome {
    /// What happened, for people.
    pub fn lines(&self) -> impl Iterator<Item = String> {
        self.scenes.iter().map(Scene::line)
    }
}

/// What the oracle looks at, for those who look over its shoulder.
#[derive(Clone, Debug)]
struct Exhibit {
    disk: SimDisk,
    what: String,
}

/// The world.
#[derive(Clone, Debug)]
pub struct World {
    seed: u64,
    shape: Shape,
    mutant: Option<Mutant>,
    now: u64,
    /// What the wall clock is ahead of the simulated time, in milliseconds.
    wall_ahead_ms: i64,
    /// What will happen, and in the time of which process it was planned.
    queue: Queue<(u64, Happening)>,
    disk: SimDisk,
    node: Node,
    clients: Vec<Client>,
    conns: BTreeMap<ConnId, Conn>,
    next_conn: u64,
    ledger: Ledger,
    operations_left: u64,
    next_op: u64,
    plan: Plan,
    room: Option<u64>,
    /// Requests to the object store.
    calls: BTreeMap<u64, Call>,
    next_call: u64,
    store_down: bool,
    /// How long they take, and what becomes of them.
    courier: Dice,
    /// What was promised when the cut under way was begun, and each cut before it, by the name of its state.
    cut_begun: Option<CutLedger>,
    cuts: BTreeMap<ObjectName, CutLedger>,
    /// What the process said last about a loss of its disk.
    risk: Option<Risk>,
    /// Nothing was promised.
    blank: Ledger,
    /// Faults have stopped; what is open is brought to its end.
    winding_down: bool,
    latency: Dice,
    network: Dice,
    oracle: Dice,
    faults: Dice,
    /// When the disk hangs and the process stands still.
    weather: Dice,
    /// Damage beyond all promises.
    lies: Dice,
    /// What is asked about stops, and about the time that the store takes.
    eyes: Dice,
    /// The last group of the log must have a younger witness: see `witness.rs`.
    witness_owed: bool,
    /// What the disk once was.
    older: Vec<SimDisk>,
    disasters: Disasters,
    first_segment_bytes: u32,
    /// What the process before knew, if all of it was durable.
    state_before: Option<Vec<u8>>,
    source: Source,
    /// Times that the disk's faults were set: each has its own domain of choices.
    armed: u64,
    events_max: u64,
    gave_up: bool,
    exhibit: Option<Exhibit>,
    asked: BTreeMap<usize, u64>,
    story: Story,
    trail: Option<Vec<(u64, String)>>,
    happened: u64,
    /// When everything that is open must have come to its end.
    deadline: u64,
    /// Steps from which on choices are others.
    forks: Vec<Fork>,
    /// Whether somebody wants to know which marks of the core are come by, and those of the last step.
    follows_marks: bool,
    recent_marks: Vec<u16>,
    marks: BTreeMap<&'static str, u64>,
}

impl World {
    /// A world before its first event.
    #[must_use]
    pub fn of(script: &Script, watch: Watch) -> World {
        let Script { seed, mut shape, mutant, choices, forks } = script.clone();
        shape.configure();
        let source = Source::new(seed, choices, watch.choices);
        let mut faults = source.dice("faults");
        let disk = SimDisk::default();
        let mut world = World {
            seed,
            mutant,
            now: 1_000,
            wall_ahead_ms: WALL_BEGIN_MS,
            queue: Queue::default(),
            node: Node::default(),
            clients: Client::cast(&source, &shape),
            conns: BTreeMap::new(),
            next_conn: 0,
            ledger: Ledger::default(),
            operations_left: shape.operations,
            next_op: 0,
            plan: Plan::draw(&shape, &mut faults),
            room: None,
            calls: BTreeMap::new(),
            next_call: 0,
            store_down: false,
            courier: source.dice("courier"),
            cut_begun: None,
            cuts: BTreeMap::new(),
            risk: None,
            blank: Ledger::default(),
            winding_down: false,
            latency: source.dice("latency"),
            network: source.dice("network"),
            oracle: source.dice("oracle"),
            faults,
            weather: source.dice("weather"),
            lies: source.dice("lies"),
            eyes: source.dice("eyes"),
            witness_owed: false,
            older: Vec::new(),
            disasters: Disasters::new(source.dice("disasters")),
            first_segment_bytes: shape.config.segment_bytes,
            state_before: None,
            source,
            armed: 0,
            events_max: watch.events_max.unwrap_or(EVENTS_MAX),
            gave_up: false,
            exhibit: None,
            asked: BTreeMap::new(),
            story: Story::new(watch.scenes),
            trail: None,
            happened: 0,
            deadline: u64::MAX,
            forks,
            follows_marks: false,
            recent_marks: Vec::new(),
            marks: BTreeMap::new(),
            disk,
            shape,
        };
        world.ledger.retention = Retention {
            millis: i64::try_from(world.shape.retention_millis).ok().filter(|millis| *millis > 0),
            bytes: world.shape.config.retention_bytes,
        };
        world.blank.retention = world.ledger.retention;
        world.ledger.disk_fails = world.shape.disk_fails() || world.shape.store_fails();
        world.arm();
        world.after(0, Happening::Boot);
        for client in 0..world.clients.len() {
            world.after(client as u64 * 100, Happening::Act(client));
        }
        world
    }

    /// Keeps the hash after each step, for those who compare two runs.
    pub fn keep_trail(&mut self) {
        self.trail = Some(Vec::new());
    }

    /// Runs to the end. A panic is a violation like any other.
    #[must_use]
    pub fn run(self) -> Outcome {
        self.run_watched(&mut |_| {})
    }

    fn run_watched(mut self, see: &mut dyn FnMut(&World)) -> Outcome {
        mutant::plant(self.mutant);
        if self.happened == 0 {
            self.introduce();
        }
        let lived = catch_unwind(AssertUnwindSafe(|| self.live(see)));
        let violation = lived.unwrap_or_else(|panic| broken("panic", words_of(&*panic))).err();
        if let Some(violation) = &violation {
            self.show(violation);
        }
        let looked_at = self.story.is_wanted();
        Outcome {
            violation: violation.filter(|_| !self.gave_up),
            digest: self.story.digest().to_string(),
            events: self.story.events(),
            scenes: self.story.take_scenes(),
            choices: self.source.recorded(),
            disk: looked_at.then(|| self.disk.without_faults()),
            checked_disk: self.exhibit.map(|exhibit| exhibit.disk),
            asked: self.asked,
            micros: self.now,
            trail: self.trail.unwrap_or_default(),
            marks: self.marks,
        }
    }

    fn live(&mut self, see: &mut dyn FnMut(&World)) -> Verdict {
        while let Some((at, (incarnation, happening))) = self.queue.next() {
            self.now = at;
            self.ledger.now = at;
            self.plan_crash();
            if !self.winding_down && self.operations_left == 0 && self.plan.is_over() {
                self.wind_down();
                self.deadline = self.now.max(self.ledger.slow_until) + LIVENESS_MICROS;
            }
            self.happen(incarnation, happening)?;
            self.sample_state();
            see(self);
            self.recent_marks.clear();
            self.fork_where_asked();
            if self.winding_down && self.is_quiet() {
                return self.check_the_end();
            }
            if at > self.deadline.min(RUN_MICROS_MAX) || self.story.events() > self.events_max {
                self.gave_up = self.events_max < EVENTS_MAX && self.story.events() > self.events_max;
                let only_groups =
                    |client: &Client| client.is_idle(&self.ledger) || client.is_unsettled(&self.ledger);
                let unsettled = self.node.is_quiet() && self.clients.iter().all(only_groups);
                return broken(if unsettled { "unsettled" } else { "stuck" }, self.describe_open());
            }
        }
        broken("stuck", "nothing will ever happen again")
    }

    fn happen(&mut self, incarnation: u64, happening: Happening) -> Verdict {
        let current = incarnation == self.node.incarnation;
        match happening {
            Happening::Act(client) => self.act(client),
            Happening::Answer(conn, tag, response) => self.answer(conn, tag, &response),
            Happening::Hangup(conn) => {
                self.hang_up(conn);
                Ok(())
            }
            Happening::Boot => self.boot(),
            Happening::Crash => self.crash(),
            Happening::Full(full) => {
                self.fill(full);
                Ok(())
            }
            Happening::CallDone(number) => self.call_done(number),
            Happening::CallAnswered(number) => self.call_answered(number),
            Happening::StoreDown(down) => {
                self.store_goes(down);
                Ok(())
            }
            Happening::Deliver(conn, event) if current => {
                self.deliver(conn, event);
                Ok(())
            }
            Happening::Turn if current => self.turn(),
            Happening::Step(op) if current => self.step_done(op),
            // Of a process that is gone.
            Happening::Deliver(..) | Happening::Turn | Happening::Step(_) => Ok(()),
        }
    }

    fn after(&mut self, micros: u64, happening: Happening) {
        self.at(self.now + micros, happening);
    }

    fn at(&mut self, at: u64, happening: Happening) {
        self.queue.plan(at.max(self.now), (self.node.incarnation, happening));
    }

    fn tell<T: Into<Scene>>(&mut self, marks: &[u64], scene: impl FnOnce() -> T) {
        self.story.tell(self.now, marks, scene);
    }

    fn note<T: Into<Scene>>(&mut self, scene: impl FnOnce() -> T) {
        self.story.note(self.now, scene);
    }

    fn mark(&mut self, name: &'static str) {
        *self.marks.entry(name).or_default() += 1;
    }

    fn time(&self) -> Now {
        let wall = self.wall_ahead_ms + i64::try_from(self.now / 1000).expect("a run is short");
        Now { mono: Instant(self.now), wall: Timestamp(wall) }
    }

    fn with_client<T>(&mut self, client: usize, act: impl FnOnce(&mut Client, &mut Desk<'_>) -> T) -> T {
        let mut nothing_more = 0;
        let mut desk = Desk {
            ledger: &mut self.ledger,
            shape: &self.shape,
            now: self.now,
            operations_left: if self.winding_down { &mut nothing_more } else { &mut self.operations_left },
            next_op: &mut self.next_op,
        };
        act(&mut self.clients[client], &mut desk)
    }

    /// Faults stop. What is dead is started again; what is open is brought to its end.
    fn wind_down(&mut self) {
        self.winding_down = true;
        self.disk.calm();
        self.store_down = false;
        self.plan.stop();
        self.tell(&[90], || {
            Scene::new(Lane::Broker, Kind::Calm, "faults stop; what is open is brought to its end")
        });
    }

    fn is_quiet(&self) -> bool {
        // Asked after each event of the end: the question that is quickly answered comes first.
        self.node.is_quiet()
            && self.clients.iter().all(Client::has_heard_all)
            && self.clients.iter().all(|client| client.is_idle(&self.ledger))
    }

    fn describe_open(&self) -> String {
        let open: Vec<_> = self
            .clients
            .iter()
            .enumerate()
            .filter(|(_, client)| !client.is_idle(&self.ledger))
            .map(|(at, client)| format!("{} {at}", client.name()))
            .collect();
        format!("still open after the faults stopped: {}; {}", open.join(", "), self.node.describe())
    }
}

fn words_of(panic: &(dyn core::any::Any + Send)) -> String {
    let text = panic.downcast_ref::<String>().cloned();
    text.or_else(|| panic.downcast_ref::<&str>().map(|text| (*text).to_string())).unwrap_or_default()
}
