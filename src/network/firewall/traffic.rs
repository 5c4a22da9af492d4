//! The traffic that forwards and routes need let through, by address family.

use std::net::IpAddr;

use crate::kernel::address::Family;

/// The families of addresses that something is about.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Families {
    /// True if IPv4 is one of them.
    pub ipv4: bool,
    /// True if IPv6 is one of them.
    pub ipv6: bool,
}

/// Forwarded traffic that has to pass.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Traffic {
    /// To addresses that are translated: forwards.
    pub translated: Families,
    /// To addresses as they are: routes.
    pub routed: Families,
}

impl Families {
    /// Returns the families of some addresses.
    pub fn of(addresses: impl IntoIterator<Item = IpAddr>) -> Self {
        addresses.into_iter().fold(Self::default(), |families, address| Self {
            ipv4: families.ipv4 || address.is_ipv4(),
            ipv6: families.ipv6 || address.is_ipv6(),
        })
    }

    /// This one.
    pub const fn only(family: Family) -> Self {
        Self { ipv4: matches!(family, Family::Ipv4), ipv6: matches!(family, Family::Ipv6) }
    }

    /// Returns true if a family is in both.
    pub const fn meet(self, other: Self) -> bool {
        self.ipv4 && other.ipv4 || self.ipv6 && other.ipv6
    }
}
