//! Whether AppArmor or SELinux keep scripts from running, where one of them confines libvirt.

use std::fs::{self, File};
use std::io::Read;
use std::path::{Path, PathBuf};

use super::Findings;
use crate::command::inventory::{Entry, Inventory};
use crate::journal::Quoted;
use crate::paths::Paths;
use crate::trust::shell;

pub(super) fn check(paths: &Paths, inventory: &Inventory, findings: &mut Findings) {
    if is_confined_by_apparmor(paths) {
        for entry in inventory.entries.iter().filter(|entry| entry.runs()) {
            apparmor(entry, paths, findings);
        }
    }
    if read(&paths.elsewhere("sys/fs/selinux/enforce")).trim() == "1" {
        selinux(paths, inventory, findings);
    }
}

fn read(path: &Path) -> String {
    fs::read_to_string(path).unwrap_or_default()
}

/// The shipped profile of both daemons that call the hook (libvirt, `src/security/apparmor`).
const PROFILES: [&str; 2] = ["libvirtd", "virtqemud"];

fn is_confined_by_apparmor(paths: &Paths) -> bool {
    let loaded = read(&paths.elsewhere("sys/kernel/security/apparmor/profiles"));
    loaded.lines().any(|line| PROFILES.iter().any(|profile| line.trim() == format!("{profile} (enforce)")))
}

/// From where the profile lets the hook start programs: what lies in these folders themselves, and all below hooks.
const ALLOWED: [&str; 4] = ["/bin", "/sbin", "/usr/bin", "/usr/sbin"];
const HOOKS: &str = "/etc/libvirt/hooks";

/// A script starts if the profile lets its file, wherever links lead, and its interpreter start.
fn apparmor(entry: &Entry, paths: &Paths, findings: &mut Findings) {
    let file = fs::canonicalize(&entry.path).unwrap_or_else(|_| entry.path.clone());
    let interpreter = interpreter(&file).map(|interpreter| fs::canonicalize(&interpreter).unwrap_or(interpreter));
    for program in [Some(file), interpreter].into_iter().flatten() {
        let seen = Path::new("/").join(program.strip_prefix(paths.root()).unwrap_or(&program));
        let local = paths.elsewhere("etc/apparmor.d/local/usr.sbin.libvirtd");
        if is_allowed(&seen)
            || read(&local).lines().any(|rule| rule.trim().starts_with(&format!("{} ", seen.display())))
        {
            continue;
        }
        let message = format!(
            "AppArmor confines libvirt and does not let its hook start {}, so that it does not run",
            Quoted::path(&seen)
        );
        let profile = shell(&paths.elsewhere("etc/apparmor.d/usr.sbin.libvirtd"));
        let remedy = format!("echo '{} rix,' >> {} && apparmor_parser -r {profile}", seen.display(), shell(&local));
        findings.error(Quoted::path(&entry.path), message, remedy);
    }
}

fn is_allowed(program: &Path) -> bool {
    program.starts_with(HOOKS) || ALLOWED.iter().any(|folder| program.parent() == Some(Path::new(folder)))
}

fn interpreter(script: &Path) -> Option<PathBuf> {
    let mut head = Vec::new();
    File::open(script).ok()?.take(256).read_to_end(&mut head).ok()?;
    let line = String::from_utf8(head.split(|&byte| byte == b'\n').next()?.to_vec()).ok()?;
    line.strip_prefix("#!")?.split_ascii_whitespace().next().map(PathBuf::from)
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
