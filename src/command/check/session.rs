//! Sessions: the effect of the hook on an ordinary user's own libvirt (`qemu:///session`).

use super::Findings;
use crate::command::host::hook_file::HookFile;
use crate::hook::session;
use crate::paths::Paths;
use crate::record::Quoted;

pub(super) fn check(paths: &Paths, findings: &mut Findings) {
    let hook = Quoted::path(paths.hook());
    let holds = match HookFile::look(paths.hook()) {
        HookFile::Ours if session::runs_scripts(paths) => format!(
            "the settings have sessions = true, so the host's scripts run for your VMs as you, and are logged in {}",
            Quoted::path(session::paths(true).log())
        ),
        HookFile::Ours => "the settings do not have sessions = true, so no script runs for your VMs".to_owned(),
        HookFile::Missing => "the hook is absent or unreadable for you, so no script runs for your VMs".to_owned(),
        HookFile::CloudStack { .. } | HookFile::Dispatcher | HookFile::Foreign { .. } => {
            "the hook is another program than virt-hooks, and libvirt calls it for your VMs as you".to_owned()
        }
    };
    let message = format!("as an ordinary user, only your own libvirt (qemu:///session) was checked: {holds}");
    findings.warning(hook, message, "sudo virt-hooks check");
}
