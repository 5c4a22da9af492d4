//! What the hook itself does for a VM's network at an event, before any script runs: tasks, one file each.
//!
//! A task takes the VM's XML and the host as it is, changes what it is there for, and says so in the log. What goes wrong in
//! one is a record, and nothing else: it neither keeps a script from running nor a VM from starting.

mod agent_properties;
pub mod bridges;
mod devices;
mod guest_device;
mod host;

use crate::domain::Document;
use crate::event::{Event, Operation};
use crate::journal::Journal;
use crate::paths::Paths;

pub use self::agent_properties::property as agent_property;
pub use self::guest_device::NoGuestDevice;
pub use self::host::{Host, ThisHost};

/// Every task, in the order in which they are done.
const TASKS: [Task; 1] = [bridges::TASK];

/// Something that the hook itself does for a VM's network.
#[derive(Debug)]
pub struct Task {
    /// At which events it has something to do.
    is_for: fn(&Event, Operation) -> bool,
    /// Does it, with the VM's XML that has been read. What it changes there, scripts and libvirt get.
    perform: fn(&mut Document, &Paths, &mut Journal),
}

/// The tasks of an event, in their order. For all but a few events there are none, and the XML is not even read.
pub fn tasks(event: &Event, operation: Operation) -> impl Iterator<Item = &'static Task> {
    TASKS.iter().filter(move |task| (task.is_for)(event, operation))
}

impl Task {
    /// Does the task with the VM's XML, which has been read.
    pub fn perform(&self, document: &mut Document, paths: &Paths, journal: &mut Journal) {
        (self.perform)(document, paths, journal);
    }
}
