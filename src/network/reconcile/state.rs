//! The elements, routes and proxies of domains in the kernel: those that an allocation comes to, and those that exist.

use std::collections::BTreeSet;
use std::net::IpAddr;

use crate::kernel::tools::HostTools;
use crate::kernel::tools::ip::{self, KernelRoute, Proxy};
use crate::network::allocation::{Allocation, Route};
use crate::network::firewall::table::{self, Element, Listing};
use crate::process::ToolError;

/// Protocol number of this program's routes and proxies (`ip route show proto 118`). Linux assigns numbers above 99
/// only to well-known daemons (`include/uapi/linux/rtnetlink.h`), and 118 to none.
const ROUTE_PROTOCOL: &str = "118";

/// Things of the kernel's that belong to VMs.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct KernelState {
    /// In nftables.
    pub elements: BTreeSet<Element>,
    /// In the routing table.
    pub routes: BTreeSet<KernelRoute>,
    /// In the table of proxies.
    pub proxies: BTreeSet<Proxy>,
    /// Proxies that others added, and will delete.
    pub third_party: BTreeSet<Proxy>,
}

impl KernelState {
    /// Returns the state of an allocation.
    pub fn of(allocation: &Allocation) -> Self {
        let forwards = allocation.forwards.iter().flat_map(Element::of);
        // The set refuses a prefix within another one, which covers it.
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

    /// Observes all state of this program, and the table as nft lists it.
    ///
    /// # Errors
    /// nft or ip fails.
    pub fn observe(tools: &mut HostTools<'_>) -> Result<(Self, Option<Listing>), ToolError> {
        let listing = table::list(tools)?;
        let routing = match Self::observe_routing(tools) {
            // Without it no route was ever added.
            Err(ToolError::Missing(_)) => Self::default(),
            routing => routing?,
        };
        let elements = listing.as_ref().map(|listing| listing.elements.clone()).unwrap_or_default();
        Ok((Self { elements, ..routing }, listing))
    }

    /// Observes this program's routes, and all proxies.
    ///
    /// # Errors
    /// `ip` is absent or fails.
    pub fn observe_routing(tools: &mut HostTools<'_>) -> Result<Self, ToolError> {
        let mut seen = Self { routes: ip::routes(ROUTE_PROTOCOL, tools)?, ..Self::default() };
        for (proxy, protocol) in ip::proxies(tools)? {
            if protocol.as_deref() != Some(ROUTE_PROTOCOL) {
                seen.third_party.insert(proxy.clone());
            }
            seen.proxies.insert(proxy);
        }
        Ok(seen)
    }

    /// Adds its routes and proxies, one after another.
    ///
    /// # Errors
    /// One is refused; those before it have been added.
    pub fn add_routes(&self, tools: &mut HostTools<'_>) -> Result<(), ToolError> {
        ip::add(&self.routes, &self.proxies, ROUTE_PROTOCOL, tools)
    }

    /// Deletes its routes and proxies. Those that are absent already, with their device, are no error.
    ///
    /// # Errors
    /// `ip` is absent, or times out.
    pub fn delete_routes(&self, tools: &mut HostTools<'_>) -> Result<(), ToolError> {
        ip::delete(&self.routes, &self.proxies, ROUTE_PROTOCOL, tools)
    }

    /// Returns true if it is empty.
    pub fn is_empty(&self) -> bool {
        self.elements.is_empty() && self.routes.is_empty() && self.proxies.is_empty()
    }

    /// Lets go of others.
    pub fn leave(&mut self, others: &Self) {
        self.elements.retain(|element| !others.elements.contains(element));
        self.routes.retain(|route| !others.routes.contains(route));
        self.proxies.retain(|proxy| !others.proxies.contains(proxy));
    }

    /// Adds another state.
    pub fn extend(&mut self, others: Self) {
        self.elements.extend(others.elements);
        self.routes.extend(others.routes);
        self.proxies.extend(others.proxies);
    }
}

fn proxies(route: &Route) -> impl Iterator<Item = Proxy> {
    let addresses = |device: &String| {
        let device = device.clone();
        // All addresses of an IPv4 prefix count, too: it is routed, not a network of its own.
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
