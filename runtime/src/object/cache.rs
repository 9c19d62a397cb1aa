//! What was read of data objects for consumers, kept in memory, and read ahead for those that catch up.
//!
//! A data object never changes and its key is never given twice, so its bytes are right for as long as they are kept. Nothing else
//! of the store goes through here. What is kept are *extents*: what one GET brought, from block to block. Extents of an object
//! do not overlap, and the one at its end has the footer.
//!
//! - A part that is on its way is waited for and not asked for again. Each GET has a [`Flight`] to wait for, and ends it however
//!   it ends, by a panic too.
//! - An extent is kept only with exactly as many bytes as were asked for. How long an object is says who refers to it, so a short
//!   answer is never taken for its end: it is passed on as short as it is, and [`perform`] refuses it.
//! - Checksums are verified by [`perform`] at each read, of kept bytes too. After damage the object is forgotten, so that the next
//!   read asks the store.
//! - All extents together, those on their way too, have no more bytes than the bound. What does not fit is read and not kept.
//!   An answer that is not taken holds a copy, or a good part of an extent, and so not much more than itself.

mod held;

use std::sync::{Arc, Condvar, Mutex, MutexGuard, mpsc::Sender};

use bytes::Bytes;
use evenkeel_core::{
    port::{
        ObjectEntry, ObjectError, ObjectErrorKind, ObjectKind, ObjectRequest, ObjectResult, ObjectStore,
        ReadBatches,
    },
    store::{ObjectKey, StoredObject, perform},
};

use crate::object::cache::held::{Found, Held};

/// Extents begin and end on a multiple of this, or at the end of the object.
const BLOCK_BYTES: u64 = 256 << 10;
/// An answer may keep an extent in memory that is so many times as large as itself. Of a larger one it has a copy.
const PINNED_MAX: usize = 4;
/// Reads ahead at once, of all consumers.
pub const AHEAD_AT_ONCE: usize = 2;

/// Data objects of a store, as far as they are kept. Locked for look-ups only, never during a GET.
pub struct Cache {
    store: Arc<dyn ObjectStore>,
    held: Mutex<Held>,
}

/// Which bytes of which object: not empty, within it, and not split any further.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
struct Range {
    object: StoredObject,
    from: u64,
    upto: u64,
}

impl Range {
    fn len(&self) -> u64 {
        self.upto - self.from
    }
}

/// A GET on its way, for whoever waits for it.
struct Flight {
    range: Range,
    ahead: bool,
    landing: Mutex<Option<Landing>>,
    landed: Condvar,
}

/// How a GET ended.
#[derive(Clone)]
enum Landing {
    /// Bytes from the range's beginning on; fewer than it has if the store gave fewer.
    Bytes(Bytes),
    /// The store's error.
    Failed(ObjectError),
    /// With nothing that is of use to others: by a panic, or it never began.
    Never,
}

impl Flight {
    fn wait(&self) -> Landing {
        let mut landing = self.landing.lock().expect("nobody panics with it locked");
        loop {
            match &*landing {
                Some(landing) => return landing.clone(),
                None => landing = self.landed.wait(landing).expect("nobody panics with it locked"),
            }
        }
    }

    fn land(&self, landing: Landing) {
        *self.landing.lock().expect("nobody panics with it locked") = Some(landing);
        self.landed.notify_all();
    }
}

/// The duty to carry out a GET that others may wait for. If it is dropped without that, they are told.
pub struct Get {
    cache: Arc<Cache>,
    flight: Arc<Flight>,
}

impl Get {
    /// Reads ahead. Says nothing of an error: who needs these bytes asks again, and has an error of its own.
    pub fn carry_out(self) {
        drop(self.read());
    }

    fn read(self) -> Result<Bytes, ObjectError> {
        let read = self.cache.ask(self.flight.range);
        self.end(match &read {
            // Who waits may want less than was read ahead, and all of that may be there.
            Ok(bytes) if self.flight.ahead && (bytes.len() as u64) < self.flight.range.len() => {
                Landing::Never
            }
            Ok(bytes) => Landing::Bytes(bytes.clone()),
            Err(error) => Landing::Failed(error.clone()),
        });
        read
    }

    /// First kept or forgotten, then told: who was told that there is nothing must not find this flight again.
    fn end(&self, landing: Landing) {
        let whole = match &landing {
            Landing::Bytes(bytes) if bytes.len() as u64 == self.flight.range.len() => Some(bytes.clone()),
            Landing::Bytes(_) | Landing::Failed(_) | Landing::Never => None,
        };
        self.cache.held().landed(&self.flight, whole);
        self.flight.land(landing);
    }
}

impl Drop for Get {
    fn drop(&mut self) {
        let landed = self.flight.landing.lock().expect("nobody panics with it locked").is_some();
        if !landed {
            self.end(Landing::Never);
        }
    }
}

impl Cache {
    /// Keeps at most so many bytes.
    #[must_use]
    pub fn new(store: &Arc<dyn ObjectStore>, bytes_max: u64) -> Arc<Cache> {
        Arc::new(Cache { store: Arc::clone(store), held: Mutex::new(Held::new(bytes_max)) })
    }

    /// As [`perform`]. What should be read ahead meanwhile goes to `ahead`, at most [`AHEAD_AT_ONCE`] at a time.
    ///
    /// # Errors
    /// Those of [`perform`].
    pub fn perform(self: &Arc<Self>, request: &ObjectRequest, ahead: &Sender<Get>) -> ObjectResult {
        let object = match request {
            ObjectRequest::ReadBatches(ReadBatches { object, .. }) => *object,
            ObjectRequest::NewestManifest
            | ObjectRequest::Read { .. }
            | ObjectRequest::Create { .. }
            | ObjectRequest::List { .. }
            | ObjectRequest::Remove { .. }
            | ObjectRequest::ReadObject(_) => return perform(&*self.store, request),
        };
        let result = perform(&View { cache: self, object, ahead }, request);
        if matches!(&result, Err(error) if error.kind == ObjectErrorKind::Damaged) {
            self.held().forget(object.name);
        }
        result
    }

    fn held(&self) -> MutexGuard<'_, Held> {
        self.held.lock().expect("nobody panics with it locked")
    }

    fn read_ahead(self: &Arc<Self>, range: Range, ahead: &Sender<Get>) {
        let wanted = self.held().follow(range);
        if let Some(flight) = wanted {
            // Without anybody to do it, as at a stop, it comes back and is dropped.
            drop(ahead.send(Get { cache: Arc::clone(self), flight }));
        }
    }

    /// Asks the store; what it gives may be too short.
    fn ask(&self, range: Range) -> Result<Bytes, ObjectError> {
        let key = ObjectKey::Data(range.object.name);
        let bytes = self.store.read_at(key, range.from, range.len())?;
        if bytes.len() as u64 > range.len() {
            let detail = format!("{} bytes from {} wanted, {} came", range.len(), range.from, bytes.len());
            return Err(ObjectError { kind: ObjectErrorKind::Damaged, key: Some(key), detail });
        }
        Ok(bytes)
    }

    fn read(self: &Arc<Self>, range: Range) -> Result<Vec<Bytes>, ObjectError> {
        let mut parts = Parts { range, at: range.from, taken: Vec::new() };
        while parts.at < range.upto {
            let found = self.held().find(Range { from: parts.at, ..range });
            match found {
                Found::Here { extent, bytes } => parts.take(extent, &bytes),
                Found::Coming(flight) => match flight.wait() {
                    Landing::Bytes(bytes) => parts.take(flight.range, &bytes),
                    // It asked for the same, at the same time.
                    Landing::Failed(error) if !flight.ahead => return Err(error),
                    // It asked for more than is wanted here, or not at all.
                    Landing::Failed(_) | Landing::Never => continue,
                },
                Found::Missing(flight) => {
                    let extent = flight.range;
                    let bytes = Get { cache: Arc::clone(self), flight }.read()?;
                    parts.take(extent, &bytes);
                }
                Found::NoRoom => {
                    let rest = Range { from: parts.at, ..range };
                    parts.take(rest, &self.ask(rest)?);
                    break;
                }
            }
            if parts.short() {
                break;
            }
        }
        Ok(parts.slices())
    }
}

/// A read, put together out of extents from front to back.
struct Parts {
    range: Range,
    /// What is in front of it is there.
    at: u64,
    taken: Vec<Taken>,
}

struct Taken {
    bytes: Bytes,
    /// Of what it is a part.
    extent_bytes: usize,
    short: bool,
}

impl Parts {
    /// What is wanted of an extent, as far as it came.
    fn take(&mut self, extent: Range, bytes: &Bytes) {
        let upto = self.range.upto.min(extent.upto);
        let within = |at: u64| usize::try_from(at - extent.from).unwrap_or(usize::MAX).min(bytes.len());
        let part = bytes.slice(within(self.at)..within(upto));
        let short = part.len() as u64 != upto - self.at;
        self.at += part.len() as u64;
        self.taken.push(Taken { bytes: part, extent_bytes: bytes.len(), short });
    }

    /// What comes behind a part that is too short would be in the wrong place.
    fn short(&self) -> bool {
        self.taken.last().is_some_and(|taken| taken.short)
    }

    /// All that was taken. Of an extent that is much larger than what is wanted of it, a copy: the answer would keep all of it.
    fn slices(self) -> Vec<Bytes> {
        let slice = |taken: Taken| match taken.bytes.len() >= taken.extent_bytes / PINNED_MAX {
            true => taken.bytes,
            false => Bytes::copy_from_slice(&taken.bytes),
        };
        self.taken.into_iter().map(slice).collect()
    }
}

/// One after the other; a copy, if there is more than one.
fn join(mut slices: Vec<Bytes>) -> Bytes {
    match slices.len() {
        0 | 1 => slices.pop().unwrap_or_default(),
        _ => Bytes::from(slices.concat()),
    }
}

/// The store, for one read of one object whose length is known.
struct View<'a> {
    cache: &'a Arc<Cache>,
    object: StoredObject,
    ahead: &'a Sender<Get>,
}

impl ObjectStore for View<'_> {
    fn create(&self, key: ObjectKey, data: &[Bytes]) -> Result<(), ObjectError> {
        self.cache.store.create(key, data)
    }

    fn read_at(&self, key: ObjectKey, from: u64, len: u64) -> Result<Bytes, ObjectError> {
        self.read_slices_at(key, from, len).map(join)
    }

    fn read_slices_at(&self, key: ObjectKey, from: u64, len: u64) -> Result<Vec<Bytes>, ObjectError> {
        let upto = from.saturating_add(len);
        let within = key == ObjectKey::Data(self.object.name) && len > 0 && upto <= self.object.len;
        if !within {
            return self.cache.store.read_slices_at(key, from, len);
        }
        let range = Range { object: self.object, from, upto };
        // A footer is read again and again, and nothing follows it.
        if from < self.object.footer_at() {
            self.cache.read_ahead(range, self.ahead);
        }
        self.cache.read(range)
    }

    fn read(&self, key: ObjectKey, bytes_max: u64) -> Result<Bytes, ObjectError> {
        self.cache.store.read(key, bytes_max)
    }

    fn list(&self, kind: ObjectKind, after: Option<ObjectKey>) -> Result<Vec<ObjectEntry>, ObjectError> {
        self.cache.store.list(kind, after)
    }

    fn remove(&self, key: ObjectKey) -> Result<(), ObjectError> {
        self.cache.store.remove(key)
    }
}

#[cfg(test)]
mod tests;
