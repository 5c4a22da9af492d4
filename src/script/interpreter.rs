//! Why the kernel could not start a script: `execve` tells an error number, and the `#!` line tells the cause.

use std::ffi::OsStr;
use std::fmt;
use std::fs::{self, File};
use std::io::{self, Read};
use std::os::unix::ffi::OsStrExt;
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};

use rustix::fs::StatVfsMountFlags;
use rustix::io::Errno;

use super::trust::shell;
use crate::journal::Quoted;

/// How much of a script the kernel looks at (`BINPRM_BUF_SIZE`), in bytes.
const HEAD: u64 = 256;

/// Why a trusted, executable script could not be started.
#[derive(Debug)]
pub enum Cause {
    /// It has no `#!` line and is no program.
    NoInterpreter,
    /// An editor put a byte order mark before the `#!`.
    ByteOrderMark(PathBuf),
    /// The `#!` stands behind blanks or blank lines.
    NotFirst,
    /// The `#!` line ends with a carriage return, which the kernel takes for a part of the interpreter's name.
    CarriageReturn(PathBuf),
    /// The interpreter is not there, but perhaps another one is.
    MissingInterpreter {
        /// What the `#!` line names.
        interpreter: PathBuf,
        /// One that would do.
        instead: Option<PathBuf>,
    },
    /// The interpreter has no run bit.
    InterpreterNotExecutable(PathBuf),
    /// The script or its interpreter lies in a filesystem from which nothing may be run.
    MountedNoexec(PathBuf),
    /// A program whose loader is not there, or for another kind of machine.
    ForeignProgram,
    /// Somebody has it open for writing.
    BeingWritten,
    /// It is gone.
    Vanished,
    /// The kernel gives no process, memory or descriptor for it.
    Refused(io::Error),
}

impl fmt::Display for Cause {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::NoInterpreter => {
                formatter.write_str("it has no #! line; to mend it, let its first line be #!/bin/bash")
            }
            Self::ByteOrderMark(path) => {
                let script = shell(path);
                write!(
                    formatter,
                    "it has a byte order mark before its #! line; to mend it: sed -i '1s/^...//' {script}"
                )
            }
            Self::NotFirst => {
                formatter.write_str("something stands before its #! line; to mend it, let that line be the first")
            }
            Self::CarriageReturn(path) => {
                formatter
                    .write_str("its lines end as on Windows, so that its interpreter's name ends with a carriage ")?;
                // Without a backslash, which a record would double.
                write!(formatter, "return; to mend it: sed -i 's/[[:cntrl:]]$//' {}", shell(path))
            }
            Self::MissingInterpreter { interpreter, instead } => {
                write!(formatter, "its interpreter {} does not exist", Quoted::path(interpreter))?;
                match instead {
                    Some(instead) => {
                        write!(formatter, "; {} does: name that one in its #! line", Quoted::path(instead))
                    }
                    None => formatter.write_str("; to mend it, install it or name another one in its #! line"),
                }
            }
            Self::InterpreterNotExecutable(interpreter) => {
                write!(formatter, "its interpreter {} is not executable", Quoted::path(interpreter))
            }
            Self::MountedNoexec(path) => {
                write!(formatter, "{} lies in a filesystem mounted with noexec", Quoted::path(path))
            }
            Self::ForeignProgram => formatter.write_str("it is a program for another system, or its loader is missing"),
            Self::BeingWritten => formatter.write_str("it is open for writing, and the kernel runs no such file"),
            Self::Vanished => formatter.write_str("it has been removed since its folder was read"),
            Self::Refused(error) => write!(formatter, "the kernel refused: {error}"),
        }
    }
}

/// Finds out why starting the script at `path` ended in `error`.
pub fn why_not_started(path: &Path, error: io::Error) -> Cause {
    let head = match head(path) {
        Ok(head) => head,
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Cause::Vanished,
        Err(_) => return Cause::Refused(error),
    };
    match error.raw_os_error().map(Errno::from_raw_os_error) {
        Some(Errno::NOEXEC | Errno::NOENT) if head.starts_with(b"\x7fELF") => Cause::ForeignProgram,
        Some(Errno::NOEXEC) => why_no_format(path, &head),
        Some(Errno::NOENT) => match interpreter(&head) {
            Some(name) if name.ends_with(b"\r") => Cause::CarriageReturn(path.to_owned()),
            Some(name) => missing(name),
            None => Cause::Refused(error),
        },
        Some(Errno::ACCESS) => why_denied(path, &head).unwrap_or(Cause::Refused(error)),
        Some(Errno::TXTBSY) => Cause::BeingWritten,
        _ => Cause::Refused(error),
    }
}

fn head(path: &Path) -> io::Result<Vec<u8>> {
    let mut head = Vec::new();
    File::open(path)?.take(HEAD).read_to_end(&mut head)?;
    Ok(head)
}

/// What the `#!` line names, as the kernel reads it: up to a blank, a tab or the line's end.
fn interpreter(head: &[u8]) -> Option<&[u8]> {
    let line = head.strip_prefix(b"#!")?.split(|&byte| byte == b'\n').next()?;
    line.split(|byte| matches!(byte, b' ' | b'\t')).find(|word| !word.is_empty())
}

fn why_no_format(path: &Path, head: &[u8]) -> Cause {
    let text = head.trim_ascii_start();
    if head.starts_with(b"\xef\xbb\xbf#!") {
        Cause::ByteOrderMark(path.to_owned())
    } else if text.starts_with(b"#!") && text.len() < head.len() {
        Cause::NotFirst
    } else {
        Cause::NoInterpreter
    }
}

fn missing(name: &[u8]) -> Cause {
    let interpreter = PathBuf::from(OsStr::from_bytes(name));
    let folder = interpreter.parent().unwrap_or(Path::new("/usr/bin"));
    let file_name = interpreter.file_name().unwrap_or_default().as_bytes();
    // The specification's own examples say /usr/bin/python, which many distributions do not have any more.
    let versioned = OsStr::from_bytes(&[file_name, b"3"].concat()).to_owned();
    let same = OsStr::from_bytes(file_name);
    let candidates = [
        folder.join(&versioned),
        Path::new("/usr/bin").join(&versioned),
        Path::new("/usr/bin").join(same),
        Path::new("/bin").join(same),
    ];
    let instead = candidates.into_iter().find(|candidate| *candidate != interpreter && candidate.is_file());
    Cause::MissingInterpreter { interpreter, instead }
}

fn why_denied(path: &Path, head: &[u8]) -> Option<Cause> {
    if is_noexec(path) {
        return Some(Cause::MountedNoexec(path.to_owned()));
    }
    let interpreter = PathBuf::from(OsStr::from_bytes(interpreter(head)?));
    if is_noexec(&interpreter) {
        return Some(Cause::MountedNoexec(interpreter));
    }
    let mode = fs::metadata(&interpreter).ok()?.permissions().mode();
    (mode & 0o111 == 0).then_some(Cause::InterpreterNotExecutable(interpreter))
}

fn is_noexec(path: &Path) -> bool {
    rustix::fs::statvfs(path).is_ok_and(|status| status.f_flag.contains(StatVfsMountFlags::NOEXEC))
}
