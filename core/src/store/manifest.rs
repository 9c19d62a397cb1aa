//! The manifest: what of all that is in the store counts. The one with the highest number is the truth. Little-endian:
//!
//! | bytes | field | |
//! |---|---|---|
//! | 0..8 | magic | `EKMANIF1` |
//! | 8..12 | CRC-32C | of all bytes behind it |
//! | 12..16 | format version | 2, of an index 1 |
//! | .. | number | u64, as in its key; below 2^64 - 1, for the next has the next |
//! | .. | cluster id, node id | text, i32 |
//! | .. | epoch, lineage, writer | u32, u64, u64: who committed it |
//! | .. | cut | u64: all that the log says below this LSN is in the store |
//! | .. | cut at | i64: wall clock when the cut was begun |
//! | .. | reserved offsets | i64, at most 2^48: so many behind the next of each partition may have been given out since |
//! | .. | state | u8; from 1 on: name, bytes u64, CRC-32C u32 of a whole state; if it is 2 also those of what has changed since |
//! | .. | indexes | u32 count x (name, bytes u64, CRC-32C u32, data objects u32) |
//! | .. | data objects that no index lists yet | u32 count, each as `store/data.rs` writes it |
//!
//! An index object has the magic `EKINDEX1`, CRC-32C, format version, and a list of data objects in the same form.

use alloc::{string::String, vec::Vec};

use crate::{
    codec::{Malformed, Put, Reader, begun, opened, seal},
    limits::RESERVED_OFFSETS_MAX,
    store::{DataRef, NotAnObject, ObjectName, key::NAME_BYTES},
    units::{Epoch, Lsn, Timestamp},
};

/// First bytes of a manifest.
pub const MAGIC: [u8; 8] = *b"EKMANIF1";
/// First bytes of an index object.
pub const INDEX_MAGIC: [u8; 8] = *b"EKINDEX1";
/// The format that this code writes, and the newest that it reads.
pub const FORMAT_VERSION: u32 = 2;
/// The same, of indexes.
pub const INDEX_FORMAT_VERSION: u32 = 1;

/// A state object.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct StateRef {
    /// The object.
    pub name: ObjectName,
    /// Its size in bytes.
    pub len: u64,
    /// CRC-32C of all of it.
    pub crc: u32,
}

/// An index object.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct IndexRef {
    /// The object.
    pub name: ObjectName,
    /// Its size in bytes.
    pub len: u64,
    /// CRC-32C of all of it.
    pub crc: u32,
    /// Data objects that it lists.
    pub objects: u32,
}

/// What counts.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Manifest {
    /// Its number; the next has the next.
    pub number: u64,
    /// The cluster.
    pub cluster_id: String,
    /// The node that committed it.
    pub node_id: i32,
    /// Its epoch then.
    pub epoch: Epoch,
    /// The data directory that it served from: random, made anew when a directory begins or is restored.
    pub lineage: u64,
    /// The process: random.
    pub writer: u64,
    /// All that the log says below is in the store.
    pub cut: Lsn,
    /// When the cut was begun, by the wall clock.
    pub cut_at: Timestamp,
    /// So many offsets behind the end of each partition, and producer ids, may have been given out since.
    pub reserved_offsets: i64,
    /// A whole state in the form of a checkpoint, that at the cut unless there is a delta; `None`: nothing was cut yet.
    pub state: Option<StateRef>,
    /// What has changed from that one to the state at the cut, as `store/delta.rs` writes it. Only with a state.
    pub delta: Option<StateRef>,
    /// Lists of data objects, oldest first.
    pub indexes: Vec<IndexRef>,
    /// Data objects that are in no index yet, oldest first.
    pub tail: Vec<DataRef>,
}

impl Manifest {
    /// Its bytes.
    #[must_use]
    pub fn encode(&self) -> Vec<u8> {
        let mut out = begun(MAGIC, FORMAT_VERSION);
        out.put_u64(self.number);
        out.put_text(&self.cluster_id);
        out.put_u32(self.node_id.cast_unsigned());
        out.put_u32(self.epoch.0);
        out.put_u64(self.lineage);
        out.put_u64(self.writer);
        out.put_u64(self.cut.0);
        out.put_i64(self.cut_at.0);
        out.put_i64(self.reserved_offsets);
        out.put_u8(u8::from(self.state.is_some()) + u8::from(self.delta.is_some()));
        for state in self.states() {
            state.name.encode(&mut out);
            out.put_u64(state.len);
            out.put_u32(state.crc);
        }
        out.put_u32(u32::try_from(self.indexes.len()).expect("each lists many objects"));
        for index in &self.indexes {
            index.name.encode(&mut out);
            out.put_u64(index.len);
            out.put_u32(index.crc);
            out.put_u32(index.objects);
        }
        encode_list(&self.tail, &mut out);
        seal(&mut out);
        out
    }

    /// Reads a manifest.
    ///
    /// # Errors
    /// It is damaged, or of a newer format. Nothing of it is used then.
    pub fn decode(bytes: &[u8]) -> Result<Manifest, NotAnObject> {
        let mut from = known(bytes, MAGIC, FORMAT_VERSION)?;
        let mut manifest = Manifest {
            number: from.u64()?,
            cluster_id: from.text()?,
            node_id: from.u32()?.cast_signed(),
            epoch: Epoch(from.u32()?),
            lineage: from.u64()?,
            writer: from.u64()?,
            cut: Lsn(from.u64()?),
            cut_at: Timestamp(from.i64()?),
            reserved_offsets: from.i64()?,
            state: None,
            delta: None,
            indexes: Vec::new(),
            tail: Vec::new(),
        };
        let states = from.u8()?;
        if states > 2 {
            return Err(NotAnObject::Damaged);
        }
        for of in [&mut manifest.state, &mut manifest.delta].into_iter().take(states.into()) {
            let name = ObjectName::decode(&mut from)?;
            *of = Some(StateRef { name, len: from.u64()?, crc: from.u32()? });
        }
        let has_next = manifest.number < u64::MAX;
        if !has_next || !(0..=RESERVED_OFFSETS_MAX).contains(&manifest.reserved_offsets) {
            return Err(NotAnObject::Damaged);
        }
        for _ in 0..from.count(NAME_BYTES + 16)? {
            manifest.indexes.push(IndexRef {
                name: ObjectName::decode(&mut from)?,
                len: from.u64()?,
                crc: from.u32()?,
                objects: from.u32()?,
            });
        }
        manifest.tail = decode_list(&mut from)?;
        from.finish()?;
        Ok(manifest)
    }

    /// The state objects that it refers to: a whole one, and what has changed since.
    pub fn states(&self) -> impl Iterator<Item = &StateRef> {
        self.state.iter().chain(&self.delta)
    }

    /// Bytes of the list of data objects at its end.
    #[must_use]
    pub fn tail_bytes(&self) -> usize {
        self.tail.iter().map(DataRef::encoded_len).sum()
    }
}

/// A list of data objects.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Index {
    /// Oldest first.
    pub objects: Vec<DataRef>,
}

impl Index {
    /// Its bytes.
    #[must_use]
    pub fn encode(&self) -> Vec<u8> {
        let mut out = begun(INDEX_MAGIC, INDEX_FORMAT_VERSION);
        encode_list(&self.objects, &mut out);
        seal(&mut out);
        out
    }

    /// Reads an index.
    ///
    /// # Errors
    /// It is damaged, or of a newer format. Nothing of it is used then.
    pub fn decode(bytes: &[u8]) -> Result<Index, NotAnObject> {
        let mut from = known(bytes, INDEX_MAGIC, INDEX_FORMAT_VERSION)?;
        let objects = decode_list(&mut from)?;
        from.finish()?;
        Ok(Index { objects })
    }
}

fn known(bytes: &[u8], magic: [u8; 8], version: u32) -> Result<Reader<'_>, NotAnObject> {
    match opened(bytes, magic)? {
        (known, from) if known == version => Ok(from),
        (other, _) => Err(NotAnObject::Format(other)),
    }
}

fn encode_list(objects: &[DataRef], out: &mut Vec<u8>) {
    out.put_u32(u32::try_from(objects.len()).expect("a list has a bound"));
    for object in objects {
        object.encode(out);
    }
}

fn decode_list(from: &mut Reader<'_>) -> Result<Vec<DataRef>, Malformed> {
    let mut objects = Vec::new();
    for _ in 0..from.count(NAME_BYTES + 20)? {
        objects.push(DataRef::decode(from)?);
    }
    Ok(objects)
}

#[cfg(test)]
mod tests;
