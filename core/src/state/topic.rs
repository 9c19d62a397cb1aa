//! A topic and the configs that are in force for it.

use alloc::{
    collections::BTreeMap,
    format,
    string::{String, ToString},
    vec::Vec,
};

use crate::{
    limits::TOPIC_NAME_BYTES_MAX,
    log::entry::TopicCreated,
    planted::{Planted, planted},
    units::{PartitionId, TopicId},
};

/// A topic.
#[derive(Clone, Debug, PartialEq)]
pub struct Topic {
    /// As it was created, with the configs of now.
    pub created: TopicCreated,
    /// Its configs, read.
    pub config: TopicConfig,
    /// Internal numbers of its partitions, by index.
    partitions: Vec<PartitionId>,
}

impl Topic {
    /// A topic that has no partitions yet.
    #[must_use]
    pub fn new(created: TopicCreated) -> Topic {
        let config = TopicConfig::read(&created.configs);
        let partitions = Vec::with_capacity(created.partitions as usize);
        Topic { created, config, partitions }
    }

    /// One more partition. Returns its index.
    pub fn add_partition(&mut self, id: PartitionId) -> i32 {
        let index = i32::try_from(self.partitions.len()).expect("partitions are bounded");
        self.partitions.push(id);
        index
    }

    /// Configs change, as the log says.
    pub fn change_configs(&mut self, changes: &BTreeMap<String, Option<String>>) {
        for (name, value) in changes {
            match value {
                Some(value) => drop(self.created.configs.insert(name.clone(), value.clone())),
                None => drop(self.created.configs.remove(name)),
            }
        }
        if planted(Planted::ConfigDeletionNotInForce) && changes.values().any(Option::is_none) {
            return;
        }
        self.config = TopicConfig::read(&self.created.configs);
    }

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
    pub fn partition_ids(&self) -> impl Iterator<Item = PartitionId> {
        self.partitions.iter().copied()
    }

    /// Number of partitions.
    #[must_use]
    pub fn partition_count(&self) -> i32 {
        i32::try_from(self.partitions.len()).expect("partitions are bounded")
    }

    /// Internal numbers of the partitions that it got after its creation, in the order of their indexes.
    #[must_use]
    pub fn added_partitions(&self) -> &[PartitionId] {
        &self.partitions[self.created.partitions as usize..]
    }

    /// Internal number of the partition with that index.
    #[must_use]
    pub fn partition_id(&self, index: i32) -> Option<PartitionId> {
        self.partitions.get(usize::try_from(index).ok()?).copied()
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
    /// `retention.ms`, -1 for ever; `None`: the broker's.
    pub retention_ms: Option<i64>,
    /// `retention.bytes`, -1 without a bound; `None`: the broker's.
    pub retention_bytes: Option<i64>,
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
                "retention.ms" => read.retention_ms = value.parse().ok(),
                "retention.bytes" => read.retention_bytes = value.parse().ok(),
                _ => {}
            }
        }
        read
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
