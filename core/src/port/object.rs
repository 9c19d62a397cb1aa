//! The object store as a seam: requests as data, the [`ObjectStore`] that carries them out, and how it can fail.
//!
//! There is no way to overwrite: an object is created where there is none, or not at all.

use alloc::{string::String, vec, vec::Vec};
use core::fmt;

use bytes::Bytes;

use crate::{
    store::{ObjectKey, StoredObject, data::FooterPart},
    units::{Offset, PartitionId, Timestamp},
};

/// Something to be done with the store.
#[derive(Clone, Debug, PartialEq)]
pub enum ObjectRequest {
    /// The highest numbered manifest, whole.
    NewestManifest,
    /// A whole object of at most so many bytes.
    Read {
        /// Which.
        key: ObjectKey,
        /// A larger one is damaged.
        bytes_max: u64,
    },
    /// A new object, whole or not at all.
    Create {
        /// Its key.
        key: ObjectKey,
        /// Its bytes, gathered from slices.
        data: Vec<Bytes>,
    },
    /// The keys of all objects of a kind behind a key.
    List {
        /// Which folder.
        kind: ObjectKind,
        /// Behind which.
        after: Option<ObjectKey>,
    },
    /// Removes an object; one that is not there is fine.
    Remove {
        /// Which.
        key: ObjectKey,
    },
    /// Batches of one partition out of a data object, each verified against its place and its checksum.
    ReadBatches(ReadBatches),
    /// All batches of a data object, each verified against its place and its checksum.
    ReadObject(StoredObject),
}

/// Which batches of a data object.
#[derive(Clone, Debug, PartialEq)]
pub struct ReadBatches {
    /// The object.
    pub object: StoredObject,
    /// The partition.
    pub partition: PartitionId,
    /// From the batch that holds this offset, or the first one behind it.
    pub from: Offset,
    /// Behind batches in front that hold nothing as young as this.
    pub newest_min: Option<Timestamp>,
    /// And no further than so many bytes, but one batch in any case.
    pub bytes_max: u64,
}

/// What came of a request.
#[derive(Clone, Debug, PartialEq)]
pub enum ObjectReply {
    /// For [`ObjectRequest::NewestManifest`]: its number and its bytes, or `None` if there is no manifest.
    Manifest(Option<(u64, Bytes)>),
    /// For [`ObjectRequest::Read`].
    Bytes(Bytes),
    /// For [`ObjectRequest::Create`].
    Created,
    /// For [`ObjectRequest::List`], in their order.
    Keys(Vec<ObjectKey>),
    /// For [`ObjectRequest::Remove`].
    Removed,
    /// For [`ObjectRequest::ReadBatches`].
    Batches(Vec<Bytes>),
    /// For [`ObjectRequest::ReadObject`]: what its footer says of each partition, and the batches themselves.
    Object(Vec<(FooterPart, Vec<Bytes>)>),
}

/// The reply, or why there is none.
pub type ObjectResult = Result<ObjectReply, ObjectError>;

/// A request that failed.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ObjectError {
    /// The kinds the brain decides by.
    pub kind: ObjectErrorKind,
    /// The object, where there is one.
    pub key: Option<ObjectKey>,
    /// The store's own words, for people.
    pub detail: String,
}

impl fmt::Display for ObjectError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if let Some(key) = &self.key {
            write!(f, "{key}: ")?;
        }
        match self.kind {
            ObjectErrorKind::NotFound => write!(f, "no such object ({})", self.detail),
            ObjectErrorKind::Exists => write!(f, "there is such an object already ({})", self.detail),
            ObjectErrorKind::Denied => write!(f, "access denied: {}", self.detail),
            ObjectErrorKind::Damaged => write!(f, "damaged: {}", self.detail),
            ObjectErrorKind::Unknown => write!(f, "the object store failed: {}", self.detail),
        }
    }
}

/// Kinds of errors of an object store.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ObjectErrorKind {
    /// There is no such object. Said only when the store says exactly that, never for want of an answer.
    NotFound,
    /// A creation found an object of that key, or lost a race for it. It may be one's own: an earlier attempt that was taken for failed.
    Exists,
    /// The store refuses us: credentials or permissions.
    Denied,
    /// The bytes came but are not what was written.
    Damaged,
    /// Everything else: no answer in time, a connection that broke, a server error. What was asked for may have been done,
    /// or be done later.
    Unknown,
}

/// An object and its size.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct ObjectEntry {
    /// Which object.
    pub key: ObjectKey,
    /// Size in bytes.
    pub len: u64,
}

/// The folders of keys, for listing.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ObjectKind {
    /// [`ObjectKey::Manifest`].
    Manifest,
    /// [`ObjectKey::Data`].
    Data,
    /// [`ObjectKey::State`].
    State,
    /// [`ObjectKey::Index`].
    Index,
    /// [`ObjectKey::Probe`].
    Probe,
}

impl ObjectKind {
    /// What its keys begin with, without the slash.
    #[must_use]
    pub fn folder(self) -> &'static str {
        match self {
            ObjectKind::Manifest => "manifest",
            ObjectKind::Data => "data",
            ObjectKind::State => "state",
            ObjectKind::Index => "index",
            ObjectKind::Probe => "probe",
        }
    }
}

/// The injected seam. Blocking; called from several threads at once.
///
/// Strongly consistent: what was created is found by every later call. Errors are final: an implementation never retries, and has a
/// deadline for each call.
pub trait ObjectStore: Send + Sync {
    /// Creates an object where there is none, whole or not at all.
    fn create(&self, key: ObjectKey, data: &[Bytes]) -> Result<(), ObjectError>;
    /// Bytes `from..from + len` of an object; fewer where it ends.
    fn read_at(&self, key: ObjectKey, from: u64, len: u64) -> Result<Bytes, ObjectError>;
    /// The same in slices, for whoever has it in several: joining them would be a copy.
    fn read_slices_at(&self, key: ObjectKey, from: u64, len: u64) -> Result<Vec<Bytes>, ObjectError> {
        self.read_at(key, from, len).map(|bytes| vec![bytes])
    }
    /// A whole object. One of more than `bytes_max` bytes is [`ObjectErrorKind::Damaged`].
    fn read(&self, key: ObjectKey, bytes_max: u64) -> Result<Bytes, ObjectError>;
    /// All objects of a kind whose keys come behind `after`, in the order of their keys. Keys that are not ours are left out.
    fn list(&self, kind: ObjectKind, after: Option<ObjectKey>) -> Result<Vec<ObjectEntry>, ObjectError>;
    /// Removes an object. One that is not there is fine.
    fn remove(&self, key: ObjectKey) -> Result<(), ObjectError>;
}
