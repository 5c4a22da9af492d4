//! Which ports and destinations have been given away, and to whom: no two forwards may answer the same packet.

use std::collections::HashMap;
use std::collections::hash_map::Entry;

use ipnet::IpNet;

use crate::kernel::address::{Family, Protocol};
use crate::network::allocation::{Forward, Route};

/// How many ports in a row are looked through together.
const BUCKET: u16 = 64;

/// Reserved forwards and routes, each with its owner.
#[derive(Debug)]
pub struct Reserved<Owner> {
    forwards: Vec<(Forward, Owner)>,
    /// Where in `forwards` those are that have a port in a bucket.
    buckets: HashMap<(Protocol, Family, u16), Vec<usize>>,
    routes: HashMap<IpNet, (Route, Owner)>,
}

/// The result of reserving a forward or a route.
#[derive(Debug, PartialEq, Eq)]
pub enum ReserveResult<'a, T, Owner> {
    /// It was free.
    New,
    /// The same is reserved already, by this owner.
    Same(&'a Owner),
    /// It overlaps a reservation of this owner.
    Overlaps(&'a T, &'a Owner),
}

impl<Owner> Default for Reserved<Owner> {
    fn default() -> Self {
        Self { forwards: Vec::new(), buckets: HashMap::new(), routes: HashMap::new() }
    }
}

impl<Owner> Reserved<Owner> {
    /// Returns the first reserved forward that overlaps this one, with its owner.
    pub fn overlapping(&self, forward: &Forward) -> Option<(&Forward, &Owner)> {
        let before = keys(forward).filter_map(|key| self.buckets.get(&key)).flatten().copied();
        let others = before.filter(|index| self.forwards.get(*index).is_some_and(|(other, _)| forward.overlaps(other)));
        self.forwards.get(others.min()?).map(|(other, owner)| (other, owner))
    }

    /// Reserves a forward unless a reserved one overlaps it.
    pub fn forward(&mut self, forward: &Forward, owner: Owner) -> ReserveResult<'_, Forward, Owner> {
        if self.overlapping(forward).is_none() {
            for key in keys(forward) {
                self.buckets.entry(key).or_default().push(self.forwards.len());
            }
            self.forwards.push((forward.clone(), owner));
            return ReserveResult::New;
        }
        match self.overlapping(forward) {
            Some((other, owner)) if other == forward => ReserveResult::Same(owner),
            Some((other, owner)) => ReserveResult::Overlaps(other, owner),
            None => ReserveResult::New,
        }
    }

    /// A route that has been given away of which the destination lies in this one or has it in it, and to whom. A longer prefix takes
    /// packets away from whoever has the shorter one, which is not for a VM's metadata to say.
    pub fn touching(&self, to: &IpNet) -> Option<(&Route, &Owner)> {
        let touches = |route: &Route| route.to.contains(to) || to.contains(&route.to);
        self.routes.values().find(|(route, _)| touches(route)).map(|(route, owner)| (route, owner))
    }

    /// Reserves a route unless its destination is reserved. One destination in another is no conflict: the longer
    /// prefix wins.
    pub fn route(&mut self, route: &Route, owner: Owner) -> ReserveResult<'_, Route, Owner> {
        match self.routes.entry(route.to) {
            Entry::Vacant(vacant) => {
                vacant.insert((route.clone(), owner));
                ReserveResult::New
            }
            Entry::Occupied(occupied) => {
                let (other, owner) = &*occupied.into_mut();
                if other == route { ReserveResult::Same(owner) } else { ReserveResult::Overlaps(other, owner) }
            }
        }
    }
}

/// The buckets in which a forward is.
fn keys(forward: &Forward) -> impl Iterator<Item = (Protocol, Family, u16)> {
    let (protocol, family) = (forward.protocol, Family::of(&forward.to));
    (forward.ports.first() / BUCKET..=forward.ports.last() / BUCKET).map(move |bucket| (protocol, family, bucket))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn forward(protocol: &str, listen: &str, ports: &str, to: &str, from: &[&str]) -> Forward {
        Forward {
            protocol: protocol.parse().expect("a protocol"),
            listen: listen.parse().ok(),
            ports: ports.parse().expect("ports"),
            to: to.parse().expect("an address"),
            to_port: 80,
            from: from.iter().map(|from| from.parse().expect("a prefix")).collect(),
        }
    }

    #[test]
    fn forwards_overlap_where_one_packet_could_be_for_both() {
        let reserved = forward("tcp", "", "8000-8100", "10.0.0.1", &[]);
        for (other, overlaps) in [
            (forward("tcp", "", "8100", "10.0.0.2", &[]), true),
            (forward("tcp", "", "8101", "10.0.0.2", &[]), false),
            (forward("tcp", "", "1-65535", "10.0.0.2", &[]), true),
            (forward("udp", "", "8100", "10.0.0.2", &[]), false),
            (forward("tcp", "", "8100", "fd00::2", &[]), false),
            (forward("tcp", "203.0.113.7", "8100", "10.0.0.2", &[]), true),
            (forward("tcp", "", "8100", "10.0.0.2", &["192.0.2.0/24"]), true),
        ] {
            let mut all = Reserved::default();
            assert_eq!(all.forward(&reserved, 1), ReserveResult::New);
            let expected = if overlaps { ReserveResult::Overlaps(&reserved, &1) } else { ReserveResult::New };
            assert_eq!(all.forward(&other, 2), expected, "{other}");
            assert_eq!(all.forward(&reserved, 3), ReserveResult::Same(&1));
        }
        let one = forward("tcp", "203.0.113.7", "80", "10.0.0.1", &["192.0.2.0/24"]);
        for (other, overlaps) in [
            (forward("tcp", "203.0.113.8", "80", "10.0.0.1", &[]), false),
            (forward("tcp", "203.0.113.7", "80", "10.0.0.2", &["198.51.100.0/24"]), false),
            (forward("tcp", "203.0.113.7", "80", "10.0.0.2", &["192.0.2.128/25"]), true),
            (forward("tcp", "", "80", "10.0.0.2", &["192.0.0.0/8"]), true),
        ] {
            let mut all = Reserved::default();
            assert_eq!(all.forward(&one, 1), ReserveResult::New);
            assert_eq!(all.forward(&other, 2) != ReserveResult::New, overlaps, "{other}");
        }
    }

    #[test]
    fn a_destination_is_given_away_once() {
        let route =
            |to: &str, device: &str| Route { to: to.parse().expect("a prefix"), device: device.into(), proxy: None };
        let mut reserved = Reserved::default();
        assert_eq!(reserved.route(&route("198.51.100.9/32", "virbr0"), 1), ReserveResult::New);
        assert_eq!(reserved.route(&route("198.51.100.0/24", "virbr1"), 2), ReserveResult::New);
        assert_eq!(reserved.route(&route("198.51.100.9/32", "virbr0"), 3), ReserveResult::Same(&1));
        let first = route("198.51.100.9/32", "virbr0");
        assert_eq!(reserved.route(&route("198.51.100.9/32", "virbr1"), 3), ReserveResult::Overlaps(&first, &1));
        let owner = |to: &str| reserved.touching(&to.parse().expect("a prefix")).map(|(_, owner)| *owner);
        assert_eq!((owner("198.51.100.8/32"), owner("198.51.101.0/24")), (Some(2), None));
        assert!(owner("198.51.0.0/16").is_some());
    }
}
