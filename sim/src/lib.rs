//! The simulator: the evenkeel broker in a world of simulated disks, networks, clocks and clients, all of it a function of
//! one seed, and an oracle that knows what was promised.
//!
//! [`world`]: one run, as a loop over events. [`disk`]: what disks do. [`client`]: who asks. [`ledger`]: what was promised.
//! [`probe`], [`reading`], [`invariant`]: what is read back, and what must be true of it. [`mutant`]: planted bugs.

pub mod batch;
pub mod client;
pub mod crashpoints;
pub mod determinism;
pub mod dice;
pub mod disk;
pub mod invariant;
pub mod ledger;
pub mod mutant;
pub mod probe;
pub mod reading;
pub mod run;
pub mod shape;
pub mod story;
pub mod violation;
pub mod world;
