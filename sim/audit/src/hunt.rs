//! Every mutant against the layers in turn, until one kills it.

use std::{
    collections::BTreeMap,
    path::Path,
    sync::{
        Mutex,
        atomic::{AtomicUsize, Ordering},
    },
    time::{Duration, Instant},
};

use crate::{
    reach::Reached,
    site::Site,
    suite::Suite,
    worker::{Tried, Worker},
};

/// A run with a mutant that takes this long is taken to hang; more where runs without one are slow.
const HANG: Duration = Duration::from_secs(20);
/// How much longer than without a mutant a run may take.
const SLOWER_MAX: u64 = 60;

/// A layer of worlds: what each of its seeds reaches.
#[derive(Debug)]
pub struct Worlds {
    /// Its name for the worker.
    pub name: String,
    /// Seeds that keep every promise as they are.
    pub seeds: BTreeMap<u64, Reached>,
    /// How many seeds that reach a mutant are tried.
    pub tries: usize,
}

impl Worlds {
    /// Runs all seeds once.
    ///
    /// # Errors
    /// A worker does not start.
    pub fn reach(
        binary: &Path,
        name: &str,
        seeds: &[u64],
        tries: usize,
        jobs: usize,
    ) -> Result<Worlds, String> {
        let share = seeds.len().div_ceil(jobs).max(1);
        let parts: Vec<Result<BTreeMap<u64, Reached>, String>> = std::thread::scope(|scope| {
            let running: Vec<_> = seeds
                .chunks(share)
                .map(|part| scope.spawn(move || Worker::new(binary).reach(name, part)))
                .collect();
            running
                .into_iter()
                .map(|thread| thread.join().unwrap_or_else(|_| Err(String::from("a thread panicked"))))
                .collect()
        });
        let mut all = BTreeMap::new();
        for part in parts {
            all.extend(part?);
        }
        Ok(Worlds { name: name.to_owned(), seeds: all, tries })
    }

    fn reaches(&self, number: u32) -> bool {
        self.seeds.values().any(|reached| reached.has(number))
    }

    fn try_on(&self, worker: &mut Worker, number: u32) -> Result<Tried, String> {
        let reaching: Vec<_> =
            self.seeds.iter().filter(|(_, reached)| reached.has(number)).take(self.tries).collect();
        if reaching.is_empty() {
            return Ok(Tried::Survived);
        }
        let slowest = reaching.iter().map(|(_, reached)| reached.millis).max().unwrap_or(0);
        let wait = HANG.max(Duration::from_millis(slowest * SLOWER_MAX));
        let seeds: Vec<u64> = reaching.iter().map(|(seed, _)| **seed).collect();
        worker.try_on(number, &self.name, &seeds, wait)
    }
}

/// What a mutant came to.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Verdict {
    /// A layer noticed it.
    Killed {
        /// Which layer.
        layer: String,
        /// The seed or the test.
        at: String,
        /// The oracle, or `test`.
        by: String,
        /// How long it took, ms.
        millis: u64,
    },
    /// It was reached, and nothing noticed.
    Survived,
    /// Nothing came by it.
    NotReached,
}

/// What is asked of each mutant, in this order.
#[derive(Debug, Default)]
pub struct Layers {
    /// Worlds and crash points.
    pub worlds: Vec<Worlds>,
    /// Tests, last: they take longest.
    pub tests: Option<Suite>,
}

impl Layers {
    fn judge(&self, worker: &mut Worker, number: u32) -> Result<Verdict, String> {
        let began = Instant::now();
        let killed = |layer: &str, at, by| {
            let millis = u64::try_from(began.elapsed().as_millis()).unwrap_or(u64::MAX);
            Verdict::Killed { layer: layer.to_owned(), at, by, millis }
        };
        for worlds in &self.worlds {
            if let Tried::Killed { at, by } = worlds.try_on(worker, number)? {
                return Ok(killed(&worlds.name, at, by));
            }
        }
        if let Some(tests) = &self.tests
            && let Tried::Killed { at, by } = tests.try_on(number)?
        {
            return Ok(killed("tests", at, by));
        }
        let reached = self.worlds.iter().any(|worlds| worlds.reaches(number))
            || self.tests.as_ref().is_some_and(|tests| tests.reaches(number));
        Ok(if reached { Verdict::Survived } else { Verdict::NotReached })
    }
}

/// Judges these mutants, on several threads; `told` hears of each as it is done. Stops at the deadline.
///
/// # Errors
/// A worker does not start.
pub fn hunt(
    binary: &Path,
    layers: &Layers,
    sites: &[&Site],
    jobs: usize,
    deadline: Option<Instant>,
    told: &(dyn Fn(&Site, &Verdict) + Sync),
) -> Result<(), String> {
    let (next, failed) = (AtomicUsize::new(0), Mutex::new(None));
    std::thread::scope(|scope| {
        for _ in 0..jobs {
            scope.spawn(|| {
                let mut worker = Worker::new(binary);
                while deadline.is_none_or(|deadline| Instant::now() < deadline) {
                    let Some(site) = sites.get(next.fetch_add(1, Ordering::Relaxed)) else { break };
                    match layers.judge(&mut worker, site.number) {
                        Ok(verdict) => told(site, &verdict),
                        Err(error) => {
                            if let Ok(mut failed) = failed.lock() {
                                *failed = Some(error);
                            }
                            break;
                        }
                    }
                }
            });
        }
    });
    match failed.into_inner() {
        Ok(None) => Ok(()),
        Ok(Some(error)) => Err(error),
        Err(_) => Err(String::from("a thread panicked")),
    }
}
