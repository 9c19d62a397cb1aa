use alloc::{vec, vec::Vec};

use super::*;
use crate::{
    log::group::{GroupKind, padded_len},
    units::{Epoch, ProducerId, SegmentSequence},
};

const SALT: u64 = 77;

/// A segment of some blocks, and the link of its header.
fn segment(blocks: usize) -> (Vec<u8>, u32) {
    let header = SegmentHeader {
        sequence: SegmentSequence(3),
        salt: SALT,
        first: Lsn(10),
        epoch: Epoch(1),
        previous: 0,
        node_id: 1,
        segment_bytes: 16 * BLOCK_BYTES,
        cluster_id: "c".into(),
    };
    let (mut bytes, link) = header.encode();
    bytes.resize(blocks * BLOCK_BYTES as usize, 0);
    (bytes, link)
}

/// Writes a group of one record at a block.
fn write(bytes: &mut [u8], block: usize, first: u64, previous: u32) -> u32 {
    let mut heads = Vec::new();
    Entry::ProducerIdsReserved { upto: ProducerId(5) }.encode_head(&mut heads);
    let header = GroupHeader {
        previous,
        salt: SALT,
        first: Lsn(first),
        records: 1,
        kind: GroupKind::Data,
        heads_len: heads.len() as u32,
        bodies_len: 0,
        synced: Lsn(first),
        epoch: Epoch(1),
    };
    assert_eq!(padded_len(header.heads_len, 0), BLOCK_BYTES);
    let (front, link) = header.encode_front(&heads);
    bytes[block * BLOCK_BYTES as usize..][..front.len()].copy_from_slice(&front);
    link
}

/// Groups, chained groups, and in blocks the end of the chain and of what is not zero.
fn shape(bytes: &[u8]) -> (usize, usize, u32, u32) {
    let found = scan_bytes(bytes, None);
    assert_eq!(found.file_len, bytes.len() as u64);
    (found.groups.len(), found.chained, found.end / BLOCK_BYTES, found.dirty_upto / BLOCK_BYTES)
}

#[test]
fn the_chain_ends_at_the_first_group_that_does_not_follow_and_dirt_is_counted_behind_it() {
    let (mut bytes, link) = segment(8);
    assert_eq!(shape(&bytes), (0, 0, 1, 1));
    let link = write(&mut bytes, 1, 10, link);
    let link = write(&mut bytes, 2, 11, link);
    assert_eq!(shape(&bytes), (2, 2, 3, 3));
    // A block that is no group: what comes behind it is found and does not follow, even with the right link and LSN.
    let mut gap = bytes.clone();
    gap[3 * BLOCK_BYTES as usize + 4000] = 1;
    assert_eq!(shape(&gap), (2, 2, 3, 4), "one byte is dirt");
    write(&mut gap, 4, 12, link);
    assert_eq!(shape(&gap), (3, 2, 3, 5));
    let mut zeros = bytes.clone();
    write(&mut zeros, 6, 12, link);
    assert_eq!(shape(&zeros), (3, 2, 3, 7));
    for (first, previous) in [(13, link), (12, link ^ 1)] {
        let mut other = bytes.clone();
        let link = write(&mut other, 3, first, previous);
        assert_eq!(shape(&other), (3, 2, 3, 4));
        write(&mut other, 4, first + 1, link);
        assert_eq!(shape(&other), (4, 2, 3, 5), "nothing follows what does not follow");
    }
    // A group whose front is damaged, at the end of the file.
    bytes.truncate(3 * BLOCK_BYTES as usize);
    bytes[2 * BLOCK_BYTES as usize + 20] ^= 1;
    assert_eq!(shape(&bytes), (1, 1, 2, 3));
}

#[test]
fn a_group_of_another_segment_is_none_and_where_no_header_tells_the_salt_the_caller_does() {
    let (mut bytes, link) = segment(4);
    write(&mut bytes, 1, 10, link);
    bytes[30] ^= 1;
    for (salt, groups) in [(None, 1), (Some(SALT), 1), (Some(SALT + 1), 0)] {
        let found = scan_bytes(&bytes, salt);
        assert_eq!((found.front, found.groups.len(), found.chained), (SegmentFront::Damaged, groups, 0));
    }
}

#[test]
fn a_short_file_of_zeros_is_being_prepared_and_one_with_anything_in_it_is_damaged() {
    assert_eq!(front_of(&[]), SegmentFront::Unused);
    assert_eq!(front_of(&[0; 100]), SegmentFront::Unused);
    let mut bytes = vec![0; 100];
    bytes[99] = 1;
    assert_eq!(front_of(&bytes), SegmentFront::Damaged);
}
