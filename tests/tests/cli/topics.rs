//! Topics, and the records in them.

use serde_json::{Value, json};

use super::{broker, feed, run};

fn values(lines: &[Value]) -> Vec<&str> {
    lines.iter().map(|line| line["value"].as_str().expect("text")).collect()
}

#[test]
fn a_topic_is_created_listed_described_and_deleted() {
    let directory = tempfile::tempdir().expect("a directory");
    let broker = broker(directory.path());
    assert_eq!(run(&broker, "topic list").ok(), "TOPIC  PARTITIONS\n");
    assert_eq!(
        run(&broker, "topic create orders --partitions 3").ok(),
        "created topic orders with 3 partitions\n"
    );
    assert_eq!(
        run(&broker, "topic create a b").ok(),
        "created topic a with 1 partition\ncreated topic b with 1 partition\n"
    );
    let error = run(&broker, "topic create orders").fails(1);
    assert!(error.contains("topic orders: TOPIC_ALREADY_EXISTS (36)"), "{error}");
    assert!(error.ends_with("with --if-not-exists that is not an error\n"), "{error}");
    assert_eq!(run(&broker, "topic create orders --if-not-exists").ok(), "topic orders is there already\n");
    assert_eq!(
        run(&broker, "topic list").ok(),
        "TOPIC   PARTITIONS\na                1\nb                1\norders           3\n"
    );

    let listed = run(&broker, "topic list --json").json();
    let named: Vec<_> = listed.as_array().expect("a list").iter().map(|topic| &topic["topic"]).collect();
    assert_eq!(named, ["a", "b", "orders"]);
    assert_eq!((&listed[2]["partitions"], &listed[2]["internal"]), (&json!(3), &json!(false)));

    feed(&broker, "topic produce orders --partition 1", b"x\ny\n").ok();
    let described = run(&broker, "topic describe orders a --json").json();
    assert_eq!(described[0]["topic"], "orders");
    assert_eq!(described[0]["id"], listed[2]["id"]);
    assert_eq!(described[0]["id"].as_str().map(str::len), Some(22));
    let partition = &described[0]["partitions"][1];
    assert_eq!((&partition["partition"], &partition["leader"]), (&json!(1), &json!(1)));
    assert_eq!((&partition["log_start"], &partition["end"]), (&json!(0), &json!(2)));
    assert_eq!((&partition["replicas"], &partition["in_sync"]), (&json!([1]), &json!([1])));
    assert_eq!(described[1]["partitions"].as_array().map(Vec::len), Some(1));
    let text = run(&broker, "topic describe orders").ok();
    assert!(text.starts_with("topic   orders\nid      "), "{text}");
    assert!(text.lines().any(|line| line.split_whitespace().eq(["1", "1", "1", "1", "0", "2"])), "{text}");

    assert_eq!(run(&broker, "topic delete a b").ok(), "deleted topic a\ndeleted topic b\n");
    let error = run(&broker, "topic describe a").fails(1);
    assert!(error.contains("topic a: UNKNOWN_TOPIC_OR_PARTITION (3)"), "{error}");
    assert!(error.contains("`evenkeel topic list` shows the topics"), "{error}");
    // The one that is there is deleted; the other is an error all the same.
    let half = run(&broker, "topic delete a orders");
    assert_eq!((half.code, &half.out[..]), (Some(1), &b"deleted topic orders\n"[..]), "{}", half.err);
    assert_eq!(run(&broker, "topic list --json").json(), json!([]));
}

#[test]
fn lines_come_back_byte_by_byte() {
    let directory = tempfile::tempdir().expect("a directory");
    let broker = broker(directory.path());
    run(&broker, "topic create t").ok();
    let mut input = b"\n\nplain\n\r\n\xff\xfe\0\n  spaces \n".to_vec();
    input.extend_from_slice(&b"long".repeat(20_000));
    input.extend_from_slice(b"\nwithout an end");
    assert_eq!(feed(&broker, "topic produce t", &input).ok(), "confirmed 8 lines\n");
    let read = run(&broker, "topic consume t --until-end");
    input.push(b'\n');
    assert_eq!((read.code, &read.err[..]), (Some(0), ""));
    assert!(read.out == input, "other bytes came back");
    assert_eq!(feed(&broker, "topic produce t", b"").ok(), "confirmed 0 lines\n");
    let json = run(&broker, "topic consume t --from 4 --max 1 --format json").json();
    assert_eq!((&json["value"], &json["value_base64"]), (&Value::Null, &json!("//4A")));
}

#[test]
fn keys_headers_offsets_and_times_come_back() {
    let directory = tempfile::tempdir().expect("a directory");
    let broker = broker(directory.path());
    run(&broker, "topic create t --partitions 4").ok();
    let line = "topic produce t --key-separator => -H host=web-1 -H empty=";
    assert_eq!(feed(&broker, line, b"k=>1\nno key\nk=>2\n=>3\nk=>\n").ok(), "confirmed 5 lines\n");
    let read = run(&broker, "topic consume t --until-end --format json").json_lines();
    assert_eq!(read.len(), 5);
    let headers = json!([{"name": "host", "value": "web-1"}, {"name": "empty", "value": ""}]);
    for record in &read {
        assert_eq!((&record["topic"], &record["headers"]), (&json!("t"), &headers));
        assert!(record["timestamp"].as_i64().is_some_and(|time| time > 1_700_000_000_000), "{record}");
    }
    let of =
        |key: Value| -> Vec<Value> { read.iter().filter(|record| record["key"] == key).cloned().collect() };
    let keyed = of(json!("k"));
    assert_eq!(values(&keyed), ["1", "2", ""]);
    assert!(keyed.iter().all(|record| record["partition"] == keyed[0]["partition"]), "{keyed:?}");
    assert!(
        keyed.windows(2).all(|pair| pair[0]["offset"].as_i64() < pair[1]["offset"].as_i64()),
        "{keyed:?}"
    );
    assert_eq!((values(&of(json!(""))), values(&of(Value::Null))), (vec!["3"], vec!["no key"]));
    let line = format!("topic consume t -e -f key-value -k : --partition {}", keyed[0]["partition"]);
    let text = run(&broker, &line).ok();
    assert!(text.contains("k:1\n") && text.contains("k:2\n") && text.contains("k:\n"), "{text}");
}

#[test]
fn reading_begins_where_it_is_told_and_ends_after_so_many() {
    let directory = tempfile::tempdir().expect("a directory");
    let broker = broker(directory.path());
    run(&broker, "topic create t").ok();
    feed(&broker, "topic produce t", b"0\n1\n2\n").ok();
    let read = |options: &str| run(&broker, &format!("topic consume t -e {options}")).ok();
    assert_eq!(read(""), "0\n1\n2\n");
    assert_eq!(read("--from beginning --max 2"), "0\n1\n");
    assert_eq!(read("--from 1"), "1\n2\n");
    assert_eq!(read("--from end"), "");
    assert_eq!(read("--from @0"), "0\n1\n2\n");
    assert_eq!(read("--from 2999-01-01T00:00:00Z"), "");
    let first = run(&broker, "topic consume t --max 1 --format json").json();
    assert_eq!(read(&format!("--from @{}", first["timestamp"])), "0\n1\n2\n");
    let error = run(&broker, "topic consume t -e --partition 1").fails(1);
    assert!(error.contains("topic t has no partition 1"), "{error}");
    let error = run(&broker, "topic consume t --from 9").fails(1);
    assert!(error.contains("t-0 ends at offset 3, before 9"), "{error}");
}

#[test]
fn what_cannot_be_written_or_read_is_said() {
    let directory = tempfile::tempdir().expect("a directory");
    let broker = broker(directory.path());
    for line in ["topic produce none", "topic consume none", "topic delete none"] {
        let error = feed(&broker, line, b"x\n").fails(1);
        assert!(error.contains("topic none: UNKNOWN_TOPIC_OR_PARTITION (3)"), "{line}: {error}");
    }
    run(&broker, "topic create t --config max.message.bytes=200").ok();
    let error = feed(&broker, "topic produce t", &[b'x'; 400]).fails(1);
    assert!(error.contains("t-0: MESSAGE_TOO_LARGE (10)"), "{error}");
    assert!(error.contains("confirmed 0 lines") && error.contains("max.message.bytes"), "{error}");
    let error = run(&broker, "topic create u --config no.such.config=1").fails(1);
    assert!(error.contains("topic u: INVALID_CONFIG (40)"), "{error}");
    let error = run(&broker, "topic create a/b").fails(1);
    assert!(error.contains("topic a/b: INVALID_TOPIC_EXCEPTION (17)"), "{error}");
}

#[test]
fn a_producer_waits_for_a_broker_that_was_killed_and_stores_nothing_twice() {
    let directory = tempfile::tempdir().expect("a directory");
    let mut broker = broker(directory.path());
    run(&broker, "topic create t").ok();
    let mut child = super::start(&broker, "topic produce t");
    let mut stdin = child.stdin.take().expect("an input");
    let mut write = |line: &str| std::io::Write::write_all(&mut stdin, line.as_bytes()).expect("it reads");
    write("before\n");
    evenkeel_tests::wait_for("the first line to be stored", || {
        (run(&broker, "topic consume t -e").ok() == "before\n").then_some(())
    });
    broker.kill();
    write("while it is away\n");
    broker.start_again();
    write("after\n");
    drop(stdin);
    let ended = super::Ran::of(child.wait_with_output().expect("our child"));
    assert_eq!(ended.ok(), "confirmed 3 lines\n");
    assert_eq!(run(&broker, "topic consume t -e").ok(), "before\nwhile it is away\nafter\n");
}
