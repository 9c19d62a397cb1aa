//! M1: every topic that was acknowledged or seen is there until somebody asks for its deletion; none that was deleted
//! comes back; none is there that nobody asked for.

use crate::{
    ledger::Ledger,
    reading::Reading,
    violation::{Subject, Verdict, broken_for},
};

pub(super) fn check(ledger: &Ledger, found: &Reading) -> Verdict {
    for (id, topic) in &found.topics {
        ledger.check_topic(*id, &topic.name)?;
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
