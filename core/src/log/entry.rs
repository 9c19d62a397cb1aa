//! The records of the log: everything that ever changes the broker's state.
//!
//! A record has a *head*, kept together with the heads of its group and covered by the group's checksum, and at
//! most one *body*: a Kafka record batch, exactly as it will be served. The batch carries its own CRC, so no byte
//! of it is hashed twice; the part of its header that lies outside that CRC is repeated in the head.
//!
//! Head, little-endian:
//!
//! | bytes | field |
//! |---|---|
//! | 0 | type |
//! | 1..3 | length of the whole head |
//! | 3..7 | length of the body, 0 for none |
//! | 7.. | fields by type, below |
//!
//! | type | name | fields |
//! |---|---|---|
//! | 1 | append | partition u32, leader epoch u32, appended at i64, base offset i64, batch CRC u32 |
//! | 2 | started | epoch u32, at i64, skipped offsets i64 |
//! | 3 | topic created | id 16, name text, partitions u32, first partition u32, at i64, configs: u32 x (text, text) |
//! | 4 | topic deleted | id 16 |
//! | 5 | producer ids reserved | upto i64 |
//! | 6 | producers expired | before i64 |
//! | 7 | trimmed | floor u64 |
//! | 8 | partitions added | topic id 16, first partition u32, partitions u32 |
//! | 9 | configs changed | topic id 16, configs: u32 x (name text, given u8, value text if given is 1) |
//! | 10 | records deleted | partition u32, log start i64 |
//! | 11 | lineage begun | lineage u64, from u64, manifest u64, at i64 |
//! | 12 | cut stored | manifest u64, cut u64, at i64 |
//! | 32 | group changed | group id text, what u8, fields by it: see `entry/group.rs` |
//!
//! A type is never reused and its fields never change; a new meaning is a new type.

mod group;

use alloc::{collections::BTreeMap, string::String, vec::Vec};

pub use self::group::{CommittedOffset, GroupChange, GroupEntry, GroupMember};
use crate::{
    codec::{Malformed, Put, Reader, insert_next},
    planted::{Planted, planted},
    units::{Epoch, Lsn, Offset, PartitionId, ProducerId, SegmentSequence, Timestamp, TopicId},
    wire::batch::{BatchHeader, CRC_COVERS_FROM, HEADER_BYTES, LENGTH_OVERHEAD},
};

/// Bytes in front of a head's fields.
pub const HEAD_PREFIX_BYTES: usize = 7;
/// Bytes of the head of an append.
pub const APPEND_HEAD_BYTES: usize = HEAD_PREFIX_BYTES + 28;

/// One change of state.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Entry {
    /// A record batch joins a partition.
    Append(Append),
    /// A process took over the log.
    Started {
        /// Its epoch, above every earlier one.
        epoch: Epoch,
        /// When, by its wall clock.
        at: Timestamp,
        /// Offsets skipped in every partition, and producer ids skipped, because a loss was accepted. 0 otherwise.
        skip_offsets: i64,
    },
    /// A topic exists from here on.
    TopicCreated(TopicCreated),
    /// A topic and everything in it is gone.
    TopicDeleted {
        /// Which.
        id: TopicId,
    },
    /// Producer ids below `upto` may have been given out.
    ProducerIdsReserved {
        /// Exclusive.
        upto: ProducerId,
    },
    /// Producers whose last batch was appended before that time are forgotten.
    ProducersExpired {
        /// Exclusive.
        before: Timestamp,
    },
    /// Segments in front of this one hold nothing that is needed; from here on they may be missing.
    Trimmed {
        /// First segment that must be there.
        floor: SegmentSequence,
    },
    /// A topic has further partitions, behind those that it had.
    PartitionsAdded {
        /// Which.
        topic: TopicId,
        /// Internal number of the first of them; the others follow.
        first_partition: PartitionId,
        /// How many.
        partitions: u32,
    },
    /// Configs of a topic are others than before.
    ConfigsChanged {
        /// Which.
        topic: TopicId,
        /// By name the new value; `None`: it is not given any more.
        configs: BTreeMap<String, Option<String>>,
    },
    /// Records in front of an offset are gone.
    RecordsDeleted {
        /// Where.
        partition: PartitionId,
        /// First offset that is still there.
        log_start: Offset,
    },
    /// The data directory stands for the cluster from here on: what it commits to the object store carries this number.
    LineageBegun {
        /// Random, not 0.
        lineage: u64,
        /// The one whose last cut it was restored from; 0: it began empty.
        from: u64,
        /// The manifest it was restored from; 0: it began empty.
        manifest: u64,
        /// Nothing in it that is not in the store is older.
        at: Timestamp,
    },
    /// All that the log says below an LSN is in the object store.
    CutStored {
        /// Number of the manifest that says so.
        manifest: u64,
        /// Exclusive.
        cut: Lsn,
        /// When the cut was begun.
        at: Timestamp,
    },
    /// A consumer group changed.
    Group(GroupChange),
}

/// What the log says of a batch; its records are the body.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Append {
    /// Where it went.
    pub partition: PartitionId,
    /// When the broker took it, by its wall clock.
    pub appended_at: Timestamp,
    /// The batch header as stored, base offset and leader epoch included.
    pub header: BatchHeader,
}

/// A topic as it was created.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct TopicCreated {
    /// Random, never reused.
    pub id: TopicId,
    /// Its name.
    pub name: String,
    /// Number of partitions.
    pub partitions: u32,
    /// Internal number of partition 0; the others follow.
    pub first_partition: PartitionId,
    /// When.
    pub at: Timestamp,
    /// The configs that were given.
    pub configs: BTreeMap<String, String>,
}

const APPEND: u8 = 1;
const STARTED: u8 = 2;
const TOPIC_CREATED: u8 = 3;
const TOPIC_DELETED: u8 = 4;
const PRODUCER_IDS_RESERVED: u8 = 5;
const PRODUCERS_EXPIRED: u8 = 6;
const TRIMMED: u8 = 7;
const PARTITIONS_ADDED: u8 = 8;
const CONFIGS_CHANGED: u8 = 9;
const RECORDS_DELETED: u8 = 10;
const LINEAGE_BEGUN: u8 = 11;
const CUT_STORED: u8 = 12;
const GROUP: u8 = 32;

impl Append {
    /// Bytes of the whole batch: the body of its record.
    #[must_use]
    pub fn body_len(&self) -> u32 {
        u32::try_from(self.header.batch_length).expect("a stored batch has a length")
            + u32::try_from(LENGTH_OVERHEAD).expect("12")
    }
}

impl Entry {
    /// Bytes of the body.
    #[must_use]
    pub fn body_len(&self) -> u32 {
        match self {
            Entry::Append(append) => append.body_len(),
            Entry::Started { .. }
            | Entry::TopicCreated(_)
            | Entry::TopicDeleted { .. }
            | Entry::ProducerIdsReserved { .. }
            | Entry::ProducersExpired { .. }
            | Entry::Trimmed { .. }
            | Entry::PartitionsAdded { .. }
            | Entry::ConfigsChanged { .. }
            | Entry::RecordsDeleted { .. }
            | Entry::LineageBegun { .. }
            | Entry::CutStored { .. }
            | Entry::Group(_) => 0,
        }
    }

    /// Appends the head to `out`.
    pub fn encode_head(&self, out: &mut Vec<u8>) {
        let start = out.len();
        out.extend_from_slice(&[0; HEAD_PREFIX_BYTES]);
        let mut body_len = 0;
        let kind = match self {
            Entry::Append(append) => {
                body_len = append.body_len();
                out.put_u32(append.partition.0);
                out.put_u32(append.header.leader_epoch.cast_unsigned());
                out.put_i64(append.appended_at.0);
                out.put_i64(append.header.base_offset.0);
                out.put_u32(append.header.crc);
                APPEND
            }
            Entry::Started { epoch, at, skip_offsets } => {
                out.put_u32(epoch.0);
                out.put_i64(at.0);
                out.put_i64(*skip_offsets);
                STARTED
            }
            Entry::TopicCreated(topic) => {
                topic.encode(out);
                TOPIC_CREATED
            }
            Entry::TopicDeleted { id } => {
                out.extend_from_slice(&id.0);
                TOPIC_DELETED
            }
            Entry::ProducerIdsReserved { upto } => {
                out.put_i64(upto.0);
                PRODUCER_IDS_RESERVED
            }
            Entry::ProducersExpired { before } => {
                out.put_i64(before.0);
                PRODUCERS_EXPIRED
            }
            Entry::Trimmed { floor } => {
                out.put_u64(floor.0);
                TRIMMED
            }
            Entry::PartitionsAdded { topic, first_partition, partitions } => {
                out.extend_from_slice(&topic.0);
                out.put_u32(first_partition.0);
                out.put_u32(*partitions);
                PARTITIONS_ADDED
            }
            Entry::ConfigsChanged { topic, configs } => {
                out.extend_from_slice(&topic.0);
                encode_changes(configs, out);
                CONFIGS_CHANGED
            }
            Entry::RecordsDeleted { partition, log_start } => {
                out.put_u32(partition.0);
                out.put_i64(log_start.0);
                RECORDS_DELETED
            }
            Entry::LineageBegun { lineage, from, manifest, at } => {
                out.put_u64(*lineage);
                out.put_u64(*from);
                out.put_u64(*manifest);
                out.put_i64(at.0);
                LINEAGE_BEGUN
            }
            Entry::CutStored { manifest, cut, at } => {
                out.put_u64(*manifest);
                out.put_u64(cut.0);
                out.put_i64(at.0);
                CUT_STORED
            }
            Entry::Group(change) => {
                change.encode(out);
                GROUP
            }
        };
        let head_len =
            u16::try_from(out.len() - start).expect("heads are checked against their bound before");
        out[start] = kind;
        out[start + 1..start + 3].copy_from_slice(&head_len.to_le_bytes());
        out[start + 3..start + 7].copy_from_slice(&body_len.to_le_bytes());
    }
}

impl TopicCreated {
    /// Appends the fields, as in a head and in a checkpoint.
    pub fn encode(&self, out: &mut Vec<u8>) {
        out.extend_from_slice(&self.id.0);
        out.put_text(&self.name);
        out.put_u32(self.partitions);
        out.put_u32(self.first_partition.0);
        out.put_i64(self.at.0);
        out.put_u32(u32::try_from(self.configs.len()).expect("there are few configs"));
        for (name, value) in &self.configs {
            out.put_text(name);
            out.put_text(value);
        }
    }

    /// Reads what [`TopicCreated::encode`] wrote.
    ///
    /// # Errors
    /// The bytes are not such fields.
    pub fn decode(from: &mut Reader<'_>) -> Result<TopicCreated, Malformed> {
        let id = TopicId(from.array()?);
        let name = from.text()?;
        let partitions = from.u32()?;
        let first_partition = PartitionId(from.u32()?);
        let at = Timestamp(from.i64()?);
        let count = from.count(4)?;
        let mut configs = BTreeMap::new();
        for _ in 0..count {
            let name = from.text()?;
            insert_next(&mut configs, name, from.text()?)?;
        }
        if partitions == 0 || first_partition.0.checked_add(partitions).is_none() {
            return Err(Malformed);
        }
        Ok(TopicCreated { id, name, partitions, first_partition, at, configs })
    }
}

fn encode_changes(configs: &BTreeMap<String, Option<String>>, out: &mut Vec<u8>) {
    out.put_u32(u32::try_from(configs.len()).expect("there are few configs"));
    for (name, value) in configs {
        out.put_text(name);
        out.put_u8(u8::from(value.is_some()));
        if let Some(value) = value {
            out.put_text(value);
        }
    }
}

fn decode_changes(from: &mut Reader<'_>) -> Result<BTreeMap<String, Option<String>>, Malformed> {
    let mut configs = BTreeMap::new();
    for _ in 0..from.count(3)? {
        let name = from.text()?;
        let value = match from.u8()? {
            0 => None,
            1 => Some(from.text()?),
            _ => return Err(Malformed),
        };
        insert_next(&mut configs, name, value)?;
    }
    Ok(configs)
}

/// A head as it was read, and the length of its body.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Head {
    /// The head of an append: the batch header is still in the body.
    Append(AppendHead),
    /// Any other entry, complete.
    Whole(Entry),
}

/// What the head of an append says.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct AppendHead {
    /// Where the batch went.
    pub partition: PartitionId,
    /// Must be in the batch.
    pub leader_epoch: i32,
    /// When it was taken.
    pub appended_at: Timestamp,
    /// Must be in the batch.
    pub base_offset: Offset,
    /// Must be in the batch, and match it.
    pub crc: u32,
    /// Bytes of the batch.
    pub body_len: u32,
}

impl Head {
    /// Reads one head and moves `from` behind it.
    ///
    /// # Errors
    /// Not a head of this format. Heads are read only after their group's checksum was found right, so this means
    /// a newer format or a bug.
    pub fn decode(from: &mut Reader<'_>) -> Result<Head, Malformed> {
        let kind = from.u8()?;
        let head_len = usize::from(from.u16()?);
        let body_len = from.u32()?;
        // A length below that of the front leaves no fields, and every type has some.
        let mut fields = Reader::new(from.bytes(head_len.saturating_sub(HEAD_PREFIX_BYTES))?);
        if (body_len == 0) == (kind == APPEND) {
            return Err(Malformed);
        }
        let head = match kind {
            APPEND => Head::Append(AppendHead {
                partition: PartitionId(fields.u32()?),
                leader_epoch: fields.u32()?.cast_signed(),
                appended_at: Timestamp(fields.i64()?),
                base_offset: Offset(fields.i64()?),
                crc: fields.u32()?,
                body_len,
            }),
            STARTED => Head::Whole(Entry::Started {
                epoch: Epoch(fields.u32()?),
                at: Timestamp(fields.i64()?),
                skip_offsets: fields.i64()?,
            }),
            TOPIC_CREATED => Head::Whole(Entry::TopicCreated(TopicCreated::decode(&mut fields)?)),
            TOPIC_DELETED => Head::Whole(Entry::TopicDeleted { id: TopicId(fields.array()?) }),
            PRODUCER_IDS_RESERVED => {
                Head::Whole(Entry::ProducerIdsReserved { upto: ProducerId(fields.i64()?) })
            }
            PRODUCERS_EXPIRED => Head::Whole(Entry::ProducersExpired { before: Timestamp(fields.i64()?) }),
            TRIMMED => Head::Whole(Entry::Trimmed { floor: SegmentSequence(fields.u64()?) }),
            PARTITIONS_ADDED => {
                let topic = TopicId(fields.array()?);
                let (first_partition, partitions) = (PartitionId(fields.u32()?), fields.u32()?);
                if partitions == 0 || first_partition.0.checked_add(partitions).is_none() {
                    return Err(Malformed);
                }
                Head::Whole(Entry::PartitionsAdded { topic, first_partition, partitions })
            }
            CONFIGS_CHANGED => {
                let topic = TopicId(fields.array()?);
                Head::Whole(Entry::ConfigsChanged { topic, configs: decode_changes(&mut fields)? })
            }
            RECORDS_DELETED => {
                let partition = PartitionId(fields.u32()?);
                Head::Whole(Entry::RecordsDeleted { partition, log_start: Offset(fields.i64()?) })
            }
            LINEAGE_BEGUN => Head::Whole(Entry::LineageBegun {
                lineage: fields.u64()?,
                from: fields.u64()?,
                manifest: fields.u64()?,
                at: Timestamp(fields.i64()?),
            }),
            CUT_STORED => Head::Whole(Entry::CutStored {
                manifest: fields.u64()?,
                cut: Lsn(fields.u64()?),
                at: Timestamp(fields.i64()?),
            }),
            GROUP => Head::Whole(Entry::Group(GroupChange::decode(&mut fields)?)),
            _ => return Err(Malformed),
        };
        fields.finish()?;
        Ok(head)
    }

    /// Bytes of the body.
    #[must_use]
    pub fn body_len(&self) -> u32 {
        match self {
            Head::Append(append) => append.body_len,
            Head::Whole(_) => 0,
        }
    }
}

impl AppendHead {
    /// Checks a body against its head, and both against the batch's checksum.
    ///
    /// # Errors
    /// The body is not the batch that was written.
    pub fn verify(&self, body: &[u8]) -> Result<Append, Malformed> {
        let head: &[u8; HEADER_BYTES] =
            body.get(..HEADER_BYTES).and_then(|head| head.try_into().ok()).ok_or(Malformed)?;
        let header = BatchHeader::parse(head);
        let fits = usize::try_from(header.batch_length) == Ok(body.len() - LENGTH_OVERHEAD)
            && header.magic == 2
            && header.base_offset == self.base_offset
            && header.leader_epoch == self.leader_epoch
            && header.crc == self.crc
            && header.last_offset_delta >= 0
            && header.base_offset.0 >= 0
            && header.base_offset.0 <= crate::limits::OFFSET_MAX
            && (crc32c::crc32c(&body[CRC_COVERS_FROM..]) == self.crc || planted(Planted::TornBodyAccepted));
        if fits {
            Ok(Append { partition: self.partition, appended_at: self.appended_at, header })
        } else {
            Err(Malformed)
        }
    }
}

#[cfg(test)]
pub(crate) mod tests;
