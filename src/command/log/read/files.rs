//! The log's files, opened once, so that every pass reads the same ones in spite of rotation.

use std::fs::{File, Metadata, OpenOptions};
use std::io::{self, Read, Seek, SeekFrom, Write};
use std::ops::ControlFlow;
use std::os::unix::fs::{FileExt, MetadataExt, OpenOptionsExt};
use std::path::{Path, PathBuf};
use std::time::SystemTime;

use memchr::memrchr;
use rustix::fs::OFlags;
use rustix::io::Errno;

use super::lines::{Block, Blocks};
use super::packing::{Packing, Unpacked};
use super::rotation::rotated;
use crate::command::failure::Failure;
use crate::record::{Escaped, Quoted};
use crate::trust::shell;

/// Maximum distance from the end at which an unfinished line is searched, in bytes.
const LONGEST: u64 = 1 << 20;

/// The log's files, oldest first.
#[derive(Debug)]
pub(crate) struct Files {
    files: Vec<LogFile>,
    /// There is a log, though it may have nothing of the time that is asked for.
    pub(crate) exist: bool,
    /// True if a file could not be read, which has been reported.
    pub(crate) faulty: bool,
    /// True if errors are not reported, since they have been.
    quiet: bool,
}

#[derive(Debug)]
struct LogFile {
    path: PathBuf,
    file: File,
    packing: Option<Packing>,
    /// Its size when it was opened, in bytes.
    size: u64,
    /// True if it could not be read to its end.
    broken: bool,
}

impl Files {
    /// Opens those that were written to at `since` or later, of the log at `path`.
    pub(crate) fn open(path: &Path, since: Option<SystemTime>) -> Result<Self, Failure> {
        Self::open_reporting(path, since, true)
    }

    /// Opens all of them once more.
    pub(crate) fn open_again(path: &Path) -> Result<Self, Failure> {
        Self::open_reporting(path, None, false)
    }

    fn open_reporting(path: &Path, since: Option<SystemTime>, tell: bool) -> Result<Self, Failure> {
        let mut all = Self { files: Vec::new(), exist: false, faulty: false, quiet: !tell };
        // The log is opened before its folder is listed, so that a rotation in between shows a file once, not never.
        let current = open_current(path)?;
        let identity = |status: &Metadata| (status.dev(), status.ino());
        let own = current.as_ref().map(|(_, status)| identity(status));
        let rotated = rotated(path);
        all.exist = current.is_some() || !rotated.is_empty();
        for rotated in rotated.into_iter().filter(|rotated| since.is_none_or(|since| rotated.modified >= since)) {
            match open(&rotated.path, OFlags::empty()) {
                Ok((_, status)) if Some(identity(&status)) == own => {}
                Ok((file, status)) => all.add(rotated.path, file, rotated.packing, status.len()),
                Err(error) => all.report_error(&rotated.path, &error.to_string()),
            }
        }
        if let Some((file, status)) = current {
            all.add(path.to_owned(), file, None, status.len());
        }
        Ok(all)
    }

    fn add(&mut self, path: PathBuf, file: File, packing: Option<Packing>, size: u64) {
        self.files.push(LogFile { path, file, packing, size, broken: false });
    }

    /// Leaves out the end of the log where its newline is still to come.
    pub(crate) fn exclude_unfinished_line(&mut self) {
        let Some(file) = self.files.last_mut().filter(|file| file.packing.is_none()) else { return };
        let begin = file.size.saturating_sub(LONGEST);
        let mut end = Vec::new();
        // An error is reported when the file is shown.
        _ = Extent { file: &file.file, at: begin, end: file.size }.read_to_end(&mut end);
        let newline = memrchr(b'\n', &end);
        if newline.is_some() || begin == 0 {
            file.size = begin + newline.map_or(0, |newline| newline as u64 + 1);
        }
    }

    /// The log itself and how much there is of it in bytes, if it is there.
    pub(crate) fn into_current(self, path: &Path) -> Option<(File, u64)> {
        let current = self.files.into_iter().next_back().filter(|file| file.path == path)?;
        Some((current.file, current.size))
    }

    /// Returns their number.
    pub(crate) fn count(&self) -> usize {
        self.files.len()
    }

    /// A file that is read as it stands, with its size in bytes; nothing where it is compressed.
    pub(crate) fn plain(&self, index: usize) -> Option<(&File, u64)> {
        let file = self.files.get(index).filter(|file| file.packing.is_none())?;
        Some((&file.file, file.size))
    }

    /// Passes the file's blocks from `from` on, which begins a line, to `show`; compressed files are read from the
    /// beginning. An error is reported on stderr, once, and the next file is read.
    pub(crate) fn read(
        &mut self,
        index: usize,
        from: u64,
        show: &mut dyn FnMut(Block<'_>) -> Result<ControlFlow<()>, Failure>,
    ) -> Result<(), Failure> {
        let Some(file) = self.files.get(index) else { return Ok(()) };
        let mut fault = None;
        match file.reader(from) {
            Ok((reader, from)) => {
                let mut blocks = Blocks::new(reader, from);
                loop {
                    match blocks.next() {
                        Ok(Some(block)) => {
                            if show(block)?.is_break() {
                                break;
                            }
                        }
                        Ok(None) => break,
                        Err(error) => {
                            fault = Some(Escaped(error.to_string().as_bytes()).to_string());
                            break;
                        }
                    }
                }
            }
            Err(reason) => fault = Some(reason),
        }
        if let (Some(reason), Some(file)) = (fault, self.files.get_mut(index)) {
            if !std::mem::replace(&mut file.broken, true) {
                let path = file.path.clone();
                self.report_error(&path, &reason);
            }
        }
        Ok(())
    }

    fn report_error(&mut self, path: &Path, reason: &str) {
        self.faulty = true;
        if self.quiet {
            return;
        }
        // Without a reader of stderr there is nobody to inform.
        _ = writeln!(io::stderr(), "virt-hooks: {} can't be read: {reason}", Quoted::path(path));
    }
}

impl LogFile {
    /// Returns a reader of its content, and the position where that begins.
    fn reader(&self, from: u64) -> Result<(Box<dyn Read + '_>, u64), String> {
        let Some(packing) = self.packing else {
            return Ok((Box::new(Extent { file: &self.file, at: from, end: self.size }), from));
        };
        let mut file = &self.file;
        let copy = file.seek(SeekFrom::Start(0)).and_then(|_start| file.try_clone());
        match copy.and_then(|copy| Unpacked::new(copy, packing)) {
            Ok(unpacked) => Ok((Box::new(unpacked), 0)),
            Err(error) if error.kind() == io::ErrorKind::NotFound => {
                let (program, package) = (packing.program(), packing.package());
                Err(format!("there is no {program} here; install {package}"))
            }
            Err(error) => Err(error.to_string()),
        }
    }
}

/// A part of a file.
#[derive(Debug)]
pub(crate) struct Extent<'a> {
    pub(crate) file: &'a File,
    /// Its beginning and end, in bytes.
    pub(crate) at: u64,
    pub(crate) end: u64,
}

impl Read for Extent<'_> {
    fn read(&mut self, room: &mut [u8]) -> io::Result<usize> {
        let most = usize::try_from(self.end.saturating_sub(self.at)).unwrap_or(usize::MAX).min(room.len());
        let count = self.file.read_at(room.get_mut(..most).unwrap_or_default(), self.at)?;
        self.at += count as u64;
        Ok(count)
    }
}

/// Opens the log, if it exists. The hook follows no symlink there, so the target of one is not its log.
pub(crate) fn open_current(path: &Path) -> Result<Option<(File, Metadata)>, Failure> {
    match open(path, OFlags::NOFOLLOW) {
        Ok(opened) => Ok(Some(opened)),
        Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(None),
        Err(error) if error.kind() == io::ErrorKind::PermissionDenied => {
            let path = Quoted::path(path);
            Err(Failure::failed(format_args!("the log {path} cannot be read by this user; run this as root")))
        }
        Err(error) if Errno::from_io_error(&error) == Some(Errno::LOOP) => {
            let (log, remove) = (Quoted::path(path), shell(path));
            let why = "is a symlink, which the hook does not follow, so that it logs nothing";
            Err(Failure::failed(format_args!("the log {log} {why}; fix: rm {remove}")))
        }
        Err(error) => Err(Failure::failed(format_args!("the log {} can't be read: {error}", Quoted::path(path)))),
    }
}

fn open(path: &Path, more: OFlags) -> io::Result<(File, Metadata)> {
    // NONBLOCK, or opening a FIFO waits for its writer.
    let flags = i32::try_from((OFlags::NONBLOCK | OFlags::NOCTTY | more).bits()).unwrap_or_default();
    let file = OpenOptions::new().read(true).custom_flags(flags).open(path)?;
    let status = file.metadata()?;
    if !status.is_file() {
        return Err(io::Error::other("it is not a regular file"));
    }
    Ok((file, status))
}
