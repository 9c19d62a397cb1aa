//! Requests of everyday administration.

use evenkeel_core::port::{AdminRequest, Request};
use kafka_protocol::{
    messages::{
        AlterConfigsRequest, CreatePartitionsRequest, DeleteRecordsRequest, DescribeConfigsRequest,
        IncrementalAlterConfigsRequest, alter_configs_request,
        create_partitions_request::CreatePartitionsTopic,
        delete_records_request::{DeleteRecordsPartition, DeleteRecordsTopic},
        describe_configs_request::DescribeConfigsResource,
        incremental_alter_configs_request,
    },
    protocol::StrBytes,
};

use super::topic_name;

/// A topic, as Kafka numbers what has configs.
const TOPIC: i8 = 2;
const SET: i8 = 0;
const DELETE: i8 = 1;

fn text(text: &str) -> StrBytes {
    StrBytes::from_string(String::from(text))
}

/// So many partitions from now on; version 3.
#[must_use]
pub fn grow(topic: &str, count: i32) -> Request {
    let topic = CreatePartitionsTopic::default().with_name(topic_name(topic)).with_count(count);
    let request = CreatePartitionsRequest::default().with_topics(vec![topic.with_assignments(None)]);
    Request::Admin(AdminRequest::CreatePartitions(request))
}

/// One config gets a value, or has none any more; version 1.
#[must_use]
pub fn set(topic: &str, name: &str, value: Option<&str>) -> Request {
    let config = incremental_alter_configs_request::AlterableConfig::default()
        .with_name(text(name))
        .with_config_operation(if value.is_some() { SET } else { DELETE })
        .with_value(value.map(text));
    let resource = incremental_alter_configs_request::AlterConfigsResource::default()
        .with_resource_type(TOPIC)
        .with_resource_name(text(topic))
        .with_configs(vec![config]);
    let request = IncrementalAlterConfigsRequest::default().with_resources(vec![resource]);
    Request::Admin(AdminRequest::IncrementalAlterConfigs(request))
}

/// The topic has these configs from now on, and no others; version 2.
#[must_use]
pub fn replace(topic: &str, configs: &[(&str, &str)]) -> Request {
    let given = configs.iter().map(|(name, value)| {
        alter_configs_request::AlterableConfig::default().with_name(text(name)).with_value(Some(text(value)))
    });
    let resource = alter_configs_request::AlterConfigsResource::default()
        .with_resource_type(TOPIC)
        .with_resource_name(text(topic))
        .with_configs(given.collect());
    Request::Admin(AdminRequest::AlterConfigs(AlterConfigsRequest::default().with_resources(vec![resource])))
}

/// The configs of these topics; version 4.
#[must_use]
pub fn configs<'a>(topics: impl Iterator<Item = &'a str>) -> Request {
    let asked = topics.map(|name| {
        let resource = DescribeConfigsResource::default().with_resource_type(TOPIC);
        resource.with_resource_name(text(name)).with_configuration_keys(None)
    });
    let request = DescribeConfigsRequest::default().with_resources(asked.collect());
    Request::Admin(AdminRequest::DescribeConfigs(request))
}

/// Records in front of an offset go, -1: all that are visible; version 2.
#[must_use]
pub fn delete_records(topic: &str, index: i32, offset: i64) -> Request {
    let partition = DeleteRecordsPartition::default().with_partition_index(index).with_offset(offset);
    let topic = DeleteRecordsTopic::default().with_name(topic_name(topic)).with_partitions(vec![partition]);
    let request = DeleteRecordsRequest::default().with_topics(vec![topic]);
    Request::Admin(AdminRequest::DeleteRecords(request))
}

pub(super) fn version(request: &AdminRequest) -> i16 {
    match request {
        AdminRequest::CreatePartitions(_) => 3,
        AdminRequest::DescribeConfigs(_) => 4,
        AdminRequest::AlterConfigs(_) | AdminRequest::DeleteRecords(_) => 2,
        AdminRequest::IncrementalAlterConfigs(_) => 1,
        AdminRequest::DescribeLogDirs(_)
        | AdminRequest::ElectLeaders(_)
        | AdminRequest::AlterPartitionReassignments(_)
        | AdminRequest::ListPartitionReassignments(_)
        | AdminRequest::DescribeProducers(_)
        | AdminRequest::DescribeTopicPartitions(_) => 0,
    }
}
