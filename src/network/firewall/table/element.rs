//! Elements of the table's maps and sets: those of forwards, routes and bridges.

use std::fmt;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr};

use ipnet::IpNet;

use crate::kernel::address::{Ports, Protocol};
use crate::network::allocation::Forward;

/// Key of a forwarded packet.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Key {
    /// The port, on any address of the host.
    Any(Protocol, u16),
    /// The port on one address of the host.
    Listen(Protocol, IpAddr, u16),
    /// The source as well; on one address of the host, or all of them.
    From(Protocol, IpNet, u16, IpNet),
}

/// Position of a forward in the table.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub struct Place {
    key: Key,
    is_ipv4: bool,
}

/// An element.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Element {
    /// A port of the host that leads to a VM's.
    Forward {
        /// The packets that match.
        key: Key,
        /// Their new destination, of the same family.
        to: SocketAddr,
    },
    /// A destination that leads to a VM.
    Routed(IpNet),
    /// A bridge or tap to which a route leads.
    Link(String),
    /// A bridge or tap with a VM behind it, and the VM's address: packets from the device to the address have to return
    /// through the host.
    Within(String, IpAddr),
}

impl Element {
    /// Returns the elements of a forward: one for each of its ports, and for each of its prefixes.
    pub fn of(forward: &Forward) -> impl Iterator<Item = Self> {
        let ports = forward.ports.first()..=forward.ports.last();
        let ports = ports.zip(forward.to_port..=u16::MAX);
        ports.flat_map(move |(port, to_port)| {
            let to = SocketAddr::new(forward.to, to_port);
            keys(forward, port).map(move |key| Self::Forward { key, to })
        })
    }

    /// The forward that it is, of its one port and from its one prefix; none where it is something else.
    pub fn forward(&self) -> Option<Forward> {
        let Self::Forward { key, to } = self else { return None };
        let single = |listen: &IpNet| (listen.prefix_len() == listen.max_prefix_len()).then(|| listen.addr());
        let (protocol, listen, port, from) = match key {
            Key::Any(protocol, port) => (*protocol, None, *port, Vec::new()),
            Key::Listen(protocol, listen, port) => (*protocol, Some(*listen), *port, Vec::new()),
            Key::From(protocol, listen, port, from) => (*protocol, single(listen), *port, vec![*from]),
        };
        let ports = Ports::new(port, port)?;
        Some(Forward { protocol, listen, ports, to: to.ip(), to_port: to.port(), from })
    }

    /// Returns its place in the table, which only one element can have; `None` for a set's element.
    pub const fn place(&self) -> Option<Place> {
        match self {
            Self::Forward { key, to } => Some(Place { key: *key, is_ipv4: to.is_ipv4() }),
            Self::Routed(_) | Self::Link(_) | Self::Within(..) => None,
        }
    }

    /// The map or set that it stands in.
    pub(super) const fn room(&self) -> &'static str {
        match self {
            Self::Forward { key, to } => match (key, to.is_ipv4()) {
                (Key::Any(..), true) => "any4",
                (Key::Any(..), false) => "any6",
                (Key::Listen(..), true) => "listen4",
                (Key::Listen(..), false) => "listen6",
                (Key::From(..), true) => "from4",
                (Key::From(..), false) => "from6",
            },
            Self::Routed(IpNet::V4(_)) => "routed4",
            Self::Routed(IpNet::V6(_)) => "routed6",
            Self::Link(_) => "links",
            Self::Within(_, IpAddr::V4(_)) => "within4",
            Self::Within(_, IpAddr::V6(_)) => "within6",
        }
    }

    /// Returns its form in nft's listings.
    pub fn shown(&self) -> String {
        format!("{} {{ {self} }}", self.room())
    }

    /// Returns its key in nft's syntax.
    pub(super) fn known_by(&self) -> String {
        match self {
            Self::Forward { key, .. } => key.to_string(),
            Self::Routed(prefix) => shown(prefix),
            // `resolve` refuses names with quotes.
            Self::Link(name) => format!("\"{name}\""),
            Self::Within(name, address) => format!("\"{name}\" . {address}"),
        }
    }
}

fn keys(forward: &Forward, port: u16) -> impl Iterator<Item = Key> {
    let Forward { protocol, listen, to, ref from, .. } = *forward;
    let everywhere = match to {
        IpAddr::V4(_) => IpNet::new_assert(Ipv4Addr::UNSPECIFIED.into(), 0),
        IpAddr::V6(_) => IpNet::new_assert(Ipv6Addr::UNSPECIFIED.into(), 0),
    };
    let listen_prefix = listen.map_or(everywhere, IpNet::from);
    let open = match listen {
        None => Key::Any(protocol, port),
        Some(listen) => Key::Listen(protocol, listen, port),
    };
    let open = Some(open).filter(|_| from.is_empty());
    open.into_iter().chain(from.iter().map(move |from| Key::From(protocol, listen_prefix, port, *from)))
}

/// A prefix as nft shows it: a single address without its length.
fn shown(prefix: &IpNet) -> String {
    match prefix.prefix_len() == prefix.max_prefix_len() {
        true => prefix.addr().to_string(),
        false => prefix.to_string(),
    }
}

impl fmt::Display for Key {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Any(protocol, port) => write!(formatter, "{protocol} . {port}"),
            Self::Listen(protocol, listen, port) => write!(formatter, "{protocol} . {listen} . {port}"),
            Self::From(protocol, listen, port, from) => {
                write!(formatter, "{protocol} . {} . {port} . {}", shown(listen), shown(from))
            }
        }
    }
}

impl fmt::Display for Element {
    /// Writes it in nft's syntax.
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str(&self.known_by())?;
        match self {
            Self::Forward { to, .. } => write!(formatter, " : {} . {}", to.ip(), to.port()),
            _ => Ok(()),
        }
    }
}
