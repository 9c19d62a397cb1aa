//! The write-ahead log: one order, one fsync for everything that ever changes the broker's state.
//!
//! [`entry`]: the records. [`group`], [`segment`]: how they lie on the disk. [`writer`]: the live end.
//! [`scan`]: reading a segment back. [`recovery`]: from files to a state, with the case table of its verdicts.
//! [`identity`]: whose directory it is. [`refusal`]: why a start is refused.

pub mod entry;
pub mod group;
pub mod identity;
pub mod recovery;
pub mod refusal;
pub mod scan;
pub mod segment;
pub mod writer;

pub use refusal::Refusal;
pub use scan::{ScanOrder, SegmentScan, scan};
