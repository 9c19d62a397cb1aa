//! What if the disk were lost now? The object store gives back the last cut: all that was promised when it was begun, nothing that was
//! given out since is given out again, and what is missing is younger than the broker says.

use std::sync::Arc;

use evenkeel_core::{
    log::Refusal,
    port::{Disk, Fault, FileName, ObjectRequest},
    store::{Manifest, ObjectKey, ObjectName},
    units::{Instant, Lsn},
};

use crate::{
    disk::SimDisk,
    invariant,
    ledger::Ledger,
    probe::{Ended, Probe},
    reading::Reading,
    store::SimStore,
    violation::{Verdict, broken},
    world::{LIVENESS_MICROS, World, loss, oracle::holds},
};

/// What was promised when a cut was begun.
#[derive(Clone, Debug)]
pub(super) struct CutLedger {
    ledger: Arc<Ledger>,
    upto: u64,
}

impl World {
    /// After each turn: has a cut begun?
    pub(super) fn watch_cuts(&mut self) {
        let begun = self.node.broker().and_then(|broker| broker.cutting());
        if let Some(upto) = begun
            && self.cut_begun.as_ref().is_none_or(|known| known.upto != upto.0)
        {
            self.cut_begun = Some(CutLedger { ledger: Arc::new(self.ledger.clone()), upto: upto.0 });
        }
        if begun.is_none() {
            self.cut_begun = None;
        }
    }

    /// The state of a cut is about to be written: by its name manifests will refer to that cut.
    pub(super) fn note_cut(&mut self, request: &ObjectRequest) {
        // It may have begun in this very turn.
        self.watch_cuts();
        if let ObjectRequest::Create { key: ObjectKey::State(name), .. } = request
            && let Some(begun) = &self.cut_begun
        {
            self.cuts.insert(*name, begun.clone());
        }
    }

    /// Now and then, while there is a store. `between`: nothing of a turn is still to be carried out, so that a copy of the live broker
    /// has all that it asked for.
    pub(super) fn lose_the_disk_perhaps(&mut self, often: u64, between: bool) -> Verdict {
        if !self.shape.stored || !self.oracle.chance(often) {
            return Ok(());
        }
        self.mark("disk lost");
        self.check_disk_loss(between).map_err(|violation| violation.when("if the disk were lost now: "))
    }

    fn check_disk_loss(&mut self, between: bool) -> Verdict {
        let store = self.disk.store().clone();
        let Some(newest) = store.newest_manifest() else { return Ok(()) };
        let empty = SimDisk::beside(store);
        self.exhibit("what if the disk were lost now?");
        if self.oracle.chance(200) {
            self.check_no_answer_is_no_start(&empty)?;
            self.check_store_missed()?;
        }
        let probe = self.what_if(empty);
        check_served(&probe)?;
        let reading = probe.clone().read_all()?;
        self.check_cut_known(&newest)?;
        let cut = self.ledger_of(newest.states().last().map(|state| state.name));
        invariant::check_all(&cut, &reading)?;
        self.check_nothing_twice(&reading, &probe)?;
        self.check_recovery_point(&reading)?;
        self.check_restored_disk(&probe, &reading)?;
        if between && self.node.has_taken_all() && self.oracle.chance(300) {
            self.check_zombie(&probe)?;
        }
        self.satisfied();
        Ok(())
    }

    /// O3: each object that the newest manifest refers to is there.
    pub(super) fn check_store_whole(&self) -> Verdict {
        let store = self.disk.store();
        let missing = match store.referred() {
            Ok(referred) => referred.into_iter().find(|key| store.object(*key).is_none()),
            Err(index) => Some(index),
        };
        match missing {
            Some(key) => {
                broken("dangling-object", format!("the newest manifest refers to {key}, which is not there"))
            }
            None => Ok(()),
        }
    }

    /// Once all is calm, what nothing refers to goes: all that earlier epochs left, and all manifests but the newest. By a process that
    /// has just started: an object that lands very late is found by the next one.
    pub(super) fn check_no_garbage(&self, calm: &mut Probe) -> Verdict {
        if !self.shape.stored {
            return Ok(());
        }
        // Once to look for leftovers, and once to remove them.
        calm.wait(LIVENESS_MICROS + 4 * self.shape.garbage_micros);
        let store = calm.disk().store();
        let Some(newest) = store.newest_manifest() else { return Ok(()) };
        let Ok(referred) = store.referred() else {
            return broken("dangling-object", "an index is not there");
        };
        let forgotten = store.keys().into_iter().find(|key| match key {
            ObjectKey::Manifest(number) => number + self.shape.manifests_kept <= newest.number,
            ObjectKey::Data(name) | ObjectKey::State(name) | ObjectKey::Index(name) => {
                name.epoch < newest.epoch && !referred.contains(key)
            }
            ObjectKey::Probe(_) => false,
        });
        match forgotten {
            Some(key) => broken("forgotten-object", format!("nothing refers to {key}, and it stays")),
            None => Ok(()),
        }
    }

    /// An empty disk and a store that does not answer: nothing is begun.
    fn check_no_answer_is_no_start(&mut self, empty: &SimDisk) -> Verdict {
        self.mark("disk lost, store away");
        let probe =
            Probe::boot_without_store(&self.shape.still(), self.oracle.bits(), empty.clone(), 100_000_000);
        match probe.ended() {
            Some(Ended::Halted(Fault::Refused(Refusal::Store(_)))) => Ok(()),
            other => broken(
                "false-start",
                format!("the disk is empty and the store does not answer, and the start ends with {other:?}"),
            ),
        }
    }

    /// Whether the disk is an empty one, put in the place of one that was lost.
    fn is_empty_after_loss(&self) -> bool {
        let files = self.disk.list().unwrap_or_default();
        self.is_in_disaster() && !files.iter().any(|entry| matches!(entry.file, FileName::Segment(_)))
    }

    /// The disk is there, and its store is not: it is not named, or another one is, which has nothing. Refused, or all is in the log.
    fn check_store_missed(&mut self) -> Verdict {
        if self.is_empty_after_loss() {
            // With an empty store beside it nothing is left to know.
            return Ok(());
        }
        self.mark("store missed");
        let mut config = self.shape.still();
        let mut left = self.disk.durable_only();
        if self.oracle.chance(500) {
            config.store = None;
        } else {
            left = left.moved_beside(SimStore::default());
        }
        let mut probe = Probe::boot(&config, self.oracle.bits(), left);
        match probe.ended() {
            Some(Ended::Halted(Fault::Deposed(_) | Fault::Refused(Refusal::Store(_)))) => Ok(()),
            Some(_) | None => {
                check_served(&probe)?;
                holds(&self.ledger, &mut probe).map_err(|violation| violation.when("without its store: "))
            }
        }
    }

    pub(super) fn ledger_of(&self, state: Option<ObjectName>) -> Arc<Ledger> {
        let cut = state.and_then(|name| self.cuts.get(&name));
        cut.map_or_else(|| Arc::new(self.blank.clone()), |cut| Arc::clone(&cut.ledger))
    }

    /// What a manifest refers to is the state of a cut, and of its LSN. Otherwise nothing would be promised of it: see `ledger_of`.
    fn check_cut_known(&self, manifest: &Manifest) -> Verdict {
        let begun = manifest.states().last().map(|state| self.cuts.get(&state.name).map(|cut| cut.upto));
        match begun {
            None if manifest.cut == Lsn(0) => Ok(()),
            Some(Some(upto)) if upto == manifest.cut.0 => Ok(()),
            None | Some(_) => broken(
                "state-differs",
                format!(
                    "manifest {} of LSN {} has a state of a cut that began at {begun:?}",
                    manifest.number, manifest.cut
                ),
            ),
        }
    }

    /// Offsets and producer ids that somebody knows are not given out again, whether or not what they stand for is there.
    fn check_nothing_twice(&mut self, reading: &Reading, probe: &Probe) -> Verdict {
        for (key, found) in &reading.partitions {
            loss::check_goes_on(self.known(), &mut probe.clone(), *key, found.log_start)?;
        }
        match reading.producer_id {
            Some(id) if self.known().producer_ids.contains(&id) => {
                broken("reissued-producer-id", format!("after a restore {id} is given out again"))
            }
            Some(_) | None => Ok(()),
        }
    }

    /// B1: whatever is missing is younger than the broker says it may be.
    fn check_recovery_point(&mut self, reading: &Reading) -> Verdict {
        if self.marks.contains_key("wall clock leaps") {
            // Over a start only the wall clock tells how old something is.
            return Ok(());
        }
        let Some(at_risk) = self.node.broker().and_then(|broker| broker.recovery_point(Instant(self.now)))
        else {
            return Ok(());
        };
        let micros = u64::try_from(at_risk.as_micros()).unwrap_or(u64::MAX);
        for (key, book) in &self.ledger.partitions {
            let Some(found) = reading.partitions.get(key) else { continue };
            let end = found.batches.last().map_or(found.log_start, |batch| batch.header.last_offset().0 + 1);
            let oldest = book.since.range(end..).map(|(_, at)| *at).min();
            if let Some(at) = oldest
                && self.now.saturating_sub(at) > micros
            {
                return broken(
                    "recovery-point-untrue",
                    format!(
                        "{key:?} would end at {end}; what follows was acknowledged {} us ago, and {micros} us are said to be at risk",
                        self.now - at
                    ),
                );
            }
        }
        Ok(())
    }

    /// What was restored is a log like any other: it survives the power, and a second loss gives the same again.
    fn check_restored_disk(&mut self, probe: &Probe, reading: &Reading) -> Verdict {
        let left = probe.disk().durable_only();
        let again = self.what_if(left);
        check_served(&again)?;
        let found = again.clone().read_all()?;
        if found.partitions.len() != reading.partitions.len() || again.canonical() != probe.canonical() {
            return broken("state-differs", "a restore, and the next process knows something else");
        }
        let twice = SimDisk::beside(probe.disk().store().clone());
        let twice = self.what_if(twice);
        check_served(&twice)?;
        let second = twice.clone().read_all()?;
        for (key, first) in &reading.partitions {
            if second.partitions.get(key) != Some(first) {
                return broken(
                    "state-differs",
                    format!("{key:?} is another after a second loss of the disk"),
                );
            }
            let given = loss::next_offset(&mut probe.clone(), *key)?;
            let then = loss::next_offset(&mut twice.clone(), *key)?;
            if then <= given {
                return broken(
                    "inconsistent-offsets",
                    format!("{key:?} gives out offset {given}, and {then} after a second loss of the disk"),
                );
            }
        }
        Ok(())
    }

    /// Another machine has taken over, and this process does not know it.
    fn check_zombie(&mut self, restored: &Probe) -> Verdict {
        if self.is_empty_after_loss() {
            // Whoever starts there has nothing yet that could be replaced: it restores.
            return Ok(());
        }
        let mut restored = restored.clone();
        if self.oracle.chance(500) {
            // The number that the zombie takes next may be free again.
            for turn in 0..self.shape.manifests_kept + 2 {
                restored.change(&format!("changed-{turn}"));
                restored.wait(self.shape.flush_micros + 2_000_000 + self.shape.garbage_micros);
            }
        }
        let Some(mut zombie) = self.copy_of_live_beside(restored.disk().store().clone()) else {
            return Ok(());
        };
        self.mark("taken over");
        // It is started again, more often than the other one was.
        let mut left = self.disk.durable_only().moved_beside(restored.disk().store().clone());
        for _ in 0..3 {
            let again = self.what_if(left);
            let refused = matches!(
                again.ended(),
                Some(Ended::Halted(Fault::Deposed(_) | Fault::Refused(Refusal::Damage(_))))
            );
            // A directory in which nothing is durable yet is an empty one.
            let files = again.disk().list().unwrap_or_default();
            let empty = !files.iter().any(|entry| matches!(entry.file, FileName::Segment(_)));
            if !refused && !empty && again.state().is_some_and(|state| state.store.from == 0) {
                return broken(
                    "not-fenced",
                    format!("a process that was replaced starts again: {:?}", again.ended()),
                );
            }
            left = again.disk().durable_only();
        }
        let before = restored.disk().store().newest_manifest();
        let mut changed = zombie.change("changed");
        zombie.wait(100_000_000);
        // What it was asked first it may have refused, for a disk that was full a moment ago.
        if zombie.ended().is_none() {
            changed |= zombie.change("changed again");
            zombie.wait(100_000_000);
        }
        let unchanged = zombie.disk().store().newest_manifest() == before;
        let whole =
            zombie.disk().store().referred().is_ok_and(|referred| {
                referred.iter().all(|key| zombie.disk().store().object(*key).is_some())
            });
        if !whole {
            return broken("dangling-object", "a process that was replaced removes what is needed");
        }
        match zombie.ended() {
            Some(Ended::Halted(Fault::Deposed(_))) if unchanged => Ok(()),
            // Whoever has no room takes nothing, has nothing to store, and need not know.
            None if unchanged && !changed => Ok(()),
            // It was about to stop in any case, or its disk to fail.
            Some(Ended::Halted(Fault::LogWrite(_)) | Ended::Stopped) if unchanged => Ok(()),
            other => broken(
                "not-fenced",
                format!("a process that was replaced goes on: {other:?}, manifest unchanged: {unchanged}"),
            ),
        }
    }
}

pub(super) fn check_served(probe: &Probe) -> Verdict {
    match probe.ended() {
        Some(ended) => broken("false-refusal", ended.words()),
        None if probe.serves() => Ok(()),
        None => broken("stuck", "a restore comes to no end"),
    }
}
