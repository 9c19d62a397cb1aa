//! One object on its way into the store: gathered out of cache and log, then written until the store has it.

use alloc::{collections::BTreeMap, collections::VecDeque, vec, vec::Vec};

use bytes::Bytes;

use crate::{
    broker::cache::Cache,
    log::entry::{Append, Entry},
    partition::{
        Partition,
        index::{IndexEntry, Place},
    },
    port::{DiskReply, DiskRequest, DiskStep, FileName, Lane, ObjectRequest},
    store::{
        DataRef, IndexRef, ObjectKey, ObjectName, StateRef,
        data::{Footer, FooterBatch, FooterPart},
    },
    turn::{CutOp, Purpose, Turn},
    units::{Instant, Offset, PartitionId, SegmentSequence},
    wire::batch::BatchHeader,
};

#[derive(Clone, Copy, Debug)]
struct Wanted {
    entry: IndexEntry,
    leader_epoch: i32,
}

/// The batches of an object to come.
#[derive(Clone, Debug, Default)]
pub(super) struct Planned {
    parts: Vec<(PartitionId, Vec<Wanted>)>,
    bytes: u64,
}

/// The batches of a partition that are to be stored. They are noted when the cut begins, and as they become durable: before the cut is
/// made the topic may be deleted.
#[derive(Clone, Debug)]
pub(super) struct Part {
    pub(super) partition: PartitionId,
    end: Offset,
    batches: Vec<Wanted>,
}

impl Part {
    pub(super) fn new(partition: &Partition, from: Offset) -> Part {
        let wanted = |entry: &IndexEntry| Wanted {
            entry: *entry,
            leader_epoch: partition.epoch_at(entry.base_offset()),
        };
        let batches = partition.batches.from_offset(from).map(wanted).collect();
        Part { partition: partition.id, end: partition.log_end, batches }
    }

    /// Another batch has become durable. It is in the cut unless it came behind it.
    pub(super) fn written(&mut self, append: &Append, place: Place) {
        if append.header.base_offset < self.end {
            let entry = IndexEntry::new(append, place, append.header.max_timestamp);
            self.batches.push(Wanted { entry, leader_epoch: append.header.leader_epoch });
        }
    }
}

/// Distributes batches over objects of about so many bytes: the many small partitions share some, one with a quarter of that has its
/// own. The objects of a partition come in offset order.
pub(super) fn plan(parts: Vec<Part>, object_bytes: u64) -> VecDeque<Planned> {
    let mut planned = VecDeque::new();
    let mut shared = Planned::default();
    for Part { partition, batches, .. } in parts {
        let bytes: u64 = batches.iter().map(|wanted| u64::from(wanted.entry.len())).sum();
        if batches.is_empty() {
            continue;
        }
        if bytes < object_bytes / 4 {
            if shared.bytes + bytes > object_bytes {
                planned.push_back(core::mem::take(&mut shared));
            }
            shared.bytes += bytes;
            shared.parts.push((partition, batches));
            continue;
        }
        let mut own = Planned::default();
        let mut part = Vec::new();
        for wanted in batches {
            own.bytes += u64::from(wanted.entry.len());
            part.push(wanted);
            if own.bytes >= object_bytes {
                own.parts.push((partition, core::mem::take(&mut part)));
                planned.push_back(core::mem::take(&mut own));
            }
        }
        if !part.is_empty() {
            own.parts.push((partition, part));
            planned.push_back(own);
        }
    }
    if !shared.parts.is_empty() {
        planned.push_back(shared);
    }
    planned
}

/// What an object is, once the store has it.
#[derive(Clone, Debug, PartialEq)]
pub(super) enum What {
    Data(DataRef),
    State(StateRef),
    Index(IndexRef),
    /// In the place of another.
    Rewritten(IndexRef),
}

/// An object that is complete.
#[derive(Clone, Debug)]
pub(super) struct Object {
    pub(super) what: What,
    pub(super) key: ObjectKey,
    data: Vec<Bytes>,
    attempts: u32,
}

impl Object {
    pub(super) fn new(what: What, key: ObjectKey, data: Vec<Bytes>) -> Object {
        Object { what, key, data, attempts: 0 }
    }

    /// A data object of these batches; `batches` are their bytes, in the order of the footer.
    pub(super) fn of_batches(
        name: ObjectName,
        footer: &Footer,
        batches: impl IntoIterator<Item = Bytes>,
    ) -> Object {
        let (front, end, reference) = footer.encode(name);
        let mut data = vec![front];
        data.extend(batches);
        data.push(end);
        debug_assert_eq!(data.iter().map(|slice| slice.len() as u64).sum::<u64>(), reference.object.len);
        Object::new(What::Data(reference), ObjectKey::Data(name), data)
    }

    /// The same bytes under another name.
    pub(super) fn renamed(mut self, name: ObjectName) -> Object {
        self.key = match &mut self.what {
            What::Data(data) => {
                data.object.name = name;
                ObjectKey::Data(name)
            }
            What::State(state) => {
                state.name = name;
                ObjectKey::State(name)
            }
            What::Index(index) | What::Rewritten(index) => {
                index.name = name;
                ObjectKey::Index(name)
            }
        };
        self
    }
}

/// Batches that come from the cache, or from the log.
#[derive(Clone, Debug)]
pub(super) struct Gather {
    planned: Planned,
    /// Header and records of each batch, in the order of the plan.
    pieces: Vec<[Bytes; 2]>,
    /// Which of them the replies of the disk are.
    missing: Vec<Vec<usize>>,
}

#[derive(Clone, Debug)]
enum Stage {
    Gathering(Gather),
    Writing(Object),
    Pausing(Object, Instant),
}

/// An object on its way.
#[derive(Clone, Debug)]
pub(super) struct Upload {
    /// Its place among the objects of the cut.
    pub(super) order: usize,
    stage: Stage,
}

impl Upload {
    /// Begins with what is in the cache. `None`: that is all, and the object is to be made of it with [`Gather::object`].
    pub(super) fn gather(
        id: u32,
        order: usize,
        planned: Planned,
        cache: &Cache,
        turn: &mut Turn<'_>,
    ) -> Result<Upload, Gather> {
        let mut pieces = Vec::new();
        let mut missing: BTreeMap<SegmentSequence, Vec<(usize, Wanted)>> = BTreeMap::new();
        for (partition, batches) in &planned.parts {
            for wanted in batches {
                let cached = cache.find(*partition, wanted.entry.base_offset());
                if cached.is_none() {
                    missing.entry(wanted.entry.segment()).or_default().push((pieces.len(), *wanted));
                }
                pieces.push(cached.map_or([Bytes::new(), Bytes::new()], |batch| {
                    [batch.header.clone(), batch.records.clone()]
                }));
            }
        }
        let mut steps = Vec::new();
        let mut places = Vec::new();
        for (segment, mut wanted) in missing {
            // In the order of the file, so that neighbours are read at once.
            wanted.sort_by_key(|(_, wanted)| wanted.entry.at(wanted.leader_epoch).position);
            let batches = wanted.iter().map(|(_, wanted)| wanted.entry.at(wanted.leader_epoch)).collect();
            steps.push(DiskStep::ReadBatches { file: FileName::Segment(segment), batches });
            places.push(wanted.into_iter().map(|(at, _)| at).collect());
        }
        let gather = Gather { planned, pieces, missing: places };
        if steps.is_empty() {
            return Err(gather);
        }
        turn.disk(Purpose::CutRead(id), DiskRequest { lane: Lane::Read, steps });
        Ok(Upload { order, stage: Stage::Gathering(gather) })
    }

    /// What it gathers is there.
    pub(super) fn gathered(self, replies: Vec<DiskReply>) -> Gather {
        let Stage::Gathering(mut gather) = self.stage else {
            unreachable!("an object is gathered before it is written")
        };
        for (places, reply) in core::mem::take(&mut gather.missing).into_iter().zip(replies) {
            let DiskReply::Batches(batches) = reply else { unreachable!("only batches were asked for") };
            for (at, batch) in places.into_iter().zip(batches) {
                gather.pieces[at] = [batch, Bytes::new()];
            }
        }
        gather
    }

    /// Writes an object that is complete.
    pub(super) fn write(id: u32, order: usize, mut object: Object, turn: &mut Turn<'_>) -> Upload {
        object.attempts += 1;
        let request = ObjectRequest::Create { key: object.key, data: object.data.clone() };
        turn.object(Purpose::Cut(CutOp::Upload(id)), request);
        Upload { order, stage: Stage::Writing(object) }
    }

    /// It has been written, or was to be.
    pub(super) fn object(self) -> Object {
        match self.stage {
            Stage::Writing(object) | Stage::Pausing(object, _) => object,
            Stage::Gathering(_) => unreachable!("an object is gathered before it is written"),
        }
    }

    /// Its key, once it is being written.
    pub(super) fn key(&self) -> Option<ObjectKey> {
        match &self.stage {
            Stage::Writing(object) | Stage::Pausing(object, _) => Some(object.key),
            Stage::Gathering(_) => None,
        }
    }

    /// Waits before the next attempt. Returns how many there were.
    pub(super) fn pause(&mut self, turn: &mut Turn<'_>) -> u32 {
        let Stage::Writing(object) = &self.stage else {
            unreachable!("only what is being written can fail to be written")
        };
        let attempts = object.attempts;
        let until = turn.now.mono.after(turn.backoff(attempts));
        self.stage = Stage::Pausing(object.clone(), until);
        attempts
    }

    /// When it is to be tried again.
    pub(super) fn paused_until(&self) -> Option<Instant> {
        match &self.stage {
            Stage::Pausing(_, until) => Some(*until),
            Stage::Gathering(_) | Stage::Writing(_) => None,
        }
    }
}

impl Gather {
    /// The object that the batches make.
    pub(super) fn object(self, name: ObjectName, of: &Footer) -> Object {
        let mut checksums = self.pieces.iter().map(|[front, _]| checksum(front));
        let parts = self.planned.parts.iter().map(|(partition, batches)| FooterPart {
            partition: *partition,
            at: 0,
            batches: batches
                .iter()
                .zip(&mut checksums)
                .map(|(wanted, crc)| FooterBatch::of(&wanted.entry, wanted.leader_epoch, crc))
                .collect(),
        });
        let footer = Footer { parts: parts.collect(), ..of.clone() };
        let pieces = self.pieces.into_iter().flatten().filter(|piece| !piece.is_empty());
        Object::of_batches(name, &footer, pieces)
    }
}

/// The checksum that a batch carries.
fn checksum(front: &Bytes) -> u32 {
    let header = front.first_chunk().expect("a header is not split");
    BatchHeader::parse(header).crc
}

/// Whether an entry of the log is one that a cut is for. The others tell the log of itself, and none of them makes a cut due.
pub(in crate::broker) fn is_change(entry: &Entry) -> bool {
    match entry {
        Entry::Append(_)
        | Entry::TopicCreated(_)
        | Entry::TopicDeleted { .. }
        | Entry::ProducerIdsReserved { .. }
        | Entry::ProducersExpired { .. }
        | Entry::PartitionsAdded { .. }
        | Entry::ConfigsChanged { .. }
        | Entry::RecordsDeleted { .. }
        | Entry::Group(_) => true,
        Entry::Started { .. }
        | Entry::Trimmed { .. }
        | Entry::LineageBegun { .. }
        | Entry::CutStored { .. } => false,
    }
}
