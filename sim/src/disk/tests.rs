use evenkeel_core::units::{Epoch, SegmentSequence};

use super::*;

const FILE: FileName = FileName::Segment(SegmentSequence(1));
const OTHER: FileName = FileName::Segment(SegmentSequence(2));

fn read(disk: &SimDisk, file: FileName) -> Vec<u8> {
    let mut bytes = vec![0; usize::try_from(disk.len(file).expect("there")).expect("small")];
    disk.read_at(file, 0, &mut bytes).expect("readable");
    bytes
}

fn write(disk: &SimDisk, position: u64, byte: u8, len: usize) {
    disk.write_at(FILE, position, &[Bytes::from(vec![byte; len])]).expect("writable");
}

fn prepared() -> SimDisk {
    let disk = SimDisk::default();
    disk.create(FILE).expect("room");
    disk.zero(FILE, 8192).expect("room");
    write(&disk, 0, 1, 1024);
    disk.sync(FILE).expect("no faults");
    disk.sync_directory().expect("no faults");
    disk
}

#[test]
fn what_was_synced_survives_every_power_loss_and_what_was_not_is_old_new_or_zero_by_the_sector() {
    let disk = prepared();
    write(&disk, 512, 2, 4096);
    let (mut old, mut new, mut mixed) = (0, 0, 0);
    for seed in 0..500 {
        let bytes = read(&disk.power_cut(seed), FILE);
        assert_eq!((bytes.len(), &bytes[..512]), (8192, &[1; 512][..]), "seed {seed}");
        assert!(bytes[4608..].iter().all(|byte| *byte == 0), "seed {seed}");
        for (at, sector) in bytes[512..4608].chunks(512).enumerate() {
            let before = u8::from(at == 0);
            assert!([before, 2, 0].iter().any(|byte| sector == [*byte; 512]), "seed {seed}, sector {at}");
        }
        match bytes[512..4608].iter().filter(|byte| **byte == 2).count() {
            0 => old += 1,
            4096 => new += 1,
            _ => mixed += 1,
        }
    }
    assert!(old > 50 && new > 50 && mixed > 100, "{old} old, {new} new, {mixed} mixed");
}

#[test]
fn a_killed_process_loses_nothing_that_it_wrote() {
    let disk = prepared();
    write(&disk, 4096, 7, 100);
    assert_eq!(read(&disk.clone(), FILE)[4096..4196], [7; 100]);
}

#[test]
fn the_durable_only_view_holds_exactly_what_was_synced() {
    let disk = prepared();
    write(&disk, 0, 9, 8192);
    disk.create(OTHER).expect("room");
    disk.rename(FILE, FileName::Lost(Epoch(1), SegmentSequence(1))).expect("there");
    let left = disk.durable_only();
    assert_eq!(left.list().expect("no faults"), [FileEntry { file: FILE, len: 8192 }]);
    assert_eq!(read(&left, FILE)[..2048], [[1; 1024], [0; 1024]].concat()[..]);
}

#[test]
fn a_size_is_durable_on_its_own_and_only_new_sectors_come_up_with_garbage() {
    let disk = SimDisk::default();
    disk.create(FILE).expect("room");
    disk.sync_directory().expect("no faults");
    write(&disk, 0, 5, 4096);
    let (mut shorter, mut garbage) = (0, 0);
    for seed in 0..500 {
        let bytes = read(&disk.power_cut(seed), FILE);
        assert!(bytes.len() <= 4096);
        shorter += usize::from(bytes.len() < 4096);
        garbage += usize::from(bytes.iter().any(|byte| !matches!(byte, 0 | 5)));
    }
    assert!(shorter > 50 && garbage > 20, "{shorter} shorter, {garbage} with garbage");
}

#[test]
fn names_survive_with_their_directory_and_each_for_itself_before() {
    let disk = prepared();
    disk.create(OTHER).expect("room");
    disk.remove(FILE).expect("no faults");
    let mut outcomes = std::collections::BTreeSet::new();
    for seed in 0..200 {
        let left = disk.power_cut(seed);
        outcomes.insert((left.len(FILE).is_ok(), left.len(OTHER).is_ok()));
    }
    assert_eq!(outcomes.len(), 4);
    disk.sync_directory().expect("no faults");
    assert!(
        (0..50)
            .all(|seed| disk.power_cut(seed).len(FILE).is_err() && disk.power_cut(seed).len(OTHER).is_ok())
    );
}

#[test]
fn a_rename_is_old_or_new_and_a_truncation_may_be_undone() {
    let disk = prepared();
    disk.rename(FILE, OTHER).expect("there");
    disk.create(OTHER).expect("room");
    let mut outcomes = std::collections::BTreeSet::new();
    for seed in 0..200 {
        let left = disk.power_cut(seed);
        assert_ne!(left.len(FILE).is_ok(), left.len(OTHER).is_ok(), "seed {seed}");
        let name = if left.len(FILE).is_ok() { FILE } else { OTHER };
        outcomes
            .insert((name, left.len(name).expect("there") == 8192 && read(&left, name)[..1024] == [1; 1024]));
    }
    assert_eq!(outcomes.len(), 4);
}

#[test]
fn a_failed_sync_proves_nothing_for_the_next_one() {
    let (mut lost, mut shown) = (0, 0);
    for seed in 0..200 {
        let disk = prepared();
        write(&disk, 4096, 3, 512);
        disk.arm(Faults { sync_eio: 1000, ..Faults::default() }, seed);
        assert_eq!(disk.sync(FILE), Err(eio(FILE)));
        disk.calm();
        disk.sync(FILE).expect("the next sync succeeds");
        let cached = read(&disk, FILE)[4096] == 3;
        let kept = read(&disk.durable_only(), FILE)[4096] == 3;
        assert!(cached || !kept);
        shown += usize::from(cached && !kept);
        lost += usize::from(!kept);
        // Written again and synced, it is there.
        write(&disk, 4096, 4, 512);
        disk.sync(FILE).expect("no faults");
        assert_eq!(read(&disk.durable_only(), FILE)[4096], 4);
    }
    assert!(shown > 20 && lost > shown, "{lost} lost, {shown} of them still in the cache");
}

#[test]
fn a_full_disk_takes_a_part_and_still_overwrites() {
    let disk = prepared();
    disk.arm(Faults { room: Some(0), ..Faults::default() }, 1);
    write(&disk, 0, 8, 8192);
    let more = disk.write_at(FILE, 8192, &[Bytes::from(vec![1; 4096])]);
    assert_eq!(more, Err(enospc(FILE)));
    assert!((8192..=12288).contains(&disk.len(FILE).expect("there")));
    assert_eq!(disk.create(OTHER), Err(enospc(OTHER)));
}

#[test]
fn media_faults_hit_what_was_synced() {
    let disk = prepared();
    assert!(disk.damage(&MediaFault::Flip(FILE, 8 * 10 + 3)));
    assert!(disk.damage(&MediaFault::ZeroSector(FILE, 1)));
    assert!(!disk.damage(&MediaFault::ZeroSector(FILE, 5)), "zeros before and after");
    let bytes = read(&disk.durable_only(), FILE);
    assert_eq!((bytes[10], &bytes[512..1024]), (1 ^ 8, &[0; 512][..]));
    assert!(disk.damage(&MediaFault::Shorten(FILE, 100)));
    assert_eq!(disk.durable_only().len(FILE), Ok(100));
    assert!(disk.damage(&MediaFault::Lose(FILE)));
    assert!(!disk.damage(&MediaFault::Lose(FILE)));
}

#[test]
fn what_may_be_lost_can_be_named_one_by_one_and_every_choice_is_one_of_the_legal_states() {
    let disk = prepared();
    write(&disk, 512, 2, 1024);
    disk.create(OTHER).expect("room");
    let units = disk.units();
    // The new name, and two sectors; sectors without a change and files without data are not worth a choice.
    assert_eq!(units.len(), 3, "{units:?}");
    let all = |fate| vec![fate; units.len()];
    assert_eq!(disk.left(&units, &all(Fate::New)).contents(), disk.contents());
    assert_eq!(disk.left(&units, &all(Fate::Old)).contents(), disk.durable_only().contents());
    let one = disk.left(&units, &[Fate::Old, Fate::New, Fate::Zero]);
    assert!(one.len(OTHER).is_err());
    assert_eq!(read(&one, FILE)[..2048], [[1; 512], [2; 512], [0; 512], [0; 512]].concat()[..]);
    assert!(one.units().is_empty(), "what is left is on the media");
}

#[test]
fn a_truncation_a_size_and_new_space_are_units_of_their_own() {
    let disk = prepared();
    disk.create(FILE).expect("room");
    write(&disk, 0, 3, 512);
    disk.zero(FILE, 512).expect("room");
    let units = disk.units();
    let undone = disk.left(&units, &vec![Fate::Old; units.len()]);
    assert_eq!(undone.fingerprint(), prepared().fingerprint());
    let fates: Vec<Vec<Fate>> = units.iter().map(Unit::strange_fates).collect();
    assert!(fates.iter().any(|fates| fates.contains(&Fate::Garbage)), "{units:?}");
    assert!(fates.iter().flatten().any(|fate| matches!(fate, Fate::Between(_))), "{units:?}");
}

#[test]
fn two_disks_have_one_fingerprint_only_if_they_are_alike_in_every_layer() {
    let (one, other) = (prepared(), prepared());
    assert_eq!(one.fingerprint(), other.fingerprint());
    write(&one, 0, 1, 512);
    assert_eq!(one.contents(), other.contents());
    assert_ne!(one.fingerprint(), other.fingerprint(), "a sector is dirty, with the same bytes");
    one.sync(FILE).expect("no faults");
    assert_eq!(one.fingerprint(), other.fingerprint());
    write(&one, 100, 9, 1);
    assert_ne!(one.contents(), other.contents());
}

mod scans {
    use evenkeel_core::{
        log::ScanOrder,
        port::{BatchAt, DiskReply, DiskStep, perform},
    };

    use super::*;
    use crate::{batch, ledger::OpNumber};

    fn both(disk: &SimDisk) -> (DiskReply, DiskReply) {
        let step = DiskStep::Scan(ScanOrder { file: FILE, salt: None });
        let quick = disk.perform(std::slice::from_ref(&step)).expect("readable").remove(0);
        (quick, perform(disk, &[step]).expect("readable").remove(0))
    }

    #[test]
    fn a_scan_that_is_remembered_is_never_that_of_other_bytes() {
        let disk = prepared();
        for change in 0..40 {
            match change % 4 {
                0 => write(&disk, 4096, change, 100),
                1 => assert!(disk.damage(&MediaFault::Flip(FILE, u64::from(change) * 8))),
                2 => disk.zero(FILE, 4096 * (2 + u64::from(change))).expect("room"),
                _ => disk.sync(FILE).expect("no faults"),
            }
            for copy in [disk.clone(), disk.power_cut(u64::from(change)), disk.durable_only()] {
                let (quick, real) = both(&copy);
                assert_eq!(quick, real, "after change {change}");
            }
            let (quick, real) = both(&disk);
            assert_eq!(quick, real, "after change {change}");
        }
    }

    #[test]
    fn a_read_of_batches_that_is_remembered_is_never_that_of_other_bytes() {
        let disk = prepared();
        let mut places = Vec::new();
        let mut position = 4096;
        for number in 1..5 {
            let batch = batch::make(OpNumber(number), 3, 200, None);
            let bytes = Bytes::from([&batch.header.encode()[..], &batch.records[..]].concat());
            disk.write_at(FILE, position, std::slice::from_ref(&bytes)).expect("room");
            places.push(BatchAt {
                position: u32::try_from(position).expect("small"),
                len: u32::try_from(bytes.len()).expect("small"),
                base_offset: batch.header.base_offset,
                leader_epoch: batch.header.leader_epoch,
            });
            position += bytes.len() as u64 + 100;
        }
        let both = |disk: &SimDisk, count: usize| {
            let step = DiskStep::ReadBatches { file: FILE, batches: places[..count].to_vec() };
            (disk.perform(std::slice::from_ref(&step)), perform(disk, &[step]))
        };
        let mut damaged = 0;
        for change in 0..40_u64 {
            for count in [4, 3, 4] {
                let (quick, real) = both(&disk, count);
                damaged += u32::from(real.is_err());
                assert_eq!(quick, real, "{count} after change {change}");
            }
            // Every other change undoes the one before.
            assert!(disk.damage(&MediaFault::Flip(FILE, (4096 + change / 2 * 23) * 8)));
        }
        assert!((20..100).contains(&damaged), "{damaged} damaged");
    }

    #[test]
    fn a_scan_that_must_read_fails_when_reads_fail() {
        let disk = prepared();
        both(&disk);
        disk.arm(Faults { read_eio: 1000, ..Faults::default() }, 1);
        assert!(disk.perform(&[DiskStep::Scan(ScanOrder { file: FILE, salt: None })]).is_err());
    }
}
