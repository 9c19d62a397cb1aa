//! The whole state that later cuts tell what has changed since.

use bytes::Bytes;

use crate::{
    marks::{Mark, mark},
    store::{StateRef, delta::Delta},
};

/// The whole state that the newest manifest refers to, written by this process.
#[derive(Clone, Debug)]
pub(super) struct Base {
    pub(super) told: StateRef,
    bytes: Bytes,
    /// Bytes of all deltas that began with it.
    deltas: u64,
}

impl Base {
    pub(super) fn new(told: StateRef, bytes: Bytes) -> Base {
        Base { told, bytes, deltas: 0 }
    }

    /// What leads to that state, unless the base has fewer than `bytes_min` bytes, or all deltas together would be larger than it. So a
    /// cut that changes n bytes of s writes about sqrt(2 n s) in the mean, and a restore reads two objects at most.
    pub(super) fn delta(&self, state: &[u8], bytes_min: usize) -> Option<Bytes> {
        if self.bytes.len() < bytes_min {
            return None;
        }
        let delta = Bytes::from(Delta::between(&self.bytes, state).encode());
        if self.deltas + delta.len() as u64 > self.told.len {
            mark(Mark::CutDeltaTooLarge);
            return None;
        }
        mark(Mark::CutDelta);
        Some(delta)
    }

    /// A manifest refers to a delta that begins with it.
    pub(super) fn committed(&mut self, delta: &StateRef) {
        self.deltas += delta.len;
    }
}
