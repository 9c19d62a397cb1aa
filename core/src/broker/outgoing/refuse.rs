//! Requests whose answers would be too long: each gets an error where its protocol has room for one.

use alloc::format;

use kafka_protocol::{
    messages::{
        CreateTopicsRequest, CreateTopicsResponse, DescribeConfigsRequest, DescribeConfigsResponse,
        DescribeGroupsRequest, DescribeGroupsResponse, DescribeLogDirsResponse, DescribeProducersRequest,
        DescribeProducersResponse, OffsetFetchRequest, OffsetFetchResponse,
        create_topics_response::CreatableTopicResult,
        describe_configs_response::DescribeConfigsResult,
        describe_groups_response::DescribedGroup,
        describe_producers_response::{PartitionResponse, TopicResponse},
        offset_fetch_response::{
            OffsetFetchResponseGroup, OffsetFetchResponsePartition, OffsetFetchResponseTopic,
        },
    },
    protocol::StrBytes,
};

use crate::{
    broker::{Asker, Live},
    error_code::POLICY_VIOLATION,
    limits::{
        ADMIN_ANSWER_BYTES_MAX, GROUPS_ANSWER_BYTES_MAX, LIST_ANSWER_BYTES_MAX, METADATA_ANSWER_BYTES_MAX,
        OFFSETS_ANSWER_BYTES_MAX,
    },
    port::{AdminRequest, AdminResponse, Effect, GroupRequest, GroupResponse, Request, Response},
    turn::Turn,
};

/// The bound that an answer of this size is over.
pub(in crate::broker) fn over_bound(request: &Request, bytes: u64) -> Option<u64> {
    let bound = match request {
        Request::Metadata(_) => METADATA_ANSWER_BYTES_MAX,
        Request::Group(GroupRequest::OffsetFetch(_)) => OFFSETS_ANSWER_BYTES_MAX,
        Request::Group(GroupRequest::List(_)) => LIST_ANSWER_BYTES_MAX,
        Request::Group(GroupRequest::Describe(_)) => GROUPS_ANSWER_BYTES_MAX,
        Request::CreateTopics(_) | Request::Admin(_) => ADMIN_ANSWER_BYTES_MAX,
        // The bounds of groups are theirs.
        Request::Group(_)
        | Request::Produce(_)
        | Request::Fetch(_)
        | Request::ListOffsets(_)
        | Request::DeleteTopics(_)
        | Request::FindCoordinator(_)
        | Request::DescribeCluster(_)
        | Request::OffsetForLeaderEpoch(_)
        | Request::InitProducerId(_) => u64::MAX,
    };
    (bytes > bound).then_some(bound)
}

fn message(bound: u64) -> StrBytes {
    StrBytes::from_string(format!("the answer would be larger than {bound} bytes; ask for less at once"))
}

impl Live {
    /// Answers with an error. Where the protocol has none, the connection is closed: no client asks for that.
    pub(in crate::broker) fn refuse_long(
        &mut self,
        asker: Asker,
        request: Request,
        bound: u64,
        turn: &mut Turn<'_>,
    ) {
        let message = message(bound);
        let response = match request {
            Request::CreateTopics(request) => Response::CreateTopics(creations(request, &message)),
            Request::Group(GroupRequest::OffsetFetch(request)) => {
                Response::Group(GroupResponse::OffsetFetch(offsets(request, asker.version)))
            }
            Request::Group(GroupRequest::Describe(request)) => {
                Response::Group(GroupResponse::Describe(groups(request, asker.version, &message)))
            }
            Request::Admin(AdminRequest::DescribeConfigs(request)) => {
                Response::Admin(AdminResponse::DescribeConfigs(configs(request, &message)))
            }
            Request::Admin(AdminRequest::DescribeProducers(request)) => {
                Response::Admin(AdminResponse::DescribeProducers(producers(request, &message)))
            }
            Request::Admin(AdminRequest::DescribeLogDirs(_)) if asker.version >= LOG_DIRS_ERROR_SINCE => {
                let response = DescribeLogDirsResponse::default().with_error_code(POLICY_VIOLATION);
                Response::Admin(AdminResponse::DescribeLogDirs(response))
            }
            Request::Admin(_)
            | Request::Group(_)
            | Request::Metadata(_)
            | Request::Produce(_)
            | Request::Fetch(_)
            | Request::ListOffsets(_)
            | Request::DeleteTopics(_)
            | Request::FindCoordinator(_)
            | Request::DescribeCluster(_)
            | Request::OffsetForLeaderEpoch(_)
            | Request::InitProducerId(_) => {
                turn.effects.push(Effect::Close(asker.conn));
                return;
            }
        };
        self.answer(asker, response, self.log.durable(), turn);
    }
}

/// First version of DescribeLogDirs with an error for the whole answer.
const LOG_DIRS_ERROR_SINCE: i16 = 3;
/// First version of OffsetFetch with an error for the whole answer.
const OFFSETS_ERROR_SINCE: i16 = 2;
/// First version of OffsetFetch with an error for each group.
const OFFSETS_BY_GROUP_SINCE: i16 = 8;

fn creations(request: CreateTopicsRequest, message: &StrBytes) -> CreateTopicsResponse {
    let topics = request.topics.into_iter().map(|topic| {
        CreatableTopicResult::default()
            .with_name(topic.name)
            .with_error_code(POLICY_VIOLATION)
            .with_error_message(Some(message.clone()))
            .with_num_partitions(-1)
            .with_replication_factor(-1)
    });
    CreateTopicsResponse::default().with_topics(topics.collect())
}

fn offsets(request: OffsetFetchRequest, version: i16) -> OffsetFetchResponse {
    if version >= OFFSETS_BY_GROUP_SINCE {
        let groups = request.groups.into_iter().map(|asked| {
            OffsetFetchResponseGroup::default()
                .with_group_id(asked.group_id)
                .with_error_code(POLICY_VIOLATION)
        });
        return OffsetFetchResponse::default().with_groups(groups.collect());
    }
    if version >= OFFSETS_ERROR_SINCE {
        return OffsetFetchResponse::default().with_error_code(POLICY_VIOLATION);
    }
    let topics = request.topics.unwrap_or_default().into_iter().map(|topic| {
        let partitions = topic.partition_indexes.into_iter().map(|index| {
            OffsetFetchResponsePartition::default()
                .with_partition_index(index)
                .with_committed_offset(-1)
                .with_error_code(POLICY_VIOLATION)
        });
        OffsetFetchResponseTopic::default().with_name(topic.name).with_partitions(partitions.collect())
    });
    OffsetFetchResponse::default().with_topics(topics.collect())
}

fn groups(request: DescribeGroupsRequest, version: i16, message: &StrBytes) -> DescribeGroupsResponse {
    let groups = request.groups.into_iter().map(|id| {
        let told = DescribedGroup::default().with_group_id(id).with_error_code(POLICY_VIOLATION);
        if version >= 6 { told.with_error_message(Some(message.clone())) } else { told }
    });
    DescribeGroupsResponse::default().with_groups(groups.collect())
}

fn configs(request: DescribeConfigsRequest, message: &StrBytes) -> DescribeConfigsResponse {
    let results = request.resources.into_iter().map(|resource| {
        DescribeConfigsResult::default()
            .with_resource_type(resource.resource_type)
            .with_resource_name(resource.resource_name)
            .with_error_code(POLICY_VIOLATION)
            .with_error_message(Some(message.clone()))
    });
    DescribeConfigsResponse::default().with_results(results.collect())
}

fn producers(request: DescribeProducersRequest, message: &StrBytes) -> DescribeProducersResponse {
    let topics = request.topics.into_iter().map(|topic| {
        let partitions = topic.partition_indexes.into_iter().map(|index| {
            PartitionResponse::default()
                .with_partition_index(index)
                .with_error_code(POLICY_VIOLATION)
                .with_error_message(Some(message.clone()))
        });
        TopicResponse::default().with_name(topic.name).with_partitions(partitions.collect())
    });
    DescribeProducersResponse::default().with_topics(topics.collect())
}
