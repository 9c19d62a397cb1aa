//! A consumer group as the log tells it: its generation, members, assignments and committed offsets.

use alloc::{collections::BTreeMap, string::String, vec::Vec};

use crate::{
    codec::{Malformed, Put, Reader, insert_next},
    log::entry::{CommittedOffset, GroupEntry, GroupMember},
    planted::{Planted, planted},
    units::{Lsn, PartitionId, Timestamp},
};

/// A group.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Group {
    /// LSN behind the newest entry that changed it.
    pub known: Lsn,
    /// Of the latest generation; 0 before the first.
    pub generation: i32,
    /// `consumer` for consumers; empty if nobody ever joined.
    pub protocol_type: String,
    /// The assignor.
    pub protocol: String,
    /// Member id of the one that assigns.
    pub leader: String,
    /// By member id.
    pub members: BTreeMap<String, GroupMember>,
    /// Whether the assignments of this generation were told.
    pub assigned: bool,
    /// Whether a member is missing since this generation began.
    pub unsettled: bool,
    /// Since when it has no members.
    pub empty_since: Timestamp,
    /// With the time at which each was committed.
    pub offsets: BTreeMap<PartitionId, (Timestamp, CommittedOffset)>,
    /// Members told for a generation that has not begun.
    told: (i32, Vec<GroupMember>),
}

impl Group {
    /// One entry takes effect. False: the group is gone.
    pub(super) fn apply(&mut self, lsn: Lsn, what: &GroupEntry) -> bool {
        self.known = lsn.plus(1);
        match what {
            GroupEntry::Member { generation, member } => {
                if self.told.0 != *generation {
                    self.told = (*generation, Vec::new());
                }
                self.told.1.push(member.clone());
            }
            GroupEntry::Generation { generation, at, protocol_type, protocol, leader } => {
                let (told, members) = core::mem::take(&mut self.told);
                let members = if told == *generation { members } else { Vec::new() };
                self.members = members.into_iter().map(|member| (member.id.clone(), member)).collect();
                self.generation = *generation;
                self.protocol_type.clone_from(protocol_type);
                self.protocol.clone_from(protocol);
                self.leader.clone_from(leader);
                self.assigned = self.members.is_empty();
                self.unsettled = false;
                self.empty_since = *at;
            }
            GroupEntry::Assignment { generation, member, assignment } => {
                if *generation == self.generation
                    && let Some(member) = self.members.get_mut(member)
                {
                    member.assignment.clone_from(assignment);
                }
            }
            GroupEntry::Assigned { generation } => self.assigned |= *generation == self.generation,
            GroupEntry::Removed { member, at } => {
                self.unsettled |= self.members.remove(member).is_some();
                self.empty_since = *at;
            }
            GroupEntry::Replaced { old, new } => {
                let kept = self.members.get(old).cloned().filter(|_| planted(Planted::FormerInstanceKept));
                if let Some(former) = self.members.remove(old) {
                    self.members.extend(kept.map(|kept| (old.clone(), kept)));
                    let member = GroupMember { assignment: former.assignment, ..new.clone() };
                    self.members.insert(new.id.clone(), member);
                    if self.leader == *old {
                        self.leader.clone_from(&new.id);
                    }
                }
            }
            GroupEntry::Committed { at, offsets } => {
                for (partition, offset) in offsets {
                    self.offsets.insert(*partition, (*at, offset.clone()));
                }
            }
            GroupEntry::Forgotten { partitions } => {
                for partition in partitions {
                    self.offsets.remove(partition);
                }
            }
            GroupEntry::Deleted => return false,
        }
        true
    }

    /// A generation that was never given out: also none of which only pieces were told.
    #[must_use]
    pub fn next_generation(&self) -> i32 {
        let step = i32::from(!planted(Planted::GenerationRepeated));
        self.generation.max(self.told.0).max(1 - step).checked_add(step).unwrap_or(1)
    }

    /// Id of the static member with that instance id.
    #[must_use]
    pub fn instance(&self, instance: &str) -> Option<&str> {
        let its = |member: &&GroupMember| member.instance.as_deref() == Some(instance);
        self.members.values().find(its).map(|member| member.id.as_str())
    }

    /// Appends the fields, as in a checkpoint.
    pub(super) fn encode(&self, out: &mut Vec<u8>) {
        out.put_u32(self.generation.cast_unsigned());
        out.put_text(&self.protocol_type);
        out.put_text(&self.protocol);
        out.put_text(&self.leader);
        out.put_u8(u8::from(self.assigned) | u8::from(self.unsettled) << 1);
        out.put_i64(self.empty_since.0);
        out.put_u32(u32::try_from(self.members.len()).expect("groups are bounded"));
        for member in self.members.values() {
            if planted(Planted::CheckpointWithoutAssignments) {
                GroupMember { assignment: Vec::new(), ..member.clone() }.encode(out);
            } else {
                member.encode(out);
            }
        }
        out.put_u32(self.told.0.cast_unsigned());
        out.put_u32(u32::try_from(self.told.1.len()).expect("groups are bounded"));
        for member in &self.told.1 {
            member.encode(out);
        }
        if planted(Planted::CheckpointWithoutOffsets) {
            out.put_u32(0);
            return;
        }
        out.put_u32(u32::try_from(self.offsets.len()).expect("partitions are bounded"));
        for (partition, (at, offset)) in &self.offsets {
            out.put_u32(partition.0);
            out.put_i64(at.0);
            offset.encode(out);
        }
    }

    /// Reads what [`Group::encode`] wrote in a checkpoint at `lsn`.
    pub(super) fn decode(from: &mut Reader<'_>, lsn: Lsn) -> Result<Group, Malformed> {
        let mut group = Group { known: lsn, generation: from.u32()?.cast_signed(), ..Group::default() };
        group.protocol_type = from.text()?;
        group.protocol = from.text()?;
        group.leader = from.text()?;
        let flags = from.u8()?;
        if flags > 3 {
            return Err(Malformed);
        }
        group.assigned = flags & 1 != 0;
        group.unsettled = flags & 2 != 0;
        group.empty_since = Timestamp(from.i64()?);
        for _ in 0..from.count(25)? {
            let member = GroupMember::decode(from)?;
            insert_next(&mut group.members, member.id.clone(), member)?;
        }
        group.told.0 = from.u32()?.cast_signed();
        for _ in 0..from.count(25)? {
            group.told.1.push(GroupMember::decode(from)?);
        }
        for _ in 0..from.count(26)? {
            let partition = PartitionId(from.u32()?);
            let at = Timestamp(from.i64()?);
            insert_next(&mut group.offsets, partition, (at, CommittedOffset::decode(from)?))?;
        }
        Ok(group)
    }
}
