use alloc::vec;

use super::*;

fn sample() -> SegmentHeader {
    SegmentHeader {
        sequence: SegmentSequence(7),
        salt: 0x0102_0304_0506_0708,
        first: Lsn(1000),
        epoch: Epoch(3),
        previous: 0xaabb_ccdd,
        node_id: 1,
        segment_bytes: 64 << 20,
        cluster_id: String::from("cluster-one"),
    }
}

#[test]
fn a_segment_header_has_the_bytes_it_always_had() {
    let (block, link) = sample().encode();
    assert_eq!(block.len(), 4096);
    let hex: String = block[..72].iter().map(|byte| alloc::format!("{byte:02x}")).collect();
    assert_eq!(
        hex,
        "454b5345474d54313ff987730100000007000000000000000807060504030201e80300000000000003000000ddccbbaa\
         01000000000000040b00636c75737465722d6f6e65000000"
    );
    assert_eq!(link, 0x7387_f93f);
}

#[test]
fn a_header_survives_its_encoding_and_every_flipped_bit_is_noticed() {
    let (block, link) = sample().encode();
    assert_eq!(SegmentHeader::decode(&block), SegmentFront::Begun(sample(), link));
    for bit in 0..COVERED_UPTO * 8 {
        let mut damaged = block.clone();
        damaged[bit / 8] ^= 1 << (bit % 8);
        assert_eq!(SegmentHeader::decode(&damaged), SegmentFront::Damaged, "bit {bit}");
    }
}

#[test]
fn zeros_are_an_unused_segment_and_a_short_file_is_damage() {
    assert_eq!(SegmentHeader::decode(&vec![0; 4096]), SegmentFront::Unused);
    assert_eq!(SegmentHeader::decode(&vec![0; 4095]), SegmentFront::Damaged);
    assert_eq!(SegmentHeader::decode(&[]), SegmentFront::Damaged);
}

#[test]
fn a_newer_format_is_named_and_not_called_damage() {
    let (mut block, _) = sample().encode();
    block[12] = 9;
    let link = crc32c::crc32c(&block[12..COVERED_UPTO]);
    block[8..12].copy_from_slice(&link.to_le_bytes());
    assert_eq!(SegmentHeader::decode(&block), SegmentFront::Newer(9));
}

/// The first block of a file, with a checksum that fits what was changed in it.
fn changed(change: impl Fn(&mut [u8])) -> SegmentFront {
    let (mut block, _) = sample().encode();
    change(&mut block);
    let link = crc32c::crc32c(&block[12..COVERED_UPTO]);
    block[8..12].copy_from_slice(&link.to_le_bytes());
    SegmentHeader::decode(&block)
}

#[test]
fn fields_that_cannot_be_are_damage_behind_the_checksum() {
    let size = |bytes: u32| changed(|block| block[52..56].copy_from_slice(&bytes.to_le_bytes()));
    for bytes in [SEGMENT_BYTES_MIN, SEGMENT_BYTES_MAX] {
        assert!(matches!(size(bytes), SegmentFront::Begun(header, _) if header.segment_bytes == bytes));
    }
    for bytes in [0, SEGMENT_BYTES_MIN - BLOCK_BYTES, SEGMENT_BYTES_MAX + BLOCK_BYTES, SEGMENT_BYTES_MIN + 1]
    {
        assert_eq!(size(bytes), SegmentFront::Damaged, "{bytes}");
    }
    let first = |lsn: u64| changed(|block| block[32..40].copy_from_slice(&lsn.to_le_bytes()));
    assert!(matches!(first(u64::MAX / 2 - 1), SegmentFront::Begun(..)));
    assert_eq!(first(u64::MAX / 2), SegmentFront::Damaged);
    let cluster = |len: u16| changed(|block| block[56..58].copy_from_slice(&len.to_le_bytes()));
    assert!(matches!(cluster(64), SegmentFront::Begun(..)));
    for len in [65, 4096 - 58 + 1, u16::MAX] {
        assert_eq!(cluster(len), SegmentFront::Damaged, "{len}");
    }
    assert_eq!(changed(|block| block[58] = 0xff), SegmentFront::Damaged, "a cluster id that is no text");
}
