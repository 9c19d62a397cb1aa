//! What is checked about a produced batch whatever its topic says, so that nothing is stored that a consumer or
//! a restart would choke on. Codes follow Kafka 4 (`ProduceRequest.validateRecords`, `LogValidator`,
//! `DefaultRecordBatch`); where this is stricter or differs, the line says so.
//!
//! Compressed batches are inflated, in the task of the connection, and their records walked as those of others are: a batch that
//! its consumers cannot inflate, or with other records than it announces, would stop each of them for ever. What one batch may
//! inflate to is bounded by [`INFLATED_BYTES_MAX`], which Kafka does not bound.

use alloc::vec::Vec;

use bytes::Bytes;
use kafka_protocol::messages::ProduceRequest;

use super::{
    batch::{
        Batch, BatchHeader, BatchRefusal, CONTROL, CRC_COVERS_FROM, DELETE_HORIZON, HEADER_BYTES,
        LENGTH_OVERHEAD, LOG_APPEND_TIME, TRANSACTIONAL,
    },
    inflated::InflatedRecords,
    records::{INFLATED_BYTES_MAX, RECORD_BYTES_MIN, Record, RecordDamage, Records},
};
use crate::{
    error_code::{
        CORRUPT_MESSAGE, INVALID_RECORD, INVALID_TIMESTAMP, MESSAGE_TOO_LARGE, UNSUPPORTED_COMPRESSION_TYPE,
    },
    limits::MESSAGE_BYTES_MAX,
    port::{ProduceIntake, ProducePartition, ProduceTopic},
    units::{Timestamp, TopicId},
};

const MAGIC_AT: usize = 16;
const CODEC_ZSTD: i16 = 4;
/// First version that may carry zstd (KIP-110).
const ZSTD_SINCE: i16 = 7;
/// The timestamp of a record without one.
const NO_TIMESTAMP: Timestamp = Timestamp(-1);

/// A produce request with its batches parsed and verified. Record bytes stay slices of the frame.
pub(super) fn intake(request: ProduceRequest, version: i16, request_bytes: usize) -> ProduceIntake {
    let topics = request.topic_data.into_iter().map(|topic| ProduceTopic {
        name: topic.name,
        id: TopicId(topic.topic_id.into_bytes()),
        partitions: (topic.partition_data.into_iter())
            .map(|partition| ProducePartition {
                index: partition.index,
                batch: check_batch(&partition.records.unwrap_or_default(), version),
            })
            .collect(),
    });
    ProduceIntake {
        transactional_id: request.transactional_id,
        acks: request.acks,
        topics: topics.collect::<Vec<_>>(),
        request_bytes: request_bytes as u64,
    }
}

/// The one batch in the records of one partition.
///
/// # Errors
/// Kafka's code for what is wrong first, in the order in which Kafka looks.
pub(super) fn check_batch(bytes: &Bytes, version: i16) -> Result<Batch, BatchRefusal> {
    if bytes.is_empty() {
        return refuse(INVALID_RECORD, "there must be one record batch per partition");
    }
    match bytes.get(MAGIC_AT).copied() {
        Some(2) => {}
        Some(0 | 1) => return refuse(INVALID_RECORD, "only record batches with magic version 2 are allowed"),
        Some(_) => return refuse(CORRUPT_MESSAGE, "the magic of the record batch is unknown"),
        None => return refuse(CORRUPT_MESSAGE, "the record batch is cut short"),
    }
    let Some(head) = bytes.first_chunk::<HEADER_BYTES>() else {
        return refuse(CORRUPT_MESSAGE, "the record batch is cut short");
    };
    let mut header = BatchHeader::parse(head);
    // Kafka answers INVALID_RECORD to a batch longer than its bytes, which ends a producer's batch for good. It
    // takes one flipped bit to look like this: answered like the flipped bit it is, so that the client repeats.
    let Some(len) = usize::try_from(header.batch_length).ok().map(|len| len.saturating_add(LENGTH_OVERHEAD))
    else {
        return refuse(CORRUPT_MESSAGE, "the length of the record batch is negative");
    };
    if len < HEADER_BYTES || len > bytes.len() {
        return refuse(CORRUPT_MESSAGE, "the record batch is not as long as it says");
    }
    if header.codec() == CODEC_ZSTD && version < ZSTD_SINCE {
        return refuse(UNSUPPORTED_COMPRESSION_TYPE, "zstd needs produce version 7 or later");
    }
    // Kafka cuts off a torn second batch and takes the first. No client sends one.
    if len < bytes.len() {
        return refuse(INVALID_RECORD, "only one record batch per partition is allowed");
    }
    if header.base_offset.0 != 0 {
        return refuse(INVALID_RECORD, "the base offset of the record batch is not 0");
    }
    if crc32c::crc32c(&bytes[CRC_COVERS_FROM..]) != header.crc {
        return refuse(CORRUPT_MESSAGE, "the checksum of the record batch does not match");
    }
    check_header(&header)?;
    // No topic may allow it: refused before it is inflated.
    if len > MESSAGE_BYTES_MAX as usize {
        return refuse(MESSAGE_TOO_LARGE, "the record batch is larger than any topic allows");
    }
    let records = &bytes[HEADER_BYTES..];
    let max_timestamp = if header.codec() == 0 {
        let deltas = |record: Record<'_>| (record.timestamp_delta, record.offset_delta);
        check_records(&header, Records::of(records).map(|record| record.map(deltas)))?
    } else {
        match InflatedRecords::open(header.codec(), records) {
            Ok(inflated) => check_records(&header, inflated)?,
            Err(RecordDamage) => return refuse(INVALID_RECORD, "the records cannot be decompressed"),
        }
    };
    // As Kafka does: the header is made to say what the records say, and the CRC follows.
    if max_timestamp != header.max_timestamp {
        header.amend_max_timestamp(max_timestamp, records.len());
    }
    Ok(Batch { header, records: bytes.slice(HEADER_BYTES..) })
}

fn refuse<T>(error_code: i16, message: &'static str) -> Result<T, BatchRefusal> {
    Err(BatchRefusal { error_code, message })
}

fn check_header(header: &BatchHeader) -> Result<(), BatchRefusal> {
    if header.record_count <= 0 || header.last_offset_delta != header.record_count - 1 {
        return refuse(INVALID_RECORD, "the record count and the last offset delta do not agree");
    }
    // Refused before they are counted.
    if header.record_count as usize > INFLATED_BYTES_MAX / RECORD_BYTES_MIN {
        return refuse(INVALID_RECORD, "the record count is larger than any batch can hold");
    }
    if header.attributes & CONTROL != 0 {
        return refuse(INVALID_RECORD, "clients cannot write control batches");
    }
    if header.is_idempotent() && header.base_sequence < 0 {
        return refuse(INVALID_RECORD, "an idempotent batch has no sequence");
    }
    // From here on Kafka looks less closely. It would fail later, or store what cannot be meant.
    if header.is_idempotent() && header.producer_epoch < 0 {
        return refuse(INVALID_RECORD, "an idempotent batch has no producer epoch");
    }
    if !header.is_idempotent() && header.attributes & TRANSACTIONAL != 0 {
        return refuse(INVALID_RECORD, "a transactional batch has no producer id");
    }
    if header.codec() > CODEC_ZSTD {
        return refuse(INVALID_RECORD, "the compression codec is unknown");
    }
    if header.attributes & DELETE_HORIZON != 0 {
        return refuse(INVALID_RECORD, "only a cleaner sets a delete horizon");
    }
    if header.attributes & LOG_APPEND_TIME != 0 {
        return refuse(INVALID_TIMESTAMP, "only the broker sets the append time");
    }
    Ok(())
}

/// Walks the deltas of records: each well-formed, as many as the header says, offset deltas counting up from 0. Returns the largest
/// timestamp.
fn check_records(
    header: &BatchHeader,
    records: impl Iterator<Item = Result<(i64, i32), RecordDamage>>,
) -> Result<Timestamp, BatchRefusal> {
    let mut count = 0;
    let mut max_timestamp = NO_TIMESTAMP;
    for deltas in records {
        let Ok((timestamp_delta, offset_delta)) = deltas else {
            return refuse(INVALID_RECORD, "a record is malformed, or cannot be decompressed");
        };
        if count == header.record_count || offset_delta != count {
            return refuse(INVALID_RECORD, "the records are not those that the batch header announces");
        }
        let Some(timestamp) = header.base_timestamp.0.checked_add(timestamp_delta) else {
            return refuse(INVALID_TIMESTAMP, "the timestamp of a record is out of range");
        };
        max_timestamp = max_timestamp.max(Timestamp(timestamp));
        count += 1;
    }
    if count != header.record_count {
        return refuse(INVALID_RECORD, "there are fewer records than the batch header announces");
    }
    Ok(max_timestamp)
}

#[cfg(test)]
mod tests;
