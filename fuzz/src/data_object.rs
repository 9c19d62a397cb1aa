//! One run of the `data_object` target: a store that a broker wrote, read as it is, by listings that lie, and damaged; or a data
//! object with a footer that no broker wrote, its checksum right.

mod forged;

use bytes::Bytes;
use evenkeel_core::{
    port::{ObjectErrorKind, ObjectReply, ObjectRequest, ReadBatches},
    store::{
        ObjectKey,
        data::{Footer, FooterPart, MAGIC, TRAILER_BYTES},
        perform,
    },
    units::Offset,
};

use crate::{
    choices::Choices,
    memory::peak_of,
    shelf::{Objects, Shelf},
    stored::{
        Stored, WrittenObject, WrittenPart,
        asked::{batches, every, is_about_damage, known, some_of, wanted, whole},
        hurt::{self, hurt},
    },
};

/// What a request may hold at one time for each byte of the object, and besides.
const PEAK_PER_BYTE: usize = 16;
const PEAK_BESIDES: usize = 4 << 10;
/// Bytes of choice for a listing, for the damage, for a request, and for all requests.
const LISTING_BYTES: usize = 10;
const DAMAGE_BYTES: usize = 1 + 4 * hurt::CHOICE_BYTES;
const REQUEST_BYTES: usize = 4;
const REQUESTS_BYTES: usize = 8 * REQUEST_BYTES;

/// Makes a store and reads it.
///
/// # Panics
/// A finding.
pub fn data_object(bytes: &[u8]) {
    let mut choices = Choices::new(bytes);
    if choices.below(4) == 3 {
        return forged::forged(choices);
    }
    // What is done with it comes first: so a short input does something too, with the first of stores.
    let (mut listing, mut damage) = (choices.part(LISTING_BYTES), choices.part(DAMAGE_BYTES));
    let mut requests = choices.part(REQUESTS_BYTES);
    let stored = Stored::plan(&mut choices);
    assert_eq!(known(&stored.shelf), Ok(Some(stored.known.clone())), "a start finds what was written");
    stored.data.iter().for_each(|object| reads_whole(&stored.shelf, object));
    lies(&stored, &mut listing);
    damages(&stored, &mut damage, &mut requests);
}

/// An object that nothing happened to has the form and the batches that it was written with.
fn reads_whole(shelf: &Shelf, written: &WrittenObject) {
    let object = written.reference.object;
    let key = ObjectKey::Data(object.name);
    let Ok(ObjectReply::Bytes(bytes)) = perform(shelf, &ObjectRequest::Read { key, bytes_max: object.len })
    else {
        panic!("{key} cannot be read")
    };
    let (front, trailer) = (&bytes[..MAGIC.len()], &bytes[bytes.len() - TRAILER_BYTES as usize..]);
    assert_eq!(front, MAGIC);
    assert_eq!(Footer::trailer(trailer), Ok((object.footer_len, object.footer_crc)));
    assert_eq!(whole(shelf, object), Ok(all_of(written)));
    for (part, told) in written.parts.iter().zip(&written.reference.parts) {
        assert_eq!(part.as_told().told(), Some(*told), "the reference says what is there");
        let read = |from, bytes_max| ReadBatches { from, bytes_max, ..every(object, part.partition) };
        assert_eq!(batches(shelf, &read(told.first, u64::MAX)), Ok(part.batches.clone()));
        assert_eq!(batches(shelf, &read(told.end, u64::MAX)), Ok(Vec::new()), "behind the end is nothing");
        let last = part.batches.len() - 1;
        let from = Offset(told.end.0 - 1);
        assert_eq!(batches(shelf, &read(from, 1)), Ok(part.batches[last..].to_vec()));
    }
}

/// What a read of a whole object is to give.
fn all_of(written: &WrittenObject) -> Vec<(FooterPart, Vec<Bytes>)> {
    written.parts.iter().map(|part| (part.as_told(), part.batches.clone())).collect()
}

/// What a listing says, and that there is no answer, decides neither which manifest is the newest nor that there is none.
fn lies(stored: &Stored, choices: &mut Choices<'_>) {
    let (oldest, newest) = (stored.oldest, stored.known.manifest.number);
    let mut shelf = Shelf::holding(&stored.shelf.image());
    // From those that are not there any more to one that is not there yet.
    let first = oldest.saturating_sub(choices.below(3) as u64);
    let last = first.saturating_add(choices.below(6) as u64).min(newest.saturating_add(1));
    let listed = (first..=last).filter(|number| *number == last || choices.byte() & 1 == 0);
    shelf.listed = Some(listed.map(ObjectKey::Manifest).collect());
    let silent = choices.byte();
    let silent = (silent.is_multiple_of(2))
        .then(|| ObjectKey::Manifest(oldest.saturating_add(u64::from(silent / 2 % 4))));
    shelf.silent = silent;
    let is_asked = |number: u64| silent == Some(ObjectKey::Manifest(number));
    let found = perform(&shelf, &ObjectRequest::NewestManifest).map_err(|error| error.kind);
    let expected = if is_asked(last) {
        Err(ObjectErrorKind::Unknown)
    } else if !(oldest..=newest).contains(&last) {
        Err(ObjectErrorKind::NotFound)
    } else if (last..=newest.saturating_add(1)).any(is_asked) {
        Err(ObjectErrorKind::Unknown)
    } else {
        Ok(ObjectReply::Manifest(Some((newest, Bytes::from(stored.known.manifest.encode())))))
    };
    assert_eq!(found, expected, "manifests {oldest} to {newest}, listed up to {last}, silent {silent:?}");
    short(&stored.data[0], shelf);
    if choices.byte() & 1 == 1 {
        foreign(&stored.shelf.image(), newest);
    }
}

/// An answer that ends early is no answer.
fn short(written: &WrittenObject, mut shelf: Shelf) {
    let (object, part) = (written.reference.object, &written.parts[0]);
    let read = every(object, part.partition);
    for at in [part.at as u64, object.footer_at()] {
        shelf.short_at = Some(at);
        let kind = batches(&shelf, &read).map_err(|error| error.kind);
        assert_eq!(
            kind,
            Err(ObjectErrorKind::Damaged),
            "a byte is missing at the end of what is read from {at}"
        );
    }
}

/// Someone has put a manifest where no broker puts one: it is the newest, and not one that can be.
fn foreign(sound: &Objects, newest: u64) {
    let mut objects = sound.clone();
    let (ours, last) = (ObjectKey::Manifest(newest), ObjectKey::Manifest(u64::MAX));
    objects.insert(last, sound[&ours].clone());
    let error = known(&Shelf::holding(&objects)).expect_err("it is not the manifest of that number");
    is_about_damage(&error, sound, &objects);
}

/// What is read of a damaged store is what was written, or an error that names what is damaged.
fn damages(stored: &Stored, choices: &mut Choices<'_>, requests: &mut Choices<'_>) {
    let sound = stored.shelf.image();
    let mut objects = sound.clone();
    let count = choices.below(5);
    let done: Vec<String> =
        (0..count).map(|_| hurt(&mut objects, &mut choices.part(hurt::CHOICE_BYTES))).collect();
    let shelf = Shelf::holding(&objects);
    let size: usize = objects.values().map(Vec::len).sum();
    let (found, peak) = peak_of(|| known(&shelf));
    assert!(peak <= PEAK_BESIDES + PEAK_PER_BYTE * size, "{peak} bytes for a store of {size}");
    match found {
        Ok(found) => assert_eq!(found.as_ref(), Some(&stored.known), "{done:?}"),
        Err(error) => is_about_damage(&error, &sound, &objects),
    }
    for written in &stored.data {
        let (found, peak) = peak_of(|| whole(&shelf, written.reference.object));
        assert!(peak <= PEAK_BESIDES + PEAK_PER_BYTE * size, "{peak} bytes for a store of {size}");
        match found {
            Ok(found) => assert_eq!(found, all_of(written), "{done:?}"),
            Err(error) => is_about_damage(&error, &sound, &objects),
        }
        for part in &written.parts {
            let read = some_of(written.reference.object, part.partition, &part.told, requests);
            answers(&shelf, (&sound, &objects), part, &read, &done);
        }
    }
}

/// Batches come if the footer and they themselves are as they were, whatever happened to the rest; otherwise an error.
fn answers(
    shelf: &Shelf,
    (sound, objects): (&Objects, &Objects),
    part: &WrittenPart,
    read: &ReadBatches,
    done: &[String],
) {
    let key = ObjectKey::Data(read.object.name);
    let size = objects.get(&key).map_or(0, Vec::len);
    let (given, peak) = peak_of(|| batches(shelf, read));
    assert!(peak <= PEAK_BESIDES + PEAK_PER_BYTE * size, "{peak} bytes for an object of {size}");
    assert!(shelf.take_most_asked() <= read.object.len, "more is asked for than there is: {done:?}");
    let range = wanted(&part.told, read);
    let at = part.at + part.batches[..range.start].iter().map(Bytes::len).sum::<usize>();
    let upto = at + part.batches[range.clone()].iter().map(Bytes::len).sum::<usize>();
    let footer_at = usize::try_from(read.object.footer_at()).expect("small");
    let same = |from: usize, upto: usize| {
        objects.get(&key).is_some_and(|bytes| bytes.get(from..upto) == sound[&key].get(from..upto))
    };
    let is_sound =
        same(footer_at, footer_at + read.object.footer_len as usize) && (at == upto || same(at, upto));
    match given {
        Ok(given) => {
            assert!(is_sound, "damage that nobody noticed: {done:?}, {read:?}");
            assert_eq!(given, part.batches[range], "{done:?}, {read:?}");
        }
        Err(error) => {
            assert!(!is_sound, "nothing happened to what was asked for: {done:?}, {read:?}, {error}");
            is_about_damage(&error, sound, objects);
        }
    }
}

#[cfg(test)]
mod tests;
