//! evenkeel's runtime: sockets, files, timers and the command line around [`evenkeel_core`]. It decides nothing.
//!
//! [`settings`]: what an operator may say. [`server`]: from a start to a stop. [`driver`]: the brain and who runs it.
//! [`connection`]: one client. [`budget`]: memory for their requests. [`shards`]: the threads they live on. [`lanes`]: disk work on threads, or on
//! simulated tasks. [`disk`]: real files. [`couriers`] and [`object`]: the same for the object store. [`printer`]: log lines.
//! [`cli`]: a client, for those who have no other.

pub mod budget;
mod bug;
pub mod cli;
pub mod connection;
pub mod couriers;
pub mod disk;
pub mod driver;
pub mod frames;
pub mod lanes;
pub mod metrics;
pub mod object;
pub mod printer;
pub mod server;
pub mod settings;
pub mod shards;
pub mod signal;
