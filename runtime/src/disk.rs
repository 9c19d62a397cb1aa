//! A real directory as a [`Disk`]: positioned reads and writes, fdatasync, nothing clever and no retries.

use std::{
    collections::BTreeMap,
    fs::{self, File, OpenOptions, TryLockError},
    io::{self, ErrorKind, IoSlice, Read, Seek, Write},
    os::unix::fs::FileExt,
    path::{Path, PathBuf},
    sync::{Arc, Mutex, MutexGuard},
};

use bytes::Bytes;
use evenkeel_core::port::{Disk, DiskError, DiskErrorKind, FileEntry, FileName};

/// Slices in one system call, below every system's IOV_MAX.
const SLICES_MAX: usize = 512;
const ZERO_BYTES: usize = 1 << 20;

/// The files of one data directory, which is locked as long as this lives.
#[derive(Debug)]
pub struct Files {
    path: PathBuf,
    directory: File,
    _lock: File,
    open: Mutex<BTreeMap<FileName, Arc<File>>>,
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
        Ok(Files { path: path.to_path_buf(), directory, _lock: lock, open: Mutex::default() })
    }

    fn handles(&self) -> MutexGuard<'_, BTreeMap<FileName, Arc<File>>> {
        self.open.lock().expect("nobody panics while holding the table of open files")
    }

    fn path_of(&self, file: FileName) -> PathBuf {
        self.path.join(file.to_string())
    }

    fn handle(&self, file: FileName) -> Result<Arc<File>, DiskError> {
        if let Some(open) = self.handles().get(&file) {
            return Ok(Arc::clone(open));
        }
        let opened = OpenOptions::new().read(true).write(true).open(self.path_of(file));
        let opened = Arc::new(opened.map_err(|error| failed(Some(file), &error))?);
        self.handles().insert(file, Arc::clone(&opened));
        Ok(opened)
    }
}

/// Creates a directory and every missing one above it, each durably.
fn create_durably(path: &Path) -> io::Result<()> {
    if path.is_dir() {
        return Ok(());
    }
    let parent = match path.parent() {
        Some(parent) if !parent.as_os_str().is_empty() => parent,
        Some(_) | None => Path::new("."),
    };
    create_durably(parent)?;
    match fs::create_dir(path) {
        Err(error) if error.kind() != ErrorKind::AlreadyExists => return Err(error),
        Ok(()) | Err(_) => {}
    }
    File::open(parent)?.sync_all()
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
            let message = format!("{directory} is locked by another broker (process {})", holder.trim());
            return Err(io::Error::new(ErrorKind::ResourceBusy, message));
        }
        Err(TryLockError::Error(error)) => return Err(error),
    }
    file.set_len(0)?;
    file.rewind()?;
    file.write_all(format!("{}\n", std::process::id()).as_bytes())?;
    Ok(file)
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
        let mut found = Vec::new();
        let entries = fs::read_dir(&self.path).map_err(|error| failed(None, &error))?;
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

    fn read_at(&self, file: FileName, position: u64, into: &mut [u8]) -> Result<usize, DiskError> {
        let handle = self.handle(file)?;
        let mut got = 0;
        while got < into.len() {
            match handle.read_at(&mut into[got..], position + got as u64) {
                Ok(0) => break,
                Ok(more) => got += more,
                Err(error) if error.kind() == ErrorKind::Interrupted => {}
                Err(error) => return Err(failed(Some(file), &error)),
            }
        }
        Ok(got)
    }

    fn len(&self, file: FileName) -> Result<u64, DiskError> {
        let metadata = self.handle(file)?.metadata();
        metadata.map(|metadata| metadata.len()).map_err(|error| failed(Some(file), &error))
    }

    fn create(&self, file: FileName) -> Result<(), DiskError> {
        self.handles().remove(&file);
        let path = self.path_of(file);
        let opened = OpenOptions::new().read(true).write(true).create(true).truncate(true).open(path);
        let opened = opened.map_err(|error| failed(Some(file), &error))?;
        self.handles().insert(file, Arc::new(opened));
        Ok(())
    }

    fn zero(&self, file: FileName, len: u64) -> Result<(), DiskError> {
        let handle = self.handle(file)?;
        let zeros = Bytes::from(vec![0; ZERO_BYTES]);
        let mut at = 0;
        while at < len {
            let count = usize::try_from((len - at).min(ZERO_BYTES as u64)).expect("at most a mebibyte");
            write_all_at(&handle, at, &[zeros.slice(..count)]).map_err(|error| failed(Some(file), &error))?;
            at += count as u64;
        }
        Ok(())
    }

    fn write_at(&self, file: FileName, position: u64, data: &[Bytes]) -> Result<(), DiskError> {
        write_all_at(&*self.handle(file)?, position, data).map_err(|error| failed(Some(file), &error))
    }

    fn sync(&self, file: FileName) -> Result<(), DiskError> {
        self.handle(file)?.sync_data().map_err(|error| failed(Some(file), &error))
    }

    fn sync_directory(&self) -> Result<(), DiskError> {
        self.directory.sync_all().map_err(|error| failed(None, &error))
    }

    fn rename(&self, from: FileName, to: FileName) -> Result<(), DiskError> {
        let mut handles = self.handles();
        fs::rename(self.path_of(from), self.path_of(to)).map_err(|error| failed(Some(from), &error))?;
        handles.remove(&to);
        if let Some(handle) = handles.remove(&from) {
            handles.insert(to, handle);
        }
        Ok(())
    }

    fn remove(&self, file: FileName) -> Result<(), DiskError> {
        self.handles().remove(&file);
        match fs::remove_file(self.path_of(file)) {
            Err(error) if error.kind() != ErrorKind::NotFound => Err(failed(Some(file), &error)),
            Ok(()) | Err(_) => Ok(()),
        }
    }
}

#[cfg(test)]
mod tests;
