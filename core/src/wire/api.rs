//! The APIs that are served, in one table: it decides what is advertised, what is decoded and what closes a
//! connection.

use core::fmt;

use self::Api::{
    Admin, ApiVersions, CreateTopics, DeleteTopics, DescribeCluster, Fetch, FindCoordinator, Group,
    InitProducerId, ListOffsets, Metadata, OffsetForLeaderEpoch, Produce,
};

/// A Kafka API that is served.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[expect(missing_docs, reason = "each variant is the Kafka API of that name")]
pub enum Api {
    Produce,
    Fetch,
    ListOffsets,
    Metadata,
    FindCoordinator,
    ApiVersions,
    CreateTopics,
    DeleteTopics,
    InitProducerId,
    OffsetForLeaderEpoch,
    DescribeCluster,
    Group(GroupApi),
    Admin(AdminApi),
}

/// An API of consumer groups.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[expect(missing_docs, reason = "each variant is the Kafka API of that name")]
pub enum GroupApi {
    OffsetCommit,
    OffsetFetch,
    JoinGroup,
    Heartbeat,
    LeaveGroup,
    SyncGroup,
    DescribeGroups,
    ListGroups,
    DeleteGroups,
    OffsetDelete,
}

/// An API of everyday administration.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[expect(missing_docs, reason = "each variant is the Kafka API of that name")]
pub enum AdminApi {
    DeleteRecords,
    DescribeConfigs,
    AlterConfigs,
    DescribeLogDirs,
    CreatePartitions,
    ElectLeaders,
    IncrementalAlterConfigs,
    AlterPartitionReassignments,
    ListPartitionReassignments,
    DescribeProducers,
    DescribeTopicPartitions,
}

impl fmt::Display for Api {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Group(api) => fmt::Debug::fmt(api, f),
            Admin(api) => fmt::Debug::fmt(api, f),
            Produce | Fetch | ListOffsets | Metadata | FindCoordinator | ApiVersions | CreateTopics
            | DeleteTopics | InitProducerId | OffsetForLeaderEpoch | DescribeCluster => {
                fmt::Debug::fmt(self, f)
            }
        }
    }
}

/// How an API is served.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Served {
    /// Which one.
    pub api: Api,
    /// Kafka's number for it.
    pub key: i16,
    /// Oldest version that is understood.
    pub min: i16,
    /// Newest version that is understood.
    pub max: i16,
    /// Oldest version that clients are told of; see [`SERVED`] for the one that differs.
    pub advertised_min: i16,
    /// First version with compact lengths and tagged fields (KIP-482): request header 2, response header 1.
    pub flexible_from: i16,
}

const fn served(api: Api, key: i16, min: i16, max: i16, flexible_from: i16) -> Served {
    Served { api, key, min, max, advertised_min: min, flexible_from }
}

/// Every API that is served, by key.
///
/// Produce is advertised from version 0 although 0 to 2 close the connection: older librdkafka concludes from a
/// larger minimum that the broker knows no compression and silently turns it off (KAFKA-18659).
pub const SERVED: [Served; 32] = [
    Served { advertised_min: 0, ..served(Produce, 0, 3, 13, 9) },
    served(Fetch, 1, 4, 18, 12),
    served(ListOffsets, 2, 1, 10, 6),
    served(Metadata, 3, 0, 13, 9),
    served(Group(GroupApi::OffsetCommit), 8, 2, 9, 8),
    served(Group(GroupApi::OffsetFetch), 9, 1, 9, 6),
    served(FindCoordinator, 10, 0, 6, 3),
    served(Group(GroupApi::JoinGroup), 11, 0, 9, 6),
    served(Group(GroupApi::Heartbeat), 12, 0, 4, 4),
    served(Group(GroupApi::LeaveGroup), 13, 0, 5, 4),
    served(Group(GroupApi::SyncGroup), 14, 0, 5, 4),
    served(Group(GroupApi::DescribeGroups), 15, 0, 6, 5),
    served(Group(GroupApi::ListGroups), 16, 0, 5, 3),
    served(ApiVersions, 18, 0, 4, 3),
    served(CreateTopics, 19, 2, 7, 5),
    served(DeleteTopics, 20, 1, 6, 4),
    served(Admin(AdminApi::DeleteRecords), 21, 0, 2, 2),
    served(InitProducerId, 22, 0, 5, 2),
    served(OffsetForLeaderEpoch, 23, 2, 4, 4),
    served(Admin(AdminApi::DescribeConfigs), 32, 1, 4, 4),
    served(Admin(AdminApi::AlterConfigs), 33, 0, 2, 2),
    served(Admin(AdminApi::DescribeLogDirs), 35, 1, 4, 2),
    served(Admin(AdminApi::CreatePartitions), 37, 0, 3, 2),
    served(Group(GroupApi::DeleteGroups), 42, 0, 2, 2),
    served(Admin(AdminApi::ElectLeaders), 43, 0, 2, 2),
    served(Admin(AdminApi::IncrementalAlterConfigs), 44, 0, 1, 1),
    served(Admin(AdminApi::AlterPartitionReassignments), 45, 0, 1, 0),
    served(Admin(AdminApi::ListPartitionReassignments), 46, 0, 0, 0),
    served(Group(GroupApi::OffsetDelete), 47, 0, 0, i16::MAX),
    served(DescribeCluster, 60, 0, 2, 0),
    served(Admin(AdminApi::DescribeProducers), 61, 0, 0, 0),
    served(Admin(AdminApi::DescribeTopicPartitions), 75, 0, 0, 0),
];

/// A cluster feature (KIP-584) that clients decide their behaviour by.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Feature {
    /// Its name.
    pub name: &'static str,
    /// Oldest level that is understood; at least 1, as clients below ApiVersions 4 cannot read a 0.
    pub min: i16,
    /// Newest level that is understood.
    pub max: i16,
    /// The level in force.
    pub level: i16,
}

/// Features in force. Empty: each name here (`transaction.version`, `group.version`, `share.version`) makes Java
/// clients use something that is not there yet.
pub const FEATURES: [Feature; 0] = [];

impl Served {
    /// The API with that key, if it is served.
    #[must_use]
    pub fn by_key(key: i16) -> Option<&'static Served> {
        SERVED.iter().find(|served| served.key == key)
    }

    /// Whether a request of this version is understood.
    #[must_use]
    pub fn understands(&self, version: i16) -> bool {
        (self.min..=self.max).contains(&version)
    }

    /// Whether this version has compact lengths and tagged fields (KIP-482).
    #[must_use]
    pub fn is_flexible(&self, version: i16) -> bool {
        version >= self.flexible_from
    }

    /// Whether the response header ends in tagged fields. Never for ApiVersions: a client must be able to read
    /// that answer before it knows what the broker speaks (KIP-511).
    #[must_use]
    pub fn has_flexible_response_header(&self, version: i16) -> bool {
        self.is_flexible(version) && self.api != ApiVersions
    }
}

#[cfg(test)]
mod tests;
