//! The broker as a value, from the outside: events in, effects out, on a disk in memory.
#![expect(clippy::wildcard_enum_match_arm, reason = "a test names the one answer it expects")]

mod admin;
mod after_restore;
mod asked;
mod bounds;
mod clients;
mod cuts;
mod fetch;
mod full_disk;
mod groups;
mod image;
mod loss;
mod merge;
mod pace;
mod recovery;
mod replay;
mod retention;
mod rig;
mod said;
