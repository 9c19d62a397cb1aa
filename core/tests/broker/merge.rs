//! Small data objects that become large ones.

use std::{collections::BTreeSet, time::Duration};

use bytes::Bytes;
use evenkeel_core::{
    Config,
    config::StoreConfig,
    store::{DataRef, Index, Manifest, ObjectKey},
};

use crate::{
    admin::records::delete,
    cuts::{lose_disk, newest, stored},
    rig::{Rig, batch, small},
};

const INTERVAL: Duration = Duration::from_secs(60);
/// Behind it, what nothing refers to is gone.
const GARBAGE: Duration = Duration::from_secs(11 * 60);

fn merging(objects: u32) -> Config {
    Config { store: Some(StoreConfig { merged_objects: objects, ..StoreConfig::default() }), ..small() }
}

/// One object for each batch.
fn cuts(rig: &mut Rig, topic: &str, bytes: usize, from: usize, upto: usize) {
    for at in from..upto {
        assert_eq!(rig.produce(topic, 0, batch(10, bytes, at as u8, 1_000 + at as i64)).0, 0);
        rig.pass(INTERVAL + Duration::from_secs(2));
    }
}

fn indexes(rig: &Rig, manifest: &Manifest) -> Vec<Index> {
    let keys = manifest.indexes.iter().map(|told| ObjectKey::Index(told.name));
    rig.store.with(|objects| keys.map(|key| Index::decode(&objects[&key]).expect("whole")).collect())
}

/// All data objects, oldest first.
fn listed(rig: &Rig) -> Vec<DataRef> {
    let manifest = newest(rig);
    let indexes = indexes(rig, &manifest);
    indexes.into_iter().flat_map(|index| index.objects).chain(manifest.tail).collect()
}

/// What the store has of data, and what the newest manifest names.
fn data_keys(rig: &Rig) -> (BTreeSet<ObjectKey>, BTreeSet<ObjectKey>) {
    let there = rig.store.with(|objects| {
        objects.keys().copied().filter(|key| matches!(key, ObjectKey::Data(_))).collect::<BTreeSet<_>>()
    });
    (there, listed(rig).iter().map(|data| ObjectKey::Data(data.object.name)).collect())
}

#[test]
fn enough_small_objects_become_one_and_go() {
    let mut rig = Rig::new(merging(16));
    rig.create("t", 1, &[]);
    cuts(&mut rig, "t", 100, 0, 15);
    assert_eq!(listed(&rig).len(), 15);
    let records = rig.read_all("t", 0);
    cuts(&mut rig, "t", 100, 15, 17);
    let objects = listed(&rig);
    let ranges: Vec<_> = objects.iter().map(|data| (data.parts[0].first.0, data.parts[0].end.0)).collect();
    assert_eq!(ranges, [(0, 160), (160, 170)]);
    assert!(rig.notices.iter().any(|line| line.starts_with("16 small objects of the store became one of")));
    assert_eq!(objects[0].parts[0].newest.0, 1_015);
    let requests = |rig: &Rig| *rig.store.requests.lock().expect("not poisoned");
    rig.pass(GARBAGE);
    let (there, named) = data_keys(&rig);
    assert_eq!(there, named, "what was merged is gone");
    let before = requests(&rig);
    rig.pass(INTERVAL * 60);
    assert_eq!(requests(&rig), before, "an idle hour costs nothing");

    // Out of the merged object: after a crash, and after the disk is lost.
    let mut rig = rig.crash();
    assert!(rig.serving, "{:?}", rig.fault);
    assert_eq!(rig.read_all("t", 0)[..15], records);
    let mut rig = lose_disk(rig);
    assert!(rig.serving, "{:?}", rig.fault);
    assert_eq!(rig.read_all("t", 0)[..15], records);
    assert_eq!(rig.read_all("t", 0).len(), 17);
}

#[test]
fn none_are_merged_where_that_is_off_and_a_number_out_of_bounds_is_refused() {
    let mut rig = Rig::new(merging(0));
    rig.create("t", 1, &[]);
    cuts(&mut rig, "t", 100, 0, 40);
    assert_eq!(listed(&rig).len(), 40);
    for objects in [1, 3, 257] {
        let refused = merging(objects).check().expect_err("out of bounds");
        assert!(refused.contains("neither 0 nor 4 to 256"), "{refused}");
    }
    for objects in [0, 4, 256] {
        merging(objects).check().expect("within");
    }
}

/// However many cuts there were: few objects, and each byte was written a few times.
#[test]
fn after_many_cuts_there_are_few_objects_and_no_byte_was_written_often() {
    const CUTS: usize = 600;
    let mut rig = Rig::new(merging(16));
    rig.create("t", 1, &[]);
    let mut written = BTreeSet::new();
    for at in 0..CUTS {
        cuts(&mut rig, "t", 100, at, at + 1);
        written.extend(listed(&rig).into_iter().map(|data| (data.object.name.number, data.object.len)));
    }
    let objects = listed(&rig);
    assert!(objects.len() < 40, "{} objects", objects.len());
    let bytes: u64 = objects.iter().map(|data| data.object.len).sum();
    let all: u64 = written.iter().map(|(_, len)| len).sum();
    // Once when it was cut, then once for each fourfold: 4^5 is more than there were.
    assert!(all < bytes * 6, "{all} bytes were written for {bytes}");
    assert_eq!(rig.read_all("t", 0).len(), CUTS);
    let mut rig = lose_disk(rig);
    assert_eq!(rig.read_all("t", 0).len(), CUTS);
}

#[test]
fn objects_of_several_indexes_make_one_index_of_these() {
    let store = StoreConfig { manifest_tail_bytes: 250, merged_objects: 8, ..StoreConfig::default() };
    let mut rig = Rig::new(Config { store: Some(store), ..stored() });
    rig.create("t", 1, &[]);
    let mut most = 0;
    for at in 0..64 {
        cuts(&mut rig, "t", 100, at, at + 1);
        let manifest = newest(&rig);
        most = most.max(manifest.indexes.len());
        for (told, index) in manifest.indexes.iter().zip(indexes(&rig, &manifest)) {
            assert_eq!(told.objects as usize, index.objects.len());
        }
        let ends: Vec<_> = listed(&rig).iter().map(|data| (data.parts[0].first, data.parts[0].end)).collect();
        assert!(ends.windows(2).all(|pair| pair[0].1 == pair[1].0), "in the order of offsets: {ends:?}");
    }
    assert!(most > 1, "there were several");
    assert!(newest(&rig).indexes.len() <= 8, "{:?}", newest(&rig).indexes);
    assert!(listed(&rig).len() < 20);
    rig.pass(GARBAGE);
    let kept: BTreeSet<_> = newest(&rig).indexes.iter().map(|told| ObjectKey::Index(told.name)).collect();
    let there: BTreeSet<_> = rig
        .store
        .with(|objects| objects.keys().copied().filter(|key| matches!(key, ObjectKey::Index(_))).collect());
    assert_eq!(there, kept);
    let records = rig.read_all("t", 0);
    assert_eq!(records.len(), 64);
    let mut rig = lose_disk(rig);
    assert_eq!(rig.read_all("t", 0), records);
}

#[test]
fn what_is_deleted_does_not_come_into_the_merged_object_but_for_the_batch_at_the_log_start() {
    let mut rig = Rig::new(merging(8));
    for topic in ["t", "gone"] {
        rig.create(topic, 1, &[]);
    }
    for at in 0..7 {
        assert_eq!(rig.produce("gone", 0, batch(10, 100, 99, 5)).0, 0);
        cuts(&mut rig, "t", 100, at, at + 1);
    }
    rig.delete("gone");
    // Into the middle of the third batch.
    assert_eq!(delete(&mut rig, "t", 0, 25), (0, 25));
    cuts(&mut rig, "t", 100, 7, 12);
    let merged = listed(&rig).swap_remove(0);
    assert_eq!(merged.parts.len(), 1, "{merged:?}");
    assert_eq!((merged.parts[0].first.0, merged.parts[0].end.0 >= 80), (20, true));
    let mut rig = lose_disk(rig);
    let found: Vec<_> = rig.read_from("t", 0, 25).into_iter().map(|(base, ..)| base).collect();
    assert_eq!(found, (2..12).map(|at| at * 10).collect::<Vec<_>>());
}

#[test]
fn a_store_that_is_away_holds_up_a_merge_and_no_more() {
    let mut rig = Rig::new(merging(8));
    rig.create("t", 1, &[]);
    cuts(&mut rig, "t", 100, 0, 7);
    assert_eq!(rig.produce("t", 0, batch(10, 100, 7, 1_007)).0, 0);
    // The data, the state, the manifest, the look behind it; and then nothing.
    rig.pass(INTERVAL - Duration::from_secs(1));
    rig.store.set_down(true);
    rig.pass(INTERVAL * 5);
    assert_eq!(listed(&rig).len(), 7);
    rig.store.set_down(false);
    rig.pass(INTERVAL * 2);
    cuts(&mut rig, "t", 100, 8, 10);
    assert!(listed(&rig).len() <= 3, "{:?}", listed(&rig));
    assert_eq!(rig.read_all("t", 0).len(), 10);
}

/// Whoever is to mend a damaged object finds it as it was; the others do without it.
#[test]
fn a_damaged_object_is_told_and_stays_and_the_others_are_merged() {
    let mut rig = Rig::new(merging(4));
    rig.create("t", 1, &[]);
    cuts(&mut rig, "t", 100, 0, 3);
    let damaged = ObjectKey::Data(listed(&rig)[1].object.name);
    rig.store.with(|objects| {
        let mut bytes = objects[&damaged].to_vec();
        bytes[100] ^= 1;
        objects.insert(damaged, Bytes::from(bytes))
    });
    cuts(&mut rig, "t", 100, 3, 9);
    let told = format!("{damaged}: damaged");
    assert_eq!(rig.notices.iter().filter(|line| line.contains(&told)).count(), 1, "{:?}", rig.notices);
    let (_, named) = data_keys(&rig);
    assert!(named.contains(&damaged));
    assert!(listed(&rig).len() < 8, "the others were merged: {:?}", listed(&rig));
    rig.pass(GARBAGE);
    let (there, named) = data_keys(&rig);
    assert_eq!(there, named);
    // What it has is an error, and what the others have is there. The log still has all of it, so from the store alone.
    let mut rig = lose_disk(rig);
    assert_eq!(rig.read_from("t", 0, 20).len(), 7);
    let answer = rig.fetch("t", 0, 10);
    assert_eq!(answer.topics[0].partitions[0].error_code, 56);
}

/// A stop waits for what is not stored, and not for a merge.
#[test]
fn a_stop_does_not_wait_for_a_merge() {
    let mut rig = Rig::new(merging(4));
    rig.create("t", 1, &[]);
    cuts(&mut rig, "t", 100, 0, 5);
    let records = rig.read_all("t", 0);
    let before = rig.now.mono;
    let rig = rig.stop();
    assert!(!rig.unstored && rig.now.mono.since(before) < Duration::from_secs(1));
    let mut rig = lose_disk(rig);
    assert_eq!(rig.read_all("t", 0), records);
}
