//! Fetch: plan, park, read, answer.
//!
//! A fetch is a [`Job`]. It is *planned* against the visible batches; if that is not enough it *parks* until one of its
//! partitions moves or its time is up, and is planned anew; then what is not in the cache is *read*, and the job is answered
//! when the last read is back. Only visible batches are ever planned, so nothing that is not durable can leave.

mod plan;
mod sessions;

use alloc::{
    collections::{BTreeMap, BTreeSet},
    vec,
    vec::Vec,
};

use bytes::Bytes;
use kafka_protocol::messages::{FetchRequest, TopicName};

use crate::{
    broker::{
        Asker, Live,
        fetch::{plan::Plan, sessions::Sessions},
        lookup,
    },
    error_code,
    limits::{ANSWER_BYTES_FREE, FETCH_BYTES_MAX, FETCH_ROOM_BYTES_MIN, FETCH_WAIT_MAX},
    marks::{Mark, mark},
    partition::index::IndexEntry,
    planted::{Planted, planted},
    port::{
        BatchAt, DiskRequest, DiskResult, DiskStep, Effect, FetchAnswer, FetchedPartition, FileName, Lane,
        Notice, ObjectRequest, ObjectResult, ReadBatches, Response,
    },
    state::State,
    turn::{Purpose, Timer, Turn},
    units::{ConnId, Instant, Offset, PartitionId, TopicId},
};

/// All fetches and fetch sessions.
#[derive(Clone, Debug, Default)]
pub(super) struct Fetches {
    jobs: BTreeMap<u64, Job>,
    next: u64,
    woken: BTreeSet<u64>,
    /// Parked, though there is enough, until other answers have been taken.
    stalled: BTreeSet<u64>,
    sessions: Sessions,
}

#[derive(Clone, Debug)]
struct Job {
    asker: Asker,
    deadline: Instant,
    timed_out: bool,
    min_bytes: u64,
    max_bytes: u32,
    read_committed: bool,
    /// The session it belongs to, and whether only changes are to be told.
    session: Option<(i32, bool)>,
    parts: Vec<Part>,
    /// Set once planned for good; reads fill it.
    reading: Option<Reading>,
}

/// One partition that is asked for.
#[derive(Clone, Debug, PartialEq)]
struct Part {
    name: TopicName,
    id: TopicId,
    index: i32,
    offset: Offset,
    max_bytes: u32,
    current_leader_epoch: i32,
    last_fetched_epoch: i32,
}

#[derive(Clone, Debug)]
struct Reading {
    answers: Vec<FetchedPartition>,
    /// Parts that got less than their share because the answer was full.
    cut_short: BTreeSet<usize>,
    reads: Vec<Read>,
    outstanding: usize,
    /// A segment went before it was read: what was in it is in the object store, or gone.
    trimmed: bool,
}

/// Batches of one part in one segment or object.
#[derive(Clone, Debug)]
struct Read {
    part: usize,
    from: Source,
    bytes: Vec<Bytes>,
}

#[derive(Clone, Debug)]
enum Source {
    Log { file: FileName, batches: Vec<BatchAt> },
    Store(ReadBatches),
}

impl Part {
    /// The partition it names, if there is one.
    fn partition(&self, state: &State) -> Result<PartitionId, i16> {
        let by_id = self.id.is_used_beside(&self.name);
        let topic = if by_id { state.topic(self.id) } else { state.topic_named(&self.name) };
        let unknown =
            if by_id { error_code::UNKNOWN_TOPIC_ID } else { error_code::UNKNOWN_TOPIC_OR_PARTITION };
        topic.ok_or(unknown)?.partition_id(self.index).ok_or(error_code::UNKNOWN_TOPIC_OR_PARTITION)
    }
}

impl Fetches {
    pub(super) fn wake(&mut self, waiting: &BTreeSet<u64>) {
        self.woken.extend(waiting);
    }

    pub(super) fn is_empty(&self) -> bool {
        self.jobs.is_empty()
    }

    /// There may be room for their answers now.
    pub(super) fn wake_stalled(&mut self) {
        self.woken.append(&mut self.stalled);
    }

    pub(super) fn wake_all(&mut self) {
        self.woken.extend(self.jobs.keys());
    }

    pub(super) fn timed_out(&mut self, job: u64) {
        if let Some(waiting) = self.jobs.get_mut(&job) {
            if planted(Planted::TimeoutLost) {
                return;
            }
            mark(Mark::FetchTimedOut);
            waiting.timed_out = true;
            self.woken.insert(job);
        }
    }

    pub(super) fn drop_connection(&mut self, conn: ConnId, state: &mut State, turn: &mut Turn<'_>) {
        let gone: Vec<u64> =
            self.jobs.iter().filter(|(_, job)| job.asker.conn == conn).map(|(id, _)| *id).collect();
        for id in gone {
            if let Some(job) = self.jobs.remove(&id) {
                mark(Mark::FetchConnectionGone);
                self.sessions.give_up(job.session);
                self.stalled.remove(&id);
                unpark(id, &job, state, turn);
            }
        }
    }
}

fn park(id: u64, job: &Job, state: &mut State, turn: &mut Turn<'_>) {
    turn.at(job.deadline, Timer::Fetch(id));
    for part in &job.parts {
        if let Ok(partition) = part.partition(state)
            && let Some(partition) = state.partition_mut(partition)
        {
            partition.waiting.insert(id);
        }
    }
}

fn unpark(id: u64, job: &Job, state: &mut State, turn: &mut Turn<'_>) {
    turn.cancel(job.deadline, Timer::Fetch(id));
    for part in &job.parts {
        if let Ok(partition) = part.partition(state)
            && let Some(partition) = state.partition_mut(partition)
        {
            partition.waiting.remove(&id);
        }
    }
}

impl Live {
    pub(super) fn fetch(&mut self, asker: Asker, request: FetchRequest, turn: &mut Turn<'_>) {
        let wait = core::time::Duration::from_millis(u64::try_from(request.max_wait_ms).unwrap_or(0));
        let max_bytes = u32::try_from(request.max_bytes).unwrap_or(0).min(FETCH_BYTES_MAX);
        // More than fits into the answer cannot be waited for.
        let min_bytes = u32::try_from(request.min_bytes).unwrap_or(0).min(max_bytes);
        let read_committed = request.isolation_level == 1;
        let (session, parts) = match self.fetches.sessions.enter(request, turn) {
            Ok(entered) => entered,
            Err(error_code) => {
                let answer = FetchAnswer { error_code, ..FetchAnswer::default() };
                self.answer(asker, Response::Fetch(answer), self.log.durable(), turn);
                return;
            }
        };
        let job = Job {
            asker,
            deadline: turn.now.mono.after(wait.min(FETCH_WAIT_MAX)),
            timed_out: wait.is_zero(),
            min_bytes: u64::from(min_bytes),
            max_bytes,
            read_committed,
            session,
            parts,
            reading: None,
        };
        let id = self.fetches.next;
        self.fetches.next += 1;
        self.try_fetch(id, job, false, turn);
    }

    /// Jobs that were woken in this turn.
    pub(super) fn serve_woken(&mut self, turn: &mut Turn<'_>) {
        for id in core::mem::take(&mut self.fetches.woken) {
            let parked = self.fetches.jobs.get(&id).is_some_and(|job| job.reading.is_none());
            if parked && let Some(job) = self.fetches.jobs.remove(&id) {
                self.try_fetch(id, job, true, turn);
            }
        }
    }

    fn try_fetch(&mut self, id: u64, mut job: Job, parked: bool, turn: &mut Turn<'_>) {
        let room = self.outgoing.room(job.asker.conn);
        let max_bytes = job.max_bytes.min(u32::try_from(room).unwrap_or(u32::MAX));
        let plan = Plan::make(&job, max_bytes, &self.state, self.cuts.as_deref());
        let enough = plan.has_error
            || (plan.is_full && !planted(Planted::FullAnswerWaits))
            || plan.bytes >= job.min_bytes
            || job.timed_out
            || self.stopping;
        let stalls = room < FETCH_ROOM_BYTES_MIN && plan.bytes > ANSWER_BYTES_FREE;
        if stalls && self.stopping {
            // Its client does not take its answers: it is not told of the stop by one more.
            if parked {
                unpark(id, &job, &mut self.state, turn);
            }
            self.fetches.sessions.give_up(job.session);
            turn.effects.push(Effect::Close(job.asker.conn));
            return;
        }
        if stalls {
            self.fetches.stalled.insert(id);
        }
        if !enough || stalls {
            if parked {
                mark(Mark::FetchNotEnough);
            }
            if !parked {
                mark(Mark::FetchParked);
                park(id, &job, &mut self.state, turn);
            }
            self.fetches.jobs.insert(id, job);
            return;
        }
        if parked {
            unpark(id, &job, &mut self.state, turn);
        }
        self.outgoing.count(job.asker, plan.bytes);
        let mut reading = Reading {
            answers: plan.answers,
            cut_short: plan.cut_short,
            reads: Vec::new(),
            outstanding: 0,
            trimmed: false,
        };
        for (part_at, batches) in plan.batches.into_iter().enumerate() {
            let Some(partition) = batches.partition else { continue };
            if let Some(stored) = batches.stored {
                reading.reads.push(Read { part: part_at, from: Source::Store(stored), bytes: Vec::new() });
            }
            for entry in batches.entries {
                match self.cache.find(partition, entry.base_offset()) {
                    Some(cached) => {
                        mark(Mark::FetchCached);
                        reading.answers[part_at]
                            .records
                            .extend([cached.header.clone(), cached.records.clone()]);
                    }
                    None => {
                        let known = self.state.partition(partition);
                        let epoch = known.map_or(-1, |known| known.epoch_at(entry.base_offset()));
                        reading.add(part_at, &entry, epoch);
                    }
                }
            }
        }
        reading.outstanding = reading.reads.len();
        for (at, read) in reading.reads.iter_mut().enumerate() {
            match &mut read.from {
                Source::Log { file, batches } => {
                    let steps =
                        vec![DiskStep::ReadBatches { file: *file, batches: core::mem::take(batches) }];
                    let request = DiskRequest { lane: Lane::Read, steps };
                    turn.disk(Purpose::FetchRead { job: id, read: at }, request);
                }
                Source::Store(stored) => {
                    let request = ObjectRequest::ReadBatches(stored.clone());
                    turn.object(Purpose::FetchStored { job: id, read: at }, request);
                }
            }
        }
        if reading.outstanding == 0 {
            self.finish_fetch(job, reading, turn);
        } else {
            job.reading = Some(reading);
            self.fetches.jobs.insert(id, job);
        }
    }

    pub(super) fn fetch_read(&mut self, id: u64, read: usize, result: DiskResult, turn: &mut Turn<'_>) {
        if lookup::was_trimmed(&result, &self.state)
            && let Some(reading) = self.fetches.jobs.get_mut(&id).and_then(|job| job.reading.as_mut())
        {
            mark(Mark::FetchTrimmed);
            reading.trimmed = true;
            self.read_back(id, read, Ok(Vec::new()), turn);
            return;
        }
        self.read_back(id, read, lookup::batches(result), turn);
    }

    pub(super) fn fetch_stored(&mut self, id: u64, read: usize, result: ObjectResult, turn: &mut Turn<'_>) {
        self.read_back(id, read, lookup::stored_batches(result), turn);
    }

    fn read_back(&mut self, id: u64, read: usize, batches: Result<Vec<Bytes>, Notice>, turn: &mut Turn<'_>) {
        // The connection may be gone; the read was then for nothing.
        let Some(job) = self.fetches.jobs.get_mut(&id) else { return };
        let reading = job.reading.as_mut().expect("a read belongs to a job that reads");
        reading.outstanding -= 1;
        match batches {
            Ok(batches) => reading.reads[read].bytes = batches,
            Err(notice) => {
                let part = reading.reads[read].part;
                mark(Mark::FetchReadFailed);
                reading.answers[part].error_code = error_code::KAFKA_STORAGE_ERROR;
                turn.tell(notice);
            }
        }
        if reading.outstanding == 0
            && let Some(mut job) = self.fetches.jobs.remove(&id)
            && let Some(reading) = job.reading.take()
        {
            if reading.trimmed {
                // The index knows these segments no more, so it is planned otherwise.
                job.timed_out |= job.deadline <= turn.now.mono;
                self.try_fetch(id, job, false, turn);
                return;
            }
            self.finish_fetch(job, reading, turn);
        }
    }

    fn finish_fetch(&mut self, job: Job, mut reading: Reading, turn: &mut Turn<'_>) {
        reading.join();
        for (part, answer) in job.parts.iter().zip(&mut reading.answers) {
            // The world may have moved while the disk was read.
            let gone = match part.partition(&self.state).map(|id| self.state.partition(id)) {
                Ok(Some(partition))
                    if part.offset < partition.log_start && !planted(Planted::DeletedRecordsServed) =>
                {
                    Some(error_code::OFFSET_OUT_OF_RANGE)
                }
                Ok(Some(_)) => None,
                Ok(None) => Some(error_code::UNKNOWN_TOPIC_OR_PARTITION),
                Err(error_code) => Some(error_code),
            };
            if let Some(error_code) = gone {
                mark(Mark::FetchGoneMeanwhile);
                answer.error_code = error_code;
            }
            if answer.error_code != error_code::NONE {
                answer.records.clear();
                answer.high_watermark = -1;
                answer.last_stable_offset = -1;
                answer.log_start_offset = -1;
            }
        }
        let told = job.parts.iter().zip(&reading.answers).map(|(part, answer)| {
            // An offset out of range says where the log starts: that is known of the partition.
            let told = matches!(answer.error_code, error_code::NONE | error_code::OFFSET_OUT_OF_RANGE);
            part.partition(&self.state).ok().filter(|_| told)
        });
        let known = self.state.known_by(told);
        let answer = self.fetches.sessions.leave(job.session, job.parts, reading.answers, &reading.cut_short);
        self.answer(job.asker, Response::Fetch(answer), known, turn);
    }
}

impl Reading {
    /// Adds a batch that has to come from the disk: to the last read, if that is for the same part and segment.
    fn add(&mut self, part: usize, entry: &IndexEntry, leader_epoch: i32) {
        let file = FileName::Segment(entry.segment());
        let at = entry.at(leader_epoch);
        match self.reads.last_mut() {
            Some(Read { part: known, from: Source::Log { file: same, batches }, .. })
                if *known == part && *same == file =>
            {
                batches.push(at);
            }
            Some(_) | None => {
                let from = Source::Log { file, batches: vec![at] };
                self.reads.push(Read { part, from, bytes: Vec::new() });
            }
        }
    }

    /// Puts what was read in front of what came from the cache: the cache holds the newest.
    fn join(&mut self) {
        for read in self.reads.drain(..).rev() {
            let records = &mut self.answers[read.part].records;
            if !records.is_empty() {
                mark(Mark::FetchJoined);
            }
            let front = if planted(Planted::JoinedInWrongOrder) { records.len() } else { 0 };
            mark(Mark::FetchRead);
            records.splice(front..front, read.bytes);
        }
    }
}
