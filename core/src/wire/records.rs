//! Records inside a batch: a walk over their bytes that neither allocates nor trusts, the lookup by timestamp that
//! `ListOffsets` needs, and what a consumer needs to see them.
//!
//! One record (KIP-98), behind its length:
//!
//! | field | encoding | |
//! |---|---|---|
//! | length | signed varint | bytes behind this field |
//! | attributes | i8 | unused |
//! | timestamp delta | signed varlong | to the batch's base timestamp |
//! | offset delta | signed varint | to the batch's base offset |
//! | key, value | signed varint and bytes | length -1: null |
//! | headers | signed varint count | each a key (never null) and a value, as above |

use alloc::{borrow::Cow, vec::Vec};

use bytes::Bytes;

use super::{
    batch::{BatchHeader, HEADER_BYTES, LOG_APPEND_TIME},
    decompress::Inflow,
    inflated::InflatedRecords,
    varint,
};
use crate::units::{Offset, Timestamp};

/// Fewest bytes of a record, its length included.
pub const RECORD_BYTES_MIN: usize = 7;
/// Most bytes that the head of a record takes: attributes, timestamp delta and offset delta, and its length in front.
pub(super) const HEAD_BYTES_MAX: usize = 5 + 1 + 10 + 5;
/// Most bytes that are taken out of one compressed batch, whatever it claims to hold: a batch is searched in the
/// task of one connection, and a megabyte of zeros compressed can stand for gigabytes.
pub const INFLATED_BYTES_MAX: usize = 128 << 20;

/// The bytes do not hold the records they should.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct RecordDamage;

/// One record, as slices of its batch.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Record<'a> {
    /// Its timestamp minus the batch's base timestamp, ms.
    pub timestamp_delta: i64,
    /// Its offset minus the batch's base offset.
    pub offset_delta: i32,
    /// Its key.
    pub key: Option<&'a [u8]>,
    /// Its value.
    pub value: Option<&'a [u8]>,
    /// Number of its headers.
    pub header_count: u32,
    /// Its headers, walked once and found sound.
    headers: &'a [u8],
}

impl<'a> Record<'a> {
    /// Its headers, each a key and a value, which may be null.
    pub fn headers(&self) -> impl Iterator<Item = (&'a [u8], Option<&'a [u8]>)> {
        let mut rest = self.headers;
        core::iter::from_fn(move || Some((take_field(&mut rest)??, take_field(&mut rest)?)))
    }
}

/// The records in uncompressed record bytes, one after the other. Ends at the first damage.
#[derive(Clone, Debug)]
pub struct Records<'a> {
    rest: &'a [u8],
}

impl<'a> Records<'a> {
    /// The records in what follows the header of an uncompressed batch. Any bytes will do.
    #[must_use]
    pub fn of(bytes: &'a [u8]) -> Records<'a> {
        Records { rest: bytes }
    }
}

impl<'a> Iterator for Records<'a> {
    type Item = Result<Record<'a>, RecordDamage>;

    fn next(&mut self) -> Option<Result<Record<'a>, RecordDamage>> {
        if self.rest.is_empty() {
            return None;
        }
        let record = take_record(&mut self.rest);
        if record.is_none() {
            self.rest = &[];
        }
        Some(record.ok_or(RecordDamage))
    }
}

#[inline]
pub(super) fn take_record<'a>(rest: &mut &'a [u8]) -> Option<Record<'a>> {
    let len = usize::try_from(varint::signed(rest)?).ok()?;
    let (mut body, behind) = rest.split_at_checked(len)?;
    *rest = behind;
    let (timestamp_delta, offset_delta) = take_deltas(&mut body)?;
    let key = take_field(&mut body)?;
    let value = take_field(&mut body)?;
    let header_count = u32::try_from(varint::signed(&mut body)?).ok()?;
    let headers = body;
    for _ in 0..header_count {
        take_field(&mut body)??;
        take_field(&mut body)?;
    }
    body.is_empty().then_some(Record { timestamp_delta, offset_delta, key, value, header_count, headers })
}

#[inline]
pub(super) fn take_deltas(body: &mut &[u8]) -> Option<(i64, i32)> {
    *body = body.get(1..)?; // The attributes: unused, not looked at by Kafka either.
    Some((varint::signed_long(body)?, varint::signed(body)?))
}

/// A key or value: outer `None` is damage, inner `None` is null.
#[inline]
fn take_field<'a>(body: &mut &'a [u8]) -> Option<Option<&'a [u8]>> {
    let len = varint::signed(body)?;
    if len == -1 {
        return Some(None);
    }
    let (field, behind) = body.split_at_checked(usize::try_from(len).ok()?)?;
    *body = behind;
    Some(Some(field))
}

/// The first record of a batch, from the offset `from` on, whose timestamp is at least `timestamp`, with that record's own timestamp. In a
/// batch stamped with the append time every record has the batch's max timestamp. `batch` is one whole batch as
/// slices that follow each other, header first. Takes at most [`INFLATED_BYTES_MAX`] bytes out of a compressed
/// batch, in pieces, and stops at the record found.
///
/// # Errors
/// The batch is damaged before such a record, or is too large once inflated.
pub fn find_by_timestamp(
    batch: &[Bytes],
    from: Offset,
    timestamp: Timestamp,
) -> Result<Option<(Offset, Timestamp)>, RecordDamage> {
    let bytes = joined(batch);
    let (head, records) = bytes.split_first_chunk::<HEADER_BYTES>().ok_or(RecordDamage)?;
    let header = BatchHeader::parse(head);
    if header.max_timestamp < timestamp {
        return Ok(None);
    }
    if header.attributes & LOG_APPEND_TIME != 0 {
        return Ok(Some((header.base_offset.max(from), header.max_timestamp)));
    }
    let at = |timestamp_delta: i64, offset_delta: i32| {
        let found = Timestamp(header.base_timestamp.0.checked_add(timestamp_delta)?);
        let offset = Offset(header.base_offset.0.checked_add(i64::from(offset_delta))?);
        Some((offset, found))
    };
    if header.codec() == 0 {
        for record in Records::of(records) {
            let record = record?;
            let here = at(record.timestamp_delta, record.offset_delta).ok_or(RecordDamage)?;
            if here.0 >= from && here.1 >= timestamp {
                return Ok(Some(here));
            }
        }
        return Ok(None);
    }
    for deltas in InflatedRecords::open(header.codec(), records)? {
        let (timestamp_delta, offset_delta) = deltas?;
        let here = at(timestamp_delta, offset_delta).ok_or(RecordDamage)?;
        if here.0 >= from && here.1 >= timestamp {
            return Ok(Some(here));
        }
    }
    Ok(None)
}

/// The records of a batch of that codec as they were before they were compressed: what [`Records::of`] takes.
///
/// # Errors
/// They are damaged, or larger than [`INFLATED_BYTES_MAX`].
pub fn inflate(codec: i16, records: &[u8]) -> Result<Cow<'_, [u8]>, RecordDamage> {
    if codec == 0 {
        return Ok(Cow::Borrowed(records));
    }
    let mut inflow = Inflow::open(codec, records).ok_or(RecordDamage)?;
    let mut plain = Vec::new();
    while inflow.pull(&mut plain).map_err(|_| RecordDamage)? {
        if plain.len() > INFLATED_BYTES_MAX {
            return Err(RecordDamage);
        }
    }
    Ok(Cow::Owned(plain))
}

/// One slice of them all; copies only when there are several.
fn joined(slices: &[Bytes]) -> Cow<'_, [u8]> {
    match slices {
        [one] => Cow::Borrowed(one),
        several => Cow::Owned(several.concat()),
    }
}

#[cfg(test)]
mod tests;
