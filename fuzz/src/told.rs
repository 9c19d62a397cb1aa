//! What an answer says of topics and groups, to be held against the log: at some durable place of it, not older than the
//! question, it must have been so.

use std::collections::BTreeMap;

use evenkeel_core::{
    port::{AdminRequest, AdminResponse, GroupRequest, GroupResponse, Request, Response},
    units::Lsn,
};

use crate::truth::{Known, KnownGroup, KnownOffset, Truth};

/// A config that is given to the topic itself, as Kafka numbers it.
const FROM_TOPIC: i8 = 1;

/// One thing that was told.
#[derive(Clone, Debug, PartialEq)]
enum Told {
    /// A topic has so many partitions.
    Partitions(String, i32),
    /// There is no such topic.
    NoTopic(String),
    /// A config has that value, or is not given.
    Config(String, String, Option<String>),
    /// These configs are given, and no others.
    Configs(String, BTreeMap<String, String>),
    /// A partition starts there.
    Start(String, usize, i64),
    /// A member is one of that generation.
    Member(String, i32, String),
    /// It is not.
    NoMember(String, String),
    /// A member was assigned that in this generation.
    Assigned(String, i32, String, Vec<u8>),
    /// That was committed.
    Offset(String, (String, i32), KnownOffset),
    /// Nothing is.
    NoOffset(String, (String, i32)),
    /// These offsets are committed, and no others.
    Offsets(String, BTreeMap<(String, i32), KnownOffset>),
    /// There is no such group.
    NoGroup(String),
}

impl Told {
    fn is_so(&self, known: &Known) -> bool {
        let topic = |name: &String| known.topics.get(name);
        let none = KnownGroup::default();
        let group = |name: &String| known.groups.get(name).unwrap_or(&none);
        match self {
            Told::Partitions(name, count) => {
                topic(name).is_some_and(|topic| i32::try_from(topic.spans.len()) == Ok(*count))
            }
            Told::NoTopic(name) => topic(name).is_none(),
            Told::Config(name, config, value) => {
                topic(name).is_some_and(|topic| topic.configs.get(config) == value.as_ref())
            }
            Told::Configs(name, configs) => topic(name).is_some_and(|topic| topic.configs == *configs),
            Told::Start(name, index, start) => topic(name)
                .is_some_and(|topic| topic.spans.get(*index).is_some_and(|(known, _)| known == start)),
            Told::Member(name, generation, member) => {
                group(name).generation == *generation && group(name).members.contains_key(member)
            }
            Told::NoMember(name, member) => !group(name).members.contains_key(member),
            Told::Assigned(name, generation, member, assignment) => {
                let group = group(name);
                let its = group.members.get(member).map(|member| &member.assignment);
                group.assigned && group.generation == *generation && its == Some(assignment)
            }
            Told::Offset(name, place, offset) => group(name).offsets.get(place) == Some(offset),
            Told::NoOffset(name, place) => !group(name).offsets.contains_key(place),
            Told::Offsets(name, offsets) => group(name).offsets == *offsets,
            Told::NoGroup(name) => !known.groups.contains_key(name),
        }
    }
}

/// Holds an answer against the log: `since` was durable when it was asked for, `durable` is now.
///
/// # Panics
/// It was never so: a finding.
pub fn assert_told(truth: &Truth, since: Lsn, durable: Lsn, request: &Request, response: &Response) {
    for told in told(request, response) {
        assert!(
            truth.was(since, durable, |known| told.is_so(known)),
            "told {told:?}, which was not so at any LSN from {since} to {durable}; at its end: {:?}",
            truth.known(durable)
        );
    }
}

fn told(request: &Request, response: &Response) -> Vec<Told> {
    match (request, response) {
        (Request::CreateTopics(asked), Response::CreateTopics(answer)) => {
            let done = answer.topics.iter().filter(|topic| topic.error_code == 0);
            let made = |name: &str| asked.topics.iter().find(|topic| topic.name.as_str() == name);
            done.map(|topic| {
                let asked = made(topic.name.as_str()).expect("only what was asked for is answered");
                Told::Partitions(topic.name.to_string(), asked.num_partitions)
            })
            .collect()
        }
        (Request::DeleteTopics(_), Response::DeleteTopics(answer)) => {
            let done = answer.responses.iter().filter(|topic| topic.error_code == 0);
            done.filter_map(|topic| Some(Told::NoTopic(topic.name.as_ref()?.to_string()))).collect()
        }
        (Request::Admin(asked), Response::Admin(answer)) => told_of_admin(asked, answer),
        (Request::Group(asked), Response::Group(answer)) => told_of_groups(asked, answer),
        _ => Vec::new(),
    }
}

fn told_of_admin(request: &AdminRequest, response: &AdminResponse) -> Vec<Told> {
    let mut told = Vec::new();
    match (request, response) {
        (AdminRequest::CreatePartitions(asked), AdminResponse::CreatePartitions(answer)) => {
            for (asked, answer) in asked.topics.iter().zip(&answer.results) {
                if answer.error_code == 0 {
                    told.push(Told::Partitions(asked.name.to_string(), asked.count));
                }
            }
        }
        (AdminRequest::IncrementalAlterConfigs(asked), AdminResponse::IncrementalAlterConfigs(answer)) => {
            for (asked, answer) in asked.resources.iter().zip(&answer.responses) {
                for config in asked.configs.iter().filter(|_| answer.error_code == 0) {
                    let value = config.value.as_ref().map(ToString::to_string);
                    let (topic, name) = (asked.resource_name.to_string(), config.name.to_string());
                    told.push(Told::Config(topic, name, value));
                }
            }
        }
        (AdminRequest::AlterConfigs(asked), AdminResponse::AlterConfigs(answer)) => {
            for (asked, answer) in asked.resources.iter().zip(&answer.responses) {
                if answer.error_code == 0 {
                    let configs = asked.configs.iter().filter_map(|config| {
                        Some((config.name.to_string(), config.value.as_ref()?.to_string()))
                    });
                    told.push(Told::Configs(asked.resource_name.to_string(), configs.collect()));
                }
            }
        }
        (AdminRequest::DescribeConfigs(_), AdminResponse::DescribeConfigs(answer)) => {
            for result in answer.results.iter().filter(|result| result.error_code == 0) {
                let given = result.configs.iter().filter(|config| config.config_source == FROM_TOPIC);
                let given = given
                    .filter_map(|config| Some((config.name.to_string(), config.value.as_ref()?.to_string())));
                told.push(Told::Configs(result.resource_name.to_string(), given.collect()));
            }
        }
        (AdminRequest::DeleteRecords(_), AdminResponse::DeleteRecords(answer)) => {
            for topic in &answer.topics {
                for partition in topic.partitions.iter().filter(|partition| partition.error_code == 0) {
                    let index = usize::try_from(partition.partition_index).expect("there is one");
                    told.push(Told::Start(topic.name.to_string(), index, partition.low_watermark));
                }
            }
        }
        _ => {}
    }
    told
}

fn told_of_groups(request: &GroupRequest, response: &GroupResponse) -> Vec<Told> {
    let mut told = Vec::new();
    match (request, response) {
        (GroupRequest::Join(asked), GroupResponse::Join(answer)) if answer.error_code == 0 => {
            let (group, member) = (asked.request.group_id.to_string(), answer.member_id.to_string());
            told.push(Told::Member(group, answer.generation_id, member));
        }
        (GroupRequest::Heartbeat(asked), GroupResponse::Heartbeat(answer)) if answer.error_code == 0 => {
            let (group, member) = (asked.group_id.to_string(), asked.member_id.to_string());
            told.push(Told::Member(group, asked.generation_id, member));
        }
        (GroupRequest::Sync(asked), GroupResponse::Sync(answer)) if answer.error_code == 0 => {
            let (group, member) = (asked.group_id.to_string(), asked.member_id.to_string());
            told.push(Told::Assigned(group, asked.generation_id, member, answer.assignment.to_vec()));
        }
        (GroupRequest::Leave(asked), GroupResponse::Leave(answer)) => {
            for member in answer.members.iter().filter(|member| member.error_code == 0) {
                told.push(Told::NoMember(asked.group_id.to_string(), member.member_id.to_string()));
            }
        }
        (GroupRequest::OffsetCommit(asked), GroupResponse::OffsetCommit(answer)) => {
            for (topic, answers) in asked.topics.iter().zip(&answer.topics) {
                for (partition, answer) in topic.partitions.iter().zip(&answers.partitions) {
                    let offset = KnownOffset {
                        offset: partition.committed_offset,
                        leader_epoch: partition.committed_leader_epoch,
                        metadata: partition.committed_metadata.as_deref().unwrap_or_default().into(),
                    };
                    let place = (topic.name.to_string(), partition.partition_index);
                    if answer.error_code == 0 {
                        told.push(Told::Offset(asked.group_id.to_string(), place, offset));
                    }
                }
            }
        }
        (GroupRequest::OffsetDelete(asked), GroupResponse::OffsetDelete(answer))
            if answer.error_code == 0 =>
        {
            for topic in &answer.topics {
                for partition in topic.partitions.iter().filter(|partition| partition.error_code == 0) {
                    let place = (topic.name.to_string(), partition.partition_index);
                    told.push(Told::NoOffset(asked.group_id.to_string(), place));
                }
            }
        }
        (GroupRequest::OffsetFetch(_), GroupResponse::OffsetFetch(answer)) => {
            for group in answer.groups.iter().filter(|group| group.error_code == 0) {
                let mut offsets = BTreeMap::new();
                for topic in &group.topics {
                    for partition in &topic.partitions {
                        let offset = KnownOffset {
                            offset: partition.committed_offset,
                            leader_epoch: partition.committed_leader_epoch,
                            metadata: partition.metadata.as_deref().unwrap_or_default().into(),
                        };
                        offsets.insert((topic.name.to_string(), partition.partition_index), offset);
                    }
                }
                told.push(Told::Offsets(group.group_id.to_string(), offsets));
            }
        }
        (GroupRequest::Delete(_), GroupResponse::Delete(answer)) => {
            let done = answer.results.iter().filter(|group| group.error_code == 0);
            told.extend(done.map(|group| Told::NoGroup(group.group_id.to_string())));
        }
        _ => {}
    }
    told
}

#[cfg(test)]
mod tests;
