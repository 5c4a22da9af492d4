//! The names in a folder of scripts.

use std::ffi::OsStr;
use std::io;
use std::os::unix::ffi::OsStrExt;
use std::path::{Path, PathBuf};

use rustix::fs::{Mode, OFlags, RawDir};
use rustix::io::Errno;

use crate::record::Quoted;

/// A folder that could not be read; its scripts don't run.
#[derive(Debug, thiserror::Error)]
#[error("the folder {} can't be read: {source}", Quoted::path(.folder))]
pub struct FolderError {
    /// Which one.
    pub folder: PathBuf,
    /// What the kernel said.
    pub source: io::Error,
}

/// The size of one listing of a folder, in bytes. It fits beside the XML in the memory that is mapped first.
const LISTED: usize = 8 << 10;

/// Shows each name in a folder to `see`. False where there is no such folder.
pub(super) fn read(folder: &Path, mut see: impl FnMut(&OsStr)) -> Result<bool, FolderError> {
    let failed = |error: Errno| FolderError { folder: folder.to_owned(), source: error.into() };
    let flags = OFlags::RDONLY | OFlags::DIRECTORY | OFlags::CLOEXEC;
    let opened = match rustix::fs::open(folder, flags, Mode::empty()) {
        Err(Errno::NOENT) => return Ok(false),
        opened => opened.map_err(failed)?,
    };
    // Not on the stack, where every page of it would be touched, whatever the folder holds.
    let mut buffer: Vec<u8> = Vec::with_capacity(LISTED);
    let mut entries = RawDir::new(opened, buffer.spare_capacity_mut());
    while let Some(entry) = entries.next() {
        see(OsStr::from_bytes(entry.map_err(failed)?.file_name().to_bytes()));
    }
    Ok(true)
}
