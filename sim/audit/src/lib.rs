//! Bugs that nobody chose: a program changes one thing at a time in the source, everywhere, and tests and simulated worlds
//! show what they find of it.
//!
//! [`instrument`]: one copy of a crate with every mutation behind a number. [`copy`]: that copy on the disk, compiled once.
//! [`site`]: what a mutant is called. [`reach`]: which runs come by it. [`worker`]: the simulator built on the copy, asked over
//! a pipe. [`suite`]: the tests of the copy. [`hunt`]: the layers in turn. [`equivalent`]: mutants that change nothing.
//! [`table`]: what came of it.
#![expect(
    clippy::wildcard_enum_match_arm,
    reason = "the enums of a syntax tree are open, and most of their variants are no place for a mutant"
)]

pub mod copy;
pub mod equivalent;
pub mod hunt;
pub mod instrument;
pub mod reach;
pub mod site;
pub mod suite;
pub mod table;
pub mod worker;
