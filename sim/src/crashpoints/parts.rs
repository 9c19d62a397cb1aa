//! Steps that a kill falls into: what is done of them by then.

use bytes::Bytes;
use evenkeel_core::port::DiskStep;

use crate::disk::SECTOR_BYTES;

/// Parts of a step. All sector borders if `all` and there are few, otherwise the first, the middle and the last.
pub(super) fn of(step: &DiskStep, all: bool) -> Vec<DiskStep> {
    match step {
        DiskStep::Write { file, position, data } => {
            let bytes = data.concat();
            let cut = |len: usize| DiskStep::Write {
                file: *file,
                position: *position,
                data: vec![Bytes::copy_from_slice(&bytes[..len])],
            };
            borders(bytes.len(), all).into_iter().map(cut).collect()
        }
        DiskStep::Zero { file, len } => {
            let len = usize::try_from(*len).expect("simulated files are small");
            borders(len, false)
                .into_iter()
                .map(|len| DiskStep::Zero { file: *file, len: len as u64 })
                .collect()
        }
        DiskStep::List
        | DiskStep::Space
        | DiskStep::Read(_)
        | DiskStep::ReadAt { .. }
        | DiskStep::Scan(_)
        | DiskStep::ReadBatches { .. }
        | DiskStep::Create(_)
        | DiskStep::Reserve { .. }
        | DiskStep::Release { .. }
        | DiskStep::Sync(_)
        | DiskStep::SyncDirectory
        | DiskStep::Rename { .. }
        | DiskStep::Remove(_) => Vec::new(),
    }
}

fn borders(len: usize, all: bool) -> Vec<usize> {
    let sectors = len.div_ceil(SECTOR_BYTES);
    let mut ends: Vec<usize> = if all && sectors <= 40 {
        (1..sectors).map(|sector| sector * SECTOR_BYTES).collect()
    } else {
        [1, sectors / 2, sectors.saturating_sub(1)].into_iter().map(|sector| sector * SECTOR_BYTES).collect()
    };
    // Not even a sector is written as one.
    ends.extend([1, 100, len.saturating_sub(1)]);
    ends.retain(|end| 0 < *end && *end < len);
    ends.sort_unstable();
    ends.dedup();
    ends
}
