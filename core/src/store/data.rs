//! A data object: record batches of one partition or of many, exactly as they are served. Little-endian:
//!
//! | bytes | field | |
//! |---|---|---|
//! | 0..8 | magic | `EKDATA01` |
//! | 8.. | batches | partition after partition, in offset order; each carries its own CRC |
//! | .. | footer | below |
//! | last 16 | trailer | footer length u32, CRC-32C of the footer u32, magic `EKDATEND` |
//!
//! | the footer | |
//! |---|---|
//! | format version | u32, 2 |
//! | cluster id | text |
//! | epoch, cut | u32, u64 |
//! | partitions | u32 count x (partition u32, u32 count x batch) |
//! | a batch | base offset i64, last offset delta u32, bytes u32, leader epoch u32, largest timestamp i64, CRC-32C u32 |
//!
//! Each partition is there once, in the order of the ids, with a batch at least, and its batches are in order: a read looks for an
//! offset by halving.
//!
//! What refers to the object knows the footer's length and checksum, so one read finds it. The footer says what the batches' own
//! checksums do not cover, base offset and leader epoch, and those checksums: a whole batch in the place of another is found out.

use alloc::{
    format,
    string::{String, ToString},
    vec::Vec,
};

use bytes::Bytes;

use crate::{
    codec::{Malformed, Put, Reader},
    limits::OFFSET_MAX,
    partition::index::IndexEntry,
    store::{NotAnObject, ObjectName, key::NAME_BYTES},
    units::{Epoch, Lsn, Offset, PartitionId, Timestamp},
    wire::batch::{BatchHeader, HEADER_BYTES, verify_stored},
};

/// First bytes of a data object.
pub const MAGIC: [u8; 8] = *b"EKDATA01";
const END_MAGIC: [u8; 8] = *b"EKDATEND";
/// The format that this code writes, and the newest that it reads.
pub const FORMAT_VERSION: u32 = 2;
/// Bytes in front of the first batch.
pub const FRONT_BYTES: u64 = 8;
/// Bytes behind the footer.
pub const TRAILER_BYTES: u64 = 16;
const BATCH_BYTES: usize = 32;

/// Where a data object is, and where its footer is within it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct StoredObject {
    /// Its name.
    pub name: ObjectName,
    /// Its size in bytes.
    pub len: u64,
    /// Size of its footer in bytes.
    pub footer_len: u32,
    /// CRC-32C of its footer.
    pub footer_crc: u32,
}

impl StoredObject {
    /// First byte of the footer.
    #[must_use]
    pub fn footer_at(&self) -> u64 {
        self.len - TRAILER_BYTES - u64::from(self.footer_len)
    }
}

/// What a data object holds of a partition.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct StoredPart {
    /// The partition.
    pub partition: PartitionId,
    /// Offset of its first record there.
    pub first: Offset,
    /// Offset behind its last record there.
    pub end: Offset,
    /// Bytes of its batches.
    pub bytes: u64,
    /// Largest timestamp.
    pub newest: Timestamp,
}

/// A data object as an index or a manifest refers to it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct DataRef {
    /// The object.
    pub object: StoredObject,
    /// What is in it, by partition, each once.
    pub parts: Vec<StoredPart>,
}

const PART_BYTES: usize = 36;

impl DataRef {
    /// Bytes of its encoding.
    #[must_use]
    pub fn encoded_len(&self) -> usize {
        NAME_BYTES + 16 + 4 + self.parts.len() * PART_BYTES
    }

    /// Appends it to `out`.
    pub fn encode(&self, out: &mut Vec<u8>) {
        self.object.name.encode(out);
        out.put_u64(self.object.len);
        out.put_u32(self.object.footer_len);
        out.put_u32(self.object.footer_crc);
        out.put_u32(u32::try_from(self.parts.len()).expect("partitions are bounded"));
        for part in &self.parts {
            out.put_u32(part.partition.0);
            out.put_i64(part.first.0);
            out.put_i64(part.end.0);
            out.put_u64(part.bytes);
            out.put_i64(part.newest.0);
        }
    }

    /// Reads one.
    ///
    /// # Errors
    /// The bytes end too early, or say what cannot be.
    pub fn decode(from: &mut Reader<'_>) -> Result<DataRef, Malformed> {
        let name = ObjectName::decode(from)?;
        let object =
            StoredObject { name, len: from.u64()?, footer_len: from.u32()?, footer_crc: from.u32()? };
        if object.len < FRONT_BYTES + TRAILER_BYTES + u64::from(object.footer_len) {
            return Err(Malformed);
        }
        let mut parts = Vec::new();
        for _ in 0..from.count(PART_BYTES)? {
            let part = StoredPart {
                partition: PartitionId(from.u32()?),
                first: Offset(from.i64()?),
                end: Offset(from.i64()?),
                bytes: from.u64()?,
                newest: Timestamp(from.i64()?),
            };
            let is_next = parts.last().is_none_or(|last: &StoredPart| last.partition < part.partition);
            if !is_next || part.first.0 < 0 || part.end <= part.first {
                return Err(Malformed);
            }
            parts.push(part);
        }
        Ok(DataRef { object, parts })
    }
}

/// A batch as the footer describes it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct FooterBatch {
    /// Offset of its first record.
    pub base_offset: Offset,
    /// Offset of its last record minus that.
    pub last_offset_delta: u32,
    /// Its size in bytes.
    pub len: u32,
    /// The leader epoch it carries.
    pub leader_epoch: i32,
    /// Its largest timestamp.
    pub newest: Timestamp,
    /// The checksum it carries.
    pub crc: u32,
}

impl FooterBatch {
    /// A batch of the log.
    #[must_use]
    pub fn of(entry: &IndexEntry, leader_epoch: i32, crc: u32) -> FooterBatch {
        FooterBatch {
            base_offset: entry.base_offset(),
            last_offset_delta: u32::try_from(entry.last_offset().0 - entry.base_offset().0)
                .expect("a batch has at most 2^31 records"),
            len: entry.len(),
            leader_epoch,
            newest: entry.own_newest(),
            crc,
        }
    }

    /// Confirms that bytes out of a store are this batch, and returns its header.
    ///
    /// # Errors
    /// What is wrong with them.
    pub fn verify(&self, bytes: &[u8]) -> Result<BatchHeader, String> {
        let header =
            verify_stored(bytes, self.base_offset, self.leader_epoch).map_err(|why| why.to_string())?;
        if header.last_offset() != self.last_offset() {
            return Err(format!("it ends with offset {}", header.last_offset()));
        }
        if header.crc != self.crc {
            return Err(format!(
                "it is another batch: its checksum is {:08x}, not {:08x}",
                header.crc, self.crc
            ));
        }
        Ok(header)
    }

    /// Offset of its last record.
    #[must_use]
    pub fn last_offset(&self) -> Offset {
        Offset(self.base_offset.0.saturating_add(i64::from(self.last_offset_delta)))
    }
}

/// The batches of a partition in an object.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct FooterPart {
    /// The partition.
    pub partition: PartitionId,
    /// First byte of its first batch.
    pub at: u64,
    /// Its batches, one behind the other, in the order of their offsets; at least one in a footer that was read.
    pub batches: Vec<FooterBatch>,
}

impl FooterPart {
    /// Bytes of its batches.
    #[must_use]
    pub fn bytes(&self) -> u64 {
        self.batches.iter().map(|batch| u64::from(batch.len)).sum()
    }

    /// How whoever refers to the object describes it; `None`: there is no batch.
    #[must_use]
    pub fn told(&self) -> Option<StoredPart> {
        let (first, last) = (self.batches.first()?, self.batches.last()?);
        Some(StoredPart {
            partition: self.partition,
            first: first.base_offset,
            end: last.last_offset().plus(1),
            bytes: self.bytes(),
            newest: self.batches.iter().map(|batch| batch.newest).max().unwrap_or_default(),
        })
    }
}

/// What an object says of itself.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Footer {
    /// The cluster it belongs to.
    pub cluster_id: String,
    /// Epoch of the process that wrote it.
    pub epoch: Epoch,
    /// The cut that it was written for.
    pub cut: Lsn,
    /// What is in it.
    pub parts: Vec<FooterPart>,
}

impl Footer {
    /// The bytes around the batches: front, then footer and trailer; and how the object is to be referred to. `parts` need no places:
    /// they follow each other.
    #[must_use]
    pub fn encode(&self, name: ObjectName) -> (Bytes, Bytes, DataRef) {
        let mut out = Vec::new();
        out.put_u32(FORMAT_VERSION);
        out.put_text(&self.cluster_id);
        out.put_u32(self.epoch.0);
        out.put_u64(self.cut.0);
        out.put_u32(u32::try_from(self.parts.len()).expect("partitions are bounded"));
        let mut parts = Vec::with_capacity(self.parts.len());
        let mut len = FRONT_BYTES;
        for part in &self.parts {
            out.put_u32(part.partition.0);
            out.put_u32(u32::try_from(part.batches.len()).expect("an object has a bound"));
            for batch in &part.batches {
                out.put_i64(batch.base_offset.0);
                out.put_u32(batch.last_offset_delta);
                out.put_u32(batch.len);
                out.put_u32(batch.leader_epoch.cast_unsigned());
                out.put_i64(batch.newest.0);
                out.put_u32(batch.crc);
            }
            len += part.bytes();
            parts.extend(part.told());
        }
        let footer_len = u32::try_from(out.len()).expect("an object has a bound");
        let footer_crc = crc32c::crc32c(&out);
        out.put_u32(footer_len);
        out.put_u32(footer_crc);
        out.extend_from_slice(&END_MAGIC);
        len += out.len() as u64;
        let object = StoredObject { name, len, footer_len, footer_crc };
        (Bytes::from_static(&MAGIC), Bytes::from(out), DataRef { object, parts })
    }

    /// Reads a footer whose checksum was found right.
    ///
    /// # Errors
    /// It is of a newer format, or says what cannot be.
    pub fn decode(bytes: &[u8]) -> Result<Footer, NotAnObject> {
        let mut from = Reader::new(bytes);
        let version = from.u32()?;
        if version != FORMAT_VERSION {
            return Err(NotAnObject::Format(version));
        }
        let mut footer = Footer {
            cluster_id: from.text()?,
            epoch: Epoch(from.u32()?),
            cut: Lsn(from.u64()?),
            parts: Vec::new(),
        };
        let mut at = FRONT_BYTES;
        for _ in 0..from.count(8)? {
            let mut part = FooterPart { partition: PartitionId(from.u32()?), at, batches: Vec::new() };
            if footer.parts.last().is_some_and(|last| last.partition >= part.partition) {
                return Err(NotAnObject::Damaged);
            }
            let mut next = Offset(0);
            for _ in 0..from.count(BATCH_BYTES)? {
                let batch = FooterBatch {
                    base_offset: Offset(from.i64()?),
                    last_offset_delta: from.u32()?,
                    len: from.u32()?,
                    leader_epoch: from.u32()?.cast_signed(),
                    newest: Timestamp(from.i64()?),
                    crc: from.u32()?,
                };
                if batch.base_offset < next
                    || batch.base_offset.0 > OFFSET_MAX
                    || i32::try_from(batch.last_offset_delta).is_err()
                    || (batch.len as usize) < HEADER_BYTES
                {
                    return Err(NotAnObject::Damaged);
                }
                next = batch.last_offset().plus(1);
                at += u64::from(batch.len);
                part.batches.push(batch);
            }
            if part.batches.is_empty() {
                return Err(NotAnObject::Damaged);
            }
            footer.parts.push(part);
        }
        from.finish()?;
        Ok(footer)
    }

    /// The trailer of an object, of which nothing else is known: length and checksum of its footer.
    ///
    /// # Errors
    /// These are not the last bytes of a data object.
    pub fn trailer(bytes: &[u8]) -> Result<(u32, u32), NotAnObject> {
        let mut from = Reader::new(bytes);
        let (len, crc) = (from.u32()?, from.u32()?);
        if from.array()? != END_MAGIC {
            return Err(NotAnObject::Damaged);
        }
        from.finish()?;
        Ok((len, crc))
    }

    /// What it holds of a partition.
    #[must_use]
    pub fn part(&self, partition: PartitionId) -> Option<&FooterPart> {
        self.parts.iter().find(|part| part.partition == partition)
    }
}

#[cfg(test)]
mod tests;
