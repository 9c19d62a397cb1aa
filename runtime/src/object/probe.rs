//! Can a store be trusted? Fencing rests on one promise: of several creations of one key, one wins.

use std::{
    fmt,
    sync::Barrier,
    thread::{Builder, ScopedJoinHandle, scope},
};

use bytes::Bytes;
use evenkeel_core::{
    port::{ObjectError, ObjectErrorKind, ObjectKind, ObjectStore},
    store::ObjectKey,
};

/// Creations of one key at once.
pub const CONTENDERS: usize = 8;

/// Why a store is not to be used.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Doubt {
    /// It answered, and what it did breaks a promise. Asking again does not help.
    Broken(String),
    /// It did not answer as it should have, so nothing is known. Another look may tell.
    Failed(ObjectError),
}

impl fmt::Display for Doubt {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Doubt::Broken(promise) => {
                write!(
                    f,
                    "the object store cannot be trusted: {promise}. Two brokers could both take it for theirs."
                )
            }
            Doubt::Failed(error) => write!(f, "the object store could not be tried: {error}"),
        }
    }
}

impl From<ObjectError> for Doubt {
    fn from(error: ObjectError) -> Doubt {
        Doubt::Failed(error)
    }
}

fn broken<T>(promise: String) -> Result<T, Doubt> {
    Err(Doubt::Broken(promise))
}

/// Tries a store with an object of that nonce, which must be fresh. About fifteen requests; the object is removed again.
///
/// # Errors
/// See [`Doubt`].
pub fn probe(store: &dyn ObjectStore, nonce: u64) -> Result<(), Doubt> {
    let key = ObjectKey::Probe(nonce);
    let tried = contend(store, key).and_then(|won| look(store, key, &won));
    let removed = store.remove(key);
    // What was found before is the reason, not that it could not be removed.
    tried?;
    removed?;
    let left = store.list(ObjectKind::Probe, None)?.into_iter().any(|entry| entry.key == key);
    match store.read(key, BYTES_MAX) {
        Err(error) if error.kind == ObjectErrorKind::NotFound && !left => Ok(()),
        Err(error) if error.kind == ObjectErrorKind::NotFound => {
            broken(format!("{key} was removed, but a listing still has it"))
        }
        Err(error) => Err(error.into()),
        Ok(_) => broken(format!("{key} was removed, but can still be read")),
    }
}

const BYTES_MAX: u64 = 100;

/// What one contender writes.
fn mark(contender: usize) -> Bytes {
    Bytes::from(format!("contender {contender} of {CONTENDERS}"))
}

/// The bytes of the one that won.
fn contend(store: &dyn ObjectStore, key: ObjectKey) -> Result<Bytes, Doubt> {
    let together = Barrier::new(CONTENDERS);
    let create = |contender: usize| {
        together.wait();
        store.create(key, &[mark(contender)])
    };
    let create = &create;
    let outcomes = scope(|threads| {
        let contenders: Vec<ScopedJoinHandle<'_, _>> = (0..CONTENDERS)
            .map(|contender| {
                Builder::new()
                    .name(format!("probe-{contender}"))
                    .spawn_scoped(threads, move || create(contender))
                    .expect("a system that can run a broker has a few threads more")
            })
            .collect();
        contenders
            .into_iter()
            .map(|thread| thread.join().expect("a store does not panic"))
            .collect::<Vec<_>>()
    });
    let mut won = Vec::new();
    for (contender, outcome) in outcomes.into_iter().enumerate() {
        match outcome {
            Ok(()) => won.push(contender),
            Err(error) if error.kind == ObjectErrorKind::Exists => {}
            Err(error) => return Err(error.into()),
        }
    }
    match won[..] {
        [winner] => Ok(mark(winner)),
        [] => broken(format!("of {CONTENDERS} creations of {key} at once none was let through")),
        _ => broken(format!(
            "of {CONTENDERS} creations of {key} at once, {} were let through: it does not honour `If-None-Match: *`",
            won.len()
        )),
    }
}

/// What was won must be there for everyone, at once, and stay.
fn look(store: &dyn ObjectStore, key: ObjectKey, won: &Bytes) -> Result<(), Doubt> {
    let len = won.len() as u64;
    match store.create(key, &[Bytes::from_static(b"too late")]) {
        Err(error) if error.kind == ObjectErrorKind::Exists => {}
        Err(error) => return Err(error.into()),
        Ok(()) => return broken(format!("{key} was created again while it was there")),
    }
    match store.read(key, BYTES_MAX) {
        Ok(read) if read == *won => {}
        Ok(read) => {
            let read = String::from_utf8_lossy(&read).into_owned();
            let won = String::from_utf8_lossy(won);
            return broken(format!("{key} was created with {won:?} but reads {read:?}"));
        }
        Err(error) if error.kind == ObjectErrorKind::NotFound => {
            return broken(format!("{key} was created, but is not there a moment later"));
        }
        Err(error) => return Err(error.into()),
    }
    if store.read_at(key, 3, 5)? != won[3..8] || store.read_at(key, len - 1, 9)? != won[won.len() - 1..] {
        return broken(format!("a part of {key} reads as other bytes than the whole has there"));
    }
    if !store.read_at(key, len, 1)?.is_empty() {
        return broken(format!("behind the end of {key} there are bytes"));
    }
    let listed = store.list(ObjectKind::Probe, None)?.into_iter().find(|entry| entry.key == key);
    match listed {
        Some(entry) if entry.len == len => Ok(()),
        Some(entry) => broken(format!("{key} has {len} bytes, a listing says {}", entry.len)),
        None => broken(format!("{key} was created, but a listing does not have it")),
    }
}

#[cfg(test)]
mod tests;
