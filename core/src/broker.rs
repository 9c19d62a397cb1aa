//! The brain. This file routes: events to the part that decides, and the end of each turn to the parts that act then.
//!
//! A change goes five steps in one direction: check (pure), stage (its place in the log), apply (to the state), wait
//! (for the log to be durable), release (the answer). Every answer waits for the newest record it saw.

mod admin;
mod answers;
mod cache;
mod checkpoints;
mod cuts;
mod fetch;
mod groups;
mod lookup;
mod outgoing;
mod produce;
mod publish;
mod restore;
mod retention;

use alloc::{boxed::Box, collections::BTreeMap, format, string::String, vec::Vec};

use bytes::Bytes;
use kafka_protocol::protocol::StrBytes;

use crate::{
    broker::{
        admin::LogDirs,
        answers::Answers,
        cache::Cache,
        checkpoints::Checkpoints,
        cuts::{Committed, Cuts, View},
        fetch::Fetches,
        groups::Groups,
        lookup::Lookups,
        outgoing::Outgoing,
        restore::Restore,
    },
    config::Config,
    limits::{ANSWER_BYTES_FREE, OFFSET_EXPIRY_INTERVAL, PRODUCER_EXPIRY_INTERVAL, TIMERS_IN_TURN_MAX},
    log::{
        Refusal,
        entry::Entry,
        recovery::{Outcome, Recovered, Recovery},
        writer::Log,
    },
    marks::{Mark, mark},
    planted::{Planted, planted},
    port::{ClientEvent, DiskResult, Effect, Event, Fault, Notice, Now, ObjectResult, Request, Response},
    state::State,
    turn::{Purpose, Timer, Turn, Work},
    units::{ConnId, Instant, Lsn, OpId, PartitionId, ProducerId, Tag},
};

/// Error text of a write that finds no room in the log.
const NO_SEGMENT: &str = "the disk gives no room for another log segment";

/// The broker: all shared state, and everything it decides.
#[derive(Clone, Debug)]
pub struct Broker {
    config: Config,
    work: Work,
    stage: Stage,
}

#[derive(Clone, Debug)]
enum Stage {
    Recovering(Box<Recovery>),
    /// The directory is empty: what does the object store hold?
    Restoring(Box<Recovery>, Box<Restore>),
    Live(Box<Live>),
    /// Stopped in order, refused, or halted. Nothing is done any more.
    Ended,
}

/// A broker that serves.
#[derive(Clone, Debug)]
struct Live {
    config: Config,
    cluster_id: String,
    state: State,
    log: Log,
    answers: Answers,
    outgoing: Outgoing,
    cache: Cache,
    fetches: Fetches,
    lookups: Lookups,
    log_dirs: LogDirs,
    groups: Groups,
    checkpoints: Checkpoints,
    /// With an object store only.
    cuts: Option<Box<Cuts>>,
    /// Clients may come.
    serving: bool,
    /// Next id of the reserved block; `None`: nothing reserved by this start yet.
    producer_ids_next: Option<ProducerId>,
    /// Epoch and sequence with which producers that a partition does not know wanted to begin there, and were refused for want of room.
    first_refused: BTreeMap<(PartitionId, ProducerId), (i16, i32)>,
    /// Producers that began in a partition since idle ones were last looked for.
    producers_begun: usize,
    stopping: bool,
}

/// A text of ours as an answer carries it.
fn text(text: &str) -> StrBytes {
    StrBytes::from_string(String::from(text))
}

/// Who asks, and how it is answered.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
struct Asker {
    conn: ConnId,
    tag: Tag,
    version: i16,
}

impl Broker {
    /// Starts: the first effects look at the disk. `seed` feeds ids, salts and jitter; it should differ at each start.
    pub fn boot(config: Config, seed: u64, effects: &mut Vec<Effect>) -> Broker {
        let mut work = Work::new(seed);
        let mut turn = Turn { now: Now::default(), effects, work: &mut work };
        let recovery = Recovery::begin(config.clone(), &mut turn);
        Broker { config, work, stage: Stage::Recovering(Box::new(recovery)) }
    }

    /// Takes all events, in order, and says what is to be done. Returns when it wants to be called again at the latest;
    /// a call that comes early, late or for nothing is harmless.
    pub fn turn(&mut self, now: Now, events: &mut Vec<Event>, effects: &mut Vec<Effect>) -> Option<Instant> {
        for event in events.drain(..) {
            let mut turn = Turn { now, effects, work: &mut self.work };
            let fault = match event {
                Event::Client(conn, event) => {
                    self.stage.client(conn, event, &mut turn);
                    None
                }
                Event::Disk(op, result) => self.stage.disk(op, result, &self.config, &mut turn),
                Event::Object(op, result) => self.stage.object(op, result, &self.config, &mut turn),
                Event::Stop => {
                    self.stage.stop(&self.config, &mut turn);
                    None
                }
            };
            if let Some(fault) = fault {
                effects.push(Effect::Halt(fault));
                self.stage = Stage::Ended;
            }
        }
        let mut turn = Turn { now, effects, work: &mut self.work };
        let mut fired: usize = 0;
        while let Some(timer) = turn.work.due(now.mono) {
            // A timer that is set again for a time that has passed would keep the turn for ever, and everybody waiting.
            fired += 1;
            assert!(fired <= TIMERS_IN_TURN_MAX, "{timer:?} is due again and again");
            match &mut self.stage {
                Stage::Live(live) => live.timer(timer, &mut turn),
                Stage::Restoring(_, restore) if timer == Timer::Restore => {
                    if let Some(refusal) = restore.due(&mut turn) {
                        turn.effects.push(Effect::Halt(Fault::Refused(refusal)));
                        self.stage = Stage::Ended;
                    }
                }
                Stage::Recovering(_) | Stage::Restoring(..) | Stage::Ended => {}
            }
        }
        if let Stage::Live(live) = &mut self.stage
            && live.end_turn(&mut turn)
        {
            let unstored = live.tell_unstored(&mut turn);
            turn.effects.push(Effect::Stopped { unstored });
            self.stage = Stage::Ended;
        }
        match self.stage {
            Stage::Recovering(_) | Stage::Restoring(..) | Stage::Live(_) => self.work.next_deadline(),
            Stage::Ended => None,
        }
    }

    /// Whether clients are served.
    #[must_use]
    pub fn serves(&self) -> bool {
        matches!(&self.stage, Stage::Live(live) if live.serving)
    }

    /// The state, for those who check it from outside. `None` until recovery is done.
    #[must_use]
    pub fn state(&self) -> Option<&State> {
        match &self.stage {
            Stage::Live(live) => Some(&live.state),
            Stage::Recovering(_) | Stage::Restoring(..) | Stage::Ended => None,
        }
    }

    /// Everything below this LSN is durable. `None` until recovery is done.
    #[must_use]
    pub fn durable(&self) -> Option<Lsn> {
        match &self.stage {
            Stage::Live(live) => Some(live.log.durable()),
            Stage::Recovering(_) | Stage::Restoring(..) | Stage::Ended => None,
        }
    }

    /// How long ago the oldest change was made that a loss of the disk would take away. `None` without an object store, and until
    /// recovery is done.
    #[must_use]
    pub fn recovery_point(&self, now: Instant) -> Option<core::time::Duration> {
        match &self.stage {
            Stage::Live(live) => live.cuts.as_ref().map(|cuts| cuts.recovery_point(now)),
            Stage::Recovering(_) | Stage::Restoring(..) | Stage::Ended => None,
        }
    }

    /// Bytes of records that are not in the object store, and whether writes are refused for what is not there. `None` as for
    /// [`Broker::recovery_point`].
    #[must_use]
    pub fn unstored(&self) -> Option<(u64, bool)> {
        match &self.stage {
            Stage::Live(live) => live.cuts.as_ref().map(|cuts| (cuts.unstored_bytes(), cuts.is_overdue())),
            Stage::Recovering(_) | Stage::Restoring(..) | Stage::Ended => None,
        }
    }

    /// All that the log says below is in the object store. `None` without one, and until it has answered.
    #[must_use]
    pub fn stored(&self) -> Option<Lsn> {
        match &self.stage {
            Stage::Live(live) => live.cuts.as_ref().and_then(|cuts| cuts.stored()),
            Stage::Recovering(_) | Stage::Restoring(..) | Stage::Ended => None,
        }
    }

    /// The LSN of the cut that is under way.
    #[must_use]
    pub fn cutting(&self) -> Option<Lsn> {
        match &self.stage {
            Stage::Live(live) => live.cuts.as_ref().and_then(|cuts| cuts.under_way()),
            Stage::Recovering(_) | Stage::Restoring(..) | Stage::Ended => None,
        }
    }

    /// Whether all that the state knows is durable. `None` until recovery is done.
    #[must_use]
    pub fn is_all_durable(&self) -> Option<bool> {
        match &self.stage {
            Stage::Live(live) => Some(live.log.durable() == live.log.staged_upto()),
            Stage::Recovering(_) | Stage::Restoring(..) | Stage::Ended => None,
        }
    }
}

impl Stage {
    fn client(&mut self, conn: ConnId, event: ClientEvent, turn: &mut Turn<'_>) {
        match (self, event) {
            (Stage::Live(live), ClientEvent::Request { tag, version, request }) if live.serving => {
                live.request(Asker { conn, tag, version }, request, turn);
            }
            (Stage::Live(live), ClientEvent::Closed) => live.closed(conn, turn),
            (Stage::Live(live), ClientEvent::Opened { address }) => live.outgoing.opened(conn, address),
            (Stage::Live(live), ClientEvent::Taken { last }) => live.outgoing.taken(conn, last),
            // Sessions begin when clients are served: whoever comes before comes again.
            (
                Stage::Live(_) | Stage::Recovering(_) | Stage::Restoring(..) | Stage::Ended,
                ClientEvent::Request { .. },
            ) => turn.effects.push(Effect::Close(conn)),
            (
                Stage::Recovering(_) | Stage::Restoring(..) | Stage::Ended,
                ClientEvent::Closed | ClientEvent::Opened { .. } | ClientEvent::Taken { .. },
            ) => {}
        }
    }

    fn disk(&mut self, op: OpId, result: DiskResult, config: &Config, turn: &mut Turn<'_>) -> Option<Fault> {
        let purpose = turn.work.complete(op)?;
        match (&mut *self, purpose) {
            (Stage::Recovering(recovery), Purpose::Recovery(op)) => {
                let outcome = recovery.completed(op, result, turn)?;
                self.recovery_ended(outcome, config, turn)
            }
            (Stage::Live(live), purpose) => live.disk(purpose, result, turn).err(),
            (Stage::Recovering(_) | Stage::Restoring(..) | Stage::Ended, _) => None,
        }
    }

    fn recovery_ended(&mut self, outcome: Outcome, config: &Config, turn: &mut Turn<'_>) -> Option<Fault> {
        match outcome {
            Outcome::Recovered(recovered) => {
                if config.store.is_none() && recovered.state.store.manifest > 0 {
                    return Some(Fault::Refused(Refusal::Store(String::from(
                        "older records of this data directory are in an object store only. Name it as before, or leave \
                         --object-store out if no store was named before",
                    ))));
                }
                *self = Stage::Live(Box::new(Live::new(config.clone(), *recovered, turn)));
                None
            }
            Outcome::Empty => {
                let Stage::Recovering(recovery) = core::mem::replace(self, Stage::Ended) else {
                    unreachable!("recovery has just said so")
                };
                let wait = config.store.as_ref().map_or(core::time::Duration::ZERO, |store| store.start_wait);
                let restore = Restore::begin(config.cluster_id.clone(), wait, turn);
                *self = Stage::Restoring(recovery, Box::new(restore));
                None
            }
            Outcome::Refused(refusal) => Some(Fault::Refused(refusal)),
        }
    }

    fn object(
        &mut self,
        op: OpId,
        result: ObjectResult,
        config: &Config,
        turn: &mut Turn<'_>,
    ) -> Option<Fault> {
        let purpose = turn.work.complete(op)?;
        match (&mut *self, purpose) {
            (Stage::Restoring(_, restore), Purpose::Restore(op)) => {
                let found = match restore.completed(op, result, turn)? {
                    restore::Ended::Nothing => None,
                    restore::Ended::Found(found) => Some(*found),
                    restore::Ended::Refused(refusal) => return Some(Fault::Refused(refusal)),
                };
                let Stage::Restoring(mut recovery, _) = core::mem::replace(self, Stage::Ended) else {
                    unreachable!("it is being restored")
                };
                let ended = recovery.resume(found, turn);
                *self = Stage::Recovering(recovery);
                ended.and_then(|outcome| self.recovery_ended(outcome, config, turn))
            }
            (Stage::Live(live), purpose) => live.object(purpose, result, turn).err(),
            (Stage::Recovering(_) | Stage::Restoring(..) | Stage::Ended, _) => None,
        }
    }

    /// Before a start is done nothing was promised by it: to leave is as safe as a crash, and recovery is made for that. But the log
    /// may have what the process before did not store, and nobody has looked. An empty directory has nothing to store.
    fn stop(&mut self, config: &Config, turn: &mut Turn<'_>) {
        let unstored = match self {
            Stage::Live(live) => {
                live.stop(turn);
                return;
            }
            Stage::Recovering(_) => config.store.is_some() && !planted(Planted::StopInRecoveryClaimsWhole),
            Stage::Restoring(..) => false,
            Stage::Ended => return,
        };
        if unstored {
            mark(Mark::StoppedInRecovery);
            turn.tell(Notice::error(String::from(
                "stopped before the log was read: whether the object store has everything is not known. The next start on this \
                 data directory stores what is missing",
            )));
        }
        turn.effects.push(Effect::Stopped { unstored });
        *self = Stage::Ended;
    }
}

impl Live {
    fn new(config: Config, recovered: Recovered, turn: &mut Turn<'_>) -> Live {
        let Recovered { state, log, cluster_id, checkpoints, restored } = recovered;
        turn.at(turn.now.mono.after(PRODUCER_EXPIRY_INTERVAL), Timer::ProducerExpiry);
        turn.at(turn.now.mono.after(OFFSET_EXPIRY_INTERVAL), Timer::OffsetExpiry);
        turn.at(turn.now.mono.after(config.retention_check_interval), Timer::Retention);
        let cuts = config.store.clone().map(|store| Box::new(Cuts::new(store, restored, &state, &log, turn)));
        let mut live = Live {
            groups: Groups::default(),
            cluster_id,
            answers: Answers::default(),
            outgoing: Outgoing::default(),
            cache: Cache::new(config.cache_bytes),
            fetches: Fetches::default(),
            lookups: Lookups::default(),
            log_dirs: LogDirs::default(),
            checkpoints: Checkpoints::new(checkpoints, &log),
            producer_ids_next: None,
            first_refused: BTreeMap::new(),
            producers_begun: 0,
            stopping: false,
            serving: false,
            cuts,
            config,
            state,
            log,
        };
        if live.cuts.is_some() && live.state.store.lineage == 0 {
            let lineage = turn.work.random.bits() | 1;
            let topics = live.state.topics().map(|topic| topic.created.at);
            let at = topics.min().map_or(turn.now.wall, |oldest| oldest.min(turn.now.wall));
            live.commit(Entry::LineageBegun { lineage, from: 0, manifest: 0, at }, Bytes::new());
        }
        live
    }

    fn request(&mut self, asker: Asker, request: Box<Request>, turn: &mut Turn<'_>) {
        if self.stopping {
            mark(Mark::StoppingRefused);
            turn.effects.push(Effect::Close(asker.conn));
            return;
        }
        let bytes = self.answer_bytes(&request);
        if bytes <= ANSWER_BYTES_FREE {
            self.serve(asker, *request, turn);
        } else if let Some(bound) = outgoing::over_bound(&request, bytes) {
            self.refuse_long(asker, *request, bound, turn);
        } else if let Some(request) = self.outgoing.admit(asker, request, bytes) {
            self.serve(asker, *request, turn);
        }
    }

    /// Serves what waited for room, as answers were taken, and fetches that were woken, which may take and give back room themselves.
    fn serve_waiting(&mut self, turn: &mut Turn<'_>) {
        self.serve_woken(turn);
        while self.outgoing.take_freed() {
            while let Some((asker, request)) = self.outgoing.admitted() {
                self.serve(asker, *request, turn);
            }
            self.fetches.wake_stalled();
            self.serve_woken(turn);
        }
    }

    fn serve(&mut self, asker: Asker, request: Request, turn: &mut Turn<'_>) {
        match request {
            Request::Produce(intake) => self.produce(asker, intake, turn),
            Request::Fetch(request) => self.fetch(asker, request, turn),
            Request::ListOffsets(request) => self.list_offsets(asker, request, turn),
            Request::Metadata(request) => self.metadata(asker, request, turn),
            Request::CreateTopics(request) => self.create_topics(asker, request, turn),
            Request::DeleteTopics(request) => self.delete_topics(asker, request, turn),
            Request::FindCoordinator(request) => self.find_coordinator(asker, &request, turn),
            Request::DescribeCluster(request) => self.describe_cluster(asker, &request, turn),
            Request::OffsetForLeaderEpoch(request) => self.offset_for_leader_epoch(asker, request, turn),
            Request::InitProducerId(request) => self.init_producer_id(asker, &request, turn),
            Request::Group(request) => self.group(asker, request, turn),
            Request::Admin(request) => self.admin(asker, request, turn),
        }
    }

    fn closed(&mut self, conn: ConnId, turn: &mut Turn<'_>) {
        self.fetches.drop_connection(conn, &mut self.state, turn);
        self.lookups.drop_connection(conn);
        self.outgoing.closed(conn);
    }

    /// Answers now if everything below `known` is durable, and as soon as it is otherwise.
    fn answer(&mut self, asker: Asker, response: Response, known: Lsn, turn: &mut Turn<'_>) {
        if self.outgoing.counts(asker) && !response.is_reported() {
            self.outgoing.taken_one(asker.conn, asker.tag);
        }
        self.answers.give(asker, response, known, self.log.durable(), turn);
    }

    /// Stages and applies in one step: the state is always that of the staged log.
    fn commit(&mut self, entry: Entry, records: Bytes) -> Lsn {
        let lsn = self.log.staged_upto();
        if let Some(cuts) = &mut self.cuts
            && cuts::is_change(&entry)
        {
            cuts.changed(lsn.plus(1));
        }
        self.state.apply(lsn, &entry);
        let staged = self.log.stage(entry, records);
        assert_eq!(staged, lsn, "one order for the state and the log");
        lsn
    }

    fn disk(&mut self, purpose: Purpose, result: DiskResult, turn: &mut Turn<'_>) -> Result<(), Fault> {
        match purpose {
            Purpose::LogWrite => {
                let written = self.log.written(result)?;
                self.publish(written);
                self.answers.release(self.log.durable(), turn);
            }
            Purpose::Spare(segment) => self.log.prepared(segment, result.map(|_| ()), turn),
            Purpose::Checkpoint(lsn) => self.checkpoint_written(lsn, result, turn),
            Purpose::OldCheckpoints => warn_if_left(result, turn),
            Purpose::Trim(floor) => {
                if result.is_ok() {
                    self.log.trimmed(floor);
                }
                warn_if_left(result, turn);
            }
            Purpose::FetchRead { job, read } => self.fetch_read(job, read, result, turn),
            Purpose::LookupRead { job, read } => self.lookup_read(job, read, result, turn),
            Purpose::Space(job) => self.space_known(job, result, turn),
            Purpose::CutRead(id) => {
                if let Some((cuts, view)) = self.cuts() {
                    cuts.read(id, result, view, turn);
                }
            }
            Purpose::Recovery(_) => unreachable!("recovery is over"),
            Purpose::Cut(_)
            | Purpose::FetchStored { .. }
            | Purpose::LookupStored { .. }
            | Purpose::Restore(_) => unreachable!("that was asked of the object store"),
        }
        Ok(())
    }

    fn object(&mut self, purpose: Purpose, result: ObjectResult, turn: &mut Turn<'_>) -> Result<(), Fault> {
        match purpose {
            Purpose::Cut(op) => {
                let Some((cuts, view)) = self.cuts() else { return Ok(()) };
                if let Some(Committed { manifest, cut, at }) = cuts.completed(op, result, view, turn)? {
                    // Nothing is staged behind the seal; what a stop stores, the next start learns from the store.
                    if !self.log.is_closing() {
                        self.commit(Entry::CutStored { manifest, cut, at }, Bytes::new());
                        self.stage_trim();
                    }
                }
            }
            Purpose::FetchStored { job, read } => self.fetch_stored(job, read, result, turn),
            Purpose::LookupStored { job, read } => self.lookup_stored(job, read, result, turn),
            Purpose::Recovery(_)
            | Purpose::LogWrite
            | Purpose::Spare(_)
            | Purpose::Checkpoint(_)
            | Purpose::OldCheckpoints
            | Purpose::Trim(_)
            | Purpose::FetchRead { .. }
            | Purpose::LookupRead { .. }
            | Purpose::Restore(_)
            | Purpose::CutRead(_)
            | Purpose::Space(_) => unreachable!("that was asked of the disk, or before this broker was live"),
        }
        Ok(())
    }

    /// The cuts, and what they look at.
    fn cuts(&mut self) -> Option<(&mut Cuts, View<'_>)> {
        let view = View {
            state: &self.state,
            log: &self.log,
            cache: &self.cache,
            cluster_id: &self.cluster_id,
            node_id: self.config.node_id,
        };
        self.cuts.as_deref_mut().map(|cuts| (cuts, view))
    }

    /// Whether writes are taken: not when the log has no room, nor when too much is not in the object store.
    fn accepts(&self) -> bool {
        self.log.accepts() && !self.cuts.as_ref().is_some_and(|cuts| cuts.is_overdue())
    }

    /// Why writes are not taken.
    fn no_room(&self) -> &'static str {
        if self.log.accepts() { "too much of the log is not in the object store yet" } else { NO_SEGMENT }
    }

    /// After a stop: whether something is not in the object store.
    fn tell_unstored(&self, turn: &mut Turn<'_>) -> bool {
        let Some(cuts) = &self.cuts else { return false };
        let now = turn.now.mono;
        let unstored = cuts.ended(now) != Some(true);
        if unstored {
            mark(Mark::StoppedUnstored);
            turn.tell(Notice::error(format!(
                "stopped, but the object store did not take everything: {}. The next start on this data directory stores it",
                cuts.tell_unstored(now)
            )));
        }
        unstored
    }

    fn timer(&mut self, timer: Timer, turn: &mut Turn<'_>) {
        match timer {
            Timer::Marker => self.log.marker_due(turn),
            Timer::Spare => self.log.retry_prepare(),
            Timer::Fetch(job) => self.fetches.timed_out(job),
            Timer::ProducerExpiry => self.producer_expiry_due(turn),
            Timer::Group(group) => self.group_due(group, turn),
            Timer::OffsetExpiry => self.expire_offsets(turn),
            Timer::Retention => self.retain(turn),
            // The end of each turn looks what is due.
            Timer::Cut | Timer::Restore => {}
        }
    }

    fn stop(&mut self, turn: &mut Turn<'_>) {
        if !self.stopping {
            self.stopping = true;
            turn.tell(Notice::info(format!(
                "stopping: {} answers pending, log at LSN {} of {}",
                self.answers.len(),
                self.log.durable(),
                self.log.staged_upto()
            )));
            mark(Mark::StopAsked);
            self.fetches.wake_all();
            for asker in self.outgoing.give_up() {
                turn.effects.push(Effect::Close(asker.conn));
            }
            self.release_groups(turn);
            if let Some(cuts) = &mut self.cuts {
                cuts.stop(turn);
            }
        }
    }

    /// What follows from everything that happened. Returns true when the stop is complete.
    fn end_turn(&mut self, turn: &mut Turn<'_>) -> bool {
        self.serve_waiting(turn);
        self.bound_producers(turn);
        if let Some((cuts, view)) = self.cuts() {
            cuts.advance(view, turn);
        }
        if !self.serving && self.cuts.as_ref().is_none_or(|cuts| cuts.may_serve(turn.now.mono)) {
            self.begin_to_serve(turn);
        }
        let read = self.fetches.is_empty() && self.lookups.is_empty() && self.log_dirs.is_empty();
        let answered = self.answers.len() == 0 && read;
        let stored = self.cuts.as_ref().is_none_or(|cuts| cuts.ended(turn.now.mono).is_some());
        if self.stopping && answered && stored && self.log.durable() == self.log.staged_upto() {
            self.checkpoint_last(turn);
            if self.checkpoints.is_idle() {
                self.log.close();
            }
        } else {
            self.checkpoint_if_due(turn);
        }
        self.log.advance(turn);
        self.check_invariants();
        self.log.is_sealed()
    }

    fn begin_to_serve(&mut self, turn: &mut Turn<'_>) {
        mark(Mark::Serves);
        self.serving = true;
        // Sessions of members begin when they can be heard of.
        self.groups = Groups::new(&self.state, turn);
        turn.effects.push(Effect::Serve);
        if self.cuts.as_ref().is_some_and(|cuts| cuts.archive().is_none()) {
            mark(Mark::ServesWithoutStore);
            turn.tell(Notice::warn(String::from(
                "serving without the object store, which does not answer: what is only there cannot be read, and nothing \
                 new is stored",
            )));
        }
    }

    fn check_invariants(&self) {
        assert!(self.log.durable() <= self.log.staged_upto(), "durable <= staged");
        assert!(self.state.catalog_known <= self.log.staged_upto(), "the state is that of the staged log");
    }
}

/// Files that could not be removed do no harm.
fn warn_if_left(result: DiskResult, turn: &mut Turn<'_>) {
    if let Err(error) = result {
        turn.tell(Notice::warn(format!("cannot remove what is not needed any more: {error}")));
    }
}

#[cfg(test)]
mod tests;
