//! What is kept in the object store: the keys, and the formats behind them.
//!
//! Every object is written once and never changed. *Data* objects hold record batches, *state* objects what the metadata
//! entries of the log fold to at a cut, or what of it has changed, *index* objects say which data objects there are, and the *manifest* with the highest
//! number says which of all these count. It is the only thing that is ever looked for; everything else is referred to.

pub mod data;
pub mod delta;
pub mod key;
pub mod manifest;
mod perform;
mod read;

pub use data::{DataRef, StoredObject, StoredPart};
pub use key::{ObjectKey, ObjectName};
pub use manifest::{Index, IndexRef, Manifest, StateRef};
pub use perform::perform;
pub use read::{check_order, read_footer, read_index, read_manifest, read_state, state_request};

use crate::codec::Malformed;

/// Why bytes are not the object that they should be.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum NotAnObject {
    /// Checksum or structure are wrong.
    Damaged,
    /// Right, but of a format this code does not know: a newer one mostly.
    Format(u32),
}

impl From<Malformed> for NotAnObject {
    fn from(_: Malformed) -> NotAnObject {
        NotAnObject::Damaged
    }
}
