//! Why the kernel could not start a script: `execve` tells an error number, and the `#!` line tells the cause.

use crate::process::PATH;
use std::ffi::OsStr;
use std::fs::{self, File};
use std::io::{self, Read};
use std::os::unix::ffi::OsStrExt;
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};

use rustix::fs::StatVfsMountFlags;
use rustix::io::Errno;

use super::not_started::{Cause, HEAD, NotStarted};

/// Finds out why starting the script at `path` ended in `error`.
pub fn why_not_started(path: &Path, error: io::Error) -> NotStarted<'_> {
    let cause = match head(path) {
        Ok(head) => cause(path, &head, error),
        Err(missing) if missing.kind() == io::ErrorKind::NotFound => Cause::Vanished,
        Err(_) => Cause::Refused(error),
    };
    NotStarted { path, cause }
}

/// Finds out why the script at `path` would not start, as far as that can be told without trying. Its interpreter is looked
/// for below `programs`, which is `/` but for a host's image.
pub fn why_it_would_not_start<'a>(path: &'a Path, programs: &Path) -> Option<NotStarted<'a>> {
    let head = head(path).ok()?;
    let cause = if is_noexec(path) {
        Some(Cause::MountedNoexec(path.to_owned()))
    } else if head.starts_with(b"\x7fELF") {
        None
    } else {
        why_its_interpreter_would_not_start(path, &head, programs)
    };
    cause.map(|cause| NotStarted { path, cause })
}

fn why_its_interpreter_would_not_start(path: &Path, head: &[u8], programs: &Path) -> Option<Cause> {
    let Some(name) = interpreter(head) else { return Some(why_no_format(path, head)) };
    // A carriage return behind an option starts the interpreter, and the interpreter fails.
    if first_line(head).ends_with(b"\r") {
        return Some(Cause::CarriageReturn);
    }
    if head.len() == HEAD && head.ends_with(name) {
        return Some(Cause::LongLine);
    }
    let there = below(programs, OsStr::from_bytes(name));
    if fs::symlink_metadata(&there).is_err() {
        return Some(missing(name, programs));
    }
    if is_noexec(&there) {
        return Some(Cause::MountedNoexec(there));
    }
    if let Ok(status) = fs::metadata(&there) {
        if !status.is_file() || status.len() == 0 || is_broken_itself(&there, programs) {
            return Some(Cause::BrokenInterpreter(there));
        }
        if status.permissions().mode() & 0o111 == 0 {
            return Some(Cause::InterpreterNotExecutable(there));
        }
    }
    why_env_finds_nothing(head, programs)
}

/// Whether an interpreter is a script whose own interpreter is missing.
fn is_broken_itself(interpreter: &Path, programs: &Path) -> bool {
    let Ok(head) = head(interpreter) else { return false };
    self::interpreter(&head).is_some_and(|name| fs::metadata(below(programs, OsStr::from_bytes(name))).is_err())
}

/// `#!/usr/bin/env python`: the kernel starts `env`, which finds nothing to start in its turn.
fn why_env_finds_nothing(head: &[u8], programs: &Path) -> Option<Cause> {
    let mut words = first_line(head).strip_prefix(b"#!")?.split(|byte| b" \t\r".contains(byte));
    let mut next = || words.find(|word| !word.is_empty());
    let name = next().filter(|name| name.ends_with(b"/env")).and_then(|_env| next())?;
    // Options and assignments are for env itself.
    let plain = !name.starts_with(b"-") && !name.contains(&b'=') && !name.contains(&b'/');
    let found = |name: &OsStr| std::env::split_paths(PATH).any(|folder| is_file(&below(programs, folder.join(name))));
    if !plain || found(OsStr::from_bytes(name)) {
        return None;
    }
    let versioned = PathBuf::from(OsStr::from_bytes(&versioned(name)));
    let instead = Some(versioned).filter(|versioned| found(versioned.as_os_str()));
    Some(Cause::MissingInterpreter { interpreter: PathBuf::from(OsStr::from_bytes(name)), instead })
}

fn cause(path: &Path, head: &[u8], error: io::Error) -> Cause {
    match error.raw_os_error().map(Errno::from_raw_os_error) {
        Some(Errno::NOEXEC | Errno::NOENT) if head.starts_with(b"\x7fELF") => Cause::ForeignProgram,
        Some(Errno::NOEXEC) => why_no_format(path, head),
        Some(Errno::NOENT) => match interpreter(head) {
            Some(name) if name.ends_with(b"\r") => Cause::CarriageReturn,
            Some(name) => missing(name, Path::new("/")),
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

/// Returns true for a text that names no interpreter, which a shell runs itself.
pub fn is_plain_text(script: &Path) -> bool {
    head(script).is_ok_and(|head| !head.is_empty() && !head.starts_with(b"#!") && !head.contains(&0))
}

/// What the `#!` line names, as the kernel reads it: up to a blank, a tab or the line's end.
fn interpreter(head: &[u8]) -> Option<&[u8]> {
    let line = first_line(head).strip_prefix(b"#!")?;
    line.split(|byte| matches!(byte, b' ' | b'\t')).find(|word| !word.is_empty())
}

fn first_line(head: &[u8]) -> &[u8] {
    head.split(|&byte| byte == b'\n').next().unwrap_or_default()
}

/// The interpreter that a script names in its `#!` line, if it does.
pub fn interpreter_of(script: &Path) -> Option<PathBuf> {
    let head = head(script).ok()?;
    let name = interpreter(&head)?;
    Some(PathBuf::from(OsStr::from_bytes(name.strip_suffix(b"\r").unwrap_or(name))))
}

/// The interpreter of the language that a script without a `#!` line is probably in, by its name; none where it is no text.
fn language(path: &Path, head: &[u8]) -> Option<&'static str> {
    if head.contains(&0) || head.starts_with(b"\xff\xfe") || head.starts_with(b"\xfe\xff") {
        return None;
    }
    match path.extension().map(OsStrExt::as_bytes) {
        Some(b"py") => Some("/usr/bin/python3"),
        Some(b"pl") => Some("/usr/bin/perl"),
        Some(b"sh" | b"bash") | None => Some("/bin/bash"),
        Some(_) => None,
    }
}

fn why_no_format(path: &Path, head: &[u8]) -> Cause {
    let text = head.trim_ascii_start();
    if head.starts_with(b"\xef\xbb\xbf#!") {
        Cause::ByteOrderMark
    } else if head.starts_with(b"#!") {
        match interpreter(head) {
            None => Cause::EmptyInterpreter { meant: language(path, head) },
            Some(name) if head.len() == HEAD && head.ends_with(name) => Cause::LongLine,
            Some(name) => Cause::BrokenInterpreter(PathBuf::from(OsStr::from_bytes(name))),
        }
    } else if text.starts_with(b"#!") {
        Cause::NotFirst
    } else {
        Cause::NoInterpreter { meant: language(path, head) }
    }
}

fn missing(name: &[u8], programs: &Path) -> Cause {
    // A relative name is looked up where scripts start.
    let interpreter = Path::new("/").join(OsStr::from_bytes(name));
    if below(programs, &interpreter).exists() {
        return Cause::BrokenInterpreter(interpreter);
    }
    let folder = interpreter.parent().unwrap_or(Path::new("/usr/bin"));
    let same = interpreter.file_name().unwrap_or_default();
    let versioned = versioned(same.as_bytes());
    let versioned = OsStr::from_bytes(&versioned);
    let candidates = [
        folder.join(versioned),
        Path::new("/usr/bin").join(versioned),
        Path::new("/usr/bin").join(same),
        Path::new("/bin").join(same),
    ];
    let instead = candidates.into_iter().find(|candidate| is_file(&below(programs, candidate)));
    Cause::MissingInterpreter { interpreter: PathBuf::from(OsStr::from_bytes(name)), instead }
}

/// The specification's own examples say `/usr/bin/python`, which many distributions do not have any more.
fn versioned(name: &[u8]) -> Vec<u8> {
    [name, b"3"].concat()
}

/// The place of a program on the host whose programs lie below `programs`.
fn below(programs: &Path, name: impl AsRef<Path>) -> PathBuf {
    programs.join(name.as_ref().strip_prefix("/").unwrap_or(name.as_ref()))
}

/// Whether there is a file or a link, which in an image may lead somewhere else than it will on the host.
fn is_file(path: &Path) -> bool {
    fs::symlink_metadata(path).is_ok_and(|status| !status.is_dir())
}

fn why_denied(path: &Path, head: &[u8], error: io::Error) -> Cause {
    if is_noexec(path) {
        return Cause::MountedNoexec(path.to_owned());
    }
    let Some(interpreter) = interpreter(head).map(|name| PathBuf::from(OsStr::from_bytes(name))) else {
        return if head.starts_with(b"#!") { why_no_format(path, head) } else { Cause::Denied(error) };
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
