//! What goes on after a restore: rot, a crash between the restore and its claim, another loss, and topics that grow again.

use evenkeel_core::{
    Broker, Effect, Event,
    config::StoreConfig,
    port::{FileName, Now, ObjectRequest, perform},
    store::{self, ObjectKey},
    units::{Instant, Timestamp},
};

use crate::{
    admin::partitions::grow_to,
    cuts::{INTERVAL, fill, lose_disk, newest, stored},
    rig::{Memory, Rig, Shelf, batch},
};

/// A restored directory of a log with a cut, in which something was written behind it.
fn restored() -> Rig {
    let mut rig = Rig::new(stored());
    rig.create("t", 1, &[]);
    fill(&mut rig, 3);
    rig.pass(INTERVAL * 2);
    let mut rig = lose_disk(rig);
    fill(&mut rig, 3);
    rig
}

// The state that was restored was one checkpoint, and the log begins behind it: rotten, it stopped every start until two more
// segments were full. Found by simulation, in the first world that went on after a loss.
#[test]
fn any_checkpoint_of_a_restored_directory_may_rot() {
    let mut rig = restored();
    let records = rig.read_all("t", 0);
    let checkpoint = |name: &FileName| matches!(name, FileName::Checkpoint(_));
    let mut checkpoints = rig.disk.names();
    checkpoints.retain(checkpoint);
    assert!(checkpoints.len() >= 2, "{checkpoints:?}");
    for file in checkpoints {
        let disk = rig.disk.clone();
        disk.with(|files| files.remove(&file));
        let mut again = Rig::with_store(disk, rig.store.clone(), stored());
        assert!(again.serving, "without {file}: {:?}", again.fault);
        assert_eq!(again.read_all("t", 0), records);
        let mut left = again.disk.names();
        left.retain(checkpoint);
        assert!(left.len() >= 2, "they are as many as before: {left:?}");
    }
}

// A process that starts while the store is away serves in an epoch that the store does not know. If its disk was lost then, the restore led
// in that very epoch: two logs in one epoch. Found by simulation.
#[test]
fn a_restore_leads_in_an_epoch_that_no_process_served_in() {
    let mut rig = Rig::new(stored());
    rig.create("t", 1, &[]);
    rig.pass(INTERVAL * 2);
    rig.store.set_down(true);
    for _ in 0..3 {
        rig = rig.crash();
        rig.pass(StoreConfig::default().start_wait * 2);
        assert!(rig.serving, "without the store");
    }
    let served = rig.broker.state().map(|state| state.epoch).expect("it serves");
    rig.store.set_down(false);
    let rig = lose_disk(rig);
    let restored = rig.broker.state().map(|state| state.epoch).expect("it serves");
    assert!(restored > served, "{restored} after {served}");
}

// A crash between the restore and the claim left a directory that was not empty any more: the next start served without the store, and a
// second loss of the disk gave out the same offsets again. Found by simulation.
#[test]
fn a_restore_that_was_cut_serves_nobody_before_the_store_knows_of_it() {
    let mut rig = Rig::new(stored());
    rig.create("t", 1, &[]);
    fill(&mut rig, 3);
    rig.pass(INTERVAL * 2);
    let before = newest(&rig);
    let claimed = lose_disk(rig);
    // The claim, and all that came of it, is taken back: as if the crash had come in front of it.
    let claim = newest(&claimed);
    assert!(claim.number > before.number);
    claimed.store.with(|objects| objects.remove(&ObjectKey::Manifest(claim.number)));
    let disk = cut_behind_restore(&claimed.store);
    claimed.store.set_down(true);
    let mut again = Rig::with_store(disk, claimed.store, stored());
    again.pass(StoreConfig::default().start_wait * 20);
    assert!(!again.serving, "the store knows of nobody who began there");
    again.store.set_down(false);
    again.pass(INTERVAL);
    assert!(again.serving, "{:?}", again.fault);
    let (error, first) = again.produce("t", 0, batch(1, 10, 1, 1));
    assert_eq!(error, 0);
    let (error, second) = lose_disk(again).produce("t", 0, batch(1, 10, 1, 1));
    assert!(error == 0 && second > first, "{second} after {first}");
}

/// The directory of a restore that was cut off right before its claim.
fn cut_behind_restore(store: &Shelf) -> Memory {
    let disk = Memory::default();
    let mut effects = Vec::new();
    let mut broker = Broker::boot(stored(), 5, &mut effects);
    let mut now = Now { mono: Instant(1_000), wall: Timestamp(1_000_000) };
    loop {
        let mut events = Vec::new();
        for effect in effects.drain(..) {
            match effect {
                Effect::Disk(op, request) => {
                    events.push(Event::Disk(op, perform(&disk, &request.steps)));
                }
                Effect::Object(_, request) if matches!(*request, ObjectRequest::Create { .. }) => {
                    return disk;
                }
                Effect::Object(op, request) => {
                    events.push(Event::Object(op, store::perform(store, &request)));
                }
                _ => {}
            }
        }
        now.mono = Instant(now.mono.0 + 10);
        broker.turn(now, &mut events, &mut effects);
    }
}

// A topic grew behind the last cut, and the disk was lost: partitions that it got again began at offset 0, at offsets that consumers knew
// for other records. Found by simulation.
#[test]
fn a_partition_that_was_lost_and_is_added_again_gives_out_no_offset_twice() {
    let mut rig = Rig::new(stored());
    rig.create("t", 1, &[]);
    rig.pass(INTERVAL * 2);
    grow_to(&mut rig, "t", 2);
    assert_eq!(rig.produce("t", 1, batch(5, 10, 1, 1)), (0, 0));
    let mut rig = lose_disk(rig);
    grow_to(&mut rig, "t", 3);
    for partition in [1, 2] {
        let (error, base) = rig.produce("t", partition, batch(5, 10, 2, 1));
        assert!(error == 0 && base >= 5, "{base} of partition {partition}");
        assert_eq!(rig.read_all("t", partition).len(), 1, "and is read from its start");
    }
    let mut rig = rig.crash();
    let (error, base) = rig.produce("t", 1, batch(5, 10, 2, 1));
    assert!(error == 0 && base >= 10, "{base}");
}
