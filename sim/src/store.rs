//! An object store in memory: strongly consistent, and it never loses an object. What fails is the way there and back, which is the
//! world's to decide (`world/courier.rs`).

use std::{
    collections::{BTreeMap, BTreeSet},
    sync::{Mutex, MutexGuard},
};

use bytes::Bytes;
use evenkeel_core::{
    port::{ObjectEntry, ObjectError, ObjectErrorKind, ObjectKind, ObjectStore},
    store::{Index, Manifest, ObjectKey},
};

/// The store. A clone is a store of its own, cheap as long as the objects are shared.
#[derive(Debug, Default)]
pub struct SimStore {
    objects: Mutex<BTreeMap<ObjectKey, Bytes>>,
}

impl Clone for SimStore {
    fn clone(&self) -> SimStore {
        SimStore { objects: Mutex::new(self.objects().clone()) }
    }
}

impl SimStore {
    fn objects(&self) -> MutexGuard<'_, BTreeMap<ObjectKey, Bytes>> {
        self.objects.lock().expect("nothing panics with the store in hand")
    }

    /// The newest manifest.
    #[must_use]
    pub fn newest_manifest(&self) -> Option<Manifest> {
        let objects = self.objects();
        let newest = objects.iter().rev().find(|(key, _)| matches!(key, ObjectKey::Manifest(_)));
        newest.map(|(_, bytes)| Manifest::decode(bytes).expect("a store keeps what it was given"))
    }

    /// The bytes of an object.
    #[must_use]
    pub fn object(&self, key: ObjectKey) -> Option<Bytes> {
        self.objects().get(&key).cloned()
    }

    /// The objects that the newest manifest refers to, by way of indexes too.
    ///
    /// # Errors
    /// One of the indexes is not there.
    pub fn referred(&self) -> Result<BTreeSet<ObjectKey>, ObjectKey> {
        let mut referred = BTreeSet::new();
        let Some(newest) = self.newest_manifest() else { return Ok(referred) };
        referred.insert(ObjectKey::Manifest(newest.number));
        referred.extend(newest.states().map(|state| ObjectKey::State(state.name)));
        let mut data = newest.tail;
        for told in &newest.indexes {
            let key = ObjectKey::Index(told.name);
            let bytes = self.object(key).ok_or(key)?;
            data.extend(Index::decode(&bytes).expect("a store keeps what it was given").objects);
            referred.insert(key);
        }
        referred.extend(data.iter().map(|data| ObjectKey::Data(data.object.name)));
        Ok(referred)
    }

    /// The keys of all objects.
    #[must_use]
    pub fn keys(&self) -> Vec<ObjectKey> {
        self.objects().keys().copied().collect()
    }

    /// Number of objects.
    #[must_use]
    pub fn len(&self) -> usize {
        self.objects().len()
    }

    /// Whether nothing was ever written.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.objects().is_empty()
    }
}

fn kind_of(key: &ObjectKey) -> ObjectKind {
    match key {
        ObjectKey::Manifest(_) => ObjectKind::Manifest,
        ObjectKey::Data(_) => ObjectKind::Data,
        ObjectKey::State(_) => ObjectKind::State,
        ObjectKey::Index(_) => ObjectKind::Index,
        ObjectKey::Probe(_) => ObjectKind::Probe,
    }
}

fn error(kind: ObjectErrorKind, key: ObjectKey, detail: &str) -> ObjectError {
    ObjectError { kind, key: Some(key), detail: detail.to_string() }
}

impl ObjectStore for SimStore {
    fn create(&self, key: ObjectKey, data: &[Bytes]) -> Result<(), ObjectError> {
        let mut objects = self.objects();
        if objects.contains_key(&key) {
            return Err(error(ObjectErrorKind::Exists, key, "412 Precondition Failed"));
        }
        objects.insert(key, Bytes::from(data.concat()));
        Ok(())
    }

    fn read_at(&self, key: ObjectKey, from: u64, len: u64) -> Result<Bytes, ObjectError> {
        let bytes = self.read(key, u64::MAX)?;
        let end = bytes.len();
        let at = |place: u64| usize::try_from(place).unwrap_or(usize::MAX).min(end);
        Ok(bytes.slice(at(from)..at(from.saturating_add(len))))
    }

    fn read(&self, key: ObjectKey, bytes_max: u64) -> Result<Bytes, ObjectError> {
        match self.object(key) {
            None => Err(error(ObjectErrorKind::NotFound, key, "404 Not Found")),
            Some(bytes) if bytes.len() as u64 > bytes_max => {
                Err(error(ObjectErrorKind::Damaged, key, "larger than it can be"))
            }
            Some(bytes) => Ok(bytes),
        }
    }

    fn list(&self, kind: ObjectKind, after: Option<ObjectKey>) -> Result<Vec<ObjectEntry>, ObjectError> {
        let objects = self.objects();
        let wanted =
            objects.iter().filter(|(key, _)| kind_of(key) == kind && after.is_none_or(|after| **key > after));
        Ok(wanted.map(|(key, bytes)| ObjectEntry { key: *key, len: bytes.len() as u64 }).collect())
    }

    fn remove(&self, key: ObjectKey) -> Result<(), ObjectError> {
        self.objects().remove(&key);
        Ok(())
    }
}
