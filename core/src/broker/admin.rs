//! Topics and everyday administration, and what clients ask to find their way.

mod alter;
mod cluster;
mod configs;
mod log_dirs;
mod partitions;
mod records;
mod replicas;
mod topics;

use alloc::{collections::BTreeSet, string::String};

use kafka_protocol::{messages::BrokerId, protocol::StrBytes};

pub(super) use self::log_dirs::LogDirs;

use crate::{
    broker::{Asker, Live, NO_SEGMENT},
    error_code,
    limits::TOPIC_NAME_BYTES_MAX,
    marks::{Mark, mark},
    port::{AdminRequest, AdminResponse, Response},
    turn::Turn,
    units::Lsn,
};

/// A Kafka error code and a sentence for the client's user.
type Refused = (i16, String);

/// Operations that a client without restrictions may do on a topic, as Kafka encodes them:
/// read, write, create, delete, alter, describe, describe configs, alter configs.
const TOPIC_OPERATIONS: i32 = 0b1101_1111_1000;
/// The same on the cluster: create, alter, describe, cluster action, describe configs, alter configs, idempotent write.
const CLUSTER_OPERATIONS: i32 = 0b1_1111_1010_0000;
/// What is answered where operations were not asked for.
const OPERATIONS_NOT_ASKED: i32 = i32::MIN;

/// A name of a client's as it is shown in a sentence, which older versions of the protocol bound.
fn shown(name: &str) -> &str {
    let upto = (0..=name.len().min(TOPIC_NAME_BYTES_MAX)).rev().find(|at| name.is_char_boundary(*at));
    &name[..upto.unwrap_or(0)]
}

/// What a request names more than once.
fn twice<T: Ord>(named: impl Iterator<Item = T>) -> BTreeSet<T> {
    let mut seen = BTreeSet::new();
    named.filter_map(|name| seen.replace(name)).collect()
}

fn sentence(message: String) -> Option<StrBytes> {
    Some(StrBytes::from_string(message))
}

impl Live {
    pub(super) fn admin(&mut self, asker: Asker, request: AdminRequest, turn: &mut Turn<'_>) {
        match request {
            AdminRequest::DeleteRecords(request) => self.delete_records(asker, request, turn),
            AdminRequest::DescribeConfigs(request) => self.describe_configs(asker, request, turn),
            AdminRequest::AlterConfigs(request) => self.alter_configs(asker, request, turn),
            AdminRequest::IncrementalAlterConfigs(request) => {
                self.incremental_alter_configs(asker, request, turn);
            }
            AdminRequest::DescribeLogDirs(request) => self.describe_log_dirs(asker, request, turn),
            AdminRequest::CreatePartitions(request) => self.create_partitions(asker, request, turn),
            AdminRequest::ElectLeaders(request) => self.elect_leaders(asker, request, turn),
            AdminRequest::AlterPartitionReassignments(request) => {
                self.alter_partition_reassignments(asker, request, turn);
            }
            AdminRequest::ListPartitionReassignments(_) => {
                self.list_partition_reassignments(asker, turn);
            }
            AdminRequest::DescribeProducers(request) => self.describe_producers(asker, request, turn),
            AdminRequest::DescribeTopicPartitions(request) => {
                self.describe_topic_partitions(asker, request, turn);
            }
        }
    }

    fn answer_admin(&mut self, asker: Asker, response: AdminResponse, known: Lsn, turn: &mut Turn<'_>) {
        self.answer(asker, Response::Admin(response), known, turn);
    }

    /// Nothing changes while the disk cannot give the log its next segment, or too much is not in the object store; `refused` is the
    /// mark of what is not done.
    fn check_log_room(&self, refused: Mark) -> Result<(), Refused> {
        checked_room(self.accepts(), refused, || self.no_room())
    }

    /// The same for what gives room back: a deletion is done as long as there is any room at all.
    fn check_room_to_delete(&self, refused: Mark) -> Result<(), Refused> {
        checked_room(self.log.accepts_deletion(), refused, || NO_SEGMENT)
    }

    fn node(&self) -> BrokerId {
        BrokerId(self.config.node_id)
    }

    fn host(&self) -> StrBytes {
        StrBytes::from_string(self.config.advertised_host.clone())
    }

    fn port(&self) -> i32 {
        i32::from(self.config.advertised_port)
    }
}

fn checked_room(accepts: bool, refused: Mark, why: impl FnOnce() -> &'static str) -> Result<(), Refused> {
    if accepts {
        return Ok(());
    }
    mark(refused);
    Err((error_code::KAFKA_STORAGE_ERROR, String::from(why())))
}
