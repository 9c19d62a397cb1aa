//! What an operator gives up is given up, and nothing else: after an accepted loss the broker serves a prefix of each partition,
//! says so in a report, gives no lost offset and no producer id out again, and does not need to be told twice.

use evenkeel_core::{
    Config,
    log::Refusal,
    port::{Disk, Fault, FileName, Request, Response},
    units::Lsn,
};

use crate::{
    batch,
    disk::{Loss, SimDisk},
    ledger::{Ledger, OpNumber, PartitionKey},
    probe::{Ended, Probe},
    reading::Reading,
    violation::{Verdict, Violation, broken},
    world::{World, oracle},
};

/// More than a run uses.
const STRANGER: OpNumber = OpNumber(1 << 40);

impl World {
    /// `excused`: what was promised, but for the group that nothing on the disk proves.
    pub(super) fn check_accepted_loss(&mut self, image: &SimDisk, excused: &Ledger) -> Verdict {
        if self.shape.stored {
            // What is given up may be in the object store. A log that ends in front of it is refused: an empty directory gets more.
            return Ok(());
        }
        // Everything is written back first. Damage in one copy of a group while the other is in the cache alone, and the
        // power fails: that is one fault more than is promised anything for.
        let image = &image.after(&Loss::Nothing, &mut self.oracle);
        let refused = self.what_if(image.clone());
        let Some(Ended::Halted(Fault::Refused(Refusal::Damage(damage)))) = refused.ended() else {
            return Ok(());
        };
        self.mark("loss accepted");
        self.check_another_is_refused(image, damage.accept_from)?;
        let config = Config { accept_loss_from: Some(damage.accept_from), ..self.shape.still() };
        let straight = Probe::boot(&config, self.oracle.bits(), image.clone());
        served(&straight, "a loss is named and not accepted")?;
        check_no_lies(&self.ledger, &straight)?;

        // Once accepted, it need not be named again.
        let loss = Loss::draw(&mut self.oracle);
        let left = straight.disk().after(&loss, &mut self.oracle);
        let again = self.what_if(left);
        served(&again, "a loss was accepted, and the next start without it is refused")?;
        check_no_lies(&self.ledger, &again)?;

        // A crash while it is accepted: the operator does the same again, or is told that it is done.
        let steps = self.oracle.magnitude(1, 60);
        let crashed = Probe::boot_for(&config, self.oracle.bits(), image.clone(), steps);
        let loss = Loss::draw(&mut self.oracle);
        let left = crashed.disk().after(&loss, &mut self.oracle);
        let again = self.accept(&left, damage.accept_from);
        served(&again, &format!("a loss was being accepted, crashed after {steps} steps"))?;
        if is_reported(&again) {
            return check_no_lies(&self.ledger, &again);
        }
        // What looked damaged was never synced, and went with the power: then nothing is lost.
        oracle::holds(&self.ledger, &mut again.clone())
            .or_else(|_| oracle::holds(excused, &mut again.clone()))
    }

    /// A loss that is named by another place than its own is not accepted, and nothing is changed.
    fn check_another_is_refused(&mut self, image: &SimDisk, from: Lsn) -> Verdict {
        if !self.oracle.chance(200) {
            return Ok(());
        }
        let another = Lsn(if from.0 > 0 && self.oracle.chance(500) { from.0 - 1 } else { from.0 + 1 });
        let config = Config { accept_loss_from: Some(another), ..self.shape.still() };
        let probe = Probe::boot(&config, self.oracle.bits(), image.clone());
        match probe.ended() {
            Some(Ended::Halted(Fault::Refused(Refusal::LossNotNamed { damage, .. })))
                if *damage == Some(from) && probe.disk().list() == image.list() =>
            {
                Ok(())
            }
            _ => broken(
                "silent-loss",
                format!("the loss begins at LSN {from}, and LSN {another} was accepted"),
            ),
        }
    }

    /// What an operator does who wants to go on: names the loss; if it is another one by now, that; if there is none, none.
    pub(super) fn accept(&mut self, image: &SimDisk, from: Lsn) -> Probe {
        let mut config = Config { accept_loss_from: Some(from), ..self.shape.still() };
        loop {
            let probe = Probe::boot(&config, self.oracle.bits(), image.clone());
            match probe.ended() {
                Some(Ended::Halted(Fault::Refused(Refusal::LossNotNamed { damage, .. })))
                    if config.accept_loss_from.is_some() && *damage != config.accept_loss_from =>
                {
                    self.mark("loss named once more");
                    config.accept_loss_from = *damage;
                }
                Some(_) | None => return probe,
            }
        }
    }
}

fn served(probe: &Probe, what: &str) -> Verdict {
    match probe.ended() {
        Some(ended) => broken("loss-not-accepted", format!("{what}: {}", ended.words())),
        None if probe.serves() => Ok(()),
        None => broken("stuck", format!("{what}: the start comes to no end")),
    }
}

pub(super) fn is_reported(probe: &Probe) -> bool {
    let files = probe.disk().list().unwrap_or_default();
    files.iter().any(|entry| matches!(entry.file, FileName::LossReport(_)))
}

/// Asks a copy: the questions leave traces.
fn check_no_lies(ledger: &Ledger, probe: &Probe) -> Verdict {
    let probe = &mut probe.clone();
    if !is_reported(probe) {
        return broken("silent-loss", "a loss was accepted and no report says so");
    }
    let reading = probe.read_all()?;
    for (key, found) in &reading.partitions {
        check_prefix(ledger, &reading, *key)?;
        check_goes_on(ledger, probe, *key, found.log_start)?;
    }
    match reading.producer_id {
        Some(id) if ledger.producer_ids.contains(&id) => {
            broken("reissued-producer-id", format!("after an accepted loss {id} is given out again"))
        }
        Some(_) | None => Ok(()),
    }
}

/// What is there is what was promised, up to the first that is not.
fn check_prefix(ledger: &Ledger, reading: &Reading, key: PartitionKey) -> Verdict {
    let Some(found) = reading.partitions.get(&key) else { return Ok(()) };
    check_true(ledger, reading, key).map_err(|violation| violation.when("after an accepted loss "))?;
    // Where it ended before need not be its end now; that offsets go on behind it, `check_goes_on` sees.
    let end = found.batches.last().map_or(found.log_start, |batch| batch.header.last_offset().0 + 1);
    if found.high_watermark < end {
        return broken(
            "inconsistent-offsets",
            format!("{key:?} can be read up to {end}, its high watermark is {}", found.high_watermark),
        );
    }
    Ok(())
}

/// Whatever is there, is true: batches that were sent, at offsets that were told, without a gap, from the first on.
pub(super) fn check_true(ledger: &Ledger, reading: &Reading, key: PartitionKey) -> Verdict {
    let (Some(found), Some(book)) = (reading.partitions.get(&key), ledger.partitions.get(&key)) else {
        return Ok(());
    };
    let mut starts = book.start.clone();
    starts.excuse();
    if !starts.may_be(found.log_start) && !ledger.may_have_let_go(key, found.log_start) {
        return broken(
            "phantom-log-start",
            format!("{key:?} begins at {}, and nobody ever asked for that", found.log_start),
        );
    }
    let mut end = found.log_start;
    for batch in &found.batches {
        let base = batch.header.base_offset.0;
        let known = batch.op.and_then(|number| ledger.op(number));
        let intact = known.is_some_and(|op| op.key == key && op.is_intact(&batch.header, &batch.records));
        let fact = book.facts.get(&base).map(|(number, _)| *number);
        if !intact || fact.is_some_and(|fact| batch.op != Some(fact)) {
            return broken("phantom", format!("{key:?} has {:?} at {base}", batch.op));
        }
        let last = batch.header.last_offset().0;
        let holds_start = end == found.log_start && base < end && end <= last;
        if base != end && !holds_start && !book.jumps(end, base) {
            return broken("inconsistent-offsets", format!("{key:?} jumps from {end} to {base}"));
        }
        end = last + 1;
    }
    Ok(())
}

/// A new record does not get an offset that somebody knows for another one, and who stands where the partition once ended comes by it.
pub(super) fn check_goes_on(ledger: &Ledger, probe: &mut Probe, key: PartitionKey, start: i64) -> Verdict {
    let book = ledger.partitions.get(&key);
    let stands = book.map_or(0, |book| book.unknown_from(ledger)).max(start);
    let waits = probe.fetch_from(key, stands)?;
    if waits.error_code != 0 {
        return broken(
            "unreadable",
            format!("after a loss {key:?} refuses who stands at {stands}: error {}", waits.error_code),
        );
    }
    let base = next_offset(probe, key)?;
    if base < stands {
        return broken("inconsistent-offsets", format!("after a loss {key:?} gives out offset {base} again"));
    }
    let mut next = stands;
    while next <= base {
        let part = probe.fetch_from(key, next)?;
        match batch::split(&part.records.concat()).as_deref() {
            Some([.., (last, _)]) if part.error_code == 0 => next = last.last_offset().0 + 1,
            _ => {
                return broken(
                    "unreadable",
                    format!("after a loss {key:?} has a record at {base}, and nothing comes from {next} on"),
                );
            }
        }
    }
    Ok(())
}

/// The offset that a new record gets.
pub(super) fn next_offset(probe: &mut Probe, key: PartitionKey) -> Result<i64, Violation> {
    let request = crate::client::produce_one(key, batch::make(STRANGER, 1, 10, None));
    match probe.ask(13, Request::Produce(request)) {
        Some(Response::Produce(answer)) => {
            let told = &answer.responses[0].partition_responses[0];
            if told.error_code != 0 {
                return broken("stuck", format!("after a loss {key:?} refuses: {}", told.error_code));
            }
            Ok(told.base_offset)
        }
        other => broken("stuck", format!("after a loss {key:?} answers {other:?}")),
    }
}
