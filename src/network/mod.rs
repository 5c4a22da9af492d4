//! What the hook itself does for a VM's network at an event, before any script runs: tasks, one file each.
//!
//! A task takes the VM's XML and the host as it is, changes one of them, and says so in the log. What goes wrong in one is
//! a record, and nothing else: it neither keeps a script from running nor a VM from starting.

mod agent_properties;
pub mod bridges;
mod guest_device;
mod host;

use crate::domain::{Document, DomainXml, splice};
use crate::event::{Event, Operation};
use crate::journal::Journal;
use crate::paths::Paths;

pub use self::agent_properties::property;
pub use self::guest_device::NoGuestDevice;
pub use self::host::{Host, ThisHost};

/// Whether there is a task for this event, so that the VM's XML is needed.
pub fn has_a_task(event: &Event, operation: Operation) -> bool {
    // libvirt calls `migrate` with no other sub-operation; CloudStack's hook asks for it as well.
    operation == Operation::Migrate && event.sub_operation() == operation.sub_operation()
}

/// Does the tasks of an event that has some. What they change in the XML is changed in `document`.
pub fn perform(document: &mut Document, paths: &Paths, journal: &mut Journal) {
    if document.bytes().is_empty() {
        return;
    }
    if let Some(fault) = document.fault() {
        return journal.warn(None, format_args!("the VM's XML {fault}; its bridges stay as they are"));
    }
    let xml = match DomainXml::parse(document.bytes()) {
        Ok(xml) => xml,
        Err(unreadable) => {
            let message = format!("the VM's XML {unreadable}; its bridges stay as they are");
            return journal.warn(None, message);
        }
    };
    let host = ThisHost::new(paths);
    let plan = bridges::plan(&xml, &host);
    plan.tell(journal);
    if !plan.edits.is_empty() {
        let changed = splice(document.bytes(), &plan.edits);
        document.replace(changed);
    }
}
