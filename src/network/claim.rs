//! The packets that something takes: a forward, a declaration, a socket of a service, a connection.

use std::net::IpAddr;

use ipnet::IpNet;

use crate::kernel::address::{Family, Ports, Protocol};

/// Packets by protocol, destination and source.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Claim<'a> {
    protocol: Protocol,
    /// Of both families where it is none.
    family: Option<Family>,
    /// To every address of the host where it is none.
    listen: Option<IpAddr>,
    ports: Ports,
    /// From everywhere where it is empty.
    from: &'a [IpNet],
}

impl<'a> Claim<'a> {
    /// Returns the packets to any address of the host, of this family or of both.
    pub const fn new(protocol: Protocol, family: Option<Family>, ports: Ports) -> Self {
        Self { protocol, family, listen: None, ports, from: &[] }
    }

    /// Returns the packets to one address of the host.
    pub const fn at(protocol: Protocol, listen: IpAddr, ports: Ports) -> Self {
        Self { listen: Some(listen), ..Self::new(protocol, Some(Family::of(&listen)), ports) }
    }

    /// Limits it to these sources, if there are any.
    #[must_use]
    pub const fn from(self, from: &'a [IpNet]) -> Self {
        Self { from, ..self }
    }

    /// Returns true if a packet could be of both.
    pub fn overlaps(&self, other: &Claim<'_>) -> bool {
        let is_one = |one: Option<IpAddr>, other: Option<IpAddr>| one.is_none() || other.is_none() || one == other;
        let family = self.family.is_none() || other.family.is_none() || self.family == other.family;
        let from = self.from.is_empty()
            || other.from.is_empty()
            || self.from.iter().any(|one| other.from.iter().any(|another| touch(one, another)));
        self.protocol == other.protocol
            && family
            && self.ports.overlap(other.ports)
            && is_one(self.listen, other.listen)
            && from
    }
}

/// Returns true if one prefix lies in the other.
pub fn touch(one: &IpNet, other: &IpNet) -> bool {
    one.contains(other) || other.contains(one)
}
