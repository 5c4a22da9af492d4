//! The ledger: the allocations that this program applied. A removal follows the ledger, not the declarations of that
//! time.
//!
//! It is written before a change, with the applied and the desired state together, and again after the change. If the
//! hook is ended in between, the next one knows everything that may exist.

mod entry;
mod text;

use std::borrow::Cow;
use std::cell::OnceCell;
use std::collections::BTreeMap;
use std::ffi::OsStr;
use std::net::IpAddr;
use std::os::unix::ffi::OsStrExt;
use std::path::Path;
use std::time::{Duration, Instant};

pub use self::entry::Entry;
use self::text::{entry, escaped, first_word, forward, lines, name, object, route};

use crate::driver::Object;
use crate::kernel::address::{Ports, Protocol};
use crate::network::allocation::{Allocation, Forward, Route};
use crate::record::Quoted;
use crate::state::{Directory, Lock, StateError};

/// The most that is read of it, in bytes: several hundred thousand forwards.
const MAXIMUM_BYTES: u64 = 64 << 20;

const NAME: &[u8] = b"ledger";
const LOCK: &[u8] = b"lock";

/// Interval between two attempts to lock.
const AGAIN: Duration = Duration::from_millis(10);

/// Reason why the ledger cannot be locked.
#[derive(Debug, thiserror::Error)]
pub enum NotAlone {
    /// There is no lock to be had.
    #[error("{0}")]
    State(#[from] StateError),
    /// The file system can't lock.
    #[error("the lock of what is given to VMs can't be taken: {0}")]
    Lock(std::io::Error),
    /// A signal ended the wait.
    #[error("something else is changing what is given to VMs, and this process was told to end")]
    Interrupted,
    /// Another process holds the lock.
    #[error("for {seconds} s something else has been changing what is given to VMs: {}", Quoted::bytes(.holder))]
    Held {
        /// Time that it waited.
        seconds: u64,
        /// Holder of the lock, if recorded.
        holder: Vec<u8>,
    },
}

/// The allocations of all VMs.
///
/// Hosts have thousands of forwards, and an event is about one VM: the others' entries are parsed only when needed.
#[derive(Debug, Clone, Default)]
pub struct Ledger {
    entries: BTreeMap<Object, Slot>,
    /// Devices on which this program enabled the NDP proxy, which was off before.
    pub ndp_proxy: Vec<String>,
}

/// The lines of one VM.
#[derive(Debug, Clone)]
struct Slot {
    /// Its lines.
    text: String,
    /// Its entry, once it was needed.
    entry: OnceCell<Entry>,
}

impl Slot {
    fn entry(&self) -> &Entry {
        self.entry.get_or_init(|| entry(&self.text))
    }

    /// Returns true if there is a line below the VM's name.
    fn says_something(&self) -> bool {
        let words = ["\nforward ", "\nroute ", "\nlink ", "\nreflecting "];
        words.into_iter().any(|word| memchr::memmem::find(self.text.as_bytes(), word.as_bytes()).is_some())
    }

    /// Returns its entry, if it can be parsed. An unparsable entry is unknown, not empty.
    fn known(&self) -> Option<&Entry> {
        Some(self.entry()).filter(|entry| entry.allocation != Allocation::default())
    }

    /// Returns the rest of its lines that begin with this word.
    fn said<'a>(&'a self, word: &'a str) -> impl Iterator<Item = &'a str> {
        // The first line is the VM's name.
        memchr::memmem::find_iter(self.text.as_bytes(), word).filter_map(move |at| {
            let line = self.text.get(at + word.len()..)?;
            line.get(..memchr::memchr(b'\n', line.as_bytes()).unwrap_or(line.len()))
        })
    }
}

impl PartialEq for Ledger {
    fn eq(&self, other: &Self) -> bool {
        self.text() == other.text()
    }
}

impl Eq for Ledger {}

/// The forwards of all VMs but one, for finding those that are in another's way.
#[derive(Debug)]
pub struct ForwardsOfOthers<'a>(Vec<(Protocol, Ports, &'a Object, &'a str)>);

impl<'a> ForwardsOfOthers<'a> {
    /// Returns the first one that overlaps a forward, with its VM.
    pub fn overlapping(&self, wanted: &Forward) -> Option<(&'a Object, Forward)> {
        self.0
            .iter()
            .filter(|(protocol, ports, ..)| *protocol == wanted.protocol && ports.overlap(wanted.ports))
            .find_map(|(.., domain, line)| Some((*domain, forward(line).filter(|theirs| theirs.overlaps(wanted))?)))
    }
}

impl Ledger {
    /// Returns the directory that the ledger lies in.
    pub fn directory(state: &Path) -> Directory {
        Directory::new(state, "network")
    }

    /// Returns true if there is a ledger: if any VM may have an allocation.
    pub fn is_there(state: &Path) -> bool {
        Self::directory(state).path(NAME).symlink_metadata().is_ok()
    }

    /// Locks the state for `holder`, for inspection and change. Programs that are called under the lock hold it too: if
    /// this process is killed while one of them changes something, it stays locked until that is done.
    ///
    /// # Errors
    /// The lock cannot be had within `timeout`, or `interrupted` returns true.
    pub fn lock(
        state: &Path,
        holder: &OsStr,
        timeout: Duration,
        interrupted: &mut dyn FnMut() -> bool,
    ) -> Result<Lock, NotAlone> {
        let lock = Self::directory(state).lock(LOCK)?;
        let end = Instant::now() + timeout;
        while !lock.try_lock(holder.as_bytes()).map_err(NotAlone::Lock)? {
            if Instant::now() >= end {
                return Err(NotAlone::Held { seconds: timeout.as_secs(), holder: lock.holder() });
            }
            if interrupted() {
                return Err(NotAlone::Interrupted);
            }
            std::thread::sleep(AGAIN);
        }
        lock.make_inheritable().map_err(NotAlone::Lock)?;
        Ok(lock)
    }

    /// Reads the ledger. A missing or untrusted one is empty.
    pub fn load(state: &Path) -> Self {
        Self::load_to_change(state).unwrap_or_default()
    }

    /// Reads the ledger to change it. An unreadable ledger must not be mistaken for an empty one, since its content
    /// would be lost.
    ///
    /// # Errors
    /// The ledger exists and cannot be read.
    pub fn load_to_change(state: &Path) -> Result<Self, StateError> {
        let bytes = Self::directory(state).read(NAME, MAXIMUM_BYTES)?.unwrap_or_default();
        Ok(Self::parse(&String::from_utf8_lossy(&bytes)))
    }

    /// Writes it, in place of the previous one. An empty ledger is removed.
    ///
    /// # Errors
    /// The ledger cannot be written.
    pub fn keep(&self, state: &Path) -> Result<(), StateError> {
        let directory = Self::directory(state);
        // Unparsable entries alone are not kept.
        if self.ndp_proxy.is_empty() && self.entries().next().is_none() {
            return directory.remove(NAME);
        }
        directory.write_pieces(NAME, self.pieces().iter().map(|piece| piece.as_bytes()))
    }

    /// Returns the entry of a VM.
    pub fn of(&self, object: &Object) -> Option<&Entry> {
        self.entries.get(object).and_then(Slot::known)
    }

    /// Records a VM's allocation, or removes its entry if that is empty.
    pub fn note(&mut self, object: &Object, entry: Entry) {
        if entry.allocation == Allocation::default() {
            self.entries.remove(object);
        } else {
            let slot = Slot { text: lines(object, &entry), entry: OnceCell::from(entry) };
            self.entries.insert(object.clone(), slot);
        }
    }

    /// Returns the VMs with an allocation.
    pub fn entries(&self) -> impl Iterator<Item = (&Object, &Entry)> {
        self.entries.iter().filter_map(|(domain, slot)| Some((domain, slot.known()?)))
    }

    /// Returns the entries of all VMs but one.
    pub fn others<'a>(&'a self, object: &'a Object) -> impl Iterator<Item = (&'a Object, &'a Entry)> {
        self.slots_of_others(object).filter_map(|(other, slot)| Some((other, slot.known()?)))
    }

    fn slots_of_others<'a>(&'a self, object: &'a Object) -> impl Iterator<Item = (&'a Object, &'a Slot)> {
        self.entries.iter().filter(move |(other, _)| *other != object)
    }

    /// The forwards of all VMs but one that may be in the way of some: those of a port between the first and the last of
    /// theirs.
    pub fn forwards_of_others<'a>(
        &'a self,
        object: &'a Object,
        wanted: impl IntoIterator<Item = &'a Forward>,
    ) -> ForwardsOfOthers<'a> {
        let ports = wanted.into_iter().map(|forward| (forward.ports.first(), forward.ports.last()));
        let Some((first, last)) = ports.reduce(|one, other| (one.0.min(other.0), one.1.max(other.1))) else {
            return ForwardsOfOthers(Vec::new());
        };
        let near = Ports::new(first, last);
        let known = |(other, line): (&'a Object, &'a str)| {
            let (protocol, rest) = first_word(line)?;
            let (_listen, rest) = first_word(rest)?;
            let (ports, _to) = first_word(rest)?;
            let ports: Ports = ports.parse().ok()?;
            near.filter(|near| near.overlap(ports)).and_then(|_| Some((protocol.parse().ok()?, ports, other, line)))
        };
        let all = self.slots_of_others(object);
        let all = all.flat_map(|(other, slot)| slot.said("\nforward ").map(move |line| (other, line)));
        ForwardsOfOthers(all.filter_map(known).collect())
    }

    /// The routes of all VMs but one.
    pub fn routes_of_others<'a>(&'a self, object: &'a Object) -> impl Iterator<Item = (&'a Object, Route)> {
        let all = self.slots_of_others(object);
        all.flat_map(|(other, slot)| slot.said("\nroute ").filter_map(route).map(move |route| (other, route)))
    }

    /// Returns true if another VM has a route to a device.
    pub fn others_have_routes_to(&self, object: &Object, device: &str) -> bool {
        self.routes_of_others(object).any(|(_, route)| route.device == device)
    }

    /// Returns true if another VM has a forward to an address.
    pub fn others_have_forwards_to(&self, object: &Object, address: IpAddr) -> bool {
        let word = format!(" {address} ");
        let has = |slot: &Slot| memchr::memmem::find(slot.text.as_bytes(), word.as_bytes()).is_some();
        self.slots_of_others(object).any(|(_, slot)| has(slot))
    }

    /// Its text: a line for each VM, and below it one for each thing that it has.
    pub fn text(&self) -> String {
        self.pieces().concat()
    }

    fn pieces(&self) -> Vec<Cow<'_, str>> {
        let ndp_proxy =
            self.ndp_proxy.iter().map(|device| format!("answering {}\n", escaped(device.as_bytes())).into());
        ndp_proxy.chain(self.entries.values().map(|slot| slot.text.as_str().into())).collect()
    }

    /// Parses [`Ledger::text`]. An unparsable line belongs to no VM.
    pub fn parse(text: &str) -> Self {
        let mut ledger = Self::default();
        let next = |from: usize| {
            let rest = text.as_bytes().get(from..)?;
            memchr::memmem::find(rest, b"\nvm ").map(|at| from + at + 1)
        };
        let first = if text.starts_with("vm ") { Some(0) } else { next(0) };
        let before = text.get(..first.unwrap_or(text.len())).unwrap_or_default();
        ledger.ndp_proxy = before.lines().filter_map(|line| name(line.strip_prefix("answering ")?)).collect();
        let mut start = first;
        while let Some(from) = start {
            start = next(from);
            let mut text = text.get(from..start.unwrap_or(text.len())).unwrap_or_default().to_owned();
            if !text.ends_with('\n') {
                text.push('\n');
            }
            let of = text.lines().next().and_then(|line| line.split(' ').nth(1)).unwrap_or_default();
            if let Some(object) = object(of) {
                ledger.entries.insert(object, Slot { text, entry: OnceCell::new() });
            }
        }
        ledger.entries.retain(|_, slot| slot.says_something());
        ledger
    }
}

#[cfg(test)]
mod tests {
    use super::*;

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
        let mut ledger = Ledger { ndp_proxy: vec!["eth0.5".to_owned()], ..Ledger::default() };
        for (domain, incomplete) in [(&b"i-2-10-VM"[..], false), (b"-", true), (b"a b%\n\xff\xc3\xa4", false)] {
            let forwards = [forward(1, None, &[]), forward(9, Some("::1"), &["2001:db8::/32", "fd00::1/128"])];
            let routes = [route(None), route(Some("eth0"))];
            let allocation = Allocation {
                forwards: forwards.into_iter().collect(),
                routes: routes.into_iter().collect(),
                links: ["virbr0".to_owned(), "a-b".to_owned()].into_iter().collect(),
                hairpin_taps: ["vnet0".to_owned()].into_iter().collect(),
            };
            ledger.note(&Object::domain(OsStr::from_bytes(domain)), Entry { allocation, incomplete });
        }
        assert_eq!(Ledger::parse(&ledger.text()), ledger);
        assert!(ledger.text().is_ascii());
    }

    #[test]
    fn what_cannot_be_read_costs_only_itself() {
        let text = "nonsense\nforward tcp * 80 10.0.0.1 80\nvm qemu/a settled\nforward tcp * 0 10.0.0.1 80\nforward\n\
                    forward tcp * 81 10.0.0.1 81\nroute x\nlink\nvm qemu/b\nvm qemu/c\nlink br0\n";
        let ledger = Ledger::parse(text);
        let a = ledger.of(&Object::domain("a")).expect("a VM");
        assert_eq!(
            (a.allocation.forwards.len(), a.allocation.routes.len(), a.allocation.links.len(), a.incomplete),
            (1, 0, 0, false)
        );
        assert_eq!(ledger.of(&Object::domain("b")), None);
        assert!(ledger.of(&Object::domain("c")).is_some_and(|c| c.incomplete));
    }

    #[test]
    fn of_others_is_told_what_is_asked_for() {
        let text = "answering eth0\nvm qemu/a settled\nforward tcp * 80-89 10.0.0.1 80\nforward udp * 80 10.0.0.1 80\nlink br0\n\
                    vm qemu/b settled\nforward tcp 192.0.2.1 90 10.0.0.2 80 198.51.100.0/24\nroute 192.0.2.9/32 br1 eth0\nlink br1\n";
        let ledger = Ledger::parse(text);
        assert_eq!(ledger.text(), text);
        let [a, b, c] = ["a", "b", "c"].map(Object::domain);
        let (a, b, c) = (&a, &b, &c);
        let wanted = |text: &str| forward(text).expect("a forward");
        for (own, other, expected) in [
            (c, "tcp * 85 10.0.0.3 80", Some(a)),
            (a, "tcp * 85 10.0.0.3 80", None),
            (c, "tcp * 90 10.0.0.3 80", Some(b)),
            (c, "tcp * 90 10.0.0.3 80 203.0.113.0/24", None),
            (c, "udp * 81 10.0.0.3 80", None),
        ] {
            let wanted = wanted(other);
            let others = ledger.forwards_of_others(own, [&wanted]);
            assert_eq!(others.overlapping(&wanted).map(|(domain, _)| domain), expected, "{other}");
        }
        assert!(ledger.others_have_routes_to(a, "br1") && !ledger.others_have_routes_to(b, "br1"));
        let has = |of: &str, address: [u8; 4]| ledger.others_have_forwards_to(&Object::domain(of), address.into());
        assert!(
            has("b", [10, 0, 0, 1]) && !has("a", [10, 0, 0, 1]) && !has("b", [10, 0, 0, 2]) && !has("b", [10, 0, 0, 0])
        );
        assert_eq!(ledger.routes_of_others(a).count(), 1);
        assert_eq!(ledger.routes_of_others(b).count(), 0);
    }
}
