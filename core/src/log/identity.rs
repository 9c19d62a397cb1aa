//! The identity file: whose data directory this is, and the newest epoch it has served in. Little-endian:
//!
//! | bytes | field | |
//! |---|---|---|
//! | 0..8 | magic | `EKIDENT1` |
//! | 8..12 | CRC-32C | of all bytes behind it |
//! | 12..16 | format version | 1 |
//! | 16..20 | node id | |
//! | 20..24 | epoch | durable in the log before it is written here |
//! | 24.. | cluster id | text |
//!
//! Written to a draft, synced, renamed, directory synced: it is old or new, never torn.

use alloc::{string::String, vec::Vec};

use crate::{
    codec::{Malformed, Put, begun, opened, seal},
    units::Epoch,
};

/// First bytes of the file.
pub const MAGIC: [u8; 8] = *b"EKIDENT1";
/// The format that this code writes, and the newest that it reads.
pub const FORMAT_VERSION: u32 = 1;

/// What the file says.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Identity {
    /// The node.
    pub node_id: i32,
    /// Newest epoch whose start is durable in the log.
    pub epoch: Epoch,
    /// The cluster.
    pub cluster_id: String,
}

/// Why bytes are not an identity.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum NotAnIdentity {
    /// Checksum or structure are wrong.
    Damaged,
    /// Right, but of a format this code does not know.
    Newer(u32),
}

impl From<Malformed> for NotAnIdentity {
    fn from(_: Malformed) -> NotAnIdentity {
        NotAnIdentity::Damaged
    }
}

impl Identity {
    /// The bytes of the file.
    #[must_use]
    pub fn encode(&self) -> Vec<u8> {
        let mut out = begun(MAGIC, FORMAT_VERSION);
        out.put_u32(self.node_id.cast_unsigned());
        out.put_u32(self.epoch.0);
        out.put_text(&self.cluster_id);
        seal(&mut out);
        out
    }

    /// Reads the file.
    ///
    /// # Errors
    /// It is damaged, or of a newer format.
    pub fn decode(bytes: &[u8]) -> Result<Identity, NotAnIdentity> {
        let (version, mut from) = opened(bytes, MAGIC)?;
        if version != FORMAT_VERSION {
            return Err(NotAnIdentity::Newer(version));
        }
        let node_id = from.u32()?.cast_signed();
        let epoch = Epoch(from.u32()?);
        let cluster_id = from.text()?;
        from.finish()?;
        Ok(Identity { node_id, epoch, cluster_id })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn sample() -> Identity {
        Identity { node_id: 1, epoch: Epoch(12), cluster_id: String::from("abc") }
    }

    #[test]
    fn the_file_has_the_bytes_it_always_had() {
        let hex: String = sample().encode()[12..].iter().map(|byte| alloc::format!("{byte:02x}")).collect();
        assert_eq!(hex, "01000000010000000c0000000300616263");
    }

    #[test]
    fn fields_that_cannot_be_are_refused_behind_the_checksum() {
        crate::codec::tests::refuses_sealed_near_misses(&sample().encode(), |bytes| {
            Identity::decode(bytes).ok().map(|identity| identity.encode())
        });
    }

    #[test]
    fn it_survives_its_encoding_and_every_damage_is_noticed() {
        let bytes = sample().encode();
        assert_eq!(Identity::decode(&bytes), Ok(sample()));
        for at in 0..bytes.len() {
            let mut damaged = bytes.clone();
            damaged[at] ^= 4;
            assert_eq!(Identity::decode(&damaged), Err(NotAnIdentity::Damaged), "byte {at}");
            assert_eq!(Identity::decode(&bytes[..at]), Err(NotAnIdentity::Damaged), "cut at {at}");
        }
    }
}
