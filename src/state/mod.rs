//! The state folder: files that are kept between events, accessible to the hook's own user only.
//!
//! It is below `/run` and so does not survive a reboot. Each kind of file has its own directory.

pub mod pause;

use std::ffi::OsStr;
use std::fs::{self, File};
use std::io::{self, BufWriter, Read, Write};
use std::os::fd::OwnedFd;
use std::os::unix::ffi::OsStrExt;
use std::os::unix::fs::FileExt;
use std::path::{Path, PathBuf};

use rustix::fs::{AtFlags, FlockOperation, Mode, OFlags};
use rustix::io::{Errno, FdFlags};

use crate::driver::Driver;
use crate::record::Quoted;

/// Errors of the state folder.
#[derive(Debug, thiserror::Error)]
pub enum StateError {
    /// A folder can't be made or opened.
    #[error("the folder {}: {source}", Quoted::path(.folder))]
    Folder {
        /// Its path.
        folder: PathBuf,
        /// The kernel's error.
        source: io::Error,
    },
    /// The folder is owned by another user, or writable by others, so that its content is not trusted.
    #[error("the folder {0} is not owned by this user, or is writable by others; fix: mv {0} {0}.old", Quoted::path(.folder))]
    Untrusted {
        /// Its path.
        folder: PathBuf,
    },
    /// A file can't be written, put in place or removed.
    #[error("the file {}: {source}", Quoted::path(.file))]
    File {
        /// Its path.
        file: PathBuf,
        /// The kernel's error.
        source: io::Error,
    },
}

/// Maximum size of a file that is read, in bytes. Settings are not larger, and only scripts read live XML.
const MAXIMUM_KEPT: u64 = 1 << 20;

/// A directory of the state folder.
#[derive(Debug, Clone)]
pub struct Directory {
    /// The folders above it that are made with it, the state folder first.
    above: Vec<PathBuf>,
    folder: PathBuf,
}

/// Accessible to the hook's user only: the files may contain passwords.
const FOLDER_MODE: Mode = Mode::RWXU;
const FILE_MODE: Mode = Mode::RUSR.union(Mode::WUSR);

impl Directory {
    /// Returns the directory `name` of the state folder `state`, which is made when something is first kept in it.
    pub fn new(state: &Path, name: &str) -> Self {
        Self { above: vec![state.to_owned()], folder: state.join(name) }
    }

    /// Returns the directory `name` for objects of a driver: objects of two drivers may have one name.
    pub fn of(state: &Path, driver: &Driver, name: &str) -> Self {
        let folder = state.join(driver.name);
        Self { folder: folder.join(name), above: vec![state.to_owned(), folder] }
    }

    /// Returns the path of the file `name`, which need not exist.
    pub fn path(&self, name: &[u8]) -> PathBuf {
        self.folder.join(OsStr::from_bytes(name))
    }

    /// Returns the content of `name`, up to a mebibyte, if it exists and nobody else can have written it.
    pub fn read_trusted(&self, name: &[u8]) -> Option<Vec<u8>> {
        self.read(name, MAXIMUM_KEPT).ok().flatten()
    }

    /// Returns the content of `name`, or `None` if it does not exist: for callers that must not mistake an unreadable
    /// file for an absent one.
    ///
    /// # Errors
    /// The file exists and cannot be read, is longer than `most` bytes, or may have been written by another user.
    pub fn read(&self, name: &[u8], most: u64) -> Result<Option<Vec<u8>>, StateError> {
        let failed = |source: io::Error| StateError::File { file: self.path(name), source };
        let folder = match open_checked(&self.folder) {
            Err(StateError::Folder { source, .. }) if source.kind() == io::ErrorKind::NotFound => return Ok(None),
            folder => folder?,
        };
        // NONBLOCK, should a FIFO be in its place.
        let flags = OFlags::RDONLY | OFlags::NOFOLLOW | OFlags::NONBLOCK | OFlags::NOCTTY | OFlags::CLOEXEC;
        let file = match rustix::fs::openat(&folder, name, flags, Mode::empty()) {
            Err(Errno::NOENT) => return Ok(None),
            file => File::from(file.map_err(|error| failed(error.into()))?),
        };
        let length = file.metadata().map_or(0, |status| status.len().min(most));
        let mut bytes = Vec::with_capacity(usize::try_from(length).unwrap_or_default() + 1);
        if !file.metadata().map_err(failed)?.is_file() {
            return Err(failed(io::Error::other("it is not a file; fix: remove it")));
        }
        file.take(most + 1).read_to_end(&mut bytes).map_err(failed)?;
        if bytes.len() as u64 > most {
            return Err(failed(io::Error::other(format!("it is longer than {most} bytes"))));
        }
        Ok(Some(bytes))
    }

    /// The names under which something is kept.
    pub fn names(&self) -> Vec<Vec<u8>> {
        let entries = fs::read_dir(&self.folder).into_iter().flatten().flatten();
        entries.map(|entry| entry.file_name().as_bytes().to_vec()).collect()
    }

    /// Writes `bytes` to `name`, in place of the previous content. Readers never see half of it.
    ///
    /// # Errors
    /// The folder cannot be used or the file cannot be written; the previous content stays.
    pub fn write(&self, name: &[u8], bytes: &[u8]) -> Result<(), StateError> {
        self.write_pieces(name, std::iter::once(bytes))
    }

    /// Writes these pieces to `name`, one after another, as [`Self::write`] does.
    ///
    /// # Errors
    /// As for [`Self::write`].
    pub fn write_pieces<'a>(&self, name: &[u8], pieces: impl Iterator<Item = &'a [u8]>) -> Result<(), StateError> {
        let folder = self.open()?;
        // Events of other domains do the same at the same time, each in its own process.
        let draft = format!(".{}", std::process::id());
        let flags =
            OFlags::WRONLY | OFlags::CREATE | OFlags::TRUNC | OFlags::NOFOLLOW | OFlags::NONBLOCK | OFlags::CLOEXEC;
        let written = rustix::fs::openat(&folder, draft.as_str(), flags, FILE_MODE)
            .map_err(io::Error::from)
            .and_then(|file| {
                let mut file = BufWriter::new(File::from(file));
                pieces.into_iter().try_for_each(|piece| file.write_all(piece))?;
                file.flush()
            })
            .and_then(|()| Ok(rustix::fs::renameat(&folder, draft.as_str(), &folder, name)?));
        written.map_err(|source| {
            // The temporary file is useless, and the first error is the one to report.
            _ = rustix::fs::unlinkat(&folder, draft.as_str(), AtFlags::empty());
            StateError::File { file: self.path(name), source }
        })
    }

    /// Removes `name`, if it exists.
    ///
    /// # Errors
    /// The file exists and cannot be removed.
    pub fn remove(&self, name: &[u8]) -> Result<(), StateError> {
        let file = self.path(name);
        match rustix::fs::unlink(&file) {
            // A name too long for a file was never kept; without the folder, or with a file in its place, nothing was.
            Ok(()) | Err(Errno::NOENT | Errno::NAMETOOLONG | Errno::NOTDIR) => Ok(()),
            Err(error) => Err(StateError::File { file, source: error.into() }),
        }
    }

    /// Opens the lock `name` without locking it.
    ///
    /// # Errors
    /// The folder or the file cannot be opened.
    pub fn lock(&self, name: &[u8]) -> Result<Lock, StateError> {
        let folder = self.open()?;
        // NONBLOCK, should a FIFO be in its place.
        let flags = OFlags::RDWR | OFlags::CREATE | OFlags::NOFOLLOW | OFlags::NONBLOCK | OFlags::CLOEXEC;
        let opened = rustix::fs::openat(&folder, name, flags, FILE_MODE).map_err(io::Error::from).map(File::from);
        let checked = opened.and_then(|file| match file.metadata()?.is_file() {
            true => Ok(Lock { file }),
            false => Err(io::Error::other("it is not a file; fix: remove it")),
        });
        checked.map_err(|source| StateError::File { file: self.path(name), source })
    }

    /// Opens the directory, which is made where it is missing.
    fn open(&self) -> Result<OwnedFd, StateError> {
        for folder in &self.above {
            open_or_create(folder)?;
        }
        open_or_create(&self.folder)
    }
}

/// A lock that one process of the host holds at a time, until it ends or drops it. No script inherits it, unless it is
/// bequeathed.
#[derive(Debug)]
pub struct Lock {
    file: File,
}

impl Lock {
    /// Tries to lock it for `holder`. Returns false if another process holds it.
    ///
    /// # Errors
    /// The file system does not support locks.
    pub fn try_lock(&self, holder: &[u8]) -> io::Result<bool> {
        match rustix::fs::flock(&self.file, FlockOperation::NonBlockingLockExclusive) {
            Err(Errno::WOULDBLOCK) => return Ok(false),
            taken => taken?,
        }
        // The holder's name only serves the message of a process that waits.
        _ = self.file.set_len(0);
        _ = self.file.write_at(holder, 0);
        Ok(true)
    }

    /// Lets every program that is started from now on hold the lock as well.
    ///
    /// # Errors
    /// The kernel refuses that.
    pub fn make_inheritable(&self) -> io::Result<()> {
        Ok(rustix::io::fcntl_setfd(&self.file, FdFlags::empty())?)
    }

    /// Returns the holder's name from the file, up to half a kilobyte.
    pub fn holder(&self) -> Vec<u8> {
        let mut holder = vec![0; 512];
        // An unreadable holder is an empty one.
        let length = self.file.read_at(&mut holder, 0).unwrap_or_default();
        holder.truncate(length);
        holder
    }
}

fn open(folder: &Path) -> Result<OwnedFd, Errno> {
    let flags = OFlags::PATH | OFlags::DIRECTORY | OFlags::NOFOLLOW | OFlags::CLOEXEC;
    rustix::fs::open(folder, flags, Mode::empty())
}

/// Makes a folder, and those above it where they are missing too: under a fresh root, that is.
fn make(folder: &Path) -> Result<(), StateError> {
    let mut made = rustix::fs::mkdir(folder, FOLDER_MODE);
    if let (Err(Errno::NOENT), Some(above)) = (made, folder.parent()) {
        made = fs::create_dir_all(above).map_or(Err(Errno::NOENT), |()| rustix::fs::mkdir(folder, FOLDER_MODE));
    }
    match made {
        Ok(()) | Err(Errno::EXIST) => Ok(()),
        Err(error) => Err(StateError::Folder { folder: folder.to_owned(), source: error.into() }),
    }
}

/// Checks that the state folder can be used, or created if it is missing.
///
/// # Errors
/// The folder is another kind of file, is owned by another user, or is accessible to others.
pub fn check(state: &Path) -> Result<(), StateError> {
    match open(state) {
        Err(Errno::NOENT) => Ok(()),
        _ => open_checked(state).map(drop),
    }
}

/// Opens the state folder as [`open_checked`] does, and creates it if it is missing.
fn open_or_create(folder: &Path) -> Result<OwnedFd, StateError> {
    match open_checked(folder) {
        Err(StateError::Folder { source, .. }) if source.kind() == io::ErrorKind::NotFound => {
            make(folder)?;
            open_checked(folder)
        }
        checked => checked,
    }
}

/// Opens the state folder, if only the hook's user can have written to it.
fn open_checked(folder: &Path) -> Result<OwnedFd, StateError> {
    let failed = |error: Errno| StateError::Folder { folder: folder.to_owned(), source: error.into() };
    let opened = open(folder).map_err(failed)?;
    let status = rustix::fs::fstat(&opened).map_err(failed)?;
    let others = Mode::from_raw_mode(status.st_mode).intersects(Mode::WGRP | Mode::WOTH);
    if others || status.st_uid != rustix::process::geteuid().as_raw() {
        return Err(StateError::Untrusted { folder: folder.to_owned() });
    }
    Ok(opened)
}
