//! Small objects become large ones: a cut every minute of a few records is a thousand objects a day, each of which a consumer has to
//! be served from, and a list has to name.
//!
//! 1. After a cut, objects that lie one behind the other in the lists are looked for, enough and small enough
//!    ([`Archive::small_ones`]). They are read whole, one after the other; what their partitions have no more is left out.
//! 2. Their batches become one object, partition after partition. Nothing refers to it yet.
//! 3. The next cut's manifest names it in their place: in its own list, or in an index that is written anew. Objects of several
//!    indexes make one index of these. Then they are what nothing refers to, and go as such ([`garbage`](super::garbage)).
//!
//! At each merge the bytes of an object come into one that is at least [`GROWTH`] times as large, so none is written more often than the
//! logarithm of its final size over its first. One merge at a time; it holds what it has read, one large object's worth, in memory. A merge
//! that comes to nothing loses nothing: the small objects are there.

use alloc::{
    collections::{BTreeMap, BTreeSet},
    format,
    vec::Vec,
};

use bytes::Bytes;

use super::{
    Cuts, View, footer,
    making::Settled,
    tell_failure,
    upload::{Object, Upload, What},
};
use crate::{
    limits::{MERGED_INDEX_BYTES_MAX, MERGED_OBJECTS_MAX},
    marks::{Mark, mark},
    planted::{Planted, planted},
    port::{Notice, ObjectErrorKind, ObjectReply, ObjectRequest, ObjectResult},
    state::State,
    store::{
        DataRef, IndexRef, ObjectKey, ObjectName, StoredObject,
        data::{FooterBatch, FooterPart},
    },
    turn::{CutOp, Purpose, Turn},
    units::{Instant, PartitionId},
};

/// The merged object is at least so many times as large as the largest of those that it is made of.
pub(super) const GROWTH: u64 = 4;

/// Which objects are merged.
#[derive(Clone, Copy, Debug)]
pub(super) struct Policy {
    /// At least so many, or enough of them for half of an object.
    pub(super) objects: u32,
    /// Of at most so many bytes together.
    pub(super) bytes: u64,
}

impl Policy {
    /// Whether these may be merged: the largest of them, and all together.
    pub(super) fn takes(self, count: usize, largest: u64, sum: u64) -> bool {
        let enough = count >= self.objects as usize || (count as u64 >= GROWTH && sum >= self.bytes / 2);
        enough && largest.saturating_mul(GROWTH) <= sum
    }

    /// Whether one more can be in it, beside so many of so many bytes.
    pub(super) fn has_room(self, count: usize, sum: u64) -> bool {
        count <= MERGED_OBJECTS_MAX as usize && sum <= self.bytes
    }

    /// Whether indexes of so many bytes can become one.
    pub(super) fn joins(self, index_bytes: u64) -> bool {
        index_bytes <= MERGED_INDEX_BYTES_MAX
    }
}

/// Batches of a partition.
#[derive(Clone, Debug, Default)]
struct Part {
    batches: Vec<FooterBatch>,
    bytes: Vec<Bytes>,
}

/// Objects that are to become one.
#[derive(Clone, Debug)]
pub(super) struct Merge {
    /// Their places in the archive, in the order of the lists.
    slots: Vec<(u32, StoredObject)>,
    stage: Stage,
}

#[derive(Clone, Debug)]
enum Stage {
    Reading {
        /// How many are read.
        read: usize,
        parts: BTreeMap<PartitionId, Part>,
        failures: u32,
        /// When to ask again; `None`: a request is under way.
        next: Option<Instant>,
    },
    /// The object with that number.
    Writing(u32, Upload),
    Written(DataRef),
}

/// What a cut puts in the place of the small objects.
#[derive(Clone, Debug)]
pub(super) struct Merged {
    /// Their places in the archive, in the order of the lists.
    pub(super) slots: Vec<u32>,
    names: BTreeSet<ObjectName>,
    /// In whose place it comes.
    last: ObjectName,
    /// The merged object.
    pub(super) data: DataRef,
}

impl Merged {
    /// Whether this object is one of the small ones; and if so, what a list has in its place after the cut.
    pub(super) fn instead_of(&self, name: ObjectName) -> Option<Option<&DataRef>> {
        self.names.contains(&name).then(|| (name == self.last).then_some(&self.data))
    }
}

impl Merge {
    fn begin(slots: Vec<(u32, StoredObject)>) -> Merge {
        let stage = Stage::Reading { read: 0, parts: BTreeMap::new(), failures: 0, next: None };
        Merge { slots, stage }
    }

    fn ask(&self, read: usize, turn: &mut Turn<'_>) {
        turn.object(Purpose::Cut(CutOp::MergeRead), ObjectRequest::ReadObject(self.slots[read].1));
    }

    pub(super) fn wakes_at(&self) -> Option<Instant> {
        match &self.stage {
            Stage::Reading { next, .. } => *next,
            Stage::Writing(_, upload) => upload.paused_until(),
            Stage::Written(_) => None,
        }
    }

    /// Whether it writes the object with that number.
    pub(super) fn writes(&self, id: u32) -> bool {
        matches!(self.stage, Stage::Writing(number, _) if number == id)
    }
}

/// Adds what a partition still has of an object.
fn add(parts: &mut BTreeMap<PartitionId, Part>, read: Vec<(FooterPart, Vec<Bytes>)>, state: &State) {
    for (told, bytes) in read {
        let Some(partition) = state.partition(told.partition) else { continue };
        let gone = |batch: &FooterBatch| {
            let last =
                if planted(Planted::MergeCutsInsideBatch) { batch.base_offset } else { batch.last_offset() };
            last < partition.log_start
        };
        for (batch, bytes) in told.batches.into_iter().zip(bytes).filter(|(batch, _)| !gone(batch)) {
            let part = parts.entry(told.partition).or_default();
            part.batches.push(batch);
            part.bytes.push(bytes);
        }
    }
}

impl Cuts {
    /// After a cut, and while no merge is under way: whether there is something to be merged.
    pub(super) fn look_for_merge(&mut self, turn: &mut Turn<'_>) {
        let Some(newest) = &self.newest else { return };
        if self.merge.is_some() || self.config.merged_objects == 0 {
            return;
        }
        let policy = Policy { objects: self.config.merged_objects, bytes: self.config.merged_bytes };
        let slots = self.archive.small_ones(policy, &newest.indexes, &self.unmergeable);
        if !slots.is_empty() {
            mark(Mark::MergeBegun);
            let merge = Merge::begin(slots);
            merge.ask(0, turn);
            self.merge = Some(merge);
        }
    }

    /// What has waited is tried again.
    pub(super) fn go_on_merge(&mut self, turn: &mut Turn<'_>) {
        let Some(mut merge) =
            self.merge.take_if(|merge| merge.wakes_at().is_some_and(|at| at <= turn.now.mono))
        else {
            return;
        };
        match merge.stage {
            Stage::Reading { read, ref mut next, .. } => {
                *next = None;
                merge.ask(read, turn);
            }
            Stage::Writing(id, upload) => {
                merge.stage = Stage::Writing(id, Upload::write(id, 0, upload.object(), turn));
            }
            Stage::Written(_) => {}
        }
        self.merge = Some(merge);
    }

    /// One of the small objects has come, or not.
    pub(super) fn merge_read(&mut self, result: ObjectResult, view: View<'_>, turn: &mut Turn<'_>) {
        let Some(mut merge) = self.merge.take() else { unreachable!("a merge has asked for it") };
        if self.stop_by.is_some() {
            return;
        }
        let Stage::Reading { read, parts, failures, next } = &mut merge.stage else {
            unreachable!("all are read before one is written")
        };
        match result {
            Ok(ObjectReply::Object(object)) => add(parts, object, view.state),
            Ok(_) => unreachable!("a whole object was asked for"),
            Err(_) if planted(Planted::MergeSkipsUnreadable) => {}
            Err(error) => {
                mark(Mark::MergeReadFailed);
                *failures += 1;
                tell_failure(*failures, &error, turn);
                match error.kind {
                    // It stays as it is, for whoever can mend it. The others are merged without it.
                    ObjectErrorKind::Damaged | ObjectErrorKind::NotFound => {
                        self.unmergeable.insert(merge.slots[*read].1.name);
                        self.look_for_merge(turn);
                    }
                    ObjectErrorKind::Denied | ObjectErrorKind::Exists | ObjectErrorKind::Unknown => {
                        *next = Some(turn.now.mono.after(turn.backoff(*failures)));
                        self.merge = Some(merge);
                    }
                }
                return;
            }
        }
        *read += 1;
        if *read < merge.slots.len() {
            let read = *read;
            *failures = 0;
            merge.ask(read, turn);
            self.merge = Some(merge);
            return;
        }
        let parts = core::mem::take(parts);
        // Where nothing is left of any of them, nobody needs them, and the next cut drops them.
        if parts.is_empty() {
            return;
        }
        let (name, upto) = (self.name(view.state.epoch), self.stored().unwrap_or_default());
        let mut footer = footer(upto, view);
        let mut batches = Vec::new();
        for (partition, part) in parts {
            footer.parts.push(FooterPart { partition, at: 0, batches: part.batches });
            batches.extend(part.bytes);
        }
        let object = Object::of_batches(name, &footer, batches);
        merge.stage = Stage::Writing(name.number, Upload::write(name.number, 0, object, turn));
        if planted(Planted::MergedBeforeCommit) {
            merge
                .slots
                .iter()
                .for_each(|(_, object)| self.garbage.add(turn.now.mono, ObjectKey::Data(object.name)));
        }
        self.merge = Some(merge);
    }

    /// The merged object has been written, or is to be written again.
    pub(super) fn merge_written(
        &mut self,
        Merge { slots, stage }: Merge,
        result: ObjectResult,
        view: View<'_>,
        turn: &mut Turn<'_>,
    ) {
        let Stage::Writing(id, upload) = stage else { unreachable!("it was its upload") };
        let stage = match self.settle(id, upload, result, view, turn) {
            Settled::Written(What::Data(data)) => {
                mark(Mark::MergeWritten);
                Stage::Written(data)
            }
            Settled::Written(What::State(_) | What::Index(_) | What::Rewritten(_)) => {
                unreachable!("it merges data")
            }
            Settled::Again(id, upload) => Stage::Writing(id, upload),
        };
        self.merge = Some(Merge { slots, stage });
    }

    /// For a cut that begins: what it is to put in the place of what. A stop does not wait for it.
    pub(super) fn merged(&mut self, turn: &Turn<'_>) -> Option<Merged> {
        let merge = self.merge.as_ref()?;
        let Stage::Written(data) = &merge.stage else { return None };
        if self.stop_by.is_some() {
            return None;
        }
        // Some may have been dropped since: all that they held is gone.
        let mut left = merge.slots.clone();
        left.retain(|(slot, _)| self.archive.is_referred(*slot));
        if left.len() < merge.slots.len() {
            mark(Mark::MergeSourceGone);
        }
        let Some(last) = left.last().map(|(_, object)| object.name) else {
            let key = ObjectKey::Data(data.object.name);
            self.merge = None;
            self.discard(key, turn);
            return None;
        };
        let names = left.iter().map(|(_, object)| object.name).collect();
        Some(Merged {
            slots: left.into_iter().map(|(slot, _)| slot).collect(),
            names,
            last,
            data: data.clone(),
        })
    }

    /// A manifest names the merged object.
    pub(super) fn merge_committed(&mut self, merged: &Merged, turn: &mut Turn<'_>) {
        self.merge = None;
        match self.archive.indexes_of(&merged.slots).len() {
            0 => mark(Mark::MergeCommitted),
            1 => mark(Mark::MergeIndexed),
            _ => mark(Mark::IndexesJoined),
        }
        if planted(Planted::MergeUnnoted) {
            merged.names.iter().for_each(|name| self.garbage.add(turn.now.mono, ObjectKey::Data(*name)));
            return;
        }
        let gone = self.archive.merge(&merged.slots, &merged.data);
        turn.tell(Notice::info(format!(
            "{} small objects of the store became one of {} bytes",
            gone.len(),
            merged.data.object.len
        )));
        gone.into_iter().for_each(|name| self.discard(ObjectKey::Data(name), turn));
    }

    /// The indexes whose objects it replaces; none: they are in the manifest's own list.
    pub(super) fn indexes_of(&self, merged: &Merged) -> Vec<IndexRef> {
        let Some(newest) = &self.newest else { return Vec::new() };
        let touched = self.archive.indexes_of(&merged.slots);
        newest.indexes.get(touched).map(<[IndexRef]>::to_vec).unwrap_or_default()
    }
}
