//! The oracle's own test: a table of histories, and which invariants reject each. A history that one invariant alone rejects is one
//! that would pass without it.

use std::collections::{BTreeMap, BTreeSet};

use bytes::Bytes;
use evenkeel_core::{
    port::{AdminResponse, GroupResponse, Response},
    units::{ConnId, Offset, ProducerId, Tag, Timestamp, TopicId},
    wire::batch::{Batch, LOG_APPEND_TIME},
};
use kafka_protocol::{
    messages::{
        CreatePartitionsResponse, DeleteRecordsResponse, IncrementalAlterConfigsResponse, JoinGroupResponse,
        OffsetCommitResponse, SyncGroupResponse,
        create_partitions_response::CreatePartitionsTopicResult,
        delete_records_response::{DeleteRecordsPartitionResult, DeleteRecordsTopicResult},
        incremental_alter_configs_response::AlterConfigsResourceResponse,
        join_group_response::JoinGroupResponseMember,
        offset_commit_response::{OffsetCommitResponsePartition, OffsetCommitResponseTopic},
    },
    protocol::StrBytes,
};

use crate::{
    assignment::{Assignment, metadata},
    batch::{self, Sequenced},
    invariant::{INVARIANTS, check_all},
    ledger::{
        AdminAsked, Asked, Commit, CommitNumber, GroupAsked, GroupBook, Known, Ledger, OffsetPlace, OpNumber,
        PartitionKey, Spoken, Stamps, Upto, epoch_beside,
    },
    reading::{FoundBatch, FoundGroup, FoundOffset, FoundPartition, FoundTopic, Reading},
};

const TOPIC: TopicId = TopicId([7; 16]);
const KEY: PartitionKey = PartitionKey { topic: TOPIC, index: 0 };
const OTHER: PartitionKey = PartitionKey { topic: TOPIC, index: 1 };
const PRODUCER: ProducerId = ProducerId(5);

/// What was promised, and what is found.
struct History {
    ledger: Ledger,
    found: Reading,
}

/// By the producer, from that sequence in that epoch.
fn by(epoch: i16, first: i32) -> Option<Sequenced> {
    Some(Sequenced { producer: PRODUCER, epoch, first })
}

impl History {
    /// A topic with a batch of the producer, one of nobody in particular, and one more of the producer, all known and there; and a
    /// settled group of two, with an offset that one of them committed.
    fn good() -> History {
        let mut ledger = Ledger::default();
        ledger.sent(ConnId(1), Tag(0), Asked::Create(String::from("t")));
        ledger.learn(TOPIC, "t", 2).expect("it was asked for");
        ledger.creating.clear();
        ledger.producer_ids.insert(PRODUCER.0);
        ledger.epoch_past = 2;
        let topic = FoundTopic { name: String::from("t"), partitions: 2 };
        let partitions = [(KEY, FoundPartition::default()), (OTHER, FoundPartition::default())];
        let found = Reading {
            topics: [(TOPIC, topic)].into(),
            partitions: partitions.into(),
            producer_id: Some(1000),
            leader_epoch: Some(3),
            ..Reading::default()
        };
        let mut history = History { ledger, found };
        history.told(1, batch::make(OpNumber(1), 2, 10, by(0, 0)), Known::Acked);
        history.told(2, batch::make(OpNumber(2), 1, 10, None), Known::Acked);
        history.told(3, batch::make(OpNumber(3), 3, 10, by(0, 2)), Known::Seen);
        history.gather();
        history.commits(50, 2);
        history
    }

    /// Members `a` and `b` join, and `a` assigns a partition to each.
    fn gather(&mut self) {
        for member in ["a", "b"] {
            let asked = GroupAsked::Join {
                group: String::from("g"),
                member: String::from(member),
                instance: None,
                session_micros: 1_000_000,
                newest: 0,
            };
            let all = ["a", "b"]
                .map(|id| JoinGroupResponseMember::default().with_member_id(StrBytes::from_static_str(id)));
            let answer = JoinGroupResponse::default()
                .with_generation_id(2)
                .with_leader(StrBytes::from_static_str("a"))
                .with_member_id(StrBytes::from_static_str(member))
                .with_members(if member == "a" { all.to_vec() } else { Vec::new() });
            self.hears(asked, GroupResponse::Join(answer));
        }
        let mut members = BTreeMap::new();
        for (member, key) in [("a", KEY), ("b", OTHER)] {
            let assignment = assigned(member, &[key]);
            members.insert(String::from(member), assignment.clone());
            let answer = SyncGroupResponse::default().with_assignment(assignment);
            self.hears(GroupAsked::Sync(spoken(member)), GroupResponse::Sync(answer));
        }
        let group = FoundGroup { state: String::from("Stable"), generation: 2, members };
        self.found.groups.insert(String::from("g"), group);
    }

    /// `a` commits an offset, and is told that it is there; it is.
    fn commits(&mut self, number: u64, offset: i64) {
        let number = CommitNumber(number);
        let commit = Commit { place: place(), key: KEY, offset };
        let partition = OffsetCommitResponsePartition::default();
        let topic = OffsetCommitResponseTopic::default().with_partitions(vec![partition]);
        let answer = OffsetCommitResponse::default().with_topics(vec![topic]);
        let asked = GroupAsked::Commit(spoken("a"), vec![(number, commit)]);
        self.hears(asked, GroupResponse::OffsetCommit(answer));
        let found = FoundOffset { offset, leader_epoch: epoch_beside(number), metadata: metadata(number) };
        self.found.offsets.insert(place(), found);
    }

    fn hears(&mut self, asked: GroupAsked, response: GroupResponse) {
        self.ledger.sent(ConnId(3), Tag(0), Asked::Group(asked));
        self.ledger.answered(ConnId(3), Tag(0), &Response::Group(response)).expect("as it should be");
    }

    fn asks(&mut self, asked: AdminAsked) {
        self.ledger.sent(ConnId(4), Tag(0), Asked::Admin(asked));
    }

    fn is_answered(&mut self, response: AdminResponse) {
        self.ledger.answered(ConnId(4), Tag(0), &Response::Admin(response)).expect("as it should be");
    }

    /// The topic grows, and has grown.
    fn grows(&mut self, count: i32) {
        self.asks(AdminAsked::Grow(TOPIC, count));
        let result = CreatePartitionsTopicResult::default();
        let answer = CreatePartitionsResponse::default().with_results(vec![result]);
        self.is_answered(AdminResponse::CreatePartitions(answer));
        self.has_partitions(count);
    }

    fn has_partitions(&mut self, count: i32) {
        self.found.topics.get_mut(&TOPIC).expect("it is there").partitions = count;
        self.found.partitions.retain(|key, _| key.index < count);
        for index in 0..count {
            self.found.partitions.entry(PartitionKey { topic: TOPIC, index }).or_default();
        }
    }

    /// A config is given a value, or none, and is that.
    fn changes(&mut self, value: Option<&str>) {
        let value = value.map(String::from);
        self.asks(AdminAsked::Change(TOPIC, [("flush.ms", value.clone())].into()));
        let told = AlterConfigsResourceResponse::default();
        let answer = IncrementalAlterConfigsResponse::default().with_responses(vec![told]);
        self.is_answered(AdminResponse::IncrementalAlterConfigs(answer));
        let key = (TOPIC, String::from("flush.ms"));
        match value {
            Some(value) => self.found.configs.insert(key, value),
            None => self.found.configs.remove(&key),
        };
    }

    /// Records are deleted, and the partition begins there.
    fn deletes(&mut self, upto: i64) {
        self.asks(AdminAsked::DeleteRecords(KEY, Upto::Offset(upto), 6));
        let told = DeleteRecordsPartitionResult::default().with_low_watermark(upto);
        let topic = DeleteRecordsTopicResult::default().with_partitions(vec![told]);
        let answer = DeleteRecordsResponse::default().with_topics(vec![topic]);
        self.is_answered(AdminResponse::DeleteRecords(answer));
        self.partition().log_start = upto;
    }

    fn book(&mut self) -> &mut GroupBook {
        self.ledger.groups.get_mut("g").expect("it was joined")
    }

    fn group(&mut self) -> &mut FoundGroup {
        self.found.groups.get_mut("g").expect("it is there")
    }

    fn has(&mut self, member: &str, assignment: Bytes) {
        self.group().members.insert(String::from(member), assignment);
    }

    /// No topic is there.
    fn without_topics(&mut self) {
        self.found.topics.clear();
        self.found.partitions.clear();
        self.found.leader_epoch = None;
    }

    /// Sent, stored, and known to somebody.
    fn told(&mut self, number: u64, batch: Batch, known: Known) {
        let offset = self.partition().high_watermark;
        self.stored(number, batch);
        let end = self.partition().high_watermark;
        let book = self.ledger.partitions.get_mut(&KEY).expect("learned");
        book.facts.insert(offset, (OpNumber(number), known));
        book.high_watermark = end;
    }

    /// Sent and stored; nobody was told.
    fn stored(&mut self, number: u64, batch: Batch) {
        self.ledger.open(OpNumber(number), KEY, &batch);
        self.ledger.sent(ConnId(1), Tag(number), Asked::Produce(vec![OpNumber(number)]));
        self.there(batch);
    }

    /// Found, whether or not anybody sent it.
    fn there(&mut self, batch: Batch) {
        let partition = self.partition();
        let mut header = batch.header;
        header.base_offset = Offset(partition.high_watermark);
        header.leader_epoch = 2;
        partition.high_watermark += i64::from(header.record_count);
        let op = batch::op_of(&batch.records);
        partition.batches.push(FoundBatch { header, records: batch.records, op });
    }

    /// The last batch is not there.
    fn lose(&mut self) {
        let lost = self.partition().batches.pop().expect("there are batches");
        self.partition().high_watermark = lost.header.base_offset.0;
    }

    fn partition(&mut self) -> &mut FoundPartition {
        self.found.partitions.get_mut(&KEY).expect("it is there")
    }

    fn header(&mut self, at: usize) -> &mut evenkeel_core::wire::batch::BatchHeader {
        &mut self.partition().batches[at].header
    }

    /// Makes the topic one that is stamped, and every batch carry the time 77.
    fn stamp(&mut self) {
        for op in self.ledger.ops.values_mut() {
            op.stamps = Stamps { plain: false, stamped: true };
        }
        for batch in &mut self.partition().batches {
            batch.header.attributes |= LOG_APPEND_TIME;
            batch.header.max_timestamp = Timestamp(77);
        }
    }
}

fn spoken(member: &str) -> Spoken {
    Spoken { group: String::from("g"), member: String::from(member), generation: 2 }
}

fn place() -> OffsetPlace {
    OffsetPlace { group: String::from("g"), topic: String::from("t"), index: 0 }
}

fn assigned(member: &str, partitions: &[PartitionKey]) -> Bytes {
    Assignment { generation: 2, place: String::from(member), partitions: partitions.to_vec() }.encode()
}

type Change = fn(&mut History);
/// An invariant, and the violation that it reports.
type Rejection = (&'static str, &'static str);

/// Histories that must pass.
const GOOD: [(&str, Change); 17] = [
    ("a topic has grown", |h| h.grows(3)),
    ("a topic has grown as somebody asked who was not answered", |h| {
        h.asks(AdminAsked::Grow(TOPIC, 3));
        h.has_partitions(3);
    }),
    ("a config was given, and deleted", |h| {
        h.changes(Some("5"));
        h.changes(None);
    }),
    ("a change of a config that was not answered has happened", |h| {
        h.changes(Some("5"));
        h.asks(AdminAsked::Change(TOPIC, [("flush.ms", None)].into()));
        h.found.configs.clear();
    }),
    ("records were deleted up to within a batch, which stays", |h| h.deletes(1)),
    ("records were deleted, and their batches are gone", |h| {
        h.deletes(3);
        h.partition().batches.drain(..2);
    }),
    ("a deletion of all records that was not answered has happened", |h| {
        h.asks(AdminAsked::DeleteRecords(KEY, Upto::End(6), 6));
        h.partition().log_start = 6;
        h.partition().batches.clear();
    }),
    ("everything is there", |_| {}),
    ("an unanswered batch is not there", |h| {
        h.stored(4, batch::make(OpNumber(4), 1, 10, None));
        h.lose();
    }),
    ("a later offset is committed", |h| h.commits(51, 3)),
    ("a member of a settled group was not heard of for its session, and it is in a later generation", |h| {
        h.ledger.now = 2_000_000;
        h.group().generation = 3;
        h.group().members.clear();
    }),
    ("an unanswered batch is there", |h| h.stored(4, batch::make(OpNumber(4), 1, 10, None))),
    ("a plain batch that was sent twice is there twice", |h| {
        h.ledger.sent(ConnId(2), Tag(1), Asked::Produce(vec![OpNumber(2)]));
        h.there(batch::make(OpNumber(2), 1, 10, None));
    }),
    ("a deleted topic is gone", |h| {
        h.ledger.topics.get_mut(&TOPIC).expect("learned").deleted = true;
        h.without_topics();
    }),
    ("sequences go on at 0 behind the largest", |h| {
        h.ledger.first_sequences.insert((KEY, PRODUCER, 1), i32::MAX);
        h.stored(4, batch::make(OpNumber(4), 2, 10, by(1, i32::MAX)));
        h.stored(5, batch::make(OpNumber(5), 1, 10, by(1, 1)));
    }),
    ("a raised epoch begins anew", |h| h.stored(4, batch::make(OpNumber(4), 1, 10, by(1, 0)))),
    ("a stamped batch carries what was told", |h| {
        h.stamp();
        h.ledger.ops.get_mut(&OpNumber(1)).expect("opened").append_time = Some(77);
    }),
];

/// Histories that must be rejected: by these invariants, under these names, and by no other.
const BAD: [(&str, Change, &[Rejection]); 49] = [
    ("a topic is gone", History::without_topics, &[("topics", "lost-topic")]),
    (
        "a topic is there that nobody asked for",
        |h| {
            let strange = FoundTopic { name: String::from("x"), partitions: 1 };
            h.found.topics.insert(TopicId([9; 16]), strange);
        },
        &[("topics", "phantom-topic")],
    ),
    (
        "a deleted topic is there again",
        |h| h.ledger.topics.get_mut(&TOPIC).expect("learned").deleted = true,
        &[("topics", "resurrected-topic")],
    ),
    (
        "a topic has another name",
        |h| h.found.topics.get_mut(&TOPIC).expect("there").name = String::from("u"),
        &[("topics", "changed-topic")],
    ),
    (
        "a topic has partitions that nobody asked for",
        |h| h.has_partitions(3),
        &[("partitions", "phantom-partition")],
    ),
    (
        "partitions that a topic was let grow to are gone",
        |h| {
            h.grows(3);
            h.has_partitions(2);
        },
        &[("partitions", "lost-partition")],
    ),
    (
        "a config that was given is gone",
        |h| {
            h.changes(Some("5"));
            h.found.configs.clear();
        },
        &[("configs", "lost-config")],
    ),
    (
        "a config that was deleted is given again",
        |h| {
            h.changes(Some("5"));
            let before = h.found.configs.clone();
            h.changes(None);
            h.found.configs = before;
        },
        &[("configs", "config-went-back")],
    ),
    (
        "a config has the value before the one that was given last",
        |h| {
            h.changes(Some("5"));
            let before = h.found.configs.clone();
            h.changes(Some("6"));
            h.found.configs = before;
        },
        &[("configs", "config-went-back")],
    ),
    (
        "a config has a value that nobody gave it",
        |h| {
            h.found.configs.insert((TOPIC, String::from("flush.ms")), String::from("7"));
        },
        &[("configs", "phantom-config")],
    ),
    (
        "a partition begins before the place that was told",
        |h| {
            h.deletes(1);
            h.partition().log_start = 0;
        },
        &[("starts", "log-start-went-back")],
    ),
    (
        "a partition begins behind the place that was asked for",
        |h| {
            h.deletes(1);
            h.partition().log_start = 2;
            h.partition().batches.remove(0);
        },
        &[("starts", "phantom-log-start")],
    ),
    (
        "deleted records are served",
        |h| {
            h.deletes(1);
            h.partition().serves_deleted = true;
        },
        &[("starts", "resurrected-record")],
    ),
    (
        "with the records that were deleted another batch is gone",
        |h| {
            h.deletes(2);
            h.partition().batches.drain(..2);
        },
        &[("acked", "lost-write"), ("contiguous", "inconsistent-offsets")],
    ),
    (
        "with the records in front of a place within a batch those behind it are gone",
        |h| {
            h.deletes(1);
            h.partition().batches.remove(0);
        },
        &[("acked", "lost-write"), ("contiguous", "inconsistent-offsets")],
    ),
    (
        "what can be read ends before the high watermark",
        |h| h.partition().high_watermark += 1,
        &[("contiguous", "inconsistent-offsets")],
    ),
    (
        "there is a hole in the offsets",
        |h| {
            h.stored(4, batch::make(OpNumber(4), 1, 10, None));
            h.header(3).base_offset = Offset(7);
            h.partition().high_watermark = 8;
        },
        &[("contiguous", "inconsistent-offsets")],
    ),
    (
        "an acknowledged batch is gone",
        |h| {
            h.told(4, batch::make(OpNumber(4), 1, 10, None), Known::Acked);
            h.ledger.partitions.get_mut(&KEY).expect("learned").high_watermark = 6;
            h.lose();
        },
        &[("acked", "lost-write")],
    ),
    (
        "a batch that was read is gone, and the high watermark with it",
        History::lose,
        &[("acked", "unseen"), ("visible", "nonmonotonic")],
    ),
    (
        "another batch is where one was acknowledged",
        |h| {
            h.ledger.partitions.get_mut(&KEY).expect("learned").facts.insert(2, (OpNumber(4), Known::Acked));
            h.ledger.open(OpNumber(4), KEY, &batch::make(OpNumber(4), 1, 10, None));
        },
        &[("acked", "lost-write")],
    ),
    (
        "a byte of an acknowledged batch is another",
        |h| {
            let batch = &mut h.partition().batches[1];
            let mut bytes = batch.records.to_vec();
            *bytes.last_mut().expect("not empty") ^= 1;
            batch.records = Bytes::from(bytes);
        },
        &[("acked", "lost-write"), ("sent", "phantom")],
    ),
    (
        "a high watermark that was told is taken back",
        |h| h.ledger.partitions.get_mut(&KEY).expect("learned").high_watermark = 7,
        &[("visible", "nonmonotonic")],
    ),
    (
        "the first offsets are gone",
        |h| {
            h.ledger.partitions.get_mut(&OTHER).expect("learned").high_watermark = 2;
            let other = h.found.partitions.get_mut(&OTHER).expect("there");
            (other.log_start, other.high_watermark) = (2, 2);
        },
        &[("starts", "phantom-log-start")],
    ),
    (
        "a batch is there that nobody sent",
        |h| h.there(batch::make(OpNumber(99), 1, 10, None)),
        &[("sent", "phantom")],
    ),
    (
        "a batch is in another partition than it was sent to",
        |h| {
            h.stored(4, batch::make(OpNumber(4), 1, 10, None));
            h.ledger.ops.get_mut(&OpNumber(4)).expect("opened").key = OTHER;
        },
        &[("sent", "phantom")],
    ),
    (
        "a plain batch is there more often than it was sent",
        |h| h.there(batch::make(OpNumber(2), 1, 10, None)),
        &[("sent", "duplicate")],
    ),
    (
        "a refused batch is there",
        |h| {
            h.stored(4, batch::make(OpNumber(4), 1, 10, None));
            h.ledger.ops.get_mut(&OpNumber(4)).expect("opened").possible = 0;
        },
        &[("sent", "duplicate")],
    ),
    (
        "an idempotent batch that was sent twice is there twice",
        |h| {
            h.ledger.sent(ConnId(2), Tag(1), Asked::Produce(vec![OpNumber(3)]));
            h.there(batch::make(OpNumber(3), 3, 10, by(0, 2)));
        },
        &[("sent", "duplicate"), ("idempotent", "duplicate")],
    ),
    (
        "the sequences of a producer have a hole",
        |h| h.stored(4, batch::make(OpNumber(4), 1, 10, by(0, 6))),
        &[("idempotent", "lost-write")],
    ),
    (
        "a raised epoch begins in the middle",
        |h| {
            h.ledger.first_sequences.insert((KEY, PRODUCER, 1), 0);
            h.stored(4, batch::make(OpNumber(4), 1, 10, by(1, 5)));
        },
        &[("idempotent", "lost-write")],
    ),
    (
        "a producer goes back to an epoch that was replaced",
        |h| {
            h.stored(4, batch::make(OpNumber(4), 1, 10, by(1, 0)));
            h.stored(5, batch::make(OpNumber(5), 1, 10, by(0, 5)));
        },
        &[("idempotent", "zombie-append")],
    ),
    (
        "a producer id comes twice",
        |h| h.found.producer_id = Some(PRODUCER.0),
        &[("idempotent", "reissued-producer-id")],
    ),
    (
        "a batch of a stamped topic is not stamped",
        |h| {
            let plain = *h.header(1);
            h.stamp();
            *h.header(1) = plain;
        },
        &[("stamped", "wrong-timestamp")],
    ),
    (
        "a start leads in an epoch that was told before it",
        |h| h.found.leader_epoch = Some(2),
        &[("epochs", "epoch-not-raised")],
    ),
    (
        "leader epochs go back along a partition",
        |h| h.header(1).leader_epoch = 1,
        &[("epochs", "epoch-not-raised")],
    ),
    ("a group is gone", |h| h.found.groups.clear(), &[("groups", "lost-group")]),
    ("a deleted group is there again", |h| h.book().deleted = true, &[("groups", "resurrected-group")]),
    (
        "a group is in a generation before the one that was told",
        |h| {
            h.book().settled = false;
            h.group().generation = 1;
        },
        &[("groups", "generation-lost")],
    ),
    (
        "who left is there again",
        |h| {
            h.book().out.insert(String::from("b"));
        },
        &[("groups", "zombie-member")],
    ),
    ("a partition has two owners", |h| h.has("b", assigned("b", &[KEY, OTHER])), &[("owners", "two-owners")]),
    (
        "a member has what was assigned to another",
        |h| h.has("b", assigned("a", &[KEY])),
        &[("owners", "wrong-owner")],
    ),
    (
        "a member has something else than it was told",
        |h| h.has("b", assigned("b", &[])),
        &[("owners", "wrong-owner")],
    ),
    (
        "assignments that were told are not there",
        |h| {
            h.book().settled = false;
            h.group().state = String::from("CompletingRebalance");
        },
        &[("owners", "lost-assignment")],
    ),
    (
        "a settled group is in a rebalance",
        |h| h.group().state = String::from("PreparingRebalance"),
        &[("settled", "needless-rebalance")],
    ),
    (
        "a settled group is in a later generation",
        |h| h.group().generation = 3,
        &[("settled", "needless-rebalance")],
    ),
    (
        "a settled group does not know who has what",
        |h| h.has("a", Bytes::new()),
        &[("settled", "lost-assignment")],
    ),
    ("a committed offset is gone", |h| h.found.offsets.clear(), &[("offsets", "lost-offset")]),
    (
        "an earlier offset is committed again",
        |h| {
            let before = h.found.offsets.clone();
            h.commits(51, 3);
            h.found.offsets = before;
        },
        &[("offsets", "offset-went-back")],
    ),
    (
        "an offset is committed behind the end of its partition",
        |h| h.commits(51, 7),
        &[("within", "offset-beyond-end")],
    ),
];

fn after(change: Change) -> History {
    let mut history = History::good();
    change(&mut history);
    history
}

#[test]
fn good_histories_pass() {
    for (what, change) in GOOD {
        let History { ledger, found } = after(change);
        assert_eq!(check_all(&ledger, &found), Ok(()), "{what}");
    }
}

#[test]
fn each_bad_history_is_rejected_by_exactly_the_invariants_it_breaks() {
    for (what, change, rejected) in BAD {
        let History { ledger, found } = after(change);
        for (name, check) in INVARIANTS {
            let expected = rejected.iter().find(|(by, _)| *by == name).map(|(_, violation)| *violation);
            let told = check(&ledger, &found).err().map(|violation| violation.name);
            assert_eq!(told, expected, "{what}, held against {name}");
        }
    }
}

#[test]
fn each_invariant_switched_off_lets_a_bad_history_pass() {
    for (off, _) in INVARIANTS {
        let passes = BAD.iter().filter(|(_, change, _)| {
            let History { ledger, found } = after(*change);
            check_all(&ledger, &found).is_err()
                && INVARIANTS
                    .iter()
                    .filter(|(name, _)| *name != off)
                    .all(|(_, check)| check(&ledger, &found).is_ok())
        });
        assert_ne!(passes.count(), 0, "nothing would be missed without {off}");
    }
}

#[test]
fn every_violation_that_an_invariant_knows_has_a_history() {
    let known: BTreeSet<&str> =
        BAD.iter().flat_map(|(_, _, by)| *by).map(|(_, violation)| *violation).collect();
    let sources = [
        include_str!("acked.rs"),
        include_str!("configs.rs"),
        include_str!("contiguous.rs"),
        include_str!("epochs.rs"),
        include_str!("groups.rs"),
        include_str!("idempotent.rs"),
        include_str!("offsets.rs"),
        include_str!("owners.rs"),
        include_str!("partitions.rs"),
        include_str!("sent.rs"),
        include_str!("settled.rs"),
        include_str!("stamped.rs"),
        include_str!("starts.rs"),
        include_str!("topics.rs"),
        include_str!("visible.rs"),
        include_str!("within.rs"),
    ];
    let is_name = |text: &&str| {
        text.contains('-') && text.bytes().all(|byte| byte == b'-' || byte.is_ascii_lowercase())
    };
    for name in sources.iter().flat_map(|source| source.split('"').skip(1).step_by(2)).filter(is_name) {
        assert!(known.contains(name), "no history for {name}");
    }
}
