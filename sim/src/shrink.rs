//! From a run that breaks a promise to a small one that breaks the same promise.
//!
//! A candidate is a changed script. It is run, and taken if the same promise is broken in a smaller run: first by faults,
//! then by questions that clients ask, then by clients, events, and choices. What is changed: settings ([`passes::settings`]),
//! then the tapes of choices, from whole tapes over actions of clients down to single values. All of it is a function of the
//! first run, but for the time limit.

mod passes;
mod rerolls;

use core::fmt;
use std::{
    collections::BTreeMap,
    time::{Duration, Instant},
};

use crate::{
    run,
    script::{Script, Watch},
    tape::Choices,
    violation::Violation,
    world::{FAULTS, Outcome},
};

/// How large a run is. Compared field by field, in this order.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Size {
    /// Things done to the broker.
    pub faults: u64,
    /// Questions that clients asked.
    pub operations: u64,
    /// Clients that asked anything.
    pub clients: u64,
    /// Events.
    pub events: u64,
    /// Choices that are not the simplest.
    pub choices: u64,
    /// Their magnitudes, in bits.
    pub bits: u64,
}

impl Size {
    /// Of a run whose choices were written down.
    #[must_use]
    pub fn of(outcome: &Outcome) -> Size {
        let values = outcome.choices.0.values().flat_map(|tape| &tape.values);
        Size {
            faults: FAULTS.iter().filter_map(|mark| outcome.marks.get(mark)).sum(),
            operations: outcome.asked.values().sum(),
            clients: outcome.asked.len() as u64,
            events: outcome.events,
            choices: outcome.choices.weight(),
            bits: values.map(|value| u64::from(64 - value.leading_zeros())).sum(),
        }
    }
}

impl fmt::Display for Size {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Size { faults, operations, clients, events, choices, bits: _ } = self;
        write!(
            f,
            "{operations} operations of {clients} clients, {faults} faults, {events} events, {choices} choices"
        )
    }
}

/// When to stop.
#[derive(Clone, Copy, Debug)]
pub struct Limits {
    /// Candidates.
    pub runs: u64,
    /// Wall time. The result of two shrinkings that both come to their end is the same; one that is cut short may differ.
    pub time: Duration,
}

impl Default for Limits {
    fn default() -> Limits {
        Limits { runs: 100_000, time: Duration::from_secs(60) }
    }
}

/// The result.
#[derive(Clone, Debug)]
pub struct Shrunk {
    /// The small run.
    pub script: Script,
    /// What is broken in it.
    pub violation: Violation,
    /// Size before.
    pub before: Size,
    /// Size after.
    pub after: Size,
    /// Candidates that were run.
    pub runs: u64,
    /// Time taken.
    pub took: Duration,
}

/// Shrinks a run. `None` if it breaks no promise.
#[must_use]
pub fn shrink(script: &Script, limits: Limits) -> Option<Shrunk> {
    let began = Instant::now();
    let first = run::script(script, Watch { choices: true, ..Watch::default() });
    let before = Size::of(&first);
    let violation = first.violation.clone()?;
    let wanted = Wanted::of(&violation);
    let original = script.clone();
    let script = Script { choices: Some(first.choices.clone()), ..script.clone() };
    let best = Best { script, choices: first.choices, violation, size: before };
    let mut search = Search { first: original, marks: first.marks, best, wanted, limits, began, runs: 0 };
    search.run();
    let Search { best, runs, .. } = search;
    let script = Script { choices: Some(best.choices.trimmed()), ..best.script };
    let again = run::script(&script, Watch::default());
    assert_eq!(again.violation.as_ref(), Some(&best.violation), "a run follows from its tapes");
    assert_eq!(again.events, best.size.events, "event for event");
    Some(Shrunk { script, violation: best.violation, before, after: best.size, runs, took: began.elapsed() })
}

/// What a candidate must show to be taken.
#[derive(Clone, Debug, PartialEq, Eq)]
struct Wanted {
    name: &'static str,
    /// What a panic says, or the evidence that a refusal gives first, without its numbers.
    words: String,
}

impl Wanted {
    fn of(violation: &Violation) -> Wanted {
        let told = match violation.name {
            "panic" => Some(violation.detail.as_str()),
            _ => violation.detail.lines().find(|line| line.trim_start().starts_with("found:")),
        };
        let is_word = |character: &char| !character.is_ascii_digit();
        Wanted { name: violation.name, words: told.unwrap_or_default().chars().filter(is_word).collect() }
    }

    /// The same promise; and for a panic, the same assertion.
    fn is_met_by(&self, other: &Wanted) -> bool {
        self.name == other.name && (self.name != "panic" || self.words == other.words)
    }
}

/// The smallest run so far.
#[derive(Clone, Debug)]
struct Best {
    script: Script,
    /// As they were made, with the places where actions begin.
    choices: Choices,
    violation: Violation,
    size: Size,
}

struct Search {
    /// What is to be shrunk, and what was done in it.
    first: Script,
    marks: BTreeMap<&'static str, u64>,
    best: Best,
    wanted: Wanted,
    limits: Limits,
    began: Instant,
    runs: u64,
}

impl Search {
    fn run(&mut self) {
        if rerolls::are_due(self) {
            rerolls::reroll(self);
        }
        loop {
            let before = self.best.size;
            passes::settings(self);
            passes::whole_tapes(self);
            passes::actions(self);
            passes::blocks(self);
            passes::values(self);
            if self.best.size == before || self.is_over() {
                return;
            }
        }
    }

    fn is_over(&self) -> bool {
        self.runs >= self.limits.runs || self.began.elapsed() >= self.limits.time
    }

    /// Runs a candidate and takes it if it is smaller and breaks the same promise.
    fn offer(&mut self, change: impl FnOnce(&mut Script)) -> bool {
        if self.is_over() {
            return false;
        }
        let mut script = self.best.script.clone();
        change(&mut script);
        if script.choices == self.best.script.choices
            && script.shape.settings() == self.best.script.shape.settings()
        {
            return false;
        }
        self.take(script, Wanted::is_met_by)
    }

    /// Runs another script altogether, and takes it if, besides, the evidence is the same: it must not be another bug.
    fn offer_kin(&mut self, script: Script) -> bool {
        self.take(script, Wanted::eq)
    }

    fn take(&mut self, mut script: Script, is_wanted: impl Fn(&Wanted, &Wanted) -> bool) -> bool {
        self.runs += 1;
        let events_max = Some(self.best.size.events * 4 + 1000).filter(|_| self.wanted.name != "stuck");
        let outcome = run::script(&script, Watch { choices: true, scenes: false, events_max });
        let Some(violation) = outcome.violation.clone() else { return false };
        let size = Size::of(&outcome);
        if !is_wanted(&self.wanted, &Wanted::of(&violation)) || size >= self.best.size {
            return false;
        }
        // What was recorded is what counts: legal values, no more of them than are used.
        script.choices = Some(outcome.choices.clone());
        self.best = Best { script, choices: outcome.choices, violation, size };
        true
    }

    /// The same, for a change of the tapes alone.
    fn offer_tapes(&mut self, change: impl FnOnce(&mut Choices)) -> bool {
        self.offer(|script| change(script.choices.get_or_insert_default()))
    }
}
