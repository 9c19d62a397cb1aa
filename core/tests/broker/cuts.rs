//! Cuts and restores: what comes into the object store, what the log may then forget, and what an empty disk gets back.

use std::time::Duration;

use evenkeel_core::{
    Broker, Config, Effect, Event,
    config::StoreConfig,
    log::Refusal,
    port::{Fault, FileName, FoundOffset, Lane, Now, Request, Response, perform},
    store::{self, Manifest, ObjectKey},
    units::{Instant, Lsn, Offset, SegmentSequence},
};

use crate::{
    admin::records::delete,
    rig::{Memory, Rig, Shelf, batch, small},
};

pub(crate) const INTERVAL: Duration = Duration::from_secs(60);

pub(crate) fn stored() -> Config {
    Config { store: Some(StoreConfig::default()), ..small() }
}

fn manifests(rig: &Rig) -> Vec<Manifest> {
    rig.store.with(|objects| {
        let manifests = objects.iter().filter(|(key, _)| matches!(key, ObjectKey::Manifest(_)));
        manifests.map(|(_, bytes)| Manifest::decode(bytes).expect("whole")).collect()
    })
}

pub(crate) fn newest(rig: &Rig) -> Manifest {
    manifests(rig).pop().expect("there is one")
}

/// Starts with an empty disk.
pub(crate) fn lose_disk(rig: Rig) -> Rig {
    Rig::with_store(Memory::default(), rig.store, rig.config)
}

pub(crate) fn fill(rig: &mut Rig, batches: usize) {
    for at in 0..batches {
        assert_eq!(rig.produce("t", 0, batch(10, 1000, at as u8, 1_000 + at as i64)).0, 0);
    }
}

#[test]
fn the_first_start_takes_the_epoch_and_a_change_is_in_the_store_after_the_interval() {
    let mut rig = Rig::new(stored());
    assert!(rig.serving);
    let first = newest(&rig);
    assert_eq!((first.number, first.cut, first.state), (1, Lsn(0), None));
    rig.create("t", 2, &[]);
    fill(&mut rig, 3);
    rig.pass(INTERVAL - Duration::from_millis(100));
    assert_eq!(newest(&rig), first);
    rig.pass(Duration::from_millis(200));
    let second = newest(&rig);
    assert_eq!(second.number, 2);
    assert_eq!(second.tail.len(), 1);
    let part = second.tail[0].parts[0];
    assert_eq!((part.first, part.end), (Offset(0), Offset(30)));
    // What earlier processes left is looked for once.
    rig.pass(INTERVAL * 30);
    let requests = *rig.store.requests.lock().expect("not poisoned");
    rig.pass(INTERVAL * 60);
    assert_eq!(*rig.store.requests.lock().expect("not poisoned"), requests, "an idle hour costs nothing");
    assert_eq!(newest(&rig), second);
}

/// Bytes of state objects that were written since, and what the newest manifest refers to.
fn states(rig: &Rig) -> Vec<(ObjectKey, usize)> {
    rig.store.with(|objects| {
        let states = objects.iter().filter(|(key, _)| matches!(key, ObjectKey::State(_)));
        states.map(|(key, bytes)| (*key, bytes.len())).collect()
    })
}

#[test]
fn a_cut_writes_of_a_large_state_what_has_changed_and_an_empty_disk_gets_all_of_it() {
    let store = StoreConfig { delta_state_bytes: 10_000, ..StoreConfig::default() };
    let mut rig = Rig::new(Config { store: Some(store), ..small() });
    rig.create("still", 400, &[]);
    rig.create("t", 2, &[]);
    rig.pass(INTERVAL * 2);
    let whole = newest(&rig).state.expect("a cut was made");
    assert!(newest(&rig).delta.is_none() && whole.len > 10_000, "{whole:?}");
    // A hundredth of it at each cut, until a whole one would have been less.
    let (mut deltas, mut sum) = (0, 0);
    while newest(&rig).state == Some(whole) {
        fill(&mut rig, 1);
        rig.pass(INTERVAL * 2);
        if let Some(delta) = newest(&rig).delta {
            assert!(delta.len * 20 < whole.len, "{delta:?} of {whole:?}");
            (deltas, sum) = (deltas + 1, sum + delta.len);
            assert!(deltas < 1000, "it goes on for ever");
        }
        if deltas == 3 {
            let mut restored = Rig::with_store(Memory::default(), rig.store.clone(), rig.config.clone());
            assert_eq!(restored.read_all("t", 0), rig.read_all("t", 0));
            assert!(restored.broker.state().is_some_and(|state| state.partition_count() == 402));
        }
    }
    assert!(deltas > 20 && sum <= whole.len, "{deltas} of {sum} bytes");
    assert!(newest(&rig).delta.is_none(), "all of it again");
    // What nobody refers to goes.
    fill(&mut rig, 1);
    rig.pass(INTERVAL * 30);
    assert_eq!(states(&rig).len(), 2, "a whole one and what has changed: {:?}", newest(&rig));

    // A start knows of no state that it has written: its first cut has it all.
    let mut rig = rig.crash();
    fill(&mut rig, 1);
    rig.pass(INTERVAL * 30);
    assert_eq!((newest(&rig).delta, states(&rig).len()), (None, 1));
    let records = rig.read_all("t", 0);
    let mut rig = lose_disk(rig);
    assert_eq!(rig.read_all("t", 0), records);
}

#[test]
fn a_store_that_is_new_to_an_old_log_gets_all_of_it() {
    let mut rig = Rig::new(small());
    rig.create("t", 1, &[]);
    fill(&mut rig, 3);
    let records = rig.read_all("t", 0);
    let disk = rig.disk.clone();
    let mut rig = Rig::with_store(disk, Shelf::default(), stored());
    assert!(rig.broker.recovery_point(rig.now.mono).is_some());
    rig.pass(INTERVAL * 2);
    assert_eq!(newest(&rig).tail[0].parts[0].end, Offset(30));
    let mut rig = lose_disk(rig);
    assert_eq!(rig.read_all("t", 0), records);
}

#[test]
fn what_is_deleted_after_a_cut_has_begun_is_in_that_cut() {
    let mut rig = Rig::new(stored());
    rig.create("t", 1, &[]);
    fill(&mut rig, 2);
    // The cut begins while a batch is on its way into the log, and the topic goes before that is durable.
    rig.hold_log();
    let produced = rig.send(1, 9, Rig::produce_request("t", 0, -1, batch(10, 1000, 2, 1_002)));
    rig.pass(INTERVAL);
    assert_eq!(newest(&rig).number, 1);
    rig.send(1, 5, Rig::delete_request("t"));
    rig.release();
    assert!(rig.reply(produced).is_some());
    assert!(rig.broker.state().is_some_and(|state| state.topic_named("t").is_none()));
    let cut = newest(&rig);
    assert_eq!((cut.number, cut.tail[0].parts[0].end), (2, Offset(30)));

    let mut rig = lose_disk(rig);
    let found: Vec<_> = rig.read_all("t", 0).into_iter().map(|(base, _, byte, _)| (base, byte)).collect();
    assert_eq!(found, [(0, 0), (10, 1), (20, 2)]);
}

#[test]
fn an_index_that_cannot_be_read_stays_until_it_can() {
    let store = StoreConfig { manifest_tail_bytes: 100, ..StoreConfig::default() };
    let mut rig = Rig::new(Config { store: Some(store), ..stored() });
    for topic in ["gone", "kept"] {
        rig.create(topic, 1, &[]);
        assert_eq!(rig.produce(topic, 0, batch(10, 1000, 7, 5)).0, 0);
        rig.pass(INTERVAL * 2);
    }
    let index = newest(&rig).indexes[0];
    assert_eq!(index.objects, 2, "{:?}", newest(&rig));
    let key = ObjectKey::Index(index.name);
    let taken = rig.store.with(|objects| objects.remove(&key)).expect("it is there");
    rig.delete("gone");
    rig.pass(INTERVAL * 2);
    assert_eq!(newest(&rig).indexes, [index], "what it holds is not known");

    rig.store.with(|objects| objects.insert(key, taken));
    rig.create("other", 1, &[]);
    rig.pass(INTERVAL * 2);
    assert_eq!(newest(&rig).indexes[0].objects, 1);
    let mut rig = lose_disk(rig);
    assert_eq!(rig.read_all("kept", 0).len(), 1);
}

/// It would be served once by one object and once by another.
#[test]
fn a_manifest_that_lists_offsets_twice_is_no_start_and_is_not_taken_up() {
    let mut rig = Rig::new(stored());
    rig.create("t", 1, &[]);
    fill(&mut rig, 2);
    rig.pass(INTERVAL * 2);
    let mut twice = newest(&rig);
    twice.tail.push(twice.tail[0].clone());
    let key = ObjectKey::Manifest(twice.number);
    rig.store.with(|objects| objects.insert(key, twice.encode().into()));
    let mut rig = rig.crash();
    rig.pass(INTERVAL * 2);
    assert!(rig.serving && rig.fault.is_none(), "{:?}", rig.fault);
    assert_eq!(newest(&rig), twice, "nothing goes on from there");

    let mut rig = lose_disk(rig);
    rig.pass(Duration::from_secs(35));
    assert!(matches!(rig.fault, Some(Fault::Refused(Refusal::Store(_)))), "{:?}", rig.fault);
    assert!(rig.disk.names().is_empty(), "nothing was begun");
}

#[test]
fn a_cut_of_a_thousand_small_partitions_is_a_handful_of_requests() {
    let mut rig = Rig::new(stored());
    rig.create("t", 1000, &[]);
    for partition in 0..1000 {
        assert_eq!(rig.produce("t", partition, batch(1, 100, 7, 0)).0, 0);
    }
    let before = *rig.store.requests.lock().expect("not poisoned");
    rig.pass(INTERVAL * 2);
    let cost = *rig.store.requests.lock().expect("not poisoned") - before;
    assert_eq!(rig.broker.recovery_point(rig.now.mono), Some(Duration::ZERO));
    assert_eq!(newest(&rig).tail[0].parts.len(), 1000);
    assert!(cost <= 8, "{cost} requests in two intervals");
}

#[test]
fn an_empty_disk_gets_back_exactly_the_last_cut_and_no_offset_is_given_twice() {
    let mut rig = Rig::new(stored());
    rig.create("t", 1, &[("max.message.bytes", "15000")]);
    fill(&mut rig, 3);
    let id = rig.producer_id();
    rig.pass(INTERVAL * 2);
    let records = rig.read_all("t", 0);
    fill(&mut rig, 2);
    rig.create("lost", 1, &[]);
    let cluster = rig.metadata("t").cluster_id;

    let mut rig = lose_disk(rig);
    assert!(rig.serving, "{:?}", rig.fault);
    assert_eq!(rig.read_all("t", 0), records);
    // The end is where the last record is; who has read what is lost waits behind it.
    assert!(matches!(rig.list_offset("t", 0, -1), FoundOffset::At { offset: Offset(30), .. }));
    let waits = rig.fetch("t", 0, 50).topics.remove(0).partitions.remove(0);
    assert_eq!((waits.error_code, waits.high_watermark, waits.records.len()), (0, 30, 0));
    let after = rig.metadata("t");
    assert_eq!(after.cluster_id, cluster);
    assert_eq!(rig.metadata("other").topics.len(), 1);
    let partition = rig.broker.state().and_then(|state| state.topic_named("t")).expect("there");
    assert_eq!(partition.config.message_bytes_max, Some(15_000));
    assert!(rig.broker.state().is_some_and(|state| state.topic_named("lost").is_none()));
    assert!(rig.producer_id() > id + 1_000_000, "ids of the lost minute are not given out");
    let (error, offset) = rig.produce("t", 0, batch(1, 10, 99, 5));
    assert_eq!(error, 0);
    assert!(offset >= 30 + (1 << 32), "offset {offset}");
    let again = rig.read_all("t", 0);
    assert_eq!(again[..3], records);
    let passed = rig.fetch("t", 0, 50).topics.remove(0).partitions.remove(0);
    assert_eq!((passed.error_code, passed.high_watermark, passed.records.is_empty()), (0, offset + 1, false));
    assert!(again[3].3 > records[2].3, "another leader epoch");
    let report = rig.disk.names().into_iter().find(|file| matches!(file, FileName::LossReport(_)));
    let told = rig.disk.with(|files| files[&report.expect("a report")].clone());
    let told = String::from_utf8(told).expect("text");
    assert!(told.contains("as it was 0.0 s before this start"), "{told}");

    // Before any further cut: the same cut again, behind what this life has given out.
    let mut rig = lose_disk(rig);
    assert_eq!(rig.read_all("t", 0), records);
    assert!(rig.produce("t", 0, batch(1, 10, 98, 5)).1 >= offset + (1 << 32));
}

#[test]
fn what_is_stored_leaves_the_log_and_is_read_from_the_store() {
    let mut rig = Rig::new(stored());
    rig.create("t", 1, &[]);
    fill(&mut rig, 40);
    let records = rig.read_all("t", 0);
    rig.pass(INTERVAL * 2);
    fill(&mut rig, 40);
    rig.pass(INTERVAL * 2);
    fill(&mut rig, 4);
    assert!(oldest(&rig) > FileName::Segment(SegmentSequence(3)), "{:?}", oldest(&rig));
    let all = rig.read_all("t", 0);
    assert_eq!((all.len(), &all[..40]), (84, &records[..]));
    // By time: in the store, and in the log.
    for (asked, base) in [(1_000, 0), (1_017, 170), (-3, 390)] {
        let found = rig.list_offset("t", 0, asked);
        assert_eq!(found_in(&found), base, "{asked}");
        assert!(matches!(found, FoundOffset::Within { leader_epoch, .. } if leader_epoch == all[0].3));
    }
    // The same after a crash, with a checkpoint and a log that begins late.
    let mut rig = rig.crash();
    assert!(rig.serving, "{:?}", rig.fault);
    assert_eq!(rig.read_all("t", 0), all);
    // And without the store what only it has is an error, not a gap.
    rig.store.set_down(true);
    let answer = rig.fetch("t", 0, 0);
    assert_eq!(answer.topics[0].partitions[0].error_code, 56);
    assert_eq!(answer.topics[0].partitions[0].records.len(), 0);
    let tail = rig.fetch("t", 0, 830);
    assert_eq!(tail.topics[0].partitions[0].error_code, 0);
    rig.store.set_down(false);
    assert_eq!(rig.read_all("t", 0), all);
}

#[test]
fn a_fetch_does_not_wait_for_more_than_one_object_holds() {
    let mut rig = Rig::new(stored());
    rig.create("t", 1, &[]);
    for _ in 0..3 {
        fill(&mut rig, 40);
        rig.pass(INTERVAL * 2);
    }
    // What it wants at least is there, in several objects. It comes from one.
    let request = Rig::fetch_request("t", 0, 0, 10_000).with_min_bytes(1 << 20);
    let tag = rig.send(1, 11, Request::Fetch(request));
    assert!(
        matches!(rig.reply(tag), Some(Response::Fetch(answer)) if !answer.topics[0].partitions[0].records.is_empty())
    );
}

/// The oldest segment.
fn oldest(rig: &Rig) -> FileName {
    rig.disk.names().into_iter().find(|file| matches!(file, FileName::Segment(_))).expect("a log")
}

fn base_offset(batch: &[u8]) -> i64 {
    i64::from_be_bytes(batch[..8].try_into().expect("a batch begins with its offset"))
}

/// Base offset of the batch that was found.
fn found_in(found: &FoundOffset) -> i64 {
    match found {
        FoundOffset::Within { batch, .. } => base_offset(&batch[0]),
        other => panic!("{other:?}"),
    }
}

// A read was on its way while a cut was committed and the log trimmed behind it: the file was gone, and the reader was told that
// stored records cannot be read. Found by simulation.
#[test]
fn what_is_trimmed_while_it_is_read_comes_from_the_store() {
    let mut rig = Rig::new(stored());
    rig.create("t", 1, &[]);
    fill(&mut rig, 40);
    let records = rig.read_all("t", 0);
    rig.holds = Some(Lane::Read);
    let fetch = rig.send(1, 11, Request::Fetch(Rig::fetch_request("t", 0, 0, 0)));
    let lookup = rig.send(1, 7, Request::ListOffsets(Rig::list_request("t", 0, 1_017)));
    assert!(rig.held.len() > 2, "they are read from more than one segment");
    // The reads for the cut are not held up.
    let on_their_way = std::mem::take(&mut rig.held);
    rig.release();
    let first = oldest(&rig);
    rig.pass(INTERVAL * 2);
    fill(&mut rig, 40);
    rig.pass(INTERVAL * 2);
    assert!(!rig.disk.names().contains(&first), "it was trimmed: {:?}", rig.disk.names());
    rig.held = on_their_way;
    rig.release();
    let Some(Response::Fetch(answer)) = rig.reply(fetch) else { panic!("not answered") };
    let fetched = &answer.topics[0].partitions[0];
    assert_eq!(fetched.error_code, 0);
    assert_eq!(base_offset(&fetched.records.concat()), records[0].0);
    let Some(Response::ListOffsets(answer)) = rig.reply(lookup) else { panic!("not answered") };
    assert_eq!(found_in(&answer.topics[0].partitions[0].found), 170);
    assert!(!rig.notices.iter().any(|line| line.contains("cannot read")), "{:?}", rig.notices);
}

#[test]
fn a_segment_that_is_gone_and_was_not_trimmed_is_an_error() {
    let mut rig = Rig::new(stored());
    rig.create("t", 1, &[]);
    fill(&mut rig, 40);
    let first = oldest(&rig);
    rig.disk.with(|files| files.remove(&first));
    let answer = rig.fetch("t", 0, 0);
    assert_eq!(answer.topics[0].partitions[0].error_code, 56);
    assert_eq!(rig.list_offset("t", 0, 1_000), FoundOffset::Error(56));
    assert!(
        rig.notices.iter().any(|line| line.contains("cannot read acknowledged data")),
        "{:?}",
        rig.notices
    );
}

#[test]
fn an_empty_disk_and_a_store_without_an_answer_is_no_start() {
    let mut rig = Rig::new(stored());
    rig.create("t", 1, &[]);
    rig.pass(INTERVAL * 2);
    let shelf = rig.store.clone();
    shelf.set_down(true);
    let mut rig = Rig::with_store(Memory::default(), shelf, stored());
    rig.pass(Duration::from_secs(5));
    assert!(!rig.serving && rig.fault.is_none());
    rig.pass(Duration::from_secs(30));
    assert!(matches!(rig.fault, Some(Fault::Refused(Refusal::Store(_)))), "{:?}", rig.fault);
    assert!(rig.disk.names().is_empty(), "nothing was begun");
    rig.store.set_down(false);
    let rig = lose_disk(rig);
    assert!(rig.broker.state().is_some_and(|state| state.topic_named("t").is_some()));
}

/// A server that takes requests and does not answer holds up nobody for longer than one that refuses them.
#[test]
fn an_empty_disk_and_a_store_that_keeps_silent_is_refused_when_the_time_to_start_is_over() {
    let disk = Memory::default();
    let mut effects = Vec::new();
    let mut broker = Broker::boot(stored(), 1, &mut effects);
    let mut now = Now::default();
    let mut asked = 0;
    loop {
        let mut events = Vec::new();
        for effect in std::mem::take(&mut effects) {
            match effect {
                Effect::Disk(op, request) => events.push(Event::Disk(op, perform(&disk, &request.steps))),
                Effect::Object(..) => asked += 1,
                Effect::Halt(fault) => {
                    assert!(matches!(fault, Fault::Refused(Refusal::Store(_))), "{fault:?}");
                    assert_eq!((now.mono, asked), (Instant::default().after(Duration::from_secs(10)), 1));
                    assert!(disk.names().is_empty(), "nothing was begun");
                    return;
                }
                other => assert!(matches!(other, Effect::Notice(_)), "{other:?}"),
            }
        }
        let due = broker.turn(now, &mut events, &mut effects);
        if effects.is_empty() {
            now.mono = due.expect("it does not wait for ever");
        }
    }
}

#[test]
fn a_log_serves_without_the_store_and_stores_when_it_is_back() {
    let mut rig = Rig::new(stored());
    rig.create("t", 1, &[]);
    rig.store.set_down(true);
    let mut rig = rig.crash();
    assert!(!rig.serving, "it waits for the store at first");
    rig.pass(Duration::from_secs(11));
    assert!(rig.serving);
    fill(&mut rig, 3);
    rig.pass(INTERVAL * 10);
    let at_risk = rig.broker.recovery_point(rig.now.mono).expect("with a store");
    assert!(at_risk >= INTERVAL * 10, "{at_risk:?}");
    assert_eq!(newest(&rig).cut, Lsn(0));
    rig.store.set_down(false);
    rig.pass(INTERVAL);
    assert_eq!(newest(&rig).tail.len(), 1);
    assert_eq!(rig.broker.recovery_point(rig.now.mono), Some(Duration::ZERO));
    let rig = lose_disk(rig);
    assert!(rig.broker.state().is_some_and(|state| state.topic_named("t").is_some()));
}

#[test]
fn writes_are_refused_while_a_change_is_too_old_and_taken_again_afterwards() {
    let store = StoreConfig { unflushed_age_max: Some(INTERVAL * 2), ..StoreConfig::default() };
    let mut rig = Rig::new(Config { store: Some(store), ..small() });
    rig.create("t", 1, &[]);
    fill(&mut rig, 1);
    rig.store.set_down(true);
    rig.pass(INTERVAL * 2 - Duration::from_secs(1));
    assert_eq!(rig.produce("t", 0, batch(1, 10, 1, 5)).0, 0);
    rig.pass(Duration::from_secs(2));
    assert_eq!(rig.produce("t", 0, batch(1, 10, 1, 5)).0, 56, "KAFKA_STORAGE_ERROR");
    rig.store.set_down(false);
    rig.pass(INTERVAL);
    assert_eq!(rig.produce("t", 0, batch(1, 10, 1, 5)).0, 0);
}

#[test]
fn a_stop_stores_everything_and_says_so_if_it_could_not() {
    let mut rig = Rig::new(stored());
    rig.create("t", 1, &[]);
    fill(&mut rig, 3);
    let rig = rig.stop();
    assert!(!rig.unstored);
    let mut rig = lose_disk(rig);
    assert_eq!(rig.read_all("t", 0).len(), 3);

    fill(&mut rig, 2);
    rig.store.set_down(true);
    rig.feed(vec![Event::Stop]);
    rig.pass(Duration::from_secs(29));
    assert!(!rig.stopped);
    rig.pass(Duration::from_secs(2));
    assert!(rig.stopped && rig.unstored);
    assert!(rig.notices.iter().any(|line| line.contains("not in the object store")), "{:?}", rig.notices);
    rig.store.set_down(false);
    let mut rig = rig.crash();
    assert_eq!(rig.read_all("t", 0).len(), 5, "it is in the log");
}

/// Lite seed 30: the process before was killed with records that were in its log alone, and this one was asked to stop while it read them.
#[test]
fn a_stop_before_the_log_was_read_does_not_say_that_everything_is_stored() {
    for (config, expected) in [(stored(), true), (small(), false)] {
        let mut effects = Vec::new();
        let mut broker = Broker::boot(config, 1, &mut effects);
        effects.clear();
        broker.turn(Now::default(), &mut vec![Event::Stop], &mut effects);
        assert_eq!(effects.last(), Some(&Effect::Stopped { unstored: expected }));
        let told = effects.iter().any(|effect| matches!(effect, Effect::Notice(_)));
        assert_eq!(told, expected, "{effects:?}");
    }
}

#[test]
fn a_manifest_that_came_through_unheard_is_found_to_be_ours() {
    let mut rig = Rig::new(stored());
    rig.create("t", 1, &[]);
    fill(&mut rig, 3);
    // The state, the data and the manifest.
    *rig.store.silent.lock().expect("not poisoned") = 3;
    rig.pass(INTERVAL * 2);
    assert!(rig.fault.is_none(), "{:?}", rig.fault);
    assert_eq!(newest(&rig).cut, rig.broker.durable().map(|durable| Lsn(durable.0 - 1)).expect("serving"));
    // The claim of a start.
    *rig.store.silent.lock().expect("not poisoned") = 1;
    let mut rig = rig.crash();
    rig.pass(Duration::from_secs(5));
    assert!(rig.serving && rig.fault.is_none(), "{:?}", rig.fault);
}

#[test]
fn whoever_was_replaced_is_deposed_and_stays_so() {
    let mut old = Rig::new(stored());
    old.create("t", 1, &[]);
    fill(&mut old, 1);
    old.pass(INTERVAL * 2);
    let new = Rig::with_store(Memory::default(), old.store.clone(), stored());
    assert!(new.serving);
    let (disk, shelf) = (old.disk.clone(), new.store.clone());
    // It still runs, and finds the number taken.
    old.store = new.store;
    fill(&mut old, 1);
    let before = newest(&old);
    old.pass(INTERVAL * 2);
    assert!(matches!(old.fault, Some(Fault::Deposed(_))), "{:?}", old.fault);
    assert_eq!(newest(&old), before);
    // It starts again, more often than the other one has: each start takes a later epoch of its own.
    let mut again = Rig::with_store(disk, shelf, stored());
    for _ in 0..4 {
        assert!(matches!(again.fault, Some(Fault::Deposed(_))), "{:?}", again.fault);
        assert!(!again.serving);
        again = again.crash();
    }
    assert_eq!(newest(&again), before);
}

#[test]
fn a_restore_that_is_cut_off_anywhere_is_done_again() {
    let mut rig = Rig::new(stored());
    rig.create("t", 1, &[]);
    fill(&mut rig, 3);
    rig.pass(INTERVAL * 2);
    let records = rig.read_all("t", 0);
    let mut whole = false;
    for life in 0.. {
        let (disk, shelf) = (Memory::default(), rig.store.clone());
        let mut effects = Vec::new();
        let mut broker = Broker::boot(stored(), 5, &mut effects);
        let (mut steps, mut now) = (0, rig.now);
        'life: loop {
            let mut events = Vec::new();
            for effect in effects.drain(..) {
                match effect {
                    Effect::Disk(op, request) => {
                        let mut replies = Vec::new();
                        for step in &request.steps {
                            if steps == life {
                                break 'life;
                            }
                            steps += 1;
                            replies
                                .extend(perform(&disk, std::slice::from_ref(step)).expect("it never fails"));
                        }
                        events.push(Event::Disk(op, Ok(replies)));
                    }
                    Effect::Object(op, request) => {
                        events.push(Event::Object(op, store::perform(&shelf, &request)));
                    }
                    Effect::Serve => {
                        whole = true;
                        break 'life;
                    }
                    _ => {}
                }
            }
            now.mono = Instant(now.mono.0 + 10);
            broker.turn(now, &mut events, &mut effects);
        }
        if whole {
            assert!(life > 15, "a restore has more steps");
            return;
        }
        let mut rig = Rig::with_store(disk, shelf, stored());
        assert!(rig.serving, "cut off after {steps} steps: {:?}", rig.fault);
        assert_eq!(rig.read_all("t", 0), records, "cut off after {steps} steps");
    }
    unreachable!("some life is long enough");
}

#[test]
fn a_directory_whose_records_are_in_a_store_does_not_start_without_it_nor_with_another() {
    let mut rig = Rig::new(stored());
    rig.create("t", 1, &[]);
    rig.pass(INTERVAL * 2);
    let without = Rig::on(rig.disk.clone(), small());
    assert!(matches!(without.fault, Some(Fault::Refused(Refusal::Store(_)))), "{:?}", without.fault);
    let empty = Rig::with_store(rig.disk.clone(), Shelf::default(), stored());
    assert!(matches!(empty.fault, Some(Fault::Deposed(_))), "{:?}", empty.fault);
    let other = Rig::new(Config { cluster_id: Some(String::from("other")), ..stored() });
    let foreign = Rig::with_store(rig.disk.clone(), other.store, stored());
    assert!(matches!(foreign.fault, Some(Fault::Deposed(_))), "{:?}", foreign.fault);
    assert!(!foreign.serving && !empty.serving);
}

// A cut is committed, and a crash keeps its note from the log. The next start learned of it from the store and trimmed on its word,
// and still the log said of nothing that it was stored: started then without a store, or with an empty one, it served a log with a
// hole. Found by reading.
#[test]
fn a_log_knows_that_it_needs_the_store_before_anything_is_trimmed() {
    let mut rig = Rig::new(stored());
    rig.create("t", 1, &[]);
    fill(&mut rig, 40);
    rig.hold_log();
    rig.pass(INTERVAL);
    assert!(newest(&rig).cut > Lsn(0) && !rig.held.is_empty(), "the store has it, the log does not know");
    let mut rig = rig.crash();
    let cuts = manifests(&rig).len();
    fill(&mut rig, 40);
    assert_eq!(manifests(&rig).len(), cuts, "no cut since the start");
    assert!(!rig.disk.names().contains(&FileName::Segment(SegmentSequence(1))), "{:?}", rig.disk.names());
    let alone = Rig::on(rig.disk.clone(), small());
    assert!(matches!(alone.fault, Some(Fault::Refused(Refusal::Store(_)))), "{:?}", alone.fault);
    let empty = Rig::with_store(rig.disk.clone(), Shelf::default(), stored());
    assert!(matches!(empty.fault, Some(Fault::Deposed(_))), "{:?}", empty.fault);
    assert!(!alone.serving && !empty.serving);
    assert_eq!(rig.crash().read_all("t", 0).len(), 80);
}

// Of an object the newest timestamp is known, and that record may be deleted since: who looked for a time up to that one found the
// object, nothing in it, and was told of no record at all, though there was one behind it. Found by simulation.
#[test]
fn a_time_is_looked_for_behind_an_object_whose_youngest_record_is_deleted() {
    let mut rig = Rig::new(stored());
    rig.create("t", 1, &[]);
    assert_eq!(rig.produce("t", 0, batch(10, 1000, 1, 9_000)), (0, 0));
    fill(&mut rig, 40);
    rig.pass(INTERVAL * 2);
    assert_eq!(rig.produce("t", 0, batch(10, 1000, 2, 5_000)), (0, 410));
    fill(&mut rig, 40);
    rig.pass(INTERVAL * 2);
    fill(&mut rig, 40);
    rig.pass(INTERVAL * 2);
    assert_eq!(found_in(&rig.list_offset("t", 0, 5_000)), 0);
    assert_eq!(delete(&mut rig, "t", 0, 10), (0, 10));
    assert_eq!(found_in(&rig.list_offset("t", 0, 5_000)), 410, "behind the object");
    assert!(matches!(rig.list_offset("t", 0, 9_000), FoundOffset::At { offset: Offset(-1), .. }), "nowhere");
}
