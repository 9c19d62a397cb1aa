//! Consumer groups, the classic protocol (KIP-62, KIP-134, KIP-345, KIP-394).
//!
//! What the log knows of a group is [`crate::state::group::Group`]. Here is what a restart may forget: who has joined so far,
//! who waits for an assignment, and when a member is taken for dead. After a restart each member has a whole session timeout
//! anew. An answer waits for the newest entry of its group, as every answer does.

mod instance;
mod join;
mod list;
mod member;
mod offsets;
mod rebalance;
mod subscriptions;

use alloc::{
    collections::{BTreeMap, BTreeSet},
    string::{String, ToString},
    vec::Vec,
};
use core::time::Duration;

use bytes::Bytes;
use kafka_protocol::messages::{JoinGroupResponse, SyncGroupResponse};

use self::subscriptions::{MEMBER_BYTES, Subscriptions};
use crate::{
    broker::{Asker, Live},
    error_code,
    log::entry::{Entry, GroupChange, GroupEntry, GroupMember},
    marks::{Mark, mark},
    planted::{Planted, planted},
    port::{GroupRequest, GroupResponse, Response},
    state::{State, group::Group},
    turn::{Timer, Turn},
    units::{Instant, Lsn},
};

/// What is known of groups beyond the log.
#[derive(Clone, Debug, Default)]
pub(super) struct Groups {
    live: BTreeMap<String, LiveGroup>,
    /// Names by the number that timers know them under.
    numbers: BTreeMap<u64, String>,
    next: u64,
}

/// What is known of one group beyond the log.
#[derive(Clone, Debug, Default)]
struct LiveGroup {
    number: u64,
    /// When the timer is set for.
    wakes: Option<Instant>,
    /// When members that are not heard of are gone.
    deadlines: BTreeMap<String, Instant>,
    /// Assignors of the members, as they last joined.
    protocols: Subscriptions,
    /// Ids that were given out and not used yet (KIP-394), with their deadlines.
    pending: BTreeMap<String, Instant>,
    rebalance: Option<Rebalance>,
    /// What those who joined are: `consumer` for consumers.
    protocol_type: String,
    /// Members that wait for their assignment.
    syncing: BTreeMap<String, Asker>,
    /// Members that have not asked for their assignment in this generation.
    unsynced: BTreeSet<String>,
    /// Until when they may, before they are taken for gone though they are heard of.
    sync_ends: Option<Instant>,
}

/// When to try again what there was no room to write.
const SESSION_GRACE: Duration = Duration::from_secs(1);

/// Names of assignors in order of preference, each with the member's subscription.
type Protocols = Vec<(String, Vec<u8>)>;

/// A rebalance under way.
#[derive(Clone, Debug)]
struct Rebalance {
    /// Until when members are waited for, at the latest.
    ends: Instant,
    /// For the first members of a group: until when more of them are waited for, though all that are known are there.
    collects: Option<Instant>,
    joined: BTreeMap<String, Joined>,
    /// How many joined, to know who was first.
    order: u64,
}

/// A member that joined and waits.
#[derive(Clone, Debug)]
struct Joined {
    asker: Asker,
    order: u64,
    member: GroupMember,
    protocols: Protocols,
}

fn millis(ms: i32) -> Duration {
    Duration::from_millis(u64::try_from(ms).unwrap_or(0))
}

impl Groups {
    /// After a start: each member may take a whole session timeout until it is heard of.
    pub(super) fn new(state: &State, turn: &mut Turn<'_>) -> Groups {
        let mut groups = Groups::default();
        for (id, group) in state.groups() {
            if group.members.is_empty() {
                continue;
            }
            let live = groups.live_mut(id);
            let mut longest = Duration::ZERO;
            for member in group.members.values() {
                longest = longest.max(millis(member.rebalance_timeout_ms));
                let ended = planted(Planted::SessionsEndAtStart);
                let session = if ended { Duration::ZERO } else { millis(member.session_timeout_ms) };
                let deadline = turn.now.mono.after(session);
                live.deadlines.insert(member.id.clone(), deadline);
                live.protocols.insert(
                    member.id.clone(),
                    Vec::from([(group.protocol.clone(), member.metadata.clone())]),
                );
            }
            mark(Mark::GroupRestored);
            if !group.assigned {
                mark(Mark::GroupRestoredUnassigned);
                live.await_syncs(group, turn.now.mono);
            }
            if group.unsettled {
                mark(Mark::GroupRestoredUnsettled);
                live.rebalance = Some(Rebalance::begin(turn.now.mono.after(longest), None));
            }
            live.set_timer(turn);
        }
        groups
    }

    /// Memory of all members and of those that asked for an id, bytes.
    fn bytes(&self) -> usize {
        self.live.values().map(|live| live.protocols.bytes() + MEMBER_BYTES * live.pending.len()).sum()
    }

    fn live_mut(&mut self, id: &str) -> &mut LiveGroup {
        if !self.live.contains_key(id) {
            let number = self.next;
            self.next += 1;
            self.numbers.insert(number, id.to_string());
            self.live.insert(id.to_string(), LiveGroup { number, ..LiveGroup::default() });
        }
        self.live.get_mut(id).expect("it was just put there")
    }

    fn forget_if_idle(&mut self, id: &str, turn: &mut Turn<'_>) {
        if let Some(live) = self.live.get(id)
            && live.deadlines.is_empty()
            && live.pending.is_empty()
            && live.rebalance.is_none()
            && live.syncing.is_empty()
        {
            if let Some(wakes) = live.wakes {
                turn.cancel(wakes, Timer::Group(live.number));
            }
            self.numbers.remove(&live.number);
            self.live.remove(id);
        }
    }
}

impl Rebalance {
    fn begin(ends: Instant, collects: Option<Instant>) -> Rebalance {
        Rebalance { ends, collects, joined: BTreeMap::new(), order: 0 }
    }
}

impl LiveGroup {
    /// One timer at the earliest deadline; what is earlier than needed does no harm.
    fn set_timer(&mut self, turn: &mut Turn<'_>) {
        let waits = self
            .rebalance
            .iter()
            .flat_map(|rebalance| rebalance.collects.into_iter().chain([rebalance.ends]));
        // Whoever waits for an answer is there as long as the rebalance lasts.
        let joined = |id: &String| self.rebalance.as_ref().is_some_and(|now| now.joined.contains_key(id));
        let sessions = self.deadlines.iter().filter(|(id, _)| !joined(id) && !self.syncing.contains_key(*id));
        let pending = self.pending.values().copied();
        let next = waits.chain(sessions.map(|(_, at)| *at)).chain(pending).chain(self.sync_ends).min();
        if next == self.wakes {
            return;
        }
        if let Some(wakes) = self.wakes {
            turn.cancel(wakes, Timer::Group(self.number));
        }
        if let Some(next) = next {
            turn.at(next, Timer::Group(self.number));
        }
        self.wakes = next;
    }

    /// What is due by now is due a while later.
    fn put_off(&mut self, now: Instant) {
        let until = |at: Instant| if at <= now { now.after(SESSION_GRACE) } else { at };
        for at in self.deadlines.values_mut() {
            *at = until(*at);
        }
        if let Some(rebalance) = &mut self.rebalance {
            rebalance.ends = until(rebalance.ends);
            // The end comes no sooner than others are waited for: once it has passed, nothing else would be looked at.
            rebalance.collects = rebalance.collects.map(|at| until(at).min(rebalance.ends));
        }
        self.sync_ends = self.sync_ends.map(until);
    }

    /// All members of a generation that begins are to ask for their assignment.
    fn await_syncs(&mut self, group: &Group, now: Instant) {
        let longest = group.members.values().map(|member| member.rebalance_timeout_ms).max();
        self.unsynced = group.members.keys().cloned().collect();
        self.sync_ends = longest.map(|longest| now.after(millis(longest)));
    }

    /// A member asked for its assignment.
    fn synced(&mut self, member: &str) {
        self.unsynced.remove(member);
        if self.unsynced.is_empty() {
            self.sync_ends = None;
        }
    }

    fn heard_of(&mut self, member: &GroupMember, now: Instant) {
        self.deadlines.insert(member.id.clone(), now.after(millis(member.session_timeout_ms)));
    }
}

impl Live {
    pub(super) fn group(&mut self, asker: Asker, request: GroupRequest, turn: &mut Turn<'_>) {
        match request {
            GroupRequest::Join(intake) => self.join_group(asker, intake, turn),
            GroupRequest::Sync(request) => self.sync_group(asker, request, turn),
            GroupRequest::Heartbeat(request) => self.heartbeat(asker, &request, turn),
            GroupRequest::Leave(request) => self.leave_group(asker, request, turn),
            GroupRequest::Describe(request) => self.describe_groups(asker, request, turn),
            GroupRequest::List(request) => self.list_groups(asker, &request, turn),
            GroupRequest::Delete(request) => self.delete_groups(asker, request, turn),
            GroupRequest::OffsetCommit(request) => self.commit_offsets(asker, request, turn),
            GroupRequest::OffsetFetch(request) => self.fetch_offsets(asker, request, turn),
            GroupRequest::OffsetDelete(request) => self.delete_offsets(asker, request, turn),
        }
    }

    /// A change of a group, staged and applied.
    fn change(&mut self, group: &str, what: GroupEntry) -> Lsn {
        self.commit(Entry::Group(GroupChange { group: group.to_string(), what }), Bytes::new())
    }

    /// Below which LSN everything must be durable before an answer about this group may leave.
    fn group_known(&self, group: &str) -> Lsn {
        self.state.group(group).map_or(self.state.groups_known, |group| group.known)
    }

    fn answer_group(&mut self, asker: Asker, group: &str, response: GroupResponse, turn: &mut Turn<'_>) {
        self.answer(asker, Response::Group(response), self.group_known(group), turn);
    }

    /// A timer of that group fired.
    pub(super) fn group_due(&mut self, number: u64, turn: &mut Turn<'_>) {
        let Some(id) = self.groups.numbers.get(&number).cloned() else { return };
        let now = turn.now.mono;
        let accepts = self.accepts();
        let live = self.groups.live_mut(&id);
        live.wakes = None;
        if self.stopping {
            // Nothing changes any more, and nobody waits: see `release_groups`.
            return;
        }
        live.pending.retain(|_, at| *at > now);
        if !accepts {
            // What is due cannot be written: it is due later.
            mark(Mark::GroupPutOff);
            live.put_off(now);
            live.set_timer(turn);
            return;
        }
        let joined = live.rebalance.as_ref().map(|rebalance| &rebalance.joined);
        let gone: Vec<String> = live
            .deadlines
            .iter()
            .filter(|(id, at)| {
                **at <= now
                    && joined.is_none_or(|joined| !joined.contains_key(*id))
                    && !live.syncing.contains_key(*id)
            })
            .map(|(id, _)| id.clone())
            .collect();
        for member in gone {
            self.remove_member(&id, &member, turn);
        }
        self.remove_unsynced(&id, turn);
        self.settle(&id, turn);
    }

    /// What follows from a change of who has joined.
    fn settle(&mut self, id: &str, turn: &mut Turn<'_>) {
        self.complete_if_due(id, turn);
        if let Some(live) = self.groups.live.get_mut(id) {
            live.set_timer(turn);
        }
        self.groups.forget_if_idle(id, turn);
    }

    /// On a stop: those who wait are told to ask again, which they do until the next start answers.
    pub(super) fn release_groups(&mut self, turn: &mut Turn<'_>) {
        let ids: Vec<String> = self.groups.live.keys().cloned().collect();
        for id in ids {
            let live = self.groups.live_mut(&id);
            let joined = live.rebalance.as_mut().map(|rebalance| core::mem::take(&mut rebalance.joined));
            let syncing = core::mem::take(&mut live.syncing);
            for (_, joined) in joined.into_iter().flatten() {
                self.answer_join_error(joined.asker, &id, error_code::COORDINATOR_LOAD_IN_PROGRESS, turn);
            }
            for asker in syncing.into_values() {
                self.answer_sync_error(asker, &id, error_code::COORDINATOR_LOAD_IN_PROGRESS, turn);
            }
        }
    }

    fn answer_join_error(&mut self, asker: Asker, group: &str, error_code: i16, turn: &mut Turn<'_>) {
        let response = JoinGroupResponse::default().with_error_code(error_code).with_generation_id(-1);
        let response = if asker.version >= 7 {
            response
        } else {
            response.with_protocol_name(Some(kafka_protocol::protocol::StrBytes::default()))
        };
        self.answer_group(asker, group, GroupResponse::Join(response), turn);
    }

    fn answer_sync_error(&mut self, asker: Asker, group: &str, error_code: i16, turn: &mut Turn<'_>) {
        let response = SyncGroupResponse::default().with_error_code(error_code);
        self.answer_group(asker, group, GroupResponse::Sync(response), turn);
    }
}
