//! Why a start is refused, with everything an operator needs to decide.

use alloc::{format, string::String, vec::Vec};
use core::fmt;

use crate::{
    port::{DiskError, DiskErrorKind, FileName},
    units::{Epoch, Lsn, Offset},
};

/// A refused start. Nothing on the disk was changed.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Refusal {
    /// Acknowledged data is damaged or missing, and nothing else covers it.
    Damage(Damage),
    /// The data directory belongs to another cluster.
    ForeignCluster {
        /// What was asked for, or what the rest of the directory says.
        expected: String,
        /// What the file says.
        found: String,
        /// The file.
        file: FileName,
    },
    /// The data directory belongs to another node.
    ForeignNode {
        /// What was asked for.
        expected: i32,
        /// What the identity file says.
        found: i32,
    },
    /// A file was written by a newer version.
    NewerFormat {
        /// The file.
        file: FileName,
        /// Its format version, where the file says one.
        version: Option<u32>,
    },
    /// The disk failed while the log was read or made safe. That is never taken for the end of the log.
    Disk(DiskError),
    /// The data directory and the object store do not belong together, or the store cannot be used and the directory is empty.
    Store(String),
    /// The cluster has been started 2^31 times.
    EpochsExhausted,
    /// `--accept-loss-from-lsn` does not name the place where the loss begins.
    LossNotNamed {
        /// What was accepted.
        accepted: Lsn,
        /// What would be lost.
        damage: Option<Lsn>,
    },
}

/// Acknowledged data that is not readable.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Damage {
    /// First record that is damaged or missing.
    pub from: Lsn,
    /// First record that is given up if the loss is accepted. In front of the damage if what the log holds there cannot be
    /// placed without what is damaged: what it builds on was trimmed, and no checkpoint lies between.
    pub accept_from: Lsn,
    /// First record behind it that is intact again; `None`: nothing readable follows.
    pub upto: Option<Lsn>,
    /// What was found.
    pub causes: Vec<String>,
    /// Offsets that are damaged or missing, as far as they can be told.
    pub partitions: Vec<DamagedRange>,
    /// Intact records behind the damage.
    pub intact_behind: u64,
    /// Newest epoch seen anywhere.
    pub epoch: Epoch,
}

/// Offsets of one partition that are damaged or missing.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct DamagedRange {
    /// The topic.
    pub topic: String,
    /// The partition's index.
    pub partition: i32,
    /// First offset.
    pub from: Offset,
    /// First offset behind it that is intact again; `None`: nothing of this partition follows.
    pub upto: Option<Offset>,
}

/// Ranges that are listed one by one.
const LISTED_MAX: usize = 50;

impl fmt::Display for Damage {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "log records from LSN {}", self.from)?;
        match self.upto {
            Some(upto) => write!(f, " to {}", upto.0.saturating_sub(1))?,
            None => f.write_str(" on")?,
        }
        writeln!(f, " were acknowledged and are damaged or missing.")?;
        for cause in &self.causes {
            writeln!(f, "  found: {cause}")?;
        }
        for range in self.partitions.iter().take(LISTED_MAX) {
            write!(f, "  {}-{}: ", range.topic, range.partition)?;
            match range.upto {
                Some(upto) => writeln!(f, "offsets {} to {}", range.from, upto.0 - 1)?,
                None => writeln!(f, "offsets from {} on, if there were any", range.from)?,
            }
        }
        if self.partitions.len() > LISTED_MAX {
            writeln!(f, "  and {} more partitions", self.partitions.len() - LISTED_MAX)?;
        }
        writeln!(f, "  {} records behind the damage are intact.", self.intact_behind)?;
        Ok(())
    }
}

impl fmt::Display for Refusal {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Refusal::Damage(damage) => {
                write!(f, "refusing to start: {damage}")?;
                writeln!(f, "Nothing was changed. You can:")?;
                writeln!(f, "  - restore the files named above from a copy, and start again;")?;
                write!(
                    f,
                    "  - give up {1}, intact records behind it included: \
                     start with --accept-loss-from-lsn {0}. The loss is written to a loss report, the files are \
                     kept aside, and no lost offset is given out again.",
                    damage.accept_from,
                    if damage.accept_from == Lsn(0) {
                        String::from("everything, all topics")
                    } else {
                        format!("everything from LSN {} on", damage.accept_from)
                    }
                )
            }
            Refusal::ForeignCluster { expected, found, file } => write!(
                f,
                "refusing to start: {file} belongs to cluster {found}, not {expected}. \
                 Check --data-dir and --cluster-id."
            ),
            Refusal::ForeignNode { expected, found } => write!(
                f,
                "refusing to start: the data directory belongs to node {found}, not {expected}. \
                 Check --data-dir and --node-id."
            ),
            Refusal::NewerFormat { file, version } => {
                write!(f, "refusing to start: {file} was written by a newer version of evenkeel")?;
                if let Some(version) = version {
                    write!(f, " (format {version})")?;
                }
                f.write_str(". Use that version.")
            }
            Refusal::Disk(error) if error.kind == DiskErrorKind::Full => write!(
                f,
                "refusing to start: {error}. A start needs room for a small log segment, 64 KiB and the size of the last write. \
                 Nothing is lost: make room on the disk, and start again."
            ),
            Refusal::Disk(error) => write!(
                f,
                "refusing to start: {error}. A log that cannot be read is not an empty log; nothing was given up."
            ),
            Refusal::Store(why) => write!(f, "refusing to start: {why}"),
            Refusal::EpochsExhausted => {
                f.write_str("refusing to start: this cluster has been started 2^31 times")
            }
            Refusal::LossNotNamed { accepted, damage: Some(from) } => write!(
                f,
                "refusing to start: the loss begins at LSN {from}, but --accept-loss-from-lsn names {accepted}"
            ),
            Refusal::LossNotNamed { accepted, damage: None } => write!(
                f,
                "refusing to start: --accept-loss-from-lsn {accepted} was given, but nothing is damaged. \
                 Start without it."
            ),
        }
    }
}
