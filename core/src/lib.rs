//! The decisions of the evenkeel broker, with no I/O, clock, thread, randomness or async.
//!
//! Everything observable is a function of the configuration, one seed and the stream of
//! `(Now, events)` passed to [`Broker::turn`]. What must happen in the world comes out as
//! [`Effect`]s: plain data that a runtime or a simulator carries out.
//!
//! Start with `ARCHITECTURE.md`, then [`port`] (the boundary) and [`broker`] (the routing).
#![no_std]
#![forbid(unsafe_code)]

extern crate alloc;

pub mod broker;
pub mod codec;
pub mod config;
pub mod error_code;
pub mod limits;
pub mod log;
pub mod marks;
pub mod partition;
pub mod planted;
pub mod port;
pub mod random;
pub mod state;
pub mod store;
pub mod turn;
pub mod units;
pub mod wire;

pub use broker::Broker;
pub use config::Config;
pub use port::{ClientEvent, DiskRequest, Effect, Event, Notice, Now};
