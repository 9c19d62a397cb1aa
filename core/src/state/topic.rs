//! A topic and the configs that are in force for it.

use alloc::{
    collections::BTreeMap,
    format,
    string::{String, ToString},
};

use crate::{
    config::Config,
    limits::TOPIC_NAME_BYTES_MAX,
    log::entry::TopicCreated,
    units::{PartitionId, TopicId},
};

/// A topic.
#[derive(Clone, Debug, PartialEq)]
pub struct Topic {
    /// As it was created.
    pub created: TopicCreated,
    /// Its configs, read.
    pub config: TopicConfig,
}

impl Topic {
    /// Its id.
    #[must_use]
    pub fn id(&self) -> TopicId {
        self.created.id
    }

    /// Its name.
    #[must_use]
    pub fn name(&self) -> &str {
        &self.created.name
    }

    /// Internal numbers of its partitions, in the order of their indexes.
    pub fn partition_ids(&self) -> impl Iterator<Item = PartitionId> + use<> {
        let first = self.created.first_partition.0;
        (first..first + self.created.partitions).map(PartitionId)
    }

    /// Internal number of the partition with that index.
    #[must_use]
    pub fn partition_id(&self, index: i32) -> Option<PartitionId> {
        let index = u32::try_from(index).ok().filter(|index| *index < self.created.partitions)?;
        Some(PartitionId(self.created.first_partition.0 + index))
    }
}

/// The topic configs that evenkeel enforces.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct TopicConfig {
    /// `max.message.bytes`; `None`: the broker's.
    pub message_bytes_max: Option<u32>,
    /// `message.timestamp.type` is `LogAppendTime`.
    pub log_append_time: bool,
    /// `message.timestamp.before.max.ms`; `None`: no bound.
    pub timestamp_before_max_ms: Option<i64>,
    /// `message.timestamp.after.max.ms`; `None`: Kafka's default of one hour.
    pub timestamp_after_max_ms: Option<i64>,
}

/// How far a producer's clock may be ahead, Kafka's default for `message.timestamp.after.max.ms`.
pub const TIMESTAMP_AFTER_MAX_MS: i64 = 3_600_000;

impl TopicConfig {
    /// Reads configs that were checked when they were given. Unknown ones are left to a newer version.
    #[must_use]
    pub fn read(configs: &BTreeMap<String, String>) -> TopicConfig {
        let mut read = TopicConfig::default();
        for (name, value) in configs {
            match name.as_str() {
                "max.message.bytes" => read.message_bytes_max = value.parse().ok(),
                "message.timestamp.type" => read.log_append_time = value == "LogAppendTime",
                "message.timestamp.before.max.ms" => read.timestamp_before_max_ms = value.parse().ok(),
                "message.timestamp.after.max.ms" => read.timestamp_after_max_ms = value.parse().ok(),
                _ => {}
            }
        }
        read
    }
}

/// Configs that Kafka knows and evenkeel does not act upon yet, with the only value that is true of it now.
const FIXED: [(&str, &[&str]); 9] = [
    ("cleanup.policy", &["delete"]),
    ("compression.type", &["producer"]),
    ("retention.ms", &["-1"]),
    ("retention.bytes", &["-1"]),
    ("min.insync.replicas", &["1"]),
    ("unclean.leader.election.enable", &["false"]),
    ("remote.storage.enable", &["false"]),
    ("preallocate", &["true", "false"]),
    ("message.format.version", &["3.0-IV1"]),
];

/// Longest config name and value. Both go into error messages, which older versions of the protocol bound.
const VALUE_BYTES_MAX: usize = 256;

/// Whether a config may be given to a new topic.
///
/// # Errors
/// A sentence for the client: an unknown name, a value out of bounds, or a config that would not be in force.
pub fn check_config(name: &str, value: &str, config: &Config) -> Result<(), String> {
    let number = |low: i64, high: i64| match value.parse::<i64>() {
        Ok(number) if (low..=high).contains(&number) => Ok(()),
        Ok(_) | Err(_) => Err(format!("{name}={value}: a number from {low} to {high} is needed")),
    };
    if name.len() > VALUE_BYTES_MAX {
        return Err(format!("a config name of {} characters is too long", name.len()));
    }
    if value.len() > VALUE_BYTES_MAX {
        return Err(format!("{name}: a value of {} characters is too long", value.len()));
    }
    match name {
        "max.message.bytes" => number(0, i64::from(config.message_bytes_bound())),
        "message.timestamp.type" if matches!(value, "CreateTime" | "LogAppendTime") => Ok(()),
        "message.timestamp.type" => Err(format!("{name}={value}: CreateTime or LogAppendTime is needed")),
        "message.timestamp.before.max.ms" | "message.timestamp.after.max.ms" => number(0, i64::MAX),
        _ => match FIXED.iter().find(|(known, _)| *known == name) {
            Some((_, values)) if values.contains(&value) => Ok(()),
            Some((_, values)) => Err(format!(
                "{name}={value} would not be in force: evenkeel supports only {}",
                values.join(" or ")
            )),
            None => Err(format!("{name} is not a topic config that evenkeel supports")),
        },
    }
}

/// Kafka's rules for topic names.
///
/// # Errors
/// A sentence for the client.
pub fn check_name(name: &str) -> Result<(), String> {
    if name.is_empty() {
        return Err("the topic name is empty".to_string());
    }
    if name == "." || name == ".." {
        return Err(format!("a topic cannot be called {name:?}"));
    }
    if name.len() > TOPIC_NAME_BYTES_MAX {
        return Err(format!(
            "the topic name has {} characters, at most {TOPIC_NAME_BYTES_MAX} are allowed",
            name.len()
        ));
    }
    match name.chars().find(|c| !(c.is_ascii_alphanumeric() || matches!(c, '.' | '_' | '-'))) {
        Some(bad) => Err(format!(
            "the topic name contains {bad:?}; only ASCII letters, digits, '.', '_' and '-' are allowed"
        )),
        None => Ok(()),
    }
}

/// The form in which `a.b` and `a_b` are the same: Kafka refuses to have both, their metrics would collide.
#[must_use]
pub fn collision_form(name: &str) -> String {
    name.replace('.', "_")
}
