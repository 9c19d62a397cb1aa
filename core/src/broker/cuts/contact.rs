//! Taking the epoch: before its first cut, and if it can before it serves, a process makes the store's newest manifest its own.
//!
//! | the newest manifest | what follows |
//! |---|---|
//! | none, and this directory has never committed one | the first is created |
//! | none, or an older one than this directory knows of | refused: it is the wrong store, or it has lost data |
//! | of another cluster | refused |
//! | of this directory's lineage, not beyond what its log holds | a new one with the same content, under this epoch |
//! | the one that this directory was restored from | the same |
//! | of another lineage, or of a later epoch | deposed: another directory stands for the cluster now |
//!
//! If the creation finds the number taken, or does not come to a clear end, all is asked anew.

use alloc::{format, string::String, vec::Vec};

use bytes::Bytes;

use super::{Committed, Cuts, View, confirm, create_manifest, tell_failure};
use crate::{
    limits::{INDEX_BYTES_MAX, RESERVED_OFFSETS, RESERVED_OFFSETS_MAX},
    marks::{Mark, mark},
    planted::{Planted, planted},
    port::{Fault, Notice, ObjectError, ObjectErrorKind, ObjectReply, ObjectRequest, ObjectResult},
    state::State,
    store::{Index, Manifest, ObjectKey, check_order, read_index, read_manifest},
    turn::{CutOp, Purpose, Turn},
    units::{Instant, Lsn},
};

/// How far it is.
#[derive(Clone, Debug)]
pub(super) enum Contact {
    /// Until the next attempt.
    Waiting { next: Instant, attempts: u32 },
    /// For the newest manifest.
    Asking { attempts: u32 },
    /// For the lists of data objects that it refers to.
    Loading { manifest: Manifest, indexes: Vec<Index>, attempts: u32 },
    /// For the log to know the lineage.
    Ready { manifest: Manifest, restored: bool },
    /// For its own manifest.
    Claiming { manifest: Manifest, attempts: u32 },
    /// The epoch is taken.
    Owned,
}

impl Contact {
    pub(super) fn wakes_at(&self) -> Option<Instant> {
        match self {
            Contact::Waiting { next, .. } => Some(*next),
            Contact::Asking { .. }
            | Contact::Loading { .. }
            | Contact::Ready { .. }
            | Contact::Claiming { .. }
            | Contact::Owned => None,
        }
    }

    fn attempts(&self) -> u32 {
        match self {
            Contact::Waiting { attempts, .. }
            | Contact::Asking { attempts }
            | Contact::Loading { attempts, .. }
            | Contact::Claiming { attempts, .. } => *attempts,
            Contact::Ready { .. } | Contact::Owned => 0,
        }
    }
}

/// The request for the index behind those that are there.
pub(in crate::broker) fn index_request(manifest: &Manifest, loaded: usize) -> Option<ObjectRequest> {
    let index = manifest.indexes.get(loaded)?;
    Some(ObjectRequest::Read { key: ObjectKey::Index(index.name), bytes_max: INDEX_BYTES_MAX })
}

/// What an operator is told who finds another's manifest.
pub(super) fn taken_over(number: u64, found: &Bytes) -> String {
    let by = match read_manifest(number, found) {
        Ok(other) => format!("node {} in epoch {}", other.node_id, other.epoch),
        Err(error) => format!("something that cannot be read ({error})"),
    };
    format!(
        "manifest {number} was committed by {by}: another process has taken over this cluster's object store. \
         This one stops; whatever of its log is not in the store will not come there."
    )
}

/// What an operator is told whose manifest comes too late.
pub(super) fn left_behind(number: u64, newest: ObjectKey) -> String {
    format!(
        "manifest {number} was committed, but the newest is {newest}: this process has slept, and another has taken over this \
         cluster's object store meanwhile. This one stops; whatever of its log is not in the store will not come there."
    )
}

impl Cuts {
    pub(super) fn go_on_contact(&mut self, view: View<'_>, turn: &mut Turn<'_>) {
        match &self.contact {
            Contact::Waiting { next, attempts } if *next <= turn.now.mono => {
                self.contact = Contact::Asking { attempts: attempts + 1 };
                turn.object(Purpose::Cut(CutOp::Manifest), ObjectRequest::NewestManifest);
            }
            Contact::Ready { manifest, restored } => {
                // The manifest must not name a lineage that a crash could make the directory forget.
                if view.log.durable() < view.log.staged_upto() && !planted(Planted::ClaimedBeforeDurable) {
                    return;
                }
                let more =
                    if *restored && !planted(Planted::ReservationNotRaised) { RESERVED_OFFSETS } else { 0 };
                let claim = Manifest {
                    number: manifest.number + 1,
                    node_id: view.node_id,
                    epoch: view.state.epoch,
                    lineage: view.state.store.lineage,
                    writer: self.writer,
                    reserved_offsets: manifest
                        .reserved_offsets
                        .saturating_add(more)
                        .min(RESERVED_OFFSETS_MAX),
                    ..manifest.clone()
                };
                let bytes = Bytes::from(claim.encode());
                create_manifest(&claim, &bytes, CutOp::Claim, turn);
                self.contact = Contact::Claiming { manifest: claim, attempts: 1 };
            }
            Contact::Waiting { .. }
            | Contact::Asking { .. }
            | Contact::Loading { .. }
            | Contact::Claiming { .. }
            | Contact::Owned => {}
        }
    }

    pub(super) fn contact_completed(
        &mut self,
        op: CutOp,
        result: ObjectResult,
        view: View<'_>,
        turn: &mut Turn<'_>,
    ) -> Result<Option<Committed>, Fault> {
        let done = match (op, result) {
            (CutOp::Manifest, Ok(ObjectReply::Manifest(newest))) => self.asked(newest, view, turn),
            (CutOp::Index, Ok(ObjectReply::Bytes(bytes))) => self.loaded(&bytes, view, turn).map(|()| None),
            (CutOp::Claim, Ok(_)) => {
                let Contact::Claiming { manifest, .. } = &self.contact else {
                    unreachable!("a claim is waited for")
                };
                confirm(ObjectKey::Manifest(manifest.number), CutOp::ConfirmClaim, turn);
                Ok(None)
            }
            (CutOp::ConfirmClaim, Ok(ObjectReply::Keys(behind))) if behind.is_empty() => {
                Ok(self.claimed(view, turn))
            }
            // Its number was free again: all is asked anew.
            (CutOp::ConfirmClaim, Ok(ObjectReply::Keys(_))) => {
                mark(Mark::ClaimTooOld);
                let attempts = self.contact.attempts();
                self.contact = Contact::Waiting { next: turn.now.mono, attempts };
                Ok(None)
            }
            (_, Ok(_)) => unreachable!("each request has a reply of its kind"),
            (_, Err(error)) => Err(Trouble::Later(error)),
        };
        match done {
            Ok(known) => Ok(known),
            Err(Trouble::Final(fault)) => Err(fault),
            Err(Trouble::Later(error)) => {
                mark(Mark::ContactFailed);
                let attempts = self.contact.attempts().max(1);
                let taken = op == CutOp::Claim && error.kind == ObjectErrorKind::Exists;
                let wait = if taken { core::time::Duration::ZERO } else { turn.backoff(attempts) };
                tell_failure(attempts, &error, turn);
                self.contact = Contact::Waiting { next: turn.now.mono.after(wait), attempts };
                Ok(None)
            }
        }
    }

    fn asked(
        &mut self,
        newest: Option<(u64, Bytes)>,
        view: View<'_>,
        turn: &mut Turn<'_>,
    ) -> Result<Option<Committed>, Trouble> {
        let attempts = self.contact.attempts();
        let Some((number, bytes)) = newest else {
            if view.state.store.manifest > 0 {
                return Err(refused(format!(
                    "this data directory knows of manifest {} in its object store, but the store has none: it is not the one \
                     that was used before, or its objects were removed",
                    view.state.store.manifest
                )));
            }
            mark(Mark::StoreEmpty);
            // All that the log has is not stored: the store may be new to a directory that is not.
            self.measure_all(view.state);
            let first = Manifest {
                number: 0,
                cluster_id: String::from(view.cluster_id),
                node_id: view.node_id,
                epoch: view.state.epoch,
                lineage: view.state.store.lineage,
                writer: self.writer,
                cut: Lsn(0),
                cut_at: turn.now.wall,
                reserved_offsets: RESERVED_OFFSETS,
                state: None,
                delta: None,
                indexes: Vec::new(),
                tail: Vec::new(),
            };
            self.contact = Contact::Ready { manifest: first, restored: false };
            return Ok(None);
        };
        let manifest = read_manifest(number, &bytes).map_err(Trouble::Later)?;
        if manifest.writer == self.writer {
            // An earlier claim that seemed to fail.
            mark(Mark::ClaimWasOurs);
            self.contact = Contact::Claiming { manifest, attempts };
            return Ok(self.claimed(view, turn));
        }
        let restored = check(&manifest, view)?;
        match index_request(&manifest, 0) {
            Some(request) => {
                turn.object(Purpose::Cut(CutOp::Index), request);
                self.contact = Contact::Loading { manifest, indexes: Vec::new(), attempts };
            }
            None => {
                check_order(&manifest, &[]).map_err(Trouble::Later)?;
                self.load(&manifest, &[], view.state);
                self.contact = Contact::Ready { manifest, restored };
            }
        }
        Ok(None)
    }

    fn loaded(&mut self, bytes: &Bytes, view: View<'_>, turn: &mut Turn<'_>) -> Result<(), Trouble> {
        let Contact::Loading { manifest, indexes, .. } = &mut self.contact else {
            unreachable!("an index is waited for")
        };
        indexes.push(read_index(&manifest.indexes[indexes.len()], bytes).map_err(Trouble::Later)?);
        if let Some(request) = index_request(manifest, indexes.len()) {
            turn.object(Purpose::Cut(CutOp::Index), request);
            return Ok(());
        }
        let (manifest, indexes) = (manifest.clone(), core::mem::take(indexes));
        check_order(&manifest, &indexes).map_err(Trouble::Later)?;
        let restored = check(&manifest, view)?;
        self.load(&manifest, &indexes, view.state);
        self.contact = Contact::Ready { manifest, restored };
        Ok(())
    }

    /// What is stored, as a manifest says.
    pub(super) fn load(&mut self, manifest: &Manifest, indexes: &[Index], state: &State) {
        self.archive = super::Archive::default();
        for (told, index) in manifest.indexes.iter().zip(indexes) {
            index.objects.iter().for_each(|data| self.archive.add(data));
            self.archive.indexed(told.name);
        }
        manifest.tail.iter().for_each(|data| self.archive.add(data));
        self.archive.keep(|partition| state.partition(partition).is_some());
        for partition in state.partitions() {
            self.archive.drop_below(partition.id, partition.log_start);
        }
        self.measure_all(state);
    }

    /// The store is this process's. Returns what it holds that the log does not know of, for a crash came between a commit and its
    /// note: from now on segments may be removed on the store's word, and whoever starts must know that it is needed.
    fn claimed(&mut self, view: View<'_>, turn: &mut Turn<'_>) -> Option<Committed> {
        let Contact::Claiming { manifest, .. } = core::mem::replace(&mut self.contact, Contact::Owned) else {
            unreachable!("a claim is waited for")
        };
        mark(Mark::EpochTaken);
        turn.tell(Notice::info(format!(
            "the object store is this broker's in epoch {}: manifest {}, stored up to LSN {} of {}",
            manifest.epoch,
            manifest.number,
            manifest.cut,
            view.log.durable()
        )));
        let behind = manifest.cut > view.state.store.cut || view.state.store.is_unclaimed();
        let unknown = behind && !planted(Planted::StoredUnnoted);
        let known = Committed { manifest: manifest.number, cut: manifest.cut, at: manifest.cut_at };
        self.newest = Some(manifest);
        if unknown {
            mark(Mark::StoredNoted);
        }
        unknown.then_some(known)
    }
}

enum Trouble {
    Later(ObjectError),
    Final(Fault),
}

fn refused(why: String) -> Trouble {
    Trouble::Final(Fault::Deposed(why))
}

/// Whether this directory may make the manifest its own. Returns whether it was restored from just that one.
fn check(manifest: &Manifest, view: View<'_>) -> Result<bool, Trouble> {
    let (link, epoch) = (&view.state.store, view.state.epoch);
    let found = format!(
        "manifest {} of its object store was committed by node {} in epoch {}",
        manifest.number, manifest.node_id, manifest.epoch
    );
    if manifest.cluster_id != view.cluster_id {
        return Err(refused(format!(
            "the object store belongs to cluster {}, the data directory to {}",
            manifest.cluster_id, view.cluster_id
        )));
    }
    let restored = manifest.lineage == link.from && manifest.number == link.restored_from;
    let own = manifest.lineage == link.lineage;
    if (!own && !restored || manifest.epoch >= epoch) && !planted(Planted::ZombieNotFenced) {
        mark(Mark::Deposed);
        return Err(refused(format!(
            "{found}, from another data directory: that one stands for the cluster now. What only this directory has is \
             not in the store. To restore from the store, start with an empty data directory"
        )));
    }
    if manifest.number < link.manifest {
        return Err(refused(format!(
            "{found} and is its newest, but this data directory knows of manifest {}: the store has lost objects",
            link.manifest
        )));
    }
    if manifest.cut > view.log.durable() {
        return Err(refused(format!(
            "{found} and holds the log up to LSN {}, but the data directory has it only up to {}: it is an old copy. To \
             restore from the store, start with an empty data directory",
            manifest.cut,
            view.log.durable()
        )));
    }
    Ok(restored)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_process_that_was_left_behind_is_told_by_which_manifest() {
        let told = left_behind(7, ObjectKey::Manifest(12));
        assert!(told.contains("manifest 7 was committed") && told.contains("newest is manifest/"), "{told}");
        let told = taken_over(7, &Bytes::from_static(b"no manifest"));
        assert!(told.contains("manifest 7 was committed by something that cannot be read"), "{told}");
    }
}
