//! A broker on a simulated disk, driven one disk step at a time, with a client whose promises go into a ledger.
//!
//! Between any two steps somebody may look: see [`Watch`]. Nothing fails here; what the disk loses is the watcher's affair.

use std::collections::VecDeque;

use evenkeel_core::{
    Broker, Config,
    port::{
        ClientEvent, DiskReply, DiskRequest, DiskStep, Effect, Event, FileName, Lane, Now, Request, perform,
    },
    units::{ConnId, Instant, OpId, SegmentSequence, Tag, Timestamp},
};

use crate::{
    disk::{Fingerprint, SimDisk},
    ledger::{Asked, Ledger},
    mutant::Mutant,
    probe::{Ended, Probe, Underway},
    reading::Reading,
    violation::{Verdict, Violation, broken},
    world::{brief, brief_step},
};

/// The one client's connection.
const CLIENT: ConnId = ConnId(1);
/// Steps after which a stage is considered to go in circles.
const STEPS_MAX: u64 = 100_000;

/// Who looks at the disk between two steps.
pub(super) trait Watch {
    /// A step has changed the disk; `before` is the disk without it. Nobody has heard of it yet.
    ///
    /// # Errors
    /// A crash here breaks a promise.
    fn stepped(&mut self, stage: &Stage, before: &SimDisk, step: &DiskStep) -> Verdict;

    /// More is promised, and the disk is the same.
    ///
    /// # Errors
    /// As before.
    fn promised(&mut self, stage: &Stage) -> Verdict;
}

/// Nobody.
pub(super) struct Nobody;

impl Watch for Nobody {
    fn stepped(&mut self, _: &Stage, _: &SimDisk, _: &DiskStep) -> Verdict {
        Ok(())
    }

    fn promised(&mut self, _: &Stage) -> Verdict {
        Ok(())
    }
}

/// Which disk work goes first when several pieces are under way.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Order {
    /// The oldest, to its end.
    Oldest,
    /// One step of the log, one of the background, in turn.
    InTurn,
}

#[derive(Clone, Debug)]
struct Job {
    op: OpId,
    request: DiskRequest,
    at: usize,
    replies: Vec<DiskReply>,
    /// The broker has been told already (a planted bug).
    told: bool,
}

/// The stage.
#[derive(Clone, Debug)]
pub(super) struct Stage {
    pub(super) config: Config,
    pub(super) order: Order,
    pub(super) disk: SimDisk,
    pub(super) ledger: Ledger,
    /// Changes whenever the ledger does, the same way for the same history.
    pub(super) promises: Fingerprint,
    mutant: Option<Mutant>,
    now: Now,
    broker: Option<Broker>,
    serving: bool,
    ended: Option<Ended>,
    inbox: Vec<Event>,
    jobs: VecDeque<Job>,
    last_lane: Lane,
    deadline: Option<Instant>,
    starts: u64,
    next_tag: u64,
    open: u64,
    steps: u64,
    /// End of the last write to the log: segment and byte.
    log_end: (SegmentSequence, u64),
    lines: Option<Vec<String>>,
}

impl Stage {
    /// A stage without a broker.
    pub(super) fn new(config: Config, disk: SimDisk, mutant: Option<Mutant>, starts: u64) -> Stage {
        Stage {
            config,
            order: Order::Oldest,
            disk,
            ledger: Ledger::default(),
            promises: Fingerprint::default(),
            mutant,
            now: Now { mono: Instant(1), wall: Timestamp(1_700_000_000_000) },
            broker: None,
            serving: false,
            ended: None,
            inbox: Vec::new(),
            jobs: VecDeque::new(),
            last_lane: Lane::Read,
            deadline: None,
            starts,
            next_tag: 0,
            open: 0,
            steps: 0,
            log_end: (SegmentSequence(0), 0),
            lines: None,
        }
    }

    /// From now on, what happens is kept in words.
    pub(super) fn tell_story(&mut self) {
        self.lines = Some(Vec::new());
    }

    /// The words so far.
    pub(super) fn take_lines(&mut self) -> Vec<String> {
        self.lines.as_mut().map(std::mem::take).unwrap_or_default()
    }

    pub(super) fn tell(&mut self, text: impl FnOnce() -> String) {
        if let Some(lines) = &mut self.lines {
            lines.push(text());
        }
    }

    pub(super) fn serves(&self) -> bool {
        self.serving && self.ended.is_none()
    }

    pub(super) fn ended(&self) -> Option<&Ended> {
        self.ended.as_ref()
    }

    /// Questions without an answer.
    pub(super) fn open(&self) -> u64 {
        self.open
    }

    /// Bytes behind the last group of the segment in use.
    pub(super) fn room(&self) -> usize {
        let left = u64::from(self.config.segment_bytes).saturating_sub(self.log_end.1);
        usize::try_from(left).expect("segments are small")
    }

    /// A copy of the broker, to be asked what it knows.
    pub(super) fn probe(&self) -> Option<Probe> {
        let underway = |job: &Job| Underway {
            op: job.op,
            steps: job.request.steps[job.at..].to_vec(),
            replies: job.replies.clone(),
        };
        let waiting = self.jobs.iter().filter(|job| !job.told).map(underway).collect();
        Some(Probe::adopt(self.broker.clone()?, self.disk.clone(), self.now, waiting, Vec::new()))
    }

    /// The process is no more.
    pub(super) fn kill(&mut self) {
        self.broker = None;
        self.serving = false;
        self.ended = None;
        self.inbox.clear();
        self.jobs.clear();
        self.deadline = None;
        self.open = 0;
        self.ledger.forget_questions();
    }

    /// Starts a broker; [`Stage::run`] brings it on.
    ///
    /// # Errors
    /// It says something that contradicts what was promised.
    pub(super) fn boot(&mut self, watch: &mut dyn Watch) -> Verdict {
        self.kill();
        self.starts += 1;
        self.tell(|| String::from("the broker starts"));
        let mut effects = Vec::new();
        self.broker = Some(Broker::boot(self.config.clone(), self.starts, &mut effects));
        self.carry_out(effects, watch)
    }

    /// Asks something.
    pub(super) fn ask(&mut self, version: i16, request: Request, asked: Asked) {
        let tag = Tag(self.next_tag);
        self.next_tag += 1;
        self.open += 1;
        self.tell(|| format!("the client asks: {asked:?}"));
        self.ledger.sent(CLIENT, tag, asked);
        self.promises.add(tag.0);
        let event = ClientEvent::Request { tag, version, request: Box::new(request) };
        self.inbox.push(Event::Client(CLIENT, event));
    }

    /// Asks for an orderly stop.
    pub(super) fn stop(&mut self) {
        self.tell(|| String::from("an orderly stop is asked for"));
        self.inbox.push(Event::Stop);
    }

    /// Time passes.
    ///
    /// # Errors
    /// What then happens breaks a promise.
    pub(super) fn wait(&mut self, micros: u64, watch: &mut dyn Watch) -> Verdict {
        let until = Instant(self.now.mono.0 + micros);
        while let Some(deadline) = self.deadline.filter(|deadline| *deadline <= until) {
            self.now.mono = self.now.mono.max(deadline);
            self.turn(watch)?;
            self.run(&|_| false, watch)?;
        }
        self.now.mono = self.now.mono.max(until);
        Ok(())
    }

    /// Until that is so, or nothing is under way any more.
    ///
    /// # Errors
    /// A promise is broken.
    pub(super) fn run(&mut self, done: &dyn Fn(&Stage) -> bool, watch: &mut dyn Watch) -> Verdict {
        self.turn(watch)?;
        while self.ended.is_none() && !done(self) {
            let Some(at) = self.next_job() else { break };
            self.step(at, watch)?;
            self.turn(watch)?;
            self.steps += 1;
            if self.steps > STEPS_MAX {
                return broken("stuck", "disk work comes to no end");
            }
        }
        Ok(())
    }

    /// The promises have grown.
    ///
    /// # Errors
    /// They do not hold.
    pub(super) fn settle(&mut self, watch: &mut dyn Watch) -> Result<Reading, Violation> {
        let Some(mut probe) = self.probe() else { return broken("stuck", "no broker to read from") };
        let reading = probe.read_all()?;
        crate::invariant::check_all(&self.ledger, &reading)?;
        self.ledger.settle(&reading)?;
        self.promises.add(self.starts);
        watch.promised(self)?;
        Ok(reading)
    }

    fn next_job(&mut self) -> Option<usize> {
        match self.order {
            Order::Oldest => (!self.jobs.is_empty()).then_some(0),
            Order::InTurn => {
                // Within a lane one after another, as its queue has it.
                let other = self.jobs.iter().position(|job| job.request.lane != self.last_lane);
                other.or((!self.jobs.is_empty()).then_some(0))
            }
        }
    }

    fn step(&mut self, at: usize, watch: &mut dyn Watch) -> Verdict {
        let job = &mut self.jobs[at];
        self.last_lane = job.request.lane;
        let step = job.request.steps[job.at].clone();
        job.at += 1;
        let before = changes(&step).then(|| self.disk.clone());
        let result = perform(&self.disk, std::slice::from_ref(&step));
        self.now.mono.0 += 10;
        if let DiskStep::Write { file, position, data } = &step
            && let FileName::Segment(segment) | FileName::SegmentDraft(segment) = file
        {
            let end = position + data.iter().map(|slice| slice.len() as u64).sum::<u64>();
            self.log_end = self.log_end.max((*segment, end));
        }
        let failed = result.is_err();
        let ended = match result {
            Ok(replies) => {
                job.replies.extend(replies);
                (job.at == job.request.steps.len()).then(|| Ok(std::mem::take(&mut job.replies)))
            }
            Err(error) => Some(Err(error)),
        };
        let (op, told, lane) = (job.op, job.told, job.request.lane);
        if let Some(result) = ended {
            self.jobs.remove(at);
            if !told {
                self.inbox.push(Event::Disk(op, result));
            }
        } else {
            self.tell_early(at);
        }
        self.tell(|| format!("disk {lane:?}: {}{}", brief_step(&step), if failed { " FAILS" } else { "" }));
        match before {
            Some(before) => watch.stepped(self, &before, &step),
            None => Ok(()),
        }
    }

    /// A planted bug: the log write counts as done before its last sync is.
    fn tell_early(&mut self, at: usize) {
        let job = &mut self.jobs[at];
        let last = job.at + 1 == job.request.steps.len();
        if last && !job.told && self.mutant.is_some_and(|mutant| mutant.answers_early(&job.request)) {
            job.told = true;
            let replies = job.request.steps.iter().map(|_| DiskReply::Done).collect();
            self.inbox.push(Event::Disk(job.op, Ok(replies)));
        }
    }

    fn turn(&mut self, watch: &mut dyn Watch) -> Verdict {
        // A broker without disk work to do may answer itself into more events.
        loop {
            let Some(broker) = &mut self.broker else { return Ok(()) };
            let mut effects = Vec::new();
            let mut events = std::mem::take(&mut self.inbox);
            self.deadline = broker.turn(self.now, &mut events, &mut effects);
            self.carry_out(effects, watch)?;
            if self.inbox.is_empty() {
                return Ok(());
            }
        }
    }

    fn carry_out(&mut self, effects: Vec<Effect>, watch: &mut dyn Watch) -> Verdict {
        let before = self.promises;
        for effect in effects {
            match effect {
                Effect::Reply(conn, tag, response) => {
                    self.tell(|| format!("the broker answers: {}", brief(&response)));
                    self.ledger.answered(conn, tag, &response)?;
                    self.open = self.open.saturating_sub(1);
                    self.promises.add(tag.0 ^ (1 << 63));
                }
                Effect::Close(_) => {}
                Effect::Notice(notice) => self.tell(|| format!("notice: {notice}")),
                Effect::Disk(op, request) => self.take_work(op, request),
                Effect::Serve => {
                    self.serving = true;
                    self.tell(|| String::from("the broker serves"));
                }
                Effect::Object(..) => unreachable!("there is no object store"),
                Effect::Stopped { .. } => {
                    self.ended = Some(Ended::Stopped);
                    self.tell(|| String::from("the broker has stopped in order"));
                }
                Effect::Halt(fault) => {
                    let ended = Ended::Halted(fault);
                    self.tell(|| format!("the broker ends: {}", ended.words()));
                    self.ended = Some(ended);
                }
            }
        }
        if self.promises == before { Ok(()) } else { watch.promised(self) }
    }

    fn take_work(&mut self, op: OpId, mut request: DiskRequest) {
        if let Some(mutant) = self.mutant {
            mutant.change(&mut request);
        }
        if request.steps.is_empty() {
            self.inbox.push(Event::Disk(op, Ok(Vec::new())));
            return;
        }
        self.jobs.push_back(Job { op, request, at: 0, replies: Vec::new(), told: false });
        self.tell_early(self.jobs.len() - 1);
    }
}

/// Whether a step changes anything that a crash could find.
pub(super) fn changes(step: &DiskStep) -> bool {
    match step {
        DiskStep::List
        | DiskStep::Space
        | DiskStep::Read(_)
        | DiskStep::ReadAt { .. }
        | DiskStep::Scan(_)
        | DiskStep::ReadBatches { .. } => false,
        DiskStep::Create(_)
        | DiskStep::Zero { .. }
        | DiskStep::Reserve { .. }
        | DiskStep::Release { .. }
        | DiskStep::Write { .. }
        | DiskStep::Sync(_)
        | DiskStep::SyncDirectory
        | DiskStep::Rename { .. }
        | DiskStep::Remove(_) => true,
    }
}
