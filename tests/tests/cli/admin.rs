//! More partitions, fewer records, configs.

use serde_json::json;

use super::{broker, feed, run};

#[test]
fn partitions_are_added() {
    let directory = tempfile::tempdir().expect("a directory");
    let broker = broker(directory.path());
    run(&broker, "topic create t --partitions 2").ok();
    assert_eq!(run(&broker, "topic add-partitions t --to 5").ok(), "topic t has 5 partitions\n");
    assert_eq!(run(&broker, "topic list --json").json()[0]["partitions"], json!(5));
    feed(&broker, "topic produce t --partition 4", b"x\n").ok();
    assert_eq!(run(&broker, "topic consume t -e --partition 4").ok(), "x\n");
    let error = run(&broker, "topic add-partitions t --to 3").fails(1);
    assert!(error.contains("topic t: INVALID_PARTITIONS (37)"), "{error}");
    let error = run(&broker, "topic add-partitions none --to 3").fails(1);
    assert!(error.contains("topic none: UNKNOWN_TOPIC_OR_PARTITION (3)"), "{error}");
}

#[test]
fn records_are_deleted_up_to_an_offset_or_all() {
    let directory = tempfile::tempdir().expect("a directory");
    let mut broker = broker(directory.path());
    run(&broker, "topic create t --partitions 2").ok();
    feed(&broker, "topic produce t --partition 0", b"0\n1\n2\n").ok();
    feed(&broker, "topic produce t --partition 1", b"0\n1\n").ok();
    let line = "topic delete-records t --partition 0 --before 2";
    assert_eq!(run(&broker, line).ok(), "t-0 begins at offset 2\n");
    assert_eq!(run(&broker, "topic consume t -e --partition 0").ok(), "2\n");
    let error = run(&broker, "topic delete-records t --partition 0 --before 9").fails(1);
    assert!(error.contains("t-0: OFFSET_OUT_OF_RANGE (1)"), "{error}");
    let error = run(&broker, "topic delete-records t --partition 7 --before 0").fails(1);
    assert!(error.contains("topic t has no partition 7"), "{error}");
    let all = run(&broker, "topic delete-records t --before end").ok();
    assert_eq!(all, "t-0 begins at offset 3\nt-1 begins at offset 2\n");
    broker.kill();
    broker.start_again();
    assert_eq!(run(&broker, "topic consume t -e").ok(), "", "what was deleted stays deleted");
}

#[test]
fn configs_of_a_topic_are_set_shown_and_unset() {
    let directory = tempfile::tempdir().expect("a directory");
    let broker = broker(directory.path());
    run(&broker, "topic create t").ok();
    assert_eq!(run(&broker, "config describe topic t --json").json(), json!([]));
    let line = "config set topic t max.message.bytes=2000000";
    assert_eq!(run(&broker, line).ok(), "topic t: max.message.bytes=2000000\n");
    let shown = run(&broker, "config describe topic t").ok();
    assert!(shown.contains("max.message.bytes  2000000  topic"), "{shown}");
    let shown = run(&broker, "config describe topic t --json").json();
    assert_eq!(
        (&shown[0]["name"], &shown[0]["value"], &shown[0]["source"]),
        (&json!("max.message.bytes"), &json!("2000000"), &json!("topic"))
    );
    assert_eq!(shown.as_array().map(Vec::len), Some(1));
    let all = run(&broker, "config describe topic t --all --json").json();
    assert!(all.as_array().is_some_and(|all| all.len() > 1), "{all}");
    let described = run(&broker, "topic describe t --json").json();
    assert_eq!(described[0]["configs"], json!({"max.message.bytes": "2000000"}));
    let error = run(&broker, "config set topic t no.such.config=1").fails(1);
    assert!(error.contains("topic t: INVALID_CONFIG (40)"), "{error}");
    let line = "config unset topic t max.message.bytes";
    assert_eq!(run(&broker, line).ok(), "topic t: max.message.bytes is not set\n");
    assert_eq!(run(&broker, "config describe topic t --json").json(), json!([]));
    let error = run(&broker, "config describe topic none").fails(1);
    assert!(error.contains("topic none: UNKNOWN_TOPIC_OR_PARTITION (3)"), "{error}");
}

#[test]
fn configs_of_a_broker_are_shown() {
    let directory = tempfile::tempdir().expect("a directory");
    let broker = broker(directory.path());
    let all = run(&broker, "config describe broker --all --json").json();
    let names = all.as_array().expect("a list").iter().filter_map(|entry| entry["name"].as_str());
    assert!(names.clone().any(|name| name == "auto.create.topics.enable"), "{all}");
    assert_eq!(run(&broker, "config describe broker 1 --all --json").json(), all);
    let error = run(&broker, "config describe broker one").fails(1);
    assert!(error.contains("one is no id of a broker"), "{error}");
}
