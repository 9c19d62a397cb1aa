//! One run of the `manifest` target: any bytes as a manifest or as an index, as they are and with the checksum made right; and one
//! that is written with values around the borders of what can be, then damaged.

use bytes::Bytes;
use evenkeel_core::{
    limits::RESERVED_OFFSETS_MAX,
    port::ObjectErrorKind,
    store::{
        DataRef, Index, IndexRef, Manifest, NotAnObject, ObjectKey, ObjectName, StateRef, StoredObject,
        StoredPart, check_order,
        data::{FRONT_BYTES, TRAILER_BYTES},
        manifest::{INDEX_MAGIC, MAGIC},
        read_index, read_manifest,
    },
    units::{Epoch, Lsn, Offset, PartitionId, Timestamp},
};

use crate::{
    choices::Choices,
    memory::peak_of,
    shelf::Objects,
    stored::hurt::{self, hurt},
};

/// What reading may hold at one time for each byte, and besides.
const PEAK_PER_BYTE: usize = 8;
const PEAK_BESIDES: usize = 4 << 10;
/// Bytes of choice for the damage.
const DAMAGE_BYTES: usize = 1 + 3 * hurt::CHOICE_BYTES;

/// Reads a manifest or an index.
///
/// # Panics
/// A finding.
pub fn manifest(bytes: &[u8]) {
    read(bytes);
    let mut choices = Choices::new(bytes);
    match choices.below(4) {
        0 => made_right(MAGIC, choices.rest()),
        1 => made_right(INDEX_MAGIC, choices.rest()),
        2 => {
            let mut damage = choices.part(DAMAGE_BYTES);
            let mut next = [0; 4];
            let manifest = any_manifest(&mut next, &mut choices);
            let bytes = manifest.encode();
            assert_eq!(Manifest::decode(&bytes), as_it_should(&manifest, is_possible(&manifest)));
            fits(&manifest, &mut choices);
            damages(&bytes, &mut damage);
        }
        3 => {
            let mut damage = choices.part(DAMAGE_BYTES);
            let index = Index { objects: any_list(&mut [0; 4], &mut choices) };
            let bytes = index.encode();
            assert_eq!(Index::decode(&bytes), as_it_should(&index, index.objects.iter().all(is_right)));
            damages(&bytes, &mut damage);
        }
        _ => unreachable!("4 ways"),
    }
}

fn as_it_should<T: Clone>(written: &T, is_possible: bool) -> Result<T, NotAnObject> {
    if is_possible { Ok(written.clone()) } else { Err(NotAnObject::Damaged) }
}

/// Reads them as either: what is accepted fulfils what is promised, and is written back byte for byte.
fn read(bytes: &[u8]) {
    let bound = PEAK_BESIDES + PEAK_PER_BYTE * bytes.len();
    let (manifest, peak) = peak_of(|| Manifest::decode(bytes));
    assert!(peak <= bound, "{peak} bytes for a manifest of {}", bytes.len());
    let (index, peak) = peak_of(|| Index::decode(bytes));
    assert!(peak <= bound, "{peak} bytes for an index of {}", bytes.len());
    if let Ok(manifest) = manifest {
        assert!(is_possible(&manifest), "{manifest:?}");
        assert_eq!(manifest.encode(), bytes, "what is accepted is written back");
        by_its_number(&manifest, bytes);
    }
    if let Ok(index) = index {
        assert!(index.objects.iter().all(is_right), "{index:?}");
        assert_eq!(index.encode(), bytes, "what is accepted is written back");
        as_referred_to(&index, bytes);
    }
}

/// A manifest is taken under its own number alone.
fn by_its_number(manifest: &Manifest, bytes: &[u8]) {
    let bytes = Bytes::copy_from_slice(bytes);
    assert_eq!(read_manifest(manifest.number, &bytes).as_ref(), Ok(manifest));
    for other in [manifest.number.wrapping_add(1), manifest.number.wrapping_sub(1), !manifest.number] {
        let kind = read_manifest(other, &bytes).map_err(|error| error.kind);
        assert_eq!(kind, Err(ObjectErrorKind::Damaged), "manifest {} as {other}", manifest.number);
    }
}

/// An index is taken by a reference to just these bytes.
fn as_referred_to(index: &Index, bytes: &[u8]) {
    let told = IndexRef {
        name: ObjectName { epoch: Epoch(1), number: 1, writer: 1 },
        len: bytes.len() as u64,
        crc: crc32c::crc32c(bytes),
        objects: u32::try_from(index.objects.len()).expect("each takes bytes"),
    };
    let bytes = Bytes::copy_from_slice(bytes);
    assert_eq!(read_index(&told, &bytes).as_ref(), Ok(index));
    for other in [
        IndexRef { len: told.len + 1, ..told },
        IndexRef { crc: !told.crc, ..told },
        IndexRef { objects: told.objects + 1, ..told },
    ] {
        let kind = read_index(&other, &bytes).map_err(|error| error.kind);
        assert_eq!(kind, Err(ObjectErrorKind::Damaged), "{told:?} as {other:?}");
    }
}

/// These bytes behind the magic and a checksum.
fn made_right(magic: [u8; 8], behind: &[u8]) {
    let mut bytes = magic.to_vec();
    bytes.extend_from_slice(&crc32c::crc32c(behind).to_le_bytes());
    bytes.extend_from_slice(behind);
    read(&bytes);
}

/// Damage is noticed. With the checksum made right, what is accepted holds together all the same.
fn damages(sound: &[u8], choices: &mut Choices<'_>) {
    let key = ObjectKey::Manifest(1);
    let mut objects = Objects::from([(key, sound.to_vec())]);
    let done: Vec<String> = (0..1 + choices.below(3))
        .map(|_| hurt(&mut objects, &mut choices.part(hurt::CHOICE_BYTES)))
        .collect();
    let mut bytes = objects.remove(&key).expect("no manifest is removed");
    if bytes == sound {
        return;
    }
    assert_eq!(Manifest::decode(&bytes), Err(NotAnObject::Damaged), "{done:?}");
    assert_eq!(Index::decode(&bytes), Err(NotAnObject::Damaged), "{done:?}");
    if bytes.len() >= 12 {
        let crc = crc32c::crc32c(&bytes[12..]);
        bytes[8..12].copy_from_slice(&crc.to_le_bytes());
        read(&bytes);
    }
}

/// Lists fit together exactly if the offsets of each partition only grow, from the oldest list to the newest.
fn fits(manifest: &Manifest, choices: &mut Choices<'_>) {
    let mut next = [0; 4];
    let indexes: Vec<Index> =
        (0..choices.below(3)).map(|_| Index { objects: any_list(&mut next, choices) }).collect();
    let lists = indexes.iter().map(|index| &index.objects).chain([&manifest.tail]);
    let parts: Vec<&StoredPart> = lists.flatten().flat_map(|data| &data.parts).collect();
    let is_early = |at: usize, part: &StoredPart| {
        let before = parts[..at].iter().rev().find(|before| before.partition == part.partition);
        before.is_some_and(|before| part.first < before.end)
    };
    let is_in_order = !parts.iter().enumerate().any(|(at, part)| is_early(at, part));
    let found = check_order(manifest, &indexes).map_err(|error| error.kind);
    let expected = if is_in_order { Ok(()) } else { Err(ObjectErrorKind::Damaged) };
    assert_eq!(found, expected, "{parts:?}");
}

/// What a manifest that is accepted promises.
fn is_possible(manifest: &Manifest) -> bool {
    manifest.number < u64::MAX
        && (0..=RESERVED_OFFSETS_MAX).contains(&manifest.reserved_offsets)
        && manifest.tail.iter().all(is_right)
}

/// What a reference to a data object promises: its footer lies within it, and each partition is there once, with records.
fn is_right(data: &DataRef) -> bool {
    let around = FRONT_BYTES + TRAILER_BYTES + u64::from(data.object.footer_len);
    let is_once = data.parts.windows(2).all(|two| two[0].partition < two[1].partition);
    is_once
        && data.object.len >= around
        && data.parts.iter().all(|part| part.first.0 >= 0 && part.end > part.first)
}

fn any_manifest(next: &mut [i64; 4], choices: &mut Choices<'_>) -> Manifest {
    let states: Vec<StateRef> = (0..choices.below(3)).map(|_| any_state(choices)).collect();
    let ids = ["fuzz", "", "\u{e9}", "a cluster of a name that is longer than those of others are"];
    Manifest {
        number: near(choices, 1),
        cluster_id: String::from(choices.of(&ids)),
        node_id: choices.of(&[1, 0, -1, i32::MAX, i32::MIN]),
        epoch: Epoch(choices.of(&[1, 0, i32::MAX.cast_unsigned(), u32::MAX])),
        lineage: near(choices, 5),
        writer: near(choices, 6),
        cut: Lsn(near(choices, 99)),
        cut_at: Timestamp(near(choices, 1_700_000_000_000).cast_signed()),
        reserved_offsets: choices.of(&[
            1 << 32,
            0,
            RESERVED_OFFSETS_MAX,
            RESERVED_OFFSETS_MAX + 1,
            -1,
            i64::MIN,
        ]),
        state: states.first().copied(),
        delta: states.get(1).copied(),
        indexes: (0..choices.below(4))
            .map(|_| IndexRef {
                name: any_name(choices),
                len: near(choices, 500),
                crc: choices.u32(),
                objects: u32::from(choices.byte()),
            })
            .collect(),
        tail: any_list(next, choices),
    }
}

fn any_state(choices: &mut Choices<'_>) -> StateRef {
    StateRef { name: any_name(choices), len: near(choices, 77), crc: choices.u32() }
}

/// Parts that follow those before, or nearly so.
fn any_list(next: &mut [i64; 4], choices: &mut Choices<'_>) -> Vec<DataRef> {
    (0..choices.below(5)).map(|_| any_data(next, choices)).collect()
}

fn any_data(next: &mut [i64; 4], choices: &mut Choices<'_>) -> DataRef {
    let footer_len = choices.of(&[60, 0, 1, u32::MAX]);
    let around = FRONT_BYTES + TRAILER_BYTES + u64::from(footer_len);
    let object = StoredObject {
        name: any_name(choices),
        len: choices.of(&[around + 1000, around, around - 1, u64::MAX, 0]),
        footer_len,
        footer_crc: choices.u32(),
    };
    let first = choices.below(4);
    let parts = (first..(first + choices.below(4)).min(4)).map(|partition| {
        let partition = if choices.below(16) == 15 { 0 } else { partition };
        let first = near(choices, next[partition].cast_unsigned()).cast_signed();
        let end = near(choices, first.wrapping_add(10).cast_unsigned()).cast_signed();
        next[partition] = end;
        StoredPart {
            partition: PartitionId(u32::try_from(partition).expect("few")),
            first: Offset(first),
            end: Offset(end),
            bytes: near(choices, 150),
            newest: Timestamp(near(choices, 9).cast_signed()),
        }
    });
    DataRef { object, parts: parts.collect() }
}

fn any_name(choices: &mut Choices<'_>) -> ObjectName {
    ObjectName { epoch: Epoch(1), number: u32::from(choices.byte()), writer: 0xff }
}

/// That number, or one near it, or a far one.
fn near(choices: &mut Choices<'_>, number: u64) -> u64 {
    match choices.below(16) {
        12 => number.wrapping_sub(1),
        13 => number.wrapping_add(1),
        14 => number.wrapping_sub(10),
        15 => choices.of(&[0, i64::MAX.cast_unsigned(), 1 << 63, u64::MAX]),
        _ => number,
    }
}

#[cfg(test)]
mod tests;
