//! Who watches a sequence: tries every image at every point, or tells of one.

use evenkeel_core::{Config, port::DiskStep};

use crate::{
    crashpoints::{
        judge::{Image, Judge, crash_images},
        losses::{FIRST, SECOND, losses},
        place::Place,
        stage::{Stage, Watch},
    },
    disk::{Fate, SimDisk},
    mutant::Mutant,
    violation::{Verdict, Violation},
    world::brief_step,
};

/// Tries everything.
pub(super) struct Explorer<'a> {
    judge: &'a mut Judge,
    place: &'a mut Place,
    /// What may be read after each image of the point that was reached last.
    closures: Vec<usize>,
    images: Option<(SimDisk, SimDisk, DiskStep)>,
}

impl<'a> Explorer<'a> {
    pub(super) fn new(judge: &'a mut Judge, place: &'a mut Place) -> Explorer<'a> {
        place.point = 0;
        place.heard = 0;
        Explorer { judge, place, closures: Vec::new(), images: None }
    }

    fn blame(&mut self, image: usize, stage: &Stage) {
        self.place.image = image;
        let Some((before, after, step)) = &self.images else { return };
        let images = crash_images(before, after, step, FIRST);
        self.place.second = self.judge.blame(&images[image], stage);
    }
}

impl Watch for Explorer<'_> {
    fn stepped(&mut self, stage: &Stage, before: &SimDisk, step: &DiskStep) -> Verdict {
        self.place.point += 1;
        self.place.heard = 0;
        self.judge.counts.points += 1;
        self.closures.clear();
        self.images = Some((before.clone(), stage.disk.clone(), step.clone()));
        for (at, image) in crash_images(before, &stage.disk, step, FIRST).iter().enumerate() {
            self.place.image = at;
            let closure = self.judge.closure(image, &stage.ledger)?;
            self.closures.push(closure);
            if let Err(violation) = self.judge.check(closure, stage) {
                self.blame(at, stage);
                return Err(violation);
            }
        }
        Ok(())
    }

    fn promised(&mut self, stage: &Stage) -> Verdict {
        self.place.heard += 1;
        for at in 0..self.closures.len() {
            if let Err(violation) = self.judge.check(self.closures[at], stage) {
                self.blame(at, stage);
                return Err(violation);
            }
        }
        Ok(())
    }
}

/// Tells of one image.
pub(super) struct Teller<'a> {
    place: &'a Place,
    judge: Judge,
    mutant: Option<Mutant>,
    point: usize,
    heard: usize,
    image: Option<Image>,
    pub(super) lines: Vec<String>,
    pub(super) violation: Option<Violation>,
}

impl<'a> Teller<'a> {
    pub(super) fn new(place: &'a Place, config: Config, mutant: Option<Mutant>) -> Teller<'a> {
        let judge = Judge::new(config, mutant);
        Teller { place, judge, mutant, point: 0, heard: 0, image: None, lines: Vec::new(), violation: None }
    }

    fn look(&mut self, stage: &Stage) {
        if self.point != self.place.point || self.heard != self.place.heard {
            return;
        }
        let Some(image) = self.image.take() else { return };
        self.lines.extend(self.story_of(&image, stage.config.clone(), "recovery"));
        let verdict = match self.judge.closure(&image, &stage.ledger) {
            Ok(closure) => self.judge.check(closure, stage),
            Err(violation) => Err(violation),
        };
        if let Some(second) = self.place.second {
            let (_, _, _, recorder) = self.judge.recover(&image);
            if let Some((step, before, after)) = recorder.steps.get(second.step) {
                self.lines.push(format!(
                    "--- that recovery crashes at its step {}: {}",
                    second.step,
                    brief_step(step)
                ));
                let mut images = crash_images(before, after, step, SECOND);
                self.describe(after, step, second.image, SECOND);
                if second.image < images.len() {
                    let left = images.swap_remove(second.image);
                    self.lines.extend(self.story_of(&left, stage.config.clone(), "second recovery"));
                }
            }
        }
        self.violation = verdict.err();
    }

    fn story_of(&self, image: &Image, config: Config, name: &str) -> Vec<String> {
        let mut stage = Stage::new(config, image.disk.clone(), self.mutant, 3_000_000);
        stage.tell_story();
        stage.tell(|| format!("--- {name}"));
        let nobody = &mut super::stage::Nobody;
        if let Err(violation) = stage.boot(nobody).and_then(|()| stage.run(&Stage::serves, nobody)) {
            stage.tell(|| violation.to_string());
        }
        stage.take_lines()
    }

    /// What survived.
    fn describe(&mut self, after: &SimDisk, step: &DiskStep, image: usize, bound: super::losses::Bound) {
        let parts = super::parts::of(step, bound.strange);
        match image.checked_sub(1 + parts.len()) {
            None if image == 0 => self.lines.push(String::from("--- the process is killed behind this step")),
            None => self.lines.push(format!(
                "--- the process is killed within this step, when this was done: {}",
                brief_step(&parts[image - 1])
            )),
            Some(at) => {
                self.lines.push(String::from("--- the power fails behind this step"));
                let units = after.units();
                let Some(fates) = losses(&units, bound).into_iter().nth(at) else { return };
                for (unit, fate) in
                    units.iter().zip(fates).filter(|(unit, fate)| !(unit.is_same() && *fate == Fate::New))
                {
                    self.lines.push(format!("    {unit}: {fate}"));
                }
            }
        }
    }
}

impl Watch for Teller<'_> {
    fn stepped(&mut self, stage: &Stage, before: &SimDisk, step: &DiskStep) -> Verdict {
        self.point += 1;
        self.heard = 0;
        if self.point == self.place.point {
            self.lines.push(format!("--- crash at point {}: {}", self.point, brief_step(step)));
            self.describe(&stage.disk, step, self.place.image, FIRST);
            let mut images = crash_images(before, &stage.disk, step, FIRST);
            if self.place.image < images.len() {
                self.image = Some(images.swap_remove(self.place.image));
            }
            self.look(stage);
        }
        Ok(())
    }

    fn promised(&mut self, stage: &Stage) -> Verdict {
        self.heard += 1;
        self.look(stage);
        Ok(())
    }
}
