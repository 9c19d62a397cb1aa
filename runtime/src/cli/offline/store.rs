//! An object store that is only read. What fails on the way is asked again a few times: a look at a whole store takes long, and one
//! broken connection is no news about it.

use std::{thread, time::Duration};

use bytes::Bytes;
use evenkeel_core::{
    port::{ObjectEntry, ObjectError, ObjectErrorKind, ObjectKind, ObjectStore},
    store::ObjectKey,
};

use super::super::failure::Failure;
use crate::{
    object::{Deadlines, Objects, StorePlace},
    settings::StoreFlags,
};

const ATTEMPTS: u32 = 4;
const PAUSE: Duration = Duration::from_millis(250);

/// A store.
pub(super) struct Stored {
    objects: Objects,
    pub(super) place: StorePlace,
}

impl Stored {
    /// The store that the flags name; `unsaid` if they name none.
    ///
    /// # Errors
    /// The flags make no sense, or it is a directory that is not there.
    pub(super) fn open(flags: &StoreFlags, unsaid: Option<StorePlace>) -> Result<Option<Stored>, Failure> {
        let Some(place) = flags.place(unsaid).map_err(Failure::Wrong)? else { return Ok(None) };
        let objects = Objects::open_to_read(&place, Deadlines::default()).map_err(Failure::Wrong)?;
        Ok(Some(Stored { objects, place }))
    }

    fn patiently<T>(&self, ask: impl Fn(&Objects) -> Result<T, ObjectError>) -> Result<T, ObjectError> {
        let mut attempt = 1;
        loop {
            match ask(&self.objects) {
                Err(error) if error.kind == ObjectErrorKind::Unknown && attempt < ATTEMPTS => {
                    thread::park_timeout(PAUSE * (1 << attempt));
                    attempt += 1;
                }
                done => return done,
            }
        }
    }
}

impl ObjectStore for Stored {
    fn create(&self, key: ObjectKey, _: &[Bytes]) -> Result<(), ObjectError> {
        Err(refused(key))
    }

    fn read_at(&self, key: ObjectKey, from: u64, len: u64) -> Result<Bytes, ObjectError> {
        self.patiently(|objects| objects.read_at(key, from, len))
    }

    fn read(&self, key: ObjectKey, bytes_max: u64) -> Result<Bytes, ObjectError> {
        self.patiently(|objects| objects.read(key, bytes_max))
    }

    fn list(&self, kind: ObjectKind, after: Option<ObjectKey>) -> Result<Vec<ObjectEntry>, ObjectError> {
        self.patiently(|objects| objects.list(kind, after))
    }

    fn remove(&self, key: ObjectKey) -> Result<(), ObjectError> {
        Err(refused(key))
    }
}

fn refused(key: ObjectKey) -> ObjectError {
    let detail = String::from("the store is only looked at");
    ObjectError { kind: ObjectErrorKind::Denied, key: Some(key), detail }
}
