//! The connections that went through forwards, as the kernel tracks them (`ctnetlink`): those through a forward that is
//! no more are cut. The kernel would translate them on for as long as they last, whatever has become of the rules.

use std::fmt;
use std::io;
use std::net::IpAddr;
use std::time::{Duration, Instant};

use rustix::io::Errno;
use rustix::net::AddressFamily;
use rustix::net::netlink::NETFILTER;

use crate::kernel::address::Protocol;
use crate::kernel::host_addresses;
use crate::kernel::netlink::{FAMILY, Netlink, attribute, attributes, be16_at, put, put_nested};
use crate::network::allocation::Forward;
use crate::network::firewall::mark::MARK;

/// The messages (`include/uapi/linux/netfilter/nfnetlink.h` and `nfnetlink_conntrack.h` of Linux): the part that tracks
/// connections, then what is wanted of it.
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

/// How long it may take in all.
const TIMEOUT: Duration = Duration::from_secs(2);

/// How many connections are held at a time. Where there are more, it is asked again.
const AT_A_TIME: usize = 10_000;

/// Cuts the connections that went through these forwards, and tells how many there were. What is sent on one of them
/// then is taken for a new one, and goes where the rules as they are now let it go.
///
/// # Errors
/// Where the kernel does not tell them, or not all can be cut within two seconds; the error tells what stays open.
pub fn cut<'a>(forwards: impl IntoIterator<Item = &'a Forward>) -> io::Result<usize> {
    let forwards: Vec<&Forward> = forwards.into_iter().collect();
    let end = Instant::now() + TIMEOUT;
    let mut cut = 0;
    // The mark alone is no reason to ask the kernel, which takes a while where it tracks many.
    while !forwards.is_empty() {
        let untold = |error: io::Error| {
            io::Error::new(error.kind(), format!("the kernel does not tell which connections are open: {error}"))
        };
        let found = through(&forwards, end).map_err(untold)?;
        let mut left: Option<(&Connection, io::Error)> = None;
        let mut failed = 0;
        let mut netlink = Netlink::open(NETFILTER, end.saturating_duration_since(Instant::now()))?;
        for connection in &found {
            match netlink.tell(DELETE, &connection.request()) {
                Ok(()) => cut += 1,
                // It has just ended by itself.
                Err(error) if Errno::from_io_error(&error) == Some(Errno::NOENT) => {}
                Err(error) => {
                    failed += 1;
                    left.get_or_insert((connection, error));
                }
            }
        }
        if let Some((connection, error)) = left {
            let (of, first) = (found.len(), connection);
            let mended = first.mended();
            return Err(io::Error::other(format!(
                "{failed} of {of} connections through what is no longer forwarded stay open, among them {first}: {error}; \
                 {mended} cuts those there"
            )));
        }
        if found.len() < AT_A_TIME {
            break;
        }
    }
    Ok(cut)
}

/// Ends what the kernel tracks of UDP packets that came for these forwards while they were not there, and tells how many
/// senders that were. Each of them that goes on sending would keep its entry, and so reach the host for ever and the VM never.
///
/// # Errors
/// Where the kernel does not tell them, or its addresses.
pub fn clear_the_way<'a>(forwards: impl IntoIterator<Item = &'a Forward>) -> io::Result<usize> {
    let forwards: Vec<&Forward> = forwards.into_iter().filter(|forward| forward.protocol == Protocol::Udp).collect();
    if forwards.is_empty() {
        return Ok(0);
    }
    let end = Instant::now() + TIMEOUT;
    let own = host_addresses::addresses(end.saturating_duration_since(Instant::now()))?;
    let mut found = Vec::new();
    let mut netlink = Netlink::open(NETFILTER, end.saturating_duration_since(Instant::now()))?;
    netlink.dump(GET, &[0; FAMILY], |body| {
        if found.len() < AT_A_TIME {
            found.extend(Connection::parse(body).filter(|connection| {
                own.contains(&connection.original.destination.0)
                    && forwards.iter().any(|forward| connection.missed(forward))
            }));
        }
    })?;
    let mut netlink = Netlink::open(NETFILTER, end.saturating_duration_since(Instant::now()))?;
    // What has ended by itself need not be ended.
    Ok(found.iter().filter(|connection| netlink.tell(DELETE, &connection.request()).is_ok()).count())
}

/// The connections through one of these forwards, up to a number.
fn through(forwards: &[&Forward], end: Instant) -> io::Result<Vec<Connection>> {
    let mut request = vec![0; FAMILY];
    put(&mut request, CTA_MARK, &MARK.to_be_bytes());
    put(&mut request, CTA_MARK_MASK, &MARK.to_be_bytes());
    let mut found = Vec::new();
    let mut netlink = Netlink::open(NETFILTER, end.saturating_duration_since(Instant::now()))?;
    netlink.dump(GET, &request, |body| {
        if found.len() < AT_A_TIME {
            let through = |connection: &Connection| forwards.iter().any(|forward| connection.went_through(forward));
            found.extend(Connection::parse(body).filter(through));
        }
    })?;
    Ok(found)
}

/// A connection that is tracked.
#[derive(Debug, Clone, PartialEq, Eq)]
struct Connection {
    /// As it was before anything was translated.
    original: Tuple,
    /// As its answers are.
    reply: Tuple,
    mark: u32,
    /// The values that name it to the kernel, as they came.
    name: Vec<(u16, Vec<u8>)>,
    family: u8,
}

/// Where packets come from and where they go to.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
struct Tuple {
    protocol: Protocol,
    source: (IpAddr, u16),
    destination: (IpAddr, u16),
}

impl Connection {
    /// What the kernel tells of a connection. None where it is neither of TCP nor of UDP.
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

    /// Whether it is one that this forward has led to where it leads.
    fn went_through(&self, forward: &Forward) -> bool {
        let (address, port) = self.original.destination;
        let ports = forward.ports;
        let leads_to = port.checked_sub(ports.first()).and_then(|offset| forward.to_port.checked_add(offset));
        // A kernel that does not know how to choose by mark tells all of them.
        self.mark & MARK != 0
            && self.original.protocol == forward.protocol
            && port <= ports.last()
            && leads_to.is_some_and(|to_port| self.reply.source == (forward.to, to_port))
            && forward.listen.is_none_or(|listen| listen == address)
            && (forward.from.is_empty() || forward.from.iter().any(|from| from.contains(&self.original.source.0)))
    }

    /// Whether it is one that this forward would lead to the VM, and that went to the host itself.
    fn missed(&self, forward: &Forward) -> bool {
        let Tuple { protocol, source: (source, _), destination: (address, port) } = self.original;
        self.mark & MARK == 0
            && protocol == forward.protocol
            && (forward.ports.first()..=forward.ports.last()).contains(&port)
            && self.reply.source == self.original.destination
            && address.is_ipv4() == forward.to.is_ipv4()
            && forward.listen.is_none_or(|listen| listen == address)
            && (forward.from.is_empty() || forward.from.iter().any(|from| from.contains(&source)))
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

    /// The command by which a person cuts it, and others of the same port.
    fn mended(&self) -> String {
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

    // What Linux 6.18 told of connections through forwards from port 8080 or 8081.
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

    fn forward(protocol: Protocol, ports: &str, to: &str) -> Forward {
        let to: std::net::SocketAddr = to.parse().expect("an address");
        let ports = ports.parse().expect("ports");
        Forward { protocol, listen: None, ports, to: to.ip(), to_port: to.port(), from: Vec::new() }
    }

    #[test]
    fn a_connection_without_the_attribute_of_its_mark_has_the_mark_0() {
        let marked = Connection::parse(&bytes(UDP)).expect("a connection");
        let unmarked = UDP.replace("0800080001000000", "");
        assert_ne!(unmarked, UDP);
        let unmarked = Connection::parse(&bytes(&unmarked)).expect("a connection");
        assert_eq!((marked.mark, unmarked.mark), (MARK, 0));
        assert_eq!(marked.original, unmarked.original);
    }

    #[test]
    fn a_connection_is_read_as_the_kernel_tells_it() {
        for (digits, shown, forward) in [
            (
                UDP,
                "udp from 198.51.100.7:40336 to 198.51.100.1:8081",
                forward(Protocol::Udp, "8080-8082", "192.168.122.10:79"),
            ),
            (
                TCP_IN_A_ZONE,
                "tcp from 198.51.100.7:35080 to 198.51.100.1:8080",
                forward(Protocol::Tcp, "8080", "192.168.122.10:80"),
            ),
            (
                TCP_OVER_IPV6,
                "tcp from [2001:db8:51::7]:60026 to [2001:db8:51::1]:8081",
                forward(Protocol::Tcp, "8081", "[fd00:122::10]:80"),
            ),
        ] {
            let body = bytes(digits);
            let connection = Connection::parse(&body).expect("a connection");
            assert_eq!(connection.to_string(), shown);
            assert!(connection.went_through(&forward), "{forward}");
            assert!(!Connection { mark: 0x00ff_ffff, ..connection.clone() }.went_through(&forward));
            assert!(Connection { mark: u32::MAX, ..connection.clone() }.went_through(&forward));
            // The kernel is given the connection's name as it gave it: by the values that it told first and last.
            let request = connection.request();
            assert_eq!(request[..FAMILY], body[..FAMILY]);
            for kind in [CTA_TUPLE_ORIG, CTA_ID, CTA_ZONE] {
                assert_eq!(attribute(&request[FAMILY..], kind), attribute(&body[FAMILY..], kind), "{kind}");
            }
            assert_eq!(attributes(&request[FAMILY..]).count(), connection.name.len());
        }
    }

    #[test]
    fn a_port_leads_where_the_forward_leads_it() {
        let connection = Connection::parse(&bytes(UDP)).expect("a connection");
        for (ports, to, expected) in [
            ("8081", "192.168.122.10:80", true),
            ("8081", "192.168.122.10:81", false),
            ("8081-8090", "192.168.122.10:80", true),
            ("8070-8081", "192.168.122.10:69", true),
            ("8070-8081", "192.168.122.10:80", false),
            ("8070-8080", "192.168.122.10:69", false),
            ("8082-8090", "192.168.122.10:80", false),
            ("1-65535", "192.168.122.10:1", false),
            ("8080-8090", "192.168.122.10:65535", false),
            ("8081", "[::ffff:192.168.122.10]:80", false),
        ] {
            let forward = forward(Protocol::Udp, ports, to);
            assert_eq!(connection.went_through(&forward), expected, "{forward}");
        }
    }

    #[test]
    fn a_person_is_told_how_to_cut_it() {
        let connection = Connection::parse(&bytes(TCP_OVER_IPV6)).expect("a connection");
        let expected = "`conntrack -D -f ipv6 -p tcp --orig-port-dst 8081 --reply-src fd00:122::10`";
        assert_eq!(connection.mended(), expected);
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
