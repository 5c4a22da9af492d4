//! The last call of each daemon: proof that it has noticed the hook.
//!
//! It is the time of a file named by the daemon's process id. A call costs one system call, the first of a daemon a few more.

use std::fs;
use std::time::SystemTime;

use rustix::fs::{AtFlags, CWD, Timespec, Timestamps, UTIME_NOW};
use rustix::io::Errno;

use crate::driver::Driver;
use crate::paths::Paths;
use crate::state::Directory;

fn directory(paths: &Paths) -> Directory {
    Directory::new(paths.state(), "called")
}

/// Records that the parent of this process called, if that is a daemon of libvirt's.
pub(super) fn record(paths: &Paths, driver: &Driver) {
    const NOW: Timespec = Timespec { tv_sec: 0, tv_nsec: UTIME_NOW };
    let Some(parent) = rustix::process::getppid() else { return };
    let name = parent.to_string();
    let file = directory(paths).path(name.as_bytes());
    let times = Timestamps { last_access: NOW, last_modification: NOW };
    if rustix::fs::utimensat(CWD, file, &times, AtFlags::SYMLINK_NOFOLLOW) != Err(Errno::NOENT) {
        return;
    }
    let comm = fs::read_to_string(format!("/proc/{name}/comm")).unwrap_or_default();
    if driver.daemons().any(|daemon| daemon == comm.trim_end()) {
        // Without the record, check asks for a reload, which does no harm.
        _ = directory(paths).write(name.as_bytes(), b"");
    }
}

/// Returns the time of the last call by the process `pid`.
pub(crate) fn last_by(paths: &Paths, pid: i32) -> Option<SystemTime> {
    fs::symlink_metadata(directory(paths).path(pid.to_string().as_bytes())).ok()?.modified().ok()
}
