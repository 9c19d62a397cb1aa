//! The live end of the log: staging, group commit with one write in flight, rolling, markers, the closing seal.
//!
//! While a write is in flight, what is staged gathers and becomes the next group: no linger, lowest latency when idle,
//! largest groups when busy. `durable <= staged end`; nothing is told to anyone before `durable` has passed it.
//! Any failure of a log write or sync is a [`Fault`]: the process ends and the next start recovers.

mod segments;

use alloc::{collections::VecDeque, string::String, vec, vec::Vec};

use bytes::Bytes;

use crate::{
    config::Config,
    limits::{BLOCK_BYTES, DETACHED_FACTOR, GROUP_RECORDS_MAX, MARKER_DELAY},
    log::{
        entry::{APPEND_HEAD_BYTES, Entry},
        group::{GROUP_HEADER_BYTES, GroupHeader, GroupKind, padded_len},
        segment::{SegmentHeader, salt_behind},
    },
    marks::{Mark, mark},
    partition::index::Place,
    planted::{Planted, planted},
    port::{DiskError, DiskErrorKind, DiskRequest, DiskResult, DiskStep, Fault, FileName, Lane},
    turn::{Purpose, Timer, Turn},
    units::{Epoch, Instant, Lsn, SegmentSequence},
};

/// A log that fills its segments faster than this has better uses for the disk than writing zeros ahead of itself.
const FAST_FILL: core::time::Duration = core::time::Duration::from_secs(2);

/// Where the next group goes.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Tail {
    /// The segment in use.
    pub segment: SegmentSequence,
    /// Its size in bytes.
    pub segment_bytes: u32,
    /// Its salt.
    pub salt: u64,
    /// First byte of the next group.
    pub position: u32,
    /// Link of the last group.
    pub link: u32,
}

/// Who writes: goes into every header.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Writer {
    /// The epoch of this start.
    pub epoch: Epoch,
    /// The node.
    pub node_id: i32,
    /// The cluster.
    pub cluster_id: String,
    /// Size of new segments.
    pub segment_bytes: u32,
    /// Largest group.
    pub group_bytes_max: u32,
}

impl Writer {
    /// The writer of this start.
    #[must_use]
    pub fn new(config: &Config, epoch: Epoch, cluster_id: String) -> Writer {
        Writer {
            epoch,
            node_id: config.node_id,
            cluster_id,
            segment_bytes: config.segment_bytes,
            group_bytes_max: config.group_bytes_max(),
        }
    }
}

/// A staged record.
#[derive(Clone, Debug, PartialEq)]
pub struct Staged {
    /// Its number.
    pub lsn: Lsn,
    /// What it says.
    pub entry: Entry,
    /// Record bytes of an append, behind the batch header; empty for others.
    pub records: Bytes,
    /// Bytes of memory that `records` hold: they may be a slice of something larger.
    pub held: u64,
    head_len: u32,
}

/// A record that has become durable.
#[derive(Clone, Debug, PartialEq)]
pub struct Written {
    /// As it was staged.
    pub staged: Staged,
    /// Where its body is; of no meaning without one.
    pub place: Place,
    /// The encoded batch header of an append.
    pub batch_header: Bytes,
}

#[derive(Clone, Debug, PartialEq)]
struct Writing {
    records: Vec<Written>,
    upto: Lsn,
    synced: Lsn,
    kind: GroupKind,
    tail: Tail,
}

/// The live end of the log.
#[derive(Clone, Debug, PartialEq)]
pub struct Log {
    writer: Writer,
    first_segment: SegmentSequence,
    tail: Tail,
    staged: VecDeque<Staged>,
    /// Bytes of them, padding left out.
    staged_bytes: usize,
    next: Lsn,
    durable: Lsn,
    /// What the newest durable group says is synced. Behind `durable`: a marker is owed.
    told: Lsn,
    /// The last group has something that was promised to somebody.
    owes_witness: bool,
    writing: Option<Writing>,
    marker_due: Option<Instant>,
    spares: VecDeque<SegmentSequence>,
    preparing: bool,
    prepare_failures: u32,
    next_spare: SegmentSequence,
    /// When the segment in use was begun by a roll, and whether the one before it filled up within [`FAST_FILL`].
    begun: Option<Instant>,
    fills_fast: bool,
    closing: bool,
    sealed: bool,
}

fn front_bytes(header: &GroupHeader, heads: &[u8]) -> (Bytes, u32) {
    let (front, link) = header.encode_front(heads);
    (Bytes::from(front), link)
}

fn padding(len: usize) -> Bytes {
    static ZEROS: [u8; BLOCK_BYTES as usize] = [0; BLOCK_BYTES as usize];
    Bytes::from_static(&ZEROS[..len])
}

/// A group without records, as one block.
fn empty_group(header: &GroupHeader) -> (Vec<Bytes>, u32) {
    let (front, link) = front_bytes(header, &[]);
    let pad = padding(BLOCK_BYTES as usize - front.len());
    (vec![front, pad], link)
}

impl Log {
    /// The log as recovery left it: everything below `next` is durable at or before `tail`.
    #[must_use]
    pub fn new(writer: Writer, first_segment: SegmentSequence, tail: Tail, next: Lsn) -> Log {
        Log {
            writer,
            first_segment,
            next_spare: tail.segment.next(),
            tail,
            staged: VecDeque::new(),
            staged_bytes: 0,
            next,
            durable: next,
            told: Lsn(0),
            owes_witness: false,
            writing: None,
            marker_due: None,
            spares: VecDeque::new(),
            preparing: false,
            prepare_failures: 0,
            begun: None,
            fills_fast: false,
            closing: false,
            sealed: false,
        }
    }

    /// LSN behind the last staged record.
    #[must_use]
    pub fn staged_upto(&self) -> Lsn {
        self.next
    }

    /// Everything below is durable.
    #[must_use]
    pub fn durable(&self) -> Lsn {
        self.durable
    }

    /// The segment in use.
    #[must_use]
    pub fn segment(&self) -> SegmentSequence {
        self.tail.segment
    }

    /// The oldest segment that is still there.
    #[must_use]
    pub fn first_segment(&self) -> SegmentSequence {
        self.first_segment
    }

    /// Whether new records may be staged: not when the disk could not give the segment after this one.
    #[must_use]
    pub fn accepts(&self) -> bool {
        !self.closing && (self.prepare_failures == 0 || !self.spares.is_empty())
    }

    /// Whether a deletion may be staged, which gives room back: also into the last segment that the disk gave, as long as it certainly
    /// fits there.
    #[must_use]
    pub fn accepts_deletion(&self) -> bool {
        if self.closing {
            return false;
        }
        // Behind the group on its way: each staged entry in a group of its own at worst, the deletion in one block, and the seal.
        let tail = self.writing.as_ref().map_or(&self.tail, |writing| &writing.tail);
        let staged = self.staged_bytes + self.staged.len() * (GROUP_HEADER_BYTES + BLOCK_BYTES as usize);
        let needed = staged + 2 * BLOCK_BYTES as usize;
        self.accepts() || needed <= (tail.segment_bytes - tail.position) as usize
    }

    /// Whether nothing may be staged any more.
    #[must_use]
    pub fn is_closing(&self) -> bool {
        self.closing
    }

    /// Whether the closing seal is durable.
    #[must_use]
    pub fn is_sealed(&self) -> bool {
        self.sealed
    }

    /// Gives the entry its place in the order of everything. Durable later: see [`Log::durable`].
    pub fn stage(&mut self, entry: Entry, records: Bytes) -> Lsn {
        assert!(!self.closing, "nothing is staged behind the seal");
        let head_len = if matches!(entry, Entry::Append(_)) {
            APPEND_HEAD_BYTES
        } else {
            let mut head = Vec::new();
            entry.encode_head(&mut head);
            head.len()
        };
        let lsn = self.next;
        self.next = lsn.plus(1);
        let head_len = u32::try_from(head_len).expect("heads are below 64 KiB");
        let held = records.len() as u64;
        self.staged_bytes += head_len as usize + records.len();
        self.staged.push_back(Staged { lsn, entry, records, held, head_len });
        lsn
    }

    /// Records staged from there on came in one request of this many bytes. They hold all of it; where that is much more than they are,
    /// they get memory of their own. Costs a copy of at most an eighth of the request, and only where most of it was refused.
    pub fn detach(&mut self, from: Lsn, request_bytes: u64) {
        let first = self.staged.partition_point(|staged| staged.lsn < from);
        let kept: u64 = self.staged.range(first..).map(|staged| staged.held).sum();
        let copied = kept.saturating_mul(DETACHED_FACTOR) < request_bytes;
        for staged in self.staged.range_mut(first..).filter(|staged| staged.held > 0) {
            if copied {
                staged.records = Bytes::copy_from_slice(&staged.records);
            } else {
                let share = u128::from(staged.held) * u128::from(request_bytes.max(kept)) / u128::from(kept);
                staged.held = u64::try_from(share).unwrap_or(u64::MAX);
            }
        }
    }

    /// Asks for the seal once everything staged is durable. Nothing may be staged afterwards.
    pub fn close(&mut self) {
        self.closing = true;
    }

    /// At the end of a turn: starts what can be started.
    pub fn advance(&mut self, turn: &mut Turn<'_>) {
        self.prepare(turn);
        if self.writing.is_some() || self.sealed {
            return;
        }
        if !self.staged.is_empty() {
            mark(Mark::LogGroup);
            self.write_data(turn);
        } else if self.closing {
            mark(Mark::LogSealStop);
            self.write_empty(GroupKind::SealStop, turn);
        } else if self.told < self.durable
            && self.marker_due.is_none()
            && (self.marker_fits()
                || (self.owes_witness && !self.spares.is_empty() && !planted(Planted::MarkerNeedsRoom)))
            && !(planted(Planted::MarkerOnlyFirst) && self.told > Lsn(0))
        {
            let due = turn.now.mono.after(MARKER_DELAY);
            self.marker_due = Some(due);
            turn.at(due, Timer::Marker);
        }
    }

    /// The marker timer fired.
    pub fn marker_due(&mut self, turn: &mut Turn<'_>) {
        self.marker_due = None;
        if self.writing.is_none() && self.staged.is_empty() && !self.closing && self.told < self.durable {
            mark(Mark::LogMarker);
            self.write_marker(turn);
        }
    }

    /// Whether a marker, and the seal behind it, fit into the segment in use.
    fn marker_fits(&self) -> bool {
        self.room() >= 2 * BLOCK_BYTES
    }

    /// Writes a marker; at the front of the next segment where this one has room for its seal alone. Otherwise the last group of a
    /// segment that is just full would have no witness for as long as nothing is written.
    fn write_marker(&mut self, turn: &mut Turn<'_>) {
        if self.marker_fits() {
            self.write_empty(GroupKind::Marker, turn);
            return;
        }
        let Some(next) = self.spares.pop_front() else { return };
        mark(Mark::LogMarkerRolled);
        let (mut steps, mut data) = (Vec::new(), Vec::new());
        let tail = self.roll(next, &mut steps, &mut data, turn);
        let (group, link) = empty_group(&self.header(GroupKind::Marker, &tail, 0, 0, 0));
        data.extend(group);
        let file = FileName::Segment(tail.segment);
        steps.push(DiskStep::Write { file, position: 0, data });
        steps.push(DiskStep::Sync(file));
        let tail = Tail { position: tail.position + BLOCK_BYTES, link, ..tail };
        let (records, upto, synced) = (Vec::new(), self.durable, self.durable);
        self.issue(Writing { records, upto, synced, kind: GroupKind::Marker, tail }, steps, turn);
    }

    /// Bytes left for groups in this segment, the seal's block included.
    fn room(&self) -> u32 {
        self.tail.segment_bytes - self.tail.position
    }

    fn write_empty(&mut self, kind: GroupKind, turn: &mut Turn<'_>) {
        let (data, link) = empty_group(&self.header(kind, &self.tail, 0, 0, 0));
        let file = FileName::Segment(self.tail.segment);
        let steps = vec![
            DiskStep::Write { file, position: u64::from(self.tail.position), data },
            DiskStep::Sync(file),
        ];
        let tail = Tail { position: self.tail.position + BLOCK_BYTES, link, ..self.tail.clone() };
        self.issue(
            Writing { records: Vec::new(), upto: self.durable, synced: self.durable, kind, tail },
            steps,
            turn,
        );
    }

    fn header(
        &self,
        kind: GroupKind,
        tail: &Tail,
        records: u32,
        heads_len: u32,
        bodies_len: u32,
    ) -> GroupHeader {
        GroupHeader {
            previous: tail.link,
            salt: tail.salt,
            first: self.durable,
            records,
            kind,
            heads_len,
            bodies_len,
            synced: if planted(Planted::SyncedMarkStuck) { Lsn(0) } else { self.durable },
            epoch: self.writer.epoch,
        }
    }

    fn issue(&mut self, writing: Writing, steps: Vec<DiskStep>, turn: &mut Turn<'_>) {
        assert!(self.writing.is_none(), "one log write in flight");
        if let Some(due) = self.marker_due.take() {
            mark(Mark::LogMarkerOvertaken);
            turn.cancel(due, Timer::Marker);
        }
        self.writing = Some(writing);
        turn.disk(Purpose::LogWrite, DiskRequest { lane: Lane::Log, steps });
    }

    /// How many staged records fit into `bytes`, with the bytes of their heads and bodies.
    fn fitting(&self, bytes: u32) -> (usize, u32, u32) {
        let (mut count, mut heads, mut bodies) = (0, 0, 0);
        for staged in self.staged.iter().take(GROUP_RECORDS_MAX as usize) {
            let body = staged.entry.body_len();
            if padded_len(heads + staged.head_len, bodies + body) > bytes {
                break;
            }
            count += 1;
            heads += staged.head_len;
            bodies += body;
        }
        (count, heads, bodies)
    }

    fn write_data(&mut self, turn: &mut Turn<'_>) {
        let here = self.writer.group_bytes_max.min(self.room() - BLOCK_BYTES);
        let mut steps = Vec::new();
        let mut data = Vec::new();
        let (mut count, mut heads_len, mut bodies_len) = self.fitting(here);
        let (tail, write_at) = if count > 0 {
            (self.tail.clone(), self.tail.position)
        } else {
            mark(Mark::LogNoRoom);
            let Some(next) = self.spares.pop_front() else {
                mark(Mark::LogWaitsForSpare);
                return;
            };
            let tail = self.roll(next, &mut steps, &mut data, turn);
            (count, heads_len, bodies_len) = self.fitting(self.writer.group_bytes_max);
            assert!(count > 0, "each record is checked to fit into a group when it is accepted");
            (tail, 0)
        };
        let header = self.header(
            GroupKind::Data,
            &tail,
            u32::try_from(count).expect("bounded by GROUP_RECORDS_MAX"),
            heads_len,
            bodies_len,
        );
        let (records, link) = self.gather(count, &header, &tail, &mut data);
        let len = header.padded_len();
        let pad = (len - header.front_len() - bodies_len) as usize;
        data.push(padding(pad));
        let file = FileName::Segment(tail.segment);
        steps.push(DiskStep::Write { file, position: u64::from(write_at), data });
        steps.push(DiskStep::Sync(file));
        let upto = header.upto();
        let tail = Tail { position: tail.position + len, link, ..tail };
        assert!(tail.position + BLOCK_BYTES <= tail.segment_bytes, "room for the seal is kept");
        self.issue(
            Writing { records, upto, synced: header.synced, kind: GroupKind::Data, tail },
            steps,
            turn,
        );
    }

    /// Seals the segment in use and puts the header of the next in front of the group to be written there.
    fn roll(
        &mut self,
        next: SegmentSequence,
        steps: &mut Vec<DiskStep>,
        data: &mut Vec<Bytes>,
        turn: &mut Turn<'_>,
    ) -> Tail {
        self.fills_fast = self.begun.is_some_and(|begun| turn.now.mono.since(begun) < FAST_FILL);
        self.begun = Some(turn.now.mono);
        let (seal, seal_link) = empty_group(&self.header(GroupKind::SealRoll, &self.tail, 0, 0, 0));
        let old = FileName::Segment(self.tail.segment);
        // The old segment is synced before the new one is begun: its last groups must not be younger than the link to them.
        steps.push(DiskStep::Write { file: old, position: u64::from(self.tail.position), data: seal });
        steps.push(DiskStep::Sync(old));
        mark(Mark::LogRoll);
        let header = SegmentHeader {
            sequence: next,
            salt: salt_behind(self.tail.salt, next),
            first: self.durable,
            epoch: self.writer.epoch,
            previous: seal_link,
            node_id: self.writer.node_id,
            segment_bytes: self.writer.segment_bytes,
            cluster_id: self.writer.cluster_id.clone(),
        };
        let (block, link) = header.encode();
        data.push(Bytes::from(block));
        Tail {
            segment: next,
            segment_bytes: header.segment_bytes,
            salt: header.salt,
            position: BLOCK_BYTES,
            link,
        }
    }

    /// Moves `count` staged records into the gather list.
    fn gather(
        &mut self,
        count: usize,
        header: &GroupHeader,
        tail: &Tail,
        data: &mut Vec<Bytes>,
    ) -> (Vec<Written>, u32) {
        let mut heads = Vec::with_capacity(header.heads_len as usize);
        let mut records = Vec::with_capacity(count);
        let mut position = tail.position + header.front_len();
        if planted(Planted::BorderPlaceWrong) && tail.position == BLOCK_BYTES {
            position -= BLOCK_BYTES;
        }
        let front_at = data.len();
        data.push(Bytes::new());
        for staged in self.staged.drain(..count) {
            self.staged_bytes -= staged.head_len as usize + staged.records.len();
            staged.entry.encode_head(&mut heads);
            let place = Place { segment: tail.segment, position };
            let mut batch_header = Bytes::new();
            if let Entry::Append(append) = &staged.entry {
                batch_header = Bytes::copy_from_slice(&append.header.encode());
                data.push(batch_header.clone());
                data.push(staged.records.clone());
                position += append.body_len();
            }
            records.push(Written { staged, place, batch_header });
        }
        let (front, link) = front_bytes(header, &heads);
        data[front_at] = front;
        (records, link)
    }

    /// The log write has come to its end. Gives what is durable now, in order.
    ///
    /// # Errors
    /// The write failed: the process must end.
    pub fn written(&mut self, result: DiskResult) -> Result<Vec<Written>, Fault> {
        let writing = self.writing.take().expect("a log write completes once");
        let short = |error: &DiskError| error.kind == DiskErrorKind::Failed;
        if planted(Planted::ShortWriteLeft) && result.as_ref().is_err_and(short) {
            self.go_on_behind(writing);
            return Ok(Vec::new());
        }
        if !planted(Planted::WriteErrorAcknowledged) {
            result.map_err(Fault::LogWrite).inspect_err(|_| mark(Mark::LogWriteFailed))?;
        }
        assert!(
            self.durable <= writing.upto && writing.upto <= self.next,
            "durable moves forward, up to what is staged"
        );
        self.durable = writing.upto;
        self.told = writing.synced;
        self.owes_witness = writing.records.iter().any(|written| is_promised(&written.staged.entry));
        if !self.staged.is_empty() {
            mark(Mark::LogGathered);
        }
        self.tail = writing.tail;
        self.sealed = writing.kind == GroupKind::SealStop;
        Ok(writing.records)
    }

    /// A planted bug: what a failed write left stays where it is, and its records are written again behind it.
    fn go_on_behind(&mut self, writing: Writing) {
        if writing.kind == GroupKind::Data && writing.tail.segment == self.tail.segment {
            self.tail.position = writing.tail.position;
        }
        for written in writing.records.into_iter().rev() {
            self.staged.push_front(written.staged);
        }
    }
}

/// Whether anybody but the log itself would miss it. A segment is not begun for the witness of what is not: a new segment lets older
/// ones go, which is noted, and in the smallest segments that note would again be the last group of a full one, for ever.
fn is_promised(entry: &Entry) -> bool {
    !matches!(entry, Entry::Trimmed { .. } | Entry::CutStored { .. })
}
