//! Abstract Kafka clients: what they want, what they have sent, and how they go on when a connection breaks.
//!
//! A client acts when the world lets it, hears its answers, and leaves questions in its outbox. It draws from its own dice only.

mod admin;
mod consumer;
mod follower;
mod member;
pub(crate) mod offsets;
mod overseer;
mod producer;
pub(crate) mod steward;

use std::collections::BTreeMap;

use evenkeel_core::{
    port::{ProduceIntake, Request, Response},
    units::{ConnId, Tag},
    wire::batch::Batch,
};
use kafka_protocol::{messages::TopicName, protocol::StrBytes};

use crate::{
    client::{
        admin::Admin, consumer::Consumer, follower::Follower, member::Member, offsets::Committer,
        overseer::Overseer, producer::Producer, steward::Steward,
    },
    dice::Dice,
    ledger::{Asked, GroupAsked, Ledger, OpNumber, PartitionKey},
    shape::Shape,
    tape::Source,
    violation::Verdict,
};

/// How long a client waits for an answer before it gives the connection up.
pub(crate) const PATIENCE_MICROS: u64 = 8_000_000;
/// The same where others are waited for.
const PATIENCE_FOR_OTHERS_MICROS: u64 = 40_000_000;

/// How long a client waits for the answer to that.
fn patience(asked: &Asked) -> u64 {
    match asked {
        Asked::Group(GroupAsked::Join { .. } | GroupAsked::Sync(_)) => PATIENCE_FOR_OTHERS_MICROS,
        Asked::Group(_)
        | Asked::Admin(_)
        | Asked::Produce(_)
        | Asked::Fetch(..)
        | Asked::Follow(_)
        | Asked::End(..)
        | Asked::Time(..)
        | Asked::Metadata(_)
        | Asked::Create(_)
        | Asked::Delete(_)
        | Asked::ProducerId => PATIENCE_MICROS,
    }
}

/// A text as the protocol has it.
pub(crate) fn text(text: &str) -> StrBytes {
    StrBytes::from_string(text.to_string())
}

/// A topic's name as the protocol has it.
pub(crate) fn topic_name(name: &str) -> TopicName {
    TopicName(text(name))
}

/// Name of a group.
fn group_of(number: u64) -> String {
    format!("group-{number}")
}

/// A question on its way out.
#[derive(Clone, Debug)]
pub struct Outgoing {
    /// Version of the request.
    pub version: i16,
    /// The request.
    pub request: Request,
    /// The same for the ledger.
    pub asked: Asked,
    /// Nobody waits for an answer: a produce with acks=0.
    pub silent: bool,
}

/// What a client may use while it acts.
pub struct Desk<'a> {
    /// What is promised: clients learn of topics here, as if they talked to each other.
    pub ledger: &'a mut Ledger,
    /// The run's settings.
    pub shape: &'a Shape,
    /// Microseconds.
    pub now: u64,
    /// Operations that may still be begun.
    pub operations_left: &'a mut u64,
    /// Next number of an operation.
    pub next_op: &'a mut u64,
}

impl Desk<'_> {
    /// Whether a new operation may be begun; counts it.
    fn begin(&mut self) -> bool {
        let may = *self.operations_left > 0;
        *self.operations_left -= u64::from(may);
        may
    }

    fn number(&mut self) -> OpNumber {
        *self.next_op += 1;
        OpNumber(*self.next_op)
    }
}

/// A client.
#[derive(Clone, Debug)]
pub struct Client {
    /// Its connection, if it has one.
    pub conn: Option<ConnId>,
    /// What is to be sent now.
    pub outbox: Vec<Outgoing>,
    role: Role,
    dice: Dice,
    next_tag: u64,
    /// Questions without an answer yet, and since when.
    pending: BTreeMap<Tag, (Asked, u64)>,
}

#[derive(Clone, Debug)]
enum Role {
    Producer(Producer),
    Consumer(Consumer),
    Follower(Follower),
    Admin(Admin),
    Member(Box<Member>),
    Committer(Committer),
    Overseer(Overseer),
    Steward(Steward),
}

impl Client {
    /// All clients of a run.
    #[must_use]
    pub fn cast(source: &Source, shape: &Shape) -> Vec<Client> {
        let mut roles = vec![Role::Admin(Admin::new(shape))];
        roles.extend((0..shape.plain_producers).map(|_| Role::Producer(Producer::plain())));
        roles.extend((0..shape.idempotent_producers).map(|_| Role::Producer(Producer::idempotent())));
        roles.extend((0..shape.consumers).map(|_| Role::Consumer(Consumer::default())));
        roles.extend((0..shape.followers).map(|_| Role::Follower(Follower::default())));
        roles.extend((0..shape.members).map(|number| {
            let group = group_of(number % shape.groups.max(1));
            Role::Member(Box::new(Member::new(number, group, number < shape.static_members)))
        }));
        roles.extend((0..shape.committers).map(|number| Role::Committer(Committer::new(number))));
        roles.extend((0..shape.overseers).map(|_| Role::Overseer(Overseer::default())));
        roles.extend((0..shape.stewards).map(|_| Role::Steward(Steward::default())));
        let client = |(at, role)| Client {
            conn: None,
            outbox: Vec::new(),
            role,
            dice: source.dice(&format!("client {at}")),
            next_tag: 0,
            pending: BTreeMap::new(),
        };
        roles.into_iter().enumerate().map(client).collect()
    }

    /// What it does next is another choice, one for each salt.
    pub fn reseed(&mut self, salt: u64) {
        self.dice.reseed(salt);
    }

    /// What it is, for the story.
    #[must_use]
    pub fn name(&self) -> &'static str {
        match &self.role {
            Role::Producer(producer) if producer.is_plain() => "plain producer",
            Role::Producer(_) => "idempotent producer",
            Role::Consumer(_) => "consumer",
            Role::Follower(_) => "consumer with a session",
            Role::Admin(_) => "admin",
            Role::Member(_) => "member",
            Role::Committer(_) => "committer",
            Role::Overseer(_) => "overseer",
            Role::Steward(_) => "steward",
        }
    }

    /// Does the next thing it wants to do. Returns after how many microseconds it wants to act again.
    pub fn act(&mut self, desk: &mut Desk<'_>) -> u64 {
        // Where tapes are played, one may decline; what is open at the end is brought to its end all the same.
        if self.conn.is_some() && (self.dice.acts() || *desk.operations_left == 0) {
            match &mut self.role {
                Role::Producer(producer) => producer.act(desk, &mut self.dice, &mut self.outbox),
                Role::Consumer(consumer) => consumer.act(desk, &mut self.dice, &mut self.outbox),
                Role::Follower(follower) => follower.act(desk, &mut self.dice, &mut self.outbox),
                Role::Admin(admin) => admin.act(desk, &mut self.dice, &mut self.outbox),
                Role::Member(member) => member.act(desk, &mut self.dice, &mut self.outbox),
                Role::Committer(committer) => committer.act(desk, &mut self.dice, &mut self.outbox),
                Role::Overseer(overseer) => overseer.act(desk, &mut self.dice, &mut self.outbox),
                Role::Steward(steward) => steward.act(desk, &mut self.dice, &mut self.outbox),
            }
        }
        self.dice.pause(desk.shape.think_micros / 8, desk.shape.think_micros)
    }

    /// Whether its choices are on a tape, and the tape has come to its end.
    #[must_use]
    pub fn is_spent(&self) -> bool {
        self.dice.is_spent()
    }

    /// A question leaves: its tag.
    pub fn posted(&mut self, outgoing: &Outgoing, now: u64) -> Tag {
        let tag = Tag(self.next_tag);
        self.next_tag += 1;
        if !outgoing.silent {
            self.pending.insert(tag, (outgoing.asked.clone(), now));
        }
        tag
    }

    /// An answer arrives.
    ///
    /// # Errors
    /// It cannot be right.
    pub fn hear(&mut self, tag: Tag, response: &Response, desk: &mut Desk<'_>) -> Verdict {
        let Some((asked, _)) = self.pending.remove(&tag) else { return Ok(()) };
        match &mut self.role {
            Role::Producer(producer) => producer.hear(&asked, response, desk, &mut self.dice),
            Role::Consumer(consumer) => {
                consumer.hear(&asked, response);
                Ok(())
            }
            Role::Follower(follower) => {
                follower.hear(&asked, response);
                Ok(())
            }
            Role::Admin(admin) => {
                admin.hear();
                Ok(())
            }
            Role::Member(member) => {
                member.hear(&asked, response, desk, &mut self.dice);
                Ok(())
            }
            Role::Committer(committer) => {
                committer.hear();
                Ok(())
            }
            Role::Overseer(overseer) => {
                overseer.hear();
                Ok(())
            }
            Role::Steward(steward) => {
                steward.hear();
                Ok(())
            }
        }
    }

    /// The connection is gone, and with it every answer.
    pub fn lost(&mut self) {
        self.conn = None;
        self.outbox.clear();
        let pending = std::mem::take(&mut self.pending);
        match &mut self.role {
            Role::Producer(producer) => producer.lost(&mut self.dice),
            Role::Consumer(consumer) => consumer.lost(),
            Role::Follower(follower) => follower.lost(),
            Role::Admin(admin) => admin.hear(),
            Role::Member(member) => member.lost(),
            Role::Committer(committer) => committer.hear(),
            Role::Overseer(overseer) => overseer.hear(),
            Role::Steward(steward) => steward.hear(),
        }
        drop(pending);
    }

    /// Whether it has waited too long for an answer, and how long that is.
    #[must_use]
    pub fn overdue(&self, now: u64) -> Option<u64> {
        let overdue = |(asked, since): &&(Asked, u64)| now.saturating_sub(*since) > patience(asked);
        self.pending.values().find(overdue).map(|(asked, _)| patience(asked))
    }

    /// Whether it is a member of a group that has not come to rest.
    #[must_use]
    pub fn is_unsettled(&self, ledger: &Ledger) -> bool {
        matches!(&self.role, Role::Member(member) if member.wants(ledger))
    }

    /// Whether every question was sent and answered.
    #[must_use]
    pub fn has_heard_all(&self) -> bool {
        self.pending.is_empty() && self.outbox.is_empty()
    }

    /// Whether nothing is open.
    #[must_use]
    pub fn is_idle(&self, ledger: &Ledger) -> bool {
        if !self.has_heard_all() {
            return false;
        }
        let wants = match &self.role {
            Role::Producer(producer) => producer.wants(),
            Role::Member(member) => member.wants(ledger),
            Role::Consumer(_)
            | Role::Follower(_)
            | Role::Admin(_)
            | Role::Committer(_)
            | Role::Overseer(_)
            | Role::Steward(_) => false,
        };
        !wants
    }
}

/// A request for one batch, by a client that nobody plays.
#[must_use]
pub fn produce_one(key: PartitionKey, batch: Batch) -> ProduceIntake {
    producer::one(key, batch)
}
