//! What changes topics.

use kafka_protocol::{
    ResponseError,
    messages::{
        CreatePartitionsRequest, CreateTopicsRequest, DeleteRecordsRequest, DeleteTopicsRequest,
        create_partitions_request::CreatePartitionsTopic,
        create_topics_request::{CreatableTopic, CreatableTopicConfig},
        delete_records_request::{DeleteRecordsPartition, DeleteRecordsTopic},
    },
};

use super::{
    super::{
        client::{Client, Node, text, topic_name},
        failure::{Failure, check},
        output::Output,
        place::Place,
    },
    Create, DeleteRecords,
};

/// The broker decides.
const DEFAULT: i32 = -1;
/// In a request to delete records: up to the end.
const END: i64 = -1;

pub(super) async fn create(client: &mut Client, output: &mut Output, create: &Create) -> Result<(), Failure> {
    let configs: Vec<_> = create
        .config
        .iter()
        .map(|(name, value)| {
            CreatableTopicConfig::default().with_name(text(name)).with_value(Some(text(value)))
        })
        .collect();
    let mut failures = Vec::new();
    // One by one: the reason why one cannot be created may pass, and the others are there already.
    for name in &create.names {
        let topic = CreatableTopic::default()
            .with_name(topic_name(name))
            .with_num_partitions(create.partitions.unwrap_or(DEFAULT))
            .with_replication_factor(create.replication.unwrap_or(-1))
            .with_configs(configs.clone());
        let request =
            CreateTopicsRequest::default().with_topics(vec![topic]).with_timeout_ms(client.timeout_ms());
        let created = client.retry(async |client| {
            let answer = client.call(Node::Any, &request).await?;
            for topic in &answer.topics {
                check(&format!("topic {name}"), topic.error_code, topic.error_message.as_ref())?;
            }
            Ok(answer.topics.first().map_or(-1, |topic| topic.num_partitions))
        });
        match created.await {
            Ok(1) => output.line(&format!("created topic {name} with 1 partition"))?,
            Ok(count @ 2..) => output.line(&format!("created topic {name} with {count} partitions"))?,
            Ok(_) => output.line(&format!("created topic {name}"))?,
            Err(failure) if create.if_not_exists && failure.is(ResponseError::TopicAlreadyExists) => {
                output.line(&format!("topic {name} is there already"))?;
            }
            Err(failure) => failures.push(failure),
        }
    }
    Failure::of_all(failures)
}

pub(super) async fn delete(
    client: &mut Client,
    output: &mut Output,
    names: &[String],
) -> Result<(), Failure> {
    let mut failures = Vec::new();
    for name in names {
        let request = DeleteTopicsRequest::default()
            .with_topic_names(vec![topic_name(name)])
            .with_timeout_ms(client.timeout_ms());
        let deleted = client.retry(async |client| {
            let answer = client.call(Node::Any, &request).await?;
            answer.responses.iter().try_for_each(|topic| {
                check(&format!("topic {name}"), topic.error_code, topic.error_message.as_ref())
            })
        });
        match deleted.await {
            Ok(()) => output.line(&format!("deleted topic {name}"))?,
            Err(failure) => failures.push(failure),
        }
    }
    Failure::of_all(failures)
}

pub(super) async fn add_partitions(
    client: &mut Client,
    output: &mut Output,
    name: &str,
    to: i32,
) -> Result<(), Failure> {
    let topic =
        CreatePartitionsTopic::default().with_name(topic_name(name)).with_count(to).with_assignments(None);
    let request =
        CreatePartitionsRequest::default().with_topics(vec![topic]).with_timeout_ms(client.timeout_ms());
    let created = client.retry(async |client| {
        let answer = client.call(Node::Any, &request).await?;
        answer.results.iter().try_for_each(|topic| {
            check(&format!("topic {name}"), topic.error_code, topic.error_message.as_ref())
        })
    });
    created.await?;
    output.line(&format!("topic {name} has {to} partitions"))
}

pub(super) async fn delete_records(
    client: &mut Client,
    output: &mut Output,
    delete: &DeleteRecords,
) -> Result<(), Failure> {
    let name = &delete.name[..];
    let offset = match delete.before {
        Place::Offset(offset) => offset,
        Place::End | Place::Beginning | Place::Time(_) => END,
    };
    let deleted = client.retry(async |client| {
        let mut starts = Vec::new();
        for (leader, mut partitions) in client.leaders(name).await? {
            partitions.retain(|partition| delete.partition.is_none_or(|only| only == *partition));
            if partitions.is_empty() {
                continue;
            }
            let asked = |partition: &i32| {
                DeleteRecordsPartition::default().with_partition_index(*partition).with_offset(offset)
            };
            let topic = DeleteRecordsTopic::default()
                .with_name(topic_name(name))
                .with_partitions(partitions.iter().map(asked).collect());
            let request =
                DeleteRecordsRequest::default().with_topics(vec![topic]).with_timeout_ms(client.timeout_ms());
            let answer = client.call(Node::Id(leader), &request).await?;
            for partition in answer.topics.iter().flat_map(|topic| &topic.partitions) {
                check(&format!("{name}-{}", partition.partition_index), partition.error_code, None)?;
                starts.push((partition.partition_index, partition.low_watermark));
            }
        }
        Ok(starts)
    });
    let mut starts = deleted.await?;
    if starts.is_empty() {
        let partition = delete.partition.unwrap_or_default();
        return Err(Failure::Wrong(format!("topic {name} has no partition {partition}")));
    }
    starts.sort_unstable();
    starts.iter().try_for_each(|(partition, start)| {
        output.line(&format!("{name}-{partition} begins at offset {start}"))
    })
}
