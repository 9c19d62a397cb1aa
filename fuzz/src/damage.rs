//! Damage to the files of a log: what a disk, or a person with a file manager, does to them.
//!
//! Bytes that replace others are mixed, not chosen: checksums are assumed to detect damage, so none may be forged.

use std::{collections::BTreeMap, fmt::Display};

use evenkeel_core::{
    limits::BLOCK_BYTES,
    log::{group::GROUP_MAGIC, segment::SEGMENT_MAGIC},
    port::FileName,
    units::SegmentSequence,
};

use crate::{
    choices::{Choices, mixed},
    memory_disk::{Image, SECTOR_BYTES},
};

/// Bytes of choice that one damage takes.
pub const CHOICE_BYTES: usize = 10;
const BLOCK: usize = BLOCK_BYTES as usize;

/// Where something of the log begins: a segment header or a group.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Place {
    /// The file.
    pub file: FileName,
    /// First byte.
    pub at: usize,
}

/// Every header and group of an image, the newest first.
#[must_use]
pub fn places(image: &Image) -> Vec<Place> {
    let mut found = Vec::new();
    for (file, bytes) in image {
        if matches!(file, FileName::Segment(_)) {
            let begins = |at: &usize| {
                bytes[*at..].starts_with(&GROUP_MAGIC) || bytes[*at..].starts_with(&SEGMENT_MAGIC)
            };
            found.extend((0..bytes.len()).step_by(BLOCK).filter(begins).map(|at| Place { file: *file, at }));
        }
    }
    found.reverse();
    found
}

/// Damages the image once. Says what was done.
pub fn damage(image: &mut Image, past: &[Image], choices: &mut Choices<'_>) -> String {
    let places = places(image);
    let kind = choices.below(14);
    if places.is_empty() {
        return String::from("nothing to damage");
    }
    let place = places[choices.below(places.len())];
    let other = places[choices.below(places.len())];
    let offset = offset(choices);
    let amount = usize::from(choices.byte());
    let at = place.at + offset;
    match kind {
        0 => change(image, place.file, at, 1, |bytes| bytes[0] ^= 1 << (amount % 8)),
        1 => flip_each(image, &places, place, offset, amount),
        2 => fill(image, place.file, at / SECTOR_BYTES * SECTOR_BYTES, SECTOR_BYTES * (1 + amount % 9)),
        3 => fill(image, place.file, at / BLOCK * BLOCK, BLOCK * (1 + amount % 4)),
        4 => fill(image, place.file, at / SECTOR_BYTES * SECTOR_BYTES, usize::MAX / 2),
        5 => scramble(image, place.file, at, 1 + amount),
        6 => cut(image, place.file, at),
        7 => remove(image, place.file, amount),
        8 => {
            let from = Place { at: other.at + amount % 4 * BLOCK, ..other };
            copy(image, from, Place { at: at / BLOCK * BLOCK, ..place }, BLOCK * (1 + amount / 4 % 4))
        }
        9 => {
            let from = Place { at: other.at + amount % 16 * SECTOR_BYTES, ..other };
            copy(image, from, Place { at: at / SECTOR_BYTES * SECTOR_BYTES, ..place }, SECTOR_BYTES)
        }
        10 => swap_sectors(image, place, other, amount),
        11 => stale(image, past, place, amount),
        12 => duplicate(image, place.file, other.file, amount),
        13 => swap_files(image, place.file, other.file),
        _ => unreachable!("14 kinds"),
    }
}

/// Bytes from the start of a place: in its header, its heads, its bodies, or in a block behind.
fn offset(choices: &mut Choices<'_>) -> usize {
    let (way, far) = (choices.below(4), usize::from(choices.byte()));
    match way {
        0 => far % 64,
        1 => 64 + far,
        2 => far * 16,
        3 => far % 4 * BLOCK + far / 4,
        _ => unreachable!("4 ways"),
    }
}

/// Changes the part of the file that lies within these bytes.
pub(crate) fn change<Name: Copy + Ord + Display>(
    image: &mut BTreeMap<Name, Vec<u8>>,
    file: Name,
    at: usize,
    len: usize,
    how: impl FnOnce(&mut [u8]),
) -> String {
    let bytes = image.entry(file).or_default();
    let (from, upto) = (at.min(bytes.len()), at.saturating_add(len).min(bytes.len()));
    if from == upto {
        return String::from("damage behind the end of a file");
    }
    how(&mut bytes[from..upto]);
    format!("changed bytes {from} to {upto} of {file}")
}

/// One bit in this place, and in places that are newer.
fn flip_each(image: &mut Image, places: &[Place], first: Place, offset: usize, amount: usize) -> String {
    let at = places.iter().position(|place| *place == first).unwrap_or(0);
    let from = at.saturating_sub(amount / 8 % 4);
    let flip = |place: &Place| {
        change(image, place.file, place.at + offset, 1, |bytes| bytes[0] ^= 1 << (amount % 8))
    };
    let done: Vec<String> = places[from..=at].iter().map(flip).collect();
    done.join(", ")
}

pub(crate) fn fill<Name: Copy + Ord + Display>(
    image: &mut BTreeMap<Name, Vec<u8>>,
    file: Name,
    at: usize,
    len: usize,
) -> String {
    change(image, file, at, len, |bytes| bytes.fill(0))
}

pub(crate) fn scramble<Name: Copy + Ord + Display>(
    image: &mut BTreeMap<Name, Vec<u8>>,
    file: Name,
    at: usize,
    len: usize,
) -> String {
    change(image, file, at, len, |bytes| {
        for (at, byte) in bytes.iter_mut().enumerate() {
            *byte ^= mixed(&[at as u64, len as u64]).to_le_bytes()[0];
        }
    })
}

pub(crate) fn cut<Name: Copy + Ord + Display>(
    image: &mut BTreeMap<Name, Vec<u8>>,
    file: Name,
    at: usize,
) -> String {
    if let Some(bytes) = image.get_mut(&file) {
        bytes.truncate(at);
    }
    format!("cut {file} to {at} bytes")
}

/// Removes a segment, the identity, or a checkpoint.
fn remove(image: &mut Image, segment: FileName, which: usize) -> String {
    let checkpoints: Vec<FileName> =
        image.keys().copied().filter(|file| matches!(file, FileName::Checkpoint(_))).collect();
    let file = match (which % 4, checkpoints.is_empty()) {
        (0 | 1, _) => segment,
        (2, _) | (_, true) => FileName::Identity,
        (_, false) => checkpoints[which / 4 % checkpoints.len()],
    };
    image.remove(&file);
    format!("removed {file}")
}

/// A misdirected write.
fn copy(image: &mut Image, from: Place, to: Place, len: usize) -> String {
    let bytes = image.get(&from.file).and_then(|bytes| bytes.get(from.at..)).unwrap_or(&[]);
    let bytes = bytes[..len.min(bytes.len())].to_vec();
    let done = change(image, to.file, to.at, bytes.len(), |into| into.copy_from_slice(&bytes[..into.len()]));
    format!("{done} to those of {} from {}", from.file, from.at)
}

fn swap_sectors(image: &mut Image, one: Place, other: Place, amount: usize) -> String {
    let sector = |place: Place, nth: usize| Place { at: place.at + nth % 16 * SECTOR_BYTES, ..place };
    let (one, other) = (sector(one, amount), sector(other, amount / 16));
    let read = |place: Place| {
        image
            .get(&place.file)
            .and_then(|bytes| bytes.get(place.at..place.at + SECTOR_BYTES))
            .map(<[u8]>::to_vec)
    };
    let (Some(first), Some(second)) = (read(one), read(other)) else {
        return String::from("no sectors to swap");
    };
    let done = change(image, one.file, one.at, SECTOR_BYTES, |into| into.copy_from_slice(&second));
    let back = change(image, other.file, other.at, SECTOR_BYTES, |into| into.copy_from_slice(&first));
    format!("swapped sectors: {done}, {back}")
}

/// Bytes of a file as they were at an earlier start: the whole file, or the rest of it, or a block.
fn stale(image: &mut Image, past: &[Image], place: Place, amount: usize) -> String {
    let Some(old) = past.get(amount / 4 % past.len().max(1)).and_then(|old| old.get(&place.file)) else {
        image.remove(&place.file);
        return format!("{} is not there yet", place.file);
    };
    let (from, len) = match amount % 4 {
        0 => (0, usize::MAX),
        1 => (place.at, usize::MAX),
        2 => (place.at, BLOCK),
        _ => (place.at, SECTOR_BYTES),
    };
    let old = old.get(from..).unwrap_or(&[]).to_vec();
    let len = len.min(old.len());
    let done = change(image, place.file, from, len, |into| into.copy_from_slice(&old[..into.len()]));
    format!("{done} to what they were at start {}", amount / 4 % past.len())
}

/// A segment under the number of another, or under a new one behind the last.
fn duplicate(image: &mut Image, from: FileName, to: FileName, amount: usize) -> String {
    let last = image.keys().filter_map(|file| match file {
        FileName::Segment(sequence) => Some(sequence.0),
        FileName::Identity
        | FileName::IdentityDraft
        | FileName::SegmentDraft(_)
        | FileName::Checkpoint(_)
        | FileName::CheckpointDraft(_)
        | FileName::Torn(_)
        | FileName::Lost(..)
        | FileName::LossReport(_)
        | FileName::Reserve => None,
    });
    let behind = FileName::Segment(SegmentSequence(last.max().unwrap_or(0) + 1));
    let to = if amount.is_multiple_of(2) { to } else { behind };
    let bytes = image.get(&from).cloned().unwrap_or_default();
    image.insert(to, bytes);
    format!("copied {from} over {to}")
}

pub(crate) fn swap_files<Name: Copy + Ord + Display>(
    image: &mut BTreeMap<Name, Vec<u8>>,
    one: Name,
    other: Name,
) -> String {
    if let (Some(first), Some(second)) = (image.remove(&one), image.remove(&other)) {
        image.insert(one, second);
        image.insert(other, first);
    }
    format!("swapped {one} and {other}")
}
