//! `evenkeel config`: configs of topics and brokers.

use clap::{Args, Subcommand};
use kafka_protocol::messages::{
    DescribeConfigsRequest, IncrementalAlterConfigsRequest,
    describe_configs_request::DescribeConfigsResource,
    incremental_alter_configs_request::{AlterConfigsResource, AlterableConfig},
};

use super::{
    Connect,
    client::{Client, Node, text},
    failure::{Failure, check},
    json::Json,
    output::{Output, Table},
    pair,
};

/// Show and change configs.
#[derive(Clone, Debug, Args)]
#[command(after_help = "Examples:\n  \
evenkeel config describe topic orders\n  \
evenkeel config set topic orders max.message.bytes=2097152")]
pub struct Config {
    #[command(flatten)]
    connect: Connect,
    #[command(subcommand)]
    command: Command,
}

#[derive(Clone, Debug, Subcommand)]
enum Command {
    /// Show the configs that differ from the defaults, or all.
    #[command(after_help = "Examples:\n  \
evenkeel config describe topic orders\n  \
evenkeel config describe topic orders --all\n  \
evenkeel config describe broker --all --json")]
    Describe {
        /// Whose.
        kind: Kind,
        /// Topic, or the id of a broker. Default: the broker that answers.
        #[arg(value_name = "NAME", required_if_eq("kind", "topic"))]
        name: Option<String>,
        /// Those too that have their default.
        #[arg(long)]
        all: bool,
        /// Print JSON: a list of objects with name, value, source, read_only, sensitive.
        #[arg(long)]
        json: bool,
    },
    /// Set configs. Others stay as they are.
    #[command(after_help = "Examples:\n  \
evenkeel config set topic orders max.message.bytes=2097152\n  \
evenkeel config set topic orders message.timestamp.type=LogAppendTime max.message.bytes=1000000")]
    Set {
        /// Whose.
        kind: Kind,
        /// Topic, or the id of a broker.
        name: String,
        /// What.
        #[arg(required = true, value_name = "NAME=VALUE", value_parser = pair)]
        configs: Vec<(String, String)>,
    },
    /// Let configs have their defaults again.
    #[command(after_help = "Example:\n  \
evenkeel config unset topic orders max.message.bytes")]
    Unset {
        /// Whose.
        kind: Kind,
        /// Topic, or the id of a broker.
        name: String,
        /// What.
        #[arg(required = true, value_name = "CONFIG")]
        configs: Vec<String>,
    },
}

/// What has configs.
#[derive(Clone, Copy, Debug, PartialEq, Eq, clap::ValueEnum)]
pub(super) enum Kind {
    Topic,
    Broker,
}

/// Where a value comes from.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Source {
    /// Set for the topic.
    Topic,
    /// Set for the broker while it ran.
    Broker,
    /// A setting of the broker.
    Setting,
    /// Nobody set it.
    Default,
    /// The broker does not say, or has a word for it that we do not know.
    Other(i8),
}

impl Source {
    fn of(code: i8) -> Source {
        match code {
            1 => Source::Topic,
            2 | 3 => Source::Broker,
            4 => Source::Setting,
            5 => Source::Default,
            other => Source::Other(other),
        }
    }

    fn word(self) -> String {
        match self {
            Source::Topic => String::from("topic"),
            Source::Broker => String::from("broker"),
            Source::Setting => String::from("setting"),
            Source::Default => String::from("default"),
            Source::Other(code) => format!("source {code}"),
        }
    }
}

/// One config.
pub(super) struct Entry {
    pub(super) name: String,
    pub(super) value: Option<String>,
    pub(super) source: Source,
    read_only: bool,
    sensitive: bool,
}

/// Who has configs.
pub(super) struct Resource {
    pub(super) kind: Kind,
    pub(super) name: String,
}

/// Kafka's numbers of resources and operations.
const TOPIC: i8 = 2;
const BROKER: i8 = 4;
const SET: i8 = 0;
const DELETE: i8 = 1;

impl Resource {
    fn code(&self) -> i8 {
        match self.kind {
            Kind::Topic => TOPIC,
            Kind::Broker => BROKER,
        }
    }

    fn what(&self) -> String {
        match self.kind {
            Kind::Topic => format!("topic {}", self.name),
            Kind::Broker => format!("broker {}", self.name),
        }
    }

    /// A broker's configs are known to it alone; those of topics to any broker. Part of an attempt.
    async fn node(&self, client: &mut Client) -> Result<Node, Failure> {
        match self.kind {
            Kind::Topic => Ok(Node::Any),
            Kind::Broker => {
                let id = self.name.parse();
                let id = id.map_err(|_| Failure::Wrong(format!("{} is no id of a broker", self.name)))?;
                client.metadata(Some(&[])).await.map(|_| Node::Id(id))
            }
        }
    }

    /// All configs, by name.
    ///
    /// # Errors
    /// The broker does not serve it, or refuses.
    pub(super) async fn describe(&self, client: &mut Client) -> Result<Vec<Entry>, Failure> {
        let resource = DescribeConfigsResource::default()
            .with_resource_type(self.code())
            .with_resource_name(text(&self.name))
            .with_configuration_keys(None);
        let request = DescribeConfigsRequest::default().with_resources(vec![resource]);
        let answer = client.retry(async |client| {
            let node = self.node(client).await?;
            let answer = client.call(node, &request).await?;
            for result in &answer.results {
                check(&self.what(), result.error_code, result.error_message.as_ref())?;
            }
            Ok(answer)
        });
        let configs = answer.await?.results.into_iter().flat_map(|result| result.configs);
        let mut entries: Vec<Entry> = configs
            .map(|config| Entry {
                name: config.name.to_string(),
                value: config.value.map(|value| value.to_string()),
                source: Source::of(config.config_source),
                read_only: config.read_only,
                sensitive: config.is_sensitive,
            })
            .collect();
        entries.sort_by(|one, other| one.name.cmp(&other.name));
        Ok(entries)
    }

    async fn alter(&self, client: &mut Client, configs: Vec<AlterableConfig>) -> Result<(), Failure> {
        let resource = AlterConfigsResource::default()
            .with_resource_type(self.code())
            .with_resource_name(text(&self.name))
            .with_configs(configs);
        let request = IncrementalAlterConfigsRequest::default().with_resources(vec![resource]);
        let altered = client.retry(async |client| {
            let node = self.node(client).await?;
            let answer = client.call(node, &request).await?;
            answer
                .responses
                .iter()
                .try_for_each(|done| check(&self.what(), done.error_code, done.error_message.as_ref()))
        });
        altered.await
    }
}

impl Config {
    pub(super) async fn run(self, output: &mut Output) -> Result<(), Failure> {
        let client = &mut super::client(&self.connect);
        match self.command {
            Command::Describe { kind, name, all, json } => {
                let name = match name {
                    Some(name) => name,
                    None => any_broker(client).await?,
                };
                describe(client, output, &Resource { kind, name }, all, json).await
            }
            Command::Set { kind, name, configs } => {
                let resource = Resource { kind, name };
                let set = |(name, value): &(String, String)| {
                    AlterableConfig::default()
                        .with_name(text(name))
                        .with_config_operation(SET)
                        .with_value(Some(text(value)))
                };
                resource.alter(client, configs.iter().map(set).collect()).await?;
                configs.iter().try_for_each(|(name, value)| {
                    output.line(&format!("{}: {name}={value}", resource.what()))
                })
            }
            Command::Unset { kind, name, configs } => {
                let resource = Resource { kind, name };
                let unset = |name: &String| {
                    AlterableConfig::default()
                        .with_name(text(name))
                        .with_config_operation(DELETE)
                        .with_value(None)
                };
                resource.alter(client, configs.iter().map(unset).collect()).await?;
                configs
                    .iter()
                    .try_for_each(|name| output.line(&format!("{}: {name} is not set", resource.what())))
            }
        }
    }
}

async fn any_broker(client: &mut Client) -> Result<String, Failure> {
    let answer = client.retry(async |client| client.metadata(Some(&[])).await).await?;
    let first = answer.brokers.iter().map(|broker| broker.node_id.0).min();
    first.map(|id| id.to_string()).ok_or_else(|| Failure::Wrong(String::from("the cluster names no broker")))
}

async fn describe(
    client: &mut Client,
    output: &mut Output,
    resource: &Resource,
    all: bool,
    json: bool,
) -> Result<(), Failure> {
    let mut entries = resource.describe(client).await?;
    // A setting of the broker that a topic inherits is as good as a default.
    entries.retain(|entry| match (all, resource.kind) {
        (true, _) => true,
        (false, Kind::Topic) => entry.source == Source::Topic,
        (false, Kind::Broker) => entry.source != Source::Default,
    });
    if json {
        let entry = |entry: &Entry| {
            Json::object([
                ("name", Json::from(&entry.name[..])),
                ("value", Json::from(entry.value.as_deref())),
                ("source", Json::Text(entry.source.word())),
                ("read_only", Json::from(entry.read_only)),
                ("sensitive", Json::from(entry.sensitive)),
            ])
        };
        return output.json(&Json::list(entries.iter().map(entry)));
    }
    let mut table = Table::new(&["CONFIG", "VALUE", "SOURCE"]);
    for entry in &entries {
        let value = entry.value.as_deref().unwrap_or(if entry.sensitive { "(hidden)" } else { "" });
        table.row(vec![entry.name.clone(), value.to_string(), entry.source.word()]);
    }
    table.print(output)
}
