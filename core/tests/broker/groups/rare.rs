//! What happens rarely to members: they leave before they join, come back while others rebalance, and only ever commit.

use std::time::Duration;

use super::{commit, heartbeat, join, join_request, joined, leave, member_id, pair, rig, sync, synced};

#[test]
fn an_id_that_was_given_out_can_be_given_back() {
    let mut rig = rig();
    let asked = member_id(&mut rig);
    assert_eq!(leave(&mut rig, &asked, None), 0);
    assert_eq!(leave(&mut rig, &asked, None), 25);
    assert_eq!(joined(rig.ask(9, join(join_request(&asked, None, &["range"])))).error_code, 25);
}

#[test]
fn a_member_is_heard_of_by_what_it_commits_and_not_by_what_is_refused() {
    let mut rig = rig();
    let (leader, other, generation) = pair(&mut rig);
    for _ in 0..4 {
        rig.pass(Duration::from_secs(4));
        assert_eq!(heartbeat(&mut rig, &leader, generation), 0);
        assert_eq!(commit(&mut rig, &other, generation, "t", 1, ""), 0);
    }
    for seconds in [4, 4] {
        rig.pass(Duration::from_secs(seconds));
        assert_eq!(heartbeat(&mut rig, &leader, generation), 0);
        assert_eq!(commit(&mut rig, &other, generation - 1, "t", 1, ""), 22);
    }
    rig.pass(Duration::from_secs(4));
    assert_eq!(heartbeat(&mut rig, &leader, generation), 27, "the other one was not heard of for 12 s");
    assert_eq!(heartbeat(&mut rig, &other, generation), 25);
}

#[test]
fn a_static_member_that_came_back_has_a_say_in_the_assignor_though_it_does_not_join() {
    let mut rig = rig();
    let first = joined(rig.ask(9, join(join_request("", Some("i"), &["range", "sticky"]))));
    let generation = first.generation_id;
    synced(rig.ask(5, sync(&first.member_id, generation, &[(&first.member_id, "all")])));
    let back = joined(rig.ask(9, join(join_request("", Some("i"), &["range"]))));
    assert_eq!((back.error_code, back.generation_id), (0, generation), "it takes its place again");
    // Another one joins, and the instance is heard of and does not.
    let asked = member_id(&mut rig);
    let waits = rig.send(2, 9, join(join_request(&asked, None, &["sticky", "range"])));
    for _ in 0..11 {
        rig.pass(Duration::from_secs(5));
        assert_eq!(heartbeat(&mut rig, &back.member_id, generation), 27);
    }
    rig.pass(Duration::from_secs(5));
    let Some(told) = rig.reply(waits).map(joined) else { panic!("the time is up") };
    assert_eq!((told.error_code, told.members.len()), (0, 2), "the instance keeps its place");
    assert_eq!(
        told.protocol_name.as_ref().map(|name| name.as_str()),
        Some("range"),
        "the one that both know"
    );
    assert_eq!(told.leader, told.member_id, "a member that has not joined cannot assign");
}

#[test]
fn members_that_are_to_ask_for_their_assignment_on_a_full_disk_may_do_so_later() {
    let mut rig = rig();
    let (leader, other, generation) = pair(&mut rig);
    let waits = rig.send(3, 9, join(join_request(&leader, None, &["range"])));
    let second = joined(rig.ask(9, join(join_request(&other, None, &["range"]))));
    assert!(rig.reply(waits).is_some());
    assert_eq!(second.generation_id, generation + 1);
    // Their time is over while nothing can be written: nobody is taken for gone, and no timer fires for ever.
    rig.use_up_room("t", 0);
    for _ in 0..14 {
        rig.pass(Duration::from_secs(5));
        for member in [&leader, &other] {
            assert_eq!(heartbeat(&mut rig, member, generation + 1), 0);
        }
    }
    rig.disk.fill(false);
    rig.pass(Duration::from_secs(5));
    for member in [&leader, &other] {
        let told = heartbeat(&mut rig, member, generation + 1);
        assert!(told == 0 || told == 25 || told == 27, "{told}");
    }
}
