//! Frame lengths and the request header, versions 1 and 2.
//!
//! | bytes | field | |
//! |---|---|---|
//! | 0..4 | length | of what follows; read by the runtime, checked by [`frame_len`] |
//! | 4..6 | api key | |
//! | 6..8 | api version | |
//! | 8..12 | correlation id | repeated in the response |
//! | 12.. | client id | i16 length, -1 for null; never compact, so that any version can be read |
//! | .. | tagged fields | flexible versions only |
//!
//! The `kafka-protocol` crate's own header decoder panics on short input, so it is not used.

use super::{preflight, session::CloseReason};
use crate::limits::FRAME_BYTES_MAX;

/// Shortest frame: key, version and correlation id, the part that every header version begins with.
const FRAME_BYTES_MIN: usize = 8;

/// Length of a frame by its length prefix: 8 bytes to [`FRAME_BYTES_MAX`].
///
/// # Errors
/// A length out of bounds; what follows cannot be a frame.
pub(super) fn frame_len(prefix: [u8; 4]) -> Result<usize, CloseReason> {
    let len = i32::from_be_bytes(prefix);
    match usize::try_from(len) {
        Ok(bytes) if (FRAME_BYTES_MIN..=FRAME_BYTES_MAX as usize).contains(&bytes) => Ok(bytes),
        Ok(_) | Err(_) => Err(CloseReason::FrameLength(len)),
    }
}

/// What every request begins with.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Preamble {
    pub(super) api_key: i16,
    pub(super) version: i16,
    pub(super) correlation_id: i32,
}

impl Preamble {
    /// Takes it off the front of a frame. `None`: the frame is too short.
    pub(super) fn take(bytes: &mut &[u8]) -> Option<Preamble> {
        let (head, rest) = bytes.split_first_chunk::<FRAME_BYTES_MIN>()?;
        *bytes = rest;
        let [k0, k1, v0, v1, c0, c1, c2, c3] = *head;
        Some(Preamble {
            api_key: i16::from_be_bytes([k0, k1]),
            version: i16::from_be_bytes([v0, v1]),
            correlation_id: i32::from_be_bytes([c0, c1, c2, c3]),
        })
    }
}

/// Takes what a header holds behind its preamble: the client id, empty if there is none, and, in flexible versions,
/// tagged fields. `None`: malformed.
pub(super) fn take_client_id<'a>(bytes: &mut &'a [u8], flexible: bool) -> Option<&'a [u8]> {
    let (len, rest) = bytes.split_first_chunk::<2>()?;
    let client_id = match i16::from_be_bytes(*len) {
        -1 => &[],
        len => rest.get(..usize::try_from(len).ok()?)?,
    };
    *bytes = &rest[client_id.len()..];
    if flexible {
        preflight::skip_tagged_fields(bytes)?;
    }
    Some(client_id)
}

#[cfg(test)]
mod tests;
