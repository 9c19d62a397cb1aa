//! Record batches that differ from each other: each says in its records which one it is.

use bytes::Bytes;
use evenkeel_core::{
    units::{Offset, ProducerId, Timestamp},
    wire::batch::{Batch, BatchHeader, CRC_COVERS_FROM, HEADER_BYTES, LENGTH_OVERHEAD},
};

/// Who sends a batch, for an idempotent producer.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Sequenced {
    /// The producer.
    pub producer: i64,
    /// Sequence of the first record.
    pub first: i32,
}

/// What a batch is made from.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Numbered {
    /// Unlike that of any other batch.
    pub number: u64,
    /// Records.
    pub count: i32,
    /// Bytes besides the number.
    pub filling: usize,
    /// Who sends it.
    pub by: Option<Sequenced>,
}

/// A valid batch. Its records are a number and filling: core never looks inside.
#[must_use]
pub fn numbered(from: Numbered) -> Batch {
    let Numbered { number, count, filling, by } = from;
    let mut records = number.to_le_bytes().to_vec();
    records.resize(8 + filling, number.to_le_bytes()[0] | 1);
    let header = BatchHeader {
        base_offset: Offset(0),
        batch_length: i32::try_from(HEADER_BYTES + records.len() - LENGTH_OVERHEAD).expect("small"),
        leader_epoch: -1,
        magic: 2,
        crc: 0,
        attributes: 0,
        last_offset_delta: count - 1,
        base_timestamp: Timestamp(1000),
        max_timestamp: Timestamp(1000),
        producer_id: ProducerId(by.map_or(-1, |by| by.producer)),
        producer_epoch: by.map_or(-1, |_| 0),
        base_sequence: by.map_or(-1, |by| by.first),
        record_count: count,
    };
    with_checksum(header, Bytes::from(records))
}

/// The batch with the CRC that its bytes have.
#[must_use]
pub fn with_checksum(mut header: BatchHeader, records: Bytes) -> Batch {
    let crc = crc32c::crc32c(&header.encode()[CRC_COVERS_FROM..]);
    header.crc = crc32c::crc32c_append(crc, &records);
    Batch { header, records }
}

/// Splits what a fetch brought into batches. `None`: not whole, valid batches.
#[must_use]
pub fn split(mut bytes: &[u8]) -> Option<Vec<(BatchHeader, &[u8])>> {
    let mut batches = Vec::new();
    while !bytes.is_empty() {
        let header = BatchHeader::parse(bytes.first_chunk::<HEADER_BYTES>()?);
        let len = usize::try_from(header.batch_length).ok()?.checked_add(LENGTH_OVERHEAD)?;
        let (batch, behind) = bytes.split_at_checked(len)?;
        if crc32c::crc32c(&batch[CRC_COVERS_FROM..]) != header.crc {
            return None;
        }
        batches.push((header, &batch[HEADER_BYTES..]));
        bytes = behind;
    }
    Some(batches)
}
