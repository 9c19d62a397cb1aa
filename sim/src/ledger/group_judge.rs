//! Answers of and about groups: what they promise, and whether they may say that at all.

use evenkeel_core::{
    error_code::{
        COORDINATOR_LOAD_IN_PROGRESS, FENCED_INSTANCE_ID, GROUP_ID_NOT_FOUND, GROUP_SUBSCRIBED_TO_TOPIC,
        ILLEGAL_GENERATION, MEMBER_ID_REQUIRED, NON_EMPTY_GROUP, NONE, REBALANCE_IN_PROGRESS,
        UNKNOWN_MEMBER_ID, UNKNOWN_TOPIC_OR_PARTITION,
    },
    port::GroupResponse,
};
use kafka_protocol::messages::{
    JoinGroupResponse, OffsetCommitResponse, OffsetDeleteResponse, OffsetFetchResponse, SyncGroupResponse,
    describe_groups_response::DescribedGroup,
};

use crate::{
    assignment::{Assignment, commit_of, place_of},
    ledger::{
        Asked, Commit, CommitNumber, GenerationBook, GroupAsked, Ledger, OffsetPlace, Open, PartitionKey,
        Spoken, Untrue,
    },
    reading::FoundOffset,
    violation::{Verdict, broken},
};

/// Whether an assignment is possible beside what else was told of its generation. `assigned`: the leader knew of the member.
fn fits(generation: &GenerationBook, told: &Assignment, assigned: bool) -> Verdict {
    let (place, number) = (&told.place, told.generation);
    for key in &told.partitions {
        if let Some(owner) = generation.owner(*key).filter(|owner| owner != place) {
            return broken(
                "two-owners",
                format!("{key:?} is {owner}'s and {place}'s in generation {number}"),
            );
        }
    }
    match generation.told.get(place) {
        Some(before) if before != told && assigned => {
            broken("wrong-owner", format!("{place} in generation {number} had {before:?}, now {told:?}"))
        }
        Some(_) | None => Ok(()),
    }
}

impl Ledger {
    pub(super) fn answered_of_group(
        &mut self,
        asked: &GroupAsked,
        open: &Open,
        response: &GroupResponse,
    ) -> Verdict {
        self.made(asked);
        match (asked, response) {
            (GroupAsked::Join { group, member, session_micros, newest, .. }, GroupResponse::Join(answer)) => {
                match answer.error_code {
                    NONE => self.joined(group, member, *session_micros, *newest, open, answer),
                    // Whoever had no id was given one.
                    MEMBER_ID_REQUIRED if member.is_empty() && !answer.member_id.is_empty() => Ok(()),
                    error => self.group_error(error, &[REBALANCE_IN_PROGRESS]),
                }
            }
            (GroupAsked::Sync(spoken), GroupResponse::Sync(answer)) => match answer.error_code {
                NONE => self.assigned(spoken, open, answer),
                error => self.refused_member(spoken, error),
            },
            (GroupAsked::Heartbeat(spoken), GroupResponse::Heartbeat(answer)) => match answer.error_code {
                NONE => self.spoke(spoken, open),
                error => self.refused_member(spoken, error),
            },
            (GroupAsked::Leave(spoken), GroupResponse::Leave(answer)) => {
                let error = answer.members.first().map_or(answer.error_code, |told| told.error_code);
                if error == NONE {
                    self.group_mut(&spoken.group).out.insert(spoken.member.clone());
                    return Ok(());
                }
                self.group_error(error, &[])
            }
            (GroupAsked::Commit(spoken, commits), GroupResponse::OffsetCommit(answer)) => {
                self.committed(spoken, commits, open, answer)
            }
            (GroupAsked::Offsets(places), GroupResponse::OffsetFetch(answer)) => {
                self.offsets_told(places, open.order, answer)
            }
            (GroupAsked::Describe(group), GroupResponse::Describe(answer)) => match &answer.groups[..] {
                [told] if told.group_id.as_str() == group => self.described_group(told),
                _ => broken("wrong-answer", format!("{group} was asked for: {:?}", answer.groups)),
            },
            (GroupAsked::List, GroupResponse::List(answer)) => {
                let listed =
                    |group: &String| answer.groups.iter().any(|told| told.group_id.as_str() == group);
                let must_be = |(group, book): (&String, &super::GroupBook)| {
                    book.undisturbed(self.now).is_some() && !listed(group)
                };
                if answer.error_code == NONE && self.groups.iter().any(must_be) {
                    return broken("lost-group", "a group with members is not listed");
                }
                Ok(())
            }
            (GroupAsked::Delete(group), GroupResponse::Delete(answer)) => {
                let error = answer.results.first().map_or(-1, |told| told.error_code);
                self.deleted_group(group, open, error)
            }
            (GroupAsked::Forget(places), GroupResponse::OffsetDelete(answer)) => {
                self.forgotten(places, open, answer)
            }
            (asked, response) => broken("wrong-answer", format!("{asked:?} was answered with {response:?}")),
        }
    }

    /// Errors that may be told at any time, and these.
    fn group_error(&self, error: i16, also: &[i16]) -> Verdict {
        match error {
            UNKNOWN_MEMBER_ID | FENCED_INSTANCE_ID => Ok(()),
            // There is no room in the log, or the broker is about to stop.
            COORDINATOR_LOAD_IN_PROGRESS => Ok(()),
            error if also.contains(&error) => Ok(()),
            error => broken("wrong-error", format!("error {error} without a reason")),
        }
    }

    /// A member is refused: of a settled group, nobody may be who was heard of in time.
    fn refused_member(&self, spoken: &Spoken, error: i16) -> Verdict {
        let book = self.group(&spoken.group);
        let member = place_of(&spoken.member);
        if error != COORDINATOR_LOAD_IN_PROGRESS
            && let Some(book) = book
            && book.newest == spoken.generation
            && !book.out.contains(&spoken.member)
            && let Some(generation) = book.undisturbed(self.now)
            && generation.told.contains_key(member)
        {
            return broken(
                "needless-rebalance",
                format!("{} of {} in generation {}: error {error}", member, spoken.group, spoken.generation),
            );
        }
        self.group_error(error, &[REBALANCE_IN_PROGRESS, ILLEGAL_GENERATION])
    }

    /// A member spoke for its group, and was heard.
    fn spoke(&mut self, spoken: &Spoken, open: &Open) -> Verdict {
        if open.stale {
            return broken(
                "zombie-member",
                format!(
                    "{} speaks for {} in generation {}, and was told before that this is over",
                    spoken.member, spoken.group, spoken.generation
                ),
            );
        }
        let book = self.group_mut(&spoken.group);
        // After a loss the group may be in one that nobody still promised was told of.
        book.newest = book.newest.max(spoken.generation);
        book.heard(&spoken.member, None, open.since);
        self.settle_group(&spoken.group, open.since);
        Ok(())
    }

    fn joined(
        &mut self,
        group: &str,
        asked: &str,
        session_micros: u64,
        newest: i32,
        open: &Open,
        answer: &JoinGroupResponse,
    ) -> Verdict {
        let (member, leader) = (answer.member_id.as_str(), place_of(&answer.leader));
        let number = answer.generation_id;
        if open.stale {
            return broken("zombie-member", format!("{asked} is out of {group} and joins it again"));
        }
        let book = self.group_mut(group);
        let places: std::collections::BTreeSet<String> =
            answer.members.iter().map(|told| place_of(&told.member_id).to_string()).collect();
        let again = book.generations.get(&number).is_some_and(|known| known.is_another(leader, &places));
        // What was newest at the question may be of the group before; that this is another one may be known since.
        if book.deletions > 0 && (number < book.newest || again) {
            book.begin_anew();
        } else if number < newest.min(book.newest) {
            return broken(
                "generation-lost",
                format!("{group} is in generation {number}, {newest} was told before"),
            );
        }
        let generation = book.generations.entry(number).or_default();
        if generation.leader.is_empty() {
            generation.leader = leader.to_string();
        }
        if generation.is_another(leader, &places) {
            return broken(
                "generation-repeated",
                format!(
                    "generation {number} of {group}: {leader} leads {places:?}, {} led {:?} before",
                    generation.leader, generation.places
                ),
            );
        }
        if !places.is_empty() {
            generation.places = Some(places);
        }
        book.newest = book.newest.max(number);
        book.exists = true;
        book.heard(member, Some(session_micros), open.since);
        if place_of(member) != member {
            // The instance has one id at a time.
            let former = std::mem::replace(
                book.ids.entry(place_of(member).to_string()).or_default(),
                member.to_string(),
            );
            if former != member && !former.is_empty() {
                book.out.insert(former);
            }
        }
        Ok(())
    }

    fn assigned(&mut self, spoken: &Spoken, open: &Open, answer: &SyncGroupResponse) -> Verdict {
        let place = place_of(&spoken.member).to_string();
        let told = if answer.assignment.is_empty() {
            // The one that assigns did not know of it.
            Assignment { generation: spoken.generation, place: place.clone(), partitions: Vec::new() }
        } else {
            match Assignment::decode(&answer.assignment) {
                Some(told) => told,
                None => return broken("wrong-owner", format!("{place} is told what nobody assigned")),
            }
        };
        if told.generation != spoken.generation || told.place != place {
            return broken(
                "wrong-owner",
                format!("{place} in generation {} is told {told:?}", spoken.generation),
            );
        }
        self.spoke(spoken, open)?;
        let book = self.group_mut(&spoken.group);
        book.exists = true;
        let known = book.generations.entry(spoken.generation).or_default();
        if let Err(violation) = fits(known, &told, !answer.assignment.is_empty()) {
            // The group may have been deleted since, by somebody who did not wait for the answer, and have begun with the same number.
            if book.deletions == 0 {
                return Err(violation);
            }
            book.begin_anew();
            book.newest = spoken.generation;
            book.exists = true;
        }
        book.generations.entry(spoken.generation).or_default().told.entry(place).or_insert(told);
        self.settle_group(&spoken.group, open.since);
        Ok(())
    }

    fn committed(
        &mut self,
        spoken: &Spoken,
        commits: &[(CommitNumber, Commit)],
        open: &Open,
        answer: &OffsetCommitResponse,
    ) -> Verdict {
        let errors: Vec<i16> = answer
            .topics
            .iter()
            .flat_map(|topic| &topic.partitions)
            .map(|partition| partition.error_code)
            .collect();
        if errors.len() != commits.len() {
            return broken("wrong-answer", format!("{} commits, {} answers", commits.len(), errors.len()));
        }
        for ((number, commit), error) in commits.iter().zip(errors) {
            if error == NONE {
                let alone = spoken.generation < 0
                    && self.group(&spoken.group).is_some_and(|book| book.undisturbed(self.now).is_some());
                if open.stale || alone {
                    return broken(
                        "stale-commit",
                        format!(
                            "{number:?} of {:?} in generation {} of {} is taken",
                            spoken.member, spoken.generation, spoken.group
                        ),
                    );
                }
                self.offsets.acked(*number, self.order);
                self.group_mut(&spoken.group).exists = true;
                continue;
            }
            self.offsets.refused(*number);
            match error {
                UNKNOWN_TOPIC_OR_PARTITION => self.allowed_at(error, commit.key)?,
                error if spoken.generation < 0 => self.group_error(error, &[ILLEGAL_GENERATION])?,
                error => self.refused_member(spoken, error)?,
            }
        }
        let taken =
            answer.topics.iter().flat_map(|topic| &topic.partitions).any(|told| told.error_code == NONE);
        if spoken.generation >= 0 && taken {
            // It was heard of. That the group is at rest, it does not say: while others join, commits are taken.
            self.group_mut(&spoken.group).heard(&spoken.member, None, open.since);
        }
        Ok(())
    }

    fn offsets_told(&mut self, places: &[OffsetPlace], since: u64, answer: &OffsetFetchResponse) -> Verdict {
        let told: Vec<FoundOffset> = answer
            .groups
            .iter()
            .flat_map(|group| &group.topics)
            .flat_map(|topic| &topic.partitions)
            .map(|partition| FoundOffset {
                offset: partition.committed_offset,
                leader_epoch: partition.committed_leader_epoch,
                metadata: partition.metadata.as_ref().map_or_else(String::new, ToString::to_string),
            })
            .collect();
        if told.len() != places.len() {
            return broken("wrong-answer", format!("{} offsets, {} answers", places.len(), told.len()));
        }
        for (place, found) in places.iter().zip(&told) {
            let found = (found.offset >= 0).then_some(found);
            self.may_be_committed(place, found, since)?;
            self.offsets.told(place, found.and_then(|found| commit_of(&found.metadata)), since, self.order);
        }
        Ok(())
    }

    /// Whether somebody who asked at `since` may find that committed.
    ///
    /// # Errors
    /// It was never committed, or is over, or something else must be there.
    pub fn may_be_committed(&self, place: &OffsetPlace, found: Option<&FoundOffset>, since: u64) -> Verdict {
        let number = found.and_then(|found| commit_of(&found.metadata));
        if let Some(found) = found {
            let sent = number.and_then(|number| self.offsets.commit(number).map(|commit| (number, commit)));
            let same = sent.is_some_and(|(number, commit)| {
                commit.offset == found.offset && epoch_beside(number) == found.leader_epoch
            });
            if !same {
                return broken("phantom-offset", format!("{place:?} has {found:?}, which nobody committed"));
            }
        }
        match self.offsets.may_be(place, number, since) {
            Ok(()) => Ok(()),
            Err(Untrue::Phantom) => {
                broken("phantom-offset", format!("{place:?} has {number:?}, which was not committed there"))
            }
            Err(Untrue::Over) => broken("offset-went-back", format!("{place:?} goes back to {number:?}")),
            Err(Untrue::Lost) => broken("lost-offset", format!("nothing is committed at {place:?} any more")),
        }
    }

    /// The time at which whoever reads now has asked.
    #[must_use]
    pub fn order_now(&self) -> u64 {
        self.order + 1
    }

    fn described_group(&self, told: &DescribedGroup) -> Verdict {
        let group = told.group_id.as_str();
        let Some(book) = self.group(group) else { return Ok(()) };
        let assignments = told.members.iter().map(|member| (&*member.member_id, &*member.member_assignment));
        owners(group, assignments)?;
        if book.undisturbed(self.now).is_some() && told.group_state.as_str() != "Stable" {
            return broken(
                "needless-rebalance",
                format!("{group} is {} though nobody came or went", told.group_state.as_str()),
            );
        }
        Ok(())
    }

    fn deleted_group(&mut self, group: &str, open: &Open, error: i16) -> Verdict {
        let id = open.erasure.expect("a deletion has a number");
        let (now, order) = (self.now, self.order);
        let makes = |asked: &Asked| matches!(asked, Asked::Group(asked) if asked.makes() == Some(group));
        let asked_since = self.late_micros > 0 || self.asked.values().any(|open| makes(&open.asked));
        let book = self.group_mut(group);
        if error == NONE {
            if book.undisturbed(now).is_some() {
                return broken("lost-group", format!("{group} has members and is deleted"));
            }
            book.deletions = book.deletions.saturating_sub(1);
            book.deleted = !asked_since && !book.asked_for_since(open.order);
            if book.deleted {
                book.begin_anew();
            } else {
                // Who came since came to one or the other.
                book.deletions += 1;
            }
            self.offsets.erased(id, order);
            return Ok(());
        }
        book.deletions = book.deletions.saturating_sub(1);
        let made_since = book.asked_for_since(open.order);
        let exists = book.exists && book.deletions == 0 && !made_since;
        if error == GROUP_ID_NOT_FOUND && !exists && !asked_since && !made_since {
            // Whatever deleted it is durable: it does not come back.
            book.deleted = true;
            book.begin_anew();
        }
        self.offsets.not_erased(id, None);
        match error {
            NON_EMPTY_GROUP | COORDINATOR_LOAD_IN_PROGRESS => Ok(()),
            // Somebody else's deletion may have come first, or what makes it be there is still to come.
            GROUP_ID_NOT_FOUND if !exists || asked_since => Ok(()),
            GROUP_ID_NOT_FOUND => broken("lost-group", format!("{group} is said not to be there")),
            error => broken("wrong-error", format!("error {error} without a reason")),
        }
    }

    fn forgotten(&mut self, places: &[OffsetPlace], open: &Open, answer: &OffsetDeleteResponse) -> Verdict {
        let id = open.erasure.expect("a deletion has a number");
        if answer.error_code != NONE {
            self.offsets.not_erased(id, None);
            return match answer.error_code {
                GROUP_ID_NOT_FOUND | NON_EMPTY_GROUP | COORDINATOR_LOAD_IN_PROGRESS => Ok(()),
                error => broken("wrong-error", format!("error {error} without a reason")),
            };
        }
        let errors: Vec<i16> = answer
            .topics
            .iter()
            .flat_map(|topic| &topic.partitions)
            .map(|partition| partition.error_code)
            .collect();
        if errors.len() != places.len() {
            return broken("wrong-answer", format!("{} deletions, {} answers", places.len(), errors.len()));
        }
        for (place, error) in places.iter().zip(&errors) {
            match *error {
                NONE => {}
                GROUP_SUBSCRIBED_TO_TOPIC | UNKNOWN_TOPIC_OR_PARTITION => {
                    self.offsets.not_erased(id, Some(place));
                }
                error => return broken("wrong-error", format!("error {error} without a reason")),
            }
        }
        self.offsets.erased(id, self.order);
        Ok(())
    }
}

/// No partition has two owners, and each owner has what was assigned to it, all in one generation.
///
/// # Errors
/// One has, or another one's.
pub fn owners<'a>(group: &str, members: impl Iterator<Item = (&'a str, &'a [u8])>) -> Verdict {
    let mut owned: Vec<(PartitionKey, &str)> = Vec::new();
    let mut generation = None;
    for (member, bytes) in members.filter(|(_, bytes)| !bytes.is_empty()) {
        let Some(told) = Assignment::decode(bytes).filter(|told| told.place == place_of(member)) else {
            return broken("wrong-owner", format!("{member} of {group} has what was not assigned to it"));
        };
        if *generation.get_or_insert(told.generation) != told.generation {
            return broken("wrong-owner", format!("{group} is in two generations at once"));
        }
        for key in told.partitions {
            if let Some((_, owner)) = owned.iter().find(|(known, _)| *known == key) {
                return broken("two-owners", format!("{key:?} of {group} is {owner}'s and {member}'s"));
            }
            owned.push((key, member));
        }
    }
    Ok(())
}

/// The leader epoch that a client writes beside an offset.
#[must_use]
pub fn epoch_beside(number: CommitNumber) -> i32 {
    i32::try_from(number.0 % 1000).expect("small")
}
