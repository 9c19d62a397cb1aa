//! Looking at, and damaging, the files of a data directory as a bad disk would.

use std::{
    fs,
    path::{Path, PathBuf},
};

/// A sync group that holds records.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Group {
    /// The segment file.
    pub file: PathBuf,
    /// First byte in it.
    pub position: usize,
    /// Bytes, without padding.
    pub len: usize,
    /// LSN of its first record.
    pub first_lsn: u64,
}

fn u32_at(bytes: &[u8], at: usize) -> usize {
    u32::from_le_bytes(bytes[at..at + 4].try_into().expect("four bytes")) as usize
}

/// Segment files, oldest first.
///
/// # Panics
/// The directory cannot be read.
pub fn segments(directory: &Path) -> Vec<PathBuf> {
    let mut found: Vec<PathBuf> = fs::read_dir(directory)
        .expect("the data directory can be read")
        .map(|entry| entry.expect("an entry").path())
        .filter(|path| {
            let name = path.file_name().and_then(|name| name.to_str()).unwrap_or_default();
            name.starts_with("log-") && !name.ends_with(".draft")
        })
        .collect();
    found.sort();
    found
}

/// All groups with records, in log order. Only the layout is read, no checksum.
pub fn groups(directory: &Path) -> Vec<Group> {
    let mut found = Vec::new();
    for file in segments(directory) {
        let bytes = fs::read(&file).expect("a segment can be read");
        let mut position = 4096;
        while position < bytes.len() && bytes[position..].starts_with(b"EKGROUP1") {
            let len = 64 + u32_at(&bytes, position + 40) + u32_at(&bytes, position + 44);
            if u32_at(&bytes, position + 36) == 0 {
                let first_lsn =
                    u64::from_le_bytes(bytes[position + 24..position + 32].try_into().expect("eight bytes"));
                found.push(Group { file: file.clone(), position, len, first_lsn });
            }
            position += len.next_multiple_of(4096);
        }
    }
    found
}

/// Inverts one byte of a file.
///
/// # Panics
/// The file cannot be changed.
pub fn flip(file: &Path, position: usize) {
    let mut bytes = fs::read(file).expect("the file can be read");
    bytes[position] ^= 0xff;
    fs::write(file, bytes).expect("the file can be written");
}

/// Copies a directory of files.
///
/// # Panics
/// A file cannot be copied.
pub fn copy(from: &Path, to: &Path) {
    fs::create_dir_all(to).expect("the copy can be created");
    for entry in fs::read_dir(from).expect("the directory can be read") {
        let entry = entry.expect("an entry");
        fs::copy(entry.path(), to.join(entry.file_name())).expect("a file can be copied");
    }
}
