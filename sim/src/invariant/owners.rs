//! No partition has two owners in a generation, and each member has what the leader assigned to it and was told.

use crate::{
    assignment::{Assignment, place_of},
    ledger::{Ledger, owners},
    reading::Reading,
    violation::{Verdict, broken},
};

pub(super) fn check(ledger: &Ledger, found: &Reading) -> Verdict {
    for (id, group) in &found.groups {
        let Some(book) = ledger.group(id) else { continue };
        let members = group.members.iter().map(|(member, assignment)| (member.as_str(), &assignment[..]));
        owners(id, members)?;
        let known = book.generations.get(&group.generation).filter(|_| book.deletions == 0);
        let Some(known) = known else { continue };
        if !known.told.is_empty() && matches!(group.state.as_str(), "CompletingRebalance") {
            return broken(
                "lost-assignment",
                format!("{id} knows nothing of its assignment in generation {}", group.generation),
            );
        }
        for (member, bytes) in group.members.iter().filter(|(_, bytes)| !bytes.is_empty()) {
            let told = known.told.get(place_of(member));
            if told.is_some_and(|told| Assignment::decode(bytes).as_ref() != Some(told)) {
                return broken(
                    "wrong-owner",
                    format!("{member} of {id} was told {told:?} and has something else"),
                );
            }
        }
    }
    Ok(())
}
