//! A full disk, on the real binary: under standard error, and under the data directory.

use std::{
    path::{Path, PathBuf},
    process::Command,
};

use evenkeel_tests::{Broker, Start, free_address, kafka, kafka::Collector};
use rdkafka::producer::BaseRecord;

/// Sends one record and waits for its confirmation.
fn confirmed(broker: &Broker, payload: &str) {
    let collector = Collector::new(&broker.bootstrap(), &[]);
    let record = BaseRecord::<(), _>::to("t").payload(payload);
    collector.producer.send(record).map_err(|(error, _)| error).expect("room in the queue");
    collector.flush();
    assert_eq!(collector.delivered().len(), 1);
}

#[test]
fn a_broker_whose_log_lines_cannot_be_printed_serves_and_stops_in_order() {
    let temporary = tempfile::tempdir().expect("a temporary directory");
    let data = temporary.path().join("data");
    // Where its standard output and standard error go.
    std::os::unix::fs::symlink("/dev/full", data.with_extension("log")).expect("a link");
    let mut broker = Broker::start(&data, &[]);
    confirmed(&broker, "one");
    broker.kill();
    broker.start_again();
    confirmed(&broker, "two");
    assert_eq!(broker.stop().code(), Some(0));
    broker.start_again();
    assert_eq!(kafka::read_all(&broker.bootstrap(), "t", 1)[0].len(), 2);
}

/// A file system of its own, in memory, of that many bytes.
struct SmallDisk(PathBuf);

impl SmallDisk {
    /// `None`: this user may not mount.
    fn mount(at: &Path, bytes: u64) -> Option<SmallDisk> {
        std::fs::create_dir(at).expect("a directory");
        let size = format!("size={bytes}");
        let mounted = Command::new("mount").args(["-t", "tmpfs", "-o", &size, "tmpfs"]).arg(at).output();
        mounted.is_ok_and(|output| output.status.success()).then(|| SmallDisk(at.to_path_buf()))
    }

    /// Takes all the room that is left.
    fn fill(&self) {
        use std::io::Write;
        let mut file = std::fs::File::create(self.0.join("foreign")).expect("a file");
        let piece = vec![1; 1 << 20];
        while file.write_all(&piece).is_ok() {}
    }

    fn free(&self) {
        std::fs::remove_file(self.0.join("foreign")).expect("it is there");
    }
}

impl Drop for SmallDisk {
    fn drop(&mut self) {
        // Of no use any more; what cannot be undone goes with the machine.
        let _ = Command::new("umount").arg("--lazy").arg(&self.0).output();
    }
}

#[test]
fn crashes_one_after_the_other_do_not_use_up_the_disk_and_a_full_one_serves() {
    let temporary = tempfile::tempdir().expect("a temporary directory");
    let Some(disk) = SmallDisk::mount(&temporary.path().join("disk"), 400 << 20) else {
        #[expect(clippy::print_stdout, reason = "a test that is left out says so")]
        {
            println!("left out: a file system in memory cannot be mounted by this user");
        }
        return;
    };
    let data = disk.0.join("data");
    let mut broker = Broker::start(&data, &[]);
    // Each start begins a segment of 64 MiB; six of them fit.
    for round in 0..12 {
        confirmed(&broker, &format!("{round}"));
        broker.kill();
        broker.start_again();
    }
    broker.kill();
    // Nothing is left, not for one byte.
    disk.fill();
    let mut broker = match Broker::try_start(&data, free_address(), &[]) {
        Start::Serving(broker) => broker,
        Start::Ended(status, log) => panic!("the broker ended with {status}:\n{log}"),
    };
    assert!(broker.last_line_with("the disk is full").is_some(), "{}", broker.printed());
    assert_eq!(kafka::read_all(&broker.bootstrap(), "t", 1)[0].len(), 12);
    // Room again: it takes writes by itself.
    disk.free();
    evenkeel_tests::wait_for("the log to have room", || {
        broker.last_line_with("the disk gives log segments again")
    });
    confirmed(&broker, "again");
    broker.signal(rustix::process::Signal::TERM);
    assert_eq!(broker.wait().code(), Some(0));
}
