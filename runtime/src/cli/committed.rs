//! Offsets that groups have committed.

use std::collections::BTreeMap;

use kafka_protocol::messages::{
    OffsetCommitRequest, OffsetFetchRequest,
    offset_commit_request::{OffsetCommitRequestPartition, OffsetCommitRequestTopic},
};

use super::{
    client::{Client, group_id, text, topic_name},
    failure::{Failure, check},
};

/// An offset that was committed.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Committed {
    pub(super) offset: i64,
    pub(super) metadata: String,
}

/// As whom to commit.
#[derive(Clone, Copy, Debug)]
pub(super) struct Committer<'a> {
    pub(super) member: &'a str,
    pub(super) generation: i32,
}

/// Nobody of the group. Accepted only while the group has no members.
pub(super) const NOBODY: Committer<'static> = Committer { member: "", generation: -1 };

/// Everything that a group has committed, by topic and partition. An attempt is made again while the reason may pass.
///
/// # Errors
/// Those of the request.
pub(super) async fn committed(
    client: &mut Client,
    group: &str,
) -> Result<BTreeMap<(String, i32), Committed>, Failure> {
    let request = OffsetFetchRequest::default().with_group_id(group_id(group)).with_topics(None);
    let answer = client.retry(async |client| {
        let coordinator = client.coordinator(group).await?;
        let answer = client.call(coordinator, &request).await?;
        check(&format!("group {group}"), answer.error_code, None)?;
        for topic in &answer.topics {
            for partition in &topic.partitions {
                let what = || format!("group {group}, {}-{}", topic.name.as_str(), partition.partition_index);
                check(&what(), partition.error_code, None)?;
            }
        }
        Ok(answer)
    });
    let mut found = BTreeMap::new();
    for topic in answer.await?.topics {
        for partition in topic.partitions.iter().filter(|partition| partition.committed_offset >= 0) {
            let metadata = partition.metadata.as_ref().map_or_else(String::new, ToString::to_string);
            let committed = Committed { offset: partition.committed_offset, metadata };
            found.insert((topic.name.to_string(), partition.partition_index), committed);
        }
    }
    Ok(found)
}

/// Commits offsets in one topic. An attempt is made again while the reason may pass.
///
/// # Errors
/// The first refusal.
pub(super) async fn commit(
    client: &mut Client,
    group: &str,
    committer: Committer<'_>,
    topic: &str,
    offsets: &BTreeMap<i32, i64>,
) -> Result<(), Failure> {
    let partition = |(partition, offset): (&i32, &i64)| {
        OffsetCommitRequestPartition::default()
            .with_partition_index(*partition)
            .with_committed_offset(*offset)
            .with_committed_leader_epoch(-1)
    };
    let partitions = offsets.iter().map(partition).collect();
    let topics = OffsetCommitRequestTopic::default().with_name(topic_name(topic)).with_partitions(partitions);
    let request = OffsetCommitRequest::default()
        .with_group_id(group_id(group))
        .with_member_id(text(committer.member))
        .with_generation_id_or_member_epoch(committer.generation)
        .with_topics(vec![topics]);
    let answer = client.retry(async |client| {
        let coordinator = client.coordinator(group).await?;
        let answer = client.call(coordinator, &request).await?;
        answer.topics.iter().flat_map(|topic| &topic.partitions).try_for_each(|partition| {
            check(
                &format!("group {group}, {topic}-{}", partition.partition_index),
                partition.error_code,
                None,
            )
        })
    });
    answer.await
}
