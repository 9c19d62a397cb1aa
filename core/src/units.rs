//! Newtypes for every number that means something, so that two of them never meet by accident.

use core::fmt;
use core::time::Duration;

macro_rules! unit {
    ($(#[$doc:meta])* $name:ident($inner:ty)) => {
        $(#[$doc])*
        #[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
        pub struct $name(pub $inner);

        impl fmt::Display for $name {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                fmt::Display::fmt(&self.0, f)
            }
        }
    };
}

unit!(
    /// Log sequence number: the place of one record in the one log. Dense: the next record has the next number.
    Lsn(u64)
);
unit!(
    /// Offset of a record within its partition, as Kafka counts it.
    Offset(i64)
);
unit!(
    /// Number of a start of this cluster's primary. Each start takes a larger one; it is also the leader
    /// epoch that clients see for every partition.
    Epoch(u32)
);
unit!(
    /// Internal number of a partition, dense over the life of the cluster, never reused.
    PartitionId(u32)
);
unit!(
    /// Place of a segment in the log. Consecutive.
    SegmentSequence(u64)
);
unit!(
    /// Kafka producer id (KIP-98). Never issued twice.
    ProducerId(i64)
);
unit!(
    /// One client connection. Never reused within a process.
    ConnId(u64)
);
unit!(
    /// One request on a connection. Never reused on that connection.
    Tag(u64)
);
unit!(
    /// One unordered operation asked of the world. Never reused within a process; exactly one completion each.
    OpId(u64)
);
unit!(
    /// Wall-clock time, milliseconds since the Unix epoch. May leap either way.
    Timestamp(i64)
);

impl Lsn {
    /// The LSN `count` records later.
    #[must_use]
    pub fn plus(self, count: u64) -> Lsn {
        Lsn(self.0.checked_add(count).expect("2^64 records cannot be written"))
    }
}

impl Offset {
    /// The offset `count` records later.
    #[must_use]
    pub fn plus(self, count: i64) -> Offset {
        Offset(
            self.0
                .checked_add(count)
                .expect("offsets are checked against their bound before they are given out"),
        )
    }
}

impl SegmentSequence {
    /// The segment after this one.
    #[must_use]
    pub fn next(self) -> SegmentSequence {
        SegmentSequence(self.0.checked_add(1).expect("2^64 segments cannot be written"))
    }
}

impl Epoch {
    /// The epoch as Kafka's `leader_epoch`, an `i32`. Bounded at `i32::MAX` starts.
    #[must_use]
    pub fn leader_epoch(self) -> i32 {
        i32::try_from(self.0).expect("an epoch stays below 2^31: it is checked where it is taken")
    }
}

/// Monotonic time since an origin the runtime chooses, in microseconds. Never goes back.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Instant(pub u64);

impl Instant {
    /// This instant moved `duration` into the future, saturating.
    #[must_use]
    pub fn after(self, duration: Duration) -> Instant {
        Instant(self.0.saturating_add(u64::try_from(duration.as_micros()).unwrap_or(u64::MAX)))
    }

    /// Time from `earlier` to this instant; zero if `earlier` is later.
    #[must_use]
    pub fn since(self, earlier: Instant) -> Duration {
        Duration::from_micros(self.0.saturating_sub(earlier.0))
    }
}

/// Kafka's topic id: a random UUID (KIP-516). All zero means "none".
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct TopicId(pub [u8; 16]);

impl TopicId {
    /// The id that names no topic.
    pub const NONE: TopicId = TopicId([0; 16]);

    /// Whether a request names its topic by this id and not by `name`: versions that use ids have no name (KIP-516).
    #[must_use]
    pub fn is_used_beside(self, name: &str) -> bool {
        self != TopicId::NONE || name.is_empty()
    }
}

impl fmt::Display for TopicId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for (at, byte) in self.0.iter().enumerate() {
            if matches!(at, 4 | 6 | 8 | 10) {
                f.write_str("-")?;
            }
            write!(f, "{byte:02x}")?;
        }
        Ok(())
    }
}
