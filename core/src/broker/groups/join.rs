//! JoinGroup, and how a rebalance ends.

use alloc::{
    collections::BTreeMap,
    format,
    string::{String, ToString},
    vec::Vec,
};

use bytes::Bytes;
use kafka_protocol::{
    messages::{JoinGroupResponse, join_group_response::JoinGroupResponseMember},
    protocol::StrBytes,
};

use super::{Joined, Protocols, Rebalance, millis};
use crate::{
    broker::{Asker, Live},
    error_code,
    limits::{
        CLIENT_ID_BYTES_MAX, GROUP_ID_BYTES_MAX, GROUP_METADATA_BYTES_MAX, GROUP_PROTOCOL_BYTES_MAX,
        GROUP_PROTOCOLS_BYTES_MAX, GROUPS_MAX,
    },
    log::entry::{GroupEntry, GroupMember},
    port::{GroupResponse, JoinIntake, Response},
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
        self.complete_if_due(&group, turn);
        if let Some(live) = self.groups.live.get_mut(&group) {
            live.set_timer(turn);
        }
        self.groups.forget_if_idle(&group, turn);
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
        if !self.log.accepts() {
            return refuse(error_code::COORDINATOR_LOAD_IN_PROGRESS);
        }
        let known = self.state.group(id);
        if known.is_none() && self.state.group_count() >= GROUPS_MAX {
            return refuse(error_code::POLICY_VIOLATION);
        }
        if !self.fits(id, known, &asked, &request.protocol_type, &protocols) {
            return refuse(error_code::INCONSISTENT_GROUP_PROTOCOL);
        }
        let now = turn.now.mono;
        let size = self.group_size(id);
        let known_member = known.is_some_and(|group| group.members.contains_key(&asked));
        let joined_member = self.has_joined(id, &asked);
        let former = instance.as_deref().and_then(|instance| self.former(id, instance));
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
        if let Some(former) = former.filter(|former| *former != member.id) {
            self.replace_static(id, &former, &member, turn);
        }
        self.admit(asker, id, member, protocols, &request.protocol_type, turn);
        Ok(())
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
        let all: Vec<&Protocols> =
            live.protocols.iter().filter(|(id, _)| *id != member).map(|(_, protocols)| protocols).collect();
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

    /// The member that this instance is now.
    fn former(&self, id: &str, instance: &str) -> Option<String> {
        let rebalance = self.groups.live.get(id).and_then(|live| live.rebalance.as_ref());
        let joined = rebalance.into_iter().flat_map(|rebalance| rebalance.joined.values());
        let joined = joined.map(|joined| &joined.member);
        let known = self.state.group(id).into_iter().flat_map(|group| group.members.values());
        let mut all = joined.chain(known);
        all.find(|member| member.instance.as_deref() == Some(instance)).map(|member| member.id.clone())
    }

    /// KIP-345: the same instance under a new id takes the place of the old one, which is fenced from here on.
    fn replace_static(&mut self, id: &str, former: &str, member: &GroupMember, turn: &mut Turn<'_>) {
        if self.state.group(id).is_some_and(|group| group.members.contains_key(former)) {
            let entry = GroupEntry::Replaced { old: former.to_string(), new: member.id.clone() };
            self.change(id, entry);
        }
        let live = self.groups.live_mut(id);
        live.deadlines.remove(former);
        if let Some(protocols) = live.protocols.remove(former) {
            live.protocols.insert(member.id.clone(), protocols);
        }
        live.heard_of(member, turn.now.mono);
        let joined = live.rebalance.as_mut().and_then(|rebalance| rebalance.joined.remove(former));
        let syncing = live.syncing.remove(former);
        if let Some(joined) = joined {
            self.answer_join_error(joined.asker, id, error_code::FENCED_INSTANCE_ID, turn);
        }
        if let Some(asker) = syncing {
            self.answer_sync_error(asker, id, error_code::FENCED_INSTANCE_ID, turn);
        }
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
        let now = turn.now.mono;
        let in_rebalance = self.groups.live.get(id).is_some_and(|live| live.rebalance.is_some());
        if !in_rebalance
            && let Some(group) = self.state.group(id)
            && let Some(known) = group.members.get(&member.id)
        {
            let told = self.groups.live.get(id).and_then(|live| live.protocols.get(&member.id));
            // Of what it told before a restart only one subscription is known.
            let same =
                protocols.iter().any(|(name, data)| *name == group.protocol && *data == known.metadata)
                    && told.is_none_or(|told| told.len() == 1 || *told == protocols);
            let leads = group.leader == member.id;
            // The leader of a group in force wants a rebalance; a static one that only came back does not.
            let came_back = member.instance.is_some() && asker.version < 9 && leads;
            let settled = same && (!leads || !group.assigned || member.instance.is_some()) && !came_back;
            if settled && !group.unsettled {
                let skip = leads && group.assigned && member.instance.is_some();
                let response = generation_answer(asker, group, &member.id, leads, skip);
                let live = self.groups.live_mut(id);
                live.heard_of(&member, now);
                live.protocols.insert(member.id.clone(), protocols);
                self.answer_group(asker, id, GroupResponse::Join(response), turn);
                return;
            }
        }
        self.begin_rebalance(id, &member, turn);
        let delay = self.config.group_initial_rebalance_delay;
        let live = self.groups.live_mut(id);
        live.heard_of(&member, now);
        live.protocols.insert(member.id.clone(), protocols.clone());
        let rebalance = live.rebalance.as_mut().expect("it was just begun");
        rebalance.ends = rebalance.ends.max(now.after(millis(member.rebalance_timeout_ms)));
        if let Some(collects) = rebalance.collects
            && !rebalance.joined.contains_key(&member.id)
        {
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

    /// Everyone has to join again, or the first members come together.
    pub(super) fn begin_rebalance(&mut self, id: &str, cause: &GroupMember, turn: &mut Turn<'_>) {
        if self.groups.live.get(id).is_some_and(|live| live.rebalance.is_some()) {
            return;
        }
        let now = turn.now.mono;
        let members = self.state.group(id).map(|group| &group.members);
        let is_first = members.is_none_or(BTreeMap::is_empty);
        let longest = members.into_iter().flat_map(BTreeMap::values).map(|known| known.rebalance_timeout_ms);
        let longest = longest.chain([cause.rebalance_timeout_ms]).max().unwrap_or(0);
        let ends = now.after(millis(longest));
        let delay = self.config.group_initial_rebalance_delay;
        let collects = (is_first && !delay.is_zero()).then(|| now.after(delay).min(ends));
        let live = self.groups.live_mut(id);
        live.rebalance = Some(Rebalance::begin(ends, collects));
        for (_, asker) in core::mem::take(&mut live.syncing) {
            self.answer_sync_error(asker, id, error_code::REBALANCE_IN_PROGRESS, turn);
        }
    }

    /// Ends a rebalance that everyone has joined, or that has taken long enough.
    pub(super) fn complete_if_due(&mut self, id: &str, turn: &mut Turn<'_>) {
        let now = turn.now.mono;
        let Some(rebalance) = self.groups.live.get(id).and_then(|live| live.rebalance.as_ref()) else {
            return;
        };
        if rebalance.collects.is_some_and(|until| until > now) || self.stopping {
            return;
        }
        let group = self.state.group(id);
        let known = || group.into_iter().flat_map(|group| group.members.values());
        let all = known().all(|member| rebalance.joined.contains_key(&member.id));
        let pending = self.groups.live.get(id).is_some_and(|live| !live.pending.is_empty());
        if (!all || pending) && rebalance.ends > now {
            return;
        }
        if !self.log.accepts() {
            return;
        }
        self.complete(id, turn);
    }

    fn complete(&mut self, id: &str, turn: &mut Turn<'_>) {
        let live = self.groups.live_mut(id);
        let Some(rebalance) = live.rebalance.take() else { return };
        let protocol_type = core::mem::take(&mut live.protocol_type);
        let mut joined = rebalance.joined;
        if joined.is_empty() && self.state.group(id).is_none() {
            return;
        }
        let mut members: Vec<(u64, GroupMember)> = Vec::new();
        let group = self.state.group(id).cloned().unwrap_or_default();
        let live = self.groups.live_mut(id);
        for member in group.members.values() {
            if !joined.contains_key(&member.id) {
                // A static member keeps its place for its session timeout (KIP-345); another one is gone.
                if member.instance.is_some() && live.deadlines.contains_key(&member.id) {
                    members.push((u64::MAX, member.clone()));
                } else {
                    live.deadlines.remove(&member.id);
                    live.protocols.remove(&member.id);
                }
            }
        }
        members.extend(joined.values().map(|joined| (joined.order, joined.member.clone())));
        members.sort_by_key(|(order, _)| *order);
        let present: Vec<String> = members.iter().map(|(_, member)| member.id.clone()).collect();
        live.protocols.retain(|id, _| present.contains(id));
        let protocol = chosen(&present, &live.protocols);
        let generation = group.next_generation();
        let leads = |id: &String| joined.contains_key(id);
        let leader =
            if leads(&group.leader) { Some(&group.leader) } else { present.iter().find(|id| leads(id)) };
        let leader = leader.cloned().unwrap_or_default();
        for (_, mut member) in members {
            let live = self.groups.live_mut(id);
            let told = live.protocols.get(&member.id).into_iter().flatten();
            member.metadata = told
                .filter(|(name, _)| *name == protocol)
                .map(|(_, data)| data.clone())
                .next()
                .unwrap_or_default();
            member.assignment = Vec::new();
            if let Some(joined) = joined.get(&member.id) {
                debug_assert!(joined.protocols.iter().any(|(name, _)| *name == protocol), "all know it");
            }
            self.change(id, GroupEntry::Member { generation, member });
        }
        let protocol_type = if protocol_type.is_empty() { group.protocol_type } else { protocol_type };
        let at = turn.now.wall;
        self.change(
            id,
            GroupEntry::Generation { generation, at, protocol_type, protocol, leader: leader.clone() },
        );
        let group = self.state.group(id).expect("it has a generation").clone();
        while let Some((member, joined)) = joined.pop_first() {
            let leads = member == leader;
            let response = generation_answer(joined.asker, &group, &member, leads, false);
            let live = self.groups.live_mut(id);
            live.heard_of(&joined.member, turn.now.mono);
            self.answer(joined.asker, Response::Group(GroupResponse::Join(response)), group.known, turn);
        }
    }
}

/// The assignor that all know and most prefer.
fn chosen(members: &[String], protocols: &BTreeMap<String, Protocols>) -> String {
    let of = |id: &String| protocols.get(id).into_iter().flatten().map(|(name, _)| name);
    let all_know = |name: &String| members.iter().all(|id| of(id).any(|known| known == name));
    let mut votes: BTreeMap<&String, usize> = BTreeMap::new();
    for id in members {
        if let Some(name) = of(id).find(|name| all_know(name)) {
            *votes.entry(name).or_default() += 1;
        }
    }
    let most = votes.values().max().copied();
    votes
        .into_iter()
        .find(|(_, count)| Some(*count) == most)
        .map(|(name, _)| name.clone())
        .unwrap_or_default()
}

fn text(text: &str) -> StrBytes {
    StrBytes::from_string(text.to_string())
}

/// What a member is told of its generation; the one that assigns is told of all members.
fn generation_answer(
    asker: Asker,
    group: &Group,
    member: &str,
    leads: bool,
    skip: bool,
) -> JoinGroupResponse {
    let all = group.members.values().map(|member| {
        let told = JoinGroupResponseMember::default()
            .with_member_id(text(&member.id))
            .with_metadata(Bytes::copy_from_slice(&member.metadata));
        if asker.version >= 5 {
            told.with_group_instance_id(member.instance.as_deref().map(text))
        } else {
            told
        }
    });
    let response = JoinGroupResponse::default()
        .with_generation_id(group.generation)
        .with_protocol_name(Some(text(&group.protocol)))
        .with_leader(text(&group.leader))
        .with_member_id(text(member))
        .with_members(if leads { all.collect() } else { Vec::new() });
    let response = if asker.version >= 7 {
        response.with_protocol_type(Some(text(&group.protocol_type)))
    } else {
        response
    };
    if asker.version >= 9 { response.with_skip_assignment(skip) } else { response }
}
