//! Cuts: how what the log says comes into the object store.
//!
//! A cut is an LSN. Everything below it that is not stored yet is written into immutable objects, and then one manifest makes all of it
//! count at once. One cut at a time:
//!
//! 1. A snapshot of the staged state, and of how far each partition goes; it waits until the log is durable up to there.
//! 2. Data objects out of cache and log, and the state; each is tried until the store has it. Nothing refers to them yet.
//! 3. The manifest with the next number, created where there is none. An answer that does not come decides nothing: the store is
//!    asked whose manifest that is. Ours: done. None: again, the same bytes. Another's: this process has been deposed, and ends.
//! 4. `CutStored` is told to the log. Only when that is durable may segments be removed.
//!
//! Before its first cut a process takes its epoch in the same way (`contact.rs`): a manifest that says what the newest said, under its
//! own epoch. Whoever held the store before finds the number taken.

mod archive;
mod contact;
mod upload;

use alloc::{
    collections::{BTreeMap, VecDeque},
    format,
    string::String,
    vec,
    vec::Vec,
};
use core::time::Duration;

use bytes::Bytes;

pub(super) use self::{
    archive::{Archive, Place},
    contact::{index_request, read_index, read_manifest},
    upload::is_change,
};
use self::{
    contact::Contact,
    upload::{Object, Part, Planned, Upload, What, plan},
};
use crate::{
    broker::cache::Cache,
    config::StoreConfig,
    limits::{CUT_PAUSE, DATA_OBJECTS_IN_FLIGHT, MANIFEST_BYTES_MAX, RESERVED_OFFSETS},
    log::{entry::Append, recovery::Restored, writer::Log},
    marks::{Mark, mark},
    partition::{Partition, index::Place as LogPlace},
    planted::{Planted, planted},
    port::{
        DiskResult, Fault, Notice, ObjectError, ObjectErrorKind, ObjectReply, ObjectRequest, ObjectResult,
    },
    state::{State, checkpoint},
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
    cut: Option<Cut>,
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
        bytes: Bytes,
        attempts: u32,
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
        let serve_by = restored.is_none().then(|| turn.now.mono.after(config.start_wait));
        let mut cuts = Cuts {
            config,
            writer: turn.work.random.bits(),
            next_number: 1,
            contact: Contact::Waiting { next: turn.now.mono, attempts: 0 },
            newest: None,
            archive: Archive::default(),
            cut: None,
            unstored: BTreeMap::new(),
            unstored_bytes: 0,
            large: false,
            reserve_low: false,
            changed: log.durable(),
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
        let paused = self.last_begun.filter(|_| self.stop_by.is_none()).map(|begun| begun.after(CUT_PAUSE));
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
        let all = [self.contact.wakes_at(), in_cut, due, serve, self.stop_by, overdue];
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

    fn begin(&mut self, view: View<'_>, turn: &mut Turn<'_>) {
        mark(Mark::CutBegun);
        let upto = view.log.staged_upto();
        // Also what is on its way into the log: it will be durable before this is read.
        let waits = |partition: &&Partition| {
            (partition.visible < partition.log_end && !planted(Planted::CutOfDurableOnly))
                || self.unstored.contains_key(&partition.id)
        };
        let part = |partition: &Partition| Part::new(partition, self.stored_end(partition));
        let parts: BTreeMap<PartitionId, Part> =
            view.state.partitions().filter(waits).map(|partition| (partition.id, part(partition))).collect();
        self.last_begun = Some(turn.now.mono);
        self.cut = Some(Cut {
            upto,
            at: turn.now.wall,
            begun: turn.now.mono,
            since: self.changed_since.take(),
            partitions: parts.keys().copied().collect(),
            state: Bytes::from(checkpoint::encode(view.state, upto)),
            stage: Stage::AwaitingLog(parts),
        });
    }

    fn go_on_cut(&mut self, view: View<'_>, turn: &mut Turn<'_>) {
        let Some(mut cut) = self.cut.take() else { return };
        loop {
            match &mut cut.stage {
                Stage::AwaitingLog(parts) => {
                    if view.log.durable() < cut.upto && !planted(Planted::CutAheadOfLog) {
                        mark(Mark::CutAwaitsLog);
                        break;
                    }
                    let parts = core::mem::take(parts).into_values().collect();
                    self.begin_uploads(&mut cut, parts, view, turn);
                }
                Stage::Uploading(uploading) => {
                    self.go_on_uploads(uploading, cut.upto, view, turn);
                    if !uploading.is_done() {
                        break;
                    }
                    let Some(newest) = &self.newest else { break };
                    let size = newest.tail_bytes()
                        + uploading.data.values().map(DataRef::encoded_len).sum::<usize>();
                    if size > self.config.manifest_tail_bytes && uploading.index.is_none() {
                        self.begin_index(uploading, view, turn);
                        break;
                    }
                    self.begin_commit(&mut cut, view, turn);
                    break;
                }
                Stage::Committing { manifest, attempts, next, .. } => {
                    if next.is_none_or(|at| at > turn.now.mono) {
                        break;
                    }
                    *next = None;
                    // Whether there is one by now is asked first: an attempt that seemed to fail may have come through.
                    let key = ObjectKey::Manifest(manifest.number);
                    *attempts += 1;
                    turn.object(
                        Purpose::Cut(CutOp::Look),
                        ObjectRequest::Read { key, bytes_max: MANIFEST_BYTES_MAX },
                    );
                    break;
                }
            }
        }
        self.cut = Some(cut);
    }

    fn begin_uploads(&mut self, cut: &mut Cut, parts: Vec<Part>, view: View<'_>, turn: &mut Turn<'_>) {
        let mut uploading =
            Uploading { planned: plan(parts, self.config.object_bytes), ..Uploading::default() };
        let name = self.name(view.state.epoch);
        let state = StateRef { name, len: cut.state.len() as u64, crc: crc32c::crc32c(&cut.state) };
        let object = Object::new(What::State(state), ObjectKey::State(name), vec![cut.state.clone()]);
        uploading.uploads.insert(name.number, Upload::write(name.number, NOT_DATA, object, turn));
        cut.stage = Stage::Uploading(uploading);
    }

    /// Begins the next objects of the plan, and tries again what has waited for it.
    fn go_on_uploads(&mut self, uploading: &mut Uploading, upto: Lsn, view: View<'_>, turn: &mut Turn<'_>) {
        let due = |upload: &Upload| upload.paused_until().is_some_and(|at| at <= turn.now.mono);
        let again: Vec<u32> =
            uploading.uploads.iter().filter(|(_, upload)| due(upload)).map(|(id, _)| *id).collect();
        for id in again {
            if let Some(upload) = uploading.uploads.remove(&id) {
                let order = upload.order;
                uploading.uploads.insert(id, Upload::write(id, order, upload.object(), turn));
            }
        }
        while uploading.uploads.values().filter(|upload| upload.order != NOT_DATA).count()
            < DATA_OBJECTS_IN_FLIGHT
        {
            let Some(planned) = uploading.planned.pop_front() else { return };
            let (name, order) = (self.name(view.state.epoch), uploading.begun);
            uploading.begun += 1;
            let upload = match Upload::gather(name.number, order, planned, view.cache, turn) {
                Ok(upload) => upload,
                Err(gathered) => {
                    let object = gathered.object(name, &footer(upto, view));
                    Upload::write(name.number, order, object, turn)
                }
            };
            uploading.uploads.insert(name.number, upload);
        }
    }

    fn begin_index(&mut self, uploading: &mut Uploading, view: View<'_>, turn: &mut Turn<'_>) {
        mark(Mark::CutIndexed);
        let old = self.newest.as_ref().map_or(&[][..], |newest| &newest.tail);
        let index = Index { objects: old.iter().chain(uploading.data.values()).cloned().collect() };
        let bytes = Bytes::from(index.encode());
        let name = self.name(view.state.epoch);
        let index = IndexRef {
            name,
            len: bytes.len() as u64,
            crc: crc32c::crc32c(&bytes),
            objects: u32::try_from(index.objects.len()).expect("bounded by its bytes"),
        };
        let object = Object::new(What::Index(index), ObjectKey::Index(name), vec![bytes]);
        uploading.uploads.insert(name.number, Upload::write(name.number, NOT_DATA, object, turn));
    }

    fn begin_commit(&mut self, cut: &mut Cut, view: View<'_>, turn: &mut Turn<'_>) {
        let (Stage::Uploading(uploading), Some(newest)) = (&mut cut.stage, &self.newest) else { return };
        let added: Vec<DataRef> = core::mem::take(&mut uploading.data).into_values().collect();
        let mut manifest = Manifest {
            number: newest.number + 1,
            cut: cut.upto,
            cut_at: cut.at,
            reserved_offsets: RESERVED_OFFSETS,
            state: uploading.state,
            ..newest.clone()
        };
        if let Some(index) = uploading.index {
            manifest.indexes.push(index);
            manifest.tail.clear();
        } else {
            manifest.tail.extend(added.iter().cloned());
        }
        assert_eq!(manifest.epoch, view.state.epoch, "only the holder of an epoch commits in it");
        let bytes = Bytes::from(manifest.encode());
        create_manifest(&manifest, &bytes, CutOp::Commit, turn);
        cut.stage = Stage::Committing { manifest, added, bytes, attempts: 1, next: None };
    }

    /// A read of the log for an object has come to its end.
    pub(super) fn read(&mut self, id: u32, result: DiskResult, view: View<'_>, turn: &mut Turn<'_>) {
        let Some(Cut { stage: Stage::Uploading(uploading), upto, .. }) = &mut self.cut else { return };
        let Some(upload) = uploading.uploads.remove(&id) else { return };
        match result {
            Ok(replies) => {
                let order = upload.order;
                let name = ObjectName { epoch: view.state.epoch, number: id, writer: self.writer };
                let object = upload.gathered(replies).object(name, &footer(*upto, view));
                uploading.uploads.insert(id, Upload::write(id, order, object, turn));
            }
            Err(error) => {
                mark(Mark::CutReadFailed);
                self.give_up(&format!("cannot read what is to be stored: {error}"), turn);
            }
        }
    }

    /// The cut is not made. What was written for it is referred to by nothing.
    fn give_up(&mut self, why: &str, turn: &mut Turn<'_>) {
        let Some(cut) = self.cut.take() else { return };
        mark(Mark::CutGivenUp);
        self.changed_since = cut.since.or(self.changed_since);
        self.cut_failures += 1;
        let wait = turn.backoff(self.cut_failures);
        self.hold_until = Some(turn.now.mono.after(wait));
        turn.tell(Notice::error(format!("a cut was given up, the next try is in {wait:?}: {why}")));
    }

    /// A request to the store has come to its end.
    ///
    /// # Errors
    /// Another process has taken over.
    pub(super) fn completed(
        &mut self,
        op: CutOp,
        result: ObjectResult,
        view: View<'_>,
        turn: &mut Turn<'_>,
    ) -> Result<Option<Committed>, Fault> {
        match op {
            CutOp::Manifest | CutOp::Index | CutOp::Claim => {
                self.contact_completed(op, result, view, turn)?;
                Ok(None)
            }
            CutOp::Upload(id) => {
                self.uploaded(id, result, view, turn);
                Ok(None)
            }
            CutOp::Commit => Ok(self.committed(result, view, turn)),
            CutOp::Look => self.looked(result, view, turn),
        }
    }

    fn uploaded(&mut self, id: u32, result: ObjectResult, view: View<'_>, turn: &mut Turn<'_>) {
        let renamed = match &result {
            Err(error) if error.kind == ObjectErrorKind::Exists => Some(self.name(view.state.epoch)),
            Ok(_) | Err(_) => None,
        };
        let Some(Cut { stage: Stage::Uploading(uploading), .. }) = &mut self.cut else { return };
        let Some(mut upload) = uploading.uploads.remove(&id) else { return };
        match (result, renamed) {
            (Ok(_), _) => {
                let order = upload.order;
                match upload.object().what {
                    What::Data(data) => drop(uploading.data.insert(order, data)),
                    What::State(state) => uploading.state = Some(state),
                    What::Index(index) => uploading.index = Some(index),
                }
            }
            // Most likely an attempt that seemed to fail. Nothing refers to it, so there is no need to know.
            (Err(_), Some(name)) => {
                mark(Mark::UploadRenamed);
                let order = upload.order;
                let object = upload.object().renamed(name);
                uploading.uploads.insert(name.number, Upload::write(name.number, order, object, turn));
            }
            (Err(_), None) if planted(Planted::FailedUploadCounted) => {
                let order = upload.order;
                match upload.object().what {
                    What::Data(data) => drop(uploading.data.insert(order, data)),
                    What::State(state) => uploading.state = Some(state),
                    What::Index(index) => uploading.index = Some(index),
                }
            }
            (Err(error), None) => {
                mark(Mark::UploadFailed);
                let attempts = upload.pause(turn);
                tell_failure(attempts, &error, turn);
                uploading.uploads.insert(id, upload);
            }
        }
    }

    fn committed(&mut self, result: ObjectResult, view: View<'_>, turn: &mut Turn<'_>) -> Option<Committed> {
        let Some(Cut { stage: Stage::Committing { attempts, next, .. }, .. }) = &mut self.cut else {
            unreachable!("a commit is waited for")
        };
        match result {
            Ok(_) => Some(self.finish(view, turn)),
            Err(_) if planted(Planted::UnsureCommitCounted) => Some(self.finish(view, turn)),
            Err(error) => {
                mark(Mark::CommitUnsure);
                // There is one: it may be our own. Otherwise it may still come.
                let wait = match error.kind {
                    ObjectErrorKind::Exists => Duration::ZERO,
                    ObjectErrorKind::NotFound
                    | ObjectErrorKind::Denied
                    | ObjectErrorKind::Damaged
                    | ObjectErrorKind::Unknown => turn.backoff(*attempts),
                };
                *next = Some(turn.now.mono.after(wait));
                tell_failure(*attempts, &error, turn);
                None
            }
        }
    }

    /// Whose manifest that is.
    fn looked(
        &mut self,
        result: ObjectResult,
        view: View<'_>,
        turn: &mut Turn<'_>,
    ) -> Result<Option<Committed>, Fault> {
        let Some(Cut { stage: Stage::Committing { manifest, bytes, attempts, next, .. }, .. }) =
            &mut self.cut
        else {
            unreachable!("a commit is waited for")
        };
        match result {
            Ok(ObjectReply::Bytes(found))
                if found == *bytes && !planted(Planted::OwnCommitTakenForAnothers) =>
            {
                mark(Mark::CommitWasOurs);
                Ok(Some(self.finish(view, turn)))
            }
            Ok(ObjectReply::Bytes(found)) => {
                mark(Mark::Deposed);
                Err(Fault::Deposed(contact::taken_over(manifest.number, &found)))
            }
            Ok(ObjectReply::Manifest(_) | ObjectReply::Created | ObjectReply::Batches(_)) => {
                unreachable!("a whole object was asked for")
            }
            Err(error) if error.kind == ObjectErrorKind::NotFound => {
                mark(Mark::CommitAgain);
                create_manifest(manifest, bytes, CutOp::Commit, turn);
                Ok(None)
            }
            Err(error) => {
                let wait = turn.backoff(*attempts);
                *next = Some(turn.now.mono.after(wait));
                tell_failure(*attempts, &error, turn);
                Ok(None)
            }
        }
    }

    /// The manifest is there: all of the cut is stored.
    fn finish(&mut self, view: View<'_>, turn: &mut Turn<'_>) -> Committed {
        let Some(Cut { stage: Stage::Committing { manifest, added, .. }, partitions, begun, upto, .. }) =
            self.cut.take()
        else {
            unreachable!("a commit is waited for")
        };
        mark(Mark::CutStored);
        let mut bytes = 0;
        for data in &added {
            self.archive.add(data);
            bytes += data.object.len;
        }
        for partition in partitions {
            // Its topic may have gone meanwhile.
            if view.state.partition(partition).is_none() {
                self.archive.forget(partition);
            }
            self.measure(partition, view.state);
        }
        self.large = self.unstored.values().any(|unstored| unstored.bytes >= self.config.object_bytes);
        self.reserve_low = self.unstored.values().any(|unstored| unstored.records >= RESERVED_OFFSETS / 2);
        self.cut_failures = 0;
        self.carried = Duration::ZERO;
        if planted(Planted::RecoveryPointForgotten) {
            self.changed_since = None;
        }
        let committed = Committed { manifest: manifest.number, cut: upto, at: manifest.cut_at };
        turn.tell(Notice::info(format!(
            "stored up to LSN {upto}: {bytes} bytes in {} objects, manifest {}, {} ms",
            added.len(),
            manifest.number,
            turn.now.mono.since(begun).as_millis()
        )));
        self.newest = Some(manifest);
        committed
    }
}

impl Cut {
    fn wakes_at(&self) -> Option<Instant> {
        match &self.stage {
            Stage::AwaitingLog(_) => None,
            Stage::Uploading(uploading) => uploading.uploads.values().filter_map(Upload::paused_until).min(),
            Stage::Committing { next, .. } => *next,
        }
    }
}

impl Uploading {
    fn is_done(&self) -> bool {
        self.planned.is_empty() && self.uploads.is_empty() && self.state.is_some()
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

/// The first time, the second, the fourth ...: a store that is away for an hour is not to be a thousand lines.
fn tell_failure(attempts: u32, error: &ObjectError, turn: &mut Turn<'_>) {
    if attempts.is_power_of_two() {
        let times = if attempts == 1 { String::new() } else { format!(" ({attempts} attempts)") };
        turn.tell(Notice::warn(format!("{error}{times}; it is tried again")));
    }
}
