//! A life of a broker as the fuzzer plans it: topics and their configs, batches, deletions, groups and their commits, rolls, stops,
//! crashes anywhere, recoveries. Every fault in it is one that loses nothing that was acknowledged, so after each the broker
//! must serve exactly what it had made durable.

use std::{
    collections::{BTreeMap, BTreeSet},
    time::Duration,
};

use evenkeel_core::{
    port::{Request, Response},
    units::{Lsn, Tag},
};

use crate::{
    batch::{self, Sequenced, numbered},
    changes::{self, Members, Who},
    choices::Choices,
    memory_disk::{Image, MemoryDisk},
    requests,
    told::assert_told,
    truth::{Contents, Truth},
    world::{World, small},
};

/// Steps of the longest life.
const STEPS_MAX: usize = 64;
/// Answers waited for at once.
const WAITING_MAX: usize = 12;
const TOPICS: [&str; 3] = ["a", "b", "c"];

/// A batch of an idempotent producer is stored once, however often it was sent.
///
/// # Panics
/// One is there twice: a finding.
fn assert_stored_once(contents: &Contents) {
    for (topic, partitions) in contents {
        for (index, bytes) in partitions.iter().enumerate() {
            let batches = batch::split(bytes).expect("whole batches are written");
            let idempotent = batches.iter().filter(|(header, _)| header.is_idempotent());
            let mut seen = BTreeSet::new();
            for (header, records) in idempotent {
                assert!(
                    seen.insert(*records),
                    "{topic}-{index}: twice, again at offset {}",
                    header.base_offset
                );
            }
        }
    }
}

/// What is not answered yet.
#[derive(Clone, Debug)]
enum Waiting {
    Batch(batch::Numbered),
    Change {
        request: Box<Request>,
        /// One of the members; `None`: an operator.
        who: Option<Who>,
        /// Everything below was durable when it was asked for.
        since: Lsn,
    },
}

/// A broker's life until now.
#[derive(Debug)]
pub struct Life {
    /// The broker.
    pub world: World,
    /// What the disk held at each start, oldest first.
    pub past: Vec<Image>,
    waiting: Vec<(Tag, Waiting)>,
    members: Members,
    numbers: u64,
    producer: Option<i64>,
    sequences: BTreeMap<(usize, i32), i32>,
    last: Option<(usize, i32, batch::Numbered)>,
    /// For a crash that is armed: whether the power goes too.
    power: Option<u64>,
}

impl Life {
    /// Lives as chosen, up to the end of the choices.
    ///
    /// # Panics
    /// A promise is broken: a finding.
    #[must_use]
    pub fn lived(choices: &mut Choices<'_>) -> Life {
        let config = small(choices.of(&[16 << 10, 24 << 10, 64 << 10]));
        let world = World::boot(MemoryDisk::default(), config, Some(Truth::default()));
        assert!(world.serving, "{:?}", world.fault);
        let mut life = Life {
            past: vec![world.disk.image()],
            world,
            waiting: Vec::new(),
            members: Members::default(),
            numbers: 0,
            producer: None,
            sequences: BTreeMap::new(),
            last: None,
            power: None,
        };
        for _ in 0..STEPS_MAX {
            if choices.is_over() {
                break;
            }
            life.step(choices);
            life.check_answers();
            life.recover_if_crashed();
        }
        let truth = life.world.truth.as_ref().expect("a life is taken down");
        assert_stored_once(&truth.contents(truth.upto()));
        life
    }

    fn step(&mut self, choices: &mut Choices<'_>) {
        let step = choices.byte();
        if step >= changes::FROM {
            self.change(step, choices);
            return;
        }
        match step % 16 {
            0..=3 => self.produce(choices, false),
            4 | 5 => self.produce(choices, true),
            6 => self.retry(),
            7 => self.ask(requests::create(choices.of(&TOPICS), choices.of(&[1, 2, 3])), None),
            8 => self.ask(requests::delete(choices.of(&TOPICS)), None),
            9 => self.world.pass(Duration::from_millis(choices.of(&[11, 0, 1, 5, 1000]))),
            10 => self.world.hold_log = true,
            11 => self.world.release_log(),
            12 => {
                self.world.stop();
                self.check_answers();
                assert!(self.world.stopped || self.world.disk.crashed(), "an idle broker stops");
                self.restart(None);
            }
            13 => self.restart(None),
            14 => {
                let power = choices.byte();
                self.power = (power & 1 == 1).then_some(u64::from(power));
                // Mostly in the next write or the sync behind it.
                let (near, calls) = (choices.byte(), choices.byte());
                let calls = if near.is_multiple_of(4) { calls % 32 } else { near / 4 % 3 };
                self.world.disk.arm(u32::from(calls), u64::from(choices.byte()));
            }
            15 => {
                let seed = choices.u16();
                self.restart(Some(u64::from(seed)));
            }
            _ => unreachable!("16 steps"),
        }
    }

    /// What operators and members of groups do; or time passes, long enough for members to be missed and commits to expire.
    fn change(&mut self, kind: u8, choices: &mut Choices<'_>) {
        match self.members.request(kind, choices, &TOPICS) {
            Some((request, who)) => self.ask(request, Some(who)),
            None => self.world.pass(Duration::from_millis(choices.of(&[6, 6_000, 21_000, 700_000]))),
        }
    }

    fn ask(&mut self, request: Request, who: Option<Who>) {
        let since = self.world.durable;
        let tag = self.world.send(request.clone());
        self.waiting.push((tag, Waiting::Change { request: Box::new(request), who, since }));
    }

    fn produce(&mut self, choices: &mut Choices<'_>, idempotent: bool) {
        let (topic, index) = (choices.below(TOPICS.len()), choices.of(&[0, 1, 2]));
        let (count, filling) = (choices.of(&[1, 2, 7]), choices.of(&[0, 100, 3000, 4096, 9000]));
        let mut by = None;
        if idempotent {
            if self.producer.is_none() {
                self.ask_producer_id();
            }
            let Some(producer) = self.producer else { return };
            let sequence = self.sequences.entry((topic, index)).or_default();
            by = Some(Sequenced { producer, first: *sequence });
            *sequence += count;
        }
        let filling = filling.min(usize::try_from(self.message_bytes_max()).expect("small") - 100);
        self.numbers += 1;
        let batch = batch::Numbered { number: self.numbers, count, filling, by };
        if idempotent {
            self.last = Some((topic, index, batch));
        }
        self.send(topic, index, batch);
    }

    fn message_bytes_max(&self) -> u32 {
        self.world.config().message_bytes_max
    }

    fn send(&mut self, topic: usize, index: i32, batch: batch::Numbered) {
        if self.waiting.len() >= WAITING_MAX {
            self.world.release_log();
        }
        let request = requests::produce(TOPICS[topic], index, -1, numbered(batch));
        let tag = self.world.send(request);
        self.waiting.push((tag, Waiting::Batch(batch)));
    }

    /// The last idempotent batch once more, whether or not it was answered.
    fn retry(&mut self) {
        if let Some((topic, index, batch)) = self.last {
            self.send(topic, index, batch);
        }
    }

    fn ask_producer_id(&mut self) {
        let tag = self.world.send(requests::producer_id());
        if let Some(Response::InitProducerId(response)) = self.world.reply(tag) {
            assert_eq!(response.error_code, 0, "{response:?}");
            self.producer = Some(response.producer_id.0);
        }
    }

    /// What is acknowledged is in the log, and durable; a batch at that offset.
    fn check_answers(&mut self) {
        let mut next = Vec::new();
        let truth = self.world.truth.take().expect("a life is taken down");
        for (tag, waiting) in std::mem::take(&mut self.waiting) {
            let Some(response) = self.world.reply(tag) else {
                self.waiting.push((tag, waiting));
                continue;
            };
            match waiting {
                Waiting::Batch(sent) => self.check_batch(sent, &response, &truth),
                Waiting::Change { request, who, since } => {
                    assert_told(&truth, since, self.world.durable, &request, &response);
                    let asks = who.and_then(|who| Some((self.members.answered(who, &response)?, Some(who))));
                    next.extend(asks);
                }
            }
        }
        self.world.truth = Some(truth);
        for (request, who) in next {
            self.ask(request, who);
        }
    }

    fn check_batch(&self, sent: batch::Numbered, response: &Response, truth: &Truth) {
        let Response::Produce(response) = response else { panic!("a produce was sent: {response:?}") };
        let answer = &response.responses[0].partition_responses[0];
        if answer.error_code == 0 {
            let place = truth.find(&answer.base_offset.to_be_bytes(), &numbered(sent).records);
            assert!(
                place.is_some_and(|lsn| lsn < self.world.durable),
                "{sent:?} was acknowledged at offset {} and is at {place:?}, durable up to {}",
                answer.base_offset,
                self.world.durable
            );
        }
    }

    fn recover_if_crashed(&mut self) {
        if self.world.disk.crashed() {
            self.restart(self.power);
        }
    }

    /// A new process, after a power cut or not. A crash that is still to come may fall into its recovery.
    fn restart(&mut self, power: Option<u64>) {
        self.waiting.clear();
        let (mut power, mut armed) = (power, self.world.disk.armed());
        loop {
            if let Some(seed) = power {
                self.world.disk.cut(seed);
            }
            self.past.push(self.world.disk.image());
            self.world.disk.restart();
            if let Some((calls, tear)) = armed.take() {
                self.world.disk.arm(calls, tear);
            }
            self.world.reboot();
            if !self.world.disk.crashed() {
                break;
            }
            power = self.power;
        }
        self.world.disk.restart();
        assert!(self.world.serving, "nothing is damaged: {:?}", self.world.fault);
        let truth = self.world.truth.clone().expect("a life is taken down");
        self.world.assert_serves(&truth, truth.upto());
        self.world.assert_state(&truth);
    }
}

#[cfg(test)]
pub(crate) mod tests;
