//! What is whole is shown as it is, and nothing is changed by looking.

use std::fs;

use evenkeel_tests::log_files;
use serde_json::json;

use super::{ended, files, json, names, start, stopped, stored, tool, url};
use crate::{feed, run};

#[test]
fn all_is_well_in_what_a_stopped_broker_leaves_and_looking_changes_nothing() {
    let temporary = tempfile::tempdir().expect("a directory");
    let (data, store) = stored(temporary.path());
    let before = (files(&data), files(&store));
    let (data_dir, object_store) = (data.display(), url(&store));

    let text = ended(0, &format!("verify --data-dir {data_dir} --object-store {object_store}"));
    assert!(text.ends_with("all is well\n"), "{text}");
    let found = json(0, &format!("verify --data-dir {data_dir} --object-store {object_store}"));
    assert_eq!((&found["verdict"], &found["findings"]), (&json!("clean"), &json!([])));
    assert_eq!(found["directory"]["log_ends"], "sealed: stopped in order");
    assert_eq!(found["directory"]["cluster_id"], found["store"]["cluster_id"]);
    let store_told = &found["store"];
    assert_eq!((&store_told["records"], &store_told["partitions"]), (&json!(647), &json!(2)));
    assert_eq!(store_told["data_objects"], names(&store.join("data")).len());
    let old_states = names(&store.join("state")).len() - 1;
    assert_eq!(store_told["unreferenced_objects"], old_states, "all but the newest state");

    for file in names(&data).iter().filter(|name| *name != "lock") {
        let shown = json(0, &format!("inspect {data_dir}/{file} --entries --batches --groups"));
        assert_eq!(shown[0]["damage"], json!([]), "{file}");
    }
    for kind in ["manifest", "data", "state"] {
        for name in names(&store.join(kind)) {
            let line = format!("--entries --batches --object-store {object_store}");
            let by_key = json(0, &format!("inspect {kind}/{name} {line}"));
            let by_path = json(0, &format!("inspect {}/{kind}/{name} --entries --batches", store.display()));
            assert_eq!(by_key[0]["damage"], json!([]), "{kind}/{name}");
            assert_eq!(by_key[0]["file_bytes"], by_path[0]["file_bytes"]);
            assert_eq!(
                (&by_key[0]["parts"], &by_key[0]["batches"]),
                (&by_path[0]["parts"], &by_path[0]["batches"])
            );
        }
    }
    assert_eq!((files(&data), files(&store)), before);
}

#[test]
fn inspect_shows_what_was_written() {
    let temporary = tempfile::tempdir().expect("a directory");
    let data = stopped(temporary.path());
    let directory = &json(0, &format!("inspect {}", data.display()))[0];
    assert_eq!((&directory["kind"], &directory["other_files"]), (&json!("data directory"), &json!(1)));
    let listed = directory["file_list"].as_array().expect("a list").len();
    assert_eq!(listed + 1, names(&data).len(), "the lock is not listed");

    let segments = log_files::segments(&data);
    let mut appended = 0;
    for segment in &segments {
        let shown = &json(0, &format!("inspect --entries --batches --groups {}", segment.display()))[0];
        let entries = shown["entries"].as_array().expect("a list");
        let lsns: Vec<u64> = entries.iter().filter_map(|entry| entry["lsn"].as_u64()).collect();
        assert!(lsns.windows(2).all(|pair| pair[0] + 1 == pair[1]), "dense: {lsns:?}");
        for batch in shown["batches"].as_array().expect("a list") {
            appended += batch["records"].as_u64().expect("a number");
            assert_eq!(
                batch["last_offset"].as_u64(),
                Some(
                    batch["base_offset"].as_u64().expect("an offset")
                        + batch["records"].as_u64().expect("a number")
                        - 1
                )
            );
        }
        let chained =
            shown["groups"].as_array().expect("a list").iter().all(|group| group["state"] == "chained");
        assert!(chained, "{shown}");
    }
    assert_eq!(appended, 640);
    let text = ended(0, &format!("inspect {} --entries", segments[0].display()));
    assert!(text.contains("topic created"), "{text}");
    assert!(text.lines().any(|line| line.starts_with("first lsn") && line.ends_with("  0")), "{text}");

    let checkpoint =
        names(&data).into_iter().rfind(|name| name.starts_with("checkpoint-")).expect("one at the stop");
    let shown = &json(0, &format!("inspect {}/{checkpoint} --entries", data.display()))[0];
    assert_eq!(shown["partition_list"][0]["topic"], "orders");
    let ends: Vec<_> =
        shown["partition_list"].as_array().expect("a list").iter().map(|one| &one["log_end"]).collect();
    assert_eq!(ends, [&json!(600), &json!(40)]);
    let committed = shown["committed_offsets"].as_array().expect("a list");
    let sum: i64 = committed.iter().filter_map(|one| one["committed"].as_i64()).sum();
    assert_eq!((&committed[0]["group"], sum), (&json!("billing"), 25));
}

#[test]
fn a_killed_broker_leaves_no_damage_and_a_torn_end_is_told_apart_from_it() {
    let temporary = tempfile::tempdir().expect("a directory");
    let data = temporary.path().join("data");
    let mut broker = start(&data, None);
    super::fill(&broker);
    // The last group has its younger witness after 10 ms.
    std::thread::sleep(std::time::Duration::from_millis(100));
    let busy = tool(&format!("verify --data-dir {}", data.display())).fails(1);
    assert!(busy.contains("a broker is running on it"), "{busy}");
    let live = json(0, &format!("inspect {}", data.display()));
    assert!(live[0]["notes"][0].as_str().expect("a note").contains("a broker is running"), "{live}");
    broker.kill();

    let line = format!("verify --data-dir {}", data.display());
    let found = json(0, &line);
    assert_eq!(found["directory"]["log_ends"], "between two writes: killed");
    assert_eq!(found["directory"]["batches"].as_u64().map(|count| count > 1), Some(true));
    // A write that was under way: bytes of a group, behind the last.
    let segments = log_files::segments(&data);
    let is_begun =
        |path: &&std::path::PathBuf| fs::read(path).expect("it can be read").starts_with(b"EKSEGMT1");
    let last = segments.iter().rev().find(is_begun).expect("one is in use");
    let shown = &json(0, &format!("inspect {}", last.display()))[0];
    let end = usize::try_from(shown["end_byte"].as_u64().expect("a number")).expect("small");
    let mut bytes = fs::read(last).expect("it can be read");
    bytes[end..end + 5000].fill(7);
    fs::write(last, bytes).expect("it can be written");
    let before = files(&data);
    let found = json(0, &line);
    assert_eq!((&found["verdict"], &found["findings"][0]["matter"]), (&json!("clean"), &json!("note")));
    let what = found["findings"][0]["what"].as_str().expect("words");
    assert!(what.contains(&format!("torn end: bytes {end} to {}", end + 8192)), "{what}");
    let shown = &json(0, &format!("inspect {}", last.display()))[0];
    assert_eq!((&shown["ends"], &shown["damage"]), (&json!("torn"), &json!([])));
    assert_eq!(files(&data), before, "looking cuts nothing");
}

#[test]
fn what_a_dry_run_tells_comes_true() {
    let temporary = tempfile::tempdir().expect("a directory");
    let (_, store) = stored(temporary.path());
    let line = format!("restore --dry-run --object-store {}", url(&store));
    let told = json(0, &line);
    assert_eq!((&told["topics"], &told["partitions"], &told["damage"]), (&json!(1), &json!(2), &json!([])));
    let ends: Vec<_> =
        told["partition_list"].as_array().expect("a list").iter().map(|one| &one["log_end"]).collect();
    assert_eq!(ends, [&json!(600), &json!(47)]);
    assert_eq!(told["groups"][0]["group"], "billing");
    let text = ended(0, &line);
    assert!(text.contains("next epoch") && text.contains("behind LSN"), "{text}");

    let broker = start(&temporary.path().join("anew"), Some(&store));
    let described = run(&broker, "topic describe orders --json").json();
    for (partition, told_of_it) in told["partition_list"].as_array().expect("a list").iter().enumerate() {
        let found = &described[0]["partitions"][partition];
        assert_eq!(found["end"], told_of_it["log_end"], "{described}");
        assert_eq!(found["log_start"], told_of_it["log_start"]);
        assert_eq!(found["leader_epoch"], told["next_epoch"]);
    }
    for partition in 0..2 {
        feed(&broker, &format!("topic produce orders --partition {partition}"), b"behind it\n").ok();
    }
    let described = run(&broker, "topic describe orders --json").json();
    for (partition, told_of_it) in told["partition_list"].as_array().expect("a list").iter().enumerate() {
        let next = told_of_it["goes_on_at"].as_u64().expect("an offset");
        assert_eq!(described[0]["partitions"][partition]["end"], json!(next + 1), "{described}");
    }
    let group = run(&broker, "group describe billing --json").json();
    for told_of_it in told["committed_offsets"].as_array().expect("a list") {
        let offsets = group[0]["offsets"].as_array().expect("a list");
        let found =
            offsets.iter().find(|one| one["partition"] == told_of_it["partition"]).expect("it is there");
        assert_eq!(found["committed"], told_of_it["committed"]);
    }
}

#[test]
fn a_store_is_verified_while_a_broker_goes_on_with_it() {
    let temporary = tempfile::tempdir().expect("a directory");
    let (data, store) = stored(temporary.path());
    let mut broker = start(&data, Some(&store));
    let newest = || names(&store.join("manifest")).into_iter().max();
    let mut cuts = 0;
    let mut last = newest();
    while cuts < 3 {
        feed(&broker, "topic produce orders --partition 1", b"more\n").ok();
        assert_eq!(json(0, &format!("verify --object-store {}", url(&store)))["verdict"], "clean");
        ended(0, &format!("restore --dry-run --object-store {}", url(&store)));
        let now = newest();
        cuts += u32::from(now != last);
        last = now;
    }
    assert_eq!(broker.stop().code(), Some(0));
    let both = format!("verify --data-dir {} --object-store {}", data.display(), url(&store));
    assert_eq!(json(0, &both)["findings"], json!([]));
}
