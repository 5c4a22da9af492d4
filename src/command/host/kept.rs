//! Another hook that goes on beside this program: what it finds beside itself, and where this program is then.

use std::ffi::OsString;
use std::fs;
use std::os::unix::ffi::OsStrExt;
use std::path::{Path, PathBuf};

use super::hook_file::{HookFile, is_there};
use crate::driver::{self, QEMU};
use crate::paths::Paths;

/// Returns where this program goes if another hook stays at the hook's place.
pub(crate) fn beside(paths: &Paths) -> PathBuf {
    paths.later_hooks().join("virt-hooks")
}

/// Returns true if this program is there.
pub(crate) fn is_beside(paths: &Paths) -> bool {
    HookFile::look(&beside(paths)) == HookFile::Ours
}

/// Returns where this program is installed as the hook: at the hook's place, or beside another one.
pub(crate) fn installed_at(paths: &Paths) -> PathBuf {
    let elsewhere = Some(beside(paths)).filter(|_| HookFile::look(paths.hook()) != HookFile::Ours && is_beside(paths));
    elsewhere.unwrap_or_else(|| paths.hook().to_owned())
}

/// Where older versions kept a hook.
pub(crate) fn old_place(paths: &Paths) -> PathBuf {
    paths.later_hooks().join(format!("{}-kept-by-virt-hooks", QEMU.name))
}

/// Returns the links that the kept hook's folder lacks, each with its target, by name: all that lies beside the hook, but for
/// what is this program's.
pub(crate) fn missing_links(paths: &Paths) -> Vec<(PathBuf, PathBuf)> {
    let folder = paths.kept_links();
    let ours = [
        paths.hook().to_owned(),
        paths.kept_hook(),
        folder.clone(),
        paths.custom().to_owned(),
        paths.settings().to_owned(),
        paths.settings_drop_ins(),
        paths.network().to_owned(),
        paths.network_drop_ins(),
    ];
    let backup = paths.hook_backup();
    let is_ours = |name: &OsString| {
        let is_backup = name.as_bytes().starts_with(backup.file_name().unwrap_or_default().as_bytes());
        let hidden = name.as_bytes().starts_with(b".");
        let of_a_driver = driver::ALL.iter().any(|driver| *name == driver.scripts || *name == driver.kept);
        hidden || is_backup || of_a_driver || ours.iter().any(|path| path.file_name() == Some(name))
    };
    let beside = paths.hook().parent().and_then(|folder| fs::read_dir(folder).ok()).into_iter().flatten().flatten();
    let mut names: Vec<OsString> = beside.map(|entry| entry.file_name()).filter(|name| !is_ours(name)).collect();
    names.sort();
    let links = names.into_iter().map(|name| (folder.join(&name), Path::new("..").join(name)));
    links.filter(|(link, _)| !is_there(link)).collect()
}
