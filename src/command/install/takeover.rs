//! What an installation means for the operator's scripts: where a hook that ran them gives way to this one, and where
//! another one that runs them stays.

use std::fs;
use std::path::PathBuf;

use super::steps::Step;
use crate::command::host::hook_file::HookFile;
use crate::command::host::inventory::{Entry, Fate, Inventory};
use crate::command::host::tree::is_executable;
use crate::command::judge;
use crate::paths::Paths;
use crate::record::Quoted;
use crate::script::Origin;
use crate::trust::{Judge, Kind, shell};

/// Tells of each program in `qemu.d` that runs the scripts as well, after this hook. Nothing there is changed.
pub(crate) fn what_runs_twice(paths: &Paths) -> Vec<Step> {
    let entries = fs::read_dir(paths.later_hooks()).into_iter().flatten().flatten();
    let mut programs: Vec<PathBuf> = entries.map(|entry| entry.path()).collect();
    programs.sort();
    let doubled = |program: &PathBuf| {
        // What a symlink leads to is what libvirt runs.
        let found = HookFile::look(&program.canonicalize().unwrap_or_else(|_| program.clone()));
        found == HookFile::Ours || found.runs_custom()
    };
    let tell = |program: PathBuf| {
        let seen = Quoted::path(&program);
        Step::tell("warning", format!("{seen} runs the same scripts, each a second time; fix: rm {}", shell(&program)))
    };
    programs.into_iter().filter(doubled).map(tell).collect()
}

/// Tells of the folder whose scripts CloudStack's hook ran, where somebody had it run those of another one.
pub(crate) fn what_is_elsewhere(called: &HookFile, paths: &Paths) -> Option<Step> {
    let HookFile::CloudStack { moved_custom: Some(folder), .. } = called else { return None };
    let (seen, custom) = (Quoted::path(folder), Quoted::path(paths.custom()));
    let what =
        format!("scripts in {seen}, which the hook before ran, will not run; to have them run: move them to {custom}");
    Some(Step::tell("warning", what))
}

/// Returns the scripts of VFIO-Tools' tree, each with whether it will run, and what will be different, where the helper gives way
/// to this program.
pub(crate) fn what_the_tree_runs(called: &HookFile, paths: &Paths) -> Vec<Step> {
    let inventory = Inventory::take(paths);
    let has_tree = inventory.entries.iter().any(|entry| entry.origin == Origin::Tree);
    if *called == HookFile::Ours || !has_tree && *called != HookFile::Dispatcher {
        return Vec::new();
    }
    let of_tree = inventory.entries.iter().filter(|entry| entry.origin == Origin::Tree);
    let (run, others): (Vec<&Entry>, Vec<&Entry>) = of_tree.partition(|entry| entry.runs());
    let mut steps: Vec<Step> =
        run.iter().map(|entry| Step::tell("runs", Quoted::path(&entry.path).to_string())).collect();
    for entry in others {
        if let Fate::Unfit(unfit) = &entry.fate {
            let seen = Quoted::path(&entry.path);
            let will = if is_executable(&entry.path) { "will not run" } else { "does not run, as before" };
            steps.push(Step::tell("warning", format!("{seen} {will}: {}; fix: {}", unfit.what, unfit.remedy)));
        }
    }
    if *called != HookFile::Dispatcher {
        let message = "nothing that is known of the hook before ran these scripts; move away those that are not to run";
        steps.push(Step::tell("warning", message.to_owned()));
    }
    let notes = [
        "these scripts run in bytewise order, after those in custom/; each gets the VM's XML on stdin",
        "the first that fails ends them and refuses the VM where libvirt can refuse it; onFailure = \"continue\" in the settings lifts that",
        "each is ended after timeoutSeconds (600), and logged; a script that others can write to is refused",
    ];
    steps.extend(notes.map(|note| Step::tell("note", note.to_owned())));
    steps
}

/// Tells of each script that ran before and will not now, and of the folders that are VMs' now.
pub(crate) fn what_changes(paths: &Paths) -> Vec<Step> {
    let judge = judge(paths);
    Inventory::take(paths).entries.iter().filter_map(|entry| change(entry, &judge)).collect()
}

fn change(entry: &Entry, judge: &Judge) -> Option<Step> {
    // A hook of before knew no VM's folder, and ran nothing in it.
    if entry.domain.is_some() {
        return None;
    }
    let seen = Quoted::path(&entry.path);
    match &entry.fate {
        Fate::Unfit(unfit) => {
            let inspection = judge.inspect(&entry.path).ok()?;
            let untrusted = inspection.kind == Kind::Program && inspection.fault.is_some();
            let what = format!("{seen} will not run: {}; fix: {}", unfit.what, unfit.remedy);
            untrusted.then(|| Step::tell("warning", what))
        }
        Fate::Leftover if entry.scope.is_some() => {
            let ran = judge.inspect(&entry.path).is_ok_and(|inspection| inspection.kind == Kind::Program);
            let what =
                "will not run: an editor or a package manager left it behind; to have it run: give it another name";
            ran.then(|| Step::tell("warning", format!("{seen} {what}")))
        }
        Fate::Folder => {
            let name = Quoted::name(entry.file_name());
            Some(Step::tell("note", format!("{seen}: scripts in it run for the VM {name}, and for no other")))
        }
        _ => None,
    }
}
