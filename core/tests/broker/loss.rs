//! A loss that the operator accepts: named exactly, reported first, and nothing that was lost is given out again.

use evenkeel_core::{
    Config,
    log::Refusal,
    port::{Fault, FileName},
    units::Lsn,
};

use crate::{
    image::{Read, crash_after, data_groups, killed, last_data_group, refusal, segment},
    rig::{Memory, Rig, batch, small},
};

fn accept(lsn: u64) -> Config {
    Config { accept_loss_from: Some(Lsn(lsn)), ..small() }
}

/// The LSN with which the refusal says it can be accepted.
fn named(rig: &Rig) -> u64 {
    match &rig.fault {
        Some(Fault::Refused(Refusal::Damage(damage))) => damage.accept_from.0,
        other => panic!("{other:?}"),
    }
}

/// Accepted as named, then started twice without the flag. What was there before must go on with unused offsets.
fn accepted(disk: Memory) -> Rig {
    let refused = Rig::on(disk, small());
    let lsn = named(&refused);
    assert!(refusal(&refused).contains(&format!("--accept-loss-from-lsn {lsn}.")), "{}", refusal(&refused));
    let rig = Rig::on(refused.disk, accept(lsn));
    assert!(rig.serving, "{:?}", rig.fault);
    assert!(rig.disk.names().iter().any(|name| matches!(name, FileName::LossReport(_))));
    let mut config = rig;
    config.config = small();
    let rig = config.crash();
    assert!(rig.serving, "{:?}", rig.fault);
    let rig = rig.crash();
    assert!(rig.serving, "{:?}", rig.fault);
    rig
}

fn is_prefix(rig: &mut Rig, all: &[Read]) {
    for (partition, all) in (0..).zip(all) {
        let kept = rig.read_all("t", partition);
        assert_eq!(kept[..], all[..kept.len()], "partition {partition}");
    }
}

#[test]
fn a_loss_must_be_named_to_be_accepted_and_no_offset_is_given_out_twice() {
    let (disk, all) = killed();
    let groups = data_groups(&disk);
    let (file, at) = groups[2 + 49];
    disk.with(|files| files.get_mut(&file).expect("there")[at + 64 + 35 + 61 + 700] ^= 1);
    let wrong = Rig::on(disk.clone(), accept(50));
    assert!(refusal(&wrong).contains("loss begins at LSN 51"));
    let mut rig = Rig::on(disk, accept(51));
    assert!(rig.serving, "{:?}", rig.fault);
    for (partition, all) in (0..3).zip(&all) {
        let kept = rig.read_all("t", partition);
        assert_eq!(kept[..], all[..kept.len()], "a prefix");
        assert!((16..=17).contains(&kept.len()));
    }
    let kept = rig.read_all("t", 1).last().map(|batch| batch.0 + 2).expect("not empty");
    let (error, base) = rig.produce("t", 1, batch(1, 10, 200, 1000));
    assert_eq!((error, base), (0, kept + 1_000_000));
    assert!(rig.disk.names().iter().any(|name| matches!(name, FileName::LossReport(_))));
    assert!(rig.disk.names().iter().any(|name| matches!(name, FileName::Lost(..))));
    // Without damage the flag is refused, so that it cannot stay in a unit file; without the flag all is well.
    let rig = rig.crash();
    assert!(refusal(&rig).contains("nothing is damaged"), "{}", refusal(&rig));
    let mut rig = Rig::on(rig.disk, small());
    assert_eq!(rig.read_all("t", 1).last().map(|batch| batch.0), Some(base));
}

// The second loss began in front of the first one, and took with it that offsets were skipped: the same offsets were given out again. Found
// by simulation.
#[test]
fn a_loss_that_takes_an_earlier_one_with_it_gives_out_no_offset_twice() {
    let (disk, _) = killed();
    let groups = data_groups(&disk);
    let hurt = |disk: &Memory, (file, at): (FileName, usize)| {
        disk.with(|files| files.get_mut(&file).expect("there")[at + 700] ^= 1);
    };
    hurt(&disk, groups[60]);
    let mut rig = accepted(disk);
    let (error, first) = rig.produce("t", 1, batch(5, 10, 200, 1000));
    let id = rig.producer_id();
    assert_eq!(error, 0);
    hurt(&rig.disk, groups[20]);
    let mut rig = accepted(rig.disk);
    let (error, second) = rig.produce("t", 1, batch(5, 10, 201, 1000));
    assert!(error == 0 && second >= first + 5, "{second} after {first}");
    assert!(rig.producer_id() > id);
}

// The reservation of producer ids was in what was lost, and the ids were given out a second time: two producers with one
// identity. Found by simulation.
#[test]
fn producer_ids_of_what_was_lost_are_not_given_out_again() {
    let mut rig = Rig::new(small());
    rig.create("t", 1, &[]);
    for at in 0..3 {
        rig.produce("t", 0, batch(2, 1000, at, 1000));
    }
    let known = rig.producer_id();
    for at in 0..3 {
        rig.produce("t", 0, batch(2, 1000, at, 1000));
    }
    let groups = data_groups(&rig.disk);
    let (file, at) = groups[2];
    rig.disk.with(|files| files.get_mut(&file).expect("there")[at + 700] ^= 1);
    let mut rig = accepted(rig.disk);
    let next = rig.producer_id();
    assert!(next > known, "{next} was given out as {known} before");
}

// The log must go on with the number and the LSN that a start expects: it took those of the first readable segment, and
// nothing ever started on it again. The LSN that was named was not the one that was accepted. Found by simulation.
#[test]
fn a_loss_from_the_first_segment_on_leaves_a_log_that_starts() {
    let (disk, _) = killed();
    for damage in [0, 1, 2, 3] {
        let disk = disk.clone();
        disk.with(|files| {
            let first = files.get_mut(&segment(1)).expect("there");
            match damage {
                0 => first[20] ^= 1,
                1 => first.truncate(100),
                2 => first[4096 + 20] ^= 1,
                _ => drop(files.remove(&segment(1))),
            }
        });
        let mut rig = accepted(disk);
        assert_eq!(rig.metadata("t").topics[0].partitions.len(), 1, "made anew: everything was given up");
        assert_eq!(rig.read_all("t", 0), []);
    }
}

/// A log whose first segments were trimmed, and of whose checkpoints both lie behind the damage.
fn trimmed() -> (Memory, usize) {
    let mut rig = Rig::new(small());
    rig.create("gone", 1, &[]);
    rig.create("t", 1, &[]);
    for at in 0..60 {
        rig.produce("gone", 0, batch(2, 2000, at, 1000));
    }
    rig.delete("gone");
    for at in 0..120 {
        rig.produce("t", 0, batch(2, 2000, at, 1000));
    }
    assert!(!rig.disk.names().contains(&segment(1)), "{:?}", rig.disk.names());
    (rig.disk, 120)
}

// The records behind the damage are whole, the checkpoints too, and still nothing in front of the damage can be placed: what it
// builds on was trimmed. The refusal named a smaller loss than the one that was then accepted. Found by simulation.
#[test]
fn a_refusal_names_the_whole_loss_even_where_every_checkpoint_lies_behind_the_damage() {
    let (disk, _) = trimmed();
    let first_checkpoint = disk.names().into_iter().find_map(|name| match name {
        FileName::Checkpoint(lsn) => Some(lsn),
        _ => None,
    });
    // A group with a batch of 4 KB, not a small one: nothing is in the rest of its block.
    let (file, at) = data_groups(&disk)[2];
    disk.with(|files| files.get_mut(&file).expect("there")[at + 700] ^= 1);
    let refused = Rig::on(disk.clone(), small());
    let Some(Fault::Refused(Refusal::Damage(damage))) = &refused.fault else { panic!("{:?}", refused.fault) };
    assert!(Some(damage.from) < first_checkpoint, "{damage:?}");
    assert!(damage.from > Lsn(0) && damage.accept_from == Lsn(0), "{damage:?}");
    assert_eq!(damage.partitions.len(), 1, "what is damaged is still told exactly: {damage:?}");
    assert!(refusal(&refused).contains("give up everything, all topics"), "{}", refusal(&refused));
    accepted(disk);
}

// The report came last and its name was not made durable: after a crash in between, the log looked whole, no report spoke of the
// loss, and lost offsets were given out again. Found by simulation.
#[test]
fn a_crash_while_a_loss_is_accepted_is_not_the_end_of_it() {
    let (disk, all) = killed();
    let (file, at) = data_groups(&disk)[2 + 49];
    disk.with(|files| files.get_mut(&file).expect("there")[at + 64 + 35 + 61 + 700] ^= 1);
    let lsn = named(&Rig::on(disk.clone(), small()));
    let mut finished = 0;
    for calls in 0..60 {
        let (left, served) = crash_after(&disk, &accept(lsn), calls);
        finished += usize::from(served);
        let again = Rig::on(left, small());
        let mut rig = if again.serving { again } else { accepted(again.disk) };
        assert!(rig.disk.names().iter().any(|name| matches!(name, FileName::LossReport(_))), "{calls}");
        is_prefix(&mut rig, &all);
        for (partition, all) in (0..3).zip(&all) {
            let known = all.last().expect("not empty").0 + 1;
            let (error, base) = rig.produce("t", partition, batch(1, 10, 200, 1000));
            assert!(error == 0 && base > known, "after {calls} calls {base} is given out again");
        }
    }
    assert!(finished > 0, "some of them came to serve");
}

// The padding behind the last group was cut off. Its copy was compared with the padding, and the flag refused what it had
// named: "read differently the second time". Found by simulation.
#[test]
fn a_file_cut_within_the_padding_of_its_last_group_can_be_given_up() {
    let (disk, all) = killed();
    let (last, at) = last_data_group(&disk);
    // A batch of 2 KB: its group has 4 KiB.
    disk.with(|files| files.get_mut(&last).expect("there").truncate(at + 3000));
    let mut rig = accepted(disk);
    for (partition, all) in (0..).zip(&all) {
        assert_eq!(&rig.read_all("t", partition), all, "nothing was in the rest");
    }
}

// The only thing that knows of the loss is a checkpoint behind the end. With the flag it was put away before its name was
// noted ("nothing is damaged, start without the flag"); without the flag the start was refused. Found by simulation.
#[test]
fn a_loss_that_only_a_checkpoint_tells_of_can_be_accepted() {
    let (disk, all) = killed();
    let rig = Rig::on(disk, small()).stop();
    let (last, _) = last_data_group(&rig.disk);
    rig.disk.with(|files| {
        files.retain(|name, _| !matches!(name, FileName::Segment(_)) || *name < last);
        files.remove(&FileName::Identity);
    });
    let text = refusal(&Rig::on(rig.disk.clone(), small()));
    assert!(text.contains("a checkpoint was made at"), "{text}");
    is_prefix(&mut accepted(rig.disk), &all);
}

// A crash loop copies the last group on from segment to segment. One of them is lost, with nothing in it that is not in the
// segments around it: refused "from the end on", for ever, since accepting that changes nothing. Found by simulation.
#[test]
fn a_missing_segment_whose_records_are_all_there_is_told_and_no_loss() {
    let (disk, all) = killed();
    let rig = Rig::on(disk, small());
    let (copied, _) = last_data_group(&rig.disk);
    let rig = rig.crash();
    assert!(last_data_group(&rig.disk).0 > copied);
    rig.disk.with(|files| files.remove(&copied));
    let mut rig = rig.crash();
    assert!(rig.serving, "{:?}", rig.fault);
    assert!(
        rig.notices.iter().any(|line| line.contains(&format!("{copied} is missing"))),
        "{:?}",
        rig.notices
    );
    for (partition, all) in (0..).zip(&all) {
        assert_eq!(&rig.read_all("t", partition), all);
    }
}

// 1. Killed: the last group is in the page cache only. 2. Recovery copies it into a new segment, and the log goes on. 3. That
// segment is damaged, and the loss accepted: the group in front counted as proven, because a segment follows. 4. The power fails,
// it is gone, and the new log does not chain. Found by simulation.
#[test]
fn a_group_whose_copy_is_damaged_is_not_trusted_in_the_page_cache() {
    let (disk, all) = killed();
    let (cached, at) = last_data_group(&disk);
    let mut rig = Rig::on(disk, small());
    let (copy, _) = last_data_group(&rig.disk);
    assert!(copy > cached);
    for at in 0..3 {
        rig.produce("t", 0, batch(2, 1000, at, 1000));
    }
    let rig = rig.crash();
    assert!(last_data_group(&rig.disk).0 > copy);
    rig.disk.with(|files| files.get_mut(&copy).expect("there")[20] ^= 1);
    let rig = accepted(rig.disk);
    rig.disk.with(|files| files.get_mut(&cached).expect("there")[at..at + 4096].fill(0));
    let mut rig = rig.crash();
    assert!(rig.serving, "{:?}", rig.fault);
    for (partition, all) in (0..).zip(&all) {
        assert_eq!(&rig.read_all("t", partition), all, "the group is in a segment that was synced");
    }
}

// 1. A segment holds one group and its seal; the next one, one group. 2. The seal and the header behind it are damaged. The walk
// took the kind of the seal before the segment for its own and called the rest a torn roll; but a roll syncs the seal first.
#[test]
fn a_damaged_seal_and_a_damaged_header_behind_it_are_not_a_torn_roll() {
    let mut rig = Rig::new(small());
    rig.create("t", 1, &[]);
    let sealed = (0..50u8).find_map(|at| {
        // By turns one batch, and three that arrive while it is written: together a group that nearly fills a segment.
        rig.hold_log();
        for _ in 0..[1, 4][usize::from(at % 2)] {
            rig.send(1, 11, Rig::produce_request("t", 0, -1, batch(2, 7000, at, 1000)));
        }
        rig.release();
        let groups = data_groups(&rig.disk);
        match groups[..] {
            [.., (before, _), (alone, 4096), (last, 4096)] if before < alone && alone < last => Some(alone),
            _ => None,
        }
    });
    let sealed = sealed.expect("a segment with one group, and one group behind it");
    let (last, _) = last_data_group(&rig.disk);
    rig.disk.with(|files| {
        let bytes = files.get_mut(&sealed).expect("there");
        let seal = (8192..bytes.len()).step_by(4096).find(|at| bytes[*at..].starts_with(b"EKGROUP1"));
        bytes[seal.expect("it was sealed") + 20] ^= 1;
        files.get_mut(&last).expect("there")[20] ^= 1;
        files.retain(|name, _| !matches!(name, FileName::Checkpoint(_)));
    });
    refusal(&rig.crash());
}

// A second loss put its segments where those of the first had been put: the only copy of what was given up, gone.
#[test]
fn what_an_earlier_loss_set_aside_stays() {
    let (disk, _) = killed();
    let aside = |rig: &Rig| rig.disk.names().iter().filter(|name| matches!(name, FileName::Lost(..))).count();
    let mut known = 0;
    let mut disk = disk;
    for _ in 0..3 {
        let groups = data_groups(&disk);
        // One of the newest, of which there is no copy.
        let (file, at) = groups[groups.len() - 10];
        disk.with(|files| files.get_mut(&file).expect("there")[at + 20] ^= 1);
        let mut rig = accepted(disk);
        assert!(aside(&rig) > known, "{:?}", rig.disk.names());
        known = aside(&rig);
        for at in 0..60 {
            assert_eq!(rig.produce("t", 0, batch(2, 1000, at, 1000)).0, 0);
        }
        disk = rig.disk;
    }
}
