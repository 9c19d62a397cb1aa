//! What configs of topics may be: each is a [`Register`] to which changes write a value, or that there is none any more.

use std::collections::{BTreeMap, BTreeSet};

use evenkeel_core::{Config, state::configs::TopicConfigKey, units::TopicId};

use crate::ledger::register::Register;

/// Whether records have the producer's time or the broker's: what it does can be seen in every batch.
pub const TIMESTAMP_TYPE: &str = "message.timestamp.type";
/// The configs that clients change. The others of them are kept, told, and nothing else.
pub const CHANGED: [&str; 3] = ["flush.messages", "flush.ms", TIMESTAMP_TYPE];

/// A value that makes the broker write its own time into batches.
pub const APPEND_TIME: &str = "LogAppendTime";

/// What a config is where none is given.
#[must_use]
pub fn default_of(name: &str) -> String {
    TopicConfigKey::named(name).map_or_else(String::new, |key| key.default(&Config::default()))
}

/// A change of configs: the new values, and `None` for those that are given no more.
pub type Changes = BTreeMap<&'static str, Option<String>>;

/// Why something must not be told.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum UntrueConfig {
    /// Nobody gave it that value.
    Phantom,
    /// It was changed or deleted before.
    Over,
    /// None is given, and one must be.
    Lost,
}

#[derive(Clone, Debug)]
struct Given {
    register: Register<u64, Option<String>>,
    /// Every value that anybody ever gave it.
    ever: BTreeSet<String>,
}

impl Given {
    fn with(value: Option<String>) -> Given {
        let ever = value.iter().cloned().collect();
        Given { register: Register::with(0, value), ever }
    }
}

/// All configs of all topics.
#[derive(Clone, Debug, Default)]
pub struct ConfigBook {
    given: BTreeMap<(TopicId, &'static str), Given>,
    excused: bool,
}

impl ConfigBook {
    /// A topic is there, and whether it was created to be stamped.
    pub fn begin(&mut self, topic: TopicId, stamped: bool) {
        for name in CHANGED {
            let value = (stamped && name == TIMESTAMP_TYPE).then(|| APPEND_TIME.to_string());
            self.given.insert((topic, name), Given::with(value));
        }
    }

    /// A change leaves its client.
    pub fn ask(&mut self, number: u64, topic: TopicId, changes: &Changes, now: u64) {
        for (name, value) in changes {
            if let Some(given) = self.given.get_mut(&(topic, *name)) {
                given.ever.extend(value.clone());
                given.register.sent(number, value.clone(), now);
            }
        }
    }

    /// A change is acknowledged.
    pub fn done(&mut self, number: u64, topic: TopicId, now: u64) {
        for (_, given) in self.given.iter_mut().filter(|((of, _), _)| *of == topic) {
            given.register.done(number, now);
        }
    }

    /// A change is refused.
    pub fn refused(&mut self, number: u64, topic: TopicId) {
        for (_, given) in self.given.iter_mut().filter(|((of, _), _)| *of == topic) {
            given.register.refused(number);
        }
    }

    /// What somebody who asked at `since` may be told.
    pub fn values(
        &self,
        topic: TopicId,
        name: &'static str,
        since: u64,
    ) -> impl Iterator<Item = Option<&str>> {
        let given = self.given.get(&(topic, name));
        given.into_iter().flat_map(move |given| given.register.values(since)).map(Option::as_deref)
    }

    /// Whether anybody ever gave it a value.
    #[must_use]
    pub fn was_given(&self, topic: TopicId, name: &'static str) -> bool {
        self.given.get(&(topic, name)).is_some_and(|given| !given.ever.is_empty())
    }

    /// Whether somebody who asked at `since` may be told that.
    ///
    /// # Errors
    /// Why not.
    pub fn may_be(
        &self,
        topic: TopicId,
        name: &'static str,
        told: Option<&str>,
        since: u64,
    ) -> Result<(), UntrueConfig> {
        let Some(given) = self.given.get(&(topic, name)) else { return Ok(()) };
        match told {
            Some(value) if !given.ever.contains(value) => Err(UntrueConfig::Phantom),
            Some(_) | None if self.excused => Ok(()),
            told if given.register.may_be(&told.map(str::to_string), since) => Ok(()),
            Some(_) => Err(UntrueConfig::Over),
            None => Err(UntrueConfig::Lost),
        }
    }

    /// Somebody who asked at `since` is told that.
    pub fn told(&mut self, topic: TopicId, name: &'static str, told: Option<&str>, since: u64, now: u64) {
        if let Some(given) = self.given.get_mut(&(topic, name)) {
            given.register.told(&told.map(str::to_string), since, now);
        }
    }

    /// After a start: that is what is there, and nothing is under way any more.
    pub fn settle(&mut self, found: impl Fn(TopicId, &'static str) -> Option<String>) {
        for ((topic, name), given) in &mut self.given {
            given.register = Register::with(0, found(*topic, name));
        }
    }

    /// Forgets what nobody can be told any more who asked at `since` or later.
    pub fn prune(&mut self, since: u64) {
        for given in self.given.values_mut() {
            given.register.prune(since);
        }
    }

    /// What was last changed may be lost.
    pub fn excuse(&mut self) {
        self.excused = true;
    }
}
