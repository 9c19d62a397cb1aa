//! Answers on their way to clients: how much memory they take, and which requests wait until others have been taken.
//!
//! An answer that can be much longer than its request is counted *before* it is built, until the connection reports it as taken, or is
//! gone. A connection and a client address have shares, so a client that does not read its answers keeps nobody else from theirs. A
//! fetch that finds little room gets a shorter answer; any other request waits.

mod refuse;
mod size;

use alloc::{
    boxed::Box,
    collections::{BTreeMap, VecDeque},
    vec::Vec,
};

pub(super) use self::refuse::over_bound;

use crate::{
    broker::Asker,
    limits::{
        ANSWER_BYTES_FREE, ANSWERS_BYTES_MAX, ANSWERS_OF_ADDRESS_BYTES_MAX, ANSWERS_OF_CONNECTION_BYTES_MAX,
    },
    port::Request,
    units::{ConnId, Tag},
};

/// Whose share an answer counts in.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
enum Account {
    Address(u128),
    /// Of a connection whose address nobody told.
    Connection(ConnId),
}

/// A request that waits for room.
#[derive(Clone, Debug)]
struct Waiting {
    asker: Asker,
    request: Box<Request>,
    bytes: u64,
}

/// All answers on their way that count.
#[derive(Clone, Debug, Default)]
pub(super) struct Outgoing {
    bytes: u64,
    answers: BTreeMap<(ConnId, Tag), u64>,
    connections: BTreeMap<ConnId, u64>,
    accounts: BTreeMap<Account, u64>,
    addresses: BTreeMap<ConnId, u128>,
    waiting: VecDeque<Waiting>,
    /// Something was taken since it was last asked.
    freed: bool,
}

fn subtract<K: Ord>(from: &mut BTreeMap<K, u64>, key: K, bytes: u64) {
    if let Some(held) = from.get_mut(&key) {
        *held -= bytes;
        if *held == 0 {
            from.remove(&key);
        }
    }
}

impl Outgoing {
    /// A connection comes from that address.
    pub(super) fn opened(&mut self, conn: ConnId, address: u128) {
        self.addresses.insert(conn, address);
    }

    fn account(&self, conn: ConnId) -> Account {
        self.addresses.get(&conn).map_or(Account::Connection(conn), |address| Account::Address(*address))
    }

    /// How many bytes a further answer of this connection may have.
    pub(super) fn room(&self, conn: ConnId) -> u64 {
        let of_connection = self.connections.get(&conn).copied().unwrap_or(0);
        let of_account = self.accounts.get(&self.account(conn)).copied().unwrap_or(0);
        let all = ANSWERS_BYTES_MAX.saturating_sub(self.bytes);
        all.min(ANSWERS_OF_CONNECTION_BYTES_MAX.saturating_sub(of_connection))
            .min(ANSWERS_OF_ADDRESS_BYTES_MAX.saturating_sub(of_account))
    }

    /// Whether an answer of this size may be built. One that is larger than its share is, if its address has no other on its way.
    fn fits(&self, conn: ConnId, bytes: u64) -> bool {
        let alone = !self.accounts.contains_key(&self.account(conn)) && self.bytes <= ANSWERS_BYTES_MAX / 2;
        bytes <= ANSWER_BYTES_FREE || bytes <= self.room(conn) || alone
    }

    /// Counts an answer of this size from now on, in place of what was counted for this request before.
    pub(super) fn count(&mut self, asker: Asker, bytes: u64) {
        self.taken_one(asker.conn, asker.tag);
        if bytes > ANSWER_BYTES_FREE {
            self.bytes += bytes;
            self.answers.insert((asker.conn, asker.tag), bytes);
            *self.connections.entry(asker.conn).or_default() += bytes;
            *self.accounts.entry(self.account(asker.conn)).or_default() += bytes;
        }
    }

    /// Whether the answer to this request counts.
    pub(super) fn counts(&self, asker: Asker) -> bool {
        self.answers.contains_key(&(asker.conn, asker.tag))
    }

    /// Counts the answer to a request, and gives the request back to be answered; or keeps it until there is room.
    pub(super) fn admit(&mut self, asker: Asker, request: Box<Request>, bytes: u64) -> Option<Box<Request>> {
        if !self.fits(asker.conn, bytes) {
            self.waiting.push_back(Waiting { asker, request, bytes });
            return None;
        }
        self.count(asker, bytes);
        Some(request)
    }

    /// The first request that waits and now has room. Its answer counts.
    pub(super) fn admitted(&mut self) -> Option<(Asker, Box<Request>)> {
        let at = self.waiting.iter().position(|waiting| self.fits(waiting.asker.conn, waiting.bytes))?;
        let Waiting { asker, request, bytes } = self.waiting.remove(at)?;
        self.count(asker, bytes);
        Some((asker, request))
    }

    /// Whether there is more room than when this was last asked.
    pub(super) fn take_freed(&mut self) -> bool {
        core::mem::take(&mut self.freed)
    }

    /// Those whose requests wait. None waits any more.
    pub(super) fn give_up(&mut self) -> Vec<Asker> {
        self.waiting.drain(..).map(|waiting| waiting.asker).collect()
    }

    /// An answer was taken, or never was long.
    pub(super) fn taken_one(&mut self, conn: ConnId, tag: Tag) {
        if let Some(bytes) = self.answers.remove(&(conn, tag)) {
            self.freed = true;
            self.bytes -= bytes;
            subtract(&mut self.connections, conn, bytes);
            let account = self.account(conn);
            subtract(&mut self.accounts, account, bytes);
        }
    }

    /// All answers of a connection up to this one were taken.
    pub(super) fn taken(&mut self, conn: ConnId, last: Tag) {
        while let Some((&(_, tag), _)) = self.answers.range((conn, Tag(0))..=(conn, last)).next() {
            self.taken_one(conn, tag);
        }
    }

    /// A connection is gone, and its answers with it.
    pub(super) fn closed(&mut self, conn: ConnId) {
        self.taken(conn, Tag(u64::MAX));
        self.waiting.retain(|waiting| waiting.asker.conn != conn);
        self.addresses.remove(&conn);
    }
}
