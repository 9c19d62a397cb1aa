//! Every verdict of recovery, from files as they can really be.

use core::time::Duration;

use evenkeel_core::{
    Config,
    log::{
        Refusal,
        entry::APPEND_HEAD_BYTES,
        group::{GROUP_HEADER_BYTES, GroupHeader, GroupKind},
        segment::SEGMENT_MAGIC,
    },
    port::{Disk, Fault, FileName},
    units::{Epoch, Lsn, Offset},
    wire::batch::{CRC_COVERS_FROM, HEADER_BYTES},
};

use crate::{
    image::{crash_after, data_groups, killed, last_data_group, refusal, same_as, segment},
    rig::{Memory, Rig, batch, small},
};

#[test]
fn a_killed_broker_comes_back_with_everything_and_a_new_epoch() {
    let (disk, all) = killed();
    let mut rig = Rig::on(disk, small());
    same_as(&mut rig, &all);
    let (error, base) = rig.produce("t", 0, batch(1, 10, 255, 1000));
    assert_eq!((error, base), (0, 68), "34 batches of 2 records before it");
    assert_eq!(rig.read_all("t", 0).last(), Some(&(68, 1, 255, 2)));
    for _ in 0..5 {
        rig = rig.crash();
        assert_eq!(rig.read_all("t", 0).len(), 35);
    }
}

#[test]
fn a_stopped_broker_ends_clean() {
    let mut rig = Rig::new(small());
    rig.create("t", 1, &[]);
    rig.produce("t", 0, batch(5, 100, 9, 1));
    let rig = rig.stop();
    let rig = Rig::on(rig.disk, small());
    assert!(rig.notices.iter().any(|line| line.starts_with("recovery: clean end")), "{:?}", rig.notices);
    let mut rig = rig.crash();
    assert!(
        !rig.notices.iter().any(|line| line.contains("clean end")),
        "a kill is not a clean end: {:?}",
        rig.notices
    );
    assert_eq!(rig.read_all("t", 0), vec![(0, 5, 9, 1)]);
}

/// The last group may fill its segment but for the seal: then its witness goes into the next one. Lite seed 162: it had none, and rot
/// of it passed for a torn tail however long ago it was acknowledged.
#[test]
fn the_last_group_has_its_witness_wherever_in_its_segment_it_ends() {
    let len = usize::try_from(small().segment_bytes).expect("small");
    let mut full = 0;
    for count in 1..2 * len / 4096 {
        let mut rig = Rig::new(small());
        rig.create("t", 1, &[]);
        for _ in 0..count {
            assert_eq!(rig.produce("t", 0, batch(1, 100, 1, 1)).0, 0);
        }
        rig.pass(Duration::from_millis(20));
        let (file, at) = last_data_group(&rig.disk);
        full += usize::from(at == len - 2 * 4096);
        rig.disk.with(|files| files.get_mut(&file).expect("there")[at + 50] ^= 1);
        let again = Rig::on(rig.disk, small());
        assert!(refusal(&again).contains("log-"), "the group at {at} was acknowledged, and is damaged");
    }
    assert!(full > 0, "no group filled its segment");
}

#[test]
fn nothing_is_chained_to_a_segment_that_has_a_witness_alone() {
    // 1. The witness of a full segment begins the next one, and the process is killed before that is synced. 2. A start reads it from the
    // page cache, and serves. 3. The power fails, and what nobody has synced is gone.
    let len = usize::try_from(small().segment_bytes).expect("small");
    let mut alone = 0;
    for count in 1..2 * len / 4096 {
        let mut rig = Rig::new(small());
        rig.create("t", 1, &[]);
        for _ in 0..count {
            assert_eq!(rig.produce("t", 0, batch(1, 100, 1, 1)).0, 0);
        }
        rig.pass(Duration::from_millis(20));
        let last = rig.disk.with(|files| {
            let begun =
                files.iter().filter(|(name, bytes)| matches!(name, FileName::Segment(_)) && bytes[0] != 0);
            begun.map(|(name, bytes)| (*name, bytes.clone())).next_back().expect("a log")
        });
        let has_marker_alone = last.1[4096] != 0 && last.1[2 * 4096..].iter().all(|byte| *byte == 0);
        let again = Rig::on(rig.disk, small());
        if has_marker_alone && last.1[4096 + 32] == 0 {
            alone += 1;
            again.disk.with(|files| {
                let bytes = files.get_mut(&last.0).expect("it is there");
                if *bytes == last.1 {
                    bytes.fill(0);
                }
            });
        }
        let mut after = Rig::on(again.disk, small());
        assert_eq!(after.read_all("t", 0).len(), count, "all that was acknowledged");
    }
    assert!(alone > 0, "no segment had a witness alone");
}

#[test]
fn a_log_of_the_smallest_segments_comes_to_rest() {
    // 1. The last group of a full segment gets its witness in the next. 2. A segment that goes is noted. 3. That note must not ask for a
    // segment of its own.
    let smallest = Config { segment_bytes: 4 * 4096, message_bytes_max: 4096, ..small() };
    for count in 1..12 {
        let mut rig = Rig::new(smallest.clone());
        rig.create("t", 1, &[]);
        for _ in 0..count {
            assert_eq!(rig.produce("t", 0, batch(1, 100, 1, 1)).0, 0);
        }
        rig.delete("t");
        let segments = |rig: &Rig| rig.disk.with(|files| files.keys().copied().collect::<Vec<_>>());
        rig.pass(Duration::from_millis(200));
        let at_rest = segments(&rig);
        rig.pass(Duration::from_secs(10));
        assert_eq!(segments(&rig), at_rest, "after {count} batches it writes on, with nothing to write");
    }
}

#[test]
fn a_crash_between_any_two_steps_of_recovery_changes_nothing() {
    let (disk, all) = killed();
    for steps in 0..40 {
        let crashed = crash_after(&disk, &small(), steps).0;
        let mut rig = Rig::on(crashed, small());
        same_as(&mut rig, &all);
        let twice = Rig::on(rig.disk.clone(), small());
        assert!(twice.serving);
    }
}

// 1. A recovery renames its segment into the log and is killed before it syncs the directory. 2. The next one builds upon that
// segment, and renames its own behind it. 3. The power fails: the second rename is on the disk, the first is not.
#[test]
fn a_name_that_a_killed_recovery_gave_is_durable_before_the_next_recovery_builds_upon_it() {
    let (disk, all) = killed();
    let mut lost = 0;
    for first in 0..16 {
        let once = crash_after(&disk, &small(), first).0;
        for second in 0..16 {
            let twice = crash_after(&once, &small(), second).0;
            for left in (0..).map_while(|at| twice.clone().lose_rename(at)) {
                lost += 1;
                same_as(&mut Rig::on(left, small()), &all);
            }
        }
    }
    assert!(lost > 20, "{lost} renames were lost");
}

#[test]
fn a_torn_last_group_is_cut_counted_and_kept() {
    let (disk, mut all) = killed();
    let (last, at) = last_data_group(&disk);
    disk.with(|files| files.get_mut(&last).expect("there")[at + 600] ^= 0xff);
    let mut rig = Rig::on(disk, small());
    let lost = all[0].pop();
    assert_eq!(lost.map(|lost| lost.2), Some(99), "only the very last batch, which nothing younger proves");
    same_as(&mut rig, &all);
    assert!(rig.notices.iter().any(|line| line.contains("torn unacknowledged tail")), "{:?}", rig.notices);
    assert!(rig.disk.names().iter().any(|name| matches!(name, FileName::Torn(_))));
}

#[test]
fn a_flipped_bit_in_acknowledged_data_is_refused_with_exact_ranges_and_nothing_is_changed() {
    let (disk, _) = killed();
    let groups = data_groups(&disk);
    // In the middle: group of batch 49, partition 1, offsets 32 and 33. Two groups come before the batches.
    let (file, at) = groups[2 + 49];
    disk.with(|files| files.get_mut(&file).expect("there")[at + 64 + 35 + 61 + 700] ^= 1);
    let before = disk.clone();
    let rig = Rig::on(disk, small());
    let text = refusal(&rig);
    let Some(Fault::Refused(Refusal::Damage(damage))) = &rig.fault else { panic!("{text}") };
    assert_eq!((damage.from, damage.upto), (Lsn(51), Some(Lsn(52))), "{text}");
    assert_eq!(damage.partitions.len(), 1, "{text}");
    assert_eq!((damage.partitions[0].partition, damage.partitions[0].from), (1, Offset(32)), "{text}");
    assert_eq!(damage.partitions[0].upto, Some(Offset(34)), "{text}");
    assert!(text.contains("--accept-loss-from-lsn 51"), "{text}");
    before.with(|before| rig.disk.with(|after| assert_eq!(before, after)));
}

#[test]
fn every_group_but_the_last_is_covered_against_every_kind_of_damage() {
    let (disk, _) = killed();
    let groups = data_groups(&disk);
    let (_, proven) = groups.split_last().expect("many");
    for (at, (file, position)) in proven.iter().enumerate() {
        let hurts: [fn(&mut [u8]); 4] = [
            |group| group[20] ^= 1,
            |group| group[..512].fill(0),
            |group| group[..4096].fill(0),
            |group| group[70] ^= 0x80,
        ];
        for (kind, hurt) in hurts.iter().enumerate() {
            let damaged = disk.clone();
            damaged.with(|files| hurt(&mut files.get_mut(file).expect("there")[*position..]));
            let rig = Rig::on(damaged, small());
            let text = refusal(&rig);
            assert!(text.contains(&format!("from LSN {at} ")), "group {at}, damage {kind}: {text}");
        }
    }
}

#[test]
fn a_missing_segment_is_noticed_wherever_it_was() {
    let (disk, _) = killed();
    let (last, _) = last_data_group(&disk);
    let names: Vec<FileName> = disk
        .names()
        .into_iter()
        .filter(|name| matches!(name, FileName::Segment(_)) && *name <= last)
        .collect();
    assert!(names.len() >= 5);
    for name in names {
        let damaged = disk.clone();
        damaged.remove(name).expect("memory");
        let rig = Rig::on(damaged, small());
        let text = refusal(&rig);
        assert!(text.contains(&name.to_string()) || text.contains("epoch"), "{name}: {text}");
    }
}

#[test]
fn a_missing_first_segment_is_noticed_even_behind_a_checkpoint() {
    let (disk, _) = killed();
    assert!(disk.names().iter().any(|name| matches!(name, FileName::Checkpoint(_))));
    disk.remove(segment(1)).expect("memory");
    let text = refusal(&Rig::on(disk, small()));
    assert!(text.contains("log-00000000000000000001"), "{text}");
}

#[test]
fn a_truncated_segment_is_noticed_wherever_it_is_cut() {
    let (disk, _) = killed();
    let (last, at) = last_data_group(&disk);
    for len in [0, 100, 4096, at, at + 4096, (64 << 10) - 1] {
        let damaged = disk.clone();
        damaged.with(|files| files.get_mut(&last).expect("there").truncate(len));
        let rig = Rig::on(damaged, small());
        refusal(&rig);
    }
}

#[test]
fn a_damaged_checkpoint_costs_nothing() {
    let (disk, all) = killed();
    let checkpoints: Vec<FileName> =
        disk.names().into_iter().filter(|name| matches!(name, FileName::Checkpoint(_))).collect();
    assert_eq!(checkpoints.len(), 2);
    for damaged in [vec![checkpoints[1]], checkpoints.clone()] {
        let copy = disk.clone();
        for name in &damaged {
            copy.with(|files| files.get_mut(name).expect("there")[20] ^= 1);
        }
        let mut rig = Rig::on(copy, small());
        same_as(&mut rig, &all);
        assert!(rig.notices.iter().any(|line| line.contains("is damaged; falling back")));
    }
}

#[test]
fn a_log_that_ends_before_its_checkpoint_is_refused() {
    let (disk, _) = killed();
    let rig = Rig::on(disk, small()).stop();
    // Only the newest segment knows of the last start; without it the checkpoint and the identity still do.
    let (last, _) = last_data_group(&rig.disk);
    rig.disk.remove(last).expect("memory");
    let text = refusal(&Rig::on(rig.disk, small()));
    assert!(text.contains(&format!("{last} is missing")), "{text}");
    // The files prepared behind it gone as well: the segment before it does not say that more follows.
    let (copy, _) = killed();
    let rig = Rig::on(copy, small()).stop();
    rig.disk.with(|files| files.retain(|name, _| !matches!(name, FileName::Segment(_)) || *name < last));
    let text = refusal(&Rig::on(rig.disk, small()));
    assert!(text.contains("a checkpoint was made") || text.contains("has served in epoch 2"), "{text}");
}

#[test]
fn a_directory_of_another_cluster_node_or_version_is_refused() {
    let (disk, _) = killed();
    let other = Config { cluster_id: Some(String::from("another")), ..small() };
    assert!(refusal(&Rig::on(disk.clone(), other)).contains("not another"));
    let other = Config { node_id: 5, ..small() };
    assert!(refusal(&Rig::on(disk.clone(), other)).contains("belongs to node 1, not 5"));
    disk.with(|files| {
        let block = files.get_mut(&segment(2)).expect("there");
        block[12] = 2;
        let crc = crc32c::crc32c(&block[12..160]);
        block[8..12].copy_from_slice(&crc.to_le_bytes());
    });
    assert!(refusal(&Rig::on(disk, small())).contains("newer version"));
}

#[test]
fn an_identity_that_is_lost_or_damaged_is_told_by_the_log() {
    let (disk, all) = killed();
    let cluster = |rig: &mut Rig| rig.metadata("t").cluster_id.map(|id| id.to_string());
    let mut rig = Rig::on(disk.clone(), small());
    let known = cluster(&mut rig);
    for hurt in 0..2 {
        let copy = disk.clone();
        copy.with(|files| match hurt {
            0 => drop(files.remove(&FileName::Identity)),
            _ => files.get_mut(&FileName::Identity).expect("there").truncate(3),
        });
        let mut rig = Rig::on(copy, small());
        same_as(&mut rig, &all);
        assert_eq!(cluster(&mut rig), known);
    }
}

#[test]
fn an_identity_without_a_log_is_not_an_empty_broker() {
    let (disk, _) = killed();
    disk.with(|files| files.retain(|name, _| *name == FileName::Identity));
    assert!(refusal(&Rig::on(disk, small())).contains("served in epoch 1"));
}

#[test]
fn segments_of_deleted_topics_go_and_the_log_still_starts() {
    let mut rig = Rig::new(small());
    rig.create("gone", 1, &[]);
    rig.create("kept", 1, &[]);
    for at in 0..60 {
        rig.produce("gone", 0, batch(2, 2000, at, 1000));
    }
    rig.delete("gone");
    for at in 0..60 {
        rig.produce("kept", 0, batch(2, 2000, at, 1000));
    }
    assert!(!rig.disk.names().contains(&segment(1)), "{:?}", rig.disk.names());
    let kept = rig.read_all("kept", 0);
    assert_eq!(kept.len(), 60);
    let mut rig = rig.crash();
    assert_eq!(rig.read_all("kept", 0), kept);
    // A segment that is still needed is missed.
    let oldest =
        rig.disk.names().into_iter().find(|name| matches!(name, FileName::Segment(_))).expect("some");
    rig.disk.remove(oldest).expect("memory");
    refusal(&rig.crash());
}

#[test]
fn a_read_error_is_not_the_end_of_the_log() {
    struct Unreadable(Memory);
    impl Disk for Unreadable {
        fn space(&self) -> Result<evenkeel_core::port::Space, evenkeel_core::port::DiskError> {
            self.0.space()
        }
        fn list(&self) -> Result<Vec<evenkeel_core::port::FileEntry>, evenkeel_core::port::DiskError> {
            self.0.list()
        }
        fn read_at(
            &self,
            f: FileName,
            p: u64,
            into: &mut [u8],
        ) -> Result<usize, evenkeel_core::port::DiskError> {
            if f == segment(3) && into.len() > 4096 {
                return Err(evenkeel_core::port::DiskError {
                    kind: evenkeel_core::port::DiskErrorKind::Failed,
                    file: Some(f),
                    detail: String::from("Input/output error"),
                });
            }
            self.0.read_at(f, p, into)
        }
        fn len(&self, f: FileName) -> Result<u64, evenkeel_core::port::DiskError> {
            self.0.len(f)
        }
        fn create(&self, _: FileName) -> Result<(), evenkeel_core::port::DiskError> {
            panic!("a refused start changes nothing")
        }
        fn zero(&self, _: FileName, _: u64) -> Result<(), evenkeel_core::port::DiskError> {
            panic!("a refused start changes nothing")
        }
        fn write_at(
            &self,
            _: FileName,
            _: u64,
            _: &[bytes::Bytes],
        ) -> Result<(), evenkeel_core::port::DiskError> {
            panic!("a refused start changes nothing")
        }
        fn sync(&self, _: FileName) -> Result<(), evenkeel_core::port::DiskError> {
            panic!("a refused start changes nothing")
        }
        fn sync_directory(&self) -> Result<(), evenkeel_core::port::DiskError> {
            panic!("a refused start changes nothing")
        }
        fn rename(&self, _: FileName, _: FileName) -> Result<(), evenkeel_core::port::DiskError> {
            panic!("a refused start changes nothing")
        }
        fn remove(&self, _: FileName) -> Result<(), evenkeel_core::port::DiskError> {
            panic!("a refused start changes nothing")
        }
    }
    let (disk, _) = killed();
    let disk = Unreadable(disk);
    let mut effects = Vec::new();
    let mut broker = evenkeel_core::Broker::boot(small(), 1, &mut effects);
    for _ in 0..20 {
        let mut events = Vec::new();
        for effect in effects.drain(..) {
            match effect {
                evenkeel_core::Effect::Disk(op, request) => {
                    events.push(evenkeel_core::Event::Disk(
                        op,
                        evenkeel_core::port::perform(&disk, &request.steps),
                    ));
                }
                evenkeel_core::Effect::Halt(Fault::Refused(refusal)) => {
                    assert!(refusal.to_string().contains("Input/output error"), "{refusal}");
                    return;
                }
                other => assert!(!matches!(other, evenkeel_core::Effect::Serve), "served in spite of it"),
            }
        }
        broker.turn(evenkeel_core::Now::default(), &mut events, &mut effects);
    }
    panic!("neither refused nor served");
}

// 1. A floor is durable as the newest record of the log. 2. The segments in front of it are removed. 3. The process is killed
// before anything younger is written. The record is the unproven one, and it was not looked at before the floor was judged:
// a healthy directory was refused. Found by simulation.
#[test]
fn a_floor_in_the_very_last_group_counts() {
    let mut rig = Rig::new(small());
    rig.create("gone", 1, &[]);
    rig.create("kept", 1, &[]);
    for at in 0..60 {
        rig.produce("gone", 0, batch(2, 2000, at, 1000));
    }
    rig.delete("gone");
    let mut kept = 0;
    while rig.disk.names().contains(&segment(1)) {
        rig.produce("kept", 0, batch(2, 2000, 1, 1000));
        kept += 1;
    }
    let mut rig = rig.crash();
    assert!(rig.serving, "{:?}", rig.fault);
    assert_eq!(rig.read_all("kept", 0).len(), kept);
}

// 1. A roll writes header and first group of a segment; neither is synced. 2. The process is killed, and the page cache
// still shows both. 3. Recovery chains a new segment to that header, serves and acknowledges. 4. The power fails, and the
// header is gone: everything behind it was refused. Found by simulation.
#[test]
fn nothing_is_chained_to_a_header_that_only_the_page_cache_holds() {
    let mut rig = Rig::new(small());
    rig.create("t", 1, &[]);
    let (mut rolls, mut produced) = (0, 0u8);
    while rolls < 3 {
        rig.produce("t", 0, batch(2, 1000, produced, 1000));
        produced += 1;
        let (last, at) = last_data_group(&rig.disk);
        if at != 4096 || last == segment(1) {
            continue;
        }
        rolls += 1;
        let killed = rig.disk.clone();
        let mut recovered = Rig::on(killed.clone(), small());
        assert_eq!(recovered.produce("t", 0, batch(2, 1000, 255, 1000)).0, 0);
        let all = recovered.read_all("t", 0);
        assert_eq!(all.len(), usize::from(produced) + 1);
        // The power fails: whatever recovery has not written itself of that segment is gone.
        let unsynced = killed.with(|files| files[&last][..4096].to_vec());
        recovered.disk.with(|files| {
            let bytes = files.get_mut(&last).expect("there");
            if bytes[..4096] == unsynced[..] {
                bytes[..8192].fill(0);
            }
        });
        let mut after = recovered.crash();
        assert!(after.serving, "{:?}", after.fault);
        assert_eq!(after.read_all("t", 0)[..], all[..]);
    }
}

// 1. A roll tears: the seal is there, the group in the next segment is not. 2. A start with smaller segments writes that one
// anew, smaller. 3. It is killed before anything proves its header, and the size is held against that of the sealed segment: a
// healthy directory was refused. Found by simulation.
#[test]
fn a_start_with_smaller_segments_after_a_torn_roll_is_no_damage() {
    let large = Config { segment_bytes: 128 << 10, ..small() };
    let mut rig = Rig::new(large);
    rig.create("t", 1, &[]);
    let mut produced = 0u8;
    let last = loop {
        rig.produce("t", 0, batch(2, 1000, produced, 1000));
        produced += 1;
        let (last, at) = last_data_group(&rig.disk);
        if at == 4096 && last != segment(1) {
            break last;
        }
    };
    rig.disk.with(|files| {
        files.get_mut(&last).expect("there")[4096..].fill(0);
        // Nothing was made of what never became durable.
        files.retain(|name, _| !matches!(name, FileName::Checkpoint(_)));
    });
    let mut rig = Rig::on(rig.disk, small()).crash().crash();
    assert!(rig.serving, "{:?}", rig.fault);
    assert_eq!(rig.read_all("t", 0).len(), usize::from(produced) - 1);
}

/// What a client stores may be the bytes of a log. The first write into a new segment, its header and such a batch, is torn by a
/// power loss so that what lies behind the front survives: no group in there proves that anything was synced.
#[test]
fn a_group_that_a_client_stored_proves_nothing() {
    let group = GroupHeader {
        previous: 0,
        salt: 0,
        first: Lsn(1 << 40),
        records: 0,
        kind: GroupKind::Marker,
        heads_len: 0,
        bodies_len: 0,
        synced: Lsn(1 << 40),
        epoch: Epoch(1),
    };
    let (stored, _) = group.encode_front(&[]);
    let mut hostile = batch(1, 15_000, 0, 1);
    let mut records = hostile.records.to_vec();
    // In front of the records of a lone batch: the header of its group, its head, its own header.
    let border = 4096 - GROUP_HEADER_BYTES - APPEND_HEAD_BYTES - HEADER_BYTES;
    for at in [border, border + 4096] {
        records[at..at + stored.len()].copy_from_slice(&stored);
    }
    hostile.records = records.into();
    let covered = [&hostile.header.encode()[CRC_COVERS_FROM..], &hostile.records].concat();
    hostile.header.crc = crc32c::crc32c(&covered);

    let mut rig = Rig::new(small());
    rig.create("t", 1, &[]);
    let begun = |rig: &Rig| {
        rig.disk.with(|files| {
            let mut begun = files.iter().filter(|(file, bytes)| {
                matches!(file, FileName::Segment(_)) && bytes.starts_with(&SEGMENT_MAGIC)
            });
            *begun.next_back().expect("the log has a segment").0
        })
    };
    let first = begun(&rig);
    let mut stored = 0;
    while begun(&rig) == first {
        assert_eq!(rig.produce("t", 0, hostile.clone()), (0, stored));
        stored += 1;
    }
    let torn = begun(&rig);
    rig.disk.with(|files| {
        files.get_mut(&torn).expect("there")[..8192].fill(0);
        // Made only after that write was durable, which it never was.
        files.retain(|file, _| !matches!(file, FileName::Checkpoint(_)));
    });
    let mut again = rig.crash();
    assert!(again.serving, "{:?}", again.fault);
    assert_eq!(
        again.produce("t", 0, batch(1, 10, 1, 1)),
        (0, stored - 1),
        "the torn batch was never acknowledged"
    );
}

#[test]
fn a_removal_that_fails_once_leaves_no_hole() {
    let mut rig = Rig::new(small());
    // Topics come and go, so that segment after segment is not needed any more.
    let turnover = |rig: &mut Rig, rounds: u8| {
        for byte in 0..rounds {
            rig.create("t", 1, &[]);
            for _ in 0..5 {
                assert_eq!(rig.produce("t", 0, batch(2, 5000, byte, 1000)).0, 0);
            }
            rig.delete("t");
        }
    };
    while !rig.notices.iter().any(|line| line.contains("cannot remove")) {
        *rig.disk.stuck.lock().expect("no test panics with it") = true;
        turnover(&mut rig, 1);
    }
    assert!(rig.disk.names().contains(&segment(1)));
    *rig.disk.stuck.lock().expect("no test panics with it") = false;
    turnover(&mut rig, 10);
    assert!(!rig.disk.names().contains(&segment(1)), "the next removal begins where the failed one did");
    let rig = rig.crash();
    assert!(rig.serving, "{:?}", rig.fault);
}

/// Fills all groups of a segment with zeros, as a disk does that lost the writes.
fn forget_groups(disk: &Memory, file: FileName) {
    disk.with(|files| files.get_mut(&file).expect("there")[4096..].fill(0));
}

#[test]
fn a_segment_whose_header_alone_is_left_is_not_the_end_of_the_log() {
    // 1. A start writes a segment: header, the copied group, its own start. 2. It serves; the identity file says so. 3. The disk
    // loses everything in the segment but the header, which carries the epoch too.
    let (disk, _) = killed();
    let mut rig = Rig::on(disk, small());
    assert_eq!(rig.produce("t", 0, batch(2, 10, 200, 1000)).0, 0);
    let (last, _) = last_data_group(&rig.disk);
    forget_groups(&rig.disk, last);
    let text = refusal(&Rig::on(rig.disk, small()));
    assert!(text.contains("this directory has served in epoch 2, the log ends in epoch 1"), "{text}");
}

#[test]
fn a_log_that_begins_with_another_segment_is_given_up_in_full() {
    // What was in segment 1 is not known, whatever a checkpoint behind it says: no LSN above 0 may be named.
    let (disk, _) = killed();
    let (last, _) = last_data_group(&disk);
    disk.with(|files| {
        let bytes = files[&last].clone();
        files.insert(segment(1), bytes);
    });
    let rig = Rig::on(disk, small());
    let text = refusal(&rig);
    let Some(Fault::Refused(Refusal::Damage(damage))) = &rig.fault else { panic!("{text}") };
    assert_eq!(damage.from, Lsn(0), "{text}");
    let mut rig = Rig::on(rig.disk, Config { accept_loss_from: Some(Lsn(0)), ..small() });
    assert!(rig.serving, "{:?}", rig.fault);
    assert_eq!(rig.metadata("another").topics.len(), 1, "it serves");
}

#[test]
fn a_loss_accepted_behind_a_hole_that_hid_nothing_is_accepted_for_good() {
    // 1. Starts 2, 3 and 4 end in segments 1, 2 and 3, each of which begins with a copy of the last group before. 2. Segment 2
    // goes missing, all of its records are in 1 and 3; the groups of 3 are lost too. 3. The loss is accepted: segment 3 is
    // written anew, behind the hole. 4. The next start goes over the hole as the one before it did.
    let disk = Rig::new(small()).crash().crash().crash().disk;
    assert_eq!(
        disk.names().iter().filter(|name| **name <= segment(3)).count(),
        4,
        "identity, three segments"
    );
    disk.remove(segment(2)).expect("memory");
    forget_groups(&disk, segment(3));
    let rig = Rig::on(disk, small());
    assert!(refusal(&rig).contains("--accept-loss-from-lsn 2"), "{}", refusal(&rig));
    let rig = Rig::on(rig.disk, Config { accept_loss_from: Some(Lsn(2)), ..small() });
    assert!(rig.serving, "{:?}", rig.fault);
    let rig = Rig::on(rig.disk, small());
    assert!(rig.serving, "{:?}", rig.fault);
}
