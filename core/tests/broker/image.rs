//! Files as a crash leaves them, and what a start makes of them.

use std::sync::Mutex;

use bytes::Bytes;
use evenkeel_core::{
    Broker, Config, Effect, Event, Now,
    port::{Disk, DiskError, DiskErrorKind, Fault, FileEntry, FileName, perform},
    units::SegmentSequence,
};

use crate::rig::{Memory, Rig, batch, small};

/// What `read_all` gives for one partition.
pub(crate) type Read = Vec<(i64, i32, u8, i32)>;

pub(crate) fn segment(n: u64) -> FileName {
    FileName::Segment(SegmentSequence(n))
}

/// A broker that took 100 batches over 3 partitions, in several segments, killed.
pub(crate) fn killed() -> (Memory, Vec<Read>) {
    let mut rig = Rig::new(small());
    rig.create("t", 3, &[]);
    for at in 0..100u8 {
        assert_eq!(rig.produce("t", i32::from(at % 3), batch(2, 1000, at, 1000)).0, 0);
    }
    let all = (0..3).map(|partition| rig.read_all("t", partition)).collect();
    (rig.disk, all)
}

pub(crate) fn refusal(rig: &Rig) -> String {
    assert!(!rig.serving);
    match &rig.fault {
        Some(Fault::Refused(refusal)) => refusal.to_string(),
        other => panic!("{other:?}"),
    }
}

pub(crate) fn same_as(rig: &mut Rig, all: &[Read]) {
    assert!(rig.serving, "{:?}", rig.fault);
    for (partition, want) in (0..).zip(all) {
        assert_eq!(&rig.read_all("t", partition), want, "partition {partition}");
    }
}

/// Boots and stops the disk after so many of its changing calls. With whether it came to serve before.
pub(crate) fn crash_after(disk: &Memory, config: &Config, calls: usize) -> (Memory, bool) {
    struct Failing {
        disk: Memory,
        left: Mutex<usize>,
    }
    impl Failing {
        fn spend(&self) -> Result<(), DiskError> {
            let mut left = self.left.lock().expect("no test panics with it");
            *left = left.checked_sub(1).ok_or_else(|| DiskError {
                kind: DiskErrorKind::Failed,
                file: None,
                detail: String::from("crashed"),
            })?;
            Ok(())
        }
    }
    type Done = Result<(), DiskError>;
    impl Disk for Failing {
        fn space(&self) -> Result<evenkeel_core::port::Space, DiskError> {
            self.disk.space()
        }
        fn list(&self) -> Result<Vec<FileEntry>, DiskError> {
            self.disk.list()
        }
        fn read_at(&self, f: FileName, p: u64, into: &mut [u8]) -> Result<usize, DiskError> {
            self.disk.read_at(f, p, into)
        }
        fn len(&self, f: FileName) -> Result<u64, DiskError> {
            self.disk.len(f)
        }
        fn create(&self, f: FileName) -> Done {
            self.spend().and_then(|()| self.disk.create(f))
        }
        fn zero(&self, f: FileName, len: u64) -> Done {
            self.spend().and_then(|()| self.disk.zero(f, len))
        }
        fn write_at(&self, f: FileName, p: u64, data: &[Bytes]) -> Done {
            self.spend().and_then(|()| self.disk.write_at(f, p, data))
        }
        fn sync(&self, f: FileName) -> Done {
            self.spend().and_then(|()| self.disk.sync(f))
        }
        fn sync_directory(&self) -> Done {
            self.spend().and_then(|()| self.disk.sync_directory())
        }
        fn rename(&self, a: FileName, b: FileName) -> Done {
            self.spend().and_then(|()| self.disk.rename(a, b))
        }
        fn remove(&self, f: FileName) -> Done {
            self.spend().and_then(|()| self.disk.remove(f))
        }
    }
    let failing = Failing { disk: disk.clone(), left: Mutex::new(calls) };
    let mut effects = Vec::new();
    let mut broker = Broker::boot(config.clone(), 99, &mut effects);
    let mut now = Now::default();
    let mut served = false;
    for _ in 0..200 {
        let mut events = Vec::new();
        for effect in effects.drain(..) {
            match effect {
                Effect::Disk(op, request) => {
                    events.push(Event::Disk(op, perform(&failing, &request.steps)));
                }
                Effect::Serve => served = true,
                _ => {}
            }
        }
        now.mono.0 += 100;
        broker.turn(now, &mut events, &mut effects);
        if *failing.left.lock().expect("no test panics with it") == 0 {
            break;
        }
    }
    (failing.disk, served)
}

/// The last segment in use and the byte at which its last data group begins.
pub(crate) fn last_data_group(disk: &Memory) -> (FileName, usize) {
    disk.with(|files| {
        let mut found = None;
        for (name, bytes) in files.iter() {
            if matches!(name, FileName::Segment(_)) {
                for at in (4096..bytes.len()).step_by(4096) {
                    if bytes[at..].starts_with(b"EKGROUP1") && bytes[at + 36] == 0 {
                        found = Some((*name, at));
                    }
                }
            }
        }
        found.expect("there is one")
    })
}

/// All data groups: file and byte.
pub(crate) fn data_groups(disk: &Memory) -> Vec<(FileName, usize)> {
    disk.with(|files| {
        let mut found = Vec::new();
        for (name, bytes) in files.iter() {
            if matches!(name, FileName::Segment(_)) {
                for at in (4096..bytes.len()).step_by(4096) {
                    if bytes[at..].starts_with(b"EKGROUP1") && bytes[at + 36] == 0 {
                        found.push((*name, at));
                    }
                }
            }
        }
        found
    })
}
