//! What the tests of this directory are fed: a small random source, batches, and a request of every API.

extern crate std;

mod of_schema;

use alloc::{format, string::String, vec::Vec};

use bytes::{BufMut, Bytes, BytesMut};
use kafka_protocol::{
    messages::{
        ApiVersionsRequest, BrokerId, CreateTopicsRequest, DeleteTopicsRequest, DescribeClusterRequest,
        FetchRequest, FindCoordinatorRequest, InitProducerIdRequest, ListOffsetsRequest, MetadataRequest,
        OffsetForLeaderEpochRequest, ProduceRequest, ProducerId, TopicName, TransactionalId,
        create_topics_request::{CreatableReplicaAssignment, CreatableTopic, CreatableTopicConfig},
        delete_topics_request::DeleteTopicState,
        fetch_request::{FetchPartition, FetchTopic, ForgottenTopic, ReplicaState},
        list_offsets_request::{ListOffsetsPartition, ListOffsetsTopic},
        metadata_request::MetadataRequestTopic,
        offset_for_leader_epoch_request::{OffsetForLeaderPartition, OffsetForLeaderTopic},
        produce_request::{PartitionProduceData, TopicProduceData},
    },
    protocol::{Encodable, StrBytes},
};
use uuid::Uuid;

use super::{
    api::{Api, SERVED, Served},
    batch::{BatchHeader, CRC_COVERS_FROM, HEADER_BYTES, LENGTH_OVERHEAD},
};
use crate::units::{self, Offset, Timestamp};

/// A random source that a seed decides (splitmix64). Tests name the seed when they fail.
pub(super) struct Dice(pub(super) u64);

impl Dice {
    pub(super) fn roll(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut z = self.0;
        z = (z ^ (z >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        z = (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        z ^ (z >> 31)
    }

    /// From 0 up to but not including `end`.
    pub(super) fn below(&mut self, end: u64) -> u64 {
        self.roll() % end
    }

    pub(super) fn coin(&mut self) -> bool {
        self.below(2) == 0
    }

    pub(super) fn i16(&mut self) -> i16 {
        self.roll() as i16
    }

    pub(super) fn i32(&mut self) -> i32 {
        self.roll() as i32
    }

    pub(super) fn i64(&mut self) -> i64 {
        self.roll() as i64
    }

    pub(super) fn uuid(&mut self) -> Uuid {
        Uuid::from_u64_pair(self.roll(), self.roll())
    }

    pub(super) fn bytes(&mut self, len_below: u64) -> Bytes {
        (0..self.below(len_below)).map(|_| self.roll() as u8).collect()
    }

    /// Letters, some of them of two bytes. Long now and then, so that compact lengths take two bytes.
    pub(super) fn text(&mut self) -> StrBytes {
        let len = if self.below(8) == 0 { self.below(400) } else { self.below(12) };
        let letters: String = (0..len).map(|_| if self.below(9) == 0 { 'ü' } else { 'k' }).collect();
        StrBytes::from_string(letters)
    }

    pub(super) fn name(&mut self) -> TopicName {
        TopicName(self.text())
    }

    pub(super) fn some<T>(&mut self, make: impl FnOnce(&mut Dice) -> T) -> Option<T> {
        self.coin().then(|| make(self))
    }

    pub(super) fn list<T>(&mut self, mut make: impl FnMut(&mut Dice) -> T) -> Vec<T> {
        (0..self.below(4)).map(|_| make(self)).collect()
    }
}

/// One record as its bytes in a batch.
pub(super) fn record(timestamp_delta: i64, offset_delta: i32, value: &[u8]) -> Vec<u8> {
    let mut body = Vec::from([0]);
    put_signed(&mut body, timestamp_delta);
    put_signed(&mut body, i64::from(offset_delta));
    put_signed(&mut body, -1);
    put_signed(&mut body, value.len() as i64);
    body.extend_from_slice(value);
    body.extend_from_slice(&[2, 2, b'k', 1]); // One header: key "k", value null.
    let mut record = Vec::new();
    put_signed(&mut record, body.len() as i64);
    record.extend(body);
    record
}

pub(super) fn put_signed(out: &mut Vec<u8>, value: i64) {
    let mut zigzag = ((value << 1) ^ (value >> 63)) as u64;
    while zigzag >= 0x80 {
        out.push(zigzag as u8 | 0x80);
        zigzag >>= 7;
    }
    out.push(zigzag as u8);
}

/// Record bytes with these timestamp deltas, each value some bytes that a codec can shorten.
pub(super) fn records(timestamp_deltas: &[i64]) -> Vec<u8> {
    let lines = timestamp_deltas.iter().enumerate();
    lines
        .flat_map(|(at, delta)| record(*delta, at as i32, format!("value {at} value {at}").as_bytes()))
        .collect()
}

/// A header that fits `records`, with base timestamp 1000 and a max timestamp that fits the deltas.
pub(super) fn header(timestamp_deltas: &[i64]) -> BatchHeader {
    BatchHeader {
        base_offset: Offset(0),
        batch_length: 0,
        leader_epoch: -1,
        magic: 2,
        crc: 0,
        attributes: 0,
        last_offset_delta: timestamp_deltas.len() as i32 - 1,
        base_timestamp: Timestamp(1000),
        max_timestamp: Timestamp(1000 + timestamp_deltas.iter().copied().max().unwrap_or(0)),
        producer_id: units::ProducerId(-1),
        producer_epoch: -1,
        base_sequence: -1,
        record_count: timestamp_deltas.len() as i32,
    }
}

/// A whole batch: length and CRC are filled in.
pub(super) fn batch(mut header: BatchHeader, records: &[u8]) -> Bytes {
    header.batch_length = (HEADER_BYTES + records.len() - LENGTH_OVERHEAD) as i32;
    let mut bytes = header.encode().to_vec();
    bytes.extend_from_slice(records);
    header.crc = crc32c::crc32c(&bytes[CRC_COVERS_FROM..]);
    bytes[..HEADER_BYTES].copy_from_slice(&header.encode());
    bytes.into()
}

/// Record bytes as clients compress them: the codec's reference encoder, with some of the forms it allows.
pub(super) fn compressed(dice: &mut Dice, codec: i16, plain: &[u8]) -> Vec<u8> {
    match codec {
        0 => Vec::from(plain),
        1 => gzip(plain),
        2 if dice.coin() => snappy(plain),
        2 => xerial(plain),
        3 => lz4(dice, plain),
        4 => zstd::bulk::compress(plain, dice.below(6) as i32).expect("memory suffices"),
        _ => unreachable!("a test asks for codecs that are"),
    }
}

/// A gzip member with every optional header field and no checksum worth the name.
pub(super) fn gzip(plain: &[u8]) -> Vec<u8> {
    let mut out = Vec::from([0x1f, 0x8b, 8, 2 | 4 | 8 | 16, 0, 0, 0, 0, 0, 255]);
    out.extend_from_slice(b"\x03\0ext");
    out.extend_from_slice(b"name\0comment\0\x12\x34");
    out.extend(miniz_oxide::deflate::compress_to_vec(plain, 6));
    out.extend_from_slice(&[0; 8]);
    out
}

fn snappy(plain: &[u8]) -> Vec<u8> {
    snap::raw::Encoder::new().compress_vec(plain).expect("below 4 GiB")
}

/// Snappy as the Java library frames it.
fn xerial(plain: &[u8]) -> Vec<u8> {
    let mut out = Vec::from(*b"\x82SNAPPY\0\0\0\0\x01\0\0\0\x01");
    for chunk in plain.chunks(32 << 10) {
        let block = snappy(chunk);
        out.extend_from_slice(&(block.len() as u32).to_be_bytes());
        out.extend(block);
    }
    out
}

fn lz4(dice: &mut Dice, plain: &[u8]) -> Vec<u8> {
    use lz4_flex::frame::{BlockMode, BlockSize, FrameEncoder, FrameInfo};
    let info = FrameInfo::new()
        .block_mode(if dice.coin() { BlockMode::Linked } else { BlockMode::Independent })
        .block_size(if dice.coin() { BlockSize::Max64KB } else { BlockSize::Max1MB })
        .block_checksums(dice.coin())
        .content_checksum(dice.coin())
        .content_size(dice.some(|_| plain.len() as u64));
    let mut encoder = FrameEncoder::with_frame_info(info, Vec::new());
    std::io::Write::write_all(&mut encoder, plain).expect("a Vec takes everything");
    encoder.finish().expect("a Vec takes everything")
}

/// A frame: header as a client writes it, then the body.
pub(super) fn frame(served: &Served, version: i16, correlation_id: i32, body: &[u8]) -> Bytes {
    let mut out = BytesMut::new();
    out.put_i16(served.key);
    out.put_i16(version);
    out.put_i32(correlation_id);
    out.put_i16(4);
    out.put_slice(b"test");
    if served.is_flexible(version) {
        out.put_u8(0);
    }
    out.put_slice(body);
    out.freeze()
}

fn encoded(message: &impl Encodable, version: i16) -> Bytes {
    let mut out = BytesMut::new();
    message.encode(&mut out, version).expect("a sample fits its version");
    out.freeze()
}

/// Every API in every version that is served.
pub(super) fn versions() -> impl Iterator<Item = (&'static Served, i16)> {
    SERVED.iter().flat_map(|served| (served.min..=served.max).map(move |version| (served, version)))
}

/// The body of a valid request with random content, unknown tagged fields included.
pub(super) fn body(dice: &mut Dice, api: Api, version: i16) -> Bytes {
    let v = version;
    match api {
        Api::Produce => encoded(&produce(dice, v), v),
        Api::Fetch => encoded(&fetch(dice, v), v),
        Api::ListOffsets => encoded(&list_offsets(dice, v), v),
        Api::Metadata => encoded(&metadata(dice, v), v),
        Api::FindCoordinator => encoded(&find_coordinator(dice, v), v),
        Api::ApiVersions => encoded(&api_versions(dice, v), v),
        Api::CreateTopics => encoded(&create_topics(dice, v), v),
        Api::DeleteTopics => encoded(&delete_topics(dice, v), v),
        Api::InitProducerId => encoded(&init_producer_id(dice, v), v),
        Api::OffsetForLeaderEpoch => encoded(&offset_for_leader_epoch(dice, v), v),
        Api::DescribeCluster => encoded(&describe_cluster(dice, v), v),
        Api::Group(_) | Api::Admin(_) => of_schema::body(dice, api, v),
    }
}

/// Unknown tagged fields, far from the numbers that are taken.
fn tags(dice: &mut Dice) -> alloc::collections::BTreeMap<i32, Bytes> {
    let count = if dice.below(4) == 0 { dice.below(3) } else { 0 };
    (0..count).map(|_| (1000 + dice.below(500) as i32, dice.bytes(9))).collect()
}

fn produce(dice: &mut Dice, version: i16) -> ProduceRequest {
    let topic = |dice: &mut Dice| {
        let partition = |dice: &mut Dice| {
            let records = dice.some(|dice| {
                if dice.coin() { batch(header(&[0, 5]), &records(&[0, 5])) } else { dice.bytes(99) }
            });
            let line = PartitionProduceData::default().with_index(dice.i32()).with_records(records);
            line.with_unknown_tagged_fields(tags(dice))
        };
        let topic = TopicProduceData::default().with_partition_data(dice.list(partition));
        let topic = topic.with_unknown_tagged_fields(tags(dice));
        if version >= 13 { topic.with_topic_id(dice.uuid()) } else { topic.with_name(dice.name()) }
    };
    ProduceRequest::default()
        .with_transactional_id(dice.some(|dice| TransactionalId(dice.text())))
        .with_acks(dice.i16())
        .with_timeout_ms(dice.i32())
        .with_topic_data(dice.list(topic))
        .with_unknown_tagged_fields(tags(dice))
}

fn fetch(dice: &mut Dice, version: i16) -> FetchRequest {
    let partition = |dice: &mut Dice| {
        let mut line = FetchPartition::default()
            .with_partition(dice.i32())
            .with_current_leader_epoch(if version >= 9 { dice.i32() } else { -1 })
            .with_fetch_offset(dice.i64())
            .with_last_fetched_epoch(if version >= 12 { dice.i32() } else { -1 })
            .with_log_start_offset(if version >= 5 { dice.i64() } else { -1 })
            .with_partition_max_bytes(dice.i32())
            .with_unknown_tagged_fields(tags(dice));
        if version >= 17 && dice.coin() {
            line = line.with_replica_directory_id(dice.uuid());
        }
        if version >= 18 && dice.coin() {
            line = line.with_high_watermark(dice.i64());
        }
        line
    };
    let topic = |dice: &mut Dice| {
        let topic = FetchTopic::default().with_partitions(dice.list(partition));
        let topic = topic.with_unknown_tagged_fields(tags(dice));
        if version >= 13 { topic.with_topic_id(dice.uuid()) } else { topic.with_topic(dice.name()) }
    };
    let forgotten = |dice: &mut Dice| {
        let topic = ForgottenTopic::default().with_partitions(dice.list(Dice::i32));
        if version >= 13 { topic.with_topic_id(dice.uuid()) } else { topic.with_topic(dice.name()) }
    };
    let mut request = FetchRequest::default()
        .with_max_wait_ms(dice.i32())
        .with_min_bytes(dice.i32())
        .with_max_bytes(dice.i32())
        .with_isolation_level(dice.coin().into())
        .with_topics(dice.list(topic))
        .with_unknown_tagged_fields(tags(dice));
    if version <= 14 {
        request = request.with_replica_id(BrokerId(dice.i32()));
    } else if dice.coin() {
        let state =
            ReplicaState::default().with_replica_id(BrokerId(dice.i32())).with_replica_epoch(dice.i64());
        request = request.with_replica_state(state.with_unknown_tagged_fields(tags(dice)));
    }
    if version >= 7 {
        request = request.with_session_id(dice.i32()).with_session_epoch(dice.i32());
        request = request.with_forgotten_topics_data(dice.list(forgotten));
    }
    if version >= 11 {
        request = request.with_rack_id(dice.text());
    }
    if version >= 12 {
        request = request.with_cluster_id(dice.some(Dice::text));
    }
    request
}

fn list_offsets(dice: &mut Dice, version: i16) -> ListOffsetsRequest {
    let partition = |dice: &mut Dice| {
        ListOffsetsPartition::default()
            .with_partition_index(dice.i32())
            .with_current_leader_epoch(if version >= 4 { dice.i32() } else { -1 })
            .with_timestamp(dice.i64())
            .with_unknown_tagged_fields(tags(dice))
    };
    let topic = |dice: &mut Dice| {
        ListOffsetsTopic::default().with_name(dice.name()).with_partitions(dice.list(partition))
    };
    ListOffsetsRequest::default()
        .with_replica_id(BrokerId(dice.i32()))
        .with_isolation_level(if version >= 2 { 1 } else { 0 })
        .with_topics(dice.list(topic))
        .with_timeout_ms(if version >= 10 { dice.i32() } else { 0 })
}

fn metadata(dice: &mut Dice, version: i16) -> MetadataRequest {
    let topic = |dice: &mut Dice| {
        let topic = MetadataRequestTopic::default().with_name(Some(dice.name()));
        let topic = topic.with_unknown_tagged_fields(tags(dice));
        if version < 10 {
            return topic;
        }
        let name = dice.some(Dice::name);
        topic.with_topic_id(dice.uuid()).with_name(name)
    };
    let all = version >= 1 && dice.below(4) == 0;
    MetadataRequest::default()
        .with_topics(if all { None } else { Some(dice.list(topic)) })
        .with_allow_auto_topic_creation(version < 4 || dice.coin())
        .with_include_cluster_authorized_operations((8..=10).contains(&version) && dice.coin())
        .with_include_topic_authorized_operations(version >= 8 && dice.coin())
        .with_unknown_tagged_fields(tags(dice))
}

fn find_coordinator(dice: &mut Dice, version: i16) -> FindCoordinatorRequest {
    let request = FindCoordinatorRequest::default().with_key_type(if version >= 1 { 1 } else { 0 });
    let request = request.with_unknown_tagged_fields(tags(dice));
    if version >= 4 {
        request.with_coordinator_keys(dice.list(Dice::text))
    } else {
        request.with_key(dice.text())
    }
}

fn api_versions(dice: &mut Dice, version: i16) -> ApiVersionsRequest {
    if version < 3 {
        return ApiVersionsRequest::default();
    }
    ApiVersionsRequest::default()
        .with_client_software_name(StrBytes::from_static_str("client-a"))
        .with_client_software_version(StrBytes::from_static_str("1.0"))
        .with_unknown_tagged_fields(tags(dice))
}

fn create_topics(dice: &mut Dice, _version: i16) -> CreateTopicsRequest {
    let assignment = |dice: &mut Dice| {
        CreatableReplicaAssignment::default()
            .with_partition_index(dice.i32())
            .with_broker_ids(dice.list(|dice| BrokerId(dice.i32())))
    };
    let config = |dice: &mut Dice| {
        let config = CreatableTopicConfig::default().with_name(dice.text()).with_value(dice.some(Dice::text));
        config.with_unknown_tagged_fields(tags(dice))
    };
    let topic = |dice: &mut Dice| {
        CreatableTopic::default()
            .with_name(dice.name())
            .with_num_partitions(dice.i32())
            .with_replication_factor(dice.i16())
            .with_assignments(dice.list(assignment))
            .with_configs(dice.list(config))
    };
    CreateTopicsRequest::default()
        .with_topics(dice.list(topic))
        .with_timeout_ms(dice.i32())
        .with_validate_only(dice.coin())
}

fn delete_topics(dice: &mut Dice, version: i16) -> DeleteTopicsRequest {
    let request = DeleteTopicsRequest::default().with_timeout_ms(dice.i32());
    if version < 6 {
        return request.with_topic_names(dice.list(Dice::name));
    }
    request.with_topics(dice.list(|dice| {
        let name = dice.some(Dice::name);
        DeleteTopicState::default().with_name(name).with_topic_id(dice.uuid())
    }))
}

fn init_producer_id(dice: &mut Dice, version: i16) -> InitProducerIdRequest {
    let request = InitProducerIdRequest::default()
        .with_transactional_id(dice.some(|dice| TransactionalId(dice.text())))
        .with_transaction_timeout_ms(dice.i32())
        .with_unknown_tagged_fields(tags(dice));
    if version < 3 {
        return request;
    }
    request.with_producer_id(ProducerId(dice.i64())).with_producer_epoch(dice.i16())
}

fn offset_for_leader_epoch(dice: &mut Dice, version: i16) -> OffsetForLeaderEpochRequest {
    let partition = |dice: &mut Dice| {
        OffsetForLeaderPartition::default()
            .with_partition(dice.i32())
            .with_current_leader_epoch(dice.i32())
            .with_leader_epoch(dice.i32())
    };
    let topic = |dice: &mut Dice| {
        OffsetForLeaderTopic::default().with_topic(dice.name()).with_partitions(dice.list(partition))
    };
    OffsetForLeaderEpochRequest::default()
        .with_replica_id(BrokerId(if version >= 3 { dice.i32() } else { -2 }))
        .with_topics(dice.list(topic))
}

fn describe_cluster(dice: &mut Dice, version: i16) -> DescribeClusterRequest {
    DescribeClusterRequest::default()
        .with_include_cluster_authorized_operations(dice.coin())
        .with_endpoint_type(if version >= 1 { 2 } else { 1 })
        .with_include_fenced_brokers(version >= 2 && dice.coin())
        .with_unknown_tagged_fields(tags(dice))
}
