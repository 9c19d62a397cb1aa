//! Kafka over a bare socket, for measurements in which no client library shall take part.

use std::{
    io::{self, Read, Write},
    net::{SocketAddr, TcpStream},
};

use bytes::{Bytes, BytesMut};
use evenkeel_core::{
    units::{Offset, ProducerId, Timestamp},
    wire::batch::{BatchHeader, CRC_COVERS_FROM, HEADER_BYTES, LENGTH_OVERHEAD},
};
use kafka_protocol::{
    messages::{
        ApiKey, FetchRequest, FetchResponse, ProduceRequest, ProduceResponse, RequestHeader, TopicName,
        fetch_request::{FetchPartition, FetchTopic},
        produce_request::{PartitionProduceData, TopicProduceData},
    },
    protocol::{Decodable, Encodable, StrBytes},
};

/// A batch of `count` records without keys, each with a value of `value_bytes`.
///
/// # Panics
/// The batch would be larger than 2 GiB.
#[must_use]
pub fn batch(count: u32, value_bytes: usize) -> Bytes {
    let value = vec![b'v'; value_bytes];
    batch_of((0..count).map(|_| &value[..]))
}

/// A batch of records without keys that have these values.
///
/// # Panics
/// The batch would be larger than 2 GiB.
#[must_use]
pub fn batch_of<'a>(values: impl IntoIterator<Item = &'a [u8]>) -> Bytes {
    let mut records = Vec::new();
    let mut count = 0u32;
    for value in values {
        let mut record = vec![0, 0];
        varint(i64::from(count), &mut record);
        varint(-1, &mut record);
        varint(i64::try_from(value.len()).expect("small"), &mut record);
        record.extend_from_slice(value);
        varint(0, &mut record);
        varint(i64::try_from(record.len()).expect("small"), &mut records);
        records.extend_from_slice(&record);
        count += 1;
    }
    let mut header = BatchHeader {
        base_offset: Offset(0),
        batch_length: i32::try_from(HEADER_BYTES + records.len() - LENGTH_OVERHEAD).expect("below 2 GiB"),
        leader_epoch: -1,
        magic: 2,
        crc: 0,
        attributes: 0,
        last_offset_delta: count.cast_signed() - 1,
        base_timestamp: Timestamp(1_700_000_000_000),
        max_timestamp: Timestamp(1_700_000_000_000),
        producer_id: ProducerId(-1),
        producer_epoch: -1,
        base_sequence: -1,
        record_count: count.cast_signed(),
    };
    let mut bytes = header.encode().to_vec();
    bytes.extend_from_slice(&records);
    header.crc = crc32c::crc32c(&bytes[CRC_COVERS_FROM..]);
    bytes[..HEADER_BYTES].copy_from_slice(&header.encode());
    Bytes::from(bytes)
}

/// Zigzag and base 128, as in records.
fn varint(value: i64, out: &mut Vec<u8>) {
    let mut rest = ((value << 1) ^ (value >> 63)).cast_unsigned();
    while rest >= 0x80 {
        out.push((rest & 0x7f) as u8 | 0x80);
        rest >>= 7;
    }
    out.push(rest as u8);
}

/// A request with its header and its length.
///
/// # Panics
/// The body has something that this version has not.
#[must_use]
pub fn frame(key: ApiKey, version: i16, header_version: i16, body: &impl Encodable) -> Vec<u8> {
    let mut out = BytesMut::new();
    let header = RequestHeader::default().with_request_api_key(key as i16).with_request_api_version(version);
    header.encode(&mut out, header_version).expect("a valid header");
    body.encode(&mut out, version).expect("a valid request");
    let mut frame = i32::try_from(out.len()).expect("below 2 GiB").to_be_bytes().to_vec();
    frame.extend_from_slice(&out);
    frame
}

/// A produce request (version 9, acks=all) with one batch.
///
/// # Panics
/// Never for names of topics that exist.
#[must_use]
pub fn produce(topic: &str, partition: i32, batch: Bytes) -> Vec<u8> {
    let data = PartitionProduceData::default().with_index(partition).with_records(Some(batch));
    let topic = TopicProduceData::default()
        .with_name(TopicName(StrBytes::from_string(topic.to_string())))
        .with_partition_data(vec![data]);
    let request = ProduceRequest::default()
        .with_transactional_id(None)
        .with_acks(-1)
        .with_timeout_ms(30_000)
        .with_topic_data(vec![topic]);
    frame(ApiKey::Produce, 9, 2, &request)
}

/// A fetch request (version 11) for one partition, answered at once.
///
/// # Panics
/// Never for names of topics that exist.
#[must_use]
pub fn fetch(topic: &str, partition: i32, offset: i64, bytes: i32) -> Vec<u8> {
    long_poll(topic, partition, offset, bytes, 0)
}

/// A fetch request (version 11) for one partition, answered when there is something, or after so many milliseconds.
///
/// # Panics
/// Never for names of topics that exist.
#[must_use]
pub fn long_poll(topic: &str, partition: i32, offset: i64, bytes: i32, wait_ms: i32) -> Vec<u8> {
    let partition = FetchPartition::default()
        .with_partition(partition)
        .with_current_leader_epoch(-1)
        .with_fetch_offset(offset)
        .with_partition_max_bytes(bytes);
    let topic = FetchTopic::default()
        .with_topic(TopicName(StrBytes::from_string(topic.to_string())))
        .with_partitions(vec![partition]);
    let request = FetchRequest::default()
        .with_max_wait_ms(wait_ms)
        .with_min_bytes(wait_ms.min(1))
        .with_max_bytes(bytes)
        .with_session_epoch(-1)
        .with_topics(vec![topic]);
    frame(ApiKey::Fetch, 11, 1, &request)
}

/// A connection.
pub struct Raw {
    stream: TcpStream,
}

impl Raw {
    /// Connects.
    ///
    /// # Errors
    /// Those of the socket.
    pub fn connect(address: SocketAddr) -> io::Result<Raw> {
        let stream = TcpStream::connect(address)?;
        stream.set_nodelay(true)?;
        Ok(Raw { stream })
    }

    /// How long to wait for a part of an answer.
    ///
    /// # Errors
    /// Those of the socket.
    pub fn patience(&mut self, patience: std::time::Duration) -> io::Result<()> {
        self.stream.set_read_timeout(Some(patience))
    }

    /// Sends a whole frame.
    ///
    /// # Errors
    /// Those of the socket.
    pub fn send(&mut self, frame: &[u8]) -> io::Result<()> {
        self.stream.write_all(frame)
    }

    /// Receives a whole frame, without its length.
    ///
    /// # Errors
    /// Those of the socket.
    ///
    /// # Panics
    /// The length is negative.
    pub fn receive(&mut self, into: &mut Vec<u8>) -> io::Result<()> {
        let mut len = [0; 4];
        self.stream.read_exact(&mut len)?;
        into.resize(usize::try_from(i32::from_be_bytes(len)).expect("not negative"), 0);
        self.stream.read_exact(into)
    }
}

/// Writes one record on a connection of its own. Returns its offset.
///
/// # Panics
/// The broker does not take it.
pub fn write(address: SocketAddr, topic: &str, partition: i32, value: &[u8]) -> i64 {
    let mut client = Raw::connect(address).expect("the broker serves");
    let mut answer = Vec::new();
    let request = produce(topic, partition, batch_of([value]));
    client.send(&request).and_then(|()| client.receive(&mut answer)).expect("the broker answers");
    assert_eq!(produce_error(&answer), 0, "{:?}", produce_refusal(&answer));
    produced_offset(&answer)
}

/// Error code of a produce answer (version 9) with one topic and one partition.
///
/// # Panics
/// The answer is no such answer.
#[must_use]
pub fn produce_error(answer: &[u8]) -> i16 {
    let at = produced_at(answer);
    i16::from_be_bytes(answer[at..at + 2].try_into().expect("two bytes"))
}

/// Why a request was refused, in words, in a produce answer (version 9) with one topic and one partition.
///
/// # Panics
/// The answer is no such answer.
#[must_use]
pub fn produce_refusal(answer: &[u8]) -> Option<String> {
    // Behind the correlation id and its tags.
    let response = ProduceResponse::decode(&mut &answer[5..], 9).expect("a produce answer");
    response.responses[0].partition_responses[0].error_message.as_ref().map(ToString::to_string)
}

/// Offset of the first record that was written, in a produce answer (version 9) with one topic and one partition.
///
/// # Panics
/// The answer is no such answer.
#[must_use]
pub fn produced_offset(answer: &[u8]) -> i64 {
    let at = produced_at(answer) + 2;
    i64::from_be_bytes(answer[at..at + 8].try_into().expect("eight bytes"))
}

/// Behind correlation id, tags, one topic, its name, one partition, its index.
fn produced_at(answer: &[u8]) -> usize {
    let name = usize::from(answer[6]) - 1;
    7 + name + 1 + 4
}

/// Headers of the batches in a fetch answer (version 11) with one topic and one partition.
///
/// # Panics
/// The answer is no such answer, or says that there was an error.
#[must_use]
pub fn batches(answer: &[u8]) -> Vec<BatchHeader> {
    let (error, batches) = fetched(answer);
    assert_eq!(error, 0);
    batches
}

/// Error code of a fetch answer (version 11) with one topic and one partition, and the headers of its batches.
///
/// # Panics
/// The answer is no such answer.
#[must_use]
pub fn fetched(answer: &[u8]) -> (i16, Vec<BatchHeader>) {
    let mut bytes = Bytes::copy_from_slice(&answer[4..]);
    let response = FetchResponse::decode(&mut bytes, 11).expect("a fetch answer");
    let partition = &response.responses[0].partitions[0];
    let mut rest = partition.records.clone().unwrap_or_default();
    let mut found = Vec::new();
    while !rest.is_empty() {
        let header = BatchHeader::parse(rest[..HEADER_BYTES].try_into().expect("a whole batch"));
        let batch = rest.split_to(usize::try_from(header.batch_length).expect("positive") + LENGTH_OVERHEAD);
        assert_eq!(crc32c::crc32c(&batch[CRC_COVERS_FROM..]), header.crc);
        found.push(header);
    }
    (partition.error_code, found)
}
