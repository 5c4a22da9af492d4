//! What has to be changed on the host so that a VM has what it is to have: one function, for whatever is the occasion.

use std::collections::BTreeSet;
use std::net::IpAddr;

use ipnet::IpNet;

use crate::network::allocation::{Allocation, Route};
use crate::network::firewall::table::{Element, Place};

/// A destination and the device that it leads to, in the kernel's routing table.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct KernelRoute {
    /// The destination.
    pub to: IpNet,
    /// The device.
    pub device: String,
}

/// An address for which the host answers ARP or NDP on a device.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Proxy {
    /// The address.
    pub address: IpAddr,
    /// The device.
    pub device: String,
}

/// Things of the kernel's that belong to VMs.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct KernelState {
    /// In nftables.
    pub elements: BTreeSet<Element>,
    /// In the routing table.
    pub routes: BTreeSet<KernelRoute>,
    /// In the table of proxies.
    pub proxies: BTreeSet<Proxy>,
    /// Those of `proxies` that somebody else put there, and who will take them away.
    pub third_party: BTreeSet<Proxy>,
}

/// What is to be done.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Change {
    /// What is there and is to go.
    pub gone: KernelState,
    /// What is not there and is to come.
    pub new: KernelState,
    /// Forwards of which open connections are to be cut: the VM had them, and is to have them no more, whether or not the
    /// table has them still.
    pub cut: BTreeSet<Element>,
}

/// What is to be changed so that a VM that is known to have had `kept` has `desired`, where `actual` is what there is. What
/// is there besides, and was never this VM's, is somebody else's and stays, unless it stands in the place of what is
/// desired.
pub fn reconcile(desired: &KernelState, kept: &KernelState, actual: &KernelState) -> Change {
    let mut gone = KernelState {
        elements: in_vain(&desired.elements, &kept.elements, &actual.elements),
        routes: in_vain(&desired.routes, &kept.routes, &actual.routes),
        proxies: in_vain(&desired.proxies, &kept.proxies, &actual.proxies)
            .difference(&actual.third_party)
            .cloned()
            .collect(),
        third_party: BTreeSet::new(),
    };
    let places: BTreeSet<Place> = desired.elements.iter().filter_map(Element::place).collect();
    let strange = actual.elements.iter().filter(|there| there.place().is_some_and(|place| places.contains(&place)));
    gone.elements.extend(strange.filter(|there| !desired.elements.contains(there)).cloned());
    Change {
        gone,
        new: KernelState {
            elements: desired.elements.difference(&actual.elements).cloned().collect(),
            routes: desired.routes.difference(&actual.routes).cloned().collect(),
            proxies: desired.proxies.difference(&actual.proxies).cloned().collect(),
            third_party: BTreeSet::new(),
        },
        cut: kept
            .elements
            .difference(&desired.elements)
            .filter(|element| matches!(element, Element::Forward { .. }))
            .cloned()
            .collect(),
    }
}

/// What is there, was the VM's, and is not to be any more.
fn in_vain<T: Ord + Clone>(desired: &BTreeSet<T>, kept: &BTreeSet<T>, actual: &BTreeSet<T>) -> BTreeSet<T> {
    actual.iter().filter(|there| kept.contains(there) && !desired.contains(there)).cloned().collect()
}

impl Change {
    /// Whether there is nothing to do.
    pub fn is_nothing(&self) -> bool {
        self.gone.is_empty() && self.new.is_empty() && self.cut.is_empty()
    }
}

impl KernelState {
    /// What a VM has where it has been given this.
    pub fn of(allocation: &Allocation) -> Self {
        let forwards = allocation.forwards.iter().flat_map(Element::of);
        // The set takes no prefix that is in another one, which covers it.
        let is_covered =
            |route: &Route| allocation.routes.iter().any(|other| other.to != route.to && other.to.contains(&route.to));
        let routed = allocation.routes.iter().filter(|route| !is_covered(route)).map(|route| Element::Routed(route.to));
        let links = allocation.routes.iter().map(|route| Element::Link(route.device.clone()));
        let addresses: BTreeSet<IpAddr> = allocation.forwards.iter().map(|forward| forward.to).collect();
        let within = allocation
            .links
            .iter()
            .flat_map(|link| addresses.iter().map(move |address| Element::Within(link.clone(), *address)));
        Self {
            elements: forwards.chain(routed).chain(links).chain(within).collect(),
            routes: allocation
                .routes
                .iter()
                .map(|route| KernelRoute { to: route.to, device: route.device.clone() })
                .collect(),
            proxies: allocation.routes.iter().flat_map(proxies).collect(),
            third_party: BTreeSet::new(),
        }
    }

    /// Whether there are none.
    pub fn is_empty(&self) -> bool {
        self.elements.is_empty() && self.routes.is_empty() && self.proxies.is_empty()
    }

    /// Lets go of others.
    pub fn leave(&mut self, others: &Self) {
        self.elements.retain(|element| !others.elements.contains(element));
        self.routes.retain(|route| !others.routes.contains(route));
        self.proxies.retain(|proxy| !others.proxies.contains(proxy));
    }

    /// Takes in others.
    pub fn extend(&mut self, others: Self) {
        self.elements.extend(others.elements);
        self.routes.extend(others.routes);
        self.proxies.extend(others.proxies);
    }
}

fn proxies(route: &Route) -> impl Iterator<Item = Proxy> {
    let addresses = |device: &String| {
        let device = device.clone();
        // Of IPv4, too, every address of the prefix: it is routed, not a network of its own.
        let (first, last) = (route.to.network(), route.to.broadcast());
        let all: Box<dyn Iterator<Item = IpAddr>> = match (first, last) {
            (IpAddr::V4(first), IpAddr::V4(last)) => {
                Box::new((u32::from(first)..=u32::from(last)).map(|bits| IpAddr::V4(bits.into())))
            }
            (IpAddr::V6(first), IpAddr::V6(last)) => {
                Box::new((u128::from(first)..=u128::from(last)).map(|bits| IpAddr::V6(bits.into())))
            }
            _ => Box::new(std::iter::empty()),
        };
        // No declaration has more; a damaged ledger may.
        all.take(256).map(move |address| Proxy { address, device: device.clone() })
    };
    route.proxy.iter().flat_map(addresses)
}
