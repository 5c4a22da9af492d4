//! A forward to a guest on a network without `<forward>`.
//!
//! libvirt gives the guests of such a network no gateway (`networkDnsmasqConfContents` of libvirt), so they have no way back to a
//! client beyond the network. The host and other guests are masqueraded, and reach it.

use std::path::Path;

use super::host::Host;
use super::way::{Obstacle, Remedy, Vm, Way};
use crate::record::Quoted;
use crate::trust::shell;

/// Returns the obstacle, if there is one.
pub(super) fn find(vm: &Vm<'_>, way: Way<'_>, host: &Host<'_>) -> Option<Obstacle> {
    // A guest with a route has an address of its own choice, and its own gateway with it.
    let Way::Forward(forward) = way else { return None };
    let (_, name, network) = host.networks_with(vm, forward.to).next()?;
    let is_near = |from| network.addresses.iter().any(|subnet| subnet.contains(from));
    if network.forward_mode.is_some() || !forward.from.is_empty() && forward.from.iter().all(is_near) {
        return None;
    }
    let subject = format!("the network {}", Quoted::bytes(name.as_bytes()));
    let message = "it has no <forward>, so libvirt gives its guests no gateway: connections from outside get no answer. A <forward \
                   mode='open'/> gives them one, from the network's and the guests' next start";
    let remedy = Remedy::Command(format!("virsh net-edit {}", shell(Path::new(name))));
    Some(Obstacle { subject, message: message.to_owned(), remedy })
}
