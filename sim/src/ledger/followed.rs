//! Answers to consumers with a session: what is not said is as it was.

use evenkeel_core::{error_code, port::FetchAnswer};

use crate::{
    ledger::{Followed, Ledger, Open, PartitionKey},
    violation::{Verdict, broken},
};

impl Ledger {
    pub(super) fn followed(&mut self, asked: &Followed, open: &Open, answer: &FetchAnswer) -> Verdict {
        match answer.error_code {
            error_code::NONE => {}
            // The broker was started again, or an answer was lost on its way.
            error_code::FETCH_SESSION_ID_NOT_FOUND | error_code::INVALID_FETCH_SESSION_EPOCH
                if !asked.whole =>
            {
                return Ok(());
            }
            error => return broken("wrong-error", format!("fetch error {error} of a session")),
        }
        for (key, from, _) in &asked.parts {
            self.prompt(*key, *from, asked.enough, open.since)?;
        }
        let mut told = Vec::new();
        let mut has_data = false;
        for topic in &answer.topics {
            for part in &topic.partitions {
                let key = PartitionKey { topic: topic.id, index: part.index };
                let Some((_, from, known)) = asked.parts.iter().find(|(asked, ..)| *asked == key) else {
                    return broken(
                        "wrong-answer",
                        format!("{key:?} is told to a session that does not want it"),
                    );
                };
                if told.contains(&key) {
                    return broken("wrong-answer", format!("{key:?} is told twice in one answer"));
                }
                self.read(key, *from, *known, open.start(key), part)?;
                told.push(key);
                has_data |= !part.records.is_empty() || part.error_code != error_code::NONE;
            }
        }
        for (key, from, known) in &asked.parts {
            let exists = self.topics.get(&key.topic).is_some_and(|book| book.must_exist());
            if asked.whole && !told.contains(key) {
                return broken(
                    "wrong-answer",
                    format!("a first answer to a session says nothing of {key:?}"),
                );
            }
            // Data may have to wait for other data, and for nothing else.
            if !has_data && known > from && exists {
                return broken(
                    "poll-skip",
                    format!(
                        "{key:?} from {from}: nothing for a session, and {known} was known to be its end"
                    ),
                );
            }
        }
        Ok(())
    }
}
