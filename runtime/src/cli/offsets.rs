//! Offsets that a topic's leaders know: where it begins, where it ends, what was there at a time.

use std::collections::BTreeMap;

use kafka_protocol::messages::{
    ListOffsetsRequest,
    list_offsets_request::{ListOffsetsPartition, ListOffsetsTopic},
};

use super::{
    client::{Client, Node, topic_name},
    failure::{Failure, check},
    place::Place,
};

const LATEST: i64 = -1;
const EARLIEST: i64 = -2;

/// The offset of each partition of a topic at a place. A time behind all records is the end. An attempt is made again while the
/// reason why it fails may pass.
///
/// # Errors
/// The topic is not there, or a leader cannot be asked.
pub(super) async fn offsets(
    client: &mut Client,
    topic: &str,
    place: Place,
) -> Result<BTreeMap<i32, i64>, Failure> {
    let asked = match place {
        Place::Beginning => EARLIEST,
        Place::End => LATEST,
        Place::Time(millis) => millis,
        Place::Offset(offset) => {
            let topic = client.retry(async |client| client.topic(topic).await).await?;
            return Ok(topic.partitions.iter().map(|found| (found.partition_index, offset)).collect());
        }
    };
    let mut found = client.retry(async |client| listed(client, topic, asked).await).await?;
    if found.values().any(|offset| *offset < 0) {
        let ends = client.retry(async |client| listed(client, topic, LATEST).await).await?;
        for (partition, offset) in found.iter_mut().filter(|(_, offset)| **offset < 0) {
            *offset = ends.get(partition).copied().unwrap_or(0);
        }
    }
    Ok(found)
}

async fn listed(client: &mut Client, topic: &str, timestamp: i64) -> Result<BTreeMap<i32, i64>, Failure> {
    let mut found = BTreeMap::new();
    for (leader, partitions) in client.leaders(topic).await? {
        let asked = |partition: &i32| {
            ListOffsetsPartition::default()
                .with_partition_index(*partition)
                .with_current_leader_epoch(-1)
                .with_timestamp(timestamp)
        };
        let topic_asked = ListOffsetsTopic::default()
            .with_name(topic_name(topic))
            .with_partitions(partitions.iter().map(asked).collect());
        let request =
            ListOffsetsRequest::default().with_replica_id((-1).into()).with_topics(vec![topic_asked]);
        let answer = client.call(Node::Id(leader), &request).await?;
        for answered in answer.topics.iter().flat_map(|topic| &topic.partitions) {
            check(&format!("{topic}-{}", answered.partition_index), answered.error_code, None)?;
            found.insert(answered.partition_index, answered.offset);
        }
    }
    Ok(found)
}
