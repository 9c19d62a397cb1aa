use evenkeel_core::units::SegmentSequence;

use super::*;

const SEGMENT: FileName = FileName::Segment(SegmentSequence(1));

fn opened() -> (tempfile::TempDir, Files) {
    let temporary = tempfile::tempdir().expect("a temporary directory");
    let files = Files::open(&temporary.path().join("a/b")).expect("it can be created");
    (temporary, files)
}

#[test]
fn many_slices_are_written_one_behind_the_other() {
    let (_temporary, files) = opened();
    files.create(SEGMENT).expect("created");
    let data: Vec<Bytes> =
        (0..2000u32).map(|at| Bytes::from(vec![(at % 251) as u8; (at % 7) as usize])).collect();
    let whole: Vec<u8> = data.iter().flat_map(|slice| slice.to_vec()).collect();
    files.write_at(SEGMENT, 100, &data).expect("written");
    files.sync(SEGMENT).expect("synced");
    let mut back = vec![0xff; whole.len() + 200];
    assert_eq!(
        files.read_at(SEGMENT, 0, &mut back).expect("read"),
        whole.len() + 100,
        "up to the end of the file"
    );
    assert_eq!(back[100..100 + whole.len()], whole);
    assert_eq!(back[..100], [0; 100]);
}

#[test]
fn zeros_fill_a_file_to_its_size() {
    let (_temporary, files) = opened();
    files.create(SEGMENT).expect("created");
    files.zero(SEGMENT, (3 << 20) + 17).expect("zeroed");
    assert_eq!(files.len(SEGMENT), Ok((3 << 20) + 17));
}

#[test]
fn reserved_space_reads_as_zeros() {
    let (_temporary, files) = opened();
    files.create(SEGMENT).expect("created");
    files.reserve(SEGMENT, 1 << 20).expect("reserved");
    files.write_at(SEGMENT, 4096, &[Bytes::from_static(b"here")]).expect("written");
    let mut back = vec![1; 1 << 20];
    assert_eq!(files.read_at(SEGMENT, 0, &mut back), Ok(1 << 20));
    assert_eq!(&back[4096..4100], b"here");
    back[4096..4100].fill(0);
    assert!(back.iter().all(|byte| *byte == 0));
}

#[test]
fn what_is_not_there_is_said_to_be_not_there() {
    let (_temporary, files) = opened();
    let error = files.len(SEGMENT).expect_err("not there");
    assert_eq!((error.kind, error.file), (DiskErrorKind::NotFound, Some(SEGMENT)));
    assert_eq!(files.remove(SEGMENT), Ok(()), "removing it again is fine");
    assert_eq!(files.list(), Ok(vec![]), "the lock is not ours to list");
}

#[test]
fn a_renamed_file_keeps_its_bytes_and_replaces_the_other() {
    let (_temporary, files) = opened();
    for (file, byte) in [(FileName::IdentityDraft, 1), (FileName::Identity, 2)] {
        files.create(file).expect("created");
        files.write_at(file, 0, &[Bytes::from(vec![byte; 3])]).expect("written");
    }
    files.rename(FileName::IdentityDraft, FileName::Identity).expect("renamed");
    files.sync_directory().expect("synced");
    let mut back = [0; 3];
    assert_eq!(files.read_at(FileName::Identity, 0, &mut back), Ok(3));
    assert_eq!(back, [1; 3]);
    assert_eq!(files.list().map(|files| files.len()), Ok(1));
    assert_eq!(files.len(FileName::IdentityDraft).map_err(|error| error.kind), Err(DiskErrorKind::NotFound));
}

#[test]
fn a_directory_is_opened_by_one_at_a_time() {
    let (temporary, files) = opened();
    let error = Files::open(&temporary.path().join("a/b")).expect_err("locked");
    assert!(error.to_string().contains(&format!("process id {}", std::process::id())), "{error}");
    drop(files);
    Files::open(&temporary.path().join("a/b")).expect("free again");
}

#[test]
fn a_removed_file_is_not_kept_open() {
    let (_temporary, files) = opened();
    let done = std::sync::atomic::AtomicBool::new(false);
    std::thread::scope(|scope| {
        scope.spawn(|| {
            while !done.load(std::sync::atomic::Ordering::Relaxed) {
                let _ = files.len(SEGMENT);
            }
        });
        let kept = (0..20_000).filter(|_| {
            files.create(SEGMENT).expect("created");
            // Closed, so that the reader opens it by its name while it is being removed.
            *files.handles() = Handles::default();
            files.remove(SEGMENT).expect("removed");
            files.len(SEGMENT).is_ok()
        });
        let kept = kept.count();
        done.store(true, std::sync::atomic::Ordering::Relaxed);
        assert_eq!(kept, 0, "its blocks stay taken as long as it is open");
    });
}

#[test]
fn a_long_log_does_not_use_up_the_files_that_may_be_open() {
    let (_temporary, files) = opened();
    let segments = (1..400).map(|n| FileName::Segment(SegmentSequence(n)));
    for segment in segments.clone() {
        files.create(segment).expect("created");
        files.write_at(segment, 0, &[Bytes::from(segment.to_string())]).expect("written");
        files.sync(segment).expect("synced");
    }
    let mut back = [0; 24];
    for segment in segments.clone().chain(segments.rev()) {
        assert_eq!(files.read_at(segment, 0, &mut back), Ok(24));
        assert_eq!(back, segment.to_string().as_bytes());
    }
    let path = files.path.clone();
    let open = fs::read_dir("/proc/self/fd").expect("this system says which files are open").flatten();
    let ours = open.filter(|entry| fs::read_link(entry.path()).is_ok_and(|to| to.starts_with(&path)));
    assert!(ours.count() <= handles::OPEN_MAX + 2, "the directory and its lock are open too");
}

#[test]
fn a_file_stays_open_until_its_changes_are_synced() {
    let (_temporary, files) = opened();
    files.create(SEGMENT).expect("created");
    files.write_at(SEGMENT, 0, &[Bytes::from_static(b"not synced")]).expect("written");
    let written = files.handle(SEGMENT).expect("open");
    for n in 2..400 {
        files.create(FileName::Segment(SegmentSequence(n))).expect("created");
    }
    assert!(
        Arc::ptr_eq(&written, &files.handle(SEGMENT).expect("open")),
        "a failed write-back would be told to it"
    );
    files.sync(SEGMENT).expect("synced");
    for n in 2..400 {
        files.len(FileName::Segment(SegmentSequence(n))).expect("there");
    }
    assert!(!Arc::ptr_eq(&written, &files.handle(SEGMENT).expect("open anew")));
}
