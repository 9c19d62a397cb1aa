//! Reading a segment back: which groups are in it, which of them form an unbroken chain from its header, and what
//! lies behind the end of that chain. Reports facts; what they mean is decided in [`super::recovery`].
//!
//! Total on any bytes: no panic, no loop without progress, memory in proportion to the file. Runs on a disk thread.

use alloc::{vec, vec::Vec};

use crate::{
    codec::Reader,
    limits::{BLOCK_BYTES, SEGMENT_BYTES_MAX},
    log::{
        entry::{AppendHead, Entry, Head},
        group::{GROUP_MAGIC, GroupHeader},
        segment::{SegmentFront, SegmentHeader},
    },
    marks::{Mark, mark},
    planted::{Planted, planted},
    port::{Disk, DiskError, FileName},
    units::Lsn,
};

/// What to scan.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct ScanOrder {
    /// The segment's file.
    pub file: FileName,
    /// What its groups carry if its header cannot be read. `None`: not known, so any.
    pub salt: Option<u64>,
}

/// Everything found in a segment.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct SegmentScan {
    /// Size of the file in bytes.
    pub file_len: u64,
    /// Its header.
    pub front: SegmentFront,
    /// Every group whose front is intact, by position.
    pub groups: Vec<ScannedGroup>,
    /// The first so many of `groups` form an unbroken chain from the header, each wholly intact.
    pub chained: usize,
    /// Position behind the chain.
    pub end: u32,
    /// Position behind the last block that is not all zero; at least `end`.
    pub dirty_upto: u32,
}

/// A group with an intact front.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ScannedGroup {
    /// Its first byte.
    pub position: u32,
    /// Its header.
    pub header: GroupHeader,
    /// Its link.
    pub link: u32,
    /// Its records, in order. Fewer than the header says if a head has a type this code does not know.
    pub records: Vec<ScannedRecord>,
}

/// A record with an intact head.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum ScannedRecord {
    /// Intact; `position` is that of the body.
    Intact {
        /// What it says.
        entry: Entry,
        /// First byte of the body in the segment.
        position: u32,
    },
    /// The batch behind this head is not the one that was written.
    Damaged(AppendHead),
}

impl ScannedGroup {
    /// Whether all its records are readable and intact.
    #[must_use]
    pub fn is_intact(&self) -> bool {
        self.is_readable() && self.records.iter().all(|record| matches!(record, ScannedRecord::Intact { .. }))
    }

    /// Whether all its heads are of types this code knows.
    #[must_use]
    pub fn is_readable(&self) -> bool {
        self.records.len() == self.header.records as usize
    }
}

/// Reads and scans a segment.
///
/// # Errors
/// Reading failed. That is never taken for the end of the log.
pub fn scan(disk: &dyn Disk, order: &ScanOrder) -> Result<SegmentScan, DiskError> {
    let file_len = disk.len(order.file)?;
    let wanted = usize::try_from(file_len.min(u64::from(SEGMENT_BYTES_MAX))).expect("bounded at 1 GiB");
    let mut bytes = vec![0; wanted];
    let got = match disk.read_at(order.file, 0, &mut bytes) {
        Err(_) if planted(Planted::ReadErrorIsTheEnd) => 0,
        result => result?,
    };
    bytes.truncate(got);
    let mut found = scan_bytes(&bytes, order.salt);
    found.file_len = file_len;
    Ok(found)
}

/// Scans the bytes of a segment whose groups carry `expected_salt` if its header cannot be read.
#[must_use]
pub fn scan_bytes(bytes: &[u8], expected_salt: Option<u64>) -> SegmentScan {
    let front = front_of(bytes);
    let (salt, mut chain) = match &front {
        SegmentFront::Begun(header, link) => (Some(header.salt), Some((header.first, *link))),
        SegmentFront::Unused | SegmentFront::Newer(_) | SegmentFront::Damaged => (expected_salt, None),
    };
    let mut found = SegmentScan {
        file_len: bytes.len() as u64,
        front,
        groups: Vec::new(),
        chained: 0,
        end: BLOCK_BYTES,
        dirty_upto: BLOCK_BYTES,
    };
    let mut at = BLOCK_BYTES as usize;
    while let Some(rest) = bytes.get(at..).filter(|rest| !rest.is_empty()) {
        if planted(Planted::ZerosEndTheScan) && rest.starts_with(&[0; 8]) {
            break;
        }
        let group = group_at(rest, at, salt);
        let step = match &group {
            Some(group) => group.header.padded_len() as usize,
            None => BLOCK_BYTES as usize,
        };
        let behind = u32::try_from(at + step).expect("segments are smaller than 4 GiB");
        if let Some(group) = group {
            let follows = chain.is_some_and(|(next, link)| {
                group.header.first == next && group.header.previous == link && group.is_intact()
            });
            chain = follows.then_some((group.header.upto(), group.link));
            found.groups.push(group);
            found.dirty_upto = behind;
            if follows {
                found.chained = found.groups.len();
                found.end = behind;
            } else {
                mark(Mark::ScanDoesNotFollow);
            }
        } else {
            // Nothing behind a block that is not a group follows the chain.
            mark(Mark::ScanNoGroup);
            chain = None;
            if !is_zero(&rest[..rest.len().min(BLOCK_BYTES as usize)]) {
                found.dirty_upto = behind;
            }
        }
        at += step;
    }
    found
}

/// Of groups behind the end of a chain, one that proves that more than the chain was synced; `next` is the LSN at its end.
#[must_use]
pub fn witness(behind: &[ScannedGroup], next: Lsn) -> Option<&ScannedGroup> {
    behind.iter().find(|group| group.header.synced > next || group.is_intact())
}

/// What the front of a segment's bytes says. A file that is still being prepared may be shorter than a block.
#[must_use]
pub fn front_of(bytes: &[u8]) -> SegmentFront {
    if bytes.len() < BLOCK_BYTES as usize && is_zero(bytes) {
        return SegmentFront::Unused;
    }
    SegmentHeader::decode(&bytes[..bytes.len().min(BLOCK_BYTES as usize)])
}

fn is_zero(block: &[u8]) -> bool {
    static ZEROS: [u8; BLOCK_BYTES as usize] = [0; BLOCK_BYTES as usize];
    block == &ZEROS[..block.len()]
}

fn group_at(rest: &[u8], at: usize, salt: Option<u64>) -> Option<ScannedGroup> {
    // The salt is looked at before the CRC: a client cannot know it, so no client's bytes make us hash for long.
    let ours = |salt: u64| rest.get(16..24) == Some(&salt.to_le_bytes()) || planted(Planted::SaltUnchecked);
    if !rest.starts_with(&GROUP_MAGIC) || salt.is_some_and(|salt| !ours(salt)) {
        return None;
    }
    let (header, link) = GroupHeader::decode_front(rest)?;
    let mut heads =
        Reader::new(rest.get(crate::log::group::GROUP_HEADER_BYTES..header.front_len() as usize)?);
    let mut body_at = header.front_len() as usize;
    let mut records = Vec::with_capacity(header.records as usize);
    for _ in 0..header.records {
        let Ok(head) = Head::decode(&mut heads) else { break };
        let body_end = body_at.checked_add(head.body_len() as usize)?;
        records.push(match head {
            Head::Whole(entry) => ScannedRecord::Intact { entry, position: 0 },
            Head::Append(append) => match rest.get(body_at..body_end).map(|body| append.verify(body)) {
                Some(Ok(verified)) => ScannedRecord::Intact {
                    entry: Entry::Append(verified),
                    position: u32::try_from(at + body_at).expect("segments are smaller than 4 GiB"),
                },
                Some(Err(_)) | None => {
                    mark(Mark::ScanBodyDamaged);
                    ScannedRecord::Damaged(append)
                }
            },
        });
        body_at = body_end;
    }
    let position = u32::try_from(at).expect("segments are smaller than 4 GiB");
    Some(ScannedGroup { position, header, link, records })
}

#[cfg(test)]
mod tests;
