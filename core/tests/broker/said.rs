//! What a start says of what it found: the numbers of a refusal and of the line of recovery, and whom a directory belongs to.

use core::time::Duration;

use evenkeel_core::{
    Config, Effect,
    log::{
        Refusal,
        group::GroupHeader,
        refusal::Damage,
        segment::{SegmentFront, SegmentHeader},
    },
    port::{DiskStep, Fault, FileName},
    units::{Lsn, Offset},
};

use crate::{
    image::{data_groups, killed, refusal, same_as},
    rig::{Memory, Rig, batch, small},
};

fn damage(disk: Memory) -> Damage {
    let rig = Rig::on(disk, small());
    match rig.fault {
        Some(Fault::Refused(Refusal::Damage(damage))) => damage,
        other => panic!("{other:?}"),
    }
}

/// The damaged range of one partition: first offset, and the offset behind the last.
fn told(damage: &Damage, partition: i32) -> Option<(i64, Option<i64>)> {
    let range = damage.partitions.iter().find(|range| range.partition == partition)?;
    Some((range.from.0, range.upto.map(|upto: Offset| upto.0)))
}

/// Damages the group of a batch: its front, which tells nothing any more, or a byte of its body.
fn hurt(disk: &Memory, batch: usize, front: bool) {
    // Two groups come before the batches.
    let (file, at) = data_groups(disk)[2 + batch];
    let byte = at + if front { 20 } else { 64 + 35 + 61 + 700 };
    disk.with(|files| files.get_mut(&file).expect("there")[byte] ^= 1);
}

#[test]
fn a_refusal_counts_the_intact_records_behind_the_damage_and_names_offsets_from_the_first_that_is_lost() {
    // Batch n holds two records of partition n % 3, and has LSN n + 2.
    let (disk, _) = killed();
    let one = disk.clone();
    hurt(&one, 49, false);
    let one = damage(one);
    assert_eq!((one.from, one.upto, one.intact_behind), (Lsn(51), Some(Lsn(52)), 50));
    assert_eq!((told(&one, 0), told(&one, 1), told(&one, 2)), (None, Some((32, Some(34))), None));

    // 1. The front of one batch of a partition is damaged: nobody can tell what it was. 2. The body of its next batch is damaged, and
    // names itself. 3. The refusal named the second as the first record that is lost.
    for fronts in [[true, false], [false, true], [true, true], [false, false]] {
        let both = disk.clone();
        hurt(&both, 49, fronts[0]);
        hurt(&both, 52, fronts[1]);
        let both = damage(both);
        assert_eq!((both.from, both.upto, both.intact_behind), (Lsn(51), Some(Lsn(52)), 49), "{fronts:?}");
        assert_eq!(told(&both, 1), Some((32, Some(36))), "{fronts:?}");
        assert_eq!((told(&both, 0), told(&both, 2)), (None, None), "{fronts:?}");
    }
}

#[test]
fn the_group_in_front_of_the_damage_is_not_said_to_be_lost() {
    // Without a checkpoint: the last group that can be read is in no state yet, and is of the same partition.
    let mut rig = Rig::new(small());
    rig.create("t", 1, &[]);
    for at in 0..10 {
        assert_eq!(rig.produce("t", 0, batch(1, 1000, at, 5)).0, 0);
    }
    let (file, at) = data_groups(&rig.disk)[2 + 6];
    rig.disk.with(|files| files.get_mut(&file).expect("there")[at + 64 + 35 + 61 + 700] ^= 1);
    let damage = damage(rig.disk);
    assert_eq!((damage.from, damage.upto, damage.intact_behind), (Lsn(8), Some(Lsn(9)), 3));
    assert_eq!(told(&damage, 0), Some((6, Some(7))));
}

/// Intact records of the partition came first behind the damage, so nothing was said of it.
#[test]
fn a_damaged_batch_behind_intact_ones_of_its_partition_is_named_too() {
    let (disk, _) = killed();
    hurt(&disk, 49, true);
    hurt(&disk, 53, false);
    let damage = damage(disk);
    assert_eq!((damage.from, damage.upto, damage.intact_behind), (Lsn(51), Some(Lsn(52)), 49));
    let ranges = [0, 1, 2].map(|partition| told(&damage, partition));
    assert_eq!(ranges, [None, Some((32, Some(34))), Some((34, Some(36)))]);
}

#[test]
fn a_start_counts_the_records_that_it_read() {
    let (disk, _) = killed();
    let rig = Rig::on(disk, small());
    let line = rig.notices.iter().find(|line| line.starts_with("recovery:")).expect("it is told");
    assert!(line.contains("; 102 records in ") && line.contains("next LSN 103"), "{line}");
    let again = rig.crash();
    let line = again.notices.iter().find(|line| line.starts_with("recovery:")).expect("it is told");
    assert!(line.contains("; 103 records in ") && line.contains("next LSN 104"), "{line}");
}

/// The log loses everything from an LSN on, as if none of it had reached the disk.
fn forget_from(disk: &Memory, lsn: Lsn) {
    disk.with(|files| {
        for (name, bytes) in files.iter_mut().filter(|(name, _)| matches!(name, FileName::Segment(_))) {
            let front = SegmentHeader::decode(&bytes[..4096]);
            if matches!(front, SegmentFront::Begun(header, _) if header.first >= lsn) {
                bytes.fill(0);
                continue;
            }
            for at in (4096..bytes.len()).step_by(4096) {
                let group = GroupHeader::decode_front(&bytes[at..]);
                if let Some((header, _)) = group.filter(|(header, _)| header.first >= lsn) {
                    bytes[at..at + header.padded_len() as usize].fill(0);
                }
            }
            assert!(name > &FileName::Identity);
        }
    });
}

#[test]
fn a_checkpoint_proves_how_far_the_log_went_though_it_cannot_be_read() {
    let (disk, _) = killed();
    let names = disk.names().into_iter();
    let checkpoints: Vec<Lsn> = names
        .filter_map(|name| match name {
            FileName::Checkpoint(lsn) => Some(lsn),
            _ => None,
        })
        .collect();
    let [older, newest] = checkpoints[..] else { panic!("two are kept: {checkpoints:?}") };
    assert!(older.0 + 2 < newest.0);
    forget_from(&disk, Lsn(newest.0 - 1));
    for damaged in [false, true] {
        let disk = disk.clone();
        if damaged {
            disk.with(|files| files.get_mut(&FileName::Checkpoint(newest)).expect("there")[20] ^= 1);
        }
        let text = refusal(&Rig::on(disk, small()));
        assert!(text.contains(&format!("a checkpoint was made at LSN {newest}")), "{damaged}: {text}");
    }
}

#[test]
fn a_group_with_a_record_of_an_unknown_type_is_of_a_newer_version() {
    let (disk, _) = killed();
    for group in [1, 30, data_groups(&disk).len() - 1] {
        let disk = disk.clone();
        let (file, at) = data_groups(&disk)[group];
        disk.with(|files| {
            let bytes = &mut files.get_mut(&file).expect("there")[at..];
            let (header, _) = GroupHeader::decode_front(bytes).expect("it is a group");
            bytes[64] = 200;
            let crc = crc32c::crc32c(&bytes[12..header.front_len() as usize]);
            bytes[8..12].copy_from_slice(&crc.to_le_bytes());
        });
        assert!(refusal(&Rig::on(disk, small())).contains("newer version"), "group {group}");
    }
}

#[test]
fn segments_say_who_wrote_them() {
    let config = Config { node_id: 9, cluster_id: Some(String::from("ours")), ..small() };
    let mut rig = Rig::new(config.clone());
    rig.create("t", 1, &[]);
    for at in 0..40 {
        rig.produce("t", 0, batch(2, 1000, at, 1000));
    }
    let rig = rig.crash();
    let headers = rig.disk.with(|files| {
        let segments = files.iter().filter(|(name, _)| matches!(name, FileName::Segment(_)));
        let fronts = segments.map(|(_, bytes)| SegmentHeader::decode(&bytes[..4096]));
        fronts
            .filter_map(|front| if let SegmentFront::Begun(header, _) = front { Some(header) } else { None })
            .collect::<Vec<_>>()
    });
    assert!(headers.len() > 3, "rolled and begun by a start: {}", headers.len());
    for header in headers {
        assert_eq!((header.node_id, header.cluster_id.as_str()), (9, "ours"));
        assert_eq!(header.segment_bytes, config.segment_bytes);
    }
}

#[test]
fn an_identity_of_another_cluster_beside_our_log_is_refused_by_its_name() {
    let ours = Config { cluster_id: Some(String::from("ours")), ..small() };
    let theirs = Config { cluster_id: Some(String::from("theirs")), ..small() };
    let (disk, other) = (Rig::new(ours.clone()).disk, Rig::new(theirs).disk);
    let identity = other.with(|files| files[&FileName::Identity].clone());
    disk.with(|files| files.insert(FileName::Identity, identity));
    let rig = Rig::on(disk, ours);
    match &rig.fault {
        Some(Fault::Refused(Refusal::ForeignCluster { expected, found, file })) => {
            assert_eq!((expected.as_str(), found.as_str(), *file), ("ours", "theirs", FileName::Identity));
        }
        other => panic!("{other:?}"),
    }
}

#[test]
fn a_start_that_finds_no_room_is_nothing_that_the_next_one_must_answer_for() {
    let (disk, all) = killed();
    let identity = disk.with(|files| files[&FileName::Identity].clone());
    disk.fill(true);
    let rig = Rig::on(disk, small());
    assert!(!rig.serving && matches!(&rig.fault, Some(Fault::Refused(Refusal::Disk(_)))), "{:?}", rig.fault);
    assert_eq!(rig.disk.with(|files| files[&FileName::Identity].clone()), identity, "no epoch is claimed");
    rig.disk.fill(false);
    same_as(&mut Rig::on(rig.disk, small()), &all);
}

#[test]
fn a_quiet_log_gets_one_marker_and_no_more() {
    let mut rig = Rig::new(small());
    rig.create("t", 1, &[]);
    rig.produce("t", 0, batch(1, 10, 1, 1));
    let markers = |rig: &Rig| {
        rig.disk.with(|files| {
            let groups =
                files.values().flat_map(|bytes| bytes.chunks(4096)).filter_map(GroupHeader::decode_front);
            groups.filter(|(header, _)| header.records == 0).count()
        })
    };
    assert_eq!(markers(&rig), 0);
    rig.pass(Duration::from_millis(20));
    assert_eq!(markers(&rig), 1);
    rig.pass(Duration::from_secs(5));
    assert_eq!(markers(&rig), 1, "nothing new is to be proven");
}

#[test]
fn a_log_that_runs_out_of_prepared_segments_takes_space_without_writing_zeros() {
    let disk = Memory::default();
    let mut rig = Rig::on(disk, small());
    rig.create("t", 1, &[]);
    let reserved = |rig: &Rig| {
        let effects = rig.recorded.iter().flat_map(|(_, _, effects)| effects);
        let steps = effects.filter_map(|effect| {
            if let Effect::Disk(_, request) = effect { Some(&request.steps) } else { None }
        });
        steps
            .flatten()
            .filter(|step| matches!(step, DiskStep::Reserve { file: FileName::Segment(_), .. }))
            .count()
    };
    assert_eq!(reserved(&rig), 0, "a quiet log has its segments zeroed");
    // Nothing can be prepared until this segment is the last.
    rig.use_up_room("t", 0);
    assert_eq!(reserved(&rig), 0);
    rig.disk.fill(false);
    rig.pass(Duration::from_secs(120));
    assert!(reserved(&rig) > 0);
}
