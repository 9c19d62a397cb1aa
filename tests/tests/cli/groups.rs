//! Consumer groups and their offsets.

use std::{
    io::{BufRead, BufReader, Read},
    process::Child,
};

use evenkeel_tests::{Broker, wait_for};
use rustix::process::{Pid, Signal, kill_process};
use serde_json::{Value, json};

use super::{Ran, broker, feed, run, start};

/// A broker with a topic of one partition and ten records, `0` to `9`.
fn with_records(directory: &std::path::Path) -> Broker {
    let broker = broker(directory);
    run(&broker, "topic create t").ok();
    feed(&broker, "topic produce t", b"0\n1\n2\n3\n4\n5\n6\n7\n8\n9\n").ok();
    broker
}

fn committed(broker: &Broker) -> Value {
    run(broker, "group describe g --json").json()[0]["offsets"][0]["committed"].clone()
}

/// Tells it to end as Ctrl-C does.
fn interrupt(child: &Child) {
    let pid = i32::try_from(child.id()).ok().and_then(Pid::from_raw).expect("a pid");
    kill_process(pid, Signal::INT).expect("our child can be signalled");
}

#[test]
fn a_group_goes_on_where_it_was_and_is_listed_described_and_deleted() {
    let directory = tempfile::tempdir().expect("a directory");
    let broker = with_records(directory.path());
    assert_eq!(run(&broker, "group list").ok(), "GROUP  STATE  PROTOCOL\n");
    assert_eq!(run(&broker, "topic consume t --group g --max 4").ok(), "0\n1\n2\n3\n");
    assert_eq!(run(&broker, "topic consume t --group g --max 2").ok(), "4\n5\n");
    assert_eq!(run(&broker, "group list").ok(), "GROUP  STATE  PROTOCOL\ng      Empty  consumer\n");
    let listed = run(&broker, "group list --json").json();
    assert_eq!((&listed[0]["group"], &listed[0]["state"]), (&json!("g"), &json!("Empty")));
    assert_eq!(run(&broker, "group list --state stable --json").json(), json!([]));
    let described = run(&broker, "group describe g --json").json();
    assert_eq!(described[0]["members"], json!([]));
    let offsets = &described[0]["offsets"][0];
    assert_eq!((&offsets["topic"], &offsets["partition"]), (&json!("t"), &json!(0)));
    assert_eq!((&offsets["committed"], &offsets["end"], &offsets["lag"]), (&json!(6), &json!(10), &json!(4)));
    let text = run(&broker, "group describe g").ok();
    assert!(text.contains("state        Empty\n"), "{text}");
    assert!(text.lines().any(|line| line.split_whitespace().eq(["t", "0", "6", "10", "4", "-"])), "{text}");

    assert_eq!(run(&broker, "group delete-offsets g --topic t").ok(), "group g has no offset of t-0\n");
    let error = run(&broker, "group delete-offsets g --topic t").fails(1);
    assert!(error.contains("group g has committed nothing in topic t"), "{error}");
    assert_eq!(run(&broker, "topic consume t --group g -e").ok(), "0\n1\n2\n3\n4\n5\n6\n7\n8\n9\n");
    assert_eq!(run(&broker, "group delete g").ok(), "deleted group g\n");
    for line in ["group describe g", "group delete g"] {
        let error = run(&broker, line).fails(1);
        assert!(error.contains("group g: GROUP_ID_NOT_FOUND (69)"), "{error}");
        assert!(error.contains("`evenkeel group list` shows the groups"), "{error}");
    }
    assert_eq!(run(&broker, "group list --json").json(), json!([]));
}

#[test]
fn offsets_are_reset_to_every_place_and_only_when_told_to() {
    let directory = tempfile::tempdir().expect("a directory");
    let broker = with_records(directory.path());
    run(&broker, "topic consume t --group g --max 6").ok();
    let time = run(&broker, "topic consume t --max 1 --format json").json()["timestamp"].clone();
    let mut at = 6;
    for (to, expected) in [
        (String::from("--to-earliest"), 0),
        (String::from("--to-latest"), 10),
        (String::from("--to-offset 3"), 3),
        (String::from("--to-offset 99"), 10),
        (String::from("--shift-by -4"), 6),
        (String::from("--shift-by=2"), 8),
        (String::from("--shift-by -99"), 0),
        (String::from("--to-datetime 2999-01-01T00:00:00Z"), 10),
        (format!("--to-datetime @{time}"), 0),
        (String::from("--by-duration 0s"), 10),
        (String::from("--by-duration 1h"), 0),
    ] {
        let line = format!("group reset-offsets g --topic t {to}");
        let planned = run(&broker, &line);
        assert_eq!((planned.code, planned.err.contains("nothing was changed")), (Some(0), true), "{to}");
        assert_eq!(committed(&broker), json!(at), "{to}: a plan changes nothing");
        let done = run(&broker, &format!("{line} --execute --json")).json();
        assert_eq!(done, json!([{"topic": "t", "partition": 0, "committed": at, "new": expected}]), "{to}");
        assert_eq!(committed(&broker), json!(expected), "{to}");
        at = expected;
    }
    run(&broker, "group reset-offsets g --topic t --to-offset 8 --execute").ok();
    assert_eq!(run(&broker, "topic consume t --group g -e").ok(), "8\n9\n");
    let text = run(&broker, "group reset-offsets new --topic t --to-offset 7 --execute").ok();
    assert_eq!(text, "TOPIC  PARTITION  COMMITTED  NEW\nt              0          -    7\n");
    assert_eq!(run(&broker, "topic consume t --group new -e").ok(), "7\n8\n9\n");
    let error = run(&broker, "group reset-offsets g --topic t --partition 5 --to-latest").fails(1);
    assert!(error.contains("topic t has no partition 5"), "{error}");
    let error = run(&broker, "group reset-offsets none --topic t --shift-by 1").fails(1);
    assert!(error.contains("group none has committed nothing there to shift"), "{error}");
}

#[test]
fn a_group_at_work_is_described_and_neither_reset_nor_deleted() {
    let directory = tempfile::tempdir().expect("a directory");
    let broker = with_records(directory.path());
    let mut child = start(&broker, "topic consume t --group g");
    let described = wait_for("the member to have committed everything", || {
        let ran = run(&broker, "group describe g --json");
        if ran.code != Some(0) {
            return None;
        }
        let described = ran.json();
        // The group is asked before its offsets are: it may have come to rest in between.
        let rests = described[0]["state"] == json!("Stable");
        (rests && described[0]["offsets"][0]["committed"] == json!(10)).then_some(described)
    });
    let group = &described[0];
    assert_eq!((&group["state"], &group["protocol"]), (&json!("Stable"), &json!("range")));
    let member = &group["members"][0];
    assert_eq!(member["assignment"], json!([{"topic": "t", "partitions": [0]}]), "{member}");
    let listed = run(&broker, "group list --state stable --json").json();
    assert_eq!(listed[0]["group"], "g");
    let error = run(&broker, "group reset-offsets g --topic t --to-earliest --execute").fails(1);
    assert!(error.contains("group g has 1 members and is Stable: its consumers must stop first"), "{error}");
    let error = run(&broker, "group delete g").fails(1);
    assert!(error.contains("group g: NON_EMPTY_GROUP (68)"), "{error}");
    assert!(error.contains("stop its consumers first"), "{error}");
    interrupt(&child);
    let mut out = String::new();
    child.stdout.take().expect("an output").read_to_string(&mut out).expect("text");
    assert_eq!(out, "0\n1\n2\n3\n4\n5\n6\n7\n8\n9\n");
    assert_eq!(Ran::of(child.wait_with_output().expect("our child")).ok(), "");
    // It left: the group is free at once.
    assert_eq!(run(&broker, "group list --json").json()[0]["state"], "Empty");
}

#[test]
fn a_member_stays_over_a_kill_of_the_broker_and_reads_each_record_once() {
    let directory = tempfile::tempdir().expect("a directory");
    let mut broker = with_records(directory.path());
    let mut child = start(&broker, "topic consume t --group g --max 20");
    let mut lines = BufReader::new(child.stdout.take().expect("an output")).lines();
    let mut next = || lines.next().map(|line| line.expect("text"));
    for expected in 0..10 {
        assert_eq!(next(), Some(expected.to_string()));
    }
    wait_for("the commit", || {
        let ran = run(&broker, "group describe g --json");
        (ran.code == Some(0) && ran.json()[0]["offsets"][0]["committed"] == json!(10)).then_some(())
    });
    broker.kill();
    broker.start_again();
    assert_eq!(committed(&broker), json!(10), "what was committed is there after the kill");
    feed(&broker, "topic produce t", b"10\n11\n12\n13\n14\n15\n16\n17\n18\n19\n").ok();
    for expected in 10..20 {
        assert_eq!(next(), Some(expected.to_string()));
    }
    assert_eq!(next(), None);
    assert_eq!(child.wait().expect("our child").code(), Some(0));
    assert_eq!(committed(&broker), json!(20));
}
