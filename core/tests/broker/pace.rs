//! When a cut is made, how often it is tried, and what is asked of the store and kept in it meanwhile.

use std::time::Duration;

use evenkeel_core::{
    Config, Event,
    config::StoreConfig,
    limits,
    port::{FileName, FoundOffset, Lane, Request, Response},
    units::Offset,
};
use kafka_protocol::messages::list_offsets_request::ListOffsetsPartition;

use crate::{
    admin::records::delete,
    cuts::{INTERVAL, fill, newest, stored},
    image::data_groups,
    rig::{Rig, batch, small},
};

/// Bytes of the batches of `fill`.
const BATCH_BYTES: u64 = 10_061;

fn requests(rig: &Rig) -> u64 {
    *rig.store.requests.lock().expect("not poisoned")
}

#[test]
fn a_cut_is_due_at_once_when_a_partition_has_just_enough_for_an_object() {
    let store = StoreConfig { object_bytes: 2 * BATCH_BYTES, ..StoreConfig::default() };
    let mut rig = Rig::new(Config { store: Some(store), ..small() });
    rig.create("t", 1, &[]);
    fill(&mut rig, 1);
    rig.pass(limits::CUT_PAUSE * 2);
    assert_eq!((newest(&rig).number, rig.broker.unstored()), (1, Some((BATCH_BYTES, false))));
    fill(&mut rig, 1);
    assert_eq!(newest(&rig).number, 2);
    assert_eq!(rig.broker.unstored(), Some((0, false)), "what is stored counts no more");
    // One batch more than that is not enough again.
    fill(&mut rig, 1);
    rig.pass(limits::CUT_PAUSE * 2);
    assert_eq!((newest(&rig).number, rig.broker.unstored()), (2, Some((BATCH_BYTES, false))));
    rig.pass(INTERVAL);
    assert_eq!((newest(&rig).number, rig.broker.unstored()), (3, Some((0, false))));
}

#[test]
fn a_cut_whose_records_cannot_be_read_is_tried_less_and_less_often_and_begins_anew_after_one_that_is_made() {
    let mut rig = Rig::new(Config { cache_bytes: 0, ..stored() });
    rig.create("t", 1, &[]);
    let given_up = |rig: &Rig| rig.notices.iter().filter(|line| line.contains("a cut was given up")).count();
    for _ in 0..2 {
        fill(&mut rig, 1);
        let groups = data_groups(&rig.disk);
        let (file, at) = *groups.last().expect("its batch");
        let flip = |rig: &Rig| rig.disk.with(|files| files.get_mut(&file).expect("there")[at + 700] ^= 1);
        flip(&rig);
        rig.notices.clear();
        rig.pass(INTERVAL + limits::STORE_RETRY_MIN);
        let first =
            rig.notices.iter().find(|line| line.contains("a cut was given up")).expect("it cannot be read");
        assert!(first.contains("ms: cannot read"), "the first wait is a short one: {first}");
        rig.pass(INTERVAL);
        let tries = given_up(&rig);
        assert!((5..20).contains(&tries), "{tries} tries in a minute");
        flip(&rig);
        rig.pass(limits::STORE_RETRY_MAX + INTERVAL);
        assert_eq!(rig.broker.unstored(), Some((0, false)));
    }
}

#[test]
fn an_object_whose_records_were_deleted_in_front_of_a_crash_goes_after_it() {
    let mut rig = Rig::new(stored());
    rig.create("t", 1, &[]);
    for _ in 0..2 {
        fill(&mut rig, 1);
        rig.pass(INTERVAL * 2);
    }
    assert_eq!(newest(&rig).tail.len(), 2);
    assert_eq!(delete(&mut rig, "t", 0, 10), (0, 10));
    let mut rig = rig.crash();
    // Something is to be stored, of another partition.
    rig.create("other", 1, &[]);
    rig.pass(INTERVAL * 2);
    let parts: Vec<_> = newest(&rig).tail.iter().map(|data| data.parts[0].first).collect();
    assert_eq!(parts, [Offset(10)]);
}

#[test]
fn a_stop_waits_for_a_checkpoint_of_all_there_is() {
    let mut rig = Rig::new(small());
    rig.create("t", 1, &[]);
    rig.produce("t", 0, batch(1, 10, 1, 5));
    let upto = rig.broker.durable().expect("it serves");
    rig.holds = Some(Lane::Background);
    rig.feed(vec![Event::Stop]);
    assert!(!rig.stopped, "the checkpoint is not written");
    rig.release();
    assert!(rig.stopped);
    assert!(rig.disk.names().contains(&FileName::Checkpoint(upto)), "{:?}", rig.disk.names());
}

/// Two partitions with records that only the store has, and some that only the log has.
fn trimmed() -> Rig {
    let mut rig = Rig::new(stored());
    rig.create("t", 2, &[]);
    for round in 0..3u8 {
        for at in 0..20u8 {
            for partition in 0..2u8 {
                let (byte, time) = (100 * partition + at, 1_000 * i64::from(round) + i64::from(at));
                assert_eq!(rig.produce("t", partition.into(), batch(10, 1000, byte, time)).0, 0);
            }
        }
        if round < 2 {
            rig.pass(INTERVAL * 2);
        }
    }
    rig
}

#[test]
fn what_the_log_has_is_not_asked_of_the_store() {
    let mut rig = trimmed();
    let FoundOffset::At { offset: local, .. } = rig.list_offset("t", 0, -4) else { panic!("there is one") };
    assert!(local > Offset(0));
    let before = requests(&rig);
    for offset in [local.0, local.0 + 10] {
        let answer = rig.fetch("t", 0, offset).topics.remove(0).partitions.remove(0);
        assert!(answer.error_code == 0 && !answer.records.is_empty());
    }
    assert_eq!(requests(&rig), before);
    assert!(!rig.fetch("t", 0, local.0 - 1).topics[0].partitions[0].records.is_empty());
    assert!(requests(&rig) > before, "and what is in front of it is");
}

#[test]
fn times_of_several_partitions_are_looked_up_in_the_store_at_once() {
    let mut rig = trimmed();
    let mut request = Rig::list_request("t", 0, 3);
    request.topics[0].partitions.push(
        ListOffsetsPartition::default()
            .with_partition_index(1)
            .with_current_leader_epoch(-1)
            .with_timestamp(5),
    );
    match rig.ask(7, Request::ListOffsets(request)) {
        Response::ListOffsets(answer) => {
            let found = answer.topics[0].partitions.iter().map(|told| match &told.found {
                FoundOffset::Within { batch, .. } => batch.concat().last().copied(),
                other => panic!("{other:?}"),
            });
            assert_eq!(found.collect::<Vec<_>>(), [Some(3), Some(105)]);
        }
        other => panic!("{other:?}"),
    }
}

#[test]
fn a_store_is_used_as_its_documentation_says_where_nothing_else_is_set() {
    let store = StoreConfig::default();
    assert_eq!((store.flush_interval, store.cut_pause), (Duration::from_secs(60), limits::CUT_PAUSE));
    assert_eq!((store.start_wait, store.stop_wait), (Duration::from_secs(10), Duration::from_secs(30)));
    assert_eq!(
        (store.object_bytes, store.merged_bytes),
        (limits::DATA_OBJECT_BYTES, limits::DATA_OBJECT_BYTES)
    );
    assert_eq!(store.manifest_tail_bytes, limits::MANIFEST_TAIL_BYTES);
    assert_eq!(
        (store.delta_state_bytes, store.merged_objects),
        (limits::DELTA_STATE_BYTES, limits::MERGED_OBJECTS)
    );
    assert_eq!((store.garbage_delay, store.manifests_kept), (limits::GARBAGE_DELAY, limits::MANIFESTS_KEPT));
    assert_eq!(store.unflushed_age_max, None);
}
