//! How much memory a request can make the session allocate: measured, not computed.
//!
//! The bound is the one that `wire/preflight.rs` states: 64 KiB and 16 bytes for each byte of the request.
#![expect(
    clippy::disallowed_types,
    reason = "an allocator is shared; nothing of the broker reads its counters"
)]

use std::{
    alloc::{GlobalAlloc, Layout, System},
    cell::Cell,
};

use bytes::{BufMut, Bytes, BytesMut};
use evenkeel_core::wire::session::Session;

/// Counts the bytes that each thread has allocated and not freed, and their peak.
struct Counting;

thread_local! {
    static LIVE: Cell<isize> = const { Cell::new(0) };
    static PEAK: Cell<isize> = const { Cell::new(0) };
}

fn count(change: isize) {
    let live = LIVE.get() + change;
    LIVE.set(live);
    PEAK.set(PEAK.get().max(live));
}

// SAFETY: every call goes to the system's allocator unchanged.
unsafe impl GlobalAlloc for Counting {
    unsafe fn alloc(&self, layout: Layout) -> *mut u8 {
        count(layout.size() as isize);
        // SAFETY: as the caller promised.
        unsafe { System.alloc(layout) }
    }

    unsafe fn dealloc(&self, at: *mut u8, layout: Layout) {
        count(-(layout.size() as isize));
        // SAFETY: as the caller promised.
        unsafe { System.dealloc(at, layout) }
    }
}

#[global_allocator]
static ALLOCATOR: Counting = Counting;

/// What a session is besides the request: its queue, the decoded request's own struct, an error.
const SESSION_BYTES: isize = 8 << 10;

/// Peak of what receiving this frame allocates beyond the frame itself, and whether it was taken.
fn peak_of(frame: Bytes) -> (isize, bool) {
    let before = LIVE.get();
    PEAK.set(before);
    let mut session = Session::new();
    let taken = session.receive(frame).is_ok();
    (PEAK.get() - before, taken)
}

fn frame(key: i16, version: i16, flexible: bool, body: &[u8]) -> Bytes {
    let mut out = BytesMut::new();
    out.put_i16(key);
    out.put_i16(version);
    out.put_i32(1);
    out.put_i16(-1);
    if flexible {
        out.put_u8(0);
    }
    out.put_slice(body);
    out.freeze()
}

fn put_compact(out: &mut BytesMut, mut value: usize) {
    while value >= 0x80 {
        out.put_u8(value as u8 | 0x80);
        value >>= 7;
    }
    out.put_u8(value as u8);
}

#[test]
fn four_bytes_with_a_huge_count_allocate_nothing_to_speak_of() {
    for count in [1_000_000, i32::MAX] {
        let (peak, taken) = peak_of(frame(3, 1, false, &count.to_be_bytes()));
        assert!(!taken);
        assert!(peak < 1024, "{peak} bytes for a count of {count}");
    }
    let (peak, taken) = peak_of(frame(3, 9, true, &[0xff, 0xff, 0xff, 0xff, 0x0f, 0, 0, 0, 0]));
    assert!(!taken);
    assert!(peak < 1024, "{peak} bytes");
}

/// Arrays of the smallest elements there are, where their decoded form is largest.
#[test]
fn no_request_takes_more_memory_than_its_bytes_allow() {
    // Key, version, flexible, bytes before the array, one element, bytes behind it.
    type Case = (i16, i16, bool, &'static [u8], &'static [u8], &'static [u8]);
    const FETCH: &[u8] = &[0; 25];
    const CASES: [Case; 13] = [
        (0, 9, true, &[0, 0, 1, 0, 0, 0, 0], &[1, 1, 0], &[0]),
        (0, 9, true, &[0, 0, 1, 0, 0, 0, 0, 2, 2, b't'], &[0, 0, 0, 0, 0, 0], &[0, 0]),
        (0, 3, false, &[0xff, 0xff, 0, 1, 0, 0, 0, 0], &[0, 0, 0, 0, 0, 0], &[]),
        (1, 12, true, FETCH, &[1, 1, 0], &[1, 1, 0]),
        (1, 4, false, &[0; 17], &[0, 0, 0, 0, 0, 0], &[]),
        (2, 1, false, &[0; 4], &[0, 0, 0, 0, 0, 0], &[]),
        (3, 1, false, &[], &[0, 0], &[]),
        (3, 9, true, &[], &[1, 0], &[1, 0, 0, 0]),
        (3, 9, true, &[], &[1, 1, 100, 0], &[1, 0, 0, 0]),
        (10, 4, true, &[0], &[1], &[0]),
        (19, 5, true, &[], &[1, 0, 0, 0, 0, 0, 0, 1, 1, 0], &[0, 0, 0, 0, 0, 0]),
        (20, 4, true, &[], &[1], &[0, 0, 0, 0, 0]),
        (23, 4, true, &[0; 4], &[1, 1, 0], &[0]),
    ];
    let mut taken_of_all = 0;
    for (at, (key, version, flexible, head, element, tail)) in CASES.into_iter().enumerate() {
        for count in [1, 10, 100, 1000, 10_000, 100_000, 999_999] {
            let mut body = BytesMut::from(head);
            if flexible {
                put_compact(&mut body, count + 1);
            } else {
                body.put_i32(count as i32);
            }
            (0..count).for_each(|_| body.put_slice(element));
            body.put_slice(tail);
            let bound = (64 << 10) + 16 * body.len() as isize + SESSION_BYTES;
            let (peak, taken) = peak_of(frame(key, version, flexible, &body));
            assert!(peak <= bound, "case {at} of {count}: {peak} bytes for {} of request", body.len());
            taken_of_all += usize::from(taken);
        }
    }
    // The cases are well formed: small counts of all of them are taken.
    assert!(taken_of_all >= CASES.len() * 3, "{taken_of_all} taken");
}

/// Tagged fields, which the decoder keeps in a map of half a kilobyte a node.
#[test]
fn unknown_tagged_fields_stay_within_the_bound() {
    for per_topic in [1, 2, 11, 12, 100, 1000] {
        for topics in [1, 10, 100, 1000] {
            let mut body = BytesMut::new();
            put_compact(&mut body, topics + 1);
            for _ in 0..topics {
                body.put_slice(&[1]);
                put_compact(&mut body, per_topic);
                for tag in 0..per_topic {
                    put_compact(&mut body, 100 + tag);
                    body.put_u8(0);
                }
            }
            body.put_slice(&[1, 0, 0, 0]);
            let bound = (64 << 10) + 16 * body.len() as isize + SESSION_BYTES;
            let (peak, _) = peak_of(frame(3, 9, true, &body));
            assert!(peak <= bound, "{topics} topics with {per_topic} tags: {peak} bytes for {}", body.len());
        }
    }
}
