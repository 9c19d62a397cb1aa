//! `evenkeel topic | group | config`: a client on the Kafka protocol, for evenkeel or any other broker that speaks it.
//!
//! One task, one request at a time. [`client`](self) finds the node to ask and asks again while a broker restarts; a file for
//! each command builds requests and prints answers. Exit codes: 0 done, 1 a broker refused or failed, 2 wrong usage.
//!
//! [`offline`] is something else: it looks at files and objects, and asks no broker.

mod batch;
mod client;
mod committed;
mod config;
mod connection;
mod consume;
mod failure;
mod group;
mod json;
mod member;
mod offline;
mod offsets;
mod output;
mod place;
mod produce;
mod range;
mod records;
mod reset;
mod topic;

use std::{io, process::ExitCode, time::Duration};

use clap::Args;
pub use {
    config::Config,
    group::Group,
    offline::{Inspect, Restore, Verify},
    topic::Topic,
};

use self::{client::Client, failure::Failure, output::Output};
use crate::settings::{HostPort, host_port};

/// The broker refused or failed.
const FAILED: u8 = 1;

/// Where the brokers are, and how long to try.
#[derive(Clone, Debug, Args)]
pub struct Connect {
    /// Broker to ask first; several with commas between.
    #[arg(
        long,
        short,
        global = true,
        env = "EVENKEEL_BOOTSTRAP",
        default_value = "127.0.0.1:9092",
        value_name = "HOST:PORT",
        value_delimiter = ',',
        value_parser = host_port
    )]
    bootstrap: Vec<HostPort>,

    /// Try for so long while a broker is away or busy.
    #[arg(long, global = true, default_value = "30s", value_name = "TIME", value_parser = humantime::parse_duration)]
    timeout: Duration,
}

/// What a client can do.
#[derive(Clone, Debug)]
pub enum Command {
    /// With topics and the records in them.
    Topic(Topic),
    /// With consumer groups.
    Group(Group),
    /// With configs.
    Config(Config),
}

/// Runs a command. `stop` begins to listen for the user's wish to end: only a command that has something to end in order asks.
pub async fn run<S: Future<Output = ()>>(command: Command, stop: impl FnOnce() -> io::Result<S>) -> ExitCode {
    let mut output = Output::new();
    let done = match command {
        Command::Topic(topic) => topic.run(&mut output, stop).await,
        Command::Group(group) => group.run(&mut output).await,
        Command::Config(config) => config.run(&mut output).await,
    };
    match done.and(output.flush()) {
        Ok(()) | Err(Failure::Unread) => ExitCode::SUCCESS,
        Err(failure) => {
            failure.to_string().lines().chain(failure.advice()).for_each(client::say);
            ExitCode::from(FAILED)
        }
    }
}

fn client(connect: &Connect) -> Client {
    Client::new(connect)
}

/// `NAME=VALUE`.
fn pair(text: &str) -> Result<(String, String), String> {
    let (name, value) = text.split_once('=').ok_or("NAME=VALUE is needed")?;
    if name.is_empty() {
        return Err(String::from("the name is missing"));
    }
    Ok((name.to_string(), value.to_string()))
}
