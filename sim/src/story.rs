//! What happened in a run: a rolling hash over every event, and its words when somebody wants to read them.

use core::fmt;

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
    lines: Option<Vec<String>>,
}

impl Story {
    /// An empty one. Words are kept only if they are wanted: they cost more than the run.
    #[must_use]
    pub fn new(wanted: bool) -> Story {
        Story { digest: Digest(1, 2), events: 0, lines: wanted.then(Vec::new) }
    }

    /// Something happened. `marks` go into the hash; `text` is called only if somebody reads it.
    pub fn tell(&mut self, micros: u64, marks: &[u64], text: impl FnOnce() -> String) {
        self.events += 1;
        self.digest.add(micros);
        for mark in marks {
            self.digest.add(*mark);
        }
        if let Some(lines) = &mut self.lines {
            lines.push(format!("{:>10}.{:03} ms  {}", micros / 1000, micros % 1000, text()));
        }
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

    /// The words, if they were wanted.
    #[must_use]
    pub fn lines(&self) -> &[String] {
        self.lines.as_deref().unwrap_or_default()
    }
}
