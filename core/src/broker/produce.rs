//! Produce, and the producer ids it rests on.

use alloc::{string::String, vec::Vec};

use bytes::Bytes;
use kafka_protocol::{
    messages::{
        InitProducerIdRequest, InitProducerIdResponse, ProduceResponse,
        produce_response::{PartitionProduceResponse, TopicProduceResponse},
    },
    protocol::StrBytes,
};

use crate::{
    broker::{Asker, Live},
    error_code,
    limits::{
        FIRST_REFUSED_MAX, OFFSET_MAX, PRODUCER_EXPIRY_INTERVAL, PRODUCER_ID_BLOCK, PRODUCER_STATES_MAX,
        PRODUCERS_BEGUN_MAX,
    },
    log::entry::{Append, Entry},
    marks::{Mark, mark},
    partition::producers::Verdict,
    planted::{Planted, planted},
    port::{Effect, ProduceIntake, ProducePartition, ProduceTopic, Response},
    state::topic::{TIMESTAMP_AFTER_MAX_MS, Topic},
    turn::{Timer, Turn},
    units::{Lsn, Offset, PartitionId, ProducerId, Timestamp, TopicId},
    wire::batch::{Batch, BatchHeader, TRANSACTIONAL},
};

/// What became of one batch.
struct Taken {
    base_offset: Offset,
    append_time: Timestamp,
    log_start: Offset,
    /// Everything below must be durable before this is told.
    known: Lsn,
}

struct Refused {
    error_code: i16,
    message: Option<&'static str>,
}

fn refused(error_code: i16, message: &'static str) -> Refused {
    Refused { error_code, message: Some(message) }
}

impl Live {
    pub(super) fn produce(&mut self, asker: Asker, intake: ProduceIntake, turn: &mut Turn<'_>) {
        let mut known = self.state.catalog_known;
        let mut failed = false;
        let (acks, staged_from) = (intake.acks, self.log.staged_upto());
        let mut responses = Vec::with_capacity(intake.topics.len());
        for topic in intake.topics {
            let ProduceTopic { name, id, partitions } = topic;
            let mut answered = Vec::with_capacity(partitions.len());
            for ProducePartition { index, batch } in partitions {
                let outcome = if !matches!(acks, -1..=1) {
                    Err(refused(error_code::INVALID_REQUIRED_ACKS, "acks must be -1, 0 or 1"))
                } else if intake.transactional_id.is_some() {
                    Err(refused(error_code::INVALID_TXN_STATE, "transactions are not supported yet"))
                } else {
                    match batch {
                        Ok(batch) => self.take(&name, id, index, batch, turn),
                        Err(refusal) => Err(refused(refusal.error_code, refusal.message)),
                    }
                };
                answered.push(match outcome {
                    Ok(taken) => {
                        known = known.max(taken.known);
                        PartitionProduceResponse::default()
                            .with_index(index)
                            .with_base_offset(taken.base_offset.0)
                            .with_log_append_time_ms(taken.append_time.0)
                            .with_log_start_offset(taken.log_start.0)
                    }
                    Err(refusal) => {
                        failed = true;
                        PartitionProduceResponse::default()
                            .with_index(index)
                            .with_error_code(refusal.error_code)
                            .with_base_offset(-1)
                            .with_log_append_time_ms(-1)
                            .with_log_start_offset(-1)
                            .with_error_message(refusal.message.map(StrBytes::from_static_str))
                    }
                });
            }
            responses.push(
                TopicProduceResponse::default()
                    .with_name(name)
                    .with_topic_id(uuid::Uuid::from_bytes(id.0))
                    .with_partition_responses(answered),
            );
        }
        self.log.detach(staged_from, intake.request_bytes);
        if planted(Planted::AnsweredBeforeDurable) {
            known = self.log.durable();
        }
        if acks == 0 {
            mark(Mark::ProduceSilent);
            // Nobody listens for an error; a closed connection is what Kafka says instead.
            if failed {
                turn.effects.push(Effect::Close(asker.conn));
            }
            self.answer(asker, Response::Silence, known, turn);
        } else {
            self.answer(
                asker,
                Response::Produce(ProduceResponse::default().with_responses(responses)),
                known,
                turn,
            );
        }
    }

    fn take(
        &mut self,
        name: &str,
        id: TopicId,
        index: i32,
        mut batch: Batch,
        turn: &Turn<'_>,
    ) -> Result<Taken, Refused> {
        let by_id = id.is_used_beside(name);
        let topic = if by_id { self.state.topic(id) } else { self.state.topic_named(name) };
        let unknown =
            if by_id { error_code::UNKNOWN_TOPIC_ID } else { error_code::UNKNOWN_TOPIC_OR_PARTITION };
        let topic = topic
            .ok_or(Refused { error_code: unknown, message: None })
            .inspect_err(|_| mark(Mark::ProduceUnknownTopic))?;
        let partition = topic
            .partition_id(index)
            .ok_or(Refused { error_code: error_code::UNKNOWN_TOPIC_OR_PARTITION, message: None })?;
        self.check_batch(topic, &batch, turn.now.wall)?;
        if topic.config.log_append_time {
            mark(Mark::ProduceStamped);
            batch.header.stamp_append_time(turn.now.wall, batch.records.len());
        }
        self.append(partition, batch, turn)
    }

    /// The rules that do not depend on what the partition holds.
    fn check_batch(&self, topic: &Topic, batch: &Batch, now: Timestamp) -> Result<(), Refused> {
        let bytes_max = topic.config.message_bytes_max.unwrap_or(self.config.message_bytes_max);
        if batch.len() > bytes_max as usize || batch.len() > self.config.message_bytes_bound() as usize {
            return Err(refused(error_code::MESSAGE_TOO_LARGE, "the batch is larger than max.message.bytes"));
        }
        if batch.header.attributes & TRANSACTIONAL != 0 {
            return Err(refused(error_code::INVALID_TXN_STATE, "transactions are not supported yet"));
        }
        if !topic.config.log_append_time {
            let ahead = batch.header.max_timestamp.0.saturating_sub(now.0);
            if ahead > topic.config.timestamp_after_max_ms.unwrap_or(TIMESTAMP_AFTER_MAX_MS) {
                return Err(refused(
                    error_code::INVALID_TIMESTAMP,
                    "a timestamp is further in the future than message.timestamp.after.max.ms allows",
                ));
            }
            let behind = now.0.saturating_sub(batch.header.base_timestamp.0);
            if topic.config.timestamp_before_max_ms.is_some_and(|max| behind > max) {
                return Err(refused(
                    error_code::INVALID_TIMESTAMP,
                    "a timestamp is further in the past than message.timestamp.before.max.ms allows",
                ));
            }
        }
        Ok(())
    }

    /// Whether there is room, and whether what could not begin for want of room has to come first: (1) an unknown producer's first
    /// batch is refused, (2) there is room again, (3) its second one, on its way by then, arrives. An unknown producer may begin
    /// anywhere, so that would be taken, and the first one for ever out of order.
    fn check_room(&mut self, id: PartitionId, header: &BatchHeader, is_known: bool) -> Result<(), Refused> {
        let begins = header.is_idempotent() && !is_known;
        let key = (id, header.producer_id);
        let wanted = (header.producer_epoch, header.base_sequence);
        let before = self.first_refused.get(&key).filter(|(epoch, _)| *epoch == wanted.0).copied();
        if begins && before.is_some_and(|before| before != wanted) {
            mark(Mark::ProduceOutOfOrder);
            return Err(refused(
                error_code::OUT_OF_ORDER_SEQUENCE_NUMBER,
                "an earlier batch of this producer was refused for want of room and has to come first",
            ));
        }
        if self.accepts() {
            self.first_refused.remove(&key);
            return Ok(());
        }
        mark(Mark::ProduceNoRoom);
        if begins {
            if self.first_refused.len() >= FIRST_REFUSED_MAX {
                self.first_refused.pop_first();
            }
            self.first_refused.insert(key, wanted);
        }
        Err(refused(error_code::KAFKA_STORAGE_ERROR, self.no_room()))
    }

    fn append(&mut self, id: PartitionId, batch: Batch, turn: &Turn<'_>) -> Result<Taken, Refused> {
        let epoch = self.state.epoch.leader_epoch();
        let partition = self.state.partition(id).expect("a topic's partitions exist as long as it does");
        let log_start = partition.log_start;
        let Batch { mut header, records } = batch;
        if header.is_idempotent() {
            match partition.producers.check(&header) {
                Verdict::New => {}
                Verdict::Duplicate(taken) => {
                    mark(Mark::ProduceDuplicate);
                    if taken.lsn >= self.log.durable() {
                        mark(Mark::ProduceDuplicateInFlight);
                    }
                    let early = planted(Planted::DuplicateAnsweredEarly);
                    let known = if early { Lsn(0) } else { taken.lsn.plus(1).max(partition.start_known) };
                    return Ok(Taken {
                        base_offset: taken.base_offset,
                        append_time: taken.append_time,
                        log_start,
                        known,
                    });
                }
                Verdict::OutOfOrder => {
                    mark(Mark::ProduceOutOfOrder);
                    return Err(refused(
                        error_code::OUT_OF_ORDER_SEQUENCE_NUMBER,
                        "the sequence does not follow the last one taken from this producer",
                    ));
                }
                Verdict::Fenced => {
                    mark(Mark::ProduceFenced);
                    return Err(refused(
                        error_code::INVALID_PRODUCER_EPOCH,
                        "this producer has been replaced by one with a newer epoch",
                    ));
                }
            }
        }
        let (next, is_known) = (partition.next_offset(), partition.producers.is_known(header.producer_id));
        if next.0 > OFFSET_MAX - i64::from(header.record_count) {
            return Err(refused(error_code::KAFKA_STORAGE_ERROR, "the partition has run out of offsets"));
        }
        if let Err(refusal) = self.check_room(id, &header, is_known) {
            if planted(Planted::RefusedButRemembered)
                && header.is_idempotent()
                && let Some(partition) = self.state.partition_mut(id)
            {
                let append = Append { partition: id, appended_at: turn.now.wall, header };
                partition.producers.apply(self.log.durable(), &append);
            }
            return Err(refusal);
        }
        if header.is_idempotent() && !is_known {
            self.producers_begun += 1;
        }
        header.base_offset = next;
        header.leader_epoch = epoch;
        mark(Mark::ProduceTaken);
        let stamped = header.attributes & crate::wire::batch::LOG_APPEND_TIME != 0;
        let append = Append { partition: id, appended_at: turn.now.wall, header };
        let lsn = self.commit(Entry::Append(append), records);
        Ok(Taken {
            base_offset: header.base_offset,
            append_time: if stamped { header.max_timestamp } else { Timestamp(-1) },
            log_start,
            known: lsn.plus(1),
        })
    }

    /// A producer id that was never given out before and never will be again. `producer_ids_next` is volatile: what a
    /// start did not use of a block is skipped.
    pub(super) fn init_producer_id(
        &mut self,
        asker: Asker,
        request: &InitProducerIdRequest,
        turn: &mut Turn<'_>,
    ) {
        let mut response = InitProducerIdResponse::default();
        response.producer_id = kafka_protocol::messages::ProducerId(-1);
        response.producer_epoch = -1;
        let mut known = self.log.durable();
        if request.transactional_id.is_some() {
            response.error_code = error_code::UNSUPPORTED_VERSION;
        } else if let Some((id, reserved)) = self.next_producer_id() {
            response.producer_id = kafka_protocol::messages::ProducerId(id.0);
            response.producer_epoch = 0;
            known = reserved;
        } else {
            response.error_code = error_code::KAFKA_STORAGE_ERROR;
        }
        self.answer(asker, Response::InitProducerId(response), known, turn);
    }

    /// The next id, and the LSN behind the reservation it comes from.
    fn next_producer_id(&mut self) -> Option<(ProducerId, Lsn)> {
        let upto = self.state.producer_ids_upto;
        if self.producer_ids_next.is_none_or(|next| next >= upto) {
            if !self.accepts() {
                return None;
            }
            let entry = Entry::ProducerIdsReserved { upto: ProducerId(upto.0 + PRODUCER_ID_BLOCK) };
            if planted(Planted::ProducerIdsUnlogged) {
                self.state.producer_ids_upto = ProducerId(upto.0 + PRODUCER_ID_BLOCK);
            } else {
                self.commit(entry, Bytes::new());
            }
            mark(Mark::ProducerIdBlock);
            self.producer_ids_next = Some(upto);
        }
        let id = self.producer_ids_next?;
        self.producer_ids_next = Some(ProducerId(id.0 + 1));
        Some((id, self.state.producer_ids_known))
    }

    pub(super) fn producer_expiry_due(&mut self, turn: &mut Turn<'_>) {
        turn.at(turn.now.mono.after(PRODUCER_EXPIRY_INTERVAL), Timer::ProducerExpiry);
        self.expire_producers(turn);
    }

    /// Looks for producers to expire before the time has come, when this many have begun since the last look.
    pub(super) fn bound_producers(&mut self, turn: &mut Turn<'_>) {
        if self.producers_begun >= PRODUCERS_BEGUN_MAX {
            self.expire_producers(turn);
        }
    }

    /// Forgets idle producers. Decided here, once, and written to the log: every replay forgets the same ones.
    fn expire_producers(&mut self, turn: &mut Turn<'_>) {
        if self.stopping || !self.accepts() {
            return;
        }
        self.producers_begun = 0;
        let expiry_ms = i64::try_from(self.config.producer_expiry.as_millis()).unwrap_or(i64::MAX);
        let mut before = turn.now.wall.0.saturating_sub(expiry_ms);
        let mut last_appends: Vec<i64> = self
            .state
            .partitions()
            .flat_map(|partition| partition.producers.iter().map(|(_, producer)| producer.last_append.0))
            .collect();
        if last_appends.len() > PRODUCER_STATES_MAX {
            // More than memory is meant to hold: the longest idle half goes early.
            let middle = last_appends.len() / 2;
            let (_, median, _) = last_appends.select_nth_unstable(middle);
            before = before.max(*median);
            turn.tell(crate::port::Notice::warn(String::from(
                "more idempotent producers than are remembered; the longest idle half is forgotten early",
            )));
        }
        if last_appends.iter().any(|last| *last < before) {
            self.commit(Entry::ProducersExpired { before: Timestamp(before) }, Bytes::new());
        }
    }
}
