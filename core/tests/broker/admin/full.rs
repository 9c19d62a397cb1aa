//! Administration while the log has no room: what would change something is refused with an error that clients try again
//! after, and changes nothing; what changes nothing is answered as ever; and what gives room back is done.

use std::time::Duration;

use evenkeel_core::port::{AdminRequest, AdminResponse, Request, Response};
use kafka_protocol::{
    messages::{
        AlterConfigsRequest, CreatePartitionsRequest, CreateTopicsRequest, DeleteRecordsRequest,
        DeleteTopicsRequest, IncrementalAlterConfigsRequest, alter_configs_request,
        create_partitions_request::CreatePartitionsTopic,
        create_topics_request::CreatableTopic,
        delete_records_request::{DeleteRecordsPartition, DeleteRecordsTopic},
        incremental_alter_configs_request,
    },
    protocol::StrBytes,
};

use super::{text, topic_name};
use crate::rig::{Rig, batch, small};

/// KAFKA_STORAGE_ERROR, which clients take for a reason to try again.
const NO_ROOM: i16 = 56;
const UNKNOWN_TOPIC: i16 = 3;
const OUT_OF_RANGE: i16 = 1;
const TOPIC_EXISTS: i16 = 36;
const INVALID_PARTITIONS: i16 = 37;
const INVALID_CONFIG: i16 = 40;

const TOPIC: i8 = 2;

/// Version and request.
type Asked = (i16, Request);

fn creation(names: &[&str]) -> Asked {
    let topics = names.iter().map(|name| {
        let topic = CreatableTopic::default().with_name(topic_name(name));
        topic.with_num_partitions(2).with_replication_factor(-1)
    });
    let request = CreateTopicsRequest::default().with_topics(topics.collect());
    (7, Request::CreateTopics(request))
}

fn deletion(name: &str) -> Asked {
    let request = DeleteTopicsRequest::default().with_topic_names(vec![topic_name(name)]);
    (5, Request::DeleteTopics(request))
}

fn growth(name: &str, count: i32) -> Asked {
    let topic = CreatePartitionsTopic::default().with_name(topic_name(name)).with_count(count);
    let request = CreatePartitionsRequest::default().with_topics(vec![topic.with_assignments(None)]);
    (3, Request::Admin(AdminRequest::CreatePartitions(request)))
}

fn change(topic: &str, name: &str, value: Option<&str>) -> Asked {
    let config = incremental_alter_configs_request::AlterableConfig::default()
        .with_name(text(name))
        .with_config_operation(i8::from(value.is_none()))
        .with_value(value.map(text));
    let resource = incremental_alter_configs_request::AlterConfigsResource::default()
        .with_resource_type(TOPIC)
        .with_resource_name(text(topic))
        .with_configs(vec![config]);
    let request = IncrementalAlterConfigsRequest::default().with_resources(vec![resource]);
    (1, Request::Admin(AdminRequest::IncrementalAlterConfigs(request)))
}

fn replacement(topic: &str, name: &str, value: &str) -> Asked {
    let config =
        alter_configs_request::AlterableConfig::default().with_name(text(name)).with_value(Some(text(value)));
    let resource = alter_configs_request::AlterConfigsResource::default()
        .with_resource_type(TOPIC)
        .with_resource_name(text(topic))
        .with_configs(vec![config]);
    let request = AlterConfigsRequest::default().with_resources(vec![resource]);
    (2, Request::Admin(AdminRequest::AlterConfigs(request)))
}

fn records(topic: &str, offset: i64) -> Asked {
    let partition = DeleteRecordsPartition::default().with_partition_index(0).with_offset(offset);
    let topic = DeleteRecordsTopic::default().with_name(topic_name(topic)).with_partitions(vec![partition]);
    let request = DeleteRecordsRequest::default().with_topics(vec![topic]);
    (2, Request::Admin(AdminRequest::DeleteRecords(request)))
}

/// The error of each thing that was asked for, which comes with a sentence where the protocol has a place for one.
fn errors(rig: &mut Rig, (version, request): &Asked) -> Vec<i16> {
    let said = |error_code: i16, message: &Option<StrBytes>| {
        let sentence = message.as_ref().is_some_and(|message| !message.is_empty());
        assert_eq!(error_code != 0, sentence, "an error has a sentence");
        error_code
    };
    match rig.ask(*version, request.clone()) {
        Response::CreateTopics(answer) => {
            answer.topics.iter().map(|told| said(told.error_code, &told.error_message)).collect()
        }
        Response::DeleteTopics(answer) => answer.responses.iter().map(|told| told.error_code).collect(),
        Response::Admin(AdminResponse::CreatePartitions(answer)) => {
            answer.results.iter().map(|told| said(told.error_code, &told.error_message)).collect()
        }
        Response::Admin(AdminResponse::AlterConfigs(answer)) => {
            answer.responses.iter().map(|told| said(told.error_code, &told.error_message)).collect()
        }
        Response::Admin(AdminResponse::IncrementalAlterConfigs(answer)) => {
            answer.responses.iter().map(|told| said(told.error_code, &told.error_message)).collect()
        }
        Response::Admin(AdminResponse::DeleteRecords(answer)) => {
            answer.topics[0].partitions.iter().map(|told| told.error_code).collect()
        }
        other => panic!("{other:?}"),
    }
}

/// Topic t with a config and six records, two of them deleted, topic u, and no room for more.
fn full() -> Rig {
    let mut rig = Rig::new(small());
    rig.create("t", 1, &[("flush.ms", "7")]);
    rig.create("u", 1, &[]);
    assert_eq!(rig.produce("t", 0, batch(6, 10, b'a', 5)), (0, 0));
    assert_eq!(errors(&mut rig, &records("t", 2)), [0]);
    rig.use_up_room("u", 0);
    rig
}

/// What needs room, and how many things each asks for.
fn changes() -> [(Asked, usize); 5] {
    [
        (creation(&["v", "w"]), 2),
        (growth("t", 3), 1),
        (change("t", "flush.ms", Some("8")), 1),
        (replacement("t", "max.message.bytes", "1000"), 1),
        (change("t", "max.message.bytes", None), 1),
    ]
}

/// What gives room back.
fn deletions() -> [Asked; 2] {
    [records("t", 4), deletion("u")]
}

#[test]
fn what_gives_room_back_is_done_on_a_full_disk_and_lasts() {
    let mut rig = full();
    for asked in deletions() {
        assert_eq!(errors(&mut rig, &asked), [0], "{asked:?}");
    }
    let state = |rig: &Rig| {
        let state = rig.broker.state().expect("it serves");
        let topic = state.topic_named("t").expect("there");
        let first = topic.partition_id(0).and_then(|id| state.partition(id)).expect("there");
        (state.topics().count(), first.log_start.0)
    };
    assert_eq!(state(&rig), (1, 4));
    rig.disk.fill(false);
    assert_eq!(state(&rig.crash()), (1, 4));
}

#[test]
fn deletions_that_the_last_segment_does_not_hold_are_refused_and_nothing_waits() {
    let mut rig = full();
    let topics = 40;
    rig.disk.fill(false);
    rig.pass(Duration::from_secs(60));
    let names: Vec<String> = (0..topics).map(|at| format!("many-{at}")).collect();
    let names: Vec<&str> = names.iter().map(String::as_str).collect();
    assert_eq!(errors(&mut rig, &creation(&names)), vec![0; topics]);
    rig.use_up_room("t", 0);
    // Each in a write of its own.
    let told: Vec<i16> = names.iter().flat_map(|name| errors(&mut rig, &deletion(name))).collect();
    let done = told.iter().take_while(|error| **error == 0).count();
    assert!((1..topics).contains(&done), "{told:?}");
    assert!(told[done..].iter().all(|error| *error == NO_ROOM), "{told:?}");
    assert_eq!(rig.broker.is_all_durable(), Some(true), "nothing that waits for room is staged");
    assert_eq!(rig.broker.state().expect("it serves").topics().count(), 2 + topics - done);
}

#[test]
fn what_needs_room_is_refused_for_now_and_changes_nothing() {
    let mut rig = full();
    let (state, durable) = (rig.broker.state().cloned(), rig.broker.durable());
    for (asked, count) in changes() {
        // Without a value that it has, the deletion of a config needs no room.
        let is_nothing = asked == change("t", "max.message.bytes", None);
        let wanted = if is_nothing { 0 } else { NO_ROOM };
        assert_eq!(errors(&mut rig, &asked), vec![wanted; count], "{asked:?}");
        assert_eq!(rig.broker.is_all_durable(), Some(true), "nothing is staged");
        assert_eq!(
            (rig.broker.state().cloned(), rig.broker.durable()),
            (state.clone(), durable),
            "{asked:?}"
        );
    }
}

#[test]
fn what_needs_no_room_is_answered_as_ever() {
    let mut rig = full();
    for (asked, error) in [
        (creation(&["t"]), TOPIC_EXISTS),
        (growth("nowhere", 3), UNKNOWN_TOPIC),
        (growth("t", 1), INVALID_PARTITIONS),
        (change("t", "flush.ms", Some("7")), 0),
        (change("t", "flush.ms", Some("soon")), INVALID_CONFIG),
        (replacement("t", "flush.ms", "7"), 0),
        (records("t", 1), 0),
        (records("t", 7), OUT_OF_RANGE),
        (deletion("nowhere"), UNKNOWN_TOPIC),
    ] {
        assert_eq!(errors(&mut rig, &asked), [error], "{asked:?}");
    }
}

#[test]
fn what_was_refused_is_done_when_there_is_room_and_lasts() {
    let mut rig = full();
    for (asked, _) in changes() {
        errors(&mut rig, &asked);
    }
    rig.disk.fill(false);
    rig.pass(Duration::from_secs(60));
    for (asked, count) in changes() {
        assert_eq!(errors(&mut rig, &asked), vec![0; count], "{asked:?}");
    }
    for asked in deletions() {
        assert_eq!(errors(&mut rig, &asked), [0], "{asked:?}");
    }
    let mut rig = rig.crash();
    let state = rig.broker.state().expect("it serves");
    let topics: Vec<(&str, i32)> =
        state.topics().map(|topic| (topic.name(), topic.partition_count())).collect();
    assert_eq!(topics, [("t", 3), ("v", 2), ("w", 2)]);
    let topic = state.topic_named("t").expect("there");
    // Set to 8, replaced by another one, which was taken away.
    assert!(topic.created.configs.is_empty(), "{:?}", topic.created.configs);
    let first = topic.partition_id(0).and_then(|id| state.partition(id)).expect("there");
    assert_eq!((first.log_start.0, first.log_end.0), (4, 6));
    assert_eq!(errors(&mut rig, &records("t", 3)), [0], "nothing lies below");
}
