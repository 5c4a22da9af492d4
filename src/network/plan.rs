//! What a VM is to be given: what is declared for it, resolved, less what can't be had because another VM or a service of
//! the host has it already.

use std::cell::OnceCell;
use std::collections::BTreeSet;
use std::ffi::OsStr;
use std::fmt;

use super::address::Protocol;
use super::declaration::{Declarations, Source};
use super::given::{Forward, Given, Route};
use super::ledger::{ForwardsOfOthers, Ledger};
use super::libvirt_network::{Networks, ThisHostsNetworks};
use super::listener::Listeners;
use super::reflection;
use super::resolve::{self, Resolved};
use crate::domain::{DomainXml, Interface};
use crate::journal::Quoted;
use crate::paths::Paths;

/// How many elements a VM's forwards may come to in nftables: as many as there are ports.
const MAXIMUM_ELEMENTS: usize = 1 << 16;

/// What a VM is to be given, and what it can't be.
#[derive(Debug, Default)]
pub struct Plan {
    /// Its forwards, with where each is declared.
    pub forwards: Vec<(Forward, Source)>,
    /// Its routes, likewise.
    pub routes: Vec<(Route, Source)>,
    /// Its bridges and taps.
    pub links: BTreeSet<String>,
    /// Those of its taps that have to give back what comes by them.
    pub reflecting: BTreeSet<String>,
    /// What is declared and can't be given.
    pub faults: Vec<Unplanned>,
    /// What is declared, will be given, and will hardly be of use.
    pub doubts: Vec<Unplanned>,
}

/// What is wrong with a declaration for this VM.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Unplanned {
    /// Where it is declared, where that is the matter.
    pub source: Option<Source>,
    /// Which declaration, why, and what mends it.
    pub message: String,
}

impl fmt::Display for Unplanned {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str(&self.message)
    }
}

/// The plan for a VM with this XML, on a host where others have what the ledger says.
pub fn of(domain: &OsStr, declarations: &Declarations, xml: &DomainXml<'_>, ledger: &Ledger, paths: &Paths) -> Plan {
    let networks = ThisHostsNetworks::of(paths);
    let interfaces: Vec<_> = xml.interfaces().collect();
    let mut faults = Vec::new();
    let mut declarations = declarations.clone();
    let fault = |source: Source, message: String| Unplanned { source: Some(source), message };
    for refused in declarations.take_metadata(xml) {
        faults.push(fault(refused.source.clone(), refused.to_string()));
    }
    let Resolved { forwards, routes, links, faults: unresolved } =
        resolve::resolve(&declarations, domain, &interfaces, &networks);
    for unresolved in unresolved {
        faults.push(fault(unresolved.source.clone(), unresolved.to_string()));
    }

    let kept = ledger.of(domain).map(|entry| entry.given.reflecting.clone()).unwrap_or_default();
    let reflecting = reflection::needed(&interfaces, &kept, paths);
    let mut plan = Plan { links, reflecting, faults, ..Plan::default() };
    let mut occupants = Occupants::default();
    let others = ledger.forwards_of_others(domain);
    let mut elements = 0;
    let mut taken: Vec<(&Source, String)> = Vec::new();
    for (forward, source) in &forwards {
        elements += forward.ports.count() as usize * forward.from.len().max(1);
        let has = ledger.of(domain).is_some_and(|entry| entry.given.forwards.contains(forward));
        let why = conflict(forward, &others).or_else(|| if has { None } else { occupants.of(forward) }).or_else(|| {
            (elements > MAXIMUM_ELEMENTS).then(|| format!("with it the VM's forwards come to more than {MAXIMUM_ELEMENTS} ports, each counted for every prefix of from; to mend it, name fewer or wider ones"))
        });
        if let Some(why) = why {
            taken.push((source, format!("the forward {forward} ({source}) is not opened: {why}")));
        }
    }
    for (forward, source) in &forwards {
        // Of a declaration that comes to a forward of each family, half would not be what is declared.
        if !taken.iter().any(|(of, _)| *of == source) {
            plan.doubts.extend(outside(forward, source, &interfaces, &networks));
            plan.forwards.push((forward.clone(), source.clone()));
        }
    }
    taken.dedup_by(|later, earlier| later.0 == earlier.0);
    plan.faults.extend(taken.into_iter().map(|(source, message)| fault(source.clone(), message)));
    let kept_now =
        ledger.of(domain).filter(|_| declarations.unread).map(|entry| entry.given.clone()).unwrap_or_default();
    for forward in kept_now.forwards {
        // Where a file can't be read, what a VM has of it is not closed for that.
        if !plan.forwards.iter().any(|(planned, _)| planned.overlaps(&forward)) {
            plan.forwards.push((forward, Source::Unread));
        }
    }
    for (route, source) in routes {
        let other =
            ledger.routes_of_others(domain).find(|(_, theirs)| theirs.overlaps(&route)).map(|(other, theirs)| {
                format!("{} is the VM {}'s; to mend it, take one of them away", theirs.to, Quoted::name(other))
            });
        match other {
            Some(why) => {
                let message = format!("the route {route} ({source}) is not laid: {why}");
                plan.faults.push(fault(source, message));
            }
            None => plan.routes.push((route, source)),
        }
    }
    for route in kept_now.routes {
        if !plan.routes.iter().any(|(planned, _)| planned.overlaps(&route)) {
            plan.routes.push((route, Source::Unread));
        }
    }
    plan
}

impl Plan {
    /// What the VM is given by it.
    pub fn given(&self) -> Given {
        let forwards: BTreeSet<Forward> = self.forwards.iter().map(|(forward, _)| forward.clone()).collect();
        let routes: BTreeSet<Route> = self.routes.iter().map(|(route, _)| route.clone()).collect();
        let links = if forwards.is_empty() && routes.is_empty() { BTreeSet::new() } else { self.links.clone() };
        let reflecting = if forwards.is_empty() { BTreeSet::new() } else { self.reflecting.clone() };
        Given { forwards, routes, links, reflecting }
    }
}

/// A forward to an address that none of the VM's networks has, where all of them are libvirt's and so are known.
fn outside(
    forward: &Forward,
    source: &Source,
    interfaces: &[Interface<'_>],
    networks: &ThisHostsNetworks<'_>,
) -> Option<Unplanned> {
    let mut subnets = Vec::new();
    for interface in interfaces {
        let network = networks.network(interface.network?).ok()?;
        if network.addresses.is_empty() || network.has(forward.to) {
            return None;
        }
        subnets.extend(network.addresses.iter().map(|subnet| subnet.trunc().to_string()));
    }
    let message = format!(
        "the forward {forward} ({source}) leads to an address that none of the VM's networks has: they are {}; to mend it, \
         correct \"to\"",
        subnets.join(", ")
    );
    (!subnets.is_empty()).then(|| Unplanned { source: Some(source.clone()), message })
}

/// What another VM has of the same.
fn conflict(forward: &Forward, others: &ForwardsOfOthers<'_>) -> Option<String> {
    let (other, theirs) = others.overlapping(forward)?;
    Some(format!("the VM {} has {theirs} already; to mend it, give one of them another port", Quoted::name(other)))
}

/// How many of the services that are in the way are named: to find one's program takes up to half a second.
const NAMED: u32 = 4;

/// What listens on this host, asked for once, when it is first needed.
#[derive(Debug, Default)]
struct Occupants {
    tcp: OnceCell<Option<Listeners>>,
    udp: OnceCell<Option<Listeners>>,
    named: u32,
}

impl Occupants {
    /// What a service of the host has of the same.
    fn of(&mut self, forward: &Forward) -> Option<String> {
        let known = match forward.protocol {
            Protocol::Tcp => &self.tcp,
            Protocol::Udp => &self.udp,
        };
        // Where the kernel does not tell, a service may lose a port. The operator asked for that port.
        let listeners = known.get_or_init(|| Listeners::now(forward.protocol).ok()).as_ref()?;
        let occupant = match self.named < NAMED {
            true => listeners.occupant(forward)?,
            false => listeners.nameless_occupant(forward)?,
        };
        self.named += 1;
        Some(format!("{occupant}; to mend it, take another port, or a listen address on which nothing listens"))
    }
}
