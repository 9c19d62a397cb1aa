//! The command line, each flag with its environment variable and its default.

use std::{
    fmt,
    net::{IpAddr, SocketAddr},
    ops::RangeInclusive,
    path::{Path, PathBuf},
    time::Duration,
};

use bytesize::ByteSize;
use clap::{ArgAction, Parser, Subcommand};
use evenkeel_core::{Config, config::StoreConfig, units::Lsn};

pub use self::store::StoreFlags;
use crate::{cli, object::StorePlace, server::Serving};

mod store;

/// A Kafka-compatible broker. An acknowledged write is on the disk.
///
/// Without a subcommand it serves, with the defaults of `evenkeel serve`.
#[derive(Clone, Debug, Parser)]
#[command(
    name = "evenkeel",
    version,
    max_term_width = 110,
    after_help = "\
Topics:   evenkeel topic create | list | describe | delete | add-partitions | delete-records | produce | consume
Groups:   evenkeel group list | describe | delete | reset-offsets | delete-offsets
Configs:  evenkeel config describe | set | unset
Offline:  evenkeel inspect | verify | restore --dry-run

Examples:
  evenkeel serve --data-dir /var/lib/evenkeel
  evenkeel topic create orders --partitions 3
  seq 1 100 | evenkeel topic produce orders
  evenkeel topic consume orders --group billing"
)]
pub struct CommandLine {
    /// What to do; `serve` if nothing is said.
    #[command(subcommand)]
    pub command: Option<Command>,
}

/// What can be done.
#[derive(Clone, Debug, Subcommand)]
pub enum Command {
    /// Serve Kafka clients.
    Serve(Box<Serve>),
    /// Create, list, describe, change and delete topics; write and read their records.
    Topic(Box<cli::Topic>),
    /// List, describe and delete consumer groups; reset and delete their offsets.
    Group(Box<cli::Group>),
    /// Show and change configs.
    Config(Box<cli::Config>),
    /// Show what files of a data directory and objects of an object store hold.
    Inspect(Box<cli::Inspect>),
    /// Check every checksum and every reference of a data directory and of an object store.
    Verify(Box<cli::Verify>),
    /// Tell what a start with an empty data directory would recover from the object store.
    Restore(Box<cli::Restore>),
}

/// Settings of `evenkeel serve`.
#[derive(Clone, Debug, Parser)]
#[command(after_help = "Sizes take KiB, MiB, GiB (or KB, MB, GB); durations take ms, s, m, h, d.\n\
Exit codes: 0 stopped in order; 1 settings, or the data directory cannot be used; 2 refused to start, the reason is \
printed; 3 halted because a log write failed; 4 stopped in order, but not everything is in the object store; 5 another \
process has taken over the object store, or it is not the one of this data directory.")]
pub struct Serve {
    /// Address to accept clients on. Port 0 takes any free port.
    #[arg(long, env = "EVENKEEL_LISTEN", default_value = "127.0.0.1:9092", value_name = "HOST:PORT", value_parser = listen)]
    pub listen: HostPort,

    /// Address that clients are told to connect to. Default: the listen address; needed when that is a wildcard such as
    /// 0.0.0.0, since no client can connect to it.
    #[arg(long, env = "EVENKEEL_ADVERTISED_ADDR", value_name = "HOST:PORT", value_parser = host_port)]
    pub advertised_addr: Option<HostPort>,

    /// Address for metrics: GET /metrics, Prometheus' text format. Default: none. Whoever can connect can read them.
    #[arg(long, env = "EVENKEEL_METRICS_LISTEN", value_name = "HOST:PORT", value_parser = listen)]
    pub metrics_listen: Option<HostPort>,

    /// Directory of the log. Created if it is not there; used by one broker at a time.
    #[arg(long, env = "EVENKEEL_DATA_DIR", default_value = "data", value_name = "DIR")]
    pub data_dir: PathBuf,

    /// Cluster that the data directory must belong to. Default: whatever it says, or a new random id.
    #[arg(long, env = "EVENKEEL_CLUSTER_ID", value_name = "ID")]
    pub cluster_id: Option<String>,

    /// Kafka node id of this broker. A data directory keeps its node id.
    #[arg(long, env = "EVENKEEL_NODE_ID", default_value_t = 1, value_name = "N")]
    pub node_id: i32,

    /// Partitions of a topic that is created without a number.
    #[arg(long, env = "EVENKEEL_DEFAULT_PARTITIONS", default_value_t = 1, value_name = "N")]
    pub default_partitions: i32,

    /// Create a topic when a client asks for one that is not there.
    #[arg(long, env = "EVENKEEL_AUTO_CREATE_TOPICS", default_value_t = true, action = ArgAction::Set, value_name = "BOOL")]
    pub auto_create_topics: bool,

    /// Largest record batch a client may send, unless the topic says otherwise (max.message.bytes). At most 16 MiB.
    #[arg(long, env = "EVENKEEL_MESSAGE_BYTES_MAX", default_value = "1048588", value_name = "SIZE")]
    pub message_bytes_max: ByteSize,

    /// Size of a log segment, a multiple of 4 KiB, 16 KiB to 1 GiB. Three are there from the start.
    #[arg(long, env = "EVENKEEL_SEGMENT_BYTES", default_value = "64MiB", value_name = "SIZE")]
    pub segment_bytes: ByteSize,

    /// Memory for recent records, served without a disk read.
    #[arg(long, env = "EVENKEEL_CACHE_BYTES", default_value = "64MiB", value_name = "SIZE")]
    pub cache_bytes: ByteSize,

    /// Memory for requests being received or processed, at least 1 MiB. Further requests wait. One client address gets at most half.
    #[arg(long, env = "EVENKEEL_REQUEST_MEMORY", default_value = "256MiB", value_name = "SIZE")]
    pub request_memory: ByteSize,

    /// Most client connections at once; further ones are closed.
    #[arg(long, env = "EVENKEEL_MAX_CONNECTIONS", default_value_t = 10_000, value_name = "N")]
    pub max_connections: usize,

    /// Close a connection on which nothing happens for so long.
    #[arg(long, env = "EVENKEEL_IDLE_TIMEOUT", default_value = "10m", value_name = "TIME", value_parser = humantime::parse_duration)]
    pub idle_timeout: Duration,

    /// Close a connection whose request is not complete, or whose answer is not taken, within this time.
    #[arg(long, env = "EVENKEEL_PROGRESS_TIMEOUT", default_value = "60s", value_name = "TIME", value_parser = humantime::parse_duration)]
    pub progress_timeout: Duration,

    /// Time for clients to take their last answers at a stop.
    #[arg(long, env = "EVENKEEL_SHUTDOWN_TIMEOUT", default_value = "10s", value_name = "TIME", value_parser = humantime::parse_duration)]
    pub shutdown_timeout: Duration,

    /// Forget an idempotent producer that has been idle for so long (producer.id.expiration.ms).
    #[arg(long, env = "EVENKEEL_PRODUCER_EXPIRY", default_value = "1d", value_name = "TIME", value_parser = humantime::parse_duration)]
    pub producer_expiry: Duration,

    /// Wait so long for more members when a consumer group begins (group.initial.rebalance.delay.ms). 0s: not at all.
    #[arg(long, env = "EVENKEEL_GROUP_INITIAL_REBALANCE_DELAY", default_value = "3s", value_name = "TIME", value_parser = humantime::parse_duration)]
    pub group_initial_rebalance_delay: Duration,

    /// Shortest session timeout that a member of a group may ask for (group.min.session.timeout.ms).
    #[arg(long, env = "EVENKEEL_GROUP_SESSION_TIMEOUT_MIN", default_value = "6s", value_name = "TIME", value_parser = humantime::parse_duration)]
    pub group_session_timeout_min: Duration,

    /// Longest session timeout that a member of a group may ask for (group.max.session.timeout.ms).
    #[arg(long, env = "EVENKEEL_GROUP_SESSION_TIMEOUT_MAX", default_value = "30m", value_name = "TIME", value_parser = humantime::parse_duration)]
    pub group_session_timeout_max: Duration,

    /// Most members of a consumer group (group.max.size).
    #[arg(long, env = "EVENKEEL_GROUP_MEMBERS_MAX", default_value_t = 1000, value_name = "N")]
    pub group_members_max: usize,

    /// Keep committed offsets of a group without members for so long (offsets.retention.minutes).
    #[arg(long, env = "EVENKEEL_OFFSETS_RETENTION", default_value = "7d", value_name = "TIME", value_parser = humantime::parse_duration)]
    pub offsets_retention: Duration,

    /// Keep records for so long (log.retention.ms): a time, or "forever". A topic's retention.ms has the last word.
    #[arg(long, env = "EVENKEEL_RETENTION", default_value = "7d", value_name = "TIME", value_parser = retention)]
    pub retention: Retention,

    /// Keep at least so many bytes of a partition, and delete older records (log.retention.bytes). Default: all. A topic's
    /// retention.bytes has the last word.
    #[arg(long, env = "EVENKEEL_RETENTION_BYTES", value_name = "SIZE")]
    pub retention_bytes: Option<ByteSize>,

    /// Look so often for records that are kept no longer (log.retention.check.interval.ms), 1ms to 24h.
    #[arg(long, env = "EVENKEEL_RETENTION_CHECK_INTERVAL", default_value = "5m", value_name = "TIME", value_parser = check_interval)]
    pub retention_check_interval: Duration,

    /// The object store.
    #[command(flatten)]
    pub object_store: StoreFlags,

    /// Bring what was written to the object store after so long, 1s to 24h. While the store keeps up, this much and the
    /// time of a cut are lost with the disk at most.
    #[arg(long, env = "EVENKEEL_S3_FLUSH_INTERVAL", default_value = "60s", value_name = "TIME", value_parser = flush_interval)]
    pub s3_flush_interval: Duration,

    /// Wait so long at a start for the object store. Then what the data directory holds is served; a start with an empty one is refused.
    #[arg(long, env = "EVENKEEL_OBJECT_STORE_START_WAIT", default_value = "10s", value_name = "TIME", value_parser = humantime::parse_duration)]
    pub object_store_start_wait: Duration,

    /// Wait so long at a stop for the object store to take what it does not have. Then the exit code is 4, and it stays in the log.
    #[arg(long, env = "EVENKEEL_OBJECT_STORE_STOP_WAIT", default_value = "30s", value_name = "TIME", value_parser = humantime::parse_duration)]
    pub object_store_stop_wait: Duration,

    /// Memory for records out of the object store, for consumers from far behind: what they have read, and what is read ahead. 0B: none.
    #[arg(long, env = "EVENKEEL_OBJECT_STORE_CACHE_BYTES", default_value = "64MiB", value_name = "SIZE")]
    pub object_store_cache_bytes: ByteSize,

    /// This many small objects of the store, one behind the other, become one: 4 to 256; 0: they stay as they are.
    #[arg(long, env = "EVENKEEL_OBJECT_STORE_MERGE_OBJECTS", default_value_t = evenkeel_core::limits::MERGED_OBJECTS, value_name = "COUNT")]
    pub object_store_merge_objects: u32,

    /// Refuse writes while a change is older than this and not in the object store. Default: never; the log takes them.
    #[arg(long, env = "EVENKEEL_MAX_UNFLUSHED_AGE", value_name = "TIME", value_parser = humantime::parse_duration)]
    pub max_unflushed_age: Option<Duration>,

    /// Least important lines to print: off, error, warn, info, debug, trace.
    #[arg(long, env = "EVENKEEL_LOG_LEVEL", default_value = "info", value_name = "LEVEL")]
    pub log_level: tracing_subscriber::filter::LevelFilter,

    /// Start although acknowledged data from this LSN on is damaged, and give it up. The refusal of the start before
    /// names the number.
    #[arg(long, env = "EVENKEEL_ACCEPT_LOSS_FROM_LSN", value_name = "LSN")]
    pub accept_loss_from_lsn: Option<u64>,
}

/// A host name or address, and a port.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct HostPort {
    /// Without brackets.
    pub host: String,
    /// 0 for any free one, to listen on only.
    pub port: u16,
}

impl fmt::Display for HostPort {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        // An IPv6 address; no name has a colon.
        if self.host.contains(':') {
            write!(f, "[{}]:{}", self.host, self.port)
        } else {
            write!(f, "{}:{}", self.host, self.port)
        }
    }
}

pub(crate) fn host_port(text: &str) -> Result<HostPort, String> {
    let parsed = listen(text)?;
    if parsed.port == 0 {
        return Err(String::from("port 0 cannot be connected to"));
    }
    Ok(parsed)
}

fn listen(text: &str) -> Result<HostPort, String> {
    let (host, port) =
        text.rsplit_once(':').ok_or("a host and a port are needed, as in broker.example:9092")?;
    let port: u16 = port.parse().map_err(|error| format!("port {port:?}: {error}"))?;
    let bare = host.strip_prefix('[').and_then(|host| host.strip_suffix(']'));
    if bare.is_none() && host.contains(':') {
        return Err(String::from("an IPv6 address needs brackets, as in [::1]:9092"));
    }
    let host = bare.unwrap_or(host);
    if host.is_empty() {
        return Err(String::from("the host may not be missing"));
    }
    Ok(HostPort { host: host.to_string(), port })
}

/// The bounds of `--s3-flush-interval`.
const FLUSH_INTERVAL_MIN: Duration = Duration::from_secs(1);
const FLUSH_INTERVAL_MAX: Duration = Duration::from_secs(24 * 60 * 60);

fn flush_interval(text: &str) -> Result<Duration, String> {
    within(text, FLUSH_INTERVAL_MIN..=FLUSH_INTERVAL_MAX, "1s to 24h")
}

fn check_interval(text: &str) -> Result<Duration, String> {
    within(text, Duration::from_millis(1)..=Duration::from_secs(24 * 60 * 60), "1ms to 24h")
}

fn within(text: &str, bounds: RangeInclusive<Duration>, told: &str) -> Result<Duration, String> {
    let interval = humantime::parse_duration(text).map_err(|error| error.to_string())?;
    if bounds.contains(&interval) { Ok(interval) } else { Err(String::from(told)) }
}

/// How long records are kept.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Retention {
    /// So long.
    For(Duration),
    /// Until they are deleted.
    Forever,
}

fn retention(text: &str) -> Result<Retention, String> {
    match text {
        "forever" => Ok(Retention::Forever),
        text => humantime::parse_duration(text)
            .map(Retention::For)
            .map_err(|error| format!("{error}; a time is needed, as in 7d, or \"forever\"")),
    }
}

fn bounded(name: &str, size: ByteSize) -> Result<u32, String> {
    u32::try_from(size.as_u64()).map_err(|_| format!("{name} {size} is too large"))
}

impl Serve {
    /// The brain's configuration, with the port that was really bound.
    ///
    /// # Errors
    /// A sentence that names the setting and its bounds.
    pub fn config(&self, bound: SocketAddr) -> Result<Config, String> {
        let advertised = match &self.advertised_addr {
            Some(advertised) => advertised.clone(),
            None if bound.ip().is_unspecified() => {
                return Err(format!(
                    "--listen {} is a wildcard, to which no client can connect: say with --advertised-addr HOST:PORT \
                     what they shall connect to",
                    self.listen
                ));
            }
            // A name stays a name: it may mean another address to a client.
            None if self.listen.host.parse::<IpAddr>().is_err() => {
                HostPort { host: self.listen.host.clone(), port: bound.port() }
            }
            None => HostPort { host: bound.ip().to_string(), port: bound.port() },
        };
        let config = Config {
            node_id: self.node_id,
            cluster_id: self.cluster_id.clone(),
            advertised_host: advertised.host,
            advertised_port: advertised.port,
            default_partitions: self.default_partitions,
            auto_create_topics: self.auto_create_topics,
            message_bytes_max: bounded("--message-bytes-max", self.message_bytes_max)?,
            segment_bytes: bounded("--segment-bytes", self.segment_bytes)?,
            cache_bytes: self.cache_bytes.as_u64(),
            producer_expiry: self.producer_expiry,
            group_initial_rebalance_delay: self.group_initial_rebalance_delay,
            group_session_timeout_min: self.group_session_timeout_min,
            group_session_timeout_max: self.group_session_timeout_max,
            group_members_max: self.group_members_max,
            offsets_retention: self.offsets_retention,
            retention: match self.retention {
                Retention::For(time) => Some(time),
                Retention::Forever => None,
            },
            retention_bytes: self.retention_bytes.map(|bytes| bytes.as_u64()),
            retention_check_interval: self.retention_check_interval,
            store: self.store()?.map(|_| StoreConfig {
                flush_interval: self.s3_flush_interval,
                start_wait: self.object_store_start_wait,
                stop_wait: self.object_store_stop_wait,
                merged_objects: self.object_store_merge_objects,
                unflushed_age_max: self.max_unflushed_age,
                ..StoreConfig::default()
            }),
            accept_loss_from: self.accept_loss_from_lsn.map(Lsn),
            data_directory: absolute(&self.data_dir),
        };
        config.check().map(|()| config)
    }

    /// The object store: a directory of our own if none is named, `None` if there shall be none.
    ///
    /// # Errors
    /// A sentence that names the setting and what is wrong with it.
    pub fn store(&self) -> Result<Option<StorePlace>, String> {
        self.object_store.place(Some(StorePlace::within(&self.data_dir)))
    }

    /// Whether the object store is the one in the data directory, for none is named.
    #[must_use]
    pub fn store_is_within(&self) -> bool {
        self.store() == Ok(Some(StorePlace::within(&self.data_dir)))
    }

    /// The server's settings.
    #[must_use]
    pub fn serving(&self) -> Serving {
        Serving {
            request_memory: self.request_memory.as_u64(),
            connections_max: self.max_connections,
            idle_timeout: self.idle_timeout,
            progress_timeout: self.progress_timeout,
            shutdown_timeout: self.shutdown_timeout,
        }
    }
}

/// The path as operators and clients are told it.
fn absolute(path: &Path) -> String {
    std::path::absolute(path).unwrap_or_else(|_| path.to_path_buf()).display().to_string()
}

#[cfg(test)]
mod tests;
