//! `evenkeel group`: consumer groups and what they have committed.

mod look;

use clap::{Args, Subcommand};
use kafka_protocol::messages::{
    DeleteGroupsRequest, OffsetDeleteRequest,
    offset_delete_request::{OffsetDeleteRequestPartition, OffsetDeleteRequestTopic},
};

pub(super) use self::look::described;
use super::{
    Connect,
    client::{Client, group_id, topic_name},
    committed::committed,
    failure::{Failure, check},
    output::Output,
    reset::Reset,
};

/// List, describe and delete consumer groups; reset and delete their offsets.
#[derive(Clone, Debug, Args)]
#[command(after_help = "Examples:\n  \
evenkeel group list\n  \
evenkeel group describe billing\n  \
evenkeel group reset-offsets billing --topic orders --to-earliest --execute")]
pub struct Group {
    #[command(flatten)]
    connect: Connect,
    #[command(subcommand)]
    command: Command,
}

#[derive(Clone, Debug, Subcommand)]
enum Command {
    /// List all groups.
    #[command(after_help = "Examples:\n  \
evenkeel group list\n  \
evenkeel group list --state stable --json")]
    List {
        /// Only those in this state.
        #[arg(long, value_enum, value_name = "STATE")]
        state: Option<State>,
        /// Print JSON: a list of objects with group, state, protocol_type, type.
        #[arg(long)]
        json: bool,
    },
    /// Show members, what they are assigned, and committed offsets against the ends of the partitions.
    #[command(after_help = "Examples:\n  \
evenkeel group describe billing\n  \
evenkeel group describe billing shipping --json")]
    Describe {
        /// Groups.
        #[arg(required = true, value_name = "GROUP")]
        groups: Vec<String>,
        /// Print JSON: a list of objects with group, state, protocol, coordinator, members and offsets.
        #[arg(long)]
        json: bool,
    },
    /// Delete groups that have no members, with their offsets.
    #[command(after_help = "Example:\n  \
evenkeel group delete billing")]
    Delete {
        /// Groups.
        #[arg(required = true, value_name = "GROUP")]
        groups: Vec<String>,
    },
    /// Move the committed offsets of a group that has no members. Shows what would change, unless --execute is given.
    ResetOffsets(Reset),
    /// Forget the committed offsets in a topic.
    #[command(after_help = "Example:\n  \
evenkeel group delete-offsets billing --topic orders")]
    DeleteOffsets {
        /// Group.
        group: String,
        /// Topic.
        #[arg(long, value_name = "NAME")]
        topic: String,
    },
}

/// The state of a group.
#[derive(Clone, Copy, Debug, PartialEq, Eq, clap::ValueEnum)]
enum State {
    Stable,
    Empty,
    Dead,
    PreparingRebalance,
    CompletingRebalance,
}

impl State {
    /// As Kafka writes it.
    fn word(self) -> &'static str {
        match self {
            State::Stable => "Stable",
            State::Empty => "Empty",
            State::Dead => "Dead",
            State::PreparingRebalance => "PreparingRebalance",
            State::CompletingRebalance => "CompletingRebalance",
        }
    }
}

impl Group {
    pub(super) async fn run(self, output: &mut Output) -> Result<(), Failure> {
        let client = &mut super::client(&self.connect);
        match self.command {
            Command::List { state, json } => look::list(client, output, state, json).await,
            Command::Describe { groups, json } => look::describe(client, output, &groups, json).await,
            Command::Delete { groups } => delete(client, output, &groups).await,
            Command::ResetOffsets(reset) => reset.run(client, output).await,
            Command::DeleteOffsets { group, topic } => delete_offsets(client, output, &group, &topic).await,
        }
    }
}

async fn delete(client: &mut Client, output: &mut Output, groups: &[String]) -> Result<(), Failure> {
    let mut failures = Vec::new();
    for group in groups {
        let request = DeleteGroupsRequest::default().with_groups_names(vec![group_id(group)]);
        let deleted = client.retry(async |client| {
            let coordinator = client.coordinator(group).await?;
            let answer = client.call(coordinator, &request).await?;
            answer.results.iter().try_for_each(|done| check(&format!("group {group}"), done.error_code, None))
        });
        match deleted.await {
            Ok(()) => output.line(&format!("deleted group {group}"))?,
            Err(failure) => failures.push(failure),
        }
    }
    Failure::of_all(failures)
}

async fn delete_offsets(
    client: &mut Client,
    output: &mut Output,
    group: &str,
    topic: &str,
) -> Result<(), Failure> {
    let committed = committed(client, group).await?;
    let partitions: Vec<i32> =
        committed.into_keys().filter(|(name, _)| name == topic).map(|(_, partition)| partition).collect();
    if partitions.is_empty() {
        return Err(Failure::Wrong(format!("group {group} has committed nothing in topic {topic}")));
    }
    let asked =
        partitions.iter().map(|index| OffsetDeleteRequestPartition::default().with_partition_index(*index));
    let asked =
        OffsetDeleteRequestTopic::default().with_name(topic_name(topic)).with_partitions(asked.collect());
    let request = OffsetDeleteRequest::default().with_group_id(group_id(group)).with_topics(vec![asked]);
    let deleted = client.retry(async |client| {
        let coordinator = client.coordinator(group).await?;
        let answer = client.call(coordinator, &request).await?;
        check(&format!("group {group}"), answer.error_code, None)?;
        answer.topics.iter().flat_map(|topic| &topic.partitions).try_for_each(|partition| {
            check(
                &format!("group {group}, {topic}-{}", partition.partition_index),
                partition.error_code,
                None,
            )
        })
    });
    deleted.await?;
    partitions
        .iter()
        .try_for_each(|partition| output.line(&format!("group {group} has no offset of {topic}-{partition}")))
}
