use evenkeel_core::port::{DiskError, DiskStep, FileEntry, FileName};

use super::*;

/// Panics when it is listed; syncs its directory when it is told to.
struct Broken {
    begun: Sender<()>,
    go: Mutex<Receiver<()>>,
}

impl Disk for Broken {
    fn space(&self) -> Result<evenkeel_core::port::Space, DiskError> {
        Ok(evenkeel_core::port::Space { total: 0, usable: 0 })
    }
    fn list(&self) -> Result<Vec<FileEntry>, DiskError> {
        panic!("a bug in a disk thread")
    }
    fn read_at(&self, _: FileName, _: u64, _: &mut [u8]) -> Result<usize, DiskError> {
        Ok(0)
    }
    fn len(&self, _: FileName) -> Result<u64, DiskError> {
        Ok(0)
    }
    fn create(&self, _: FileName) -> Result<(), DiskError> {
        Ok(())
    }
    fn zero(&self, _: FileName, _: u64) -> Result<(), DiskError> {
        Ok(())
    }
    fn write_at(&self, _: FileName, _: u64, _: &[bytes::Bytes]) -> Result<(), DiskError> {
        Ok(())
    }
    fn sync(&self, _: FileName) -> Result<(), DiskError> {
        Ok(())
    }
    fn sync_directory(&self) -> Result<(), DiskError> {
        self.begun.send(()).expect("the test listens");
        self.go.lock().expect("one at a time").recv().expect("the test says so");
        Ok(())
    }
    fn rename(&self, _: FileName, _: FileName) -> Result<(), DiskError> {
        Ok(())
    }
    fn remove(&self, _: FileName) -> Result<(), DiskError> {
        Ok(())
    }
}

fn log(step: DiskStep) -> DiskRequest {
    DiskRequest { lane: Lane::Log, steps: vec![step] }
}

#[test]
fn what_has_not_begun_when_the_broker_halts_never_begins() {
    let (begun, has_begun) = channel();
    let (go, may_go) = channel();
    let disk: Arc<dyn Disk> = Arc::new(Broken { begun, go: Mutex::new(may_go) });
    let lanes = Threads::start(&disk).expect("threads");
    let (done, ended) = channel();
    for at in 0..3 {
        let done = done.clone();
        let done = Box::new(move |_| done.send(at).expect("the test listens"));
        lanes.submit(log(DiskStep::SyncDirectory), done);
    }
    drop(done);
    has_begun.recv().expect("the first one begins");
    lanes.close();
    go.send(()).expect("it waits");
    // One that begins all the same fails for want of an order, instead of waiting.
    drop(go);
    assert_eq!(ended.iter().collect::<Vec<_>>(), [0], "only the one that was under way");
}

/// Otherwise the brain would wait for ever for the work of a thread that is no more.
#[test]
fn a_panic_on_a_disk_thread_ends_the_process() {
    for helper in ["lanes::tests::die", "lanes::tests::die_here"] {
        let us = std::env::current_exe().expect("a test has a path");
        let output = std::process::Command::new(us).args(["--exact", helper, "--ignored"]).output();
        assert!(!output.expect("it runs").status.success(), "{helper}: it lived on, and nobody would answer");
    }
}

#[test]
#[ignore = "helper process of the test above"]
fn die() {
    let (begun, _) = channel();
    let disk: Arc<dyn Disk> = Arc::new(Broken { begun, go: Mutex::new(channel().1) });
    let lanes = Threads::start(&disk).expect("threads");
    let (done, ended) = channel();
    // Kept here too: a broker does not see its completion vanish either.
    let kept = done.clone();
    lanes.submit(log(DiskStep::List), Box::new(move |_| done.send(()).expect("the test listens")));
    // Coming back from here is a success, which is what the test above does not want to see.
    let _ = ended.recv_timeout(Duration::from_secs(10));
    drop(kept);
}

#[test]
#[ignore = "helper process of the test above"]
fn die_here() {
    let (begun, _) = channel();
    let disk: Arc<dyn Disk> = Arc::new(Broken { begun, go: Mutex::new(channel().1) });
    let lanes = Threads::start(&disk).expect("threads");
    // As an executor does with a task.
    let _ = thread::Builder::new()
        .spawn(move || lanes.perform_here(log(DiskStep::List)))
        .expect("a thread")
        .join();
}
