//! Metadata, FindCoordinator, DescribeCluster: who is there.

use alloc::{
    string::{String, ToString},
    vec,
    vec::Vec,
};

use bytes::Bytes;
use kafka_protocol::{
    messages::{
        BrokerId, DescribeClusterRequest, DescribeClusterResponse, FindCoordinatorRequest,
        FindCoordinatorResponse, MetadataRequest, MetadataResponse, TopicName,
        describe_cluster_response::DescribeClusterBroker,
        find_coordinator_response::Coordinator,
        metadata_request::MetadataRequestTopic,
        metadata_response::{MetadataResponseBroker, MetadataResponsePartition, MetadataResponseTopic},
    },
    protocol::StrBytes,
};

use crate::{
    broker::{
        Asker, Live,
        admin::{CLUSTER_OPERATIONS, OPERATIONS_NOT_ASKED, TOPIC_OPERATIONS},
    },
    error_code,
    log::entry::Entry,
    marks::{Mark, mark},
    planted::{Planted, planted},
    port::Response,
    state::topic::Topic,
    turn::Turn,
    units::TopicId,
};

impl Live {
    pub(in crate::broker) fn metadata(
        &mut self,
        asker: Asker,
        request: MetadataRequest,
        turn: &mut Turn<'_>,
    ) {
        let operations = request.include_topic_authorized_operations;
        let may_create = asker.version < 4 || request.allow_auto_topic_creation;
        let mut topics = Vec::new();
        match request.topics {
            // Version 0 has no null; there an empty list means all.
            None => topics.extend(self.state.topics().map(|topic| self.describe(topic, operations))),
            Some(asked) if asked.is_empty() && asker.version == 0 => {
                topics.extend(self.state.topics().map(|topic| self.describe(topic, operations)));
            }
            Some(asked) => {
                for topic in asked {
                    let told = self.metadata_of(topic, may_create, operations, turn);
                    topics.push(told);
                }
            }
        }
        let cluster_operations = if request.include_cluster_authorized_operations {
            CLUSTER_OPERATIONS
        } else {
            OPERATIONS_NOT_ASKED
        };
        let response = MetadataResponse::default()
            .with_brokers(vec![
                MetadataResponseBroker::default()
                    .with_node_id(self.node())
                    .with_host(self.host())
                    .with_port(self.port()),
            ])
            .with_cluster_id(Some(StrBytes::from_string(self.cluster_id.clone())))
            .with_controller_id(self.node())
            .with_topics(topics)
            .with_cluster_authorized_operations(cluster_operations);
        let early = planted(Planted::TopicToldBeforeDurable);
        let known = if early { self.log.durable() } else { self.state.catalog_known };
        self.answer(asker, Response::Metadata(response), known, turn);
    }

    fn metadata_of(
        &mut self,
        asked: MetadataRequestTopic,
        may_create: bool,
        operations: bool,
        turn: &mut Turn<'_>,
    ) -> MetadataResponseTopic {
        // An id that is given decides: the Java client sends an empty name beside it.
        let id = TopicId(*asked.topic_id.as_bytes());
        let Some(name) = asked.name.filter(|_| id == TopicId::NONE) else {
            return match self.state.topic(id) {
                Some(topic) => self.describe(topic, operations),
                None => MetadataResponseTopic::default()
                    .with_topic_id(asked.topic_id)
                    .with_error_code(error_code::UNKNOWN_TOPIC_ID)
                    .with_topic_authorized_operations(OPERATIONS_NOT_ASKED),
            };
        };
        if let Some(topic) = self.state.topic_named(&name) {
            return self.describe(topic, operations);
        }
        let error_code = if may_create && self.config.auto_create_topics {
            match self.auto_create(&name, turn) {
                Ok(id) => {
                    let topic = self.state.topic(id).expect("it was just created");
                    return self.describe(topic, operations);
                }
                Err(error_code) => error_code,
            }
        } else if crate::state::topic::check_name(&name).is_err() {
            error_code::INVALID_TOPIC_EXCEPTION
        } else {
            error_code::UNKNOWN_TOPIC_OR_PARTITION
        };
        MetadataResponseTopic::default()
            .with_name(Some(name))
            .with_error_code(error_code)
            .with_topic_authorized_operations(OPERATIONS_NOT_ASKED)
    }

    fn auto_create(&mut self, name: &TopicName, turn: &mut Turn<'_>) -> Result<TopicId, i16> {
        let partitions = self.config.default_partitions.cast_unsigned();
        let name = String::from(name.as_str());
        let created = self.new_topic(name, partitions, alloc::collections::BTreeMap::new(), turn);
        let created = created.map_err(|(error_code, _)| error_code)?;
        mark(Mark::TopicAutoCreated);
        let id = created.id;
        self.commit(Entry::TopicCreated(created), Bytes::new());
        Ok(id)
    }

    fn describe(&self, topic: &Topic, operations: bool) -> MetadataResponseTopic {
        let us = self.node();
        let partitions = (0..topic.partition_count()).map(|index| {
            MetadataResponsePartition::default()
                .with_partition_index(index)
                .with_leader_id(us)
                .with_leader_epoch(self.state.epoch.leader_epoch())
                .with_replica_nodes(vec![us])
                .with_isr_nodes(vec![us])
        });
        MetadataResponseTopic::default()
            .with_name(Some(TopicName(StrBytes::from_string(topic.name().to_string()))))
            .with_topic_id(uuid::Uuid::from_bytes(topic.id().0))
            .with_partitions(partitions.collect())
            .with_topic_authorized_operations(if operations {
                TOPIC_OPERATIONS
            } else {
                OPERATIONS_NOT_ASKED
            })
    }

    /// Every group and every transaction is coordinated here: there is one broker.
    pub(in crate::broker) fn find_coordinator(
        &mut self,
        asker: Asker,
        request: &FindCoordinatorRequest,
        turn: &mut Turn<'_>,
    ) {
        let known_type = matches!(request.key_type, 0 | 1);
        let (error_code, node_id, host, port) = if known_type {
            (error_code::NONE, self.node(), self.host(), self.port())
        } else {
            (error_code::INVALID_REQUEST, BrokerId(-1), StrBytes::default(), -1)
        };
        let message = (!known_type)
            .then(|| StrBytes::from_static_str("only groups and transactions have coordinators"));
        let mut response = FindCoordinatorResponse::default();
        if asker.version < 4 {
            response = response
                .with_error_code(error_code)
                .with_error_message(message)
                .with_node_id(node_id)
                .with_host(host)
                .with_port(port);
        } else {
            response.coordinators = request
                .coordinator_keys
                .iter()
                .map(|key| {
                    Coordinator::default()
                        .with_key(key.clone())
                        .with_error_code(error_code)
                        .with_error_message(message.clone())
                        .with_node_id(node_id)
                        .with_host(host.clone())
                        .with_port(port)
                })
                .collect();
        }
        self.answer(asker, Response::FindCoordinator(response), self.log.durable(), turn);
    }

    pub(in crate::broker) fn describe_cluster(
        &mut self,
        asker: Asker,
        request: &DescribeClusterRequest,
        turn: &mut Turn<'_>,
    ) {
        let mut response = DescribeClusterResponse::default()
            .with_endpoint_type(request.endpoint_type)
            .with_cluster_authorized_operations(OPERATIONS_NOT_ASKED)
            .with_controller_id(BrokerId(-1));
        match request.endpoint_type {
            1 => {
                response = response
                    .with_cluster_id(StrBytes::from_string(self.cluster_id.clone()))
                    .with_controller_id(self.node())
                    .with_brokers(vec![
                        DescribeClusterBroker::default()
                            .with_broker_id(self.node())
                            .with_host(self.host())
                            .with_port(self.port()),
                    ]);
                if request.include_cluster_authorized_operations {
                    response.cluster_authorized_operations = CLUSTER_OPERATIONS;
                }
            }
            // KIP-919: this is a broker's listener, not a controller's.
            2 => response.error_code = error_code::MISMATCHED_ENDPOINT_TYPE,
            _ => response.error_code = error_code::UNSUPPORTED_ENDPOINT_TYPE,
        }
        self.answer(asker, Response::DescribeCluster(response), self.log.durable(), turn);
    }
}
