//! A settled group whose members are heard of in time stays as it is, over restarts too: same generation, same members, same
//! assignments.

use std::collections::BTreeSet;

use crate::{
    assignment::place_of,
    ledger::Ledger,
    reading::Reading,
    violation::{Verdict, broken},
};

pub(super) fn check(ledger: &Ledger, found: &Reading) -> Verdict {
    for (id, book) in &ledger.groups {
        let Some(generation) = book.undisturbed(ledger.heard_until()) else { continue };
        let Some(group) = found.groups.get(id) else { continue };
        let places: BTreeSet<String> =
            group.members.keys().map(|member| place_of(member).to_string()).collect();
        if group.generation != book.newest
            || group.state != "Stable"
            || generation.places.as_ref() != Some(&places)
        {
            return broken(
                "needless-rebalance",
                format!(
                    "{id} was settled in generation {}, now it is {} in {} with {places:?}",
                    book.newest, group.state, group.generation
                ),
            );
        }
        let unassigned = |(member, bytes): (&String, &bytes::Bytes)| {
            let told = generation.told.get(place_of(member));
            bytes.is_empty() && told.is_some_and(|told| !told.partitions.is_empty())
        };
        if group.members.iter().any(unassigned) {
            return broken("lost-assignment", format!("{id} has forgotten who has what"));
        }
    }
    Ok(())
}
