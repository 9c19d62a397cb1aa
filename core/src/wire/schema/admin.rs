//! The requests of everyday administration.

use kafka_protocol::{
    messages::{
        BrokerId, alter_configs_request, alter_partition_reassignments_request, create_partitions_request,
        delete_records_request, describe_configs_request, describe_log_dirs_request,
        describe_producers_request, describe_topic_partitions_request, elect_leaders_request,
        incremental_alter_configs_request, list_partition_reassignments_request,
    },
    protocol::StrBytes,
};

use super::{Fields, Kind, array, field, fields, int8, int32, int64, string};
use crate::wire::api::AdminApi;

/// The fields of a request.
pub(super) fn request(api: AdminApi) -> Fields {
    match api {
        AdminApi::DeleteRecords => DELETE_RECORDS,
        AdminApi::DescribeConfigs => DESCRIBE_CONFIGS,
        AdminApi::AlterConfigs => ALTER_CONFIGS,
        AdminApi::DescribeLogDirs => DESCRIBE_LOG_DIRS,
        AdminApi::CreatePartitions => CREATE_PARTITIONS,
        AdminApi::ElectLeaders => ELECT_LEADERS,
        AdminApi::IncrementalAlterConfigs => INCREMENTAL_ALTER_CONFIGS,
        AdminApi::AlterPartitionReassignments => ALTER_PARTITION_REASSIGNMENTS,
        AdminApi::ListPartitionReassignments => LIST_PARTITION_REASSIGNMENTS,
        AdminApi::DescribeProducers => DESCRIBE_PRODUCERS,
        AdminApi::DescribeTopicPartitions => DESCRIBE_TOPIC_PARTITIONS,
    }
}

const DELETE_RECORDS: Fields = &[
    array::<delete_records_request::DeleteRecordsTopic>("topics", &DELETE_RECORDS_TOPIC),
    int32("timeout_ms"),
];
const DELETE_RECORDS_TOPIC: Kind = fields(&[
    string("name"),
    array::<delete_records_request::DeleteRecordsPartition>("partitions", &DELETE_RECORDS_PARTITION),
]);
const DELETE_RECORDS_PARTITION: Kind = fields(&[int32("partition_index"), int64("offset")]);

const DESCRIBE_CONFIGS: Fields = &[
    array::<describe_configs_request::DescribeConfigsResource>("resources", &DESCRIBE_CONFIGS_RESOURCE),
    int8("include_synonyms"),
    int8("include_documentation").since(3),
];
const DESCRIBE_CONFIGS_RESOURCE: Kind = fields(&[
    int8("resource_type"),
    string("resource_name"),
    array::<StrBytes>("configuration_keys", &Kind::String).nullable(),
]);

const ALTER_CONFIGS: Fields = &[
    array::<alter_configs_request::AlterConfigsResource>("resources", &ALTER_CONFIGS_RESOURCE),
    int8("validate_only"),
];
const ALTER_CONFIGS_RESOURCE: Kind = fields(&[
    int8("resource_type"),
    string("resource_name"),
    array::<alter_configs_request::AlterableConfig>("configs", &ALTER_CONFIGS_CONFIG),
]);
const ALTER_CONFIGS_CONFIG: Kind = fields(&[string("name"), string("value").nullable()]);

const INCREMENTAL_ALTER_CONFIGS: Fields = &[
    array::<incremental_alter_configs_request::AlterConfigsResource>(
        "resources",
        &INCREMENTAL_ALTER_CONFIGS_RESOURCE,
    ),
    int8("validate_only"),
];
const INCREMENTAL_ALTER_CONFIGS_RESOURCE: Kind = fields(&[
    int8("resource_type"),
    string("resource_name"),
    array::<incremental_alter_configs_request::AlterableConfig>("configs", &INCREMENTAL_ALTER_CONFIGS_CONFIG),
]);
const INCREMENTAL_ALTER_CONFIGS_CONFIG: Kind =
    fields(&[string("name"), int8("config_operation"), string("value").nullable()]);

const DESCRIBE_LOG_DIRS: Fields =
    &[array::<describe_log_dirs_request::DescribableLogDirTopic>("topics", &DESCRIBE_LOG_DIRS_TOPIC)
        .nullable()];
const DESCRIBE_LOG_DIRS_TOPIC: Kind = fields(&[string("topic"), array::<i32>("partitions", &Kind::Fixed(4))]);

const CREATE_PARTITIONS: Fields = &[
    array::<create_partitions_request::CreatePartitionsTopic>("topics", &CREATE_PARTITIONS_TOPIC),
    int32("timeout_ms"),
    int8("validate_only"),
];
const CREATE_PARTITIONS_TOPIC: Kind = fields(&[
    string("name"),
    int32("count"),
    array::<create_partitions_request::CreatePartitionsAssignment>(
        "assignments",
        &CREATE_PARTITIONS_ASSIGNMENT,
    )
    .nullable(),
]);
const CREATE_PARTITIONS_ASSIGNMENT: Kind = fields(&[array::<BrokerId>("broker_ids", &Kind::Fixed(4))]);

const ELECT_LEADERS: Fields = &[
    int8("election_type").since(1),
    array::<elect_leaders_request::TopicPartitions>("topic_partitions", &ELECT_LEADERS_TOPIC).nullable(),
    int32("timeout_ms"),
];
const ELECT_LEADERS_TOPIC: Kind = fields(&[string("topic"), array::<i32>("partitions", &Kind::Fixed(4))]);

const ALTER_PARTITION_REASSIGNMENTS: Fields = &[
    int32("timeout_ms"),
    int8("allow_replication_factor_change").since(1),
    array::<alter_partition_reassignments_request::ReassignableTopic>("topics", &REASSIGNABLE_TOPIC),
];
const REASSIGNABLE_TOPIC: Kind = fields(&[
    string("name"),
    array::<alter_partition_reassignments_request::ReassignablePartition>(
        "partitions",
        &REASSIGNABLE_PARTITION,
    ),
]);
const REASSIGNABLE_PARTITION: Kind =
    fields(&[int32("partition_index"), array::<BrokerId>("replicas", &Kind::Fixed(4)).nullable()]);

const LIST_PARTITION_REASSIGNMENTS: Fields = &[
    int32("timeout_ms"),
    array::<list_partition_reassignments_request::ListPartitionReassignmentsTopics>(
        "topics",
        &LIST_PARTITION_REASSIGNMENTS_TOPIC,
    )
    .nullable(),
];
const LIST_PARTITION_REASSIGNMENTS_TOPIC: Kind =
    fields(&[string("name"), array::<i32>("partition_indexes", &Kind::Fixed(4))]);

const DESCRIBE_PRODUCERS: Fields =
    &[array::<describe_producers_request::TopicRequest>("topics", &DESCRIBE_PRODUCERS_TOPIC)];
const DESCRIBE_PRODUCERS_TOPIC: Kind =
    fields(&[string("name"), array::<i32>("partition_indexes", &Kind::Fixed(4))]);

const DESCRIBE_TOPIC_PARTITIONS: Fields = &[
    array::<describe_topic_partitions_request::TopicRequest>("topics", &DESCRIBE_TOPIC_PARTITIONS_TOPIC),
    int32("response_partition_limit"),
    field("cursor", DESCRIBE_TOPIC_PARTITIONS_CURSOR).nullable(),
];
const DESCRIBE_TOPIC_PARTITIONS_TOPIC: Kind = fields(&[string("name")]);
const DESCRIBE_TOPIC_PARTITIONS_CURSOR: Kind = fields(&[string("topic_name"), int32("partition_index")]);
