//! What a power loss does to that which was not synced.

use crate::{
    dice::Dice,
    disk::{SECTOR_BYTES, pages::Pages, sectors::Sectors},
};

/// How much is lost.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Loss {
    /// Everything had been written back: nothing is lost but what a failed sync had dropped.
    Nothing,
    /// Nothing had been written back.
    Everything,
    /// Each sector, name and size for itself.
    Some {
        /// How often the new version survives, in thousandths.
        kept: u64,
        /// How often a sector that does not survive comes up as zeros or garbage, in thousandths.
        mangled: u64,
        /// How often the next sector fares like the one before it, in thousandths.
        runs: u64,
    },
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Fate {
    New,
    Old,
    Zero,
    Garbage,
}

impl Loss {
    /// A kind of loss: some lose all, some nothing, most are in between, each with weights of its own.
    pub fn draw(dice: &mut Dice) -> Loss {
        match dice.below(6) {
            0 => Loss::Nothing,
            1 => Loss::Everything,
            _ => Loss::Some {
                kept: dice.below(1001),
                mangled: if dice.chance(500) { 0 } else { dice.below(600) },
                runs: if dice.chance(500) { 0 } else { dice.below(1000) },
            },
        }
    }

    /// Whether one change that stands for itself (a name, a truncation) survives.
    pub(super) fn keeps(&self, dice: &mut Dice) -> bool {
        match self {
            Loss::Nothing => true,
            Loss::Everything => false,
            Loss::Some { kept, .. } => dice.chance(*kept),
        }
    }

    /// The size, between the synced and the newest, whatever became of the data.
    pub(super) fn size(&self, synced: u64, newest: u64, dice: &mut Dice) -> u64 {
        match self {
            Loss::Nothing => newest,
            Loss::Everything => synced,
            Loss::Some { kept, .. } if dice.chance(*kept) => newest,
            Loss::Some { .. } if dice.chance(500) => synced,
            Loss::Some { .. } => dice.between(synced.min(newest), synced.max(newest)),
        }
    }

    fn fate(&self, dice: &mut Dice) -> Fate {
        match self {
            Loss::Nothing => Fate::New,
            Loss::Everything => Fate::Old,
            Loss::Some { kept, .. } if dice.chance(*kept) => Fate::New,
            Loss::Some { mangled, .. } if dice.chance(*mangled) => {
                if dice.chance(500) {
                    Fate::Zero
                } else {
                    Fate::Garbage
                }
            }
            Loss::Some { .. } => Fate::Old,
        }
    }

    /// Decides each dirty sector. Sectors from `allocated` on are new to the media and may hold garbage.
    pub(super) fn resolve(
        &self,
        dirty: &Sectors,
        cache: &Pages,
        media: &mut Pages,
        allocated: usize,
        dice: &mut Dice,
    ) {
        let runs = match self {
            Loss::Everything => return,
            Loss::Nothing => {
                return dirty.eights().for_each(|(page, sectors)| media.take_sectors(page, sectors, cache));
            }
            Loss::Some { runs, .. } => *runs,
        };
        let mut fate = self.fate(dice);
        for sector in dirty.iter() {
            if !dice.chance(runs) {
                fate = self.fate(dice);
            }
            match fate {
                Fate::New => media.set_sector(sector, cache.sector(sector)),
                Fate::Old => {}
                Fate::Garbage if sector >= allocated => media.set_sector(sector, &garbage(dice)),
                Fate::Zero | Fate::Garbage => media.set_sector(sector, &[0; SECTOR_BYTES]),
            }
        }
    }
}

pub(super) fn garbage(dice: &mut Dice) -> [u8; SECTOR_BYTES] {
    let mut bytes = [0; SECTOR_BYTES];
    for word in bytes.chunks_mut(8) {
        word.copy_from_slice(&dice.bits().to_le_bytes());
    }
    bytes
}
