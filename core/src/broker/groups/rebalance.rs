//! How a rebalance begins and ends, and what a member is told of its generation.

use alloc::{collections::BTreeMap, string::String, vec::Vec};

use bytes::Bytes;
use kafka_protocol::messages::{JoinGroupResponse, join_group_response::JoinGroupResponseMember};

use super::{LiveGroup, Protocols, Rebalance, SESSION_GRACE, millis};
use crate::{
    broker::{Asker, Live, text},
    error_code,
    log::entry::{GroupEntry, GroupMember},
    marks::{Mark, mark},
    planted::{Planted, planted},
    port::{GroupResponse, Response},
    state::group::Group,
    turn::Turn,
    units::Lsn,
};

impl Live {
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
        live.unsynced.clear();
        live.sync_ends = None;
        for (member, asker) in core::mem::take(&mut live.syncing) {
            // While it waited it could not be heard of: its session begins anew.
            self.hear(id, &member, turn);
            self.answer_sync_error(asker, id, error_code::REBALANCE_IN_PROGRESS, turn);
        }
    }

    /// Ends a rebalance that everyone has joined, or that has taken long enough.
    pub(super) fn complete_if_due(&mut self, id: &str, turn: &mut Turn<'_>) {
        let now = turn.now.mono;
        let Some(rebalance) = self.groups.live.get_mut(id).and_then(|live| live.rebalance.as_mut()) else {
            return;
        };
        if rebalance.collects.is_some_and(|until| until > now) || self.stopping {
            return;
        }
        // A time that has passed must not wake anybody again: the turn would never end.
        if !planted(Planted::PassedDeadlineKept) {
            rebalance.collects = None;
        }
        let Some(rebalance) = self.groups.live.get(id).and_then(|live| live.rebalance.as_ref()) else {
            return;
        };
        let group = self.state.group(id);
        let known = || group.into_iter().flat_map(|group| group.members.values());
        let all = known().all(|member| rebalance.joined.contains_key(&member.id));
        let pending = self.groups.live.get(id).is_some_and(|live| !live.pending.is_empty());
        if (!all || pending) && rebalance.ends > now {
            return;
        }
        if !self.accepts() {
            return;
        }
        if rebalance.joined.is_empty() && known().any(|member| self.keeps_its_place(id, member)) {
            mark(Mark::InstancesAwaited);
            // Nobody is there to assign, and static members may still come back: until one does, or their sessions end.
            let longest = known().map(|member| member.rebalance_timeout_ms).max().unwrap_or(0);
            let ends = now.after(millis(longest).max(SESSION_GRACE));
            let live = self.groups.live_mut(id);
            if let Some(rebalance) = &mut live.rebalance {
                rebalance.ends = ends;
            }
            return;
        }
        self.complete(id, turn);
    }

    /// A static member keeps its place for its session timeout; another one that does not join is gone.
    fn keeps_its_place(&self, id: &str, member: &GroupMember) -> bool {
        let heard_of = |live: &LiveGroup| live.deadlines.contains_key(&member.id);
        member.instance.is_some() && self.groups.live.get(id).is_some_and(heard_of)
    }

    /// Members that had the whole rebalance timeout to ask for their assignment and did not.
    pub(super) fn remove_unsynced(&mut self, id: &str, turn: &mut Turn<'_>) {
        let live = self.groups.live_mut(id);
        if live.sync_ends.is_none_or(|ends| ends > turn.now.mono) {
            return;
        }
        live.sync_ends = None;
        for member in core::mem::take(&mut live.unsynced) {
            mark(Mark::MemberUnsynced);
            self.remove_member(id, &member, turn);
        }
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
                if member.instance.is_some() && live.deadlines.contains_key(&member.id) {
                    mark(Mark::InstanceKeepsPlace);
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
        live.protocols.retain(|id| present.iter().any(|known| known == id));
        let protocol = chosen(&present, live.protocols.members());
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
        mark(if group.members.is_empty() { Mark::GroupEmpty } else { Mark::GenerationBegins });
        self.groups.live_mut(id).await_syncs(&group, turn.now.mono);
        while let Some((member, joined)) = joined.pop_first() {
            let leads = member == leader;
            let response = generation_answer(joined.asker, &group, &member, leads);
            let live = self.groups.live_mut(id);
            live.heard_of(&joined.member, turn.now.mono);
            let early = planted(Planted::GenerationToldBeforeDurable);
            let known = if early { Lsn(0) } else { group.known };
            self.answer(joined.asker, Response::Group(GroupResponse::Join(response)), known, turn);
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

/// What a member is told of its generation; the one that assigns is told of all members.
pub(super) fn generation_answer(asker: Asker, group: &Group, member: &str, leads: bool) -> JoinGroupResponse {
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
    if asker.version >= 7 { response.with_protocol_type(Some(text(&group.protocol_type))) } else { response }
}
