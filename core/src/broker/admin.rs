//! Topics, and what clients ask to find their way.

mod cluster;
mod topics;

use kafka_protocol::{messages::BrokerId, protocol::StrBytes};

use crate::broker::Live;

/// Operations that a client without restrictions may do on a topic, as Kafka encodes them:
/// read, write, create, delete, alter, describe, describe configs, alter configs.
const TOPIC_OPERATIONS: i32 = 0b1101_1111_1000;
/// The same on the cluster: create, alter, describe, cluster action, describe configs, alter configs, idempotent write.
const CLUSTER_OPERATIONS: i32 = 0b1_1111_1010_0000;
/// What is answered where operations were not asked for.
const OPERATIONS_NOT_ASKED: i32 = i32::MIN;

impl Live {
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
