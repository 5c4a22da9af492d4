//! The connections that the kernel tracks (`ctnetlink`): listed, and deleted.

use std::fmt;
use std::io;
use std::net::IpAddr;

use rustix::io::Errno;
use rustix::net::AddressFamily;
use rustix::net::netlink::NETFILTER;

use super::address::Protocol;
use super::deadline::Deadline;
use super::netlink::{FAMILY, Netlink, attribute, attributes, be16_at, put, put_nested};

/// Messages of connection tracking (`include/uapi/linux/netfilter/nfnetlink.h` and `nfnetlink_conntrack.h` of Linux):
/// the subsystem, then the request.
const GET: u16 = 1 << 8 | 1;
const DELETE: u16 = 1 << 8 | 2;

const CTA_TUPLE_ORIG: u16 = 1;
const CTA_TUPLE_REPLY: u16 = 2;
const CTA_MARK: u16 = 8;
const CTA_ID: u16 = 12;
const CTA_ZONE: u16 = 18;
const CTA_MARK_MASK: u16 = 21;

const CTA_TUPLE_IP: u16 = 1;
const CTA_TUPLE_PROTO: u16 = 2;

const CTA_IP_V4_SRC: u16 = 1;
const CTA_IP_V4_DST: u16 = 2;
const CTA_IP_V6_SRC: u16 = 3;
const CTA_IP_V6_DST: u16 = 4;

const CTA_PROTO_NUM: u16 = 1;
const CTA_PROTO_SRC_PORT: u16 = 2;
const CTA_PROTO_DST_PORT: u16 = 3;

/// Lists the connections whose mark has all bits of `mark`; with 0, all connections.
///
/// # Errors
/// The kernel does not answer.
pub(crate) fn list(mark: u32, deadline: Deadline, mut take: impl FnMut(Connection)) -> io::Result<()> {
    let mut request = vec![0; FAMILY];
    if mark != 0 {
        put(&mut request, CTA_MARK, &mark.to_be_bytes());
        put(&mut request, CTA_MARK_MASK, &mark.to_be_bytes());
    }
    Netlink::open(NETFILTER, deadline.left())?.dump(GET, &request, |body| {
        // A kernel that does not know how to choose by mark lists all of them.
        if let Some(connection) = Connection::parse(body).filter(|connection| connection.mark & mark == mark) {
            take(connection);
        }
    })
}

/// Deletes connections. Returns the numbers of deleted and failed ones, and the first failure. A connection that has
/// ended by itself is neither.
///
/// # Errors
/// The kernel cannot be reached.
pub(crate) fn delete(connections: &[Connection], deadline: Deadline) -> io::Result<Deleted<'_>> {
    let mut netlink = Netlink::open(NETFILTER, deadline.left())?;
    let mut deleted = Deleted { count: 0, failed: 0, first: None };
    for connection in connections {
        match netlink.tell(DELETE, &connection.request()) {
            Ok(()) => deleted.count += 1,
            Err(error) if Errno::from_io_error(&error) == Some(Errno::NOENT) => {}
            Err(error) => {
                deleted.failed += 1;
                deleted.first.get_or_insert((connection, error));
            }
        }
    }
    Ok(deleted)
}

/// The result of deleting connections.
#[derive(Debug)]
pub(crate) struct Deleted<'a> {
    /// Number of deleted connections.
    pub(crate) count: usize,
    /// Number of connections that could not be deleted.
    pub(crate) failed: usize,
    /// The first of those.
    pub(crate) first: Option<(&'a Connection, io::Error)>,
}

/// A connection that is tracked.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Connection {
    /// The direction of its first packet, before translation.
    pub(crate) original: Tuple,
    /// The direction of replies.
    pub(crate) reply: Tuple,
    pub(crate) mark: u32,
    /// The values that name it to the kernel, as they came.
    name: Vec<(u16, Vec<u8>)>,
    family: u8,
}

/// Source and destination of packets.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Tuple {
    pub(crate) protocol: Protocol,
    pub(crate) source: (IpAddr, u16),
    pub(crate) destination: (IpAddr, u16),
}

impl Connection {
    #[cfg(test)]
    pub(crate) const fn new(original: Tuple, reply: Tuple, mark: u32) -> Self {
        Self { original, reply, mark, name: Vec::new(), family: 0 }
    }

    /// Parses the kernel's message. Returns `None` for a protocol other than TCP and UDP.
    fn parse(body: &[u8]) -> Option<Self> {
        let family = *body.first()?;
        let all = body.get(FAMILY..)?;
        let name = attributes(all).filter(|(kind, _)| matches!(*kind, CTA_TUPLE_ORIG | CTA_ZONE | CTA_ID));
        Some(Self {
            original: Tuple::parse(attribute(all, CTA_TUPLE_ORIG)?)?,
            reply: Tuple::parse(attribute(all, CTA_TUPLE_REPLY)?)?,
            // The kernel may leave out the attribute of a mark of 0 (ctnetlink_dump_mark, net/netfilter/nf_conntrack_netlink.c).
            mark: match attribute(all, CTA_MARK) {
                Some(mark) => mark.try_into().ok().map(u32::from_be_bytes)?,
                None => 0,
            },
            name: name.map(|(kind, value)| (kind, value.to_vec())).collect(),
            family,
        })
    }

    /// Names it to the kernel: by its own number, too, so that no later one of the same addresses is meant.
    fn request(&self) -> Vec<u8> {
        let mut request = vec![self.family, 0, 0, 0];
        for (kind, value) in &self.name {
            match *kind {
                CTA_TUPLE_ORIG => put_nested(&mut request, *kind, value),
                kind => put(&mut request, kind, value),
            }
        }
        request
    }

    /// Returns the command that deletes it, and others of the same port.
    pub(crate) fn command(&self) -> String {
        let Tuple { protocol, destination: (_, port), .. } = self.original;
        let family = if self.family == u8::try_from(AddressFamily::INET6.as_raw()).unwrap_or_default() {
            "ipv6"
        } else {
            "ipv4"
        };
        format!("`conntrack -D -f {family} -p {protocol} --orig-port-dst {port} --reply-src {}`", self.reply.source.0)
    }
}

impl Tuple {
    fn parse(tuple: &[u8]) -> Option<Self> {
        let (addresses, ports) = (attribute(tuple, CTA_TUPLE_IP)?, attribute(tuple, CTA_TUPLE_PROTO)?);
        let address = |four, six| {
            let four = attribute(addresses, four).and_then(|value| <[u8; 4]>::try_from(value).ok()).map(IpAddr::from);
            four.or_else(|| {
                attribute(addresses, six).and_then(|value| <[u8; 16]>::try_from(value).ok()).map(IpAddr::from)
            })
        };
        let port = |kind| attribute(ports, kind).and_then(|value| be16_at(value, 0));
        let number = *attribute(ports, CTA_PROTO_NUM)?.first()?;
        Some(Self {
            protocol: [Protocol::Tcp, Protocol::Udp].into_iter().find(|protocol| protocol.number() == number)?,
            source: (address(CTA_IP_V4_SRC, CTA_IP_V6_SRC)?, port(CTA_PROTO_SRC_PORT)?),
            destination: (address(CTA_IP_V4_DST, CTA_IP_V6_DST)?, port(CTA_PROTO_DST_PORT)?),
        })
    }
}

impl fmt::Display for Connection {
    /// `tcp from 198.51.100.7:40000 to 203.0.113.7:8080`.
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Tuple { protocol, source, destination } = self.original;
        let (source, destination) = (std::net::SocketAddr::from(source), std::net::SocketAddr::from(destination));
        write!(formatter, "{protocol} from {source} to {destination}")
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;
    use crate::kernel::netlink::recorded::bytes;

    // Messages of Linux 6.18 about connections through forwards from port 8080 or 8081.
    const UDP: &str = "02000000340001801400018008000100c633640708000200c63364011c0002800500010011000000060002009d9000000600\
        03001f910000340002801400018008000100c0a87a0a08000200c63364071c00028005000100110000000600020000500000\
        060003009d90000008000300000001aa080008000100000008000c006ae69af108000b0000000001080007000000001d";
    const TCP_IN_A_ZONE: &str = "020000003c0001801400018008000100c633640708000200c63364011c000280050001000600000006000200890800000600\
        03001f9000000600030000060000340002801400018008000100c0a87a0a08000200c63364071c0002800500010006000000\
        0600020000500000060003008908000008000300000001ae080008000100000008000c00b4eaad7308000b00000000010800\
        07000000012c300004802c0001800500010003000000050002000a000000050003000a000000060004002300000006000500\
        33000000";
    const TCP_OVER_IPV6: &str = "0a0000004c0001802c0001801400030020010db80051000000000000000000071400040020010db800510000000000000000\
        00011c000280050001000600000006000200ea7a0000060003001f9100004c0002802c00018014000300fd00012200000000\
        00000000000000101400040020010db80051000000000000000000071c000280050001000600000006000200005000000600\
        0300ea7a000008000300000001ae080008000100000008000c00b3212ac608000b0000000001080007000000007730000480\
        2c0001800500010007000000050002000a000000050003000a00000006000400270000000600050023000000";

    #[test]
    fn a_connection_without_the_attribute_of_its_mark_has_the_mark_0() {
        let marked = Connection::parse(&bytes(UDP)).expect("a connection");
        let unmarked = UDP.replace("0800080001000000", "");
        assert_ne!(unmarked, UDP);
        let unmarked = Connection::parse(&bytes(&unmarked)).expect("a connection");
        assert_eq!((marked.mark, unmarked.mark), (0x0100_0000, 0));
        assert_eq!(marked.original, unmarked.original);
    }

    #[test]
    fn a_connection_is_read_as_the_kernel_tells_it() {
        for (digits, shown, answers_come_from) in [
            (UDP, "udp from 198.51.100.7:40336 to 198.51.100.1:8081", "192.168.122.10:80"),
            (TCP_IN_A_ZONE, "tcp from 198.51.100.7:35080 to 198.51.100.1:8080", "192.168.122.10:80"),
            (TCP_OVER_IPV6, "tcp from [2001:db8:51::7]:60026 to [2001:db8:51::1]:8081", "[fd00:122::10]:80"),
        ] {
            let body = bytes(digits);
            let connection = Connection::parse(&body).expect("a connection");
            assert_eq!(connection.to_string(), shown);
            assert_eq!(std::net::SocketAddr::from(connection.reply.source).to_string(), answers_come_from);
            assert_eq!(connection.mark, 0x0100_0000);
            // The kernel identifies the connection by its first tuple, its id and its zone.
            let request = connection.request();
            assert_eq!(request[..FAMILY], body[..FAMILY]);
            for kind in [CTA_TUPLE_ORIG, CTA_ID, CTA_ZONE] {
                assert_eq!(attribute(&request[FAMILY..], kind), attribute(&body[FAMILY..], kind), "{kind}");
            }
            assert_eq!(attributes(&request[FAMILY..]).count(), connection.name.len());
        }
    }

    #[test]
    fn a_person_is_told_how_to_cut_it() {
        let connection = Connection::parse(&bytes(TCP_OVER_IPV6)).expect("a connection");
        let expected = "`conntrack -D -f ipv6 -p tcp --orig-port-dst 8081 --reply-src fd00:122::10`";
        assert_eq!(connection.command(), expected);
    }

    #[test]
    fn part_of_a_message_is_no_connection_or_a_whole_one() {
        for digits in [UDP, TCP_IN_A_ZONE, TCP_OVER_IPV6] {
            let body = bytes(digits);
            for cut in 0..body.len() {
                if let Some(connection) = Connection::parse(&body[..cut]) {
                    assert_eq!(connection.original, Connection::parse(&body).expect("a connection").original);
                }
            }
        }
    }

    proptest! {
        #[test]
        fn any_bytes_are_read_to_an_end(bytes in prop::collection::vec(any::<u8>(), 0..300)) {
            _ = Connection::parse(&bytes);
        }

        #[test]
        fn any_change_of_a_message_is_read_to_an_end(at in 0..UDP.len() / 2, byte: u8) {
            let mut body = bytes(UDP);
            body[at] = byte;
            if let Some(connection) = Connection::parse(&body) {
                prop_assert!(connection.request().len() <= body.len());
            }
        }
    }
}
