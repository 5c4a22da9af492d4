//! What a VM has been given of the host's network, or is to be given: forwards with every address known, routes with their
//! device. It is what declarations come to for a VM that runs.

use std::collections::BTreeSet;
use std::fmt;
use std::net::IpAddr;

use ipnet::IpNet;

use crate::kernel::address::{Family, Ports, Protocol};
use crate::network::claim::{Claim, touch};
use crate::network::firewall::traffic::{Families, Traffic};

/// Ports of the host that lead to a VM.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Forward {
    /// Of which protocol.
    pub protocol: Protocol,
    /// Of which of the host's addresses; of every one but the loopback's where it is none. Of the same family as `to`.
    pub listen: Option<IpAddr>,
    /// Which ports of the host.
    pub ports: Ports,
    /// The VM's address.
    pub to: IpAddr,
    /// The VM's port that the first of `ports` leads to. The others lead to those after it, and the last of them is one.
    pub to_port: u16,
    /// From where; from everywhere where it is empty. Of the same family as `to`, each without bits behind its length,
    /// none in another, sorted.
    pub from: Vec<IpNet>,
}

/// A destination that leads to a VM.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Route {
    /// Which one, without bits behind its length.
    pub to: IpNet,
    /// The VM's bridge or tap.
    pub device: String,
    /// On which device the host answers ARP or NDP for it, if on one.
    pub proxy: Option<String>,
}

/// The forwards and routes of a domain, with the devices that they need.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Allocation {
    /// Its forwards.
    pub forwards: BTreeSet<Forward>,
    /// Its routes.
    pub routes: BTreeSet<Route>,
    /// The bridges and taps behind which it is, where it has something: what comes by one of them is known to come from
    /// within.
    pub links: BTreeSet<String>,
    /// Its taps with hairpin mode, enabled by this program.
    pub hairpin_taps: BTreeSet<String>,
}

impl Forward {
    /// Returns the packets that it takes.
    pub fn claim(&self) -> Claim<'_> {
        let claim = match self.listen {
            Some(listen) => Claim::at(self.protocol, listen, self.ports),
            None => Claim::new(self.protocol, Some(Family::of(&self.to)), self.ports),
        };
        claim.from(&self.from)
    }

    /// Returns true if a packet could be for both.
    pub fn overlaps(&self, other: &Self) -> bool {
        self.claim().overlaps(&other.claim())
    }
}

impl Allocation {
    /// What of it has to pass the rules of others.
    pub fn traffic(&self) -> Traffic {
        Traffic {
            translated: Families::of(self.forwards.iter().map(|forward| forward.to)),
            routed: Families::of(self.routes.iter().map(|route| route.to.addr())),
        }
    }

    /// Whether it is nothing.
    pub fn is_empty(&self) -> bool {
        self.forwards.is_empty() && self.routes.is_empty()
    }
}

impl Route {
    /// Whether there is a destination of both.
    pub fn overlaps(&self, other: &Self) -> bool {
        touch(&self.to, &other.to)
    }
}

impl fmt::Display for Forward {
    /// `tcp 203.0.113.7:8080 to 192.168.122.10:80 from 198.51.100.0/24`.
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(formatter, "{} ", self.protocol)?;
        match self.listen {
            Some(IpAddr::V6(listen)) => write!(formatter, "[{listen}]:")?,
            Some(IpAddr::V4(listen)) => write!(formatter, "{listen}:")?,
            None => formatter.write_str("port ")?,
        }
        write!(formatter, "{} to ", self.ports)?;
        let last = self.to_port.saturating_add(self.ports.last() - self.ports.first());
        let to_ports = Ports::new(self.to_port, last).map(|ports| ports.to_string()).unwrap_or_default();
        match self.to {
            IpAddr::V4(to) => write!(formatter, "{to}:{to_ports}")?,
            IpAddr::V6(to) => write!(formatter, "[{to}]:{to_ports}")?,
        }
        for (number, from) in self.from.iter().enumerate() {
            write!(formatter, "{} {from}", if number == 0 { " from" } else { "," })?;
        }
        Ok(())
    }
}

impl fmt::Display for Route {
    /// `198.51.100.9/32 to virbr0, answered for on eth0`.
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(formatter, "{} to {}", self.to, self.device)?;
        self.proxy.as_ref().map_or(Ok(()), |proxy| write!(formatter, ", answered for on {proxy}"))
    }
}
