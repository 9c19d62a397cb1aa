//! Answers of administration: what they promise, and whether they may say that at all.

use evenkeel_core::{
    error_code::{INVALID_PARTITIONS, NONE, OFFSET_OUT_OF_RANGE},
    port::{AdminResponse, FoundOffset, Response},
    units::TopicId,
};
use kafka_protocol::messages::{
    CreatePartitionsResponse, DeleteRecordsResponse, DescribeConfigsResponse, DescribeTopicPartitionsResponse,
};

use crate::{
    ledger::{AdminAsked, CHANGED, Ledger, Open, PartitionKey, UntrueConfig, Upto, default_of},
    violation::{Verdict, broken},
};

/// A config that the topic itself was given, as Kafka numbers it.
const FROM_TOPIC: i8 = 1;

/// The configs that a topic was given, as DescribeConfigs tells them, and where that contradicts itself.
///
/// # Errors
/// One that nobody changes is given, or one that is not given has another value than its default.
pub fn given(
    answer: &DescribeConfigsResponse,
    at: usize,
) -> Result<Vec<(&'static str, Option<String>)>, String> {
    let Some(result) = answer.results.get(at) else { return Err(String::from("no result")) };
    let mut all = Vec::new();
    for name in CHANGED {
        let Some(told) = result.configs.iter().find(|told| told.name.as_str() == name) else {
            return Err(format!("nothing is said of {name}"));
        };
        let value = told.value.as_ref().map(ToString::to_string);
        if told.config_source == FROM_TOPIC {
            all.push((name, value));
        } else if value.as_deref() == Some(&*default_of(name)) {
            all.push((name, None));
        } else {
            return Err(format!("{name} is not given and {value:?}"));
        }
    }
    Ok(all)
}

impl Ledger {
    pub(super) fn answered_of_admin(
        &mut self,
        asked: &AdminAsked,
        open: &Open,
        response: &Response,
    ) -> Verdict {
        match (asked, response) {
            (AdminAsked::Grow(topic, count), Response::Admin(AdminResponse::CreatePartitions(answer))) => {
                self.grown(*topic, *count, answer)
            }
            (AdminAsked::Change(topic, _), Response::Admin(AdminResponse::AlterConfigs(answer))) => {
                self.changed(*topic, open, answer.responses.first().map(|told| told.error_code))
            }
            (
                AdminAsked::Change(topic, _),
                Response::Admin(AdminResponse::IncrementalAlterConfigs(answer)),
            ) => self.changed(*topic, open, answer.responses.first().map(|told| told.error_code)),
            (
                AdminAsked::DeleteRecords(key, upto, known),
                Response::Admin(AdminResponse::DeleteRecords(answer)),
            ) => self.deleted_records(*key, *upto, *known, open, answer),
            (AdminAsked::Configs(topic), Response::Admin(AdminResponse::DescribeConfigs(answer))) => {
                self.configs_told(*topic, open.order, answer)
            }
            (
                AdminAsked::Partitions(topic),
                Response::Admin(AdminResponse::DescribeTopicPartitions(answer)),
            ) => self.partitions_told(*topic, answer),
            (AdminAsked::Earliest(key), Response::ListOffsets(answer)) => {
                match answer.topics.first().and_then(|topic| topic.partitions.first()).map(|part| &part.found)
                {
                    Some(FoundOffset::At { offset, .. }) => self.begins(*key, offset.0, open.start(*key)),
                    Some(FoundOffset::Error(error)) => self.allowed_at(*error, *key),
                    Some(FoundOffset::Within { .. }) | None => {
                        broken("wrong-answer", "the start is an offset")
                    }
                }
            }
            (asked, response) => broken("wrong-answer", format!("{asked:?} was answered with {response:?}")),
        }
    }

    fn grown(&mut self, id: TopicId, count: i32, answer: &CreatePartitionsResponse) -> Verdict {
        let error = answer.results.first().map_or(-1, |told| told.error_code);
        let Some(book) = self.topics.get(&id) else { return Ok(()) };
        let (name, now, certain) = (book.name.clone(), book.partitions, book.must_exist());
        if error == NONE && !certain {
            // It may be the topic that was meant, or the next one of its name.
            return Ok(());
        }
        let growing = self.growing.entry(name.clone()).or_default();
        if let Some(at) = growing.iter().position(|other| *other == count) {
            growing.swap_remove(at);
        }
        let most = growing.iter().copied().max().unwrap_or(0).max(now);
        match error {
            NONE if count < now => {
                broken("wrong-answer", format!("{name} has {now} partitions and is said to grow to {count}"))
            }
            NONE => {
                self.growing.entry(name.clone()).or_default().push(count);
                let learned = self.learn(id, &name, count);
                self.growing.entry(name).or_default().pop();
                learned
            }
            INVALID_PARTITIONS if count <= most || !certain => Ok(()),
            error => self.allowed(error, Some(id)),
        }
    }

    fn changed(&mut self, topic: TopicId, open: &Open, error: Option<i16>) -> Verdict {
        match error {
            Some(NONE) => {
                self.configs.done(open.order, topic, self.order);
                Ok(())
            }
            Some(error) => {
                self.configs.refused(open.order, topic);
                self.allowed(error, Some(topic))
            }
            None => broken("wrong-answer", "a change of configs without a result"),
        }
    }

    fn deleted_records(
        &mut self,
        key: PartitionKey,
        upto: Upto,
        known: i64,
        open: &Open,
        answer: &DeleteRecordsResponse,
    ) -> Verdict {
        let Some(told) = answer.topics.first().and_then(|topic| topic.partitions.first()) else {
            return broken("wrong-answer", "a deletion of records without a result");
        };
        let verdict = match told.error_code {
            NONE => {
                let least = upto.least();
                if told.low_watermark < least {
                    return broken(
                        "wrong-answer",
                        format!(
                            "{key:?} begins at {} with its records deleted to {least}",
                            told.low_watermark
                        ),
                    );
                }
                self.begins(key, told.low_watermark, open.start(key))
            }
            // Behind the end of what anybody could know then.
            OFFSET_OUT_OF_RANGE if matches!(upto, Upto::Offset(offset) if offset > known) => Ok(()),
            error => self.allowed_at(error, key),
        };
        if let Some(book) = self.partitions.get_mut(&key) {
            book.start.answered(open.order);
        }
        verdict
    }

    /// Somebody is told where a partition begins, who knew `known` when it asked.
    ///
    /// # Errors
    /// It cannot begin there.
    pub(super) fn begins(&mut self, key: PartitionKey, start: i64, known: i64) -> Verdict {
        let Some(book) = self.partitions.get(&key) else { return Ok(()) };
        if start < known {
            return broken(
                "log-start-went-back",
                format!("{key:?} begins at {start}, {known} was told before"),
            );
        }
        let asked = book.start.may_be_told(start, known);
        if !asked && !self.may_have_let_go(key, start) {
            return self.phantom_start(key, start);
        }
        if let Some(book) = self.partitions.get_mut(&key) {
            book.start.tell(start);
        }
        Ok(())
    }

    /// A partition begins where nothing leads to.
    ///
    /// # Errors
    /// Always.
    pub fn phantom_start(&self, key: PartitionKey, start: i64) -> Verdict {
        if self.retention.millis.is_some() {
            return broken(
                "let-go-too-early",
                format!("{key:?} begins at {start}; nobody asked for it, and not all in front of it is old"),
            );
        }
        broken("phantom-log-start", format!("{key:?} begins at {start}, and nobody asked for it"))
    }

    fn configs_told(&mut self, topic: TopicId, since: u64, answer: &DescribeConfigsResponse) -> Verdict {
        let error = answer.results.first().map_or(-1, |told| told.error_code);
        if error != NONE {
            return self.allowed(error, Some(topic));
        }
        let given = match given(answer, 0) {
            Ok(given) => given,
            Err(why) => return broken("wrong-answer", why),
        };
        for (name, value) in given {
            self.may_be_config(topic, name, value.as_deref(), since)?;
            self.configs.told(topic, name, value.as_deref(), since, self.order);
        }
        Ok(())
    }

    /// Whether somebody who asked at `since` may find that a config is given that value, or none.
    ///
    /// # Errors
    /// It was never given, or is over, or something else must be there.
    pub fn may_be_config(
        &self,
        topic: TopicId,
        name: &'static str,
        told: Option<&str>,
        since: u64,
    ) -> Verdict {
        let of = || self.topics.get(&topic).map_or("?", |book| &book.name);
        match self.configs.may_be(topic, name, told, since) {
            Ok(()) => Ok(()),
            Err(UntrueConfig::Phantom) => {
                broken("phantom-config", format!("{name} of {} is {told:?}, which nobody gave it", of()))
            }
            Err(UntrueConfig::Over) => {
                broken("config-went-back", format!("{name} of {} goes back to {told:?}", of()))
            }
            Err(UntrueConfig::Lost) => {
                broken("lost-config", format!("{name} of {} is not given any more", of()))
            }
        }
    }

    fn partitions_told(&mut self, topic: TopicId, answer: &DescribeTopicPartitionsResponse) -> Verdict {
        let Some(told) = answer.topics.first() else {
            return broken("wrong-answer", "a description of partitions without the topic");
        };
        if told.error_code != NONE {
            return self.allowed(told.error_code, Some(topic));
        }
        for partition in &told.partitions {
            self.led(partition.leader_epoch)?;
        }
        let count = i32::try_from(told.partitions.len()).unwrap_or(i32::MAX);
        let name = told.name.as_ref().map_or("", |name| name.as_str());
        self.learn(TopicId(*told.topic_id.as_bytes()), name, count)
    }
}
