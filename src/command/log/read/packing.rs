//! Compressed files, read through the programs that make them.

use std::fs::File;
use std::io::{self, Read};
use std::path::PathBuf;
use std::process::{Child, ChildStdout, Command, Stdio};

use crate::process::PATH;

/// Maximum length of a tool's error that is reported, in bytes.
const MAXIMUM_ERROR: u64 = 300;

/// Compression of a file.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum Packing {
    Gzip,
    Xz,
    Zstd,
    Bzip2,
}

impl Packing {
    /// Every way.
    pub(crate) const ALL: [Self; 4] = [Self::Gzip, Self::Xz, Self::Zstd, Self::Bzip2];

    /// Returns its file name extension.
    pub(crate) const fn ending(self) -> &'static [u8] {
        match self {
            Self::Gzip => b".gz",
            Self::Xz => b".xz",
            Self::Zstd => b".zst",
            Self::Bzip2 => b".bz2",
        }
    }

    /// The program that makes them.
    pub(crate) const fn program(self) -> &'static str {
        match self {
            Self::Gzip => "gzip",
            Self::Xz => "xz",
            Self::Zstd => "zstd",
            Self::Bzip2 => "bzip2",
        }
    }

    /// Returns the tool's path, by a search path that the environment cannot change.
    fn path(self) -> Option<PathBuf> {
        let folders = std::env::split_paths(PATH);
        folders.map(|folder| folder.join(self.program())).find(|program| program.is_file())
    }

    /// Returns the name of the package to install, which differs for xz.
    pub(crate) const fn package(self) -> &'static str {
        match self {
            Self::Xz => "xz or xz-utils",
            _ => self.program(),
        }
    }
}

/// Content of a compressed file, from its tool.
#[derive(Debug)]
pub(crate) struct Unpacked {
    program: Child,
    output: ChildStdout,
}

impl Unpacked {
    /// Starts decompressing a file from its current position. Fails with [`io::ErrorKind::NotFound`] if the tool is not
    /// installed.
    pub(crate) fn new(file: File, packing: Packing) -> io::Result<Self> {
        let path = packing.path().ok_or(io::ErrorKind::NotFound)?;
        let mut program =
            Command::new(path).arg("-dc").stdin(file).stdout(Stdio::piped()).stderr(Stdio::piped()).spawn()?;
        let output = program.stdout.take().ok_or(io::ErrorKind::BrokenPipe)?;
        Ok(Self { program, output })
    }

    /// Waits for the program, and returns its error.
    fn end(&mut self) -> io::Result<()> {
        let mut complaint = Vec::new();
        if let Some(stderr) = self.program.stderr.take() {
            stderr.take(MAXIMUM_ERROR).read_to_end(&mut complaint)?;
        }
        let status = self.program.wait()?;
        if status.success() {
            return Ok(());
        }
        let complaint = String::from_utf8_lossy(complaint.trim_ascii()).into_owned();
        Err(io::Error::other(if complaint.is_empty() { status.to_string() } else { complaint }))
    }
}

impl Read for Unpacked {
    fn read(&mut self, room: &mut [u8]) -> io::Result<usize> {
        let count = self.output.read(room)?;
        if count == 0 && !room.is_empty() {
            self.end()?;
        }
        Ok(count)
    }
}

impl Drop for Unpacked {
    /// A reader that has enough does not wait for the rest.
    fn drop(&mut self) {
        _ = self.program.kill();
        _ = self.program.wait();
    }
}
