//! Proof that a daemon has noticed the hook: its own calls since it started, a reload by `install`, or a hook that is older.
//!
//! The age of a file alone is none: `mv` away, a restart and `mv` back leave an old file that libvirt does not call.

use std::fs;
use std::os::unix::fs::MetadataExt;
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use super::daemon::{Daemon, FirstInstalled};
use crate::hook::called;
use crate::paths::Paths;

/// Returns true if nothing proves that the daemon calls the hook, which came to its place after the daemon started.
pub(crate) fn is_unproven(daemon: &Daemon, paths: &Paths) -> bool {
    let Some(came) = came_to_its_place(paths) else { return false };
    let called = called::last_by(paths, daemon.pid).is_some_and(|last| last >= daemon.since);
    came > daemon.since && !called && !FirstInstalled::was_reloaded_since(came, daemon, paths)
}

/// Returns true if the same is so, and the file is older than the daemon: it was moved away and back, not upgraded.
pub(crate) fn is_moved(daemon: &Daemon, paths: &Paths) -> bool {
    let made = fs::metadata(paths.hook()).and_then(|status| status.created());
    made.is_ok_and(|made| made < daemon.since) && is_unproven(daemon, paths)
}

/// Returns the time of the hook's last rename or change of mode (`st_ctime`).
fn came_to_its_place(paths: &Paths) -> Option<SystemTime> {
    let status = fs::metadata(paths.hook()).ok()?;
    let (seconds, nanoseconds) = (u64::try_from(status.ctime()).ok()?, u32::try_from(status.ctime_nsec()).ok()?);
    UNIX_EPOCH.checked_add(Duration::new(seconds, nanoseconds))
}
