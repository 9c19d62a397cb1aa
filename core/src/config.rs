//! What an operator decides, as far as the brain needs to know.

use alloc::string::String;
use core::time::Duration;

use crate::{limits, units::Lsn};

/// How the object store is used.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct StoreConfig {
    /// A change is in the store after this time, if the store keeps up.
    pub flush_interval: Duration,
    /// Time between the beginnings of two cuts, at least.
    pub cut_pause: Duration,
    /// How long a start waits for the store. Then it serves what the directory holds, or is refused if that is nothing.
    pub start_wait: Duration,
    /// How long a stop waits for the store.
    pub stop_wait: Duration,
    /// Bytes of a partition that are not stored make a cut due, and eight times as many of all partitions. Data objects are about this
    /// large at most; a batch more if the last one does not end there.
    pub object_bytes: u64,
    /// Bytes of the manifest's own list of data objects from which on it becomes an index object.
    pub manifest_tail_bytes: usize,
    /// A state is told by what has changed since an earlier one only if that has so many bytes: two objects cost a restore one request
    /// more.
    pub delta_state_bytes: usize,
    /// So long an object stays that the newest manifest does not refer to any more, for those that read by an older one. Objects that
    /// earlier processes left are looked for once, so long after the epoch was taken.
    pub garbage_delay: Duration,
    /// So many manifests are kept, at least 1.
    pub manifests_kept: u64,
    /// So many small data objects, one behind the other, become one; 0: they stay as they are. Otherwise 4 to
    /// [`MERGED_OBJECTS_MAX`](limits::MERGED_OBJECTS_MAX).
    pub merged_objects: u32,
    /// They become objects of at most so many bytes.
    pub merged_bytes: u64,
    /// Writes are refused while a change is older than this and not in the store; `None`: never.
    pub unflushed_age_max: Option<Duration>,
}

impl Default for StoreConfig {
    fn default() -> StoreConfig {
        StoreConfig {
            flush_interval: Duration::from_secs(60),
            cut_pause: limits::CUT_PAUSE,
            start_wait: Duration::from_secs(10),
            stop_wait: Duration::from_secs(30),
            object_bytes: limits::DATA_OBJECT_BYTES,
            manifest_tail_bytes: limits::MANIFEST_TAIL_BYTES,
            delta_state_bytes: limits::DELTA_STATE_BYTES,
            garbage_delay: limits::GARBAGE_DELAY,
            manifests_kept: limits::MANIFESTS_KEPT,
            merged_objects: limits::MERGED_OBJECTS,
            merged_bytes: limits::DATA_OBJECT_BYTES,
            unflushed_age_max: None,
        }
    }
}

/// The brain's configuration. Checked by whoever reads it from the outside ([`Config::check`]).
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Config {
    /// This broker's id in Kafka's metadata, 0 to `i32::MAX`.
    pub node_id: i32,
    /// The cluster this data directory must belong to. `None`: whatever it says, or a new one.
    pub cluster_id: Option<String>,
    /// Host that clients are told to connect to.
    pub advertised_host: String,
    /// Port that clients are told to connect to.
    pub advertised_port: u16,
    /// Where the data is, for display.
    pub data_directory: String,
    /// Partitions of a topic that is created without a number.
    pub default_partitions: i32,
    /// Whether a metadata request for an unknown topic creates it (when the client allows it too).
    pub auto_create_topics: bool,
    /// Default of the topic config `max.message.bytes`.
    pub message_bytes_max: u32,
    /// Size of a new log segment, a multiple of 4096.
    pub segment_bytes: u32,
    /// Bytes of recent batches kept in memory for consumers at the tail.
    pub cache_bytes: u64,
    /// Idle time after which a producer's duplicate detection state goes (`producer.id.expiration.ms`).
    pub producer_expiry: Duration,
    /// How long the first members of a group are waited for (`group.initial.rebalance.delay.ms`).
    pub group_initial_rebalance_delay: Duration,
    /// Shortest session timeout a member may ask for (`group.min.session.timeout.ms`).
    pub group_session_timeout_min: Duration,
    /// Longest session timeout a member may ask for (`group.max.session.timeout.ms`).
    pub group_session_timeout_max: Duration,
    /// Most members of a group (`group.max.size`).
    pub group_members_max: usize,
    /// How long committed offsets of a group without members are kept (`offsets.retention.minutes`).
    pub offsets_retention: Duration,
    /// Default of the topic config `retention.ms`; `None`: records are kept until they are deleted.
    pub retention: Option<Duration>,
    /// Default of the topic config `retention.bytes`; `None`: without a bound.
    pub retention_bytes: Option<u64>,
    /// Time between two looks for records that are not to be kept (`log.retention.check.interval.ms`).
    pub retention_check_interval: Duration,
    /// The object store, if there is one.
    pub store: Option<StoreConfig>,
    /// Start although acknowledged data from this LSN on is damaged or missing, and give it up.
    pub accept_loss_from: Option<Lsn>,
}

impl Default for Config {
    fn default() -> Config {
        Config {
            node_id: 1,
            cluster_id: None,
            advertised_host: String::from("127.0.0.1"),
            advertised_port: 9092,
            data_directory: String::from("data"),
            default_partitions: 1,
            auto_create_topics: true,
            message_bytes_max: limits::MESSAGE_BYTES,
            segment_bytes: limits::SEGMENT_BYTES,
            cache_bytes: 64 << 20,
            producer_expiry: Duration::from_secs(86_400),
            group_initial_rebalance_delay: Duration::from_secs(3),
            group_session_timeout_min: Duration::from_secs(6),
            group_session_timeout_max: Duration::from_secs(1800),
            group_members_max: 1000,
            offsets_retention: Duration::from_secs(7 * 86_400),
            retention: None,
            retention_bytes: None,
            retention_check_interval: Duration::from_secs(300),
            store: None,
            accept_loss_from: None,
        }
    }
}

impl Config {
    /// Says what is out of bounds.
    ///
    /// # Errors
    /// A sentence for the operator that names the setting, its value and its bounds.
    pub fn check(&self) -> Result<(), String> {
        use alloc::format;
        if self.node_id < 0 {
            return Err(format!("node id {} is negative", self.node_id));
        }
        if let Some(id) = &self.cluster_id
            && (id.is_empty() || id.len() > 64 || !id.bytes().all(|b| b.is_ascii_graphic()))
        {
            return Err(format!(
                "cluster id {id:?} is not 1 to 64 printable ASCII characters without spaces"
            ));
        }
        if self.advertised_host.is_empty() || self.advertised_host.len() > 255 {
            return Err(String::from("the advertised host is not 1 to 255 characters long"));
        }
        if !(1..=limits::TOPIC_PARTITIONS_MAX).contains(&self.default_partitions) {
            return Err(format!(
                "{} default partitions are not within 1 to {}",
                self.default_partitions,
                limits::TOPIC_PARTITIONS_MAX
            ));
        }
        if !(limits::SEGMENT_BYTES_MIN..=limits::SEGMENT_BYTES_MAX).contains(&self.segment_bytes)
            || !self.segment_bytes.is_multiple_of(limits::BLOCK_BYTES)
        {
            return Err(format!(
                "segments of {} bytes are not a multiple of {} within {} to {}",
                self.segment_bytes,
                limits::BLOCK_BYTES,
                limits::SEGMENT_BYTES_MIN,
                limits::SEGMENT_BYTES_MAX
            ));
        }
        if self.retention_check_interval.is_zero() {
            return Err(String::from("the interval between two looks for what retention lets go is zero"));
        }
        let longest = i64::MAX.unsigned_abs();
        if self.retention.is_some_and(|age| age.as_millis() > u128::from(longest)) {
            return Err(String::from("the retention time is more milliseconds than 64 bits count"));
        }
        if self.retention_bytes.is_some_and(|bytes| bytes > longest) {
            return Err(String::from("the retention bytes are more than 63 bits count"));
        }
        let merged = self.store.as_ref().map_or(0, |store| store.merged_objects);
        if merged != 0 && !(4..=limits::MERGED_OBJECTS_MAX).contains(&merged) {
            return Err(format!(
                "{merged} small objects that become one are neither 0 nor 4 to {}",
                limits::MERGED_OBJECTS_MAX
            ));
        }
        if self.message_bytes_max > self.message_bytes_bound() {
            return Err(format!(
                "messages of {} bytes do not fit: with segments of {} bytes the bound is {}",
                self.message_bytes_max,
                self.segment_bytes,
                self.message_bytes_bound()
            ));
        }
        Ok(())
    }

    /// Largest sync group that fits into a segment beside its header and its seal.
    #[must_use]
    pub fn group_bytes_max(&self) -> u32 {
        limits::GROUP_BYTES_MAX.min(self.segment_bytes - 2 * limits::BLOCK_BYTES)
    }

    /// Largest `max.message.bytes` that a topic may have.
    #[must_use]
    pub fn message_bytes_bound(&self) -> u32 {
        limits::MESSAGE_BYTES_MAX.min(self.group_bytes_max() - limits::BLOCK_BYTES)
    }
}
