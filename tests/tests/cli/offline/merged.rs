//! Small objects that became one, by a broker that was killed and stopped meanwhile.

use std::fs;

use evenkeel_tests::{Broker, kafka, raw, store, wait_for};

use super::{assert_clean, ended, run, url};

/// The numbers of objects that became one so far.
fn merges(broker: &Broker) -> Vec<u64> {
    let printed = broker.printed_now();
    let merged = printed.lines().filter_map(|line| line.split_once(" small objects of the store became one"));
    merged
        .map(|(before, _)| before.rsplit(' ').next().and_then(|count| count.parse().ok()).expect("a number"))
        .collect()
}

#[test]
fn merged_objects_are_verified_and_an_empty_directory_gets_everything_back_from_them() {
    let temporary = tempfile::tempdir().expect("a temporary directory");
    let (data, objects) = (temporary.path().join("data"), temporary.path().join("objects"));
    fs::create_dir(&objects).expect("a new directory");
    let place = url(&objects);
    let arguments =
        ["--object-store", &place, "--s3-flush-interval", "1s", "--object-store-merge-objects", "4"];
    let mut broker = Broker::start(&data, &arguments);
    run(&broker, "topic create orders --partitions 2").ok();
    let mut written = Vec::new();
    let cuts = |broker: &Broker| store::stored(&broker.printed_now()).len();
    for _ in 0..2 {
        // Each record in an object of its own, and so all of one size.
        while merges(&broker).is_empty() {
            let (before, value) = (cuts(&broker), format!("record {:4}", written.len()).into_bytes());
            raw::write(broker.address(), "orders", 0, &value);
            written.push((written.len() as i64, value));
            wait_for("a cut", || (cuts(&broker) > before).then_some(()));
        }
        assert!(merges(&broker)[0] >= 4, "{}", broker.printed());
        broker.kill();
        broker.start_again();
    }
    let told = ended(0, &format!("verify --object-store {place}"));
    assert_clean(broker.stop());
    ended(0, &format!("verify --data-dir {} --object-store {place}", data.display()));
    assert!(told.ends_with("all is well\n"), "{told}");

    let broker = Broker::start(&temporary.path().join("empty"), &arguments);
    assert_eq!(kafka::read_all(&broker.bootstrap(), "orders", 2), [written, Vec::new()]);
}
