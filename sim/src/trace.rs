//! What happened, one scene after the other, for people and for tools: when, on which lane, of what kind, and which batches,
//! bytes and connections it was about. A trace is kept only when somebody asks; it does not enter the hash of a run.

use core::fmt;

use evenkeel_core::port::FileName;

use crate::{
    json::{self, Object},
    ledger::OpNumber,
};

/// Whose line of the picture a scene belongs to.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord)]
pub enum Lane {
    /// The broker's process, and the machine it runs on.
    #[default]
    Broker,
    /// Its disk.
    Disk,
    /// A client and its connections.
    Client(usize),
    /// Who checks the promises.
    Oracle,
}

impl fmt::Display for Lane {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Lane::Broker => f.write_str("broker"),
            Lane::Disk => f.write_str("disk"),
            Lane::Client(at) => write!(f, "client {at}"),
            Lane::Oracle => f.write_str("oracle"),
        }
    }
}

/// What kind of thing happened.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Kind {
    /// A client is introduced.
    Cast,
    /// A process starts.
    Start,
    /// It serves.
    Serve,
    /// It stopped in order.
    Stopped,
    /// It ended with a fault of its own.
    Halt,
    /// The broker takes its events.
    Turn,
    /// The broker says something to its operator.
    Notice,
    /// A client asks.
    Ask,
    /// A question reaches the broker.
    Arrive,
    /// The broker answers.
    Answer,
    /// An answer reaches its client.
    Hear,
    /// A connection breaks.
    Break,
    /// A step of disk work that changes nothing for good or for ill: reads, lists, names.
    #[default]
    Step,
    /// Bytes are written, or room is made for them.
    Write,
    /// Bytes, or names, are made durable.
    Sync,
    /// A file comes to be.
    Create,
    /// A file gets another name.
    Rename,
    /// A file goes.
    Remove,
    /// The disk does something wrong.
    Fault,
    /// A sync fails, and what it should have brought to the media is marked clean all the same.
    SyncFault,
    /// The disk is full, or has room again.
    Full,
    /// An orderly stop is asked for.
    Stop,
    /// The process is killed.
    Kill,
    /// The power fails.
    Power,
    /// Something else happened to the machine.
    Machine,
    /// Faults stop.
    Calm,
    /// A promise is checked.
    Check,
    /// Everything is as promised.
    Fine,
    /// A promise is broken.
    Violation,
}

impl Kind {
    /// Its name in a trace.
    #[must_use]
    pub fn name(self) -> &'static str {
        match self {
            Kind::Cast => "cast",
            Kind::Start => "start",
            Kind::Serve => "serve",
            Kind::Stopped => "stopped",
            Kind::Halt => "halt",
            Kind::Turn => "turn",
            Kind::Notice => "notice",
            Kind::Ask => "ask",
            Kind::Arrive => "arrive",
            Kind::Answer => "answer",
            Kind::Hear => "hear",
            Kind::Break => "break",
            Kind::Step => "step",
            Kind::Write => "write",
            Kind::Sync => "sync",
            Kind::Create => "create",
            Kind::Rename => "rename",
            Kind::Remove => "remove",
            Kind::Fault => "fault",
            Kind::SyncFault => "sync-fault",
            Kind::Full => "full",
            Kind::Stop => "stop",
            Kind::Kill => "kill",
            Kind::Power => "power",
            Kind::Machine => "machine",
            Kind::Calm => "calm",
            Kind::Check => "check",
            Kind::Fine => "fine",
            Kind::Violation => "violation",
        }
    }

    /// Whether the world does it to the broker.
    #[must_use]
    pub fn is_fault(self) -> bool {
        matches!(
            self,
            Kind::Break
                | Kind::Fault
                | Kind::SyncFault
                | Kind::Full
                | Kind::Stop
                | Kind::Kill
                | Kind::Power
                | Kind::Machine
        )
    }
}

/// A batch at an offset, as somebody tells of it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Place {
    /// The batch.
    pub op: Option<OpNumber>,
    /// The partition, by name.
    pub partition: String,
    /// First offset.
    pub offset: i64,
}

/// Bytes of a file.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Extent {
    /// Which file.
    pub file: FileName,
    /// First byte.
    pub position: u64,
    /// How many.
    pub bytes: u64,
}

/// One thing that happened.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Scene {
    /// Microseconds since the beginning.
    pub micros: u64,
    /// Whose line it belongs to.
    pub lane: Lane,
    /// What kind of thing.
    pub kind: Kind,
    /// In words.
    pub text: String,
    /// The connection and the question on it.
    pub question: Option<(u64, u64)>,
    /// Batches that it is about.
    pub ops: Vec<OpNumber>,
    /// Batches that somebody is told to be, or finds, at an offset.
    pub places: Vec<Place>,
    /// Batches that are gone with it.
    pub lost: Vec<OpNumber>,
    /// The topic that comes or goes with it.
    pub topic: Option<String>,
    /// Bytes on the disk.
    pub extent: Option<Extent>,
    /// Another file: the new name.
    pub renamed: Option<FileName>,
    /// Log sequence numbers that are written, `upto` exclusive; or up to where the log is durable, twice.
    pub lsns: Option<(u64, u64)>,
    /// Number of the process.
    pub process: Option<u64>,
    /// It went wrong.
    pub failed: bool,
}

impl From<String> for Scene {
    fn from(text: String) -> Scene {
        Scene { text, ..Scene::default() }
    }
}

impl Scene {
    /// A scene of that kind on that lane.
    #[must_use]
    pub fn new(lane: Lane, kind: Kind, text: impl Into<String>) -> Scene {
        Scene { lane, kind, text: text.into(), ..Scene::default() }
    }

    /// One line for people.
    #[must_use]
    pub fn line(&self) -> String {
        format!("{:>10}.{:03} ms  {}", self.micros / 1000, self.micros % 1000, self.text)
    }

    /// One line for tools. The order of the fields is always the same; what does not apply is left out.
    #[must_use]
    pub fn json(&self) -> String {
        let numbers = |ops: &[OpNumber]| json::array(ops.iter().map(|op| op.0.to_string()));
        let mut object = Object::default()
            .number("us", self.micros)
            .text("lane", &self.lane.to_string())
            .text("kind", self.kind.name())
            .text("text", &self.text)
            .maybe("conn", self.question.map(|(conn, _)| conn))
            .maybe("tag", self.question.map(|(_, tag)| tag))
            .maybe("process", self.process);
        if !self.ops.is_empty() {
            object = object.with("ops", &numbers(&self.ops));
        }
        if !self.places.is_empty() {
            let place = |place: &Place| {
                Object::default()
                    .maybe("op", place.op.map(|op| op.0))
                    .text("partition", &place.partition)
                    .number("offset", place.offset)
                    .done()
            };
            object = object.with("places", &json::array(self.places.iter().map(place)));
        }
        if !self.lost.is_empty() {
            object = object.with("lost", &numbers(&self.lost));
        }
        if let Some(topic) = &self.topic {
            object = object.text("topic", topic);
        }
        if let Some(Extent { file, position, bytes }) = self.extent {
            object =
                object.text("file", &file.to_string()).number("position", position).number("bytes", bytes);
        }
        if let Some(file) = self.renamed {
            object = object.text("to", &file.to_string());
        }
        object = object.maybe("lsn", self.lsns.map(|(first, _)| first));
        object = object.maybe("upto", self.lsns.map(|(_, upto)| upto));
        if self.failed { object.with("failed", "true").done() } else { object.done() }
    }
}
