//! What the object store has by itself. A stop that says that everything is stored is held to that: an empty disk beside that store gives
//! back what the disk would. And a store that answers has, after a bounded time, all that was written before.

use evenkeel_core::{
    limits::{CUT_PAUSE, STORE_RETRY_MAX},
    port::Fault,
};

use crate::{
    disk::SimDisk,
    probe::{Ended, Probe},
    reading::Reading,
    store::SimStore,
    violation::{Verdict, Violation, broken},
    world::{World, cuts::check_served},
};

/// Steps of a start that is left to finish.
const ALL_STEPS: u64 = 1_000_000;
/// What requests and turns take in all, beside the waits of which there are bounds.
const SLACK_MICROS: u64 = 2_000_000;

impl World {
    /// The process has stopped, and says whether the store has everything.
    pub(super) fn check_stop(&mut self, unstored: bool) -> Verdict {
        if unstored || !self.shape.stored {
            return Ok(());
        }
        self.mark("stopped, all stored");
        self.exhibit("what if the disk were lost behind this stop, which says that all is stored?");
        let left = self.disk.without_faults();
        self.check_whole(&left)?;
        self.satisfied();
        Ok(())
    }

    /// What if the start were stopped at once, or on the way?
    pub(super) fn check_a_stop_of_a_start(&mut self) -> Verdict {
        if !self.shape.stored || !self.eyes.chance(150) {
            return Ok(());
        }
        self.mark("start stopped");
        self.exhibit("what if the start were stopped, and the disk lost then?");
        let steps = if self.eyes.chance(500) { ALL_STEPS } else { self.eyes.magnitude(1, 60) };
        let image = self.disk.without_faults();
        let mut probe = Probe::boot_for(&self.shape.still(), self.eyes.bits(), image, steps);
        probe.stop_at_once();
        if probe.stopped_whole() {
            self.mark("start stopped, all stored");
            self.check_whole(&probe.disk().clone())?;
        }
        self.satisfied();
        Ok(())
    }

    /// An empty disk beside the store gives back what this disk does.
    pub(super) fn check_whole(&mut self, left: &SimDisk) -> Verdict {
        let with = Probe::boot(&self.shape.still(), self.eyes.bits(), left.clone());
        if self.is_overtaken(with.ended()) {
            return Ok(());
        }
        let empty = SimDisk::beside(left.store().clone());
        let alone = Probe::boot(&self.shape.still(), self.eyes.bits(), empty);
        let with = reading_of(with)?;
        let alone = reading_of(alone).map_err(|violation| violation.when("the object store alone: "))?;
        check_same(&with, &alone)
    }

    /// Once a disk was lost, a manifest of the process that had it may land at any time, and depose the one that came after.
    fn is_overtaken(&self, ended: Option<&Ended>) -> bool {
        self.disasters.disks > 0 && matches!(ended, Some(Ended::Halted(Fault::Deposed(_))))
    }

    /// What if nothing failed from now on, and nobody asked anything any more? What is changed now is stored within the interval, the
    /// pause between two cuts, and the longest wait after a failure; and no more is at risk than that.
    pub(super) fn check_catches_up(&mut self) -> Verdict {
        if !self.shape.stored || !self.node.serves() || !self.node.has_taken_all() || self.plan.stops() {
            return Ok(());
        }
        let Some(mut probe) = self.copy_as_fated() else { return Ok(()) };
        self.exhibit("what if nothing failed from now on, and nobody asked anything any more?");
        probe.hang_up(self.conns.keys().copied());
        let pause = self.shape.config.store.as_ref().map_or(CUT_PAUSE, |store| store.cut_pause);
        let waits = u64::try_from((pause + STORE_RETRY_MAX).as_micros()).expect("some seconds");
        let bound = self.shape.flush_micros + waits + SLACK_MICROS;
        let mut name = "changed-now";
        let mut changed = probe.change(name);
        if !changed && probe.ended().is_none() {
            // Too much was not stored, or the disk had no room a moment ago.
            probe.wait(bound);
            name = "changed-later";
            changed = probe.change(name);
        }
        match probe.ended() {
            None if changed => {}
            ended if self.is_overtaken(ended) => return Ok(()),
            None if self.shape.fills_up => return Ok(()),
            None => return broken("stored-late", "writes are refused, however long the store is there"),
            Some(Ended::Halted(fault)) => return broken("false-halt", format!("{fault:?}")),
            Some(Ended::Stopped) => return broken("stuck", "stopped by itself"),
        }
        self.mark("store caught up");
        let upto = probe.broker().durable();
        probe.wait(bound);
        if self.is_overtaken(probe.ended()) {
            return Ok(());
        }
        let store = probe.disk().store();
        let cut = store.newest_manifest().map(|manifest| manifest.cut);
        let at_risk = probe.broker().recovery_point(probe.clock()).unwrap_or_default();
        // What came behind the change may be nothing that a cut has to bring into the store.
        let stored = cut >= upto || self.store_alone_has(store.clone(), name);
        if !stored || at_risk.as_micros() > u128::from(bound) {
            return broken(
                "stored-late",
                format!(
                    "{bound} us after a change up to {upto:?} with a store that answers, stored up to {cut:?}, {} us at risk",
                    at_risk.as_micros()
                ),
            );
        }
        self.satisfied();
        Ok(())
    }

    /// Whether a disk that is restored from that store has a topic of that name.
    fn store_alone_has(&mut self, store: SimStore, name: &str) -> bool {
        let restored = Probe::boot(&self.shape.still(), self.eyes.bits(), SimDisk::beside(store));
        restored.state().is_some_and(|state| state.topics().any(|topic| topic.name() == name))
    }
}

fn reading_of(mut probe: Probe) -> Result<Reading, Violation> {
    check_served(&probe)?;
    probe.read_all()
}

/// Whether the two are the same, but for what each start makes anew.
fn check_same(with: &Reading, alone: &Reading) -> Verdict {
    let told = |what: String| broken("stop-not-whole", format!("{what} with the disk than without it"));
    if with.topics != alone.topics {
        return told(format!("{} topics, and others,", with.topics.len()));
    }
    if let Some((key, _)) =
        with.partitions.iter().find(|(key, found)| alone.partitions.get(key) != Some(found))
    {
        return told(format!("{key:?} has other records"));
    }
    if with.groups != alone.groups {
        return told(String::from("groups are others"));
    }
    if with.offsets != alone.offsets {
        return told(String::from("other offsets are committed"));
    }
    if with.configs != alone.configs {
        return told(String::from("other configs are given"));
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{
        ledger::{OffsetPlace, PartitionKey},
        reading::{FoundGroup, FoundOffset, FoundPartition, FoundTopic},
    };
    use evenkeel_core::units::TopicId;

    const TOPIC: TopicId = TopicId([7; 16]);

    fn reading() -> Reading {
        let mut reading = Reading { producer_id: Some(7), leader_epoch: Some(2), ..Reading::default() };
        reading.topics.insert(TOPIC, FoundTopic { name: String::from("t"), partitions: 1 });
        reading.partitions.insert(PartitionKey { topic: TOPIC, index: 0 }, FoundPartition::default());
        reading.groups.insert(String::from("g"), FoundGroup::default());
        let place = OffsetPlace { group: String::from("g"), topic: String::from("t"), index: 0 };
        let offset = FoundOffset { offset: 3, leader_epoch: 1, metadata: String::new() };
        reading.offsets.insert(place, offset);
        reading.configs.insert((TOPIC, String::from("retention.ms")), String::from("1"));
        reading
    }

    #[test]
    fn a_store_that_lacks_something_is_not_whole() {
        let later = Reading { producer_id: Some(1007), leader_epoch: Some(3), ..reading() };
        assert_eq!(check_same(&reading(), &later), Ok(()), "a start leads in an epoch of its own");
        let lacking: [fn(&mut Reading); 5] = [
            |alone| alone.topics.clear(),
            |alone| alone.partitions.values_mut().for_each(|found| found.high_watermark += 1),
            |alone| alone.groups.clear(),
            |alone| alone.offsets.clear(),
            |alone| alone.configs.clear(),
        ];
        for lack in lacking {
            let mut alone = reading();
            lack(&mut alone);
            let verdict = check_same(&reading(), &alone);
            assert_eq!(verdict.err().map(|violation| violation.name), Some("stop-not-whole"));
        }
    }
}
