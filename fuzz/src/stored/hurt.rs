//! Damage to the objects of a store.
//!
//! Bytes that replace others are mixed, or were written elsewhere: checksums are assumed to detect damage, so none may be forged.

use std::mem::discriminant;

use evenkeel_core::store::ObjectKey;

use crate::{
    choices::{Choices, mixed},
    damage::{change, cut, fill, scramble, swap_files},
    shelf::Objects,
};

/// Bytes of choice that one damage takes.
pub const CHOICE_BYTES: usize = 8;

/// Damages one object. Says what was done. A manifest is not removed: a store loses none.
pub fn hurt(objects: &mut Objects, choices: &mut Choices<'_>) -> String {
    let keys: Vec<ObjectKey> = objects.keys().copied().collect();
    let kind = choices.below(12);
    let key = keys[choices.below(keys.len())];
    // What is in the place of another is most like it, and hardest to tell from it, if it is of its kind.
    let alike = keys.iter().filter(|other| discriminant(*other) == discriminant(&key)).count();
    let first = keys.iter().position(|other| discriminant(other) == discriminant(&key)).unwrap_or(0);
    let other = keys[first + choices.below(alike)];
    let bytes = objects[&key].clone();
    let (at, behind) = (place(&bytes, choices), place(&bytes, choices));
    let amount = usize::from(choices.byte());
    match kind {
        0 => change(objects, key, at, 1, |bytes| bytes[0] ^= 1 << (amount % 8)),
        1 => scramble(objects, key, at, 1 + amount),
        2 => fill(objects, key, at, 1 + amount),
        3 => cut(objects, key, at),
        4 => {
            let more = (0..=amount as u64).map(|nth| mixed(&[nth]).to_le_bytes()[0]);
            replace(objects, key, bytes.iter().copied().chain(more).collect())
        }
        5 => {
            let (from, upto) = (at.min(behind), at.max(behind));
            replace(objects, key, [&bytes[..upto], &bytes[from..]].concat())
        }
        6 => {
            let (from, upto) = (at.min(behind), at.max(behind));
            replace(objects, key, [&bytes[..from], &bytes[upto..]].concat())
        }
        7 => {
            let mut bytes = bytes;
            let len = (1 + amount).min(bytes.len() - at.max(behind)).min(at.abs_diff(behind));
            for nth in 0..len {
                bytes.swap(at + nth, behind + nth);
            }
            replace(objects, key, bytes)
        }
        8 => {
            let len = (1 + amount).min(bytes.len() - behind);
            change(objects, key, at, len, |into| into.copy_from_slice(&bytes[behind..][..into.len()]))
        }
        9 => {
            let others = objects[&other].clone();
            replace(objects, key, others)
        }
        10 if key != other => swap_files(objects, key, other),
        11 if !matches!(key, ObjectKey::Manifest(_)) => {
            objects.remove(&key);
            format!("removed {key}")
        }
        _ => String::from("nothing"),
    }
}

/// A place in it, or its end.
fn place(bytes: &[u8], choices: &mut Choices<'_>) -> usize {
    usize::from(choices.u16()) % (bytes.len() + 1)
}

fn replace(objects: &mut Objects, key: ObjectKey, bytes: Vec<u8>) -> String {
    let done = format!("made {} bytes of {key} out of {}", bytes.len(), objects[&key].len());
    objects.insert(key, bytes);
    done
}

#[cfg(test)]
mod tests;
