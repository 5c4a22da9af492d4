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

use crate::journal::Quoted;
use crate::trust::shell;

/// How much of a script the kernel looks at (`BINPRM_BUF_SIZE`), in bytes.
const HEAD: usize = 256;

/// Why a trusted, executable script could not be started. Each tells what mends it.
#[derive(Debug)]
pub enum Cause {
    /// It has no `#!` line and is no program.
    NoInterpreter,
    /// Nothing stands behind the `#!`.
    EmptyInterpreter,
    /// The `#!` line is longer than the kernel reads.
    LongLine,
    /// An editor put a byte order mark before the `#!`.
    ByteOrderMark,
    /// The `#!` stands behind blanks or blank lines.
    NotFirst,
    /// The `#!` line ends with a carriage return, which the kernel takes for a part of the interpreter's name.
    CarriageReturn,
    /// The interpreter is not there, but perhaps another one is.
    MissingInterpreter {
        /// What the `#!` line names.
        interpreter: PathBuf,
        /// One that would do.
        instead: Option<PathBuf>,
    },
    /// The interpreter is there and can't be started either: its own interpreter or its loader is missing.
    BrokenInterpreter(PathBuf),
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
    /// Something forbids it that permissions don't show.
    Denied(io::Error),
    /// The kernel gives no process, memory or descriptor for it.
    Refused(io::Error),
}

/// A script that could not be started, and why.
#[derive(Debug)]
pub struct NotStarted<'a> {
    path: &'a Path,
    cause: Cause,
}

impl fmt::Display for NotStarted<'_> {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        let script = shell(self.path);
        match &self.cause {
            Cause::NoInterpreter => {
                write!(formatter, "it has no #! line; to mend it, let its first line be #!/bin/bash")
            }
            Cause::EmptyInterpreter => {
                write!(formatter, "its #! line names no interpreter; to mend it, write #!/bin/bash")
            }
            Cause::LongLine => write!(formatter, "its #! line is longer than the {HEAD} bytes that the kernel reads"),
            Cause::ByteOrderMark => write!(
                formatter,
                "a byte order mark stands before its #! line; to mend it: LC_ALL=C sed -i '1s/^...//' {script}"
            ),
            Cause::NotFirst => {
                write!(formatter, "something stands before its #! line; to mend it, let that line be the first")
            }
            // Without a backslash, which a record would double.
            Cause::CarriageReturn => write!(
                formatter,
                "its lines end as on Windows, so that its interpreter's name ends with a carriage return; \
                 to mend it: sed -i 's/[[:cntrl:]]$//' {script}"
            ),
            Cause::MissingInterpreter { interpreter, instead } => {
                write!(formatter, "its interpreter {} does not exist; ", Quoted::path(interpreter))?;
                match instead {
                    Some(instead) => write!(formatter, "{} does: name that one in its #! line", Quoted::path(instead)),
                    None => write!(formatter, "to mend it, install it or name another one in its #! line"),
                }
            }
            Cause::BrokenInterpreter(interpreter) => write!(
                formatter,
                "its interpreter {} can't be started itself: what it needs in its turn is missing; try it by hand",
                Quoted::path(interpreter)
            ),
            Cause::InterpreterNotExecutable(interpreter) => {
                let (seen, word) = (Quoted::path(interpreter), shell(interpreter));
                write!(formatter, "its interpreter {seen} is not executable; to mend it: chmod +x {word}")
            }
            Cause::MountedNoexec(path) => write!(
                formatter,
                "{} lies in a filesystem mounted with noexec; to mend it, put it elsewhere or mount that with exec",
                Quoted::path(path)
            ),
            Cause::ForeignProgram => {
                write!(
                    formatter,
                    "it is a program for another system, or its loader is missing; to see which: file {script}"
                )
            }
            Cause::BeingWritten => {
                write!(
                    formatter,
                    "it is open for writing, and the kernel runs no such file; to see by whom: fuser -v {script}"
                )
            }
            Cause::Vanished => write!(formatter, "it has been removed since its folder was read"),
            Cause::Denied(error) => {
                write!(
                    formatter,
                    "{error}, though its permissions allow it: AppArmor or SELinux may not; see the audit log"
                )
            }
            Cause::Refused(error) => {
                write!(formatter, "the kernel refused: {error}")?;
                let limit = match Errno::from_io_error(error) {
                    Some(Errno::AGAIN) => "TasksMax and LimitNPROC",
                    Some(Errno::MFILE) => "LimitNOFILE",
                    _ => return Ok(()),
                };
                write!(formatter, "; to mend it, raise {limit} of libvirt's service: systemctl edit libvirtd")
            }
        }
    }
}

/// Finds out why starting the script at `path` ended in `error`.
pub fn why_not_started(path: &Path, error: io::Error) -> NotStarted<'_> {
    let cause = match head(path) {
        Ok(head) => cause(path, &head, error),
        Err(missing) if missing.kind() == io::ErrorKind::NotFound => Cause::Vanished,
        Err(_) => Cause::Refused(error),
    };
    NotStarted { path, cause }
}

fn cause(path: &Path, head: &[u8], error: io::Error) -> Cause {
    match error.raw_os_error().map(Errno::from_raw_os_error) {
        Some(Errno::NOEXEC | Errno::NOENT) if head.starts_with(b"\x7fELF") => Cause::ForeignProgram,
        Some(Errno::NOEXEC) => why_no_format(head),
        Some(Errno::NOENT) => match interpreter(head) {
            Some(name) if name.ends_with(b"\r") => Cause::CarriageReturn,
            Some(name) => missing(name),
            None => Cause::Refused(error),
        },
        Some(Errno::ACCESS) => why_denied(path, head, error),
        Some(Errno::TXTBSY) => Cause::BeingWritten,
        _ => Cause::Refused(error),
    }
}

fn head(path: &Path) -> io::Result<Vec<u8>> {
    let mut head = Vec::new();
    File::open(path)?.take(HEAD as u64).read_to_end(&mut head)?;
    Ok(head)
}

/// What the `#!` line names, as the kernel reads it: up to a blank, a tab or the line's end.
fn interpreter(head: &[u8]) -> Option<&[u8]> {
    let line = head.strip_prefix(b"#!")?.split(|&byte| byte == b'\n').next()?;
    line.split(|byte| matches!(byte, b' ' | b'\t')).find(|word| !word.is_empty())
}

fn why_no_format(head: &[u8]) -> Cause {
    let text = head.trim_ascii_start();
    if head.starts_with(b"\xef\xbb\xbf#!") {
        Cause::ByteOrderMark
    } else if head.starts_with(b"#!") {
        if interpreter(head).is_none() { Cause::EmptyInterpreter } else { Cause::LongLine }
    } else if text.starts_with(b"#!") {
        Cause::NotFirst
    } else {
        Cause::NoInterpreter
    }
}

fn missing(name: &[u8]) -> Cause {
    // A relative name is looked up where scripts start.
    let interpreter = Path::new("/").join(OsStr::from_bytes(name));
    if interpreter.exists() {
        return Cause::BrokenInterpreter(interpreter);
    }
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
    let instead = candidates.into_iter().find(|candidate| candidate.is_file());
    let named = PathBuf::from(OsStr::from_bytes(name));
    Cause::MissingInterpreter { interpreter: named, instead }
}

fn why_denied(path: &Path, head: &[u8], error: io::Error) -> Cause {
    if is_noexec(path) {
        return Cause::MountedNoexec(path.to_owned());
    }
    let Some(interpreter) = interpreter(head).map(|name| PathBuf::from(OsStr::from_bytes(name))) else {
        return Cause::Denied(error);
    };
    if is_noexec(&interpreter) {
        return Cause::MountedNoexec(interpreter);
    }
    match fs::metadata(&interpreter) {
        Ok(status) if status.permissions().mode() & 0o111 == 0 => Cause::InterpreterNotExecutable(interpreter),
        _ => Cause::Denied(error),
    }
}

fn is_noexec(path: &Path) -> bool {
    rustix::fs::statvfs(path).is_ok_and(|status| status.f_flag.contains(StatVfsMountFlags::NOEXEC))
}
