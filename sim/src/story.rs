//! What happened in a run: a rolling hash over every event, and its scenes when somebody wants to see them.

use core::fmt;

use crate::trace::Scene;

/// A rolling 128-bit hash.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Digest(u64, u64);

impl Digest {
    /// Adds a word.
    pub fn add(&mut self, word: u64) {
        let mut mixed = (self.0 ^ word).wrapping_mul(0x9e37_79b9_7f4a_7c15);
        mixed ^= mixed >> 32;
        self.0 = mixed.wrapping_mul(0xd6e8_feb8_6659_fd93).rotate_left(23) ^ self.1;
        self.1 = self.1.wrapping_add(mixed).rotate_left(31).wrapping_mul(0xff51_afd7_ed55_8ccd);
    }
}

impl fmt::Display for Digest {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{:016x}{:016x}", self.0, self.1)
    }
}

/// The run so far.
#[derive(Clone, Debug)]
pub struct Story {
    digest: Digest,
    events: u64,
    scenes: Option<Vec<Scene>>,
}

impl Story {
    /// An empty one. Scenes are kept only if they are wanted: they cost more than the run.
    #[must_use]
    pub fn new(wanted: bool) -> Story {
        Story { digest: Digest(1, 2), events: 0, scenes: wanted.then(Vec::new) }
    }

    /// Something happened. `marks` go into the hash; `scene` is called only if somebody looks.
    pub fn tell<T: Into<Scene>>(&mut self, micros: u64, marks: &[u64], scene: impl FnOnce() -> T) {
        self.events += 1;
        self.digest.add(micros);
        for mark in marks {
            self.digest.add(*mark);
        }
        self.note(micros, scene);
    }

    /// Something for those who look, and for nobody else: it does not count, and is not in the hash.
    pub fn note<T: Into<Scene>>(&mut self, micros: u64, scene: impl FnOnce() -> T) {
        if let Some(scenes) = &mut self.scenes {
            scenes.push(Scene { micros, ..scene().into() });
        }
    }

    /// Whether somebody looks.
    #[must_use]
    pub fn is_wanted(&self) -> bool {
        self.scenes.is_some()
    }

    /// The hash over everything so far.
    #[must_use]
    pub fn digest(&self) -> Digest {
        self.digest
    }

    /// Number of events so far.
    #[must_use]
    pub fn events(&self) -> u64 {
        self.events
    }

    /// The scenes, if they were wanted.
    pub fn take_scenes(&mut self) -> Vec<Scene> {
        self.scenes.take().unwrap_or_default()
    }
}
