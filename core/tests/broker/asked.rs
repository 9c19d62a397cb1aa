//! Requests beyond their bounds, and what an error answer says beside its code.

use evenkeel_core::{
    Config,
    port::{Request, Response},
    units::ConnId,
};
use kafka_protocol::messages::{
    ListOffsetsRequest, MetadataRequest, OffsetForLeaderEpochRequest, TopicName,
    list_offsets_request::{ListOffsetsPartition, ListOffsetsTopic},
    offset_for_leader_epoch_request::{OffsetForLeaderPartition, OffsetForLeaderTopic},
};

use crate::rig::{Rig, batch, small};

fn topic_name(name: &str) -> TopicName {
    TopicName(kafka_protocol::protocol::StrBytes::from_string(name.to_string()))
}

fn two_lives() -> Rig {
    let mut rig = Rig::new(small());
    rig.create("t", 1, &[]);
    assert_eq!(rig.produce("t", 0, batch(3, 10, 1, 1_000)).0, 0);
    let mut rig = rig.crash();
    assert_eq!(rig.produce("t", 0, batch(2, 10, 2, 2_000)).0, 0);
    rig
}

#[test]
fn a_client_with_another_leader_epoch_is_told_so_by_every_request_that_says_one() {
    let mut rig = two_lives();
    for (epoch, code) in [(-1, 0), (0, 74), (1, 74), (2, 0), (3, 75)] {
        let mut fetch = Rig::fetch_request("t", 0, 0, 0);
        fetch.topics[0].partitions[0].current_leader_epoch = epoch;
        match rig.ask(11, Request::Fetch(fetch)) {
            Response::Fetch(answer) => assert_eq!(answer.topics[0].partitions[0].error_code, code, "{epoch}"),
            other => panic!("{other:?}"),
        }
        let partition = ListOffsetsPartition::default().with_current_leader_epoch(epoch).with_timestamp(-1);
        let topic = ListOffsetsTopic::default().with_name(topic_name("t")).with_partitions(vec![partition]);
        match rig.ask(7, Request::ListOffsets(ListOffsetsRequest::default().with_topics(vec![topic]))) {
            Response::ListOffsets(answer) => {
                let found = format!("{:?}", answer.topics[0].partitions[0].found);
                assert_eq!(found.starts_with(&format!("Error({code})")), code != 0, "{epoch}: {found}");
            }
            other => panic!("{other:?}"),
        }
        let partition =
            OffsetForLeaderPartition::default().with_current_leader_epoch(epoch).with_leader_epoch(1);
        let topic =
            OffsetForLeaderTopic::default().with_topic(topic_name("t")).with_partitions(vec![partition]);
        let request = OffsetForLeaderEpochRequest::default().with_topics(vec![topic]);
        match rig.ask(4, Request::OffsetForLeaderEpoch(request)) {
            Response::OffsetForLeaderEpoch(answer) => {
                let told = &answer.topics[0].partitions[0];
                let end = if code == 0 { (1, 3) } else { (-1, -1) };
                assert_eq!((told.error_code, (told.leader_epoch, told.end_offset)), (code, end), "{epoch}");
            }
            other => panic!("{other:?}"),
        }
    }
}

#[test]
fn a_session_tells_each_time_where_a_reader_diverges() {
    let mut rig = two_lives();
    let ask = |rig: &mut Rig, session: i32, epoch: i32| {
        let mut request = Rig::fetch_request("t", 0, 5, 0).with_session_id(session).with_session_epoch(epoch);
        // It has read to offset 5 in epoch 1, which ended at 3.
        request.topics[0].partitions[0].last_fetched_epoch = 1;
        match rig.ask(12, Request::Fetch(request)) {
            Response::Fetch(answer) => answer,
            other => panic!("{other:?}"),
        }
    };
    let opened = ask(&mut rig, 0, 0);
    assert_ne!(opened.session_id, 0);
    for epoch in 1..4 {
        let answer = ask(&mut rig, opened.session_id, epoch);
        assert_eq!(answer.topics.len(), 1, "request {epoch}");
        assert_eq!(answer.topics[0].partitions[0].diverging_epoch, Some((1, 3)));
    }
}

#[test]
fn partitions_are_told_below_their_topic() {
    let mut rig = Rig::new(small());
    rig.create("t", 2, &[]);
    rig.create("u", 1, &[]);
    let mut request = Rig::fetch_request("t", 0, 0, 0);
    let first = request.topics[0].partitions[0].clone();
    request.topics[0].partitions.push(first.with_partition(1));
    request.topics.extend(Rig::fetch_request("u", 0, 0, 0).topics);
    match rig.ask(11, Request::Fetch(request)) {
        Response::Fetch(answer) => {
            let told: Vec<_> =
                answer.topics.iter().map(|told| (told.name.as_str(), told.partitions.len())).collect();
            assert_eq!(told, [("t", 2), ("u", 1)]);
        }
        other => panic!("{other:?}"),
    }
}

#[test]
fn several_times_are_looked_up_at_once_and_each_has_its_own_batch() {
    let mut rig = Rig::new(Config { cache_bytes: 0, ..small() });
    rig.create("t", 3, &[]);
    for partition in 0..3u8 {
        assert_eq!(rig.produce("t", partition.into(), batch(1, 100, partition, 1_000)).0, 0);
    }
    let partitions = (0..3).map(|index| {
        ListOffsetsPartition::default()
            .with_partition_index(index)
            .with_current_leader_epoch(-1)
            .with_timestamp(1_000)
    });
    let topic = ListOffsetsTopic::default().with_name(topic_name("t")).with_partitions(partitions.collect());
    match rig.ask(7, Request::ListOffsets(ListOffsetsRequest::default().with_topics(vec![topic]))) {
        Response::ListOffsets(answer) => {
            let found = answer.topics[0].partitions.iter().map(|told| match &told.found {
                evenkeel_core::port::FoundOffset::Within { batch, .. } => {
                    batch.iter().flat_map(|slice| slice.to_vec()).next_back()
                }
                other => panic!("{other:?}"),
            });
            assert_eq!(found.collect::<Vec<_>>(), [Some(0), Some(1), Some(2)]);
        }
        other => panic!("{other:?}"),
    }
}

#[test]
fn operations_on_the_cluster_are_told_to_those_who_ask() {
    let mut rig = Rig::new(small());
    for (asked, told) in [(false, i32::MIN), (true, 8096)] {
        let request = MetadataRequest::default()
            .with_topics(Some(Vec::new()))
            .with_include_cluster_authorized_operations(asked);
        match rig.ask(10, Request::Metadata(request)) {
            Response::Metadata(answer) => assert_eq!(answer.cluster_authorized_operations, told),
            other => panic!("{other:?}"),
        }
    }
}

#[test]
fn a_write_that_nobody_waits_for_ends_its_connection_when_it_is_refused_and_only_then() {
    let mut rig = Rig::new(small());
    rig.create("t", 1, &[]);
    rig.send(7, 11, Rig::produce_request("t", 0, 0, batch(1, 10, 1, 5)));
    assert_eq!(rig.closed, []);
    rig.send(7, 11, Rig::produce_request("none", 0, 0, batch(1, 10, 1, 5)));
    assert_eq!(rig.closed, [ConnId(7)]);
}

#[test]
fn settings_out_of_their_bounds_are_named() {
    type Change = fn(&mut Config);
    let wrong: [(&str, Change); 9] = [
        ("node id", |config| config.node_id = -1),
        ("cluster id", |config| config.cluster_id = Some(String::new())),
        ("cluster id", |config| config.cluster_id = Some("a b".into())),
        ("advertised host", |config| config.advertised_host.clear()),
        ("advertised host", |config| config.advertised_host = "h".repeat(256)),
        ("default partitions", |config| config.default_partitions = 0),
        ("segments of", |config| config.segment_bytes += 1),
        ("interval", |config| config.retention_check_interval = core::time::Duration::ZERO),
        ("messages of", |config| config.message_bytes_max = u32::MAX),
    ];
    assert_eq!(Config::default().check(), Ok(()));
    for (says, change) in wrong {
        let mut config = Config::default();
        change(&mut config);
        let told = config.check().expect_err(says);
        assert!(told.contains(says), "{told}");
    }
}
