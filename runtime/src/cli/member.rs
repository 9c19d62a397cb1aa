//! A member of a classic consumer group: it joins, shares the partitions of one topic with the others, shows that it lives,
//! commits and leaves.

use std::{collections::BTreeMap, time::Duration};

use kafka_protocol::{
    ResponseError,
    messages::{
        HeartbeatRequest, JoinGroupRequest, JoinGroupResponse, LeaveGroupRequest, SyncGroupRequest,
        join_group_request::JoinGroupRequestProtocol, leave_group_request::MemberIdentity,
        sync_group_request::SyncGroupRequestAssignment,
    },
};
use tokio::time::{Instant, sleep};

use super::{
    client::{Client, Node, group_id, text},
    committed::{Committer, commit},
    failure::{Failure, check},
    range,
};

/// After so long without a sign of life the group gives a member's partitions to others.
const SESSION_TIMEOUT_MS: i32 = 10_000;
/// The others wait so long for a member when they share anew.
const REBALANCE_TIMEOUT: Duration = Duration::from_secs(60);
/// Between two signs of life.
const HEARTBEAT: Duration = Duration::from_secs(1);
/// Times that a group may change while we join, before we give up.
const JOINS_MAX: u32 = 100;
/// Between two of them.
const JOIN_PAUSE: Duration = Duration::from_millis(50);

/// What becomes of a request of a member.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Standing {
    /// It is one.
    Member,
    /// The group shares anew, or has gone on without us: join again.
    Outdated,
}

/// A member.
pub(super) struct Member {
    group: String,
    topic: String,
    id: String,
    generation: i32,
    /// When it last showed that it lives.
    beat: Instant,
}

impl Member {
    pub(super) fn new(group: &str, topic: &str) -> Member {
        let (group, topic) = (group.to_string(), topic.to_string());
        Member { group, topic, id: String::new(), generation: -1, beat: Instant::now() }
    }

    /// Joins, and says which partitions are ours.
    ///
    /// # Errors
    /// The group does not take us.
    pub(super) async fn join(&mut self, client: &mut Client) -> Result<Vec<i32>, Failure> {
        for _ in 0..JOINS_MAX {
            let joined = client.retry_for(REBALANCE_TIMEOUT * 2, async |client| self.join_once(client).await);
            match joined.await {
                Ok(partitions) => {
                    self.beat = Instant::now();
                    return Ok(partitions);
                }
                // It comes with the id.
                Err(failure) if failure.is(ResponseError::MemberIdRequired) => {}
                Err(failure) if outdated(&failure) => {
                    if failure.is(ResponseError::UnknownMemberId) {
                        self.id.clear();
                    }
                    sleep(JOIN_PAUSE).await;
                }
                Err(failure) => return Err(failure),
            }
        }
        Err(Failure::Wrong(format!("group {} does not settle", self.group)))
    }

    async fn join_once(&mut self, client: &mut Client) -> Result<Vec<i32>, Failure> {
        let coordinator = client.coordinator(&self.group).await?;
        let protocol = JoinGroupRequestProtocol::default()
            .with_name(text("range"))
            .with_metadata(range::subscription(&self.topic));
        let request = JoinGroupRequest::default()
            .with_group_id(group_id(&self.group))
            .with_session_timeout_ms(SESSION_TIMEOUT_MS)
            .with_rebalance_timeout_ms(i32::try_from(REBALANCE_TIMEOUT.as_millis()).unwrap_or(i32::MAX))
            .with_member_id(text(&self.id))
            .with_protocol_type(text("consumer"))
            .with_protocols(vec![protocol]);
        let joined = client.call(coordinator, &request).await?;
        if !joined.member_id.is_empty() {
            self.id = joined.member_id.to_string();
        }
        check(&self.what(), joined.error_code, None)?;
        self.generation = joined.generation_id;
        let shares = if joined.leader == joined.member_id {
            self.share(client, &joined).await?
        } else {
            BTreeMap::new()
        };
        self.sync(client, coordinator, &joined, shares).await
    }

    /// Who gets what. We lead the group.
    async fn share(
        &self,
        client: &mut Client,
        joined: &JoinGroupResponse,
    ) -> Result<BTreeMap<String, range::Share>, Failure> {
        let wishes: BTreeMap<String, Vec<String>> = joined
            .members
            .iter()
            .map(|member| {
                (member.member_id.to_string(), range::subscribed(&member.metadata).unwrap_or_default())
            })
            .collect();
        let mut topics: Vec<&str> = wishes.values().flatten().map(String::as_str).collect();
        topics.sort_unstable();
        topics.dedup();
        let answer = client.metadata(Some(&topics)).await?;
        let known = answer.topics.iter().filter(|topic| topic.error_code == 0);
        let counts = known.filter_map(|topic| {
            Some((topic.name.as_ref()?.to_string(), i32::try_from(topic.partitions.len()).ok()?))
        });
        Ok(range::range(&wishes, &counts.collect()))
    }

    async fn sync(
        &self,
        client: &mut Client,
        coordinator: Node,
        joined: &JoinGroupResponse,
        shares: BTreeMap<String, range::Share>,
    ) -> Result<Vec<i32>, Failure> {
        let assignments = shares.iter().map(|(member, share)| {
            SyncGroupRequestAssignment::default()
                .with_member_id(text(member))
                .with_assignment(range::assignment(share))
        });
        let request = SyncGroupRequest::default()
            .with_group_id(group_id(&self.group))
            .with_generation_id(self.generation)
            .with_member_id(text(&self.id))
            .with_protocol_type(Some(text("consumer")))
            .with_protocol_name(joined.protocol_name.clone())
            .with_assignments(assignments.collect());
        let synced = client.call(coordinator, &request).await?;
        check(&self.what(), synced.error_code, None)?;
        let mut share = range::assigned(&synced.assignment).unwrap_or_default();
        Ok(share.remove(&self.topic).unwrap_or_default())
    }

    fn what(&self) -> String {
        format!("group {}", self.group)
    }

    /// Shows that it lives, if it is time to.
    ///
    /// # Errors
    /// The coordinator cannot be asked, or refuses.
    pub(super) async fn live(&mut self, client: &mut Client) -> Result<Standing, Failure> {
        if self.beat.elapsed() < HEARTBEAT {
            return Ok(Standing::Member);
        }
        let request = HeartbeatRequest::default()
            .with_group_id(group_id(&self.group))
            .with_generation_id(self.generation)
            .with_member_id(text(&self.id));
        let beaten = client.retry(async |client| {
            let coordinator = client.coordinator(&self.group).await?;
            let answer = client.call(coordinator, &request).await?;
            check(&self.what(), answer.error_code, None)
        });
        let standing = standing(beaten.await)?;
        self.beat = Instant::now();
        Ok(standing)
    }

    /// Commits what was read.
    ///
    /// # Errors
    /// The coordinator cannot be asked, or refuses.
    pub(super) async fn commit(
        &self,
        client: &mut Client,
        offsets: &BTreeMap<i32, i64>,
    ) -> Result<Standing, Failure> {
        let committer = Committer { member: &self.id, generation: self.generation };
        standing(commit(client, &self.group, committer, &self.topic, offsets).await)
    }

    /// Leaves: the others need not wait until it is missed.
    ///
    /// # Errors
    /// The coordinator cannot be asked, or refuses.
    pub(super) async fn leave(self, client: &mut Client) -> Result<(), Failure> {
        if self.id.is_empty() {
            return Ok(());
        }
        let member = MemberIdentity::default().with_member_id(text(&self.id)).with_group_instance_id(None);
        let request =
            LeaveGroupRequest::default().with_group_id(group_id(&self.group)).with_members(vec![member]);
        let left = client.retry(async |client| {
            let coordinator = client.coordinator(&self.group).await?;
            let answer = client.call(coordinator, &request).await?;
            check(&self.what(), answer.error_code, None)
        });
        left.await
    }
}

fn outdated(failure: &Failure) -> bool {
    failure.is(ResponseError::RebalanceInProgress)
        || failure.is(ResponseError::IllegalGeneration)
        || failure.is(ResponseError::UnknownMemberId)
}

fn standing(result: Result<(), Failure>) -> Result<Standing, Failure> {
    match result {
        Ok(()) => Ok(Standing::Member),
        Err(failure) if outdated(&failure) => Ok(Standing::Outdated),
        Err(failure) => Err(failure),
    }
}
