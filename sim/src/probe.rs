//! A broker on a copy of a disk, apart from the world and its time: to ask what would be read if it were started now.
//!
//! Disk work is done at once and in order; a deadline is reached by going there. Nothing fails here.

mod look;

use std::collections::{BTreeMap, VecDeque};

use bytes::Bytes;
use evenkeel_core::{
    Broker, Config,
    error_code::OFFSET_OUT_OF_RANGE,
    port::{
        AdminRequest, AdminResponse, ClientEvent, DiskReply, DiskStep, Effect, Event, Fault, FetchAnswer,
        FetchedPartition, FoundOffset as AnsweredOffset, GroupRequest, GroupResponse, ListedPartition, Now,
        ObjectRequest, ObjectResult, Request, Response,
    },
    state::{State, StoreLink, checkpoint},
    units::{ConnId, Instant, Lsn, OpId, Tag, Timestamp, TopicId},
};
use kafka_protocol::{
    messages::{
        CreateTopicsRequest, DescribeConfigsRequest, DescribeGroupsRequest, FetchRequest, GroupId,
        InitProducerIdRequest, ListOffsetsRequest, MetadataRequest, OffsetFetchRequest,
        create_topics_request::CreatableTopic,
        describe_configs_request::DescribeConfigsResource,
        fetch_request::{FetchPartition, FetchTopic},
        list_offsets_request::{ListOffsetsPartition, ListOffsetsTopic},
        offset_fetch_request::OffsetFetchRequestGroup,
    },
    protocol::StrBytes,
};

use crate::{
    batch,
    client::{text, topic_name},
    disk::SimDisk,
    ledger::{CHANGED, OffsetPlace, PartitionKey, given},
    reading::{FoundBatch, FoundGroup, FoundOffset, FoundPartition, FoundTopic, Reading},
    violation::{Violation, broken},
    world::{come_true, no_answer},
};

/// A connection that no client of the world has.
const PROBE: ConnId = ConnId(u64::MAX);
/// Deadlines that are gone to before a question counts as not answered.
const DEADLINES_MAX: u32 = 1000;

/// Steps of the disk after which a broker is taken to go in circles: it serves nobody from then on.
const STEPS_MAX: u64 = 1_000_000;

/// Disk work that was under way when the broker was copied.
#[derive(Clone, Debug)]
pub struct Underway {
    /// Its number.
    pub op: OpId,
    /// Steps not done yet.
    pub steps: Vec<DiskStep>,
    /// What the others gave.
    pub replies: Vec<DiskReply>,
}

/// How a probe's broker ended.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Ended {
    /// In order.
    Stopped,
    /// With a fault.
    Halted(Fault),
}

impl Ended {
    /// In words.
    #[must_use]
    pub fn words(&self) -> String {
        match self {
            Ended::Stopped => String::from("stopped by itself"),
            Ended::Halted(Fault::LogWrite(error)) => error.to_string(),
            Ended::Halted(Fault::Deposed(why)) => why.clone(),
            Ended::Halted(Fault::Refused(refusal)) => refusal.to_string(),
        }
    }
}

/// The broker, its disk, and what it said.
#[derive(Clone, Debug)]
pub struct Probe {
    broker: Broker,
    disk: SimDisk,
    now: Now,
    waiting: VecDeque<Underway>,
    calls: VecDeque<(OpId, ObjectRequest, Option<ObjectResult>)>,
    events: Vec<Event>,
    next_tag: u64,
    answers: BTreeMap<Tag, Response>,
    serves: bool,
    ended: Option<Ended>,
    /// Whether a stop left something that is not in the object store.
    unstored: bool,
    /// Requests to the disk, and to the object store, so far.
    requests: (u64, u64),
    deadline: Option<Instant>,
    /// Disk steps that may still be done.
    steps_left: u64,
    /// The object store gives no answer.
    store_away: bool,
}

impl Probe {
    /// Starts a broker on that disk and waits until it serves or has ended.
    #[must_use]
    pub fn boot(config: &Config, seed: u64, disk: SimDisk) -> Probe {
        Probe::boot_for(config, seed, disk, STEPS_MAX)
    }

    /// Starts a broker that is dead after so many steps of its disk.
    #[must_use]
    pub fn boot_for(config: &Config, seed: u64, disk: SimDisk, steps_left: u64) -> Probe {
        let mut effects = Vec::new();
        let broker = Broker::boot(config.clone(), seed, &mut effects);
        let now = Now { mono: Instant(1), wall: Timestamp(1_800_000_000_000) };
        let mut probe = Probe::around(broker, disk, now);
        probe.steps_left = steps_left;
        probe.carry_out(effects);
        probe.settle();
        probe
    }

    /// Starts a broker while the object store gives no answer, and waits for so long.
    #[must_use]
    pub fn boot_without_store(config: &Config, seed: u64, disk: SimDisk, micros: u64) -> Probe {
        let mut effects = Vec::new();
        let broker = Broker::boot(config.clone(), seed, &mut effects);
        let now = Now { mono: Instant(1), wall: Timestamp(1_800_000_000_000) };
        let mut probe = Probe::around(broker, disk, now);
        probe.store_away = true;
        probe.carry_out(effects);
        probe.settle();
        probe.wait(micros);
        probe
    }

    /// Goes on with a copy of a live broker. Answers of the world's clients are not kept.
    #[must_use]
    pub fn adopt(
        broker: Broker,
        disk: SimDisk,
        now: Now,
        waiting: Vec<Underway>,
        calls: Vec<(OpId, ObjectRequest, Option<ObjectResult>)>,
    ) -> Probe {
        let mut probe = Probe::around(broker, disk, now);
        probe.serves = probe.broker.serves();
        probe.waiting = waiting.into();
        probe.calls = calls.into();
        probe.settle();
        // The object store may be waited for.
        probe.go_on_until(|probe| probe.serves);
        probe
    }

    fn around(broker: Broker, disk: SimDisk, now: Now) -> Probe {
        Probe {
            broker,
            disk,
            now,
            waiting: VecDeque::new(),
            calls: VecDeque::new(),
            events: Vec::new(),
            next_tag: 0,
            answers: BTreeMap::new(),
            serves: false,
            ended: None,
            unstored: false,
            requests: (0, 0),
            deadline: None,
            steps_left: STEPS_MAX,
            store_away: false,
        }
    }

    /// Whether clients are served.
    #[must_use]
    pub fn serves(&self) -> bool {
        self.serves && self.ended.is_none()
    }

    /// How it ended, if it has.
    #[must_use]
    pub fn ended(&self) -> Option<&Ended> {
        self.ended.as_ref()
    }

    /// Its disk.
    #[must_use]
    pub fn disk(&self) -> &SimDisk {
        &self.disk
    }

    /// Its state.
    #[must_use]
    pub fn state(&self) -> Option<&State> {
        self.broker.state()
    }

    /// The state as bytes that are the same whenever it is, however often the broker was started in between.
    #[must_use]
    pub fn canonical(&self) -> Option<Vec<u8>> {
        canonical(&self.broker)
    }

    fn carry_out(&mut self, effects: Vec<Effect>) {
        for effect in effects {
            match effect {
                Effect::Reply(PROBE, tag, response) => {
                    self.answers.insert(tag, *response);
                }
                Effect::Reply(..) | Effect::Close(_) | Effect::Notice(_) => {}
                Effect::Disk(op, request) => {
                    self.requests.0 += 1;
                    self.waiting.push_back(Underway { op, steps: request.steps, replies: Vec::new() });
                }
                Effect::Object(op, request) => {
                    self.requests.1 += 1;
                    self.calls.push_back((op, *request, None));
                }
                Effect::Serve => self.serves = true,
                Effect::Stopped { unstored } => {
                    self.unstored = unstored;
                    self.ended = Some(Ended::Stopped);
                }
                Effect::Halt(fault) => self.ended = Some(Ended::Halted(fault)),
            }
        }
    }

    fn turn(&mut self) {
        let mut effects = Vec::new();
        let mut events = std::mem::take(&mut self.events);
        self.deadline = self.broker.turn(self.now, &mut events, &mut effects);
        self.carry_out(effects);
    }

    /// Until there is nothing to do at this time.
    fn settle(&mut self) {
        self.turn();
        while self.ended.is_none() {
            if let Some(call) = self.calls.pop_front() {
                self.now.mono.0 += 10;
                self.events.push(match self.store_away {
                    true => no_answer(call),
                    false => come_true(self.disk.store(), call),
                });
                self.turn();
                continue;
            }
            let Some(underway) = self.waiting.pop_front() else { return };
            let allowed = usize::try_from(self.steps_left).unwrap_or(usize::MAX).min(underway.steps.len());
            self.steps_left -= allowed as u64;
            let result = self.disk.perform(&underway.steps[..allowed]);
            if self.steps_left == 0 {
                return;
            }
            self.now.mono.0 += 10;
            let result = result.map(|replies| underway.replies.into_iter().chain(replies).collect());
            self.events.push(Event::Disk(underway.op, result));
            self.turn();
        }
    }

    /// Asks, and waits for the answer. `None`: there was none.
    pub fn ask(&mut self, version: i16, request: Request) -> Option<Response> {
        let tag = Tag(self.next_tag);
        self.next_tag += 1;
        let event = ClientEvent::Request { tag, version, request: Box::new(request) };
        self.events.push(Event::Client(PROBE, event));
        self.settle();
        self.go_on_until(|probe| probe.answers.contains_key(&tag));
        self.answers.remove(&tag)
    }

    /// From deadline to deadline until that is so, the broker has ended, or nothing is due any more.
    fn go_on_until(&mut self, done: impl Fn(&Probe) -> bool) {
        for _ in 0..DEADLINES_MAX {
            if done(self) || self.ended.is_some() || !self.go_on(Instant(u64::MAX)) {
                return;
            }
        }
    }

    /// To the next deadline. False if there is none up to that time.
    fn go_on(&mut self, upto: Instant) -> bool {
        let Some(deadline) = self.deadline.filter(|deadline| *deadline <= upto) else { return false };
        self.now.mono = self.now.mono.max(deadline);
        self.settle();
        true
    }

    /// Lets time pass, deadline by deadline.
    pub fn wait(&mut self, micros: u64) {
        let until = Instant(self.now.mono.0 + micros);
        while self.go_on(until) {}
        self.now.mono = self.now.mono.max(until);
    }

    /// What is only in the object store can be read once that has answered; a process may serve before.
    fn reach_store(&mut self) {
        let until = Instant(self.now.mono.0 + 60_000_000);
        while self.broker.recovery_point(self.now.mono).is_some()
            && self.broker.stored().is_none()
            && self.go_on(until)
        {}
    }

    /// Changes something, whatever is there: a topic of that name is created. False if it is refused.
    pub fn change(&mut self, name: &str) -> bool {
        let topic = CreatableTopic::default()
            .with_name(topic_name(name))
            .with_num_partitions(1)
            .with_replication_factor(-1);
        let request = CreateTopicsRequest::default().with_topics(vec![topic]);
        let answer = self.ask(7, Request::CreateTopics(request));
        matches!(answer, Some(Response::CreateTopics(told)) if told.topics.iter().all(|topic| topic.error_code == 0))
    }

    /// Stops in order. False if it does not.
    pub fn stop(&mut self) -> bool {
        self.events.push(Event::Stop);
        self.settle();
        // The object store may be waited for.
        self.wait(60_000_000);
        self.ended == Some(Ended::Stopped)
    }

    /// Reads everything, as fresh clients would.
    ///
    /// # Errors
    /// Something cannot be read.
    pub fn read_all(&mut self) -> Result<Reading, Violation> {
        let mut reading = Reading::default();
        // Before any time passes: sessions end.
        self.read_groups(&mut reading)?;
        self.reach_store();
        let Some(Response::Metadata(all)) =
            self.ask(12, Request::Metadata(MetadataRequest::default().with_topics(None)))
        else {
            return broken("stuck", "no answer to a metadata request");
        };
        for topic in &all.topics {
            let id = TopicId(*topic.topic_id.as_bytes());
            let name = topic.name.as_ref().map_or_else(String::new, |name| name.to_string());
            let partitions = i32::try_from(topic.partitions.len()).unwrap_or(i32::MAX);
            let epochs = topic.partitions.iter().map(|partition| partition.leader_epoch);
            reading.leader_epoch = reading.leader_epoch.max(epochs.max());
            for index in 0..partitions {
                let key = PartitionKey { topic: id, index };
                reading.partitions.insert(key, self.read_partition(key, &name)?);
            }
            reading.topics.insert(id, FoundTopic { name, partitions });
        }
        self.read_configs(&mut reading)?;
        if let Some(Response::InitProducerId(answer)) =
            self.ask(4, Request::InitProducerId(InitProducerIdRequest::default().with_transactional_id(None)))
        {
            reading.producer_id = Some(answer.producer_id.0);
        }
        Ok(reading)
    }

    /// Who is in each group, and what is committed.
    fn read_groups(&mut self, reading: &mut Reading) -> Result<(), Violation> {
        let known = self.state().into_iter().flat_map(State::groups);
        let known: Vec<(String, i32)> = known.map(|(id, group)| (id.to_string(), group.generation)).collect();
        for (id, generation) in known {
            let name = || GroupId(text(&id));
            let request = DescribeGroupsRequest::default().with_groups(vec![name()]);
            let Some(Response::Group(GroupResponse::Describe(told))) =
                self.ask(5, Request::Group(GroupRequest::Describe(request)))
            else {
                return broken("stuck", format!("no description of {id}"));
            };
            let Some(told) = told.groups.first() else {
                return broken("wrong-answer", format!("a description of {id} without the group"));
            };
            let members = told.members.iter();
            let members =
                members.map(|member| (member.member_id.to_string(), member.member_assignment.clone()));
            let state = told.group_state.to_string();
            reading.groups.insert(id.clone(), FoundGroup { state, generation, members: members.collect() });
            let all = OffsetFetchRequestGroup::default().with_group_id(name()).with_topics(None);
            let request = OffsetFetchRequest::default().with_groups(vec![all]);
            let Some(Response::Group(GroupResponse::OffsetFetch(told))) =
                self.ask(8, Request::Group(GroupRequest::OffsetFetch(request)))
            else {
                return broken("stuck", format!("nobody says what is committed for {id}"));
            };
            for topic in told.groups.iter().flat_map(|group| &group.topics) {
                for partition in &topic.partitions {
                    let (topic, index) = (topic.name.to_string(), partition.partition_index);
                    let place = OffsetPlace { group: id.clone(), topic, index };
                    let metadata = partition.metadata.as_ref().map_or_else(String::new, ToString::to_string);
                    let found = FoundOffset {
                        offset: partition.committed_offset,
                        leader_epoch: partition.committed_leader_epoch,
                        metadata,
                    };
                    reading.offsets.insert(place, found);
                }
            }
        }
        Ok(())
    }

    /// Which configs are given.
    fn read_configs(&mut self, reading: &mut Reading) -> Result<(), Violation> {
        let asked: Vec<(TopicId, String)> =
            reading.topics.iter().map(|(id, topic)| (*id, topic.name.clone())).collect();
        let resources = asked.iter().map(|(_, name)| ask_configs(name)).collect();
        let request = DescribeConfigsRequest::default().with_resources(resources);
        let Some(Response::Admin(AdminResponse::DescribeConfigs(answer))) =
            self.ask(4, Request::Admin(AdminRequest::DescribeConfigs(request)))
        else {
            return broken("stuck", "nobody says what the configs are");
        };
        for (at, (id, _)) in asked.iter().enumerate() {
            let given = given(&answer, at).or_else(|why| broken("wrong-answer", why))?;
            for (name, value) in given {
                reading.configs.extend(value.map(|value| ((*id, name.to_string()), value)));
            }
        }
        Ok(())
    }

    /// Where a partition begins.
    fn earliest(&mut self, key: PartitionKey, name: &str) -> Result<i64, Violation> {
        let answer = self.ask(7, Request::ListOffsets(list_offsets(key, name, EARLIEST)));
        match answer {
            Some(Response::ListOffsets(answer)) => {
                match answer.topics.first().map(|topic| &topic.partitions[..]) {
                    Some([ListedPartition { found: AnsweredOffset::At { offset, .. }, .. }]) => Ok(offset.0),
                    other => broken("unreadable", format!("{key:?} begins at {other:?}")),
                }
            }
            other => broken("stuck", format!("where {key:?} begins is answered with {other:?}")),
        }
    }

    /// What a fetch from there brings, without waiting.
    ///
    /// # Errors
    /// There is no answer.
    pub fn fetch_from(&mut self, key: PartitionKey, from: i64) -> Result<FetchedPartition, Violation> {
        let answer = self.ask(13, Request::Fetch(fetch(key, from, 1 << 20, 1 << 20, 0, 0)));
        let Some(Response::Fetch(FetchAnswer { error_code: 0, topics, .. })) = answer else {
            return broken("stuck", format!("no answer to a fetch of {key:?} from {from}"));
        };
        match topics.into_iter().next().and_then(|topic| topic.partitions.into_iter().next()) {
            Some(part) => Ok(part),
            None => broken("wrong-answer", format!("a fetch of {key:?} without the partition")),
        }
    }

    /// From its first offset on; records in front of that must be refused. The broker may let records go meanwhile.
    fn read_partition(&mut self, key: PartitionKey, name: &str) -> Result<FoundPartition, Violation> {
        let start = |probe: &Probe| log_start(&probe.broker, key);
        for _ in 0..DEADLINES_MAX {
            let before = start(self);
            let found = self.read_once(key, name);
            if start(self) == before {
                return found;
            }
        }
        broken("stuck", format!("the start of {key:?} moves on and on"))
    }

    fn read_once(&mut self, key: PartitionKey, name: &str) -> Result<FoundPartition, Violation> {
        let mut found = FoundPartition { log_start: self.earliest(key, name)?, ..FoundPartition::default() };
        if found.log_start > 0 {
            for from in [0, found.log_start - 1] {
                found.serves_deleted |= self.fetch_from(key, from)?.error_code != OFFSET_OUT_OF_RANGE;
            }
        }
        let mut next = found.log_start;
        loop {
            let part = self.fetch_from(key, next)?;
            if part.error_code != 0 {
                return broken("unreadable", format!("{key:?} from {next}: error {}", part.error_code));
            }
            if part.log_start_offset != found.log_start {
                let (told, start) = (part.log_start_offset, found.log_start);
                return broken(
                    "wrong-answer",
                    format!("{key:?} begins at {start}, and a fetch tells {told}"),
                );
            }
            found.high_watermark = part.high_watermark;
            if part.records.is_empty() {
                return Ok(found);
            }
            let Some(batches) = found_in(&part.records) else {
                return broken("damaged-read", format!("{key:?} from {next}: not whole, valid batches"));
            };
            next = batches.last().map_or(next, |batch| batch.header.last_offset().0 + 1);
            found.batches.extend(batches);
        }
    }
}

/// The batches in the slices of an answer. They need not end where a slice ends, but mostly do.
fn found_in(slices: &[Bytes]) -> Option<Vec<FoundBatch>> {
    fn each(bytes: &Bytes, into: &mut Vec<FoundBatch>) -> Option<()> {
        for (header, records) in batch::split(bytes)? {
            into.push(FoundBatch { header, records: bytes.slice_ref(records), op: batch::op_of(records) });
        }
        Some(())
    }
    let mut found = Vec::with_capacity(slices.len());
    if slices.iter().any(|slice| each(slice, &mut found).is_none()) {
        found.clear();
        each(&Bytes::from(slices.concat()), &mut found)?;
    }
    Some(found)
}

/// The timestamp that stands for the start of a partition.
pub(crate) const EARLIEST: i64 = -2;

/// Asks for one offset.
pub(crate) fn list_offsets(key: PartitionKey, name: &str, timestamp: i64) -> ListOffsetsRequest {
    let partition = ListOffsetsPartition::default()
        .with_partition_index(key.index)
        .with_current_leader_epoch(-1)
        .with_timestamp(timestamp);
    let topic = ListOffsetsTopic::default().with_name(topic_name(name)).with_partitions(vec![partition]);
    ListOffsetsRequest::default().with_topics(vec![topic])
}

/// Asks for those configs of a topic that clients change.
pub(crate) fn ask_configs(name: &str) -> DescribeConfigsResource {
    DescribeConfigsResource::default()
        .with_resource_type(2)
        .with_resource_name(text(name))
        .with_configuration_keys(Some(CHANGED.map(StrBytes::from_static_str).to_vec()))
}

/// A fetch of one partition without a session.
#[must_use]
pub fn fetch(
    key: PartitionKey,
    from: i64,
    max_bytes: i32,
    partition_max_bytes: i32,
    max_wait_ms: i32,
    min_bytes: i32,
) -> FetchRequest {
    FetchRequest::default()
        .with_max_wait_ms(max_wait_ms)
        .with_min_bytes(min_bytes)
        .with_max_bytes(max_bytes)
        .with_session_epoch(-1)
        .with_topics(vec![fetch_topic(key, from, partition_max_bytes)])
}

/// One partition, as a fetch asks for it.
#[must_use]
pub fn fetch_topic(key: PartitionKey, from: i64, partition_max_bytes: i32) -> FetchTopic {
    let partition = FetchPartition::default()
        .with_partition(key.index)
        .with_current_leader_epoch(-1)
        .with_fetch_offset(from)
        .with_last_fetched_epoch(-1)
        .with_log_start_offset(-1)
        .with_partition_max_bytes(partition_max_bytes);
    FetchTopic::default().with_topic_id(uuid::Uuid::from_bytes(key.topic.0)).with_partitions(vec![partition])
}

/// Where a partition begins, as the broker itself has it, and whether that is durable.
pub(crate) fn log_start(broker: &Broker, key: PartitionKey) -> Option<(i64, bool)> {
    let state = broker.state()?;
    let id = state.topic(key.topic)?.partition_id(key.index)?;
    let partition = state.partition(id)?;
    Some((partition.log_start.0, Some(partition.start_known) <= broker.durable()))
}

/// See [`Probe::canonical`].
#[must_use]
pub fn canonical(broker: &Broker) -> Option<Vec<u8>> {
    let mut state = broker.state()?.clone();
    state.epoch = evenkeel_core::units::Epoch(0);
    if state.store.lineage != 0 {
        // Cuts go on by themselves, and the log is trimmed behind them.
        state.store = StoreLink::default();
        state.log_floor = evenkeel_core::units::SegmentSequence(0);
    }
    Some(checkpoint::encode(&state, Lsn(0)))
}
