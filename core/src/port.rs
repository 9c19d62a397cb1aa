//! The boundary: everything the brain is told ([`Event`]) and everything it asks for ([`Effect`]).
//!
//! Effects are plain data: no closures, senders or wakers, so a record of `(now, events)` replays a run.
//! Three kinds of completion, chosen by nature: connections answer to `(ConnId, Tag)`, unordered disk work to
//! an [`OpId`] that is never reused and completes exactly once, failure included, and the log keeps its own
//! order by having one write in flight.

mod client;
mod disk;
mod notice;
mod object;

use alloc::{boxed::Box, string::String};

pub use client::{
    AdminRequest, AdminResponse, ClientEvent, FetchAnswer, FetchedPartition, FetchedTopic, FoundOffset,
    GroupRequest, GroupResponse, JoinIntake, ListOffsetsAnswer, ListedPartition, ListedTopic, ProduceIntake,
    ProducePartition, ProduceTopic, Request, Response,
};
pub use disk::{
    BatchAt, Disk, DiskError, DiskErrorKind, DiskReply, DiskRequest, DiskResult, DiskStep, FileEntry,
    FileName, Lane, Space, perform,
};
pub use notice::{Level, Notice};
pub use object::{
    ObjectEntry, ObjectError, ObjectErrorKind, ObjectKind, ObjectReply, ObjectRequest, ObjectResult,
    ObjectStore, ReadBatches,
};

use crate::units::{ConnId, Instant, OpId, Tag, Timestamp};

/// The time at which a turn happens, passed in.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Now {
    /// Monotonic: deadlines and durations.
    pub mono: Instant,
    /// Wall clock: what clients see and what is stored. May leap.
    pub wall: Timestamp,
}

/// Something that happened in the world.
#[derive(Clone, Debug, PartialEq)]
pub enum Event {
    /// From a client connection.
    Client(ConnId, ClientEvent),
    /// A [`DiskRequest`] has come to its end.
    Disk(OpId, DiskResult),
    /// An [`ObjectRequest`] has come to its end.
    Object(OpId, ObjectResult),
    /// A graceful stop is asked for. Asking again changes nothing.
    Stop,
}

/// Something the brain wants done in the world.
#[derive(Clone, Debug, PartialEq)]
pub enum Effect {
    /// Answer a request. What it tells is durable.
    Reply(ConnId, Tag, Box<Response>),
    /// Close a connection without an answer.
    Close(ConnId),
    /// Carry out disk work. Completes with [`Event::Disk`] and the same id.
    Disk(OpId, DiskRequest),
    /// Ask the object store. Completes with [`Event::Object`] and the same id.
    Object(OpId, Box<ObjectRequest>),
    /// Tell the operator.
    Notice(Notice),
    /// Recovery is done: accept clients.
    Serve,
    /// The stop that was asked for is complete: everything is durable and the log is closed.
    Stopped {
        /// Whether something of it is not in the object store, if there is one; a notice says what.
        unstored: bool,
    },
    /// End the process at once, without any further write. The next start recovers.
    Halt(Fault),
}

/// Why the broker ends itself or refuses to start. Never carries on from one.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Fault {
    /// A log write or sync failed. What it held is not acknowledged; nothing later can be trusted to this process.
    LogWrite(DiskError),
    /// Another process has taken over this cluster's object store. Whatever this one would still acknowledge would be lost.
    Deposed(String),
    /// Start refused, with everything an operator needs to decide.
    Refused(crate::log::Refusal),
}
