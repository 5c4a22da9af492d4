//! The plan for a domain on this host: its declarations, resolved, without those that conflict with another domain or a service
//! of the host.

use std::collections::{BTreeMap, BTreeSet};
use std::net::IpAddr;

use crate::domain::{DomainXml, Interface};
use crate::driver::Object;
use crate::kernel::address::Protocol;
use crate::kernel::deadline::Deadline;
use crate::kernel::devices::hairpin_mode;
use crate::kernel::{host_addresses, sysctl};
use crate::network::allocation::{Allocation, Forward, Route};
use crate::network::applied::ledger::{ForwardsOfOthers, Ledger};
use crate::network::declaration::{Declarations, Source};
use crate::network::desired::libvirt_network::{Network, Networks, ThisHostsNetworks};
use crate::network::desired::listener::Listeners;
use crate::network::desired::plan::{Plan, Unplanned};
use crate::network::desired::resolve::resolve;
use crate::network::timeouts;
use crate::paths::Paths;
use crate::record::Quoted;

/// Maximum number of nftables elements of a VM's forwards: as many as there are ports.
const MAXIMUM_ELEMENTS: usize = 1 << 16;

/// Maximum number of elements with sources: the kernel takes half a second for so many, and more than in proportion
/// beyond.
const MAXIMUM_WITH_SOURCES: usize = 1 << 12;

/// Plans a VM with this XML, given the allocations in the ledger.
pub fn plan(
    object: &Object,
    declarations: &Declarations,
    xml: &DomainXml<'_>,
    ledger: &Ledger,
    paths: &Paths,
    deadline: Deadline,
) -> Plan {
    let deadline = deadline.within(timeouts::PLANNING);
    let networks = ThisHostsNetworks::of(paths);
    let interfaces: Vec<_> = xml.interfaces().collect();
    let mut declarations = declarations.clone();
    let refused = declarations.take_metadata(xml);
    let mut plan = resolve(&declarations, object.name(), &interfaces, &networks);
    let has = ledger.of(object).map(|entry| entry.allocation.clone()).unwrap_or_default();
    plan.hairpin_taps = hairpin_taps(&interfaces, &has.hairpin_taps, paths);
    let refused = refused.into_iter().map(|refused| Unplanned::of(&refused.source, refused.to_string()));
    plan.faults.splice(..0, refused);
    let (forwards, routes) = (std::mem::take(&mut plan.forwards), std::mem::take(&mut plan.routes));
    let others = ledger.forwards_of_others(object, forwards.iter().map(|(forward, _)| forward));
    plan.add_forwards(&forwards, &has, &others, deadline);
    let hosts = if routes.is_empty() { Vec::new() } else { of_the_host(paths, deadline) };
    for (route, source) in routes {
        let other = ledger.routes_of_others(object).find(|(_, theirs)| theirs.overlaps(&route));
        let others = other.map(|(other, Route { to, .. })| {
            format!("{to} is the VM {}'s; fix: take one of them away", Quoted::name(other.name()))
        });
        let hosts = hosts.iter().find(|address| route.to.contains(*address));
        let why = others.or_else(|| {
            hosts.map(|address| format!("{address} is the host's own or its gateway's; fix: leave that out of \"to\""))
        });
        match why {
            Some(why) => {
                plan.faults.push(Unplanned::of(&source, format!("the route {route} ({source}) is not added: {why}")));
            }
            None => plan.routes.push((route, source)),
        }
    }
    if declarations.unread {
        plan.keep(has);
    }
    plan.doubt(&interfaces, &networks);
    plan
}

impl Plan {
    /// Adds the forwards that conflict with no other.
    fn add_forwards(
        &mut self,
        forwards: &[(Forward, Source)],
        has: &Allocation,
        others: &ForwardsOfOthers<'_>,
        deadline: Deadline,
    ) {
        let mut occupants = Occupants::default();
        let mut elements = Elements::default();
        let mut refused: Vec<(Source, String)> = Vec::new();
        for (forward, source) in forwards {
            let why = conflict(forward, others)
                .or_else(|| if has.forwards.contains(forward) { None } else { occupants.of(forward, deadline) })
                .or_else(|| elements.too_many_with(forward));
            if let Some(why) = why {
                refused.push((source.clone(), format!("the forward {forward} ({source}) is not added: {why}")));
            }
        }
        // A declaration with a forward of each family is refused whole, since half of it is not what is declared.
        let is_refused = |source: &Source| refused.iter().any(|(of, _)| of == source);
        self.forwards.extend(forwards.iter().filter(|(_, source)| !is_refused(source)).cloned());
        refused.dedup_by(|later, earlier| later.0 == earlier.0);
        self.faults.extend(refused.iter().map(|(source, message)| Unplanned::of(source, message.clone())));
    }

    /// Keeps the VM's recorded allocation, unless something else is planned in its place: an unreadable file closes no
    /// forward.
    fn keep(&mut self, has: Allocation) {
        for forward in has.forwards {
            if !self.forwards.iter().any(|(planned, _)| planned.overlaps(&forward)) {
                self.forwards.push((forward, Source::Unread));
            }
        }
        for route in has.routes {
            if !self.routes.iter().any(|(planned, _)| planned.overlaps(&route)) {
                self.routes.push((route, Source::Unread));
            }
        }
    }

    /// Finds forwards to an address that none of the VM's networks has, where all of them are libvirt's and so are known.
    fn doubt(&mut self, interfaces: &[Interface<'_>], networks: &dyn Networks) {
        let names: Option<BTreeSet<&str>> = interfaces.iter().map(|interface| interface.network).collect();
        let known: Option<Vec<Network>> = names.into_iter().flatten().map(|name| networks.network(name).ok()).collect();
        let Some(known) = known.filter(|known| !known.iter().any(|network| network.addresses.is_empty())) else {
            return;
        };
        let subnets: Vec<String> =
            known.iter().flat_map(|network| &network.addresses).map(|subnet| subnet.trunc().to_string()).collect();
        let is_outside = |forward: &Forward| !known.is_empty() && !known.iter().any(|network| network.has(forward.to));
        let doubts = self.forwards.iter().filter(|(forward, _)| is_outside(forward)).map(|(forward, source)| {
            let message = format!(
                "the forward {forward} ({source}) leads to an address that none of the VM's networks has: they are {}; fix: correct \"to\"",
                subnets.join(", ")
            );
            Unplanned::of(source, message)
        });
        self.doubts = doubts.collect();
    }
}

/// Returns the taps that need hairpin mode: those in `kept`, on which this program enabled it, and those on which it is
/// off.
///
/// With `br_netfilter` (Docker loads it) a frame is translated while the bridge still has it. A frame from a guest to
/// its own forward then leaves by the port that it came in by, which a bridge forbids without that mode.
fn hairpin_taps(interfaces: &[Interface<'_>], kept: &BTreeSet<String>, paths: &Paths) -> BTreeSet<String> {
    let asks = |name: &str| sysctl::read(paths, name).is_ok_and(|value| value == "1");
    if !["net/bridge/bridge-nf-call-iptables", "net/bridge/bridge-nf-call-ip6tables"].into_iter().any(asks) {
        return BTreeSet::new();
    }
    let taps = interfaces.iter().filter(|interface| interface.bridge.is_some());
    let taps = taps.filter_map(|interface| interface.target);
    let off = |tap: &&str| kept.contains(*tap) || hairpin_mode(paths.network_devices(), tap) == Some(false);
    taps.filter(off).map(str::to_owned).collect()
}

/// Returns the addresses that no route may take from the host: its own, and its gateways'.
fn of_the_host(paths: &Paths, deadline: Deadline) -> Vec<IpAddr> {
    // If the kernel does not list them, the operator's declaration counts.
    let own = host_addresses::addresses(deadline).unwrap_or_default();
    own.into_iter().chain(host_addresses::gateways(paths)).collect()
}

/// Returns another VM's conflicting forward.
fn conflict(forward: &Forward, others: &ForwardsOfOthers<'_>) -> Option<String> {
    let (other, theirs) = others.overlapping(forward)?;
    Some(format!("the VM {} has {theirs} already; fix: give one of them another port", Quoted::name(other.name())))
}

/// Number of nftables elements of a VM's forwards.
#[derive(Debug, Default)]
struct Elements {
    all: usize,
    with_sources: usize,
}

impl Elements {
    /// Returns the reason if there are too many elements with this forward.
    fn too_many_with(&mut self, forward: &Forward) -> Option<String> {
        let count = forward.ports.count() as usize * forward.from.len().max(1);
        self.all += count;
        self.with_sources += if forward.from.is_empty() { 0 } else { count };
        if self.with_sources > MAXIMUM_WITH_SOURCES {
            return Some(format!(
                "with it the VM's forwards that name \"from\" come to more than {MAXIMUM_WITH_SOURCES} ports, each counted for every \
                 prefix; fix: name fewer or wider prefixes"
            ));
        }
        (self.all > MAXIMUM_ELEMENTS).then(|| {
            format!("with it the VM's forwards come to more than {MAXIMUM_ELEMENTS} ports; fix: forward fewer")
        })
    }
}

/// Maximum number of conflicting services that are named: the search for a service's program takes up to half a second.
const NAMED: u32 = 4;

/// Listening sockets of this host, listed once for each protocol when first needed.
#[derive(Debug, Default)]
struct Occupants {
    listeners: BTreeMap<Protocol, Option<Listeners>>,
    named: u32,
}

impl Occupants {
    /// Returns a conflicting service of the host.
    fn of(&mut self, forward: &Forward, deadline: Deadline) -> Option<String> {
        let list = || Listeners::now(forward.protocol, deadline).ok();
        // If the kernel does not list them, a service may lose a port; the operator asked for that port.
        let listeners = self.listeners.entry(forward.protocol).or_insert_with(list).as_ref()?;
        let occupant = listeners.occupant(forward, (self.named < NAMED).then_some(deadline))?;
        self.named += 1;
        Some(format!("{occupant}; fix: take another port, or a listen address on which nothing listens"))
    }
}
