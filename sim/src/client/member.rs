//! A member of a consumer group, by the classic protocol: joins, assigns if it leads, reads what it has from what is committed
//! on, and commits what it has read. It crashes without a word, sleeps beyond its session, leaves and comes back, and goes on as
//! who it was before.

use std::collections::BTreeMap;

use evenkeel_core::{
    error_code::{self, NONE},
    port::{FetchAnswer, GroupRequest, GroupResponse, JoinIntake, Request, Response},
};
use kafka_protocol::{
    messages::{
        GroupId, HeartbeatRequest, JoinGroupRequest, JoinGroupResponse, LeaveGroupRequest, SyncGroupRequest,
        SyncGroupResponse, join_group_request::JoinGroupRequestProtocol, leave_group_request::MemberIdentity,
        sync_group_request::SyncGroupRequestAssignment,
    },
    protocol::StrBytes,
};

use crate::{
    assignment::{Assignment, commit_of, instance, place_of, subscription},
    batch,
    client::{
        Desk, Outgoing,
        consumer::{Terms, reset},
        offsets, text,
    },
    dice::Dice,
    ledger::{Asked, GroupAsked, GroupBook, Ledger, OffsetPlace, PartitionKey, Spoken},
    probe,
};

/// Time that a member has to join in, in quarters of its session timeout; now and then a whole group is impatient.
const REBALANCE_QUARTERS: u64 = 8;
const REBALANCE_QUARTERS_IMPATIENT: u64 = 1;

/// A member.
#[derive(Clone, Debug)]
pub(super) struct Member {
    number: u64,
    group: String,
    instance: Option<String>,
    /// Its id; empty before it has one.
    id: String,
    stage: Stage,
    /// What was committed, and where it reads.
    positions: BTreeMap<PartitionKey, Position>,
    /// Who it was before a crash, with what it had then.
    former: Option<(Spoken, BTreeMap<PartitionKey, Position>)>,
    waits: bool,
    /// Away, or patient, until then.
    idle_until: u64,
    away: bool,
    /// It does not come back.
    retired: bool,
    /// How it asks for its assignment.
    asks: Asks,
    heard_at: u64,
    /// A generation in which it was well when nothing was left to do.
    well_in: Option<i32>,
}

#[derive(Clone, Debug, PartialEq)]
enum Stage {
    /// Not in a generation.
    Out,
    /// In one, without its assignment; the leader with what it assigns, unless it is told that nothing is to be assigned.
    Joined { generation: i32, leads: bool, assignments: Vec<(String, Assignment)> },
    /// In one, with its assignment, that was told to be read from these places, or not yet.
    In { generation: i32, leads: bool, placed: bool },
}

#[derive(Clone, Copy, Debug, PartialEq)]
enum Asks {
    Once,
    Twice,
    /// It is there, is heard of, and does not ask.
    Never,
}

#[derive(Clone, Copy, Debug, Default, PartialEq)]
struct Position {
    next: i64,
    /// What it last committed.
    committed: i64,
}

fn of_group(request: GroupRequest, version: i16, asked: GroupAsked) -> Outgoing {
    Outgoing { version, request: Request::Group(request), asked: Asked::Group(asked), silent: false }
}

impl Member {
    pub(super) fn new(number: u64, group: String, is_static: bool) -> Member {
        Member {
            number,
            group,
            instance: is_static.then(|| instance(number)),
            id: String::new(),
            stage: Stage::Out,
            positions: BTreeMap::new(),
            former: None,
            waits: false,
            idle_until: 0,
            away: false,
            retired: false,
            asks: Asks::Once,
            heard_at: 0,
            well_in: None,
        }
    }

    /// Whether its group has not come to rest.
    pub(super) fn wants(&self, ledger: &Ledger) -> bool {
        if self.retired {
            return false;
        }
        let rests = ledger.group(&self.group).is_some_and(|group| {
            group.is_complete() && self.well_in == Some(group.newest) && ledger.all_owned(&self.group)
        });
        !rests
    }

    pub(super) fn act(&mut self, desk: &mut Desk<'_>, dice: &mut Dice, outbox: &mut Vec<Outgoing>) {
        let calm = *desk.operations_left == 0;
        if self.away && calm && !self.retired {
            // Whoever is away when everything comes to rest is gone for good, or comes at once.
            self.retired = dice.chance(500);
            self.idle_until = 0;
        }
        if self.retired || self.waits || self.idle_until > desk.now {
            return;
        }
        self.away = false;
        if !calm && dice.chance(desk.shape.churn) && self.misbehave(desk, dice, outbox) {
            return;
        }
        let outgoing = match &self.stage {
            Stage::Out => self.join(desk),
            Stage::Joined { generation, .. } if self.asks == Asks::Never && !calm => {
                self.idle_until = desk.now + desk.shape.session_ms * 250;
                Some(self.heartbeat(*generation))
            }
            Stage::Joined { generation, assignments, .. } => self.sync(*generation, assignments),
            Stage::In { generation, leads, placed } => {
                let (generation, leads, placed) = (*generation, *leads, *placed);
                self.live(generation, leads, placed, desk, dice, calm)
            }
        };
        if !self.id.is_empty() {
            desk.ledger.present(&self.group, self.number, Some(&self.id));
        }
        if let Some(outgoing) = outgoing {
            self.waits = true;
            if matches!(self.stage, Stage::Joined { .. }) && self.asks == Asks::Twice && !calm {
                outbox.push(outgoing.clone());
            }
            outbox.push(outgoing);
        }
    }

    fn spoken(&self, generation: i32) -> Spoken {
        Spoken { group: self.group.clone(), member: self.id.clone(), generation }
    }

    fn join(&self, desk: &Desk<'_>) -> Option<Outgoing> {
        let mut topics: Vec<String> = desk.ledger.usable().map(|(_, topic)| topic.name.clone()).collect();
        topics.dedup();
        let session_ms = desk.shape.session_ms;
        let newest = desk.ledger.group(&self.group).map_or(0, |group| group.newest);
        let quarters = if newest % 2 == 1 { REBALANCE_QUARTERS_IMPATIENT } else { REBALANCE_QUARTERS };
        let timeout = |ms: u64| i32::try_from(ms).expect("short");
        let protocol = JoinGroupRequestProtocol::default()
            .with_name(StrBytes::from_static_str("even"))
            .with_metadata(subscription(&topics));
        let request = JoinGroupRequest::default()
            .with_group_id(GroupId(text(&self.group)))
            .with_session_timeout_ms(timeout(session_ms))
            .with_rebalance_timeout_ms(timeout(session_ms * quarters / 4))
            .with_member_id(text(&self.id))
            .with_group_instance_id(self.instance.as_deref().map(text))
            .with_protocol_type(StrBytes::from_static_str("consumer"))
            .with_protocols(vec![protocol]);
        let asked = GroupAsked::Join {
            group: self.group.clone(),
            member: self.id.clone(),
            instance: self.instance.clone(),
            session_micros: session_ms * 1000,
            newest,
        };
        let client_id = format!("member-{}", self.number);
        let intake = JoinIntake { client_id, client_host: String::from("/10.0.0.2"), request };
        // From version 9 on a static leader that comes back is told that nothing is to be assigned.
        Some(of_group(GroupRequest::Join(intake), 9, asked))
    }

    fn sync(&self, generation: i32, assignments: &[(String, Assignment)]) -> Option<Outgoing> {
        let assignments = assignments.iter().map(|(member, assignment)| {
            SyncGroupRequestAssignment::default()
                .with_member_id(text(member))
                .with_assignment(assignment.encode())
        });
        let request = SyncGroupRequest::default()
            .with_group_id(GroupId(text(&self.group)))
            .with_generation_id(generation)
            .with_member_id(text(&self.id))
            .with_group_instance_id(self.instance.as_deref().map(text))
            .with_assignments(assignments.collect());
        Some(of_group(GroupRequest::Sync(request), 5, GroupAsked::Sync(self.spoken(generation))))
    }

    fn heartbeat(&self, generation: i32) -> Outgoing {
        let request = HeartbeatRequest::default()
            .with_group_id(GroupId(text(&self.group)))
            .with_generation_id(generation)
            .with_member_id(text(&self.id))
            .with_group_instance_id(self.instance.as_deref().map(text));
        of_group(GroupRequest::Heartbeat(request), 4, GroupAsked::Heartbeat(self.spoken(generation)))
    }

    /// In a generation, with an assignment.
    fn live(
        &mut self,
        generation: i32,
        leads: bool,
        placed: bool,
        desk: &mut Desk<'_>,
        dice: &mut Dice,
        calm: bool,
    ) -> Option<Outgoing> {
        if !placed {
            let places: Vec<OffsetPlace> =
                self.positions.keys().filter_map(|key| self.place(*key, desk.ledger)).collect();
            if !places.is_empty() {
                return Some(offsets::fetch(places));
            }
            self.stage = Stage::In { generation, leads, placed: true };
        }
        let due = desk.now.saturating_sub(self.heard_at) > desk.shape.session_ms * 250;
        if due {
            // It may be another group by now, for all that is known; in the end somebody has to look.
            let known = desk.ledger.group(&self.group).is_some_and(GroupBook::is_complete);
            let looks = calm && leads && !known;
            return if looks { self.join(desk) } else { Some(self.heartbeat(generation)) };
        }
        // Topics came or went: whoever leads has all join anew.
        if leads && !desk.ledger.all_owned(&self.group) && (calm || dice.chance(200)) {
            return self.join(desk);
        }
        if calm && self.well_in != Some(generation) && self.positions.is_empty() {
            return Some(self.heartbeat(generation));
        }
        let behind = self.positions.values().any(|position| position.next != position.committed);
        let last = calm && self.well_in != Some(generation);
        if last || (behind && dice.chance(300)) {
            let some = self.commits(&self.positions, desk, last);
            if !some.is_empty() {
                return Some(offsets::commit(self.spoken(generation), self.instance.as_deref(), some));
            }
            self.well_in = Some(generation).filter(|_| calm);
        }
        if calm || self.positions.is_empty() {
            return None;
        }
        let (key, position) = self.positions.iter().nth(dice.index(self.positions.len()))?;
        if !desk.ledger.topics.get(&key.topic).is_some_and(crate::ledger::TopicBook::must_exist) {
            return None;
        }
        let terms = Terms::draw(dice, 800);
        let wait_ms = terms.max_wait_ms.min(50);
        let (known, from) = (desk.ledger.high_watermark(*key), reset(position.next, *key, desk, dice));
        let request =
            probe::fetch(*key, from, terms.max_bytes, terms.partition_max_bytes, wait_ms, terms.min_bytes);
        Some(Outgoing {
            version: 13,
            request: Request::Fetch(request),
            asked: Asked::Fetch(*key, from, known, terms.enough().min(terms.partition_max_bytes)),
            silent: false,
        })
    }

    fn place(&self, key: PartitionKey, ledger: &Ledger) -> Option<OffsetPlace> {
        let topic = ledger.topics.get(&key.topic)?.name.clone();
        Some(OffsetPlace { group: self.group.clone(), topic, index: key.index })
    }

    /// What is to be committed: where it has read on, or all.
    fn commits(
        &self,
        positions: &BTreeMap<PartitionKey, Position>,
        desk: &mut Desk<'_>,
        all: bool,
    ) -> Vec<offsets::Numbered> {
        let mut some = Vec::new();
        for (key, position) in positions {
            let usable = desk.ledger.topics.get(&key.topic).is_some_and(crate::ledger::TopicBook::must_exist);
            if usable
                && (all || position.next != position.committed)
                && let Some(place) = self.place(*key, desk.ledger)
            {
                some.push(offsets::number(place, *key, position.next, desk));
            }
        }
        some
    }

    /// What a member should not do. False: nothing after all.
    fn misbehave(&mut self, desk: &mut Desk<'_>, dice: &mut Dice, outbox: &mut Vec<Outgoing>) -> bool {
        let session = desk.shape.session_ms * 1000;
        let generation = match &self.stage {
            Stage::In { generation, .. } | Stage::Joined { generation, .. } => *generation,
            Stage::Out => -1,
        };
        match dice.below(5) {
            // It crashes, and comes back soon or late, under another id.
            0 => {
                self.crash(generation, desk);
                self.away = true;
                self.idle_until = desk.now + dice.magnitude(1_000, session * 3);
                true
            }
            // It sleeps, perhaps beyond its session, and goes on as if nothing were.
            1 => {
                self.idle_until = desk.now + dice.between(session / 2, session * 2);
                true
            }
            2 if generation >= 0 => {
                let identity = MemberIdentity::default()
                    .with_member_id(text(&self.id))
                    .with_group_instance_id(self.instance.as_deref().map(text));
                let request = LeaveGroupRequest::default()
                    .with_group_id(GroupId(text(&self.group)))
                    .with_members(vec![identity]);
                let asked = GroupAsked::Leave(self.spoken(generation));
                outbox.push(of_group(GroupRequest::Leave(request), 5, asked));
                self.crash(generation, desk);
                self.waits = true;
                self.away = true;
                self.idle_until = desk.now + dice.magnitude(1_000, session);
                true
            }
            3 if generation >= 0 => {
                outbox.extend(self.join(desk));
                self.waits = true;
                true
            }
            _ => {
                let Some((spoken, positions)) = self.former.take() else { return false };
                let some = self.commits(&positions, desk, true);
                if some.is_empty() {
                    return false;
                }
                outbox.push(offsets::commit(spoken, self.instance.as_deref(), some));
                self.waits = true;
                true
            }
        }
    }

    /// It is nobody any more.
    fn crash(&mut self, generation: i32, desk: &mut Desk<'_>) {
        if generation >= 0 {
            self.former = Some((self.spoken(generation), self.positions.clone()));
        }
        desk.ledger.present(&self.group, self.number, None);
        self.id.clear();
        self.out();
    }

    fn out(&mut self) {
        self.stage = Stage::Out;
        self.positions.clear();
        self.well_in = None;
        self.asks = Asks::Once;
    }

    pub(super) fn hear(&mut self, asked: &Asked, response: &Response, desk: &mut Desk<'_>, dice: &mut Dice) {
        self.waits = false;
        match (asked, response) {
            (Asked::Fetch(key, ..), Response::Fetch(answer)) => self.read(*key, answer),
            (Asked::Group(GroupAsked::Commit(spoken, commits)), Response::Group(response)) => {
                self.committed(spoken, commits, response, desk);
            }
            (Asked::Group(GroupAsked::Leave(_)), _) => {}
            (Asked::Group(_), Response::Group(response)) => match response {
                GroupResponse::Join(answer) => self.joined(answer, desk, dice),
                GroupResponse::Sync(answer) => self.synced(answer, desk),
                GroupResponse::Heartbeat(answer) => self.told(answer.error_code, desk),
                GroupResponse::OffsetFetch(_) => self.found(asked, response, desk),
                GroupResponse::Leave(_)
                | GroupResponse::Describe(_)
                | GroupResponse::List(_)
                | GroupResponse::Delete(_)
                | GroupResponse::OffsetCommit(_)
                | GroupResponse::OffsetDelete(_) => {}
            },
            _ => {}
        }
    }

    /// How it stands, by the error that it was told.
    fn told(&mut self, error: i16, desk: &mut Desk<'_>) {
        match error {
            NONE => {
                self.heard_at = desk.now;
                if let Stage::In { generation, .. } = self.stage
                    && *desk.operations_left == 0
                    && self.positions.is_empty()
                {
                    self.well_in = Some(generation);
                }
            }
            error_code::REBALANCE_IN_PROGRESS => self.out(),
            error_code::UNKNOWN_MEMBER_ID
            | error_code::ILLEGAL_GENERATION
            | error_code::FENCED_INSTANCE_ID => {
                self.id.clear();
                self.out();
            }
            _ => self.idle_until = desk.now + 50_000,
        }
    }

    fn joined(&mut self, answer: &JoinGroupResponse, desk: &mut Desk<'_>, dice: &mut Dice) {
        if answer.error_code == error_code::MEMBER_ID_REQUIRED {
            self.id = answer.member_id.to_string();
            return;
        }
        if answer.error_code != NONE {
            return self.told(answer.error_code, desk);
        }
        self.id = answer.member_id.to_string();
        self.heard_at = desk.now;
        self.out();
        let leads = answer.leader == answer.member_id;
        let assignments =
            if leads && !answer.skip_assignment { assign(answer, desk.ledger, dice) } else { Vec::new() };
        self.stage = Stage::Joined { generation: answer.generation_id, leads, assignments };
        if dice.chance(desk.shape.churn * 4) {
            self.asks = if dice.chance(500) { Asks::Never } else { Asks::Twice };
        }
    }

    fn synced(&mut self, answer: &SyncGroupResponse, desk: &mut Desk<'_>) {
        let Stage::Joined { generation, leads, .. } = self.stage else { return };
        if answer.error_code != NONE {
            return self.told(answer.error_code, desk);
        }
        let told = Assignment::decode(&answer.assignment).map_or_else(Vec::new, |told| told.partitions);
        self.positions = told.into_iter().map(|key| (key, Position::default())).collect();
        self.heard_at = desk.now;
        self.stage = Stage::In { generation, leads, placed: false };
    }

    /// Where it is to read on.
    fn found(&mut self, asked: &Asked, response: &GroupResponse, desk: &mut Desk<'_>) {
        let (Asked::Group(GroupAsked::Offsets(places)), GroupResponse::OffsetFetch(answer)) =
            (asked, response)
        else {
            return;
        };
        let Stage::In { placed, .. } = &mut self.stage else { return };
        *placed = true;
        for (place, told) in places.iter().zip(offsets::told(answer)) {
            let commit = commit_of(&told.metadata).and_then(|number| desk.ledger.offsets.commit(number));
            // A topic of that name may have been another one.
            let Some(commit) = commit.filter(|commit| commit.place == *place) else { continue };
            if let Some(position) = self.positions.get_mut(&commit.key) {
                *position = Position { next: told.offset, committed: told.offset };
            }
        }
    }

    fn read(&mut self, key: PartitionKey, answer: &FetchAnswer) {
        let part = answer.topics.first().and_then(|topic| topic.partitions.first());
        let bytes = part.map(|part| part.records.concat()).unwrap_or_default();
        if let Some((last, _)) = batch::split(&bytes).as_deref().and_then(<[_]>::last)
            && let Some(position) = self.positions.get_mut(&key)
        {
            position.next = last.last_offset().0 + 1;
        }
    }

    fn committed(
        &mut self,
        spoken: &Spoken,
        commits: &[offsets::Numbered],
        response: &GroupResponse,
        desk: &mut Desk<'_>,
    ) {
        let GroupResponse::OffsetCommit(answer) = response else { return };
        let Stage::In { generation, .. } = self.stage else { return };
        if spoken.member != self.id || spoken.generation != generation {
            // As who it was before.
            return;
        }
        let errors = answer.topics.iter().flat_map(|topic| &topic.partitions).map(|told| told.error_code);
        let errors: Vec<i16> = errors.collect();
        for ((_, commit), error) in commits.iter().zip(&errors) {
            match *error {
                NONE => {
                    self.heard_at = desk.now;
                    if let Some(position) = self.positions.get_mut(&commit.key) {
                        position.committed = commit.offset;
                    }
                }
                error_code::UNKNOWN_TOPIC_OR_PARTITION => {
                    self.positions.remove(&commit.key);
                }
                error => return self.told(error, desk),
            }
        }
        if *desk.operations_left == 0 {
            self.well_in = Some(generation);
        }
    }

    /// Every answer is gone; what was asked is asked again.
    pub(super) fn lost(&mut self) {
        self.waits = false;
    }
}

/// Every partition that clients may use to one of the members, as evenly as that goes; now and then to others than before.
fn assign(answer: &JoinGroupResponse, ledger: &Ledger, dice: &mut Dice) -> Vec<(String, Assignment)> {
    let generation = answer.generation_id;
    let mut all: Vec<(String, Assignment)> = answer
        .members
        .iter()
        .map(|member| {
            let id = member.member_id.to_string();
            let place = place_of(&id).to_string();
            (id, Assignment { generation, place, partitions: Vec::new() })
        })
        .collect();
    let first = dice.index(all.len());
    for (at, (key, _)) in ledger.usable().enumerate() {
        let count = all.len();
        if let Some((_, assignment)) = all.get_mut((first + at) % count.max(1)) {
            assignment.partitions.push(key);
        }
    }
    all
}
