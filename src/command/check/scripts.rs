//! Whether the scripts run.

use std::collections::HashSet;
use std::ffi::OsStr;
use std::fs;
use std::os::unix::ffi::OsStrExt;
use std::os::unix::fs::PermissionsExt;

use super::{Findings, editor, unread, virsh};
use crate::command::host::hook_file::are_alike;
use crate::command::host::inventory::{Entry, Fate, Inventory, looks_like_a_program};
use crate::paths::Paths;
use crate::record::Quoted;
use crate::settings::Settings;
use crate::trust::shell;

pub(super) fn check(paths: &Paths, inventory: &Inventory, findings: &mut Findings) {
    folders(paths, inventory, findings);
    let names: HashSet<&[u8]> = inventory.entries.iter().map(|entry| entry.label.as_slice()).collect();
    for entry in &inventory.entries {
        let at = unread::of_tutorials(entry.file_name()).filter(|_| looks_like_a_program(&entry.path));
        if let (Fate::Other(None), Some(at)) = (&entry.fate, at) {
            of_a_tutorial(entry, at, findings);
        } else if let Fate::Other(Some(meant)) = &entry.fate {
            misnamed(entry, meant, &names, findings);
        } else {
            of_entry(entry, &inventory.settings, findings);
        }
        if entry.runs() {
            virsh::check(entry, paths, &inventory.settings, findings);
        }
    }
}

fn folders(paths: &Paths, inventory: &Inventory, findings: &mut Findings) {
    if inventory.missing {
        let message = "the folder for scripts is not there, so that there are none";
        let word = shell(paths.custom());
        let away = if paths.custom().is_symlink() { format!("rm {word} && ") } else { String::new() };
        findings.warning(Quoted::path(paths.custom()), message, format!("{away}install -d -m 0755 {word}"));
    }
    for (folder, error) in &inventory.unread {
        let message = format!("it can't be read: {error}; none of the scripts in it runs");
        let word = shell(folder);
        findings.error(Quoted::path(folder), message, format!("mv {word} {word}.old && install -d -m 0755 {word}"));
    }
}

fn of_entry(entry: &Entry, settings: &Settings, findings: &mut Findings) {
    let subject = Quoted::path(&entry.path).to_string();
    let at = entry.scope.map(|scope| scope.name()).unwrap_or_default();
    let when = if at == "all" { "at any operation".to_owned() } else { format!("at {at}") };
    match &entry.fate {
        Fate::Unfit(unfit) => {
            findings.error(subject, format!("{}: it does not run {when}", unfit.what), &unfit.remedy);
        }
        Fate::RunsUntrusted(fault) => {
            let message = format!("{}; it runs all the same {when}, since trust = \"warn\"", fault.reason());
            findings.warning(subject, message, fault.remedy());
        }
        Fate::LeftOut => {
            let tables = settings.tables().filter(|table| table.is_about(entry.file_name()));
            if let Some(table) = tables.filter(|table| table.restricts).last() {
                let message = "domains in the settings leaves it no VM to run for: it never runs";
                findings.warning(subject, message, editor(table.file, table.line));
            }
        }
        Fate::Folder if entry.scope.is_some() && entry.domain.is_none() => {
            let message = "it is a folder, and so is passed over as a script; it is looked into for a VM of that name, if \
                           there is one";
            let aside = entry.path.with_file_name([".", &entry.file_name().to_string_lossy()].concat());
            findings.warning(subject, message, format!("mv -n {} {}", shell(&entry.path), shell(&aside)));
        }
        Fate::Runs | Fate::Masked | Fate::Leftover | Fate::Folder | Fate::Other(_) => {}
    }
}

/// A script of a tutorial's name, which says nothing of an operation of libvirt.
fn of_a_tutorial(entry: &Entry, at: &str, findings: &mut Findings) {
    let name = entry.file_name().to_string_lossy();
    let to = entry.path.with_file_name(format!("{at}_{name}"));
    let message = format!(
        "its name begins with no operation and _: it never runs; tutorials run it at {at}, which is not start: prepare comes \
         before libvirt takes the VM's devices, start after"
    );
    findings.warning(Quoted::path(&entry.path), message, format!("mv -n {} {}", shell(&entry.path), shell(&to)));
}

/// A script whose name is nearly an operation's.
fn misnamed(entry: &Entry, meant: &str, names: &HashSet<&[u8]>, findings: &mut Findings) {
    if meant.as_bytes().ends_with(entry.file_name().as_bytes()) {
        let message = "its name is an operation's alone: it never runs. Scripts are named OPERATION_NAME; a start.sh of other \
                       hooks' folders often belongs to prepare or started";
        findings.warning(Quoted::path(&entry.path), message, editor(&entry.path, 1));
        return;
    }
    let folder = entry.label.iter().rposition(|&byte| byte == b'/').map_or(0, |slash| slash + 1);
    let taken = [entry.label.get(..folder).unwrap_or_default(), meant.as_bytes()].concat();
    let to = entry.path.with_file_name(OsStr::new(meant));
    let shown = Quoted::bytes(meant.as_bytes());
    let mut message = format!("its name begins with no operation and _: it never runs; did you mean {shown}?");
    let (from, to_word) = (shell(&entry.path), shell(&to));
    let executable = fs::metadata(&entry.path).is_ok_and(|status| status.permissions().mode() & 0o111 != 0);
    let remedy = match (names.contains(taken.as_slice()), are_alike(&entry.path, &to)) {
        (false, _) if executable => format!("mv -n {from} {to_word}"),
        (false, _) => {
            message.push_str(" It is not executable either");
            format!("mv -n {from} {to_word} && chmod +x {to_word}")
        }
        (true, true) => {
            message.push_str(" That is there, and is the same");
            format!("rm {from}")
        }
        (true, false) => {
            message.push_str(" That is there, and is another: keep one of them");
            format!("diff {from} {to_word}")
        }
    };
    findings.warning(Quoted::path(&entry.path), message, remedy);
}
