use std::{
    pin::Pin,
    task::{Context, Poll, Waker},
};

use super::*;

const MIB: usize = 1 << 20;

fn address(last: u8) -> IpAddr {
    [10, 0, 0, last].into()
}

fn now<T>(future: impl Future<Output = T>) -> Option<T> {
    let mut future = Box::pin(future);
    match Pin::new(&mut future).poll(&mut Context::from_waker(Waker::noop())) {
        Poll::Ready(value) => Some(value),
        Poll::Pending => None,
    }
}

#[test]
fn an_address_holds_half_and_the_others_get_the_rest() {
    let budget = Budget::new(64 * MIB as u64);
    let (one, same, other) =
        (budget.client(address(1)), budget.client(address(1)), budget.client(address(2)));
    let mut held = Vec::new();
    held.extend(now(one.take(20 * MIB, 0)));
    held.extend(now(same.take(8 * MIB, 0)));
    assert_eq!(held.len(), 2);
    assert!(now(same.take(MIB, 0)).is_none(), "28 of 56 MiB are the share of an address");
    assert!(now(other.take(28 * MIB, 0)).is_some());
    held.pop();
    assert!(now(one.take(8 * MIB, 0)).is_some());
}

#[test]
fn a_request_larger_than_the_share_is_taken_alone() {
    let budget = Budget::new(64 * MIB as u64);
    let client = budget.client(address(1));
    let small = now(client.take(MIB, 0)).expect("there is room");
    assert!(now(client.take(MIB, 39 * MIB)).is_none(), "its address holds something");
    drop(small);
    let mut large = now(client.take(MIB, 39 * MIB)).expect("it is alone");
    assert!(now(client.take(MIB, 0)).is_some(), "half of it is not used yet");
    assert!(large.try_grow(39 * MIB, 0));
    assert!(now(client.take(MIB, 0)).is_none());
    assert!(!client.could_take(57 * MIB));
}

#[test]
fn small_requests_get_through_while_large_ones_hold_everything() {
    let budget = Budget::new(64 * MIB as u64);
    let clients: Vec<Client> = (1..4).map(|last| budget.client(address(last))).collect();
    let large: Vec<Memory> = clients.iter().filter_map(|client| now(client.take(28 * MIB, 0))).collect();
    assert_eq!(large.len(), 2, "nothing is left");
    let mut small = Vec::new();
    while let Some(memory) = now(clients[0].take(SMALL_BYTES, 0)) {
        small.push(memory);
    }
    assert_eq!(small.len(), 4 * MIB / SMALL_BYTES, "an address has half of the reserve");
    assert!(now(clients[1].take(SMALL_BYTES, 0)).is_some());
    assert!(now(clients[2].take(SMALL_BYTES, 0)).is_some());
}

/// Three that each could take the last memory that another one needs.
#[test]
fn what_is_begun_can_always_be_completed() {
    let budget = Budget::new(64 * MIB as u64);
    let clients: Vec<Client> = (1..4).map(|last| budget.client(address(last))).collect();
    let mut growing: Vec<(Memory, usize)> =
        clients.iter().filter_map(|client| Some((now(client.take(MIB, 27 * MIB))?, 27 * MIB))).collect();
    assert_eq!(growing.len(), 3);
    while !growing.is_empty() {
        let mut grew = false;
        for (memory, left) in &mut growing {
            if *left > 0 && memory.try_grow(MIB, *left - MIB) {
                *left -= MIB;
                grew = true;
            }
        }
        let before = growing.len();
        growing.retain(|(_, left)| *left > 0);
        assert!(grew || growing.len() < before, "{} wait for each other", growing.len());
    }
    assert_eq!(budget.used(), 0);
}

#[test]
fn what_was_small_moves_out_of_the_reserve_when_it_grows() {
    let budget = Budget::new(64 * MIB as u64);
    let client = budget.client(address(1));
    let mut memory = now(client.take(SMALL_BYTES, 0)).expect("there is room");
    assert!(memory.try_grow(10 * MIB, 0));
    assert_eq!(budget.used(), (10 * MIB + SMALL_BYTES) as u64);
    {
        let books = budget.books();
        assert_eq!((books.reserve.used, books.clients[&address(1)].reserve), (0, 0));
    }
    drop(client);
    drop(memory);
    let books = budget.books();
    assert_eq!((books.main.used, books.clients.len()), (0, 0), "who is gone is forgotten");
}

#[tokio::test]
async fn who_waits_is_woken_by_what_comes_back() {
    let budget = Budget::new(MIB as u64);
    let (one, other) = (budget.client(address(1)), budget.client(address(2)));
    let all = one.take(896 << 10, 0).await;
    let waiting = tokio::spawn(async move { other.take(800 << 10, 0).await.bytes() });
    tokio::task::yield_now().await;
    assert!(!waiting.is_finished());
    drop(all);
    assert_eq!(waiting.await.expect("it ends"), 800 << 10);
}
