//! The simulator: the evenkeel broker in a world of simulated disks, networks, clocks and clients, all of it a function of
//! one seed, and an oracle that knows what was promised.
//!
//! [`world`]: one run, as a loop over events. [`disk`]: what disks do. [`client`]: who asks. [`ledger`]: what was promised.
//! [`probe`], [`reading`], [`invariant`]: what is read back, and what must be true of it. [`mutant`]: planted bugs.
//!
//! When a promise is broken: [`tape`] holds the choices of the run, [`shrink`] makes it small, [`trace`], [`lifeline`],
//! [`report`] and [`timeline`] tell what happened, [`artefact`] writes it all down, [`museum`] keeps it for ever.

pub mod artefact;
pub mod assignment;
pub mod batch;
pub mod client;
pub mod crashpoints;
pub mod determinism;
pub mod dice;
pub mod disk;
pub mod explore;
pub mod invariant;
pub mod json;
pub mod ledger;
pub mod lifeline;
pub mod marks;
pub mod museum;
pub mod mutant;
pub mod probe;
pub mod reading;
pub mod report;
pub mod repro;
pub mod run;
pub mod script;
pub mod shape;
pub mod shrink;
pub mod store;
pub mod story;
pub mod tape;
pub mod timeline;
pub mod toml;
pub mod trace;
pub mod violation;
pub mod world;
