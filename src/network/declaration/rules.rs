//! `[network]`: settings of all declarations, and limits of VMs' metadata.

use std::net::IpAddr;

use ipnet::IpNet;

use crate::kernel::address::Ports;
use crate::settings::OnFailure;

/// The `[network]` table, which applies to all declarations.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Rules {
    /// Consequence if a VM's declarations cannot be applied: a record, or a veto at `start`.
    pub on_failure: OnFailure,
    /// True if VMs' own metadata counts.
    pub metadata: bool,
    /// The addresses on which VMs may listen by their metadata. Empty: on none.
    pub listen: Vec<IpNet>,
    /// The ports that they may claim. Empty: none.
    pub ports: Vec<Ports>,
    /// The destinations that they may claim. Empty: none.
    pub routes: Vec<IpNet>,
    /// The devices on which they may have the host answer. Empty: on none.
    pub proxy: Vec<String>,
}

impl Rules {
    /// Lets VMs claim nothing, where a table can't be read. Its veto still counts.
    pub(super) fn let_claim_nothing(&mut self, on_failure: Option<OnFailure>) {
        *self = Self { on_failure: on_failure.unwrap_or(self.on_failure), ..Self::default() };
    }

    /// Returns true if a VM may listen on this address. An unspecified one stands for all of its family.
    pub(super) fn let_listen_on(&self, address: IpAddr) -> bool {
        let every = |prefix: &IpNet| prefix.prefix_len() == 0 && prefix.addr().is_ipv4() == address.is_ipv4();
        self.listen.iter().any(|prefix| every(prefix) || (!address.is_unspecified() && prefix.contains(&address)))
    }

    /// Returns true if a VM may claim all of these ports. Two adjacent ranges count as one.
    pub(super) fn let_claim(&self, ports: Ports) -> bool {
        let mut ranges = self.ports.clone();
        ranges.sort();
        let mut missing = u32::from(ports.first());
        for range in ranges {
            if u32::from(range.first()) <= missing && missing <= u32::from(range.last()) {
                missing = u32::from(range.last()) + 1;
            }
        }
        missing > u32::from(ports.last())
    }

    /// Returns true if a VM may claim this destination.
    pub(super) fn let_route(&self, to: &IpNet) -> bool {
        self.routes.iter().any(|prefix| prefix.contains(to))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_claim_has_to_lie_within_what_may_be_claimed() {
        let rules = Rules {
            listen: vec!["203.0.113.0/28".parse().expect("a prefix"), "::/0".parse().expect("a prefix")],
            ports: ["8000-8010", "8011-8020", "22"].map(|ports| ports.parse().expect("ports")).to_vec(),
            routes: vec!["198.51.100.0/24".parse().expect("a prefix")],
            ..Rules::default()
        };
        for (address, expected) in
            [("203.0.113.7", true), ("203.0.113.17", false), ("0.0.0.0", false), ("::", true), ("2001:db8::1", true)]
        {
            assert_eq!(rules.let_listen_on(address.parse().expect("an address")), expected, "{address}");
        }
        for (ports, expected) in [
            ("8000", true),
            ("8005-8015", true),
            ("8000-8020", true),
            ("8000-8021", false),
            ("22", true),
            ("21-22", false),
            ("23", false),
        ] {
            assert_eq!(rules.let_claim(ports.parse().expect("ports")), expected, "{ports}");
        }
        for (to, expected) in [("198.51.100.9/32", true), ("198.51.100.0/24", true), ("198.51.0.0/16", false)] {
            assert_eq!(rules.let_route(&to.parse().expect("a prefix")), expected, "{to}");
        }
        assert!(!Rules::default().let_claim("80".parse().expect("ports")));
    }
}
