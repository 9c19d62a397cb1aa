//! The switch of an instrumented copy: which mutant is on, and which places were reached.
//!
//! A place is reached where its mutant makes a difference: a border by equal values, a condition taken to hold by one that does not,
//! a `?` by an error. Any other run is the same with the mutant as without it.
//!
//! A process takes the mutant from its environment (`EVENKEEL_AUDIT`: a number, or `reach`), or from [`set`].

use core::sync::atomic::{AtomicU32, AtomicU64, Ordering};
use std::{io::Write, vec::Vec};

/// Numbers of mutants are below this.
pub const SITES_MAX: u32 = 1 << 16;
/// No mutant is on.
pub const NONE: u32 = u32::MAX - 2;
/// No mutant is on, and places that are reached are noted.
pub const REACH: u32 = u32::MAX - 1;
const UNSET: u32 = u32::MAX;

static ACTIVE: AtomicU32 = AtomicU32::new(UNSET);
static REACHED: [AtomicU64; SITES_MAX as usize / 64] = [const { AtomicU64::new(0) }; SITES_MAX as usize / 64];

/// Switches a mutant on in place of the one before.
pub fn set(number: u32) {
    ACTIVE.store(number, Ordering::Relaxed);
}

/// The places reached since the last call, as a bit set.
pub fn take_reached() -> Vec<u64> {
    REACHED.iter().map(|word| word.swap(0, Ordering::Relaxed)).collect()
}

/// Whether this mutant is on.
#[inline(always)]
pub fn on(number: u32) -> bool {
    let active = ACTIVE.load(Ordering::Relaxed);
    if active >= REACH { slowly(number, active) } else { active == number }
}

#[cold]
#[inline(never)]
fn slowly(number: u32, active: u32) -> bool {
    if active == UNSET {
        let given = std::env::var("EVENKEEL_AUDIT").unwrap_or_default();
        set(match given.as_str() {
            "" => NONE,
            "reach" => REACH,
            number => number.parse().unwrap_or(NONE),
        });
        return on(number);
    }
    let (word, bit) = (number as usize / 64, 1 << (number % 64));
    if REACHED[word].fetch_or(bit, Ordering::Relaxed) & bit == 0
        && let Ok(path) = std::env::var("EVENKEEL_AUDIT_REACHED")
        && let Ok(mut file) = std::fs::OpenOptions::new().append(true).create(true).open(path)
    {
        // One write a place and process: several processes may share the file.
        let _ = file.write_all(std::format!("{number}\n").as_bytes());
    }
    false
}

/// What a comparison gives, where its mutant gives `other`. Where both are the same the mutant is not reached.
fn either(number: u32, result: bool, other: bool) -> bool {
    if result != other && on(number) { other } else { result }
}

pub fn less<A: PartialOrd<B> + ?Sized, B: ?Sized>(number: u32, a: &A, b: &B) -> bool {
    either(number, a < b, a <= b)
}

pub fn less_or_equal<A: PartialOrd<B> + ?Sized, B: ?Sized>(number: u32, a: &A, b: &B) -> bool {
    either(number, a <= b, a < b)
}

pub fn greater<A: PartialOrd<B> + ?Sized, B: ?Sized>(number: u32, a: &A, b: &B) -> bool {
    either(number, a > b, a >= b)
}

pub fn greater_or_equal<A: PartialOrd<B> + ?Sized, B: ?Sized>(number: u32, a: &A, b: &B) -> bool {
    either(number, a >= b, a > b)
}

pub fn equal<A: PartialEq<B> + ?Sized, B: ?Sized>(number: u32, a: &A, b: &B) -> bool {
    (a == b) != on(number)
}

pub fn not_equal<A: PartialEq<B> + ?Sized, B: ?Sized>(number: u32, a: &A, b: &B) -> bool {
    (a != b) != on(number)
}

/// A condition that is taken to hold.
pub fn holds(number: u32, condition: bool) -> bool {
    condition || on(number)
}

/// A condition that is taken not to hold.
pub fn fails(number: u32, condition: bool) -> bool {
    condition && !on(number)
}

/// An error, or nothing.
pub trait Tried {
    fn has_failed(&self) -> bool;
}

impl<T, E> Tried for Result<T, E> {
    fn has_failed(&self) -> bool {
        self.is_err()
    }
}

impl<T> Tried for Option<T> {
    fn has_failed(&self) -> bool {
        self.is_none()
    }
}

/// Whether an error, or nothing, is taken for a default.
pub fn failed<T: Tried>(number: u32, tried: &T) -> bool {
    tried.has_failed() && on(number)
}

/// A number that becomes nothing.
pub fn amount<T: Default>(number: u32, value: T) -> T {
    if on(number) { T::default() } else { value }
}

/// A sequence without its first.
pub fn rest<I: IntoIterator>(number: u32, sequence: I) -> core::iter::Skip<I::IntoIter> {
    sequence.into_iter().skip(usize::from(on(number)))
}
