//! Static members (KIP-345): an instance that comes back under a new member id takes its former place.

use alloc::{
    string::{String, ToString},
    vec::Vec,
};

use super::{Protocols, offsets::subscribed, rebalance::generation_answer};
use crate::{
    broker::{Asker, Live},
    error_code,
    log::entry::{GroupEntry, GroupMember},
    marks::{Mark, mark},
    port::GroupResponse,
    turn::Turn,
};

/// First version that can tell a leader that there is nothing to assign (KIP-814).
const SKIP_ASSIGNMENT_SINCE: i16 = 9;

impl Live {
    /// The member that this instance is now.
    pub(super) fn former(&self, id: &str, instance: &str) -> Option<String> {
        let rebalance = self.groups.live.get(id).and_then(|live| live.rebalance.as_ref());
        let joined = rebalance.into_iter().flat_map(|rebalance| rebalance.joined.values());
        let joined = joined.map(|joined| &joined.member);
        let known = self.state.group(id).into_iter().flat_map(|group| group.members.values());
        let mut all = joined.chain(known);
        all.find(|member| member.instance.as_deref() == Some(instance)).map(|member| member.id.clone())
    }

    /// The instance takes the place of its former self, which is fenced from here on. In a group in force nothing else
    /// changes, as long as it reads the same topics; else everyone joins again.
    pub(super) fn come_back(
        &mut self,
        asker: Asker,
        id: &str,
        former: &str,
        mut member: GroupMember,
        protocols: Protocols,
        turn: &mut Turn<'_>,
    ) {
        let group = self.state.group(id);
        let protocol = group.map(|group| group.protocol.clone()).unwrap_or_default();
        let told = protocols.iter().find(|(name, _)| *name == protocol);
        let known = group.and_then(|group| group.members.get(former));
        // Not only the same bytes: where an assignor is cooperative, they also say what the instance had before.
        let same = known.is_some_and(|known| {
            told.is_some_and(|(_, told)| *told == known.metadata || reads_the_same(told, &known.metadata))
        });
        let in_force =
            group.is_some_and(|group| group.assigned && !group.unsettled) && !self.in_rebalance(id);
        let led = group.is_some_and(|group| group.leader == former);
        let protocol_type = group.map(|group| group.protocol_type.clone()).unwrap_or_default();
        if known.is_some() {
            mark(Mark::InstanceBack);
            member.metadata = told.map(|(_, told)| told.clone()).unwrap_or_default();
            self.change(id, GroupEntry::Replaced { old: former.to_string(), new: member.clone() });
        }
        let live = self.groups.live_mut(id);
        live.deadlines.remove(former);
        live.protocols.remove(former);
        live.unsynced.remove(former);
        live.heard_of(&member, turn.now.mono);
        live.protocols.insert(member.id.clone(), protocols.clone());
        let joined = live.rebalance.as_mut().and_then(|rebalance| rebalance.joined.remove(former));
        let syncing = live.syncing.remove(former);
        let joined_type = live.protocol_type.clone();
        if let Some(joined) = joined {
            self.answer_join_error(joined.asker, id, error_code::FENCED_INSTANCE_ID, turn);
        }
        if let Some(asker) = syncing {
            self.answer_sync_error(asker, id, error_code::FENCED_INSTANCE_ID, turn);
        }
        if in_force && same {
            let group = self.state.group(id).expect("it is in force");
            let skips = led && asker.version >= SKIP_ASSIGNMENT_SINCE;
            let mut response = generation_answer(asker, group, &member.id, skips);
            if skips {
                response.skip_assignment = true;
            } else if led {
                // An older client that is told that it leads would assign anew: it is told that its former self does.
                response.leader = kafka_protocol::protocol::StrBytes::from_string(former.to_string());
            }
            self.answer_group(asker, id, GroupResponse::Join(response), turn);
            return;
        }
        let protocol_type = if joined_type.is_empty() { protocol_type } else { joined_type };
        self.take_part(asker, id, member, protocols, &protocol_type, turn);
    }
}

/// Whether two subscriptions name the same topics.
fn reads_the_same(one: &[u8], other: &[u8]) -> bool {
    let topics = |metadata| {
        let mut topics: Vec<&[u8]> = subscribed(metadata)?;
        topics.sort_unstable();
        Some(topics)
    };
    topics(one).is_some_and(|one| topics(other) == Some(one))
}
