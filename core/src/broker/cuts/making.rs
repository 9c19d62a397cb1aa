//! From the beginning of a cut to its manifest.

use alloc::{
    collections::{BTreeMap, BTreeSet},
    format, vec,
    vec::Vec,
};
use core::time::Duration;

use bytes::Bytes;

use super::{
    Base, Committed, Cut, Cuts, NOT_DATA, Rewrite, Stage, Uploading, View, confirm, contact, create_manifest,
    footer, tell_failure,
    upload::{Object, Part, Upload, What, plan},
};
use crate::{
    limits::{DATA_OBJECTS_IN_FLIGHT, INDEX_BYTES_MAX, MANIFEST_BYTES_MAX, RESERVED_OFFSETS},
    marks::{Mark, mark},
    partition::Partition,
    planted::{Planted, planted},
    port::{DiskResult, Fault, Notice, ObjectErrorKind, ObjectReply, ObjectRequest, ObjectResult},
    state::checkpoint,
    store::{DataRef, Index, IndexRef, Manifest, ObjectKey, ObjectName, StateRef, read_index},
    turn::{CutOp, Purpose, Turn},
    units::{Lsn, PartitionId},
};

/// What became of an object that was being written.
pub(super) enum Settled {
    Written(What),
    /// It is on its way again, or waits for that, under this number.
    Again(u32, Upload),
}

fn reread(index: &IndexRef, turn: &mut Turn<'_>) {
    let request = ObjectRequest::Read { key: ObjectKey::Index(index.name), bytes_max: INDEX_BYTES_MAX };
    turn.object(Purpose::Cut(CutOp::Reread), request);
}

impl Cuts {
    pub(super) fn begin(&mut self, view: View<'_>, turn: &mut Turn<'_>) {
        mark(Mark::CutBegun);
        let upto = view.log.staged_upto();
        // Also what is on its way into the log: it will be durable before this is read.
        let waits = |partition: &&Partition| {
            (partition.visible < partition.log_end && !planted(Planted::CutOfDurableOnly))
                || partition
                    .batches
                    .last()
                    .is_some_and(|last| last.last_offset() >= self.stored_end(partition))
        };
        let part = |partition: &Partition| Part::new(partition, self.stored_end(partition));
        let parts: BTreeMap<PartitionId, Part> =
            view.state.partitions().filter(waits).map(|partition| (partition.id, part(partition))).collect();
        self.last_begun = Some(turn.now.mono);
        let merged = self.merged(turn);
        self.cut = Some(Cut {
            upto,
            at: turn.now.wall,
            begun: turn.now.mono,
            since: self.changed_since.take(),
            partitions: parts.keys().copied().collect(),
            state: Bytes::from(checkpoint::encode(view.state, upto)),
            base: None,
            // By the state at the cut: what goes later, a restore of this cut still needs.
            unneeded: self.archive.unneeded(),
            merged,
            stage: Stage::AwaitingLog(parts),
        });
    }

    pub(super) fn go_on_cut(&mut self, view: View<'_>, turn: &mut Turn<'_>) {
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
                    if uploading.index.is_none() {
                        let size: usize = self.own_list(&cut).map(DataRef::encoded_len).sum();
                        if size > self.config.manifest_tail_bytes {
                            mark(Mark::CutIndexed);
                            let index = Index { objects: self.own_list(&cut).cloned().collect() };
                            let (number, upload) = self.write_index(&index, What::Index, view, turn);
                            if let Stage::Uploading(uploading) = &mut cut.stage {
                                uploading.uploads.insert(number, upload);
                            }
                            break;
                        }
                    }
                    self.begin_commit(&mut cut, view, turn);
                    break;
                }
                Stage::Committing { manifest, attempts, made, next, .. } => {
                    if next.is_none_or(|at| at > turn.now.mono) {
                        break;
                    }
                    *next = None;
                    let key = ObjectKey::Manifest(manifest.number);
                    *attempts += 1;
                    if *made {
                        confirm(key, CutOp::Confirm, turn);
                        break;
                    }
                    // Whether there is one by now is asked first: an attempt that seemed to fail may have come through.
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
        let base = self.base.as_ref();
        let delta = base.and_then(|base| base.delta(&cut.state, self.config.delta_state_bytes));
        cut.base = base.map(|base| base.told).filter(|_| delta.is_some());
        let bytes = delta.unwrap_or_else(|| cut.state.clone());
        let state = StateRef { name, len: bytes.len() as u64, crc: crc32c::crc32c(&bytes) };
        if planted(Planted::DeltaOfUnsettled) && cut.base.is_none() {
            self.base = Some(Base::new(state, bytes.clone()));
        }
        let object = Object::new(What::State(state), ObjectKey::State(name), vec![bytes]);
        uploading.uploads.insert(name.number, Upload::write(name.number, NOT_DATA, object, turn));
        uploading.rewrite = self.begin_rewrite(cut, turn);
        if planted(Planted::RemovedBeforeCommit)
            && let Some(state) = self.newest.as_ref().and_then(|newest| newest.state)
        {
            self.garbage.add(turn.now.mono, ObjectKey::State(state.name));
        }
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

    /// The manifest's own list of data objects after the cut, unless it becomes an index.
    fn own_list<'a>(&'a self, cut: &'a Cut) -> impl Iterator<Item = &'a DataRef> {
        let before = self.newest.as_ref().map_or(&[][..], |newest| &newest.tail);
        let added = match &cut.stage {
            Stage::Uploading(uploading) => Some(uploading.data.values()),
            Stage::AwaitingLog(_) | Stage::Committing { .. } => None,
        };
        cut.after(before).chain(added.into_iter().flatten())
    }

    fn write_index(
        &mut self,
        index: &Index,
        what: fn(IndexRef) -> What,
        view: View<'_>,
        turn: &mut Turn<'_>,
    ) -> (u32, Upload) {
        let bytes = Bytes::from(index.encode());
        let name = self.name(view.state.epoch);
        let index = IndexRef {
            name,
            len: bytes.len() as u64,
            crc: crc32c::crc32c(&bytes),
            objects: u32::try_from(index.objects.len()).expect("bounded by its bytes"),
        };
        let object = Object::new(what(index), ObjectKey::Index(name), vec![bytes]);
        (name.number, Upload::write(name.number, NOT_DATA, object, turn))
    }

    /// The indexes are read, to be written anew, whose objects were merged. Or else, of those that are at least half of objects that
    /// nobody needs, but not only of them, the first: one at a cut, for it costs two requests.
    fn begin_rewrite(&self, cut: &Cut, turn: &mut Turn<'_>) -> Option<Rewrite> {
        let newest = self.newest.as_ref()?;
        let mut old = cut.merged.as_ref().map(|merged| self.indexes_of(merged)).unwrap_or_default();
        if old.is_empty() {
            let counts = self.archive.unneeded_in_indexes(&cut.unneeded);
            let mostly_unneeded = newest
                .indexes
                .iter()
                .zip(counts)
                .find(|(index, count)| *count < index.objects && *count >= index.objects.div_ceil(2));
            old.push(*mostly_unneeded?.0);
            mark(Mark::IndexRewritten);
        }
        reread(&old[0], turn);
        Some(Rewrite { old, read: Vec::new(), new: None })
    }

    /// An index that is to be written anew.
    fn reread(&mut self, result: ObjectResult, view: View<'_>, turn: &mut Turn<'_>) {
        let Some(cut) = &mut self.cut else { return };
        let Cut { stage: Stage::Uploading(uploading), merged, .. } = cut else { return };
        let Some(rewrite) = &mut uploading.rewrite else { return };
        let read = match result {
            Ok(ObjectReply::Bytes(bytes)) => read_index(&rewrite.old[rewrite.read.len()], &bytes),
            Ok(_) => unreachable!("a whole object was asked for"),
            Err(error) => Err(error),
        };
        match read {
            Ok(index) => rewrite.read.push(index),
            // All stays as it is. The next cut tries again.
            Err(error) => {
                uploading.rewrite = None;
                *merged = None;
                tell_failure(1, &error, turn);
                return;
            }
        }
        if let Some(next) = rewrite.old.get(rewrite.read.len()) {
            reread(next, turn);
            return;
        }
        let read = core::mem::take(&mut rewrite.read);
        let index =
            Index { objects: read.iter().flat_map(|index| cut.after(&index.objects)).cloned().collect() };
        let (number, upload) = self.write_index(&index, What::Rewritten, view, turn);
        if let Some(Cut { stage: Stage::Uploading(uploading), .. }) = &mut self.cut {
            uploading.uploads.insert(number, upload);
        }
    }

    fn begin_commit(&mut self, cut: &mut Cut, view: View<'_>, turn: &mut Turn<'_>) {
        if planted(Planted::UnneededByLaterState) {
            cut.unneeded = self.archive.unneeded();
        }
        let tail = self.own_list(cut).cloned().collect();
        let (Stage::Uploading(uploading), Some(newest)) = (&mut cut.stage, &self.newest) else { return };
        let added: Vec<DataRef> = core::mem::take(&mut uploading.data).into_values().collect();
        let mut manifest = Manifest {
            number: newest.number + 1,
            cut: cut.upto,
            cut_at: cut.at,
            reserved_offsets: RESERVED_OFFSETS,
            state: cut.base.or(uploading.state),
            delta: uploading.state.filter(|_| cut.base.is_some()),
            ..newest.clone()
        };
        let counts = self.archive.unneeded_in_indexes(&cut.unneeded);
        let rewritten = uploading.rewrite.take();
        let kept = newest.indexes.iter().zip(counts).filter_map(|(index, count)| match &rewritten {
            Some(Rewrite { old, new, .. }) if old.contains(index) => new.filter(|_| old[0] == *index),
            Some(_) | None => (count < index.objects).then_some(*index),
        });
        manifest.indexes = kept.chain(uploading.index).collect();
        manifest.tail = if uploading.index.is_some() { Vec::new() } else { tail };
        let indexed = uploading.index.map(|index| index.name);
        assert_eq!(manifest.epoch, view.state.epoch, "only the holder of an epoch commits in it");
        let bytes = Bytes::from(manifest.encode());
        create_manifest(&manifest, &bytes, CutOp::Commit, turn);
        cut.stage = Stage::Committing {
            manifest,
            added,
            rewritten,
            indexed,
            bytes,
            attempts: 1,
            made: false,
            next: None,
        };
    }

    /// A read of the log for an object has come to its end.
    pub(in crate::broker) fn read(
        &mut self,
        id: u32,
        result: DiskResult,
        view: View<'_>,
        turn: &mut Turn<'_>,
    ) {
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
        if let Stage::Uploading(uploading) = &cut.stage {
            for key in uploading.written() {
                self.discard(key, turn);
            }
        }
        self.changed_since = if planted(Planted::GivenUpCutForgotten) {
            self.changed_since.or(Some(turn.now.mono))
        } else {
            cut.since.or(self.changed_since)
        };
        self.cut_failures += 1;
        let wait = turn.backoff(self.cut_failures);
        self.hold_until = Some(turn.now.mono.after(wait));
        turn.tell(Notice::error(format!("a cut was given up, the next try is in {wait:?}: {why}")));
    }

    /// A request to the store has come to its end.
    ///
    /// # Errors
    /// Another process has taken over.
    pub(in crate::broker) fn completed(
        &mut self,
        op: CutOp,
        result: ObjectResult,
        view: View<'_>,
        turn: &mut Turn<'_>,
    ) -> Result<Option<Committed>, Fault> {
        match op {
            CutOp::Manifest | CutOp::Index | CutOp::Claim | CutOp::ConfirmClaim => {
                self.contact_completed(op, result, view, turn)
            }
            CutOp::Upload(id) => {
                self.uploaded(id, result, view, turn);
                Ok(None)
            }
            CutOp::Reread => {
                self.reread(result, view, turn);
                Ok(None)
            }
            CutOp::Commit => Ok(self.committed(result, view, turn)),
            CutOp::Look => {
                self.looked(result, turn)?;
                Ok(None)
            }
            CutOp::Confirm => self.confirmed(result, view, turn),
            CutOp::MergeRead => {
                self.merge_read(result, view, turn);
                Ok(None)
            }
            CutOp::Remove => {
                self.removed(result, turn);
                Ok(None)
            }
            CutOp::Leftovers => {
                self.leftovers(result, turn);
                Ok(None)
            }
        }
    }

    fn uploaded(&mut self, id: u32, result: ObjectResult, view: View<'_>, turn: &mut Turn<'_>) {
        if let Some(merge) = self.merge.take_if(|merge| merge.writes(id)) {
            self.merge_written(merge, result, view, turn);
            return;
        }
        let Some(Cut { stage: Stage::Uploading(uploading), .. }) = &mut self.cut else { return };
        let Some(upload) = uploading.uploads.remove(&id) else { return };
        let order = upload.order;
        let settled = self.settle(id, upload, result, view, turn);
        let Some(Cut { stage: Stage::Uploading(uploading), .. }) = &mut self.cut else { return };
        match settled {
            Settled::Written(What::Data(data)) => drop(uploading.data.insert(order, data)),
            Settled::Written(What::State(state)) => uploading.state = Some(state),
            Settled::Written(What::Index(index)) => uploading.index = Some(index),
            Settled::Written(What::Rewritten(index)) => {
                if let Some(rewrite) = &mut uploading.rewrite {
                    rewrite.new = Some(index);
                }
            }
            Settled::Again(id, upload) => drop(uploading.uploads.insert(id, upload)),
        }
    }

    /// An attempt to write an object has come to its end.
    pub(super) fn settle(
        &mut self,
        id: u32,
        mut upload: Upload,
        result: ObjectResult,
        view: View<'_>,
        turn: &mut Turn<'_>,
    ) -> Settled {
        match result {
            Ok(_) => Settled::Written(upload.object().what),
            // Most likely an attempt that seemed to fail. Nothing refers to it, so there is no need to know.
            Err(error) if error.kind == ObjectErrorKind::Exists => {
                mark(Mark::UploadRenamed);
                let name = self.name(view.state.epoch);
                let order = upload.order;
                let object = upload.object();
                let (old, object) = (object.key, object.renamed(name));
                self.discard(old, turn);
                Settled::Again(name.number, Upload::write(name.number, order, object, turn))
            }
            Err(_) if planted(Planted::FailedUploadCounted) => Settled::Written(upload.object().what),
            Err(error) => {
                mark(Mark::UploadFailed);
                let attempts = upload.pause(turn);
                tell_failure(attempts, &error, turn);
                Settled::Again(id, upload)
            }
        }
    }

    fn committed(&mut self, result: ObjectResult, view: View<'_>, turn: &mut Turn<'_>) -> Option<Committed> {
        let Some(Cut { stage: Stage::Committing { manifest, attempts, made, next, .. }, .. }) = &mut self.cut
        else {
            unreachable!("a commit is waited for")
        };
        match result {
            Ok(_) if planted(Planted::CommitUnconfirmed) => Some(self.finish(view, turn)),
            Ok(_) => {
                *made = true;
                confirm(ObjectKey::Manifest(manifest.number), CutOp::Confirm, turn);
                None
            }
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
    fn looked(&mut self, result: ObjectResult, turn: &mut Turn<'_>) -> Result<(), Fault> {
        let Some(Cut { stage: Stage::Committing { manifest, bytes, attempts, made, next, .. }, .. }) =
            &mut self.cut
        else {
            unreachable!("a commit is waited for")
        };
        match result {
            Ok(ObjectReply::Bytes(found))
                if found == *bytes && !planted(Planted::OwnCommitTakenForAnothers) =>
            {
                mark(Mark::CommitWasOurs);
                *made = true;
                confirm(ObjectKey::Manifest(manifest.number), CutOp::Confirm, turn);
                Ok(())
            }
            Ok(ObjectReply::Bytes(found)) => {
                mark(Mark::Deposed);
                Err(Fault::Deposed(contact::taken_over(manifest.number, &found)))
            }
            Ok(_) => {
                unreachable!("a whole object was asked for")
            }
            Err(error) if error.kind == ObjectErrorKind::NotFound => {
                mark(Mark::CommitAgain);
                create_manifest(manifest, bytes, CutOp::Commit, turn);
                Ok(())
            }
            Err(error) => {
                let wait = turn.backoff(*attempts);
                *next = Some(turn.now.mono.after(wait));
                tell_failure(*attempts, &error, turn);
                Ok(())
            }
        }
    }

    /// Whether there are manifests behind it. Then its number was one that had been taken and was free again, for this process has slept.
    fn confirmed(
        &mut self,
        result: ObjectResult,
        view: View<'_>,
        turn: &mut Turn<'_>,
    ) -> Result<Option<Committed>, Fault> {
        let Some(Cut { stage: Stage::Committing { manifest, attempts, next, .. }, .. }) = &mut self.cut
        else {
            unreachable!("a commit is waited for")
        };
        match result {
            Ok(ObjectReply::Keys(behind)) => match behind.last() {
                None => Ok(Some(self.finish(view, turn))),
                Some(last) => {
                    mark(Mark::DeposedLater);
                    Err(Fault::Deposed(contact::left_behind(manifest.number, *last)))
                }
            },
            Ok(_) => unreachable!("a listing was asked for"),
            Err(error) => {
                mark(Mark::ConfirmUnsure);
                *next = Some(turn.now.mono.after(turn.backoff(*attempts)));
                tell_failure(*attempts, &error, turn);
                Ok(None)
            }
        }
    }

    /// The manifest is there: all of the cut is stored.
    fn finish(&mut self, view: View<'_>, turn: &mut Turn<'_>) -> Committed {
        let Some(Cut {
            stage: Stage::Committing { manifest, added, rewritten, indexed, .. },
            state,
            unneeded,
            merged,
            partitions,
            begun,
            upto,
            ..
        }) = self.cut.take()
        else {
            unreachable!("a commit is waited for")
        };
        mark(Mark::CutStored);
        if let Some(merged) = &merged {
            self.merge_committed(merged, turn);
        }
        self.drop_unneeded(&manifest, &unneeded, rewritten.as_ref(), turn);
        match (&mut self.base, &manifest.delta) {
            (Some(base), Some(delta)) => base.committed(delta),
            (Some(_), None) if planted(Planted::DeltaOfUnsettled) => {}
            (base, _) => *base = manifest.state.map(|told| Base::new(told, state)),
        }
        let mut bytes = 0;
        for data in &added {
            self.archive.add(data);
            bytes += data.object.len;
        }
        if let Some(index) = indexed {
            self.archive.indexed(index);
        }
        for partition in partitions {
            // Its topic, or its records, may have gone meanwhile.
            match view.state.partition(partition) {
                None => self.archive.forget(partition),
                Some(known) => self.archive.drop_below(partition, known.log_start),
            }
            if !planted(Planted::StoredStillCounted) {
                self.measure(partition, view.state);
            }
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
        if self.stop_by.is_none() {
            self.look_for_merge(turn);
        }
        committed
    }

    /// What the manifest before referred to, and this one does not.
    fn drop_unneeded(
        &mut self,
        manifest: &Manifest,
        unneeded: &BTreeSet<ObjectName>,
        rewritten: Option<&Rewrite>,
        turn: &mut Turn<'_>,
    ) {
        let Some(before) = self.newest.take() else { return };
        let stays = |name: ObjectName| manifest.indexes.iter().any(|index| index.name == name);
        let data = self.archive.drop_unneeded(unneeded, stays);
        let mut gone: Vec<ObjectKey> = data.into_iter().map(ObjectKey::Data).collect();
        for index in before.indexes.iter().filter(|index| !stays(index.name)) {
            // Where several become one, that has all slots up to those of the last.
            let new = rewritten.filter(|rewrite| rewrite.old.last() == Some(index));
            self.archive.index_replaced(index.name, new.and_then(|rewrite| rewrite.new).map(|new| new.name));
            gone.push(ObjectKey::Index(index.name));
        }
        let stays = |state: &&StateRef| {
            let skipped = usize::from(manifest.delta.is_some() && planted(Planted::DeltaBaseRemoved));
            manifest.states().skip(skipped).any(|kept| kept == *state)
        };
        let states = before.states().filter(|state| !stays(state));
        gone.extend(states.map(|state| ObjectKey::State(state.name)));
        let number = manifest.number.checked_sub(self.config.manifests_kept).filter(|number| *number > 0);
        gone.extend(number.map(ObjectKey::Manifest));
        for key in gone {
            self.discard(key, turn);
        }
    }
}
