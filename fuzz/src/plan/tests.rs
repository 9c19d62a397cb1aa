use evenkeel_core::port::FileName;

use super::*;
use crate::truth::{Known, KnownOffset};

/// Creates topic a, sends one batch of an idempotent producer, and sends it again, after a kill or not.
fn retried(kill: bool) -> Vec<u8> {
    let mut choices = vec![2, 7, 0, 0, 4, 0, 0, 0, 0];
    if kill {
        choices.push(13);
    }
    choices.extend([6, 6]);
    choices
}

#[test]
fn a_retry_is_stored_once_over_a_kill_too() {
    for kill in [false, true] {
        let life = Life::lived(&mut Choices::new(&retried(kill)));
        let truth = life.world.truth.expect("a life is taken down");
        let batches = batch::split(&truth.contents(truth.upto())["a"][0]).map(|batches| batches.len());
        assert_eq!(batches, Some(1));
    }
}

#[test]
#[should_panic(expected = "a-0: twice, again at offset 0")]
fn a_batch_that_is_there_twice_is_found_out() {
    let by = Some(Sequenced { producer: 1, first: 0 });
    let batch = numbered(batch::Numbered { number: 1, count: 1, filling: 0, by });
    let bytes = [&batch.header.encode()[..], &batch.records].concat();
    assert_stored_once(&Contents::from([(String::from("a"), vec![[bytes.clone(), bytes].concat()])]));
}

/// A step of administration or of a group.
fn change(kind: u8) -> u8 {
    changes::FROM + kind
}

/// A life in which every entry of administration and of groups is written, to its end.
pub(crate) fn changed(ending: &[u8]) -> Life {
    let mut choices = vec![2];
    let (create, produce) = (7, 0);
    let steps: [&[u8]; 23] = [
        &[create, 0, 0],
        &[create, 2, 0],
        // To three partitions.
        &[change(0), 0, 1],
        // The first config a value, the third one, the first none any more.
        &[change(1), 0, 0, 0],
        &[change(1), 0, 2, 0],
        &[change(1), 0, 0, 2],
        // Seven records to the first partition, of which two go; one to the second, which goes.
        &[produce, 0, 0, 2, 0],
        &[change(4), 0, 0, 2],
        &[produce, 0, 1, 0, 0],
        &[change(4), 0, 1, 0],
        // Group h: two commits from outside, one of them forgotten, and then the group.
        &[change(6), 1, 0, 0, 2, 0, 1],
        &[change(6), 1, 0, 1, 1, 2, 0],
        &[change(8), 1, 0, 1],
        // Group g: the static member comes, commits, and comes back.
        &[change(10), 1, 0],
        &[change(14), 0],
        &[change(7), 1, 0, 0, 2, 2, 1],
        &[change(7), 1, 2, 0, 3, 1, 0],
        &[change(11), 1, 8],
        // Another one joins, with a rebalance, and goes.
        &[change(10), 0, 4],
        &[change(10), 1, 8],
        &[change(13), 0, 0],
        &[change(10), 1, 12],
        &[change(14), 0],
    ];
    choices.extend(steps.concat());
    choices.extend(ending);
    Life::lived(&mut Choices::new(&choices))
}

/// What is known at its end, and the life itself.
fn known(life: &Life) -> Known {
    let truth = life.world.truth.as_ref().expect("a life is taken down");
    truth.known(truth.upto())
}

#[test]
fn a_life_writes_every_entry_of_administration_and_of_groups() {
    let deletion = [change(9), 1];
    let life = changed(&deletion);
    let truth = life.world.truth.as_ref().expect("a life is taken down");
    for entry in [
        "PartitionsAdded",
        "ConfigsChanged",
        "RecordsDeleted",
        "Member",
        "Generation",
        "Assignment",
        "Assigned",
        "Removed",
        "Replaced",
        "Committed",
        "Forgotten",
        "Deleted",
    ] {
        assert!(truth.holds(entry), "{entry}");
    }
}

#[test]
fn administration_and_groups_are_there_after_a_kill_a_power_cut_and_through_a_checkpoint() {
    let (stop, kill, power) = (vec![12], vec![13], vec![15, 2, 0]);
    for ending in [stop, kill, power] {
        let life = changed(&ending);
        let known = known(&life);
        let (a, h, g) = (&known.topics["a"], &known.groups["h"], &known.groups["g"]);
        assert_eq!(a.spans, [(2, 7), (1, 1), (0, 0)]);
        assert_eq!(a.configs, BTreeMap::from([(String::from("flush.ms"), String::from("7"))]));
        let offset = KnownOffset { offset: 7, leader_epoch: -1, metadata: String::from("mmm") };
        assert_eq!(h.offsets, BTreeMap::from([((String::from("a"), 0), offset)]));
        assert_eq!(g.offsets.len(), 2);
        assert_eq!((g.generation, g.members.len(), g.assigned), (3, 1, true));
        let member = g.members.values().next().expect("one");
        assert_eq!((member.instance.as_deref(), &member.assignment[..]), (Some("i"), &[12; 3][..]));
        let checkpoint = |file: &FileName| matches!(file, FileName::Checkpoint(_));
        assert!(ending != [12] || life.world.disk.image().keys().any(checkpoint), "a stop leaves one");
    }
}

#[test]
fn commits_expire_and_members_are_missed_in_a_life() {
    // Twice as long as commits are kept: the first time the clock on the wall is still that of before.
    let long = [change(14), 3, change(14), 3, change(14), 3, 13];
    let known = known(&changed(&long));
    assert!(known.groups.is_empty(), "{known:?}");
}

#[test]
fn lives_out_of_a_fixed_generator_reach_groups_in_force() {
    let lives = (0..150).map(|seed| Life::lived(&mut Choices::new(&crate::choices::generated(seed, 240))));
    let stable = lives
        .filter(|life| known(life).groups.values().any(|group| group.assigned && !group.members.is_empty()));
    assert!(stable.count() > 5, "groups come together");
}
