//! Worlds that come by rare places, reached on purpose: where a world has just come by two marks in an order that is new, it is
//! forked, and its continuations are tried under other choices.
//!
//! A world found this way has a [`Path`]: the seed, then the steps at which choices became others. From the path alone it is run
//! again, event for event. One process explores with one thread, for the marks of the core are counted for the process.

use core::fmt;
use std::{
    collections::BTreeMap,
    time::{Duration, Instant},
};

use crate::{
    marks,
    script::{Fork, Script, Watch},
    shape::Size,
    violation::Violation,
    world::World,
};

/// Worlds that are kept to be continued; the least promising goes where there are more.
const KEPT_MAX: usize = 96;
/// Of one run, at most: many pairs are new at once in a run that is new as a whole.
const KEPT_OF_A_RUN_MAX: usize = 4;
/// Forks behind one another, at most.
const DEPTH_MAX: usize = 6;
/// Continuations of each kept world.
const CONTINUATIONS: u64 = 2;
/// One world in so many is of the kind that has found less lately.
const DOUBT_EVERY: u64 = 8;
/// How much of what a kind of world has found before counts after one more of it.
const KEPT_OF_YIELD: f64 = 0.97;

/// Two marks, one behind the other in one world.
pub type Pair = (u16, u16);

/// How to come to a world: `42`, or `42@1234:7@1500:1`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Path {
    /// The seed.
    pub seed: u64,
    /// Where choices became others, in order.
    pub forks: Vec<Fork>,
}

impl fmt::Display for Path {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}", self.seed)?;
        self.forks.iter().try_for_each(|fork| write!(f, "@{}:{}", fork.step, fork.salt))
    }
}

impl Path {
    /// Reads what [`Path`] displays.
    ///
    /// # Errors
    /// Something in it is no number, or a fork has no salt.
    pub fn parse(text: &str) -> Result<Path, String> {
        let number = |text: &str| text.parse::<u64>().map_err(|error| format!("{text:?}: {error}"));
        let mut parts = text.split('@');
        let seed = number(parts.next().unwrap_or_default())?;
        let forks = parts.map(|part| {
            let (step, salt) = part.split_once(':').ok_or_else(|| format!("{part:?} is not STEP:SALT"))?;
            Ok(Fork { step: number(step)?, salt: number(salt)? })
        });
        Ok(Path { seed, forks: forks.collect::<Result<_, String>>()? })
    }

    /// The script of that world.
    #[must_use]
    pub fn script(&self, size: Size) -> Script {
        Script { forks: self.forks.clone(), ..Script::of(self.seed, size, None) }
    }

    fn then(&self, fork: Fork) -> Path {
        let mut path = self.clone();
        path.forks.push(fork);
        path
    }
}

/// What was found.
#[derive(Clone, Debug, Default)]
pub struct Found {
    /// How often worlds came by each pair, and how to come to the first of them.
    pub pairs: BTreeMap<Pair, (u64, String)>,
    /// Worlds run, continuations included.
    pub runs: u64,
    /// Events in them.
    pub events: u64,
    /// Worlds that break a promise.
    pub broken: Vec<(Path, Violation)>,
}

impl Found {
    /// The pairs as lines: two marks, how often, the path. Rarest first.
    #[must_use]
    pub fn corpus(&self) -> Vec<String> {
        let name = |mark: u16| marks::names().get(usize::from(mark)).copied().unwrap_or("?");
        let mut pairs: Vec<_> = self.pairs.iter().collect();
        pairs.sort_by_key(|(pair, (count, _))| (*count, **pair));
        let line = |(pair, (count, path)): &(&Pair, &(u64, String))| {
            format!("{} -> {}\t{count}\t{path}", name(pair.0), name(pair.1))
        };
        pairs.iter().map(line).collect()
    }
}

/// A world that is to be continued.
struct Kept {
    world: World,
    path: Path,
    /// How often its pair had been come by when it was kept: rare ones first.
    count: u64,
    left: u64,
}

/// Which worlds find more that is new: fresh seeds, or continuations. At first seeds do, for nothing is known yet.
#[derive(Clone, Copy, Debug)]
struct Yield {
    pairs: f64,
    events: f64,
}

impl Yield {
    fn add(&mut self, pairs: usize, events: u64) {
        #[expect(clippy::cast_precision_loss, reason = "an estimate")]
        let (pairs, events) = (pairs as f64, events as f64);
        self.pairs = self.pairs * KEPT_OF_YIELD + pairs;
        self.events = self.events * KEPT_OF_YIELD + events;
    }

    fn rate(&self) -> f64 {
        self.pairs / self.events
    }
}

/// Time that this thread was running; what passed on the wall where the system does not tell.
fn ran(began: Instant) -> Duration {
    let told = std::fs::read_to_string("/proc/thread-self/schedstat").ok();
    let nanos = told.and_then(|text| text.split(' ').next()?.parse().ok());
    nanos.map_or_else(|| began.elapsed(), Duration::from_nanos)
}

/// Explores for that long in CPU time, from that seed on. `steer`: worlds are forked where that finds more than fresh seeds do;
/// otherwise seeds are run one after the other.
#[must_use]
pub fn explore(size: Size, mut seed: u64, time: Duration, steer: bool) -> Found {
    let began = Instant::now();
    let (mut found, mut kept) = (Found::default(), Vec::<Kept>::new());
    let (mut fresh, mut forked) = (Yield { pairs: 1.0, events: 1.0 }, Yield { pairs: 1.0, events: 1.0 });
    while ran(began) < time {
        let prefers = (forked.rate() > fresh.rate()) != found.runs.is_multiple_of(DOUBT_EVERY);
        let continued = if steer && prefers { next_of(&mut kept) } else { None };
        let is_forked = continued.is_some();
        let (world, path) = continued.unwrap_or_else(|| {
            seed += 1;
            let path = Path { seed: seed - 1, forks: Vec::new() };
            (World::of(&path.script(size), Watch::default()), path)
        });
        let (pairs, events) = (found.pairs.len(), found.events);
        run(world, path, steer, &mut found, &mut kept);
        let of = if is_forked { &mut forked } else { &mut fresh };
        of.add(found.pairs.len() - pairs, found.events - events);
    }
    found
}

/// The continuation that promises most: of the rarest pair.
fn next_of(kept: &mut Vec<Kept>) -> Option<(World, Path)> {
    let at = (0..kept.len()).min_by_key(|at| kept[*at].count)?;
    let fork = Fork { step: kept[at].world.steps(), salt: kept[at].left };
    let path = kept[at].path.then(fork);
    kept[at].left -= 1;
    let mut world = if kept[at].left == 0 { kept.swap_remove(at).world } else { kept[at].world.clone() };
    world.fork(fork);
    Some((world, path))
}

fn run(world: World, path: Path, steer: bool, found: &mut Found, kept: &mut Vec<Kept>) {
    let (mut last, mut of_this_run) = (None, 0);
    let (before, told) = (world.steps(), world.events());
    let outcome = world.run_seen(&mut |world| {
        let mut rarest: Option<u64> = None;
        for mark in world.recent_marks() {
            if let Some(last) = last.replace(*mark).filter(|last| last != mark) {
                let (count, _) = found.pairs.entry((last, *mark)).or_insert_with(|| (0, path.to_string()));
                *count += 1;
                rarest = Some(rarest.map_or(*count, |rarest| rarest.min(*count)));
            }
        }
        let rare = rarest.filter(|count| *count == 1 && world.steps() > before);
        if let Some(count) = rare
            && steer
            && path.forks.len() < DEPTH_MAX
            && of_this_run < KEPT_OF_A_RUN_MAX
        {
            of_this_run += 1;
            kept.push(Kept { world: world.clone(), path: path.clone(), count, left: CONTINUATIONS });
            if kept.len() > KEPT_MAX {
                kept.remove(0);
            }
        }
    });
    found.runs += 1;
    // Of a copy the events before it was made count as well, and are none of this run.
    found.events += outcome.events - told;
    if let Some(violation) = outcome.violation {
        found.broken.push((path, violation));
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::run;

    #[test]
    fn a_path_is_read_as_it_is_displayed() {
        for text in ["42", "42@1234:7", "42@1234:7@1500:1"] {
            assert_eq!(Path::parse(text).expect("a path").to_string(), text);
        }
        for wrong in ["", "x", "42@", "42@7", "42@a:b"] {
            assert!(Path::parse(wrong).is_err(), "{wrong}");
        }
    }

    #[test]
    fn a_forked_world_is_the_same_from_its_path_and_another_for_each_salt() {
        let at = |salt| {
            let path = Path { seed: 7, forks: vec![Fork { step: 300, salt }] };
            run::script(&path.script(Size::Lite), Watch::default())
        };
        let plain = run::seed(7, None, false);
        let (one, same, other) = (at(1), at(1), at(2));
        assert_eq!(one.digest, same.digest);
        assert!(one.digest != other.digest && one.digest != plain.digest);
        assert!(one.violation.is_none() && other.violation.is_none());

        // A copy that is forked where it stands goes on just as the path says.
        let mut copy = None;
        let path = Path { seed: 7, forks: Vec::new() };
        let _ = World::of(&path.script(Size::Lite), Watch::default()).run_until(300, &mut copy);
        let mut copy = copy.expect("the run is longer than that");
        copy.fork(Fork { step: 300, salt: 1 });
        assert_eq!(copy.run().digest, one.digest);
    }
}
