//! The ledger: what each VM has been given, as far as this program did it. What is taken away from a VM goes by this, and
//! not by what is declared by then.
//!
//! It is written before anything is changed, with what the VM has and what it is to have together, and once more when that
//! has been done. Whatever ends the hook in between, the next one knows all that may be there.

use std::collections::BTreeMap;
use std::ffi::{OsStr, OsString};
use std::fmt::Write;
use std::net::IpAddr;
use std::os::unix::ffi::{OsStrExt, OsStringExt};
use std::path::Path;
use std::time::{Duration, Instant};

use ipnet::IpNet;

use super::given::{Forward, Given, Route};
use crate::journal::Quoted;
use crate::state::{Drawer, Lock, StateError};

/// The most that is read of it, in bytes: several hundred thousand forwards.
const MAXIMUM_BYTES: u64 = 64 << 20;

const NAME: &[u8] = b"ledger";
const LOCK: &[u8] = b"lock";

/// How often it is asked for the lock.
const AGAIN: Duration = Duration::from_millis(10);

/// Why the ledger can't be had for oneself.
#[derive(Debug, thiserror::Error)]
pub enum NotAlone {
    /// There is no lock to be had.
    #[error("{0}")]
    State(#[from] StateError),
    /// The file system can't lock.
    #[error("the lock of what is given to VMs can't be taken: {0}")]
    Lock(std::io::Error),
    /// Somebody has it.
    #[error("for {seconds} s something else has been changing what is given to VMs: {}", Quoted::bytes(.holder))]
    Held {
        /// How long it was waited for.
        seconds: u64,
        /// Who holds it, as far as they said.
        holder: Vec<u8>,
    },
}

/// What one VM has been given.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Entry {
    /// All that it may have.
    pub given: Given,
    /// A change was begun and not brought to its end: of what is given some may be missing.
    pub unsettled: bool,
}

/// A file by which it is known at once whether a VM has been given anything. Most have not, and the ledger is long.
#[derive(Debug)]
pub struct Marker {
    drawer: Drawer,
    name: Vec<u8>,
}

impl Marker {
    /// That of this domain.
    pub fn of(state: &Path, domain: &OsStr) -> Self {
        // The ending keeps every domain apart from `.`, `..` and drafts.
        Self { drawer: Drawer::new(state, "given"), name: [domain.as_bytes(), b".vm"].concat() }
    }

    /// Whether it is there. For a name that is too long for a file the ledger itself has to be asked.
    pub fn is_there(&self) -> bool {
        let is_short = self.name.len() <= MAXIMUM_NAME && !self.name.contains(&b'/');
        !is_short || self.is_seen()
    }

    /// Whether it is there for certain.
    pub fn is_seen(&self) -> bool {
        self.drawer.path(&self.name).symlink_metadata().is_ok()
    }

    /// Puts it there.
    ///
    /// # Errors
    /// Where it can't be.
    pub fn put(&self) -> Result<(), StateError> {
        if self.is_there() { Ok(()) } else { self.drawer.keep(&self.name, b"") }
    }

    /// Takes it away.
    ///
    /// # Errors
    /// Where it is there and stays.
    pub fn take_away(&self) -> Result<(), StateError> {
        self.drawer.forget(&self.name)
    }
}

/// The longest name that a file can have, in bytes (`NAME_MAX` of Linux).
const MAXIMUM_NAME: usize = 255;

/// What every VM has been given.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Ledger {
    entries: BTreeMap<OsString, Entry>,
    /// Devices on which the host answers NDP for others since this program said so, and did not before.
    pub answering: Vec<String>,
}

impl Ledger {
    /// The drawer that it lies in.
    pub fn drawer(state: &Path) -> Drawer {
        Drawer::new(state, "network")
    }

    /// Whether there is one: whether any VM has been given anything.
    pub fn is_there(state: &Path) -> bool {
        Self::drawer(state).path(NAME).symlink_metadata().is_ok()
    }

    /// The lock under which everything is looked at and changed, for whoever is `holder`. The programs that are called
    /// under it hold it too: should this process be killed while one of them changes something, it is held until that is
    /// done.
    ///
    /// # Errors
    /// Where it can't be had within `patience`.
    pub fn lock(state: &Path, holder: &OsStr, patience: Duration) -> Result<Lock, NotAlone> {
        let lock = Self::drawer(state).lock(LOCK)?;
        let end = Instant::now() + patience;
        while !lock.take(holder.as_bytes()).map_err(NotAlone::Lock)? {
            if Instant::now() >= end {
                return Err(NotAlone::Held { seconds: patience.as_secs(), holder: lock.holder() });
            }
            std::thread::sleep(AGAIN);
        }
        lock.bequeath().map_err(NotAlone::Lock)?;
        Ok(lock)
    }

    /// The ledger as it is kept. Where there is none, or none that can be trusted, nobody has been given anything.
    pub fn load(state: &Path) -> Self {
        let bytes = Self::drawer(state).kept_up_to(NAME, MAXIMUM_BYTES).unwrap_or_default();
        Self::parse(&String::from_utf8_lossy(&bytes))
    }

    /// Keeps it in place of the one before; one with nothing in it is none.
    ///
    /// # Errors
    /// Where it can't be written.
    pub fn keep(&self, state: &Path) -> Result<(), StateError> {
        let drawer = Self::drawer(state);
        if self.entries.is_empty() && self.answering.is_empty() {
            return drawer.forget(NAME);
        }
        drawer.keep(NAME, self.text().as_bytes())
    }

    /// What a VM has been given.
    pub fn of(&self, domain: &OsStr) -> Option<&Entry> {
        self.entries.get(domain)
    }

    /// Notes what a VM has been given; nothing, and it is forgotten.
    pub fn note(&mut self, domain: &OsStr, entry: Entry) {
        if entry.given == Given::default() {
            self.entries.remove(domain);
        } else {
            self.entries.insert(domain.to_owned(), entry);
        }
    }

    /// Every VM that has been given something.
    pub fn entries(&self) -> impl Iterator<Item = (&OsStr, &Entry)> {
        self.entries.iter().map(|(domain, entry)| (domain.as_os_str(), entry))
    }

    /// The same of all but one.
    pub fn others<'a>(&'a self, domain: &'a OsStr) -> impl Iterator<Item = (&'a OsStr, &'a Entry)> {
        self.entries().filter(move |(other, _)| *other != domain)
    }

    /// Its text: a line for each VM, and below it one for each thing that it has.
    pub fn text(&self) -> String {
        let mut text = String::new();
        for device in &self.answering {
            // Writing to a String can't fail.
            _ = writeln!(text, "answering {}", escaped(device.as_bytes()));
        }
        for (domain, Entry { given, unsettled }) in &self.entries {
            let state = if *unsettled { "unsettled" } else { "settled" };
            _ = writeln!(text, "vm {} {state}", escaped(domain.as_bytes()));
            for Forward { protocol, listen, ports, to, to_port, from } in &given.forwards {
                let listen = listen.map_or_else(|| "*".to_owned(), |listen| listen.to_string());
                _ = write!(text, "forward {protocol} {listen} {ports} {to} {to_port}");
                for from in from {
                    _ = write!(text, " {from}");
                }
                text.push('\n');
            }
            for Route { to, device, proxy } in &given.routes {
                let proxy = proxy.as_ref().map_or_else(|| "-".to_owned(), |proxy| escaped(proxy.as_bytes()));
                _ = writeln!(text, "route {to} {} {proxy}", escaped(device.as_bytes()));
            }
            for link in &given.links {
                _ = writeln!(text, "link {}", escaped(link.as_bytes()));
            }
            for tap in &given.reflecting {
                _ = writeln!(text, "reflecting {}", escaped(tap.as_bytes()));
            }
        }
        text
    }

    /// Takes [`Ledger::text`] back. A line that can't be read is of no VM.
    pub fn parse(text: &str) -> Self {
        let mut ledger = Self::default();
        let mut current: Option<(OsString, Entry)> = None;
        for line in text.lines() {
            let (word, rest) = line.split_once(' ').unwrap_or((line, ""));
            match (word, &mut current) {
                ("vm", _) => {
                    let (domain, state) = rest.split_once(' ').unwrap_or((rest, ""));
                    let entry = Entry { given: Given::default(), unsettled: state != "settled" };
                    ledger.entries.extend(current.replace((OsString::from_vec(unescaped(domain)), entry)));
                }
                ("answering", None) => ledger.answering.extend(name(rest)),
                ("forward", Some((_, entry))) => entry.given.forwards.extend(forward(rest)),
                ("route", Some((_, entry))) => entry.given.routes.extend(route(rest)),
                ("link", Some((_, entry))) => entry.given.links.extend(name(rest)),
                ("reflecting", Some((_, entry))) => entry.given.reflecting.extend(name(rest)),
                _ => {}
            }
        }
        ledger.entries.extend(current);
        // Of whom nothing can be read, it is not known what they have, and not known that they have nothing.
        ledger.entries.retain(|_, entry| entry.given != Given::default());
        ledger
    }
}

fn forward(text: &str) -> Option<Forward> {
    let mut words = text.split(' ');
    let protocol = words.next()?.parse().ok()?;
    let listen: Option<IpAddr> = match words.next()? {
        "*" => None,
        address => Some(address.parse().ok()?),
    };
    let (ports, to, to_port) = (words.next()?.parse().ok()?, words.next()?.parse().ok()?, words.next()?.parse().ok()?);
    let from = words.map(|from| from.parse().ok()).collect::<Option<Vec<IpNet>>>()?;
    Some(Forward { protocol, listen, ports, to, to_port, from })
}

fn route(text: &str) -> Option<Route> {
    let mut words = text.split(' ');
    let (to, device) = (words.next()?.parse().ok()?, name(words.next()?)?);
    let proxy = match words.next()? {
        "-" => None,
        device => Some(name(device)?),
    };
    Some(Route { to, device, proxy })
}

/// A name in one word: what is no letter, digit, `.` or `_` stands as `%` and two hexadecimal digits.
fn escaped(name: &[u8]) -> String {
    name.iter().fold(String::with_capacity(name.len()), |mut text, &byte| {
        if byte.is_ascii_alphanumeric() || matches!(byte, b'.' | b'_') {
            text.push(char::from(byte));
        } else {
            _ = write!(text, "%{byte:02x}");
        }
        text
    })
}

fn unescaped(text: &str) -> Vec<u8> {
    let mut pieces = text.split('%');
    let mut name = pieces.next().unwrap_or_default().as_bytes().to_vec();
    for piece in pieces {
        let digits = piece.get(..2).and_then(|digits| u8::from_str_radix(digits, 16).ok());
        name.extend(digits);
        name.extend_from_slice(piece.get(2..).unwrap_or_default().as_bytes());
    }
    name
}

fn name(text: &str) -> Option<String> {
    String::from_utf8(unescaped(text)).ok().filter(|name| !name.is_empty())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::network::address::{Ports, Protocol};

    #[test]
    fn what_is_kept_is_read_back() {
        let forward = |port, listen: Option<&str>, from: &[&str]| Forward {
            protocol: Protocol::Udp,
            listen: listen.map(|listen| listen.parse().expect("an address")),
            ports: Ports::new(port, port + 3).expect("ports"),
            to: "fd00:122::10".parse().expect("an address"),
            to_port: 80,
            from: from.iter().map(|from| from.parse().expect("a prefix")).collect(),
        };
        let route = |proxy: Option<&str>| Route {
            to: "2001:db8::/64".parse().expect("a prefix"),
            device: "virbr0".to_owned(),
            proxy: proxy.map(str::to_owned),
        };
        let mut ledger = Ledger { answering: vec!["eth0.5".to_owned()], ..Ledger::default() };
        for (domain, unsettled) in [(&b"i-2-10-VM"[..], false), (b"-", true), (b"a b%\n\xff\xc3\xa4", false)] {
            let forwards = [forward(1, None, &[]), forward(9, Some("::1"), &["2001:db8::/32", "fd00::1/128"])];
            let routes = [route(None), route(Some("eth0"))];
            let given = Given {
                forwards: forwards.into_iter().collect(),
                routes: routes.into_iter().collect(),
                links: ["virbr0".to_owned(), "a-b".to_owned()].into_iter().collect(),
                reflecting: ["vnet0".to_owned()].into_iter().collect(),
            };
            ledger.note(OsStr::from_bytes(domain), Entry { given, unsettled });
        }
        assert_eq!(Ledger::parse(&ledger.text()), ledger);
        assert!(ledger.text().is_ascii());
    }

    #[test]
    fn what_cannot_be_read_costs_only_itself() {
        let text = "nonsense\nforward tcp * 80 10.0.0.1 80\nvm a settled\nforward tcp * 0 10.0.0.1 80\nforward\n\
                    forward tcp * 81 10.0.0.1 81\nroute x\nlink\nvm b\nvm c\nlink br0\n";
        let ledger = Ledger::parse(text);
        let a = ledger.of(OsStr::new("a")).expect("a VM");
        assert_eq!((a.given.forwards.len(), a.given.routes.len(), a.given.links.len(), a.unsettled), (1, 0, 0, false));
        assert_eq!(ledger.of(OsStr::new("b")), None);
        assert!(ledger.of(OsStr::new("c")).is_some_and(|c| c.unsettled));
    }
}
