//! The header of a log segment: the first 4 KiB block of its file. Little-endian:
//!
//! | bytes | field | |
//! |---|---|---|
//! | 0..8 | magic | `EKSEGMT1`; all zero: a segment prepared but not begun |
//! | 8..12 | CRC-32C | of bytes 12..160; also the first link of the segment's chain |
//! | 12..16 | format version | 1 |
//! | 16..24 | sequence | |
//! | 24..32 | salt | of the first segment random, of each other follows from the one before it; no group of another segment carries it |
//! | 32..40 | first LSN | the segment before it counts only below this |
//! | 40..44 | epoch | |
//! | 44..48 | previous link | CRC field of the last group that counts in the segment before, 0 for the first segment |
//! | 48..52 | node id | |
//! | 52..56 | segment size in bytes | |
//! | 56..58 | cluster id length | 1 to 64 |
//! | 58..122 | cluster id | zero padded |
//! | 122..160 | zero | |
//! | 160..4096 | zero | |

use alloc::{string::String, vec::Vec};

use crate::{
    codec::{Put, Reader},
    limits::{BLOCK_BYTES, SEGMENT_BYTES_MAX, SEGMENT_BYTES_MIN},
    random::Random,
    units::{Epoch, Lsn, SegmentSequence},
};

/// First bytes of a segment.
pub const SEGMENT_MAGIC: [u8; 8] = *b"EKSEGMT1";
/// The format that this code writes, and the newest that it reads.
pub const FORMAT_VERSION: u32 = 1;
const COVERED_UPTO: usize = 160;
const CLUSTER_ID_BYTES: usize = 64;

/// The header of a segment.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct SegmentHeader {
    /// Its place.
    pub sequence: SegmentSequence,
    /// Carried by each of its groups.
    pub salt: u64,
    /// LSN of its first record.
    pub first: Lsn,
    /// Of the process that began it.
    pub epoch: Epoch,
    /// Link of the last group that counts in the segment before.
    pub previous: u32,
    /// Who wrote it.
    pub node_id: i32,
    /// Size of its file.
    pub segment_bytes: u32,
    /// The cluster it belongs to.
    pub cluster_id: String,
}

/// The salt of the segment of that number, behind one that has `salt`.
///
/// Segments whose header cannot be read are searched for groups that prove that they were synced. This tells such groups from what
/// clients store: a client that stored the bytes of a log must not be able to prove anything with them.
#[must_use]
pub fn salt_behind(salt: u64, sequence: SegmentSequence) -> u64 {
    Random::new(salt ^ sequence.0.rotate_left(32)).bits()
}

/// What the first block of a file says.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum SegmentFront {
    /// A segment that has been begun, and the first link of its chain.
    Begun(SegmentHeader, u32),
    /// All zero: prepared, not begun.
    Unused,
    /// A right header of a format that this code does not know.
    Newer(u32),
    /// Neither.
    Damaged,
}

impl SegmentHeader {
    /// The first block of the file, and the first link of its chain.
    #[must_use]
    pub fn encode(&self) -> (Vec<u8>, u32) {
        let mut out = Vec::with_capacity(BLOCK_BYTES as usize);
        out.extend_from_slice(&SEGMENT_MAGIC);
        out.put_u32(0);
        out.put_u32(FORMAT_VERSION);
        out.put_u64(self.sequence.0);
        out.put_u64(self.salt);
        out.put_u64(self.first.0);
        out.put_u32(self.epoch.0);
        out.put_u32(self.previous);
        out.put_u32(self.node_id.cast_unsigned());
        out.put_u32(self.segment_bytes);
        assert!(self.cluster_id.len() <= CLUSTER_ID_BYTES, "cluster ids are checked where they come in");
        out.put_text(&self.cluster_id);
        out.resize(BLOCK_BYTES as usize, 0);
        let link = crc32c::crc32c(&out[12..COVERED_UPTO]);
        out[8..12].copy_from_slice(&link.to_le_bytes());
        (out, link)
    }

    /// Reads the first block of a file.
    #[must_use]
    pub fn decode(block: &[u8]) -> SegmentFront {
        if block.len() >= BLOCK_BYTES as usize && block[..BLOCK_BYTES as usize].iter().all(|byte| *byte == 0)
        {
            return SegmentFront::Unused;
        }
        let Some(covered) = block.get(12..COVERED_UPTO) else { return SegmentFront::Damaged };
        let mut reader = Reader::new(block);
        let (Ok(magic), Ok(link), Ok(version)) = (reader.array::<8>(), reader.u32(), reader.u32()) else {
            return SegmentFront::Damaged;
        };
        if magic != SEGMENT_MAGIC || crc32c::crc32c(covered) != link {
            return SegmentFront::Damaged;
        }
        if version != FORMAT_VERSION {
            return SegmentFront::Newer(version);
        }
        match SegmentHeader::decode_fields(&mut reader) {
            Some(header) => SegmentFront::Begun(header, link),
            None => SegmentFront::Damaged,
        }
    }

    fn decode_fields(reader: &mut Reader<'_>) -> Option<SegmentHeader> {
        let header = SegmentHeader {
            sequence: SegmentSequence(reader.u64().ok()?),
            salt: reader.u64().ok()?,
            first: Lsn(reader.u64().ok()?),
            epoch: Epoch(reader.u32().ok()?),
            previous: reader.u32().ok()?,
            node_id: reader.u32().ok()?.cast_signed(),
            segment_bytes: reader.u32().ok()?,
            cluster_id: reader.text().ok()?,
        };
        let sane = (SEGMENT_BYTES_MIN..=SEGMENT_BYTES_MAX).contains(&header.segment_bytes)
            && header.segment_bytes.is_multiple_of(BLOCK_BYTES)
            && header.cluster_id.len() <= CLUSTER_ID_BYTES
            && header.first.0 < u64::MAX / 2;
        sane.then_some(header)
    }
}

#[cfg(test)]
mod tests;
