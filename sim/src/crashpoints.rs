//! Crash points: every short sequence of operations, a crash at every step of the disk, every image that it may leave, and a
//! second crash at every step of the recovery.
//!
//! Where a run of many seeds samples deep, this is exhaustive and shallow. [`base`]: where sequences begin. [`operation`]: what
//! they are made of. [`stage`]: the broker, one disk step at a time. [`losses`]: the images of a power loss. [`judge`]: what
//! must be true of each. [`place`]: how one image is named and shown alone.

mod base;
mod explorer;
mod judge;
mod losses;
mod operation;
mod parts;
mod place;
mod stage;

use std::sync::{
    Mutex,
    atomic::{AtomicUsize, Ordering},
};

pub use base::{BASES, Base};
pub use judge::Counts;
pub use operation::{ALPHABET, Operation};
pub use place::{Place, tell};

use crate::{
    crashpoints::{
        explorer::Explorer,
        judge::Judge,
        operation::Play,
        stage::{Order, Watch},
    },
    mutant::Mutant,
    violation::Violation,
};

/// What is to be tried.
#[derive(Clone, Debug)]
pub struct Space {
    /// Longest sequences.
    pub operations: usize,
    /// Where they begin.
    pub bases: Vec<Base>,
    /// A planted bug.
    pub mutant: Option<Mutant>,
    /// Threads. The result does not depend on them.
    pub jobs: usize,
}

/// What came of it.
#[derive(Clone, Debug, Default)]
pub struct Report {
    /// What was tried.
    pub counts: Counts,
    /// The first violation in the order of the space, if there is one.
    pub found: Option<Found>,
}

/// An image that breaks a promise.
#[derive(Clone, Debug)]
pub struct Found {
    /// Which.
    pub place: Place,
    /// What is broken.
    pub violation: Violation,
}

/// How several pieces of disk work go together.
const PACES: [Order; 2] = [Order::Oldest, Order::InTurn];

#[derive(Clone, Copy)]
struct Task {
    base: Base,
    order: Order,
    first: Operation,
}

/// Tries all of it, or up to the first violation.
#[must_use]
pub fn explore(space: &Space) -> Report {
    let tasks: Vec<Task> = space
        .bases
        .iter()
        .flat_map(|base| PACES.map(|order| (*base, order)))
        .flat_map(|(base, order)| ALPHABET.map(|first| Task { base, order, first }))
        .collect();
    let next = AtomicUsize::new(0);
    let stop_at = AtomicUsize::new(usize::MAX);
    let reports: Mutex<Vec<Option<Report>>> = Mutex::new(vec![None; tasks.len()]);
    std::thread::scope(|scope| {
        for _ in 0..space.jobs.max(1) {
            scope.spawn(|| {
                loop {
                    let at = next.fetch_add(1, Ordering::Relaxed);
                    // Tasks before the first violation are still done: the first of all is what counts.
                    let Some(task) = tasks.get(at).filter(|_| at <= stop_at.load(Ordering::Relaxed)) else {
                        break;
                    };
                    let report = run(*task, space);
                    if report.found.is_some() {
                        stop_at.fetch_min(at, Ordering::Relaxed);
                    }
                    reports.lock().expect("no task panics with it")[at] = Some(report);
                }
            });
        }
    });
    let mut sum = Report::default();
    for report in reports.into_inner().expect("no task panics with it").into_iter().flatten() {
        sum.counts.add(&report.counts);
        sum.found = report.found;
        if sum.found.is_some() {
            break;
        }
    }
    sum
}

fn run(task: Task, space: &Space) -> Report {
    let mut place = Place::of(task.base, task.order);
    let mut play = match task.base.make(space.mutant, false) {
        Ok(play) => play,
        Err(violation) => {
            return Report { counts: Counts::default(), found: Some(Found { place, violation }) };
        }
    };
    play.stage.order = task.order;
    let mut judge = Judge::new(play.stage.config.clone(), space.mutant);
    let found = deeper(&mut play, task.first, space.operations, &mut place, &mut judge).err();
    Report { counts: judge.counts, found: found.map(|violation| Found { place, violation }) }
}

/// One more operation, and all that may follow it.
fn deeper(
    play: &mut Play,
    operation: Operation,
    depth: usize,
    place: &mut Place,
    judge: &mut Judge,
) -> Result<(), Violation> {
    if depth == 0 {
        return Ok(());
    }
    place.operations.push(operation);
    if !play.allows(operation) {
        judge.counts.senseless += 1;
        place.operations.pop();
        return Ok(());
    }
    judge.counts.sequences += 1;
    play.stage.promises.add(operation as u64);
    let mut explorer = Explorer::new(judge, place);
    play.act(operation, &mut explorer)?;
    // What is still under way when the last answer has left.
    let mut rest = play.clone();
    rest.finish(&mut explorer)?;
    for next in ALPHABET {
        deeper(&mut play.clone(), next, depth - 1, place, judge)?;
    }
    place.operations.pop();
    Ok(())
}

impl Play {
    fn finish(&mut self, watch: &mut dyn Watch) -> Result<(), Violation> {
        if self.stage.serves() { self.stage.run(&|_| false, watch) } else { Ok(()) }
    }
}

#[cfg(test)]
mod tests;
