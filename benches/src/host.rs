//! A host in a folder, in mounts and a network of its own: the hook sees its real paths there, and nothing of this machine is
//! touched.

use std::fs;
use std::io;
use std::os::unix::fs::{PermissionsExt, symlink};
use std::path::Path;

use nix::mount::{MsFlags, mount};
use nix::sched::{CloneFlags, CpuSet, sched_setaffinity, unshare};
use nix::unistd::Pid;

use crate::build::Programs;
use crate::call::Failure;

/// Path of the hook.
pub(crate) const HOOK: &str = "/etc/libvirt/hooks/qemu";
pub(crate) const CUSTOM: &str = "/etc/libvirt/hooks/custom";
pub(crate) const LOG: &str = "/var/log/libvirt/qemu-hook.log";
const SETTINGS: &str = "/etc/libvirt/hooks/virt-hooks.toml";

/// The controls.
pub(crate) const EXIT: &str = "/controls/exit";
pub(crate) const EMPTY: &str = "/controls/empty";
pub(crate) const SPAWN: &str = "/controls/spawn";

/// Another build of the hook, if one was named.
pub(crate) const BEFORE: &str = "/controls/before/qemu";

/// A script that does nothing.
pub(crate) const SH: &str = "#!/bin/sh\nexit 0\n";

/// Moves this process into a host that has the hook, the controls and no scripts. What is written to `/out` there comes into
/// `out`. Its folders lie on the disk, as they do on a host, but for `/run`.
pub(crate) fn enter(folder: &Path, programs: &Programs, out: &Path) -> Result<(), Failure> {
    if !nix::unistd::geteuid().is_root() {
        return Err("this needs root, for mounts of its own at the hook's places".into());
    }
    if folder.exists() {
        fs::remove_dir_all(folder)?;
    }
    for path in ["etc/libvirt/hooks/custom", "etc/cloudstack/agent", "var/log/libvirt", "controls/before", "out", "tmp"]
    {
        fs::create_dir_all(folder.join(path))?;
    }
    fs::copy(&programs.hook, folder.join("etc/libvirt/hooks/qemu"))?;
    for (control, place) in [(&programs.exit, EXIT), (&programs.empty, EMPTY), (&programs.spawn, SPAWN)] {
        fs::copy(control, folder.join(place.trim_start_matches('/')))?;
    }
    if let Some(before) = &programs.before {
        fs::copy(before, folder.join(BEFORE.trim_start_matches('/')))?;
    }
    // A time zone is read once in an event that logs something.
    _ = fs::copy("/etc/localtime", folder.join("etc/localtime"));
    // The physical device of a CloudStack host's guest network, for the bridges of a VM that arrives.
    fs::write(folder.join("etc/cloudstack/agent/agent.properties"), "guest.network.device=cloudbr0\n")?;
    fs::create_dir_all(folder.join("sys/class/net/eth0"))?;
    fs::create_dir_all(folder.join("sys/class/net/cloudbr0/brif/eth0"))?;
    fs::write(folder.join("sys/class/net/cloudbr0/brif/eth0/port_no"), "0x1\n")?;

    unshare(CloneFlags::CLONE_NEWNS | CloneFlags::CLONE_NEWNET)?;
    mount(None::<&str>, "/", None::<&str>, MsFlags::MS_REC | MsFlags::MS_PRIVATE, None::<&str>)?;
    for name in ["usr", "bin", "sbin", "lib", "lib64", "etc/alternatives", "proc", "dev"] {
        let (there, here) = (Path::new("/").join(name), folder.join(name));
        match fs::symlink_metadata(&there) {
            Ok(status) if status.is_symlink() => symlink(fs::read_link(&there)?, here)?,
            Ok(_) => bind(&there, &here)?,
            Err(_) => {}
        }
    }
    bind(out, &folder.join("out"))?;
    let run = folder.join("run");
    fs::create_dir(&run)?;
    mount(Some("tmpfs"), &run, Some("tmpfs"), MsFlags::empty(), Some("mode=755"))?;
    nix::unistd::chroot(folder)?;
    Ok(std::env::set_current_dir("/")?)
}

fn bind(there: &Path, here: &Path) -> Result<(), Failure> {
    fs::create_dir_all(here)?;
    Ok(mount(Some(there), here, None::<&str>, MsFlags::MS_BIND | MsFlags::MS_REC, None::<&str>)?)
}

/// Stays on one processor from here on, with all that it starts, and before whatever else runs there.
pub(crate) fn pin() -> Result<(), Failure> {
    let mut processors = CpuSet::new();
    // The first one is where interrupts are served, as a rule.
    let last = std::thread::available_parallelism()?.get() - 1;
    processors.set(last)?;
    sched_setaffinity(Pid::from_raw(0), &processors)?;
    Ok(rustix::process::setpriority_process(None, -20)?)
}

/// Adds as many scripts of this content for an operation, and gives their paths.
pub(crate) fn scripts(operation: &str, count: usize, content: &[u8]) -> io::Result<Vec<String>> {
    let paths = (0..count).map(|number| {
        let path = format!("{CUSTOM}/{operation}_{number:04}");
        write_program(Path::new(&path), content)?;
        Ok(path)
    });
    paths.collect()
}

/// Puts as many files in `custom/` that are no scripts.
pub(crate) fn unrelated_files(count: usize) -> io::Result<()> {
    (0..count).try_for_each(|number| fs::write(format!("{CUSTOM}/notes-{number:05}.txt"), ""))
}

/// Takes all scripts away. The folder is made anew, since one that was large stays so.
pub(crate) fn empty_custom() -> io::Result<()> {
    fs::remove_dir_all(CUSTOM)?;
    fs::create_dir(CUSTOM)
}

fn write_program(path: &Path, content: &[u8]) -> io::Result<()> {
    fs::write(path, content)?;
    fs::set_permissions(path, fs::Permissions::from_mode(0o755))
}

/// Writes the settings, or takes them away.
pub(crate) fn settings(text: Option<&str>) -> io::Result<()> {
    match text {
        Some(text) => fs::write(SETTINGS, text),
        None => fs::remove_file(SETTINGS),
    }
}
