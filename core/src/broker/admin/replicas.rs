//! ElectLeaders and reassignments: of one broker that is the leader of everything, nothing can be asked that is not so already.

use alloc::{format, string::String, vec::Vec};

use kafka_protocol::messages::{
    AlterPartitionReassignmentsRequest, AlterPartitionReassignmentsResponse, ElectLeadersRequest,
    ElectLeadersResponse, ListPartitionReassignmentsResponse,
    alter_partition_reassignments_request::ReassignablePartition,
    alter_partition_reassignments_response::{ReassignablePartitionResponse, ReassignableTopicResponse},
    elect_leaders_response::{PartitionResult, ReplicaElectionResult},
};

use crate::{
    broker::{
        Asker, Live,
        admin::{Refused, sentence, shown},
    },
    error_code,
    port::AdminResponse,
    turn::Turn,
};

impl Live {
    pub(super) fn elect_leaders(&mut self, asker: Asker, request: ElectLeadersRequest, turn: &mut Turn<'_>) {
        let mut response = ElectLeadersResponse::default();
        // Preferred and unclean (KIP-460); version 0 knows the first alone.
        if matches!(request.election_type, 0 | 1) {
            // Of all partitions, those that need none are left out: all of them.
            let asked = request.topic_partitions.unwrap_or_default();
            let results = asked.into_iter().map(|topic| {
                let told = topic.partitions.iter().map(|index| {
                    let (error_code, message) = match self.known_partition(&topic.topic, *index) {
                        Ok(()) => (
                            error_code::ELECTION_NOT_NEEDED,
                            String::from("Leader election not needed for topic partition."),
                        ),
                        Err(refused) => refused,
                    };
                    PartitionResult::default()
                        .with_partition_id(*index)
                        .with_error_code(error_code)
                        .with_error_message(sentence(message))
                });
                let told = told.collect();
                ReplicaElectionResult::default().with_topic(topic.topic).with_partition_result(told)
            });
            response.replica_election_results = results.collect();
        } else {
            response.error_code = error_code::INVALID_REQUEST;
        }
        self.answer_admin(asker, AdminResponse::ElectLeaders(response), self.state.catalog_known, turn);
    }

    fn known_partition(&self, topic: &str, index: i32) -> Result<(), Refused> {
        let unknown = |message| Err((error_code::UNKNOWN_TOPIC_OR_PARTITION, message));
        match self.state.topic_named(topic) {
            None => unknown(format!("No such topic as {}", shown(topic))),
            Some(known) if known.partition_id(index).is_none() => {
                unknown(format!("No such partition as {}-{index}", shown(topic)))
            }
            Some(_) => Ok(()),
        }
    }

    pub(super) fn alter_partition_reassignments(
        &mut self,
        asker: Asker,
        request: AlterPartitionReassignmentsRequest,
        turn: &mut Turn<'_>,
    ) {
        let topics = request.topics.into_iter().map(|topic| {
            let partitions = topic.partitions.iter().map(|partition| {
                let told =
                    ReassignablePartitionResponse::default().with_partition_index(partition.partition_index);
                match self.check_reassignment(&topic.name, partition) {
                    Ok(()) => told,
                    Err((error_code, message)) => {
                        told.with_error_code(error_code).with_error_message(sentence(message))
                    }
                }
            });
            let partitions: Vec<_> = partitions.collect();
            ReassignableTopicResponse::default().with_name(topic.name).with_partitions(partitions)
        });
        let mut response = AlterPartitionReassignmentsResponse::default().with_responses(topics.collect());
        if asker.version >= 1 {
            response.allow_replication_factor_change = request.allow_replication_factor_change;
        }
        self.answer_admin(
            asker,
            AdminResponse::AlterPartitionReassignments(response),
            self.state.catalog_known,
            turn,
        );
    }

    fn check_reassignment(&self, topic: &str, asked: &ReassignablePartition) -> Result<(), Refused> {
        self.known_partition(topic, asked.partition_index)?;
        match &asked.replicas {
            // A reassignment that is under way is to be given up.
            None => Err((
                error_code::NO_REASSIGNMENT_IN_PROGRESS,
                String::from("No partition reassignment is in progress."),
            )),
            Some(replicas) => self.check_replicas(replicas),
        }
    }

    pub(super) fn list_partition_reassignments(&mut self, asker: Asker, turn: &mut Turn<'_>) {
        let response = ListPartitionReassignmentsResponse::default();
        self.answer_admin(
            asker,
            AdminResponse::ListPartitionReassignments(response),
            self.log.durable(),
            turn,
        );
    }
}
