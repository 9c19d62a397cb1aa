//! Disk work as data, the [`Disk`] seam that carries it out, and the pure function between them.
//!
//! A [`DiskRequest`] is a short script of steps run in order, ended by the first error. The brain decides the
//! script; [`perform`] interprets it, byte work included (scanning, checksums), on a disk thread; a [`Disk`]
//! only moves bytes. A crash may fall between any two calls of the seam.

use alloc::{boxed::Box, string::String, vec, vec::Vec};
use core::fmt;

use bytes::Bytes;

use crate::{
    limits::CHECKPOINT_BYTES_MAX,
    log::{ScanOrder, SegmentScan},
    planted::{Planted, planted},
    units::{Epoch, Lsn, Offset, SegmentSequence},
    wire::batch,
};

/// A file of the data directory. The directory is flat.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum FileName {
    /// Who this data directory belongs to.
    Identity,
    /// [`FileName::Identity`] before its rename.
    IdentityDraft,
    /// A log segment.
    Segment(SegmentSequence),
    /// A log segment written by recovery, before its rename.
    SegmentDraft(SegmentSequence),
    /// The state folded from all records below this LSN.
    Checkpoint(Lsn),
    /// [`FileName::Checkpoint`] before its rename.
    CheckpointDraft(Lsn),
    /// Copy of the bytes of a torn tail that was cut from this segment.
    Torn(SegmentSequence),
    /// A segment set aside when the operator accepted a loss, and began this epoch.
    Lost(Epoch, SegmentSequence),
    /// What was lost when the operator accepted a loss, and began this epoch.
    LossReport(Epoch),
    /// Zeros, whose space a start takes when the disk is full.
    Reserve,
}

impl fmt::Display for FileName {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            FileName::Identity => f.write_str("identity"),
            FileName::IdentityDraft => f.write_str("identity.draft"),
            FileName::Segment(n) => write!(f, "log-{:020}", n.0),
            FileName::SegmentDraft(n) => write!(f, "log-{:020}.draft", n.0),
            FileName::Checkpoint(n) => write!(f, "checkpoint-{:020}", n.0),
            FileName::CheckpointDraft(n) => write!(f, "checkpoint-{:020}.draft", n.0),
            FileName::Torn(n) => write!(f, "torn-{:020}", n.0),
            FileName::Lost(epoch, n) => write!(f, "lost-{:010}-{:020}", epoch.0, n.0),
            FileName::LossReport(n) => write!(f, "loss-report-{:010}", n.0),
            FileName::Reserve => f.write_str("reserve"),
        }
    }
}

impl FileName {
    /// The file of that name, or `None` for a name that is not ours.
    #[must_use]
    pub fn parse(name: &str) -> Option<FileName> {
        let (stem, draft) = match name.strip_suffix(".draft") {
            Some(stem) => (stem, true),
            None => (name, false),
        };
        let parsed = match (stem.rsplit_once('-'), draft) {
            (None, false) if stem == "identity" => FileName::Identity,
            (None, true) if stem == "identity" => FileName::IdentityDraft,
            (None, false) if stem == "reserve" => FileName::Reserve,
            (Some(("log", n)), false) => FileName::Segment(SegmentSequence(n.parse().ok()?)),
            (Some(("log", n)), true) => FileName::SegmentDraft(SegmentSequence(n.parse().ok()?)),
            (Some(("checkpoint", n)), false) => FileName::Checkpoint(Lsn(n.parse().ok()?)),
            (Some(("checkpoint", n)), true) => FileName::CheckpointDraft(Lsn(n.parse().ok()?)),
            (Some(("torn", n)), false) => FileName::Torn(SegmentSequence(n.parse().ok()?)),
            (Some(("loss-report", n)), false) => FileName::LossReport(Epoch(n.parse().ok()?)),
            (Some((lost, n)), false) => {
                let epoch = Epoch(lost.strip_prefix("lost-")?.parse().ok()?);
                FileName::Lost(epoch, SegmentSequence(n.parse().ok()?))
            }
            (None | Some(_), _) => return None,
        };
        // Only the canonical spelling: `log-1` is not `log-00000000000000000001`.
        (alloc::format!("{parsed}") == name).then_some(parsed)
    }
}

/// Which queue of the disk a request waits in. Requests of one lane may overtake those of another.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Lane {
    /// The one log write in flight. Nothing may delay it.
    Log,
    /// Preparing, checkpoints, trimming, recovery: one after another, in the order they were asked for. Segments that one trim
    /// removes must be gone before the next trim removes younger ones.
    Background,
    /// Reads for clients.
    Read,
}

/// A script for the disk.
#[derive(Clone, Debug, PartialEq)]
pub struct DiskRequest {
    /// The queue it waits in.
    pub lane: Lane,
    /// Run in order; the first error ends the script.
    pub steps: Vec<DiskStep>,
}

/// One step of a script.
#[derive(Clone, Debug, PartialEq)]
pub enum DiskStep {
    /// Names and sizes of all files that are ours.
    List,
    /// The whole of a small file.
    Read(FileName),
    /// A part of a file. Shorter where the file ends.
    ReadAt {
        /// Which file.
        file: FileName,
        /// First byte.
        position: u64,
        /// Bytes wanted.
        len: u32,
    },
    /// Read a segment and verify everything in it.
    Scan(ScanOrder),
    /// Record batches out of a segment, each verified against its place and its checksum.
    ReadBatches {
        /// The segment.
        file: FileName,
        /// Where they are, in ascending position.
        batches: Vec<BatchAt>,
    },
    /// A new empty file, replacing any of that name.
    Create(FileName),
    /// Zeros from the start of the file up to this size.
    Zero {
        /// Which file.
        file: FileName,
        /// Its size then.
        len: u64,
    },
    /// Space up to this size that reads as zeros, as quickly as it can be had. Later writes into it may be slower than
    /// into written zeros.
    Reserve {
        /// Which file.
        file: FileName,
        /// Its size then.
        len: u64,
    },
    /// Give back the space behind this place, where nothing but zeros stands. They stay zeros, and the file keeps its size. As much as
    /// the system can: it never fails.
    Release {
        /// Which file.
        file: FileName,
        /// First byte.
        from: u64,
    },
    /// Bytes at a position, gathered from slices.
    Write {
        /// Which file.
        file: FileName,
        /// First byte.
        position: u64,
        /// The slices, in order.
        data: Vec<Bytes>,
    },
    /// Make the file's bytes and size durable.
    Sync(FileName),
    /// Make creations, renames and removals durable.
    SyncDirectory,
    /// Give a file another name, replacing what has it.
    Rename {
        /// From this name.
        from: FileName,
        /// To this one.
        to: FileName,
    },
    /// Remove a file. One that is not there is fine.
    Remove(FileName),
    /// How large the disk is and how much of it is left.
    Space,
}

/// A record batch in a segment.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct BatchAt {
    /// First byte in the segment.
    pub position: u32,
    /// Bytes, header included.
    pub len: u32,
    /// The base offset it must carry.
    pub base_offset: Offset,
    /// The leader epoch it must carry: no checksum of the batch covers it.
    pub leader_epoch: i32,
}

/// A file and its size.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct FileEntry {
    /// Which file.
    pub file: FileName,
    /// Size in bytes.
    pub len: u64,
}

/// What a step gave.
#[derive(Clone, Debug, PartialEq)]
pub enum DiskReply {
    /// It is done.
    Done,
    /// For [`DiskStep::List`].
    Files(Vec<FileEntry>),
    /// For [`DiskStep::Read`] and [`DiskStep::ReadAt`].
    Bytes(Bytes),
    /// For [`DiskStep::Scan`].
    Scan(Box<SegmentScan>),
    /// For [`DiskStep::ReadBatches`], one for each batch asked for.
    Batches(Vec<Bytes>),
    /// For [`DiskStep::Space`].
    Space(Space),
}

/// The size of the volume that the directory is on, in bytes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Space {
    /// All of it.
    pub total: u64,
    /// What the broker could still take.
    pub usable: u64,
}

/// One reply for each step, or the first error.
pub type DiskResult = Result<Vec<DiskReply>, DiskError>;

/// A step that failed.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct DiskError {
    /// The kinds the brain decides by.
    pub kind: DiskErrorKind,
    /// The file, where there is one.
    pub file: Option<FileName>,
    /// The system's own words, for people.
    pub detail: String,
}

impl fmt::Display for DiskError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if let Some(file) = self.file {
            write!(f, "{file}: ")?;
        }
        match self.kind {
            DiskErrorKind::NotFound => write!(f, "no such file ({})", self.detail),
            DiskErrorKind::Full => write!(f, "no space left ({})", self.detail),
            DiskErrorKind::Damaged => write!(f, "damaged: {}", self.detail),
            DiskErrorKind::Failed => write!(f, "I/O error: {}", self.detail),
        }
    }
}

/// Kinds of disk errors.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum DiskErrorKind {
    /// The file does not exist. Said only when the system says exactly that.
    NotFound,
    /// No space, or a quota.
    Full,
    /// The bytes came but are not what was written.
    Damaged,
    /// Everything else.
    Failed,
}

/// The injected seam: files of one flat directory, low and dumb. Blocking; called from disk threads, several at once.
///
/// Errors are final: an implementation never retries.
pub trait Disk: Send + Sync {
    /// Names and sizes of all files, names that do not parse left out.
    fn list(&self) -> Result<Vec<FileEntry>, DiskError>;
    /// Reads into `into` from `position`; returns how many bytes there were before the end of the file.
    fn read_at(&self, file: FileName, position: u64, into: &mut [u8]) -> Result<usize, DiskError>;
    /// Size of a file in bytes.
    fn len(&self, file: FileName) -> Result<u64, DiskError>;
    /// A new empty file, replacing any of that name.
    fn create(&self, file: FileName) -> Result<(), DiskError>;
    /// Writes zeros (not a hole) so that the file has `len` bytes.
    fn zero(&self, file: FileName, len: u64) -> Result<(), DiskError>;
    /// Gives the file `len` bytes of allocated space that reads as zeros. Where a system cannot, zeros are written.
    fn reserve(&self, file: FileName, len: u64) -> Result<(), DiskError> {
        self.zero(file, len)
    }
    /// Makes the file's bytes from `from` on a hole, where the system can. They are zeros already.
    fn release(&self, _file: FileName, _from: u64) {}
    /// Writes all slices, one behind the other.
    fn write_at(&self, file: FileName, position: u64, data: &[Bytes]) -> Result<(), DiskError>;
    /// fdatasync.
    fn sync(&self, file: FileName) -> Result<(), DiskError>;
    /// fsync of the directory.
    fn sync_directory(&self) -> Result<(), DiskError>;
    /// Atomic rename within the directory.
    fn rename(&self, from: FileName, to: FileName) -> Result<(), DiskError>;
    /// Unlink; fine if there is no such file.
    fn remove(&self, file: FileName) -> Result<(), DiskError>;
    /// Size of the volume, and what is left of it.
    fn space(&self) -> Result<Space, DiskError>;
}

/// Runs a script on a disk. Blocking.
pub fn perform(disk: &dyn Disk, steps: &[DiskStep]) -> DiskResult {
    steps.iter().map(|step| perform_step(disk, step)).collect()
}

fn perform_step(disk: &dyn Disk, step: &DiskStep) -> Result<DiskReply, DiskError> {
    match step {
        DiskStep::List => Ok(DiskReply::Files(disk.list()?)),
        DiskStep::Read(file) => {
            let len = disk.len(*file)?;
            if len > CHECKPOINT_BYTES_MAX {
                return Err(damaged(*file, alloc::format!("{len} bytes are more than such a file can have")));
            }
            read_exact(disk, *file, 0, usize::try_from(len).expect("bounded above")).map(DiskReply::Bytes)
        }
        DiskStep::ReadAt { file, position, len } => {
            let mut buffer = vec![0; *len as usize];
            let got = disk.read_at(*file, *position, &mut buffer)?;
            buffer.truncate(got);
            Ok(DiskReply::Bytes(Bytes::from(buffer)))
        }
        DiskStep::Scan(order) => Ok(DiskReply::Scan(Box::new(crate::log::scan(disk, order)?))),
        DiskStep::ReadBatches { file, batches } => read_batches(disk, *file, batches).map(DiskReply::Batches),
        DiskStep::Create(file) => disk.create(*file).map(|()| DiskReply::Done),
        DiskStep::Zero { file, len } => disk.zero(*file, *len).map(|()| DiskReply::Done),
        DiskStep::Reserve { file, len } => disk.reserve(*file, *len).map(|()| DiskReply::Done),
        DiskStep::Release { file, from } => {
            disk.release(*file, *from);
            Ok(DiskReply::Done)
        }
        DiskStep::Write { file, position, data } => {
            disk.write_at(*file, *position, data).map(|()| DiskReply::Done)
        }
        DiskStep::Sync(file) => disk.sync(*file).map(|()| DiskReply::Done),
        DiskStep::SyncDirectory => disk.sync_directory().map(|()| DiskReply::Done),
        DiskStep::Rename { from, to } => disk.rename(*from, *to).map(|()| DiskReply::Done),
        DiskStep::Remove(file) => disk.remove(*file).map(|()| DiskReply::Done),
        DiskStep::Space => disk.space().map(DiskReply::Space),
    }
}

/// Batches closer to each other than this are fetched with one read.
const READ_GAP_BYTES: u32 = 64 << 10;
/// One read is not made longer than this by joining.
const READ_BYTES: u32 = 4 << 20;

fn read_batches(disk: &dyn Disk, file: FileName, batches: &[BatchAt]) -> Result<Vec<Bytes>, DiskError> {
    let mut out = Vec::with_capacity(batches.len());
    let mut rest = batches;
    while let Some(first) = rest.first() {
        let joined = 1 + rest
            .windows(2)
            .take_while(|pair| {
                let end = pair[0].position + pair[0].len;
                pair[1].position >= end
                    && pair[1].position - end <= READ_GAP_BYTES
                    && pair[1].position + pair[1].len - first.position <= READ_BYTES
            })
            .count();
        let (run, after) = rest.split_at(joined);
        let last = run.last().expect("a run has at least its first batch");
        let len = (last.position + last.len - first.position) as usize;
        let bytes = read_exact(disk, file, u64::from(first.position), len)?;
        // Between small batches of one partition may be much of others, which an answer is not to hold in memory.
        let wanted: usize = run.iter().map(|at| at.len as usize).sum();
        for at in run {
            let from = (at.position - first.position) as usize;
            let slice = bytes.slice(from..from + at.len as usize);
            let slice = if 2 * wanted < len { Bytes::copy_from_slice(&slice) } else { slice };
            let verified = batch::verify_stored(&slice, at.base_offset, at.leader_epoch);
            if planted(Planted::ReadUnverified) {
                out.push(slice);
                continue;
            }
            verified.map_err(|why| damaged(file, alloc::format!("batch at byte {}: {why}", at.position)))?;
            out.push(slice);
        }
        rest = after;
    }
    Ok(out)
}

fn read_exact(disk: &dyn Disk, file: FileName, position: u64, len: usize) -> Result<Bytes, DiskError> {
    let mut buffer = vec![0; len];
    let got = disk.read_at(file, position, &mut buffer)?;
    if got < len {
        return Err(damaged(file, alloc::format!("{} bytes from {position} wanted, {got} there", len)));
    }
    Ok(Bytes::from(buffer))
}

fn damaged(file: FileName, detail: String) -> DiskError {
    DiskError { kind: DiskErrorKind::Damaged, file: Some(file), detail }
}
