//! Retention by time and by size: what goes, what stays, and that it is so after a crash and on a disk that was lost.

use std::time::Duration;

use evenkeel_core::{
    Config,
    port::{FileName, Request},
    store::ObjectKey,
    units::Offset,
    wire::batch::HEADER_BYTES,
};

use crate::{
    admin::records::{EARLIEST, earliest},
    cuts::{lose_disk, stored},
    rig::{Rig, batch, small},
};

const CHECK: Duration = Duration::from_secs(300);

/// Batches of ten records, one for each second up to now.
fn fill(rig: &mut Rig, batches: i64) {
    let now = rig.now.wall.0;
    for at in 0..batches {
        assert_eq!(rig.produce("t", 0, batch(10, 1000, 7, now - 1000 * (batches - at))).0, 0);
    }
}

/// The clock on the wall goes on.
fn crash(rig: Rig) -> Rig {
    let wall = rig.now.wall;
    let mut rig = rig.crash();
    rig.now.wall = wall;
    rig
}

fn read_rest(rig: &mut Rig) -> Vec<(i64, i32, u8, i32)> {
    let from = earliest(rig);
    rig.read_from("t", 0, from)
}

fn bytes_of(rig: &Rig) -> u64 {
    let partition = rig.broker.state().and_then(|state| state.partitions().next()).expect("there is one");
    partition.batches.bytes()
}

#[test]
fn records_that_are_too_old_go_at_the_next_look_and_stay_away() {
    let mut rig = Rig::new(small());
    // The youngest of them is a second old now.
    rig.create("t", 1, &[("retention.ms", "305500")]);
    fill(&mut rig, 20);
    rig.pass(CHECK - Duration::from_millis(1));
    assert_eq!(earliest(&mut rig), 0);
    rig.pass(Duration::from_millis(1));
    // Those of more than 5.5 seconds before.
    assert_eq!(earliest(&mut rig), 150);
    let told = rig.notices.iter().find(|told| told.contains("are deleted")).expect("it is told");
    assert!(told.contains("in 1 partitions"), "{told}");
    let mut rig = crash(rig);
    assert_eq!(earliest(&mut rig), 150);
    rig.pass(CHECK);
    assert_eq!(earliest(&mut rig), 200, "all of it");
    assert_eq!(rig.produce("t", 0, batch(1, 10, 8, rig.now.wall.0)), (0, 200));
    assert_eq!(read_rest(&mut rig).len(), 1);
}

#[test]
fn the_bytes_that_are_to_be_kept_stay() {
    let mut rig = Rig::new(Config { retention_bytes: Some(5_000), ..small() });
    rig.create("t", 1, &[]);
    fill(&mut rig, 20);
    let each = bytes_of(&rig) / 20;
    rig.pass(CHECK);
    let kept = 5_000_u64.div_ceil(each);
    assert_eq!(bytes_of(&rig), kept * each);
    assert_eq!(earliest(&mut rig), 10 * (20 - i64::try_from(kept).expect("few")));
    // The topic has the last word.
    rig.create("all", 1, &[("retention.bytes", "-1")]);
    for _ in 0..2 {
        assert_eq!(rig.produce("all", 0, batch(10, 1000, 7, rig.now.wall.0)).0, 0);
    }
    rig.pass(CHECK);
    assert_eq!(rig.read_all("all", 0).len(), 2);
}

#[test]
fn what_is_not_visible_yet_is_not_judged() {
    let mut rig = Rig::new(Config { retention: Some(Duration::ZERO), ..small() });
    rig.create("t", 1, &[]);
    fill(&mut rig, 2);
    rig.hold_log();
    let sent = rig.send(1, 9, Rig::produce_request("t", 0, -1, batch(10, 100, 7, 1_000)));
    rig.pass(CHECK);
    let asked = rig.send(2, 7, Request::ListOffsets(Rig::list_request("t", 0, EARLIEST)));
    assert_eq!(
        (rig.reply(sent), rig.reply(asked)),
        (None, None),
        "the deletion is not told before it is durable"
    );
    rig.release();
    assert!(rig.reply(sent).is_some());
    assert_eq!(earliest(&mut rig), 20);
    rig.pass(CHECK);
    assert_eq!(earliest(&mut rig), 30);
}

#[test]
fn segments_that_hold_nothing_else_are_removed() {
    let mut rig = Rig::new(Config { retention: Some(Duration::from_secs(30)), ..small() });
    rig.create("t", 1, &[]);
    let first = |rig: &Rig| rig.disk.names().into_iter().find(|file| matches!(file, FileName::Segment(_)));
    fill(&mut rig, 80);
    let before = first(&rig);
    rig.pass(CHECK);
    fill(&mut rig, 200);
    assert!(first(&rig) > before, "{:?}", rig.disk.names());
    let kept = read_rest(&mut rig);
    let mut rig = crash(rig);
    assert_eq!(read_rest(&mut rig), kept);
}

#[test]
fn what_only_the_store_has_goes_too_and_its_objects_with_it() {
    let mut rig = Rig::new(Config { retention: Some(Duration::from_secs(3600)), ..stored() });
    rig.create("t", 1, &[]);
    for _ in 0..4 {
        fill(&mut rig, 40);
        rig.pass(CHECK);
    }
    let partition = rig.broker.state().and_then(|state| state.partitions().next()).expect("there is one");
    let in_log = partition.batches.first().map(|batch| batch.base_offset());
    assert!(in_log > Some(Offset(400)), "the first are in the store only: {in_log:?}");
    let objects = |rig: &Rig| {
        rig.store.with(|objects| objects.keys().filter(|key| matches!(key, ObjectKey::Data(_))).count())
    };
    let before = objects(&rig);
    // An hour after the first were written, but not after the others.
    for _ in 0..8 {
        rig.pass(CHECK);
    }
    assert_eq!(earliest(&mut rig), 400, "an object goes as a whole");
    rig.pass(CHECK * 3);
    assert_eq!(earliest(&mut rig), 1600);
    rig.pass(CHECK * 3);
    assert!(objects(&rig) < before, "{before} objects are still there");
    let mut rig = lose_disk(rig);
    assert_eq!(earliest(&mut rig), 1600);
    assert_eq!(read_rest(&mut rig), vec![]);
}

#[test]
fn bytes_are_counted_once_where_log_and_store_both_have_them() {
    let mut rig = Rig::new(stored());
    rig.create("t", 1, &[("retention.bytes", "1000000")]);
    for _ in 0..4 {
        fill(&mut rig, 40);
        rig.pass(Duration::from_secs(70));
    }
    rig.pass(CHECK);
    // An object of 40 batches goes while all behind it are enough.
    let each = 10 * 1000 + HEADER_BYTES;
    let kept = read_rest(&mut rig);
    assert!(100 * each > 1_000_000 && 80 * each < 1_000_000);
    assert_eq!((kept.len(), kept[0].0), (120, 400));
}

#[test]
fn nothing_is_judged_before_the_store_has_said_what_it_has() {
    let mut rig = Rig::new(Config { retention: Some(Duration::from_secs(60)), ..stored() });
    rig.create("t", 1, &[]);
    fill(&mut rig, 80);
    rig.pass(Duration::from_secs(61));
    fill(&mut rig, 80);
    rig.pass(Duration::from_secs(61));
    rig.store.set_down(true);
    let mut rig = crash(rig);
    rig.pass(Duration::from_secs(11));
    let before = earliest(&mut rig);
    rig.pass(CHECK * 2);
    assert_eq!(earliest(&mut rig), before);
    rig.store.set_down(false);
    rig.pass(CHECK * 2);
    assert!(earliest(&mut rig) > before);
}

#[test]
fn records_that_the_log_has_go_by_their_own_age_though_an_object_has_them_with_younger_ones() {
    let mut rig = Rig::new(stored());
    rig.create("t", 1, &[("retention.ms", "400000")]);
    let now = rig.now.wall.0;
    for age in [200_000, 1_000] {
        assert_eq!(rig.produce("t", 0, batch(10, 1000, 7, now - age)).0, 0);
    }
    rig.pass(CHECK - Duration::from_secs(1));
    assert_eq!((earliest(&mut rig), crate::cuts::newest(&rig).tail.len()), (0, 1));
    rig.pass(Duration::from_secs(2));
    assert_eq!(earliest(&mut rig), 10);
}
