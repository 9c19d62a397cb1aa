//! `evenkeel topic`: topics, and the records in them.

mod change;
mod look;

use std::io;

use clap::{Args, Subcommand};

use super::{
    Connect, client, consume::Consume, failure::Failure, output::Output, pair, place::Place, produce::Produce,
};

/// Create, list, describe, change and delete topics; write and read their records.
#[derive(Clone, Debug, Args)]
#[command(after_help = "Examples:\n  \
evenkeel topic create orders --partitions 3\n  \
seq 1 100 | evenkeel topic produce orders\n  \
evenkeel topic consume orders --until-end")]
pub struct Topic {
    #[command(flatten)]
    connect: Connect,
    #[command(subcommand)]
    command: Command,
}

#[derive(Clone, Debug, Subcommand)]
enum Command {
    /// Create topics.
    Create(Create),
    /// List all topics.
    #[command(after_help = "Examples:\n  \
evenkeel topic list\n  \
evenkeel topic list --json -b broker.example:9092")]
    List {
        /// Print JSON: a list of objects with topic, id, internal, partitions.
        #[arg(long)]
        json: bool,
    },
    /// Show partitions, their leaders and offsets, and the configs that differ from the defaults.
    #[command(after_help = "Examples:\n  \
evenkeel topic describe orders\n  \
evenkeel topic describe orders payments --json")]
    Describe {
        /// Topics.
        #[arg(required = true, value_name = "NAME")]
        names: Vec<String>,
        /// Print JSON: a list of objects with topic, id, partitions (leader, leader_epoch, log_start, end, ...) and configs.
        #[arg(long)]
        json: bool,
    },
    /// Delete topics and every record in them.
    #[command(after_help = "Examples:\n  \
evenkeel topic delete orders\n  \
evenkeel topic delete old-1 old-2")]
    Delete {
        /// Topics.
        #[arg(required = true, value_name = "NAME")]
        names: Vec<String>,
    },
    /// Give a topic more partitions. Records stay where they are; keys may go to other partitions from then on.
    #[command(after_help = "Example:\n  \
evenkeel topic add-partitions orders --to 6")]
    AddPartitions {
        /// Topic.
        name: String,
        /// Partitions it shall have.
        #[arg(long, value_name = "N", value_parser = clap::value_parser!(i32).range(1..))]
        to: i32,
    },
    /// Delete the records before an offset, for good.
    DeleteRecords(DeleteRecords),
    /// Write the lines of standard input as records.
    Produce(Produce),
    /// Print records as lines.
    Consume(Consume),
}

/// Arguments of `topic create`.
#[derive(Clone, Debug, Args)]
#[command(after_help = "Examples:\n  \
evenkeel topic create orders\n  \
evenkeel topic create orders payments --partitions 3 --config max.message.bytes=2097152\n  \
evenkeel topic create orders --if-not-exists")]
struct Create {
    /// Topics.
    #[arg(required = true, value_name = "NAME")]
    names: Vec<String>,
    /// Partitions of each. Default: what the broker thinks.
    #[arg(long, short, value_name = "N", value_parser = clap::value_parser!(i32).range(1..))]
    partitions: Option<i32>,
    /// Copies of each partition. Default: what the broker thinks.
    #[arg(long, value_name = "N", value_parser = clap::value_parser!(i16).range(1..))]
    replication: Option<i16>,
    /// A config of each; may be given several times.
    #[arg(long, value_name = "NAME=VALUE", value_parser = pair)]
    config: Vec<(String, String)>,
    /// A topic that is there already is not an error.
    #[arg(long)]
    if_not_exists: bool,
}

/// Arguments of `topic delete-records`.
#[derive(Clone, Debug, Args)]
#[command(after_help = "Examples:\n  \
evenkeel topic delete-records orders --before end                   # all there are now\n  \
evenkeel topic delete-records orders --partition 0 --before 1000")]
struct DeleteRecords {
    /// Topic.
    name: String,
    /// Only this partition. Default: all.
    #[arg(long, value_name = "P", value_parser = clap::value_parser!(i32).range(0..))]
    partition: Option<i32>,
    /// First offset that stays, or `end`.
    #[arg(long, value_name = "OFFSET", value_parser = before)]
    before: Place,
}

fn before(text: &str) -> Result<Place, String> {
    match super::place::place(text) {
        Ok(place @ (Place::End | Place::Offset(_))) => Ok(place),
        Ok(Place::Beginning | Place::Time(_)) | Err(_) => Err(String::from("an offset or `end` is needed")),
    }
}

impl Topic {
    pub(super) async fn run<S: Future<Output = ()>>(
        self,
        output: &mut Output,
        stop: impl FnOnce() -> io::Result<S>,
    ) -> Result<(), Failure> {
        let client = &mut client(&self.connect);
        match self.command {
            Command::Create(create) => change::create(client, output, &create).await,
            Command::List { json } => look::list(client, output, json).await,
            Command::Describe { names, json } => look::describe(client, output, &names, json).await,
            Command::Delete { names } => change::delete(client, output, &names).await,
            Command::AddPartitions { name, to } => change::add_partitions(client, output, &name, to).await,
            Command::DeleteRecords(delete) => change::delete_records(client, output, &delete).await,
            Command::Produce(produce) => produce.run(client, output).await,
            Command::Consume(consume) => consume.run(client, output, stop).await,
        }
    }
}
