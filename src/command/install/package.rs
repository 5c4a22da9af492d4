//! The package that the program came with, if it came with one. Settings and rotation are the package's then: it knows
//! how to upgrade and to remove them, and a file of its own that somebody else has edited makes it ask at every
//! upgrade.

use std::fs;
use std::path::PathBuf;

use super::steps::change::{Change, Content, Put};
use super::steps::{Step, seen};
use crate::command::host::hook_file::is_there;
use crate::paths::Paths;

/// Whose package it is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Package {
    /// Debian's, Ubuntu's.
    Deb,
    /// Fedora's, RHEL's, SUSE's.
    Rpm,
}

impl Package {
    /// The one that is on this host or in this image, as the file says that it ships for this
    /// (packaging/package/stage).
    pub(crate) fn of(paths: &Paths) -> Option<Self> {
        match fs::read_to_string(paths.elsewhere("usr/share/virt-hooks/package")).ok()?.trim_end() {
            "deb" => Some(Self::Deb),
            "rpm" => Some(Self::Rpm),
            _ => None,
        }
    }

    /// The command that removes it.
    pub(crate) const fn removal(self) -> &'static str {
        match self {
            Self::Deb => "apt-get remove virt-hooks",
            Self::Rpm => "rpm --erase virt-hooks",
        }
    }
}

/// What is kept of it that the operator took the hook out of a host that has the package: neither an upgrade of it nor
/// one of CloudStack's agent puts it back. Not in the state folder, since it holds for longer than until the next boot.
fn note(paths: &Paths) -> PathBuf {
    paths.elsewhere("var/lib/virt-hooks/taken-out")
}

/// Whether the operator took the hook out.
pub(crate) fn is_taken_out(paths: &Paths) -> bool {
    is_there(&note(paths))
}

/// Keeps that the operator takes the hook out.
pub(crate) fn take_out(package: Package, paths: &Paths) -> Vec<Step> {
    let note = note(paths);
    let removal = package.removal();
    let what = format!("{}: upgrades leave the hook out; to remove the package: {removal}", seen(&note));
    if is_there(&note) {
        return vec![Step::tell("kept", what)];
    }
    let mut missing: Vec<_> = note.ancestors().skip(1).take_while(|folder| !folder.is_dir()).collect();
    missing.reverse();
    let mut steps: Vec<Step> = missing.into_iter().map(Step::make_folder).collect();
    let put = Put { path: note.clone(), content: Content::Text(Vec::new()), mode: 0o644, owner: None };
    steps.push(Step::change("noted", what, Change::Put(put)));
    steps
}

/// Forgets it: the operator wants the hook.
pub(crate) fn put_back(paths: &Paths) -> Vec<Step> {
    let note = note(paths);
    let change = || {
        Step::change("removed", format!("{}: upgrades renew the hook again", seen(&note)), Change::Remove(note.clone()))
    };
    is_there(&note).then(change).into_iter().collect()
}
