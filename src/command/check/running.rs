//! Scripts that libvirt has been waiting for too long.

use std::ffi::OsStr;
use std::os::unix::ffi::OsStrExt;
use std::time::Duration;

use super::Findings;
use crate::command::call;
use crate::command::host::inventory::Inventory;
use crate::command::host::running::runs;
use crate::paths::Paths;
use crate::record::Quoted;
use crate::record::outcome::Seconds;

/// From this age on, or from half its timeout on, a run is reported.
const LONG: Duration = Duration::from_secs(60);

pub(super) fn check(paths: &Paths, inventory: &Inventory, findings: &mut Findings) {
    for run in runs(paths, &inventory.settings).unwrap_or_default().iter().filter(|run| run.waits) {
        let (Some(script), Some(timeout)) = (&run.script, run.timeout) else { continue };
        let age = run.age();
        if age < LONG.min(timeout / 2) {
            continue;
        }
        let path = paths.custom().join(OsStr::from_bytes(script));
        let message = format!(
            "it has run for {} for the VM {} at {}, and libvirt waits for it; it is ended after {}",
            Seconds(Duration::from_secs(age.as_secs())),
            Quoted::name(&run.domain),
            Quoted::name(&run.operation),
            Seconds(timeout)
        );
        findings.warning(Quoted::path(&path), message, call(paths, &format!("stop {}", run.pid)));
    }
}
