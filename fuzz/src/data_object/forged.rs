//! A data object with a footer that no broker wrote: it says what is not so, or is any bytes, and its checksum is right.

use evenkeel_core::{
    codec::Put,
    limits::OFFSET_MAX,
    port::{ObjectErrorKind, ReadBatches},
    store::{
        NotAnObject, ObjectKey, StoredObject,
        data::{FORMAT_VERSION, Footer, FooterBatch, FooterPart, TRAILER_BYTES},
    },
    units::{Offset, PartitionId, Timestamp},
    wire::batch::HEADER_BYTES,
};

use super::{PEAK_BESIDES, PEAK_PER_BYTE, REQUEST_BYTES};
use crate::{
    batch::split,
    choices::Choices,
    memory::peak_of,
    shelf::Shelf,
    stored::{
        Stored,
        asked::{batches, every, some_of, wanted, whole},
    },
};

/// Bytes of choice for what is changed.
const ALTERATION_BYTES: usize = 1 + 3 * 9;
/// Requests for each part.
const REQUESTS: usize = 3;
/// Parts that are asked for.
const PARTS: usize = 4;

/// Puts a footer behind the batches of the first object, and reads it.
pub(super) fn forged(mut choices: Choices<'_>) {
    let mut requests = choices.part(REQUEST_BYTES * REQUESTS);
    let (way, mut alterations) = (choices.below(4), choices.part(ALTERATION_BYTES));
    // Any bytes stand behind the batches of the first of stores.
    let stored = if way < 2 { Stored::plan(&mut Choices::new(&[])) } else { Stored::plan(&mut choices) };
    let written = &stored.data[0];
    let (bytes, is_altered) = match way {
        0 => (choices.rest().to_vec(), false),
        1 => {
            let mut bytes = Vec::new();
            bytes.put_u32(FORMAT_VERSION);
            bytes.put_text("");
            bytes.extend_from_slice(choices.rest());
            (bytes, false)
        }
        _ => {
            let parts = written.parts.iter().map(|part| part.as_told()).collect();
            let mut footer = Footer {
                cluster_id: String::from("x"),
                epoch: stored.known.manifest.epoch,
                cut: stored.known.manifest.cut,
                parts,
            };
            alter(&mut footer, &mut alterations);
            let (_, end, _) = footer.encode(written.reference.object.name);
            (end[..end.len() - TRAILER_BYTES as usize].to_vec(), true)
        }
    };
    let (object, shelf) = sealed(&stored, &bytes);
    let (footer, peak) = peak_of(|| Footer::decode(&bytes));
    assert!(peak <= PEAK_BESIDES + PEAK_PER_BYTE * bytes.len(), "{peak} bytes for {}", bytes.len());
    assert!(!is_altered || !matches!(footer, Err(NotAnObject::Format(_))), "the version was not altered");
    if let Ok(footer) = &footer {
        let (_, again, reference) = footer.encode(object.name);
        assert_eq!(again[..reference.object.footer_len as usize], bytes, "what is accepted is written back");
        assert!(footer.parts.windows(2).all(|two| two[0].partition < two[1].partition), "a partition twice");
        footer.parts.iter().for_each(in_order);
    }
    let footer = footer.ok();
    let parts = footer.iter().flat_map(|footer| &footer.parts).take(PARTS);
    for part in parts {
        for _ in 0..REQUESTS {
            let read = some_of(object, part.partition, &part.batches, &mut requests);
            answers(&shelf, footer.as_ref(), &read);
        }
    }
    // All that it names, or nothing: what is served part by part, and no more than that.
    if let Ok(found) = whole(&shelf, object) {
        let footer = footer.as_ref().expect("by a footer that is none nothing is read");
        assert!(found.iter().map(|(part, _)| part).eq(&footer.parts));
        for (part, given) in found {
            assert_eq!(batches(&shelf, &every(object, part.partition)), Ok(given));
        }
    }
    (0..5).for_each(|partition| answers(&shelf, footer.as_ref(), &every(object, PartitionId(partition))));
}

/// The first object with that footer in the place of its own.
fn sealed(stored: &Stored, footer: &[u8]) -> (StoredObject, Shelf) {
    let mut object = stored.data[0].reference.object;
    let key = ObjectKey::Data(object.name);
    let mut objects = stored.shelf.image();
    let bytes = objects.get_mut(&key).expect("it was stored");
    let magic = bytes[bytes.len() - 8..].to_vec();
    bytes.truncate(usize::try_from(object.footer_at()).expect("small"));
    bytes.extend_from_slice(footer);
    object.footer_len = u32::try_from(footer.len()).expect("short");
    object.footer_crc = crc32c::crc32c(footer);
    bytes.put_u32(object.footer_len);
    bytes.put_u32(object.footer_crc);
    bytes.extend_from_slice(&magic);
    object.len = bytes.len() as u64;
    (object, Shelf::holding(&objects))
}

/// What a footer that was accepted promises.
fn in_order(part: &FooterPart) {
    assert!(!part.batches.is_empty(), "a partition of which nothing is there");
    let mut next = Offset(0);
    for batch in &part.batches {
        assert!(batch.base_offset >= next, "batches out of order: {:?}", part.batches);
        assert!(batch.base_offset.0 <= OFFSET_MAX && batch.last_offset() >= batch.base_offset);
        assert!(batch.len as usize >= HEADER_BYTES, "a batch of {} bytes", batch.len);
        next = batch.last_offset().plus(1);
    }
}

/// What is given out is whole, in order, from the offset that was asked for on, and all that the footer names.
fn answers(shelf: &Shelf, footer: Option<&Footer>, read: &ReadBatches) {
    let size = usize::try_from(read.object.len).expect("small");
    let (given, peak) = peak_of(|| batches(shelf, read));
    assert!(peak <= PEAK_BESIDES + PEAK_PER_BYTE * size, "{peak} bytes for an object of {size}");
    assert!(shelf.take_most_asked() <= read.object.len, "more is asked for than there is");
    let given = match given {
        Ok(given) => given,
        Err(error) => return assert_eq!(error.kind, ObjectErrorKind::Damaged, "{error}"),
    };
    let footer = footer.expect("nothing is given out by a footer that cannot be read");
    let part = footer.part(read.partition).expect("nothing is given out that the footer does not name");
    let told = &part.batches[wanted(&part.batches, read)];
    assert_eq!(given.len(), told.len(), "{read:?}, {part:?}");
    let mut next = None;
    for (batch, told) in given.iter().zip(told) {
        let batches = split(batch).expect("a batch that is not whole is given out");
        let [(header, _)] = batches[..] else { panic!("{} batches in the place of one", batches.len()) };
        assert_eq!(header.base_offset, told.base_offset);
        assert_eq!(header.last_offset(), told.last_offset(), "offsets are looked for in the footer");
        assert_eq!(header.crc, told.crc, "another batch in its place");
        let last = header.base_offset.0 + i64::from(header.last_offset_delta);
        assert!(next.is_some() || last >= read.from.0, "batch at {:?} for {read:?}", header.base_offset);
        assert!(next.is_none_or(|next| header.base_offset.0 >= next), "offsets go back, or are there twice");
        next = Some(last + 1);
    }
}

/// Makes the footer say what is not so, in up to three places.
fn alter(footer: &mut Footer, choices: &mut Choices<'_>) {
    for _ in 0..=choices.below(3) {
        let (one, other) = (choices.below(footer.parts.len()), choices.below(footer.parts.len()));
        match choices.below(4) {
            0 => footer.parts.swap(one, other),
            1 => footer.parts.insert(one, footer.parts[other].clone()),
            _ => alter_part(&mut footer.parts[one], choices),
        }
    }
}

fn alter_part(part: &mut FooterPart, choices: &mut Choices<'_>) {
    let batches = &mut part.batches;
    if batches.is_empty() {
        return;
    }
    let (one, other) = (choices.below(batches.len()), choices.below(batches.len()));
    match choices.below(6) {
        0 => batches.swap(one, other),
        1 => batches.insert(one, batches[other]),
        2 => drop(batches.remove(one)),
        3 => part.partition.0 ^= 1 << choices.below(3),
        _ => alter_batch(&mut batches[one], choices),
    }
}

fn alter_batch(batch: &mut FooterBatch, choices: &mut Choices<'_>) {
    let little = i64::from(choices.byte() % 9) - 4;
    match choices.below(10) {
        0 => batch.base_offset = Offset(choices.of(&[0, -1, OFFSET_MAX, OFFSET_MAX + 1])),
        1 => batch.base_offset.0 += little,
        2 => batch.last_offset_delta = choices.of(&[0, i32::MAX.cast_unsigned(), u32::MAX]),
        3 => batch.last_offset_delta = batch.last_offset_delta.wrapping_add_signed(little as i32),
        4 => batch.len = choices.of(&[0, 1, 60, u32::MAX]),
        5 => batch.len = batch.len.wrapping_add_signed(little as i32),
        6 => batch.leader_epoch = choices.of(&[0, -1, i32::MAX, i32::MIN]),
        7 => batch.newest = Timestamp(choices.of(&[0, -1, i64::MAX, i64::MIN])),
        8 => batch.crc ^= 1 << choices.below(32),
        _ => batch.newest.0 = batch.newest.0.wrapping_add(little),
    }
}
