//! Whether the scripts run.

use std::collections::HashSet;
use std::ffi::OsStr;
use std::fs::File;
use std::io::Read;
use std::path::Path;

use super::Findings;
use super::settings::editor;
use crate::command::inventory::{Entry, Fate, Inventory};
use crate::journal::Quoted;
use crate::paths::Paths;
use crate::settings::Settings;
use crate::trust::shell;

/// How much of a script is looked through for a call of `virsh`, in bytes.
const READ: u64 = 256 << 10;

pub(super) fn check(paths: &Paths, inventory: &Inventory, findings: &mut Findings) {
    let custom = Quoted::path(paths.custom()).to_string();
    if inventory.missing {
        let message = "the folder for scripts is not there, so that there are none";
        findings.warning(&custom, message, format!("install -d -m 0755 {}", shell(paths.custom())));
    }
    for (folder, error) in &inventory.unread {
        let message = format!("it can't be read: {error}; none of the scripts in it is known");
        findings.error(Quoted::path(folder), message, format!("sudo {}", super::super::call(paths, "check")));
    }
    let names: HashSet<&[u8]> = inventory.entries.iter().map(|entry| entry.label.as_slice()).collect();
    for entry in &inventory.entries {
        of_entry(entry, &names, findings);
        if entry.runs() && inventory.settings.of_script(entry.file_name()).wait {
            call_of_virsh(entry, paths, &inventory.settings, findings);
        }
    }
}

fn of_entry(entry: &Entry, names: &HashSet<&[u8]>, findings: &mut Findings) {
    let subject = Quoted::path(&entry.path).to_string();
    let at = entry.scope.map(|scope| scope.name()).unwrap_or_default();
    let when = if at == "all" { "at any operation".to_owned() } else { format!("at {at}") };
    match &entry.fate {
        Fate::Unfit(unfit) => {
            findings.error(subject, format!("{}: it does not run {when}", unfit.what), &unfit.remedy);
        }
        Fate::RunsUntrusted(fault) => {
            let message = format!("{}; it runs all the same {when}, since trust = \"warn\"", fault.what());
            findings.warning(subject, message, fault.remedy());
        }
        Fate::Other(Some(meant)) => {
            let folder = entry.label.iter().rposition(|&byte| byte == b'/').map_or(0, |slash| slash + 1);
            let taken = [entry.label.get(..folder).unwrap_or_default(), meant.as_bytes()].concat();
            let to = entry.path.with_file_name(OsStr::new(meant));
            let message = format!(
                "its name begins with no operation and _: it never runs; did you mean {}?",
                Quoted::bytes(meant.as_bytes())
            );
            let remedy = match names.contains(taken.as_slice()) {
                true => format!("rm {} # {} is there already", shell(&entry.path), Quoted::bytes(meant.as_bytes())),
                false => format!("mv -n {} {}", shell(&entry.path), shell(&to)),
            };
            findings.warning(subject, message, remedy);
        }
        Fate::Folder if entry.scope.is_some() || entry.domain.is_some() => {
            let message =
                "it is a folder, and so is passed over as a script; it is looked into for a VM of that name only";
            let to =
                entry.path.with_file_name(OsStr::new("")).join(format!(".{}", entry.file_name().to_string_lossy()));
            findings.warning(subject, message, format!("mv -n {} {}", shell(&entry.path), shell(&to)));
        }
        Fate::Runs | Fate::Masked | Fate::Leftover | Fate::Folder | Fate::Other(None) => {}
    }
}

/// A script that calls libvirt waits for libvirt, and libvirt for the script.
fn call_of_virsh(entry: &Entry, paths: &Paths, settings: &Settings, findings: &mut Findings) {
    let Some(line) = calls_virsh(&entry.path) else { return };
    let message = format!(
        "line {line} calls virsh. On the VM of the event that waits until the script's deadline, since libvirt holds the VM \
         until the hook returns: read the XML on stdin (virt-hooks get), or let libvirt go on, by wait = false"
    );
    let must_be_waited_for = settings.of_script(entry.file_name()).on_failure == crate::settings::OnFailure::Abort;
    let remedy = if must_be_waited_for {
        editor(&entry.path, line)
    } else {
        let name = entry.file_name().to_string_lossy();
        let name: String = name.chars().map(|letter| if "[]*?'\"\\".contains(letter) { '?' } else { letter }).collect();
        let settings = shell(paths.settings());
        format!("printf '%s\\n' '' '[[script]]' 'name = \"{name}\"' 'wait = false' >> {settings}")
    };
    findings.warning(Quoted::path(&entry.path), message, remedy);
}

/// The line, from 1, in which a script calls `virsh`, outside of comments.
fn calls_virsh(path: &Path) -> Option<usize> {
    let mut text = Vec::new();
    File::open(path).ok()?.take(READ).read_to_end(&mut text).ok()?;
    if !text.starts_with(b"#!") {
        return None;
    }
    let is_word = |byte: Option<&u8>| byte.is_some_and(|byte| byte.is_ascii_alphanumeric() || b"_-".contains(byte));
    let calls = |line: &[u8]| {
        let code = line.trim_ascii_start();
        !code.starts_with(b"#")
            && memchr::memmem::find_iter(code, b"virsh").any(|at| {
                let before = at.checked_sub(1).and_then(|before| code.get(before));
                !is_word(before) && !is_word(code.get(at + b"virsh".len()))
            })
    };
    text.split(|&byte| byte == b'\n').position(calls).map(|index| index + 1)
}
