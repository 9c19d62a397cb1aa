//! Which segments there are, by number and by their first block.

use alloc::{collections::BTreeMap, string::String, vec::Vec};

use crate::{
    log::{
        refusal::Refusal,
        segment::{SegmentFront, SegmentHeader, salt_behind},
    },
    port::FileName,
    units::SegmentSequence,
};

/// A segment file.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct SegmentFile {
    pub(super) len: u64,
    pub(super) front: SegmentFront,
    pub(super) link: u32,
}

/// All segment files.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(super) struct Layout {
    segments: BTreeMap<SegmentSequence, SegmentFile>,
    scans: Vec<SegmentSequence>,
}

impl Layout {
    pub(super) fn new(fronts: impl Iterator<Item = (SegmentSequence, u64, SegmentFront)>) -> Layout {
        let segments: BTreeMap<_, _> = fronts
            .map(|(sequence, len, front)| {
                let link = match &front {
                    SegmentFront::Begun(_, link) => *link,
                    SegmentFront::Unused | SegmentFront::Newer(_) | SegmentFront::Damaged => 0,
                };
                (sequence, SegmentFile { len, front, link })
            })
            .collect();
        let mut layout = Layout { segments, scans: Vec::new() };
        // Everything up to the last one that was begun, and the one behind it, in which a begin may have torn.
        let last_begun = layout.last_begun();
        let behind = last_begun
            .and_then(|last| layout.segments.range(last.next()..).next().map(|(behind, _)| *behind));
        layout.scans = match (last_begun, behind) {
            (None, _) => layout.segments.keys().copied().collect(),
            (Some(last), behind) => {
                layout.segments.range(..=behind.unwrap_or(last)).map(|(n, _)| *n).collect()
            }
        };
        layout
    }

    /// Refuses segments of another cluster or of a newer format.
    pub(super) fn check_owner(&self, expected: Option<&str>) -> Result<(), Refusal> {
        let mut expected = expected.map(String::from);
        for (sequence, segment) in &self.segments {
            let file = FileName::Segment(*sequence);
            match &segment.front {
                SegmentFront::Newer(version) => {
                    return Err(Refusal::NewerFormat { file, version: Some(*version) });
                }
                SegmentFront::Begun(header, _) => {
                    let expected = expected.get_or_insert_with(|| header.cluster_id.clone());
                    if *expected != header.cluster_id {
                        return Err(Refusal::ForeignCluster {
                            expected: expected.clone(),
                            found: header.cluster_id.clone(),
                            file,
                        });
                    }
                }
                SegmentFront::Unused | SegmentFront::Damaged => {}
            }
        }
        Ok(())
    }

    /// The cluster id that the segments carry.
    pub(super) fn cluster_id(&self) -> Option<&str> {
        self.begun().next().map(|(_, header, _)| header.cluster_id.as_str())
    }

    /// Segments to scan, in order.
    pub(super) fn scans(&self) -> &[SegmentSequence] {
        &self.scans
    }

    pub(super) fn get(&self, sequence: SegmentSequence) -> Option<&SegmentFile> {
        self.segments.get(&sequence)
    }

    /// Segments that were begun, in order, with the first link of each.
    pub(super) fn begun(&self) -> impl Iterator<Item = (SegmentSequence, &SegmentHeader, u32)> {
        self.segments.iter().filter_map(|(sequence, segment)| match &segment.front {
            SegmentFront::Begun(header, _) => Some((*sequence, header, segment.link)),
            SegmentFront::Unused | SegmentFront::Newer(_) | SegmentFront::Damaged => None,
        })
    }

    pub(super) fn begun_after(&self, sequence: SegmentSequence) -> Option<&SegmentHeader> {
        self.begun().find(|(begun, _, _)| *begun > sequence).map(|(_, header, _)| header)
    }

    /// What the groups of that segment carry, as far as the segments in front of it tell.
    pub(super) fn salt_of(&self, sequence: SegmentSequence) -> Option<u64> {
        let (mut at, header, _) = self.begun().take_while(|(begun, _, _)| *begun < sequence).last()?;
        let mut salt = header.salt;
        while at < sequence {
            at = at.next();
            salt = salt_behind(salt, at);
        }
        Some(salt)
    }

    pub(super) fn last_begun(&self) -> Option<SegmentSequence> {
        self.begun().last().map(|(sequence, _, _)| sequence)
    }

    pub(super) fn first(&self) -> Option<SegmentSequence> {
        self.segments.keys().next().copied()
    }

    pub(super) fn sequences(&self) -> impl Iterator<Item = SegmentSequence> {
        self.segments.keys().copied()
    }

    /// Numbers for which there is no file although there are files before and behind them; the first of each run.
    pub(super) fn holes(&self) -> impl Iterator<Item = SegmentSequence> {
        let pairs = self.segments.keys().zip(self.segments.keys().skip(1));
        pairs.filter(|(before, behind)| before.next() != **behind).map(|(before, _)| before.next())
    }
}
