//! A data directory that is only looked at: a [`Disk`] on which every change fails.

use std::{
    fs::{File, TryLockError},
    io::{self, ErrorKind},
    path::{Path, PathBuf},
};

use bytes::Bytes;
use evenkeel_core::port::{Disk, DiskError, DiskErrorKind, FileEntry, FileName, Space};

use crate::disk::{failed, list, read_at};

/// The files of a directory, which stays as it is.
#[derive(Debug)]
pub struct Look {
    path: PathBuf,
    /// Held shared, so that no broker begins on it.
    lock: Option<File>,
}

impl Look {
    /// Opens a directory that no broker may use meanwhile. One without a lock has never been a broker's: a copy.
    ///
    /// # Errors
    /// It is not there, or a broker uses it: [`ErrorKind::ResourceBusy`].
    pub fn alone(path: &Path) -> io::Result<Look> {
        let mut look = Look::beside(path)?;
        match File::open(path.join("lock")) {
            Ok(file) => match file.try_lock_shared() {
                Ok(()) => look.lock = Some(file),
                Err(TryLockError::WouldBlock) => return Err(ErrorKind::ResourceBusy.into()),
                Err(TryLockError::Error(error)) => return Err(error),
            },
            Err(error) if error.kind() == ErrorKind::NotFound => {}
            Err(error) => return Err(error),
        }
        Ok(look)
    }

    /// Opens a directory that a broker may be using.
    ///
    /// # Errors
    /// It is not there.
    pub fn beside(path: &Path) -> io::Result<Look> {
        if !path.metadata()?.is_dir() {
            return Err(ErrorKind::NotADirectory.into());
        }
        Ok(Look { path: path.to_path_buf(), lock: None })
    }

    fn open(&self, file: FileName) -> Result<File, DiskError> {
        File::open(self.path.join(file.to_string())).map_err(|error| failed(Some(file), &error))
    }
}

fn refused<T>(file: Option<FileName>) -> Result<T, DiskError> {
    let detail = String::from("the directory is only looked at");
    Err(DiskError { kind: DiskErrorKind::Failed, file, detail })
}

impl Disk for Look {
    fn list(&self) -> Result<Vec<FileEntry>, DiskError> {
        list(&self.path)
    }

    fn read_at(&self, file: FileName, position: u64, into: &mut [u8]) -> Result<usize, DiskError> {
        read_at(&self.open(file)?, file, position, into)
    }

    fn len(&self, file: FileName) -> Result<u64, DiskError> {
        let metadata = self.open(file)?.metadata();
        metadata.map(|metadata| metadata.len()).map_err(|error| failed(Some(file), &error))
    }

    fn create(&self, file: FileName) -> Result<(), DiskError> {
        refused(Some(file))
    }

    fn zero(&self, file: FileName, _: u64) -> Result<(), DiskError> {
        refused(Some(file))
    }

    fn write_at(&self, file: FileName, _: u64, _: &[Bytes]) -> Result<(), DiskError> {
        refused(Some(file))
    }

    fn sync(&self, file: FileName) -> Result<(), DiskError> {
        refused(Some(file))
    }

    fn sync_directory(&self) -> Result<(), DiskError> {
        refused(None)
    }

    fn rename(&self, from: FileName, _: FileName) -> Result<(), DiskError> {
        refused(Some(from))
    }

    fn remove(&self, file: FileName) -> Result<(), DiskError> {
        refused(Some(file))
    }

    fn space(&self) -> Result<Space, DiskError> {
        refused(None)
    }
}
