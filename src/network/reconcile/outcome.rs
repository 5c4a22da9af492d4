//! The result of changing one VM's part of the host's network.

use std::io;

use crate::network::allocation::{Forward, Route};
use crate::process::ToolError;
use crate::record::Quoted;
use crate::state::StateError;

/// The changes that were made.
#[derive(Debug, Default)]
pub struct Done {
    /// Forwards that are there now, and were not the VM's before.
    pub opened: Vec<Forward>,
    /// Forwards that were the VM's before, and are gone.
    pub closed: Vec<Forward>,
    /// Routes that are there now, and were not before.
    pub added_routes: Vec<Route>,
    /// Routes that are gone.
    pub removed_routes: Vec<Route>,
    /// Number of open connections deleted with their forwards.
    pub cut: usize,
    /// True if anything was changed.
    pub changed: bool,
    /// The part that was refused, if the rest was applied.
    pub refused: Option<String>,
    /// Failures that did not prevent the rest.
    pub warnings: Vec<String>,
}

impl Done {
    /// Adds an earlier change of the same VM.
    pub fn follow(&mut self, before: Self) {
        self.opened.extend(before.opened);
        self.closed.extend(before.closed);
        self.added_routes.extend(before.added_routes);
        self.removed_routes.extend(before.removed_routes);
        self.cut += before.cut;
        self.changed |= before.changed;
        self.warnings.extend(before.warnings);
    }
}

/// Reason why a VM's network could not be changed. Its previous state remains.
#[derive(Debug, thiserror::Error)]
pub enum Fault {
    /// The ledger cannot be written, so that nothing could undo the change later.
    #[error("what is given to VMs can't be noted, so nothing was changed: {0}")]
    Ledger(#[from] StateError),
    /// The table could not be changed.
    #[error(
        "the table inet virt-hooks could not be changed, so nothing was: {0}; to see what is wrong: virt-hooks network check"
    )]
    Table(ToolError),
    /// Routes could not be put in place.
    #[error("the routes could not be put in place, so nothing was changed: {0}; to see what is there: ip route show")]
    Routes(ToolError),
    /// A tool timed out, and may or may not have made the change.
    #[error(
        "{0}, so that it is not known what has been changed; that is looked into at the VM's next event, or by: virt-hooks \
         network apply"
    )]
    Unknown(ToolError),
    /// A device can't be made to answer.
    #[error("{} can't be made to answer NDP for others, so nothing was changed: {error}; fix: name a device of this host with IPv6", Quoted::bytes(.device.as_bytes()))]
    Answering {
        /// The device.
        device: String,
        /// The kernel's error.
        error: io::Error,
    },
}
