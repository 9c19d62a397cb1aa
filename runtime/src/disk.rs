//! A real directory as a [`Disk`]: positioned reads and writes, fdatasync, nothing clever and no retries.

mod handles;
pub mod look;

use std::{
    fs::{self, File, OpenOptions, TryLockError},
    io::{self, ErrorKind, IoSlice, Read, Seek, Write},
    os::unix::fs::{FileExt, MetadataExt},
    path::{Path, PathBuf},
    sync::{Arc, Mutex, MutexGuard},
};

use bytes::Bytes;
use evenkeel_core::port::{Disk, DiskError, DiskErrorKind, FileEntry, FileName, Space};

use crate::disk::handles::Handles;

/// Slices in one system call, below every system's IOV_MAX.
const SLICES_MAX: usize = 512;
const ZERO_BYTES: usize = 1 << 20;

/// The files of one data directory, which is locked as long as this lives.
#[derive(Debug)]
pub struct Files {
    path: PathBuf,
    directory: File,
    _lock: File,
    handles: Mutex<Handles>,
}

fn failed(file: Option<FileName>, error: &io::Error) -> DiskError {
    let full = [ErrorKind::StorageFull, ErrorKind::QuotaExceeded, ErrorKind::FileTooLarge];
    let kind = if error.kind() == ErrorKind::NotFound {
        DiskErrorKind::NotFound
    } else if full.contains(&error.kind()) {
        DiskErrorKind::Full
    } else {
        DiskErrorKind::Failed
    };
    DiskError { kind, file, detail: error.to_string() }
}

impl Files {
    /// Opens a data directory, creating it if it is not there, and locks it.
    ///
    /// # Errors
    /// It cannot be created, opened or synced, or another process has it locked.
    pub fn open(path: &Path) -> io::Result<Files> {
        create_durably(path)?;
        let lock = lock(&path.join("lock"))?;
        let directory = File::open(path)?;
        Ok(Files { path: path.to_path_buf(), directory, _lock: lock, handles: Mutex::default() })
    }

    fn handles(&self) -> MutexGuard<'_, Handles> {
        self.handles.lock().expect("nobody panics while holding the table of open files")
    }

    fn path_of(&self, file: FileName) -> PathBuf {
        self.path.join(file.to_string())
    }

    /// The table is held while a file is opened. Otherwise: (1) a reader opens a file, (2) it is removed or another one
    /// is renamed onto it, (3) the reader puts what it opened into the table. Then writes and syncs of that name succeed
    /// on a file that is in no directory, or the blocks of a removed one stay taken.
    fn handle(&self, file: FileName) -> Result<Arc<File>, DiskError> {
        self.handle_in(file, &mut self.handles())
    }

    /// The same, of a file that is about to be changed.
    fn changing(&self, file: FileName) -> Result<Arc<File>, DiskError> {
        let mut handles = self.handles();
        let open = self.handle_in(file, &mut handles)?;
        handles.change(file);
        Ok(open)
    }

    fn handle_in(&self, file: FileName, handles: &mut Handles) -> Result<Arc<File>, DiskError> {
        if let Some(open) = handles.get(file) {
            return Ok(open);
        }
        let opened = OpenOptions::new().read(true).write(true).open(self.path_of(file));
        let opened = Arc::new(opened.map_err(|error| failed(Some(file), &error))?);
        // What is closed here is in the directory still: no blocks are freed.
        drop(handles.insert(file, Arc::clone(&opened)));
        Ok(opened)
    }

    /// Takes a file out of the table. Closing the last handle of a removed file frees its blocks, which takes time:
    /// never with the table held.
    fn forget(&self, file: FileName) {
        let forgotten = self.handles().remove(file);
        drop(forgotten);
    }
}

/// Creates a directory and every missing one above it, and makes the whole path durable.
///
/// Directories that are there already are synced too, at each start: (1) a start creates the directory, (2) is killed
/// before the sync, (3) the next one finds it, serves and acknowledges, (4) power fails, and the directory was never on
/// the disk. One that we may not open is somebody else's, who made it before us; so is a mount point and what is above it.
fn create_durably(path: &Path) -> io::Result<()> {
    fs::create_dir_all(path)?;
    let device = fs::metadata(path)?.dev();
    for above in path.canonicalize()?.ancestors().skip(1) {
        if fs::metadata(above)?.dev() != device {
            break;
        }
        match File::open(above) {
            Ok(directory) => directory.sync_all()?,
            Err(error) if error.kind() == ErrorKind::PermissionDenied => {}
            Err(error) => return Err(error),
        }
    }
    Ok(())
}

/// Sees to it that a directory has these folders, and that they are durable with all that is in them.
///
/// # Errors
/// The directory is not there and not to be made, or something cannot be made or synced.
pub(crate) fn keep_folders<'a>(
    path: &Path,
    create: bool,
    names: impl IntoIterator<Item = &'a str>,
) -> io::Result<()> {
    if !create {
        fs::metadata(path)?;
    }
    create_durably(path)?;
    for name in names {
        let folder = path.join(name);
        match fs::create_dir(&folder) {
            Err(error) if error.kind() != ErrorKind::AlreadyExists => return Err(error),
            Ok(()) | Err(_) => sync_folder(&folder)?,
        }
    }
    sync_folder(path)
}

/// Makes what is in a folder durable: which files there are, and under which names.
///
/// # Errors
/// It is not there, or cannot be opened or synced.
pub(crate) fn sync_folder(path: &Path) -> io::Result<()> {
    File::open(path)?.sync_all()
}

/// Removes the files of a folder that have such names.
///
/// # Errors
/// It cannot be read, or one of them cannot be removed.
pub(crate) fn remove_files(folder: &Path, such: impl Fn(&str) -> bool) -> io::Result<()> {
    for entry in fs::read_dir(folder)? {
        let entry = entry?;
        if entry.file_name().to_str().is_some_and(&such) {
            match fs::remove_file(entry.path()) {
                Err(error) if error.kind() != ErrorKind::NotFound => return Err(error),
                Ok(()) | Err(_) => {}
            }
        }
    }
    Ok(())
}

/// Takes the lock and writes our process id into it, for whoever finds it taken.
fn lock(path: &Path) -> io::Result<File> {
    let mut file = OpenOptions::new().read(true).write(true).create(true).truncate(false).open(path)?;
    match file.try_lock() {
        Ok(()) => {}
        Err(TryLockError::WouldBlock) => {
            let mut holder = String::new();
            // The id is a courtesy; without it the message is still right.
            let _ = file.read_to_string(&mut holder);
            let directory = path.parent().unwrap_or(path).display();
            let message = format!(
                "{directory} is locked: by the broker with process id {}, or by `evenkeel inspect` or `evenkeel verify`",
                holder.trim()
            );
            return Err(io::Error::new(ErrorKind::ResourceBusy, message));
        }
        Err(TryLockError::Error(error)) => return Err(error),
    }
    file.set_len(0)?;
    file.rewind()?;
    file.write_all(format!("{}\n", std::process::id()).as_bytes())?;
    Ok(file)
}

/// The files of a directory that are ours.
fn list(path: &Path) -> Result<Vec<FileEntry>, DiskError> {
    let mut found = Vec::new();
    let entries = fs::read_dir(path).map_err(|error| failed(None, &error))?;
    for entry in entries {
        let entry = entry.map_err(|error| failed(None, &error))?;
        if let Some(file) = entry.file_name().to_str().and_then(FileName::parse) {
            let len = entry.metadata().map_err(|error| failed(Some(file), &error))?.len();
            found.push(FileEntry { file, len });
        }
    }
    found.sort_by_key(|entry| entry.file);
    Ok(found)
}

/// Reads until `into` is full or the file ends.
fn read_at(from: &File, file: FileName, position: u64, into: &mut [u8]) -> Result<usize, DiskError> {
    let mut got = 0;
    while got < into.len() {
        match from.read_at(&mut into[got..], position + got as u64) {
            Ok(0) => break,
            Ok(more) => got += more,
            Err(error) if error.kind() == ErrorKind::Interrupted => {}
            Err(error) => return Err(failed(Some(file), &error)),
        }
    }
    Ok(got)
}

/// Writes all slices, one behind the other, from `position` on.
fn write_all_at(file: &File, mut position: u64, data: &[Bytes]) -> io::Result<()> {
    let mut rest: Vec<&[u8]> =
        data.iter().map(|slice| &slice[..]).filter(|slice| !slice.is_empty()).collect();
    let mut rest = &mut rest[..];
    while !rest.is_empty() {
        let slices: Vec<IoSlice<'_>> =
            rest.iter().take(SLICES_MAX).map(|slice| IoSlice::new(slice)).collect();
        let mut written = match rustix::io::pwritev(file, &slices, position) {
            Ok(0) => return Err(ErrorKind::WriteZero.into()),
            Ok(written) => written,
            Err(rustix::io::Errno::INTR) => continue,
            Err(error) => return Err(error.into()),
        };
        position += written as u64;
        let mut done = 0;
        while done < rest.len() && written >= rest[done].len() {
            written -= rest[done].len();
            done += 1;
        }
        rest = &mut rest[done..];
        if written > 0 {
            rest[0] = &rest[0][written..];
        }
    }
    Ok(())
}

impl Disk for Files {
    fn list(&self) -> Result<Vec<FileEntry>, DiskError> {
        list(&self.path)
    }

    fn read_at(&self, file: FileName, position: u64, into: &mut [u8]) -> Result<usize, DiskError> {
        read_at(&*self.handle(file)?, file, position, into)
    }

    fn len(&self, file: FileName) -> Result<u64, DiskError> {
        let metadata = self.handle(file)?.metadata();
        metadata.map(|metadata| metadata.len()).map_err(|error| failed(Some(file), &error))
    }

    fn create(&self, file: FileName) -> Result<(), DiskError> {
        self.forget(file);
        let path = self.path_of(file);
        let opened = OpenOptions::new().read(true).write(true).create(true).truncate(true).open(path);
        let opened = opened.map_err(|error| failed(Some(file), &error))?;
        let closed = self.handles().insert(file, Arc::new(opened));
        drop(closed);
        Ok(())
    }

    fn zero(&self, file: FileName, len: u64) -> Result<(), DiskError> {
        let handle = self.changing(file)?;
        let zeros = Bytes::from(vec![0; ZERO_BYTES]);
        let mut at = 0;
        while at < len {
            let count = usize::try_from((len - at).min(ZERO_BYTES as u64)).expect("at most a mebibyte");
            write_all_at(&handle, at, &[zeros.slice(..count)]).map_err(|error| failed(Some(file), &error))?;
            at += count as u64;
        }
        Ok(())
    }

    fn reserve(&self, file: FileName, len: u64) -> Result<(), DiskError> {
        let handle = self.changing(file)?;
        match rustix::fs::fallocate(&*handle, rustix::fs::FallocateFlags::empty(), 0, len) {
            Ok(()) => Ok(()),
            // Not every file system can.
            Err(rustix::io::Errno::OPNOTSUPP | rustix::io::Errno::NOSYS) => self.zero(file, len),
            Err(error) => Err(failed(Some(file), &error.into())),
        }
    }

    fn release(&self, file: FileName, from: u64) {
        use rustix::fs::FallocateFlags;
        let Ok(handle) = self.changing(file) else { return };
        let len = handle.metadata().map_or(0, |known| known.len()).saturating_sub(from);
        if len > 0 {
            // A file system without holes keeps the space.
            let _ = rustix::fs::fallocate(
                &*handle,
                FallocateFlags::PUNCH_HOLE | FallocateFlags::KEEP_SIZE,
                from,
                len,
            );
        }
    }

    fn write_at(&self, file: FileName, position: u64, data: &[Bytes]) -> Result<(), DiskError> {
        write_all_at(&*self.changing(file)?, position, data).map_err(|error| failed(Some(file), &error))
    }

    fn sync(&self, file: FileName) -> Result<(), DiskError> {
        let handle = self.handle(file)?;
        let changes = self.handles().changes(file);
        handle.sync_data().map_err(|error| failed(Some(file), &error))?;
        self.handles().synced(file, changes);
        Ok(())
    }

    fn sync_directory(&self) -> Result<(), DiskError> {
        self.directory.sync_all().map_err(|error| failed(None, &error))
    }

    fn space(&self) -> Result<Space, DiskError> {
        let told = rustix::fs::fstatvfs(&self.directory).map_err(|error| failed(None, &error.into()))?;
        let bytes = |blocks: u64| blocks.saturating_mul(told.f_frsize);
        Ok(Space { total: bytes(told.f_blocks), usable: bytes(told.f_bavail) })
    }

    fn rename(&self, from: FileName, to: FileName) -> Result<(), DiskError> {
        let replaced = {
            let mut handles = self.handles();
            fs::rename(self.path_of(from), self.path_of(to)).map_err(|error| failed(Some(from), &error))?;
            handles.rename(from, to)
        };
        drop(replaced);
        Ok(())
    }

    fn remove(&self, file: FileName) -> Result<(), DiskError> {
        let removed = fs::remove_file(self.path_of(file));
        // After the unlink: what a reader opened by name until then is in the table by now.
        self.forget(file);
        match removed {
            Err(error) if error.kind() != ErrorKind::NotFound => Err(failed(Some(file), &error)),
            Ok(()) | Err(_) => Ok(()),
        }
    }
}

#[cfg(test)]
mod tests;
