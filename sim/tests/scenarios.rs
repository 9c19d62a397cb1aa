//! Failures that brokers of this kind were seen with, each by its name. What was acknowledged is there, once, in order, at its
//! offset, with what else the name says.
#![expect(clippy::wildcard_enum_match_arm, reason = "a scenario names the one answer it expects")]

use std::collections::BTreeSet;

use evenkeel_core::{
    Config, error_code,
    log::Refusal,
    port::{
        AdminRequest, AdminResponse, Disk, Fault, FileName, GroupRequest, GroupResponse, Request, Response,
    },
    units::{ProducerId, SegmentSequence, TopicId},
};
use evenkeel_sim::{
    batch::{self, Sequenced},
    client::produce_one,
    dice::Dice,
    disk::{Faults, Loss, MediaFault, SimDisk},
    ledger::{OpNumber, PartitionKey},
    probe::{Ended, Probe},
};
use kafka_protocol::{
    messages::{
        CreateTopicsRequest, DeleteGroupsRequest, DeleteTopicsRequest, GroupId,
        IncrementalAlterConfigsRequest, InitProducerIdRequest, MetadataRequest, OffsetCommitRequest,
        OffsetDeleteRequest, TopicName,
        create_topics_request::CreatableTopic,
        delete_topics_request::DeleteTopicState,
        incremental_alter_configs_request::{AlterConfigsResource, AlterableConfig},
        offset_commit_request::{OffsetCommitRequestPartition, OffsetCommitRequestTopic},
        offset_delete_request::{OffsetDeleteRequestPartition, OffsetDeleteRequestTopic},
    },
    protocol::StrBytes,
};

/// A broker, and what it acknowledged: operation, offset.
struct Stage {
    config: Config,
    probe: Probe,
    acked: Vec<(PartitionKey, OpNumber, i64)>,
    next_op: u64,
}

impl Stage {
    fn new() -> Stage {
        let config = Config { segment_bytes: 64 << 10, message_bytes_max: 16 << 10, ..Config::default() };
        let probe = Probe::boot(&config, 1, SimDisk::default());
        Stage { config, probe, acked: Vec::new(), next_op: 0 }
    }

    /// Goes on from that image; the start must succeed.
    fn boot(&mut self, disk: SimDisk) {
        self.probe = Probe::boot(&self.config, 2, disk);
        assert!(self.probe.serves(), "{}", self.probe.ended().map_or(String::new(), Ended::words));
    }

    fn refusal(&self, disk: SimDisk) -> Refusal {
        let probe = Probe::boot(&self.config, 2, disk);
        match probe.ended() {
            Some(Ended::Halted(Fault::Refused(refusal))) => refusal.clone(),
            other => panic!("{other:?}"),
        }
    }

    fn create(&mut self, name: &str, partitions: i32) -> TopicId {
        let topic = CreatableTopic::default()
            .with_name(TopicName(StrBytes::from_string(name.to_string())))
            .with_num_partitions(partitions)
            .with_replication_factor(1);
        let request = CreateTopicsRequest::default().with_topics(vec![topic]);
        match self.probe.ask(7, Request::CreateTopics(request)) {
            Some(Response::CreateTopics(answer)) => {
                assert_eq!(answer.topics[0].error_code, error_code::NONE);
                TopicId(*answer.topics[0].topic_id.as_bytes())
            }
            other => panic!("{other:?}"),
        }
    }

    fn delete(&mut self, topic: TopicId) {
        let state =
            DeleteTopicState::default().with_name(None).with_topic_id(uuid::Uuid::from_bytes(topic.0));
        let request = DeleteTopicsRequest::default().with_topics(vec![state]);
        match self.probe.ask(6, Request::DeleteTopics(request)) {
            Some(Response::DeleteTopics(answer)) => {
                assert_eq!(answer.responses[0].error_code, error_code::NONE);
                self.acked.retain(|(key, _, _)| key.topic != topic);
            }
            other => panic!("{other:?}"),
        }
    }

    fn producer(&mut self) -> ProducerId {
        let request = InitProducerIdRequest::default().with_transactional_id(None);
        match self.probe.ask(4, Request::InitProducerId(request)) {
            Some(Response::InitProducerId(answer)) => ProducerId(answer.producer_id.0),
            other => panic!("{other:?}"),
        }
    }

    /// Sends one batch. `None`: no answer. Otherwise the error, and the offset.
    fn send(&mut self, key: PartitionKey, op: OpNumber, by: Option<Sequenced>) -> Option<(i16, i64)> {
        let request = produce_one(key, batch::make(op, 1, 1000, by));
        match self.probe.ask(13, Request::Produce(request)) {
            Some(Response::Produce(answer)) => {
                let told = &answer.responses[0].partition_responses[0];
                if told.error_code == error_code::NONE && !self.acked.contains(&(key, op, told.base_offset)) {
                    self.acked.push((key, op, told.base_offset));
                }
                Some((told.error_code, told.base_offset))
            }
            None => None,
            other => panic!("{other:?}"),
        }
    }

    fn op(&mut self) -> OpNumber {
        self.next_op += 1;
        OpNumber(self.next_op)
    }

    fn produce(&mut self, key: PartitionKey) {
        let op = self.op();
        let told = self.send(key, op, None);
        assert!(matches!(told, Some((error_code::NONE, _))), "{told:?}");
    }

    fn fill(&mut self, key: PartitionKey, count: usize) {
        for _ in 0..count {
            self.produce(key);
        }
    }

    /// Everything acknowledged is there, once, at its offset; offsets have no gap.
    fn holds(&mut self) {
        let reading = self.probe.read_all().expect("everything can be read");
        for (key, found) in &reading.partitions {
            let mut ops = BTreeSet::new();
            for (offset, batch) in (found.log_start..).zip(&found.batches) {
                assert_eq!(batch.header.base_offset.0, offset, "{key:?}");
                let op = batch.op.expect("sent by a scenario");
                assert!(ops.insert(op), "{op:?} is in {key:?} twice");
            }
        }
        for (key, op, offset) in &self.acked {
            let found = reading.partitions.get(key).expect("the partition is there");
            let at = usize::try_from(offset - found.log_start).expect("not below the start");
            assert_eq!(found.batches.get(at).and_then(|batch| batch.op), Some(*op), "{key:?} at {offset}");
        }
    }

    /// Gives `flush.ms` of topic `t` a value, or takes it away.
    fn give(&mut self, value: Option<u64>) {
        let config = AlterableConfig::default()
            .with_name(StrBytes::from_static_str("flush.ms"))
            .with_config_operation(if value.is_some() { 0 } else { 1 })
            .with_value(value.map(|value| StrBytes::from_string(value.to_string())));
        let resource = AlterConfigsResource::default()
            .with_resource_type(2)
            .with_resource_name(StrBytes::from_static_str("t"))
            .with_configs(vec![config]);
        let request = IncrementalAlterConfigsRequest::default().with_resources(vec![resource]);
        match self.probe.ask(1, Request::Admin(AdminRequest::IncrementalAlterConfigs(request))) {
            Some(Response::Admin(AdminResponse::IncrementalAlterConfigs(answer))) => {
                assert_eq!(answer.responses[0].error_code, error_code::NONE);
            }
            other => panic!("{other:?}"),
        }
    }

    /// Commits an offset of topic `t` for a group.
    fn commit(&mut self, group: &str, offset: i64) {
        let partition = OffsetCommitRequestPartition::default().with_committed_offset(offset);
        let topic = OffsetCommitRequestTopic::default().with_name(topic_t()).with_partitions(vec![partition]);
        let request = OffsetCommitRequest::default().with_group_id(group_id(group)).with_topics(vec![topic]);
        match self.probe.ask(8, Request::Group(GroupRequest::OffsetCommit(request))) {
            Some(Response::Group(GroupResponse::OffsetCommit(answer))) => {
                assert_eq!(answer.topics[0].partitions[0].error_code, error_code::NONE);
            }
            other => panic!("{other:?}"),
        }
    }

    fn forget(&mut self, group: &str) {
        let topic = OffsetDeleteRequestTopic::default()
            .with_name(topic_t())
            .with_partitions(vec![OffsetDeleteRequestPartition::default()]);
        let request = OffsetDeleteRequest::default().with_group_id(group_id(group)).with_topics(vec![topic]);
        match self.probe.ask(0, Request::Group(GroupRequest::OffsetDelete(request))) {
            Some(Response::Group(GroupResponse::OffsetDelete(answer))) => {
                assert_eq!(answer.topics[0].partitions[0].error_code, error_code::NONE);
            }
            other => panic!("{other:?}"),
        }
    }

    fn delete_group(&mut self, group: &str) {
        let request = DeleteGroupsRequest::default().with_groups_names(vec![group_id(group)]);
        match self.probe.ask(2, Request::Group(GroupRequest::Delete(request))) {
            Some(Response::Group(GroupResponse::Delete(answer))) => {
                assert_eq!(answer.results[0].error_code, error_code::NONE);
            }
            other => panic!("{other:?}"),
        }
    }

    /// Which value `flush.ms` has, what is committed by group, and which groups there are.
    fn administered(&mut self) -> (Vec<String>, Vec<(String, i64)>, Vec<String>) {
        let reading = self.probe.read_all().expect("everything can be read");
        let offsets = reading.offsets.iter().map(|(place, found)| (place.group.clone(), found.offset));
        let configs = reading.configs.into_values().collect();
        (configs, offsets.collect(), reading.groups.into_keys().collect())
    }

    fn killed(&self) -> SimDisk {
        self.probe.disk().without_faults()
    }

    fn cluster_id(&mut self) -> String {
        match self.probe.ask(12, Request::Metadata(MetadataRequest::default().with_topics(None))) {
            Some(Response::Metadata(answer)) => answer.cluster_id.expect("it has one").to_string(),
            other => panic!("{other:?}"),
        }
    }
}

fn topic_t() -> TopicName {
    TopicName(StrBytes::from_static_str("t"))
}

fn group_id(name: &str) -> GroupId {
    GroupId(StrBytes::from_string(name.to_string()))
}

fn first(topic: TopicId) -> PartitionKey {
    PartitionKey { topic, index: 0 }
}

const EVERY: u64 = 1000;

#[test]
fn s01_six_hundred_partitions_come_back_after_an_orderly_stop() {
    let mut stage = Stage::new();
    let topic = stage.create("t", 600);
    for index in 0..600 {
        stage.produce(PartitionKey { topic, index });
    }
    assert!(stage.probe.stop());
    stage.boot(stage.probe.disk().durable_only());
    stage.holds();
    assert_eq!(stage.acked.len(), 600);
}

#[test]
fn s04_tiny_segments_come_back_in_the_order_of_writing() {
    let mut stage = Stage::new();
    stage.config.segment_bytes = 32 << 10;
    let key = first(stage.create("t", 1));
    for _ in 0..5 {
        stage.fill(key, 40);
        assert!(stage.probe.stop());
        stage.boot(stage.probe.disk().durable_only());
        stage.holds();
    }
    stage.produce(key);
    assert_eq!(stage.acked.last().map(|(_, _, offset)| *offset), Some(200), "goes on behind the last");
}

#[test]
fn s05_a_quiet_topic_outlives_the_trimming_of_a_busy_one() {
    let mut stage = Stage::new();
    let (quiet, busy) = (first(stage.create("quiet", 1)), first(stage.create("busy", 1)));
    stage.produce(quiet);
    stage.fill(busy, 300);
    stage.delete(busy.topic);
    // Checkpoints come, and with them trimming.
    let later = first(stage.create("later", 1));
    stage.fill(later, 300);
    let oldest =
        stage.probe.disk().list().expect("listed").into_iter().map(|entry| entry.file).min_by_key(|file| {
            match file {
                FileName::Segment(n) => n.0,
                _ => u64::MAX,
            }
        });
    assert_eq!(oldest, Some(FileName::Segment(SegmentSequence(1))), "the quiet one's record is in it");
    for round in 0..3 {
        stage.boot(stage.probe.disk().power_cut(round));
        stage.holds();
        stage.produce(quiet);
    }
}

#[test]
fn s08_the_entry_that_brings_a_checkpoint_about_is_in_it_or_behind_it() {
    let mut stage = Stage::new();
    let key = first(stage.create("t", 1));
    let mut begun = 0;
    for round in 0..120 {
        // A few batches more in each round: the entries come to lie at every distance from a checkpoint.
        stage.fill(key, 8 + usize::try_from(round % 7).expect("small"));
        stage.give(Some(round));
        let offset = i64::try_from(round).expect("small");
        stage.commit("g", offset);
        let list = stage.probe.disk().list().expect("a list never fails");
        begun = begun.max(list.iter().filter(|entry| matches!(entry.file, FileName::Checkpoint(_))).count());
        let mut after = Stage { acked: stage.acked.clone(), ..Stage::new() };
        after.boot(stage.probe.disk().durable_only());
        let told = (vec![round.to_string()], vec![(String::from("g"), offset)], vec![String::from("g")]);
        assert_eq!(after.administered(), told);
        after.holds();
    }
    assert_eq!(begun, 2, "there were checkpoints, and two are kept");
}

#[test]
fn s12_five_batches_are_remembered_and_the_sequence_wraps() {
    let mut stage = Stage::new();
    let key = first(stage.create("t", 1));
    let producer = stage.producer();
    // The first sequence of a producer that is not known here may be any.
    let begin = i32::MAX - 2;
    let sequences: Vec<i32> = (0..6).map(|at| if at <= 2 { begin + at } else { at - 3 }).collect();
    let ops: Vec<OpNumber> = sequences.iter().map(|_| stage.op()).collect();
    for (op, sequence) in ops.iter().zip(&sequences) {
        let told = stage.send(key, *op, Some(Sequenced { producer, epoch: 0, first: *sequence }));
        assert!(matches!(told, Some((error_code::NONE, _))), "sequence {sequence}: {told:?}");
    }
    for restart in [false, true] {
        if restart {
            stage.boot(stage.killed());
        }
        for at in 1..6 {
            let told = stage.send(key, ops[at], Some(Sequenced { producer, epoch: 0, first: sequences[at] }));
            assert_eq!(
                told,
                Some((error_code::NONE, i64::try_from(at).expect("few"))),
                "one of the last five"
            );
        }
    }
    stage.holds();
}

#[test]
fn s16_groups_offsets_and_configs_that_were_deleted_stay_so_over_every_kind_of_restart() {
    let mut stage = Stage::new();
    let key = first(stage.create("t", 1));
    for round in 0..20 {
        stage.give(Some(round));
        stage.commit("left", 1);
        stage.commit("forgotten", 2);
        stage.commit("deleted", 3);
        if round % 3 == 0 {
            // Far enough for a checkpoint that knows all of it.
            stage.fill(key, 150);
        }
        stage.give(None);
        stage.forget("forgotten");
        stage.delete_group("deleted");
        let left = |stage: &mut Stage| {
            let (configs, offsets, groups) = stage.administered();
            assert_eq!(configs, Vec::<String>::new(), "round {round}");
            assert_eq!(offsets, [(String::from("left"), 1)], "round {round}");
            assert!(!groups.contains(&String::from("deleted")), "round {round}");
        };
        left(&mut stage);
        match round % 3 {
            0 => stage.boot(stage.probe.disk().durable_only()),
            1 => stage.boot(stage.killed()),
            _ => {
                assert!(stage.probe.stop());
                stage.boot(stage.probe.disk().durable_only());
            }
        }
        left(&mut stage);
        stage.holds();
    }
}

#[test]
fn s19_a_retry_after_a_failed_write_is_not_a_duplicate_of_what_was_never_stored() {
    let faults =
        [Faults { write_eio: EVERY, ..Faults::default() }, Faults { sync_eio: EVERY, ..Faults::default() }];
    for (at, faults) in (0..).zip(faults) {
        for seed in 0..40 {
            let mut stage = Stage::new();
            let key = first(stage.create("t", 1));
            let producer = stage.producer();
            let ops = [stage.op(), stage.op()];
            assert_eq!(
                stage.send(key, ops[0], Some(Sequenced { producer, epoch: 0, first: 0 })),
                Some((0, 0))
            );
            stage.probe.disk().arm(faults, seed);
            assert_eq!(
                stage.send(key, ops[1], Some(Sequenced { producer, epoch: 0, first: 1 })),
                None,
                "fault {at}"
            );
            assert!(
                matches!(stage.probe.ended(), Some(Ended::Halted(Fault::LogWrite(_)))),
                "a failed write halts"
            );
            let mut dice = Dice::new(seed);
            let left = match seed % 2 {
                0 => stage.killed(),
                _ => stage.probe.disk().after(&Loss::draw(&mut dice), &mut dice),
            };
            stage.boot(left);
            for _ in 0..2 {
                assert_eq!(
                    stage.send(key, ops[1], Some(Sequenced { producer, epoch: 0, first: 1 })),
                    Some((0, 1))
                );
            }
            stage.boot(stage.probe.disk().durable_only());
            stage.holds();
        }
    }
}

#[test]
fn s19_a_retry_after_a_full_disk_is_stored_once() {
    let mut stage = Stage::new();
    let key = first(stage.create("t", 1));
    let producer = stage.producer();
    stage.probe.disk().arm(Faults { room: Some(0), ..Faults::default() }, 1);
    let (mut sequence, mut refused) = (0, None);
    while refused.is_none() && sequence < 2000 {
        let op = stage.op();
        match stage.send(key, op, Some(Sequenced { producer, epoch: 0, first: sequence })) {
            Some((error_code::NONE, _)) => sequence += 1,
            Some((error, _)) => refused = Some((op, error)),
            None => panic!("a full disk ends nothing: {:?}", stage.probe.ended()),
        }
    }
    let (op, error) = refused.expect("there was no room for two thousand batches");
    assert_eq!(error, error_code::KAFKA_STORAGE_ERROR);
    stage.probe.disk().calm();
    // It looks for room by itself now and then.
    stage.probe.wait(60_000_000);
    let told = stage.send(key, op, Some(Sequenced { producer, epoch: 0, first: sequence }));
    assert_eq!(told, Some((error_code::NONE, i64::from(sequence))), "refused means: not stored");
    stage.boot(stage.probe.disk().durable_only());
    stage.holds();
}

#[test]
fn s20_what_a_short_write_left_does_not_hide_what_comes_later() {
    for seed in 0..40 {
        let mut stage = Stage::new();
        let key = first(stage.create("t", 1));
        stage.fill(key, 20);
        stage.probe.disk().arm(Faults { write_eio: EVERY, ..Faults::default() }, seed);
        let op = stage.op();
        assert_eq!(stage.send(key, op, None), None);
        stage.boot(stage.killed());
        stage.fill(key, 10);
        stage.boot(stage.probe.disk().durable_only());
        stage.holds();
    }
}

#[test]
fn s21_a_sync_that_failed_once_is_not_believed_the_second_time() {
    for seed in 0..40 {
        let mut stage = Stage::new();
        let key = first(stage.create("t", 1));
        stage.fill(key, 20);
        stage.probe.disk().arm(Faults { sync_eio: EVERY, ..Faults::default() }, seed);
        let op = stage.op();
        assert_eq!(stage.send(key, op, None), None, "not acknowledged");
        stage.probe.disk().calm();
        stage.boot(stage.killed());
        let seen = stage.probe.read_all().expect("readable").partitions[&key].batches.len();
        stage.fill(key, 10);
        stage.boot(stage.probe.disk().durable_only());
        stage.holds();
        let now = stage.probe.read_all().expect("readable").partitions[&key].batches.len();
        assert_eq!(now, seen + 10, "what a start shows is durable");
    }
}

#[test]
fn s22_a_read_error_in_replay_is_not_the_end_of_the_log() {
    let mut stage = Stage::new();
    let key = first(stage.create("t", 1));
    stage.fill(key, 200);
    for rate in [20, 100, EVERY] {
        for seed in 0..20 {
            let disk = stage.killed();
            disk.arm(Faults { read_eio: rate, ..Faults::default() }, seed);
            let probe = Probe::boot(&stage.config, 3, disk);
            let left = probe.disk().without_faults();
            match probe.ended() {
                Some(Ended::Halted(Fault::Refused(Refusal::Disk(_)))) => {
                    assert_eq!(left.list(), stage.killed().list(), "nothing was changed");
                }
                Some(other) => panic!("{other:?}"),
                None => assert!(probe.serves() && rate < EVERY),
            }
            let mut again = Stage {
                probe: Probe::boot(&stage.config, 4, left),
                acked: stage.acked.clone(),
                ..Stage::new()
            };
            again.holds();
        }
    }
}

#[test]
fn s23_one_flipped_bit_in_the_log_is_never_a_shorter_history() {
    let mut stage = Stage::new();
    let key = first(stage.create("t", 1));
    stage.fill(key, 120);
    // Something younger, so that every group that holds a promise is proven.
    assert!(stage.probe.stop());
    let image = stage.probe.disk().durable_only();
    let mut dice = Dice::new(23);
    let (mut refused, mut harmless) = (0, 0);
    let segments: Vec<_> = image.list().expect("listed").into_iter().collect();
    for _ in 0..400 {
        let entry = segments[dice.index(segments.len())];
        let damaged = image.without_faults();
        if !matches!(entry.file, FileName::Segment(_))
            || !damaged.damage(&MediaFault::draw(entry.file, entry.len, &mut dice))
        {
            continue;
        }
        let probe = Probe::boot(&stage.config, 5, damaged);
        match probe.ended() {
            Some(Ended::Halted(Fault::Refused(_))) => refused += 1,
            Some(other) => panic!("{other:?}"),
            None => {
                harmless += 1;
                Stage { probe, acked: stage.acked.clone(), ..Stage::new() }.holds();
            }
        }
    }
    assert!(refused > 50 && harmless > 50, "{refused} refused, {harmless} in bytes that hold nothing");
}

#[test]
fn s24_what_follows_a_torn_end_is_seen_by_the_next_start() {
    for seed in 0..60 {
        let mut stage = Stage::new();
        let key = first(stage.create("t", 1));
        stage.fill(key, 5);
        // A log write is under way as the power fails.
        let mut torn = Stage { acked: stage.acked.clone(), ..Stage::new() };
        torn.probe = Probe::boot_for(&stage.config, 6, stage.killed(), 40 + seed);
        let _ = torn
            .probe
            .ask(13, Request::Produce(produce_one(key, batch::make(OpNumber(1000), 1, 8000, None))));
        let left = torn.probe.disk().power_cut(seed);
        stage.boot(left);
        let topic = stage.create("later", 1);
        stage.produce(first(topic));
        stage.boot(stage.probe.disk().durable_only());
        stage.holds();
    }
}

#[test]
fn s25_one_flipped_bit_in_a_checkpoint_deletes_nothing() {
    let mut stage = Stage::new();
    let key = first(stage.create("t", 1));
    stage.fill(key, 300);
    let image = stage.killed();
    let mut dice = Dice::new(25);
    let mut tried = 0;
    for entry in image.list().expect("listed") {
        for _ in 0..100 {
            if matches!(entry.file, FileName::Checkpoint(_)) {
                let damaged = image.without_faults();
                tried += u32::from(damaged.damage(&MediaFault::draw(entry.file, entry.len, &mut dice)));
                let mut after = Stage { acked: stage.acked.clone(), ..Stage::new() };
                after.boot(damaged);
                after.holds();
            }
        }
    }
    assert!(tried >= 100, "{tried}");
}

#[test]
fn s28_no_producer_id_is_given_out_twice() {
    let mut stage = Stage::new();
    let mut known = BTreeSet::new();
    for round in 0..60 {
        for _ in 0..3 {
            let id = stage.producer();
            assert!(known.insert(id), "{id:?} was given out before");
        }
        stage.boot(if round % 2 == 0 { stage.probe.disk().durable_only() } else { stage.killed() });
    }
}

#[test]
fn s31_an_empty_identity_file_is_not_another_cluster() {
    let mut stage = Stage::new();
    let key = first(stage.create("t", 1));
    stage.fill(key, 20);
    let known = stage.cluster_id();
    let emptied = stage.killed();
    emptied.create(FileName::Identity).expect("emptied");
    stage.boot(emptied);
    assert_eq!(stage.cluster_id(), known);
    stage.holds();
    let foreign = Stage {
        config: Config { cluster_id: Some(String::from("another")), ..stage.config.clone() },
        ..Stage::new()
    };
    assert!(matches!(foreign.refusal(stage.killed()), Refusal::ForeignCluster { .. }));
}
