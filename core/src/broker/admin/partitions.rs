//! CreatePartitions and DescribeTopicPartitions.

use alloc::{
    collections::BTreeSet,
    format,
    string::{String, ToString},
    vec,
    vec::Vec,
};

use bytes::Bytes;
use kafka_protocol::{
    messages::{
        BrokerId, CreatePartitionsRequest, CreatePartitionsResponse, DescribeTopicPartitionsRequest,
        DescribeTopicPartitionsResponse, TopicName,
        create_partitions_request::CreatePartitionsTopic,
        create_partitions_response::CreatePartitionsTopicResult,
        describe_topic_partitions_response::{
            Cursor, DescribeTopicPartitionsResponsePartition, DescribeTopicPartitionsResponseTopic,
        },
    },
    protocol::StrBytes,
};

use crate::{
    broker::{
        Asker, Live,
        admin::{OPERATIONS_NOT_ASKED, Refused, TOPIC_OPERATIONS, sentence, shown, twice},
    },
    error_code,
    limits::{PARTITIONS_MAX, PARTITIONS_TOLD_MAX, TOPIC_PARTITIONS_MAX},
    log::entry::Entry,
    marks::{Mark, mark},
    planted::{Planted, planted},
    port::AdminResponse,
    state::topic::{Topic, check_name},
    turn::Turn,
    units::TopicId,
};

impl Live {
    pub(super) fn create_partitions(
        &mut self,
        asker: Asker,
        request: CreatePartitionsRequest,
        turn: &mut Turn<'_>,
    ) {
        let (twice, mut told) =
            (twice(request.topics.iter().map(|topic| topic.name.clone())), BTreeSet::new());
        let mut results = Vec::new();
        for topic in request.topics {
            let outcome = if !twice.contains(&topic.name) {
                self.check_growth(&topic)
            } else if told.insert(topic.name.clone()) {
                Err((error_code::INVALID_REQUEST, String::from("Duplicate topic name.")))
            } else {
                continue;
            };
            let result = CreatePartitionsTopicResult::default().with_name(topic.name);
            results.push(match outcome {
                Ok((id, partitions)) => {
                    if !request.validate_only {
                        mark(Mark::PartitionsAdded);
                        let first_partition = self.state.next_partition();
                        let entry = Entry::PartitionsAdded { topic: id, first_partition, partitions };
                        self.commit(entry, Bytes::new());
                    }
                    result
                }
                Err((error_code, message)) => {
                    result.with_error_code(error_code).with_error_message(sentence(message))
                }
            });
        }
        let response = CreatePartitionsResponse::default().with_results(results);
        let early = planted(Planted::PartitionsToldBeforeDurable);
        let known = if early { self.log.durable() } else { self.state.catalog_known };
        self.answer_admin(asker, AdminResponse::CreatePartitions(response), known, turn);
    }

    /// The topic, and how many partitions it gets.
    fn check_growth(&self, asked: &CreatePartitionsTopic) -> Result<(TopicId, u32), Refused> {
        let Some(topic) = self.state.topic_named(&asked.name) else {
            let message = format!("The topic '{}' does not exist.", shown(&asked.name));
            return Err((error_code::UNKNOWN_TOPIC_OR_PARTITION, message));
        };
        let (now, count) = (topic.partition_count(), asked.count);
        if count == now {
            mark(Mark::GrowthRefused);
            let message = format!("Topic already has {now} partition(s).");
            return Err((error_code::INVALID_PARTITIONS, message));
        }
        if count < now {
            let message = format!(
                "The topic {} currently has {now} partition(s); {count} would not be an increase.",
                topic.name()
            );
            return Err((error_code::INVALID_PARTITIONS, message));
        }
        if count > TOPIC_PARTITIONS_MAX {
            let message = format!("a topic has 1 to {TOPIC_PARTITIONS_MAX} partitions, not {count}");
            return Err((error_code::INVALID_PARTITIONS, message));
        }
        let more = (count - now).cast_unsigned();
        if self.state.partition_count() + more as usize > PARTITIONS_MAX {
            let message = format!("the broker holds at most {PARTITIONS_MAX} partitions");
            return Err((error_code::POLICY_VIOLATION, message));
        }
        if let Some(assignments) = &asked.assignments {
            if assignments.len() != more as usize {
                let message = format!(
                    "Attempted to add {more} additional partition(s), but {} assignment(s) were specified.",
                    assignments.len()
                );
                return Err((error_code::INVALID_REPLICA_ASSIGNMENT, message));
            }
            for assignment in assignments {
                self.check_replicas(&assignment.broker_ids)?;
            }
        }
        self.check_log_room(Mark::AdminNoRoom)?;
        Ok((topic.id(), more))
    }

    /// The one replica that a partition has is here.
    pub(super) fn check_replicas(&self, replicas: &[BrokerId]) -> Result<(), Refused> {
        let message = match replicas {
            [one] if *one == self.node() => return Ok(()),
            [] => String::from("The manual partition assignment includes an empty replica list."),
            [first, rest @ ..] if *first == self.node() && rest.contains(first) => {
                format!("The manual partition assignment includes the broker {} more than once.", first.0)
            }
            all => {
                let other = all.iter().find(|id| **id != self.node()).unwrap_or(&all[0]);
                format!(
                    "The manual partition assignment includes broker {}, but no such broker is registered.",
                    other.0
                )
            }
        };
        Err((error_code::INVALID_REPLICA_ASSIGNMENT, message))
    }

    /// KIP-966: topics by name, a page at a time.
    pub(super) fn describe_topic_partitions(
        &mut self,
        asker: Asker,
        request: DescribeTopicPartitionsRequest,
        turn: &mut Turn<'_>,
    ) {
        let from = request.cursor.map(|cursor| (cursor.topic_name.to_string(), cursor.partition_index));
        let all = request.topics.is_empty();
        let mut names: BTreeSet<String> = if all {
            self.state.topics().map(|topic| topic.name().to_string()).collect()
        } else {
            request.topics.into_iter().map(|topic| topic.name.to_string()).collect()
        };
        let mut response = DescribeTopicPartitionsResponse::default();
        if let Some((name, index)) = &from {
            // There is no error code for the whole answer: as Kafka does, it goes to every topic asked for.
            if *index < 0 {
                let refused = names.iter().map(|name| untold(name, error_code::INVALID_REQUEST));
                response.topics = refused.collect();
                self.answer_admin(
                    asker,
                    AdminResponse::DescribeTopicPartitions(response),
                    self.state.catalog_known,
                    turn,
                );
                return;
            }
            names = names.split_off(name);
        }
        let mut left = usize::try_from(request.response_partition_limit).unwrap_or(0);
        left = left.clamp(1, PARTITIONS_TOLD_MAX);
        for name in names {
            let start = from.as_ref().filter(|(at, _)| *at == name).map_or(0, |(_, index)| *index);
            if left == 0 {
                response.next_cursor = Some(cursor(&name, start));
                break;
            }
            let Some(topic) = self.state.topic_named(&name) else {
                let valid = check_name(&name).is_ok();
                response.topics.push(untold(
                    &name,
                    if valid {
                        error_code::UNKNOWN_TOPIC_OR_PARTITION
                    } else {
                        error_code::INVALID_TOPIC_EXCEPTION
                    },
                ));
                continue;
            };
            let count = topic.partition_count();
            let end = count.min(start.saturating_add(i32::try_from(left).expect("clamped above")));
            response.topics.push(self.told_partitions(topic, start, end));
            left -= usize::try_from(end - start).unwrap_or(0);
            if end < count {
                response.next_cursor = Some(cursor(&name, end));
                break;
            }
        }
        self.answer_admin(
            asker,
            AdminResponse::DescribeTopicPartitions(response),
            self.state.catalog_known,
            turn,
        );
    }

    fn told_partitions(&self, topic: &Topic, from: i32, upto: i32) -> DescribeTopicPartitionsResponseTopic {
        let us = self.node();
        let partitions = (from..upto).map(|index| {
            DescribeTopicPartitionsResponsePartition::default()
                .with_partition_index(index)
                .with_leader_id(us)
                .with_leader_epoch(self.state.epoch.leader_epoch())
                .with_replica_nodes(vec![us])
                .with_isr_nodes(vec![us])
                .with_eligible_leader_replicas(Some(Vec::new()))
                .with_last_known_elr(Some(Vec::new()))
        });
        DescribeTopicPartitionsResponseTopic::default()
            .with_name(Some(name_of(topic.name())))
            .with_topic_id(uuid::Uuid::from_bytes(topic.id().0))
            .with_partitions(partitions.collect())
            .with_topic_authorized_operations(TOPIC_OPERATIONS)
    }
}

fn name_of(name: &str) -> TopicName {
    TopicName(StrBytes::from_string(name.to_string()))
}

fn cursor(name: &str, index: i32) -> Cursor {
    Cursor::default().with_topic_name(name_of(name)).with_partition_index(index)
}

fn untold(name: &str, error_code: i16) -> DescribeTopicPartitionsResponseTopic {
    DescribeTopicPartitionsResponseTopic::default()
        .with_name(Some(name_of(name)))
        .with_error_code(error_code)
        .with_topic_authorized_operations(OPERATIONS_NOT_ASKED)
}
