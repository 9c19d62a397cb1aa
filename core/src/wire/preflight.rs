//! A walk over the bytes of a request before anything is decoded from them.
//!
//! The decoder allocates what a count says before it looks whether that much is there: four bytes could end the
//! process. Here every count is held against the bytes that remain, every length too, and the memory that
//! decoding is going to take is added up and held against the size of the request:
//!
//! **Decoding a body of n bytes allocates at most [`DECODED_BYTES_FREE`] + [`DECODED_BYTES_PER_BYTE`] * n bytes,
//! and never more than [`ARRAY_ELEMENTS_MAX`] elements and unknown tagged fields together.** Strings and records
//! are slices of the frame and cost nothing. The tightest honest request is one that names thousands of topics
//! by two letters each: 4 bytes of request become 72 of memory.
//!
//! Nothing here allocates. Recursion is as deep as the schema, at most four levels.

use core::{fmt, mem::size_of};

use bytes::Bytes;

use super::{
    schema::{Field, Fields, Kind},
    varint,
};
use crate::limits::{ARRAY_ELEMENTS_MAX, TAGGED_FIELDS_MAX};

/// Memory that any request may take once decoded, bytes.
const DECODED_BYTES_FREE: usize = 64 << 10;
/// Memory that each byte of a request may take beyond that.
const DECODED_BYTES_PER_BYTE: usize = 16;
/// Unknown tagged fields are kept in a B-tree map, whose first node is allocated whole: eleven entries.
const FIRST_TAGGED_FIELD_BYTES: usize = 12 * size_of::<(i32, Bytes)>();
/// Further ones: nodes are at least half full, and there are inner nodes.
const TAGGED_FIELD_BYTES: usize = 3 * size_of::<(i32, Bytes)>();

/// Why a request is not decoded.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Malformed {
    /// The field at fault, as Kafka names it.
    pub field: &'static str,
    /// What is wrong with it.
    pub flaw: Flaw,
}

/// What can be wrong with a field.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Flaw {
    /// The request ends inside it, or its length or count says more than there is.
    Short,
    /// A length or count below -1, or a variable-length integer that is too long.
    Integer,
    /// Null where there must be something.
    Null,
    /// A tagged field is not as long as it says.
    TagLength,
    /// More elements or tagged fields than any request may have.
    Elements,
    /// Decoded, it would take too much memory for its size.
    Memory,
}

impl fmt::Display for Malformed {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let flaw = match self.flaw {
            Flaw::Short => "goes beyond the end of the request",
            Flaw::Integer => "has a malformed length",
            Flaw::Null => "is null",
            Flaw::TagLength => "is not as long as it says",
            Flaw::Elements => "has too many elements",
            Flaw::Memory => "has too many elements for its size",
        };
        write!(f, "{} {flaw}", self.field)
    }
}

/// What a request body is made of.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Shape {
    /// Its length. Bytes behind it belong to nothing and are ignored, as Kafka ignores them (librdkafka asks for all topics with
    /// three of them).
    pub(super) len: usize,
    /// Elements of its arrays and unknown tagged fields, together.
    pub(super) elements: usize,
    /// Memory that they take once decoded, bytes.
    pub(super) decoded: usize,
}

/// Walks a request body of this version.
///
/// # Errors
/// The first field that is wrong.
pub(super) fn check(fields: Fields, version: i16, flexible: bool, body: &[u8]) -> Result<Shape, Malformed> {
    let decoded_left = DECODED_BYTES_PER_BYTE.saturating_mul(body.len()).saturating_add(DECODED_BYTES_FREE);
    let mut walk = Walk { rest: body, version, flexible, elements_left: ARRAY_ELEMENTS_MAX, decoded_left };
    walk.fields(fields)?;
    Ok(Shape {
        len: body.len() - walk.rest.len(),
        elements: ARRAY_ELEMENTS_MAX - walk.elements_left,
        decoded: decoded_left - walk.decoded_left,
    })
}

/// Skips tagged fields of which none is known. `None`: malformed.
pub(super) fn skip_tagged_fields(bytes: &mut &[u8]) -> Option<()> {
    let mut walk = Walk {
        rest: bytes,
        version: 0,
        flexible: true,
        elements_left: TAGGED_FIELDS_MAX,
        decoded_left: usize::MAX,
    };
    walk.tagged_fields(&[]).ok()?;
    *bytes = walk.rest;
    Some(())
}

struct Walk<'a> {
    rest: &'a [u8],
    version: i16,
    flexible: bool,
    elements_left: usize,
    decoded_left: usize,
}

impl Walk<'_> {
    fn fields(&mut self, fields: Fields) -> Result<(), Malformed> {
        for field in fields {
            if field.tag.is_none() && field.is_in(self.version) {
                self.value(field, &field.kind, field.is_nullable_in(self.version))?;
            }
        }
        if self.flexible { self.tagged_fields(fields) } else { Ok(()) }
    }

    fn value(&mut self, field: &Field, kind: &Kind, nullable: bool) -> Result<(), Malformed> {
        let err = |flaw| Malformed { field: field.name, flaw };
        match kind {
            Kind::Fixed(len) => self.skip(*len).map_err(err),
            Kind::Struct(fields) if nullable => match self.presence().map_err(err)? {
                true => self.fields(fields),
                false => Ok(()),
            },
            Kind::Struct(fields) => self.fields(fields),
            Kind::String | Kind::Bytes => match self.length(kind).map_err(err)? {
                Some(len) => self.skip(len).map_err(err),
                None if nullable => Ok(()),
                None => Err(err(Flaw::Null)),
            },
            Kind::Array { element, decoded } => match self.length(kind).map_err(err)? {
                Some(count) => {
                    self.charge_elements(element, count, *decoded).map_err(err)?;
                    (0..count).try_for_each(|_| self.value(field, element, false))
                }
                None if nullable => Ok(()),
                None => Err(err(Flaw::Null)),
            },
        }
    }

    fn skip(&mut self, len: usize) -> Result<(), Flaw> {
        self.rest = self.rest.get(len..).ok_or(Flaw::Short)?;
        Ok(())
    }

    /// Length of a string or bytes, or count of an array; `None` for null.
    fn length(&mut self, kind: &Kind) -> Result<Option<usize>, Flaw> {
        if self.flexible {
            // Compact: one more than the length, 0 for null.
            return Ok((self.varint()? as usize).checked_sub(1));
        }
        let length = if matches!(kind, Kind::String) {
            let (length, rest) = self.rest.split_first_chunk::<2>().ok_or(Flaw::Short)?;
            self.rest = rest;
            i32::from(i16::from_be_bytes(*length))
        } else {
            let (length, rest) = self.rest.split_first_chunk::<4>().ok_or(Flaw::Short)?;
            self.rest = rest;
            i32::from_be_bytes(*length)
        };
        if length == -1 {
            return Ok(None);
        }
        usize::try_from(length).map(Some).map_err(|_| Flaw::Integer)
    }

    /// The byte in front of a structure that may be null: -1 for null, anything above for one that follows.
    fn presence(&mut self) -> Result<bool, Flaw> {
        let (byte, rest) = self.rest.split_first().ok_or(Flaw::Short)?;
        self.rest = rest;
        Ok(byte.cast_signed() >= 0)
    }

    fn varint(&mut self) -> Result<u32, Flaw> {
        varint::unsigned(&mut self.rest).ok_or(if self.rest.len() < 5 { Flaw::Short } else { Flaw::Integer })
    }

    /// The check this file is for: it comes before anything is done once per element.
    fn charge_elements(&mut self, element: &Kind, count: usize, decoded: usize) -> Result<(), Flaw> {
        if count > self.rest.len() / self.least_bytes(element) {
            return Err(Flaw::Short);
        }
        self.charge(count, count.saturating_mul(decoded))
    }

    fn charge(&mut self, elements: usize, decoded: usize) -> Result<(), Flaw> {
        self.elements_left = self.elements_left.checked_sub(elements).ok_or(Flaw::Elements)?;
        self.decoded_left = self.decoded_left.checked_sub(decoded).ok_or(Flaw::Memory)?;
        Ok(())
    }

    /// The fewest bytes that a value can take; at least 1.
    fn least_bytes(&self, kind: &Kind) -> usize {
        match kind {
            Kind::Fixed(len) => *len,
            Kind::String => {
                if self.flexible {
                    1
                } else {
                    2
                }
            }
            Kind::Bytes | Kind::Array { .. } => {
                if self.flexible {
                    1
                } else {
                    4
                }
            }
            Kind::Struct(fields) => {
                let present = fields.iter().filter(|field| field.tag.is_none() && field.is_in(self.version));
                present.map(|field| self.least_bytes(&field.kind)).sum::<usize>() + usize::from(self.flexible)
            }
        }
    }

    fn tagged_fields(&mut self, known: Fields) -> Result<(), Malformed> {
        let err = |flaw| Malformed { field: "tagged fields", flaw };
        let count = self.varint().map_err(err)? as usize;
        if count > TAGGED_FIELDS_MAX {
            return Err(err(Flaw::Elements));
        }
        let mut unknown = 0;
        for _ in 0..count {
            let tag = self.varint().map_err(err)?;
            let len = self.varint().map_err(err)? as usize;
            let value = self.rest.get(..len).ok_or(err(Flaw::Short))?;
            let behind = &self.rest[len..];
            match known.iter().find(|field| field.tag == Some(tag) && field.is_in(self.version)) {
                // The decoder goes by the field's type and takes no notice of its length: they must agree.
                Some(field) => {
                    self.rest = value;
                    self.value(field, &field.kind, field.is_nullable_in(self.version))?;
                    if !self.rest.is_empty() {
                        return Err(Malformed { field: field.name, flaw: Flaw::TagLength });
                    }
                }
                None => {
                    let decoded = if unknown == 0 { FIRST_TAGGED_FIELD_BYTES } else { TAGGED_FIELD_BYTES };
                    self.charge(1, decoded).map_err(err)?;
                    unknown += 1;
                }
            }
            self.rest = behind;
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests;
