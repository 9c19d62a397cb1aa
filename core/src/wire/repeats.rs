//! What a request names several times is answered once. Kafka puts such names into sets too, or clients put the answers into maps; and
//! without this, 16 bytes of a request could cost an answer of megabytes each time they are repeated.

use alloc::{collections::BTreeSet, vec::Vec};

use kafka_protocol::messages::{
    DescribeConfigsRequest, DescribeGroupsRequest, DescribeLogDirsRequest, DescribeProducersRequest,
    FindCoordinatorRequest, MetadataRequest, OffsetFetchRequest,
};

/// Keeps the first of equal elements.
fn keep_first<T, K: Ord>(elements: &mut Vec<T>, key: impl Fn(&T) -> K) {
    if elements.len() > 1 {
        let mut seen = BTreeSet::new();
        elements.retain(|element| seen.insert(key(element)));
    }
}

pub(super) fn metadata(mut request: MetadataRequest) -> MetadataRequest {
    if let Some(topics) = &mut request.topics {
        keep_first(topics, |topic| (topic.topic_id, topic.name.clone()));
    }
    request
}

pub(super) fn find_coordinator(mut request: FindCoordinatorRequest) -> FindCoordinatorRequest {
    keep_first(&mut request.coordinator_keys, Clone::clone);
    request
}

pub(super) fn describe_groups(mut request: DescribeGroupsRequest) -> DescribeGroupsRequest {
    keep_first(&mut request.groups, Clone::clone);
    request
}

pub(super) fn describe_configs(mut request: DescribeConfigsRequest) -> DescribeConfigsRequest {
    keep_first(&mut request.resources, |asked| {
        (asked.resource_type, asked.resource_name.clone(), asked.configuration_keys.clone())
    });
    request
}

/// Keeps the first of equal partitions of a topic, and a topic that names none once. False: nothing is left of this mention.
fn keep_partitions<K: Ord + Clone>(
    indexes: &mut Vec<i32>,
    topic: &K,
    seen: &mut BTreeSet<(K, Option<i32>)>,
) -> bool {
    if indexes.is_empty() {
        return seen.insert((topic.clone(), None));
    }
    indexes.retain(|index| seen.insert((topic.clone(), Some(*index))));
    !indexes.is_empty()
}

pub(super) fn describe_producers(mut request: DescribeProducersRequest) -> DescribeProducersRequest {
    let mut seen = BTreeSet::new();
    request.topics.retain_mut(|topic| keep_partitions(&mut topic.partition_indexes, &topic.name, &mut seen));
    request
}

pub(super) fn describe_log_dirs(mut request: DescribeLogDirsRequest) -> DescribeLogDirsRequest {
    let mut seen = BTreeSet::new();
    if let Some(topics) = &mut request.topics {
        topics.retain_mut(|topic| keep_partitions(&mut topic.partitions, &topic.topic, &mut seen));
    }
    request
}

/// Keeps each partition of a group once, and a request for all partitions of a group once.
pub(super) fn offset_fetch(mut request: OffsetFetchRequest) -> OffsetFetchRequest {
    let mut seen = BTreeSet::new();
    if let Some(topics) = &mut request.topics {
        topics.retain_mut(|topic| keep_partitions(&mut topic.partition_indexes, &topic.name, &mut seen));
    }
    let mut groups = BTreeSet::new();
    let mut seen = BTreeSet::new();
    request.groups.retain_mut(|asked| {
        let id = asked.group_id.clone();
        let first = groups.insert((id.clone(), asked.topics.is_none()));
        match &mut asked.topics {
            None => first,
            Some(topics) => {
                topics.retain_mut(|topic| {
                    let of_group = (id.clone(), topic.name.clone());
                    keep_partitions(&mut topic.partition_indexes, &of_group, &mut seen)
                });
                first || !topics.is_empty()
            }
        }
    });
    request
}

#[cfg(test)]
mod tests;
