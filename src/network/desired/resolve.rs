//! Resolves a VM's declarations to its desired allocation, with the addresses that libvirt's networks reserve for it
//! and the devices that it is behind.
//!
//! It reads the host only through [`Networks`].

use std::collections::BTreeMap;
use std::ffi::OsStr;
use std::fmt;
use std::net::IpAddr;
use std::path::Path;

use ipnet::IpNet;

use crate::domain::Interface;
use crate::kernel::address::Family;
use crate::kernel::devices::is_device_name;
use crate::network::allocation::{Forward, Route};
use crate::network::declaration::{Declarations, DeclaredForward, DeclaredRoute, Source};
use crate::network::desired::libvirt_network::{Mac, Network, Networks, Unknown};
use crate::network::desired::plan::{Plan, Unplanned};
use crate::network::desired::reserved::Reserved;
use crate::record::Escaped;
use crate::trust::shell;

/// Reason why a declaration of a VM has no effect.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Reason {
    /// The VM has no interface that the host can reach it by.
    NoLink {
        /// The types of its interfaces: `direct`, `hostdev`, `user`, ...
        kinds: Vec<String>,
    },
    /// The declaration has no address, and no network of the VM's could reserve one.
    NoNetwork {
        /// The family, if only one is concerned.
        family: Option<Family>,
    },
    /// The network that could have reserved its address cannot be read.
    UnknownNetwork {
        /// Its name.
        network: String,
        /// The reason.
        why: String,
    },
    /// No address is reserved for it.
    NotReserved {
        /// The network that could reserve one.
        network: String,
        /// The MAC address of the interface.
        mac: Mac,
        /// The family, if only one is concerned.
        family: Option<Family>,
        /// Out of which addresses.
        subnet: IpNet,
        /// Index of the network's `<ip>`, from 0.
        index: usize,
    },
    /// Its metadata forwards to an address that is not reserved for it.
    NotItsOwn {
        /// The address.
        to: IpAddr,
    },
    /// Another declaration of the same VM has its port.
    PortTaken {
        /// The declared forward.
        wanted: Box<Forward>,
        /// The conflicting forward.
        reserved: Box<Forward>,
        /// The other declaration.
        by: Source,
    },
    /// Another declaration of the same VM has its destination.
    DestinationTaken {
        /// The other declaration.
        by: Source,
    },
}

/// Resolves the declarations for the VM `domain`, which has these interfaces.
pub fn resolve(
    declarations: &Declarations,
    domain: &OsStr,
    interfaces: &[Interface<'_>],
    networks: &dyn Networks,
) -> Plan {
    let mut plan = Plan::default();
    let links: Vec<&str> = interfaces.iter().filter_map(link).collect();
    plan.links = links.iter().map(|link| (*link).to_owned()).collect();
    let Some(device) = links.first() else {
        let kinds: Vec<String> = interfaces.iter().map(|own| own.kind.unwrap_or("unknown").to_owned()).collect();
        let sources = declarations.forwards.iter().map(|forward| &forward.source);
        let sources = sources.chain(declarations.routes.iter().map(|route| &route.source));
        let fault = |source: &Source| Reason::NoLink { kinds: kinds.clone() }.fault(source);
        plan.faults = sources.map(fault).collect();
        return plan;
    };
    let mut addresses = Addresses { domain, interfaces, networks, known: BTreeMap::new(), reserved: None };
    let mut reserved = Reserved::default();
    for declared in &declarations.forwards {
        let forwards =
            forwards(declared, &mut addresses).and_then(|forwards| free(forwards, &declared.source, &mut reserved));
        match forwards {
            Ok(forwards) => {
                let of = |forward| (forward, declared.source.clone());
                plan.forwards.extend(forwards.into_iter().map(of));
            }
            Err(reason) => plan.faults.push(reason.fault(&declared.source)),
        }
    }
    let mut destinations: BTreeMap<IpNet, &DeclaredRoute> = BTreeMap::new();
    for declared in &declarations.routes {
        // A destination within another is no conflict: the longer prefix wins.
        let other = *destinations.entry(declared.to).or_insert(declared);
        if std::ptr::eq(other, declared) {
            let route = Route { to: declared.to, device: (*device).to_owned(), proxy: declared.proxy.clone() };
            plan.routes.push((route, declared.source.clone()));
        } else if other.proxy != declared.proxy {
            plan.faults.push(Reason::DestinationTaken { by: other.source.clone() }.fault(&declared.source));
        }
    }
    plan
}

/// Returns the device through which the host reaches the guest behind an interface, if there is one.
fn link<'a>(interface: &'a Interface<'_>) -> Option<&'a str> {
    // The others lead past the host: a macvtap's device (`direct`) is on the host's own card, `hostdev` is a card,
    // `user` is a program.
    let reaches = matches!(interface.kind, Some("network" | "bridge" | "ethernet"));
    let device = interface.bridge.as_ref().map(|bridge| bridge.text).or(interface.target);
    // The kernel accepts other names, but nft and ip give some characters a meaning. libvirt's names are plain.
    let is_plain = |name: &str| name.bytes().all(|byte| byte.is_ascii_alphanumeric() || b"._-+@".contains(&byte));
    device.filter(|device| reaches && is_device_name(OsStr::new(device)) && is_plain(device))
}

/// The addresses that are known of a VM.
struct Addresses<'a> {
    domain: &'a OsStr,
    interfaces: &'a [Interface<'a>],
    networks: &'a dyn Networks,
    /// Networks that were read.
    known: BTreeMap<&'a str, Result<Network, Unknown>>,
    /// Addresses reserved for the VM, once they were needed.
    reserved: Option<Vec<IpAddr>>,
}

impl<'a> Addresses<'a> {
    /// The networks that the VM is on, with its MAC address there.
    fn attachments(&mut self) -> Vec<(&'a str, Mac)> {
        let (interfaces, networks) = (self.interfaces, self.networks);
        let attachments = interfaces.iter().filter(|interface| link(interface).is_some());
        let attachments: Vec<(&str, Mac)> =
            attachments.filter_map(|interface| Some((interface.network?, Mac::parse(interface.mac?)?))).collect();
        for (network, _) in &attachments {
            self.known.entry(network).or_insert_with(|| networks.network(network));
        }
        attachments
    }

    /// Returns the addresses reserved for the VM, in the order of its interfaces.
    fn reserved(&mut self) -> &[IpAddr] {
        if self.reserved.is_none() {
            let attachments = self.attachments();
            let name = self.domain.to_str().unwrap_or_default();
            let of =
                |(network, mac): (&str, Mac)| Some(self.known.get(network)?.as_ref().ok()?.reserved_for(mac, name));
            self.reserved = Some(attachments.into_iter().filter_map(of).flatten().collect());
        }
        self.reserved.as_deref().unwrap_or_default()
    }

    /// Returns the reason why no address is reserved for the VM in this family, or in any.
    fn why_none(&mut self, family: Option<Family>) -> Reason {
        for (name, mac) in self.attachments() {
            let network = name.to_owned();
            match self.known.get(name) {
                Some(Ok(known)) => {
                    let fits = |subnet: &IpNet| family.is_none_or(|family| Family::of(&subnet.addr()) == family);
                    let mut subnets = known.addresses.iter().map(IpNet::trunc).enumerate();
                    if let Some((index, subnet)) = subnets.find(|(_, subnet)| fits(subnet)) {
                        return Reason::NotReserved { network, mac, family, subnet, index };
                    }
                }
                Some(Err(why)) => return Reason::UnknownNetwork { network, why: why.to_string() },
                None => {}
            }
        }
        Reason::NoNetwork { family }
    }
}

/// Resolves a declared forward: one for each family.
fn forwards(declared: &DeclaredForward, addresses: &mut Addresses<'_>) -> Result<Vec<Forward>, Reason> {
    let families = [Family::Ipv4, Family::Ipv6].into_iter().filter(|family| declared.is_of(*family));
    let families: Vec<Family> = families.collect();
    let targets: Vec<IpAddr> = match declared.to {
        Some(to) => {
            // Otherwise a user who may edit a VM could open a port of the host to anything that the host can reach.
            if matches!(declared.source, Source::Metadata { .. }) && !addresses.reserved().contains(&to) {
                return Err(Reason::NotItsOwn { to });
            }
            vec![to]
        }
        None => {
            let reserved = addresses.reserved();
            // A port leads to one address: that of the first interface that has one.
            let first = |family| reserved.iter().copied().find(|address| Family::of(address) == family);
            families.iter().copied().filter_map(first).collect()
        }
    };
    if targets.is_empty() {
        return Err(addresses.why_none(families.first().copied().filter(|_| families.len() == 1)));
    }
    let forward = |to: IpAddr| Forward {
        protocol: declared.protocol,
        listen: declared.listen.filter(|listen| !listen.is_unspecified()),
        ports: declared.ports,
        to,
        to_port: declared.to_port.unwrap_or(declared.ports.first()),
        from: declared.from.iter().copied().filter(|from| from.addr().is_ipv4() == to.is_ipv4()).collect(),
    };
    Ok(targets.into_iter().map(forward).collect())
}

/// Returns the forwards that no earlier declaration has reserved. An overlap with a different one is an error.
fn free(mut forwards: Vec<Forward>, source: &Source, reserved: &mut Reserved<Source>) -> Result<Vec<Forward>, Reason> {
    for wanted in &forwards {
        if let Some((other, by)) = reserved.overlapping(wanted).filter(|(other, _)| *other != wanted) {
            let (wanted, reserved) = (Box::new(wanted.clone()), Box::new(other.clone()));
            return Err(Reason::PortTaken { wanted, reserved, by: by.clone() });
        }
    }
    forwards.retain(|forward| reserved.overlapping(forward).is_none());
    for forward in &forwards {
        reserved.insert(forward, source.clone());
    }
    Ok(forwards)
}

impl Reason {
    fn fault(&self, source: &Source) -> Unplanned {
        Unplanned::of(source, format!("{source} comes to nothing: {self}"))
    }
}

impl fmt::Display for Reason {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::NoLink { kinds } if kinds.is_empty() => {
                formatter.write_str("the VM has no network interface; fix: attach one to a bridge or a libvirt network")
            }
            Self::NoLink { kinds } => write!(
                formatter,
                "the VM's interfaces lead past the host, which can't reach it by them (type {}); fix: attach one to a \
                 bridge or a libvirt network",
                Escaped(kinds.join(", ").as_bytes())
            ),
            Self::NoNetwork { family } => write!(
                formatter,
                "it has no \"to\", and the VM is on no libvirt network that gives out {} addresses and could reserve one; fix: write \"to\" with the VM's address",
                family.map_or_else(|| "any".to_owned(), |family| family.to_string())
            ),
            Self::UnknownNetwork { network, why } => write!(
                formatter,
                "it has no \"to\", and what the network \"{}\" reserves for the VM is not known: {}; fix: write \"to\" \
                 with the VM's address",
                Escaped(network.as_bytes()),
                Escaped(why.as_bytes())
            ),
            Self::NotReserved { network, mac, family, subnet, index } => {
                let of = family.map(|family| format!("{family} ")).unwrap_or_default();
                // Over IPv6 a guest is known by a DUID: nearly all make one from the MAC address.
                let (host, note) = match Family::of(&subnet.addr()) {
                    Family::Ipv4 => (format!("mac='{mac}'"), ""),
                    Family::Ipv6 => (format!("id='0:3:0:1:{mac}'"), " and id what the guest asks with"),
                };
                // libvirt's default is the first one.
                let parent = if *index == 0 { String::new() } else { format!(" --parent-index {index}") };
                let (name, word) = (Escaped(network.as_bytes()), shell(Path::new(network)));
                write!(
                    formatter,
                    "it has no \"to\", and the network \"{name}\" reserves no {of}address for {mac}; fix: write \"to\" \
                     with the VM's address, or reserve one, ADDRESS one of {subnet}{note}: virsh net-update {word} add \
                     ip-dhcp-host \"<host {host} ip='ADDRESS'/>\" --live --config{parent}"
                )
            }
            Self::NotItsOwn { to } => write!(
                formatter,
                "a VM's metadata may forward only to what a libvirt network reserves for one of its MAC addresses, and {to} \
                 is not; fix: reserve it, or declare the forward in virt-hooks-network.toml"
            ),
            Self::PortTaken { wanted, reserved, by } => write!(
                formatter,
                "{wanted} overlaps what {by} has declared for the same VM before, {reserved}; fix: change one of them"
            ),
            Self::DestinationTaken { by } => write!(
                formatter,
                "{by} has declared the same destination for the same VM before, with another \"proxy\"; fix: remove \
                 one of them"
            ),
        }
    }
}

#[cfg(test)]
mod tests;
