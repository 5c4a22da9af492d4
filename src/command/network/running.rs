//! Which VMs run: what the hook has seen start and not end, as far as libvirt says the same.

use crate::command::host::virsh;
use crate::domain::DomainXml;
use crate::network::reconcile::all_domains::{self, Running};
use crate::paths::Paths;
use crate::process::{Supervisor, ToolError};

/// Which VMs run.
#[derive(Debug)]
pub(in crate::command) struct Known {
    /// Those that run.
    pub(in crate::command) running: Vec<Running>,
    /// Those that the hook has seen start, and of which libvirt says that they don't run.
    pub(in crate::command) ended: Vec<Running>,
    /// How many run of which the hook knows nothing, since it came later.
    pub(in crate::command) unseen: usize,
    /// Why libvirt could not be asked; then what the hook has seen counts.
    pub(in crate::command) unasked: Option<ToolError>,
}

/// Asks libvirt. Whoever does so must not hold a lock that a hook waits for: libvirt answers only when that hook ends.
pub(in crate::command) fn ask(programs: &mut Supervisor, paths: &Paths) -> Known {
    let seen = all_domains::running(paths);
    let list = match virsh::ask_by(programs, ["list", "--uuid"]) {
        Ok(list) => String::from_utf8_lossy(&list).into_owned(),
        Err(tool_error) => return Known { running: seen, ended: Vec::new(), unseen: 0, unasked: Some(tool_error) },
    };
    let uuids: Vec<String> = list.split_whitespace().map(|uuid| uuid.replace('-', "").to_lowercase()).collect();
    let uuid_of = |vm: &Running| DomainXml::parse(&vm.xml).ok().and_then(|xml| xml.identity().uuid);
    let (running, ended): (Vec<Running>, Vec<Running>) =
        seen.into_iter().partition(|vm| uuid_of(vm).is_none_or(|uuid| uuids.contains(&uuid)));
    let unseen = uuids.len().saturating_sub(running.len());
    Known { running, ended, unseen, unasked: None }
}

impl Known {
    /// What a person should know of it.
    pub(in crate::command) fn notes(&self) -> Vec<String> {
        let mut notes = Vec::new();
        if let Some(tool_error) = &self.unasked {
            notes.push(format!(
                "libvirt can't be asked which VMs run ({tool_error}): those count that the hook has seen start"
            ));
        }
        if self.unseen > 0 {
            let vms = if self.unseen == 1 { "1 VM runs" } else { &format!("{} VMs run", self.unseen) };
            notes.push(format!("{vms} of which the hook knows nothing, since it came later; fix: virt-hooks install"));
        }
        notes
    }

    /// Those that run, now that the lock is held: a VM that has been started or ended since has been seen to by its own hook,
    /// or that waits for the lock.
    pub(in crate::command) fn still(self, paths: &Paths) -> Vec<Running> {
        let now = all_domains::running(paths);
        now.into_iter().filter(|vm| !self.ended.contains(vm)).collect()
    }
}
