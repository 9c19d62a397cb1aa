//! What a broker has stored: data objects, indexes, a state and manifests, as the fuzzer chooses and as the code of the broker
//! writes them; and the truth about it.
//!
//! Partitions begin far from each other, so no two batches have the same base offset. Neither the footer nor the batch itself tells
//! two batches of one base offset, leader epoch and length apart: they could be exchanged unnoticed.

pub mod asked;
pub mod hurt;

use bytes::Bytes;
use evenkeel_core::{
    limits::RESERVED_OFFSETS_MAX,
    log::entry::Append,
    partition::index::{IndexEntry, Place},
    port::{ObjectReply, ObjectRequest},
    state::{State, checkpoint},
    store::{
        DataRef, Index, IndexRef, Manifest, ObjectKey, ObjectName, StateRef,
        data::{FRONT_BYTES, Footer, FooterBatch, FooterPart},
        delta::Delta,
        perform,
    },
    units::{Epoch, Lsn, Offset, PartitionId, SegmentSequence, Timestamp},
};

use crate::{
    batch::{Numbered, numbered, with_checksum},
    choices::{Choices, mixed},
    shelf::Shelf,
};

/// The cluster that it belongs to.
pub const CLUSTER: &str = "fuzz";
/// Offsets between the first ones of two partitions: more than a plan gives out.
const APART: i64 = 1 << 20;

/// A data object as it was written.
#[derive(Clone, Debug)]
pub struct WrittenObject {
    /// How it is referred to.
    pub reference: DataRef,
    /// Its batches.
    pub parts: Vec<WrittenPart>,
}

/// The batches of a partition in an object.
#[derive(Clone, Debug)]
pub struct WrittenPart {
    /// The partition.
    pub partition: PartitionId,
    /// First byte of the first of them.
    pub at: usize,
    /// What the footer is to say of each.
    pub told: Vec<FooterBatch>,
    /// The bytes of each.
    pub batches: Vec<Bytes>,
}

/// The store, and what is true of it.
#[derive(Debug)]
pub struct Stored {
    /// All of it.
    pub shelf: Shelf,
    /// What [`read`] is to find.
    pub known: Known,
    /// Number of the oldest manifest.
    pub oldest: u64,
    /// Its data objects, oldest first.
    pub data: Vec<WrittenObject>,
}

/// What a start with an empty directory reads.
#[derive(Clone, Debug, PartialEq)]
pub struct Known {
    /// The newest manifest.
    pub manifest: Manifest,
    /// The state it refers to.
    pub state: Option<State>,
    /// The indexes it refers to.
    pub indexes: Vec<Index>,
}

/// Stores something through `perform`, as the broker does.
fn create(shelf: &Shelf, key: ObjectKey, data: Vec<Bytes>) {
    let created = perform(shelf, &ObjectRequest::Create { key, data });
    assert_eq!(created, Ok(ObjectReply::Created), "{key}");
}

impl Stored {
    /// The choices as a store. The first ones have something of everything.
    ///
    /// # Panics
    /// A finding: the store did not take an object.
    #[must_use]
    pub fn plan(choices: &mut Choices<'_>) -> Stored {
        let shelf = Shelf::default();
        let mut writer = Writer::new();
        let oldest = choices.of(&[1, 2, 40, u64::MAX - 4]);
        let number = oldest + choices.of(&[1, 0, 2, 3]);
        let epoch = Epoch(1 + u32::from(choices.byte() % 4));
        let cut = Lsn(u64::from(choices.u16()));
        let with_state = choices.below(4) < 3;
        let indexed = choices.of(&[2, 0, 1]);
        let data: Vec<WrittenObject> =
            (0..choices.of(&[4, 1, 2, 3, 5])).map(|_| writer.object(&shelf, (epoch, cut), choices)).collect();
        let mut references = data.iter().map(|object| object.reference.clone());
        let (mut indexes, mut told) = (Vec::new(), Vec::new());
        for _ in 0..indexed.min(data.len()) {
            let index = Index { objects: references.by_ref().take(1 + choices.below(2)).collect() };
            told.push(writer.index(&shelf, epoch, &index));
            indexes.push(index);
        }
        let (state, told_state, told_delta) = match with_state {
            false => (None, None, None),
            true if choices.byte() % 2 == 1 => {
                let (_, base, bytes) = writer.state(&shelf, epoch, Lsn(cut.0 / 2));
                let (state, told) = writer.delta(&shelf, (epoch, cut), &bytes);
                (Some(state), Some(base), Some(told))
            }
            true => {
                let (state, told, _) = writer.state(&shelf, epoch, cut);
                (Some(state), Some(told), None)
            }
        };
        let manifest = Manifest {
            number,
            cluster_id: String::from(CLUSTER),
            node_id: 1,
            epoch,
            lineage: 5,
            writer: writer.id,
            cut,
            cut_at: Timestamp(1_700_000_000_000),
            reserved_offsets: choices.of(&[1 << 32, 0, RESERVED_OFFSETS_MAX]),
            state: told_state,
            delta: told_delta,
            indexes: told,
            tail: references.collect(),
        };
        // A state of before, perhaps of the same cut: a start commits again what it found.
        let before = Lsn(cut.0 - u64::from(choices.byte() % 2).min(cut.0));
        let older_state = (number > oldest).then(|| writer.state(&shelf, Epoch(epoch.0 - 1), before).1);
        for older in oldest..number {
            let manifest =
                Manifest { number: older, cut: before, state: older_state, delta: None, ..manifest.clone() };
            create(&shelf, ObjectKey::Manifest(older), vec![Bytes::from(manifest.encode())]);
        }
        create(&shelf, ObjectKey::Manifest(number), vec![Bytes::from(manifest.encode())]);
        Stored { shelf, known: Known { manifest, state, indexes }, oldest, data }
    }
}

impl WrittenPart {
    /// As the footer is to say.
    #[must_use]
    pub fn as_told(&self) -> FooterPart {
        FooterPart { partition: self.partition, at: self.at as u64, batches: self.told.clone() }
    }
}

/// A process that writes.
struct Writer {
    id: u64,
    objects: u32,
    batches: u64,
    /// Where each partition goes on.
    next: [i64; 4],
}

impl Writer {
    fn new() -> Writer {
        Writer { id: 0xff, objects: 0, batches: 0, next: [0, APART, 2 * APART, 3 * APART] }
    }

    fn name(&mut self, epoch: Epoch) -> ObjectName {
        self.objects += 1;
        ObjectName { epoch, number: self.objects, writer: self.id }
    }

    fn object(&mut self, shelf: &Shelf, of: (Epoch, Lsn), choices: &mut Choices<'_>) -> WrittenObject {
        let first = u32::from(choices.byte() % 4);
        let mut at = usize::try_from(FRONT_BYTES).expect("8");
        let mut parts = Vec::new();
        for partition in first..(first + choices.of(&[2, 1, 3])).min(4) {
            let batches = (0..choices.of(&[3, 1, 2, 4])).map(|_| self.batch(partition, of.0, choices));
            let (told, batches): (Vec<FooterBatch>, Vec<Bytes>) = batches.unzip();
            let len: usize = batches.iter().map(Bytes::len).sum();
            parts.push(WrittenPart { partition: PartitionId(partition), at, told, batches });
            at += len;
        }
        let footer = Footer {
            cluster_id: String::from(CLUSTER),
            epoch: of.0,
            cut: of.1,
            parts: parts.iter().map(WrittenPart::as_told).collect(),
        };
        let name = self.name(of.0);
        let (front, end, reference) = footer.encode(name);
        let mut data = vec![front];
        data.extend(parts.iter().flat_map(|part| part.batches.iter().cloned()));
        data.push(end);
        create(shelf, ObjectKey::Data(name), data);
        WrittenObject { reference, parts }
    }

    fn batch(&mut self, partition: u32, epoch: Epoch, choices: &mut Choices<'_>) -> (FooterBatch, Bytes) {
        self.batches += 1;
        let (shape, time) = (choices.byte(), choices.byte());
        let from = Numbered {
            number: mixed(&[self.batches]),
            count: 1 + i32::from(shape % 4),
            filling: usize::from(shape / 4 % 8),
            by: None,
        };
        let batch = numbered(from);
        let mut header = batch.header;
        header.base_offset = Offset(self.next[partition as usize] + i64::from(shape / 32 % 4));
        header.leader_epoch = epoch.leader_epoch() - i32::from(shape / 128);
        header.base_timestamp = Timestamp(1000);
        header.max_timestamp = Timestamp(1000 + i64::from(time));
        let batch = with_checksum(header, batch.records);
        self.next[partition as usize] = header.base_offset.0 + i64::from(header.last_offset_delta) + 1;
        let append =
            Append { partition: PartitionId(partition), appended_at: Timestamp(2000), header: batch.header };
        let place = Place { segment: SegmentSequence(1), position: 0 };
        let entry = IndexEntry::new(&append, place, header.max_timestamp);
        let mut bytes = batch.header.encode().to_vec();
        bytes.extend_from_slice(&batch.records);
        (FooterBatch::of(&entry, header.leader_epoch, batch.header.crc), Bytes::from(bytes))
    }

    fn index(&mut self, shelf: &Shelf, epoch: Epoch, index: &Index) -> IndexRef {
        let (name, bytes) = (self.name(epoch), Bytes::from(index.encode()));
        let told = IndexRef {
            name,
            len: bytes.len() as u64,
            crc: crc32c::crc32c(&bytes),
            objects: u32::try_from(index.objects.len()).expect("few"),
        };
        create(shelf, ObjectKey::Index(name), vec![bytes]);
        told
    }

    /// A state, as it is when it is read: `checkpoint` is the target for its bytes.
    fn state(&mut self, shelf: &Shelf, epoch: Epoch, cut: Lsn) -> (State, StateRef, Bytes) {
        let (state, bytes) = state_at(epoch, cut);
        (state, self.state_object(shelf, epoch, &bytes), bytes)
    }

    /// What leads from another state to that one.
    fn delta(&mut self, shelf: &Shelf, (epoch, cut): (Epoch, Lsn), base: &Bytes) -> (State, StateRef) {
        let (state, bytes) = state_at(epoch, cut);
        let delta = Bytes::from(Delta::between(base, &bytes).encode());
        (state, self.state_object(shelf, epoch, &delta))
    }

    fn state_object(&mut self, shelf: &Shelf, epoch: Epoch, bytes: &Bytes) -> StateRef {
        let name = self.name(epoch);
        create(shelf, ObjectKey::State(name), vec![bytes.clone()]);
        StateRef { name, len: bytes.len() as u64, crc: crc32c::crc32c(bytes) }
    }
}

/// A state, as it is when it is read, and its bytes.
fn state_at(epoch: Epoch, cut: Lsn) -> (State, Bytes) {
    let mut state = State::default();
    (state.epoch, state.store.lineage, state.store.cut) = (epoch, 5, cut);
    let bytes = Bytes::from(checkpoint::encode(&state, cut));
    let (state, _) = checkpoint::decode(&bytes).expect("it was just written");
    (state, bytes)
}

#[cfg(test)]
mod tests;
