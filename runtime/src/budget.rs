//! Memory for requests, shared by all connections.
//!
//! Memory is granted as bytes arrive: a connection that announces a large request and sends nothing holds nothing. Three rules keep
//! one client from holding up the others:
//!
//! - A client address holds at most half of the memory. A single request larger than that is taken if its address holds nothing else.
//! - An eighth is a reserve for small requests. They use it first, so they get through while large ones wait.
//! - A large request grows only while all large requests that were begun could still be completed one after the other. Otherwise
//!   several could wait for the memory that the others hold, and none would ever be complete.

use std::{
    collections::BTreeMap,
    net::IpAddr,
    sync::{Arc, Mutex, MutexGuard},
};

use tokio::sync::Notify;

/// Smallest budget, bytes.
const TOTAL_BYTES_MIN: u64 = 1 << 20;
/// Largest request that may use the reserve, and the part of a larger one that is granted at its start, bytes.
pub const SMALL_BYTES: usize = 64 << 10;
/// Memory of every request beside its own bytes: what a small one takes decoded, and its answer.
pub const REQUEST_BYTES: usize = 4 << 10;

/// Memory for requests, shared by all connections.
#[derive(Clone, Debug)]
pub struct Budget(Arc<Shared>);

#[derive(Debug)]
struct Shared {
    books: Mutex<Books>,
    freed: Notify,
}

#[derive(Debug)]
struct Books {
    main: Pool,
    reserve: Pool,
    clients: BTreeMap<IpAddr, Account>,
    /// Large requests that are not complete, by number.
    growing: BTreeMap<u64, Growing>,
    next: u64,
}

#[derive(Debug)]
struct Pool {
    limit: u64,
    used: u64,
}

/// What one client address holds.
#[derive(Debug, Default)]
struct Account {
    connections: usize,
    main: u64,
    reserve: u64,
}

#[derive(Debug)]
struct Growing {
    client: IpAddr,
    held: u64,
    left: u64,
}

/// A connection's access to the budget, on the account of its address.
#[derive(Debug)]
pub struct Client {
    budget: Budget,
    address: IpAddr,
}

/// Granted memory, given back when this is dropped.
#[derive(Debug)]
pub struct Memory {
    budget: Budget,
    client: IpAddr,
    bytes: u64,
    in_reserve: bool,
    /// Its number, while it is a large request that is not complete.
    growing: Option<u64>,
}

fn u64_of(bytes: usize) -> u64 {
    u64::try_from(bytes).expect("usize has at most 64 bits")
}

/// Whether all could be completed one after the other, each giving back what it holds.
fn can_complete(mut free: u64, growing: impl Iterator<Item = (u64, u64)>) -> bool {
    let mut growing: Vec<(u64, u64)> = growing.collect();
    growing.sort_unstable();
    growing.iter().all(|(left, held)| {
        let fits = *left <= free;
        free += held;
        fits
    })
}

impl Books {
    /// Whether the main pool gives so much more to a request that holds `held` and will want `left` after that.
    fn fits(&self, client: IpAddr, number: Option<u64>, held: u64, bytes: u64, left: u64) -> bool {
        let its = self.clients.get(&client).map_or(0, |account| account.main);
        let share = self.main.limit / 2;
        let whole = held + bytes + left;
        let alone = its == held;
        if self.main.used + bytes > self.main.limit || (its + bytes > share && !alone) {
            return false;
        }
        if whole > share && !alone {
            return false;
        }
        if left == 0 && number.is_none() {
            return true;
        }
        let others = || self.growing.iter().filter(|(other, _)| Some(**other) != number).map(|(_, one)| one);
        let all = others().map(|one| (one.left, one.held)).chain([(left, held + bytes)]);
        let of_client = others().filter(|one| one.client == client).map(|one| (one.left, one.held));
        can_complete(self.main.limit - self.main.used - bytes, all)
            && (whole > share || can_complete(share - its - bytes, of_client.chain([(left, held + bytes)])))
    }
}

impl Budget {
    /// A budget of this many bytes, at least 1 MiB.
    #[must_use]
    pub fn new(bytes: u64) -> Budget {
        let total = bytes.max(TOTAL_BYTES_MIN);
        let reserve = total / 8;
        Budget(Arc::new(Shared {
            books: Mutex::new(Books {
                main: Pool { limit: total - reserve, used: 0 },
                reserve: Pool { limit: reserve, used: 0 },
                clients: BTreeMap::new(),
                growing: BTreeMap::new(),
                next: 0,
            }),
            freed: Notify::new(),
        }))
    }

    /// Access for a connection from that address.
    #[must_use]
    pub fn client(&self, address: IpAddr) -> Client {
        self.books().clients.entry(address).or_default().connections += 1;
        Client { budget: self.clone(), address }
    }

    /// Bytes granted now.
    #[must_use]
    pub fn used(&self) -> u64 {
        let books = self.books();
        books.main.used + books.reserve.used
    }

    fn books(&self) -> MutexGuard<'_, Books> {
        self.0.books.lock().expect("nothing that holds it panics")
    }
}

impl Client {
    /// Whether a request of this many bytes can ever be granted.
    #[must_use]
    pub fn could_take(&self, bytes: usize) -> bool {
        u64_of(bytes) <= self.budget.books().main.limit
    }

    /// Memory for `first` bytes of a request that will want `left` more. Waits until it is there.
    pub async fn take(&self, first: usize, left: usize) -> Memory {
        loop {
            let freed = self.budget.0.freed.notified();
            tokio::pin!(freed);
            freed.as_mut().enable();
            if let Some(memory) = self.try_take(first, left) {
                return memory;
            }
            freed.await;
        }
    }

    fn try_take(&self, first: usize, left: usize) -> Option<Memory> {
        let (bytes, left) = (u64_of(first), u64_of(left));
        let books = &mut *self.budget.books();
        let account = books.clients.entry(self.address).or_default();
        let reserve = &mut books.reserve;
        let in_reserve = left == 0
            && first <= SMALL_BYTES + REQUEST_BYTES
            && reserve.used + bytes <= reserve.limit
            && account.reserve + bytes <= reserve.limit / 2;
        let mut growing = None;
        if in_reserve {
            reserve.used += bytes;
            account.reserve += bytes;
        } else {
            if !books.fits(self.address, None, 0, bytes, left) {
                return None;
            }
            books.main.used += bytes;
            books.clients.entry(self.address).or_default().main += bytes;
            if left > 0 {
                books.growing.insert(books.next, Growing { client: self.address, held: bytes, left });
                growing = Some(books.next);
                books.next += 1;
            }
        }
        Some(Memory { budget: self.budget.clone(), client: self.address, bytes, in_reserve, growing })
    }
}

impl Drop for Client {
    fn drop(&mut self) {
        let mut books = self.budget.books();
        if let Some(account) = books.clients.get_mut(&self.address) {
            account.connections -= 1;
            if account.connections == 0 && account.main + account.reserve == 0 {
                books.clients.remove(&self.address);
            }
        }
    }
}

impl Memory {
    /// How much it is.
    #[must_use]
    pub fn bytes(&self) -> usize {
        usize::try_from(self.bytes).expect("it was granted in usizes")
    }

    /// More memory for the same request, which will want `left` bytes after that; 0: it is complete. Waits until it is there.
    pub async fn grow(&mut self, bytes: usize, left: usize) {
        loop {
            let budget = self.budget.clone();
            let freed = budget.0.freed.notified();
            tokio::pin!(freed);
            freed.as_mut().enable();
            if self.try_grow(bytes, left) {
                return;
            }
            freed.await;
        }
    }

    /// The same without waiting. False: it is not there.
    pub fn try_grow(&mut self, bytes: usize, left: usize) -> bool {
        let (bytes, left) = (u64_of(bytes), u64_of(left));
        let books = &mut *self.budget.books();
        // All of a request is in one pool: what it has in the reserve moves with it.
        let moved = if self.in_reserve { self.bytes } else { 0 };
        if !books.fits(self.client, self.growing, self.bytes - moved, bytes + moved, left) {
            return false;
        }
        books.reserve.used -= moved;
        books.main.used += bytes + moved;
        if let Some(account) = books.clients.get_mut(&self.client) {
            account.reserve -= moved;
            account.main += bytes + moved;
        }
        self.in_reserve = false;
        self.bytes += bytes;
        match self.growing {
            Some(number) if left == 0 => {
                books.growing.remove(&number);
                self.growing = None;
            }
            Some(number) => {
                if let Some(one) = books.growing.get_mut(&number) {
                    (one.held, one.left) = (self.bytes, left);
                }
            }
            None => {}
        }
        true
    }
}

impl Drop for Memory {
    fn drop(&mut self) {
        {
            let books = &mut *self.budget.books();
            let pool = if self.in_reserve { &mut books.reserve } else { &mut books.main };
            pool.used -= self.bytes;
            if let Some(number) = self.growing {
                books.growing.remove(&number);
            }
            if let Some(account) = books.clients.get_mut(&self.client) {
                let its = if self.in_reserve { &mut account.reserve } else { &mut account.main };
                *its -= self.bytes;
                if account.connections == 0 && account.main + account.reserve == 0 {
                    books.clients.remove(&self.client);
                }
            }
        }
        self.budget.0.freed.notify_waiters();
    }
}

#[cfg(test)]
mod tests;
