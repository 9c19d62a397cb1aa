//! What a sub-machine is handed for one turn: the time, the place for effects, and the tables of pending work.

use alloc::{boxed::Box, collections::BTreeMap, vec::Vec};

use crate::{
    limits::{STORE_RETRY_MAX, STORE_RETRY_MIN},
    log::recovery::RecoveryOp,
    port::{DiskRequest, Effect, Notice, Now, ObjectRequest},
    random::Random,
    units::{Instant, Lsn, OpId, SegmentSequence},
};

/// Handed down for the length of one turn. Holds no state of its own.
#[derive(Debug)]
pub struct Turn<'a> {
    /// The time of this turn.
    pub now: Now,
    /// What is to be done.
    pub effects: &'a mut Vec<Effect>,
    /// Pending operations and timers.
    pub work: &'a mut Work,
}

/// Who waits for an operation.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Purpose {
    /// A step of recovery.
    Recovery(RecoveryOp),
    /// The log write in flight.
    LogWrite,
    /// A segment being prepared.
    Spare(SegmentSequence),
    /// A checkpoint of the state at that LSN.
    Checkpoint(Lsn),
    /// Removal of checkpoints that newer ones replace.
    OldCheckpoints,
    /// Removal of the segments in front of this one.
    Trim(SegmentSequence),
    /// A read for a fetch.
    FetchRead {
        /// The fetch.
        job: u64,
        /// Which of its reads.
        read: usize,
    },
    /// A read for a lookup by time.
    LookupRead {
        /// The lookup.
        job: u64,
        /// Which of its reads.
        read: usize,
    },
    /// A read of the object store for a fetch.
    FetchStored {
        /// The fetch.
        job: u64,
        /// Which of its reads.
        read: usize,
    },
    /// A read of the object store for a lookup by time.
    LookupStored {
        /// The lookup.
        job: u64,
        /// Which of its reads.
        read: usize,
    },
    /// A step of a restore from the object store.
    Restore(RestoreOp),
    /// A step towards the next cut.
    Cut(CutOp),
    /// Batches for the object with that number, out of the log.
    CutRead(u32),
    /// A look at how much room there is, for whoever asked with that number.
    Space(u64),
}

/// A step of a restore that the object store works on.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum RestoreOp {
    /// Looking for the newest manifest.
    Manifest,
    /// Reading the state.
    State,
    /// Reading an index.
    Index,
}

/// A step towards a cut that the object store works on.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum CutOp {
    /// Looking for the newest manifest.
    Manifest,
    /// Reading an index.
    Index,
    /// Taking the epoch.
    Claim,
    /// Looking whether there are manifests behind that one.
    ConfirmClaim,
    /// Writing the object with that number.
    Upload(u32),
    /// Writing the manifest.
    Commit,
    /// Looking whose manifest that is.
    Look,
    /// Looking whether there are manifests behind it.
    Confirm,
    /// Reading an index that is to be written anew.
    Reread,
    /// Reading an object that is to be merged with others.
    MergeRead,
    /// Removing an object that nothing refers to.
    Remove,
    /// Looking for what earlier processes left.
    Leftovers,
}

/// What is to happen at a time.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Timer {
    /// Write the evidence of the last sync, if still idle.
    Marker,
    /// Try again to prepare a segment.
    Spare,
    /// A parked fetch has waited long enough.
    Fetch(u64),
    /// Look for producers to expire.
    ProducerExpiry,
    /// A group has something to do at a time.
    Group(u64),
    /// Look for committed offsets to expire.
    OffsetExpiry,
    /// Look for records that their topics keep no longer.
    Retention,
    /// Ask the object store again, during a restore.
    Restore,
    /// Something is due about cuts.
    Cut,
}

/// Pending operations, timers and the generator.
#[derive(Clone, Debug)]
pub struct Work {
    next_op: u64,
    pending: BTreeMap<OpId, Purpose>,
    timers: BTreeMap<(Instant, Timer), ()>,
    /// For ids, salts and jitter.
    pub random: Random,
}

impl Work {
    /// Nothing pending.
    #[must_use]
    pub fn new(seed: u64) -> Work {
        Work { next_op: 0, pending: BTreeMap::new(), timers: BTreeMap::new(), random: Random::new(seed) }
    }

    /// Who waited for that operation. Each completes exactly once.
    pub fn complete(&mut self, op: OpId) -> Option<Purpose> {
        self.pending.remove(&op)
    }

    /// Number of operations under way.
    #[must_use]
    pub fn pending(&self) -> usize {
        self.pending.len()
    }

    /// The next timer that is due, taken out.
    pub fn due(&mut self, now: Instant) -> Option<Timer> {
        let (&(at, timer), ()) = self.timers.first_key_value()?;
        if at > now {
            return None;
        }
        self.timers.remove(&(at, timer));
        Some(timer)
    }

    /// When the next timer is due.
    #[must_use]
    pub fn next_deadline(&self) -> Option<Instant> {
        self.timers.first_key_value().map(|(&(at, _), ())| at)
    }
}

impl Turn<'_> {
    /// Asks the disk for something.
    pub fn disk(&mut self, purpose: Purpose, request: DiskRequest) {
        let op = OpId(self.work.next_op);
        self.work.next_op += 1;
        self.work.pending.insert(op, purpose);
        self.effects.push(Effect::Disk(op, request));
    }

    /// Asks the object store for something.
    pub fn object(&mut self, purpose: Purpose, request: ObjectRequest) {
        let op = OpId(self.work.next_op);
        self.work.next_op += 1;
        self.work.pending.insert(op, purpose);
        self.effects.push(Effect::Object(op, Box::new(request)));
    }

    /// How long to wait before that attempt at something that failed, the first being 1: doubled each time, with jitter.
    pub fn backoff(&mut self, attempt: u32) -> core::time::Duration {
        let longest =
            STORE_RETRY_MIN.saturating_mul(1 << attempt.saturating_sub(1).min(16)).min(STORE_RETRY_MAX);
        let half = u64::try_from(longest.as_micros() / 2).expect("some seconds");
        core::time::Duration::from_micros(half + self.work.random.bits() % (half + 1))
    }

    /// Sets a timer.
    pub fn at(&mut self, when: Instant, timer: Timer) {
        self.work.timers.insert((when, timer), ());
    }

    /// Takes a timer back.
    pub fn cancel(&mut self, when: Instant, timer: Timer) {
        self.work.timers.remove(&(when, timer));
    }

    /// Tells the operator.
    pub fn tell(&mut self, notice: Notice) {
        self.effects.push(Effect::Notice(notice));
    }
}
