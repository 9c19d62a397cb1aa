use alloc::{format, string::String, vec, vec::Vec};

use super::*;
use crate::{codec::tests::refuses_sealed_near_misses, random::Random};

/// Bytes that look like a state: numbered things with a few bytes that differ.
fn things(numbers: impl IntoIterator<Item = u32>) -> Vec<u8> {
    let mut out = Vec::new();
    for number in numbers {
        out.put_u32(number);
        out.put_u64(u64::from(number) * 1000);
        out.extend_from_slice(&[0; 20]);
        out.put_u64(u64::from(number).wrapping_mul(0x9e37_79b9_7f4a_7c15));
    }
    out
}

fn there(base: &[u8], result: &[u8]) -> Vec<u8> {
    let bytes = Delta::between(base, result).encode();
    let delta = Delta::decode(&bytes).expect("it was just written");
    assert_eq!(delta.encode(), bytes);
    assert_eq!(delta.apply(base, result.len() as u64).as_deref(), Ok(result));
    bytes
}

#[test]
fn a_little_that_changed_makes_a_small_delta() {
    let base = things(0..5000);
    assert_eq!(there(&base, &base).len(), 44 + 17, "nothing: one copy");
    let mut changed = base.clone();
    for at in [0, 100_000, 199_000] {
        changed[at..at + 8].copy_from_slice(b"changed!");
    }
    let in_place = there(&base, &changed).len();
    let without = there(&base, &things((0..5000).filter(|number| !(700..1900).contains(number)))).len();
    let more = there(&base, &things((0..5000).chain(9000..9010))).len();
    let moved = there(&base, &things((2500..5000).chain(0..2500))).len();
    assert!(
        in_place < 2000 && without < 800 && more < 1200 && moved < 800,
        "{in_place} {without} {more} {moved}"
    );
    // One in a hundred, everywhere.
    let mut everywhere = base.clone();
    (0..50).for_each(|at| everywhere[at * 4000 + 17] ^= 1);
    let scattered = there(&base, &everywhere).len();
    assert!(scattered < 50 * 200, "{scattered} of {}", base.len());
}

#[test]
fn any_bytes_come_back() {
    let other = things(7000..7100);
    for (base, result) in
        [(vec![], vec![]), (vec![], other.clone()), (other.clone(), vec![]), (things(0..9), other)]
    {
        there(&base, &result);
    }
    for seed in 0..300 {
        let mut random = Random::new(seed);
        let mut base: Vec<u8> = (0..random.bits() % 3000).map(|_| (random.bits() % 3) as u8).collect();
        let mut result = base.clone();
        for _ in 0..random.bits() % 5 {
            let len = result.len() as u64 + 1;
            let (one, other) = ((random.bits() % len) as usize, (random.bits() % len) as usize);
            let range = one.min(other)..one.max(other);
            match random.bits() % 4 {
                0 => drop(result.drain(range)),
                1 => result.extend_from_within(range),
                2 => result.splice(range.start..range.start, [1, 2, 3]).for_each(drop),
                _ => core::mem::swap(&mut base, &mut result),
            }
        }
        there(&base, &result);
    }
}

#[test]
fn no_damaged_byte_is_applied_and_no_other_base_taken() {
    let (base, result) = (things(0..40), things((0..20).chain(25..45)));
    let bytes = there(&base, &result);
    for at in 0..bytes.len() {
        let mut damaged = bytes.clone();
        damaged[at] ^= 1;
        assert!(Delta::decode(&damaged).is_err(), "byte {at}");
        assert!(Delta::decode(&bytes[..at]).is_err(), "cut at {at}");
    }
    let delta = Delta::decode(&bytes).expect("whole");
    assert_eq!(delta.apply(&result, 1 << 20), Err(NotAnObject::Damaged));
    assert_eq!(delta.apply(&base, result.len() as u64 - 1), Err(NotAnObject::Damaged), "too much");
}

#[test]
fn a_delta_that_says_what_cannot_be_is_none() {
    type Change = fn(&mut Delta<'_>);
    let (base, result) = (things(0..40), things((0..20).chain(25..45)));
    let changes: [(&str, Change); 5] = [
        ("a copy behind the end", |delta| delta.steps[0] = Step::Copy(1590..1601)),
        ("a copy of too much", |delta| delta.steps[0] = Step::Copy(5..usize::MAX)),
        ("too few bytes", |delta| delta.steps.truncate(1)),
        ("more bytes than it says", |delta| delta.steps.push(Step::Insert(b"x"))),
        ("another length", |delta| delta.result.0 += 1),
    ];
    for (what, change) in changes {
        let mut delta = Delta::between(&base, &result);
        change(&mut delta);
        assert_eq!(Delta::decode(&delta.encode()).map(drop), Err(NotAnObject::Damaged), "{what}");
    }
    let half = Step::Copy(0..1 << 63);
    let endless = Delta { base: (1 << 63, 0), result: (0, 0), steps: vec![half.clone(), half] };
    assert_eq!(Delta::decode(&endless.encode()).map(drop), Err(NotAnObject::Damaged), "2^64 bytes");
    let mut other = Delta::between(&base, &result);
    other.result.1 ^= 1;
    let bytes = other.encode();
    let other = Delta::decode(&bytes).expect("it could be");
    assert_eq!(other.apply(&base, 1 << 20), Err(NotAnObject::Damaged), "another result than it says");
    let mut newer = Delta::between(&base, &result).encode();
    newer[12] = 2;
    let crc = crc32c::crc32c(&newer[12..]);
    newer[8..12].copy_from_slice(&crc.to_le_bytes());
    assert_eq!(Delta::decode(&newer), Err(NotAnObject::Format(2)));
}

#[test]
fn a_delta_has_the_bytes_it_always_had() {
    let base: &[u8; 64] = b"What has not changed, and is long enough for a chunk of its own.";
    let mut result = base.to_vec();
    result.extend_from_slice(b"More.");
    let delta =
        Delta { base: (64, 1), result: (69, 2), steps: vec![Step::Copy(0..64), Step::Insert(&result[64..])] };
    let hex: String = delta.encode().iter().map(|byte| format!("{byte:02x}")).collect();
    assert_eq!(
        hex,
        "454b44454c54413147fc2af201000000\
         400000000000000001000000450000000000000002000000\
         02000000\
         0000000000000000004000000000000000\
         0105000000000000004d6f72652e"
    );
}

#[test]
fn fields_that_cannot_be_are_refused_behind_the_checksum() {
    let (base, result) = (things(0..9), things((0..4).chain(6..11)));
    refuses_sealed_near_misses(&Delta::between(&base, &result).encode(), |bytes| {
        Delta::decode(bytes).ok().map(|delta| delta.encode())
    });
}

#[test]
fn chunks_have_16_to_128_bytes() {
    let mut random = Random::new(3);
    let bytes: Vec<u8> = (0..60_000).map(|_| random.bits() as u8).collect();
    let lens: Vec<usize> = chunks(&bytes).map(|range| range.len()).collect();
    let whole = &lens[..lens.len() - 1];
    assert_eq!((whole.iter().min(), whole.iter().max()), (Some(&16), Some(&128)));
    assert_eq!(lens.iter().sum::<usize>(), bytes.len());
}
