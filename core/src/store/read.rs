//! What was read from the store, held against what refers to it: the one place that says whether an object is the right one.

use alloc::{collections::BTreeMap, format, string::String, vec::Vec};

use bytes::Bytes;

use crate::{
    limits::CHECKPOINT_BYTES_MAX,
    port::{ObjectError, ObjectErrorKind, ObjectRequest, ObjectStore},
    state::{
        State,
        checkpoint::{self, NotACheckpoint},
    },
    store::{
        Index, IndexRef, Manifest, NotAnObject, ObjectKey, StateRef, StoredObject, data::Footer, delta::Delta,
    },
};

/// Reads the manifest with that number.
///
/// # Errors
/// It is not that one, or not intact.
pub fn read_manifest(number: u64, bytes: &Bytes) -> Result<Manifest, ObjectError> {
    let detail = match Manifest::decode(bytes) {
        Ok(manifest) if manifest.number == number => return Ok(manifest),
        Ok(manifest) => format!("it is manifest {}", manifest.number),
        Err(NotAnObject::Damaged) => String::from("its checksum does not match, or it says what cannot be"),
        Err(NotAnObject::Format(version)) => unknown(version),
    };
    Err(damaged(ObjectKey::Manifest(number), detail))
}

fn unknown(version: u32) -> String {
    format!("it is of format {version}, which this version of evenkeel does not know")
}

/// Reads an index object that a manifest refers to.
///
/// # Errors
/// It is not that one, or not intact.
pub fn read_index(told: &IndexRef, bytes: &Bytes) -> Result<Index, ObjectError> {
    let damaged = |detail: String| damaged(ObjectKey::Index(told.name), detail);
    if bytes.len() as u64 != told.len || crc32c::crc32c(bytes) != told.crc {
        return Err(damaged(String::from("it is not the one that the manifest refers to")));
    }
    match Index::decode(bytes) {
        Ok(index) if index.objects.len() as u64 == u64::from(told.objects) => Ok(index),
        Ok(_) | Err(NotAnObject::Damaged) => Err(damaged(String::from("it says what cannot be"))),
        Err(NotAnObject::Format(version)) => Err(damaged(unknown(version))),
    }
}

/// The request for the state object behind those that are there; `None`: these are all that the manifest refers to.
#[must_use]
pub fn state_request(manifest: &Manifest, loaded: usize) -> Option<ObjectRequest> {
    let told = manifest.states().nth(loaded)?;
    Some(ObjectRequest::Read { key: ObjectKey::State(told.name), bytes_max: CHECKPOINT_BYTES_MAX })
}

/// Reads the state at a manifest's cut, out of all the state objects that it refers to, in its order.
///
/// # Errors
/// One is not that one, or not intact, or they do not fit together.
pub fn read_state(manifest: &Manifest, objects: &[Bytes]) -> Result<State, ObjectError> {
    let damaged = |told: &StateRef, detail: String| damaged(ObjectKey::State(told.name), detail);
    for (told, bytes) in manifest.states().zip(objects) {
        if bytes.len() as u64 != told.len || crc32c::crc32c(bytes) != told.crc {
            return Err(damaged(told, String::from("it is not the one that the manifest refers to")));
        }
    }
    let Some(told) = &manifest.state else { return Ok(State::default()) };
    let (Some(whole), cut) = (objects.first(), manifest.cut) else {
        return Err(damaged(told, String::from("it was not read")));
    };
    let changed = match (&manifest.delta, objects.get(1)) {
        (None, _) => None,
        (Some(delta), None) => return Err(damaged(delta, String::from("it was not read"))),
        (Some(delta), Some(bytes)) => {
            let applied = Delta::decode(bytes).and_then(|delta| delta.apply(whole, CHECKPOINT_BYTES_MAX));
            Some(applied.map_err(|why| match why {
                NotAnObject::Damaged => {
                    damaged(delta, format!("it does not fit to {}", ObjectKey::State(told.name)))
                }
                NotAnObject::Format(version) => damaged(delta, unknown(version)),
            })?)
        }
    };
    let damaged = |detail| damaged(manifest.delta.as_ref().unwrap_or(told), detail);
    match checkpoint::decode(changed.as_deref().unwrap_or(whole)) {
        Ok((state, lsn)) if lsn == cut => Ok(state),
        Ok((_, lsn)) => Err(damaged(format!("it is the state at LSN {lsn}, not at {cut}"))),
        Err(NotACheckpoint::Damaged) => Err(damaged(String::from("it says what cannot be"))),
        Err(NotACheckpoint::Newer(version)) => {
            Err(damaged(format!("it was written by a newer version of evenkeel (format {version})")))
        }
    }
}

/// Confirms that what a manifest and all of its indexes list fits together: the offsets of each partition come in order, none twice.
///
/// # Errors
/// They do not.
pub fn check_order(manifest: &Manifest, indexes: &[Index]) -> Result<(), ObjectError> {
    let mut ends = BTreeMap::new();
    let objects = indexes.iter().flat_map(|index| &index.objects).chain(&manifest.tail);
    for part in objects.flat_map(|data| &data.parts) {
        if let Some(end) = ends.insert(part.partition, part.end)
            && part.first < end
        {
            let (first, partition) = (part.first, part.partition);
            let detail =
                format!("offset {first} of partition {partition} comes behind {end} in what it lists");
            return Err(damaged(ObjectKey::Manifest(manifest.number), detail));
        }
    }
    Ok(())
}

/// Reads the footer of a data object: one read, at the place that whoever refers to the object knows.
///
/// # Errors
/// The store failed, or the footer is not the one that is referred to.
pub fn read_footer(store: &dyn ObjectStore, object: &StoredObject) -> Result<Footer, ObjectError> {
    let key = ObjectKey::Data(object.name);
    let bytes = exactly(store, key, object.footer_at(), u64::from(object.footer_len))?;
    footer_of(object, &bytes)
}

/// Reads the bytes of a footer.
pub(super) fn footer_of(object: &StoredObject, bytes: &[u8]) -> Result<Footer, ObjectError> {
    let key = ObjectKey::Data(object.name);
    if crc32c::crc32c(bytes) != object.footer_crc {
        return Err(damaged(key, String::from("the checksum of its footer does not match")));
    }
    Footer::decode(bytes).map_err(|why| {
        let detail = match why {
            NotAnObject::Damaged => String::from("its footer says what cannot be"),
            NotAnObject::Format(version) => unknown(version),
        };
        damaged(key, detail)
    })
}

pub(super) fn exactly(
    store: &dyn ObjectStore,
    key: ObjectKey,
    from: u64,
    len: u64,
) -> Result<Bytes, ObjectError> {
    let bytes = store.read_at(key, from, len)?;
    if bytes.len() as u64 != len {
        return Err(short(key, from, len, bytes.len() as u64));
    }
    Ok(bytes)
}

/// The same in slices.
pub(super) fn exactly_in_slices(
    store: &dyn ObjectStore,
    key: ObjectKey,
    from: u64,
    len: u64,
) -> Result<Vec<Bytes>, ObjectError> {
    let slices = store.read_slices_at(key, from, len)?;
    let there: u64 = slices.iter().map(|slice| slice.len() as u64).sum();
    if there != len {
        return Err(short(key, from, len, there));
    }
    Ok(slices)
}

fn short(key: ObjectKey, from: u64, len: u64, there: u64) -> ObjectError {
    damaged(key, format!("{len} bytes from {from} wanted, {there} there"))
}

pub(super) fn damaged(key: ObjectKey, detail: String) -> ObjectError {
    ObjectError { kind: ObjectErrorKind::Damaged, key: Some(key), detail }
}
