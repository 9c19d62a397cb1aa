use super::*;

const FILE: FileName = FileName::Identity;

fn written(disk: &MemoryDisk, byte: u8) {
    disk.write_at(FILE, 0, &[Bytes::from(vec![byte; 4 * SECTOR_BYTES])]).expect("memory");
}

fn synced() -> MemoryDisk {
    let disk = MemoryDisk::default();
    disk.create(FILE).expect("memory");
    written(&disk, 1);
    disk.sync(FILE).expect("memory");
    disk.sync_directory().expect("memory");
    disk
}

#[test]
fn a_power_cut_keeps_what_was_synced_and_any_sectors_of_what_was_not() {
    let mut seen = std::collections::BTreeSet::new();
    for seed in 0..200 {
        let disk = synced();
        written(&disk, 2);
        disk.cut(seed);
        let bytes = disk.image().remove(&FILE).expect("its name was synced");
        assert_eq!(bytes.len(), 4 * SECTOR_BYTES);
        let sectors: Vec<u8> = bytes.chunks(SECTOR_BYTES).map(|sector| sector[0]).collect();
        assert!(bytes.chunks(SECTOR_BYTES).all(|sector| sector.iter().all(|byte| *byte == sector[0])));
        seen.insert(sectors);
    }
    assert_eq!(seen.len(), 16, "each sector for itself");
}

#[test]
fn a_power_cut_may_undo_a_name_that_was_not_synced() {
    let undone = (0..100).filter(|seed| {
        let disk = synced();
        disk.rename(FILE, FileName::IdentityDraft).expect("memory");
        disk.cut(*seed);
        disk.image().contains_key(&FILE)
    });
    assert!((1..100).contains(&undone.count()));
}

#[test]
fn a_crash_tears_the_write_it_falls_on_and_nothing_follows_it() {
    let disk = synced();
    disk.arm(0, 2);
    assert!(disk.write_at(FILE, 0, &[Bytes::from(vec![9; 4 * SECTOR_BYTES])]).is_err());
    assert!(disk.crashed() && disk.sync(FILE).is_err());
    let bytes = disk.image().remove(&FILE).expect("there");
    assert_eq!((bytes[2 * SECTOR_BYTES - 1], bytes[2 * SECTOR_BYTES]), (9, 1));
    disk.restart();
    assert!(disk.sync(FILE).is_ok());
}
