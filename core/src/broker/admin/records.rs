//! DeleteRecords and DescribeProducers.

use alloc::{format, vec::Vec};

use bytes::Bytes;
use kafka_protocol::messages::{
    DeleteRecordsRequest, DeleteRecordsResponse, DescribeProducersRequest, DescribeProducersResponse,
    ProducerId,
    delete_records_response::{DeleteRecordsPartitionResult, DeleteRecordsTopicResult},
    describe_producers_response::{PartitionResponse, ProducerState, TopicResponse},
};

use crate::{
    broker::{
        Asker, Live,
        admin::{sentence, shown},
    },
    error_code,
    limits::PRODUCER_STATES_MAX,
    log::entry::Entry,
    marks::{Mark, mark},
    partition::Partition,
    planted::{Planted, planted},
    port::AdminResponse,
    turn::Turn,
    units::{Lsn, Offset, PartitionId},
};

/// Stands for the high watermark.
const HIGH_WATERMARK: i64 = -1;

impl Live {
    pub(super) fn delete_records(
        &mut self,
        asker: Asker,
        request: DeleteRecordsRequest,
        turn: &mut Turn<'_>,
    ) {
        let (mut topics, mut told) = (Vec::with_capacity(request.topics.len()), Vec::new());
        for topic in request.topics {
            let mut partitions = Vec::with_capacity(topic.partitions.len());
            for asked in topic.partitions {
                let known = self.state.topic_named(&topic.name);
                let id = known.and_then(|topic| topic.partition_id(asked.partition_index));
                told.push(id);
                let result =
                    DeleteRecordsPartitionResult::default().with_partition_index(asked.partition_index);
                partitions.push(match self.delete_below(id, asked.offset) {
                    Ok(log_start) => result.with_low_watermark(log_start.0),
                    Err(error_code) => result.with_low_watermark(-1).with_error_code(error_code),
                });
            }
            topics
                .push(DeleteRecordsTopicResult::default().with_name(topic.name).with_partitions(partitions));
        }
        let response = DeleteRecordsResponse::default().with_topics(topics);
        let early = planted(Planted::LogStartToldBeforeDurable);
        let known = if early { self.log.durable() } else { self.state.known_by(told) };
        self.answer_admin(asker, AdminResponse::DeleteRecords(response), known, turn);
    }

    /// The log start then.
    fn delete_below(&mut self, id: Option<PartitionId>, offset: i64) -> Result<Offset, i16> {
        let id = id.ok_or(error_code::UNKNOWN_TOPIC_OR_PARTITION)?;
        let partition = self.state.partition(id).ok_or(error_code::UNKNOWN_TOPIC_OR_PARTITION)?;
        let offset = if offset == HIGH_WATERMARK { partition.visible } else { Offset(offset) };
        if offset < Offset(0) || offset > partition.visible {
            mark(Mark::RecordsBehindEnd);
            return Err(error_code::OFFSET_OUT_OF_RANGE);
        }
        if offset <= partition.log_start {
            mark(Mark::RecordsGoneBefore);
            return Ok(partition.log_start);
        }
        self.check_room_to_delete(Mark::AdminNoRoom).map_err(|(error_code, _)| error_code)?;
        mark(if offset == partition.visible { Mark::RecordsDeletedToEnd } else { Mark::RecordsDeleted });
        self.move_log_start(id, offset);
        Ok(offset)
    }

    /// What is in front of that offset is gone.
    pub(in crate::broker) fn move_log_start(&mut self, id: PartitionId, log_start: Offset) {
        if let Some(partition) = self.state.partition(id) {
            if !partition.waiting.is_empty() {
                mark(Mark::FetchWokenByStart);
            }
            // Those that wait for data behind a place that is gone now.
            self.fetches.wake(&partition.waiting);
        }
        self.commit(Entry::RecordsDeleted { partition: id, log_start }, Bytes::new());
        self.cache.forget_below(id, log_start);
        if let Some(cuts) = &mut self.cuts {
            cuts.records_deleted(id, log_start, &self.state);
        }
    }

    /// KIP-664: who writes to a partition.
    pub(super) fn describe_producers(
        &mut self,
        asker: Asker,
        request: DescribeProducersRequest,
        turn: &mut Turn<'_>,
    ) {
        let (mut told, mut producers, mut newest) = (Vec::new(), 0, Lsn(0));
        let mut topics = Vec::with_capacity(request.topics.len());
        for topic in request.topics {
            let known = self.state.topic_named(&topic.name);
            let mut partitions = Vec::with_capacity(topic.partition_indexes.len());
            for index in topic.partition_indexes {
                let partition =
                    known.and_then(|topic| topic.partition_id(index)).and_then(|id| self.state.partition(id));
                told.push(partition.map(|partition| partition.id));
                let result = PartitionResponse::default().with_partition_index(index);
                producers += partition.map_or(0, |partition| partition.producers.len());
                partitions.push(match partition {
                    None => result
                        .with_error_code(error_code::UNKNOWN_TOPIC_OR_PARTITION)
                        .with_error_message(sentence(format!(
                            "There is no partition {index} of topic '{}'.",
                            shown(&topic.name)
                        ))),
                    // No honest request: there are not so many, but the same ones several times.
                    Some(_) if producers > PRODUCER_STATES_MAX => {
                        result.with_error_code(error_code::POLICY_VIOLATION).with_error_message(sentence(
                            format!("one answer tells of at most {PRODUCER_STATES_MAX} producers"),
                        ))
                    }
                    Some(partition) => {
                        let (active, known) = active_producers(partition);
                        newest = newest.max(known);
                        result.with_active_producers(active)
                    }
                });
            }
            topics.push(TopicResponse::default().with_name(topic.name).with_partitions(partitions));
        }
        let response = DescribeProducersResponse::default().with_topics(topics);
        let known = self.state.known_by(told).max(newest);
        self.answer_admin(asker, AdminResponse::DescribeProducers(response), known, turn);
    }
}

/// The producers of a partition, and the LSN behind the newest batch of any of them.
fn active_producers(partition: &Partition) -> (Vec<ProducerState>, Lsn) {
    let mut newest = Lsn(0);
    let mut active = Vec::with_capacity(partition.producers.len());
    for (id, producer) in partition.producers.iter() {
        let last = producer.batches.back();
        newest = newest.max(last.map_or(Lsn(0), |last| last.lsn.plus(1)));
        active.push(
            ProducerState::default()
                .with_producer_id(ProducerId(id.0))
                .with_producer_epoch(i32::from(producer.epoch))
                .with_last_sequence(last.map_or(-1, |last| last.last_sequence))
                .with_last_timestamp(producer.last_append.0)
                .with_coordinator_epoch(-1)
                .with_current_txn_start_offset(-1),
        );
    }
    (active, newest)
}
