//! Record batches whose values describe themselves, so that whatever is read back tells who sent it.

use bytes::Bytes;
use evenkeel_core::{
    log::{
        entry::APPEND_HEAD_BYTES,
        group::{GROUP_HEADER_BYTES, GroupHeader, GroupKind},
    },
    units::{Epoch, Lsn, Offset, ProducerId, Timestamp},
    wire::batch::{Batch, BatchHeader, CRC_COVERS_FROM, HEADER_BYTES, LENGTH_OVERHEAD},
};

use crate::{dice::Dice, ledger::OpNumber};

/// First bytes of every value.
const VALUE_MAGIC: &[u8; 4] = b"op: ";
/// Bytes of a value in front of its filling: the magic, the operation, the record's place in its batch.
const VALUE_PREFIX_BYTES: usize = 4 + 8 + 4;

/// One batch in so many holds what looks like a group of the log that was synced.
const HOSTILE_EVERY: u64 = 3;
/// Where the records of a lone batch begin in its group: behind its header, the head of the batch, and the batch's own header.
const FIRST_RECORD_AT: usize = GROUP_HEADER_BYTES + APPEND_HEAD_BYTES + HEADER_BYTES;
/// Bytes of a record in front of its value, if both are between 64 bytes and 8 KiB long.
const RECORD_OVERHEAD_BYTES: usize = 8;

/// Whether the batch of that operation is one of them.
#[must_use]
pub fn is_hostile(op: OpNumber) -> bool {
    op.0.is_multiple_of(HOSTILE_EVERY)
}

/// The front of a group without records, wholly intact but for its salt, which no client can know.
fn made_up_group() -> Vec<u8> {
    let far = Lsn(1 << 40);
    let header = GroupHeader {
        previous: 0,
        salt: 0,
        first: far,
        records: 0,
        kind: GroupKind::Marker,
        heads_len: 0,
        bodies_len: 0,
        synced: far,
        epoch: Epoch(1),
    };
    header.encode_front(&[]).0
}

/// Who sends a batch, for an idempotent producer.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Sequenced {
    /// The producer.
    pub producer: ProducerId,
    /// Its epoch.
    pub epoch: i16,
    /// Sequence of the first record.
    pub first: i32,
}

/// The sequence so many records behind another: from 2^31 - 1 it goes on at 0. Written anew here: an oracle that asked the core would
/// agree with its mistakes.
#[must_use]
pub fn sequence_after(sequence: i32, records: i32) -> i32 {
    sequence.wrapping_add(records) & i32::MAX
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
    let hostile = is_hostile(op).then(made_up_group);
    let mut records = Vec::new();
    for index in 0..count {
        let mut value = Vec::with_capacity(VALUE_PREFIX_BYTES + filling);
        value.extend_from_slice(VALUE_MAGIC);
        value.extend_from_slice(&op.0.to_be_bytes());
        value.extend_from_slice(&index.to_be_bytes());
        while value.len() < VALUE_PREFIX_BYTES + filling {
            match &hostile {
                // One of its copies begins on the border of a block, if this is the only batch of its group.
                Some(group) if value.len() == VALUE_PREFIX_BYTES => {
                    let before = FIRST_RECORD_AT + records.len() + RECORD_OVERHEAD_BYTES + VALUE_PREFIX_BYTES;
                    value.extend_from_slice(&group[before % group.len()..]);
                }
                Some(group) => value.extend_from_slice(group),
                None => value.extend_from_slice(&dice.bits().to_le_bytes()),
            }
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
        producer_epoch: sequenced.map_or(-1, |by| by.epoch),
        base_sequence: sequenced.map_or(-1, |by| by.first),
        record_count: count,
    };
    let mut covered = header.encode()[CRC_COVERS_FROM..].to_vec();
    covered.extend_from_slice(&records);
    header.crc = crc32c::crc32c(&covered);
    Batch { header, records: Bytes::from(records) }
}

/// The same batch with all its records of that time.
#[must_use]
pub fn at(mut batch: Batch, time: i64) -> Batch {
    batch.header.base_timestamp = Timestamp(time);
    batch.header.max_timestamp = Timestamp(time + i64::from(batch.header.record_count) - 1);
    let mut covered = batch.header.encode()[CRC_COVERS_FROM..].to_vec();
    covered.extend_from_slice(&batch.records);
    batch.header.crc = crc32c::crc32c(&covered);
    batch
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
    named_by(records.get(at..at + VALUE_PREFIX_BYTES)?)
}

/// Which operation the front of a value names.
fn named_by(value: &[u8]) -> Option<OpNumber> {
    let number = value.strip_prefix(VALUE_MAGIC)?.first_chunk()?;
    Some(OpNumber(u64::from_be_bytes(*number)))
}

/// The operations whose values are anywhere in these bytes, in the order in which they come.
#[must_use]
pub fn ops_in(bytes: &[u8]) -> Vec<OpNumber> {
    let mut found = Vec::new();
    for op in bytes.windows(VALUE_PREFIX_BYTES).filter_map(named_by) {
        if !found.contains(&op) {
            found.push(op);
        }
    }
    found
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
            assert_eq!(ops_in(&twice), [OpNumber(7_000_001)]);
        }
    }
}
