//! The table as nft lists it.

use std::collections::{BTreeMap, BTreeSet};
use std::net::{IpAddr, SocketAddr};

use ipnet::IpNet;

use super::element::{Element, Key};
use crate::kernel::address::Protocol;

/// Content of the table.
#[derive(Debug, Default, PartialEq, Eq)]
pub struct Listing {
    /// Its elements, as far as they are of a kind that this program makes.
    pub elements: BTreeSet<Element>,
    /// Number of connections through each forward, as counted by nft.
    pub connections: BTreeMap<Element, u64>,
    /// The text without elements: maps, sets, chains and rules, for comparison.
    pub frame: String,
    /// Elements of other kinds, which a third party added.
    pub foreign: Vec<String>,
}

/// Parses the output of `nft list table inet virt-hooks`. Unparsable parts are not elements.
pub fn read(text: &str) -> Listing {
    let mut listing = Listing::default();
    let mut room = "";
    let mut lines = text.lines();
    while let Some(line) = lines.next() {
        let words = line.trim();
        if let Some(name) = words.strip_prefix("map ").or_else(|| words.strip_prefix("set ")) {
            room = name.trim_end_matches(" {");
        }
        let Some(first) = words.strip_prefix("elements = {") else {
            listing.frame.push_str(line);
            listing.frame.push('\n');
            continue;
        };
        let mut all = first.to_owned();
        while !all.ends_with('}') {
            let Some(more) = lines.next() else { break };
            all.push(' ');
            all.push_str(more.trim());
        }
        for entry in all.trim_end_matches('}').split(',').map(str::trim).filter(|entry| !entry.is_empty()) {
            listing.take(room, entry);
        }
    }
    listing
}

impl Listing {
    fn take(&mut self, room: &str, entry: &str) {
        let Some((element, connections)) = element(room, entry) else {
            return self.foreign.push(format!("{room} {{ {entry} }}"));
        };
        if let Some(connections) = connections {
            self.connections.insert(element.clone(), connections);
        }
        self.elements.insert(element);
    }
}

/// An element as nft shows it, with how often it was found: `tcp . 80 counter packets 3 bytes 180 : 10.0.0.1 . 80`.
fn element(room: &str, entry: &str) -> Option<(Element, Option<u64>)> {
    let element = match room {
        "within4" | "within6" => {
            let (name, address) = entry.split_once(" . ")?;
            Element::Within(name.strip_prefix('"')?.strip_suffix('"')?.to_owned(), address.parse().ok()?)
        }
        "links" => Element::Link(entry.strip_prefix('"')?.strip_suffix('"')?.to_owned()),
        "routed4" | "routed6" => Element::Routed(prefix(entry)?),
        _ => {
            let (known_by, to) = entry.split_once(" : ")?;
            let (key, counter) = known_by.split_once(" counter ").unwrap_or((known_by, ""));
            let key = key_of(room, key)?;
            let (address, port) = to.split_once(" . ")?;
            let to = SocketAddr::new(address.trim().parse().ok()?, port.trim().parse().ok()?);
            let connections = counter.split_whitespace().nth(1).and_then(|packets| packets.parse().ok());
            let element = Element::Forward { key, to };
            return (element.room() == room).then_some((element, connections));
        }
    };
    (element.room() == room).then_some((element, None))
}

fn key_of(room: &str, text: &str) -> Option<Key> {
    let mut parts = text.split(" . ").map(str::trim);
    let protocol = protocol(parts.next()?)?;
    let mut next = || parts.next();
    let key = match room.trim_end_matches(['4', '6']) {
        "any" => Key::Any(protocol, next()?.parse().ok()?),
        "listen" => Key::Listen(protocol, next()?.parse().ok()?, next()?.parse().ok()?),
        "from" => Key::From(protocol, prefix(next()?)?, next()?.parse().ok()?, prefix(next()?)?),
        _ => return None,
    };
    next().is_none().then_some(key)
}

/// A protocol by its name, or by its number: nft has the names from `/etc/protocols`, which not every host has.
fn protocol(text: &str) -> Option<Protocol> {
    let is_its_number = |protocol: &Protocol| text.parse() == Ok(protocol.number());
    text.parse().ok().or_else(|| [Protocol::Tcp, Protocol::Udp].into_iter().find(is_its_number))
}

fn prefix(text: &str) -> Option<IpNet> {
    text.parse().ok().or_else(|| text.parse::<IpAddr>().ok().map(IpNet::from))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_protocol_is_known_by_its_name_and_by_its_number() {
        let text = |tcp: &str, udp: &str| {
            format!(
                "table inet virt-hooks {{\n\tmap any4 {{\n\t\telements = {{ {tcp} . 80 counter packets 3 bytes 180 : 10.0.0.1 . 80,\n\
                 \t\t\t     {udp} . 53 : 10.0.0.1 . 53 }}\n\t}}\n}}\n"
            )
        };
        let listing = read(&text("6", "17"));
        assert_eq!(listing, read(&text("tcp", "udp")));
        assert_eq!((listing.elements.len(), listing.foreign.len(), listing.connections.len()), (2, 0, 1));
        assert_eq!(read(&text("tcp", "132")).foreign, ["any4 { 132 . 53 : 10.0.0.1 . 53 }"]);
    }
}
