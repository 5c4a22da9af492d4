//! The forwards that are reserved, and by whom: no two of them take the same packet.

use std::collections::HashMap;

use crate::kernel::address::{Family, Protocol};
use crate::network::allocation::Forward;

/// Number of consecutive ports that share a bucket.
const BUCKET: u16 = 64;

/// Reserved forwards, each with its owner.
#[derive(Debug)]
pub struct Reserved<Owner> {
    forwards: Vec<(Forward, Owner)>,
    /// Indexes in `forwards` of those with a port in a bucket.
    buckets: HashMap<(Protocol, Family, u16), Vec<usize>>,
}

impl<Owner> Default for Reserved<Owner> {
    fn default() -> Self {
        Self { forwards: Vec::new(), buckets: HashMap::new() }
    }
}

impl<Owner> Reserved<Owner> {
    /// Returns the first reserved forward that overlaps this one, with its owner.
    pub fn overlapping(&self, forward: &Forward) -> Option<(&Forward, &Owner)> {
        let before = keys(forward).filter_map(|key| self.buckets.get(&key)).flatten().copied();
        let others = before.filter(|index| self.forwards.get(*index).is_some_and(|(other, _)| forward.overlaps(other)));
        self.forwards.get(others.min()?).map(|(other, owner)| (other, owner))
    }

    /// Reserves a forward.
    pub fn insert(&mut self, forward: &Forward, owner: Owner) {
        for key in keys(forward) {
            self.buckets.entry(key).or_default().push(self.forwards.len());
        }
        self.forwards.push((forward.clone(), owner));
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
            all.insert(&reserved, 1);
            assert_eq!(all.overlapping(&other), overlaps.then_some((&reserved, &1)), "{other}");
            assert_eq!(all.overlapping(&reserved), Some((&reserved, &1)));
        }
        let one = forward("tcp", "203.0.113.7", "80", "10.0.0.1", &["192.0.2.0/24"]);
        for (other, overlaps) in [
            (forward("tcp", "203.0.113.8", "80", "10.0.0.1", &[]), false),
            (forward("tcp", "203.0.113.7", "80", "10.0.0.2", &["198.51.100.0/24"]), false),
            (forward("tcp", "203.0.113.7", "80", "10.0.0.2", &["192.0.2.128/25"]), true),
            (forward("tcp", "", "80", "10.0.0.2", &["192.0.0.0/8"]), true),
        ] {
            let mut all = Reserved::default();
            all.insert(&one, 1);
            assert_eq!(all.overlapping(&other).is_some(), overlaps, "{other}");
        }
    }
}
