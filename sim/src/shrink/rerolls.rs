//! Other runs in smaller worlds. Cutting a long run down step by step moves its crash away from where it hurts; where few
//! operations are enough, it is quicker to begin with few and to roll the dice until the same thing goes wrong.

use crate::{dice::Dice, script::Script, shrink::Search};

/// Operations of the smaller worlds.
const OPERATIONS: [u64; 9] = [3, 5, 8, 12, 16, 24, 32, 48, 64];
/// Rolls for each, at most.
const ROLLS: u64 = 300;

/// Tries smaller worlds, the smallest first, until one is found.
pub(super) fn reroll(search: &mut Search) {
    let before = search.best.size;
    let third = search.limits.time / 3;
    for operations in OPERATIONS.into_iter().filter(|operations| *operations < before.operations) {
        for roll in 0..ROLLS {
            if search.began.elapsed() > third {
                return;
            }
            let script = smaller(search, operations, roll);
            if search.offer_kin(script) && search.best.size.faults <= 3 {
                return;
            }
        }
        if search.best.size != before {
            return;
        }
    }
}

/// What does not go wrong in the run that is to be shrunk does not go wrong here. What does is more likely.
fn smaller(search: &Search, operations: u64, roll: u64) -> Script {
    let Script { seed, shape, mutant, .. } = &search.first;
    let mut dice = Dice::of(*seed ^ (operations << 32) ^ roll, "reroll");
    let mut shape = shape.clone();
    let marks = |mark: &str| search.marks.get(mark).copied().unwrap_or(0);
    let often =
        |rate: u64, dice: &mut Dice| if rate > 0 && dice.chance(700) { dice.between(20, 200) } else { 0 };
    shape.operations = operations;
    shape.crashes = marks("crash").min(dice.below(3));
    shape.stops = if marks("stop asked for") > 0 { shape.stops } else { 0 };
    shape.power_losses = if marks("power loss") > 0 && dice.chance(700) { 1000 } else { 0 };
    shape.crashes_in_recovery = if marks("crash in recovery") > 0 && dice.chance(500) { 500 } else { 0 };
    shape.sync_eio = often(shape.sync_eio, &mut dice);
    shape.write_eio = often(shape.write_eio, &mut dice);
    shape.read_eio = often(shape.read_eio, &mut dice);
    shape.fills_up &= marks("disk full or free again") > 0 && dice.chance(500);
    shape.resets = if marks("connection reset") > 0 && dice.chance(500) { shape.resets } else { 0 };
    shape.checked_answers = 1000;
    shape.consumers = shape.consumers.min(dice.below(2));
    shape.idempotent_producers = shape.idempotent_producers.min(dice.below(2));
    shape.plain_producers = shape.plain_producers.min(dice.between(0, 1));
    if shape.idempotent_producers + shape.plain_producers == 0 {
        shape.idempotent_producers = 1;
    }
    shape.lasting_topics = shape.lasting_topics.min(1);
    shape.passing_topics = if dice.chance(700) { 0 } else { shape.passing_topics.min(1) };
    if dice.chance(700) {
        // Few batches fill a segment.
        let segment_bytes = 8 * 4096;
        shape.config.segment_bytes = segment_bytes;
        shape.config.message_bytes_max = segment_bytes / 4;
        shape.filling_bytes = u64::from(segment_bytes) / 24;
    }
    Script { seed: dice.bits() >> 32, shape, mutant: *mutant, choices: None, forks: Vec::new() }
}

/// Whether it is worth the time.
pub(super) fn are_due(search: &Search) -> bool {
    search.best.size.operations > 12 || search.best.size.faults > 3
}
