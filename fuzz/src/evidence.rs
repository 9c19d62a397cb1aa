//! Whether a damaged log still proves that more was durable than a broker serves. Then it must have refused to start.
//!
//! Looks for bytes that are where the broker wrote them and say so, one block after the other and without any of the code
//! that recovery reads a segment with, except for the checksums of headers.

use evenkeel_core::{
    limits::BLOCK_BYTES,
    log::{
        group::GroupHeader,
        identity::Identity,
        segment::{SegmentFront, SegmentHeader},
    },
    port::FileName,
    units::{Epoch, Lsn},
};

use crate::memory_disk::Image;

const BLOCK: usize = BLOCK_BYTES as usize;

/// What in `damaged` proves that the log went beyond `upto`, where the newest start was that of `epoch`. `sound` is the
/// image before the damage.
#[must_use]
pub fn evidence(sound: &Image, damaged: &Image, upto: Lsn, epoch: Epoch) -> Option<String> {
    damaged.iter().find_map(|(file, bytes)| {
        let before = sound.get(file)?;
        match file {
            FileName::Segment(_) => in_segment(before, bytes, upto).map(|what| format!("{file}: {what}")),
            FileName::Checkpoint(lsn) if *lsn > upto => Some(format!("{file} is there")),
            FileName::Identity if before == bytes => match Identity::decode(bytes) {
                Ok(identity) if identity.epoch > epoch => {
                    Some(format!("the identity knows epoch {}, not only {epoch}", identity.epoch))
                }
                Ok(_) | Err(_) => None,
            },
            FileName::Identity
            | FileName::IdentityDraft
            | FileName::SegmentDraft(_)
            | FileName::Checkpoint(_)
            | FileName::CheckpointDraft(_)
            | FileName::Torn(_)
            | FileName::Lost(..)
            | FileName::LossReport(_)
            | FileName::Reserve => None,
        }
    })
}

fn in_segment(before: &[u8], bytes: &[u8], upto: Lsn) -> Option<String> {
    let front = before.get(..BLOCK)?;
    let SegmentFront::Begun(header, _) = SegmentHeader::decode(front) else { return None };
    if header.first > upto && bytes.get(..BLOCK) == Some(front) {
        return Some(format!("its header says that it begins at LSN {}", header.first));
    }
    // Under a header that is whole and of another time the groups cannot be told from bytes that a client sent.
    if let SegmentFront::Begun(now, _) = SegmentHeader::decode(bytes.get(..BLOCK).unwrap_or(&[]))
        && now.salt != header.salt
    {
        return None;
    }
    (BLOCK..before.len()).step_by(BLOCK).find_map(|at| {
        let (group, _) = GroupHeader::decode_front(&before[at..])?;
        let front = at..at + group.front_len() as usize;
        let kept = group.salt == header.salt && bytes.get(front.clone()) == Some(&before[front]);
        (kept && group.synced > upto).then(|| {
            format!("the group at byte {at} says that everything below LSN {} is synced", group.synced)
        })
    })
}
