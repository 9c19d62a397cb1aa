//! What shows groups.

use std::collections::{BTreeMap, BTreeSet};

use kafka_protocol::{
    ResponseError,
    messages::{
        DescribeGroupsRequest, ListGroupsRequest, describe_groups_response::DescribedGroup,
        list_groups_response::ListedGroup,
    },
};

use super::{
    super::{
        client::{Client, Node, group_id},
        committed::{Committed, committed},
        failure::{Failure, check},
        json::Json,
        offsets::offsets,
        output::{Output, Table, or_dash},
        place::Place,
        range::{Share, assigned},
    },
    State,
};
use crate::settings::HostPort;

pub(super) async fn list(
    client: &mut Client,
    output: &mut Output,
    state: Option<State>,
    json: bool,
) -> Result<(), Failure> {
    // Each broker knows the groups that it keeps.
    let listed = client.retry(async |client| {
        let brokers = client.metadata(Some(&[])).await?.brokers;
        let mut groups: Vec<ListedGroup> = Vec::new();
        for broker in brokers {
            let answer = client.call(Node::Id(broker.node_id.0), &ListGroupsRequest::default()).await?;
            check("ListGroups", answer.error_code, None)?;
            groups.extend(answer.groups);
        }
        Ok(groups)
    });
    let mut groups = listed.await?;
    groups.retain(|group| state.is_none_or(|state| group.group_state.as_str() == state.word()));
    groups.sort_by(|one, other| one.group_id.as_str().cmp(other.group_id.as_str()));
    if json {
        let group = |group: &ListedGroup| {
            Json::object([
                ("group", Json::from(group.group_id.as_str())),
                ("state", Json::from(group.group_state.as_str())),
                ("protocol_type", Json::from(group.protocol_type.as_str())),
                ("type", Json::from(Some(group.group_type.as_str()).filter(|kind| !kind.is_empty()))),
            ])
        };
        return output.json(&Json::list(groups.iter().map(group)));
    }
    let mut table = Table::new(&["GROUP", "STATE", "PROTOCOL"]);
    for group in &groups {
        let protocol = if group.protocol_type.is_empty() { "-" } else { group.protocol_type.as_str() };
        table.row(vec![group.group_id.to_string(), group.group_state.to_string(), protocol.to_string()]);
    }
    table.print(output)
}

/// All that is shown of a group.
struct Described {
    group: DescribedGroup,
    coordinator: Option<(i32, HostPort)>,
    /// By member id.
    shares: BTreeMap<String, Share>,
    offsets: Vec<Line>,
}

/// What is known of a group in one partition.
struct Line {
    topic: String,
    partition: i32,
    committed: Option<Committed>,
    end: Option<i64>,
    member: Option<String>,
}

impl Line {
    fn lag(&self) -> Option<i64> {
        Some((self.end? - self.committed.as_ref()?.offset).max(0))
    }
}

pub(super) async fn describe(
    client: &mut Client,
    output: &mut Output,
    groups: &[String],
    json: bool,
) -> Result<(), Failure> {
    let (mut described, mut failures) = (Vec::new(), Vec::new());
    for group in groups {
        match describe_one(client, group).await {
            Ok(found) => described.push(found),
            Err(failure) => failures.push(failure),
        }
    }
    output.each(&described, json, as_json, print)?;
    Failure::of_all(failures)
}

/// The group as its coordinator sees it, and where that is.
///
/// # Errors
/// There is no such group, or the coordinator cannot be asked.
pub(in crate::cli) async fn described(
    client: &mut Client,
    group: &str,
) -> Result<(DescribedGroup, Node), Failure> {
    let request = DescribeGroupsRequest::default().with_groups(vec![group_id(group)]);
    let answer = client.retry(async |client| {
        let coordinator = client.coordinator(group).await?;
        let answer = client.call(coordinator, &request).await?;
        let found = answer.groups.into_iter().next();
        let found = found.ok_or_else(|| Failure::Wrong(format!("nothing is said of group {group}")))?;
        check(&format!("group {group}"), found.error_code, found.error_message.as_ref())?;
        Ok((found, coordinator))
    });
    let (found, coordinator) = answer.await?;
    if found.group_state.as_str() == "Dead" {
        // How brokers said it before there was an error for it.
        check(&format!("group {group}"), ResponseError::GroupIdNotFound.code(), None)?;
    }
    Ok((found, coordinator))
}

async fn describe_one(client: &mut Client, name: &str) -> Result<Described, Failure> {
    let (group, coordinator) = described(client, name).await?;
    let committed = committed(client, name).await?;
    let mut shares = BTreeMap::new();
    let mut owners = BTreeMap::new();
    for member in &group.members {
        let share = assigned(&member.member_assignment).unwrap_or_default();
        for (topic, partitions) in &share {
            for partition in partitions {
                owners.insert((topic.clone(), *partition), member.member_id.to_string());
            }
        }
        shares.insert(member.member_id.to_string(), share);
    }
    let places: BTreeSet<&(String, i32)> = committed.keys().chain(owners.keys()).collect();
    let topics: BTreeSet<&String> = places.iter().map(|(topic, _)| topic).collect();
    let mut ends = BTreeMap::new();
    for topic in topics {
        match offsets(client, topic, Place::End).await {
            Ok(found) => {
                ends.extend(found.into_iter().map(|(partition, end)| ((topic.clone(), partition), end)));
            }
            // Deleted, and the offsets are still there.
            Err(failure) if failure.is(ResponseError::UnknownTopicOrPartition) => {}
            Err(failure) => return Err(failure),
        }
    }
    let line = |place: &(String, i32)| Line {
        topic: place.0.clone(),
        partition: place.1,
        committed: committed.get(place).cloned(),
        end: ends.get(place).copied(),
        member: owners.get(place).cloned(),
    };
    let offsets = places.into_iter().map(line).collect();
    let coordinator = match coordinator {
        Node::Any => None,
        Node::Id(id) => client.address(coordinator).map(|address| (id, address.clone())),
    };
    Ok(Described { group, coordinator, shares, offsets })
}

fn as_json(described: &Described) -> Json {
    let group = &described.group;
    let members = group.members.iter().map(|member| {
        let share = described.shares.get(member.member_id.as_str());
        let assignment = share.into_iter().flatten().map(|(topic, partitions)| {
            Json::object([
                ("topic", Json::from(&topic[..])),
                ("partitions", Json::list(partitions.iter().copied())),
            ])
        });
        Json::object([
            ("member", Json::from(member.member_id.as_str())),
            ("instance", Json::from(member.group_instance_id.as_deref())),
            ("client", Json::from(member.client_id.as_str())),
            ("host", Json::from(member.client_host.as_str())),
            ("assignment", Json::list(assignment)),
        ])
    });
    let offsets = described.offsets.iter().map(|line| {
        Json::object([
            ("topic", Json::from(&line.topic[..])),
            ("partition", Json::from(line.partition)),
            ("committed", Json::from(line.committed.as_ref().map(|committed| committed.offset))),
            ("end", Json::from(line.end)),
            ("lag", Json::from(line.lag())),
            ("metadata", Json::from(line.committed.as_ref().map(|committed| &committed.metadata[..]))),
            ("member", Json::from(line.member.as_deref())),
        ])
    });
    let coordinator = described.coordinator.as_ref().map(|(id, address)| {
        Json::object([
            ("id", Json::from(*id)),
            ("host", Json::from(&address.host[..])),
            ("port", Json::from(i32::from(address.port))),
        ])
    });
    Json::object([
        ("group", Json::from(group.group_id.as_str())),
        ("state", Json::from(group.group_state.as_str())),
        ("protocol_type", Json::from(group.protocol_type.as_str())),
        ("protocol", Json::from(group.protocol_data.as_str())),
        ("coordinator", coordinator.unwrap_or(Json::Null)),
        ("members", Json::list(members)),
        ("offsets", Json::list(offsets)),
    ])
}

fn print(described: &Described, output: &mut Output) -> Result<(), Failure> {
    let group = &described.group;
    output.line(&format!("group        {}", group.group_id.as_str()))?;
    output.line(&format!("state        {}", group.group_state))?;
    if !group.protocol_data.is_empty() {
        output.line(&format!("protocol     {}", group.protocol_data))?;
    }
    if let Some((id, address)) = &described.coordinator {
        output.line(&format!("coordinator  {id} ({address})"))?;
    }
    if !group.members.is_empty() {
        output.line("")?;
        let mut table = Table::new(&["MEMBER", "CLIENT", "HOST", "ASSIGNED"]);
        for member in &group.members {
            let share = described.shares.get(member.member_id.as_str());
            let assigned: Vec<String> = share
                .into_iter()
                .flatten()
                .flat_map(|(topic, partitions)| {
                    partitions.iter().map(move |partition| format!("{topic}-{partition}"))
                })
                .collect();
            table.row(vec![
                member.member_id.to_string(),
                member.client_id.to_string(),
                member.client_host.to_string(),
                if assigned.is_empty() { String::from("nothing") } else { assigned.join(" ") },
            ]);
        }
        table.print(output)?;
    }
    if described.offsets.is_empty() {
        return Ok(());
    }
    output.line("")?;
    let mut table = Table::new(&["TOPIC", "PARTITION", "COMMITTED", "END", "LAG", "MEMBER"]);
    for line in &described.offsets {
        table.row(vec![
            line.topic.clone(),
            line.partition.to_string(),
            or_dash(line.committed.as_ref().map(|committed| committed.offset)),
            or_dash(line.end),
            or_dash(line.lag()),
            line.member.clone().unwrap_or_else(|| String::from("-")),
        ]);
    }
    table.print(output)
}
