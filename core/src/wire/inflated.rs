//! Records of a compressed batch, walked while they are inflated. Memory: two pieces of the codec, whatever a record claims to be.

use alloc::vec::Vec;

use super::{
    decompress::Inflow,
    records::{self, INFLATED_BYTES_MAX, RecordDamage},
    varint,
};

/// Longest varint of 32 bits.
const VARINT_BYTES_MAX: usize = 5;
/// Records up to this size are walked as one slice; bodies of larger ones are skipped piece by piece.
const WHOLE_BYTES_MAX: usize = 64 << 10;

/// The records of a compressed batch.
pub(super) struct InflatedRecords<'a> {
    inflow: Inflow<'a>,
    /// Inflated and not yet walked, from `at` on.
    buffer: Vec<u8>,
    at: usize,
    inflated: usize,
}

impl<'a> InflatedRecords<'a> {
    /// Begins to inflate.
    ///
    /// # Errors
    /// The codec is unknown (0 included), or the head of its frame is damaged.
    pub(super) fn open(codec: i16, bytes: &'a [u8]) -> Result<InflatedRecords<'a>, RecordDamage> {
        let inflow = Inflow::open(codec, bytes).ok_or(RecordDamage)?;
        Ok(InflatedRecords { inflow, buffer: Vec::new(), at: 0, inflated: 0 })
    }

    /// The deltas to base timestamp (ms) and base offset of the next record, which is well-formed to its end.
    fn take(&mut self) -> Result<Option<(i64, i32)>, RecordDamage> {
        self.fill(VARINT_BYTES_MAX)?;
        if self.rest().is_empty() {
            return Ok(None);
        }
        let mut rest = self.rest();
        let before = rest.len();
        let len = varint::signed(&mut rest).and_then(|len| usize::try_from(len).ok()).ok_or(RecordDamage)?;
        let whole = before - rest.len() + len;
        if whole > WHOLE_BYTES_MAX {
            self.at += whole - len;
            return self.take_in_pieces(len).map(Some);
        }
        self.fill(whole)?;
        let mut rest = self.rest();
        let before = rest.len();
        let record = records::take_record(&mut rest).ok_or(RecordDamage)?;
        let deltas = (record.timestamp_delta, record.offset_delta);
        self.at += before - rest.len();
        Ok(Some(deltas))
    }

    /// A record of that length, behind its length.
    fn take_in_pieces(&mut self, len: usize) -> Result<(i64, i32), RecordDamage> {
        let mut left = len;
        let deltas = self.parse(&mut left, records::HEAD_BYTES_MAX, records::take_deltas)?;
        self.skip_field(&mut left)?;
        self.skip_field(&mut left)?;
        let headers = self.parse(&mut left, VARINT_BYTES_MAX, varint::signed)?;
        for _ in 0..u32::try_from(headers).map_err(|_| RecordDamage)? {
            self.skip_field(&mut left)?.ok_or(RecordDamage)?;
            self.skip_field(&mut left)?;
        }
        if left == 0 { Ok(deltas) } else { Err(RecordDamage) }
    }

    /// Takes what has at most that many bytes, none behind the end of the record.
    fn parse<T>(
        &mut self,
        left: &mut usize,
        bytes_max: usize,
        parse: impl FnOnce(&mut &[u8]) -> Option<T>,
    ) -> Result<T, RecordDamage> {
        self.fill(bytes_max.min(*left))?;
        let rest = self.rest();
        let mut rest = &rest[..rest.len().min(*left)];
        let before = rest.len();
        let parsed = parse(&mut rest).ok_or(RecordDamage)?;
        let taken = before - rest.len();
        self.at += taken;
        *left -= taken;
        Ok(parsed)
    }

    /// A key or a value: its length; `None` for null.
    fn skip_field(&mut self, left: &mut usize) -> Result<Option<usize>, RecordDamage> {
        let len = self.parse(left, VARINT_BYTES_MAX, varint::signed)?;
        if len == -1 {
            return Ok(None);
        }
        let len = usize::try_from(len).map_err(|_| RecordDamage)?;
        *left = left.checked_sub(len).ok_or(RecordDamage)?;
        self.skip(len)?;
        Ok(Some(len))
    }

    fn skip(&mut self, mut len: usize) -> Result<(), RecordDamage> {
        while self.rest().len() < len {
            len -= self.rest().len();
            self.at = self.buffer.len();
            if !self.pull()? {
                return Err(RecordDamage);
            }
        }
        self.at += len;
        Ok(())
    }

    fn rest(&self) -> &[u8] {
        &self.buffer[self.at..]
    }

    /// Inflates until that many bytes can be seen, or there are no more.
    fn fill(&mut self, bytes: usize) -> Result<(), RecordDamage> {
        while self.rest().len() < bytes && self.pull()? {}
        Ok(())
    }

    /// Inflates some more; false at the end.
    fn pull(&mut self) -> Result<bool, RecordDamage> {
        self.buffer.drain(..self.at);
        self.at = 0;
        let before = self.buffer.len();
        let more = self.inflow.pull(&mut self.buffer).map_err(|_| RecordDamage)?;
        self.inflated += self.buffer.len() - before;
        if self.inflated > INFLATED_BYTES_MAX { Err(RecordDamage) } else { Ok(more) }
    }
}

impl Iterator for InflatedRecords<'_> {
    type Item = Result<(i64, i32), RecordDamage>;

    /// Not to be asked again after an error.
    fn next(&mut self) -> Option<Result<(i64, i32), RecordDamage>> {
        self.take().transpose()
    }
}

#[cfg(test)]
mod tests;
