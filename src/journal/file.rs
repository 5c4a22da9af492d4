//! The log file: records are appended to it, whole ones in each `write`.

use std::fs::{DirBuilder, File, OpenOptions};
use std::io::{self, Write};
use std::os::unix::fs::{DirBuilderExt, FileExt, OpenOptionsExt};
use std::path::Path;

use rustix::fs::{FileType, OFlags};

/// The mode of a new log: root writes, its group reads.
const MODE: u32 = 0o640;

/// The mode of a new folder for it, the one that distributions give `/var/log/libvirt`.
const FOLDER_MODE: u32 = 0o755;

/// An open log.
#[derive(Debug)]
pub(super) struct LogFile {
    file: File,
    /// Somebody else may have left the last line without its end: a script that writes to the log too, a full disk.
    unsettled: bool,
}

impl LogFile {
    /// Opens the log at `path` for appending, and creates it where it is missing.
    ///
    /// # Errors
    /// Where it can't be opened, and where what is there is no regular file. A FIFO or a symlink is not waited for or
    /// followed: the folder is root's, but what stands there may have been planted before it was.
    pub(super) fn open(path: &Path) -> io::Result<Self> {
        let file = match open(path) {
            Err(error) if error.kind() == io::ErrorKind::NotFound => {
                let folder = path.parent().ok_or(error)?;
                DirBuilder::new().recursive(true).mode(FOLDER_MODE).create(folder)?;
                open(path)?
            }
            opened => opened?,
        };
        let status = rustix::fs::fstat(&file)?;
        if FileType::from_raw_mode(status.st_mode) != FileType::RegularFile {
            return Err(io::Error::new(io::ErrorKind::InvalidInput, "it is not a regular file"));
        }
        Ok(Self { file, unsettled: true })
    }

    /// Tells that others may have written since.
    pub(super) const fn unsettle(&mut self) {
        self.unsettled = true;
    }

    /// Appends whole records.
    ///
    /// # Errors
    /// Where not all of them could be written: a full disk, a quota, a limit on file size.
    pub(super) fn append(&mut self, records: &[u8]) -> io::Result<()> {
        if std::mem::take(&mut self.unsettled) && self.ends_inside_a_line() {
            // One write, so that no record of another event comes between the end of the line and ours.
            let mut settled = Vec::with_capacity(records.len() + 1);
            settled.push(b'\n');
            settled.extend_from_slice(records);
            return self.write(&settled);
        }
        self.write(records)
    }

    fn write(&mut self, records: &[u8]) -> io::Result<()> {
        let written = self.file.write_all(records);
        self.unsettled |= written.is_err();
        written
    }

    fn ends_inside_a_line(&self) -> bool {
        let Ok(status) = rustix::fs::fstat(&self.file) else {
            return false;
        };
        let Some(last) = u64::try_from(status.st_size).ok().and_then(|size| size.checked_sub(1)) else {
            return false;
        };
        let mut byte = [0];
        self.file.read_exact_at(&mut byte, last).is_ok() && byte != *b"\n"
    }
}

fn open(path: &Path) -> io::Result<File> {
    // NONBLOCK, or opening a FIFO waits for its reader. It means nothing to a regular file.
    let flags = OFlags::NOFOLLOW | OFlags::NONBLOCK | OFlags::NOCTTY | OFlags::CLOEXEC;
    OpenOptions::new()
        .read(true)
        .append(true)
        .create(true)
        .mode(MODE)
        .custom_flags(i32::try_from(flags.bits()).unwrap_or_default())
        .open(path)
}
