//! Kafka's error codes, as far as the broker gives them.
#![expect(missing_docs, reason = "the names are those of Kafka's protocol guide")]

pub const NONE: i16 = 0;
pub const OFFSET_OUT_OF_RANGE: i16 = 1;
pub const CORRUPT_MESSAGE: i16 = 2;
pub const UNKNOWN_TOPIC_OR_PARTITION: i16 = 3;
pub const MESSAGE_TOO_LARGE: i16 = 10;
pub const INVALID_TOPIC_EXCEPTION: i16 = 17;
pub const INVALID_REQUIRED_ACKS: i16 = 21;
pub const INVALID_TIMESTAMP: i16 = 32;
pub const UNSUPPORTED_VERSION: i16 = 35;
pub const TOPIC_ALREADY_EXISTS: i16 = 36;
pub const INVALID_PARTITIONS: i16 = 37;
pub const INVALID_REPLICATION_FACTOR: i16 = 38;
pub const INVALID_REPLICA_ASSIGNMENT: i16 = 39;
pub const INVALID_CONFIG: i16 = 40;
pub const INVALID_REQUEST: i16 = 42;
pub const POLICY_VIOLATION: i16 = 44;
pub const OUT_OF_ORDER_SEQUENCE_NUMBER: i16 = 45;
pub const INVALID_PRODUCER_EPOCH: i16 = 47;
pub const INVALID_TXN_STATE: i16 = 48;
pub const KAFKA_STORAGE_ERROR: i16 = 56;
pub const FETCH_SESSION_ID_NOT_FOUND: i16 = 70;
pub const INVALID_FETCH_SESSION_EPOCH: i16 = 71;
pub const FENCED_LEADER_EPOCH: i16 = 74;
pub const UNKNOWN_LEADER_EPOCH: i16 = 75;
pub const UNSUPPORTED_COMPRESSION_TYPE: i16 = 76;
pub const OFFSET_NOT_AVAILABLE: i16 = 78;
pub const INVALID_RECORD: i16 = 87;
pub const UNKNOWN_TOPIC_ID: i16 = 100;
pub const MISMATCHED_ENDPOINT_TYPE: i16 = 114;
pub const UNSUPPORTED_ENDPOINT_TYPE: i16 = 115;
pub const COORDINATOR_LOAD_IN_PROGRESS: i16 = 14;
pub const OFFSET_METADATA_TOO_LARGE: i16 = 12;
pub const ILLEGAL_GENERATION: i16 = 22;
pub const INCONSISTENT_GROUP_PROTOCOL: i16 = 23;
pub const INVALID_GROUP_ID: i16 = 24;
pub const UNKNOWN_MEMBER_ID: i16 = 25;
pub const INVALID_SESSION_TIMEOUT: i16 = 26;
pub const REBALANCE_IN_PROGRESS: i16 = 27;
pub const NON_EMPTY_GROUP: i16 = 68;
pub const GROUP_ID_NOT_FOUND: i16 = 69;
pub const MEMBER_ID_REQUIRED: i16 = 79;
pub const GROUP_MAX_SIZE_REACHED: i16 = 81;
pub const FENCED_INSTANCE_ID: i16 = 82;
pub const GROUP_SUBSCRIBED_TO_TOPIC: i16 = 86;
pub const ELECTION_NOT_NEEDED: i16 = 84;
pub const NO_REASSIGNMENT_IN_PROGRESS: i16 = 85;

#[cfg(test)]
mod tests {
    use kafka_protocol::ResponseError;

    use super::*;

    #[test]
    fn the_codes_are_those_of_the_protocol() {
        let codes = [
            (OFFSET_OUT_OF_RANGE, ResponseError::OffsetOutOfRange),
            (CORRUPT_MESSAGE, ResponseError::CorruptMessage),
            (UNKNOWN_TOPIC_OR_PARTITION, ResponseError::UnknownTopicOrPartition),
            (MESSAGE_TOO_LARGE, ResponseError::MessageTooLarge),
            (INVALID_TOPIC_EXCEPTION, ResponseError::InvalidTopicException),
            (INVALID_REQUIRED_ACKS, ResponseError::InvalidRequiredAcks),
            (INVALID_TIMESTAMP, ResponseError::InvalidTimestamp),
            (UNSUPPORTED_VERSION, ResponseError::UnsupportedVersion),
            (TOPIC_ALREADY_EXISTS, ResponseError::TopicAlreadyExists),
            (INVALID_PARTITIONS, ResponseError::InvalidPartitions),
            (INVALID_REPLICATION_FACTOR, ResponseError::InvalidReplicationFactor),
            (INVALID_REPLICA_ASSIGNMENT, ResponseError::InvalidReplicaAssignment),
            (INVALID_CONFIG, ResponseError::InvalidConfig),
            (INVALID_REQUEST, ResponseError::InvalidRequest),
            (POLICY_VIOLATION, ResponseError::PolicyViolation),
            (OUT_OF_ORDER_SEQUENCE_NUMBER, ResponseError::OutOfOrderSequenceNumber),
            (INVALID_PRODUCER_EPOCH, ResponseError::InvalidProducerEpoch),
            (INVALID_TXN_STATE, ResponseError::InvalidTxnState),
            (KAFKA_STORAGE_ERROR, ResponseError::KafkaStorageError),
            (FETCH_SESSION_ID_NOT_FOUND, ResponseError::FetchSessionIdNotFound),
            (INVALID_FETCH_SESSION_EPOCH, ResponseError::InvalidFetchSessionEpoch),
            (FENCED_LEADER_EPOCH, ResponseError::FencedLeaderEpoch),
            (UNKNOWN_LEADER_EPOCH, ResponseError::UnknownLeaderEpoch),
            (UNSUPPORTED_COMPRESSION_TYPE, ResponseError::UnsupportedCompressionType),
            (OFFSET_NOT_AVAILABLE, ResponseError::OffsetNotAvailable),
            (INVALID_RECORD, ResponseError::InvalidRecord),
            (UNKNOWN_TOPIC_ID, ResponseError::UnknownTopicId),
            (MISMATCHED_ENDPOINT_TYPE, ResponseError::MismatchedEndpointType),
            (UNSUPPORTED_ENDPOINT_TYPE, ResponseError::UnsupportedEndpointType),
            (COORDINATOR_LOAD_IN_PROGRESS, ResponseError::CoordinatorLoadInProgress),
            (OFFSET_METADATA_TOO_LARGE, ResponseError::OffsetMetadataTooLarge),
            (ILLEGAL_GENERATION, ResponseError::IllegalGeneration),
            (INCONSISTENT_GROUP_PROTOCOL, ResponseError::InconsistentGroupProtocol),
            (INVALID_GROUP_ID, ResponseError::InvalidGroupId),
            (UNKNOWN_MEMBER_ID, ResponseError::UnknownMemberId),
            (INVALID_SESSION_TIMEOUT, ResponseError::InvalidSessionTimeout),
            (REBALANCE_IN_PROGRESS, ResponseError::RebalanceInProgress),
            (NON_EMPTY_GROUP, ResponseError::NonEmptyGroup),
            (GROUP_ID_NOT_FOUND, ResponseError::GroupIdNotFound),
            (MEMBER_ID_REQUIRED, ResponseError::MemberIdRequired),
            (GROUP_MAX_SIZE_REACHED, ResponseError::GroupMaxSizeReached),
            (FENCED_INSTANCE_ID, ResponseError::FencedInstanceId),
            (GROUP_SUBSCRIBED_TO_TOPIC, ResponseError::GroupSubscribedToTopic),
            (ELECTION_NOT_NEEDED, ResponseError::ElectionNotNeeded),
            (NO_REASSIGNMENT_IN_PROGRESS, ResponseError::NoReassignmentInProgress),
        ];
        for (code, named) in codes {
            assert_eq!(ResponseError::try_from_code(code), Some(named), "{code}");
        }
    }
}
