//! When the promises are checked: on answers as they leave, on the image of a crash, at each start, and at the end.

use evenkeel_core::port::{Fault, GroupResponse, Request, Response};

use crate::{
    batch,
    disk::{Loss, SimDisk},
    invariant,
    ledger::{Ledger, OpNumber},
    probe::{Ended, Probe, canonical, log_start},
    store::SimStore,
    trace::{Kind, Lane, Scene},
    violation::{Verdict, Violation, broken},
    world::{LIVENESS_MICROS, World},
};

impl World {
    /// What if a broker were started on that disk? It lets nothing go.
    pub(super) fn what_if(&mut self, disk: SimDisk) -> Probe {
        Probe::boot(&self.shape.still(), self.oracle.bits(), disk)
    }

    /// Starts a broker on that disk, reads everything from a copy of it, and checks it.
    pub(super) fn check_image(&mut self, disk: SimDisk) -> Result<Probe, Violation> {
        let probe = self.serve_image(disk)?;
        // Reading leaves traces (a producer id is asked for): it is done on a copy.
        holds(&self.ledger, &mut probe.clone())?;
        Ok(probe)
    }

    /// The same, where nothing more is asked of that broker.
    fn check_image_once(&mut self, disk: SimDisk) -> Verdict {
        let mut probe = self.serve_image(disk)?;
        holds(&self.ledger, &mut probe)
    }

    /// A broker that serves on that disk.
    fn serve_image(&mut self, disk: SimDisk) -> Result<Probe, Violation> {
        self.exhibit_disk(&disk);
        let probe = self.what_if(disk);
        if let Some(ended) = probe.ended() {
            return match ended {
                Ended::Halted(Fault::Refused(refusal)) => broken("false-refusal", refusal.to_string()),
                Ended::Halted(Fault::Deposed(why)) => broken("false-refusal", why.clone()),
                Ended::Halted(Fault::LogWrite(error)) => broken("false-halt", error.to_string()),
                Ended::Stopped => broken("stuck", "stopped by itself"),
            };
        }
        if !probe.serves() {
            return broken("stuck", "a start on a good disk comes to no end");
        }
        Ok(probe)
    }

    /// Some answers are checked as they leave: were the power to fail now, would they be true?
    pub(super) fn check_an_answer(&mut self, response: &Response) -> Verdict {
        let promises = match response {
            Response::Silence
            | Response::FindCoordinator(_)
            | Response::DescribeCluster(_)
            | Response::Group(GroupResponse::Heartbeat(_)) => false,
            Response::Produce(_)
            | Response::Fetch(_)
            | Response::ListOffsets(_)
            | Response::Metadata(_)
            | Response::CreateTopics(_)
            | Response::DeleteTopics(_)
            | Response::OffsetForLeaderEpoch(_)
            | Response::InitProducerId(_)
            | Response::Group(_)
            | Response::Admin(_) => true,
        };
        if !promises || !self.oracle.chance(self.shape.checked_answers) {
            return Ok(());
        }
        self.mark("answer checked");
        let image = if self.oracle.chance(500) {
            self.exhibit("what if the power failed now, and only some were left of what was not synced?");
            self.disk.power_cut(self.oracle.bits())
        } else {
            self.exhibit("what if the power failed now, and nothing were left that was not synced?");
            self.disk.durable_only()
        };
        self.lose_the_disk_perhaps(200, false)?;
        let verdict = self.check_image_once(image);
        verdict
            .map(|()| self.satisfied())
            .map_err(|violation| violation.when("if the power failed as this answer leaves: "))
    }

    /// The image that a crash left: recovering it twice, or with a crash in between, must lead to the same state.
    pub(super) fn check_the_image(&mut self) -> Verdict {
        if self.is_in_disaster() {
            return self.check_the_wreck();
        }
        if self.oracle.chance(300) {
            self.mark("recovery repeated");
            self.exhibit(
                "starts on what the crash left, then again after a power loss, and after a crash on the way:",
            );
            // What a start serves may be seen by anybody: none of it may depend on what only the cache held.
            let straight = self.check_image(self.disk.without_faults())?;
            let loss = Loss::draw(&mut self.oracle);
            let left = straight.disk().after(&loss, &mut self.oracle);
            let later = self.check_image(left)?;
            if straight.canonical() != later.canonical() {
                return broken("unseen", "what a start served is gone with the power after it");
            }
            // Once all that will ever be known of the image is on the media, every recovery leads to the same state.
            let image = self.disk.power_cut(self.oracle.bits());
            let straight = self.check_image(image.clone())?;
            let steps = self.oracle.magnitude(1, 60);
            let crashed = Probe::boot_for(&self.shape.still(), self.oracle.bits(), image, steps);
            let loss = Loss::draw(&mut self.oracle);
            let left = crashed.disk().after(&loss, &mut self.oracle);
            let again = self.check_image(left)?;
            if straight.canonical() != again.canonical() {
                return broken(
                    "recovery-not-idempotent",
                    format!(
                        "a recovery that was cut after {steps} steps leads elsewhere than one that was not"
                    ),
                );
            }
            self.satisfied();
        }
        if self.oracle.chance(self.shape.media_faults) {
            self.check_detection()?;
        }
        self.check_witness()
    }

    /// A start that serves settles what was open.
    pub(super) fn check_a_start(&mut self) -> Verdict {
        self.exhibit("reads everything from the process that has just started:");
        let mut reading = {
            let Some(mut probe) = self.copy_of_live() else { return Ok(()) };
            probe.read_all()?
        };
        invariant::check_all(&self.ledger, &reading)?;
        if let Some(before) = self.state_before.take() {
            self.mark("state compared");
            if self.node.broker().and_then(canonical).is_some_and(|now| now != before) {
                return broken("state-differs", "all was durable, and the next process knows something else");
            }
        }
        self.satisfied();
        // The copy may have waited for the store, and let go what the process itself still has, or lets go only now.
        for (key, found) in &mut reading.partitions {
            match self.node.broker().and_then(|broker| log_start(broker, *key)) {
                Some((start, true)) => found.log_start = start,
                Some((_, false)) => found.log_start = self.ledger.log_start(*key),
                None => {}
            }
        }
        self.ledger.settle(&reading)?;
        self.end_disaster(&reading)
    }

    fn copy_of_live(&self) -> Option<Probe> {
        self.copy_of_live_beside(self.disk.store().clone())
    }

    pub(super) fn copy_of_live_beside(&self, store: SimStore) -> Option<Probe> {
        let broker = self.node.broker()?.clone();
        let disk = self.disk.without_faults().moved_beside(store);
        Some(Probe::adopt(broker, disk, self.time(), self.node.underway(), self.calls_underway()))
    }

    /// Everything is answered: is it all there, and does it go on?
    pub(super) fn check_the_end(&mut self) -> Verdict {
        self.exhibit("reads everything at the end, and writes to each partition:");
        let Some(mut probe) = self.copy_of_live() else { return broken("stuck", "no broker at the end") };
        self.lose_the_disk_perhaps(1000, true)?;
        self.check_catches_up()?;
        self.check_salts()?;
        let reading = probe.read_all()?;
        invariant::check_all(&self.ledger, &reading)?;
        self.check_turns(&mut probe, &reading)?;
        self.check_retention(probe.clone())?;
        self.check_idle(probe.clone())?;
        self.check_new_writes(&mut probe)?;
        let before = probe.canonical();
        if !probe.stop() {
            return broken("stuck", "an orderly stop comes to no end");
        }
        if self.shape.stored && probe.stopped_whole() {
            self.check_whole(&probe.disk().clone())?;
        }
        // After an orderly stop nothing depends on the page cache.
        self.exhibit("stops the broker in order, cuts the power and starts again:");
        let mut again = self.check_image(probe.disk().durable_only())?;
        if again.canonical() != before {
            return broken("state-differs", "an orderly stop, and the next process knows something else");
        }
        self.check_no_garbage(&mut again)?;
        self.tell(&[98], || Scene::new(Lane::Oracle, Kind::Fine, "everything is as promised"));
        Ok(())
    }

    /// A while later nothing is there that is not to be kept.
    fn check_retention(&mut self, mut later: Probe) -> Verdict {
        if !self.shape.retains() {
            return Ok(());
        }
        self.mark("retention checked");
        // A disk that was full a moment ago is asked again only after a while.
        later.wait(LIVENESS_MICROS + 2 * self.shape.retention_check_micros);
        let reading = later.read_all()?;
        for (key, found) in &reading.partitions {
            self.ledger.check_let_go(*key, found, self.shape.stored)?;
        }
        Ok(())
    }

    /// Each partition takes a new batch.
    fn check_new_writes(&mut self, probe: &mut Probe) -> Verdict {
        // A disk that was full a moment ago is asked again only after a while.
        probe.wait(LIVENESS_MICROS);
        self.ledger.now += LIVENESS_MICROS;
        let keys: Vec<_> = self.ledger.usable().map(|(key, _)| key).collect();
        for key in keys {
            let number = OpNumber(self.next_op + 1);
            self.next_op += 1;
            let batch = batch::make(number, 1, 10, None);
            self.ledger.open(number, key, &batch);
            let request = crate::client::produce_one(key, batch);
            let (conn, tag) = (evenkeel_core::units::ConnId(u64::MAX), evenkeel_core::units::Tag(number.0));
            self.ledger.sent(conn, tag, crate::ledger::Asked::Produce(vec![number]));
            match probe.ask(13, Request::Produce(request)) {
                Some(Response::Produce(answer)) => {
                    let error = answer.responses[0].partition_responses[0].error_code;
                    if error != 0 {
                        return broken("stuck", format!("{key:?} takes no batch any more: error {error}"));
                    }
                    self.ledger.answered(conn, tag, &Response::Produce(answer))?;
                }
                other => return broken("stuck", format!("a batch for {key:?} is answered with {other:?}")),
            }
        }
        Ok(())
    }
}

/// Whether what was promised still holds, in all of it.
pub(super) fn holds(ledger: &Ledger, probe: &mut Probe) -> Verdict {
    let reading = probe.read_all()?;
    invariant::check_all(ledger, &reading)
}
