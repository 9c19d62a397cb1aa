//! What the fuzz targets share: a disk, a world around a broker, an object store, the truth about both, damage, and a judge.

pub mod batch;
pub mod changes;
pub mod choices;
pub mod damage;
pub mod data_object;
pub mod dialogue;
pub mod evidence;
pub mod hostile;
pub mod judge;
pub mod made_right;
pub mod manifest;
pub mod memory;
pub mod memory_disk;
pub mod plan;
pub mod raw;
pub mod requests;
pub mod sample;
pub mod served;
pub mod shelf;
pub mod state_delta;
pub mod stored;
pub mod told;
pub mod truth;
pub mod turns;
pub mod world;
