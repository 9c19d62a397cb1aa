//! What shows topics.

use std::collections::BTreeMap;

use kafka_protocol::messages::metadata_response::{MetadataResponsePartition, MetadataResponseTopic};

use super::super::{
    client::Client,
    config::{Kind, Resource, Source},
    failure::{Failure, check},
    json::{Json, topic_id},
    offsets::offsets,
    output::{Output, Table, or_dash},
    place::Place,
};

pub(super) async fn list(client: &mut Client, output: &mut Output, json: bool) -> Result<(), Failure> {
    let mut topics = client.retry(async |client| client.metadata(None).await).await?.topics;
    topics.sort_by(|one, other| name(one).cmp(name(other)));
    if json {
        let topic = |topic: &MetadataResponseTopic| {
            Json::object([
                ("topic", Json::from(name(topic))),
                ("id", Json::Text(topic_id(topic.topic_id.as_bytes()))),
                ("internal", Json::from(topic.is_internal)),
                ("partitions", Json::Number(count(topic))),
            ])
        };
        return output.json(&Json::list(topics.iter().map(topic)));
    }
    let mut table = Table::new(&["TOPIC", "PARTITIONS"]);
    for topic in &topics {
        table.row(vec![name(topic).to_string(), count(topic).to_string()]);
    }
    table.print(output)
}

fn name(topic: &MetadataResponseTopic) -> &str {
    topic.name.as_ref().map_or("", |name| name.as_str())
}

fn count(topic: &MetadataResponseTopic) -> i64 {
    i64::try_from(topic.partitions.len()).unwrap_or(i64::MAX)
}

/// All that is shown of a topic.
struct Described {
    topic: MetadataResponseTopic,
    starts: BTreeMap<i32, i64>,
    ends: BTreeMap<i32, i64>,
    /// None: the broker does not tell.
    configs: Option<Vec<(String, Option<String>)>>,
}

pub(super) async fn describe(
    client: &mut Client,
    output: &mut Output,
    names: &[String],
    json: bool,
) -> Result<(), Failure> {
    let (mut described, mut failures) = (Vec::new(), Vec::new());
    for name in names {
        match describe_one(client, name).await {
            Ok(found) => described.push(found),
            Err(failure) => failures.push(failure),
        }
    }
    output.each(&described, json, as_json, print)?;
    Failure::of_all(failures)
}

async fn describe_one(client: &mut Client, name: &str) -> Result<Described, Failure> {
    let topic = client.retry(async |client| {
        let answer = client.metadata(Some(&[name])).await?;
        let found = answer.topics.into_iter().next();
        let found = found.ok_or_else(|| Failure::Wrong(format!("nothing is said of topic {name}")))?;
        check(&format!("topic {name}"), found.error_code, None).map(|()| found)
    });
    let mut topic = topic.await?;
    topic.partitions.sort_by_key(|partition| partition.partition_index);
    let starts = offsets(client, name, Place::Beginning).await?;
    let ends = offsets(client, name, Place::End).await?;
    let resource = Resource { kind: Kind::Topic, name: name.to_string() };
    let configs = match resource.describe(client).await {
        Ok(entries) => {
            let own = entries.into_iter().filter(|entry| entry.source == Source::Topic);
            Some(own.map(|entry| (entry.name, entry.value)).collect())
        }
        Err(Failure::NotServed { .. }) => None,
        Err(failure) => return Err(failure),
    };
    Ok(Described { topic, starts, ends, configs })
}

fn as_json(described: &Described) -> Json {
    let ids = |nodes: &[kafka_protocol::messages::BrokerId]| Json::list(nodes.iter().map(|node| node.0));
    let partition = |partition: &MetadataResponsePartition| {
        let index = partition.partition_index;
        Json::object([
            ("partition", Json::from(index)),
            ("leader", Json::from(partition.leader_id.0)),
            ("leader_epoch", Json::from(partition.leader_epoch)),
            ("replicas", ids(&partition.replica_nodes)),
            ("in_sync", ids(&partition.isr_nodes)),
            ("log_start", Json::from(described.starts.get(&index).copied())),
            ("end", Json::from(described.ends.get(&index).copied())),
        ])
    };
    let configs = described.configs.as_ref().map(|configs| {
        let field = |(name, value): &(String, Option<String>)| (name.clone(), Json::from(value.as_deref()));
        Json::Object(configs.iter().map(field).collect())
    });
    Json::object([
        ("topic", Json::from(name(&described.topic))),
        ("id", Json::Text(topic_id(described.topic.topic_id.as_bytes()))),
        ("partitions", Json::list(described.topic.partitions.iter().map(partition))),
        ("configs", configs.unwrap_or(Json::Null)),
    ])
}

fn print(described: &Described, output: &mut Output) -> Result<(), Failure> {
    let topic = &described.topic;
    output.line(&format!("topic   {}", name(topic)))?;
    output.line(&format!("id      {}", topic_id(topic.topic_id.as_bytes())))?;
    match &described.configs {
        None => output.line("configs (the broker does not tell)")?,
        Some(configs) if configs.is_empty() => output.line("configs (defaults)")?,
        Some(configs) => {
            for (at, (name, value)) in configs.iter().enumerate() {
                let head = if at == 0 { "configs" } else { "       " };
                output.line(&format!("{head} {name}={}", value.as_deref().unwrap_or("")))?;
            }
        }
    }
    output.line("")?;
    let mut table = Table::new(&["PARTITION", "LEADER", "EPOCH", "REPLICAS", "START", "END"]);
    for partition in &topic.partitions {
        let index = partition.partition_index;
        let replicas: Vec<String> = partition.replica_nodes.iter().map(|node| node.0.to_string()).collect();
        table.row(vec![
            index.to_string(),
            partition.leader_id.0.to_string(),
            partition.leader_epoch.to_string(),
            replicas.join(","),
            or_dash(described.starts.get(&index).copied()),
            or_dash(described.ends.get(&index).copied()),
        ]);
    }
    table.print(output)
}
