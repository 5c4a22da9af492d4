//! A hook that is kept: its file stays in the folder of the hook, and is called by a link of its old name, in a folder of
//! links to all that lies beside it.

use std::ffi::OsStr;
use std::fs;
use std::os::unix::ffi::OsStrExt;
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};

use super::obstacle;
use super::steps::change::Change;
use super::steps::{Step, backup, seen};
use crate::command::failure::Failure;
use crate::command::host::hook_file::{are_alike, is_there};
use crate::command::host::kept::{beside, is_beside, missing_links, old_place};
use crate::paths::Paths;
use crate::trust::shell;

/// Keeps the hook that is at the place, and says how it will run.
pub(crate) fn keep(paths: &Paths) -> Result<Vec<Step>, Failure> {
    let (hook, place) = (paths.hook(), paths.kept_hook());
    let mut steps = Vec::from_iter(backup::of_the_last(paths));
    let what = format!("{} as {}, which the hook calls as {}", seen(hook), seen(&place), seen(&paths.kept_link()));
    // By an installation that was cut off, or before somebody put the same hook back.
    steps.push(if are_alike(hook, &place) {
        Step::tell("kept", what)
    } else {
        Step::change("kept", what, Change::Keep { from: hook.to_owned(), to: place.clone() })
    });
    if fs::metadata(hook).is_ok_and(|status| status.permissions().mode() & 0o111 == 0) {
        let what = format!("{} is not executable, and does not run; fix: chmod +x {}", seen(&place), shell(&place));
        steps.push(Step::tell("warning", what));
    }
    steps.extend(links(paths)?);
    steps.extend(differences(paths));
    Ok(steps)
}

/// Moves a hook that an older version kept in `qemu.d` to its place, and links to what has come to lie beside a kept hook.
pub(crate) fn bring_up_to_date(paths: &Paths) -> Result<Vec<Step>, Failure> {
    let (old, place) = (old_place(paths), paths.kept_hook());
    let mut steps = Vec::new();
    if is_there(&old) && !is_there(&place) {
        let what = format!("{} to {}, which the hook calls as {}", seen(&old), seen(&place), seen(&paths.kept_link()));
        steps.push(Step::change("moved", what, Change::Move { from: old.clone(), to: place }));
        let folder = paths.later_hooks();
        if fs::read_dir(&folder).is_ok_and(|entries| entries.count() == 1) {
            steps.push(Step::change("removed", seen(&folder), Change::RemoveFolder(folder)));
        }
    } else if !is_there(&place) {
        return Ok(steps);
    }
    steps.extend(links(paths)?);
    Ok(steps)
}

/// The folder of links, or what it lacks.
fn links(paths: &Paths) -> Result<Vec<Step>, Failure> {
    let folder = paths.kept_links();
    let mut steps = Vec::new();
    if !folder.is_dir() {
        if let Some(failure) = obstacle::at(&folder, paths) {
            return Err(failure);
        }
        steps.push(Step::make_folder(&folder));
    }
    let link = paths.kept_link();
    let beside = |name: &OsStr| Path::new("..").join(name);
    let to_itself = beside(paths.kept_hook().file_name().unwrap_or_default());
    let itself = Some((link.clone(), to_itself)).filter(|_| !is_there(&link));
    for (path, target) in itself.into_iter().chain(missing_links(paths)) {
        steps.push(Step::change("linked", seen(&path), Change::Link { path, target }));
    }
    Ok(steps)
}

/// Leaves the other hook at its place, and makes room for this program in `qemu.d`.
pub(crate) fn go_beside(paths: &Paths) -> Result<Vec<Step>, Failure> {
    let (hook, folder) = (paths.hook(), paths.later_hooks());
    let mut steps = vec![Step::tell("left", format!("{}: libvirt calls it first, unsupervised", seen(hook)))];
    if folder.is_dir() {
        return Ok(steps);
    }
    if let Some(failure) = obstacle::at(&folder, paths) {
        return Err(failure);
    }
    steps.push(Step::make_folder(&folder));
    Ok(steps)
}

/// Removes this program from `qemu.d`, where it would run every script a second time.
pub(crate) fn leave_qemu_d(paths: &Paths) -> Vec<Step> {
    let mut steps = Vec::new();
    if is_beside(paths) {
        let (place, folder) = (beside(paths), paths.later_hooks());
        steps.push(Step::change("removed", seen(&place), Change::Remove(place)));
        if fs::read_dir(&folder).is_ok_and(|entries| entries.count() == 1) {
            steps.push(Step::change("removed", seen(&folder), Change::RemoveFolder(folder)));
        }
    }
    steps
}

/// What a kept hook can't have as before.
fn differences(paths: &Paths) -> Vec<Step> {
    let notes = [
        format!("the kept hook runs after the scripts in {}, and not where one of them refused", seen(paths.custom())),
        "it is ended after timeoutSeconds (600), which libvirt never did; settings name it \"qemu\"".to_owned(),
        format!("$0 is {}; a file that it makes beside $0 goes to that folder", seen(&paths.kept_link())),
        "libvirt's error shows the last line of its stderr, the log all of it".to_owned(),
    ];
    notes.map(|note| Step::tell("note", note)).into()
}

/// Removes the folder of links, but for what is not one of them.
pub(crate) fn remove_links(paths: &Paths) -> Vec<Step> {
    let folder = paths.kept_links();
    let entries = fs::read_dir(&folder).into_iter().flatten().flatten().map(|entry| entry.path());
    let is_ours =
        |path: &PathBuf| fs::read_link(path).is_ok_and(|target| target.as_os_str().as_bytes().starts_with(b"../"));
    let (mut links, others): (Vec<PathBuf>, Vec<PathBuf>) = entries.partition(is_ours);
    if links.is_empty() {
        return Vec::new();
    }
    links.sort();
    let mut steps: Vec<Step> =
        links.into_iter().map(|link| Step::change("removed", seen(&link), Change::Unlink(link))).collect();
    if others.is_empty() {
        steps.push(Step::change("removed", seen(&folder), Change::RemoveFolder(folder)));
    } else {
        steps.push(Step::tell("left", format!("{}: the kept hook wrote to it", seen(&folder))));
    }
    steps
}
