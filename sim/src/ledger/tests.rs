//! Answers that must be taken, and answers that must be rejected, each by the rule that it breaks.

mod absence;
mod admin;
mod groups;
mod lost;
mod retention;

use bytes::Bytes;
use evenkeel_core::{
    port::{
        FetchAnswer, FetchedPartition, FetchedTopic, FoundOffset, ListOffsetsAnswer, ListedPartition,
        ListedTopic, Response,
    },
    units::{ConnId, Offset, ProducerId, Tag, Timestamp, TopicId},
    wire::batch::{Batch, LOG_APPEND_TIME},
};
use kafka_protocol::messages::{
    DeleteTopicsResponse, InitProducerIdResponse, MetadataResponse, ProduceResponse, TopicName,
    create_topics_response::{CreatableTopicResult, CreateTopicsResponse},
    delete_topics_response::DeletableTopicResult,
    metadata_response::{MetadataResponsePartition, MetadataResponseTopic},
    produce_response::{PartitionProduceResponse, TopicProduceResponse},
};
use kafka_protocol::protocol::StrBytes;

use crate::{
    batch::{self, Sequenced},
    ledger::{Asked, Followed, Ledger, OpNumber, PartitionKey},
};

const TOPIC: TopicId = TopicId([7; 16]);
const KEY: PartitionKey = PartitionKey { topic: TOPIC, index: 0 };
const CONN: ConnId = ConnId(1);

fn plain(number: u64) -> Batch {
    batch::make(OpNumber(number), 2, 10, None)
}

fn sequenced(number: u64, epoch: i16, first: i32) -> Batch {
    batch::make(OpNumber(number), 2, 10, Some(Sequenced { producer: ProducerId(5), epoch, first }))
}

/// A ledger with a topic, and what was asked and answered since.
struct Talk {
    ledger: Ledger,
    next: u64,
}

impl Talk {
    fn new() -> Talk {
        let mut ledger = Ledger::default();
        ledger.creating.insert(String::from("t"), 1);
        ledger.learn(TOPIC, "t", 1).expect("it was asked for");
        ledger.creating.clear();
        Talk { ledger, next: 0 }
    }

    /// Asks, and is answered so many microseconds later: the violation, or nothing.
    fn after(&mut self, micros: u64, asked: Asked, response: &Response) -> &'static str {
        self.next += 1;
        self.ledger.sent(CONN, Tag(self.next), asked);
        self.ledger.now += micros;
        self.ledger.answered(CONN, Tag(self.next), response).err().map_or("", |violation| violation.name)
    }

    fn told(&mut self, asked: Asked, response: &Response) -> &'static str {
        self.after(10, asked, response)
    }

    /// Produces: what is told is an error, an offset and an append time.
    fn produce(&mut self, number: u64, batch: &Batch, told: (i16, i64, i64)) -> &'static str {
        if self.ledger.op(OpNumber(number)).is_none() {
            self.ledger.open(OpNumber(number), KEY, batch);
        }
        let partition = PartitionProduceResponse::default()
            .with_error_code(told.0)
            .with_base_offset(told.1)
            .with_log_append_time_ms(told.2)
            .with_log_start_offset(0);
        let topic = TopicProduceResponse::default().with_partition_responses(vec![partition]);
        let response = Response::Produce(ProduceResponse::default().with_responses(vec![topic]));
        self.told(Asked::Produce(vec![OpNumber(number)]), &response)
    }

    fn fetch(&mut self, from: i64, known: i64, answer: FetchedPartition) -> &'static str {
        self.told(Asked::Fetch(KEY, from, known, 1), &fetched(answer))
    }

    fn stamped(&mut self) {
        self.ledger.configs.begin(TOPIC, true);
    }
}

fn fetched(partition: FetchedPartition) -> Response {
    let topic = FetchedTopic { id: TOPIC, partitions: vec![partition], ..FetchedTopic::default() };
    Response::Fetch(FetchAnswer { topics: vec![topic], ..FetchAnswer::default() })
}

/// A partition with these batches from an offset on.
fn records(from: i64, batches: &[Batch], high_watermark: i64) -> FetchedPartition {
    let mut offset = from;
    let mut bytes = Vec::new();
    for batch in batches {
        let mut header = batch.header;
        header.base_offset = Offset(offset);
        offset += i64::from(header.record_count);
        bytes.push(Bytes::copy_from_slice(&header.encode()));
        bytes.push(batch.records.clone());
    }
    FetchedPartition { high_watermark, records: bytes, ..FetchedPartition::default() }
}

fn listed(found: FoundOffset) -> Response {
    let partitions = vec![ListedPartition { index: 0, found }];
    Response::ListOffsets(ListOffsetsAnswer {
        topics: vec![ListedTopic { partitions, ..ListedTopic::default() }],
    })
}

fn end(offset: i64) -> Response {
    listed(FoundOffset::At { timestamp: Timestamp(-1), offset: Offset(offset), leader_epoch: 1 })
}

fn metadata(topics: &[(TopicId, &str, i32)]) -> Response {
    let topic = |(id, name, epoch): &(TopicId, &str, i32)| {
        let partition = MetadataResponsePartition::default().with_leader_epoch(*epoch);
        MetadataResponseTopic::default()
            .with_name(Some(TopicName(StrBytes::from_string(String::from(*name)))))
            .with_topic_id(uuid::Uuid::from_bytes(id.0))
            .with_partitions(vec![partition])
    };
    Response::Metadata(MetadataResponse::default().with_topics(topics.iter().map(topic).collect()))
}

fn created(id: TopicId, error: i16) -> Response {
    let result = CreatableTopicResult::default()
        .with_topic_id(uuid::Uuid::from_bytes(id.0))
        .with_num_partitions(1)
        .with_error_code(error);
    Response::CreateTopics(CreateTopicsResponse::default().with_topics(vec![result]))
}

fn deleted(error: i16) -> Response {
    let result = DeletableTopicResult::default().with_error_code(error);
    Response::DeleteTopics(DeleteTopicsResponse::default().with_responses(vec![result]))
}

fn producer_id(id: i64) -> Response {
    let id = kafka_protocol::messages::ProducerId(id);
    Response::InitProducerId(InitProducerIdResponse::default().with_producer_id(id))
}

#[test]
fn an_idempotent_batch_has_one_offset_and_an_offset_one_batch() {
    let mut talk = Talk::new();
    assert_eq!(talk.produce(1, &sequenced(1, 0, 0), (0, 0, -1)), "");
    assert_eq!(talk.produce(1, &sequenced(1, 0, 0), (0, 0, -1)), "", "told again");
    assert_eq!(talk.produce(1, &sequenced(1, 0, 0), (0, 2, -1)), "duplicate");
    assert_eq!(talk.produce(2, &plain(2), (0, 0, -1)), "inconsistent-offsets");
}

#[test]
fn errors_need_a_reason() {
    let mut talk = Talk::new();
    assert_eq!(talk.produce(1, &plain(1), (45, -1, -1)), "", "the producer knows");
    assert_eq!(talk.ledger.op(OpNumber(1)).map(|op| op.possible), Some(0), "refused is not stored");
    assert_eq!(talk.produce(1, &plain(1), (3, -1, -1)), "lost-topic");
    assert_eq!(talk.produce(1, &plain(1), (56, -1, -1)), "wrong-error");
    assert_eq!(talk.produce(1, &plain(1), (47, -1, -1)), "wrong-error");
    talk.ledger.disk_fails = true;
    assert_eq!(talk.produce(1, &plain(1), (56, -1, -1)), "");
}

// Asked while nobody knew what the store has, decided then, and answered when the log had come so far: the store was known by then.
// Standard seed 239525793.
#[test]
fn what_was_asked_before_the_store_was_known_may_fail_for_that() {
    let mut talk = Talk::new();
    let failed = || FetchedPartition { error_code: 56, ..FetchedPartition::default() };
    assert_eq!(talk.fetch(0, 0, failed()), "wrong-error");
    talk.ledger.store_unknown_until = Some(talk.ledger.now);
    assert_eq!(talk.fetch(0, 0, failed()), "", "asked before, answered behind it");
    assert_eq!(talk.fetch(0, 0, failed()), "wrong-error", "it was known when that was asked");
}

#[test]
fn a_zombie_is_fenced() {
    let mut talk = Talk::new();
    assert_eq!(talk.produce(1, &sequenced(1, 0, 0), (0, 0, -1)), "");
    assert_eq!(talk.produce(2, &sequenced(2, 1, 0), (0, 2, -1)), "");
    assert_eq!(talk.produce(1, &sequenced(1, 0, 0), (0, 0, -1)), "", "a duplicate that was on its way");
    assert_eq!(talk.produce(3, &sequenced(3, 0, 2), (47, -1, -1)), "");
    assert_eq!(talk.produce(3, &sequenced(3, 0, 2), (0, 4, -1)), "zombie-append");
}

#[test]
fn append_times_are_told_where_the_broker_stamps_and_stay_what_they_were() {
    let mut talk = Talk::new();
    assert_eq!(talk.produce(1, &plain(1), (0, 0, 77)), "wrong-timestamp");
    talk.stamped();
    assert_eq!(talk.produce(2, &sequenced(2, 0, 0), (0, 2, -1)), "wrong-timestamp");
    assert_eq!(talk.produce(2, &sequenced(2, 0, 0), (0, 2, 77)), "");
    assert_eq!(talk.produce(2, &sequenced(2, 0, 0), (0, 2, 78)), "wrong-timestamp");
    let header = |attributes, time| evenkeel_core::wire::batch::BatchHeader {
        attributes,
        max_timestamp: Timestamp(time),
        ..sequenced(2, 0, 0).header
    };
    let name = |verdict: crate::violation::Verdict| verdict.err().map(|violation| violation.name);
    assert_eq!(name(talk.ledger.check_stamp(OpNumber(2), &header(LOG_APPEND_TIME, 77))), None);
    assert_eq!(
        name(talk.ledger.check_stamp(OpNumber(2), &header(LOG_APPEND_TIME, 78))),
        Some("wrong-timestamp")
    );
    assert_eq!(name(talk.ledger.check_stamp(OpNumber(2), &header(0, 77))), Some("wrong-timestamp"));
}

#[test]
fn a_fetch_brings_whole_batches_that_follow_each_other_up_to_the_watermark() {
    let mut talk = Talk::new();
    assert_eq!(talk.produce(1, &plain(1), (0, 0, -1)), "");
    assert_eq!(talk.produce(2, &plain(2), (0, 2, -1)), "");
    let both = [plain(1), plain(2)];
    assert_eq!(talk.fetch(0, 0, records(0, &both, 4)), "");
    assert_eq!(talk.fetch(1, 0, records(0, &both, 4)), "", "from within a batch");
    assert_eq!(talk.fetch(0, 0, records(0, &both, 3)), "inconsistent-offsets", "beyond the watermark");
    assert_eq!(talk.fetch(0, 0, records(2, &both[1..], 4)), "inconsistent-offsets", "one batch late");
    assert_eq!(talk.fetch(0, 5, records(0, &both, 4)), "nonmonotonic");
    assert_eq!(talk.fetch(0, 0, records(0, &[], 4)), "poll-skip");
    assert_eq!(talk.fetch(4, 4, records(4, &[], 4)), "", "nothing new");
    assert_eq!(
        talk.fetch(0, 0, records(0, &[plain(2), plain(1)], 4)),
        "inconsistent-offsets",
        "another was told"
    );
    assert_eq!(talk.fetch(4, 4, records(4, &[plain(9)], 6)), "phantom");
    let mut rotten = records(0, &both, 4);
    rotten.records.pop();
    assert_eq!(talk.fetch(0, 0, rotten), "damaged-read");
    let failed = FetchedPartition { error_code: 1, ..FetchedPartition::default() };
    assert_eq!(talk.fetch(0, 0, failed), "wrong-error");
}

#[test]
fn a_session_is_told_what_changed_and_nothing_else() {
    let mut talk = Talk::new();
    assert_eq!(talk.produce(1, &plain(1), (0, 0, -1)), "");
    let other = PartitionKey { topic: TOPIC, index: 1 };
    let asks = |whole, parts: &[(PartitionKey, i64, i64)]| {
        Asked::Follow(Followed { parts: parts.to_vec(), whole, enough: 1 })
    };
    let answer = |partitions: Vec<FetchedPartition>| {
        let topic = FetchedTopic { id: TOPIC, partitions, ..FetchedTopic::default() };
        Response::Fetch(FetchAnswer { topics: vec![topic], ..FetchAnswer::default() })
    };
    let (one, none) = (records(0, &[plain(1)], 2), records(2, &[], 2));
    let elsewhere = FetchedPartition { index: 1, ..records(0, &[], 0) };
    let both = [(KEY, 0, 2), (other, 0, 0)];

    assert_eq!(talk.told(asks(true, &both), &answer(vec![one.clone(), elsewhere.clone()])), "");
    assert_eq!(
        talk.told(asks(true, &both), &answer(vec![one.clone()])),
        "wrong-answer",
        "all is told at first"
    );
    assert_eq!(talk.told(asks(false, &both), &answer(vec![one.clone()])), "", "the other did not change");
    assert_eq!(talk.told(asks(false, &[(KEY, 2, 2)]), &answer(vec![])), "", "nothing changed");
    assert_eq!(talk.told(asks(false, &[(KEY, 2, 2)]), &answer(vec![none])), "");
    assert_eq!(talk.told(asks(false, &both), &answer(vec![])), "poll-skip");
    let waits = answer(vec![FetchedPartition { index: 1, ..one.clone() }]);
    assert_eq!(talk.told(asks(false, &[(KEY, 0, 2)]), &waits), "wrong-answer", "it does not want that one");
    assert_eq!(
        talk.told(asks(false, &both), &answer(vec![one.clone(), one.clone()])),
        "wrong-answer",
        "twice"
    );
    assert_eq!(talk.told(asks(false, &[(KEY, 2, 2)]), &answer(vec![one])), "inconsistent-offsets");

    let lost = Response::Fetch(FetchAnswer { error_code: 70, ..FetchAnswer::default() });
    assert_eq!(talk.told(asks(false, &both), &lost), "", "the broker was started again");
    assert_eq!(talk.told(asks(true, &both), &lost), "wrong-error", "it asked for a new one");
}

#[test]
fn a_fetch_sleeps_no_longer_than_it_has_reason_to() {
    let late = 4_000_000;
    let mut talk = Talk::new();
    let nothing = fetched(records(0, &[], 0));
    assert_eq!(talk.after(late, Asked::Fetch(KEY, 0, 0, 1), &nothing), "", "there was nothing");
    assert_eq!(talk.produce(1, &plain(1), (0, 0, -1)), "");
    let one = fetched(records(0, &[plain(1)], 2));
    assert_eq!(talk.after(100, Asked::Fetch(KEY, 0, 0, 1), &one), "");
    assert_eq!(talk.after(late, Asked::Fetch(KEY, 0, 0, 500), &one), "", "it waits for more");
    assert_eq!(talk.after(late, Asked::Fetch(KEY, 0, 0, 1), &one), "lost-wakeup");
    talk.ledger.disk_fails = true;
    assert_eq!(talk.after(late, Asked::Fetch(KEY, 0, 0, 1), &one), "", "a disk that fails has its time");
    talk.ledger.disk_fails = false;
    assert_eq!(talk.told(Asked::Delete(TOPIC), &deleted(0)), "");
    let gone = fetched(FetchedPartition { error_code: 100, ..FetchedPartition::default() });
    assert_eq!(talk.after(100, Asked::Fetch(KEY, 2, 2, 1), &gone), "");
    assert_eq!(talk.after(late, Asked::Fetch(KEY, 2, 2, 1), &gone), "lost-wakeup");
}

#[test]
fn ends_and_times_find_what_is_known() {
    let mut talk = Talk::new();
    assert_eq!(talk.produce(1, &plain(1), (0, 0, -1)), "");
    assert_eq!(talk.told(Asked::End(KEY, 2), &end(2)), "");
    assert_eq!(talk.told(Asked::End(KEY, 3), &end(2)), "nonmonotonic");
    let time = plain(1).header.max_timestamp.0;
    let within = |batch: &Batch| {
        let slices = vec![Bytes::copy_from_slice(&batch.header.encode()), batch.records.clone()];
        listed(FoundOffset::Within {
            batch: slices,
            from: Offset(0),
            timestamp: Timestamp(time),
            leader_epoch: 1,
        })
    };
    assert_eq!(talk.ledger.first_at(KEY, time), Some(0));
    assert_eq!(talk.told(Asked::Time(KEY, time, 0), &within(&plain(1))), "");
    let mut later = plain(1);
    later.header.base_offset = Offset(2);
    assert_eq!(talk.told(Asked::Time(KEY, time, 0), &within(&later)), "wrong-lookup");
    assert_eq!(talk.told(Asked::Time(KEY, time + 1, 0), &within(&plain(1))), "wrong-lookup");
    assert_eq!(talk.told(Asked::Time(KEY, time, 0), &end(-1)), "wrong-lookup");
}

#[test]
fn topics_come_when_they_are_asked_for_and_stay_until_then() {
    let mut talk = Talk::new();
    assert_eq!(talk.told(Asked::Metadata(None), &metadata(&[(TOPIC, "t", 1)])), "");
    assert_eq!(talk.told(Asked::Metadata(None), &metadata(&[])), "lost-topic");
    let other = TopicId([8; 16]);
    assert_eq!(
        talk.told(Asked::Metadata(None), &metadata(&[(TOPIC, "t", 1), (other, "u", 1)])),
        "phantom-topic"
    );
    assert_eq!(talk.told(Asked::Create(String::from("u")), &created(TOPIC, 0)), "reused-topic-id");
    assert_eq!(talk.told(Asked::Create(String::from("u")), &created(other, 0)), "");
    assert_eq!(talk.told(Asked::Delete(TOPIC), &deleted(100)), "lost-topic");
    assert_eq!(talk.told(Asked::Delete(TOPIC), &deleted(0)), "");
    assert_eq!(
        talk.told(Asked::Metadata(None), &metadata(&[(TOPIC, "t", 1), (other, "u", 1)])),
        "resurrected-topic"
    );
}

#[test]
fn each_process_leads_in_an_epoch_of_its_own() {
    let mut talk = Talk::new();
    assert_eq!(talk.told(Asked::Metadata(None), &metadata(&[(TOPIC, "t", 1)])), "");
    assert_eq!(talk.told(Asked::Metadata(None), &metadata(&[(TOPIC, "t", 1)])), "", "the same process");
    talk.ledger.forget_questions();
    assert_eq!(talk.told(Asked::Metadata(None), &metadata(&[(TOPIC, "t", 1)])), "epoch-not-raised");
    assert_eq!(talk.told(Asked::Metadata(None), &metadata(&[(TOPIC, "t", 2)])), "");
}

#[test]
fn producer_ids_come_once_and_answers_fit_their_questions() {
    let mut talk = Talk::new();
    assert_eq!(talk.told(Asked::ProducerId, &producer_id(4)), "");
    assert_eq!(talk.told(Asked::ProducerId, &producer_id(4)), "reissued-producer-id");
    assert_eq!(talk.told(Asked::ProducerId, &end(0)), "wrong-answer");
}
