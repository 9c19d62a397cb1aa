//! The machine: the broker's process, its inbox, and the disk work under way, step by step.

use std::collections::BTreeMap;

use evenkeel_core::{
    Broker,
    log::Refusal,
    port::{DiskErrorKind, DiskReply, DiskRequest, DiskStep, Effect, Event, Fault, Lane},
    units::OpId,
};

use crate::{
    dice::Dice,
    marks,
    mutant::Mutant,
    probe::{Underway, canonical},
    trace::{Kind, Lane as Line, Scene},
    violation::{Verdict, broken},
    world::{Happening, World, scenes},
};

/// Disk work under way.
#[derive(Clone, Debug)]
struct Job {
    request: DiskRequest,
    /// The step that is being done.
    at: usize,
    /// Whether that step has begun: background work waits for other background work, as in one queue.
    begun: bool,
    replies: Vec<DiskReply>,
    /// The broker has been told already (a planted bug).
    told: bool,
}

/// The machine.
#[derive(Clone, Debug, Default)]
pub(super) struct Node {
    /// Number of the process; what belongs to an earlier one is void.
    pub(super) incarnation: u64,
    broker: Option<Broker>,
    serving: bool,
    /// A stop was asked for: nobody is let in any more.
    stopping: bool,
    /// The disk, the memory or the operator failed this process: whatever it ends with is no surprise.
    excused: bool,
    inbox: Vec<Event>,
    /// The process stands still until then.
    pub(super) paused_until: u64,
    turn_at: Option<u64>,
    /// When it last wrote, or began to serve.
    pub(super) written_at: u64,
    jobs: BTreeMap<OpId, Job>,
}

impl Node {
    pub(super) fn serves(&self) -> bool {
        self.serving
    }

    /// Whether it takes new connections. While it stops, those of before are served, or closed.
    pub(super) fn lets_in(&self) -> bool {
        self.serving && !self.stopping
    }

    /// See [`Node::lets_in`].
    pub(super) fn lets_nobody_in(&mut self) {
        self.stopping = true;
    }

    pub(super) fn runs(&self) -> bool {
        self.broker.is_some()
    }

    /// Nothing is under way.
    pub(super) fn is_quiet(&self) -> bool {
        self.serving && self.jobs.is_empty() && self.inbox.is_empty()
    }

    /// Whether something failed it.
    pub(super) fn is_excused(&self) -> bool {
        self.excused
    }

    /// Where its disk work is under way.
    pub(super) fn lanes(&self) -> impl Iterator<Item = Lane> {
        self.jobs.values().map(|job| job.request.lane)
    }

    /// The broker has been told of everything that happened.
    pub(super) fn has_taken_all(&self) -> bool {
        self.inbox.is_empty()
    }

    pub(super) fn broker(&self) -> Option<&Broker> {
        self.broker.as_ref()
    }

    pub(super) fn describe(&self) -> String {
        format!("process {}, serving: {}, disk work: {:?}", self.incarnation, self.serving, self.jobs.keys())
    }

    /// Disk work under way, for a copy of the broker to go on with.
    pub(super) fn underway(&self) -> Vec<Underway> {
        let underway = |(op, job): (&OpId, &Job)| Underway {
            op: *op,
            steps: job.request.steps[job.at..].to_vec(),
            replies: job.replies.clone(),
        };
        self.jobs.iter().map(underway).collect()
    }
}

impl World {
    pub(super) fn boot(&mut self) -> Verdict {
        if self.node.runs() {
            return Ok(());
        }
        self.check_the_image()?;
        self.check_over_budget()?;
        self.check_a_stop_of_a_start()?;
        self.remember_the_disk();
        self.resize();
        let incarnation = self.node.incarnation + 1;
        let mut effects = Vec::new();
        let seed = Dice::of(self.seed, "process").bits() ^ incarnation.wrapping_mul(0x9e37_79b9);
        let broker = Broker::boot(self.shape.config.clone(), seed, &mut effects);
        self.node = Node { incarnation, broker: Some(broker), ..Node::default() };
        self.tell(&[1, incarnation], || Scene {
            process: Some(incarnation),
            ..Scene::new(Line::Broker, Kind::Start, format!("process {incarnation} starts"))
        });
        self.mark("start");
        self.plan_crash_in_recovery();
        self.carry_out(effects)
    }

    /// The operator may want larger segments, or those of the first start again.
    fn resize(&mut self) {
        if self.weather.chance(self.shape.resizes) {
            let doublings = self.weather.below(3);
            self.shape.config.segment_bytes = self.first_segment_bytes << doublings;
            self.mark("another size of segments");
        }
    }

    /// The process is no more. What it had under way on the disk is done, half done, or not.
    pub(super) fn end_process(&mut self, abruptly: bool) {
        self.note_witness(abruptly);
        for job in std::mem::take(&mut self.node.jobs).into_values() {
            if abruptly && job.begun {
                self.interrupt(&job.request.steps[job.at]);
            }
        }
        if let Some(broker) = self.node.broker().filter(|broker| broker.state().is_some()) {
            let known = self.shape.compares_states && broker.is_all_durable() == Some(true);
            self.state_before = known.then(|| canonical(broker)).flatten();
        }
        self.node = Node { incarnation: self.node.incarnation + 1, ..Node::default() };
        self.plan.crash_in_steps = None;
        self.drop_connections();
    }

    /// A step that a crash falls into.
    fn interrupt(&mut self, step: &DiskStep) {
        let outcome = match self.faults.below(3) {
            0 => None,
            1 => Some(step.clone()),
            _ => Some(part_of(step, &mut self.faults)),
        };
        let how = match &outcome {
            None => "the crash undoes",
            Some(done) if done == step => "the crash comes right behind",
            Some(_) => "the crash tears",
        };
        self.note(|| scenes::interrupted(outcome.as_ref().unwrap_or(step), how, outcome.is_some()));
        if let Some(step) = outcome {
            // Nobody hears of the result.
            drop(self.disk.perform(&[step]));
        }
    }

    pub(super) fn enqueue(&mut self, event: Event) {
        self.node.inbox.push(event);
        let delay = self.latency.below(30);
        self.turn_by(self.now + delay);
    }

    fn turn_by(&mut self, at: u64) {
        if self.node.turn_at.is_none_or(|planned| at < planned) {
            self.node.turn_at = Some(at);
            self.at(at, Happening::Turn);
        }
    }

    pub(super) fn turn(&mut self) -> Verdict {
        if self.node.turn_at != Some(self.now) {
            return Ok(());
        }
        self.node.turn_at = None;
        if self.stands_still() {
            self.turn_by(self.node.paused_until);
            return Ok(());
        }
        let time = self.time();
        let Some(broker) = &mut self.node.broker else { return Ok(()) };
        let mut events = std::mem::take(&mut self.node.inbox);
        let mut effects = Vec::new();
        let count = events.len() as u64;
        // It may come to know it in this very turn.
        if self.shape.stored && broker.stored().is_none() {
            self.ledger.store_unknown_until = Some(self.now);
        }
        let follows_marks = self.follows_marks;
        if follows_marks {
            // What copies of the broker came by is not of this turn.
            drop(marks::take_recent());
        }
        let deadline = broker.turn(time, &mut events, &mut effects);
        if follows_marks {
            self.recent_marks.extend(marks::take_recent());
        }
        let durable = broker.durable().map_or(0, |lsn| lsn.0);
        self.tell(&[2, count, effects.len() as u64, durable], || Scene {
            lsns: Some((durable, durable)),
            ..Scene::new(
                Line::Broker,
                Kind::Turn,
                format!("the broker takes {count} events, durable up to {durable}"),
            )
        });
        self.carry_out(effects)?;
        self.watch_cuts();
        self.watch_risk()?;
        if let Some(deadline) = deadline
            && self.node.runs()
        {
            self.turn_by(deadline.0.max(self.now + 1));
        }
        Ok(())
    }

    fn carry_out(&mut self, effects: Vec<Effect>) -> Verdict {
        for effect in effects {
            match effect {
                Effect::Reply(conn, tag, response) => {
                    let ledger = &self.ledger;
                    self.story
                        .tell(self.now, &[3, conn.0, tag.0], || scenes::answer(ledger, conn, tag, &response));
                    self.ledger.answered(conn, tag, &response)?;
                    self.check_an_answer(&response)?;
                    self.reply(conn, tag, response);
                }
                Effect::Close(conn) => self.close(conn),
                Effect::Disk(op, request) => self.take_work(op, request)?,
                Effect::Notice(notice) => {
                    self.tell(&[4], || Scene::new(Line::Broker, Kind::Notice, format!("notice: {notice}")))
                }
                Effect::Serve => {
                    self.node.serving = true;
                    self.node.written_at = self.now;
                    self.mark("served");
                    self.tell(&[5], || Scene::new(Line::Broker, Kind::Serve, "serves"));
                    self.check_a_start()?;
                }
                Effect::Object(op, request) => self.call(op, *request),
                Effect::Stopped { unstored } => {
                    self.mark(if unstored { "stopped, not all stored" } else { "stopped in order" });
                    self.tell(&[6], || Scene::new(Line::Broker, Kind::Stopped, "stopped in order"));
                    self.check_stop(unstored)?;
                    self.end_process(false);
                    self.start_later();
                    return Ok(());
                }
                Effect::Halt(fault) => return self.halted(&fault),
            }
        }
        Ok(())
    }

    fn halted(&mut self, fault: &Fault) -> Verdict {
        let excused = self.node.excused;
        let (kind, text) = match fault {
            Fault::LogWrite(error) => ("false-halt", error.to_string()),
            Fault::Deposed(why) => ("false-halt", why.clone()),
            Fault::Refused(refusal) => ("false-refusal", refusal.to_string()),
        };
        self.tell(&[7], || Scene::new(Line::Broker, Kind::Halt, format!("{kind}: {text}")));
        let honest = match fault {
            Fault::LogWrite(_) => excused,
            // The store has moved on since it was asked: the directory is emptied, as the refusal says.
            Fault::Deposed(_) => self.disasters.overtaken,
            Fault::Refused(Refusal::Disk(error)) => excused && error.kind != DiskErrorKind::Damaged,
            // An empty disk, and no answer for as long as a start waits.
            Fault::Refused(Refusal::Store(_)) => self.shape.store_fails() && !self.winding_down,
            Fault::Refused(
                Refusal::Damage(_)
                | Refusal::ForeignCluster { .. }
                | Refusal::ForeignNode { .. }
                | Refusal::NewerFormat { .. }
                | Refusal::EpochsExhausted
                | Refusal::LossNotNamed { .. },
            ) => false,
        };
        if !honest {
            return broken(kind, text);
        }
        self.mark(match fault {
            Fault::LogWrite(_) => "halted",
            Fault::Deposed(_) => "deposed after a loss",
            Fault::Refused(Refusal::Store(_)) => "refused without the store",
            Fault::Refused(_) => "refused for a disk error",
        });
        let deposed = matches!(fault, Fault::Deposed(_));
        self.end_process(true);
        if deposed {
            self.lose_the_disk();
        } else {
            self.power_fails_perhaps();
        }
        self.start_later();
        Ok(())
    }

    fn take_work(&mut self, op: OpId, mut request: DiskRequest) -> Verdict {
        if let Some(mutant) = self.mutant {
            mutant.change(&mut request);
        }
        let waits = request.lane == Lane::Background
            && self.node.jobs.values().any(|job| job.request.lane == Lane::Background);
        let mut job = Job { request, at: 0, begun: !waits, replies: Vec::new(), told: false };
        if job.request.steps.is_empty() {
            self.enqueue(Event::Disk(op, Ok(Vec::new())));
            return Ok(());
        }
        self.tell_early(op, &mut job);
        self.node.jobs.insert(op, job);
        if !waits {
            self.time_step(op);
        }
        Ok(())
    }

    /// A planted bug: the log write counts as done before its last sync is.
    fn tell_early(&mut self, op: OpId, job: &mut Job) {
        let last = job.at + 1 == job.request.steps.len();
        if last && !job.told && self.mutant.is_some_and(|mutant| mutant.answers_early(&job.request)) {
            job.told = true;
            let replies = job.request.steps.iter().map(|_| DiskReply::Done).collect();
            self.enqueue(Event::Disk(op, Ok(replies)));
        }
    }

    /// Says when the step that is being done will end.
    fn time_step(&mut self, op: OpId) {
        let Some(job) = self.node.jobs.get(&op) else { return };
        let typical = match &job.request.steps[job.at] {
            DiskStep::Sync(_) | DiskStep::SyncDirectory => self.shape.sync_micros,
            DiskStep::List
            | DiskStep::Space
            | DiskStep::Read(_)
            | DiskStep::ReadAt { .. }
            | DiskStep::Scan(_)
            | DiskStep::ReadBatches { .. }
            | DiskStep::Create(_)
            | DiskStep::Zero { .. }
            | DiskStep::Reserve { .. }
            | DiskStep::Release { .. }
            | DiskStep::Write { .. }
            | DiskStep::Rename { .. }
            | DiskStep::Remove(_) => self.shape.write_micros,
        };
        let stalls = if self.latency.chance(10) { 30 } else { 1 };
        let micros = self.latency.between(typical / 2, typical * 2) * stalls + self.hangs();
        self.after(micros.max(1), Happening::Step(op));
    }

    pub(super) fn step_done(&mut self, op: OpId) -> Verdict {
        if self.now < self.node.paused_until {
            // Its thread goes on when the process does.
            self.at(self.node.paused_until, Happening::Step(op));
            return Ok(());
        }
        let Some(mut job) = self.node.jobs.remove(&op) else { return Ok(()) };
        let step = &job.request.steps[job.at];
        let mut result = self.disk.perform(std::slice::from_ref(step));
        let again = self.mutant == Some(Mutant::SyncRetried) && job.request.lane == Lane::Log;
        if again && result.is_err() && matches!(step, DiskStep::Sync(_)) {
            result = self.disk.perform(std::slice::from_ref(step));
        }
        for injected in self.disk.take_injected() {
            self.node.excused = true;
            self.mark("disk fault");
            self.story.tell(self.now, &[21], || scenes::fault(step, &injected));
        }
        let (lane, failed) = (job.request.lane, result.is_err());
        self.story.tell(self.now, &[20, op.0, job.at as u64, u64::from(failed)], || {
            scenes::step(step, &format!("disk {lane:?} {op}"), failed)
        });
        job.at += 1;
        let ended = match result {
            Ok(replies) => {
                job.replies.extend(replies);
                (job.at == job.request.steps.len()).then(|| Ok(std::mem::take(&mut job.replies)))
            }
            Err(error) => Some(Err(error)),
        };
        match ended {
            Some(result) => {
                if lane != Lane::Read {
                    self.node.written_at = self.now;
                }
                if !job.told {
                    self.enqueue(Event::Disk(op, result));
                }
                self.begin_next(lane);
            }
            None => {
                self.tell_early(op, &mut job);
                self.node.jobs.insert(op, job);
                self.time_step(op);
            }
        }
        self.count_step()
    }

    /// Background work that has waited for other background work.
    fn begin_next(&mut self, lane: Lane) {
        if lane != Lane::Background {
            return;
        }
        let next = self.node.jobs.iter_mut().find(|(_, job)| job.request.lane == Lane::Background);
        if let Some((op, job)) = next
            && !job.begun
        {
            job.begun = true;
            let op = *op;
            self.time_step(op);
        }
    }
}

/// A step of which only a part is done.
fn part_of(step: &DiskStep, dice: &mut Dice) -> DiskStep {
    match step {
        DiskStep::Write { file, position, data } => {
            let mut bytes = data.concat();
            bytes.truncate(dice.index(bytes.len() + 1));
            DiskStep::Write { file: *file, position: *position, data: vec![bytes.into()] }
        }
        DiskStep::Zero { file, len } => DiskStep::Zero { file: *file, len: dice.below(len + 1) },
        DiskStep::List
        | DiskStep::Space
        | DiskStep::Read(_)
        | DiskStep::ReadAt { .. }
        | DiskStep::Scan(_)
        | DiskStep::ReadBatches { .. }
        | DiskStep::Create(_)
        | DiskStep::Reserve { .. }
        | DiskStep::Release { .. }
        | DiskStep::Sync(_)
        | DiskStep::SyncDirectory
        | DiskStep::Rename { .. }
        | DiskStep::Remove(_) => step.clone(),
    }
}
