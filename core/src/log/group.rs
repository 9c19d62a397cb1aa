//! The sync group: the unit of log I/O, written with one write and made durable with one fdatasync.
//!
//! Starts on a 4 KiB border and is zero padded to one. Little-endian:
//!
//! | bytes | field | |
//! |---|---|---|
//! | 0..8 | magic | `EKGROUP1`; all zero means "nothing written here" |
//! | 8..12 | CRC-32C | of bytes 12.. up to the end of the heads; also this group's link in the chain |
//! | 12..16 | previous link | CRC field of the group before it, or of the segment header |
//! | 16..24 | salt | of the segment |
//! | 24..32 | first LSN | |
//! | 32..36 | records | 0 in markers and seals |
//! | 36..40 | kind | 0 data, 1 marker, 2 seal: the log goes on in the next segment, 3 seal: stopped in order |
//! | 40..44 | bytes of heads | |
//! | 44..48 | bytes of bodies | |
//! | 48..56 | synced LSN | everything below it was durable when this group was issued |
//! | 56..60 | epoch | |
//! | 60..64 | zero | |
//! | 64.. | heads, then bodies in the same order, then zeros | |
//!
//! The CRC covers every byte but the bodies, each of which has a CRC that its head repeats.

use alloc::vec::Vec;

use crate::{
    codec::{Put, Reader},
    limits::{BLOCK_BYTES, GROUP_BYTES_MAX, GROUP_RECORDS_MAX},
    log::entry::HEAD_PREFIX_BYTES,
    units::{Epoch, Lsn},
};

/// First bytes of a group.
pub const GROUP_MAGIC: [u8; 8] = *b"EKGROUP1";
/// Bytes in front of the heads.
pub const GROUP_HEADER_BYTES: usize = 64;

/// What a group is for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum GroupKind {
    /// Holds records.
    Data,
    /// Tells only that everything before it is durable.
    Marker,
    /// Last group of a segment that has a successor.
    SealRoll,
    /// Last group before an orderly stop.
    SealStop,
}

impl GroupKind {
    fn code(self) -> u32 {
        match self {
            GroupKind::Data => 0,
            GroupKind::Marker => 1,
            GroupKind::SealRoll => 2,
            GroupKind::SealStop => 3,
        }
    }

    fn of_code(code: u32) -> Option<GroupKind> {
        match code {
            0 => Some(GroupKind::Data),
            1 => Some(GroupKind::Marker),
            2 => Some(GroupKind::SealRoll),
            3 => Some(GroupKind::SealStop),
            _ => None,
        }
    }
}

/// The header of a group.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct GroupHeader {
    /// Link of the group before it.
    pub previous: u32,
    /// Of the segment.
    pub salt: u64,
    /// LSN of its first record, or of the next one for an empty group.
    pub first: Lsn,
    /// Number of records.
    pub records: u32,
    /// What it is for.
    pub kind: GroupKind,
    /// Bytes of heads.
    pub heads_len: u32,
    /// Bytes of bodies.
    pub bodies_len: u32,
    /// Everything below is known durable.
    pub synced: Lsn,
    /// Of the process that wrote it.
    pub epoch: Epoch,
}

impl GroupHeader {
    /// LSN behind its last record.
    #[must_use]
    pub fn upto(&self) -> Lsn {
        self.first.plus(u64::from(self.records))
    }

    /// Bytes on disk, padding included.
    #[must_use]
    pub fn padded_len(&self) -> u32 {
        padded_len(self.heads_len, self.bodies_len)
    }

    /// Bytes in front of the bodies.
    #[must_use]
    pub fn front_len(&self) -> u32 {
        HEADER + self.heads_len
    }

    /// Header and heads as bytes, and the group's link. `heads` must be `heads_len` long.
    #[must_use]
    pub fn encode_front(&self, heads: &[u8]) -> (Vec<u8>, u32) {
        assert_eq!(heads.len(), self.heads_len as usize, "the header must tell the truth");
        let mut out = Vec::with_capacity(GROUP_HEADER_BYTES + heads.len());
        out.extend_from_slice(&GROUP_MAGIC);
        out.put_u32(0);
        out.put_u32(self.previous);
        out.put_u64(self.salt);
        out.put_u64(self.first.0);
        out.put_u32(self.records);
        out.put_u32(self.kind.code());
        out.put_u32(self.heads_len);
        out.put_u32(self.bodies_len);
        out.put_u64(self.synced.0);
        out.put_u32(self.epoch.0);
        out.put_u32(0);
        assert_eq!(out.len(), GROUP_HEADER_BYTES, "the layout table above");
        out.extend_from_slice(heads);
        let link = crc32c::crc32c(&out[12..]);
        out[8..12].copy_from_slice(&link.to_le_bytes());
        (out, link)
    }

    /// Reads header and checks it with its heads against the CRC. `bytes` starts at the group. Returns the header and the link.
    ///
    /// `None` for everything that is not an intact front: too short, another magic, values out of bounds, wrong CRC.
    #[must_use]
    pub fn decode_front(bytes: &[u8]) -> Option<(GroupHeader, u32)> {
        let mut reader = Reader::new(bytes);
        if reader.array::<8>().ok()? != GROUP_MAGIC {
            return None;
        }
        let link = reader.u32().ok()?;
        let previous = reader.u32().ok()?;
        let salt = reader.u64().ok()?;
        let first = Lsn(reader.u64().ok()?);
        let records = reader.u32().ok()?;
        let kind = GroupKind::of_code(reader.u32().ok()?)?;
        let heads_len = reader.u32().ok()?;
        let bodies_len = reader.u32().ok()?;
        let synced = Lsn(reader.u64().ok()?);
        let epoch = Epoch(reader.u32().ok()?);
        let zero = reader.u32().ok()?;
        let header =
            GroupHeader { previous, salt, first, records, kind, heads_len, bodies_len, synced, epoch };
        let sane = zero == 0
            && records <= GROUP_RECORDS_MAX
            && (kind == GroupKind::Data) == (records > 0)
            && (records > 0 || (heads_len == 0 && bodies_len == 0))
            && u64::from(records) * HEAD_PREFIX_BYTES as u64 <= u64::from(heads_len)
            && heads_len <= GROUP_BYTES_MAX
            && bodies_len <= GROUP_BYTES_MAX
            && header.padded_len() <= GROUP_BYTES_MAX
            && first.0 < u64::MAX / 2
            && synced <= first;
        if !sane {
            return None;
        }
        let covered = bytes.get(12..header.front_len() as usize)?;
        (crc32c::crc32c(covered) == link).then_some((header, link))
    }
}

const HEADER: u32 = 64;
const _: () = assert!(HEADER as usize == GROUP_HEADER_BYTES);

/// Bytes on disk of a group with so many bytes of heads and bodies.
#[must_use]
pub fn padded_len(heads_len: u32, bodies_len: u32) -> u32 {
    HEADER.saturating_add(heads_len).saturating_add(bodies_len).next_multiple_of(BLOCK_BYTES)
}

#[cfg(test)]
mod tests;
