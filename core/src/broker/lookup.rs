//! Offsets by time (ListOffsets) and by leader epoch (OffsetForLeaderEpoch, KIP-101, KIP-320).
//!
//! The index finds the batch; the record within it is found where the bytes are decoded, in the session.

use alloc::{
    collections::{BTreeMap, BTreeSet},
    vec,
    vec::Vec,
};

use bytes::Bytes;
use kafka_protocol::messages::{
    ListOffsetsRequest, OffsetForLeaderEpochRequest, OffsetForLeaderEpochResponse,
    offset_for_leader_epoch_response::{EpochEndOffset, OffsetForLeaderTopicResult},
};

use crate::{
    broker::{
        Asker, Live,
        cuts::{Cuts, Place},
        outgoing::Outgoing,
    },
    error_code,
    limits::{LISTED_BYTES_MAX, LISTED_BYTES_MIN},
    marks::{Mark, mark},
    partition::{Partition, index::IndexEntry},
    planted::{Planted, planted},
    port::{
        BatchAt, DiskError, DiskErrorKind, DiskReply, DiskRequest, DiskResult, DiskStep, FileName,
        FoundOffset, Lane, ListOffsetsAnswer, ListedPartition, ListedTopic, Notice, ObjectReply,
        ObjectRequest, ObjectResult, ReadBatches, Response,
    },
    state::State,
    turn::{Purpose, Turn},
    units::{ConnId, Epoch, Lsn, Offset, Timestamp},
    wire::batch::{BatchHeader, HEADER_BYTES},
};

const LATEST: i64 = -1;
const EARLIEST: i64 = -2;
const MAX_TIMESTAMP: i64 = -3;
const EARLIEST_LOCAL: i64 = -4;
const LATEST_TIERED: i64 = -5;

/// Lookups that wait for the disk.
#[derive(Clone, Debug, Default)]
pub(super) struct Lookups {
    jobs: BTreeMap<u64, Job>,
    next: u64,
}

/// A topic and a partition of it, by their places in the request.
type Spot = (usize, usize);
type Passed = BTreeMap<Spot, Offset>;

#[derive(Clone, Debug)]
struct Job {
    asker: Asker,
    /// To look anew, should a segment go before it was read, or an object have nothing of what was looked for.
    request: ListOffsetsRequest,
    anew: bool,
    /// Where nothing was found, by place in the answer: up to that offset.
    passed: Passed,
    /// What must be durable before the answer leaves.
    known: Lsn,
    answer: ListOffsetsAnswer,
    /// Bytes of batches in it.
    held: u64,
    /// Where in the answer the batch of each read belongs, and up to where an object is looked through.
    holes: Vec<(Spot, Option<Offset>)>,
    outstanding: usize,
}

impl Lookups {
    pub(super) fn is_empty(&self) -> bool {
        self.jobs.is_empty()
    }

    pub(super) fn drop_connection(&mut self, conn: ConnId) {
        self.jobs.retain(|_, job| job.asker.conn != conn);
    }
}

/// Compares a client's idea of the leader epoch with ours (KIP-320). -1: it has none.
pub(super) fn check_leader_epoch(asked: i32, current: Epoch) -> Result<(), i16> {
    match asked {
        -1 => Ok(()),
        asked if asked < current.leader_epoch() => Err(error_code::FENCED_LEADER_EPOCH),
        asked if asked > current.leader_epoch() => Err(error_code::UNKNOWN_LEADER_EPOCH),
        _ => Ok(()),
    }
}

enum Lookup {
    Known(FoundOffset),
    InBatch { entry: IndexEntry, timestamp: Timestamp, leader_epoch: i32 },
    Stored { place: Place, timestamp: Timestamp },
}

fn at(offset: Offset, leader_epoch: i32) -> Lookup {
    Lookup::Known(FoundOffset::At { timestamp: Timestamp(-1), offset, leader_epoch })
}

fn look_up(partition: &Partition, asked: i64, current: Epoch, cuts: Option<&Cuts>) -> Lookup {
    let found = match asked {
        LATEST if planted(Planted::WatermarkEarlyInListOffsets) => {
            return at(partition.log_end, current.leader_epoch());
        }
        LATEST => return at(partition.visible, current.leader_epoch()),
        EARLIEST_LOCAL if cuts.is_some() => {
            let local = first_local(partition);
            return at(local, partition.epoch_at(local));
        }
        EARLIEST | EARLIEST_LOCAL => return at(partition.log_start, partition.epoch_at(partition.log_start)),
        LATEST_TIERED => {
            let stored = cuts.and_then(Cuts::archive).and_then(|archive| archive.end(partition.id));
            let last = stored.map_or(Offset(-1), |end| Offset(end.0 - 1));
            return at(last, partition.epoch_at(last));
        }
        MAX_TIMESTAMP => partition.batches.newest(),
        time => partition.batches.by_time(Timestamp(time)).map(|entry| (entry, Timestamp(time))),
    };
    match found {
        Some((entry, timestamp)) => Lookup::InBatch {
            entry: *entry,
            timestamp,
            leader_epoch: partition.epoch_at(entry.base_offset()),
        },
        None => at(Offset(-1), -1),
    }
}

/// Offset of the first record that is in the log, and not only in the object store.
fn first_local(partition: &Partition) -> Offset {
    partition.oldest_in_log().max(partition.log_start)
}

/// A lookup among what is only in the object store, from that offset on. `None`: what is asked for is not there.
fn look_up_stored(partition: &Partition, asked: i64, from: Offset, cuts: &Cuts) -> Option<Lookup> {
    let local = first_local(partition);
    let offsets = (from, local);
    if asked < MAX_TIMESTAMP || (asked < 0 && asked > MAX_TIMESTAMP) || from >= local {
        return None;
    }
    let Some(archive) = cuts.archive() else {
        mark(Mark::FetchStoreUnknown);
        return Some(Lookup::Known(FoundOffset::Error(error_code::KAFKA_STORAGE_ERROR)));
    };
    let timestamp = if asked == MAX_TIMESTAMP {
        let stored = archive.newest(partition.id, offsets)?;
        // Of two that are as young the earlier counts.
        if partition.batches.newest().is_some_and(|(_, newest)| newest > stored) {
            return None;
        }
        stored
    } else {
        Timestamp(asked)
    };
    archive.by_time(partition.id, offsets, timestamp).map(|place| Lookup::Stored { place, timestamp })
}

impl Live {
    pub(super) fn list_offsets(&mut self, asker: Asker, request: ListOffsetsRequest, turn: &mut Turn<'_>) {
        self.look_behind(asker, request, Passed::new(), turn);
    }

    fn look_behind(
        &mut self,
        asker: Asker,
        request: ListOffsetsRequest,
        passed: Passed,
        turn: &mut Turn<'_>,
    ) {
        let mut answer = ListOffsetsAnswer::default();
        let (mut reads, mut told, mut seen) = (Vec::new(), Vec::new(), BTreeSet::new());
        let (bound, mut held) = (listed_bytes(&self.outgoing, asker, 0), 0);
        let cuts = self.cuts.as_deref();
        for (topic_at, topic) in request.topics.iter().enumerate() {
            let known = self.state.topic_named(&topic.name);
            let mut partitions = Vec::with_capacity(topic.partitions.len());
            for (partition_at, asked) in topic.partitions.iter().enumerate() {
                let partition = known
                    .and_then(|topic| topic.partition_id(asked.partition_index))
                    .and_then(|id| self.state.partition(id))
                    .ok_or(error_code::UNKNOWN_TOPIC_OR_PARTITION)
                    .and_then(|partition| {
                        check_leader_epoch(asked.current_leader_epoch, self.state.epoch).map(|()| partition)
                    })
                    // As Kafka does.
                    .and_then(|partition| {
                        let is_first = seen.insert(partition.id);
                        if is_first { Ok(partition) } else { Err(error_code::INVALID_REQUEST) }
                    });
                told.push(partition.ok().map(|partition| partition.id));
                let found = match partition {
                    Err(error_code) => FoundOffset::Error(error_code),
                    Ok(partition) => match cuts
                        .and_then(|cuts| {
                            let passed = passed.get(&(topic_at, partition_at)).copied();
                            let from = passed.unwrap_or_default().max(partition.log_start);
                            look_up_stored(partition, asked.timestamp, from, cuts)
                        })
                        .unwrap_or_else(|| look_up(partition, asked.timestamp, self.state.epoch, cuts))
                    {
                        Lookup::Known(found) => found,
                        Lookup::Stored { place, timestamp } => {
                            mark(Mark::LookupStored);
                            reads.push((
                                ((topic_at, partition_at), Some(place.end)),
                                Source::Store(ReadBatches {
                                    object: place.object,
                                    partition: partition.id,
                                    from: partition.log_start,
                                    newest_min: Some(timestamp),
                                    bytes_max: 0,
                                }),
                            ));
                            FoundOffset::Within {
                                batch: Vec::new(),
                                from: partition.log_start,
                                timestamp,
                                leader_epoch: -1,
                            }
                        }
                        Lookup::InBatch { entry, .. } if held + u64::from(entry.len()) > bound => {
                            FoundOffset::Error(error_code::OFFSET_NOT_AVAILABLE)
                        }
                        Lookup::InBatch { entry, timestamp, leader_epoch } => {
                            mark(Mark::LookupByTime);
                            held += u64::from(entry.len());
                            let cached = self.cache.find(partition.id, entry.base_offset());
                            let batch = cached.map(|batch| vec![batch.header.clone(), batch.records.clone()]);
                            if batch.is_none() {
                                let file = FileName::Segment(entry.segment());
                                let at = entry.at(leader_epoch);
                                reads.push((((topic_at, partition_at), None), Source::Log(file, at)));
                            }
                            FoundOffset::Within {
                                batch: batch.unwrap_or_default(),
                                from: partition.log_start,
                                timestamp,
                                leader_epoch,
                            }
                        }
                    },
                };
                partitions.push(ListedPartition { index: asked.partition_index, found });
            }
            answer.topics.push(ListedTopic { name: topic.name.clone(), partitions });
        }
        let known = self.state.known_by(told);
        self.outgoing.count(asker, held);
        if reads.is_empty() {
            self.answer(asker, Response::ListOffsets(answer), known, turn);
            return;
        }
        let (holes, sources): (Vec<_>, Vec<_>) = reads.into_iter().unzip();
        let outstanding = holes.len();
        let job = Job { asker, request, anew: false, passed, known, answer, held, holes, outstanding };
        self.read_for_lookup(job, sources, turn);
    }

    fn read_for_lookup(&mut self, waiting: Job, sources: Vec<Source>, turn: &mut Turn<'_>) {
        let job = self.lookups.next;
        self.lookups.next += 1;
        for (read, source) in sources.into_iter().enumerate() {
            match source {
                Source::Log(file, at) => {
                    mark(Mark::LookupRead);
                    let steps = vec![DiskStep::ReadBatches { file, batches: vec![at] }];
                    turn.disk(Purpose::LookupRead { job, read }, DiskRequest { lane: Lane::Read, steps });
                }
                Source::Store(stored) => {
                    turn.object(Purpose::LookupStored { job, read }, ObjectRequest::ReadBatches(stored));
                }
            }
        }
        self.lookups.jobs.insert(job, waiting);
    }

    pub(super) fn lookup_read(&mut self, job: u64, read: usize, result: DiskResult, turn: &mut Turn<'_>) {
        if was_trimmed(&result, &self.state)
            && let Some(waiting) = self.lookups.jobs.get_mut(&job)
        {
            waiting.anew = true;
            self.looked_up(job, read, Ok(Vec::new()), turn);
            return;
        }
        self.looked_up(job, read, batches(result), turn);
    }

    pub(super) fn lookup_stored(&mut self, job: u64, read: usize, result: ObjectResult, turn: &mut Turn<'_>) {
        self.looked_up(job, read, stored_batches(result), turn);
    }

    fn looked_up(&mut self, job: u64, read: usize, batches: Result<Vec<Bytes>, Notice>, turn: &mut Turn<'_>) {
        // The connection may be gone; the read was then for nothing.
        let Some(waiting) = self.lookups.jobs.get_mut(&job) else { return };
        waiting.outstanding -= 1;
        let (asker, bound) = (waiting.asker, listed_bytes(&self.outgoing, waiting.asker, waiting.held));
        let (spot @ (topic_at, partition_at), upto) = waiting.holes[read];
        let found = &mut waiting.answer.topics[topic_at].partitions[partition_at].found;
        match (batches, upto) {
            // The youngest that was ever in that object is deleted.
            (Ok(read), Some(upto)) if read.is_empty() => {
                waiting.passed.insert(spot, upto);
                waiting.anew = true;
            }
            // Only what is read from the object store has a length that was not known before.
            (Ok(read), Some(_)) if waiting.held + bytes_of(&read) > bound => {
                *found = FoundOffset::Error(error_code::OFFSET_NOT_AVAILABLE);
            }
            (Ok(read), _) => {
                if upto.is_some() {
                    waiting.held += bytes_of(&read);
                    self.outgoing.count(asker, waiting.held);
                }
                if let FoundOffset::Within { batch, leader_epoch, .. } = found {
                    // Where it was found decides: of a stored batch nothing was known before.
                    let head = read.first().and_then(|batch| batch.first_chunk::<HEADER_BYTES>());
                    *leader_epoch = head.map_or(-1, |head| BatchHeader::parse(head).leader_epoch);
                    *batch = read;
                }
            }
            (Err(notice), _) => {
                mark(Mark::LookupFailed);
                *found = FoundOffset::Error(error_code::KAFKA_STORAGE_ERROR);
                turn.tell(notice);
            }
        }
        if waiting.outstanding == 0
            && let Some(done) = self.lookups.jobs.remove(&job)
        {
            if done.anew {
                // The index knows a segment that went no more, so what was in it is found in the object store.
                self.look_behind(done.asker, done.request, done.passed, turn);
                return;
            }
            self.answer(done.asker, Response::ListOffsets(done.answer), done.known, turn);
        }
    }

    pub(super) fn offset_for_leader_epoch(
        &mut self,
        asker: Asker,
        request: OffsetForLeaderEpochRequest,
        turn: &mut Turn<'_>,
    ) {
        let current = self.state.epoch;
        let mut topics = Vec::with_capacity(request.topics.len());
        let mut seen = Vec::new();
        for topic in request.topics {
            let known = self.state.topic_named(&topic.topic);
            let answered = topic.partitions.iter().map(|asked| {
                let partition = known
                    .and_then(|topic| topic.partition_id(asked.partition))
                    .and_then(|id| self.state.partition(id));
                seen.push(partition.map(|partition| partition.id));
                let end = partition
                    .ok_or(error_code::UNKNOWN_TOPIC_OR_PARTITION)
                    .and_then(|partition| {
                        check_leader_epoch(asked.current_leader_epoch, current).map(|()| partition)
                    })
                    .map(|partition| partition.epoch_end(asked.leader_epoch, current));
                let mut told = EpochEndOffset::default()
                    .with_partition(asked.partition)
                    .with_leader_epoch(-1)
                    .with_end_offset(-1);
                match end {
                    Ok(Some((epoch, end))) => {
                        told.leader_epoch = epoch;
                        told.end_offset = end.0;
                    }
                    Ok(None) => {}
                    Err(error_code) => told.error_code = error_code,
                }
                told
            });
            let answered = answered.collect();
            topics.push(
                OffsetForLeaderTopicResult::default().with_topic(topic.topic).with_partitions(answered),
            );
        }
        let response = OffsetForLeaderEpochResponse::default().with_topics(topics);
        let known = self.state.known_by(seen);
        self.answer(asker, Response::OffsetForLeaderEpoch(response), known, turn);
    }
}

/// Most bytes of batches in the answer to this request, which has `held` of them. It holds whole batches until it is encoded: only then
/// the record in each is found.
fn listed_bytes(outgoing: &Outgoing, asker: Asker, held: u64) -> u64 {
    LISTED_BYTES_MAX.min((outgoing.room(asker.conn) + held).max(LISTED_BYTES_MIN))
}

fn bytes_of(batches: &[Bytes]) -> u64 {
    batches.iter().map(|batch| batch.len() as u64).sum()
}

/// Where a batch is to be read.
#[derive(Clone, Debug)]
enum Source {
    Log(FileName, BatchAt),
    Store(ReadBatches),
}

/// Whether what a read asked for was in a segment that was trimmed while the read was on its way: the file is gone, and the
/// index has forgotten it. A file that is gone and that the index still knows is damage.
pub(super) fn was_trimmed(result: &DiskResult, state: &State) -> bool {
    let Err(DiskError { kind: DiskErrorKind::NotFound, file: Some(FileName::Segment(gone)), .. }) = result
    else {
        return false;
    };
    state.partitions().all(|known| known.batches.first().is_none_or(|first| first.segment() > *gone))
}

/// The batches of a read of the object store, or what to tell the operator.
pub(super) fn stored_batches(result: ObjectResult) -> Result<Vec<Bytes>, Notice> {
    match result {
        Ok(ObjectReply::Batches(batches)) => Ok(batches),
        Ok(_) => unreachable!("batches were asked for"),
        Err(error) => Err(Notice::error(alloc::format!("cannot read stored data: {error}"))),
    }
}

/// The batches of a read, or what to tell the operator.
pub(super) fn batches(result: DiskResult) -> Result<Vec<Bytes>, Notice> {
    match result {
        Ok(mut replies) => match replies.pop() {
            Some(DiskReply::Batches(batches)) => Ok(batches),
            Some(
                DiskReply::Done
                | DiskReply::Files(_)
                | DiskReply::Bytes(_)
                | DiskReply::Scan(_)
                | DiskReply::Space(_),
            )
            | None => {
                unreachable!("one reply for each step, of its kind")
            }
        },
        Err(error) => Err(Notice::error(alloc::format!("cannot read acknowledged data: {error}"))),
    }
}
