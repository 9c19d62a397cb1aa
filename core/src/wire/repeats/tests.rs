use alloc::{string::ToString, vec, vec::Vec};

use kafka_protocol::{
    messages::{
        describe_configs_request::DescribeConfigsResource,
        describe_log_dirs_request::DescribableLogDirTopic,
        describe_producers_request::TopicRequest,
        metadata_request::MetadataRequestTopic,
        offset_fetch_request::{OffsetFetchRequestGroup, OffsetFetchRequestTopic},
    },
    protocol::StrBytes,
};

use kafka_protocol::messages::{GroupId, TopicName, offset_fetch_request::OffsetFetchRequestTopics};

use super::*;

fn text(text: &str) -> StrBytes {
    StrBytes::from_string(text.to_string())
}

fn topic(name: &str) -> TopicName {
    TopicName(text(name))
}

#[test]
fn names_are_kept_once_in_their_order() {
    let named = |name| MetadataRequestTopic::default().with_name(Some(topic(name)));
    let request = MetadataRequest::default().with_topics(Some(vec![named("b"), named("a"), named("b")]));
    assert_eq!(metadata(request).topics, Some(vec![named("b"), named("a")]));
    assert_eq!(metadata(MetadataRequest::default().with_topics(None)).topics, None);

    let groups = ["x", "y", "x"].map(|id| GroupId(text(id)));
    let request = DescribeGroupsRequest::default().with_groups(groups.to_vec());
    assert_eq!(describe_groups(request).groups, groups[..2]);

    let keys = ["x", "y", "y"].map(text);
    let request = FindCoordinatorRequest::default().with_coordinator_keys(keys.to_vec());
    assert_eq!(find_coordinator(request).coordinator_keys, keys[..2]);
}

#[test]
fn configs_are_asked_for_again_only_by_other_keys() {
    let asked = |keys: Option<Vec<StrBytes>>| {
        let resource = DescribeConfigsResource::default().with_resource_type(2);
        resource.with_resource_name(text("t")).with_configuration_keys(keys)
    };
    let some = Some(vec![text("retention.ms")]);
    let all = vec![asked(None), asked(some.clone()), asked(None), asked(some.clone())];
    let request = describe_configs(DescribeConfigsRequest::default().with_resources(all));
    assert_eq!(request.resources, [asked(None), asked(some)]);
}

#[test]
fn partitions_are_kept_once_over_all_entries_of_their_topic() {
    let asked = |indexes: &[i32]| {
        TopicRequest::default().with_name(topic("t")).with_partition_indexes(indexes.to_vec())
    };
    let request =
        DescribeProducersRequest::default().with_topics(vec![asked(&[1, 2, 1]), asked(&[2]), asked(&[3, 2])]);
    assert_eq!(describe_producers(request).topics, [asked(&[1, 2]), asked(&[3])]);

    let asked = |indexes: &[i32]| {
        DescribableLogDirTopic::default().with_topic(topic("t")).with_partitions(indexes.to_vec())
    };
    let request = DescribeLogDirsRequest::default().with_topics(Some(vec![asked(&[1, 1]), asked(&[1])]));
    assert_eq!(describe_log_dirs(request).topics, Some(vec![asked(&[1])]));
}

#[test]
fn offsets_of_a_group_are_told_once() {
    let asked = |indexes: &[i32]| {
        OffsetFetchRequestTopic::default().with_name(topic("t")).with_partition_indexes(indexes.to_vec())
    };
    let request = OffsetFetchRequest::default().with_topics(Some(vec![asked(&[1, 1]), asked(&[1, 2])]));
    assert_eq!(offset_fetch(request).topics, Some(vec![asked(&[1]), asked(&[2])]));

    let group = |id: &str, indexes: Option<&[i32]>| {
        let topics = indexes.map(|indexes| {
            vec![
                OffsetFetchRequestTopics::default()
                    .with_name(topic("t"))
                    .with_partition_indexes(indexes.to_vec()),
            ]
        });
        OffsetFetchRequestGroup::default().with_group_id(GroupId(text(id))).with_topics(topics)
    };
    let request = OffsetFetchRequest::default().with_groups(vec![
        group("a", Some(&[1, 1])),
        group("b", Some(&[1])),
        group("a", Some(&[1])),
        group("a", Some(&[2, 1])),
        group("a", None),
        group("a", None),
    ]);
    assert_eq!(
        offset_fetch(request).groups,
        [group("a", Some(&[1])), group("b", Some(&[1])), group("a", Some(&[2])), group("a", None)]
    );
}
