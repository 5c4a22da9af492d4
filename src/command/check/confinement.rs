//! Whether AppArmor or SELinux keep scripts from running, where one of them confines libvirt.

use std::fs;
use std::io::{Read, Write};
use std::path::Path;

use super::Findings;
use crate::command::host::inventory::{Entry, Inventory};
use crate::driver::QEMU;
use crate::paths::Paths;
use crate::record::Quoted;
use crate::trust::shell;

pub(super) fn check(paths: &Paths, inventory: &Inventory, findings: &mut Findings) {
    for profile in profiles(paths) {
        for entry in inventory.entries.iter().filter(|entry| entry.runs()) {
            apparmor(entry, &profile, paths, findings);
        }
    }
    if read(&paths.elsewhere("sys/fs/selinux/enforce")).trim() == "1" {
        selinux(paths, inventory, findings);
    }
}

fn read(path: &Path) -> String {
    fs::read_to_string(path).unwrap_or_default()
}

/// The files of the shipped profiles that are enforced here, of every daemon that calls the hook (libvirt,
/// `src/security/apparmor`).
fn profiles(paths: &Paths) -> impl Iterator<Item = String> {
    let loaded = read(&paths.elsewhere("sys/kernel/security/apparmor/profiles"));
    let enforced = move |profile: &&str| loaded.lines().any(|line| line.trim() == format!("{profile} (enforce)"));
    paths.driver().daemons().filter(enforced).map(|profile| format!("usr.sbin.{profile}"))
}

/// From where a profile lets the hook start programs: what lies in these folders themselves, and all below hooks.
const ALLOWED: [&str; 4] = ["/bin", "/sbin", "/usr/bin", "/usr/sbin"];
const HOOKS: &str = "/etc/libvirt/hooks";

/// A script starts if the profile lets its file start, wherever links lead. Its interpreter the kernel opens itself, and asks for no
/// rule but that it may be read and mapped, as everything may (seen on Linux 6.1: packaging/test/confinement).
fn apparmor(entry: &Entry, profile: &str, paths: &Paths, findings: &mut Findings) {
    let file = fs::canonicalize(&entry.path).unwrap_or_else(|_| entry.path.clone());
    let seen = Path::new("/").join(file.strip_prefix(paths.root()).unwrap_or(&file));
    // A rule's path stands in quotes, where a blank does no harm (apparmor.d(5)).
    let rule = format!("\"{}\" rix,", seen.display());
    let local = paths.elsewhere(&format!("etc/apparmor.d/local/{profile}"));
    if is_allowed(&seen) || read(&local).lines().any(|line| line.trim() == rule) {
        return;
    }
    let message =
        format!("AppArmor confines libvirt and does not let its hook start {}: it does not run", Quoted::path(&seen));
    let whole = shell(&paths.elsewhere(&format!("etc/apparmor.d/{profile}")));
    let remedy = format!("echo {} >> {} && apparmor_parser -r {whole}", shell(Path::new(&rule)), shell(&local));
    findings.error(Quoted::path(&entry.path), message, remedy);
}

fn is_allowed(program: &Path) -> bool {
    program.starts_with(HOOKS) || ALLOWED.iter().any(|folder| program.parent() == Some(Path::new(folder)))
}

/// What hooks are labelled (selinux-policy, `virt.fc`).
const HOOK_TYPE: &str = "virt_hook_t";

/// The switch that lets virtqemud start hooks, and lets these do what root may (selinux-policy, `virt.te`, and our module).
const UNCONFINED: &str = "virt_hooks_unconfined";

/// What our package brings for it.
const MODULE: &str = "usr/share/selinux/packages/virt-hooks.cil";

fn selinux(paths: &Paths, inventory: &Inventory, findings: &mut Findings) {
    let switch = paths.elsewhere(&format!("sys/fs/selinux/booleans/{UNCONFINED}"));
    let state = read(&switch);
    // Policies that are older than the switch have no type for hooks, and confine neither daemon.
    if state.is_empty() {
        return;
    }
    let scripts = inventory.entries.iter().filter(|entry| entry.runs()).map(|entry| entry.path.as_path());
    for path in std::iter::once(paths.hook()).chain(scripts) {
        let Some(label) = label(path) else { continue };
        if label.split(':').nth(2) != Some(HOOK_TYPE) {
            let message = format!("SELinux knows it as {label} and not as {HOOK_TYPE}: libvirt may not run it");
            findings.error(Quoted::path(path), message, format!("restorecon -v {}", shell(path)));
        }
    }
    // The modular daemon is confined. libvirtd is not, and starts hooks whatever the switch says.
    let daemon = QEMU.daemon;
    let confined = ["sbin", "bin"].iter().any(|folder| paths.elsewhere(&format!("usr/{folder}/{daemon}")).exists());
    let on = state.starts_with('1');
    if !confined || may_start_hooks(&paths.elsewhere("sys/fs/selinux")).unwrap_or(on) {
        return;
    }
    let set = format!("setsebool -P {UNCONFINED} on");
    let load = format!("semodule -X 200 -i {}", shell(&paths.elsewhere(MODULE)));
    let remedy = match (on, paths.elsewhere(MODULE).exists()) {
        (true, _) => load,
        (false, true) => format!("{load} && {set}"),
        (false, false) => set,
    };
    let message = format!("SELinux does not let {daemon} start the hook: no script runs, and VMs may not start");
    findings.error(Quoted::path(paths.hook()), message, remedy);
}

/// Returns true if the policy in force lets the modular daemon start a hook; `None` where the kernel does not tell.
fn may_start_hooks(selinux: &Path) -> Option<bool> {
    let number = |of: &str| read(&selinux.join("class/file").join(of)).trim().parse::<u32>().ok();
    let (class, execute) = (number("index")?, number("perms/execute")?);
    let mut access = fs::File::options().read(true).write(true).open(selinux.join("access")).ok()?;
    // A question and its answer on one descriptor (security/selinux/selinuxfs.c, sel_write_access).
    write!(access, "system_u:system_r:{}_t:s0 system_u:object_r:{HOOK_TYPE}:s0 {class}", QEMU.daemon).ok()?;
    let mut answer = String::new();
    access.read_to_string(&mut answer).ok()?;
    allows(&answer, execute)
}

/// What an answer says of the permission of this number: `allowed decided auditallow auditdeny sequence flags`, of which all
/// but the last two are hexadecimal sets, and the lowest flag is of a domain that is not enforced.
fn allows(answer: &str, permission: u32) -> Option<bool> {
    let mut words = answer.split_ascii_whitespace();
    let allowed = u32::from_str_radix(words.next()?, 16).ok()?;
    let flags: u32 = words.nth(4)?.parse().ok()?;
    let bit = 1_u32.checked_shl(permission.checked_sub(1)?)?;
    Some(allowed & bit != 0 || flags & 1 != 0)
}

/// A file's label, `user:role:type:level`.
fn label(path: &Path) -> Option<String> {
    let mut label = vec![0; 256];
    let length = rustix::fs::getxattr(path, c"security.selinux", label.as_mut_slice()).ok()?;
    label.truncate(length);
    Some(String::from_utf8(label).ok()?.trim_end_matches('\0').to_owned())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_answer_of_the_kernel_is_read() {
        // Of file, execute is permission 14 on Linux 6.1.
        for (answer, expected) in [
            ("2017 ffffffff 0 ffffffff 4 0", Some(true)),
            ("17 ffffffff 0 ffffffff 4 0", Some(false)),
            ("17 ffffffff 0 ffffffff 4 1", Some(true)),
            ("17 ffffffff", None),
            ("", None),
            ("system_u:system_r:virtqemud_t:s0 and what was asked", None),
        ] {
            assert_eq!(allows(answer, 14), expected, "{answer:?}");
        }
        assert_eq!(allows("17 ffffffff 0 ffffffff 4 0", 0), None);
        assert_eq!(allows("17 ffffffff 0 ffffffff 4 0", 64), None);
    }
}
