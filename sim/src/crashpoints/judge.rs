//! What a start makes of an image, and whether that is what was promised.
//!
//! An image is started once, whatever it is an image of. What is read from it is kept, and compared again whenever more has
//! been promised while the disk was in that state. A recovery that does something new is crashed again at each of its steps.

use std::collections::{BTreeMap, BTreeSet};

use evenkeel_core::{
    Config,
    port::{DiskStep, Fault, Request, Response},
};

use crate::{
    batch,
    crashpoints::{
        losses::{SECOND, losses},
        stage::{Stage, Watch, changes},
    },
    disk::{Fingerprint, SimDisk},
    invariant,
    ledger::{Asked, Ledger, OpNumber},
    mutant::Mutant,
    probe::{Ended, Probe},
    reading::Reading,
    violation::{Verdict, Violation, broken},
    world::brief_step,
};

/// Starts of a sequence, of an image and of a crashed recovery draw from seeds of their own.
const FIRST_SEED: u64 = 1_000_000;
const SECOND_SEED: u64 = 2_000_000;
/// Partitions that must take a new batch after a recovery.
const NEW_WRITES: usize = 2;

/// What was tried, in numbers.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Counts {
    /// Sequences of operations.
    pub sequences: u64,
    /// Sequences that make no sense: nothing is there to be deleted, read or written to.
    pub senseless: u64,
    /// Changes of the disk at which a crash was tried.
    pub points: u64,
    /// Images that a crash may leave there.
    pub images: u64,
    /// Of these, different ones.
    pub distinct: u64,
    /// Ways of recovery: what is asked of the disk, and what is read afterwards. Each is crashed at each of its steps.
    pub ways: u64,
    /// Images that these second crashes may leave.
    pub second: u64,
    /// Starts, of all of them.
    pub recoveries: u64,
}

impl Counts {
    /// Both.
    pub fn add(&mut self, other: &Counts) {
        self.sequences += other.sequences;
        self.senseless += other.senseless;
        self.points += other.points;
        self.images += other.images;
        self.distinct += other.distinct;
        self.ways += other.ways;
        self.second += other.second;
        self.recoveries += other.recoveries;
    }
}

/// What a start led to.
struct Outcome {
    reading: Result<Reading, Violation>,
    canonical: Option<Vec<u8>>,
}

/// All that may be read after a crash there, second crashes included: numbers of outcomes.
type Closure = BTreeSet<usize>;

/// The judge of one task.
pub(super) struct Judge {
    config: Config,
    mutant: Option<Mutant>,
    pub(super) counts: Counts,
    outcomes: Vec<Outcome>,
    known_outcomes: BTreeMap<Fingerprint, usize>,
    starts: BTreeMap<Fingerprint, usize>,
    images: BTreeMap<Fingerprint, usize>,
    closures: Vec<Closure>,
    known_closures: BTreeMap<Closure, usize>,
    ways: BTreeMap<Fingerprint, usize>,
    held: BTreeSet<(usize, Fingerprint)>,
}

/// A disk that a crash left.
pub(super) struct Image {
    pub(super) disk: SimDisk,
    /// Nothing is in the cache that is not on the media.
    pub(super) settled: bool,
}

/// One image of a second crash, by the step of the recovery and its place among the images there.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Second {
    pub(super) step: usize,
    pub(super) image: usize,
}

/// The disk before and after each step of a recovery that changes it.
#[derive(Default)]
pub(super) struct Recorder {
    pub(super) steps: Vec<(DiskStep, SimDisk, SimDisk)>,
}

impl Watch for Recorder {
    fn stepped(&mut self, stage: &Stage, before: &SimDisk, step: &DiskStep) -> Verdict {
        self.steps.push((step.clone(), before.clone(), stage.disk.clone()));
        Ok(())
    }

    fn promised(&mut self, _: &Stage) -> Verdict {
        Ok(())
    }
}

/// Whether a start has come to serve.
pub(super) fn serving(stage: &Stage) -> Verdict {
    match stage.ended() {
        Some(Ended::Halted(Fault::Refused(refusal))) => broken("false-refusal", refusal.to_string()),
        Some(Ended::Halted(Fault::LogWrite(error))) => broken("false-halt", error.to_string()),
        Some(Ended::Halted(Fault::Deposed(why))) => broken("false-halt", why.clone()),
        Some(Ended::Stopped) => broken("stuck", "stopped by itself"),
        None if stage.serves() => Ok(()),
        None => broken("stuck", "a start on a good disk comes to no end"),
    }
}

impl Judge {
    pub(super) fn new(config: Config, mutant: Option<Mutant>) -> Judge {
        Judge {
            config,
            mutant,
            counts: Counts::default(),
            outcomes: Vec::new(),
            known_outcomes: BTreeMap::new(),
            starts: BTreeMap::new(),
            images: BTreeMap::new(),
            closures: Vec::new(),
            known_closures: BTreeMap::new(),
            ways: BTreeMap::new(),
            held: BTreeSet::new(),
        }
    }

    /// The number of all that may be read after a crash that left this.
    ///
    /// # Errors
    /// The broker does not go on as it should.
    pub(super) fn closure(&mut self, image: &Image, ledger: &Ledger) -> Result<usize, Violation> {
        self.counts.images += 1;
        let print = image.disk.fingerprint();
        if let Some(known) = self.images.get(&print) {
            return Ok(*known);
        }
        self.counts.distinct += 1;
        let (first, way, stage, recorder) = self.recover(image);
        let mut reached = Closure::from([first]);
        if self.outcomes[first].reading.is_ok() && self.ways.insert(way, first).is_none() {
            self.counts.ways += 1;
            self.goes_on(&stage, ledger)?;
            self.second_crashes(image, first, &recorder, &mut |_, outcome| {
                reached.insert(outcome);
            });
        }
        let next = self.closures.len();
        let number = *self.known_closures.entry(reached.clone()).or_insert(next);
        if number == next {
            self.closures.push(reached);
        }
        self.images.insert(print, number);
        Ok(number)
    }

    /// Whether all that may be read there is as promised.
    ///
    /// # Errors
    /// Something is not.
    pub(super) fn check(&mut self, closure: usize, stage: &Stage) -> Verdict {
        for outcome in self.closures[closure].clone() {
            self.check_outcome(outcome, stage)?;
        }
        Ok(())
    }

    pub(super) fn check_outcome(&mut self, outcome: usize, stage: &Stage) -> Verdict {
        if self.held.contains(&(outcome, stage.promises)) {
            return Ok(());
        }
        match &self.outcomes[outcome].reading {
            Ok(reading) => invariant::check_all(&stage.ledger, reading)?,
            Err(violation) => return Err(violation.clone()),
        }
        self.held.insert((outcome, stage.promises));
        Ok(())
    }

    /// Which second crash of that image is to blame, if one is.
    pub(super) fn blame(&mut self, image: &Image, stage: &Stage) -> Option<Second> {
        let (first, _, _, recorder) = self.recover(image);
        self.check_outcome(first, stage).ok()?;
        let mut reached = Vec::new();
        self.second_crashes(image, first, &recorder, &mut |second, outcome| reached.push((second, outcome)));
        let guilty = reached.into_iter().find(|(_, outcome)| self.check_outcome(*outcome, stage).is_err());
        guilty.map(|(second, _)| second)
    }

    /// Starts a broker there: what is read, a number for the way it took, and the disk at each of its steps.
    pub(super) fn recover(&mut self, image: &Image) -> (usize, Fingerprint, Stage, Recorder) {
        let mut recorder = Recorder::default();
        let stage = self.start(&image.disk, FIRST_SEED, &mut recorder);
        let outcome = self.outcome_of(&stage);
        self.starts.insert(image.disk.contents(), outcome);
        let mut way = Fingerprint::default();
        way.add(outcome as u64);
        way.add(u64::from(image.settled));
        for (step, ..) in &recorder.steps {
            way.add_bytes(brief_step(step).as_bytes());
        }
        (outcome, way, stage, recorder)
    }

    fn start(&mut self, disk: &SimDisk, seed: u64, watch: &mut dyn Watch) -> Stage {
        self.counts.recoveries += 1;
        let mut stage = Stage::new(self.config.clone(), disk.clone(), self.mutant, seed);
        // Nothing is promised on this stage, so nothing can be broken: what it comes to is asked of it afterwards.
        if let Err(violation) = stage.boot(watch).and_then(|()| stage.run(&Stage::serves, watch)) {
            stage.tell(|| violation.to_string());
        }
        stage
    }

    fn outcome_of(&mut self, stage: &Stage) -> usize {
        let (reading, canonical) = match (serving(stage), stage.probe()) {
            (Ok(()), Some(mut probe)) => {
                let canonical = probe.canonical();
                (probe.read_all(), canonical)
            }
            (Err(violation), _) => (Err(violation), None),
            (Ok(()), None) => (broken("stuck", "no broker"), None),
        };
        self.outcome(Outcome { reading, canonical })
    }

    fn outcome(&mut self, outcome: Outcome) -> usize {
        let mut print = Fingerprint::default();
        match &outcome.reading {
            Ok(reading) => reading.fingerprint(&mut print),
            Err(violation) => print.add_bytes(violation.to_string().as_bytes()),
        }
        print.add_bytes(outcome.canonical.as_deref().unwrap_or_default());
        let next = self.outcomes.len();
        let number = *self.known_outcomes.entry(print).or_insert(next);
        if number == next {
            self.outcomes.push(outcome);
        }
        number
    }

    /// Crashes a recovery at each of its steps, and starts again on what each leaves.
    fn second_crashes(
        &mut self,
        image: &Image,
        first: usize,
        recorder: &Recorder,
        found: &mut dyn FnMut(Second, usize),
    ) {
        let last = recorder.steps.len().saturating_sub(1);
        for (step, (asked, before, after)) in recorder.steps.iter().enumerate() {
            for (at, left) in crash_images(before, after, asked, SECOND).into_iter().enumerate() {
                self.counts.second += 1;
                let same = image.settled || !left.settled || step == last;
                let again = self.start_again(&left.disk);
                found(Second { step, image: at }, self.compare(first, again, same));
            }
        }
    }

    fn start_again(&mut self, disk: &SimDisk) -> usize {
        let print = disk.contents();
        if let Some(known) = self.starts.get(&print) {
            return *known;
        }
        let stage = self.start(disk, SECOND_SEED, &mut super::stage::Nobody);
        let outcome = self.outcome_of(&stage);
        self.starts.insert(print, outcome);
        outcome
    }

    /// Once all that will ever be known of an image is on the media, and once it was served, every recovery leads to the
    /// same state.
    fn compare(&mut self, first: usize, again: usize, same: bool) -> usize {
        let (straight, crashed) = (&self.outcomes[first], &self.outcomes[again]);
        if !same || crashed.reading.is_err() || straight.canonical == crashed.canonical {
            return again;
        }
        let reading = broken(
            "recovery-not-idempotent",
            "a recovery that was cut leads elsewhere than one that was not",
        );
        self.outcome(Outcome { reading, canonical: None })
    }

    /// A recovered broker takes new batches, stops in order, and has everything after that.
    fn goes_on(&mut self, stage: &Stage, promised: &Ledger) -> Verdict {
        let Some(mut probe) = stage.probe() else { return broken("stuck", "no broker") };
        let mut ledger = promised.clone();
        ledger.settle(&probe.clone().read_all()?)?;
        let keys: Vec<_> = ledger.usable().map(|(key, _)| key).take(NEW_WRITES).collect();
        for (number, key) in (u64::MAX / 2..).map(OpNumber).zip(keys) {
            let batch = batch::make(number, 1, 10, None);
            ledger.open(number, key, &batch);
            let (conn, tag) = (evenkeel_core::units::ConnId(u64::MAX), evenkeel_core::units::Tag(number.0));
            ledger.sent(conn, tag, Asked::Produce(vec![number]));
            match probe.ask(13, Request::Produce(crate::client::produce_one(key, batch))) {
                Some(answer @ Response::Produce(_)) => ledger.answered(conn, tag, &answer)?,
                other => return broken("stuck", format!("a batch for {key:?} is answered with {other:?}")),
            }
        }
        if !probe.stop() {
            return broken("stuck", "an orderly stop comes to no end");
        }
        self.counts.recoveries += 1;
        let mut later = Probe::boot(&self.config, SECOND_SEED, probe.disk().durable_only());
        match later.ended() {
            Some(ended) => broken("false-refusal", ended.words()),
            None => invariant::check_all(&ledger, &later.read_all()?),
        }
    }
}

/// All images of a crash at one step: the process killed behind it, in the middle of it, and the power lost.
pub(super) fn crash_images(
    before: &SimDisk,
    after: &SimDisk,
    step: &DiskStep,
    bound: super::losses::Bound,
) -> Vec<Image> {
    assert!(changes(step), "only a step that changes something has images of its own");
    let mut images = vec![Image { disk: after.clone(), settled: false }];
    for part in super::parts::of(step, bound.strange) {
        let disk = before.clone();
        // It succeeded as a whole just now.
        drop(evenkeel_core::port::perform(&disk, &[part]));
        images.push(Image { disk, settled: false });
    }
    let units = after.units();
    let left = losses(&units, bound).into_iter().map(|fates| after.left(&units, &fates));
    images.extend(left.map(|disk| Image { disk, settled: true }));
    images
}
