//! The log file: records are appended to it, whole ones in each `write`.

use std::fs::{DirBuilder, File, OpenOptions};
use std::io::{self, Write};
use std::os::unix::fs::{DirBuilderExt, FileExt, OpenOptionsExt};
use std::path::Path;
use std::thread;
use std::time::Duration;

use rustix::fs::{FileType, OFlags};

/// The mode of a new log: root writes, its group reads.
const MODE: u32 = 0o640;

/// Mode of a new folder for it, as distributions create `/var/log/libvirt`.
const FOLDER_MODE: u32 = 0o755;

/// Interval between two checks of an unfinished line that grows.
const CHECK_INTERVAL: Duration = Duration::from_millis(5);

/// Initial number of checks of an unfinished line that grows.
const MAXIMUM_CHECKS: u32 = 10;

/// An open log.
#[derive(Debug)]
pub(super) struct LogFile {
    file: File,
    /// A write of ours ended inside a record.
    torn: bool,
    /// Number of checks of an unfinished line that grows.
    checks: u32,
}

impl LogFile {
    /// Opens the log at `path` for appending, and creates it if it is missing.
    ///
    /// # Errors
    /// The file cannot be opened, or is not a regular file. The folder is root's, but its content may have been planted
    /// before, so
    /// that FIFOs are not waited for and symlinks not followed.
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
        Ok(Self { file, torn: false, checks: MAXIMUM_CHECKS })
    }

    /// Returns true if this is still the file at `path`.
    pub(super) fn is_at(&self, path: &Path) -> bool {
        let (Ok(own), Ok(there)) = (rustix::fs::fstat(&self.file), rustix::fs::lstat(path)) else { return false };
        (own.st_dev, own.st_ino) == (there.st_dev, there.st_ino)
    }

    /// Appends whole records, each on a line of its own. Scripts may write to the log too, and leave a line unfinished.
    ///
    /// # Errors
    /// Not all of the records could be written: a full disk, a quota, a limit on file size.
    pub(super) fn append(&mut self, records: &[u8]) -> io::Result<()> {
        if self.torn || self.ends_inside_a_line() {
            // A single write, so that no record of another event comes between the newline and this record.
            let mut settled = Vec::with_capacity(records.len() + 1);
            settled.push(b'\n');
            settled.extend_from_slice(records);
            return self.write(&settled);
        }
        self.write(records)
    }

    fn write(&mut self, mut records: &[u8]) -> io::Result<()> {
        while !records.is_empty() {
            match self.file.write(records) {
                Ok(0) => return Err(io::ErrorKind::WriteZero.into()),
                Ok(written) => {
                    let (done, rest) = records.split_at(written.min(records.len()));
                    self.torn = !done.ends_with(b"\n");
                    records = rest;
                }
                Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
                Err(error) => return Err(error),
            }
        }
        Ok(())
    }

    /// Returns true if the last line is unfinished and not growing.
    ///
    /// The kernel shows a write that crosses a page before it is complete, so that an unfinished line may be another
    /// event's record in the making. It counts as unfinished after [`MAXIMUM_CHECKS`] checks without growth.
    fn ends_inside_a_line(&mut self) -> bool {
        let mut before = None;
        for _ in 0..self.checks {
            let now = self.unfinished();
            if now.is_none() || now == before {
                return now.is_some();
            }
            before = now;
            thread::sleep(CHECK_INTERVAL);
        }
        // Another program writes without a pause and without newlines. Waiting for it again is useless, and an empty
        // line costs less than a record.
        self.checks = 0;
        self.unfinished().is_some()
    }

    /// The log's size in bytes, where its last byte is not the end of a line.
    fn unfinished(&self) -> Option<u64> {
        let size = u64::try_from(rustix::fs::fstat(&self.file).ok()?.st_size).ok()?;
        let mut last = [0];
        self.file.read_exact_at(&mut last, size.checked_sub(1)?).ok()?;
        (last != *b"\n").then_some(size)
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
