//! Which scripts an event has: their names, their order, and why one can't be started.

mod folder;
mod interpreter;
mod listing;
mod misnamed;
mod name;
mod not_started;
mod tree;

use std::cmp::Ordering;
use std::ffi::{OsStr, OsString};
use std::os::unix::ffi::OsStrExt;
use std::path::{Path, PathBuf};

use crate::paths::Paths;

pub use self::folder::discover;
pub use self::interpreter::{interpreter_of, is_plain_text, why_it_would_not_start, why_not_started};
pub use self::listing::FolderError;
pub use self::misnamed::meant;
pub use self::name::{Scope, is_leftover, order, rest_for};
pub use self::not_started::{Cause, NotStarted};

/// A file whose name says that it is to run at an event.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Script {
    file_name: OsString,
    /// The file, as an absolute path in `custom/`: the name by which it is executed, since scripts look around by it.
    path: PathBuf,
    /// What records call it: its path below `custom/`, or for others below the folder of the hook.
    label: Vec<u8>,
    origin: Origin,
    /// The shell that runs it, where the kernel can't.
    shell: Option<&'static str>,
}

/// Where a script comes from, by which its defaults differ.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Origin {
    /// A script of `custom/`: its exit code and its stdout mean what the settings say.
    Custom,
    /// A script of the tree that VFIO-Tools' helper runs: they mean what they mean to libvirt, and the first failure ends the
    /// tree's part of the event.
    Tree,
    /// The hook that `install --keep-existing` kept: they mean what they mean to libvirt.
    Kept,
}

/// Returns what records call the kept hook: `kept/qemu`.
pub fn kept_label(paths: &Paths) -> Vec<u8> {
    let names = [paths.kept_links(), paths.hook().to_owned()];
    let [folder, hook] = names.each_ref().map(|path| path.file_name().unwrap_or_default().as_bytes());
    [folder, b"/", hook].concat()
}

impl Script {
    /// One that every domain shares.
    fn shared(folder: &Path, file_name: &OsStr) -> Self {
        let label = file_name.as_bytes().to_vec();
        Self {
            path: folder.join(file_name),
            label,
            file_name: file_name.to_owned(),
            origin: Origin::Custom,
            shell: None,
        }
    }

    /// One from a domain's own folder.
    fn of_domain(folder: &Path, domain: &OsStr, file_name: &OsStr) -> Self {
        let label = [domain.as_bytes(), b"/", file_name.as_bytes()].concat();
        Self { label, ..Self::shared(folder, file_name) }
    }

    /// One that has been found before.
    pub fn at(path: PathBuf, label: &[u8]) -> Self {
        let file_name = path.file_name().unwrap_or_default().to_owned();
        Self { file_name, label: label.to_vec(), path, origin: Origin::Custom, shell: None }
    }

    /// The hook that was kept, if there is one. It runs after all others.
    fn kept(paths: &Paths) -> Option<Self> {
        let path = paths.kept_link();
        rustix::fs::lstat(&path).ok()?;
        Some(Self { origin: Origin::Kept, ..Self::at(path, &kept_label(paths)) })
    }

    /// Returns the same script, run by this shell.
    pub fn run_by(&self, shell: &'static str) -> Self {
        Self { shell: Some(shell), ..self.clone() }
    }

    /// Returns the shell that runs it, if the kernel does not.
    pub const fn shell(&self) -> Option<&'static str> {
        self.shell
    }

    /// Returns where it comes from.
    pub const fn origin(&self) -> Origin {
        self.origin
    }

    /// Its file name, which settings match and the order goes by.
    pub fn file_name(&self) -> &OsStr {
        &self.file_name
    }

    /// Where it is.
    pub fn path(&self) -> &Path {
        &self.path
    }

    /// What records call it.
    pub fn label(&self) -> &[u8] {
        &self.label
    }

    /// Which of two runs first. Of one name in both places the shared one does.
    fn order(&self, other: &Self) -> Ordering {
        order(self.file_name.as_bytes(), other.file_name.as_bytes())
            .then_with(|| self.label.len().cmp(&other.label.len()))
    }
}
