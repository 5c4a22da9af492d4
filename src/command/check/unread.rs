//! Scripts of other hooks' users that nothing runs, and a hook that is only a backup.

use std::ffi::OsStr;
use std::fs;
use std::path::{Path, PathBuf};

use super::Findings;
use crate::command::call;
use crate::command::host::hook_file::HookFile;
use crate::command::host::inventory::{Inventory, looks_like_a_program};
use crate::driver::Operation;
use crate::paths::Paths;
use crate::record::Quoted;
use crate::trust::shell;

/// Names that tutorials of GPU passthrough give to scripts, and the operation at which theirs run.
const TUTORIALS: [(&str, &str); 4] =
    [("start.sh", "prepare"), ("revert.sh", "release"), ("stop.sh", "release"), ("end.sh", "release")];

/// Returns the operation at which tutorials run a script of this name.
pub(super) fn of_tutorials(file_name: &OsStr) -> Option<&'static str> {
    TUTORIALS.iter().find(|(name, _)| file_name == *name).map(|(_, operation)| *operation)
}

pub(super) fn check(paths: &Paths, inventory: &Inventory, findings: &mut Findings) {
    for folder in folders_in(paths.custom()) {
        for inner in folders_in(&folder) {
            in_custom(&inner, &folder, paths, findings);
        }
    }
    for folder in folders_in(&paths.later_hooks()) {
        for inner in visible(&folder) {
            in_tree(&inner, paths, findings);
        }
    }
    let backup = paths.hook_backup();
    let found = HookFile::called(&backup, paths.root());
    let ran_by_itself = matches!(found, HookFile::Foreign { runs_custom: false, .. });
    let runs = inventory.entries.iter().any(crate::command::host::inventory::Entry::runs);
    if ran_by_itself && !runs && HookFile::look(paths.hook()) == HookFile::Ours {
        let message = "it was the hook before; it no longer runs, and no script runs in its place";
        let (out, keep) = (call(paths, "uninstall"), call(paths, "install --keep-existing"));
        findings.warning(Quoted::path(&backup), message, format!("{out} && {keep}"));
    }
}

/// A folder `custom/VM/OPERATION` with scripts: they belong in the tree.
fn in_custom(place: &Path, of_domain: &Path, paths: &Paths, findings: &mut Findings) {
    if operation(place, paths).is_none() || !has_programs(place) {
        return;
    }
    let to = paths.later_hooks().join(of_domain.file_name().unwrap_or_default());
    let message = format!(
        "nothing runs the scripts in it: a VM's scripts by operation and sub-operation lie in {}, and those directly in {} have \
         names such as prepare_begin.sh",
        Quoted::path(&to),
        Quoted::path(of_domain)
    );
    findings.warning(
        Quoted::path(place),
        message,
        format!("install -d -m 0755 {0} && mv -n {1} {0}/", shell(&to), shell(place)),
    );
}

/// Something in `qemu.d/VM` that belongs to no event.
fn in_tree(place: &Path, paths: &Paths, findings: &mut Findings) {
    let name = place.file_name().unwrap_or_default();
    let aside = |place: &Path| {
        let name = place.file_name().unwrap_or_default().to_string_lossy();
        format!("mv -n {} {}", shell(place), shell(&place.with_file_name(format!(".{name}"))))
    };
    let Some(operation) = operation(place, paths) else {
        let at = of_tutorials(name).and_then(|at| paths.driver().operation(at.as_bytes()));
        if let (Some(at), true) = (at, place.is_file()) {
            let to = place.with_file_name(at.name()).join(at.sub_operation());
            let message =
                format!("nothing runs it here; tutorials run it at {}, from {}", at.name(), Quoted::path(&to));
            let remedy = format!("install -d -m 0755 {0} && mv -n {1} {0}/", shell(&to), shell(place));
            findings.warning(Quoted::path(place), message, remedy);
        } else if place.is_dir() && has_programs(place) {
            let message = "libvirt has no such event: nothing runs the scripts in it; the command moves it aside";
            findings.warning(Quoted::path(place), message, aside(place));
        }
        return;
    };
    let right = place.join(operation.sub_operation());
    for inner in visible(place).into_iter().filter(|inner| *inner != right && has_programs(inner)) {
        let message = format!(
            "libvirt has no such event: nothing runs the scripts in it; the sub-operation of {} is {}",
            operation.name(),
            operation.sub_operation()
        );
        let remedy = match right.exists() {
            true => aside(&inner),
            false => format!("mv -n {} {}", shell(&inner), shell(&right)),
        };
        findings.warning(Quoted::path(&inner), message, remedy);
    }
}

fn operation(place: &Path, paths: &Paths) -> Option<Operation> {
    paths.driver().operation(place.file_name()?.as_encoded_bytes())
}

/// Returns true for a program, and for a folder with a program at most two levels below.
fn has_programs(place: &Path) -> bool {
    let is_program = |path: &PathBuf| path.is_file() && looks_like_a_program(path);
    is_program(&place.to_owned())
        || visible(place).iter().any(|inner| is_program(inner) || visible(inner).iter().any(is_program))
}

fn folders_in(folder: &Path) -> Vec<PathBuf> {
    let mut folders = visible(folder);
    folders.retain(|path| path.is_dir());
    folders
}

/// Lists a folder by name. Names with a leading dot belong to tools, or were moved aside.
fn visible(folder: &Path) -> Vec<PathBuf> {
    let entries = fs::read_dir(folder).into_iter().flatten().flatten();
    let mut paths: Vec<PathBuf> = entries
        .filter(|entry| !entry.file_name().as_encoded_bytes().starts_with(b"."))
        .map(|entry| entry.path())
        .collect();
    paths.sort();
    paths
}
