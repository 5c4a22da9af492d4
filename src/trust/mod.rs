//! Trust of root in a file: its owner, and who else can change it, its folders, or the links on its path.
//!
//! The path is walked name by name from the root of trust. Every file is opened without following links and checked by
//! its
//! descriptor, so that nothing can be swapped between the check and the use.

mod fault;
mod shell;

use std::collections::VecDeque;
use std::ffi::{OsStr, OsString};
use std::io;
use std::os::fd::OwnedFd;
use std::os::unix::ffi::OsStringExt;
use std::path::{Component, Path, PathBuf};

use rustix::fs::{FileType, Mode, OFlags, Stat};
use rustix::io::Errno;

use crate::record::Quoted;

pub use self::fault::Fault;
pub(crate) use self::shell::shell;

/// The kernel's own limit on the links that it follows for one path (`MAXSYMLINKS`).
const MAXIMUM_LINKS: usize = 40;

/// The kind of file at the end of a path.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Kind {
    /// A file that can be run.
    Program,
    /// A file with no run bit.
    NotExecutable,
    /// A link to `/dev/null`: switched off on purpose.
    Masked,
}

/// A file, seen from the root of trust down.
#[derive(Debug)]
pub struct Inspection {
    /// Its kind.
    pub kind: Kind,
    /// The first fault on its path, if any.
    pub fault: Option<Fault>,
    /// Its identity, to recognise it later.
    pub identity: Identity,
}

/// The values that change if a file is changed or replaced.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Identity {
    device: u64,
    inode: u64,
    mode: u32,
    uid: u32,
    /// When its content, owner or mode last changed, in seconds and nanoseconds.
    changed: (i64, i64),
}

impl Identity {
    #[expect(clippy::unnecessary_cast, reason = "the fields' types are not the same on every architecture")]
    const fn of(status: &Stat) -> Self {
        Self {
            device: status.st_dev as u64,
            inode: status.st_ino as u64,
            mode: status.st_mode as u32,
            uid: status.st_uid,
            changed: (status.st_ctime as i64, status.st_ctime_nsec as i64),
        }
    }

    /// Returns true if the same file is still at `path`, unchanged.
    pub fn is_at(&self, path: &Path) -> bool {
        rustix::fs::stat(path).is_ok_and(|status| Self::of(&status) == *self)
    }
}

/// The reason why a path has no file that could be run or read.
#[derive(Debug, thiserror::Error)]
pub enum Unusable {
    /// A folder.
    #[error("it is a folder, not a file")]
    Folder,
    /// A special file: a FIFO, a socket, a device.
    #[error("it is {0}, not a file")]
    NotAFile(&'static str),
    /// An empty file.
    #[error("it is empty")]
    Empty,
    /// A link on the way leads to nothing.
    #[error("it is a dangling link: {} does not exist", Quoted::path(.missing))]
    Dangling {
        /// The missing path.
        missing: PathBuf,
    },
    /// The file has been removed since its folder was read.
    #[error("it has been removed since its folder was read")]
    Vanished,
    /// The kernel refused to show it.
    #[error("it cannot be inspected: {0}")]
    Unseen(io::Error),
}

/// Judges files, from a root downwards.
#[derive(Debug)]
pub struct Judge {
    root: PathBuf,
    /// User who may own trusted files besides root: the hook's own.
    own_uid: u32,
}

impl Judge {
    /// Returns a judge of everything below `root`, for the user `own_uid`, who may own whatever root may. The folders
    /// above are not checked.
    pub fn from(root: &Path, own_uid: u32) -> Self {
        let root =
            if root == Path::new("/") { root.to_owned() } else { root.canonicalize().unwrap_or(root.to_owned()) };
        Self { root, own_uid }
    }

    /// Walks to `path` and checks the file there.
    ///
    /// # Errors
    /// There is no file that could be run or read.
    pub fn inspect(&self, path: &Path) -> Result<Inspection, Unusable> {
        let mut walk = Walk { judge: self, at: PathBuf::from("/"), fault: None, links: 0 };
        let (opened, status) = walk.to(path)?;
        drop(opened);
        let mode = Mode::from_raw_mode(status.st_mode);
        let kind = match FileType::from_raw_mode(status.st_mode) {
            FileType::RegularFile if !mode.intersects(Mode::XUSR | Mode::XGRP | Mode::XOTH) => Kind::NotExecutable,
            FileType::RegularFile if status.st_size == 0 => return Err(Unusable::Empty),
            FileType::RegularFile => Kind::Program,
            FileType::CharacterDevice if is_null_device(&status) => Kind::Masked,
            FileType::Directory => return Err(Unusable::Folder),
            other => return Err(Unusable::NotAFile(named(other))),
        };
        if mode.intersects(Mode::SUID | Mode::SGID) {
            walk.set_fault(Fault::SetId { path: walk.at.clone(), mode: mode.bits() });
        }
        let fault = walk.fault.map(|fault| fault.seen_from(path));
        Ok(Inspection { kind, fault, identity: Identity::of(&status) })
    }

    const fn is_owner(&self, uid: u32) -> bool {
        uid == 0 || uid == self.own_uid
    }
}

/// Linux' number of `/dev/null` (`Documentation/admin-guide/devices.txt`).
fn is_null_device(status: &Stat) -> bool {
    (rustix::fs::major(status.st_rdev), rustix::fs::minor(status.st_rdev)) == (1, 3)
}

const fn named(kind: FileType) -> &'static str {
    match kind {
        FileType::Fifo => "a FIFO",
        FileType::Socket => "a socket",
        FileType::CharacterDevice | FileType::BlockDevice => "a device",
        _ => "something else",
    }
}

struct Walk<'a> {
    judge: &'a Judge,
    /// The path so far, without symlinks.
    at: PathBuf,
    fault: Option<Fault>,
    links: usize,
}

impl Walk<'_> {
    /// Goes to `path`, which is absolute.
    fn to(&mut self, path: &Path) -> Result<(OwnedFd, Stat), Unusable> {
        let (mut here, mut status) = self.open_root()?;
        let mut ahead = names(path);
        while let Some(name) = ahead.pop_front() {
            if FileType::from_raw_mode(status.st_mode) != FileType::Directory {
                return Err(Unusable::Unseen(Errno::NOTDIR.into()));
            }
            let (opened, found) = open(&here, &name).map_err(|error| self.missing(&name, error))?;
            if FileType::from_raw_mode(found.st_mode) == FileType::Symlink {
                self.check_link(&self.at.join(&name), &found);
                self.links += 1;
                if self.links > MAXIMUM_LINKS {
                    return Err(Unusable::Unseen(Errno::LOOP.into()));
                }
                let target =
                    rustix::fs::readlinkat(&opened, "", Vec::new()).map_err(|error| Unusable::Unseen(error.into()))?;
                let target = PathBuf::from(OsString::from_vec(target.into_bytes()));
                if target.is_absolute() {
                    (here, status) = self.open_root()?;
                }
                for name in names(&target).into_iter().rev() {
                    ahead.push_front(name);
                }
                continue;
            }
            if name == ".." {
                self.at.pop();
            } else {
                self.at.push(&name);
                self.check(&self.at.clone(), &found);
            }
            (here, status) = (opened, found);
        }
        Ok((here, status))
    }

    fn open_root(&mut self) -> Result<(OwnedFd, Stat), Unusable> {
        self.at = PathBuf::from("/");
        let (opened, status) =
            open(&rustix::fs::CWD, OsStr::new("/")).map_err(|error| Unusable::Unseen(error.into()))?;
        self.check(Path::new("/"), &status);
        Ok((opened, status))
    }

    fn missing(&self, name: &OsStr, error: Errno) -> Unusable {
        match error {
            Errno::NOENT if self.links > 0 => Unusable::Dangling { missing: self.at.join(name) },
            Errno::NOENT => Unusable::Vanished,
            other => Unusable::Unseen(other.into()),
        }
    }

    fn check_link(&mut self, path: &Path, status: &Stat) {
        // The mode of a symlink has no effect; the mode of its folder decides.
        if !self.is_above_root(path) && !self.judge.is_owner(status.st_uid) {
            self.set_fault(Fault::Owner { path: path.to_owned(), uid: status.st_uid, link: true });
        }
    }

    fn check(&mut self, path: &Path, status: &Stat) {
        if self.is_above_root(path) {
            return;
        }
        let mode = Mode::from_raw_mode(status.st_mode);
        let kind = FileType::from_raw_mode(status.st_mode);
        if kind == FileType::CharacterDevice && is_null_device(status) {
            // The null device is writable by everybody, and only marks the script as masked.
            return;
        }
        // In a sticky folder only the owner can replace a file.
        let sticky = kind == FileType::Directory && mode.contains(Mode::SVTX);
        if !self.judge.is_owner(status.st_uid) {
            self.set_fault(Fault::Owner { path: path.to_owned(), uid: status.st_uid, link: false });
        } else if mode.intersects(Mode::WGRP | Mode::WOTH) && !sticky {
            self.set_fault(Fault::Writable { path: path.to_owned(), mode: mode.bits() });
        }
    }

    fn is_above_root(&self, path: &Path) -> bool {
        self.judge.root != path && self.judge.root.starts_with(path)
    }

    fn set_fault(&mut self, fault: Fault) {
        self.fault.get_or_insert(fault);
    }
}

fn names(path: &Path) -> VecDeque<OsString> {
    let names = path.components().filter_map(|component| match component {
        Component::Normal(name) => Some(name.to_owned()),
        Component::ParentDir => Some(OsString::from("..")),
        Component::RootDir | Component::CurDir | Component::Prefix(_) => None,
    });
    names.collect()
}

fn open(folder: &impl std::os::fd::AsFd, name: &OsStr) -> Result<(OwnedFd, Stat), Errno> {
    let flags = OFlags::PATH | OFlags::NOFOLLOW | OFlags::CLOEXEC;
    let opened = rustix::fs::openat(folder, name, flags, Mode::empty())?;
    let status = rustix::fs::fstat(&opened)?;
    Ok((opened, status))
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::fs;
    use std::os::unix::fs::{MetadataExt, PermissionsExt, chown};

    #[test]
    fn what_the_hooks_own_user_owns_is_trusted_and_what_another_owns_is_not() {
        let folder = tempfile::tempdir().expect("a folder");
        let root = folder.path().canonicalize().expect("its path");
        let file = root.join("file");
        fs::write(&file, "x").expect("a file");
        fs::set_permissions(&file, fs::Permissions::from_mode(0o755)).expect("its mode");
        if rustix::process::geteuid().is_root() {
            for path in [&root, &file] {
                chown(path, Some(4711), None).expect("its owner");
            }
        }
        let owner = fs::metadata(&file).expect("its owner").uid();
        let fault = |uid| Judge::from(&root, uid).inspect(&file).expect("a file").fault;
        assert_eq!(fault(owner), None);
        assert_eq!(fault(owner + 1), Some(Fault::Owner { path: root.clone(), uid: owner, link: false }));
    }

    #[test]
    fn a_file_is_known_again_until_anything_of_it_changes() {
        type Change = fn(&Path);
        let changes: [Change; 6] = [
            |file| fs::set_permissions(file, fs::Permissions::from_mode(0o700)).expect("its mode"),
            |file| fs::write(file, "y").expect("its content"),
            |file| fs::set_permissions(file, fs::Permissions::from_mode(0o755)).expect("the same mode anew"),
            |file| fs::hard_link(file, file.with_extension("other")).expect("another name"),
            |file| fs::remove_file(file).expect("its end"),
            |file| {
                let other = file.with_extension("new");
                fs::copy(file, &other).and_then(|_| fs::rename(other, file)).expect("another in its place");
            },
        ];
        for (number, change) in changes.into_iter().enumerate() {
            let folder = tempfile::tempdir().expect("a folder");
            let file = folder.path().canonicalize().expect("its path").join("file");
            fs::write(&file, "x").expect("a file");
            fs::set_permissions(&file, fs::Permissions::from_mode(0o755)).expect("its mode");
            let identity = Judge::from(folder.path(), 0).inspect(&file).expect("a file").identity;
            assert!(identity.is_at(&file));
            // The kernel's time stamps are as coarse as its tick.
            std::thread::sleep(std::time::Duration::from_millis(20));
            change(&file);
            assert!(!identity.is_at(&file), "change {number}");
        }
    }
}
