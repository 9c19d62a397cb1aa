//! A broker on a disk in memory, driven turn by turn. Every `(now, events)` is recorded, with the effects it gave.

use std::{
    collections::{BTreeMap, VecDeque},
    sync::Mutex,
    time::Duration,
};

use bytes::Bytes;
use evenkeel_core::{
    Broker, ClientEvent, Config, Effect, Event, Now,
    port::{
        Disk, DiskError, DiskErrorKind, DiskRequest, Fault, FetchAnswer, FileEntry, FileName, FoundOffset,
        Lane, ObjectEntry, ObjectError, ObjectErrorKind, ObjectKind, ObjectStore, ProduceIntake,
        ProducePartition, ProduceTopic, Request, Response, Space, perform,
    },
    store::{self, ObjectKey},
    units::{ConnId, Instant, Offset, OpId, ProducerId, Tag, Timestamp, TopicId},
    wire::batch::{Batch, BatchHeader, CRC_COVERS_FROM, HEADER_BYTES, LENGTH_OVERHEAD},
};
use kafka_protocol::{
    messages::{
        CreateTopicsRequest, CreateTopicsResponse, DeleteTopicsRequest, FetchRequest, InitProducerIdRequest,
        ListOffsetsRequest, MetadataRequest, MetadataResponse, ProduceResponse, TopicName,
        create_topics_request::CreatableTopic,
        create_topics_request::CreatableTopicConfig,
        fetch_request::{FetchPartition, FetchTopic},
        list_offsets_request::{ListOffsetsPartition, ListOffsetsTopic},
        metadata_request::MetadataRequestTopic,
    },
    protocol::StrBytes,
};

/// From, to, and what had that name before.
type Renamed = (FileName, FileName, Option<Vec<u8>>);

/// Files in memory. Writes are there at once; a crash is a clone.
#[derive(Default)]
pub(crate) struct Memory {
    files: Mutex<BTreeMap<FileName, Vec<u8>>>,
    /// While set, no file grows beyond that.
    full: Mutex<Option<u64>>,
    /// Renames since the directory was synced.
    renamed: Mutex<Vec<Renamed>>,
    /// While set, no file can be removed.
    pub(crate) stuck: Mutex<bool>,
}

impl Clone for Memory {
    fn clone(&self) -> Memory {
        let renamed = self.renamed.lock().expect("no test panics with it").clone();
        Memory {
            files: Mutex::new(self.with(|files| files.clone())),
            renamed: Mutex::new(renamed),
            ..Memory::default()
        }
    }
}

fn not_found(file: FileName) -> DiskError {
    DiskError { kind: DiskErrorKind::NotFound, file: Some(file), detail: String::from("not there") }
}

impl Memory {
    pub(crate) fn with<T>(&self, change: impl FnOnce(&mut BTreeMap<FileName, Vec<u8>>) -> T) -> T {
        change(&mut self.files.lock().expect("no test panics with it"))
    }

    pub(crate) fn fill(&self, full: bool) {
        *self.full.lock().expect("no test panics with it") = full.then_some(0);
    }

    /// Files of that size fit, larger ones do not.
    pub(crate) fn leave_room(&self, bytes: u64) {
        *self.full.lock().expect("no test panics with it") = Some(bytes);
    }

    /// The power fails, and one rename is lost. `None`: so many are not open.
    pub(crate) fn lose_rename(mut self, at: usize) -> Option<Memory> {
        let renamed = std::mem::take(self.renamed.get_mut().expect("no test panics with it"));
        let (from, to, before) = renamed.into_iter().nth(at)?;
        self.with(|files| {
            let moved = files.remove(&to).expect("nothing was done to it since");
            files.insert(from, moved);
            files.extend(before.map(|bytes| (to, bytes)));
        });
        Some(self)
    }

    pub(crate) fn names(&self) -> Vec<FileName> {
        self.with(|files| files.keys().copied().collect())
    }
}

impl Disk for Memory {
    fn space(&self) -> Result<Space, DiskError> {
        if *self.stuck.lock().expect("no test panics with it") {
            return Err(DiskError { kind: DiskErrorKind::Failed, file: None, detail: String::from("EIO") });
        }
        let used = self.with(|files| files.values().map(|bytes| bytes.len() as u64).sum::<u64>());
        Ok(Space { total: MEMORY_BYTES, usable: MEMORY_BYTES - used })
    }
    fn list(&self) -> Result<Vec<FileEntry>, DiskError> {
        Ok(self.with(|files| {
            // A directory has no order.
            let files = files.iter().rev();
            files.map(|(file, bytes)| FileEntry { file: *file, len: bytes.len() as u64 }).collect()
        }))
    }
    fn read_at(&self, file: FileName, position: u64, into: &mut [u8]) -> Result<usize, DiskError> {
        self.with(|files| {
            let bytes = files.get(&file).ok_or_else(|| not_found(file))?;
            let from = bytes.get(position as usize..).unwrap_or(&[]);
            let len = from.len().min(into.len());
            into[..len].copy_from_slice(&from[..len]);
            Ok(len)
        })
    }
    fn len(&self, file: FileName) -> Result<u64, DiskError> {
        self.with(|files| files.get(&file).map(|bytes| bytes.len() as u64).ok_or_else(|| not_found(file)))
    }
    fn create(&self, file: FileName) -> Result<(), DiskError> {
        self.with(|files| files.insert(file, Vec::new()));
        Ok(())
    }
    fn zero(&self, file: FileName, len: u64) -> Result<(), DiskError> {
        if self.full.lock().expect("no test panics with it").is_some_and(|room| len > room) {
            let detail = String::from("No space left on device");
            return Err(DiskError { kind: DiskErrorKind::Full, file: Some(file), detail });
        }
        self.with(|files| files.get_mut(&file).map(|bytes| bytes.resize(len as usize, 0)));
        Ok(())
    }
    fn release(&self, file: FileName, from: u64) {
        self.with(|files| {
            if let Some(behind) = files.get_mut(&file).and_then(|bytes| bytes.get_mut(from as usize..)) {
                behind.fill(0);
            }
        });
    }
    fn write_at(&self, file: FileName, position: u64, data: &[Bytes]) -> Result<(), DiskError> {
        self.with(|files| {
            let bytes = files.get_mut(&file).ok_or_else(|| not_found(file))?;
            let mut at = position as usize;
            for slice in data {
                if bytes.len() < at + slice.len() {
                    bytes.resize(at + slice.len(), 0);
                }
                bytes[at..at + slice.len()].copy_from_slice(slice);
                at += slice.len();
            }
            Ok(())
        })
    }
    fn sync(&self, _: FileName) -> Result<(), DiskError> {
        Ok(())
    }
    fn sync_directory(&self) -> Result<(), DiskError> {
        self.renamed.lock().expect("no test panics with it").clear();
        Ok(())
    }
    fn rename(&self, from: FileName, to: FileName) -> Result<(), DiskError> {
        let before = self.with(|files| {
            let bytes = files.remove(&from).ok_or_else(|| not_found(from))?;
            Ok(files.insert(to, bytes))
        })?;
        self.renamed.lock().expect("no test panics with it").push((from, to, before));
        Ok(())
    }
    fn remove(&self, file: FileName) -> Result<(), DiskError> {
        if *self.stuck.lock().expect("no test panics with it") {
            let detail = String::from("Device or resource busy");
            return Err(DiskError { kind: DiskErrorKind::Failed, file: Some(file), detail });
        }
        self.with(|files| files.remove(&file));
        Ok(())
    }
}

/// Objects in memory.
#[derive(Default)]
pub(crate) struct Shelf {
    objects: Mutex<BTreeMap<ObjectKey, Bytes>>,
    /// While set, nothing is answered, and nothing is done.
    pub(crate) down: Mutex<bool>,
    /// So many creations are done and reported as failed.
    pub(crate) silent: Mutex<u32>,
    pub(crate) requests: Mutex<u64>,
}

impl Clone for Shelf {
    fn clone(&self) -> Shelf {
        Shelf { objects: Mutex::new(self.with(|objects| objects.clone())), ..Shelf::default() }
    }
}

fn object_error(kind: ObjectErrorKind, key: Option<ObjectKey>) -> ObjectError {
    ObjectError { kind, key, detail: String::from("as told") }
}

impl Shelf {
    pub(crate) fn with<T>(&self, change: impl FnOnce(&mut BTreeMap<ObjectKey, Bytes>) -> T) -> T {
        change(&mut self.objects.lock().expect("no test panics with it"))
    }

    pub(crate) fn set_down(&self, down: bool) {
        *self.down.lock().expect("no test panics with it") = down;
    }

    fn look(&self, key: Option<ObjectKey>) -> Result<(), ObjectError> {
        *self.requests.lock().expect("no test panics with it") += 1;
        let down = *self.down.lock().expect("no test panics with it");
        if down { Err(object_error(ObjectErrorKind::Unknown, key)) } else { Ok(()) }
    }
}

impl ObjectStore for Shelf {
    fn create(&self, key: ObjectKey, data: &[Bytes]) -> Result<(), ObjectError> {
        self.look(Some(key))?;
        let taken = self.with(|objects| {
            let taken = objects.contains_key(&key);
            objects.entry(key).or_insert_with(|| Bytes::from(data.concat()));
            taken
        });
        let mut silent = self.silent.lock().expect("no test panics with it");
        if *silent > 0 {
            *silent -= 1;
            return Err(object_error(ObjectErrorKind::Unknown, Some(key)));
        }
        if taken { Err(object_error(ObjectErrorKind::Exists, Some(key))) } else { Ok(()) }
    }
    fn read_at(&self, key: ObjectKey, from: u64, len: u64) -> Result<Bytes, ObjectError> {
        let bytes = self.read(key, u64::MAX)?;
        let end = bytes.len() as u64;
        Ok(bytes.slice(from.min(end) as usize..(from + len).min(end) as usize))
    }
    fn read(&self, key: ObjectKey, bytes_max: u64) -> Result<Bytes, ObjectError> {
        self.look(Some(key))?;
        let found = self.with(|objects| objects.get(&key).cloned());
        let bytes = found.ok_or_else(|| object_error(ObjectErrorKind::NotFound, Some(key)))?;
        assert!(bytes.len() as u64 <= bytes_max);
        Ok(bytes)
    }
    fn list(&self, kind: ObjectKind, after: Option<ObjectKey>) -> Result<Vec<ObjectEntry>, ObjectError> {
        self.look(None)?;
        let folder = format!("{}/", kind.folder());
        Ok(self.with(|objects| {
            let ours = objects.iter().filter(|(key, _)| {
                key.to_string().starts_with(&folder) && after.is_none_or(|after| **key > after)
            });
            ours.map(|(key, bytes)| ObjectEntry { key: *key, len: bytes.len() as u64 }).collect()
        }))
    }
    fn remove(&self, key: ObjectKey) -> Result<(), ObjectError> {
        self.look(Some(key))?;
        self.with(|objects| objects.remove(&key));
        Ok(())
    }
}

/// Size of the disk.
pub(crate) const MEMORY_BYTES: u64 = 1 << 30;

/// One turn: what went in and what came out.
pub(crate) type Recorded = (Now, Vec<Event>, Vec<Effect>);

/// A broker and its world.
pub(crate) struct Rig {
    pub(crate) broker: Broker,
    pub(crate) disk: Memory,
    pub(crate) store: Shelf,
    /// Whether the stop left something out of the store.
    pub(crate) unstored: bool,
    pub(crate) config: Config,
    pub(crate) seed: u64,
    pub(crate) now: Now,
    pub(crate) replies: Vec<(ConnId, Tag, Response)>,
    pub(crate) closed: Vec<ConnId>,
    pub(crate) notices: Vec<String>,
    pub(crate) serving: bool,
    /// Clients take their answers.
    pub(crate) takes: bool,
    pub(crate) stopped: bool,
    pub(crate) fault: Option<Fault>,
    /// What is asked of this lane is taken and does not complete.
    pub(crate) holds: Option<Lane>,
    pub(crate) held: VecDeque<(OpId, DiskRequest)>,
    pub(crate) recorded: Vec<Recorded>,
    pub(crate) deadline: Option<Instant>,
    next_tag: u64,
}

pub(crate) fn small() -> Config {
    Config { segment_bytes: 64 << 10, message_bytes_max: 20_000, cache_bytes: 8 << 10, ..Config::default() }
}

impl Rig {
    pub(crate) fn new(config: Config) -> Rig {
        Rig::on(Memory::default(), config)
    }

    /// Boots on what is there and runs until nothing is left to do.
    pub(crate) fn on(disk: Memory, config: Config) -> Rig {
        Rig::with_store(disk, Shelf::default(), config)
    }

    /// The same, with an object store.
    pub(crate) fn with_store(disk: Memory, store: Shelf, config: Config) -> Rig {
        let seed = 7 + disk.names().len() as u64 + 100 * store.with(|objects| objects.len()) as u64;
        let mut effects = Vec::new();
        let broker = Broker::boot(config.clone(), seed, &mut effects);
        let mut rig = Rig {
            broker,
            disk,
            store,
            unstored: false,
            config,
            seed,
            now: Now { mono: Instant(0), wall: Timestamp(1_700_000_000_000) },
            replies: Vec::new(),
            closed: Vec::new(),
            notices: Vec::new(),
            serving: false,
            takes: true,
            stopped: false,
            fault: None,
            holds: None,
            held: VecDeque::new(),
            recorded: Vec::new(),
            deadline: None,
            next_tag: 0,
        };
        let events = rig.carry_out(effects);
        rig.feed(events);
        rig
    }

    fn carry_out(&mut self, effects: Vec<Effect>) -> Vec<Event> {
        let mut events = Vec::new();
        for effect in effects {
            match effect {
                Effect::Reply(conn, tag, response) => {
                    if self.takes && response.is_reported() {
                        events.push(Event::Client(conn, ClientEvent::Taken { last: tag }));
                    }
                    self.replies.push((conn, tag, *response));
                }
                Effect::Close(conn) => self.closed.push(conn),
                Effect::Disk(op, request) if self.holds == Some(request.lane) => {
                    self.held.push_back((op, request));
                }
                Effect::Disk(op, request) => {
                    events.push(Event::Disk(op, perform(&self.disk, &request.steps)))
                }
                Effect::Object(op, request) => {
                    events.push(Event::Object(op, store::perform(&self.store, &request)));
                }
                Effect::Notice(notice) => self.notices.push(notice.text),
                Effect::Serve => self.serving = true,
                Effect::Stopped { unstored } => {
                    self.stopped = true;
                    self.unstored = unstored;
                }
                Effect::Halt(fault) => self.fault = Some(fault),
            }
        }
        events
    }

    /// Turns until the world is quiet.
    pub(crate) fn feed(&mut self, mut events: Vec<Event>) {
        loop {
            self.now.mono = Instant(self.now.mono.0 + 10);
            let mut effects = Vec::new();
            let given = events.clone();
            self.deadline = self.broker.turn(self.now, &mut events, &mut effects);
            assert!(events.is_empty());
            self.recorded.push((self.now, given, effects.clone()));
            events = self.carry_out(effects);
            if events.is_empty() {
                return;
            }
        }
    }

    /// Lets time pass, timers included.
    pub(crate) fn pass(&mut self, time: Duration) {
        let end = self.now.mono.after(time);
        while let Some(deadline) = self.deadline
            && deadline <= end
        {
            self.move_to(deadline);
            self.feed(Vec::new());
        }
        self.move_to(end);
    }

    fn move_to(&mut self, at: Instant) {
        let millis = |at: Instant| (at.0 / 1000).cast_signed();
        let before = millis(self.now.mono);
        self.now.mono = self.now.mono.max(at);
        self.now.wall = Timestamp(self.now.wall.0 + millis(self.now.mono) - before);
    }

    /// Log writes are taken and do not complete.
    pub(crate) fn hold_log(&mut self) {
        self.holds = Some(Lane::Log);
    }

    /// Carries out what was held.
    pub(crate) fn release(&mut self) {
        self.holds = None;
        while let Some((op, request)) = self.held.pop_front() {
            let done = Event::Disk(op, perform(&self.disk, &request.steps));
            self.feed(vec![done]);
        }
    }

    pub(crate) fn send(&mut self, conn: u64, version: i16, request: Request) -> Tag {
        let tag = Tag(self.next_tag);
        self.next_tag += 1;
        let event = ClientEvent::Request { tag, version, request: Box::new(request) };
        self.feed(vec![Event::Client(ConnId(conn), event)]);
        tag
    }

    pub(crate) fn reply(&mut self, tag: Tag) -> Option<Response> {
        let at = self.replies.iter().position(|(_, known, _)| *known == tag)?;
        Some(self.replies.remove(at).2)
    }

    pub(crate) fn ask(&mut self, version: i16, request: Request) -> Response {
        let tag = self.send(1, version, request);
        self.reply(tag).expect("answered at once")
    }

    /// Kill and start again.
    pub(crate) fn crash(self) -> Rig {
        Rig::with_store(self.disk, self.store, self.config)
    }

    pub(crate) fn stop(mut self) -> Rig {
        self.feed(vec![Event::Stop]);
        assert!(self.stopped, "an idle broker stops at once");
        self
    }
}

/// A batch with `count` records of `fill` bytes each; not real records: core never looks inside.
pub(crate) fn batch(count: i32, fill: usize, byte: u8, timestamp: i64) -> Batch {
    producer_batch(count, fill, byte, timestamp, -1, -1, -1)
}

pub(crate) fn producer_batch(
    count: i32,
    fill: usize,
    byte: u8,
    timestamp: i64,
    producer: i64,
    epoch: i16,
    sequence: i32,
) -> Batch {
    let records = vec![byte; fill * count as usize];
    let mut header = BatchHeader {
        base_offset: Offset(0),
        batch_length: i32::try_from(HEADER_BYTES + records.len() - LENGTH_OVERHEAD).expect("small"),
        leader_epoch: -1,
        magic: 2,
        crc: 0,
        attributes: 0,
        last_offset_delta: count - 1,
        base_timestamp: Timestamp(timestamp),
        max_timestamp: Timestamp(timestamp),
        producer_id: ProducerId(producer),
        producer_epoch: epoch,
        base_sequence: sequence,
        record_count: count,
    };
    let mut bytes = header.encode().to_vec();
    bytes.extend_from_slice(&records);
    header.crc = crc32c::crc32c(&bytes[CRC_COVERS_FROM..]);
    Batch { header, records: Bytes::from(records) }
}

fn topic_name(name: &str) -> TopicName {
    TopicName(StrBytes::from_string(name.to_string()))
}

impl Rig {
    pub(crate) fn create(
        &mut self,
        name: &str,
        partitions: i32,
        configs: &[(&str, &str)],
    ) -> CreateTopicsResponse {
        let configs = configs.iter().map(|(name, value)| {
            CreatableTopicConfig::default()
                .with_name(StrBytes::from_string((*name).to_string()))
                .with_value(Some(StrBytes::from_string((*value).to_string())))
        });
        let topic = CreatableTopic::default()
            .with_name(topic_name(name))
            .with_num_partitions(partitions)
            .with_replication_factor(-1)
            .with_configs(configs.collect());
        match self.ask(7, Request::CreateTopics(CreateTopicsRequest::default().with_topics(vec![topic]))) {
            Response::CreateTopics(response) => response,
            other => panic!("{other:?}"),
        }
    }

    pub(crate) fn delete(&mut self, name: &str) {
        let tag = self.send(1, 5, Rig::delete_request(name));
        match self.reply(tag).expect("answered at once") {
            Response::DeleteTopics(response) => assert_eq!(response.responses[0].error_code, 0),
            other => panic!("{other:?}"),
        }
    }

    pub(crate) fn delete_request(name: &str) -> Request {
        Request::DeleteTopics(DeleteTopicsRequest::default().with_topic_names(vec![topic_name(name)]))
    }

    pub(crate) fn metadata(&mut self, name: &str) -> MetadataResponse {
        let topic = MetadataRequestTopic::default().with_name(Some(topic_name(name)));
        let request =
            MetadataRequest::default().with_topics(Some(vec![topic])).with_allow_auto_topic_creation(true);
        match self.ask(12, Request::Metadata(request)) {
            Response::Metadata(response) => response,
            other => panic!("{other:?}"),
        }
    }

    pub(crate) fn produce_request(topic: &str, partition: i32, acks: i16, batch: Batch) -> Request {
        Request::Produce(ProduceIntake {
            transactional_id: None,
            acks,
            request_bytes: 0,
            topics: vec![ProduceTopic {
                name: topic_name(topic),
                id: TopicId::NONE,
                partitions: vec![ProducePartition { index: partition, batch: Ok(batch) }],
            }],
        })
    }

    /// Nothing more can be written: the disk gives no room, and what the log had left is used up in that partition.
    pub(crate) fn use_up_room(&mut self, topic: &str, partition: i32) {
        self.disk.fill(true);
        while self.produce(topic, partition, batch(1, 10_000, 1, 5)).0 == 0 {}
    }

    /// Error code and base offset.
    pub(crate) fn produce(&mut self, topic: &str, partition: i32, batch: Batch) -> (i16, i64) {
        match self.ask(11, Rig::produce_request(topic, partition, -1, batch)) {
            Response::Produce(response) => outcome(&response),
            other => panic!("{other:?}"),
        }
    }

    pub(crate) fn fetch_request(topic: &str, partition: i32, offset: i64, wait_ms: i32) -> FetchRequest {
        let partition = FetchPartition::default()
            .with_partition(partition)
            .with_fetch_offset(offset)
            .with_current_leader_epoch(-1)
            .with_partition_max_bytes(1 << 20);
        FetchRequest::default()
            .with_max_wait_ms(wait_ms)
            .with_min_bytes(1)
            .with_max_bytes(10 << 20)
            .with_session_epoch(-1)
            .with_topics(vec![
                FetchTopic::default().with_topic(topic_name(topic)).with_partitions(vec![partition]),
            ])
    }

    pub(crate) fn fetch(&mut self, topic: &str, partition: i32, offset: i64) -> FetchAnswer {
        match self.ask(11, Request::Fetch(Rig::fetch_request(topic, partition, offset, 0))) {
            Response::Fetch(answer) => answer,
            other => panic!("{other:?}"),
        }
    }

    /// All batches of a partition: base offset, count, first record byte, leader epoch.
    pub(crate) fn read_all(&mut self, topic: &str, partition: i32) -> Vec<(i64, i32, u8, i32)> {
        self.read_from(topic, partition, 0)
    }

    pub(crate) fn read_from(
        &mut self,
        topic: &str,
        partition: i32,
        mut offset: i64,
    ) -> Vec<(i64, i32, u8, i32)> {
        let mut found = Vec::new();
        loop {
            let answer = self.fetch(topic, partition, offset);
            let fetched = &answer.topics[0].partitions[0];
            assert_eq!(fetched.error_code, 0);
            let bytes: Vec<u8> = fetched.records.iter().flat_map(|slice| slice.to_vec()).collect();
            if bytes.is_empty() {
                return found;
            }
            let mut rest = &bytes[..];
            while !rest.is_empty() {
                let header = BatchHeader::parse(rest[..HEADER_BYTES].try_into().expect("whole"));
                let len = header.batch_length as usize + LENGTH_OVERHEAD;
                assert_eq!(crc32c::crc32c(&rest[CRC_COVERS_FROM..len]), header.crc);
                found.push((
                    header.base_offset.0,
                    header.record_count,
                    rest[HEADER_BYTES],
                    header.leader_epoch,
                ));
                offset = header.last_offset().0 + 1;
                rest = &rest[len..];
            }
        }
    }

    pub(crate) fn list_request(topic: &str, partition: i32, timestamp: i64) -> ListOffsetsRequest {
        let partition = ListOffsetsPartition::default()
            .with_partition_index(partition)
            .with_current_leader_epoch(-1)
            .with_timestamp(timestamp);
        ListOffsetsRequest::default().with_topics(vec![
            ListOffsetsTopic::default().with_name(topic_name(topic)).with_partitions(vec![partition]),
        ])
    }

    pub(crate) fn list_offset(&mut self, topic: &str, partition: i32, timestamp: i64) -> FoundOffset {
        match self.ask(7, Request::ListOffsets(Rig::list_request(topic, partition, timestamp))) {
            Response::ListOffsets(answer) => answer.topics[0].partitions[0].found.clone(),
            other => panic!("{other:?}"),
        }
    }

    pub(crate) fn producer_id(&mut self) -> i64 {
        match self
            .ask(4, Request::InitProducerId(InitProducerIdRequest::default().with_transactional_id(None)))
        {
            Response::InitProducerId(response) => {
                assert_eq!(response.error_code, 0);
                response.producer_id.0
            }
            other => panic!("{other:?}"),
        }
    }
}

pub(crate) fn outcome(response: &ProduceResponse) -> (i16, i64) {
    let partition = &response.responses[0].partition_responses[0];
    (partition.error_code, partition.base_offset)
}
