//! Each segment of a log has a salt of its own, and none that could be guessed: it tells the groups of a segment from those of another,
//! and from what a client stored. A salt that is given out twice serves reads just as well, so only this question sees it.

use std::collections::BTreeMap;

use evenkeel_core::{
    limits::BLOCK_BYTES,
    log::segment::{SegmentFront, SegmentHeader},
    port::{Disk, FileName},
};

use crate::{
    disk::SimDisk,
    violation::{Verdict, broken},
    world::World,
};

impl World {
    /// Looks at the headers of all segments that are there.
    pub(super) fn check_salts(&self) -> Verdict {
        let image = self.disk.without_faults();
        let files = image.list().unwrap_or_default().into_iter().map(|entry| entry.file);
        let segments = files.filter(|file| matches!(file, FileName::Segment(_)));
        differ(segments.filter_map(|file| Some((file, header(&image, file)?.salt))))
    }
}

/// The header of a segment that was begun. What is damaged is asked for elsewhere.
fn header(image: &SimDisk, file: FileName) -> Option<SegmentHeader> {
    let mut block = vec![0; BLOCK_BYTES as usize];
    let read = image.read_at(file, 0, &mut block).ok()?;
    match SegmentHeader::decode(&block[..read]) {
        SegmentFront::Begun(header, _) => Some(header),
        SegmentFront::Unused | SegmentFront::Newer(_) | SegmentFront::Damaged => None,
    }
}

fn differ(salts: impl Iterator<Item = (FileName, u64)>) -> Verdict {
    let mut seen = BTreeMap::new();
    for (file, salt) in salts {
        if salt == 0 {
            return broken("repeated-salt", format!("{file} has no salt"));
        }
        if let Some(other) = seen.insert(salt, file) {
            return broken("repeated-salt", format!("{file} has the salt of {other}"));
        }
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use evenkeel_core::units::SegmentSequence;

    use super::*;

    #[test]
    fn a_salt_that_is_given_twice_or_is_none_is_refused() {
        let file = |sequence| FileName::Segment(SegmentSequence(sequence));
        let verdict =
            |salts: &[(u64, u64)]| differ(salts.iter().map(|(sequence, salt)| (file(*sequence), *salt)));
        assert!(verdict(&[(1, 7), (2, 8)]).is_ok());
        assert!(verdict(&[(1, 7), (2, 7)]).is_err());
        assert!(verdict(&[(1, 0)]).is_err());
    }
}
