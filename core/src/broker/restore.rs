//! A start with an empty data directory: what the object store holds, or the certainty that it holds nothing.
//!
//! The newest manifest, the state it names, the lists of data objects it names: each read and verified, or asked for again until the
//! time to start is over. An error is never an absence: only a store that says that there is no manifest lets a start be the first.

use alloc::{boxed::Box, format, string::String, vec::Vec};

use bytes::Bytes;

use crate::{
    broker::cuts::index_request,
    log::{
        Refusal,
        recovery::{Restoration, Restored},
    },
    marks::{Mark, mark},
    planted::{Planted, planted},
    port::{Notice, ObjectError, ObjectReply, ObjectRequest, ObjectResult},
    store::{Index, Manifest, check_order, read_index, read_manifest, read_state, state_request},
    turn::{Purpose, RestoreOp, Timer, Turn},
    units::Instant,
};

/// How it ended.
#[derive(Clone, Debug)]
pub(super) enum Ended {
    /// The store is empty: a new cluster begins.
    Nothing,
    /// This is to be served.
    Found(Box<Restoration>),
    /// Neither could be made sure of.
    Refused(Refusal),
}

/// The process.
#[derive(Clone, Debug)]
pub(super) struct Restore {
    cluster_id: Option<String>,
    wait: core::time::Duration,
    by: Instant,
    attempts: u32,
    /// When to ask again; `None`: a request is under way.
    next: Option<Instant>,
    /// Why the last attempt failed.
    failure: Option<ObjectError>,
    found: Option<Found>,
}

#[derive(Clone, Debug)]
struct Found {
    manifest: Manifest,
    /// The state objects that are there.
    states: Vec<Bytes>,
    indexes: Vec<Index>,
}

impl Restore {
    pub(super) fn begin(
        cluster_id: Option<String>,
        wait: core::time::Duration,
        turn: &mut Turn<'_>,
    ) -> Restore {
        mark(Mark::RestoreBegun);
        turn.tell(Notice::info(String::from("the data directory is empty: asking the object store")));
        let by = turn.now.mono.after(wait);
        turn.at(by, Timer::Restore);
        let mut restore =
            Restore { cluster_id, wait, by, attempts: 0, next: None, failure: None, found: None };
        restore.ask(turn);
        restore
    }

    /// It is time to ask again, or the time to start is over.
    pub(super) fn due(&mut self, turn: &mut Turn<'_>) -> Option<Refusal> {
        if self.by <= turn.now.mono && self.found.is_none() {
            // A store that has answered is not left: a large state takes its time, and each request has a deadline.
            let failure = self.failure.take();
            return Some(self.refusal(failure.as_ref().map_or(&"it does not answer", |error| error)));
        }
        if self.next.is_some_and(|next| next <= turn.now.mono) {
            self.ask(turn);
        }
        None
    }

    /// All over again: what the newest manifest is may have changed.
    fn ask(&mut self, turn: &mut Turn<'_>) {
        self.attempts += 1;
        self.next = None;
        turn.object(Purpose::Restore(RestoreOp::Manifest), ObjectRequest::NewestManifest);
    }

    pub(super) fn completed(
        &mut self,
        op: RestoreOp,
        result: ObjectResult,
        turn: &mut Turn<'_>,
    ) -> Option<Ended> {
        let done = match (op, result) {
            (RestoreOp::Manifest, Ok(ObjectReply::Manifest(None))) => {
                mark(Mark::RestoreNothing);
                return Some(Ended::Nothing);
            }
            (RestoreOp::Manifest, Ok(ObjectReply::Manifest(Some((number, bytes))))) => {
                read_manifest(number, &bytes).map(|manifest| {
                    self.found = Some(Found { manifest, states: Vec::new(), indexes: Vec::new() });
                })
            }
            (RestoreOp::State, Ok(ObjectReply::Bytes(bytes))) => {
                let Some(found) = &mut self.found else { unreachable!("a state belongs to a manifest") };
                found.states.push(bytes);
                Ok(())
            }
            (RestoreOp::Index, Ok(ObjectReply::Bytes(bytes))) => self.read_index(&bytes),
            (_, Ok(_)) => unreachable!("each request has a reply of its kind"),
            (_, Err(error)) if planted(Planted::RestoreErrorIsNothing) => {
                drop(error);
                return Some(Ended::Nothing);
            }
            (_, Err(error)) => Err(error),
        };
        if let Err(error) = done {
            return self.failed(&error, turn);
        }
        self.go_on(turn)
    }

    fn go_on(&mut self, turn: &mut Turn<'_>) -> Option<Ended> {
        let Some(found) = &self.found else { unreachable!("there is a manifest to go on with") };
        if let Some(expected) = &self.cluster_id
            && *expected != found.manifest.cluster_id
        {
            return Some(Ended::Refused(Refusal::Store(format!(
                "the object store belongs to cluster {}, not {expected}. Check --cluster-id and where the store is",
                found.manifest.cluster_id
            ))));
        }
        if let Some(request) = state_request(&found.manifest, found.states.len()) {
            turn.object(Purpose::Restore(RestoreOp::State), request);
            return None;
        }
        if let Some(request) = index_request(&found.manifest, found.indexes.len()) {
            turn.object(Purpose::Restore(RestoreOp::Index), request);
            return None;
        }
        let Found { manifest, states, indexes } = self.found.take()?;
        if manifest.delta.is_some() {
            mark(Mark::RestoredDelta);
        }
        let state = check_order(&manifest, &indexes).and_then(|()| read_state(&manifest, &states));
        match state {
            Ok(state) => {
                Some(Ended::Found(Box::new(Restoration { state, from: Restored { manifest, indexes } })))
            }
            Err(error) => self.failed(&error, turn),
        }
    }

    fn read_index(&mut self, bytes: &Bytes) -> Result<(), ObjectError> {
        let Some(Found { manifest, indexes, .. }) = &mut self.found else {
            unreachable!("an index belongs to a manifest")
        };
        indexes.push(read_index(&manifest.indexes[indexes.len()], bytes)?);
        Ok(())
    }

    fn failed(&mut self, error: &ObjectError, turn: &mut Turn<'_>) -> Option<Ended> {
        mark(Mark::RestoreFailed);
        if self.by <= turn.now.mono {
            return Some(Ended::Refused(self.refusal(error)));
        }
        let wait = turn.backoff(self.attempts);
        turn.tell(Notice::warn(format!("{error}; it is tried again")));
        let next = turn.now.mono.after(wait);
        turn.at(next, Timer::Restore);
        (self.next, self.found, self.failure) = (Some(next), None, Some(error.clone()));
        None
    }

    fn refusal(&self, why: &dyn core::fmt::Display) -> Refusal {
        Refusal::Store(format!(
            "the data directory is empty, and what the object store holds could not be read within {:?}: {why}. An error is \
             not an empty store; nothing was begun",
            self.wait
        ))
    }
}
