//! Starts on a full disk, and what a start leaves behind.

use std::time::Duration;

use evenkeel_core::{Config, port::FileName};

use crate::rig::{Memory, Rig, batch, small};

/// The newest segment that was begun, and its size.
fn newest(disk: &Memory) -> (FileName, u64) {
    disk.with(|files| {
        let begun = |(name, bytes): (&FileName, &Vec<u8>)| {
            let begun = matches!(name, FileName::Segment(_)) && bytes.first().is_some_and(|byte| *byte != 0);
            begun.then_some((*name, bytes.len() as u64))
        };
        files.iter().filter_map(begun).next_back().expect("a log")
    })
}

#[test]
fn a_start_on_a_full_disk_serves_deletes_and_takes_writes_again_by_itself() {
    let roomy = Config { segment_bytes: 4 << 20, ..small() };
    // What a segment needs is not there, but a good part of it, or just enough for a start.
    for (config, room) in [(roomy, 1 << 21), (small(), 40_000)] {
        let mut rig = Rig::new(config.clone());
        rig.create("t", 1, &[]);
        rig.create("u", 1, &[]);
        for _ in 0..3 {
            assert_eq!(rig.produce("t", 0, batch(1, 10_000, 1, 5)).0, 0);
        }
        let disk = rig.disk.clone();
        disk.leave_room(room);
        let mut rig = Rig::on(disk, config.clone());
        assert!(rig.serving, "{:?}", rig.fault);
        assert!(newest(&rig.disk).1 <= room);
        let warned = "the disk is full: starting with a smaller log segment";
        assert!(rig.notices.iter().any(|line| line.contains(warned)), "{:?}", rig.notices);
        assert_eq!(rig.read_all("t", 0).len(), 3);
        assert_eq!(rig.produce("t", 0, batch(1, 10_000, 1, 5)), (56, -1), "until there is room");
        rig.delete("u");
        // Room again: it goes on by itself, also behind one more kill.
        rig.disk.fill(false);
        rig.pass(Duration::from_secs(40));
        assert_eq!(rig.produce("t", 0, batch(1, 10_000, 1, 5)), (0, 3));
        let mut rig = rig.crash();
        assert_eq!(rig.read_all("t", 0).len(), 4);
        assert!(rig.broker.state().is_some_and(|state| state.topic_named("u").is_none()));
        assert_eq!(newest(&rig.disk).1, u64::from(config.segment_bytes));
    }
}

#[test]
fn a_start_without_any_room_says_what_it_needs() {
    let mut rig = Rig::new(small());
    rig.create("t", 1, &[]);
    let disk = rig.disk.clone();
    disk.fill(true);
    let rig = Rig::on(disk, small());
    assert!(!rig.serving);
    let fault = format!("{:?}", rig.fault);
    assert!(fault.contains("Full"), "{fault}");
    let said = match &rig.fault {
        Some(evenkeel_core::port::Fault::Refused(refusal)) => refusal.to_string(),
        other => panic!("{other:?}"),
    };
    assert!(said.contains("make room on the disk, and start again"), "{said}");
    // Nothing was given up.
    let disk = rig.disk;
    disk.fill(false);
    let mut rig = Rig::on(disk, small());
    assert_eq!(rig.produce("t", 0, batch(1, 10, 1, 5)), (0, 0));
}

#[test]
fn segments_that_are_prepared_make_room_for_a_start() {
    let mut rig = Rig::new(small());
    rig.create("t", 1, &[]);
    rig.pass(Duration::from_secs(1));
    let spares = |disk: &Memory| {
        disk.with(|files| {
            let unused = |(name, bytes): (&FileName, &Vec<u8>)| {
                matches!(name, FileName::Segment(_))
                    && !bytes.is_empty()
                    && bytes.iter().all(|byte| *byte == 0)
            };
            files.iter().filter(|file| unused(*file)).count()
        })
    };
    assert_eq!(spares(&rig.disk), 2);
    let disk = rig.disk.clone();
    disk.leave_room(40_000);
    let rig = Rig::on(disk, small());
    assert!(rig.serving, "{:?}", rig.fault);
    assert_eq!(spares(&rig.disk), 0, "one became the log, the other one room");
}
