//! M1: every topic that was acknowledged or seen is there until somebody asks for its deletion; none that was deleted
//! comes back; none is there that nobody asked for.

use crate::{
    ledger::Ledger,
    reading::Reading,
    violation::{Subject, Verdict, broken_for},
};

pub(super) fn check(ledger: &Ledger, found: &Reading) -> Verdict {
    // Learning is what a client would do; here it is done on a copy.
    let mut learning = ledger.catalog();
    for (id, topic) in &found.topics {
        learning.learn(*id, &topic.name, topic.partitions)?;
    }
    for (id, book) in &ledger.topics {
        if book.must_exist() && !found.topics.contains_key(id) {
            return broken_for(
                "lost-topic",
                Subject::Topic(*id),
                format!("{} ({id}) was acknowledged and is gone", book.name),
            );
        }
    }
    Ok(())
}
