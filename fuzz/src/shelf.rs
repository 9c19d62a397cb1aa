//! An object store in memory whose listings can lie, and which can fail to answer.

use std::{
    collections::BTreeMap,
    sync::{Mutex, MutexGuard},
};

use bytes::Bytes;
use evenkeel_core::{
    port::{ObjectEntry, ObjectError, ObjectErrorKind, ObjectKind, ObjectStore},
    store::ObjectKey,
};

/// What is in a store.
pub type Objects = BTreeMap<ObjectKey, Vec<u8>>;

/// The store.
#[derive(Debug, Default)]
pub struct Shelf {
    objects: Mutex<BTreeMap<ObjectKey, Bytes>>,
    /// What a listing says in the place of the truth, whatever is asked for.
    pub listed: Option<Vec<ObjectKey>>,
    /// There is no answer for this one.
    pub silent: Option<ObjectKey>,
    /// A read of a part that begins here gives a byte less than there is.
    pub short_at: Option<u64>,
    /// The most bytes that a read of a part asked for: what a real store would make room for.
    asked: Mutex<u64>,
}

impl Shelf {
    /// A store that holds these.
    #[must_use]
    pub fn holding(objects: &Objects) -> Shelf {
        let objects = objects.iter().map(|(key, bytes)| (*key, Bytes::copy_from_slice(bytes)));
        Shelf { objects: Mutex::new(objects.collect()), ..Shelf::default() }
    }

    fn objects(&self) -> MutexGuard<'_, BTreeMap<ObjectKey, Bytes>> {
        self.objects.lock().expect("nothing panics with it in hand")
    }

    /// All that it holds.
    #[must_use]
    pub fn image(&self) -> Objects {
        self.objects().iter().map(|(key, bytes)| (*key, bytes.to_vec())).collect()
    }

    /// The most bytes that a read of a part of an object asked for since this was last looked at.
    ///
    /// # Panics
    /// Never: nothing panics with the number in hand.
    pub fn take_most_asked(&self) -> u64 {
        std::mem::take(&mut *self.asked.lock().expect("nothing panics with it in hand"))
    }
}

fn error(kind: ObjectErrorKind, key: ObjectKey) -> ObjectError {
    ObjectError { kind, key: Some(key), detail: String::from("as told") }
}

impl ObjectStore for Shelf {
    fn create(&self, key: ObjectKey, data: &[Bytes]) -> Result<(), ObjectError> {
        let mut objects = self.objects();
        if objects.contains_key(&key) {
            return Err(error(ObjectErrorKind::Exists, key));
        }
        objects.insert(key, Bytes::from(data.concat()));
        Ok(())
    }

    fn read_at(&self, key: ObjectKey, from: u64, len: u64) -> Result<Bytes, ObjectError> {
        let mut asked = self.asked.lock().expect("nothing panics with it in hand");
        *asked = len.max(*asked);
        let bytes = self.read(key, u64::MAX)?;
        let within = |place: u64| usize::try_from(place).unwrap_or(usize::MAX).min(bytes.len());
        let upto = within(from.saturating_add(len)).saturating_sub(usize::from(self.short_at == Some(from)));
        Ok(bytes.slice(within(from)..upto.max(within(from))))
    }

    fn read(&self, key: ObjectKey, bytes_max: u64) -> Result<Bytes, ObjectError> {
        if self.silent == Some(key) {
            return Err(error(ObjectErrorKind::Unknown, key));
        }
        match self.objects().get(&key) {
            None => Err(error(ObjectErrorKind::NotFound, key)),
            Some(bytes) if bytes.len() as u64 > bytes_max => Err(error(ObjectErrorKind::Damaged, key)),
            Some(bytes) => Ok(bytes.clone()),
        }
    }

    fn list(&self, kind: ObjectKind, after: Option<ObjectKey>) -> Result<Vec<ObjectEntry>, ObjectError> {
        let objects = self.objects();
        let folder = format!("{}/", kind.folder());
        let true_keys = || {
            let keys = objects.keys().copied();
            keys.filter(|key| key.to_string().starts_with(&folder) && after.is_none_or(|after| *key > after))
                .collect()
        };
        let keys: Vec<ObjectKey> = self.listed.clone().unwrap_or_else(true_keys);
        let len = |key| objects.get(key).map_or(0, |bytes| bytes.len() as u64);
        Ok(keys.iter().map(|key| ObjectEntry { key: *key, len: len(key) }).collect())
    }

    fn remove(&self, key: ObjectKey) -> Result<(), ObjectError> {
        self.objects().remove(&key);
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_listing_lies_if_it_is_told_to_and_reads_do_not() {
        let key = ObjectKey::Manifest;
        let mut shelf = Shelf::default();
        for number in 1..4 {
            shelf.create(key(number), &[Bytes::from_static(b"abc")]).expect("there is none");
        }
        let taken = shelf.create(key(1), &[]).map_err(|error| error.kind);
        assert_eq!(taken, Err(ObjectErrorKind::Exists));
        let listed = |shelf: &Shelf, after: Option<u64>| -> Vec<ObjectKey> {
            let listed = shelf.list(ObjectKind::Manifest, after.map(key)).expect("it answers");
            listed.iter().map(|entry| entry.key).collect()
        };
        assert_eq!(listed(&shelf, Some(1)), [key(2), key(3)]);
        assert_eq!(shelf.list(ObjectKind::Data, None), Ok(Vec::new()));
        (shelf.listed, shelf.silent) = (Some(vec![key(9)]), Some(key(2)));
        assert_eq!(listed(&shelf, None), [key(9)]);
        let kind = |number, bytes_max| shelf.read(key(number), bytes_max).map_err(|error| error.kind);
        assert_eq!(kind(1, 3), Ok(Bytes::from_static(b"abc")));
        assert_eq!(kind(1, 2), Err(ObjectErrorKind::Damaged));
        assert_eq!(kind(2, 3), Err(ObjectErrorKind::Unknown));
        assert_eq!(kind(9, 3), Err(ObjectErrorKind::NotFound));
        assert_eq!(shelf.read_at(key(3), 1, u64::MAX), Ok(Bytes::from_static(b"bc")), "fewer where it ends");
        shelf.short_at = Some(1);
        assert_eq!(shelf.read_at(key(3), 1, 2), Ok(Bytes::from_static(b"b")));
        assert_eq!(shelf.read_at(key(3), 0, 2), Ok(Bytes::from_static(b"ab")));
        assert_eq!((shelf.take_most_asked(), shelf.take_most_asked()), (u64::MAX, 0));
    }
}
