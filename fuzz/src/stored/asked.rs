//! Requests to a store and what must come of them.

use std::ops::Range;

use bytes::Bytes;
use evenkeel_core::{
    limits::{CHECKPOINT_BYTES_MAX, INDEX_BYTES_MAX},
    port::{ObjectError, ObjectErrorKind, ObjectReply, ObjectRequest, ReadBatches},
    store::{
        ObjectKey, StoredObject, check_order,
        data::{FooterBatch, FooterPart},
        perform, read_index, read_manifest, read_state,
    },
    units::{Offset, PartitionId, Timestamp},
};

use super::Known;
use crate::{
    choices::Choices,
    shelf::{Objects, Shelf},
};

/// Asks for what a start with an empty directory asks for, one after the other. `None`: there is no manifest.
///
/// # Errors
/// What one of the requests ended in.
///
/// # Panics
/// A finding: the reply belongs to another request.
pub fn known(shelf: &Shelf) -> Result<Option<Known>, ObjectError> {
    let ObjectReply::Manifest(newest) = perform(shelf, &ObjectRequest::NewestManifest)? else {
        panic!("a reply to another request than that for the newest manifest")
    };
    let Some((number, bytes)) = newest else { return Ok(None) };
    let manifest = read_manifest(number, &bytes)?;
    let whole = |key, bytes_max| {
        let ObjectReply::Bytes(bytes) = perform(shelf, &ObjectRequest::Read { key, bytes_max })? else {
            panic!("a reply to another request than that for {key}")
        };
        Ok(bytes)
    };
    let states = manifest.states().map(|told| whole(ObjectKey::State(told.name), CHECKPOINT_BYTES_MAX));
    let states = states.collect::<Result<Vec<_>, _>>()?;
    let state = read_state(&manifest, &states)?;
    let state = manifest.state.is_some().then_some(state);
    let mut indexes = Vec::new();
    for told in &manifest.indexes {
        indexes.push(read_index(told, &whole(ObjectKey::Index(told.name), INDEX_BYTES_MAX)?)?);
    }
    check_order(&manifest, &indexes)?;
    Ok(Some(Known { manifest, state, indexes }))
}

/// Asks for batches.
///
/// # Errors
/// What the request ended in.
///
/// # Panics
/// A finding: the reply belongs to another request.
pub fn batches(shelf: &Shelf, read: &ReadBatches) -> Result<Vec<Bytes>, ObjectError> {
    let ObjectReply::Batches(batches) = perform(shelf, &ObjectRequest::ReadBatches(read.clone()))? else {
        panic!("a reply to another request than that for batches")
    };
    Ok(batches)
}

/// A request for all batches of a partition.
#[must_use]
pub fn every(object: StoredObject, partition: PartitionId) -> ReadBatches {
    ReadBatches { object, partition, from: Offset(0), newest_min: None, bytes_max: u64::MAX }
}

/// Asks for a whole object, as a merge does.
///
/// # Errors
/// What the request ended in.
///
/// # Panics
/// A finding: the reply belongs to another request.
pub fn whole(shelf: &Shelf, object: StoredObject) -> Result<Vec<(FooterPart, Vec<Bytes>)>, ObjectError> {
    let ObjectReply::Object(parts) = perform(shelf, &ObjectRequest::ReadObject(object))? else {
        panic!("a reply to another request than that for an object")
    };
    Ok(parts)
}

/// Asserts that an error says of an object that it is not what was written, and that this is so: `sound` is what was, `objects` what is.
///
/// # Panics
/// A finding: it is another error, or of an object to which nothing happened.
pub fn is_about_damage(error: &ObjectError, sound: &Objects, objects: &Objects) {
    let key = error.key.expect("it is about an object");
    assert_ne!(sound.get(&key), objects.get(&key), "nothing happened to this one: {error}");
    let expected =
        if objects.contains_key(&key) { ObjectErrorKind::Damaged } else { ObjectErrorKind::NotFound };
    assert_eq!(error.kind, expected, "{error}");
}

/// A request for batches of a partition, at and around the borders of those that are there.
///
/// # Panics
/// Nothing is there.
#[must_use]
pub fn some_of(
    object: StoredObject,
    partition: PartitionId,
    there: &[FooterBatch],
    choices: &mut Choices<'_>,
) -> ReadBatches {
    let one = there[choices.below(there.len())];
    let from = match choices.below(8) {
        0 => 0,
        1 => i64::MAX,
        2 => i64::MIN,
        3 => one.base_offset.0,
        4 => one.base_offset.0 - 1,
        5 => one.base_offset.0 + 1,
        6 => one.last_offset().0,
        7 => one.last_offset().0 + 1,
        _ => unreachable!("8 ways"),
    };
    let newest_min = match choices.below(6) {
        0..=2 => None,
        3 => Some(one.newest),
        4 => Some(Timestamp(one.newest.0.saturating_add(1))),
        5 => Some(Timestamp(i64::MAX)),
        _ => unreachable!("6 ways"),
    };
    let bytes: u64 = there.iter().map(|batch| u64::from(batch.len)).sum();
    let bytes_max = choices.of(&[u64::MAX, 0, 1, bytes, bytes.saturating_sub(1), bytes / 2, one.len.into()]);
    ReadBatches { object, partition, from: Offset(from), newest_min, bytes_max }
}

/// Which of the batches that are there a request is for.
#[must_use]
pub fn wanted(there: &[FooterBatch], read: &ReadBatches) -> Range<usize> {
    let is_early =
        |batch: &FooterBatch| batch.base_offset.0 + i64::from(batch.last_offset_delta) < read.from.0;
    let is_old = |batch: &FooterBatch| read.newest_min.is_some_and(|youngest| batch.newest < youngest);
    let mut first = 0;
    while there.get(first).is_some_and(is_early) {
        first += 1;
    }
    while there.get(first).is_some_and(is_old) {
        first += 1;
    }
    let (mut upto, mut bytes) = (first, 0);
    while let Some(batch) = there.get(upto) {
        bytes += u64::from(batch.len);
        if upto > first && bytes > read.bytes_max {
            break;
        }
        upto += 1;
    }
    first..upto
}
