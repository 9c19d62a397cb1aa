//! A data directory: what a start would say of it, and whether each checkpoint says what the log says.

use std::{io::ErrorKind, path::Path};

use evenkeel_core::{
    Config,
    limits::BLOCK_BYTES,
    log::{
        Refusal, ScanOrder,
        identity::{Identity, NotAnIdentity},
        recovery::{End, Recovered, Verdict},
        scan,
        segment::{SegmentFront, SegmentHeader},
    },
    port::{Disk, DiskReply, DiskStep, FileEntry, FileName, Level, perform},
    state::{
        StoreLink,
        checkpoint::{self, NotACheckpoint},
    },
    units::Lsn,
};

use super::super::{
    super::failure::{Failure, reason},
    findings::{Findings, Matter},
    sheet::{Cell, Sheet},
    survey::{Earlier, Survey, survey},
};
use crate::disk::look::Look;

/// What was found.
pub(super) struct Directory {
    pub(super) sheet: Sheet,
    /// `None`: a start would be refused.
    pub(super) known: Option<Known>,
}

/// What a directory says of itself.
pub(super) struct Known {
    pub(super) cluster_id: String,
    pub(super) store: StoreLink,
    /// LSN behind the last record.
    pub(super) next: Lsn,
}

/// Verifies a directory.
///
/// # Errors
/// It is not there, or a broker runs on it.
pub(super) fn verify(path: &Path, findings: &mut Findings) -> Result<Directory, Failure> {
    let look = Look::alone(path).map_err(|error| {
        let busy = error.kind() == ErrorKind::ResourceBusy;
        let why = if busy {
            String::from("a broker is running on it; stop it first, or verify a copy")
        } else {
            reason(&error)
        };
        Failure::Wrong(format!("{}: {why}", path.display()))
    })?;
    let mut sheet = Sheet::default();
    sheet.field("data_directory", path.display().to_string());
    let files = match look.list() {
        Ok(files) => files,
        Err(error) => {
            findings.disk(&error);
            return Ok(Directory { sheet, known: None });
        }
    };
    let identity = identity(&look, &files, findings);
    let checkpoints = checkpoints(&look, &files, findings);
    // It belongs to whoever it says; where it does not say, any node will do.
    let node_id = identity.as_ref().map_or(Config::default().node_id, |identity| identity.node_id);
    let config = Config { node_id, ..Config::default() };
    let found = survey(&look, config.clone(), None);
    tell(&found, findings);
    let segments: Vec<&FileEntry> =
        files.iter().filter(|entry| matches!(entry.file, FileName::Segment(_))).collect();
    sheet.field("cluster_id", identity.as_ref().map(|identity| &identity.cluster_id[..]));
    sheet.field("node_id", identity.as_ref().map(|identity| identity.node_id));
    sheet.field("epoch", identity.as_ref().map(|identity| identity.epoch));
    sheet.field("segments", segments.len());
    sheet.field("segment_bytes", Cell::Bytes(segments.iter().map(|entry| entry.len).sum()));
    sheet.field("checkpoints", checkpoints.len());
    leftovers(&files, findings);
    let begun = identity.is_some() || !segments.is_empty();
    let Some((verdict, recovered)) = found.verdict().filter(|_| begun) else {
        sheet.field("log_ends", if begun { "a start would be refused" } else { "it was never begun" });
        return Ok(Directory { sheet, known: None });
    };
    describe(verdict, recovered, &mut sheet);
    compare(&look, &config, &files, &checkpoints, (verdict, recovered), findings);
    unused(&look, &segments, verdict, findings);
    let (cluster_id, store) = (recovered.cluster_id.clone(), recovered.state.store);
    Ok(Directory { sheet, known: Some(Known { cluster_id, store, next: verdict.next }) })
}

fn read(look: &Look, file: FileName, findings: &mut Findings) -> Option<bytes::Bytes> {
    match perform(look, &[DiskStep::Read(file)]).map(|mut replies| replies.pop()) {
        Ok(Some(DiskReply::Bytes(bytes))) => Some(bytes),
        Ok(_) => unreachable!("a read was asked for"),
        Err(error) => {
            findings.disk(&error);
            None
        }
    }
}

fn identity(look: &Look, files: &[FileEntry], findings: &mut Findings) -> Option<Identity> {
    let begun = files.iter().any(|entry| matches!(entry.file, FileName::Segment(_)));
    if !files.iter().any(|entry| entry.file == FileName::Identity) {
        if begun {
            findings.add(Matter::Missing, FileName::Identity, "there is a log, and nothing says whose it is");
        } else {
            let what = "there is no log in it: nothing was ever written there, or it is another place";
            findings.add(Matter::Unreadable, "data directory", what);
        }
        return None;
    }
    match Identity::decode(&read(look, FileName::Identity, findings)?) {
        Ok(identity) => Some(identity),
        Err(NotAnIdentity::Damaged) => {
            findings.add(Matter::Damaged, FileName::Identity, "its checksum does not match");
            None
        }
        // Told by recovery, which refuses it.
        Err(NotAnIdentity::Newer(_)) => None,
    }
}

/// Those that are intact, oldest first.
fn checkpoints(look: &Look, files: &[FileEntry], findings: &mut Findings) -> Vec<Lsn> {
    let mut intact = Vec::new();
    for entry in files {
        let FileName::Checkpoint(told) = entry.file else { continue };
        let Some(bytes) = read(look, entry.file, findings) else { continue };
        match checkpoint::decode(&bytes) {
            Ok((_, lsn)) if lsn == told => intact.push(told),
            Ok((_, lsn)) => {
                findings.add(Matter::Damaged, entry.file, format!("it is the state at LSN {lsn}"));
            }
            Err(NotACheckpoint::Damaged) => {
                findings.add(Matter::Damaged, entry.file, "its checksum does not match");
            }
            Err(NotACheckpoint::Newer(version)) => {
                let what = format!("it was written by a newer version of evenkeel (format {version})");
                findings.add(Matter::Unreadable, entry.file, what);
            }
        }
    }
    intact
}

/// What a start would say.
fn tell(found: &Survey, findings: &mut Findings) {
    for notice in found.notices.iter().filter(|notice| notice.level > Level::Info) {
        // What was found before is told once.
        let about = notice
            .text
            .split([' ', ':'])
            .find(|word| FileName::parse(word).is_some() && findings.tell_of(word));
        if about.is_none() {
            findings.add(Matter::Damaged, "log", &notice.text);
        }
    }
    match &found.refusal {
        None => {}
        Some(Refusal::Damage(damage)) => {
            let upto = damage.upto.map_or_else(|| String::from("on"), |upto| format!("to {}", upto.0 - 1));
            findings.add(
                Matter::Damaged,
                "log",
                format!(
                    "records from LSN {} {upto} were acknowledged and are damaged or missing; {} behind them are intact",
                    damage.from, damage.intact_behind
                ),
            );
            for cause in &damage.causes {
                findings.add(Matter::Damaged, "log", cause);
            }
            for range in &damage.partitions {
                let what = match range.upto {
                    Some(upto) => format!("offsets {} to {}", range.from, upto.0 - 1),
                    None => format!("offsets from {} on, if there were any", range.from),
                };
                findings.add(Matter::Damaged, format!("{}-{}", range.topic, range.partition), what);
            }
        }
        Some(Refusal::Disk(error)) => findings.disk(error),
        Some(refusal @ Refusal::ForeignCluster { file, .. }) => {
            findings.add(Matter::Damaged, file, refusal);
        }
        Some(refusal @ Refusal::NewerFormat { file, .. }) => findings.add(Matter::Unreadable, file, refusal),
        Some(
            refusal @ (Refusal::ForeignNode { .. }
            | Refusal::Store(_)
            | Refusal::EpochsExhausted
            | Refusal::LossNotNamed { .. }),
        ) => findings.add(Matter::Damaged, "log", refusal),
    }
}

fn describe(verdict: Verdict, recovered: &Recovered, sheet: &mut Sheet) {
    let state = &recovered.state;
    sheet.field("records", verdict.records);
    sheet.field("next_lsn", verdict.next);
    sheet.field(
        "log_ends",
        match verdict.end {
            End::New | End::Restored => String::from("there is none"),
            End::Sealed => String::from("sealed: stopped in order"),
            End::Unsealed => String::from("between two writes: killed"),
            End::Torn(torn) => format!("torn, at byte {} of {}", torn.from, FileName::Segment(torn.segment)),
        },
    );
    sheet.field("topics", state.topics().count());
    sheet.field("partitions", state.partition_count());
    sheet.field("consumer_groups", state.group_count());
    sheet.field("batches", state.partitions().map(|partition| partition.batches.len()).sum::<usize>());
    let bytes = state.partitions().map(|partition| partition.batches.bytes()).sum();
    sheet.field("batch_bytes", Cell::Bytes(bytes));
    sheet.field("stored_upto_lsn", Some(state.store.cut).filter(|cut| *cut > Lsn(0)));
}

/// Whichever checkpoint a replay begins with, the log leads to the same state. The oldest is held against the whole log, if that is
/// there.
fn compare(
    look: &Look,
    config: &Config,
    files: &[FileEntry],
    checkpoints: &[Lsn],
    (verdict, recovered): (Verdict, &Recovered),
    findings: &mut Findings,
) {
    let state = |recovered: &Recovered| checkpoint::encode(&recovered.state, verdict.next);
    let mut expected = state(recovered);
    let whole = begins_at_zero(look, files);
    for (at, newest) in checkpoints.iter().enumerate().rev() {
        if at == 0 && !whole {
            break;
        }
        let earlier = Earlier { disk: look, hidden_from: *newest };
        let found = survey(&earlier, config.clone(), None);
        let place = FileName::Checkpoint(*newest);
        match found.verdict() {
            Some((_, recovered)) => {
                let led_to = state(recovered);
                if led_to != expected {
                    findings.add(Matter::Damaged, place, "it does not say what the log says");
                }
                expected = led_to;
            }
            None => {
                let why = found.refusal.map(|refusal| refusal.to_string()).unwrap_or_default();
                let first = why.lines().next().unwrap_or_default();
                findings.add(
                    Matter::Damaged,
                    place,
                    format!("without it the log does not lead there: {first}"),
                );
                return;
            }
        }
    }
}

fn begins_at_zero(look: &Look, files: &[FileEntry]) -> bool {
    let oldest = files.iter().find(|entry| matches!(entry.file, FileName::Segment(_)));
    oldest.is_some_and(|oldest| {
        let mut block = vec![0; BLOCK_BYTES as usize];
        let read = look.read_at(oldest.file, 0, &mut block);
        let front = read.map(|_| SegmentHeader::decode(&block));
        matches!(front, Ok(SegmentFront::Begun(header, _)) if header.first == Lsn(0))
    })
}

/// What is not part of the log, and tells of what happened.
fn leftovers(files: &[FileEntry], findings: &mut Findings) {
    for entry in files {
        let what = match entry.file {
            FileName::Identity | FileName::Segment(_) | FileName::Checkpoint(_) | FileName::Reserve => {
                continue;
            }
            FileName::IdentityDraft | FileName::SegmentDraft(_) | FileName::CheckpointDraft(_) => {
                "left by something that was cut short; the next start removes it"
            }
            FileName::Torn(_) => "a copy of a torn end, which was never acknowledged",
            FileName::Lost(..) => "given up when a loss was accepted",
            FileName::LossReport(_) => "tells of a loss",
        };
        findings.add(Matter::Note, entry.file, what);
    }
}

/// Segments that were prepared and not begun are zeros. Others than zeros harm nobody: a power loss may leave them.
fn unused(look: &Look, segments: &[&FileEntry], verdict: Verdict, findings: &mut Findings) {
    let torn = match verdict.end {
        End::Torn(torn) => Some(torn),
        End::New | End::Restored | End::Sealed | End::Unsealed => None,
    };
    if let Some(torn) = torn {
        let what = format!(
            "torn end: bytes {} to {} belong to a write that was never acknowledged; the next start cuts them off",
            torn.from, torn.upto
        );
        findings.add(Matter::Note, FileName::Segment(torn.segment), what);
    }
    for entry in segments {
        let order = ScanOrder { file: entry.file, salt: None };
        let found = match scan(look, &order) {
            Ok(found) => found,
            Err(error) => {
                findings.disk(&error);
                continue;
            }
        };
        let begun = matches!(found.front, SegmentFront::Begun(..));
        let known = torn.is_some_and(|torn| FileName::Segment(torn.segment) == entry.file);
        let zeros = found.front == SegmentFront::Unused && found.dirty_upto == BLOCK_BYTES;
        if !begun && !known && !zeros && !findings.tell_of(&entry.file.to_string()) {
            findings.add(Matter::Note, entry.file, "it was not begun, and there is more than zeros in it");
        }
    }
}
