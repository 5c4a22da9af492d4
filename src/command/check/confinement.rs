//! Whether AppArmor or SELinux keep scripts from running, where one of them confines libvirt.

use std::fs;
use std::path::Path;

use super::Findings;
use crate::command::inventory::{Entry, Inventory};
use crate::journal::Quoted;
use crate::paths::Paths;
use crate::script::interpreter_of;
use crate::trust::shell;

pub(super) fn check(paths: &Paths, inventory: &Inventory, findings: &mut Findings) {
    for profile in profiles(paths) {
        for entry in inventory.entries.iter().filter(|entry| entry.runs()) {
            apparmor(entry, profile, paths, findings);
        }
    }
    if read(&paths.elsewhere("sys/fs/selinux/enforce")).trim() == "1" {
        selinux(paths, inventory, findings);
    }
}

fn read(path: &Path) -> String {
    fs::read_to_string(path).unwrap_or_default()
}

/// The shipped profiles of both daemons that call the hook, with their files (libvirt, `src/security/apparmor`).
const PROFILES: [(&str, &str); 2] = [("libvirtd", "usr.sbin.libvirtd"), ("virtqemud", "usr.sbin.virtqemud")];

/// The files of the profiles that are enforced here.
fn profiles(paths: &Paths) -> impl Iterator<Item = &'static str> {
    let loaded = read(&paths.elsewhere("sys/kernel/security/apparmor/profiles"));
    let enforced = move |profile: &str| loaded.lines().any(|line| line.trim() == format!("{profile} (enforce)"));
    PROFILES.into_iter().filter(move |(profile, _)| enforced(profile)).map(|(_, file)| file)
}

/// From where a profile lets the hook start programs: what lies in these folders themselves, and all below hooks.
const ALLOWED: [&str; 4] = ["/bin", "/sbin", "/usr/bin", "/usr/sbin"];
const HOOKS: &str = "/etc/libvirt/hooks";

/// A script starts if the profile lets its file, wherever links lead, and its interpreter start.
fn apparmor(entry: &Entry, profile: &str, paths: &Paths, findings: &mut Findings) {
    let file = fs::canonicalize(&entry.path).unwrap_or_else(|_| entry.path.clone());
    let interpreter = interpreter_of(&file).map(|interpreter| fs::canonicalize(&interpreter).unwrap_or(interpreter));
    for program in [Some(file), interpreter].into_iter().flatten() {
        let seen = Path::new("/").join(program.strip_prefix(paths.root()).unwrap_or(&program));
        // A rule's path stands in quotes, where a blank does no harm (apparmor.d(5)).
        let rule = format!("\"{}\" rix,", seen.display());
        let local = paths.elsewhere(&format!("etc/apparmor.d/local/{profile}"));
        if is_allowed(&seen) || read(&local).lines().any(|line| line.trim() == rule) {
            continue;
        }
        let message = format!(
            "AppArmor confines libvirt and does not let its hook start {}: it does not run",
            Quoted::path(&seen)
        );
        let whole = shell(&paths.elsewhere(&format!("etc/apparmor.d/{profile}")));
        let remedy = format!("echo {} >> {} && apparmor_parser -r {whole}", shell(Path::new(&rule)), shell(&local));
        findings.error(Quoted::path(&entry.path), message, remedy);
    }
}

fn is_allowed(program: &Path) -> bool {
    program.starts_with(HOOKS) || ALLOWED.iter().any(|folder| program.parent() == Some(Path::new(folder)))
}

/// What hooks are labelled (selinux-policy, `virt.fc`).
const HOOK_TYPE: &str = "virt_hook_t";

/// The switch that lets hooks do what root may (selinux-policy, `virt.te`).
const UNCONFINED: &str = "virt_hooks_unconfined";

fn selinux(paths: &Paths, inventory: &Inventory, findings: &mut Findings) {
    let scripts = inventory.entries.iter().filter(|entry| entry.runs()).map(|entry| entry.path.as_path());
    for path in std::iter::once(paths.hook()).chain(scripts) {
        let Some(label) = label(path) else { continue };
        if label.split(':').nth(2) != Some(HOOK_TYPE) {
            let message = format!("SELinux knows it as {label} and not as {HOOK_TYPE}: libvirt may not run it");
            findings.error(Quoted::path(path), message, format!("restorecon -v {}", shell(path)));
        }
    }
    let switch = paths.elsewhere(&format!("sys/fs/selinux/booleans/{UNCONFINED}"));
    if read(&switch).starts_with('0') {
        let message = "SELinux lets hooks do only what libvirt itself may: a script that does more fails at that";
        findings.warning(Quoted::path(&switch), message, format!("setsebool -P {UNCONFINED} on"));
    }
}

/// A file's label, `user:role:type:level`.
fn label(path: &Path) -> Option<String> {
    let mut label = vec![0; 256];
    let length = rustix::fs::getxattr(path, c"security.selinux", label.as_mut_slice()).ok()?;
    label.truncate(length);
    Some(String::from_utf8(label).ok()?.trim_end_matches('\0').to_owned())
}
