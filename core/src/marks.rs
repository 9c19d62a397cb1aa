//! Marks: places that the simulator must reach. A mark without a hit is code that no world has tried.
//!
//! They count only under `--cfg evenkeel_sim`, which `cargo sim` sets; in every other build [`mark`] is empty.

macro_rules! marks {
    ($($name:ident: $text:literal,)*) => {
        /// A place in the code.
        #[derive(Clone, Copy, Debug, PartialEq, Eq)]
        #[repr(u16)]
        pub enum Mark {
            $(#[doc = $text] $name,)*
        }

        /// All of them, in order, by the name under which they are counted.
        #[cfg(evenkeel_sim)]
        pub const MARKS: &[&str] = &[$($text),*];
    };
}

marks! {
    GroupWritten: "log.group of records written",
}

/// The code came by here.
#[cfg(not(evenkeel_sim))]
#[inline(always)]
pub const fn mark(_: Mark) {}

#[cfg(evenkeel_sim)]
pub use registry::{hits, mark};

#[cfg(evenkeel_sim)]
mod registry {
    use core::sync::atomic::{AtomicU64, Ordering};

    use super::{MARKS, Mark};

    static HITS: [AtomicU64; MARKS.len()] = [const { AtomicU64::new(0) }; MARKS.len()];

    /// The code came by here.
    pub fn mark(mark: Mark) {
        HITS[mark as usize].fetch_add(1, Ordering::Relaxed);
    }

    /// How often the code came by each mark since the process began.
    pub fn hits() -> impl Iterator<Item = (&'static str, u64)> {
        MARKS.iter().zip(&HITS).map(|(name, hits)| (*name, hits.load(Ordering::Relaxed)))
    }
}
