//! What the hook itself does for a VM's network: what arrives from another host is fitted to this one before any script
//! runs ([`migration`]), and what operators declare comes and goes with the VM ([`declaration`]).
//!
//! What goes wrong here is a record, and nothing else: it neither keeps a script from running nor, unless the settings ask
//! for that, a VM from starting.

pub mod address;
mod answering;
pub mod conntrack;
pub mod declaration;
mod devices;
pub mod given;
pub mod guard;
pub mod host_wide;
pub mod kernel;
pub mod ledger;
pub mod libvirt_network;
mod lifecycle;
pub mod listener;
pub mod marker;
pub mod migration;
pub mod nftables;
mod own;
pub mod plan;
pub mod reconcile;
pub mod reflection;
pub mod resolve;
pub mod settle;
pub mod status;
pub mod table;
pub mod taken;
pub mod watch;

use crate::domain::Document;
use crate::event::{Event, Operation};
use crate::journal::Journal;
use crate::paths::Paths;

pub use self::lifecycle::{Step, perform, rehearse, take_what_came_late};
pub use self::migration::{Host, NoGuestDevice, ThisHost, agent_property, bridges};

/// Every task, in the order in which they are done.
const TASKS: [Task; 1] = [bridges::TASK];

/// Something that the hook itself does to a VM's XML before scripts run.
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
