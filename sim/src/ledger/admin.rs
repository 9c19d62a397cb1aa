//! Questions of administration, and what they may change.

use core::fmt;

use evenkeel_core::units::TopicId;

use crate::ledger::{
    Asked, Ledger, OpNumber, PartitionKey,
    configs::{APPEND_TIME, Changes, TIMESTAMP_TYPE},
    starts::Upto,
};

/// A question of administration.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum AdminAsked {
    /// That a topic has so many partitions.
    Grow(TopicId, i32),
    /// That configs of a topic change.
    Change(TopicId, Changes),
    /// That records are deleted; the watermark that was known then.
    DeleteRecords(PartitionKey, Upto, i64),
    /// What the configs of a topic are.
    Configs(TopicId),
    /// Which partitions a topic has.
    Partitions(TopicId),
    /// Where a partition begins.
    Earliest(PartitionKey),
}

impl fmt::Display for AdminAsked {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            AdminAsked::Grow(topic, count) => {
                write!(f, "{:.8} is to have {count} partitions", topic.to_string())
            }
            AdminAsked::Change(topic, changes) => {
                write!(f, "configs of {:.8} are to be:", topic.to_string())?;
                for (name, value) in changes {
                    write!(f, " {name}={}", value.as_deref().unwrap_or("(none)"))?;
                }
                Ok(())
            }
            AdminAsked::DeleteRecords(key, Upto::Offset(offset), _) => {
                write!(f, "delete the records of {key:?} in front of {offset}")
            }
            AdminAsked::DeleteRecords(key, Upto::End(_), _) => write!(f, "delete the records of {key:?}"),
            AdminAsked::Configs(topic) => write!(f, "what are the configs of {:.8}?", topic.to_string()),
            AdminAsked::Partitions(topic) => write!(f, "which partitions has {:.8}?", topic.to_string()),
            AdminAsked::Earliest(key) => write!(f, "where does {key:?} begin?"),
        }
    }
}

/// What of two kinds a batch may be.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Stamps {
    /// With the producer's time.
    pub plain: bool,
    /// With the broker's.
    pub stamped: bool,
}

impl Stamps {
    /// Adds what a batch becomes where the config has this value.
    pub fn add(&mut self, timestamp_type: Option<&str>) {
        match timestamp_type {
            Some(APPEND_TIME) => self.stamped = true,
            Some(_) | None => self.plain = true,
        }
    }

    /// Whether it may be the one or the other.
    #[must_use]
    pub fn allow(self, stamped: bool) -> bool {
        if stamped { self.stamped } else { self.plain }
    }
}

impl Ledger {
    /// A question leaves: its number is its place in the order of questions.
    pub(super) fn sent_of_admin(&mut self, asked: &AdminAsked) {
        let number = self.order;
        match asked {
            AdminAsked::Grow(topic, count) => {
                if let Some(book) = self.topics.get(topic) {
                    self.growing.entry(book.name.clone()).or_default().push(*count);
                }
            }
            AdminAsked::Change(topic, changes) => {
                self.configs.ask(number, *topic, changes, number);
                if let Some(value) = changes.get(TIMESTAMP_TYPE) {
                    // Batches on their way may come before it or behind.
                    let produced = self.asked.values().filter_map(|open| match &open.asked {
                        Asked::Produce(ops) => Some(ops),
                        Asked::Fetch(..)
                        | Asked::Follow(_)
                        | Asked::End(..)
                        | Asked::Time(..)
                        | Asked::Metadata(_)
                        | Asked::Create(_)
                        | Asked::Delete(_)
                        | Asked::ProducerId
                        | Asked::Group(_)
                        | Asked::Admin(_) => None,
                    });
                    let under_way: Vec<OpNumber> = produced.flatten().copied().collect();
                    for number in under_way {
                        let op = self.op_mut(number);
                        if op.key.topic == *topic {
                            op.stamps.add(value.as_deref());
                        }
                    }
                }
            }
            AdminAsked::DeleteRecords(key, upto, _) => {
                if let Some(book) = self.partitions.get_mut(key) {
                    book.start.ask(number, *upto);
                }
            }
            AdminAsked::Configs(_) | AdminAsked::Partitions(_) | AdminAsked::Earliest(_) => {}
        }
    }

    /// Partitions whose log start the answer to a question tells.
    pub(super) fn tells_starts_of(&self, asked: &Asked) -> Vec<PartitionKey> {
        match asked {
            Asked::Produce(ops) => ops.iter().filter_map(|op| self.op(*op)).map(|op| op.key).collect(),
            Asked::Follow(followed) => followed.parts.iter().map(|(key, ..)| *key).collect(),
            Asked::Fetch(key, ..)
            | Asked::Time(key, ..)
            | Asked::Admin(AdminAsked::DeleteRecords(key, ..) | AdminAsked::Earliest(key)) => vec![*key],
            Asked::Admin(
                AdminAsked::Grow(..)
                | AdminAsked::Change(..)
                | AdminAsked::Configs(_)
                | AdminAsked::Partitions(_),
            )
            | Asked::End(..)
            | Asked::Metadata(_)
            | Asked::Create(_)
            | Asked::Delete(_)
            | Asked::ProducerId
            | Asked::Group(_) => Vec::new(),
        }
    }

    /// Largest log start of a partition that anybody was told.
    #[must_use]
    pub fn log_start(&self, key: PartitionKey) -> i64 {
        self.partitions.get(&key).map_or(0, |book| book.start.told())
    }

    /// Whether batches of that topic may be anything else than what producers sent.
    #[must_use]
    pub fn is_ever_stamped(&self, topic: TopicId) -> bool {
        self.configs.was_given(topic, TIMESTAMP_TYPE)
    }
}
