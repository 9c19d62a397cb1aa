//! Record batches whose values describe themselves, so that whatever is read back tells who sent it.

use bytes::Bytes;
use evenkeel_core::{
    units::{Offset, ProducerId, Timestamp},
    wire::batch::{Batch, BatchHeader, CRC_COVERS_FROM, HEADER_BYTES, LENGTH_OVERHEAD},
};

use crate::{dice::Dice, ledger::OpNumber};

/// First bytes of every value.
const VALUE_MAGIC: &[u8; 4] = b"op: ";
/// Bytes of a value in front of its filling: the magic, the operation, the record's place in its batch.
const VALUE_PREFIX_BYTES: usize = 4 + 8 + 4;

/// Who sends a batch, for an idempotent producer.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Sequenced {
    /// The producer.
    pub producer: ProducerId,
    /// Sequence of the first record.
    pub first: i32,
}

fn put_varint(out: &mut Vec<u8>, value: i64) {
    let mut rest = ((value << 1) ^ (value >> 63)).cast_unsigned();
    while rest >= 0x80 {
        out.push(u8::try_from(rest & 0x7f).expect("seven bits") | 0x80);
        rest >>= 7;
    }
    out.push(u8::try_from(rest).expect("seven bits"));
}

fn varint(bytes: &[u8], at: &mut usize) -> Option<i64> {
    let (mut value, mut shift) = (0_u64, 0);
    loop {
        let byte = *bytes.get(*at)?;
        *at += 1;
        value |= u64::from(byte & 0x7f).checked_shl(shift)?;
        if byte & 0x80 == 0 {
            return Some((value >> 1).cast_signed() ^ -((value & 1).cast_signed()));
        }
        shift += 7;
    }
}

fn len(bytes: usize) -> i64 {
    i64::try_from(bytes).expect("simulated batches are small")
}

/// An uncompressed batch of `count` records of `op`, with so many filling bytes each.
#[must_use]
pub fn make(op: OpNumber, count: i32, filling: usize, sequenced: Option<Sequenced>) -> Batch {
    let mut dice = Dice::new(op.0);
    let mut records = Vec::new();
    for index in 0..count {
        let mut value = Vec::with_capacity(VALUE_PREFIX_BYTES + filling);
        value.extend_from_slice(VALUE_MAGIC);
        value.extend_from_slice(&op.0.to_be_bytes());
        value.extend_from_slice(&index.to_be_bytes());
        while value.len() < VALUE_PREFIX_BYTES + filling {
            value.extend_from_slice(&dice.bits().to_le_bytes());
        }
        value.truncate(VALUE_PREFIX_BYTES + filling);
        let mut record = vec![0];
        put_varint(&mut record, i64::from(index));
        put_varint(&mut record, i64::from(index));
        put_varint(&mut record, -1);
        put_varint(&mut record, len(value.len()));
        record.extend_from_slice(&value);
        put_varint(&mut record, 0);
        put_varint(&mut records, len(record.len()));
        records.extend_from_slice(&record);
    }
    let mut header = BatchHeader {
        base_offset: Offset(0),
        batch_length: i32::try_from(HEADER_BYTES + records.len() - LENGTH_OVERHEAD).expect("small"),
        leader_epoch: -1,
        magic: 2,
        crc: 0,
        attributes: 0,
        last_offset_delta: count - 1,
        base_timestamp: Timestamp(1000 + i64::try_from(op.0 % 1_000_000).expect("small")),
        max_timestamp: Timestamp(
            1000 + i64::try_from(op.0 % 1_000_000).expect("small") + i64::from(count) - 1,
        ),
        producer_id: sequenced.map_or(ProducerId(-1), |by| by.producer),
        producer_epoch: sequenced.map_or(-1, |_| 0),
        base_sequence: sequenced.map_or(-1, |by| by.first),
        record_count: count,
    };
    let mut covered = header.encode()[CRC_COVERS_FROM..].to_vec();
    covered.extend_from_slice(&records);
    header.crc = crc32c::crc32c(&covered);
    Batch { header, records: Bytes::from(records) }
}

/// Splits what a fetch brought into batches: the header, and the bytes behind it. `None`: not whole, valid batches.
#[must_use]
pub fn split(mut bytes: &[u8]) -> Option<Vec<(BatchHeader, &[u8])>> {
    let mut batches = Vec::new();
    while !bytes.is_empty() {
        let head: &[u8; HEADER_BYTES] = bytes.get(..HEADER_BYTES)?.try_into().ok()?;
        let header = BatchHeader::parse(head);
        let whole = usize::try_from(header.batch_length).ok()?.checked_add(LENGTH_OVERHEAD)?;
        let records = bytes.get(HEADER_BYTES..whole)?;
        if crc32c::crc32c(&bytes[CRC_COVERS_FROM..whole]) != header.crc {
            return None;
        }
        batches.push((header, records));
        bytes = &bytes[whole..];
    }
    Some(batches)
}

/// Which operation a batch says that it is.
#[must_use]
pub fn op_of(records: &[u8]) -> Option<OpNumber> {
    let mut at = 0;
    varint(records, &mut at)?;
    at += 1;
    for _ in 0..4 {
        varint(records, &mut at)?;
    }
    let value = records.get(at..at + VALUE_PREFIX_BYTES)?;
    let (magic, rest) = value.split_at(4);
    (magic == VALUE_MAGIC).then(|| OpNumber(u64::from_be_bytes(rest[..8].try_into().expect("eight bytes"))))
}

#[cfg(test)]
mod tests {
    use evenkeel_core::wire::batch::verify_stored;

    use super::*;

    #[test]
    fn a_batch_is_valid_and_tells_whose_it_is() {
        for (count, filling) in [(1, 0), (3, 100), (5, 2000)] {
            let batch = make(OpNumber(7_000_001), count, filling, None);
            let mut bytes = batch.header.encode().to_vec();
            bytes.extend_from_slice(&batch.records);
            assert_eq!(verify_stored(&bytes, Offset(0), -1), Ok(batch.header));
            let twice = [bytes.clone(), bytes].concat();
            let found = split(&twice).expect("whole batches");
            assert_eq!(found.len(), 2);
            assert_eq!(op_of(found[1].1), Some(OpNumber(7_000_001)));
        }
    }
}
