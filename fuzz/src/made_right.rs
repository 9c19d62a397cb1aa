//! Makes the checksums of a segment right, so that the fuzzer of its bytes gets past them.

use evenkeel_core::{
    limits::BLOCK_BYTES,
    log::{
        group::{GROUP_HEADER_BYTES, GROUP_MAGIC},
        segment::SEGMENT_MAGIC,
    },
};

const BLOCK: usize = BLOCK_BYTES as usize;

fn put(bytes: &mut [u8], at: usize, value: &[u8]) {
    bytes[at..at + value.len()].copy_from_slice(value);
}

/// Turns the first block into a header, and each block that does not begin with a zero into a group that follows the one
/// before, if its second byte is even.
pub fn made_right(bytes: &mut [u8]) {
    if bytes.len() < BLOCK {
        return;
    }
    put(bytes, 0, &SEGMENT_MAGIC);
    put(bytes, 12, &1_u32.to_le_bytes());
    put(bytes, 52, &(4 * BLOCK_BYTES).to_le_bytes());
    put(bytes, 56, &[1, 0, b'c']);
    let mut link = crc32c::crc32c(&bytes[12..160]);
    put(bytes, 8, &link.to_le_bytes());
    let salt = bytes[16..24].to_vec();
    for at in (BLOCK..bytes.len() / BLOCK * BLOCK).step_by(BLOCK) {
        if bytes[at] == 0 {
            continue;
        }
        let follows = bytes[at + 1].is_multiple_of(2);
        put(bytes, at, &GROUP_MAGIC);
        if follows {
            put(bytes, at + 12, &link.to_le_bytes());
        }
        put(bytes, at + 16, &salt);
        put(bytes, at + 60, &[0; 4]);
        let heads_len = usize::from(u16::from_le_bytes([bytes[at + 40], bytes[at + 41]]));
        put(bytes, at + 42, &[0; 2]);
        let end = (at + GROUP_HEADER_BYTES + heads_len).min(bytes.len());
        link = crc32c::crc32c(&bytes[at + 12..end]);
        put(bytes, at + 8, &link.to_le_bytes());
    }
}

#[cfg(test)]
mod tests {
    use evenkeel_core::log::{scan::scan_bytes, segment::SegmentFront};

    use super::made_right;

    #[test]
    fn what_is_made_right_is_read_as_a_segment() {
        let mut bytes = vec![0; 4 * 4096];
        bytes[4096] = 1;
        bytes[8192] = 1;
        // Markers, one behind the other.
        bytes[4096 + 36] = 1;
        bytes[8192 + 36] = 1;
        made_right(&mut bytes);
        let scan = scan_bytes(&bytes, None);
        assert!(matches!(scan.front, SegmentFront::Begun(..)));
        assert_eq!((scan.groups.len(), scan.chained), (2, 2));
    }
}
