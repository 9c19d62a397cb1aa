//! SyncGroup, Heartbeat, LeaveGroup: members of a generation.

use alloc::{
    collections::BTreeMap,
    string::{String, ToString},
    vec::Vec,
};

use bytes::Bytes;
use kafka_protocol::{
    messages::{
        HeartbeatRequest, HeartbeatResponse, LeaveGroupRequest, LeaveGroupResponse, SyncGroupRequest,
        SyncGroupResponse, leave_group_request::MemberIdentity, leave_group_response::MemberResponse,
    },
    protocol::StrBytes,
};

use crate::{
    broker::{Asker, Live},
    error_code,
    limits::GROUP_METADATA_BYTES_MAX,
    log::entry::GroupEntry,
    marks::{Mark, mark},
    planted::{Planted, planted},
    port::{GroupResponse, Response},
    state::group::Group,
    turn::Turn,
    units::Lsn,
};

/// First version in which several members can leave at once.
const LEAVES_BY_LIST_SINCE: i16 = 3;

impl Live {
    /// Whether that member may speak for the group in that generation.
    ///
    /// # Errors
    /// A Kafka error code.
    pub(super) fn speaks(
        &self,
        group: &str,
        member: &str,
        instance: Option<&StrBytes>,
        generation: i32,
    ) -> Result<&Group, i16> {
        if group.is_empty() {
            return Err(error_code::INVALID_GROUP_ID);
        }
        let group = self.state.group(group).ok_or(error_code::UNKNOWN_MEMBER_ID)?;
        if let Some(instance) = instance {
            match group.instance(instance) {
                None => return Err(error_code::UNKNOWN_MEMBER_ID),
                Some(known) if known != member => return Err(error_code::FENCED_INSTANCE_ID),
                Some(_) => {}
            }
        }
        if !group.members.contains_key(member) {
            return Err(error_code::UNKNOWN_MEMBER_ID);
        }
        if generation != group.generation {
            return Err(error_code::ILLEGAL_GENERATION);
        }
        Ok(group)
    }

    pub(super) fn in_rebalance(&self, group: &str) -> bool {
        self.groups.live.get(group).is_some_and(|live| live.rebalance.is_some())
    }

    /// A member was heard of.
    pub(super) fn hear(&mut self, group: &str, member: &str, turn: &mut Turn<'_>) {
        if let Some(known) = self.state.group(group).and_then(|group| group.members.get(member)) {
            let live = self.groups.live_mut(group);
            live.heard_of(known, turn.now.mono);
            live.set_timer(turn);
        }
    }

    pub(super) fn heartbeat(&mut self, asker: Asker, request: &HeartbeatRequest, turn: &mut Turn<'_>) {
        let group = request.group_id.as_str();
        let instance = request.group_instance_id.as_ref();
        let spoken = self.speaks(group, &request.member_id, instance, request.generation_id).map(|_| ());
        let error_code = match spoken {
            Ok(()) => {
                self.hear(group, &request.member_id, turn);
                if self.in_rebalance(group) { error_code::REBALANCE_IN_PROGRESS } else { error_code::NONE }
            }
            Err(error_code) => error_code,
        };
        let response = HeartbeatResponse::default().with_error_code(error_code);
        self.answer_group(asker, group, GroupResponse::Heartbeat(response), turn);
    }

    pub(super) fn sync_group(&mut self, asker: Asker, request: SyncGroupRequest, turn: &mut Turn<'_>) {
        let id = request.group_id.to_string();
        if let Err(error_code) = self.try_sync(asker, &id, request, turn) {
            self.answer_sync_error(asker, &id, error_code, turn);
        }
        if let Some(live) = self.groups.live.get_mut(&id) {
            live.set_timer(turn);
        }
    }

    fn try_sync(
        &mut self,
        asker: Asker,
        id: &str,
        request: SyncGroupRequest,
        turn: &mut Turn<'_>,
    ) -> Result<(), i16> {
        let member = request.member_id.to_string();
        let instance = request.group_instance_id.as_ref();
        let group = self.speaks(id, &member, instance, request.generation_id)?;
        let other =
            |told: &Option<StrBytes>, known: &str| told.as_ref().is_some_and(|told| told.as_str() != known);
        if other(&request.protocol_type, &group.protocol_type)
            || other(&request.protocol_name, &group.protocol)
        {
            return Err(error_code::INCONSISTENT_GROUP_PROTOCOL);
        }
        let (assigned, leads) = (group.assigned, group.leader == member);
        let (generation, known) = (group.generation, group.members.clone());
        self.hear(id, &member, turn);
        self.groups.live_mut(id).synced(&member);
        if self.in_rebalance(id) {
            return Err(error_code::REBALANCE_IN_PROGRESS);
        }
        if !assigned && leads {
            if request.assignments.iter().any(|told| told.assignment.len() > GROUP_METADATA_BYTES_MAX) {
                return Err(error_code::INVALID_REQUEST);
            }
            if !self.accepts() {
                return Err(error_code::COORDINATOR_LOAD_IN_PROGRESS);
            }
            // What is told twice counts as last told; what is told of strangers does not count.
            let told: BTreeMap<String, Bytes> = request
                .assignments
                .into_iter()
                .map(|told| (told.member_id.to_string(), told.assignment))
                .filter(|(member, assignment)| known.contains_key(member) && !assignment.is_empty())
                .collect();
            for (member, assignment) in told {
                let assignment = assignment.to_vec();
                self.change(id, GroupEntry::Assignment { generation, member, assignment });
            }
            self.change(id, GroupEntry::Assigned { generation });
            mark(Mark::AssignmentsTold);
            for (member, asker) in core::mem::take(&mut self.groups.live_mut(id).syncing) {
                if planted(Planted::SyncAnswerLost) {
                    continue;
                }
                self.answer_assignment(asker, id, &member, turn);
                self.hear(id, &member, turn);
            }
        }
        if assigned || leads {
            self.answer_assignment(asker, id, &member, turn);
        } else if let Some(before) = self.groups.live_mut(id).syncing.insert(member, asker) {
            mark(Mark::SyncAskedAgain);
            self.answer_sync_error(before, id, error_code::REBALANCE_IN_PROGRESS, turn);
        }
        Ok(())
    }

    fn answer_assignment(&mut self, asker: Asker, id: &str, member: &str, turn: &mut Turn<'_>) {
        let Some(group) = self.state.group(id) else { return };
        let mut its = group.members.get(member);
        if planted(Planted::AssignmentOfAnother) {
            its = group.members.values().next();
        }
        let assignment = its.map(|member| Bytes::copy_from_slice(&member.assignment));
        let mut response = SyncGroupResponse::default().with_assignment(assignment.unwrap_or_default());
        if asker.version >= 5 {
            response = response
                .with_protocol_type(Some(StrBytes::from_string(group.protocol_type.clone())))
                .with_protocol_name(Some(StrBytes::from_string(group.protocol.clone())));
        }
        let early = planted(Planted::AssignmentToldBeforeDurable);
        let known = if early { Lsn(0) } else { self.group_known(id) };
        self.answer(asker, Response::Group(GroupResponse::Sync(response)), known, turn);
    }

    pub(super) fn leave_group(&mut self, asker: Asker, request: LeaveGroupRequest, turn: &mut Turn<'_>) {
        let id = request.group_id.to_string();
        let by_list = asker.version >= LEAVES_BY_LIST_SINCE;
        let leaving = if by_list {
            request.members
        } else {
            Vec::from([MemberIdentity::default().with_member_id(request.member_id)])
        };
        let mut told = Vec::new();
        for identity in leaving {
            let error_code = self.leave(&id, &identity, turn).err().unwrap_or(error_code::NONE);
            told.push(
                MemberResponse::default()
                    .with_member_id(identity.member_id)
                    .with_group_instance_id(identity.group_instance_id)
                    .with_error_code(error_code),
            );
        }
        let response = if id.is_empty() {
            LeaveGroupResponse::default().with_error_code(error_code::INVALID_GROUP_ID)
        } else if by_list {
            LeaveGroupResponse::default().with_members(told)
        } else {
            LeaveGroupResponse::default().with_error_code(told[0].error_code)
        };
        let early = planted(Planted::LeaveToldBeforeDurable);
        let known = if early { Lsn(0) } else { self.group_known(&id) };
        self.answer(asker, Response::Group(GroupResponse::Leave(response)), known, turn);
        self.settle(&id, turn);
    }

    fn leave(&mut self, id: &str, identity: &MemberIdentity, turn: &mut Turn<'_>) -> Result<(), i16> {
        if let Some(live) = self.groups.live.get_mut(id)
            && live.pending.remove(identity.member_id.as_str()).is_some()
        {
            return Ok(());
        }
        let member = match &identity.group_instance_id {
            // By its instance id alone: an administrator removes a static member.
            Some(instance) => {
                let known = self.state.group(id).and_then(|group| group.instance(instance));
                let known = known.ok_or(error_code::UNKNOWN_MEMBER_ID)?;
                if !identity.member_id.is_empty() && identity.member_id.as_str() != known {
                    return Err(error_code::FENCED_INSTANCE_ID);
                }
                known.to_string()
            }
            None => identity.member_id.to_string(),
        };
        let known = self.state.group(id).is_some_and(|group| group.members.contains_key(&member));
        let joined = self.groups.live.get(id).is_some_and(|live| live.deadlines.contains_key(&member));
        if !known && !joined {
            return Err(error_code::UNKNOWN_MEMBER_ID);
        }
        if !self.accepts() {
            return Err(error_code::COORDINATOR_LOAD_IN_PROGRESS);
        }
        self.remove_member(id, &member, turn);
        Ok(())
    }

    /// A member is gone: what it waited for is answered, and the others share what it had.
    pub(super) fn remove_member(&mut self, id: &str, member: &str, turn: &mut Turn<'_>) {
        let live = self.groups.live_mut(id);
        live.deadlines.remove(member);
        live.protocols.remove(member);
        live.synced(member);
        let joined = live.rebalance.as_mut().and_then(|rebalance| rebalance.joined.remove(member));
        let syncing = live.syncing.remove(member);
        if let Some(joined) = joined {
            self.answer_join_error(joined.asker, id, error_code::UNKNOWN_MEMBER_ID, turn);
        }
        if let Some(asker) = syncing {
            self.answer_sync_error(asker, id, error_code::UNKNOWN_MEMBER_ID, turn);
        }
        let Some(known) = self.state.group(id).and_then(|group| group.members.get(member)).cloned() else {
            return;
        };
        let at = turn.now.wall;
        mark(Mark::MemberGone);
        self.change(id, GroupEntry::Removed { member: member.to_string(), at });
        self.begin_rebalance(id, &known, turn);
        // Nobody is left: there are no first members to wait for either.
        let nobody = self.state.group(id).is_some_and(|group| group.members.is_empty());
        let live = self.groups.live_mut(id);
        if let Some(rebalance) = &mut live.rebalance
            && nobody
            && rebalance.joined.is_empty()
        {
            rebalance.collects = None;
        }
    }
}
