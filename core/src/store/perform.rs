//! Carries out a request on a store. Blocking; the byte work of reads is done here, outside the brain.

use alloc::{collections::VecDeque, format, string::String, vec, vec::Vec};

use bytes::Bytes;

use crate::{
    limits::MANIFEST_BYTES_MAX,
    port::{
        ObjectError, ObjectErrorKind, ObjectKind, ObjectReply, ObjectRequest, ObjectResult, ObjectStore,
        ReadBatches,
    },
    store::{
        ObjectKey, StoredObject,
        data::{FooterBatch, FooterPart},
        read::{damaged, exactly, exactly_in_slices, footer_of, read_footer},
    },
};

/// Carries out a request.
///
/// # Errors
/// The store failed, or what it gave is not what was written.
pub fn perform(store: &dyn ObjectStore, request: &ObjectRequest) -> ObjectResult {
    match request {
        ObjectRequest::NewestManifest => newest_manifest(store).map(ObjectReply::Manifest),
        ObjectRequest::Read { key, bytes_max } => store.read(*key, *bytes_max).map(ObjectReply::Bytes),
        ObjectRequest::Create { key, data } => store.create(*key, data).map(|()| ObjectReply::Created),
        ObjectRequest::List { kind, after } => {
            let listed = store.list(*kind, *after)?;
            Ok(ObjectReply::Keys(listed.into_iter().map(|entry| entry.key).collect()))
        }
        ObjectRequest::Remove { key } => store.remove(*key).map(|()| ObjectReply::Removed),
        ObjectRequest::ReadBatches(read) => read_batches(store, read).map(ObjectReply::Batches),
        ObjectRequest::ReadObject(object) => read_object(store, object).map(ObjectReply::Object),
    }
}

/// A listing only says where to begin: whether there is a younger manifest is asked of each in turn.
fn newest_manifest(store: &dyn ObjectStore) -> Result<Option<(u64, Bytes)>, ObjectError> {
    let listed = store.list(ObjectKind::Manifest, None)?;
    let Some(ObjectKey::Manifest(mut number)) = listed.last().map(|entry| entry.key) else {
        return Ok(None);
    };
    let mut newest = store.read(ObjectKey::Manifest(number), MANIFEST_BYTES_MAX)?;
    // No broker commits the last number, but anyone can give a key that name.
    while let Some(next) = number.checked_add(1) {
        match store.read(ObjectKey::Manifest(next), MANIFEST_BYTES_MAX) {
            Ok(bytes) => (number, newest) = (next, bytes),
            Err(error) if error.kind == ObjectErrorKind::NotFound => break,
            Err(error) => return Err(error),
        }
    }
    Ok(Some((number, newest)))
}

fn read_batches(store: &dyn ObjectStore, read: &ReadBatches) -> Result<Vec<Bytes>, ObjectError> {
    let key = ObjectKey::Data(read.object.name);
    let footer = read_footer(store, &read.object)?;
    let part = footer
        .part(read.partition)
        .ok_or_else(|| damaged(key, format!("nothing of partition {} is in it", read.partition)))?;
    let (first, upto) = selection(part, read);
    let (from, len) = (part.at + bytes_of(&part.batches[..first]), bytes_of(&part.batches[first..upto]));
    if len == 0 {
        return Ok(Vec::new());
    }
    if from + len > read.object.footer_at() {
        return Err(behind_itself(key));
    }
    let slices = exactly_in_slices(store, key, from, len)?;
    split(key, &part.batches[first..upto], slices)
}

fn bytes_of(batches: &[FooterBatch]) -> u64 {
    batches.iter().map(|batch| u64::from(batch.len)).sum()
}

fn behind_itself(key: ObjectKey) -> ObjectError {
    damaged(key, String::from("its footer names batches behind its own place"))
}

/// Slices that are batches, one behind the other, each held against what the footer says of it. They have as many bytes as it says.
fn split(key: ObjectKey, told: &[FooterBatch], slices: Vec<Bytes>) -> Result<Vec<Bytes>, ObjectError> {
    let mut batches = Vec::with_capacity(told.len());
    let mut slices = VecDeque::from(slices);
    for told in told {
        let one = take(&mut slices, told.len as usize);
        told.verify(&one)
            .map_err(|why| damaged(key, format!("batch at offset {}: {why}", told.base_offset)))?;
        batches.push(one);
    }
    Ok(batches)
}

/// The first bytes of slices; a copy only where they are in more than one.
fn take(slices: &mut VecDeque<Bytes>, len: usize) -> Bytes {
    while slices.front().is_some_and(Bytes::is_empty) {
        slices.pop_front();
    }
    if let Some(first) = slices.front_mut().filter(|first| first.len() >= len) {
        return first.split_to(len);
    }
    let mut joined = Vec::with_capacity(len);
    while joined.len() < len {
        let Some(mut first) = slices.pop_front() else { break };
        joined.extend_from_slice(&first.split_to(first.len().min(len - joined.len())));
        if !first.is_empty() {
            slices.push_front(first);
        }
    }
    Bytes::from(joined)
}

/// In one request: the footer is cut out of what comes.
fn read_object(
    store: &dyn ObjectStore,
    object: &StoredObject,
) -> Result<Vec<(FooterPart, Vec<Bytes>)>, ObjectError> {
    let key = ObjectKey::Data(object.name);
    let bytes = exactly(store, key, 0, object.len)?;
    let place = |at: u64| usize::try_from(at).map_err(|_| behind_itself(key));
    let footer_at = place(object.footer_at())?;
    let footer = footer_of(object, &bytes[footer_at..footer_at + object.footer_len as usize])?;
    let mut parts = Vec::with_capacity(footer.parts.len());
    for part in footer.parts {
        let (from, upto) = (place(part.at)?, place(part.at + part.bytes())?);
        if upto > footer_at {
            return Err(behind_itself(key));
        }
        let batches = split(key, &part.batches, vec![bytes.slice(from..upto)])?;
        parts.push((part, batches));
    }
    Ok(parts)
}

/// Which batches: the first that is wanted, and behind the last.
fn selection(part: &FooterPart, read: &ReadBatches) -> (usize, usize) {
    let mut first = part.batches.partition_point(|batch| batch.last_offset() < read.from);
    if let Some(youngest) = read.newest_min {
        first += part.batches[first..].iter().take_while(|batch| batch.newest < youngest).count();
    }
    let mut bytes = 0;
    let within = part.batches[first..].iter().take_while(|batch| {
        let before = bytes;
        bytes += u64::from(batch.len);
        before == 0 || bytes <= read.bytes_max
    });
    (first, first + within.count())
}

#[cfg(test)]
mod tests;
