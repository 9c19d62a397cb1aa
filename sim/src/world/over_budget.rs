//! More damage than anything is promised for: several faults at once, writes that never came or came elsewhere, files that are
//! again what they once were. Much may be lost then, and no disk can say that it forgot its end. But nothing untrue is served: what a
//! broker serves on such a disk, at once or once its operator has given up what it named, is what was written, up to some place.

use evenkeel_core::{
    log::Refusal,
    port::{Disk, Fault, FileEntry},
};

use crate::{
    dice::Dice,
    disk::{MediaFault, SimDisk, blocks},
    probe::{Ended, Probe},
    violation::{Verdict, broken},
    world::{World, loss},
};

/// Older states of the disk that are kept.
const OLDER_MAX: usize = 4;
/// Faults in one image, at most.
const FAULTS_MAX: u64 = 6;

impl World {
    /// Keeps what is on the media now, to come back to it. Only what a power loss cannot take: it is in each later state.
    pub(super) fn remember_the_disk(&mut self) {
        if self.shape.over_budget == 0 || !self.lies.chance(300) {
            return;
        }
        if self.older.len() == OLDER_MAX {
            let at = self.lies.index(OLDER_MAX);
            self.older.remove(at);
        }
        self.older.push(self.disk.durable_only());
    }

    /// A start on an image that is damaged beyond all promises.
    pub(super) fn check_over_budget(&mut self) -> Verdict {
        if !self.lies.chance(self.shape.over_budget) {
            return Ok(());
        }
        let (image, told) = self.over_budget();
        if told.is_empty() {
            return Ok(());
        }
        let told = told.join("; ");
        self.mark("over budget");
        self.exhibit(&format!("what if all of this had happened: {told}?"));
        self.exhibit_disk(&image);
        self.check_no_untruth(image).map_err(|violation| violation.when(&format!("{told}: ")))?;
        self.satisfied();
        Ok(())
    }

    /// An image with as many faults as come, and what they are.
    fn over_budget(&mut self) -> (SimDisk, Vec<String>) {
        let mut told = Vec::new();
        let mut image = self.disk.without_faults();
        if !self.older.is_empty() && self.lies.chance(150) {
            image = self.older[self.lies.index(self.older.len())].clone();
            told.push(String::from("the disk is what it was some time ago"));
            if self.lies.chance(500) {
                return (image, told);
            }
        }
        for _ in 0..self.lies.between(1, FAULTS_MAX) {
            let files = image.list().unwrap_or_default();
            if files.is_empty() {
                break;
            }
            let (changed, what) = self.another_fault(&image, &files);
            if changed {
                told.push(what);
            }
        }
        (image, told)
    }

    fn another_fault(&mut self, image: &SimDisk, files: &[FileEntry]) -> (bool, String) {
        let dice = &mut self.lies;
        let some = |dice: &mut Dice| files[dice.index(files.len())];
        let hit = some(dice);
        let block = |dice: &mut Dice, entry: FileEntry| {
            let reach = blocks(entry.len);
            if dice.chance(700) { dice.magnitude(1, reach) - 1 } else { dice.below(reach) }
        };
        let fault = match dice.below(4) {
            0 if !self.older.is_empty() => {
                let older = &self.older[dice.index(self.older.len())];
                return (
                    image.take_back(hit.file, older),
                    format!("{} is what it was some time ago", hit.file),
                );
            }
            1 => {
                let other = some(dice);
                let from = (other.file, block(dice, other));
                MediaFault::Misdirect { from, to: (hit.file, block(dice, hit)) }
            }
            2 => MediaFault::LoseBlocks(hit.file, block(dice, hit), dice.magnitude(1, 16)),
            _ => MediaFault::draw(hit.file, hit.len, dice),
        };
        (image.damage(&fault), fault.to_string())
    }

    fn check_no_untruth(&mut self, image: SimDisk) -> Verdict {
        let mut probe = Probe::boot(&self.shape.still(), self.lies.bits(), image);
        if let Some(Ended::Halted(Fault::Refused(refusal))) = probe.ended() {
            let Refusal::Damage(damage) = refusal else {
                self.mark("over budget, refused for good");
                return Ok(());
            };
            self.mark("over budget, refused");
            let from = damage.accept_from;
            let left = probe.disk().clone();
            probe = self.accept(&left, from);
            if probe.serves() && !loss::is_reported(&probe) {
                return broken("silent-loss", "a loss was accepted and no report says so");
            }
        }
        if let Some(Ended::Halted(Fault::Deposed(_))) = probe.ended() {
            self.mark("over budget, refused by the store");
            return Ok(());
        }
        if let Some(Ended::Halted(fault @ Fault::LogWrite(_))) = probe.ended() {
            return broken("false-halt", format!("{fault:?}"));
        }
        if !probe.serves() {
            return match probe.ended() {
                Some(_) => {
                    self.mark("over budget, refused again");
                    Ok(())
                }
                None => broken("stuck", "a start comes to no end"),
            };
        }
        self.mark("over budget, served");
        let reading = match probe.read_all() {
            Ok(reading) => reading,
            // Refused, which is no untruth.
            Err(violation) if violation.name == "unreadable" => return Ok(()),
            Err(violation) => return Err(violation),
        };
        for key in reading.partitions.keys() {
            loss::check_true(&self.ledger, &reading, *key)?;
        }
        Ok(())
    }
}
