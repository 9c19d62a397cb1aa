//! One run of the `log_recovery` target: a life, its end, damage, a start, and what the start must have done.

use evenkeel_core::{
    Config,
    log::Refusal,
    port::{Fault, Response},
    units::Lsn,
};

use crate::{
    batch::{Numbered, numbered},
    choices::Choices,
    damage::{CHOICE_BYTES, damage},
    evidence::evidence,
    memory_disk::{Image, MemoryDisk},
    plan::Life,
    requests,
    truth::Truth,
    world::World,
};

/// Most damages to one log.
const DAMAGES_MAX: usize = 4;

/// What became of a damaged log. For statistics and for tests of the judge itself.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Verdict {
    /// Served in full.
    Whole,
    /// Served a prefix, and nothing that is left proves more.
    Prefix,
    /// Refused for damage; served up to the place that the refusal named once that was given up.
    GivenUp,
    /// Refused for another reason.
    Refused,
}

/// Lives, damages, recovers and judges, all as these bytes choose.
///
/// # Panics
/// A finding.
pub fn judge(bytes: &[u8]) -> Verdict {
    let mut choices = Choices::new(bytes);
    let count = choices.below(DAMAGES_MAX + 1);
    let mut ending = choices.part(4);
    let mut damages = choices.part(DAMAGES_MAX * CHOICE_BYTES);
    let mut life = Life::lived(&mut choices);
    match ending.below(3) {
        0 => {}
        1 => life.world.stop(),
        _ => life.world.disk.cut(u64::from(ending.byte())),
    }
    let sound = life.world.disk.image();
    let mut image = sound.clone();
    let mut story = Vec::new();
    for _ in 0..count {
        let mut choices = damages.part(CHOICE_BYTES);
        story.push(damage(&mut image, &life.past, &mut choices));
    }
    let truth = life.world.truth.clone().expect("a life is taken down");
    let case = Case {
        config: life.world.config().clone(),
        story,
        durable: life.world.durable,
        is_sound: image == sound,
        sound,
        truth,
        damaged: image,
    };
    case.judge(&mut ending)
}

struct Case {
    config: Config,
    story: Vec<String>,
    /// Everything below was durable.
    durable: Lsn,
    is_sound: bool,
    sound: Image,
    damaged: Image,
    truth: Truth,
}

fn boot(image: &Image, config: &Config) -> World {
    World::boot(MemoryDisk::holding(image), config.clone(), None)
}

/// Where the log ended that a broker has just started on: in front of the record of that start.
fn end_of(world: &World) -> Lsn {
    Lsn(world.broker.durable().expect("a broker that serves").0 - 1)
}

impl Case {
    fn judge(&self, ending: &mut Choices<'_>) -> Verdict {
        let mut world = boot(&self.damaged, &self.config);
        let verdict = if world.serving {
            self.judge_served(&mut world, ending)
        } else {
            assert_eq!(world.disk.image(), self.damaged, "a refusal changes nothing: {:?}", self.story);
            self.judge_refused(&world)
        };
        if self.is_sound {
            assert_eq!(verdict, Verdict::Whole, "nothing is damaged: {:?}", world.fault);
        }
        verdict
    }

    fn judge_served(&self, world: &mut World, ending: &mut Choices<'_>) -> Verdict {
        let recovered = world.disk.image();
        let end = end_of(world);
        if end < self.durable
            && let Some(evidence) = evidence(&self.sound, &self.damaged, end, self.truth.epoch(end))
        {
            panic!(
                "served up to LSN {end} of {}, but {evidence}; damage: {:?}; said: {:?}",
                self.durable, self.story, world.notices
            );
        }
        assert!(end <= self.truth.upto(), "LSN {end} was never written: {:?}", self.story);
        world.assert_serves(&self.truth, end);
        self.assert_recovers_again(&recovered, end, ending);
        self.assert_goes_on(world, end, 0);
        if end < self.durable { Verdict::Prefix } else { Verdict::Whole }
    }

    /// Recovery is idempotent: on what it left, and on what it left when it was killed anywhere.
    fn assert_recovers_again(&self, recovered: &Image, end: Lsn, ending: &mut Choices<'_>) {
        let mut again = boot(recovered, &self.config);
        assert!(again.serving, "after {:?}, the second time: {:?}", self.story, again.fault);
        again.assert_serves(&self.truth, end);
        let (calls, tear) = (u32::from(ending.byte() % 32), u64::from(ending.byte()));
        let disk = MemoryDisk::holding(&self.damaged);
        disk.arm(calls, tear);
        let mut killed = World::boot(disk, self.config.clone(), None);
        if killed.disk.crashed() {
            if tear % 2 == 1 {
                killed.disk.cut(tear);
            }
            killed.disk.restart();
            killed.reboot();
            assert!(
                killed.serving,
                "after {:?}, killed at call {calls} of recovery: {:?}",
                self.story, killed.fault
            );
            killed.assert_serves(&self.truth, end);
        }
    }

    /// New batches get offsets that were never given out for what is still there or was given up.
    fn assert_goes_on(&self, world: &mut World, end: Lsn, skipped: i64) {
        for (name, topic) in self.truth.known(end).topics {
            for (index, (_, log_end)) in (0..).zip(topic.spans) {
                let probe = Numbered { number: u64::MAX, count: 1, filling: 0, by: None };
                let response = world.ask(requests::produce(&name, index, -1, numbered(probe)));
                let Response::Produce(response) = response else { panic!("{response:?}") };
                let answer = &response.responses[0].partition_responses[0];
                assert_eq!(
                    (answer.error_code, answer.base_offset),
                    (0, log_end + skipped),
                    "{name}-{index}: {:?}",
                    self.story
                );
            }
        }
    }

    fn judge_refused(&self, world: &World) -> Verdict {
        let Some(Fault::Refused(refusal)) = &world.fault else {
            panic!("neither served nor refused after {:?}: {:?}", self.story, world.fault)
        };
        let Refusal::Damage(damage) = refusal else { return Verdict::Refused };
        assert!(damage.from <= self.truth.upto(), "LSN {} was never written", damage.from);
        let named = damage.accept_from;
        let accepting = Config { accept_loss_from: Some(named), ..self.config.clone() };
        let mut world = boot(&self.damaged, &accepting);
        assert!(world.serving, "gave up LSN {named}: {:?}; {:?}", world.fault, self.story);
        let end = end_of(&world);
        assert_eq!(end, named, "where the log was given up: {:?}", self.story);
        world.assert_serves(&self.truth, end);
        let left = world.disk.image();
        let mut next = boot(&left, &self.config);
        assert!(next.serving, "the start after an accepted loss: {:?}; {:?}", next.fault, self.story);
        next.assert_serves(&self.truth, end);
        self.assert_goes_on(&mut world, end, evenkeel_core::limits::LOSS_SKIP_OFFSETS);
        Verdict::GivenUp
    }
}

#[cfg(test)]
mod tests;
