//! Changes to the host's files, each of which can be taken back until all of them are settled.
//!
//! Whatever stands in a place is replaced in one step, by a rename: libvirt may be calling the hook at that very moment.
//! A symlink is replaced, never written through.

use std::fs::{self, File, OpenOptions, Permissions};
use std::io::{self, Write};
use std::os::unix::fs::{MetadataExt, OpenOptionsExt, PermissionsExt, symlink};
use std::path::{Path, PathBuf};

use super::trial;
use super::watch::Watched;
use crate::command::folder;
use crate::command::host::hook_file::running_program;
use crate::driver::QEMU;
use crate::record::Quoted;

/// A change that is planned.
#[derive(Debug)]
pub(crate) enum Change {
    /// A folder is made, mode 0755, in one that is there.
    MakeFolder(PathBuf),
    /// A file takes the place of whatever is there.
    Put(Put),
    /// What is there is there by another name as well. A folder can't be, and is moved.
    Keep {
        /// Where it is.
        from: PathBuf,
        /// Where nothing is yet.
        to: PathBuf,
    },
    /// A symlink is made where nothing is.
    Link {
        /// Where.
        path: PathBuf,
        /// Where it leads.
        target: PathBuf,
    },
    /// What is there goes to another place, in place of whatever is there.
    Move {
        /// Where it is.
        from: PathBuf,
        /// Where it goes.
        to: PathBuf,
    },
    /// A file is removed.
    Remove(PathBuf),
    /// A symlink is removed.
    Unlink(PathBuf),
    /// What an installation that was cut off left behind is removed, once all the others are made.
    Discard(PathBuf),
    /// An empty folder is removed.
    RemoveFolder(PathBuf),
}

/// A file that is to be put in place.
#[derive(Debug)]
pub(crate) struct Put {
    /// Where.
    pub(crate) path: PathBuf,
    /// What is in it.
    pub(crate) content: Content,
    /// Its permission bits.
    pub(crate) mode: u32,
    /// Its user and group, where they are not to be those of this process.
    pub(crate) owner: Option<(u32, u32)>,
}

/// What is in a file.
#[derive(Debug)]
pub(crate) enum Content {
    /// These bytes.
    Text(Vec<u8>),
    /// The running program. It is tried before it takes its place.
    Program,
}

/// Why a change could not be made.
#[derive(Debug, thiserror::Error)]
pub(crate) enum ChangeError {
    /// The kernel refused it.
    #[error("{} can't be {act}: {source}", Quoted::path(.path))]
    Refused {
        /// What.
        path: PathBuf,
        /// How it was to be changed.
        act: &'static str,
        /// What the kernel said.
        source: io::Error,
    },
    /// The program does not work there.
    #[error("the hook does not run in {}: {why}", Quoted::path(.folder))]
    Trial {
        /// Where.
        folder: PathBuf,
        /// What it did instead.
        why: String,
    },
}

/// How one step is taken back.
#[derive(Debug)]
enum Undo {
    RemoveFile(PathBuf),
    RemoveFolder(PathBuf),
    Link { path: PathBuf, target: PathBuf },
    Rename { from: PathBuf, to: PathBuf },
    MakeFolder { path: PathBuf, mode: u32, owner: (u32, u32) },
}

/// What a rename replaced.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Replaced {
    Nothing,
    File,
    /// A folder; or a folder took its place.
    Folder,
}

/// The changes that were made, and can be taken back.
#[derive(Debug)]
pub(crate) struct Changes {
    watched: Watched,
    undo: Vec<Undo>,
    /// What was replaced, by another name.
    aside: Vec<PathBuf>,
}

impl Changes {
    /// None so far. At the watched place only what was seen there is replaced.
    pub(crate) const fn watching(watched: Watched) -> Self {
        Self { watched, undo: Vec::new(), aside: Vec::new() }
    }

    /// Makes one more.
    ///
    /// # Errors
    /// Where it can't be made; then nothing of it has been.
    pub(crate) fn make(&mut self, change: &Change) -> Result<(), ChangeError> {
        let (path, act, made) = match change {
            Change::MakeFolder(path) => (path, "made", self.make_folder(path)),
            Change::Put(put) => return self.put(put),
            Change::Keep { from, to } => (to, "made", self.keep(from, to)),
            Change::Link { path, target } => (path, "made", self.link(path, target)),
            Change::Move { from, to } => (to, "put in place", self.rename(from, to)),
            Change::Remove(path) => (path, "removed", self.remove(path)),
            Change::Unlink(path) => (path, "removed", self.unlink(path)),
            Change::Discard(path) => {
                self.aside.push(path.clone());
                return Ok(());
            }
            Change::RemoveFolder(path) => (path, "removed", self.remove_folder(path)),
        };
        made.map_err(|source| ChangeError::Refused { path: path.clone(), act, source })
    }

    /// Makes them final.
    pub(crate) fn settle(self) {
        for path in self.aside {
            // A hidden file that stays does no harm, and is taken away the next time.
            _ = fs::remove_file(path);
        }
    }

    /// Takes all of them back, the last one first, and tells what could not be.
    pub(crate) fn take_back(self) -> Vec<String> {
        let mut failed = Vec::new();
        for undo in self.undo.into_iter().rev() {
            let (path, undone) = match undo {
                Undo::RemoveFile(path) => (path.clone(), fs::remove_file(path)),
                Undo::RemoveFolder(path) => (path.clone(), fs::remove_dir(path)),
                Undo::Link { path, target } => (path.clone(), symlink(target, path)),
                Undo::Rename { from, to } => (to.clone(), fs::rename(from, to)),
                Undo::MakeFolder { path, mode, owner } => (path.clone(), folder::make(&path, mode, Some(owner))),
            };
            if let Err(error) = undone {
                failed.push(format!("{} could not be made as it was: {error}", Quoted::path(&path)));
            }
        }
        failed
    }

    fn make_folder(&mut self, path: &Path) -> io::Result<()> {
        folder::make(path, 0o755, None)?;
        self.undo.push(Undo::RemoveFolder(path.to_owned()));
        Ok(())
    }

    fn put(&mut self, put: &Put) -> Result<(), ChangeError> {
        let refused = |source| ChangeError::Refused { path: put.path.clone(), act: "written", source };
        let draft = hidden(&put.path, "new~");
        let made = write(&draft, put).map_err(refused).and_then(|()| match put.content {
            Content::Text(_) => Ok(()),
            Content::Program => trial::of(&draft).map_err(|why| {
                let folder = put.path.parent().unwrap_or(&put.path).to_owned();
                ChangeError::Trial { folder, why }
            }),
        });
        // The program may go beside the watched place, and was planned for what was seen there.
        let seen = if matches!(put.content, Content::Program) { self.watched.still() } else { Ok(()) };
        let made = made.and_then(|()| seen.map_err(refused));
        match made.and_then(|()| self.replace(&draft, &put.path).map_err(refused)) {
            // What it replaced comes back by a rename over it.
            Ok(Replaced::File) => Ok(()),
            Ok(Replaced::Nothing | Replaced::Folder) => {
                self.undo.push(Undo::RemoveFile(put.path.clone()));
                Ok(())
            }
            Err(error) => {
                // The error worth telling is the first.
                _ = fs::remove_file(&draft);
                Err(error)
            }
        }
    }

    fn keep(&mut self, from: &Path, to: &Path) -> io::Result<()> {
        if fs::symlink_metadata(from)?.is_dir() {
            return self.rename(from, to);
        }
        self.watched.as_seen(from)?;
        // Not over what may have come there meanwhile, which a link never is.
        fs::hard_link(from, to)?;
        self.undo.push(Undo::RemoveFile(to.to_owned()));
        self.watched.as_linked(from)?;
        self.watched.changed(from);
        Ok(())
    }

    fn link(&mut self, path: &Path, target: &Path) -> io::Result<()> {
        symlink(target, path)?;
        self.undo.push(Undo::RemoveFile(path.to_owned()));
        Ok(())
    }

    fn unlink(&mut self, path: &Path) -> io::Result<()> {
        let target = fs::read_link(path)?;
        fs::remove_file(path)?;
        self.undo.push(Undo::Link { path: path.to_owned(), target });
        Ok(())
    }

    fn rename(&mut self, from: &Path, to: &Path) -> io::Result<()> {
        self.replace(from, to)?;
        self.undo.push(Undo::Rename { from: to.to_owned(), to: from.to_owned() });
        Ok(())
    }

    /// Renames, and sets aside what is replaced.
    fn replace(&mut self, from: &Path, to: &Path) -> io::Result<Replaced> {
        let aside = hidden(to, "old~");
        self.watched.as_seen(from)?;
        self.watched.as_seen(to)?;
        let replaced = match fs::symlink_metadata(to) {
            Err(error) if error.kind() == io::ErrorKind::NotFound => Replaced::Nothing,
            Err(error) => return Err(error),
            Ok(status) => {
                remove_if_there(&aside)?;
                // Only with a folder the place is empty for a moment.
                if status.is_dir() || fs::symlink_metadata(from)?.is_dir() {
                    fs::rename(to, &aside)?;
                    Replaced::Folder
                } else {
                    fs::hard_link(to, &aside)?;
                    if let Err(error) = self.watched.as_linked(to) {
                        _ = fs::remove_file(&aside);
                        return Err(error);
                    }
                    Replaced::File
                }
            }
        };
        if let Err(error) = fs::rename(from, to) {
            if replaced != Replaced::Nothing {
                // Where it is still there by its own name, the first does nothing and the second takes the other away.
                _ = fs::rename(&aside, to);
                _ = fs::remove_file(&aside);
            }
            return Err(error);
        }
        if replaced != Replaced::Nothing {
            self.aside.push(aside.clone());
            self.undo.push(Undo::Rename { from: aside, to: to.to_owned() });
        }
        self.watched.changed(from);
        self.watched.changed(to);
        persist(to);
        Ok(replaced)
    }

    fn remove(&mut self, path: &Path) -> io::Result<()> {
        let aside = hidden(path, "old~");
        remove_if_there(&aside)?;
        self.watched.as_seen(path)?;
        fs::rename(path, &aside)?;
        self.watched.changed(path);
        self.aside.push(aside.clone());
        self.undo.push(Undo::Rename { from: aside, to: path.to_owned() });
        persist(path);
        Ok(())
    }

    fn remove_folder(&mut self, path: &Path) -> io::Result<()> {
        let status = fs::symlink_metadata(path)?;
        fs::remove_dir(path)?;
        let (mode, owner) = (status.mode() & 0o7777, (status.uid(), status.gid()));
        self.undo.push(Undo::MakeFolder { path: path.to_owned(), mode, owner });
        Ok(())
    }
}

/// A name beside `path` that nothing looks at: with a `~` at its end, since logrotate reads hidden files as well.
pub(crate) fn hidden(path: &Path, what: &str) -> PathBuf {
    let name = path.file_name().unwrap_or_default().to_string_lossy();
    let beside = path.with_file_name(format!(".{name}.virt-hooks-{what}"));
    let folder = path.parent().filter(|folder| folder.file_name().is_some_and(|name| name == QEMU.folder));
    // In `qemu.d` libvirt would call it.
    folder.and_then(|folder| Some(folder.parent()?.join(beside.file_name()?))).unwrap_or(beside)
}

fn remove_if_there(path: &Path) -> io::Result<()> {
    match fs::remove_file(path) {
        Err(error) if error.kind() != io::ErrorKind::NotFound => Err(error),
        _ => Ok(()),
    }
}

/// Writes a draft, whole and on the disk.
fn write(draft: &Path, put: &Put) -> io::Result<()> {
    // One of an installation that was cut off.
    remove_if_there(draft)?;
    let mut file = OpenOptions::new().write(true).create_new(true).mode(0o600).open(draft)?;
    match &put.content {
        Content::Text(bytes) => file.write_all(bytes)?,
        Content::Program => _ = io::copy(&mut running_program()?, &mut file)?,
    }
    if let Some((user, group)) = put.owner {
        rustix::fs::fchown(&file, Some(rustix::fs::Uid::from_raw(user)), Some(rustix::fs::Gid::from_raw(group)))?;
    }
    file.set_permissions(Permissions::from_mode(put.mode))?;
    file.sync_all()
}

/// Has a new name on the disk, where the file system can.
fn persist(path: &Path) {
    if let Some(folder) = path.parent().and_then(|folder| File::open(folder).ok()) {
        _ = folder.sync_all();
    }
}
