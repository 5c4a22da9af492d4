//! Operators' declarations: forwards and routes that are applied while a VM runs.
//!
//! They are in `virt-hooks-network.toml` and its drop-ins, and, where the settings there allow it, in a VM's own
//! `<metadata>`.

pub mod catalogue;
mod draft;
mod file;
mod load;
mod metadata;
mod rules;
mod section;
mod toml;
mod value;

use std::fmt;
use std::net::IpAddr;
use std::path::PathBuf;

use glob::Pattern;
use ipnet::IpNet;

use crate::configuration::matches;
use crate::kernel::address::{Family, Ports, Protocol};
use crate::network::claim::Claim;
use crate::record::Quoted;

pub use self::file::{parse, parse_for};
pub use self::load::{are_there, load, load_all};
pub use self::metadata::{NAMESPACE, Refused, Why};
pub use self::rules::Rules;
pub use self::toml::{forward_as_toml, route_as_toml};

/// Place of a declaration.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub enum Source {
    /// In a file.
    File {
        /// Its path.
        path: PathBuf,
        /// The line at which its table begins, from 1.
        line: usize,
    },
    /// In the VM's own XML.
    Metadata {
        /// Number of the declaration there, from 1.
        number: usize,
    },
    /// An unreadable file; the VM has the forward from before.
    Unread,
}

/// A `[[forward]]`, or a `<forward>` of a VM's metadata.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct DeclaredForward {
    /// Its place.
    pub source: Source,
    /// Its protocol.
    pub protocol: Protocol,
    /// On which of the host's addresses; on every one of its family where it is unspecified, on every one where it is none.
    pub listen: Option<IpAddr>,
    /// The host's ports.
    pub ports: Ports,
    /// The VM's address; `None` for the one that libvirt's network reserves for it.
    pub to: Option<IpAddr>,
    /// The VM's port for the first of `ports`; the same where it is none.
    pub to_port: Option<u16>,
    /// Allowed sources; any source if empty. Prefixes without host bits, none within another, sorted.
    pub from: Vec<IpNet>,
}

/// A `[[route]]`, or a `<route>` of a VM's metadata.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct DeclaredRoute {
    /// Its place.
    pub source: Source,
    /// Its destination, without host bits.
    pub to: IpNet,
    /// On which device the host answers ARP or NDP for it, if on one.
    pub proxy: Option<String>,
}

/// A table of a file, for any VM.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Table {
    /// The VMs that it is for.
    pub domains: Vec<Pattern>,
    /// Its declaration.
    pub declaration: Declaration,
}

/// The declaration in a table.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Declaration {
    /// A `[[forward]]`.
    Forward(DeclaredForward),
    /// A `[[route]]`.
    Route(DeclaredRoute),
}

/// All that the files declare, for all VMs.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Everything {
    /// The tables that are valid, those of a file in the order in which they stand.
    pub tables: Vec<Table>,
    /// VMs of the refused tables, as far as known.
    pub refused: Vec<Vec<Pattern>>,
    /// The rules for all of them.
    pub rules: Rules,
    /// There is a file that can't be read at all: something else may be declared besides.
    pub unread: bool,
}

/// The declarations for one VM.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Declarations {
    /// Its forwards, in the order in which they stand.
    pub forwards: Vec<DeclaredForward>,
    /// Its routes, likewise.
    pub routes: Vec<DeclaredRoute>,
    /// Number of the files' tables for it that were refused. The problems have the reasons.
    pub refused: usize,
    /// The rules for all of them.
    pub rules: Rules,
    /// There is a file that can't be read at all: something else may be declared besides.
    pub unread: bool,
}

/// A key that does not fit the others, and why.
type Misfit = (&'static str, String);

/// The most addresses for which a host answers ARP or NDP: it does so for each by itself.
const MAXIMUM_ANSWERED: u32 = 256;

impl Declarations {
    /// Returns true if they have no effect, whatever the VM's XML declares.
    pub fn say_nothing(&self) -> bool {
        self.forwards.is_empty() && self.routes.is_empty() && !self.rules.metadata && !self.unread
    }
}

impl DeclaredForward {
    /// Returns the family of its addresses, if it names one. Its sources may restrict it, too.
    pub fn family(&self) -> Option<Family> {
        self.to.or(self.listen).map(|address| Family::of(&address))
    }

    /// Returns the packets that it claims.
    pub fn claim(&self) -> Claim<'_> {
        let claim = match self.listen.filter(|listen| !listen.is_unspecified()) {
            Some(listen) => Claim::at(self.protocol, listen, self.ports),
            None => Claim::new(self.protocol, self.family(), self.ports),
        };
        claim.from(&self.from)
    }

    /// Returns true if it can forward in this family.
    pub fn is_of(&self, family: Family) -> bool {
        let sources = self.from.is_empty() || self.from.iter().any(|from| Family::of(&from.addr()) == family);
        sources && self.family().is_none_or(|own| own == family)
    }

    /// Returns the first key whose value contradicts the others.
    fn misfit(&self) -> Option<Misfit> {
        let first = self.to_port.unwrap_or(self.ports.first());
        let last = u32::from(first) + self.ports.count() - 1;
        if last > u32::from(u16::MAX) {
            let why = format!("\"toPort\" is {first}, and the last of {} ports would be {last}", self.ports.count());
            return Some(("toPort", why));
        }
        let family = self.family()?;
        if let Some(listen) = self.listen.filter(|listen| Family::of(listen) != family) {
            let why = format!("\"listen\" is {listen}, and \"to\" an {family} address: both have to be of one family");
            return Some(("listen", why));
        }
        let other = self.from.iter().find(|from| Family::of(&from.addr()) != family)?;
        let key = if self.to.is_some() { "to" } else { "listen" };
        let why = format!("\"from\" has {other}, and \"{key}\" is an {family} address: nobody there can reach it");
        Some(("from", why))
    }
}

impl DeclaredRoute {
    /// Returns the first key whose value contradicts the others.
    fn misfit(&self) -> Option<Misfit> {
        let length = self.to.max_prefix_len() - self.to.prefix_len();
        let many = 1_u32.checked_shl(length.into()).is_none_or(|count| count > MAXIMUM_ANSWERED);
        (self.proxy.is_some() && many).then(|| {
            let shortest = self.to.max_prefix_len() - 8;
            let why = format!(
                "\"proxy\" takes at most {MAXIMUM_ANSWERED} addresses (/{shortest}), since the host answers for each by itself, \
                 and {} has more: leave \"proxy\" out and have the router there send them to this host",
                self.to
            );
            ("proxy", why)
        })
    }
}

impl Everything {
    /// The forwards, each with the VMs that it is for.
    pub fn forwards(&self) -> impl Iterator<Item = (&[Pattern], &DeclaredForward)> {
        self.tables.iter().filter_map(|table| match &table.declaration {
            Declaration::Forward(forward) => Some((table.domains.as_slice(), forward)),
            Declaration::Route(_) => None,
        })
    }

    /// The routes, likewise.
    pub fn routes(&self) -> impl Iterator<Item = (&[Pattern], &DeclaredRoute)> {
        self.tables.iter().filter_map(|table| match &table.declaration {
            Declaration::Route(route) => Some((table.domains.as_slice(), route)),
            Declaration::Forward(_) => None,
        })
    }

    /// Returns the declarations for this VM.
    pub fn of(&self, domain: &std::ffi::OsStr) -> Declarations {
        let is_for = |domains: &[Pattern]| domains.iter().any(|pattern| matches(pattern, domain));
        let refused = self.refused.iter().filter(|domains| is_for(domains)).count();
        let (rules, unread) = (self.rules.clone(), self.unread);
        let mut of = Declarations { refused, rules, unread, ..Declarations::default() };
        for table in self.tables.iter().filter(|table| is_for(&table.domains)) {
            match &table.declaration {
                Declaration::Forward(forward) => of.forwards.push(forward.clone()),
                Declaration::Route(route) => of.routes.push(route.clone()),
            }
        }
        of
    }
}

impl fmt::Display for DeclaredForward {
    /// `tcp port 8080 to port 80`, with the addresses that it names.
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(formatter, "{} port {}", self.protocol, self.ports)?;
        if let Some(listen) = self.listen {
            write!(formatter, " of {listen}")?;
        }
        if let Some(to) = self.to {
            write!(formatter, " to {to}")?;
        }
        let to_port = self.to_port.filter(|port| *port != self.ports.first());
        to_port.map_or(Ok(()), |port| write!(formatter, " to port {port}"))
    }
}

impl fmt::Display for DeclaredRoute {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(formatter, "{}", self.to)?;
        self.proxy.as_ref().map_or(Ok(()), |proxy| write!(formatter, ", answered for on {proxy}"))
    }
}

impl fmt::Display for Source {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::File { path, line } => write!(formatter, "{} line {line}", Quoted::path(path)),
            Self::Metadata { number } => write!(formatter, "the VM's metadata, declaration {number}"),
            Self::Unread => formatter.write_str("a file that can't be read"),
        }
    }
}
