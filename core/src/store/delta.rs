//! What has changed from one state to the next, so that a cut costs what changed: a state object too. Little-endian:
//!
//! | bytes | field | |
//! |---|---|---|
//! | 0..8 | magic | `EKDELTA1` |
//! | 8..12 | CRC-32C | of all bytes behind it |
//! | 12..16 | format version | 1 |
//! | 16..28 | the bytes it begins with | length u64, CRC-32C u32 |
//! | 28..40 | the bytes it ends with | length u64, CRC-32C u32 |
//! | 40..44 | steps | u32 count, then each |
//!
//! | a step | |
//! |---|---|
//! | copy | u8 0, from u64, length u64: bytes of those it begins with |
//! | insert | u8 1, length u64, these bytes |
//!
//! Nothing is known here of what the bytes mean. Both are divided into chunks where their content says so (a gear hash, as in
//! content-defined chunking since LBFS, Muthitacharoen et al. 2001), so that a change leaves all chunks but its own as they were,
//! wherever they are by now. A chunk that the base has is copied, any other inserted.

use alloc::vec::Vec;
use core::ops::Range;

use crate::{
    codec::{Put, begun, opened, seal},
    store::NotAnObject,
};

/// First bytes of a delta.
pub const MAGIC: [u8; 8] = *b"EKDELTA1";
/// The format that this code writes, and the newest that it reads.
pub const FORMAT_VERSION: u32 = 1;

const COPY: u8 = 0;
const INSERT: u8 = 1;

/// Shortest and longest chunk in bytes. One in 64 bytes ends a chunk between them.
const CHUNK_BYTES_MIN: usize = 16;
const CHUNK_BYTES_MAX: usize = 128;
const CHUNK_ENDS: u64 = 63 << 58;

/// What a byte adds to the hash: SplitMix64's numbers.
const GEAR: [u64; 256] = {
    let mut gear = [0; 256];
    let mut at = 0;
    while at < gear.len() {
        let mut mixed = (at as u64 + 1).wrapping_mul(0x9e37_79b9_7f4a_7c15);
        mixed = (mixed ^ (mixed >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        mixed = (mixed ^ (mixed >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        gear[at] = mixed ^ (mixed >> 31);
        at += 1;
    }
    gear
};

/// What a delta says of itself.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Delta<'a> {
    /// Length and CRC-32C of the bytes it begins with.
    pub base: (u64, u32),
    /// Length and CRC-32C of the bytes it ends with.
    pub result: (u64, u32),
    /// How the result is made, piece by piece.
    pub steps: Vec<Step<'a>>,
}

/// A piece of the result.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Step<'a> {
    /// These bytes of the base.
    Copy(Range<usize>),
    /// These bytes.
    Insert(&'a [u8]),
}

/// Length of the first chunk. The hash is of the last 64 bytes at most: so two texts that are the same from somewhere on are soon
/// divided in the same way.
fn chunk(bytes: &[u8]) -> usize {
    let mut hash = 0_u64;
    for (at, byte) in bytes.iter().take(CHUNK_BYTES_MAX).enumerate() {
        hash = (hash << 1).wrapping_add(GEAR[usize::from(*byte)]);
        if at + 1 >= CHUNK_BYTES_MIN && hash & CHUNK_ENDS == 0 {
            return at + 1;
        }
    }
    bytes.len().min(CHUNK_BYTES_MAX)
}

/// The chunks of some bytes, one behind the other.
fn chunks(bytes: &[u8]) -> impl Iterator<Item = Range<usize>> {
    let mut next = 0;
    core::iter::from_fn(move || {
        let from = next;
        next += chunk(&bytes[from..]);
        (from < next).then_some(from..next)
    })
}

/// Where a base has which chunks.
struct Index<'a> {
    base: &'a [u8],
    /// By their checksum.
    chunks: Vec<(u32, Range<usize>)>,
}

impl Index<'_> {
    fn of(base: &[u8]) -> Index<'_> {
        let mut known: Vec<(u32, Range<usize>)> =
            chunks(base).map(|range| (crc32c::crc32c(&base[range.clone()]), range)).collect();
        // The first of several that are alike is found.
        known.sort_unstable_by_key(|(crc, range)| (*crc, range.start));
        Index { base, chunks: known }
    }

    fn find(&self, wanted: &[u8]) -> Option<Range<usize>> {
        let crc = crc32c::crc32c(wanted);
        let first = self.chunks.partition_point(|(known, _)| *known < crc);
        let alike = self.chunks[first..].iter().take_while(|(known, _)| *known == crc);
        alike.map(|(_, range)| range).find(|range| self.base[(*range).clone()] == *wanted).cloned()
    }
}

impl<'a> Delta<'a> {
    /// What leads from `base` to `result`.
    #[must_use]
    pub fn between(base: &[u8], result: &'a [u8]) -> Delta<'a> {
        let index = Index::of(base);
        let mut steps: Vec<Step<'a>> = Vec::new();
        // Where the last step begins in the result, and where the base goes on if what came last was changed in place.
        let (mut begun, mut beside) = (0, 0);
        for range in chunks(result) {
            let wanted = &result[range.clone()];
            let in_place = base.get(beside..).is_some_and(|rest| rest.starts_with(wanted));
            let found = if in_place { Some(beside..beside + wanted.len()) } else { index.find(wanted) };
            beside = found.as_ref().map_or(beside + wanted.len(), |found| found.end);
            match (steps.last_mut(), found) {
                (Some(Step::Copy(last)), Some(found)) if last.end == found.start => last.end = found.end,
                (Some(Step::Insert(last)), None) => *last = &result[begun..range.end],
                (_, found) => {
                    begun = range.start;
                    steps.push(found.map_or(Step::Insert(wanted), Step::Copy));
                }
            }
        }
        Delta {
            base: (base.len() as u64, crc32c::crc32c(base)),
            result: (result.len() as u64, crc32c::crc32c(result)),
            steps,
        }
    }

    /// Its bytes.
    #[must_use]
    pub fn encode(&self) -> Vec<u8> {
        let mut out = begun(MAGIC, FORMAT_VERSION);
        for (len, crc) in [self.base, self.result] {
            out.put_u64(len);
            out.put_u32(crc);
        }
        out.put_u32(u32::try_from(self.steps.len()).expect("a state has a bound"));
        for step in &self.steps {
            match step {
                Step::Copy(range) => {
                    out.put_u8(COPY);
                    out.put_u64(range.start as u64);
                    out.put_u64(range.len() as u64);
                }
                Step::Insert(bytes) => {
                    out.put_u8(INSERT);
                    out.put_u64(bytes.len() as u64);
                    out.extend_from_slice(bytes);
                }
            }
        }
        seal(&mut out);
        out
    }

    /// Reads a delta.
    ///
    /// # Errors
    /// It is damaged, or of a newer format; its steps copy what is behind the end of the base, or do not make as many bytes as it says.
    pub fn decode(bytes: &'a [u8]) -> Result<Delta<'a>, NotAnObject> {
        let (version, mut from) = opened(bytes, MAGIC)?;
        if version != FORMAT_VERSION {
            return Err(NotAnObject::Format(version));
        }
        let (base, result) = ((from.u64()?, from.u32()?), (from.u64()?, from.u32()?));
        let mut steps = Vec::new();
        let mut made = 0_u64;
        for _ in 0..from.count(9)? {
            let step = match from.u8()? {
                COPY => {
                    let (start, len) = (from.u64()?, from.u64()?);
                    let end =
                        start.checked_add(len).filter(|end| *end <= base.0).ok_or(NotAnObject::Damaged)?;
                    let place = |at: u64| usize::try_from(at).map_err(|_| NotAnObject::Damaged);
                    Step::Copy(place(start)?..place(end)?)
                }
                INSERT => {
                    let len = usize::try_from(from.u64()?).map_err(|_| NotAnObject::Damaged)?;
                    Step::Insert(from.bytes(len)?)
                }
                _ => return Err(NotAnObject::Damaged),
            };
            made = made.checked_add(step.len() as u64).ok_or(NotAnObject::Damaged)?;
            steps.push(step);
        }
        from.finish()?;
        if made != result.0 {
            return Err(NotAnObject::Damaged);
        }
        Ok(Delta { base, result, steps })
    }

    /// The bytes that it leads to from `base`.
    ///
    /// # Errors
    /// It is of another base, or would give more than `bytes_max` bytes or others than those that it was made of.
    pub fn apply(&self, base: &[u8], bytes_max: u64) -> Result<Vec<u8>, NotAnObject> {
        let is_it = (base.len() as u64, crc32c::crc32c(base)) == self.base;
        let len = usize::try_from(self.result.0).ok().filter(|_| is_it && self.result.0 <= bytes_max);
        let mut out = Vec::with_capacity(len.ok_or(NotAnObject::Damaged)?);
        for step in &self.steps {
            out.extend_from_slice(match step {
                Step::Copy(range) => base.get(range.clone()).ok_or(NotAnObject::Damaged)?,
                Step::Insert(bytes) => bytes,
            });
        }
        if (out.len() as u64, crc32c::crc32c(&out)) != self.result {
            return Err(NotAnObject::Damaged);
        }
        Ok(out)
    }
}

impl Step<'_> {
    /// Bytes that it adds to the result.
    #[must_use]
    #[expect(clippy::len_without_is_empty, reason = "a step without bytes means nothing, and does no harm")]
    pub fn len(&self) -> usize {
        match self {
            Step::Copy(range) => range.len(),
            Step::Insert(bytes) => bytes.len(),
        }
    }
}

#[cfg(test)]
mod tests;
