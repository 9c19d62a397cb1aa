//! Cuts: how what the log says comes into the object store.
//!
//! A cut is an LSN. Everything below it that is not stored yet is written into immutable objects, and then one manifest makes all of it
//! count at once. One cut at a time:
//!
//! 1. A snapshot of the staged state, and of how far each partition goes; it waits until the log is durable up to there.
//! 2. Data objects out of cache and log, and the state; each is tried until the store has it. Nothing refers to them yet.
//! 3. The manifest with the next number, created where there is none. An answer that does not come decides nothing: the store is
//!    asked whose manifest that is. None: again, the same bytes. Another's: this process has been deposed, and ends. Ours: it
//!    counts once a listing shows none behind it; if there is one, the number had been taken and was free again, and this process has
//!    been deposed.
//! 4. `CutStored` is told to the log. Only when that is durable may segments be removed.
//!
//! Before its first cut a process takes its epoch in the same way (`contact.rs`): a manifest that says what the newest said, under its
//! own epoch. Whoever held the store before finds the number taken.

mod archive;
mod base;
mod contact;
mod garbage;
mod making;
mod merge;
mod upload;

use alloc::{
    collections::{BTreeMap, BTreeSet, VecDeque},
    format,
    string::String,
    vec,
    vec::Vec,
};
use core::time::Duration;

use bytes::Bytes;

pub(super) use self::{
    archive::{Archive, Place},
    contact::index_request,
    upload::is_change,
};
use self::{
    base::Base,
    contact::Contact,
    garbage::Garbage,
    merge::{Merge, Merged},
    upload::{Part, Planned, Upload},
};
use crate::{
    broker::cache::Cache,
    config::StoreConfig,
    limits::RESERVED_OFFSETS,
    log::{entry::Append, recovery::Restored, writer::Log},
    marks::{Mark, mark},
    partition::{Partition, index::Place as LogPlace},
    planted::{Planted, planted},
    port::{Notice, ObjectError, ObjectKind, ObjectRequest},
    state::State,
    store::{DataRef, Index, IndexRef, Manifest, ObjectKey, ObjectName, StateRef, data::Footer},
    turn::{CutOp, Purpose, Timer, Turn},
    units::{Epoch, Instant, Lsn, Offset, PartitionId, Timestamp},
};

/// What a cut looks at.
#[derive(Clone, Copy)]
pub(super) struct View<'a> {
    pub(super) state: &'a State,
    pub(super) log: &'a Log,
    pub(super) cache: &'a Cache,
    pub(super) cluster_id: &'a str,
    pub(super) node_id: i32,
}

/// A cut that is committed: to be told to the log.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Committed {
    pub(super) manifest: u64,
    pub(super) cut: Lsn,
    pub(super) at: Timestamp,
}

/// What a partition has that is not stored.
#[derive(Clone, Copy, Debug, Default)]
struct Unstored {
    bytes: u64,
    records: i64,
}

/// All about cuts.
#[derive(Clone, Debug)]
pub(super) struct Cuts {
    config: StoreConfig,
    /// Random: tells this process's manifests from those of any other.
    writer: u64,
    next_number: u32,
    contact: Contact,
    /// The newest manifest, once the epoch is taken.
    newest: Option<Manifest>,
    archive: Archive,
    garbage: Garbage,
    merge: Option<Merge>,
    /// Objects that cannot be read, which stay as they are.
    unmergeable: BTreeSet<ObjectName>,
    cut: Option<Cut>,
    base: Option<Base>,
    unstored: BTreeMap<PartitionId, Unstored>,
    unstored_bytes: u64,
    /// A partition has enough for a cut.
    large: bool,
    /// A partition has given out half of what is reserved.
    reserve_low: bool,
    /// LSN behind the newest entry that a cut is for.
    changed: Lsn,
    /// When the oldest of these that is in no cut was made.
    changed_since: Option<Instant>,
    /// How old the oldest change was when this process began.
    carried: Duration,
    last_begun: Option<Instant>,
    /// No cut begins before.
    hold_until: Option<Instant>,
    cut_failures: u32,
    /// Serves without the store from then on; `None`: never.
    serve_by: Option<Instant>,
    /// A stop waits until then.
    stop_by: Option<Instant>,
    /// Writes are refused, for what is not stored is too old or too much.
    overdue: bool,
    armed: Option<Instant>,
}

#[derive(Clone, Debug)]
struct Cut {
    upto: Lsn,
    at: Timestamp,
    begun: Instant,
    since: Option<Instant>,
    partitions: Vec<PartitionId>,
    state: Bytes,
    /// The whole state that the cut tells what has changed since, if it does.
    base: Option<StateRef>,
    /// Data objects that the state at the cut does not need. Its manifest does not refer to them, but for those in indexes that stay.
    unneeded: BTreeSet<ObjectName>,
    /// What it puts in the place of small objects.
    merged: Option<Merged>,
    stage: Stage,
}

#[derive(Clone, Debug)]
enum Stage {
    /// The log is not durable up to the cut.
    AwaitingLog(BTreeMap<PartitionId, Part>),
    Uploading(Uploading),
    Committing {
        manifest: Manifest,
        added: Vec<DataRef>,
        rewritten: Option<Rewrite>,
        /// The index that the list became.
        indexed: Option<ObjectName>,
        bytes: Bytes,
        attempts: u32,
        /// The store has it; whether it is the newest is yet to be seen.
        made: bool,
        /// When to go on; `None`: a request is under way.
        next: Option<Instant>,
    },
}

#[derive(Clone, Debug, Default)]
struct Uploading {
    planned: VecDeque<Planned>,
    begun: usize,
    uploads: BTreeMap<u32, Upload>,
    /// By their place in the plan.
    data: BTreeMap<usize, DataRef>,
    state: Option<StateRef>,
    index: Option<IndexRef>,
    rewrite: Option<Rewrite>,
}

/// Indexes, one behind the other, that are written anew as one: without what nobody needs, and with what was merged.
#[derive(Clone, Debug)]
struct Rewrite {
    old: Vec<IndexRef>,
    /// What those hold that are read.
    read: Vec<Index>,
    /// Once the store has it.
    new: Option<IndexRef>,
}

/// Where in the plan objects stand that are no data.
const NOT_DATA: usize = usize::MAX;

impl Cuts {
    pub(super) fn new(
        config: StoreConfig,
        restored: Option<Restored>,
        state: &State,
        log: &Log,
        turn: &mut Turn<'_>,
    ) -> Cuts {
        // A crash may have come between the restore and its claim.
        let unclaimed = state.store.is_unclaimed() && !planted(Planted::UnclaimedRestoreServes);
        if unclaimed && restored.is_none() {
            mark(Mark::UnclaimedWaits);
        }
        let waits = restored.is_some() || unclaimed;
        let serve_by = (!waits).then(|| turn.now.mono.after(config.start_wait));
        let mut cuts = Cuts {
            config,
            writer: turn.work.random.bits(),
            next_number: 1,
            contact: Contact::Waiting { next: turn.now.mono, attempts: 0 },
            newest: None,
            archive: Archive::default(),
            garbage: Garbage::new(),
            merge: None,
            unmergeable: BTreeSet::new(),
            cut: None,
            base: None,
            unstored: BTreeMap::new(),
            unstored_bytes: 0,
            large: false,
            reserve_low: false,
            changed: if planted(Planted::StopClaimsWhole) { Lsn(0) } else { log.durable() },
            changed_since: Some(turn.now.mono),
            carried: age(state.store.cut_at, turn.now.wall),
            last_begun: None,
            hold_until: None,
            cut_failures: 0,
            serve_by,
            stop_by: None,
            overdue: false,
            armed: None,
        };
        if let Some(Restored { manifest, indexes }) = restored {
            cuts.load(&manifest, &indexes, state);
            cuts.contact = Contact::Ready { manifest, restored: true };
        }
        cuts
    }

    /// An entry was staged.
    pub(super) fn changed(&mut self, upto: Lsn) {
        self.changed = upto;
    }

    /// A batch has become durable. Its topic may have been deleted.
    pub(super) fn written(&mut self, append: &Append, place: LogPlace) {
        if let Some(Cut { stage: Stage::AwaitingLog(parts), .. }) = &mut self.cut
            && let Some(part) = parts.get_mut(&append.partition)
        {
            part.written(append, place);
        }
    }

    /// A batch has become durable, and visible.
    pub(super) fn published(&mut self, append: &Append) {
        let unstored = self.unstored.entry(append.partition).or_default();
        let bytes = u64::from(append.body_len());
        unstored.bytes += bytes;
        unstored.records += i64::from(append.header.last_offset_delta) + 1;
        self.unstored_bytes += bytes;
        self.large |= unstored.bytes >= self.config.object_bytes;
        self.reserve_low |= unstored.records >= RESERVED_OFFSETS / 2;
    }

    /// Partitions are gone.
    pub(super) fn forget(&mut self, partition: PartitionId) {
        self.archive.forget(partition);
        if let Some(unstored) = self.unstored.remove(&partition) {
            self.unstored_bytes -= unstored.bytes;
        }
    }

    /// Records in front of that offset are gone.
    pub(super) fn records_deleted(&mut self, partition: PartitionId, log_start: Offset, state: &State) {
        self.archive.drop_below(partition, log_start);
        self.measure(partition, state);
    }

    /// What is in the store; `None`: it has not been asked yet.
    pub(super) fn archive(&self) -> Option<&Archive> {
        self.newest.as_ref().map(|_| &self.archive)
    }

    /// Whether clients may come.
    pub(super) fn may_serve(&self, now: Instant) -> bool {
        self.newest.is_some() || self.serve_by.is_some_and(|by| by <= now)
    }

    /// Whether writes are refused because too much is not stored.
    pub(super) fn is_overdue(&self) -> bool {
        self.overdue
    }

    /// Bytes of records that are not stored.
    pub(super) fn unstored_bytes(&self) -> u64 {
        self.unstored_bytes
    }

    /// How long ago the oldest change was made that a loss of the disk would take away.
    pub(super) fn recovery_point(&self, now: Instant) -> Duration {
        let in_cut = self.cut.as_ref().and_then(|cut| cut.since);
        in_cut.or(self.changed_since).map_or(Duration::ZERO, |since| now.since(since) + self.carried)
    }

    /// The cut that is under way.
    pub(super) fn under_way(&self) -> Option<Lsn> {
        self.cut.as_ref().map(|cut| cut.upto)
    }

    /// All that the log says below is in the store.
    pub(super) fn stored(&self) -> Option<Lsn> {
        self.newest.as_ref().map(|manifest| manifest.cut)
    }

    /// The stop has been asked for.
    pub(super) fn stop(&mut self, turn: &mut Turn<'_>) {
        let by = turn.now.mono.after(self.config.stop_wait);
        self.stop_by = Some(by);
        self.hold_until = None;
    }

    /// Whether a stop need not wait any more; and if so, whether everything is stored.
    pub(super) fn ended(&self, now: Instant) -> Option<bool> {
        let stored = self.stored().is_some_and(|stored| stored >= self.changed);
        if stored {
            return Some(true);
        }
        self.stop_by.is_some_and(|by| by <= now).then_some(false)
    }

    /// What is not stored, for people.
    pub(super) fn tell_unstored(&self, now: Instant) -> String {
        format!(
            "{} bytes of records in {} partitions, and changes of the last {} s, are in the log but not in the object store",
            self.unstored_bytes,
            self.unstored.values().filter(|unstored| unstored.bytes > 0).count(),
            self.recovery_point(now).as_secs()
        )
    }

    /// Offset behind what is stored of a partition, or where it begins.
    pub(super) fn stored_end(&self, partition: &Partition) -> Offset {
        self.archive.end(partition.id).unwrap_or_default().max(partition.log_start)
    }

    /// Counts anew what of a partition is not stored.
    fn measure(&mut self, id: PartitionId, state: &State) {
        if let Some(known) = self.unstored.remove(&id) {
            self.unstored_bytes -= known.bytes;
        }
        let Some(partition) = state.partition(id) else { return };
        let mut unstored = Unstored::default();
        for entry in partition.batches.from_offset(self.stored_end(partition)) {
            unstored.bytes += u64::from(entry.len());
            unstored.records += entry.last_offset().0 - entry.base_offset().0 + 1;
        }
        if unstored.bytes > 0 {
            self.unstored_bytes += unstored.bytes;
            self.unstored.insert(id, unstored);
        }
    }

    fn measure_all(&mut self, state: &State) {
        let ids: Vec<PartitionId> = state.partitions().map(|partition| partition.id).collect();
        for id in ids {
            self.measure(id, state);
        }
    }

    fn name(&mut self, epoch: Epoch) -> ObjectName {
        let number = self.next_number;
        self.next_number += 1;
        ObjectName { epoch, number, writer: self.writer }
    }

    /// At the end of a turn: whatever can go on goes on.
    pub(super) fn advance(&mut self, view: View<'_>, turn: &mut Turn<'_>) {
        let now = turn.now.mono;
        if self.changed_since.is_none() && self.changed > self.cut_upto() {
            self.changed_since = Some(now);
        }
        self.go_on_contact(view, turn);
        self.check_overdue(turn);
        if self.newest.is_some() {
            if self.cut.is_none() && self.is_due(now) {
                self.begin(view, turn);
            }
            self.go_on_cut(view, turn);
            if self.stop_by.is_none() {
                self.go_on_garbage(turn);
                self.go_on_merge(turn);
            }
        }
        self.arm(turn);
    }

    /// Everything below is in a cut, committed or under way.
    fn cut_upto(&self) -> Lsn {
        let stored = self.stored().unwrap_or(Lsn(0));
        self.cut.as_ref().map_or(stored, |cut| cut.upto)
    }

    fn is_due(&self, now: Instant) -> bool {
        self.due_at().is_some_and(|at| at <= now)
    }

    /// When the next cut is due; `None`: nothing has changed.
    fn due_at(&self) -> Option<Instant> {
        let since = self.changed_since?;
        let large = self.large || self.unstored_bytes / 8 >= self.config.object_bytes;
        // Whoever refuses writes, or ends, does not wait for the interval.
        let due = if large || self.overdue || self.stop_by.is_some() {
            since
        } else {
            since.after(self.config.flush_interval)
        };
        let paused = self
            .last_begun
            .filter(|_| self.stop_by.is_none())
            .map(|begun| begun.after(self.config.cut_pause));
        Some(due.max(paused.unwrap_or_default()).max(self.hold_until.unwrap_or_default()))
    }

    fn check_overdue(&mut self, turn: &mut Turn<'_>) {
        let too_old =
            self.config.unflushed_age_max.is_some_and(|longest| self.recovery_point(turn.now.mono) > longest);
        let overdue = too_old || self.reserve_low;
        if overdue != self.overdue {
            self.overdue = overdue;
            turn.tell(if overdue {
                mark(Mark::StoreOverdue);
                Notice::error(format!(
                    "writes are refused until the object store has caught up: {}",
                    self.tell_unstored(turn.now.mono)
                ))
            } else {
                Notice::info(String::from("the object store has caught up; writes are taken again"))
            });
        }
    }

    fn arm(&mut self, turn: &mut Turn<'_>) {
        let in_cut = self.cut.as_ref().and_then(Cut::wakes_at);
        let due = if self.newest.is_some() && self.cut.is_none() { self.due_at() } else { None };
        let serve = self.serve_by.filter(|_| self.newest.is_none());
        let overdue = self.config.unflushed_age_max.filter(|_| !self.overdue).and_then(|longest| {
            let since = self.cut.as_ref().and_then(|cut| cut.since).or(self.changed_since)?;
            Some(since.after(longest + Duration::from_millis(1)))
        });
        let garbage = self.garbage.wakes_at().filter(|_| self.newest.is_some() && self.stop_by.is_none());
        let merge = self.merge.as_ref().and_then(Merge::wakes_at).filter(|_| self.stop_by.is_none());
        let all = [self.contact.wakes_at(), in_cut, due, serve, self.stop_by, overdue, garbage, merge];
        let wanted = all.into_iter().flatten().filter(|at| *at > turn.now.mono).min();
        // Most turns change nothing about it.
        if wanted == self.armed {
            return;
        }
        if let Some(armed) = self.armed.take() {
            turn.cancel(armed, Timer::Cut);
        }
        if let Some(at) = wanted {
            turn.at(at, Timer::Cut);
            self.armed = Some(at);
        }
    }
}

impl Cut {
    /// A list of objects, as it is after this cut.
    fn after<'a>(&'a self, list: &'a [DataRef]) -> impl Iterator<Item = &'a DataRef> {
        list.iter().filter_map(|data| {
            let name = data.object.name;
            // What replaces others is needed whatever became of them.
            let instead = self.merged.as_ref().and_then(|merged| merged.instead_of(name));
            instead.unwrap_or_else(|| (!self.unneeded.contains(&name)).then_some(data))
        })
    }

    fn wakes_at(&self) -> Option<Instant> {
        match &self.stage {
            Stage::AwaitingLog(_) => None,
            Stage::Uploading(uploading) => uploading.uploads.values().filter_map(Upload::paused_until).min(),
            Stage::Committing { next, .. } => next.filter(|_| !planted(Planted::CommitRetryUnarmed)),
        }
    }
}

impl Uploading {
    fn is_done(&self) -> bool {
        let rewritten = self.rewrite.as_ref().is_none_or(|rewrite| rewrite.new.is_some());
        self.planned.is_empty() && self.uploads.is_empty() && self.state.is_some() && rewritten
    }

    /// Every object that the store has of it, or may yet get.
    fn written(&self) -> Vec<ObjectKey> {
        let mut keys: Vec<ObjectKey> = self.uploads.values().filter_map(Upload::key).collect();
        keys.extend(self.data.values().map(|data| ObjectKey::Data(data.object.name)));
        keys.extend(self.state.map(|state| ObjectKey::State(state.name)));
        let rewritten = self.rewrite.as_ref().and_then(|rewrite| rewrite.new);
        keys.extend(self.index.iter().chain(&rewritten).map(|index| ObjectKey::Index(index.name)));
        keys
    }
}

/// How long ago that was at most, by the wall clock, which counts milliseconds; nothing if it was never.
fn age(at: Timestamp, now: Timestamp) -> Duration {
    if at == Timestamp(0) {
        return Duration::ZERO;
    }
    Duration::from_millis(u64::try_from(now.0.saturating_sub(at.0).saturating_add(1)).unwrap_or(0))
}

fn footer(cut: Lsn, view: View<'_>) -> Footer {
    Footer { cluster_id: String::from(view.cluster_id), epoch: view.state.epoch, cut, parts: Vec::new() }
}

fn create_manifest(manifest: &Manifest, bytes: &Bytes, op: CutOp, turn: &mut Turn<'_>) {
    let key = ObjectKey::Manifest(manifest.number);
    turn.object(Purpose::Cut(op), ObjectRequest::Create { key, data: vec![bytes.clone()] });
}

/// Are there manifests behind that one?
fn confirm(key: ObjectKey, op: CutOp, turn: &mut Turn<'_>) {
    turn.object(Purpose::Cut(op), ObjectRequest::List { kind: ObjectKind::Manifest, after: Some(key) });
}

/// The first time, the second, the fourth ...: a store that is away for an hour is not to be a thousand lines.
fn tell_failure(attempts: u32, error: &ObjectError, turn: &mut Turn<'_>) {
    if attempts.is_power_of_two() {
        let times = if attempts == 1 { String::new() } else { format!(" ({attempts} attempts)") };
        turn.tell(Notice::warn(format!("{error}{times}; it is tried again")));
    }
}
