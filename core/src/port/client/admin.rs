//! Requests and answers of everyday administration.

use kafka_protocol::messages::{
    AlterConfigsRequest, AlterConfigsResponse, AlterPartitionReassignmentsRequest,
    AlterPartitionReassignmentsResponse, CreatePartitionsRequest, CreatePartitionsResponse,
    DeleteRecordsRequest, DeleteRecordsResponse, DescribeConfigsRequest, DescribeConfigsResponse,
    DescribeLogDirsRequest, DescribeLogDirsResponse, DescribeProducersRequest, DescribeProducersResponse,
    DescribeTopicPartitionsRequest, DescribeTopicPartitionsResponse, ElectLeadersRequest,
    ElectLeadersResponse, IncrementalAlterConfigsRequest, IncrementalAlterConfigsResponse,
    ListPartitionReassignmentsRequest, ListPartitionReassignmentsResponse,
};

/// A request to look after topics, configs and what is stored.
#[derive(Clone, Debug, PartialEq)]
#[expect(missing_docs, reason = "each variant is the Kafka API of that name")]
pub enum AdminRequest {
    DeleteRecords(DeleteRecordsRequest),
    DescribeConfigs(DescribeConfigsRequest),
    AlterConfigs(AlterConfigsRequest),
    DescribeLogDirs(DescribeLogDirsRequest),
    CreatePartitions(CreatePartitionsRequest),
    ElectLeaders(ElectLeadersRequest),
    IncrementalAlterConfigs(IncrementalAlterConfigsRequest),
    AlterPartitionReassignments(AlterPartitionReassignmentsRequest),
    ListPartitionReassignments(ListPartitionReassignmentsRequest),
    DescribeProducers(DescribeProducersRequest),
    DescribeTopicPartitions(DescribeTopicPartitionsRequest),
}

/// An answer to one.
#[derive(Clone, Debug, PartialEq)]
#[expect(missing_docs, reason = "each variant is the Kafka API of that name")]
pub enum AdminResponse {
    DeleteRecords(DeleteRecordsResponse),
    DescribeConfigs(DescribeConfigsResponse),
    AlterConfigs(AlterConfigsResponse),
    DescribeLogDirs(DescribeLogDirsResponse),
    CreatePartitions(CreatePartitionsResponse),
    ElectLeaders(ElectLeadersResponse),
    IncrementalAlterConfigs(IncrementalAlterConfigsResponse),
    AlterPartitionReassignments(AlterPartitionReassignmentsResponse),
    ListPartitionReassignments(ListPartitionReassignmentsResponse),
    DescribeProducers(DescribeProducersResponse),
    DescribeTopicPartitions(DescribeTopicPartitionsResponse),
}

impl AdminResponse {
    pub(super) fn is_reported(&self) -> bool {
        match self {
            AdminResponse::DescribeConfigs(_)
            | AdminResponse::DescribeLogDirs(_)
            | AdminResponse::DescribeProducers(_)
            | AdminResponse::DescribeTopicPartitions(_) => true,
            AdminResponse::DeleteRecords(_)
            | AdminResponse::AlterConfigs(_)
            | AdminResponse::CreatePartitions(_)
            | AdminResponse::ElectLeaders(_)
            | AdminResponse::IncrementalAlterConfigs(_)
            | AdminResponse::AlterPartitionReassignments(_)
            | AdminResponse::ListPartitionReassignments(_) => false,
        }
    }
}
