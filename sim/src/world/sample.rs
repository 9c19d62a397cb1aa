//! What two runs of one seed are compared by: the events, and now and then the state behind them.

use evenkeel_core::port::Disk;

use crate::{disk::Fingerprint, world::World};

/// Steps of the world between two looks at the ends of all partitions and the sizes of all files.
const ENDS_EVERY: u64 = 64;
/// Steps of the world between two looks at the bytes of a file, another one each time.
const BYTES_EVERY: u64 = 256;

impl World {
    /// After each step of the world.
    pub(super) fn sample_state(&mut self) {
        self.happened += 1;
        if self.happened.is_multiple_of(ENDS_EVERY) {
            let ends = self.ends().word();
            let bytes = match self.happened.is_multiple_of(BYTES_EVERY) {
                true => self.disk.sample(self.happened / BYTES_EVERY).word(),
                false => 0,
            };
            self.tell(&[97, ends, bytes], || format!("state {ends:016x}, disk {bytes:016x}"));
        }
        if let Some(trail) = &mut self.trail {
            trail.push((self.story.events(), self.story.digest().to_string()));
        }
    }

    fn ends(&self) -> Fingerprint {
        let mut print = Fingerprint::default();
        if let Some(state) = self.node.broker().and_then(|broker| broker.state()) {
            for partition in state.partitions() {
                print.add(partition.log_end.0.cast_unsigned());
                print.add(partition.visible.0.cast_unsigned());
            }
        }
        // A list never fails: it is not read from the media.
        for entry in self.disk.list().unwrap_or_default() {
            print.add_name(entry.file);
            print.add(entry.len);
        }
        print
    }
}
