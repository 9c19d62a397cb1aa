//! Questions about what a broker does, beside what it serves: what it asks of disk and store, how it stops, what it does without clients.

use evenkeel_core::{
    Broker,
    port::{ClientEvent, Event, Request, Response},
    units::{ConnId, Instant},
};
use kafka_protocol::messages::FetchRequest;

use crate::{
    ledger::PartitionKey,
    probe::{Ended, Probe, fetch_topic},
    violation::{Violation, broken},
};

impl Probe {
    /// The broker.
    #[must_use]
    pub fn broker(&self) -> &Broker {
        &self.broker
    }

    /// Its clock.
    #[must_use]
    pub fn clock(&self) -> Instant {
        self.now.mono
    }

    /// Requests to the disk, and to the object store, so far.
    #[must_use]
    pub fn requests(&self) -> (u64, u64) {
        self.requests
    }

    /// Whether it was stopped in order and says that the object store has everything.
    #[must_use]
    pub fn stopped_whole(&self) -> bool {
        self.ended == Some(Ended::Stopped) && !self.unstored
    }

    /// Clients go: nobody waits for an answer any more.
    pub fn hang_up(&mut self, conns: impl IntoIterator<Item = ConnId>) {
        self.events.extend(conns.into_iter().map(|conn| Event::Client(conn, ClientEvent::Closed)));
        self.settle();
    }

    /// A stop is asked for wherever the start stands: the disk need not have done what was asked of it.
    pub fn stop_at_once(&mut self) {
        self.events.push(Event::Stop);
        self.turn();
        if self.ended.is_none() && self.steps_left > 0 {
            self.settle();
            self.wait(60_000_000);
        }
    }

    /// Opens a fetch session over these partitions, each from an offset, and asks it so many times for as little as possible. Which
    /// partitions had records in each answer.
    ///
    /// # Errors
    /// A question is not answered.
    pub fn fetch_in_turn(
        &mut self,
        parts: &[(PartitionKey, i64)],
        times: usize,
    ) -> Result<Vec<Vec<PartitionKey>>, Violation> {
        let topics = parts.iter().map(|(key, from)| fetch_topic(*key, *from, 1)).collect();
        let first = FetchRequest::default().with_max_bytes(1).with_topics(topics);
        let (mut session, mut epoch) = (0, 0);
        let mut told = Vec::new();
        for _ in 0..times {
            let request = if epoch == 0 { first.clone() } else { FetchRequest::default().with_max_bytes(1) };
            let request = request.with_session_id(session).with_session_epoch(epoch);
            let Some(Response::Fetch(answer)) = self.ask(13, Request::Fetch(request)) else {
                return broken("stuck", "no answer to a fetch of a session");
            };
            if answer.error_code != 0 {
                return broken("wrong-error", format!("fetch error {} of a session", answer.error_code));
            }
            (session, epoch) = (answer.session_id, epoch + 1);
            let topics = answer.topics.into_iter();
            let brought = topics.flat_map(|topic| {
                let parts = topic.partitions.into_iter().filter(|part| !part.records.is_empty());
                parts.map(move |part| PartitionKey { topic: topic.id, index: part.index })
            });
            told.push(brought.collect());
        }
        Ok(told)
    }
}
