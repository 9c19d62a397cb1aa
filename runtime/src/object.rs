//! A real object store as an [`ObjectStore`]: S3, Google, Azure, a directory or memory, behind one client library.
//!
//! Nothing is retried here, and every call ends within its deadline. A call that ran out of time, or whose connection broke,
//! may have been carried out, or be carried out later: [`ObjectErrorKind::Unknown`].

pub mod cache;
mod exact;
mod place;
pub mod probe;

use std::{
    future::Future,
    path::{Path as FilePath, PathBuf},
    sync::mpsc::sync_channel,
    time::Duration,
};

use bytes::Bytes;
use evenkeel_core::{
    port::{ObjectEntry, ObjectError, ObjectErrorKind, ObjectKind, ObjectStore},
    store::ObjectKey,
};
use futures_util::TryStreamExt;
use object_store::{GetOptions, GetRange, ObjectStoreExt, PutMode, PutOptions, PutPayload, path::Path};
use tokio_real::runtime::{Builder, Runtime};

use crate::object::{
    exact::Inexact,
    place::{Client, ClientKind},
};
pub use place::StorePlace;

const KINDS: [ObjectKind; 5] =
    [ObjectKind::Manifest, ObjectKind::Data, ObjectKind::State, ObjectKind::Index, ObjectKind::Probe];

/// Threads for sockets, TLS and checksums of bodies.
const WORKERS: usize = 2;
/// Threads for the files of a directory; as many as there are requests at a time, and some for name look-ups.
const BLOCKING: usize = 16;
/// Of a store's own words so many letters are kept.
const DETAIL_CHARS_MAX: usize = 500;

/// How long things may take.
#[derive(Clone, Copy, Debug)]
pub struct Deadlines {
    /// A connection.
    pub connect: Duration,
    /// One request over HTTP, up to the last byte of its answer. At 64 MiB an object: 2 MiB/s at least.
    pub request: Duration,
    /// A call other than a listing. It is at most one request, and one more for credentials.
    pub call: Duration,
    /// A listing, which takes a request for each thousand objects.
    pub list: Duration,
    /// A connection that was not used for so long is not used again: servers close theirs after about 20 s, and a request on
    /// its way at that moment fails.
    pub idle: Duration,
}

impl Default for Deadlines {
    fn default() -> Deadlines {
        Deadlines {
            connect: Duration::from_secs(5),
            request: Duration::from_secs(30),
            call: Duration::from_secs(40),
            list: Duration::from_secs(300),
            idle: Duration::from_secs(15),
        }
    }
}

impl Deadlines {
    /// No call takes longer than that.
    #[must_use]
    pub fn within(self, longest: Duration) -> Deadlines {
        Deadlines {
            connect: self.connect.min(longest),
            request: self.request.min(longest),
            call: self.call.min(longest),
            list: self.list.min(longest),
            idle: self.idle,
        }
    }
}

/// A store, and the threads on which its client runs.
pub struct Objects {
    client: Client,
    deadlines: Deadlines,
    /// Taken when this is dropped.
    runtime: Option<Runtime>,
}

impl Drop for Objects {
    fn drop(&mut self) {
        if let Some(runtime) = self.runtime.take() {
            // Dropping it would wait, which is not allowed within another one.
            runtime.shutdown_background();
        }
    }
}

impl Objects {
    /// Makes a client for a store. A directory is looked at; nothing else is asked.
    ///
    /// # Errors
    /// A sentence: settings that are missing or wrong, a directory that cannot be used, no threads.
    pub fn open(place: &StorePlace, deadlines: Deadlines) -> Result<Objects, String> {
        Objects::around(deadlines, || place.client(&deadlines))
            .map_err(|error| format!("cannot use the object store ({place}): {error}"))
    }

    /// Makes a client for someone who only reads. A directory is left as it is.
    ///
    /// # Errors
    /// As [`Objects::open`].
    pub fn open_to_read(place: &StorePlace, deadlines: Deadlines) -> Result<Objects, String> {
        Objects::around(deadlines, || place.reader(&deadlines))
            .map_err(|error| format!("cannot read the object store ({place}): {error}"))
    }

    fn around(
        deadlines: Deadlines,
        client: impl FnOnce() -> Result<Client, String>,
    ) -> Result<Objects, String> {
        // Fails if there is one already, which is as good.
        let _ = rustls::crypto::ring::default_provider().install_default();
        let runtime = Builder::new_multi_thread()
            .worker_threads(WORKERS)
            .max_blocking_threads(BLOCKING)
            .thread_name("objects")
            .enable_all()
            .build()
            .map_err(|error| error.to_string())?;
        let client = {
            // A client may look for the runtime it is made in.
            let _within = runtime.enter();
            client()
        };
        match client {
            Ok(client) => Ok(Objects { client, deadlines, runtime: Some(runtime) }),
            Err(error) => {
                // As in the drop.
                runtime.shutdown_background();
                Err(error)
            }
        }
    }

    fn path(&self, key: ObjectKey) -> Path {
        self.client.path(&key)
    }

    /// Runs on the client's threads, so that it may be called on any: also on one that belongs to another runtime.
    fn call<T: Send + 'static>(
        &self,
        key: Option<ObjectKey>,
        deadline: Duration,
        work: impl Future<Output = Result<T, ObjectError>> + Send + 'static,
    ) -> Result<T, ObjectError> {
        let (sender, receiver) = sync_channel(1);
        let runtime = self.runtime.as_ref().expect("it is there until the drop");
        runtime.spawn(async move {
            // Whoever asked waits.
            let _ = sender.send(tokio_real::time::timeout(deadline, work).await);
        });
        receiver.recv().expect("the client does not panic").unwrap_or_else(|_| {
            Err(ObjectError {
                kind: ObjectErrorKind::Unknown,
                key,
                detail: format!("no answer within {deadline:?}"),
            })
        })
    }

    /// The folder of a directory.
    fn folder(&self, kind: ObjectKind) -> Option<PathBuf> {
        match &self.client.kind {
            ClientKind::Directory(root) => Some(root.join(kind.folder())),
            ClientKind::Remote | ClientKind::Copy | ClientKind::Memory => None,
        }
    }

    /// A disk that was unmounted has no objects, and would take new ones.
    fn check_folder(&self, kind: ObjectKind, key: Option<ObjectKey>) -> Result<(), ObjectError> {
        self.folder(kind).map_or(Ok(()), |folder| match folder.metadata() {
            Ok(_) => Ok(()),
            Err(error) => Err(gone(&folder, key, &error)),
        })
    }

    fn sync_folder(&self, key: ObjectKey) -> Result<(), ObjectError> {
        self.folder(kind_of(key)).map_or(Ok(()), |folder| {
            crate::disk::sync_folder(&folder).map_err(|error| gone(&folder, Some(key), &error))
        })
    }

    /// An object is missing only if the place for it is there.
    fn really(&self, key: ObjectKey, read: Result<Bytes, ObjectError>) -> Result<Bytes, ObjectError> {
        if let Err(error) = &read
            && error.kind == ObjectErrorKind::NotFound
        {
            self.check_folder(kind_of(key), error.key)?;
        }
        read
    }
}

fn gone(folder: &FilePath, key: Option<ObjectKey>, error: &std::io::Error) -> ObjectError {
    ObjectError { kind: ObjectErrorKind::Unknown, key, detail: format!("{}: {error}", folder.display()) }
}

fn kind_of(key: ObjectKey) -> ObjectKind {
    match key {
        ObjectKey::Manifest(_) => ObjectKind::Manifest,
        ObjectKey::Data(_) => ObjectKind::Data,
        ObjectKey::State(_) => ObjectKind::State,
        ObjectKey::Index(_) => ObjectKind::Index,
        ObjectKey::Probe(_) => ObjectKind::Probe,
    }
}

/// What was asked for, by what the answers can mean.
#[derive(Clone, Copy)]
enum Asked {
    /// Finds an object in its place, or none.
    Create(ObjectKey),
    /// Finds the object, or none.
    Object(ObjectKey),
    /// Always finds something, if only an empty listing.
    List,
}

fn failed(asked: Asked, error: &object_store::Error) -> ObjectError {
    use object_store::Error;
    let (key, create, object) = match asked {
        Asked::Create(key) => (Some(key), true, false),
        Asked::Object(key) => (Some(key), false, true),
        Asked::List => (None, false, false),
    };
    let kind = match error {
        _ if matches!(Inexact::within(error), Some(Inexact::Denied(..))) => ObjectErrorKind::Denied,
        Error::NotFound { .. } if object => ObjectErrorKind::NotFound,
        Error::AlreadyExists { .. } | Error::Precondition { .. } if create => ObjectErrorKind::Exists,
        Error::PermissionDenied { .. } | Error::Unauthenticated { .. } => ObjectErrorKind::Denied,
        Error::NotFound { .. }
        | Error::AlreadyExists { .. }
        | Error::Precondition { .. }
        | Error::Generic { .. }
        | Error::InvalidPath { .. }
        | Error::JoinError { .. }
        | Error::NotSupported { .. }
        | Error::NotModified { .. }
        | Error::NotImplemented { .. }
        | Error::UnknownConfigurationKey { .. }
        // The library may come to know more.
        | _ => ObjectErrorKind::Unknown,
    };
    // A server's answer has lines, a log line has none.
    let mut detail = words(error).split_whitespace().collect::<Vec<_>>().join(" ");
    if let Some((cut, _)) = detail.char_indices().nth(DETAIL_CHARS_MAX) {
        detail.truncate(cut);
        detail.push_str(" ...");
    }
    ObjectError { kind, key, detail }
}

/// An error with what caused it, as far as it does not say so itself.
fn words(error: &dyn std::error::Error) -> String {
    let mut told = error.to_string();
    let mut cause = error.source();
    while let Some(error) = cause {
        let more = error.to_string();
        if !told.contains(&more) {
            told.push_str(": ");
            told.push_str(&more);
        }
        cause = error.source();
    }
    told
}

/// The bytes of an answer, all that it announced.
async fn body(key: ObjectKey, answer: object_store::GetResult) -> Result<Bytes, ObjectError> {
    let announced = answer.range.end - answer.range.start;
    let bytes = answer.bytes().await.map_err(|error| failed(Asked::Object(key), &error))?;
    if bytes.len() as u64 != announced {
        let detail = format!("{announced} bytes announced, {} came", bytes.len());
        return Err(ObjectError { kind: ObjectErrorKind::Unknown, key: Some(key), detail });
    }
    Ok(bytes)
}

impl ObjectStore for Objects {
    fn create(&self, key: ObjectKey, data: &[Bytes]) -> Result<(), ObjectError> {
        self.check_folder(kind_of(key), Some(key))?;
        let (store, path) = (self.client.store.clone(), self.path(key));
        let payload: PutPayload = data.iter().cloned().collect();
        let created = self.call(Some(key), self.deadlines.call, async move {
            let options = PutOptions::from(PutMode::Create);
            let put = store.put_opts(&path, payload, options).await;
            put.map(drop).map_err(|error| failed(Asked::Create(key), &error))
        });
        match created {
            Err(error) if error.kind == ObjectErrorKind::Exists => {
                // (1) A creation is cut off between the file's appearance and the sync of its folder, (2) its repetition finds
                // the file and takes the object for stored, (3) the log is trimmed, (4) power fails, and the file was never there.
                self.sync_folder(key)?;
                Err(error)
            }
            other => other,
        }
    }

    fn read_at(&self, key: ObjectKey, from: u64, len: u64) -> Result<Bytes, ObjectError> {
        if len == 0 {
            return Ok(Bytes::new());
        }
        let (store, path) = (self.client.store.clone(), self.path(key));
        // Over HTTP the answer itself says so, for the price of one request.
        let look_first = match self.client.kind {
            ClientKind::Directory(_) | ClientKind::Copy | ClientKind::Memory => true,
            ClientKind::Remote => false,
        };
        let read = self.call(Some(key), self.deadlines.call, async move {
            if look_first {
                let told = store.head(&path).await.map_err(|error| failed(Asked::Object(key), &error))?;
                if from >= told.size {
                    return Ok(Bytes::new());
                }
            }
            let range = Some(GetRange::Bounded(from..from.saturating_add(len)));
            let options = GetOptions { range, ..GetOptions::default() };
            match store.get_opts(&path, options).await {
                Ok(answer) => body(key, answer).await,
                Err(error) => match Inexact::within(&error) {
                    Some(Inexact::BehindTheEnd) => Ok(Bytes::new()),
                    Some(Inexact::SomethingNotFound(_) | Inexact::Denied(..)) | None => {
                        Err(failed(Asked::Object(key), &error))
                    }
                },
            }
        });
        self.really(key, read)
    }

    fn read(&self, key: ObjectKey, bytes_max: u64) -> Result<Bytes, ObjectError> {
        let (store, path) = (self.client.store.clone(), self.path(key));
        let read = self.call(Some(key), self.deadlines.call, async move {
            let answer = store.get_opts(&path, GetOptions::default()).await;
            let answer = answer.map_err(|error| failed(Asked::Object(key), &error))?;
            if answer.meta.size > bytes_max {
                let detail = format!("it has {} bytes, the bound is {bytes_max}", answer.meta.size);
                return Err(ObjectError { kind: ObjectErrorKind::Damaged, key: Some(key), detail });
            }
            body(key, answer).await
        });
        self.really(key, read)
    }

    fn list(&self, kind: ObjectKind, after: Option<ObjectKey>) -> Result<Vec<ObjectEntry>, ObjectError> {
        self.check_folder(kind, None)?;
        let (prefix, folder) = (self.client.prefix.clone(), self.client.path(&kind.folder()));
        let (store, offset) = (self.client.store.clone(), after.map(|after| self.path(after)));
        let listed = self.call(None, self.deadlines.list, async move {
            let stream = match &offset {
                Some(offset) => store.list_with_offset(Some(&folder), offset),
                None => store.list(Some(&folder)),
            };
            let ours = stream.try_filter_map(move |told| {
                let key = told.location.as_ref().strip_prefix(&*prefix).and_then(ObjectKey::parse);
                let entry = key.map(|key| ObjectEntry { key, len: told.size });
                futures_util::future::ready(Ok(entry))
            });
            ours.try_collect::<Vec<_>>().await.map_err(|error| failed(Asked::List, &error))
        });
        let mut entries = listed?;
        entries.retain(|entry| kind_of(entry.key) == kind && after.is_none_or(|after| entry.key > after));
        entries.sort_unstable_by_key(|entry| entry.key);
        Ok(entries)
    }

    fn remove(&self, key: ObjectKey) -> Result<(), ObjectError> {
        let (store, path) = (self.client.store.clone(), self.path(key));
        let removed = self.call(Some(key), self.deadlines.call, async move {
            store.delete(&path).await.map_err(|error| failed(Asked::Object(key), &error))
        });
        match removed {
            Err(error) if error.kind != ObjectErrorKind::NotFound => Err(error),
            // The library does not sync a removal.
            Ok(()) | Err(_) => self.sync_folder(key),
        }
    }
}

#[cfg(test)]
mod tests;
