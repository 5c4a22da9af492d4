//! A forward that listens on an address that the host does not have.

use std::collections::BTreeSet;
use std::net::IpAddr;

use super::host::Host;
use super::way::{Obstacle, Remedy, Vm, Way};
use crate::kernel::tools::{Tools, ip};

/// The most addresses that a message lists.
const LISTED: usize = 8;

/// Returns the obstacle, if there is one. An address of a `local` route is one of the host's, without a device that has it.
pub(super) fn find(vm: &Vm<'_>, way: Way<'_>, host: &Host<'_>, tools: &mut impl Tools) -> Option<Obstacle> {
    let (Way::Forward(forward), Some(located)) = (way, &host.addresses) else { return None };
    let host: Vec<IpAddr> = located.iter().map(|(_, address)| *address).collect();
    let listen = forward.listen.filter(|listen| !host.contains(listen))?;
    if !matches!(ip::is_local(listen, tools), Ok(false)) {
        return None;
    }
    let is_candidate =
        |address: &&IpAddr| address.is_ipv4() == listen.is_ipv4() && !address.is_loopback() && !is_link_local(address);
    let candidates: BTreeSet<&IpAddr> = host.iter().filter(is_candidate).collect();
    let mut listed: Vec<String> = candidates.iter().take(LISTED).map(ToString::to_string).collect();
    if candidates.len() > LISTED {
        listed.push("...".to_owned());
    }
    let has = if listed.is_empty() { "no address of that family".to_owned() } else { listed.join(", ") };
    let message = format!("the forward {forward} listens on an address that this host does not have; it has {has}");
    Some(Obstacle { subject: vm.subject(), message, remedy: Remedy::Declaration })
}

const fn is_link_local(address: &IpAddr) -> bool {
    match address {
        IpAddr::V4(_) => false,
        IpAddr::V6(address) => address.is_unicast_link_local(),
    }
}
