//! One run of the `batch` target: a record batch with any header and any records, its checksum right or not. What a broker
//! takes of it can be stored, served and searched; what cannot be read ends in an error, in bounded time and memory.

use bytes::{Bytes, BytesMut};
use evenkeel_core::{
    port::Request,
    units::{Offset, ProducerId, Timestamp},
    wire::{
        api::SERVED,
        batch::{Batch, BatchHeader, HEADER_BYTES, LENGTH_OVERHEAD, verify_stored},
        records::{INFLATED_BYTES_MAX, Records, find_by_timestamp},
        session::Session,
    },
};
use kafka_protocol::{
    messages::{
        ProduceRequest,
        produce_request::{PartitionProduceData, TopicProduceData},
    },
    protocol::Encodable,
};

use crate::{batch::with_checksum, choices::Choices, memory::peak_of, requests::topic_name, sample::frame};

/// What a search holds at one time besides what it inflates: windows and tables of the decoders.
const SEARCH_BYTES: usize = 32 << 20;

/// Makes a batch, has it taken, and searches it.
///
/// # Panics
/// A finding.
pub fn hostile(bytes: &[u8]) {
    let mut choices = Choices::new(bytes);
    let looked_for = Timestamp(choices.of(&[0, -1, i64::MIN, i64::MAX, 1000, 1001]));
    let (version, mut header, checksum) =
        (3 + i16::from(choices.byte() % 11), header(&mut choices), choices.byte());
    let made = choices.byte().is_multiple_of(4);
    let records = if made { records(&mut choices, header.record_count) } else { choices.rest().to_vec() };
    let len = HEADER_BYTES + records.len() - LENGTH_OVERHEAD;
    header.batch_length = match checksum % 8 {
        7 => header.batch_length,
        _ => i32::try_from(len).expect("fuzzed records are short"),
    };
    let batch = with_checksum(header, Bytes::from(records));
    let whole = Bytes::from([&batch.header.encode()[..], &batch.records].concat());
    assert!(Records::of(&batch.records).count() <= batch.records.len());
    let (_, peak) = peak_of(|| find_by_timestamp(std::slice::from_ref(&whole), Offset(i64::MIN), looked_for));
    assert!(peak <= INFLATED_BYTES_MAX + SEARCH_BYTES, "{peak} bytes to search {}", whole.len());
    if let Some(taken) = taken(whole, version) {
        check_taken(&taken);
    }
}

fn header(choices: &mut Choices<'_>) -> BatchHeader {
    let count = choices.of(&[1, 2, 3, 0, -1, 1000, i32::MAX]);
    let by = choices.byte() % 4 == 3;
    BatchHeader {
        base_offset: Offset(choices.of(&[0, 1, -1, i64::MAX])),
        batch_length: choices.of(&[0, -1, 49, 1000, i32::MAX, i32::MIN]),
        leader_epoch: choices.of(&[-1, 0, i32::MIN]),
        magic: choices.of(&[2, 2, 2, 2, 2, 2, 1, 0, 3, -1]),
        crc: 0,
        attributes: match choices.below(8) {
            7 => choices.u16().cast_signed(),
            codec => i16::try_from(codec % 5).expect("a codec"),
        },
        last_offset_delta: choices.of(&[count.wrapping_sub(1), count.wrapping_sub(1), 0, -1, i32::MAX]),
        base_timestamp: Timestamp(choices.of(&[1000, 0, -1, i64::MIN, i64::MAX])),
        max_timestamp: Timestamp(choices.of(&[1000, 1005, -1, i64::MIN, i64::MAX])),
        producer_id: ProducerId(if by { choices.of(&[0, 5, i64::MAX, i64::MIN]) } else { -1 }),
        producer_epoch: if by { choices.of(&[0, 1, -1, i16::MIN]) } else { -1 },
        base_sequence: if by { choices.of(&[0, 1, i32::MAX, i32::MIN]) } else { -1 },
        record_count: count,
    }
}

/// Records that are almost right.
fn records(choices: &mut Choices<'_>, count: i32) -> Vec<u8> {
    let mut bytes = Vec::new();
    for at in 0..count.clamp(0, 5) {
        let value = choices.some_bytes(20);
        let delta = u8::try_from(at * 2).expect("small");
        let mut body = vec![0, choices.of(&[0, 2, 10, 1]), delta, 1];
        body.push(u8::try_from(value.len() * 2).expect("short"));
        body.extend_from_slice(value);
        body.push(choices.of(&[0, 0, 0, 2]));
        bytes.push(u8::try_from(body.len() * 2).expect("short"));
        bytes.extend(body);
    }
    bytes
}

/// The batch as the broker takes it out of a produce request; `None`: it does not.
fn taken(whole: Bytes, version: i16) -> Option<Batch> {
    let partition = PartitionProduceData::default().with_index(0).with_records(Some(whole));
    let topic = TopicProduceData::default().with_partition_data(vec![partition]);
    let topic = if version >= 13 { topic } else { topic.with_name(topic_name("a")) };
    let request = ProduceRequest::default().with_acks(-1).with_topic_data(vec![topic]);
    let mut body = BytesMut::new();
    request.encode(&mut body, version).expect("a valid request");
    let produce = &SERVED[0];
    let inbound = Session::new().receive(frame(produce, version, 1, &body)).expect("a valid frame");
    let Request::Produce(mut intake) = *inbound.expect("a produce goes to the brain").request else {
        panic!("a produce was sent")
    };
    intake.topics.remove(0).partitions.remove(0).batch.ok()
}

/// What was taken is stored as it is: it must be what every reader of it relies on.
fn check_taken(batch: &Batch) {
    let header = &batch.header;
    let whole = [&header.encode()[..], &batch.records].concat();
    assert_eq!(
        verify_stored(&whole, header.base_offset, header.leader_epoch),
        Ok(*header),
        "it can be served"
    );
    assert!(header.record_count > 0 && header.last_offset_delta == header.record_count - 1, "{header:?}");
    if header.codec() != 0 {
        return;
    }
    let mut next = 0;
    for record in Records::of(&batch.records) {
        let record = record.expect("its records can be read");
        assert_eq!(record.offset_delta, next, "offsets are dense");
        next += 1;
    }
    assert_eq!(next, header.record_count, "as many records as it says");
    // What is before 1970 is no time to look for.
    if header.max_timestamp >= Timestamp(0) && header.base_timestamp >= Timestamp(-1) {
        let found = find_by_timestamp(&[Bytes::from(whole)], header.base_offset, header.max_timestamp);
        assert!(found.is_ok_and(|found| found.is_some()), "its newest record can be found: {header:?}");
    }
}

#[cfg(test)]
mod tests;
