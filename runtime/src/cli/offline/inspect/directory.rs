//! A data directory: a line for each file.

use std::{fs, path::Path};

use evenkeel_core::{
    log::{
        ScanOrder,
        identity::{Identity, NotAnIdentity},
        scan,
        scan::{SegmentScan, witness},
        segment::SegmentFront,
    },
    port::{Disk, DiskError, DiskErrorKind, DiskReply, DiskStep, FileName, perform},
    state::checkpoint::{self, NotACheckpoint},
};

use super::super::{
    super::failure::{Failure, reason},
    sheet::{Cell, Rows, Sheet},
};
use crate::disk::look::Look;

const UNMATCHED: &str = "its checksum does not match";

/// What is in a directory.
pub(super) fn sheet(path: &Path) -> Result<Sheet, Failure> {
    let wrong = |error: std::io::Error| Failure::Wrong(format!("{}: {}", path.display(), reason(&error)));
    let look = Look::beside(path).map_err(wrong)?;
    let files = look.list().map_err(|error| Failure::Wrong(error.to_string()))?;
    let mut sheet = Sheet::default();
    sheet.field("kind", "data directory");
    sheet.field("source", path.display().to_string());
    if Look::alone(path).is_err_and(|error| error.kind() == std::io::ErrorKind::ResourceBusy) {
        sheet.notes.push(String::from("a broker is running on it: what it writes just now may look torn"));
    }
    let everything = fs::read_dir(path).map_err(wrong)?.count();
    let bytes = files.iter().map(|entry| entry.len).sum();
    sheet.field("files", files.len());
    sheet.field("file_bytes", Cell::Bytes(bytes));
    sheet.field("other_files", everything.saturating_sub(files.len()));
    let mut rows = Rows::new("file_list", &["file", "bytes", "what"]);
    for entry in &files {
        let what = match about(&look, entry.file) {
            Ok(Ok(what)) => what,
            // Of a log that goes on.
            Err(error) if error.kind == DiskErrorKind::NotFound => String::from("gone meanwhile"),
            Err(error) => return Err(Failure::Wrong(error.to_string())),
            Ok(Err(why)) => {
                sheet.damage.push(format!("{}: {why}", entry.file));
                String::from("damaged")
            }
        };
        rows.row([Cell::from(entry.file.to_string()), Cell::Bytes(entry.len), Cell::from(what)]);
    }
    sheet.table(rows);
    if !files.iter().any(|entry| matches!(entry.file, FileName::Identity | FileName::Segment(_))) {
        sheet.notes.push(String::from("there is no log in it"));
    }
    Ok(sheet)
}

/// A file in a few words; the inner error is what is damaged about it.
fn about(look: &Look, file: FileName) -> Result<Result<String, String>, DiskError> {
    let read = || match perform(look, &[DiskStep::Read(file)]).map(|mut replies| replies.pop()) {
        Ok(Some(DiskReply::Bytes(bytes))) => Ok(bytes),
        Ok(_) => unreachable!("a read was asked for"),
        Err(error) => Err(error),
    };
    Ok(match file {
        FileName::Identity => match Identity::decode(&read()?) {
            Ok(told) => {
                Ok(format!("cluster {}, node {}, epoch {}", told.cluster_id, told.node_id, told.epoch))
            }
            Err(NotAnIdentity::Damaged) => Err(String::from(UNMATCHED)),
            Err(NotAnIdentity::Newer(version)) => Err(super::newer(version)),
        },
        FileName::Checkpoint(told) => match checkpoint::decode(&read()?) {
            Ok((state, lsn)) if lsn == told => Ok(format!(
                "{} topics, {} partitions, {} groups",
                state.topics().count(),
                state.partition_count(),
                state.group_count()
            )),
            Ok((_, lsn)) => Err(format!("it is the state at LSN {lsn}")),
            Err(NotACheckpoint::Damaged) => Err(String::from(UNMATCHED)),
            Err(NotACheckpoint::Newer(version)) => Err(super::newer(version)),
        },
        FileName::Segment(_) => {
            let order = ScanOrder { file, salt: None };
            let found = scan(look, &order)?;
            match segment(&found) {
                Ok(what) => Ok(what),
                // Of a file that grows, the front may be older than the rest.
                Err(why) => {
                    let again = scan(look, &order)?;
                    if again.end == found.end { Err(why) } else { segment(&again) }
                }
            }
        }
        FileName::IdentityDraft | FileName::SegmentDraft(_) | FileName::CheckpointDraft(_) => {
            Ok(String::from("not finished"))
        }
        FileName::Reserve => Ok(String::from("room for a start on a full disk")),
        FileName::Torn(_) => Ok(String::from("copy of a torn end, never acknowledged")),
        FileName::Lost(epoch, _) => Ok(format!("given up when epoch {epoch} began")),
        FileName::LossReport(epoch) => Ok(format!("what was lost when epoch {epoch} began")),
    })
}

fn segment(scan: &SegmentScan) -> Result<String, String> {
    let header = match &scan.front {
        SegmentFront::Begun(header, _) => header,
        SegmentFront::Unused => return Ok(String::from("prepared, not begun")),
        SegmentFront::Newer(version) => return Err(super::newer(*version)),
        SegmentFront::Damaged => return Err(String::from("its header is damaged")),
    };
    let (chain, behind) = scan.groups.split_at(scan.chained);
    let next = chain.last().map_or(header.first, |last| last.header.upto());
    if witness(behind, next).is_some() {
        return Err(format!("it breaks at byte {}, LSN {next}", scan.end));
    }
    let torn = if scan.dirty_upto > scan.end { ", torn end" } else { "" };
    Ok(format!("LSN {} to {next}, epoch {}, {} groups{torn}", header.first, header.epoch, scan.chained))
}
