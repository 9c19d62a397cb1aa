//! The object store that a broker has if none is named: a directory in its data directory.

use std::{fs, path::Path};

use evenkeel_tests::{Broker, Start, free_address, kafka, log_files, store, wait_for};

use super::{assert_clean, ended, feed, json, lines, run, url};

const SMALL: [&str; 6] =
    ["--s3-flush-interval", "1s", "--segment-bytes", "256KiB", "--message-bytes-max", "100KiB"];

/// A start that must be refused.
#[track_caller]
fn refused(data: &Path, more: &[&str], code: i32, words: &str) {
    let arguments: Vec<&str> = SMALL.iter().chain(more).copied().collect();
    match Broker::try_start(data, free_address(), &arguments) {
        Start::Serving(_) => panic!("it serves without its store"),
        Start::Ended(status, log) => {
            assert_eq!(status.code(), Some(code), "{log}");
            assert!(log.contains(words), "{log}");
        }
    }
}

#[test]
fn records_leave_the_log_for_a_directory_that_can_be_moved_elsewhere() {
    let temporary = tempfile::tempdir().expect("a temporary directory");
    let (data, elsewhere) = (temporary.path().join("data"), temporary.path().join("elsewhere"));
    let within = data.join("objects");
    let mut broker = Broker::start(&data, &SMALL);
    run(&broker, "topic create orders").ok();
    feed(&broker, "topic produce orders", &lines(2000)).ok();
    wait_for("a cut", || store::stored(&broker.printed_now()).pop());
    // A checkpoint behind it lets go of the log before it.
    feed(&broker, "topic produce orders", &lines(2000)).ok();
    wait_for("segments to go", || broker.last_line_with("are not needed any more and are removed"));
    let all = kafka::read_all(&broker.bootstrap(), "orders", 1);
    assert_eq!(all[0].len(), 4000);
    broker.kill();
    broker.start_again();
    assert_eq!(kafka::read_all(&broker.bootstrap(), "orders", 1), all);
    assert_clean(broker.stop());

    let verify = format!("verify --data-dir {}", data.display());
    let found = json(0, &verify);
    assert_eq!(found["verdict"], "clean");
    assert_eq!(found["store"]["object_store"], format!("directory {}", within.display()));
    refused(&data, &["--object-store", "none"], 2, "are in an object store only");

    // The same objects are a store anywhere.
    for folder in fs::read_dir(&within).expect("it can be read") {
        let folder = folder.expect("an entry");
        fs::create_dir_all(&elsewhere).expect("a new directory");
        log_files::copy(&folder.path(), &elsewhere.join(folder.file_name()));
    }
    fs::remove_dir_all(&within).expect("it can be removed");
    refused(&data, &[], 5, "the store has none");
    fs::remove_dir_all(&within).expect("that start made it");
    let place = url(&elsewhere);
    let named: Vec<&str> = SMALL.into_iter().chain(["--object-store", &place]).collect();
    let mut broker = Broker::start(&data, &named);
    assert_eq!(kafka::read_all(&broker.bootstrap(), "orders", 1), all);
    assert_clean(broker.stop());
    let both = ended(0, &format!("{verify} --object-store {place}"));
    assert!(both.ends_with("all is well\n"), "{both}");

    // What is left if all but the objects is lost.
    fs::remove_dir_all(&data).expect("it can be removed");
    fs::create_dir(&data).expect("a new directory");
    fs::rename(&elsewhere, &within).expect("moved");
    let broker = Broker::start(&data, &SMALL);
    assert_eq!(kafka::read_all(&broker.bootstrap(), "orders", 1), all);
}

#[test]
fn of_a_large_state_what_has_changed_is_stored_shown_verified_and_restored() {
    let temporary = tempfile::tempdir().expect("a temporary directory");
    let (data, objects) = (temporary.path().join("data"), temporary.path().join("objects"));
    fs::create_dir(&objects).expect("a new directory");
    let place = url(&objects);
    let arguments = ["--object-store", &place, "--s3-flush-interval", "1s"];
    let mut broker = Broker::start(&data, &arguments);
    run(&broker, "topic create many --partitions 3000").ok();
    run(&broker, "topic create orders").ok();
    let cuts = || store::stored(&broker.printed_now()).len();
    wait_for("a cut", || (cuts() > 0).then_some(()));
    for round in 1..4 {
        feed(&broker, "topic produce orders", &lines(10)).ok();
        wait_for("a cut", || (cuts() > round).then_some(()));
    }
    broker.kill();

    let manifest = &json(0, &format!("inspect manifest --object-store {place}"))[0];
    let key = manifest["delta"].as_str().expect("a change of a state");
    let [whole, changed] =
        ["state_bytes", "delta_bytes"].map(|name| manifest[name].as_u64().expect("a size"));
    assert!(changed * 50 < whole, "{manifest}");
    let shown = &json(0, &format!("inspect {key} --object-store {place}"))[0];
    assert_eq!(
        (&shown["kind"], &shown["base_bytes"]),
        (&"change of a state".into(), &manifest["state_bytes"])
    );
    let told = ended(0, &format!("inspect {key} --object-store {place}"));
    assert!(told.contains("change of a state"), "{told}");
    assert_eq!(json(0, &format!("verify --object-store {place}"))["store"]["partitions"], 3001);
    ended(0, &format!("restore --dry-run --object-store {place}"));

    let restored = Broker::start(&temporary.path().join("empty"), &arguments);
    assert_eq!(kafka::read_all(&restored.bootstrap(), "orders", 1)[0].len(), 30);
    drop(restored);
    log_files::flip(&objects.join(key), 50);
    let damaged = ended(2, &format!("verify --object-store {place}"));
    assert!(damaged.contains(key), "{damaged}");
    ended(2, &format!("restore --dry-run --object-store {place}"));
}
