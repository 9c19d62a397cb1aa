//! Simulated disks around the evenkeel broker, so that faults can be had at will and at a seed's word.
//!
//! Today: a disk that loses what was not synced, and the production runtime under madsim on it
//! (`tests/cluster.rs`, built with `--cfg madsim`).

pub mod disk;
