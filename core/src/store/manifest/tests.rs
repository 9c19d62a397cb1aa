use alloc::{format, vec};

use super::*;
use crate::{
    codec::tests::refuses_sealed_near_misses,
    store::{StoredObject, StoredPart},
    units::{Offset, PartitionId},
};

fn name(number: u32) -> ObjectName {
    ObjectName { epoch: Epoch(4), number, writer: 0xff }
}

fn data() -> DataRef {
    DataRef {
        object: StoredObject { name: name(3), len: 1000, footer_len: 60, footer_crc: 5 },
        parts: vec![StoredPart {
            partition: PartitionId(1),
            first: Offset(0),
            end: Offset(20),
            bytes: 150,
            newest: Timestamp(9),
        }],
    }
}

fn sample() -> Manifest {
    Manifest {
        number: 12,
        cluster_id: String::from("abc"),
        node_id: 1,
        epoch: Epoch(4),
        lineage: 5,
        writer: 6,
        cut: Lsn(99),
        cut_at: Timestamp(1_700_000_000_000),
        reserved_offsets: 1 << 32,
        state: Some(StateRef { name: name(1), len: 77, crc: 8 }),
        delta: Some(StateRef { name: name(2), len: 33, crc: 9 }),
        indexes: vec![IndexRef { name: name(2), len: 500, crc: 9, objects: 10 }],
        tail: vec![data()],
    }
}

#[test]
fn the_manifest_has_the_bytes_it_always_had() {
    let hex: String = sample().encode()[12..].iter().map(|byte| format!("{byte:02x}")).collect();
    assert_eq!(
        hex,
        "020000000c000000000000000300616263010000000400000005000000000000000600000000000000\
         63000000000000000068e5cf8b0100000000000001000000\
         020400000001000000ff000000000000004d0000000000000008000000\
         0400000002000000ff00000000000000210000000000000009000000\
         010000000400000002000000ff00000000000000f401000000000000090000000a000000\
         010000000400000003000000ff00000000000000e8030000000000003c00000005000000\
         010000000100000000000000000000001400000000000000960000000000000009000000000000\
         00"
    );
}

#[test]
fn both_survive_their_encoding_and_every_damage_is_noticed() {
    let manifest = sample().encode();
    assert_eq!(Manifest::decode(&manifest), Ok(sample()));
    for state in [None, sample().state] {
        let without = Manifest { state, delta: None, indexes: Vec::new(), tail: Vec::new(), ..sample() };
        assert_eq!(Manifest::decode(&without.encode()), Ok(without));
    }
    let index = Index { objects: vec![data(), data()] };
    assert_eq!(Index::decode(&index.encode()), Ok(index.clone()));
    let index = index.encode();
    for at in 0..manifest.len() {
        let mut damaged = manifest.clone();
        damaged[at] ^= 4;
        assert_eq!(Manifest::decode(&damaged), Err(NotAnObject::Damaged), "byte {at}");
        assert_eq!(Manifest::decode(&manifest[..at]), Err(NotAnObject::Damaged), "cut at {at}");
    }
    for at in 0..index.len() {
        let mut damaged = index.clone();
        damaged[at] ^= 4;
        assert_eq!(Index::decode(&damaged), Err(NotAnObject::Damaged), "byte {at}");
    }
    assert_eq!(Manifest::decode(&index), Err(NotAnObject::Damaged));
}

#[test]
fn a_newer_format_is_told_from_damage() {
    let mut bytes = sample().encode();
    bytes[12] = 3;
    seal(&mut bytes);
    assert_eq!(Manifest::decode(&bytes), Err(NotAnObject::Format(3)));
}

#[test]
fn a_manifest_that_can_have_no_next_is_none() {
    let last = |number| Manifest { number, ..sample() };
    assert_eq!(Manifest::decode(&last(u64::MAX - 1).encode()), Ok(last(u64::MAX - 1)));
    assert_eq!(Manifest::decode(&last(u64::MAX).encode()), Err(NotAnObject::Damaged));
}

#[test]
fn fields_that_cannot_be_are_refused_behind_the_checksum() {
    let whole = Manifest { delta: None, ..sample() };
    for manifest in [sample(), whole.clone(), Manifest { state: None, tail: Vec::new(), ..whole }] {
        refuses_sealed_near_misses(&manifest.encode(), |bytes| {
            Manifest::decode(bytes).ok().map(|manifest| manifest.encode())
        });
    }
    refuses_sealed_near_misses(&Index { objects: vec![data(), data()] }.encode(), |bytes| {
        Index::decode(bytes).ok().map(|index| index.encode())
    });
}
