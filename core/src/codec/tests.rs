//! The promise of every decoder, tested behind the checksum that protects it: it refuses the bytes, or its value encodes to them.

use super::*;

/// Zeros appended to a cut sample: enough for the longest fixed field and a few empty texts.
const ZEROS: usize = 20;

/// Holds a decoder to its promise on every near miss of a sample.
///
/// `back` decodes bytes and encodes the value again; `None`: refused. A prefix and a longer form are always refused. A prefix with
/// zeros behind it, and a byte that is one more, one less or inverted, may be a value of the format: then it encodes to just these bytes.
pub(crate) fn refuses_near_misses(sample: &[u8], back: impl Fn(&[u8]) -> Option<Vec<u8>>) {
    assert_eq!(back(sample).as_deref(), Some(sample), "the sample itself");
    let canonical = |bytes: &[u8], what: &str, at: usize| {
        if let Some(again) = back(bytes) {
            assert_eq!(again, bytes, "{what} {at}");
        }
    };
    let mut longer = sample.to_vec();
    longer.push(0);
    assert_eq!(back(&longer), None, "one byte too many");
    for len in 0..sample.len() {
        assert_eq!(back(&sample[..len]), None, "cut at {len}");
        let mut filled = sample[..len].to_vec();
        for _ in 0..ZEROS {
            filled.push(0);
            canonical(&filled, "zeros from", len);
        }
    }
    for at in 0..sample.len() {
        let was = sample[at];
        for byte in [was.wrapping_add(1), was.wrapping_sub(1), !was] {
            let mut changed = sample.to_vec();
            changed[at] = byte;
            canonical(&changed, "changed byte", at);
        }
    }
}

/// The same for bytes that begin with magic, checksum and format version: what is tried is everything behind the version.
pub(crate) fn refuses_sealed_near_misses(sample: &[u8], back: impl Fn(&[u8]) -> Option<Vec<u8>>) {
    let (front, fields) = sample.split_at(16);
    refuses_near_misses(fields, |fields| {
        let mut bytes = front.to_vec();
        bytes.extend_from_slice(fields);
        seal(&mut bytes);
        back(&bytes).map(|again| again[16..].to_vec())
    });
}

#[test]
fn a_count_that_the_bytes_cannot_hold_is_refused() {
    let mut bytes = Vec::new();
    bytes.put_u32(3);
    bytes.extend_from_slice(&[0; 12]);
    assert_eq!(Reader::new(&bytes).count(4), Ok(3));
    assert_eq!(Reader::new(&bytes).count(5), Err(Malformed));
    assert_eq!(Reader::new(&[0xff; 16]).count(usize::MAX), Err(Malformed), "more than a number holds");
}

#[test]
fn texts_are_utf8_and_as_long_as_they_say() {
    let mut bytes = Vec::new();
    bytes.put_text("é");
    assert_eq!(Reader::new(&bytes).text().as_deref(), Ok("é"));
    assert_eq!(Reader::new(&bytes[..3]).text(), Err(Malformed), "half a letter");
    bytes[3] = b'e';
    assert_eq!(Reader::new(&bytes).text(), Err(Malformed), "no UTF-8");
}
