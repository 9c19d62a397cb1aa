//! The same seed in two processes: with other environments, other heaps and other stacks, every event must be the same.
//!
//! A child runs one seed and prints its trail, a line for each step of the world; [`compare`] finds where two trails part.

use core::fmt;

use crate::{
    script::{Script, Watch},
    shape::{Shape, Size},
    violation::Violation,
    world::World,
};

/// In front of each line of a trail, whatever else a process prints.
const MARK: &str = "@ ";
/// Variable whose length a run depends on if it is set: a world that is not deterministic, to see that it is noticed.
pub const LEAK: &str = "EVENKEEL_SIM_LEAK";

/// Runs a seed. Gives its trail: number of events and hash after each step, or, with words, each event.
#[must_use]
pub fn trail(seed: u64, size: Size, words: bool) -> Vec<String> {
    let script = Script { shape: leaky(size.shape(seed)), ..Script::of(seed, size, None) };
    let mut world = World::of(&script, Watch { scenes: words, ..Watch::default() });
    world.keep_trail();
    let outcome = world.run();
    let mut lines: Vec<String> = if words {
        outcome.lines().collect()
    } else {
        outcome.trail.iter().map(|(events, hash)| format!("{events} {hash}")).collect()
    };
    let verdict = outcome.violation.as_ref().map_or_else(|| String::from("kept"), Violation::to_string);
    lines.push(format!("end {} {} {verdict}", outcome.events, outcome.digest));
    lines.into_iter().map(|line| format!("{MARK}{}", line.replace('\n', " "))).collect()
}

/// A shape that depends on the environment, if a test wants one.
fn leaky(shape: Shape) -> Shape {
    match std::env::var(LEAK) {
        Ok(leak) => Shape { filling_bytes: shape.filling_bytes + leak.len() as u64, ..shape },
        Err(_) => shape,
    }
}

/// Where two trails part.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Parting {
    /// Number of the line.
    pub line: usize,
    /// The last that both have.
    pub before: Option<String>,
    /// The first that differs, in each.
    pub lines: [Option<String>; 2],
}

impl fmt::Display for Parting {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let or_nothing = |line: &Option<String>| line.clone().unwrap_or_else(|| String::from("(nothing)"));
        writeln!(f, "  the same up to line {}: {}", self.line, or_nothing(&self.before))?;
        writeln!(f, "  then in one: {}", or_nothing(&self.lines[0]))?;
        write!(f, "  in the other: {}", or_nothing(&self.lines[1]))
    }
}

/// Compares what two processes printed. Lines that are not of a trail do not count.
#[must_use]
pub fn compare(one: &str, other: &str) -> Option<Parting> {
    let of = |text: &str| -> Vec<String> {
        text.lines().filter_map(|line| line.strip_prefix(MARK)).map(String::from).collect()
    };
    let (one, other) = (of(one), of(other));
    if one.is_empty() && other.is_empty() {
        // Two processes that failed alike prove nothing.
        return Some(Parting { line: 0, before: None, lines: [None, None] });
    }
    let line = (0..one.len().max(other.len())).find(|at| one.get(*at) != other.get(*at))?;
    let before = line.checked_sub(1).map(|at| one[at].clone());
    Some(Parting { line, before, lines: [one.get(line).cloned(), other.get(line).cloned()] })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn trails_part_at_their_first_difference_and_noise_does_not_count() {
        let one = "running 1 test\n@ 1 a\n@ 2 b\n@ 3 c\n";
        assert_eq!(compare(one, "@ 1 a\nnoise\n@ 2 b\n@ 3 c\n"), None);
        let parting = compare(one, "@ 1 a\n@ 2 x\n@ 3 c\n").expect("they differ");
        assert_eq!((parting.line, parting.before.as_deref()), (1, Some("1 a")));
        assert_eq!(parting.lines, [Some(String::from("2 b")), Some(String::from("2 x"))]);
        let shorter = compare(one, "@ 1 a\n@ 2 b\n").expect("one is shorter");
        assert_eq!(shorter.lines, [Some(String::from("3 c")), None]);
        assert!(compare("", "").is_some(), "nothing was run");
    }
}
