//! Answers of administration.

use evenkeel_core::{port::AdminResponse, units::Tag};
use kafka_protocol::messages::{
    CreatePartitionsResponse, DeleteRecordsResponse, DescribeConfigsResponse,
    IncrementalAlterConfigsResponse,
    create_partitions_response::CreatePartitionsTopicResult,
    delete_records_response::{DeleteRecordsPartitionResult, DeleteRecordsTopicResult},
    describe_configs_response::{DescribeConfigsResourceResult, DescribeConfigsResult},
    incremental_alter_configs_response::AlterConfigsResourceResponse,
};

use super::*;
use crate::ledger::{APPEND_TIME, AdminAsked, CHANGED, TIMESTAMP_TYPE, Upto, default_of};

fn grown(error: i16) -> Response {
    let result = CreatePartitionsTopicResult::default().with_error_code(error);
    let answer = CreatePartitionsResponse::default().with_results(vec![result]);
    Response::Admin(AdminResponse::CreatePartitions(answer))
}

fn altered(error: i16) -> Response {
    let told = AlterConfigsResourceResponse::default().with_error_code(error);
    let answer = IncrementalAlterConfigsResponse::default().with_responses(vec![told]);
    Response::Admin(AdminResponse::IncrementalAlterConfigs(answer))
}

fn deleted_to(error: i16, start: i64) -> Response {
    let told = DeleteRecordsPartitionResult::default().with_error_code(error).with_low_watermark(start);
    let topic = DeleteRecordsTopicResult::default().with_partitions(vec![told]);
    let answer = DeleteRecordsResponse::default().with_topics(vec![topic]);
    Response::Admin(AdminResponse::DeleteRecords(answer))
}

/// All configs as by default, but for this one.
fn configs(name: &str, value: &str) -> Response {
    let told = |of: &'static str| {
        let given = of == name;
        DescribeConfigsResourceResult::default()
            .with_name(StrBytes::from_static_str(of))
            .with_value(Some(StrBytes::from_string(if given { String::from(value) } else { default_of(of) })))
            .with_config_source(if given { 1 } else { 5 })
    };
    let result = DescribeConfigsResult::default().with_configs(CHANGED.map(told).to_vec());
    Response::Admin(AdminResponse::DescribeConfigs(
        DescribeConfigsResponse::default().with_results(vec![result]),
    ))
}

fn grow(count: i32) -> Asked {
    Asked::Admin(AdminAsked::Grow(TOPIC, count))
}

fn change(name: &'static str, value: Option<&str>) -> Asked {
    Asked::Admin(AdminAsked::Change(TOPIC, [(name, value.map(String::from))].into()))
}

fn delete(upto: Upto, known: i64) -> Asked {
    Asked::Admin(AdminAsked::DeleteRecords(KEY, upto, known))
}

const CONFIGS: Asked = Asked::Admin(AdminAsked::Configs(TOPIC));
const EARLIEST: Asked = Asked::Admin(AdminAsked::Earliest(KEY));

impl Talk {
    /// Asks, and is not answered yet.
    fn asks(&mut self, asked: Asked) -> Tag {
        self.next += 1;
        self.ledger.sent(CONN, Tag(self.next), asked);
        Tag(self.next)
    }

    /// What was asked is answered.
    fn hears(&mut self, tag: Tag, response: &Response) -> &'static str {
        self.ledger.answered(CONN, tag, response).err().map_or("", |violation| violation.name)
    }
}

fn with_partitions(count: usize) -> Response {
    let partitions = vec![MetadataResponsePartition::default().with_leader_epoch(1); count];
    let topic = MetadataResponseTopic::default()
        .with_name(Some(TopicName(StrBytes::from_static_str("t"))))
        .with_topic_id(uuid::Uuid::from_bytes(TOPIC.0))
        .with_partitions(partitions);
    Response::Metadata(MetadataResponse::default().with_topics(vec![topic]))
}

#[test]
fn a_topic_grows_when_somebody_asks_and_never_shrinks() {
    let mut talk = Talk::new();
    assert_eq!(talk.told(Asked::Metadata(None), &with_partitions(2)), "phantom-partition");
    assert_eq!(talk.told(grow(1), &grown(37)), "", "it has one");
    assert_eq!(talk.told(grow(2), &grown(37)), "wrong-error", "it has one");
    assert_eq!(talk.told(grow(3), &grown(0)), "");
    assert_eq!(talk.told(Asked::Metadata(None), &with_partitions(1)), "lost-partition");
    assert_eq!(talk.told(Asked::Metadata(None), &with_partitions(3)), "");
    assert_eq!(talk.told(grow(2), &grown(0)), "wrong-answer", "that is no growth");
    talk.asks(grow(5));
    assert_eq!(talk.told(Asked::Metadata(None), &with_partitions(3)), "", "not yet");
    assert_eq!(talk.told(Asked::Metadata(None), &with_partitions(4)), "phantom-partition");
    assert_eq!(talk.told(Asked::Metadata(None), &with_partitions(5)), "", "asked for, and not answered");
    assert_eq!(talk.told(Asked::Metadata(None), &with_partitions(3)), "lost-partition");
    assert_eq!(talk.told(grow(6), &grown(56)), "wrong-error", "no disk fails");
    assert_eq!(talk.told(Asked::Metadata(None), &with_partitions(6)), "phantom-partition", "it was refused");
}

#[test]
fn a_config_is_what_was_given_last_and_deletions_count() {
    let name = "flush.ms";
    let mut talk = Talk::new();
    assert_eq!(talk.told(CONFIGS, &configs("", "")), "");
    assert_eq!(talk.told(CONFIGS, &configs(name, "5")), "phantom-config");
    assert_eq!(talk.told(change(name, Some("5")), &altered(0)), "");
    assert_eq!(talk.told(CONFIGS, &configs("", "")), "lost-config");
    assert_eq!(talk.told(CONFIGS, &configs(name, "5")), "");
    assert_eq!(talk.told(change(name, Some("6")), &altered(0)), "");
    assert_eq!(talk.told(CONFIGS, &configs(name, "5")), "config-went-back");
    assert_eq!(talk.told(change(name, None), &altered(0)), "");
    assert_eq!(talk.told(CONFIGS, &configs(name, "6")), "config-went-back");
    assert_eq!(talk.told(change(name, Some("7")), &altered(56)), "wrong-error", "no disk fails");
    assert_eq!(talk.told(CONFIGS, &configs(name, "7")), "config-went-back", "it was refused");
    let hidden = configs("", &default_of(name));
    assert_eq!(talk.told(CONFIGS, &hidden), "");
}

#[test]
fn of_changes_under_way_each_may_be_the_last() {
    let name = "flush.ms";
    let mut talk = Talk::new();
    assert_eq!(talk.told(change(name, Some("1")), &altered(0)), "");
    let (two, three) = (talk.asks(change(name, Some("2"))), talk.asks(change(name, Some("3"))));
    let early = talk.asks(CONFIGS);
    assert_eq!(talk.told(CONFIGS, &configs(name, "1")), "", "neither has happened");
    assert_eq!(talk.told(CONFIGS, &configs(name, "3")), "");
    assert_eq!(talk.told(CONFIGS, &configs(name, "1")), "config-went-back");
    assert_eq!(talk.hears(three, &altered(0)), "");
    assert_eq!(talk.told(CONFIGS, &configs(name, "2")), "", "it may have come behind");
    assert_eq!(talk.hears(two, &altered(0)), "");
    assert_eq!(talk.told(CONFIGS, &configs(name, "2")), "");
    assert_eq!(talk.told(CONFIGS, &configs(name, "3")), "config-went-back", "it came before");
    assert_eq!(talk.hears(early, &configs(name, "1")), "", "it was asked before all of that");
}

#[test]
fn what_a_config_says_is_done_from_the_change_on() {
    let mut talk = Talk::new();
    let stamps = |value| change(TIMESTAMP_TYPE, value);
    assert_eq!(talk.produce(1, &plain(1), (0, 0, 77)), "wrong-timestamp");
    let under_way = talk.asks(stamps(Some(APPEND_TIME)));
    assert_eq!(talk.produce(2, &plain(2), (0, 0, -1)), "", "before the change");
    assert_eq!(talk.produce(3, &plain(3), (0, 2, 77)), "", "behind it");
    assert_eq!(talk.hears(under_way, &altered(0)), "");
    assert_eq!(talk.produce(4, &plain(4), (0, 4, -1)), "wrong-timestamp");
    assert_eq!(talk.told(stamps(None), &altered(0)), "");
    assert_eq!(talk.produce(5, &plain(5), (0, 4, 77)), "wrong-timestamp");
    assert_eq!(talk.produce(6, &plain(6), (0, 4, -1)), "");
}

#[test]
fn deleted_records_are_gone_and_no_others() {
    let mut talk = Talk::new();
    for (number, at) in [(1, 0), (2, 2), (3, 4)] {
        assert_eq!(talk.produce(number, &plain(number), (0, at, -1)), "");
    }
    let from = |start: i64, batches: &[Batch]| FetchedPartition {
        log_start_offset: start,
        ..records(2, batches, 6)
    };
    let refused = FetchedPartition { error_code: 1, ..FetchedPartition::default() };
    assert_eq!(talk.fetch(0, 0, refused.clone()), "wrong-error", "nothing was deleted");
    assert_eq!(talk.told(delete(Upto::Offset(9), 6), &deleted_to(1, -1)), "", "behind the end");
    assert_eq!(talk.told(delete(Upto::Offset(3), 6), &deleted_to(1, -1)), "wrong-error");
    assert_eq!(talk.told(delete(Upto::Offset(3), 6), &deleted_to(0, 2)), "wrong-answer", "not all of it");
    assert_eq!(talk.told(delete(Upto::Offset(3), 6), &deleted_to(0, 5)), "phantom-log-start", "too much");
    assert_eq!(talk.told(delete(Upto::Offset(3), 6), &deleted_to(0, 3)), "");
    assert_eq!(talk.fetch(0, 0, refused), "");
    assert_eq!(talk.fetch(3, 0, from(3, &[plain(2), plain(3)])), "", "a batch with records on both sides");
    assert_eq!(talk.fetch(2, 0, from(3, &[plain(2), plain(3)])), "resurrected-record");
    assert_eq!(talk.fetch(3, 0, from(0, &[plain(2), plain(3)])), "log-start-went-back");
    assert_eq!(talk.told(EARLIEST, &end(3)), "");
    assert_eq!(talk.told(EARLIEST, &end(0)), "log-start-went-back");
    assert_eq!(talk.told(EARLIEST, &end(4)), "phantom-log-start");
    let all = talk.asks(delete(Upto::End(6), 6));
    assert_eq!(talk.told(EARLIEST, &end(3)), "", "not yet");
    assert_eq!(talk.told(EARLIEST, &end(5)), "phantom-log-start", "less than all");
    assert_eq!(talk.told(EARLIEST, &end(6)), "");
    assert_eq!(talk.hears(all, &deleted_to(0, 6)), "");
    assert_eq!(talk.told(EARLIEST, &end(3)), "log-start-went-back");
}

#[test]
fn a_time_finds_no_deleted_record() {
    let mut talk = Talk::new();
    for (number, at) in [(1, 0), (2, 2)] {
        assert_eq!(talk.produce(number, &plain(number), (0, at, -1)), "");
    }
    let time = plain(1).header.max_timestamp.0;
    let told = |offset: i64| {
        listed(FoundOffset::At { timestamp: Timestamp(time), offset: Offset(offset), leader_epoch: 1 })
    };
    assert_eq!(talk.told(Asked::Time(KEY, time, 0), &told(2)), "wrong-lookup", "it is in the batch before");
    assert_eq!(talk.told(delete(Upto::Offset(2), 4), &deleted_to(0, 2)), "");
    assert_eq!(talk.told(Asked::Time(KEY, time, 0), &told(2)), "");
    assert_eq!(talk.told(Asked::Time(KEY, time, 0), &told(0)), "wrong-lookup");
}
