//! A log segment, by itself: its header, its sync groups, and where and why they end.

use std::collections::BTreeMap;

use evenkeel_core::{
    limits::BLOCK_BYTES,
    log::{
        entry::Entry,
        group::{GROUP_MAGIC, GroupKind},
        scan::{ScannedGroup, ScannedRecord, SegmentScan, scan_bytes, witness},
        segment::{SegmentFront, SegmentHeader},
    },
    units::Lsn,
};

use super::{
    super::{
        batches, entries,
        sheet::{Cell, Rows, Sheet},
    },
    Details, newer,
};

/// Describes a segment.
pub(super) fn describe(bytes: &[u8], details: Details, sheet: &mut Sheet) {
    let scan = scan_bytes(bytes, None);
    let header = match &scan.front {
        SegmentFront::Begun(header, _) => Some(header),
        SegmentFront::Unused => {
            sheet.field("ends", "prepared, not begun");
            if scan.dirty_upto > BLOCK_BYTES {
                sheet
                    .notes
                    .push(format!("there are bytes that are not zero in front of byte {}", scan.dirty_upto));
            }
            None
        }
        SegmentFront::Newer(version) => {
            sheet.damage.push(newer(*version));
            None
        }
        SegmentFront::Damaged => {
            sheet.damage.push(String::from(
                "byte 0: the checksum of its header does not match. What follows is not checked against it",
            ));
            None
        }
    };
    if let Some(header) = header {
        describe_header(header, &scan, bytes, sheet);
    }
    let kinds = [
        ("data_groups", GroupKind::Data),
        ("marker_groups", GroupKind::Marker),
        ("roll_seals", GroupKind::SealRoll),
        ("stop_seals", GroupKind::SealStop),
    ];
    for (name, kind) in kinds {
        let count = scan.groups.iter().filter(|group| group.header.kind == kind).count();
        sheet.field(name, count);
    }
    sheet.table(by_kind(&scan.groups));
    if details.groups {
        sheet.table(groups(&scan));
    }
    if details.entries {
        sheet.table(records(&scan));
    }
    if details.batches {
        sheet.table(record_batches(&scan));
    }
}

fn describe_header(header: &SegmentHeader, scan: &SegmentScan, bytes: &[u8], sheet: &mut Sheet) {
    let last = scan.chained.checked_sub(1).map(|last| &scan.groups[last]);
    let next = last.map_or(header.first, |last| last.header.upto());
    let kind = last.map(|last| last.header.kind);
    sheet.field("cluster_id", &header.cluster_id[..]);
    sheet.field("node_id", header.node_id);
    sheet.field("sequence", header.sequence.0);
    sheet.field("epoch", header.epoch);
    sheet.field("made_bytes", Cell::Bytes(header.segment_bytes.into()));
    sheet.field("salt", Cell::Hex(header.salt));
    sheet.field("previous_link", Cell::Hex(header.previous.into()));
    sheet.field("first_lsn", header.first);
    sheet.field("next_lsn", next);
    sheet.field("end_byte", scan.end);
    let behind = &scan.groups[scan.chained..];
    let why = why_it_ends(scan, bytes, next);
    let ends = if let Some(proof) = witness(behind, next) {
        sheet.damage.push(format!(
            "byte {}, LSN {next}: {why}; the group at byte {} proves that more was synced",
            scan.end, proof.position
        ));
        "damaged"
    } else if scan.dirty_upto > scan.end {
        sheet.notes.push(format!(
            "byte {}, LSN {next}: {why}. Nothing in this file proves that bytes {} to {} were acknowledged; whether a younger one \
             does, `evenkeel verify` tells",
            scan.end, scan.end, scan.dirty_upto
        ));
        "torn"
    } else {
        match kind {
            Some(GroupKind::SealRoll) => "sealed: the log goes on in the next segment",
            Some(GroupKind::SealStop) => "sealed: stopped in order",
            Some(GroupKind::Data | GroupKind::Marker) | None => "between two writes",
        }
    };
    sheet.field("ends", ends);
    if scan.file_len < u64::from(header.segment_bytes) && kind != Some(GroupKind::SealStop) {
        sheet.damage.push(format!(
            "it has {} bytes of {}; what was in the rest is not known",
            scan.file_len, header.segment_bytes
        ));
    }
}

/// What stands where the chain ends.
fn why_it_ends(scan: &SegmentScan, bytes: &[u8], next: Lsn) -> String {
    let there = bytes.get(scan.end as usize..).unwrap_or_default();
    match scan.groups.get(scan.chained).filter(|group| group.position == scan.end) {
        Some(group) if !group.is_readable() => {
            String::from("a record of a type that this version does not know")
        }
        Some(group) => match group.records.iter().find_map(damaged) {
            Some(what) => what,
            None if group.header.first != next => {
                format!("the group there begins at LSN {}", group.header.first)
            }
            None => String::from("the group there does not name the one before it"),
        },
        None if there.starts_with(&GROUP_MAGIC) => {
            String::from("the checksum of the group there does not match")
        }
        None if there.iter().take(BLOCK_BYTES as usize).all(|byte| *byte == 0) => {
            String::from("there are zeros")
        }
        None => String::from("no group begins there"),
    }
}

fn damaged(record: &ScannedRecord) -> Option<String> {
    match record {
        ScannedRecord::Intact { .. } => None,
        ScannedRecord::Damaged(head) => Some(format!(
            "the batch at offset {} of partition {} is not the one that was written",
            head.base_offset, head.partition
        )),
    }
}

fn lsns(group: &ScannedGroup) -> impl Iterator<Item = (Lsn, &ScannedRecord)> {
    (group.header.first.0..).map(Lsn).zip(&group.records)
}

fn by_kind(groups: &[ScannedGroup]) -> Rows {
    let mut kinds: BTreeMap<&str, (u64, u64)> = BTreeMap::new();
    for record in groups.iter().flat_map(|group| &group.records) {
        let (kind, bytes) = match record {
            ScannedRecord::Intact { entry, .. } => (entries::kind(entry), entry.body_len()),
            ScannedRecord::Damaged(head) => ("append, damaged", head.body_len),
        };
        let (count, sum) = kinds.entry(kind).or_default();
        *count += 1;
        *sum += u64::from(bytes);
    }
    let mut rows = Rows::new("records", &["type", "records", "batch_bytes"]);
    for (kind, (count, bytes)) in kinds {
        rows.row([Cell::from(kind), Cell::from(count), Cell::Bytes(bytes)]);
    }
    rows
}

fn groups(scan: &SegmentScan) -> Rows {
    let columns =
        ["position", "bytes", "kind", "epoch", "first_lsn", "records", "synced_lsn", "link", "state"];
    let mut rows = Rows::new("groups", &columns);
    for (at, group) in scan.groups.iter().enumerate() {
        let header = &group.header;
        let kind = match header.kind {
            GroupKind::Data => "data",
            GroupKind::Marker => "marker",
            GroupKind::SealRoll => "roll seal",
            GroupKind::SealStop => "stop seal",
        };
        let state = match (at < scan.chained, group.is_intact()) {
            (true, _) => "chained",
            (false, true) => "does not follow",
            (false, false) => "damaged",
        };
        rows.row([
            Cell::from(group.position),
            Cell::from(header.padded_len()),
            Cell::from(kind),
            Cell::from(header.epoch),
            Cell::from(header.first),
            Cell::from(header.records),
            Cell::from(header.synced),
            Cell::Hex(group.link.into()),
            Cell::from(state),
        ]);
    }
    rows
}

fn records(scan: &SegmentScan) -> Rows {
    let mut rows = Rows::new("entries", &["lsn", "group", "type", "batch_bytes", "what"]);
    for group in &scan.groups {
        for (lsn, record) in lsns(group) {
            let (kind, bytes, what) = match record {
                ScannedRecord::Intact { entry, .. } => {
                    (entries::kind(entry), entry.body_len(), entries::words(entry))
                }
                ScannedRecord::Damaged(head) => {
                    ("append, damaged", head.body_len, damaged(record).unwrap_or_default())
                }
            };
            rows.row([
                Cell::from(lsn),
                Cell::from(group.position),
                Cell::from(kind),
                Cell::from(bytes),
                Cell::from(what),
            ]);
        }
    }
    rows
}

fn record_batches(scan: &SegmentScan) -> Rows {
    let mut rows = batches::table();
    for group in &scan.groups {
        for (lsn, record) in lsns(group) {
            if let ScannedRecord::Intact { entry: Entry::Append(append), position } = record {
                let (position, bytes) = (u64::from(*position), append.body_len());
                batches::row(&mut rows, lsn, position, bytes, append.partition, &append.header);
            }
        }
    }
    rows
}
