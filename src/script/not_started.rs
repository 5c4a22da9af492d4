//! Why a script could not be started, in words, each with the command that mends it.

use std::fmt;
use std::io;
use std::path::{Path, PathBuf};

use rustix::io::Errno;

use crate::record::Quoted;
use crate::trust::shell;

/// How much of a script the kernel looks at (`BINPRM_BUF_SIZE`), in bytes.
pub(super) const HEAD: usize = 256;

/// Why a trusted, executable script could not be started.
#[derive(Debug)]
pub enum Cause {
    /// It has no `#!` line and is no program.
    NoInterpreter {
        /// The interpreter that it is probably for.
        meant: Option<&'static str>,
    },
    /// Nothing stands behind the `#!`.
    EmptyInterpreter {
        /// The interpreter that it is probably for.
        meant: Option<&'static str>,
    },
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
        /// What the `#!` line names: a path, or what `env` is to find.
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
    pub(super) path: &'a Path,
    pub(super) cause: Cause,
}

impl NotStarted<'_> {
    /// What is wrong, without what mends it.
    pub fn what(&self) -> String {
        match &self.cause {
            Cause::NoInterpreter { .. } => "it has no #! line".to_owned(),
            Cause::EmptyInterpreter { .. } => "its #! line names no interpreter".to_owned(),
            Cause::LongLine => format!("its #! line is longer than the {HEAD} bytes that the kernel reads"),
            Cause::ByteOrderMark => "a byte order mark stands before its #! line".to_owned(),
            Cause::NotFirst => "something stands before its #! line".to_owned(),
            Cause::CarriageReturn => {
                "its lines end as on Windows, so that its interpreter's name ends with a carriage \
                                      return"
                    .to_owned()
            }
            Cause::MissingInterpreter { interpreter, instead } => {
                let missing = format!("its interpreter {} does not exist", Quoted::path(interpreter));
                match instead {
                    Some(instead) => format!("{missing}, but {} does", Quoted::path(instead)),
                    None => missing,
                }
            }
            Cause::BrokenInterpreter(interpreter) => format!(
                "its interpreter {} can't be started itself, since what it needs in its turn is missing",
                Quoted::path(interpreter)
            ),
            Cause::InterpreterNotExecutable(interpreter) => {
                format!("its interpreter {} is not executable", Quoted::path(interpreter))
            }
            Cause::MountedNoexec(path) => {
                format!("{} lies in a filesystem mounted with noexec", Quoted::path(path))
            }
            Cause::ForeignProgram => "it is a program for another system, or its loader is missing".to_owned(),
            Cause::BeingWritten => "it is open for writing, and the kernel runs no such file".to_owned(),
            Cause::Vanished => "it has been removed since its folder was read".to_owned(),
            Cause::Denied(error) => {
                format!("{error}, though its permissions allow it: AppArmor or SELinux may not; see the audit log")
            }
            Cause::Refused(error) => format!("the kernel refused: {error}"),
        }
    }

    /// The command that mends it, or that shows what is to be mended. Without a backslash, which a record would double.
    pub fn remedy(&self) -> Option<String> {
        // sed puts a file of its own in the place of a link.
        let file = if self.path.is_symlink() { self.path.canonicalize().ok() } else { None };
        let script = shell(file.as_deref().unwrap_or(self.path));
        Some(match &self.cause {
            Cause::NoInterpreter { meant: Some(meant) } => format!("sed -i '1i #!{meant}' {script}"),
            Cause::EmptyInterpreter { meant: Some(meant) } => format!("sed -i '1s|.*|#!{meant}|' {script}"),
            Cause::NoInterpreter { meant: None } | Cause::EmptyInterpreter { meant: None } | Cause::LongLine => {
                format!("${{EDITOR:-vi}} +1 {script}")
            }
            Cause::ByteOrderMark => format!("LC_ALL=C sed -i '1s/^...//' {script}"),
            Cause::NotFirst => format!("sed -i '0,/#!/{{/#!/!d;s/^[[:space:]]*//}}' {script}"),
            Cause::CarriageReturn => format!("sed -i 's/[[:cntrl:]]$//' {script}"),
            Cause::MissingInterpreter { interpreter, instead: Some(instead) } if sed_takes(interpreter, instead) => {
                format!("sed -i '1s|{}|{}|' {script}", interpreter.display(), instead.display())
            }
            Cause::MissingInterpreter { .. } => format!("${{EDITOR:-vi}} +1 {script}"),
            Cause::BrokenInterpreter(interpreter) => format!("file {}", shell(interpreter)),
            Cause::InterpreterNotExecutable(interpreter) => format!("chmod +x {}", shell(interpreter)),
            Cause::MountedNoexec(path) => {
                format!("mount -o remount,exec \"$(findmnt -n -o TARGET --target {})\"", shell(path))
            }
            Cause::ForeignProgram => format!("file {script}"),
            Cause::BeingWritten => format!("fuser -v {script}"),
            Cause::Vanished | Cause::Denied(_) => return None,
            Cause::Refused(error) => {
                let limit = match Errno::from_io_error(error)? {
                    Errno::AGAIN => "TasksMax and LimitNPROC",
                    Errno::MFILE => "LimitNOFILE",
                    _ => return None,
                };
                return Some(format!("raise {limit} of libvirt's service: systemctl edit libvirtd"));
            }
        })
    }
}

impl fmt::Display for NotStarted<'_> {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str(&self.what())?;
        match self.remedy() {
            Some(remedy) => write!(formatter, "; fix: {remedy}"),
            None => Ok(()),
        }
    }
}

/// Whether both can stand in a command of sed and in single quotes as they are.
fn sed_takes(interpreter: &Path, instead: &Path) -> bool {
    let plain = |path: &Path| {
        path.to_str().is_some_and(|text| {
            text.chars().all(|character| character.is_ascii_alphanumeric() || "/-_+".contains(character))
        })
    };
    plain(interpreter) && plain(instead)
}
