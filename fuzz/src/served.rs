//! What a broker serves, asked for as a consumer would, and held against the truth.

mod known;

use evenkeel_core::{port::Response, state::checkpoint, units::Lsn};

use crate::{
    batch,
    requests::fetch,
    truth::{Contents, Truth},
    world::World,
};

impl World {
    /// Everything that consumers find.
    ///
    /// # Panics
    /// A fetch ends in an error, or brings something else than whole batches that follow each other.
    pub fn contents(&mut self) -> Contents {
        let mut contents = Contents::new();
        for (name, starts) in self.starts() {
            let partitions = (0..).zip(starts).map(|(index, start)| self.partition(&name, index, start));
            let partitions = partitions.collect();
            contents.insert(name, partitions);
        }
        contents
    }

    fn partition(&mut self, topic: &str, index: i32, start: i64) -> Vec<u8> {
        let (mut all, mut offset) = (Vec::new(), start);
        loop {
            let Response::Fetch(answer) = self.ask(fetch(topic, index, offset, 0)) else {
                panic!("a fetch was asked for")
            };
            let fetched = &answer.topics[0].partitions[0];
            assert_eq!(fetched.error_code, 0, "{topic}-{index} at offset {offset}");
            let bytes = fetched.records.concat();
            let batches = batch::split(&bytes).expect("whole batches are served");
            let Some((last, _)) = batches.last() else {
                assert!(offset <= fetched.high_watermark, "{topic}-{index} ends at {offset}");
                return all;
            };
            assert!(last.last_offset().0 >= offset, "{topic}-{index} stays at {offset}");
            offset = last.last_offset().0 + 1;
            all.extend_from_slice(&bytes);
        }
    }

    /// Holds everything that is served, and the state behind it, against the truth up to this LSN, a start at which may
    /// stand behind it.
    ///
    /// # Panics
    /// They differ: a finding.
    pub fn assert_serves(&mut self, truth: &Truth, upto: Lsn) {
        let (served, wanted) = (self.contents(), truth.contents(upto));
        let names = |contents: &Contents| contents.keys().cloned().collect::<Vec<_>>();
        assert_eq!(names(&served), names(&wanted), "topics at LSN {upto}");
        for (name, wanted) in &wanted {
            let served = &served[name];
            assert_eq!(served.len(), wanted.len(), "partitions of {name}");
            for (index, (served, wanted)) in served.iter().zip(wanted).enumerate() {
                let offsets = |bytes: &[u8]| {
                    batch::split(bytes).map(|batches| {
                        batches.iter().map(|(header, _)| header.base_offset.0).collect::<Vec<_>>()
                    })
                };
                assert!(
                    served == wanted,
                    "{name}-{index} at LSN {upto}: served {:?}, written {:?}",
                    offsets(served),
                    offsets(wanted)
                );
            }
        }
        self.assert_known(truth, upto);
    }

    /// Holds the state against what follows from the records alone: checkpoints and replay must agree.
    ///
    /// # Panics
    /// They differ: a finding.
    pub fn assert_state(&self, truth: &Truth) {
        let state = self.broker.state().expect("a broker that serves");
        let upto = truth.upto();
        assert!(
            checkpoint::encode(state, upto) == checkpoint::encode(&truth.state(upto), upto),
            "the state at LSN {upto} is not that of its records: {state:?}, but {:?}",
            truth.state(upto)
        );
    }
}
