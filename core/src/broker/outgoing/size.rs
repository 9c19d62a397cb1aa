//! How much memory an answer takes, told before it is built. Not exact: what an allocation costs is in the sizes of the parts.

use alloc::vec::Vec;

use kafka_protocol::messages::{
    CreateTopicsRequest, DescribeConfigsRequest, DescribeGroupsRequest, DescribeLogDirsRequest,
    DescribeProducersRequest, GroupId, JoinGroupRequest, MetadataRequest, OffsetFetchRequest,
    SyncGroupRequest, TopicName,
};

use crate::{
    broker::Live,
    limits::PARTITIONS_TOLD_MAX,
    log::entry::CommittedOffset,
    port::{AdminRequest, GroupRequest, Request},
    state::{configs::TOPIC_CONFIGS, group::Group},
    units::TopicId,
};

/// A topic with its name.
const TOPIC: u64 = 400;
/// A partition in Metadata and DescribeTopicPartitions.
const PARTITION: u64 = 200;
/// A partition in answers that tell numbers of it only.
const NUMBERS: u64 = 100;
/// A group or a member, without its texts.
const GROUP: u64 = 400;
/// A config with its texts; as many again for its synonyms and for its documentation.
const CONFIG: u64 = 240;
/// A producer of a partition.
const PRODUCER: u64 = 100;

fn bytes_of(group: &Group) -> u64 {
    let members = group.members.values();
    GROUP
        + members.map(|member| GROUP + (member.metadata.len() + member.assignment.len()) as u64).sum::<u64>()
}

impl Live {
    /// Memory of the answer to a request beyond what the request itself counts for, bytes. 0 for answers that are about as long as
    /// their requests, and for fetches, which are counted when they are planned.
    pub(in crate::broker) fn answer_bytes(&self, request: &Request) -> u64 {
        match request {
            Request::Metadata(request) => self.metadata_bytes(request),
            Request::CreateTopics(request) => created_bytes(request),
            Request::Group(request) => self.group_bytes(request),
            Request::Admin(request) => self.admin_bytes(request),
            Request::Produce(_)
            | Request::Fetch(_)
            | Request::ListOffsets(_)
            | Request::DeleteTopics(_)
            | Request::FindCoordinator(_)
            | Request::DescribeCluster(_)
            | Request::OffsetForLeaderEpoch(_)
            | Request::InitProducerId(_) => 0,
        }
    }

    fn metadata_bytes(&self, request: &MetadataRequest) -> u64 {
        let asked = request.topics.as_deref().unwrap_or_default();
        if asked.is_empty() {
            return self.all_topics_bytes(PARTITION);
        }
        let created = u64::from(self.config.default_partitions.cast_unsigned());
        let bytes = asked.iter().map(|topic| {
            let known = self.state.topic(TopicId(*topic.topic_id.as_bytes()));
            let known = known.or_else(|| self.state.topic_named(topic.name.as_deref()?));
            TOPIC
                + PARTITION
                    * known.map_or(created, |known| u64::from(known.partition_count().cast_unsigned()))
        });
        bytes.sum()
    }

    fn all_topics_bytes(&self, partition: u64) -> u64 {
        TOPIC * self.state.topic_count() as u64 + partition * self.state.partition_count() as u64
    }

    fn group_bytes(&self, request: &GroupRequest) -> u64 {
        match request {
            GroupRequest::Join(intake) => self.joined_bytes(&intake.request),
            GroupRequest::Sync(request) => self.synced_bytes(request),
            GroupRequest::Describe(request) => self.described_bytes(request),
            GroupRequest::List(_) => self.state.groups().map(|(id, _)| GROUP + id.len() as u64).sum::<u64>(),
            GroupRequest::OffsetFetch(request) => self.committed_bytes(request),
            GroupRequest::Heartbeat(_)
            | GroupRequest::Leave(_)
            | GroupRequest::Delete(_)
            | GroupRequest::OffsetCommit(_)
            | GroupRequest::OffsetDelete(_) => 0,
        }
    }

    /// The answer to a leader lists all members.
    fn joined_bytes(&self, request: &JoinGroupRequest) -> u64 {
        let group = self.state.group(&request.group_id);
        group.filter(|group| group.leader == request.member_id.as_str()).map_or(0, bytes_of)
    }

    fn synced_bytes(&self, request: &SyncGroupRequest) -> u64 {
        let member =
            self.state.group(&request.group_id).and_then(|group| group.members.get(&*request.member_id));
        member.map_or(0, |member| member.assignment.len() as u64)
    }

    fn described_bytes(&self, request: &DescribeGroupsRequest) -> u64 {
        request.groups.iter().map(|id| self.state.group(id).map_or(GROUP, bytes_of)).sum()
    }

    fn committed_bytes(&self, request: &OffsetFetchRequest) -> u64 {
        let one = |(_, offset): &(_, CommittedOffset)| NUMBERS + offset.metadata.len() as u64;
        let of = |group: &GroupId, asked: Option<&mut dyn Iterator<Item = (&TopicName, &Vec<i32>)>>| -> u64 {
            let Some(group) = self.state.group(group) else { return 0 };
            let Some(asked) = asked else { return group.offsets.values().map(one).sum() };
            let places = asked.flat_map(|(name, indexes)| {
                let topic = self.state.topic_named(name);
                indexes.iter().filter_map(move |index| topic?.partition_id(*index))
            });
            // Partitions that were never committed are about as long in the answer as in the request.
            places.filter_map(|place| group.offsets.get(&place)).map(one).sum()
        };
        let groups = request.groups.iter().map(|asked| match &asked.topics {
            None => of(&asked.group_id, None),
            Some(topics) => {
                let mut named = topics.iter().map(|topic| (&topic.name, &topic.partition_indexes));
                of(&asked.group_id, Some(&mut named))
            }
        });
        let groups = groups.sum::<u64>();
        groups
            + match &request.topics {
                None => of(&request.group_id, None),
                Some(topics) => {
                    let mut named = topics.iter().map(|topic| (&topic.name, &topic.partition_indexes));
                    of(&request.group_id, Some(&mut named))
                }
            }
    }

    fn admin_bytes(&self, request: &AdminRequest) -> u64 {
        match request {
            AdminRequest::DescribeConfigs(request) => self.configs_bytes(request),
            AdminRequest::DescribeLogDirs(request) => self.log_dirs_bytes(request),
            AdminRequest::DescribeProducers(request) => self.producers_bytes(request),
            AdminRequest::DescribeTopicPartitions(request) => {
                let limit = usize::try_from(request.response_partition_limit).unwrap_or(0);
                PARTITION * limit.clamp(1, PARTITIONS_TOLD_MAX) as u64
            }
            AdminRequest::DeleteRecords(_)
            | AdminRequest::AlterConfigs(_)
            | AdminRequest::CreatePartitions(_)
            | AdminRequest::ElectLeaders(_)
            | AdminRequest::IncrementalAlterConfigs(_)
            | AdminRequest::AlterPartitionReassignments(_)
            | AdminRequest::ListPartitionReassignments(_) => 0,
        }
    }

    fn configs_bytes(&self, request: &DescribeConfigsRequest) -> u64 {
        let parts = 1 + u64::from(request.include_synonyms) + u64::from(request.include_documentation);
        let bytes = request.resources.iter().map(|asked| {
            let topic = self.state.topic_named(&asked.resource_name);
            let given = topic.into_iter().flat_map(|topic| topic.created.configs.values());
            let values: usize = given.map(|value| 2 * value.len()).sum();
            TOPIC + TOPIC_CONFIGS.len() as u64 * CONFIG * parts + values as u64
        });
        bytes.sum()
    }

    fn log_dirs_bytes(&self, request: &DescribeLogDirsRequest) -> u64 {
        match &request.topics {
            None => self.all_topics_bytes(NUMBERS),
            Some(asked) => asked.iter().map(|topic| NUMBERS * topic.partitions.len() as u64).sum(),
        }
    }

    fn producers_bytes(&self, request: &DescribeProducersRequest) -> u64 {
        let asked = request.topics.iter().flat_map(|asked| {
            let topic = self.state.topic_named(&asked.name);
            asked.partition_indexes.iter().filter_map(move |index| topic?.partition_id(*index))
        });
        asked
            .filter_map(|id| self.state.partition(id))
            .map(|known| PRODUCER * known.producers.len() as u64)
            .sum()
    }
}

/// An answer tells all configs of each topic.
fn created_bytes(request: &CreateTopicsRequest) -> u64 {
    request.topics.len() as u64 * (TOPIC + TOPIC_CONFIGS.len() as u64 * CONFIG)
}
