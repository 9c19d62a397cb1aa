//! Answers that wait for the log.

use alloc::{boxed::Box, collections::BTreeMap, vec::Vec};

use crate::{
    broker::Asker,
    marks::{Mark, mark},
    planted::{Planted, planted},
    port::{Effect, Response},
    turn::Turn,
    units::Lsn,
};

/// Answers by the LSN below which everything must be durable before they may leave.
#[derive(Clone, Debug, Default)]
pub(super) struct Answers {
    waiting: BTreeMap<Lsn, Vec<(Asker, Box<Response>)>>,
    len: usize,
}

impl Answers {
    pub(super) fn len(&self) -> usize {
        self.len
    }

    pub(super) fn give(
        &mut self,
        asker: Asker,
        response: Response,
        known: Lsn,
        durable: Lsn,
        turn: &mut Turn<'_>,
    ) {
        let response = Box::new(response);
        if known <= durable {
            mark(Mark::AnswerAtOnce);
            turn.effects.push(Effect::Reply(asker.conn, asker.tag, response));
        } else {
            mark(Mark::AnswerWaits);
            self.waiting.entry(known).or_default().push((asker, response));
            self.len += 1;
        }
    }

    pub(super) fn release(&mut self, durable: Lsn, turn: &mut Turn<'_>) {
        let durable = if planted(Planted::AnsweredOneEarly) { durable.plus(1) } else { durable };
        while let Some(first) = self.waiting.first_entry()
            && *first.key() <= durable
        {
            for (asker, response) in first.remove() {
                self.len -= 1;
                turn.effects.push(Effect::Reply(asker.conn, asker.tag, response));
            }
        }
    }
}
