//! Records as a broker serves them.

use bytes::Bytes;
use evenkeel_core::wire::{
    batch::{BatchHeader, CONTROL, CRC_COVERS_FROM, HEADER_BYTES, LENGTH_OVERHEAD, LOG_APPEND_TIME},
    records::{Record, Records, inflate},
};

use super::failure::Failure;

/// A record that was read.
pub(super) struct Incoming<'a> {
    pub(super) offset: i64,
    /// Milliseconds since 1970.
    pub(super) timestamp: i64,
    pub(super) key: Option<&'a [u8]>,
    pub(super) value: Option<&'a [u8]>,
    record: Record<'a>,
}

impl<'a> Incoming<'a> {
    /// Its headers in order.
    pub(super) fn headers(&self) -> impl Iterator<Item = (&'a [u8], Option<&'a [u8]>)> {
        self.record.headers()
    }
}

/// Shows every record in the batches of an answer, until one is not wanted. Returns the offset behind the last whole batch, if
/// there was one and every record was wanted. A batch at the end that is cut is for the next answer.
///
/// # Errors
/// The batches are damaged, or what is shown fails.
pub(super) fn walk(
    batches: &Bytes,
    mut show: impl FnMut(&Incoming<'_>) -> Result<bool, Failure>,
) -> Result<Option<i64>, Failure> {
    let damaged = |offset: i64, how: &str| Failure::Wrong(format!("the batch at offset {offset} {how}"));
    let (mut rest, mut behind) = (&batches[..], None);
    while let Some(head) = rest.first_chunk::<HEADER_BYTES>() {
        let header = BatchHeader::parse(head);
        let base = header.base_offset.0;
        let len = usize::try_from(header.batch_length).ok().map(|len| len + LENGTH_OVERHEAD);
        let len = len.filter(|len| *len >= HEADER_BYTES).ok_or_else(|| damaged(base, "has no length"))?;
        let Some((batch, after)) = rest.split_at_checked(len) else { break };
        rest = after;
        if header.magic != 2 {
            return Err(damaged(base, "is of an older format than 2"));
        }
        if crc32c::crc32c(&batch[CRC_COVERS_FROM..]) != header.crc {
            return Err(damaged(base, "is damaged: its checksum does not match"));
        }
        if header.attributes & CONTROL == 0 {
            let plain = inflate(header.codec(), &batch[HEADER_BYTES..]);
            let plain = plain.map_err(|_| damaged(base, "cannot be inflated"))?;
            for record in Records::of(&plain) {
                let record = record.map_err(|_| damaged(base, "holds no sound records"))?;
                let timestamp = if header.attributes & LOG_APPEND_TIME != 0 {
                    header.max_timestamp.0
                } else {
                    header.base_timestamp.0.saturating_add(record.timestamp_delta)
                };
                let offset = base.saturating_add(i64::from(record.offset_delta));
                let (key, value) = (record.key, record.value);
                if !show(&Incoming { offset, timestamp, key, value, record })? {
                    return Ok(None);
                }
            }
        }
        behind = Some(header.last_offset().0 + 1);
    }
    Ok(behind)
}
