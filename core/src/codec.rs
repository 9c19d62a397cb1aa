//! Little-endian reading and writing for our own on-disk formats. Reading is total: it ends in an error, never a panic,
//! and never allocates more than the bytes it has.

use alloc::{collections::BTreeMap, string::String, vec::Vec};

/// The bytes end too early or hold a value that cannot be.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Malformed;

/// Appends fixed-width values to a buffer.
pub trait Put {
    /// One byte.
    fn put_u8(&mut self, value: u8);
    /// Two bytes.
    fn put_u16(&mut self, value: u16);
    /// Four bytes.
    fn put_u32(&mut self, value: u32);
    /// Eight bytes.
    fn put_u64(&mut self, value: u64);
    /// Eight bytes, two's complement.
    fn put_i64(&mut self, value: i64);
    /// Two bytes of length, then UTF-8. At most 65,535 bytes.
    fn put_text(&mut self, value: &str);
}

impl Put for Vec<u8> {
    fn put_u8(&mut self, value: u8) {
        self.push(value);
    }
    fn put_u16(&mut self, value: u16) {
        self.extend_from_slice(&value.to_le_bytes());
    }
    fn put_u32(&mut self, value: u32) {
        self.extend_from_slice(&value.to_le_bytes());
    }
    fn put_u64(&mut self, value: u64) {
        self.extend_from_slice(&value.to_le_bytes());
    }
    fn put_i64(&mut self, value: i64) {
        self.extend_from_slice(&value.to_le_bytes());
    }
    fn put_text(&mut self, value: &str) {
        self.put_u16(u16::try_from(value.len()).expect("names and configs are bounded far below 64 KiB"));
        self.extend_from_slice(value.as_bytes());
    }
}

/// The first bytes of a file or an object that is written at once: magic, place for the checksum, format version.
#[must_use]
pub fn begun(magic: [u8; 8], version: u32) -> Vec<u8> {
    let mut out = magic.to_vec();
    out.put_u32(0);
    out.put_u32(version);
    out
}

/// Puts the CRC-32C of all that comes behind it into its place: the bytes are complete.
pub fn seal(out: &mut [u8]) {
    let crc = crc32c::crc32c(&out[12..]);
    out[8..12].copy_from_slice(&crc.to_le_bytes());
}

/// The format version of bytes that were sealed, and what is behind it.
///
/// # Errors
/// The magic is another, or the checksum does not match.
pub fn opened(bytes: &[u8], magic: [u8; 8]) -> Result<(u32, Reader<'_>), Malformed> {
    let mut from = Reader::new(bytes);
    if from.array()? != magic || from.u32()? != crc32c::crc32c(from.rest) {
        return Err(Malformed);
    }
    Ok((from.u32()?, from))
}

/// Adds an element to a map that is read in the order of its keys, as it was written.
///
/// # Errors
/// The key is not above all keys that the map has.
pub fn insert_next<K: Ord, V>(map: &mut BTreeMap<K, V>, key: K, value: V) -> Result<(), Malformed> {
    if map.last_key_value().is_some_and(|(last, _)| *last >= key) {
        return Err(Malformed);
    }
    map.insert(key, value);
    Ok(())
}

/// Reads fixed-width values from a slice.
#[derive(Clone, Debug)]
pub struct Reader<'a> {
    rest: &'a [u8],
}

impl<'a> Reader<'a> {
    /// A reader at the start of `bytes`.
    #[must_use]
    pub fn new(bytes: &'a [u8]) -> Reader<'a> {
        Reader { rest: bytes }
    }

    /// Bytes not read yet.
    #[must_use]
    pub fn remaining(&self) -> usize {
        self.rest.len()
    }

    /// The next `len` bytes.
    ///
    /// # Errors
    /// Fewer are left.
    pub fn bytes(&mut self, len: usize) -> Result<&'a [u8], Malformed> {
        let (taken, rest) = self.rest.split_at_checked(len).ok_or(Malformed)?;
        self.rest = rest;
        Ok(taken)
    }

    /// The next `N` bytes.
    ///
    /// # Errors
    /// Fewer are left.
    pub fn array<const N: usize>(&mut self) -> Result<[u8; N], Malformed> {
        Ok(self.bytes(N)?.try_into().expect("bytes() gave exactly N"))
    }

    /// One byte.
    ///
    /// # Errors
    /// None is left.
    pub fn u8(&mut self) -> Result<u8, Malformed> {
        Ok(self.array::<1>()?[0])
    }

    /// Two bytes.
    ///
    /// # Errors
    /// Fewer are left.
    pub fn u16(&mut self) -> Result<u16, Malformed> {
        Ok(u16::from_le_bytes(self.array()?))
    }

    /// Four bytes.
    ///
    /// # Errors
    /// Fewer are left.
    pub fn u32(&mut self) -> Result<u32, Malformed> {
        Ok(u32::from_le_bytes(self.array()?))
    }

    /// Eight bytes.
    ///
    /// # Errors
    /// Fewer are left.
    pub fn u64(&mut self) -> Result<u64, Malformed> {
        Ok(u64::from_le_bytes(self.array()?))
    }

    /// Eight bytes, two's complement.
    ///
    /// # Errors
    /// Fewer are left.
    pub fn i64(&mut self) -> Result<i64, Malformed> {
        Ok(i64::from_le_bytes(self.array()?))
    }

    /// A string with its length in front.
    ///
    /// # Errors
    /// Too few bytes, or not UTF-8.
    pub fn text(&mut self) -> Result<String, Malformed> {
        let len = usize::from(self.u16()?);
        let bytes = self.bytes(len)?;
        core::str::from_utf8(bytes).map(String::from).map_err(|_| Malformed)
    }

    /// A count of elements that take at least `element_bytes` each.
    ///
    /// # Errors
    /// The remaining bytes cannot hold that many.
    pub fn count(&mut self, element_bytes: usize) -> Result<usize, Malformed> {
        let count = self.u32()? as usize;
        if count.checked_mul(element_bytes).is_none_or(|need| need > self.rest.len()) {
            return Err(Malformed);
        }
        Ok(count)
    }

    /// Confirms that everything has been read.
    ///
    /// # Errors
    /// Bytes are left.
    pub fn finish(self) -> Result<(), Malformed> {
        if self.rest.is_empty() { Ok(()) } else { Err(Malformed) }
    }
}

#[cfg(test)]
pub(crate) mod tests;
