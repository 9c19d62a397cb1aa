//! What the log says of consumer groups.
//!
//! A generation is told in pieces, so that no head grows with the number of members: one record for each member, then the
//! one that makes them the group's members. Assignments likewise. Pieces without their last record say nothing.

use alloc::{string::String, vec::Vec};

use crate::{
    codec::{Malformed, Put, Reader},
    units::{Offset, PartitionId, Timestamp},
};

/// A change of one group.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct GroupChange {
    /// Its id.
    pub group: String,
    /// What changes.
    pub what: GroupEntry,
}

/// What changes in a group.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum GroupEntry {
    /// A member of a generation that is being told.
    Member {
        /// The generation.
        generation: i32,
        /// The member, without an assignment.
        member: GroupMember,
    },
    /// The generation begins, with the members told before.
    Generation {
        /// Above every earlier one.
        generation: i32,
        /// When.
        at: Timestamp,
        /// `consumer` for consumers.
        protocol_type: String,
        /// The assignor that all members know.
        protocol: String,
        /// Member id of the one that assigns; empty in an empty group.
        leader: String,
    },
    /// What the leader assigned to one member.
    Assignment {
        /// The generation.
        generation: i32,
        /// Whose.
        member: String,
        /// As the leader wrote it.
        assignment: Vec<u8>,
    },
    /// All assignments were told: the generation is in force.
    Assigned {
        /// The generation.
        generation: i32,
    },
    /// A member left, or was not heard of for its session timeout: a new generation is needed.
    Removed {
        /// Which.
        member: String,
        /// When.
        at: Timestamp,
    },
    /// A static member (KIP-345) came back under a new id and keeps its place.
    Replaced {
        /// Its former id.
        old: String,
        /// What it is now, without an assignment: it keeps its former one.
        new: GroupMember,
    },
    /// Offsets were committed.
    Committed {
        /// When.
        at: Timestamp,
        /// By partition.
        offsets: Vec<(PartitionId, CommittedOffset)>,
    },
    /// Offsets are forgotten.
    Forgotten {
        /// Of these partitions.
        partitions: Vec<PartitionId>,
    },
    /// The group is gone.
    Deleted,
}

/// A committed offset.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct CommittedOffset {
    /// The next one to be read.
    pub offset: Offset,
    /// Leader epoch of the last record read, -1 if not told.
    pub leader_epoch: i32,
    /// What the client wrote beside it.
    pub metadata: String,
}

/// A member of a group.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct GroupMember {
    /// Given out by the broker.
    pub id: String,
    /// Chosen by the operator, for static members (KIP-345).
    pub instance: Option<String>,
    /// As its client calls itself.
    pub client_id: String,
    /// Where it came from.
    pub client_host: String,
    /// Not heard of for so long, it is gone; milliseconds.
    pub session_timeout_ms: i32,
    /// Time to join again in a rebalance; milliseconds.
    pub rebalance_timeout_ms: i32,
    /// Its subscription, as it wrote it for the chosen assignor.
    pub metadata: Vec<u8>,
    /// What it was assigned.
    pub assignment: Vec<u8>,
}

impl GroupMember {
    /// Appends the fields.
    pub fn encode(&self, out: &mut Vec<u8>) {
        out.put_text(&self.id);
        out.put_u8(self.instance.is_some().into());
        out.put_text(self.instance.as_deref().unwrap_or_default());
        out.put_text(&self.client_id);
        out.put_text(&self.client_host);
        out.put_u32(self.session_timeout_ms.cast_unsigned());
        out.put_u32(self.rebalance_timeout_ms.cast_unsigned());
        put_bytes(out, &self.metadata);
        put_bytes(out, &self.assignment);
    }

    /// Reads what [`GroupMember::encode`] wrote.
    ///
    /// # Errors
    /// The bytes are not such fields.
    pub fn decode(from: &mut Reader<'_>) -> Result<GroupMember, Malformed> {
        let id = from.text()?;
        let instance = match (from.u8()?, from.text()?) {
            (0, none) if none.is_empty() => None,
            (1, instance) => Some(instance),
            _ => return Err(Malformed),
        };
        Ok(GroupMember {
            id,
            instance,
            client_id: from.text()?,
            client_host: from.text()?,
            session_timeout_ms: from.u32()?.cast_signed(),
            rebalance_timeout_ms: from.u32()?.cast_signed(),
            metadata: take_bytes(from)?,
            assignment: take_bytes(from)?,
        })
    }
}

fn put_bytes(out: &mut Vec<u8>, bytes: &[u8]) {
    out.put_u32(u32::try_from(bytes.len()).expect("bounded where it is taken"));
    out.extend_from_slice(bytes);
}

fn take_bytes(from: &mut Reader<'_>) -> Result<Vec<u8>, Malformed> {
    let len = from.count(1)?;
    from.bytes(len).map(Vec::from)
}

impl CommittedOffset {
    /// Appends the fields.
    pub fn encode(&self, out: &mut Vec<u8>) {
        out.put_i64(self.offset.0);
        out.put_u32(self.leader_epoch.cast_unsigned());
        out.put_text(&self.metadata);
    }

    /// Reads what [`CommittedOffset::encode`] wrote.
    ///
    /// # Errors
    /// The bytes are not such fields.
    pub fn decode(from: &mut Reader<'_>) -> Result<CommittedOffset, Malformed> {
        let offset = Offset(from.i64()?);
        let leader_epoch = from.u32()?.cast_signed();
        Ok(CommittedOffset { offset, leader_epoch, metadata: from.text()? })
    }
}

impl GroupChange {
    /// Appends the fields.
    pub fn encode(&self, out: &mut Vec<u8>) {
        out.put_text(&self.group);
        match &self.what {
            GroupEntry::Member { generation, member } => {
                out.put_u8(0);
                out.put_u32(generation.cast_unsigned());
                member.encode(out);
            }
            GroupEntry::Generation { generation, at, protocol_type, protocol, leader } => {
                out.put_u8(1);
                out.put_u32(generation.cast_unsigned());
                out.put_i64(at.0);
                out.put_text(protocol_type);
                out.put_text(protocol);
                out.put_text(leader);
            }
            GroupEntry::Assignment { generation, member, assignment } => {
                out.put_u8(2);
                out.put_u32(generation.cast_unsigned());
                out.put_text(member);
                put_bytes(out, assignment);
            }
            GroupEntry::Assigned { generation } => {
                out.put_u8(3);
                out.put_u32(generation.cast_unsigned());
            }
            GroupEntry::Removed { member, at } => {
                out.put_u8(4);
                out.put_text(member);
                out.put_i64(at.0);
            }
            GroupEntry::Replaced { old, new } => {
                out.put_u8(5);
                out.put_text(old);
                new.encode(out);
            }
            GroupEntry::Committed { at, offsets } => {
                out.put_u8(6);
                out.put_i64(at.0);
                out.put_u32(u32::try_from(offsets.len()).expect("bounded by the head"));
                for (partition, offset) in offsets {
                    out.put_u32(partition.0);
                    offset.encode(out);
                }
            }
            GroupEntry::Forgotten { partitions } => {
                out.put_u8(7);
                out.put_u32(u32::try_from(partitions.len()).expect("bounded by the head"));
                for partition in partitions {
                    out.put_u32(partition.0);
                }
            }
            GroupEntry::Deleted => out.put_u8(8),
        }
    }

    /// Reads what [`GroupChange::encode`] wrote.
    ///
    /// # Errors
    /// The bytes are not such fields.
    pub fn decode(from: &mut Reader<'_>) -> Result<GroupChange, Malformed> {
        let group = from.text()?;
        let what = match from.u8()? {
            0 => GroupEntry::Member {
                generation: from.u32()?.cast_signed(),
                member: GroupMember::decode(from)?,
            },
            1 => GroupEntry::Generation {
                generation: from.u32()?.cast_signed(),
                at: Timestamp(from.i64()?),
                protocol_type: from.text()?,
                protocol: from.text()?,
                leader: from.text()?,
            },
            2 => GroupEntry::Assignment {
                generation: from.u32()?.cast_signed(),
                member: from.text()?,
                assignment: take_bytes(from)?,
            },
            3 => GroupEntry::Assigned { generation: from.u32()?.cast_signed() },
            4 => GroupEntry::Removed { member: from.text()?, at: Timestamp(from.i64()?) },
            5 => GroupEntry::Replaced { old: from.text()?, new: GroupMember::decode(from)? },
            6 => {
                let at = Timestamp(from.i64()?);
                let mut offsets = Vec::new();
                for _ in 0..from.count(18)? {
                    offsets.push((PartitionId(from.u32()?), CommittedOffset::decode(from)?));
                }
                GroupEntry::Committed { at, offsets }
            }
            7 => {
                let mut partitions = Vec::new();
                for _ in 0..from.count(4)? {
                    partitions.push(PartitionId(from.u32()?));
                }
                GroupEntry::Forgotten { partitions }
            }
            8 => GroupEntry::Deleted,
            _ => return Err(Malformed),
        };
        Ok(GroupChange { group, what })
    }
}
