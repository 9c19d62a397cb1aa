//! Which outcomes of a power loss are tried: all of them while there are few, otherwise those that the literature found to
//! matter (ALICE, CrashMonkey and its bounded black-box testing): prefixes, suffixes, one alone, all but one, each file and
//! each change of names for itself, and what is neither old nor new in place of each.

use std::collections::BTreeMap;

use crate::disk::{Fate, Unit};

/// How far the enumeration goes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Bound {
    /// All subsets of so many units.
    pub(super) subsets_of: usize,
    /// All subsets of so many changes of names, or files, beside data that is all old or all new.
    pub(super) names: usize,
    /// Zeros, garbage and sizes in between, and units one by one.
    pub(super) strange: bool,
}

/// For the crash of a sequence.
pub(super) const FIRST: Bound = Bound { subsets_of: 8, names: 5, strange: true };
/// For the crash of a recovery.
pub(super) const SECOND: Bound = Bound { subsets_of: 3, names: 3, strange: false };

/// The outcomes, each with a fate for each unit. The first loses nothing, the second everything.
pub(super) fn losses(units: &[Unit], bound: Bound) -> Vec<Vec<Fate>> {
    let all: Vec<usize> = (0..units.len()).filter(|at| !units[*at].is_same()).collect();
    let (names, data): (Vec<usize>, Vec<usize>) = all.iter().partition(|at| units[**at].is_name());
    let old = vec![Fate::Old; units.len()];
    let new = vec![Fate::New; units.len()];
    let mut found = vec![new.clone(), old.clone()];
    if all.len() <= bound.subsets_of {
        found.extend(subsets(&all).map(|kept| with(&old, &kept, Fate::New)));
    } else {
        let by_names: Vec<_> =
            if names.len() <= bound.names { subsets(&names).collect() } else { shapes(&names) };
        for kept in by_names {
            found.push(with(&old, &kept, Fate::New));
            found.push(with(&with(&old, &kept, Fate::New), &data, Fate::New));
        }
        let mut files: BTreeMap<_, Vec<usize>> = BTreeMap::new();
        for at in &data {
            files.entry(units[*at].file).or_default().push(*at);
        }
        let files: Vec<Vec<usize>> = files.into_values().collect();
        if files.len() <= bound.names {
            let every: Vec<usize> = (0..files.len()).collect();
            for lost in subsets(&every) {
                let lost: Vec<usize> = lost.iter().flat_map(|at| files[*at].clone()).collect();
                found.push(with(&new, &lost, Fate::Old));
            }
        }
        if bound.strange {
            for file in &files {
                found.extend(shapes(file).iter().map(|kept| {
                    let lost: Vec<usize> = file.iter().copied().filter(|at| !kept.contains(at)).collect();
                    with(&new, &lost, Fate::Old)
                }));
            }
        }
    }
    if bound.strange {
        for (at, unit) in units.iter().enumerate() {
            for fate in unit.strange_fates() {
                found.push(with(&new, &[at], fate));
                found.push(with(&old, &[at], fate));
            }
        }
    }
    found
}

/// Prefixes, suffixes, one alone, all but one.
fn shapes(of: &[usize]) -> Vec<Vec<usize>> {
    let mut found = Vec::new();
    for at in 0..of.len() {
        found.push(of[..at].to_vec());
        found.push(of[at..].to_vec());
        found.push(vec![of[at]]);
        found.push([&of[..at], &of[at + 1..]].concat());
    }
    found
}

fn subsets(of: &[usize]) -> impl Iterator<Item = Vec<usize>> {
    (0..1_usize << of.len()).map(move |bits| {
        of.iter().enumerate().filter(|(place, _)| bits & (1 << place) != 0).map(|(_, at)| *at).collect()
    })
}

fn with(fates: &[Fate], at: &[usize], fate: Fate) -> Vec<Fate> {
    let mut changed = fates.to_vec();
    for place in at {
        changed[*place] = fate;
    }
    changed
}
