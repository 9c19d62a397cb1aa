//! V1: a group that was acknowledged is there, in the generation that was told or a later one, and without the members that
//! are out; one whose deletion was acknowledged is not.

use crate::{
    ledger::Ledger,
    reading::Reading,
    violation::{Verdict, broken},
};

pub(super) fn check(ledger: &Ledger, found: &Reading) -> Verdict {
    for (id, book) in &ledger.groups {
        let Some(group) = found.groups.get(id) else {
            if book.exists && book.deletions == 0 {
                return broken("lost-group", format!("{id} was acknowledged and is gone"));
            }
            continue;
        };
        if book.deleted {
            return broken("resurrected-group", format!("{id} was deleted and is there again"));
        }
        if book.deletions == 0 && group.generation < book.newest {
            return broken(
                "generation-lost",
                format!("{id} is in generation {}, {} was told before", group.generation, book.newest),
            );
        }
        if let Some(member) = group.members.keys().find(|member| book.out.contains(*member)) {
            return broken("zombie-member", format!("{member} is out of {id} and is in it"));
        }
    }
    Ok(())
}
