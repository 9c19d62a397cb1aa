//! One run of the `request` target: a connection's frames through a `Session` into a live broker, and its answers back as
//! the client decodes them.

use std::{
    collections::{BTreeMap, BTreeSet},
    fmt::Debug,
    time::Duration,
};

use bytes::{Buf, Bytes, BytesMut};
use evenkeel_core::{
    limits::FETCH_WAIT_MAX,
    port::{AdminRequest, GroupRequest, ProduceIntake, Request, Response},
    units::{ConnId, Tag, TopicId},
    wire::{
        api::{SERVED, Served},
        session::Session,
    },
};
use kafka_protocol::{
    messages::{ApiKey, ProduceRequest, ResponseKind},
    protocol::{Decodable, Encodable},
};
use uuid::Uuid;

use crate::{
    batch::{Numbered, numbered},
    choices::Choices,
    memory::peak_of,
    memory_disk::MemoryDisk,
    requests::{create, produce},
    sample::{body, frame},
    world::{World, small},
};

/// Requests of the longest dialogue.
const REQUESTS_MAX: usize = 12;
const CLIENT: ConnId = ConnId(2);
/// What receiving may take besides the request: the session's queue, the request's own struct, an error.
const SESSION_BYTES: usize = (64 << 10) + (8 << 10);

/// A connection.
struct Dialogue {
    world: World,
    session: Session,
    ids: Vec<Uuid>,
    /// Requests that are to be answered with a frame, by the correlation id, which counts up.
    sent: BTreeMap<i32, (&'static Served, i16)>,
    waiting: BTreeMap<Tag, bool>,
    correlation_id: i32,
}

/// Talks as these bytes choose.
///
/// # Panics
/// A finding.
pub fn dialogue(bytes: &[u8]) {
    let mut choices = Choices::new(bytes);
    let mut dialogue = Dialogue::begin();
    for _ in 0..REQUESTS_MAX {
        if choices.is_over() || !dialogue.request(&mut choices) || dialogue.world.is_closed(CLIENT) {
            break;
        }
        dialogue.answers();
    }
    dialogue.world.pass(FETCH_WAIT_MAX + Duration::from_secs(1));
    dialogue.answers();
    assert!(
        dialogue.world.is_closed(CLIENT) || dialogue.waiting.is_empty(),
        "requests without an answer: {:?}",
        dialogue.waiting
    );
}

/// Whether this request, decoded, says what these bytes said.
fn says(request: &Request, body: &[u8], version: i16) -> bool {
    fn encodes(message: &impl Encodable, body: &[u8], version: i16) -> bool {
        let mut out = BytesMut::new();
        message.encode(&mut out, version).is_ok() && out == body
    }
    /// What is named several times may be left out, but for once: then it is shorter, and says the same words.
    fn merges<T: Encodable + Decodable + Debug>(message: &T, body: &[u8], version: i16) -> bool {
        let mut out = BytesMut::new();
        let shorter = message.encode(&mut out, version).is_ok() && out.len() < body.len();
        let words = |message: &T| {
            let text = format!("{message:?}");
            text.split([' ', ',', '(', ')', '[', ']', '{', '}'])
                .map(String::from)
                .collect::<BTreeSet<String>>()
        };
        encodes(message, body, version)
            || shorter
                && T::decode(&mut Bytes::copy_from_slice(body), version)
                    .is_ok_and(|sent| words(&sent) == words(message))
    }
    match request {
        Request::Produce(intake) => ProduceRequest::decode(&mut Bytes::copy_from_slice(body), version)
            .is_ok_and(|sent| is_of(intake, &sent)),
        Request::Fetch(request) => encodes(request, body, version),
        Request::ListOffsets(request) => encodes(request, body, version),
        Request::Metadata(request) => merges(request, body, version),
        Request::CreateTopics(request) => encodes(request, body, version),
        Request::DeleteTopics(request) => encodes(request, body, version),
        Request::FindCoordinator(request) => merges(request, body, version),
        Request::DescribeCluster(request) => encodes(request, body, version),
        Request::OffsetForLeaderEpoch(request) => encodes(request, body, version),
        Request::InitProducerId(request) => encodes(request, body, version),
        Request::Group(request) => match request {
            GroupRequest::OffsetCommit(request) => encodes(request, body, version),
            GroupRequest::OffsetFetch(request) => merges(request, body, version),
            GroupRequest::Join(intake) => encodes(&intake.request, body, version),
            GroupRequest::Heartbeat(request) => encodes(request, body, version),
            GroupRequest::Leave(request) => encodes(request, body, version),
            GroupRequest::Sync(request) => encodes(request, body, version),
            GroupRequest::Describe(request) => merges(request, body, version),
            GroupRequest::List(request) => encodes(request, body, version),
            GroupRequest::Delete(request) => encodes(request, body, version),
            GroupRequest::OffsetDelete(request) => encodes(request, body, version),
        },
        Request::Admin(request) => match request {
            AdminRequest::DeleteRecords(request) => encodes(request, body, version),
            AdminRequest::DescribeConfigs(request) => merges(request, body, version),
            AdminRequest::AlterConfigs(request) => encodes(request, body, version),
            AdminRequest::DescribeLogDirs(request) => merges(request, body, version),
            AdminRequest::CreatePartitions(request) => encodes(request, body, version),
            AdminRequest::ElectLeaders(request) => encodes(request, body, version),
            AdminRequest::IncrementalAlterConfigs(request) => encodes(request, body, version),
            AdminRequest::AlterPartitionReassignments(request) => encodes(request, body, version),
            AdminRequest::ListPartitionReassignments(request) => encodes(request, body, version),
            AdminRequest::DescribeProducers(request) => merges(request, body, version),
            AdminRequest::DescribeTopicPartitions(request) => encodes(request, body, version),
        },
    }
}

/// An intake names the same partitions, and the batches it takes are those that were sent.
fn is_of(intake: &ProduceIntake, sent: &ProduceRequest) -> bool {
    let taken = intake.topics.iter().flat_map(|topic| {
        topic.partitions.iter().map(move |partition| (topic.name.clone(), topic.id, partition))
    });
    let sent_each = sent.topic_data.iter().flat_map(|topic| {
        let id = TopicId(topic.topic_id.into_bytes());
        topic.partition_data.iter().map(move |partition| (topic.name.clone(), id, partition))
    });
    let same = taken.clone().count() == sent_each.clone().count()
        && taken.zip(sent_each).all(|((name, id, taken), (sent_name, sent_id, sent))| {
            let whole = sent.records.clone().unwrap_or_default();
            let same = taken.batch.as_ref().is_ok_and(|batch| whole.ends_with(&batch.records));
            name == sent_name && id == sent_id && taken.index == sent.index && (same || taken.batch.is_err())
        });
    same && intake.acks == sent.acks && intake.transactional_id == sent.transactional_id
}

impl Dialogue {
    fn begin() -> Dialogue {
        let mut world = World::boot(MemoryDisk::default(), small(64 << 10), None);
        world.ask(create("a", 2));
        world.ask(create("b", 1));
        for number in 0..3 {
            let batch = numbered(Numbered { number, count: 3, filling: 500, by: None });
            world.ask(produce("a", 0, -1, batch));
        }
        let state = world.broker.state().expect("it serves");
        let ids = state.topics().map(|topic| Uuid::from_bytes(topic.id().0)).collect();
        Dialogue {
            world,
            session: Session::new(),
            ids,
            sent: BTreeMap::new(),
            waiting: BTreeMap::new(),
            correlation_id: 0,
        }
    }

    /// One request, valid or not. False: the connection is closed.
    fn request(&mut self, choices: &mut Choices<'_>) -> bool {
        let (served, way) = (choices.below(SERVED.len()), choices.below(4));
        let served = &SERVED[served];
        let version =
            served.min + i16::try_from(choices.below(24)).expect("small") % (served.max - served.min + 1);
        let valid = way < 3;
        let body = match way {
            3 => Bytes::copy_from_slice(choices.some_bytes(300)),
            _ => body(choices, &self.ids, served.api, version),
        };
        self.correlation_id += 1;
        let frame = frame(served, version, self.correlation_id, &body);
        let len = frame.len();
        let (received, peak) = peak_of(|| self.session.receive(frame));
        assert!(
            peak <= SESSION_BYTES + 16 * len,
            "{peak} bytes for a {:?} request of {len} bytes, version {version}",
            served.api
        );
        let inbound = match received {
            Ok(inbound) => inbound,
            Err(close) => {
                assert!(!valid, "a valid request is refused: {close}");
                return false;
            }
        };
        self.sent.insert(self.correlation_id, (served, version));
        if let Some(inbound) = inbound {
            assert!(!valid || says(&inbound.request, &body, version), "{:?} says {body:?}", inbound.request);
            assert_eq!(inbound.version, version);
            let silent = matches!(&*inbound.request, Request::Produce(intake) if intake.acks == 0);
            if silent {
                self.sent.remove(&self.correlation_id);
            }
            self.waiting.insert(inbound.tag, silent);
            self.world.submit(CLIENT, inbound.tag, version, *inbound.request);
        }
        true
    }

    /// Takes what the broker answered and reads it as the client does.
    fn answers(&mut self) {
        for (tag, response) in self.world.take_replies(CLIENT) {
            let silent = self.waiting.remove(&tag).expect("each request is answered once");
            assert_eq!(silent, response == Response::Silence, "acks=0 and only that is not answered");
            self.session.answer(tag, response);
        }
        while let Some(frame) = self.session.next_frame() {
            let mut bytes = Bytes::from(frame.concat());
            let len = bytes.get_i32();
            assert_eq!(usize::try_from(len), Ok(bytes.len()), "the length of a frame");
            let correlation_id = bytes.get_i32();
            let (first, (served, version)) = self.sent.pop_first().expect("an answer has a request");
            assert_eq!(correlation_id, first, "answers come in the order of requests");
            if served.has_flexible_response_header(version) {
                assert_eq!(bytes.get_u8(), 0);
            }
            decode(served, version, bytes);
        }
    }
}

fn decode(served: &Served, version: i16, mut bytes: Bytes) {
    let key = ApiKey::try_from(served.key).expect("a key of Kafka's");
    let read = ResponseKind::decode(key, &mut bytes, version);
    assert!(read.is_ok() && bytes.is_empty(), "an answer that no client can read: {:?}", read.err());
}

#[cfg(test)]
mod tests;
