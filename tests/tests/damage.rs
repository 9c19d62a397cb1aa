//! Files damaged between a kill and a start: each gets its verdict, and what is refused is named exactly.

use std::{fs, path::Path};

use evenkeel_tests::{
    Broker, Start, free_address, kafka,
    kafka::Collector,
    log_files::{self, Group},
};
use rdkafka::producer::BaseRecord;

/// The log, and nothing but the log.
const SMALL: [&str; 6] =
    ["--segment-bytes", "256KiB", "--message-bytes-max", "100KiB", "--object-store", "none"];

/// A directory with 300 batches of one record over several segments, from a killed broker; the values in order of offset.
fn killed(directory: &Path) -> Vec<Vec<u8>> {
    let mut broker = Broker::start(directory, &SMALL);
    kafka::create_topic(&broker.bootstrap(), "t", 1);
    let collector = Collector::new(&broker.bootstrap(), &[("linger.ms", "0"), ("max.in.flight", "1")]);
    let values: Vec<Vec<u8>> =
        (0..300u32).map(|at| format!("{at}-{}", "v".repeat(3000)).into_bytes()).collect();
    for (sent, value) in (1..).zip(&values) {
        collector
            .producer
            .send(BaseRecord::<(), _>::to("t").partition(0).payload(value))
            .map_err(|(error, _)| error)
            .expect("room");
        collector.wait_for(sent);
    }
    broker.kill();
    values
}

fn start(directory: &Path, more: &[&str]) -> Start {
    let arguments: Vec<&str> = SMALL.iter().chain(more).copied().collect();
    Broker::try_start(directory, free_address(), &arguments)
}

fn refused(directory: &Path) -> String {
    match start(directory, &[]) {
        Start::Serving(_) => panic!("served although acknowledged data is damaged"),
        Start::Ended(status, log) => {
            assert_eq!(status.code(), Some(2), "{log}");
            let at = log.rfind("refusing to start").unwrap_or_else(|| panic!("no reason given:\n{log}"));
            log[at..].to_string()
        }
    }
}

fn served(directory: &Path, more: &[&str]) -> Broker {
    match start(directory, more) {
        Start::Serving(broker) => broker,
        Start::Ended(status, log) => panic!("ended with {status}:\n{log}"),
    }
}

fn values(broker: &Broker) -> Vec<Vec<u8>> {
    kafka::read_all(&broker.bootstrap(), "t", 1).remove(0).into_iter().map(|(_, value)| value).collect()
}

/// The group that holds the record with that text at the start of its value.
fn group_of(directory: &Path, text: &str) -> Group {
    let groups = log_files::groups(directory);
    let holds = |group: &&Group| {
        let bytes = fs::read(&group.file).expect("a segment can be read");
        let body = &bytes[group.position..group.position + group.len];
        body.windows(text.len()).any(|window| window == text.as_bytes())
    };
    groups.iter().find(holds).expect("one group holds it").clone()
}

fn in_copy(original: &Path, name: &str, hurt: impl FnOnce(&Path)) -> std::path::PathBuf {
    let copy = original.with_file_name(name);
    log_files::copy(original, &copy);
    hurt(&copy);
    copy
}

#[test]
fn each_damage_gets_its_verdict() {
    let temporary = tempfile::tempdir().expect("a temporary directory");
    let original = temporary.path().join("original");
    let all = killed(&original);
    let middle = group_of(&original, "150-vvv");
    let last = log_files::groups(&original).pop().expect("there are groups");

    // The marker behind the last group proves it; as long as that is there, nothing at all may be missing.
    let whole = in_copy(&original, "whole", |_| {});
    assert_eq!(values(&served(&whole, &[])), all);

    let torn = in_copy(&original, "torn", |copy| {
        let file = copy.join(last.file.file_name().expect("a name"));
        let mut bytes = fs::read(&file).expect("a segment");
        // What a power cut leaves of a group that was being written behind the last one.
        let end = last.position + last.len.next_multiple_of(4096) + 4096;
        bytes[end..end + 4096].fill(0xa5);
        fs::write(&file, bytes).expect("a segment");
    });
    let broker = served(&torn, &[]);
    assert_eq!(values(&broker), all);
    assert!(broker.last_line_with("torn unacknowledged tail cut").is_some(), "{}", broker.printed());
    drop(broker);

    let flipped = in_copy(&original, "flipped", |copy| {
        log_files::flip(
            &copy.join(middle.file.file_name().expect("a name")),
            middle.position + middle.len - 100,
        );
    });
    let text = refused(&flipped);
    assert!(text.contains("t-0: offsets 150 to 150"), "{text}");
    assert!(text.contains(&format!("from LSN {} to {}", middle.first_lsn, middle.first_lsn)), "{text}");

    let missing = in_copy(&original, "missing", |copy| {
        fs::remove_file(copy.join(middle.file.file_name().expect("a name"))).expect("there");
    });
    let text = refused(&missing);
    assert!(
        text.contains(&format!("{} is missing", middle.file.file_name().expect("a name").display())),
        "{text}"
    );

    let truncated = in_copy(&original, "truncated", |copy| {
        let file = fs::File::options().write(true).open(copy.join(last.file.file_name().expect("a name")));
        file.and_then(|file| file.set_len(last.position as u64)).expect("cut");
    });
    refused(&truncated);

    let checkpoint = in_copy(&original, "checkpoint", |copy| {
        let mut hurt = 0;
        for entry in fs::read_dir(copy).expect("the copy") {
            let path = entry.expect("an entry").path();
            if path.file_name().is_some_and(|name| name.to_string_lossy().starts_with("checkpoint-")) {
                log_files::flip(&path, 30);
                hurt += 1;
            }
        }
        assert!(hurt > 0, "there are checkpoints");
    });
    let broker = served(&checkpoint, &[]);
    assert_eq!(values(&broker), all);
    assert!(broker.last_line_with("is damaged; falling back").is_some(), "{}", broker.printed());
}

#[test]
fn a_loss_is_accepted_only_by_name_and_reported() {
    let temporary = tempfile::tempdir().expect("a temporary directory");
    let directory = temporary.path().join("data");
    let all = killed(&directory);
    let middle = group_of(&directory, "150-vvv");
    log_files::flip(&middle.file, middle.position + middle.len - 100);
    let text = refused(&directory);
    let flag = format!("--accept-loss-from-lsn {}", middle.first_lsn);
    assert!(text.contains(&flag), "{text}");
    match start(&directory, &["--accept-loss-from-lsn", "7"]) {
        Start::Serving(_) => panic!("another loss than the named one was accepted"),
        Start::Ended(status, _) => assert_eq!(status.code(), Some(2)),
    }
    let broker = served(&directory, &["--accept-loss-from-lsn", &middle.first_lsn.to_string()]);
    let consumer = kafka::consumer(&broker.bootstrap(), &[]);
    assert_eq!(kafka::end_offset(&consumer, "t", 0), 150, "it ends where its last record is");
    let collector = Collector::new(&broker.bootstrap(), &[]);
    collector
        .producer
        .send(BaseRecord::<(), _>::to("t").partition(0).payload(b"after"))
        .expect("there is room");
    collector.flush();
    let kept = kafka::read_all(&broker.bootstrap(), "t", 1).remove(0);
    assert_eq!(kept.len(), 151);
    assert!(kept[..150].iter().map(|(_, value)| value).eq(&all[..150]));
    assert_eq!(kept[150], (150 + 1_000_000, b"after".to_vec()), "no lost offset is given out again");
    let report = fs::read_dir(&directory)
        .expect("the directory")
        .map(|entry| entry.expect("an entry").path())
        .find(|path| path.file_name().is_some_and(|name| name.to_string_lossy().starts_with("loss-report-")))
        .expect("a loss report is written");
    let said = fs::read_to_string(report).expect("text");
    assert!(said.contains("t-0: offsets 150 to 150"), "{said}");
}

#[test]
fn a_second_broker_on_the_same_directory_is_refused() {
    let temporary = tempfile::tempdir().expect("a temporary directory");
    let directory = temporary.path().join("data");
    let broker = Broker::start(&directory, &SMALL);
    match start(&directory, &[]) {
        Start::Serving(_) => panic!("two brokers on one directory"),
        Start::Ended(status, log) => {
            assert_eq!(status.code(), Some(1), "{log}");
            assert!(log.contains("locked") && log.contains(&broker.pid().to_string()), "{log}");
        }
    }
}
