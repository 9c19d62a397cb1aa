//! Topic configs: what each may be, and whether evenkeel does what it says. All that Kafka knows stand in `configs/table.rs`.
//!
//! A config has one of three standings. *In force*: the broker acts on it. *Nothing to act on*: whatever it says is kept as a matter
//! of course, or has no counterpart here whose absence could hurt. *Not yet*: it would be a promise that is not kept, so only the
//! values that are true of evenkeel now are taken. Nobody is ever told a config that is not so.

mod table;

use alloc::{
    collections::BTreeMap,
    format,
    string::{String, ToString},
    vec::Vec,
};

pub use self::table::TOPIC_CONFIGS;
use self::{
    Standing::{InForce, NotYet, NothingToActOn},
    Values::{Boolean, Fraction, Int, List, Long, MessageBytes, OneOf, RetentionBytes, RetentionMs},
};
use crate::config::Config;

/// What values a config may have.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Values {
    /// `true` or `false`.
    Boolean,
    /// A number of 32 bits within these bounds.
    Int(i64, i64),
    /// A number of 64 bits within these bounds.
    Long(i64, i64),
    /// A number of bytes up to what fits into a sync group.
    MessageBytes,
    /// A number of milliseconds of 64 bits, or -1.
    RetentionMs,
    /// A number of bytes of 63 bits, or -1.
    RetentionBytes,
    /// A number from 0 to 1.
    Fraction,
    /// One of these.
    OneOf(&'static [&'static str]),
    /// A list of these, with commas between them; of anything if none is named.
    List(&'static [&'static str]),
}

/// How far evenkeel does what a config says.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Standing {
    /// The broker acts on it.
    InForce,
    /// Any valid value is satisfied by what evenkeel does anyway, or there is nothing that it could change.
    NothingToActOn,
    /// Only these values are true of evenkeel now.
    NotYet(&'static [&'static str]),
}

/// A config of topics.
#[derive(Clone, Copy, Debug)]
pub struct TopicConfigKey {
    /// Its name.
    pub name: &'static str,
    /// The broker's setting that Kafka takes the default from.
    pub broker_name: &'static str,
    /// What it may be.
    pub values: Values,
    /// Its value where none is given.
    default: &'static str,
    /// How far it is in force.
    pub standing: Standing,
    /// What it means here.
    about: &'static str,
}

/// Longest config name and value. Both go into error messages, which older versions of the protocol bound.
pub const CONFIG_BYTES_MAX: usize = 256;

impl TopicConfigKey {
    /// The config of that name.
    #[must_use]
    pub fn named(name: &str) -> Option<&'static TopicConfigKey> {
        TOPIC_CONFIGS.iter().find(|key| key.name == name)
    }

    /// Its value where a topic does not give one.
    #[must_use]
    pub fn default(&self, config: &Config) -> String {
        match self.values {
            MessageBytes => config.message_bytes_max.to_string(),
            RetentionMs => number_or_none(config.retention.map(|age| age.as_millis())),
            RetentionBytes => number_or_none(config.retention_bytes),
            Boolean | Int(..) | Long(..) | Fraction | OneOf(_) | List(_) => self.default.to_string(),
        }
    }

    /// Whether it is a list, to which something may be appended.
    #[must_use]
    pub fn is_list(&self) -> bool {
        matches!(self.values, List(_))
    }

    /// Kafka's number for the type of its values.
    #[must_use]
    pub fn type_code(&self) -> i8 {
        match self.values {
            Boolean => 1,
            OneOf(_) => 2,
            Int(..) | MessageBytes => 3,
            Long(..) | RetentionMs | RetentionBytes => 5,
            Fraction => 6,
            List(_) => 7,
        }
    }

    /// What it means here, and whether it does.
    #[must_use]
    pub fn documentation(&self) -> String {
        match self.standing {
            InForce => format!("{} In force.", self.about),
            NothingToActOn => format!("{} Any valid value is taken; there is nothing to act on.", self.about),
            NotYet(values) => {
                format!("{} Not in force yet: evenkeel supports only {}.", self.about, values.join(" or "))
            }
        }
    }

    /// Whether a topic may have this value.
    ///
    /// # Errors
    /// A sentence for the client.
    pub fn check(&self, value: &str, config: &Config) -> Result<(), String> {
        let name = self.name;
        let number = |low: i64, high: i64| match value.parse::<i64>() {
            Ok(number) if (low..=high).contains(&number) => Ok(()),
            Ok(_) | Err(_) => Err(format!("{name}={value}: a number from {low} to {high} is needed")),
        };
        let one_of = |value: &str, values: &[&str]| {
            if values.contains(&value) {
                return Ok(());
            }
            Err(format!("{name}={value}: {} is needed", values.join(" or ")))
        };
        match self.values {
            Boolean => one_of(&value.to_ascii_lowercase(), &["true", "false"]),
            Int(low, high) | Long(low, high) => number(low, high),
            MessageBytes => number(0, i64::from(config.message_bytes_bound())),
            RetentionMs | RetentionBytes => number(-1, i64::MAX),
            Fraction => match value.parse::<f64>() {
                Ok(number) if (0.0..=1.0).contains(&number) => Ok(()),
                Ok(_) | Err(_) => Err(format!("{name}={value}: a number from 0 to 1 is needed")),
            },
            OneOf(values) => one_of(value, values),
            List([]) => Ok(()),
            List(values) => items(value).into_iter().try_for_each(|item| one_of(item, values)),
        }?;
        match self.standing {
            InForce | NothingToActOn => Ok(()),
            NotYet(values) if values.iter().any(|known| known.eq_ignore_ascii_case(value)) => Ok(()),
            NotYet(values) => Err(format!(
                "{name}={value} would not be in force: evenkeel supports only {}",
                values.join(" or ")
            )),
        }
    }
}

/// A bound as Kafka writes it: -1 is none.
fn number_or_none(bound: Option<impl ToString>) -> String {
    bound.map_or_else(|| "-1".to_string(), |bound| bound.to_string())
}

/// The items of a list.
#[must_use]
pub fn items(list: &str) -> Vec<&str> {
    list.split(',').map(str::trim).filter(|item| !item.is_empty()).collect()
}

/// Whether a topic may have this config.
///
/// # Errors
/// A sentence for the client: an unknown name, a value out of bounds, or a config that would not be in force.
pub fn check_config(name: &str, value: &str, config: &Config) -> Result<(), String> {
    if name.len() > CONFIG_BYTES_MAX {
        return Err(format!("a config name of {} characters is too long", name.len()));
    }
    if value.len() > CONFIG_BYTES_MAX {
        return Err(format!("{name}: a value of {} characters is too long", value.len()));
    }
    match TopicConfigKey::named(name) {
        Some(key) => key.check(value, config),
        None => Err(format!("Unknown topic config name: {name}")),
    }
}

/// All configs of a topic are right together: those that are given, with what they are to be.
///
/// # Errors
/// As [`check_config`], for the first that is wrong.
pub fn check_configs(configs: &BTreeMap<String, String>, config: &Config) -> Result<(), String> {
    configs.iter().try_for_each(|(name, value)| check_config(name, value, config))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_table_is_in_order_and_each_default_is_a_value_that_may_be_given() {
        assert!(TOPIC_CONFIGS.is_sorted_by(|a, b| a.name < b.name));
        let config = Config::default();
        for key in &TOPIC_CONFIGS {
            let default = key.default(&config);
            assert_eq!(key.check(&default, &config), Ok(()), "{}={default}", key.name);
            assert!(key.documentation().contains("orce") || key.documentation().contains("act on"));
        }
    }

    #[test]
    fn values_out_of_bounds_are_refused_whatever_the_standing() {
        let config = Config::default();
        for (name, value) in [
            ("flush.ms", "-1"),
            ("flush.ms", "soon"),
            ("flush.messages", "0"),
            ("preallocate", "yes"),
            ("min.cleanable.dirty.ratio", "2"),
            ("cleanup.policy", "delete,shred"),
            ("message.timestamp.type", "logappendtime"),
            ("segment.bytes", "2147483648"),
            ("max.message.bytes", "99999999"),
            ("retention.ms", "-2"),
            ("retention.bytes", "9223372036854775808"),
            ("no.such.config", "1"),
        ] {
            assert!(check_config(name, value, &config).is_err(), "{name}={value}");
        }
        for (name, value) in [
            ("flush.ms", "0"),
            ("preallocate", "TRUE"),
            ("retention.ms", "0"),
            ("retention.ms", "-1"),
            ("retention.bytes", "9223372036854775807"),
            ("leader.replication.throttled.replicas", "0:1,1:1"),
            ("unclean.leader.election.enable", "true"),
            ("segment.bytes", "1048576"),
        ] {
            assert_eq!(check_config(name, value, &config), Ok(()), "{name}={value}");
        }
    }

    #[test]
    fn what_would_not_be_in_force_is_refused_in_words_that_say_so() {
        let config = Config::default();
        for (name, value) in [
            ("cleanup.policy", "compact"),
            ("cleanup.policy", "compact,delete"),
            ("min.insync.replicas", "2"),
            ("compression.type", "zstd"),
            ("remote.storage.enable", "true"),
            ("remote.copy.lag.ms", "1"),
            ("remote.copy.lag.bytes", "0"),
            ("max.decompressed.message.bytes", "1048576"),
            ("errors.deadletterqueue.group.enable", "true"),
        ] {
            let refusal = check_config(name, value, &config).expect_err("not in force");
            assert!(refusal.contains("would not be in force"), "{refusal}");
        }
    }
}
