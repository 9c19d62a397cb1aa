//! JoinGroup: who may join, and whether that begins a rebalance.

use alloc::{
    collections::BTreeMap,
    format,
    string::{String, ToString},
    vec::Vec,
};

use kafka_protocol::{messages::JoinGroupResponse, protocol::StrBytes};

use super::{Joined, Protocols, millis, rebalance::generation_answer, subscriptions::bytes_of};
use crate::{
    broker::{Asker, Live},
    error_code,
    limits::{
        CLIENT_ID_BYTES_MAX, GROUP_ID_BYTES_MAX, GROUP_METADATA_BYTES_MAX, GROUP_PROTOCOL_BYTES_MAX,
        GROUP_PROTOCOLS_BYTES_MAX, GROUPS_MAX, MEMBERS_BYTES_MAX,
    },
    log::entry::GroupMember,
    port::{GroupResponse, JoinIntake},
    state::group::Group,
    turn::Turn,
};

/// First version in which a dynamic member first asks for an id (KIP-394).
const MEMBER_ID_REQUIRED_SINCE: i16 = 4;

impl Live {
    pub(super) fn join_group(&mut self, asker: Asker, intake: JoinIntake, turn: &mut Turn<'_>) {
        let group = intake.request.group_id.to_string();
        if let Err((error_code, member_id)) = self.try_join(asker, &group, intake, turn) {
            let name = (asker.version < 7).then(StrBytes::default);
            let response = JoinGroupResponse::default()
                .with_error_code(error_code)
                .with_generation_id(-1)
                .with_protocol_name(name)
                .with_member_id(StrBytes::from_string(member_id));
            self.answer_group(asker, &group, GroupResponse::Join(response), turn);
        }
        self.settle(&group, turn);
    }

    /// Answers, or lets the member wait for the others. An error comes with the member id to tell.
    fn try_join(
        &mut self,
        asker: Asker,
        id: &str,
        intake: JoinIntake,
        turn: &mut Turn<'_>,
    ) -> Result<(), (i16, String)> {
        let JoinIntake { client_id, client_host, request } = intake;
        let asked = request.member_id.to_string();
        let refuse = |error_code| Err((error_code, asked.clone()));
        let instance = request.group_instance_id.as_ref().map(ToString::to_string);
        let instance_len = instance.as_ref().map_or(0, String::len);
        if id.is_empty() || id.len() > GROUP_ID_BYTES_MAX {
            return refuse(error_code::INVALID_GROUP_ID);
        }
        if asked.len() > GROUP_ID_BYTES_MAX || instance_len > GROUP_ID_BYTES_MAX / 2 {
            return refuse(error_code::INVALID_REQUEST);
        }
        let session = millis(request.session_timeout_ms);
        if session < self.config.group_session_timeout_min || session > self.config.group_session_timeout_max
        {
            return refuse(error_code::INVALID_SESSION_TIMEOUT);
        }
        let protocols: Protocols = request
            .protocols
            .iter()
            .map(|protocol| (protocol.name.to_string(), protocol.metadata.to_vec()))
            .collect();
        if request.protocol_type.is_empty() || protocols.is_empty() {
            return refuse(error_code::INCONSISTENT_GROUP_PROTOCOL);
        }
        let too_long = |(name, metadata): &(String, Vec<u8>)| {
            name.len() > GROUP_PROTOCOL_BYTES_MAX || metadata.len() > GROUP_METADATA_BYTES_MAX
        };
        let bytes: usize = protocols.iter().map(|(name, metadata)| name.len() + metadata.len()).sum();
        if request.protocol_type.len() > GROUP_PROTOCOL_BYTES_MAX
            || protocols.iter().any(too_long)
            || bytes > GROUP_PROTOCOLS_BYTES_MAX
        {
            return refuse(error_code::INVALID_REQUEST);
        }
        if !self.accepts() {
            return refuse(error_code::COORDINATOR_LOAD_IN_PROGRESS);
        }
        let known = self.state.group(id);
        let groups = self.state.group_count().max(self.groups.live.len());
        if known.is_none() && !self.groups.live.contains_key(id) && groups >= GROUPS_MAX {
            return refuse(error_code::POLICY_VIOLATION);
        }
        if self.overfills(id, &asked, &protocols) {
            return refuse(error_code::GROUP_MAX_SIZE_REACHED);
        }
        let former = instance.as_deref().and_then(|instance| self.former(id, instance));
        let itself = former.as_ref().unwrap_or(&asked);
        if !self.fits(id, known, itself, &request.protocol_type, &protocols) {
            return refuse(error_code::INCONSISTENT_GROUP_PROTOCOL);
        }
        let now = turn.now.mono;
        let size = self.group_size(id);
        let known_member = known.is_some_and(|group| group.members.contains_key(&asked));
        let joined_member = self.has_joined(id, &asked);
        let member_id = if !asked.is_empty() {
            if instance.is_some() {
                match &former {
                    None => return refuse(error_code::UNKNOWN_MEMBER_ID),
                    Some(former) if *former != asked => return refuse(error_code::FENCED_INSTANCE_ID),
                    Some(_) => {}
                }
            }
            let live = self.groups.live_mut(id);
            let was_pending = live.pending.remove(&asked).is_some();
            if !was_pending && !known_member && !joined_member {
                return refuse(error_code::UNKNOWN_MEMBER_ID);
            }
            asked.clone()
        } else {
            if former.is_none() && size >= self.config.group_members_max {
                return refuse(error_code::GROUP_MAX_SIZE_REACHED);
            }
            let bits = (turn.work.random.bits(), turn.work.random.bits());
            let stem: String = match &instance {
                Some(instance) => instance.clone(),
                None => client_id.chars().take(CLIENT_ID_BYTES_MAX / 4).collect(),
            };
            let new = format!("{stem}-{:016x}{:016x}", bits.0, bits.1);
            if instance.is_none() && asker.version >= MEMBER_ID_REQUIRED_SINCE {
                self.groups.live_mut(id).pending.insert(new.clone(), now.after(session));
                return Err((error_code::MEMBER_ID_REQUIRED, new));
            }
            new
        };
        let rebalance_timeout_ms =
            if asker.version >= 1 { request.rebalance_timeout_ms } else { request.session_timeout_ms };
        let member = GroupMember {
            id: member_id,
            instance,
            client_id: client_id.chars().take(CLIENT_ID_BYTES_MAX / 4).collect(),
            client_host,
            session_timeout_ms: request.session_timeout_ms,
            rebalance_timeout_ms: rebalance_timeout_ms.max(0),
            metadata: Vec::new(),
            assignment: Vec::new(),
        };
        match former.filter(|former| *former != member.id) {
            Some(former) => self.come_back(asker, id, &former, member, protocols, turn),
            None => self.admit(asker, id, member, protocols, &request.protocol_type, turn),
        }
        Ok(())
    }

    /// Whether all members together would take too much memory. One that tells no more than it did before may stay.
    fn overfills(&self, id: &str, member: &str, protocols: &Protocols) -> bool {
        let told = self.groups.live.get(id).and_then(|live| live.protocols.get(member)).map_or(0, bytes_of);
        let bytes = bytes_of(protocols);
        bytes > told && self.groups.bytes() - told + bytes > MEMBERS_BYTES_MAX
    }

    /// Whether the group could still agree on an assignor with this member.
    fn fits(
        &self,
        id: &str,
        known: Option<&Group>,
        member: &str,
        protocol_type: &str,
        protocols: &Protocols,
    ) -> bool {
        let live = self.groups.live.get(id);
        let joined = live.and_then(|live| live.rebalance.as_ref()).map(|rebalance| &rebalance.joined);
        let others_known = known.into_iter().flat_map(|group| group.members.keys()).any(|id| id != member);
        let others_joined = joined.into_iter().flat_map(BTreeMap::keys).any(|id| id != member);
        if !others_known && !others_joined {
            return true;
        }
        if known.is_some_and(|group| !group.protocol_type.is_empty() && group.protocol_type != protocol_type)
        {
            return false;
        }
        let Some(live) = live else { return true };
        let all: Vec<&Protocols> = live
            .protocols
            .members()
            .iter()
            .filter(|(id, _)| *id != member)
            .map(|(_, protocols)| protocols)
            .collect();
        let knows = |protocols: &Protocols, name: &str| protocols.iter().any(|(known, _)| known == name);
        protocols.iter().any(|(name, _)| all.iter().all(|other| knows(other, name)))
    }

    fn group_size(&self, id: &str) -> usize {
        let Some(live) = self.groups.live.get(id) else { return 0 };
        live.deadlines.len() + live.pending.len()
    }

    fn has_joined(&self, id: &str, member: &str) -> bool {
        let rebalance = self.groups.live.get(id).and_then(|live| live.rebalance.as_ref());
        rebalance.is_some_and(|rebalance| rebalance.joined.contains_key(member))
    }

    /// Answers with the generation there is, where nothing changes, or has the member take part in a rebalance.
    fn admit(
        &mut self,
        asker: Asker,
        id: &str,
        member: GroupMember,
        protocols: Protocols,
        protocol_type: &str,
        turn: &mut Turn<'_>,
    ) {
        if !self.in_rebalance(id)
            && let Some(group) = self.state.group(id)
            && let Some(known) = group.members.get(&member.id)
        {
            let told = self.groups.live.get(id).and_then(|live| live.protocols.get(&member.id));
            // Of what it told before a restart only one subscription is known.
            let same =
                protocols.iter().any(|(name, data)| *name == group.protocol && *data == known.metadata)
                    && told.is_none_or(|told| told.len() == 1 || *told == protocols);
            let leads = group.leader == member.id;
            // The leader of a group in force that joins again wants a rebalance: it saw that topics have changed.
            if same && (!leads || !group.assigned) && !group.unsettled {
                let response = generation_answer(asker, group, &member.id, leads);
                let live = self.groups.live_mut(id);
                live.heard_of(&member, turn.now.mono);
                live.protocols.insert(member.id.clone(), protocols);
                self.answer_group(asker, id, GroupResponse::Join(response), turn);
                return;
            }
        }
        self.take_part(asker, id, member, protocols, protocol_type, turn);
    }

    /// Has the member take part in the rebalance, which begins with it if none is under way.
    pub(super) fn take_part(
        &mut self,
        asker: Asker,
        id: &str,
        member: GroupMember,
        protocols: Protocols,
        protocol_type: &str,
        turn: &mut Turn<'_>,
    ) {
        let now = turn.now.mono;
        self.begin_rebalance(id, &member, turn);
        let delay = self.config.group_initial_rebalance_delay;
        let live = self.groups.live_mut(id);
        live.heard_of(&member, now);
        live.protocols.insert(member.id.clone(), protocols.clone());
        let rebalance = live.rebalance.as_mut().expect("it was just begun");
        if let Some(collects) = rebalance.collects
            && !rebalance.joined.contains_key(&member.id)
        {
            rebalance.ends = rebalance.ends.max(now.after(millis(member.rebalance_timeout_ms)));
            rebalance.collects = Some(collects.max(now.after(delay)).min(rebalance.ends));
        }
        let order = rebalance.order;
        rebalance.order += 1;
        let order = rebalance.joined.get(&member.id).map_or(order, |joined| joined.order);
        let member_id = member.id.clone();
        let joined = Joined { asker, order, member, protocols };
        let before = rebalance.joined.insert(member_id, joined);
        live.protocol_type = protocol_type.to_string();
        if let Some(before) = before {
            self.answer_join_error(before.asker, id, error_code::REBALANCE_IN_PROGRESS, turn);
        }
    }
}
