//! The record batch, version 2: its 61-byte header, parsed and encoded by us. The records behind it stay
//! opaque bytes (KIP-98 message format).
//!
//! | bytes | field | |
//! |---|---|---|
//! | 0..8 | base offset | written by the broker, outside the CRC |
//! | 8..12 | batch length | bytes behind this field: whole batch - 12 |
//! | 12..16 | partition leader epoch | written by the broker, outside the CRC |
//! | 16 | magic | 2 |
//! | 17..21 | CRC-32C | of bytes 21.. |
//! | 21..23 | attributes | 0-2 codec, 3 log append time, 4 transactional, 5 control, 6 delete horizon |
//! | 23..27 | last offset delta | |
//! | 27..35 | base timestamp | ms |
//! | 35..43 | max timestamp | ms |
//! | 43..51 | producer id | -1: none |
//! | 51..53 | producer epoch | |
//! | 53..57 | base sequence | |
//! | 57..61 | record count | |

use core::fmt;

use bytes::Bytes;

use crate::{
    planted::{Planted, planted},
    units::{Offset, ProducerId, Timestamp},
};

/// Bytes of a batch header.
pub const HEADER_BYTES: usize = 61;
/// Bytes that the length field does not count.
pub const LENGTH_OVERHEAD: usize = 12;
/// First byte that the CRC covers.
pub const CRC_COVERS_FROM: usize = 21;
/// Attribute bit: timestamps were given by the broker.
pub const LOG_APPEND_TIME: i16 = 1 << 3;
/// Attribute bit: part of a transaction.
pub const TRANSACTIONAL: i16 = 1 << 4;
/// Attribute bit: a transaction marker.
pub const CONTROL: i16 = 1 << 5;
/// Attribute bit: the base timestamp is the time from which deleted records may go (KIP-534). Set by cleaners.
pub const DELETE_HORIZON: i16 = 1 << 6;
/// Attribute bits that hold the codec.
pub const CODEC_MASK: i16 = 0b111;

/// The parsed header of a record batch.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct BatchHeader {
    /// Offset of the first record.
    pub base_offset: Offset,
    /// Bytes behind the length field.
    pub batch_length: i32,
    /// Epoch in which the leader took the batch.
    pub leader_epoch: i32,
    /// Format version, 2.
    pub magic: i8,
    /// CRC-32C of everything behind it.
    pub crc: u32,
    /// Flags and codec.
    pub attributes: i16,
    /// Offset of the last record minus the base offset.
    pub last_offset_delta: i32,
    /// Timestamp of the first record.
    pub base_timestamp: Timestamp,
    /// Largest timestamp, or the append time.
    pub max_timestamp: Timestamp,
    /// The producer, -1 for none.
    pub producer_id: ProducerId,
    /// Its epoch, -1 for none.
    pub producer_epoch: i16,
    /// Sequence of the first record, -1 for none.
    pub base_sequence: i32,
    /// Number of records.
    pub record_count: i32,
}

fn field<const N: usize>(bytes: &[u8; HEADER_BYTES], at: usize) -> [u8; N] {
    bytes[at..at + N].try_into().expect("the field lies within the header")
}

impl BatchHeader {
    /// Reads a header. Any bytes parse; nothing is checked.
    #[must_use]
    pub fn parse(bytes: &[u8; HEADER_BYTES]) -> BatchHeader {
        BatchHeader {
            base_offset: Offset(i64::from_be_bytes(field(bytes, 0))),
            batch_length: i32::from_be_bytes(field(bytes, 8)),
            leader_epoch: i32::from_be_bytes(field(bytes, 12)),
            magic: i8::from_be_bytes(field(bytes, 16)),
            crc: u32::from_be_bytes(field(bytes, 17)),
            attributes: i16::from_be_bytes(field(bytes, 21)),
            last_offset_delta: i32::from_be_bytes(field(bytes, 23)),
            base_timestamp: Timestamp(i64::from_be_bytes(field(bytes, 27))),
            max_timestamp: Timestamp(i64::from_be_bytes(field(bytes, 35))),
            producer_id: ProducerId(i64::from_be_bytes(field(bytes, 43))),
            producer_epoch: i16::from_be_bytes(field(bytes, 51)),
            base_sequence: i32::from_be_bytes(field(bytes, 53)),
            record_count: i32::from_be_bytes(field(bytes, 57)),
        }
    }

    /// The header as bytes; the exact inverse of [`BatchHeader::parse`].
    #[must_use]
    pub fn encode(&self) -> [u8; HEADER_BYTES] {
        let mut out = [0; HEADER_BYTES];
        out[0..8].copy_from_slice(&self.base_offset.0.to_be_bytes());
        out[8..12].copy_from_slice(&self.batch_length.to_be_bytes());
        out[12..16].copy_from_slice(&self.leader_epoch.to_be_bytes());
        out[16..17].copy_from_slice(&self.magic.to_be_bytes());
        out[17..21].copy_from_slice(&self.crc.to_be_bytes());
        out[21..23].copy_from_slice(&self.attributes.to_be_bytes());
        out[23..27].copy_from_slice(&self.last_offset_delta.to_be_bytes());
        out[27..35].copy_from_slice(&self.base_timestamp.0.to_be_bytes());
        out[35..43].copy_from_slice(&self.max_timestamp.0.to_be_bytes());
        out[43..51].copy_from_slice(&self.producer_id.0.to_be_bytes());
        out[51..53].copy_from_slice(&self.producer_epoch.to_be_bytes());
        out[53..57].copy_from_slice(&self.base_sequence.to_be_bytes());
        out[57..61].copy_from_slice(&self.record_count.to_be_bytes());
        out
    }

    /// Offset of the last record.
    #[must_use]
    pub fn last_offset(&self) -> Offset {
        self.base_offset.plus(i64::from(self.last_offset_delta))
    }

    /// Whether an idempotent producer sent it.
    #[must_use]
    pub fn is_idempotent(&self) -> bool {
        self.producer_id.0 >= 0
    }

    /// Codec number: 0 none, 1 gzip, 2 snappy, 3 lz4, 4 zstd, 5 to 7 unknown.
    #[must_use]
    pub fn codec(&self) -> i16 {
        self.attributes & CODEC_MASK
    }

    /// Gives every record the broker's time (`message.timestamp.type=LogAppendTime`): attribute bit 3 and the
    /// max timestamp change, and the CRC follows without a look at the records.
    pub fn stamp_append_time(&mut self, now: Timestamp, records_len: usize) {
        self.amend(records_len, |header| {
            header.attributes |= LOG_APPEND_TIME;
            header.max_timestamp = now;
        });
    }

    /// Sets the max timestamp to what the records say, and the CRC follows without another look at them.
    pub fn amend_max_timestamp(&mut self, max_timestamp: Timestamp, records_len: usize) {
        self.amend(records_len, |header| header.max_timestamp = max_timestamp);
    }

    /// CRCs are linear: only the difference of the two headers is carried over the records' length.
    fn amend(&mut self, records_len: usize, change: impl FnOnce(&mut BatchHeader)) {
        let before = crc32c::crc32c(&self.encode()[CRC_COVERS_FROM..]);
        change(self);
        let after = crc32c::crc32c(&self.encode()[CRC_COVERS_FROM..]);
        self.crc ^= crc32c::crc32c_combine(before ^ after, 0, records_len);
    }
}

/// A verified batch: header parsed, length and CRC checked, record bytes untouched.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Batch {
    /// The parsed header.
    pub header: BatchHeader,
    /// Everything behind the header.
    pub records: Bytes,
}

impl Batch {
    /// Bytes of the whole batch.
    #[must_use]
    pub fn len(&self) -> usize {
        HEADER_BYTES + self.records.len()
    }

    /// Never: a batch has a header.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        false
    }
}

/// Why a batch cannot be accepted, whatever its topic says.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct BatchRefusal {
    /// Kafka error code.
    pub error_code: i16,
    /// Why, for the client's user.
    pub message: &'static str,
}

/// What is wrong with stored batch bytes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum StoredDamage {
    /// Shorter than its header, or its length field disagrees.
    Length,
    /// Another magic than 2.
    Magic,
    /// The base offset is another one than the index says.
    BaseOffset,
    /// The leader epoch is another one than that in which it was taken.
    LeaderEpoch,
    /// The CRC does not match.
    Checksum,
}

impl fmt::Display for StoredDamage {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            StoredDamage::Length => "its length field is wrong",
            StoredDamage::Magic => "its magic is not 2",
            StoredDamage::BaseOffset => "it carries another base offset",
            StoredDamage::LeaderEpoch => "it carries another leader epoch",
            StoredDamage::Checksum => "its checksum does not match",
        })
    }
}

/// Checks stored bytes against the place they were stored for, and the epoch they were stored in: the two lie in front of what the
/// batch's own checksum covers.
///
/// # Errors
/// What does not fit.
pub fn verify_stored(
    bytes: &[u8],
    base_offset: Offset,
    leader_epoch: i32,
) -> Result<BatchHeader, StoredDamage> {
    let head: &[u8; HEADER_BYTES] =
        bytes.get(..HEADER_BYTES).and_then(|head| head.try_into().ok()).ok_or(StoredDamage::Length)?;
    let header = BatchHeader::parse(head);
    if usize::try_from(header.batch_length) != Ok(bytes.len() - LENGTH_OVERHEAD) {
        return Err(StoredDamage::Length);
    }
    if header.magic != 2 {
        return Err(StoredDamage::Magic);
    }
    if header.base_offset != base_offset {
        return Err(StoredDamage::BaseOffset);
    }
    if header.leader_epoch != leader_epoch && !planted(Planted::BatchEpochUnverified) {
        return Err(StoredDamage::LeaderEpoch);
    }
    if crc32c::crc32c(&bytes[CRC_COVERS_FROM..]) != header.crc {
        return Err(StoredDamage::Checksum);
    }
    Ok(header)
}

#[cfg(test)]
mod tests;
