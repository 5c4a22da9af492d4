//! The sockets of this host (sock_diag(7), `inet_diag`), each with its address and inode.

use std::io;
use std::net::{IpAddr, Ipv6Addr};

use rustix::net::AddressFamily;
use rustix::net::netlink::SOCK_DIAG;

use super::address::Protocol;
use super::deadline::Deadline;
use super::netlink::{Netlink, SOCK_DIAG_BY_FAMILY, attribute, be16_at, u32_at};

const INET_DIAG_SKV6ONLY: u16 = 11;

/// States of sockets that accept packets from new senders, as a bit set (`include/net/tcp_states.h` of Linux): LISTEN
/// for TCP. An unconnected UDP socket is in CLOSE.
const TCP_LISTENS: u32 = 1 << 10;
const UDP_IS_UNCONNECTED: u32 = 1 << 7;

/// The length of `struct inet_diag_msg`, in bytes.
const SOCKET: usize = 72;

/// A socket that takes packets from any sender.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Socket {
    /// Its address; unspecified for any.
    pub(crate) address: IpAddr,
    pub(crate) port: u16,
    /// True if it accepts IPv4 besides its own family.
    pub(crate) takes_ipv4: bool,
    pub(crate) inode: u32,
}

/// Lists the sockets of a protocol that accept packets from any sender, in this network namespace.
///
/// # Errors
/// The kernel does not answer, or a security module forbids it.
pub(crate) fn listening(protocol: Protocol, deadline: Deadline) -> io::Result<Vec<Socket>> {
    let mut sockets = Vec::new();
    for family in [AddressFamily::INET, AddressFamily::INET6] {
        let mut netlink = Netlink::open(SOCK_DIAG, deadline.left())?;
        netlink.dump(SOCK_DIAG_BY_FAMILY, &request(family, protocol), |body| sockets.extend(Socket::parse(body)))?;
    }
    Ok(sockets)
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
    /// Parses the kernel's message about a socket (`struct inet_diag_msg`).
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

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;
    use crate::kernel::netlink::recorded::bytes;

    // Messages of Linux 6.18 about two TCP sockets that listen, the second for IPv6 only since it has an IPv6 address.
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

    proptest! {
        #[test]
        fn any_bytes_are_read_to_an_end(bytes in prop::collection::vec(any::<u8>(), 0..150)) {
            _ = Socket::parse(&bytes);
        }
    }
}
