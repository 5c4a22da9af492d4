//! The services of this host that listen on a port which a forward would take away from them.
//!
//! The kernel's socket diagnosis (sock_diag(7), `inet_diag`) tells every socket with its address; whose it is, the
//! processes' descriptors tell.

use std::fmt;
use std::fs;
use std::io;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};
use std::time::{Duration, Instant};

use rustix::net::AddressFamily;
use rustix::net::netlink::SOCK_DIAG;

use crate::kernel::address::Protocol;
use crate::kernel::netlink::{Netlink, SOCK_DIAG_BY_FAMILY, attribute, be16_at, u32_at};
use crate::network::allocation::Forward;
use crate::process::{processes, sockets};
use crate::record::Quoted;

const INET_DIAG_SKV6ONLY: u16 = 11;

/// The states of the sockets that take what nobody has talked to them about before, as a set of bits
/// (`include/net/tcp_states.h` of Linux): LISTEN for TCP. One of UDP that is not connected counts as CLOSE.
const TCP_LISTENS: u32 = 1 << 10;
const UDP_IS_UNCONNECTED: u32 = 1 << 7;

/// The length of `struct inet_diag_msg`, in bytes.
const SOCKET: usize = 72;

/// How long the kernel may take to tell all sockets.
const TIMEOUT: Duration = Duration::from_secs(1);

/// How long it is looked for the process that holds one.
const SEARCH: Duration = Duration::from_millis(500);

/// The ports from which the kernel gives one to a socket that asks for none, unless it is told otherwise (ip(7)).
const EPHEMERAL: (u16, u16) = (32768, 60999);

/// The sockets of one protocol on which services of this host wait for whoever comes.
#[derive(Debug)]
pub struct Listeners {
    protocol: Protocol,
    sockets: Vec<Socket>,
    /// The first and the last port that the kernel gives to sockets that ask for none.
    ephemeral: (u16, u16),
}

/// One of them.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
struct Socket {
    /// Its address; the unspecified one where it takes what comes for any.
    address: IpAddr,
    port: u16,
    /// Whether it takes IPv4 besides its own family.
    takes_ipv4: bool,
    inode: u32,
}

/// A service that listens where a forward is to be.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Occupant {
    /// The protocol.
    pub protocol: Protocol,
    /// On which address of the host it listens; the unspecified one where on all.
    pub address: IpAddr,
    /// On which port.
    pub port: u16,
    /// Which program it is, with its process id, where that can be seen.
    pub process: Option<(Vec<u8>, i32)>,
}

impl Listeners {
    /// Those that there are now, in this network namespace.
    ///
    /// # Errors
    /// Where the kernel does not tell, or something (a security module) keeps it from telling.
    pub fn now(protocol: Protocol) -> io::Result<Self> {
        let mut sockets = Vec::new();
        for family in [AddressFamily::INET, AddressFamily::INET6] {
            let mut netlink = Netlink::open(SOCK_DIAG, TIMEOUT)?;
            netlink
                .dump(SOCK_DIAG_BY_FAMILY, &request(family, protocol), |body| sockets.extend(Socket::parse(body)))?;
        }
        let ephemeral = fs::read_to_string("/proc/sys/net/ipv4/ip_local_port_range").unwrap_or_default();
        let mut ends = ephemeral.split_whitespace().filter_map(|port| port.parse().ok());
        let ephemeral = ends.next().zip(ends.next()).unwrap_or(EPHEMERAL);
        Ok(Self { protocol, sockets, ephemeral })
    }

    /// The service, if there is one, that would get nothing any more if these ports were forwarded. One that listens on
    /// nothing but a loopback address would get what it got before, since forwards leave that alone.
    pub fn occupant(&self, forward: &Forward) -> Option<Occupant> {
        self.first_in_the_way(forward).map(|socket| self.occupant_at(socket, holder(socket.inode)))
    }

    /// The same without looking for the program, which takes a while.
    pub fn nameless_occupant(&self, forward: &Forward) -> Option<Occupant> {
        self.first_in_the_way(forward).map(|socket| self.occupant_at(socket, None))
    }

    fn first_in_the_way(&self, forward: &Forward) -> Option<&Socket> {
        let in_the_way = self.sockets.iter().filter(|socket| self.is_in_the_way(socket, forward));
        in_the_way.min_by_key(|socket| (socket.port, socket.address))
    }

    const fn occupant_at(&self, socket: &Socket, process: Option<(Vec<u8>, i32)>) -> Occupant {
        Occupant { protocol: self.protocol, address: socket.address, port: socket.port, process }
    }

    fn is_in_the_way(&self, socket: &Socket, forward: &Forward) -> bool {
        let ports = forward.ports;
        if forward.protocol != self.protocol || !(ports.first()..=ports.last()).contains(&socket.port) {
            return false;
        }
        // Whoever only asks others holds such a port for a moment, and gets their answers in spite of the forward. A range
        // that reaches there would be refused by chance.
        let (first, last) = self.ephemeral;
        if self.protocol == Protocol::Udp && ports.count() > 1 && (first..=last).contains(&socket.port) {
            return false;
        }
        if socket.address.is_unspecified() {
            return socket.address.is_ipv4() == forward.to.is_ipv4() || forward.to.is_ipv4() && socket.takes_ipv4;
        }
        forward.listen.map_or_else(
            || socket.address.is_ipv4() == forward.to.is_ipv4() && is_one_hosts(socket.address),
            |listen| socket.address == listen,
        )
    }
}

/// Whether what is sent to this address goes to one host, and not always to the one that sends it.
fn is_one_hosts(address: IpAddr) -> bool {
    !(address.is_loopback() || address.is_multicast() || address == IpAddr::V4(Ipv4Addr::BROADCAST))
}

/// Asks for the sockets of a family (`struct inet_diag_req_v2`).
fn request(family: AddressFamily, protocol: Protocol) -> Vec<u8> {
    let states = match protocol {
        Protocol::Tcp => TCP_LISTENS,
        Protocol::Udp => UDP_IS_UNCONNECTED,
    };
    let mut request = vec![u8::try_from(family.as_raw()).unwrap_or_default(), protocol.number(), 0, 0];
    request.extend_from_slice(&states.to_ne_bytes());
    request.extend_from_slice(&[0; 48]);
    request
}

impl Socket {
    /// What the kernel tells of a socket (`struct inet_diag_msg`).
    fn parse(body: &[u8]) -> Option<Self> {
        let family = u16::from(*body.first()?);
        let address = match family {
            _ if family == AddressFamily::INET.as_raw() => IpAddr::from(<[u8; 4]>::try_from(body.get(8..12)?).ok()?),
            _ if family == AddressFamily::INET6.as_raw() => {
                Ipv6Addr::from(<[u8; 16]>::try_from(body.get(8..24)?).ok()?).to_canonical()
            }
            _ => return None,
        };
        let is_limited = attribute(body.get(SOCKET..)?, INET_DIAG_SKV6ONLY).is_some_and(|value| value != [0]);
        let takes_ipv4 = address.is_ipv4() || !is_limited;
        Some(Self { address, port: be16_at(body, 4)?, takes_ipv4, inode: u32_at(body, 68)? })
    }
}

/// The process that holds a socket: its name and its id. Of several the first to have begun, which passed it on to the
/// others, but for process 1, which makes sockets for services.
fn holder(inode: u32) -> Option<(Vec<u8>, i32)> {
    let end = Instant::now() + SEARCH;
    let mut table = processes().ok()?;
    table.sort_by_key(|process| (process.pid == 1, process.began, process.pid));
    let mut looked_at = table.iter().take_while(|_| Instant::now() < end);
    let holder = looked_at.find(|process| inode != 0 && sockets(process.pid).any(|held| held == inode))?;
    Some((holder.name.clone(), holder.pid))
}

impl fmt::Display for Occupant {
    /// `port 53/udp of 192.168.122.1 is dnsmasq's (process 812)`.
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(formatter, "port {}/{} of ", self.port, self.protocol)?;
        match self.address.is_unspecified() {
            true => formatter.write_str("every address")?,
            false => write!(formatter, "{}", self.address)?,
        }
        match &self.process {
            Some((name, pid)) => write!(formatter, " is {}'s (process {pid})", Quoted::bytes(name)),
            None => formatter.write_str(" is taken, by whom can't be seen"),
        }
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;
    use crate::kernel::netlink::recorded::bytes;

    // What Linux 6.18 told of two sockets of TCP that listen, the second for IPv6 only since it has an address of that.
    const ANY_ADDRESS: &str = "020a0000003600000000000000000000000000000000000000000000000000000000000000000000000000002e0000000000\
        000000000000000000008000000000000000bd330200050008000000000008000f00000000000c0015000100000000000000\
        0600160052000000";
    const ONE_ADDRESS: &str = "0a0a00000035000020010db80000000000000000000000010000000000000000000000000000000000000000241000000000\
        000000000000000000008000000000000000f72e0200050008000000000005000b000100000008000f00000000000c001500\
        01000000000000000600160012000000";

    #[test]
    fn a_socket_is_read_as_the_kernel_tells_it() {
        let any = Socket::parse(&bytes(ANY_ADDRESS)).expect("a socket");
        let expected = Socket { address: [0; 4].into(), port: 54, takes_ipv4: true, inode: 144_317 };
        assert_eq!(any, expected);
        let one = Socket::parse(&bytes(ONE_ADDRESS)).expect("a socket");
        let address = "2001:db8::1".parse().expect("an address");
        assert_eq!(one, Socket { address, port: 53, takes_ipv4: false, inode: 143_095 });
        let mut open = bytes(ONE_ADDRESS);
        let value = open.windows(4).position(|window| window == [5, 0, 11, 0]).expect("the attribute") + 4;
        open[value] = 0;
        assert_eq!(Socket::parse(&open), Some(Socket { takes_ipv4: true, ..one }));
    }

    #[test]
    fn an_occupant_is_told_in_a_line() {
        let occupant = |address: &str, process| Occupant {
            protocol: Protocol::Udp,
            address: address.parse().expect("an address"),
            port: 53,
            process,
        };
        for (occupant, expected) in [
            (
                occupant("192.168.122.1", Some((b"dnsmasq".to_vec(), 812))),
                "port 53/udp of 192.168.122.1 is dnsmasq's (process 812)",
            ),
            (occupant("::", Some((b"a b\n".to_vec(), 7))), r#"port 53/udp of every address is "a b\n"'s (process 7)"#),
            (occupant("fd00::1", None), "port 53/udp of fd00::1 is taken, by whom can't be seen"),
        ] {
            assert_eq!(occupant.to_string(), expected);
        }
    }

    proptest! {
        #[test]
        fn any_bytes_are_read_to_an_end(bytes in prop::collection::vec(any::<u8>(), 0..150)) {
            _ = Socket::parse(&bytes);
        }
    }
}
