use alloc::{vec, vec::Vec};

use super::*;
use crate::{store::StoredPart, units::Epoch};

fn name(number: u32) -> ObjectName {
    ObjectName { epoch: Epoch(1), number, writer: 7 }
}

/// Objects of these sizes, each with ten offsets of one partition.
fn archive(sizes: &[u64]) -> Archive {
    let mut archive = Archive::default();
    for (number, len) in (0..).zip(sizes) {
        let first = i64::from(number) * 10;
        archive.add(&DataRef {
            object: StoredObject { name: name(number), len: *len, footer_len: 1, footer_crc: 2 },
            parts: vec![StoredPart {
                partition: PartitionId(0),
                first: Offset(first),
                end: Offset(first + 10),
                bytes: *len,
                newest: Timestamp(first),
            }],
        });
    }
    archive
}

const POLICY: Policy = Policy { objects: 4, bytes: 100 };

/// Numbers of the objects that are to become one.
fn merged(archive: &Archive, indexes: &[IndexRef], not: &[u32]) -> Vec<u32> {
    let not = not.iter().copied().map(name).collect();
    archive.small_ones(POLICY, indexes, &not).iter().map(|(_, object)| object.name.number).collect()
}

#[test]
fn a_merged_object_has_at_most_the_bytes_of_its_policy() {
    assert_eq!(merged(&archive(&[20; 8]), &[], &[]), [0, 1, 2, 3, 4], "100 bytes, and no more");
    assert_eq!(merged(&archive(&[25; 8]), &[], &[]), [0, 1, 2, 3]);
    assert_eq!(merged(&archive(&[10; 3]), &[], &[]), [0; 0], "too few");
    // One that is large beside the others, and what is in front of it, is passed over.
    assert_eq!(merged(&archive(&[10, 90, 10, 10, 10, 10]), &[], &[]), [2, 3, 4, 5]);
    assert_eq!(
        merged(&archive(&[30, 30, 30, 20, 20, 20, 20, 20]), &[], &[]),
        [3, 4, 5, 6, 7],
        "no room for a fourth"
    );
}

#[test]
fn an_object_that_cannot_be_read_ends_a_run_and_one_that_nobody_needs_does_not() {
    let mut archive = archive(&[10; 9]);
    assert_eq!(merged(&archive, &[], &[4]), [0, 1, 2, 3]);
    assert_eq!(merged(&archive, &[], &[2]), [3, 4, 5, 6, 7, 8]);
    archive.drop_below(PartitionId(0), Offset(20));
    assert_eq!(archive.unneeded(), BTreeSet::from([name(0), name(1)]));
    assert_eq!(merged(&archive, &[], &[6]), [2, 3, 4, 5]);
}

#[test]
fn what_an_index_lists_and_what_the_manifest_lists_become_no_one_object() {
    let mut archive = archive(&[10; 3]);
    archive.indexed(name(100));
    for (number, first) in [(3, 30), (4, 40), (5, 50)] {
        archive.add(&DataRef {
            object: StoredObject { name: name(number), len: 10, footer_len: 1, footer_crc: 2 },
            parts: vec![StoredPart {
                partition: PartitionId(0),
                first: Offset(first),
                end: Offset(first + 10),
                bytes: 10,
                newest: Timestamp(0),
            }],
        });
    }
    let index = IndexRef { name: name(100), len: 500, crc: 0, objects: 3 };
    assert_eq!(merged(&archive, &[index], &[]), [0; 0], "three here, three there");
}

#[test]
fn what_was_dropped_is_referred_to_no_more() {
    let mut archive = archive(&[10, 10, 10]);
    archive.drop_below(PartitionId(0), Offset(19));
    assert_eq!(archive.unneeded(), BTreeSet::from([name(0)]), "the second still has a record");
    archive.drop_below(PartitionId(0), Offset(20));
    let dropped = archive.drop_unneeded(&BTreeSet::from([name(0)]), |_| false);
    assert_eq!(dropped, [name(0)]);
    assert_eq!(archive.referred(), BTreeSet::from([name(1), name(2)]));
    assert_eq!(
        ([0, 1].map(|slot| archive.is_referred(slot)), archive.unneeded()),
        ([false, true], BTreeSet::from([name(1)]))
    );
    archive.forget(PartitionId(0));
    assert_eq!(archive.unneeded(), BTreeSet::from([name(1), name(2)]), "not what was dropped before");
}
