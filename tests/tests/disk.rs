//! The simulated disk against real files: the same random steps, the same answers. A simulator whose disk is kinder, or crueller,
//! than a file system tests something else.

use bytes::Bytes;
use evenkeel::disk::Files;
use evenkeel_core::{
    port::{Disk, DiskError, FileName},
    units::{Lsn, SegmentSequence},
};
use evenkeel_sim::disk::SimDisk;
use rand::{Rng, SeedableRng, rngs::SmallRng};

/// Sequences tried. Set `EVENKEEL_DISK_ROUNDS` for more.
const ROUNDS: u64 = 60;
const STEPS: usize = 120;
/// No file becomes longer.
const BYTES_MAX: u64 = 20_000;

const FILES: [FileName; 5] = [
    FileName::Identity,
    FileName::IdentityDraft,
    FileName::Segment(SegmentSequence(1)),
    FileName::SegmentDraft(SegmentSequence(1)),
    FileName::Checkpoint(Lsn(7)),
];

#[derive(Clone, Debug)]
enum Step {
    List,
    ReadAt(FileName, u64, usize),
    Len(FileName),
    Create(FileName),
    Zero(FileName, u64),
    Reserve(FileName, u64),
    /// Behind everything that was written: there it changes nothing.
    Release(FileName, u64),
    WriteAt(FileName, u64, Vec<Bytes>),
    Sync(FileName),
    SyncDirectory,
    Rename(FileName, FileName),
    Remove(FileName),
}

impl Step {
    fn draw(dice: &mut SmallRng) -> Step {
        let file = FILES[dice.random_range(0..FILES.len())];
        let position = dice.random_range(0..BYTES_MAX);
        match dice.random_range(0..20) {
            0 | 1 => Step::List,
            2..=4 => Step::ReadAt(file, position, dice.random_range(0..9000)),
            5 => Step::Len(file),
            6..=8 => Step::Create(file),
            9 => Step::Zero(file, position),
            10 => Step::Reserve(file, position.max(1)),
            11..=14 => {
                let slices = (0..dice.random_range(0..4)).map(|_| {
                    let len = dice.random_range(0..2000);
                    Bytes::from((0..len).map(|_| dice.random()).collect::<Vec<u8>>())
                });
                let slices = slices.collect();
                Step::WriteAt(file, position, slices)
            }
            15 if dice.random() => Step::Release(file, BYTES_MAX + 20_000),
            15 => Step::Sync(file),
            16 => Step::SyncDirectory,
            17 | 18 => Step::Rename(file, FILES[dice.random_range(0..FILES.len())]),
            _ => Step::Remove(file),
        }
    }

    /// What the disk says to it; errors by their kind, since their words are the system's.
    fn on(&self, disk: &dyn Disk) -> String {
        fn said<T: core::fmt::Debug>(result: Result<T, DiskError>) -> String {
            format!("{:?}", result.map_err(|error| error.kind))
        }
        match self {
            // In any order.
            Step::List => said(disk.list().map(|mut files| {
                files.sort_by_key(|entry| entry.file);
                files
            })),
            Step::ReadAt(file, position, len) => {
                let mut buffer = vec![0; *len];
                let got = disk.read_at(*file, *position, &mut buffer);
                said(got.map(|got| (got, buffer[..got].to_vec())))
            }
            Step::Len(file) => said(disk.len(*file)),
            Step::Create(file) => said(disk.create(*file)),
            Step::Zero(file, len) => said(disk.zero(*file, *len)),
            Step::Release(file, from) => {
                disk.release(*file, *from);
                String::new()
            }
            Step::Reserve(file, len) => said(disk.reserve(*file, *len)),
            Step::WriteAt(file, position, data) => said(disk.write_at(*file, *position, data)),
            Step::Sync(file) => said(disk.sync(*file)),
            Step::SyncDirectory => said(disk.sync_directory()),
            Step::Rename(from, to) => said(disk.rename(*from, *to)),
            Step::Remove(file) => said(disk.remove(*file)),
        }
    }
}

#[test]
fn the_simulated_disk_answers_as_real_files_do() {
    let given = std::env::var("EVENKEEL_DISK_ROUNDS").ok().and_then(|given| given.parse().ok());
    for seed in 0..given.unwrap_or(ROUNDS) {
        let folder = tempfile::tempdir().expect("a folder");
        let real = Files::open(folder.path()).expect("it can be opened");
        let simulated = SimDisk::default();
        let mut dice = SmallRng::seed_from_u64(seed);
        for at in 0..STEPS {
            let step = Step::draw(&mut dice);
            let (expected, found) = (step.on(&real), step.on(&simulated));
            assert!(
                expected == found,
                "seed {seed}, step {at}, {step:.200?}:\n     real {expected:.400}\nsimulated {found:.400}"
            );
        }
        // To the last byte, and so does a process that opens it anew.
        drop(real);
        let real = Files::open(folder.path()).expect("it can be opened again");
        assert_eq!(Step::List.on(&real), Step::List.on(&simulated), "seed {seed}");
        for file in FILES {
            let all = Step::ReadAt(file, 0, 64 << 10);
            assert!(all.on(&real) == all.on(&simulated), "seed {seed}, {file}");
        }
    }
}
