//! Valid requests of every API in every version, with content as the fuzzer chooses.

mod of_schema;

use bytes::{BufMut, Bytes, BytesMut};
use evenkeel_core::wire::api::{Api, Served};
use kafka_protocol::{
    messages::{
        ApiVersionsRequest, BrokerId, CreateTopicsRequest, DeleteTopicsRequest, DescribeClusterRequest,
        FetchRequest, FindCoordinatorRequest, InitProducerIdRequest, ListOffsetsRequest, MetadataRequest,
        OffsetForLeaderEpochRequest, ProduceRequest, ProducerId, TopicName, TransactionalId,
        create_topics_request::{CreatableTopic, CreatableTopicConfig},
        delete_topics_request::DeleteTopicState,
        fetch_request::{FetchPartition, FetchTopic, ForgottenTopic},
        list_offsets_request::{ListOffsetsPartition, ListOffsetsTopic},
        metadata_request::MetadataRequestTopic,
        offset_for_leader_epoch_request::{OffsetForLeaderPartition, OffsetForLeaderTopic},
        produce_request::{PartitionProduceData, TopicProduceData},
    },
    protocol::{Encodable, StrBytes},
};
use uuid::Uuid;

use crate::{
    batch::{Numbered, Sequenced, numbered},
    choices::Choices,
};

/// Numbers at the borders of what is asked for.
const NUMBERS: [i64; 12] = [0, 1, 2, 3, -1, -2, 7, 100, 1000, 1 << 20, i64::MAX, i64::MIN];

/// A request in the making.
#[derive(Debug)]
pub struct Sample<'a, 'b> {
    choices: &'a mut Choices<'b>,
    version: i16,
    /// Ids of topics that there are.
    ids: &'a [Uuid],
}

/// A frame: header as a client writes it, then the body.
#[must_use]
pub fn frame(served: &Served, version: i16, correlation_id: i32, body: &[u8]) -> Bytes {
    let mut out = BytesMut::new();
    out.put_i16(served.key);
    out.put_i16(version);
    out.put_i32(correlation_id);
    out.put_i16(4);
    out.put_slice(b"fuzz");
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

/// The body of a valid request.
#[must_use]
pub fn body(choices: &mut Choices<'_>, ids: &[Uuid], api: Api, version: i16) -> Bytes {
    let mut sample = Sample { choices, version, ids };
    match api {
        Api::Produce => encoded(&sample.produce(), version),
        Api::Fetch => encoded(&sample.fetch(), version),
        Api::ListOffsets => encoded(&sample.list_offsets(), version),
        Api::Metadata => encoded(&sample.metadata(), version),
        Api::FindCoordinator => encoded(&sample.find_coordinator(), version),
        Api::ApiVersions => encoded(&sample.api_versions(), version),
        Api::CreateTopics => encoded(&sample.create_topics(), version),
        Api::DeleteTopics => encoded(&sample.delete_topics(), version),
        Api::InitProducerId => encoded(&sample.init_producer_id(), version),
        Api::OffsetForLeaderEpoch => encoded(&sample.offset_for_leader_epoch(), version),
        Api::DescribeCluster => encoded(&sample.describe_cluster(), version),
        Api::Group(_) | Api::Admin(_) => sample.of_schema(api),
    }
}

impl Sample<'_, '_> {
    fn number(&mut self) -> i64 {
        match self.choices.below(16) {
            15 => self.choices.u64().cast_signed(),
            at => NUMBERS[at % NUMBERS.len()],
        }
    }

    fn int(&mut self) -> i32 {
        self.number().clamp(i64::from(i32::MIN), i64::from(i32::MAX)).try_into().expect("clamped")
    }

    fn coin(&mut self) -> bool {
        self.choices.byte() & 1 == 1
    }

    fn since<T: Default>(&mut self, version: i16, make: impl FnOnce(&mut Self) -> T) -> T {
        if self.version >= version { make(self) } else { T::default() }
    }

    fn epoch_since(&mut self, version: i16) -> i32 {
        if self.version >= version { self.int() } else { -1 }
    }

    fn some<T>(&mut self, make: impl FnOnce(&mut Self) -> T) -> Option<T> {
        if self.coin() { Some(make(self)) } else { None }
    }

    fn list<T>(&mut self, mut make: impl FnMut(&mut Self) -> T) -> Vec<T> {
        (0..self.choices.of(&[1, 0, 2, 3])).map(|_| make(self)).collect()
    }

    fn text(&mut self) -> StrBytes {
        match self.choices.below(8) {
            7 => StrBytes::from_string(String::from_utf8_lossy(self.choices.some_bytes(40)).into_owned()),
            6 => StrBytes::from_string("x".repeat(300)),
            at => StrBytes::from_static_str(["a", "b", "c", "a.b", "a_b", ""][at]),
        }
    }

    fn name(&mut self) -> TopicName {
        TopicName(self.text())
    }

    fn id(&mut self) -> Uuid {
        match self.choices.below(4) {
            3 => Uuid::from_u128(u128::from(self.choices.byte())),
            at => self.ids.get(at).copied().unwrap_or_default(),
        }
    }

    fn tags(&mut self) -> std::collections::BTreeMap<i32, Bytes> {
        if self.choices.byte() < 240 {
            return std::collections::BTreeMap::new();
        }
        std::collections::BTreeMap::from([(1000, Bytes::copy_from_slice(self.choices.some_bytes(9)))])
    }

    fn records(&mut self) -> Bytes {
        if self.choices.below(4) == 3 {
            return Bytes::copy_from_slice(self.choices.some_bytes(200));
        }
        let by =
            self.some(|sample| Sequenced { producer: sample.number().max(0), first: sample.int().max(0) });
        let count = self.choices.of(&[1, 2, 100]);
        let number = u64::from(self.choices.byte());
        let batch = numbered(Numbered { number, count, filling: self.choices.of(&[0, 10, 900, 5000]), by });
        Bytes::from([&batch.header.encode()[..], &batch.records].concat())
    }

    fn produce(&mut self) -> ProduceRequest {
        let partition = |sample: &mut Self| {
            PartitionProduceData::default().with_index(sample.int()).with_records(sample.some(Self::records))
        };
        let topic = |sample: &mut Self| {
            let topic = TopicProduceData::default().with_partition_data(sample.list(partition));
            if sample.version >= 13 {
                topic.with_topic_id(sample.id())
            } else {
                topic.with_name(sample.name())
            }
        };
        ProduceRequest::default()
            .with_transactional_id(if self.choices.below(8) == 7 {
                Some(TransactionalId(self.text()))
            } else {
                None
            })
            .with_acks(self.choices.of(&[-1, 1, 0, 2, -1]))
            .with_timeout_ms(self.int())
            .with_topic_data(self.list(topic))
            .with_unknown_tagged_fields(self.since(9, Self::tags))
    }

    fn fetch(&mut self) -> FetchRequest {
        let partition = |sample: &mut Self| {
            FetchPartition::default()
                .with_partition(sample.int())
                .with_current_leader_epoch(sample.epoch_since(9))
                .with_fetch_offset(sample.number())
                .with_last_fetched_epoch(sample.epoch_since(12))
                .with_log_start_offset(if sample.version >= 5 { sample.number() } else { -1 })
                .with_partition_max_bytes(sample.int())
        };
        let topic = |sample: &mut Self| {
            let topic = FetchTopic::default().with_partitions(sample.list(partition));
            if sample.version >= 13 {
                topic.with_topic_id(sample.id())
            } else {
                topic.with_topic(sample.name())
            }
        };
        let forgotten = |sample: &mut Self| {
            let topic = ForgottenTopic::default().with_partitions(sample.list(Self::int));
            if sample.version >= 13 {
                topic.with_topic_id(sample.id())
            } else {
                topic.with_topic(sample.name())
            }
        };
        let mut request = FetchRequest::default()
            .with_max_wait_ms(self.int())
            .with_min_bytes(self.int())
            .with_max_bytes(self.int())
            .with_isolation_level(i8::from(self.coin()))
            .with_topics(self.list(topic));
        if self.version <= 14 {
            request = request.with_replica_id(BrokerId(self.int()));
        }
        if self.version >= 7 {
            request = request.with_session_id(self.int()).with_session_epoch(self.int());
            request = request.with_forgotten_topics_data(self.list(forgotten));
        }
        if self.version >= 11 {
            request = request.with_rack_id(self.text());
        }
        request.with_unknown_tagged_fields(self.since(12, Self::tags))
    }

    fn list_offsets(&mut self) -> ListOffsetsRequest {
        let partition = |sample: &mut Self| {
            ListOffsetsPartition::default()
                .with_partition_index(sample.int())
                .with_current_leader_epoch(sample.epoch_since(4))
                .with_timestamp(sample.number())
        };
        let topic = |sample: &mut Self| {
            ListOffsetsTopic::default().with_name(sample.name()).with_partitions(sample.list(partition))
        };
        ListOffsetsRequest::default()
            .with_replica_id(BrokerId(self.int()))
            .with_isolation_level(self.since(2, |sample| i8::from(sample.coin())))
            .with_topics(self.list(topic))
            .with_timeout_ms(self.since(10, Self::int))
    }

    fn metadata(&mut self) -> MetadataRequest {
        let topic = |sample: &mut Self| {
            let topic = MetadataRequestTopic::default();
            if sample.version < 10 {
                return topic.with_name(Some(sample.name()));
            }
            topic.with_topic_id(sample.id()).with_name(sample.some(Self::name))
        };
        let all = self.version >= 1 && self.coin();
        let authorized = (8..=10).contains(&self.version) && self.coin();
        MetadataRequest::default()
            .with_topics(if all { None } else { Some(self.list(topic)) })
            .with_allow_auto_topic_creation(self.version < 4 || self.coin())
            .with_include_cluster_authorized_operations(authorized)
            .with_include_topic_authorized_operations(self.since(8, Self::coin))
            .with_unknown_tagged_fields(self.since(9, Self::tags))
    }

    fn find_coordinator(&mut self) -> FindCoordinatorRequest {
        let request = FindCoordinatorRequest::default()
            .with_key_type(self.since(1, |sample| sample.choices.of(&[0, 1, 2, -1])));
        if self.version >= 4 {
            request.with_coordinator_keys(self.list(Self::text))
        } else {
            request.with_key(self.text())
        }
    }

    fn api_versions(&mut self) -> ApiVersionsRequest {
        ApiVersionsRequest::default()
            .with_client_software_name(self.since(3, Self::text))
            .with_client_software_version(self.since(3, Self::text))
    }

    fn create_topics(&mut self) -> CreateTopicsRequest {
        const CONFIGS: [&str; 5] = [
            "max.message.bytes",
            "message.timestamp.type",
            "message.timestamp.before.max.ms",
            "cleanup.policy",
            "retention.ms",
        ];
        const VALUES: [&str; 5] = ["delete", "LogAppendTime", "-1", "100", "9999999999999999999"];
        let config = |sample: &mut Self| {
            let name = StrBytes::from_static_str(sample.choices.of(&CONFIGS));
            let value = sample.some(|sample| StrBytes::from_static_str(sample.choices.of(&VALUES)));
            CreatableTopicConfig::default().with_name(name).with_value(value)
        };
        let topic = |sample: &mut Self| {
            CreatableTopic::default()
                .with_name(sample.name())
                .with_num_partitions(sample.int())
                .with_replication_factor(sample.choices.of(&[-1, 1, 0, 2]))
                .with_configs(sample.list(config))
        };
        CreateTopicsRequest::default()
            .with_topics(self.list(topic))
            .with_timeout_ms(self.int())
            .with_validate_only(self.coin())
    }

    fn delete_topics(&mut self) -> DeleteTopicsRequest {
        let request = DeleteTopicsRequest::default().with_timeout_ms(self.int());
        if self.version < 6 {
            return request.with_topic_names(self.list(Self::name));
        }
        request.with_topics(self.list(|sample| {
            DeleteTopicState::default().with_name(sample.some(Self::name)).with_topic_id(sample.id())
        }))
    }

    fn init_producer_id(&mut self) -> InitProducerIdRequest {
        let request = InitProducerIdRequest::default()
            .with_transactional_id(self.some(|sample| TransactionalId(sample.text())))
            .with_transaction_timeout_ms(self.int());
        if self.version < 3 {
            return request;
        }
        request.with_producer_id(ProducerId(self.number())).with_producer_epoch(self.choices.of(&[-1, 0, 1]))
    }

    fn offset_for_leader_epoch(&mut self) -> OffsetForLeaderEpochRequest {
        let partition = |sample: &mut Self| {
            OffsetForLeaderPartition::default()
                .with_partition(sample.int())
                .with_current_leader_epoch(sample.int())
                .with_leader_epoch(sample.int())
        };
        let topic = |sample: &mut Self| {
            OffsetForLeaderTopic::default().with_topic(sample.name()).with_partitions(sample.list(partition))
        };
        let replica = if self.version >= 3 { self.int() } else { -2 };
        OffsetForLeaderEpochRequest::default()
            .with_replica_id(BrokerId(replica))
            .with_topics(self.list(topic))
    }

    fn describe_cluster(&mut self) -> DescribeClusterRequest {
        DescribeClusterRequest::default()
            .with_include_cluster_authorized_operations(self.coin())
            .with_endpoint_type(if self.version >= 1 { self.choices.of(&[1, 2, 3]) } else { 1 })
            .with_include_fenced_brokers(self.since(2, Self::coin))
    }
}
