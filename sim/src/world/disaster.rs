//! Losses that the world itself goes on after: the same clients, who have seen what is gone, the same ledger, rolled back to what is
//! still promised, and a broker that has a loss behind it for all that follows: rolls, checkpoints, cuts, restarts, another loss.

use evenkeel_core::store::ObjectKey;

use crate::{
    dice::Dice,
    disk::SimDisk,
    ledger::Ledger,
    reading::Reading,
    trace::{Kind, Lane, Scene},
    violation::Verdict,
    world::World,
};

/// Losses so far.
#[derive(Clone, Debug)]
pub(super) struct Disasters {
    dice: Dice,
    /// Disks that this machine has had before.
    pub(super) disks: u64,
    /// What was promised before the loss that no start has served behind yet.
    before: Option<Box<Ledger>>,
    /// A request of an earlier process has changed what the store holds since the disk was lost.
    pub(super) overtaken: bool,
}

impl Disasters {
    pub(super) fn new(dice: Dice) -> Disasters {
        Disasters { dice, disks: 0, before: None, overtaken: false }
    }
}

/// Disks of one world that are lost, beside those of processes that were replaced: an hour of starts without a store is nothing new.
const DISKS_MAX: u64 = 24;

impl World {
    /// What was promised before a loss that is not over yet: numbers that were given out stay given out.
    pub(super) fn known(&self) -> &Ledger {
        self.disasters.before.as_deref().unwrap_or(&self.ledger)
    }

    /// Whether no start has served yet since a loss.
    pub(super) fn is_in_disaster(&self) -> bool {
        self.disasters.before.is_some()
    }

    /// The process has ended: its disk may be lost with it. False if it is still there.
    pub(super) fn disk_is_lost_perhaps(&mut self) -> bool {
        let chance = self.shape.stored
            && !self.winding_down
            && self.shape.disk_losses > 0
            && self.disasters.disks < DISKS_MAX
            && self.disasters.dice.chance(self.shape.disk_losses);
        if !chance || self.disk.store().newest_manifest().is_none() {
            return false;
        }
        self.mark("disk lost for good");
        self.lose_the_disk();
        true
    }

    /// The disk is replaced by an empty one. What counts is the newest cut.
    pub(super) fn lose_the_disk(&mut self) {
        self.tell(&[50], || {
            Scene::new(Lane::Disk, Kind::Machine, "the disk is lost; an empty one is put in its place")
        });
        self.disasters.disks += 1;
        self.disasters.overtaken = false;
        let before = self.disasters.before.take().unwrap_or_else(|| Box::new(self.ledger.clone()));
        self.disasters.before = Some(before);
        self.promise_the_newest_cut();
        self.disk = SimDisk::beside(self.disk.store().clone());
        self.arm_disk();
        self.older.clear();
        self.state_before = None;
        self.cut_begun = None;
    }

    /// What is promised after a loss of the disk.
    fn promise_the_newest_cut(&mut self) {
        let Some(before) = &self.disasters.before else { return };
        let newest = self.disk.store().newest_manifest();
        let cut = newest.and_then(|newest| newest.states().last().map(|state| state.name));
        self.ledger = before.as_of(&self.ledger_of(cut));
    }

    /// A manifest was created, by a process that had that disk.
    pub(super) fn manifest_landed(&mut self, key: ObjectKey, disk: u64) {
        let newest = self.disk.store().newest_manifest().map(|newest| ObjectKey::Manifest(newest.number));
        if disk < self.disasters.disks && newest == Some(key) && self.is_in_disaster() {
            self.mark("cut landed after the disk was lost");
            self.disasters.overtaken = true;
            self.promise_the_newest_cut();
        }
    }

    /// What a loss left, perhaps with a start on the way that was cut: it can be started on, unless the store has moved on since.
    pub(super) fn check_the_wreck(&mut self) -> Verdict {
        if self.disasters.overtaken || !self.oracle.chance(300) {
            return Ok(());
        }
        self.mark("start after a loss tried");
        self.exhibit("starts on what was left by the loss, and by starts that were cut:");
        self.check_image(self.disk.without_faults())?;
        self.satisfied();
        Ok(())
    }

    /// A start serves: if a loss is behind it, that is over, and what was served is what counts from now on.
    pub(super) fn end_disaster(&mut self, reading: &Reading) -> Verdict {
        let Some(before) = self.disasters.before.take() else { return Ok(()) };
        self.mark("served after a loss");
        self.disasters.overtaken = false;
        self.ledger.lose(&before, reading)
    }
}
