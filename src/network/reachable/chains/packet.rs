//! A packet as far as it is known, and whether what a rule asks holds for it.

use std::net::IpAddr;

use ipnet::IpNet;

use crate::kernel::address::{Family, Protocol};

/// Of each byte its value, and a mask of the bits that are known.
type Known = Vec<(u8, u8)>;

/// Keys of `enum nft_meta_keys`.
const PROTOCOL: u32 = 1;
const IIF: u32 = 4;
const OIF: u32 = 5;
const IIFNAME: u32 = 6;
const OIFNAME: u32 = 7;
const NFPROTO: u32 = 15;
const L4PROTO: u32 = 16;
const BRIDGE_IIFNAME: u32 = 17;
const BRIDGE_OIFNAME: u32 = 18;

/// Keys of `enum nft_ct_keys`.
const STATE: u32 = 0;
const DIRECTION: u32 = 1;
const MARK: u32 = 3;

/// States of a connection as nftables has them (`NF_CT_STATE_BIT`).
pub(in crate::network::reachable) const ESTABLISHED: u32 = 2;
pub(in crate::network::reachable) const NEW: u32 = 8;

/// A device with its index.
#[derive(Debug, Clone, Copy)]
pub(in crate::network::reachable) struct Device<'a> {
    pub(in crate::network::reachable) name: &'a str,
    pub(in crate::network::reachable) index: Option<u32>,
}

/// A packet of a forward's or a route's; unknown is what is none.
#[derive(Debug, Clone, Copy)]
pub(in crate::network::reachable) struct Packet<'a> {
    pub(in crate::network::reachable) family: Family,
    pub(in crate::network::reachable) protocol: Option<Protocol>,
    pub(in crate::network::reachable) source: Option<IpNet>,
    pub(in crate::network::reachable) destination: Option<IpNet>,
    pub(in crate::network::reachable) source_port: Option<u16>,
    pub(in crate::network::reachable) destination_port: Option<u16>,
    pub(in crate::network::reachable) iif: Option<Device<'a>>,
    pub(in crate::network::reachable) oif: Option<Device<'a>>,
    /// The bridge of a frame.
    pub(in crate::network::reachable) bridge: Option<&'a str>,
    /// The state of its connection, and whether it is of the reply direction.
    pub(in crate::network::reachable) state: Option<u32>,
    pub(in crate::network::reachable) is_reply: bool,
    /// The mark of its connection.
    pub(in crate::network::reachable) mark: Option<u32>,
}

impl Packet<'_> {
    /// Returns a packet of which nothing else is known.
    pub(in crate::network::reachable) const fn of(family: Family) -> Self {
        Self {
            family,
            protocol: None,
            source: None,
            destination: None,
            source_port: None,
            destination_port: None,
            iif: None,
            oif: None,
            bridge: None,
            state: None,
            is_reply: false,
            mark: None,
        }
    }

    /// What `meta` loads.
    pub(in crate::network::reachable) fn meta(&self, key: u32) -> Known {
        let name = |name: Option<&str>| {
            let mut bytes = name?.as_bytes().to_vec();
            bytes.resize(16, 0);
            Some(bytes)
        };
        let device = |device: Option<Device<'_>>| name(device.map(|device| device.name));
        let index = |device: Option<Device<'_>>| Some(device?.index?.to_ne_bytes().to_vec());
        let (ether, number): (u16, u8) = match self.family {
            Family::Ipv4 => (0x0800, 2),
            Family::Ipv6 => (0x86dd, 10),
        };
        let value = match key {
            PROTOCOL => Some(ether.to_be_bytes().to_vec()),
            NFPROTO => Some(vec![number]),
            L4PROTO => self.protocol.map(|protocol| vec![protocol.number()]),
            IIF => index(self.iif),
            OIF => index(self.oif),
            IIFNAME => device(self.iif),
            OIFNAME => device(self.oif),
            BRIDGE_IIFNAME | BRIDGE_OIFNAME => name(self.bridge),
            _ => None,
        };
        known(value)
    }

    /// What `ct` loads.
    pub(in crate::network::reachable) fn connection(&self, key: u32) -> Known {
        known(match key {
            STATE => self.state.map(|state| state.to_ne_bytes().to_vec()),
            DIRECTION => self.state.map(|_| vec![u8::from(self.is_reply)]),
            MARK => self.mark.map(|mark| mark.to_ne_bytes().to_vec()),
            _ => None,
        })
    }

    /// What `payload` loads: of the Ethernet, network or transport header.
    pub(in crate::network::reachable) fn payload(&self, base: u32, offset: usize, length: usize) -> Known {
        let header = match base {
            0 => self.ethernet(),
            1 => self.network(),
            2 => self.transport(),
            _ => Vec::new(),
        };
        (offset..offset.saturating_add(length.min(64))).map(|at| header.get(at).copied().unwrap_or((0, 0))).collect()
    }

    fn ethernet(&self) -> Known {
        let mut header = vec![(0, 0); 12];
        header.extend(self.meta(PROTOCOL));
        header
    }

    fn network(&self) -> Known {
        let (length, protocol, source, destination) = match self.family {
            Family::Ipv4 => (20, 9, 12, 16),
            Family::Ipv6 => (40, 6, 8, 24),
        };
        let mut header = vec![(0, 0); length];
        put(&mut header, protocol, &self.meta(L4PROTO));
        for (at, prefix) in [(source, self.source), (destination, self.destination)] {
            let Some(prefix) = prefix else { continue };
            let octets = |address: IpAddr| match address {
                IpAddr::V4(address) => address.octets().to_vec(),
                IpAddr::V6(address) => address.octets().to_vec(),
            };
            let value: Known = octets(prefix.addr()).into_iter().zip(octets(prefix.netmask())).collect();
            put(&mut header, at, &value);
        }
        header
    }

    fn transport(&self) -> Known {
        let port = |port: Option<u16>| match port {
            Some(port) => known(Some(port.to_be_bytes().to_vec())),
            None => vec![(0, 0); 2],
        };
        [port(self.source_port), port(self.destination_port)].concat()
    }
}

fn known(value: Option<Vec<u8>>) -> Known {
    value.unwrap_or_default().into_iter().map(|byte| (byte, 0xff)).collect()
}

fn put(header: &mut Known, at: usize, value: &Known) {
    for (byte, value) in header.iter_mut().skip(at).zip(value) {
        *byte = *value;
    }
}

/// Masks what was loaded: a bit that the mask clears is known.
pub(in crate::network::reachable) fn mask(loaded: &Known, mask: &[u8], flip: &[u8]) -> Known {
    let bytes = mask.iter().zip(flip).enumerate();
    let of = |(at, (mask, flip)): (usize, (&u8, &u8))| {
        let (value, known) = loaded.get(at).copied().unwrap_or((0, 0));
        (value & mask ^ flip, known | !mask)
    };
    bytes.map(of).collect()
}

/// Returns true if what was loaded begins with this value; none where that is not known.
pub(in crate::network::reachable) fn equals(loaded: &Known, value: &[u8]) -> Option<bool> {
    let bytes = value.iter().enumerate().map(|(at, byte)| (byte, loaded.get(at).copied().unwrap_or((0, 0))));
    let bytes: Vec<_> = bytes.collect();
    if bytes.iter().any(|(byte, (value, known))| (**byte ^ value) & known != 0) {
        return Some(false);
    }
    bytes.iter().all(|(_, (_, known))| *known == 0xff).then_some(true)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_known_of_a_prefix_decides_what_it_can() {
        let packet = Packet {
            protocol: Some(Protocol::Tcp),
            source: "198.51.100.0/24".parse().ok(),
            destination_port: Some(80),
            oif: Some(Device { name: "virbr0", index: Some(3) }),
            state: Some(NEW),
            ..Packet::of(Family::Ipv4)
        };
        let source = packet.payload(1, 12, 4);
        assert_eq!(equals(&source, &[198, 51, 100, 7]), None);
        assert_eq!(equals(&source, &[198, 51, 101, 7]), Some(false));
        assert_eq!(equals(&packet.payload(1, 12, 3), &[198, 51, 100]), Some(true));
        assert_eq!(equals(&mask(&source, &[255, 255, 255, 0], &[0; 4]), &[198, 51, 100, 0]), Some(true));
        assert_eq!(equals(&packet.payload(2, 0, 4), &[0, 9, 0, 80]), None);
        assert_eq!(equals(&packet.payload(2, 2, 2), &[0, 80]), Some(true));
        assert_eq!(equals(&packet.payload(2, 2, 2), &[0, 81]), Some(false));
        assert_eq!(equals(&packet.meta(OIFNAME), b"virbr"), Some(true));
        assert_eq!(equals(&packet.meta(IIFNAME), b"eth0\0"), None);
        assert_eq!(equals(&mask(&packet.connection(STATE), &6_u32.to_ne_bytes(), &[0; 4]), &[0; 4]), Some(true));
        assert_eq!(equals(&packet.payload(9, usize::MAX, usize::MAX), &[0]), None);
    }
}
