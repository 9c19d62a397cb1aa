//! `evenkeel inspect | verify | restore --dry-run`, on what a real broker left, whole and damaged.

mod damage;
mod look;
mod merged;
mod within;

use std::{
    collections::BTreeMap,
    fs,
    path::{Path, PathBuf},
    process::ExitStatus,
};

use evenkeel_tests::{Broker, wait_for};
use serde_json::Value;

use super::{Ran, command, feed, run};

/// Runs a tool to its end.
fn tool(line: &str) -> Ran {
    Ran::of(command("127.0.0.1:1", line).output().expect("the binary starts"))
}

/// What a tool printed that ended with this code.
#[track_caller]
fn ended(code: i32, line: &str) -> String {
    let ran = tool(line);
    assert_eq!(ran.code, Some(code), "{line}: {ran:?}");
    String::from_utf8(ran.out).expect("text")
}

/// The same as JSON.
#[track_caller]
fn json(code: i32, line: &str) -> Value {
    serde_json::from_str(&ended(code, &format!("{line} --json"))).expect("JSON")
}

fn url(store: &Path) -> String {
    format!("file://{}", store.display())
}

/// A broker whose segments are small, with a store if one is named.
fn start(directory: &Path, store: Option<&Path>) -> Broker {
    let small = ["--segment-bytes", "256KiB", "--message-bytes-max", "100KiB"];
    let mut arguments = vec!["--group-initial-rebalance-delay", "0s"];
    arguments.extend(small);
    let url = store.map(url);
    arguments.extend(["--object-store", url.as_deref().unwrap_or("none"), "--s3-flush-interval", "1s"]);
    Broker::start(directory, &arguments)
}

/// Lines of 1000 letters.
fn lines(count: usize) -> Vec<u8> {
    (0..count).flat_map(|at| format!("{at:0>1000}\n").into_bytes()).collect()
}

/// Two partitions with 600 and 40 records, and a group that has read a part of one.
fn fill(broker: &Broker) {
    run(broker, "topic create orders --partitions 2").ok();
    feed(broker, "topic produce orders --partition 0", &lines(600)).ok();
    feed(broker, "topic produce orders --partition 1", &lines(40)).ok();
    run(broker, "topic consume orders --group billing --max 25").ok();
}

/// Everything below a directory, by path.
fn files(directory: &Path) -> BTreeMap<PathBuf, Vec<u8>> {
    let mut found = BTreeMap::new();
    for entry in fs::read_dir(directory).expect("it can be read") {
        let path = entry.expect("an entry").path();
        if path.is_dir() {
            found.extend(files(&path));
        } else {
            found.insert(path.clone(), fs::read(&path).expect("it can be read"));
        }
    }
    found
}

/// A directory without a store, from a broker that was stopped.
fn stopped(directory: &Path) -> PathBuf {
    let data = directory.join("data");
    let mut broker = start(&data, None);
    fill(&broker);
    assert_clean(broker.stop());
    data
}

/// A directory and a store of two cuts or more, from a broker that was stopped.
fn stored(directory: &Path) -> (PathBuf, PathBuf) {
    let (data, store) = (directory.join("data"), directory.join("objects"));
    fs::create_dir(&store).expect("a new directory");
    let mut broker = start(&data, Some(&store));
    fill(&broker);
    let kept = || fs::read_dir(store.join("data")).map_or(0, Iterator::count);
    wait_for("a cut", || (kept() > 0).then_some(()));
    feed(&broker, "topic produce orders --partition 1", &lines(7)).ok();
    assert_clean(broker.stop());
    assert!(kept() > 1, "one more at the stop");
    (data, store)
}

fn assert_clean(status: ExitStatus) {
    assert_eq!(status.code(), Some(0), "it stops in order");
}

/// Names of the files in a folder.
fn names(folder: &Path) -> Vec<String> {
    let entries = fs::read_dir(folder).expect("it can be read");
    let name = |entry: std::io::Result<fs::DirEntry>| {
        entry.expect("an entry").file_name().into_string().expect("our names are ASCII")
    };
    let mut names: Vec<String> = entries.map(name).collect();
    names.sort();
    names
}
