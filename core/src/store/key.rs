//! The keys of objects, below whatever prefix the store was given. One prefix belongs to one cluster.
//!
//! | key | object |
//! |---|---|
//! | `manifest/<number, 20 digits>` | what counts; consecutive numbers |
//! | `data/<name>` | record batches |
//! | `state/<name>` | the state at a cut |
//! | `index/<name>` | a list of data objects |
//! | `probe/<16 hex digits>` | written and removed by the look at what the store can do |
//!
//! A name is `<epoch, 10 digits>-<number, 10 digits>-<writer, 16 hex digits>`. Whoever writes owns its epoch and counts its objects,
//! so a name is never given twice; the random writer is there for two that own the same epoch by mistake.

use alloc::format;
use core::fmt;

use crate::{
    codec::{Malformed, Put, Reader},
    units::Epoch,
};

/// The name of an object that is referred to. Never given twice.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct ObjectName {
    /// Epoch of the process that wrote it.
    pub epoch: Epoch,
    /// That process counts.
    pub number: u32,
    /// Random, one for each process.
    pub writer: u64,
}

/// Bytes of an encoded name.
pub const NAME_BYTES: usize = 16;

impl ObjectName {
    /// Appends the name to `out`.
    pub fn encode(&self, out: &mut alloc::vec::Vec<u8>) {
        out.put_u32(self.epoch.0);
        out.put_u32(self.number);
        out.put_u64(self.writer);
    }

    /// Reads a name.
    ///
    /// # Errors
    /// The bytes end too early.
    pub fn decode(from: &mut Reader<'_>) -> Result<ObjectName, Malformed> {
        Ok(ObjectName { epoch: Epoch(from.u32()?), number: from.u32()?, writer: from.u64()? })
    }
}

impl fmt::Display for ObjectName {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{:010}-{:010}-{:016x}", self.epoch.0, self.number, self.writer)
    }
}

/// The key of an object.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum ObjectKey {
    /// A manifest.
    Manifest(u64),
    /// Record batches.
    Data(ObjectName),
    /// The state at a cut.
    State(ObjectName),
    /// A list of data objects.
    Index(ObjectName),
    /// Something to try the store with.
    Probe(u64),
}

impl fmt::Display for ObjectKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            ObjectKey::Manifest(number) => write!(f, "manifest/{number:020}"),
            ObjectKey::Data(name) => write!(f, "data/{name}"),
            ObjectKey::State(name) => write!(f, "state/{name}"),
            ObjectKey::Index(name) => write!(f, "index/{name}"),
            ObjectKey::Probe(nonce) => write!(f, "probe/{nonce:016x}"),
        }
    }
}

impl ObjectKey {
    /// The key of that spelling, or `None` for one that is not ours.
    #[must_use]
    pub fn parse(key: &str) -> Option<ObjectKey> {
        let (kind, rest) = key.split_once('/')?;
        let name = || {
            let mut parts = rest.split('-');
            let epoch = Epoch(parts.next()?.parse().ok()?);
            let number = parts.next()?.parse().ok()?;
            let writer = u64::from_str_radix(parts.next()?, 16).ok()?;
            Some(ObjectName { epoch, number, writer })
        };
        let parsed = match kind {
            "manifest" => ObjectKey::Manifest(rest.parse().ok()?),
            "data" => ObjectKey::Data(name()?),
            "state" => ObjectKey::State(name()?),
            "index" => ObjectKey::Index(name()?),
            "probe" => ObjectKey::Probe(u64::from_str_radix(rest, 16).ok()?),
            _ => return None,
        };
        // Only the canonical spelling.
        (format!("{parsed}") == key).then_some(parsed)
    }
}

#[cfg(test)]
mod tests {
    use alloc::string::ToString;

    use super::*;

    #[test]
    fn a_key_is_spelled_in_one_way_and_read_back() {
        let name = ObjectName { epoch: Epoch(7), number: 12, writer: 0x89ab };
        let keys = [
            (ObjectKey::Manifest(3), "manifest/00000000000000000003"),
            (ObjectKey::Data(name), "data/0000000007-0000000012-00000000000089ab"),
            (ObjectKey::State(name), "state/0000000007-0000000012-00000000000089ab"),
            (ObjectKey::Index(name), "index/0000000007-0000000012-00000000000089ab"),
            (ObjectKey::Probe(255), "probe/00000000000000ff"),
        ];
        for (key, spelled) in keys {
            assert_eq!(key.to_string(), spelled);
            assert_eq!(ObjectKey::parse(spelled), Some(key));
        }
        for foreign in ["manifest/3", "data/7-12-89ab", "data", "other/1", "manifest/", "probe/FF", ""] {
            assert_eq!(ObjectKey::parse(foreign), None, "{foreign}");
        }
    }
}
