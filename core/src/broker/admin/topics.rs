//! CreateTopics and DeleteTopics.

use alloc::{
    collections::{BTreeMap, BTreeSet},
    format,
    string::{String, ToString},
    vec::Vec,
};

use bytes::Bytes;
use kafka_protocol::{
    messages::{
        CreateTopicsRequest, CreateTopicsResponse, DeleteTopicsRequest, DeleteTopicsResponse, TopicName,
        create_topics_request::CreatableTopic,
        create_topics_response::{CreatableTopicConfigs, CreatableTopicResult},
        delete_topics_request::DeleteTopicState,
        delete_topics_response::DeletableTopicResult,
    },
    protocol::StrBytes,
};

use crate::{
    broker::{
        Asker, Live,
        admin::{Refused, twice},
    },
    error_code,
    limits::{PARTITIONS_MAX, TOPIC_PARTITIONS_MAX},
    log::entry::{Entry, TopicCreated},
    marks::{Mark, mark},
    planted::{Planted, planted},
    port::Response,
    state::{
        configs::check_configs,
        topic::{check_name, collision_form},
    },
    turn::Turn,
    units::TopicId,
};

impl Live {
    /// Checks a topic that is to be created and gives it its numbers.
    pub(super) fn new_topic(
        &self,
        name: String,
        partitions: u32,
        configs: BTreeMap<String, String>,
        turn: &mut Turn<'_>,
    ) -> Result<TopicCreated, Refused> {
        check_name(&name).map_err(|message| (error_code::INVALID_TOPIC_EXCEPTION, message))?;
        if self.state.topic_named(&name).is_some() {
            mark(Mark::TopicExists);
            return Err((error_code::TOPIC_ALREADY_EXISTS, format!("topic {name} already exists")));
        }
        let form = collision_form(&name);
        if let Some(other) = self.state.topics().find(|topic| collision_form(topic.name()) == form) {
            let message = format!("{name} collides with the existing topic {}", other.name());
            return Err((error_code::INVALID_TOPIC_EXCEPTION, message));
        }
        if partitions == 0 || partitions > TOPIC_PARTITIONS_MAX.cast_unsigned() {
            let message = format!(
                "a topic has 1 to {TOPIC_PARTITIONS_MAX} partitions, not {}",
                partitions.cast_signed()
            );
            return Err((error_code::INVALID_PARTITIONS, message));
        }
        if self.state.partition_count() + partitions as usize > PARTITIONS_MAX {
            let message = format!("the broker holds at most {PARTITIONS_MAX} partitions");
            return Err((error_code::POLICY_VIOLATION, message));
        }
        check_configs(&configs, &self.config).map_err(|message| (error_code::INVALID_CONFIG, message))?;
        self.check_log_room(Mark::CreateNoRoom)?;
        Ok(TopicCreated {
            id: turn.work.random.topic_id(),
            name,
            partitions,
            first_partition: self.state.next_partition(),
            at: turn.now.wall,
            configs,
        })
    }

    pub(in crate::broker) fn create_topics(
        &mut self,
        asker: Asker,
        request: CreateTopicsRequest,
        turn: &mut Turn<'_>,
    ) {
        let (twice, mut told) =
            (twice(request.topics.iter().map(|topic| topic.name.clone())), BTreeSet::new());
        let mut results = Vec::new();
        for topic in request.topics {
            if twice.contains(&topic.name) {
                if told.insert(topic.name.clone()) {
                    let message = String::from("the request names this topic twice");
                    results.push(failed(topic.name, (error_code::INVALID_REQUEST, message)));
                }
                continue;
            }
            let name = topic.name.clone();
            let created = self.check_creatable(topic).and_then(|(partitions, configs)| {
                self.new_topic(name.to_string(), partitions, configs, turn)
            });
            results.push(match created {
                Ok(created) => {
                    let result = self.created(&created);
                    if planted(Planted::CreationUnlogged) {
                        self.state.apply(self.log.durable(), &Entry::TopicCreated(created));
                    } else if !request.validate_only {
                        self.commit(Entry::TopicCreated(created), Bytes::new());
                    }
                    result
                }
                Err(refused) => failed(name, refused),
            });
        }
        let response = CreateTopicsResponse::default().with_topics(results);
        self.answer(asker, Response::CreateTopics(response), self.state.catalog_known, turn);
    }

    /// Number of partitions and configs of a topic to be created.
    fn check_creatable(&self, topic: CreatableTopic) -> Result<(u32, BTreeMap<String, String>), Refused> {
        let partitions = if topic.assignments.is_empty() {
            if !matches!(topic.replication_factor, -1 | 1) {
                let message = format!("replication factor {}: there is one broker", topic.replication_factor);
                return Err((error_code::INVALID_REPLICATION_FACTOR, message));
            }
            if topic.num_partitions == -1 { self.config.default_partitions } else { topic.num_partitions }
        } else {
            self.check_assignments(&topic)?
        };
        let mut configs = BTreeMap::new();
        for config in topic.configs {
            let Some(value) = config.value else {
                return Err((error_code::INVALID_CONFIG, format!("{} has no value", config.name.as_str())));
            };
            if configs.insert(config.name.to_string(), value.to_string()).is_some() {
                return Err((error_code::INVALID_CONFIG, format!("{} is given twice", config.name.as_str())));
            }
        }
        // Negative numbers become huge ones and are refused with the other bounds.
        Ok((partitions.cast_unsigned(), configs))
    }

    fn check_assignments(&self, topic: &CreatableTopic) -> Result<i32, Refused> {
        if topic.num_partitions != -1 || topic.replication_factor != -1 {
            let message = String::from("with an assignment, partitions and replication factor must be -1");
            return Err((error_code::INVALID_REQUEST, message));
        }
        let mut indexes: Vec<i32> =
            topic.assignments.iter().map(|assignment| assignment.partition_index).collect();
        indexes.sort_unstable();
        let consecutive = indexes.iter().zip(0..).all(|(index, at)| *index == at);
        let to_us = topic.assignments.iter().all(|assignment| assignment.broker_ids == [self.node()]);
        if !consecutive || !to_us {
            let message = format!(
                "partitions 0, 1, 2 ... must each be assigned to broker {} alone",
                self.config.node_id
            );
            return Err((error_code::INVALID_REPLICA_ASSIGNMENT, message));
        }
        i32::try_from(indexes.len())
            .map_err(|_| (error_code::INVALID_PARTITIONS, String::from("too many partitions")))
    }

    fn created(&self, created: &TopicCreated) -> CreatableTopicResult {
        let told = self.told_configs(&created.configs).map(|told| {
            CreatableTopicConfigs::default()
                .with_name(StrBytes::from_static_str(told.key.name))
                .with_value(Some(StrBytes::from_string(told.value)))
                .with_config_source(told.source)
        });
        CreatableTopicResult::default()
            .with_name(TopicName(StrBytes::from_string(created.name.clone())))
            .with_topic_id(uuid::Uuid::from_bytes(created.id.0))
            .with_num_partitions(created.partitions.cast_signed())
            .with_replication_factor(1)
            .with_configs(Some(told.collect()))
    }

    pub(in crate::broker) fn delete_topics(
        &mut self,
        asker: Asker,
        request: DeleteTopicsRequest,
        turn: &mut Turn<'_>,
    ) {
        let asked = if asker.version < 6 {
            let named = |name| DeleteTopicState::default().with_name(Some(name));
            request.topic_names.into_iter().map(named).collect()
        } else {
            request.topics
        };
        let responses = asked.into_iter().map(|topic| self.delete_topic(topic)).collect();
        let response = DeleteTopicsResponse::default().with_responses(responses);
        let early = planted(Planted::DeletionToldBeforeDurable);
        let known = if early { self.log.durable() } else { self.state.catalog_known };
        self.answer(asker, Response::DeleteTopics(response), known, turn);
    }

    fn delete_topic(&mut self, asked: DeleteTopicState) -> DeletableTopicResult {
        let id = TopicId(*asked.topic_id.as_bytes());
        let result =
            DeletableTopicResult::default().with_name(asked.name.clone()).with_topic_id(asked.topic_id);
        let found = match &asked.name {
            Some(name) if id != TopicId::NONE && !name.is_empty() => Err(error_code::INVALID_REQUEST),
            Some(_) if id != TopicId::NONE => self.state.topic(id).ok_or(error_code::UNKNOWN_TOPIC_ID),
            Some(name) => self.state.topic_named(name).ok_or(error_code::UNKNOWN_TOPIC_OR_PARTITION),
            None => self.state.topic(id).ok_or(error_code::UNKNOWN_TOPIC_ID),
        };
        let topic = match found {
            Ok(topic) => topic.clone(),
            Err(error_code) => return result.with_error_code(error_code),
        };
        if let Err((error_code, _)) = self.check_room_to_delete(Mark::DeleteNoRoom) {
            return result.with_error_code(error_code);
        }
        for partition in topic.partition_ids() {
            if let Some(partition) = self.state.partition(partition)
                && !planted(Planted::DeletionWakesNobody)
            {
                if !partition.waiting.is_empty() {
                    mark(Mark::FetchWokenByDeletion);
                }
                self.fetches.wake(&partition.waiting);
            }
            mark(Mark::TopicDeleted);
            self.cache.forget(partition);
            if let Some(cuts) = &mut self.cuts {
                cuts.forget(partition);
            }
        }
        let entry = Entry::TopicDeleted { id: topic.id() };
        if planted(Planted::DeletionUnlogged) {
            self.state.apply(self.log.durable(), &entry);
        } else {
            self.commit(entry, Bytes::new());
        }
        result
            .with_name(Some(TopicName(StrBytes::from_string(topic.name().to_string()))))
            .with_topic_id(uuid::Uuid::from_bytes(topic.id().0))
    }
}

fn failed(name: TopicName, (error_code, message): Refused) -> CreatableTopicResult {
    CreatableTopicResult::default()
        .with_name(name)
        .with_error_code(error_code)
        .with_error_message(Some(StrBytes::from_string(message)))
        .with_num_partitions(-1)
        .with_replication_factor(-1)
        .with_topic_config_error_code(0)
}
