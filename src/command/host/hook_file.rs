//! The file at libvirt's path for the hook: this program, Apache CloudStack's hook, another one, or none.

use std::fmt;
use std::fs::{self, File, OpenOptions};
use std::io::{self, Read};
use std::os::unix::ffi::OsStrExt;
use std::os::unix::fs::{FileTypeExt, OpenOptionsExt};
use std::path::{Path, PathBuf};

use memchr::memmem;
use rustix::fs::OFlags;

use super::cloudstack_limit::Limit;
use super::tree::is_dispatcher;
use crate::hook;
use crate::record::{Escaped, Quoted};

/// The most that is read of a script, in bytes.
const MAXIMUM_SCRIPT: u64 = 1 << 20;

/// Maximum size of a program that is searched, in bytes: a debug build has some 40 MiB.
const MAXIMUM_PROGRAM: u64 = 256 << 20;

/// Size of a block that is searched, in bytes.
const CHUNK: usize = 256 << 10;

/// Maximum length of a file's first line that is shown, in bytes.
const SHOWN: usize = 80;

/// The program's path in packages and for `make install`.
const USUAL_PROGRAM: &str = "/usr/sbin/virt-hooks";

/// Opens the running program, even if its file has been replaced or removed. Without /proc, as in an image that a
/// package is being installed into, this is the file that it was called by, or the usual one.
///
/// # Errors
/// The file cannot be opened.
pub(crate) fn running_program() -> io::Result<File> {
    match File::open("/proc/self/exe") {
        Err(error) if error.kind() == io::ErrorKind::NotFound => {
            let called = std::env::args_os().next().filter(|name| name.as_bytes().contains(&b'/'));
            File::open(called.unwrap_or_else(|| USUAL_PROGRAM.into()))
        }
        opened => opened,
    }
}

const ELF: &[u8] = b"\x7fELF";

/// Default timeout of CloudStack's hook and this one.
const USUAL_LIMIT: Limit = Limit::Seconds(600);

/// Folder of scripts of CloudStack's hook and this one.
const USUAL_CUSTOM: &str = "/etc/libvirt/hooks/custom";

/// The file at the hook's path.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum HookFile {
    /// No file.
    Missing,
    /// This program, in any version.
    Ours,
    /// Apache CloudStack's hook, as it is shipped or changed.
    CloudStack {
        /// The limit for each script, where it was changed.
        limit: Option<Limit>,
        /// The folder of its scripts, where it is another than it was.
        moved_custom: Option<PathBuf>,
        /// True if it runs the scripts in `custom`. Its first versions did not.
        runs_custom: bool,
    },
    /// VFIO-Tools' helper or one of its derivatives, which dispatch to the tree of scripts in `qemu.d`.
    Dispatcher,
    /// Anything else.
    Foreign {
        /// Its kind.
        what: Foreign,
        /// True if its text shows that it runs the scripts in `custom`.
        runs_custom: bool,
    },
}

/// A thing at the hook's place that is neither this program nor CloudStack's.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Foreign {
    /// A symlink, even to this program: writing to the path would write to its target.
    Symlink(PathBuf),
    /// A folder.
    Folder,
    /// A FIFO, a socket, a device.
    NotAFile(&'static str),
    /// An empty file.
    Empty,
    /// A file that begins so.
    File(Vec<u8>),
    /// The kernel refuses to show it.
    Unseen(String),
}

impl fmt::Display for Foreign {
    /// Writes it as the continuation of "It is".
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Symlink(target) => write!(formatter, "a symlink to {}", Quoted::path(target)),
            Self::Folder => formatter.write_str("a folder"),
            Self::NotAFile(what) => formatter.write_str(what),
            Self::Empty => formatter.write_str("an empty file"),
            Self::File(line) => write!(formatter, "a file that begins with: {}", Escaped(line)),
            Self::Unseen(error) => write!(formatter, "something that cannot be inspected: {error}"),
        }
    }
}

impl HookFile {
    /// Inspects the path, without following a symlink.
    pub(crate) fn look(path: &Path) -> Self {
        let seen = fs::symlink_metadata(path).and_then(|status| {
            let kind = status.file_type();
            let what = match kind {
                kind if kind.is_symlink() => Foreign::Symlink(fs::read_link(path)?),
                kind if kind.is_dir() => Foreign::Folder,
                kind if kind.is_fifo() => Foreign::NotAFile("a FIFO"),
                kind if kind.is_socket() => Foreign::NotAFile("a socket"),
                kind if kind.is_block_device() || kind.is_char_device() => Foreign::NotAFile("a device"),
                _ if status.len() == 0 => Foreign::Empty,
                _ => return Self::read(path),
            };
            // The target of a symlink may run the scripts as well.
            let through = if kind.is_symlink() { beginning(path).unwrap_or_default() } else { Vec::new() };
            Ok(Self::Foreign { what, runs_custom: names(&through, b"hooks/custom") })
        });
        match seen {
            Ok(seen) => seen,
            Err(error) if matches!(error.kind(), io::ErrorKind::NotFound | io::ErrorKind::NotADirectory) => {
                Self::Missing
            }
            Err(error) => Self::Foreign { what: Foreign::Unseen(error.to_string()), runs_custom: false },
        }
    }

    /// Inspects the file that libvirt calls: the target of a symlink.
    pub(crate) fn called(path: &Path, root: &Path) -> Self {
        led_to(path, root).map_or(Self::Missing, |target| Self::look(&target))
    }

    /// Returns true if it runs the scripts in `custom`, and is not this program.
    pub(crate) const fn runs_custom(&self) -> bool {
        match self {
            Self::Missing | Self::Ours | Self::Dispatcher => false,
            Self::CloudStack { runs_custom, .. } | Self::Foreign { runs_custom, .. } => *runs_custom,
        }
    }

    /// The limit for each script, where this is CloudStack's hook and it was changed.
    pub(crate) const fn limit(&self) -> Option<&Limit> {
        match self {
            Self::CloudStack { limit, .. } => limit.as_ref(),
            _ => None,
        }
    }

    fn read(path: &Path) -> io::Result<Self> {
        let text = beginning(path)?;
        if text.starts_with(ELF) && holds(path, hook::USAGE.as_bytes())? {
            return Ok(Self::Ours);
        }
        let runs_custom = names(&text, b"hooks/custom");
        if is_cloudstack_s(&text) {
            let limit = Limit::of(&text).filter(|limit| *limit != USUAL_LIMIT);
            let moved_custom = custom(&text).filter(|folder| folder != Path::new(USUAL_CUSTOM));
            return Ok(Self::CloudStack { limit, moved_custom, runs_custom });
        }
        if !runs_custom && is_dispatcher(&text) {
            return Ok(Self::Dispatcher);
        }
        let line = first_line(&text).get(..SHOWN).unwrap_or(first_line(&text)).to_vec();
        Ok(Self::Foreign { what: Foreign::File(line), runs_custom })
    }
}

/// Opens the target of `path`, without waiting for a writer.
fn open(path: &Path) -> io::Result<File> {
    let file = OpenOptions::new().read(true).custom_flags(OFlags::NONBLOCK.bits() as i32).open(path)?;
    if file.metadata()?.is_file() { Ok(file) } else { Err(io::Error::other("it is not a file")) }
}

/// The beginning of a file, [`MAXIMUM_SCRIPT`] of it. Where a FIFO is, it is not waited for.
pub(crate) fn beginning(path: &Path) -> io::Result<Vec<u8>> {
    let mut text = Vec::new();
    open(path)?.take(MAXIMUM_SCRIPT).read_to_end(&mut text)?;
    Ok(text)
}

/// Returns true if the first [`MAXIMUM_PROGRAM`] bytes of a file contain a sentence.
fn holds(path: &Path, sentence: &[u8]) -> io::Result<bool> {
    let mut file = open(path)?.take(MAXIMUM_PROGRAM);
    let mut window = Vec::with_capacity(CHUNK + sentence.len());
    loop {
        if file.by_ref().take(CHUNK as u64).read_to_end(&mut window)? == 0 {
            return Ok(false);
        }
        if names(&window, sentence) {
            return Ok(true);
        }
        // The sentence may begin at the end of this block.
        let kept = window.len().saturating_sub(sentence.len());
        window.drain(..kept);
    }
}

fn names(text: &[u8], word: &[u8]) -> bool {
    memmem::find(text, word).is_some()
}

fn first_line(text: &[u8]) -> &[u8] {
    text.split(|&byte| byte == b'\n').next().unwrap_or_default()
}

/// Its log and the bridges that it renames are in every version of it, and in nothing else.
fn is_cloudstack_s(text: &[u8]) -> bool {
    let first = first_line(text);
    first.starts_with(b"#!") && names(first, b"python") && names(text, b"qemu-hook.log") && names(text, b"cloudVirBr")
}

/// Returns the value of a line `customDir = "/etc/libvirt/hooks/custom"`.
fn custom(text: &[u8]) -> Option<PathBuf> {
    let value = set(text, "customDir")?.trim();
    let quoted = |quote| value.strip_prefix(quote).and_then(|rest| rest.strip_suffix(quote));
    // Compared without a slash at its end.
    quoted('"').or_else(|| quoted('\'')).map(|folder| Path::new(folder).components().collect())
}

/// The right side of the first line that sets a variable, without its comment.
fn set<'a>(text: &'a [u8], variable: &str) -> Option<&'a str> {
    text.split(|&byte| byte == b'\n').find_map(|line| {
        let (name, value) = std::str::from_utf8(line).ok()?.split_once('=')?;
        value.split('#').next().filter(|_| name.trim() == variable)
    })
}

/// Returns the target of a path, with every symlink followed; in an image, as the host that boots it will see it.
/// Returns `None` if there is none, or if it is outside of `root`.
pub(crate) fn led_to(path: &Path, root: &Path) -> Option<PathBuf> {
    let target = fs::read_link(path).ok();
    let in_root = target.as_deref().and_then(|target| target.strip_prefix("/").ok()).map(|target| root.join(target));
    in_root.as_deref().unwrap_or(path).canonicalize().ok().filter(|target| target.starts_with(root))
}

/// Returns true if the path exists, even as a dangling symlink.
pub(crate) fn is_there(path: &Path) -> bool {
    fs::symlink_metadata(path).is_ok()
}

/// Returns true if a file has the same bytes as the running program.
///
/// # Errors
/// One of them cannot be read.
pub(crate) fn is_this_build(path: &Path) -> io::Result<bool> {
    let (mut one, mut other) = (running_program()?, open(path)?);
    if one.metadata()?.len() != other.metadata()?.len() {
        return Ok(false);
    }
    let (mut first, mut second) = (Vec::new(), Vec::new());
    loop {
        first.clear();
        second.clear();
        one.by_ref().take(CHUNK as u64).read_to_end(&mut first)?;
        other.by_ref().take(CHUNK as u64).read_to_end(&mut second)?;
        if first != second {
            return Ok(false);
        }
        if first.is_empty() {
            return Ok(true);
        }
    }
}

/// Returns true if the files at two paths are the same except for their times: the same bytes and mode, or symlinks to
/// the same target. Files longer than a script count as different.
pub(crate) fn are_alike(one: &Path, other: &Path) -> bool {
    let alike = || -> io::Result<bool> {
        let (first, second) = (fs::symlink_metadata(one)?, fs::symlink_metadata(other)?);
        if first.permissions() != second.permissions() || first.len() != second.len() {
            return Ok(false);
        }
        if first.is_symlink() && second.is_symlink() {
            return Ok(fs::read_link(one)?.as_os_str().as_bytes() == fs::read_link(other)?.as_os_str().as_bytes());
        }
        let short = first.is_file() && second.is_file() && first.len() <= MAXIMUM_SCRIPT;
        Ok(short && beginning(one)? == beginning(other)?)
    };
    // Files that cannot be compared count as different.
    alike().unwrap_or(false)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_folder_is_what_stands_in_quotes() {
        for (line, folder) in [
            ("customDir = \"/etc/libvirt/hooks/custom\"", Some("/etc/libvirt/hooks/custom")),
            ("customDir='/etc/libvirt/hooks/custom/' # here", Some("/etc/libvirt/hooks/custom")),
            ("customDir = '/srv/hooks'", Some("/srv/hooks")),
            ("customDir = sys.path[0] + '/custom'", None),
            ("if customDir == '/srv':", None),
        ] {
            assert_eq!(custom(format!("import os\n{line}\n").as_bytes()), folder.map(PathBuf::from), "{line}");
        }
    }

    #[test]
    fn a_sentence_is_found_wherever_it_stands() {
        let folder = tempfile::tempdir().expect("a folder");
        let path = folder.path().join("program");
        let sentence = hook::USAGE.as_bytes();
        for before in [0, CHUNK - sentence.len(), CHUNK - 1, CHUNK, CHUNK + 1, 3 * CHUNK - 7] {
            let bytes = [vec![b'x'; before], sentence.to_vec(), vec![b'y'; 10]].concat();
            fs::write(&path, bytes).expect("a file");
            assert!(holds(&path, sentence).expect("a look"), "{before}");
        }
        fs::write(&path, vec![b'x'; 2 * CHUNK]).expect("a file");
        assert!(!holds(&path, sentence).expect("a look"));
    }
}
