//! Where the bytes to look at are: a file, or an object.

use std::{
    fs::File,
    io::Read,
    os::unix::fs::FileExt,
    path::{Path, PathBuf},
};

use bytes::Bytes;
use evenkeel_core::{
    port::{FileName, ObjectErrorKind, ObjectKind, ObjectStore},
    store::{ObjectKey, ObjectName},
};

use super::{
    super::failure::{Failure, reason},
    store::Stored,
};

/// What the place of something says about what it is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Named {
    File(FileName),
    Object(ObjectKey),
    Nothing,
}

/// A file or an object.
pub(super) enum Source<'a> {
    File { path: PathBuf, file: File, len: u64 },
    Object { store: &'a Stored, key: ObjectKey, len: u64 },
}

impl<'a> Source<'a> {
    /// A file.
    ///
    /// # Errors
    /// It cannot be opened.
    pub(super) fn file(path: &Path) -> Result<Source<'a>, Failure> {
        let opened = File::open(path).and_then(|file| file.metadata().map(|told| (file, told.len())));
        let (file, len) =
            opened.map_err(|error| Failure::Wrong(format!("{}: {}", path.display(), reason(&error))))?;
        Ok(Source::File { path: path.to_path_buf(), file, len })
    }

    /// An object.
    ///
    /// # Errors
    /// It is not there, or the store cannot be read.
    pub(super) fn object(store: &'a Stored, key: ObjectKey) -> Result<Source<'a>, Failure> {
        let wrong = |error| Failure::Wrong(format!("{error}"));
        let (kind, before) = neighbour(key);
        let listed = store.list(kind, before).map_err(wrong)?;
        match listed.iter().find(|entry| entry.key == key) {
            Some(entry) => Ok(Source::Object { store, key, len: entry.len }),
            None => Err(Failure::Wrong(format!("{key}: there is no such object in {}", store.place))),
        }
    }

    pub(super) fn len(&self) -> u64 {
        match self {
            Source::File { len, .. } | Source::Object { len, .. } => *len,
        }
    }

    /// As it is printed.
    pub(super) fn name(&self) -> String {
        match self {
            Source::File { path, .. } => path.display().to_string(),
            Source::Object { key, .. } => key.to_string(),
        }
    }

    pub(super) fn named(&self) -> Named {
        match self {
            Source::File { path, .. } => named(path),
            Source::Object { key, .. } => Named::Object(*key),
        }
    }

    /// Bytes `from..from + len`; fewer where it ends.
    ///
    /// # Errors
    /// It cannot be read.
    pub(super) fn read_at(&self, from: u64, len: u64) -> Result<Bytes, Failure> {
        match self {
            Source::File { path, file, len: whole } => {
                let len = usize::try_from(len.min(whole.saturating_sub(from))).unwrap_or(usize::MAX);
                let mut bytes = vec![0; len];
                let mut got = 0;
                while got < len {
                    match file.read_at(&mut bytes[got..], from + got as u64) {
                        Ok(0) => break,
                        Ok(more) => got += more,
                        Err(error) if error.kind() == std::io::ErrorKind::Interrupted => {}
                        Err(error) => {
                            return Err(Failure::Wrong(format!("{}: {}", path.display(), reason(&error))));
                        }
                    }
                }
                bytes.truncate(got);
                Ok(Bytes::from(bytes))
            }
            Source::Object { store, key, .. } => {
                store.read_at(*key, from, len).map_err(|error| Failure::Wrong(error.to_string()))
            }
        }
    }

    /// All of it.
    ///
    /// # Errors
    /// It is larger than `bytes_max`, or cannot be read.
    pub(super) fn read(&self, bytes_max: u64) -> Result<Bytes, Failure> {
        if self.len() > bytes_max {
            let (name, len) = (self.name(), self.len());
            return Err(Failure::Wrong(format!(
                "{name}: {len} bytes are more than it can have ({bytes_max})"
            )));
        }
        match self {
            Source::File { path, file, len } => {
                let mut bytes = Vec::with_capacity(usize::try_from(*len).unwrap_or(0));
                let read = (&mut &*file).take(bytes_max).read_to_end(&mut bytes);
                read.map_err(|error| Failure::Wrong(format!("{}: {}", path.display(), reason(&error))))?;
                Ok(Bytes::from(bytes))
            }
            Source::Object { store, key, .. } => {
                store.read(*key, bytes_max).map_err(|error| match error.kind {
                    ObjectErrorKind::NotFound => Failure::Wrong(format!("{key}: there is no such object")),
                    ObjectErrorKind::Exists
                    | ObjectErrorKind::Denied
                    | ObjectErrorKind::Damaged
                    | ObjectErrorKind::Unknown => Failure::Wrong(error.to_string()),
                })
            }
        }
    }
}

/// What a path says: the name of a file of a data directory, or the last two names a key.
fn named(path: &Path) -> Named {
    let part = |name: Option<&std::ffi::OsStr>| name.and_then(|name| name.to_str()).map(String::from);
    let Some(name) = part(path.file_name()) else { return Named::Nothing };
    if let Some(file) = FileName::parse(&name) {
        return Named::File(file);
    }
    let folder = part(path.parent().and_then(Path::file_name)).unwrap_or_default();
    ObjectKey::parse(&format!("{folder}/{name}")).map_or(Named::Nothing, Named::Object)
}

/// Where a listing that begins with that key begins.
fn neighbour(key: ObjectKey) -> (ObjectKind, Option<ObjectKey>) {
    let before = |name: ObjectName| {
        name.number.checked_sub(1).map(|number| ObjectName { number, writer: u64::MAX, ..name })
    };
    match key {
        ObjectKey::Manifest(number) => (ObjectKind::Manifest, number.checked_sub(1).map(ObjectKey::Manifest)),
        ObjectKey::Data(name) => (ObjectKind::Data, before(name).map(ObjectKey::Data)),
        ObjectKey::State(name) => (ObjectKind::State, before(name).map(ObjectKey::State)),
        ObjectKey::Index(name) => (ObjectKind::Index, before(name).map(ObjectKey::Index)),
        ObjectKey::Probe(_) => (ObjectKind::Probe, None),
    }
}
