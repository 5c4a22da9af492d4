//! The ledger's text: a line for each VM, and below it one for each thing that it has.

use std::ffi::OsStr;
use std::fmt::Write;
use std::net::IpAddr;
use std::os::unix::ffi::OsStrExt;

use ipnet::IpNet;

use super::entry::Entry;
use crate::driver::{Driver, Object};
use crate::network::allocation::{Allocation, Forward, Route};

/// Returns the text before and after the first blank.
pub(super) fn first_word(text: &str) -> Option<(&str, &str)> {
    let at = memchr::memchr(b' ', text.as_bytes())?;
    Some((text.get(..at)?, text.get(at + 1..)?))
}

/// Formats a VM's allocation.
pub(super) fn lines(object: &Object, Entry { allocation, incomplete }: &Entry) -> String {
    let mut text = String::new();
    let state = if *incomplete { "unsettled" } else { "settled" };
    // Writing to a String can't fail.
    let (driver, name) = (object.driver().name, escaped(object.name().as_bytes()));
    _ = writeln!(text, "vm {driver}/{name} {state}");
    for Forward { protocol, listen, ports, to, to_port, from } in &allocation.forwards {
        let listen = listen.map_or_else(|| "*".to_owned(), |listen| listen.to_string());
        _ = write!(text, "forward {protocol} {listen} {ports} {to} {to_port}");
        for from in from {
            _ = write!(text, " {from}");
        }
        text.push('\n');
    }
    for Route { to, device, proxy } in &allocation.routes {
        let proxy = proxy.as_ref().map_or_else(|| "-".to_owned(), |proxy| escaped(proxy.as_bytes()));
        _ = writeln!(text, "route {to} {} {proxy}", escaped(device.as_bytes()));
    }
    for link in &allocation.links {
        _ = writeln!(text, "link {}", escaped(link.as_bytes()));
    }
    for tap in &allocation.hairpin_taps {
        _ = writeln!(text, "reflecting {}", escaped(tap.as_bytes()));
    }
    text
}

/// Reads `qemu/web%2d1`. None where there is no such driver.
pub(super) fn object(text: &str) -> Option<Object> {
    let (driver, name) = text.split_once('/')?;
    Some(Object::new(Driver::named(driver.as_bytes())?, OsStr::from_bytes(&unescaped(name))))
}

/// Parses a VM's lines.
pub(super) fn entry(text: &str) -> Entry {
    let mut entry = Entry { allocation: Allocation::default(), incomplete: true };
    for line in text.lines() {
        let (word, rest) = line.split_once(' ').unwrap_or((line, ""));
        match word {
            "vm" => entry.incomplete = rest.split_once(' ').is_none_or(|(_, state)| state != "settled"),
            "forward" => entry.allocation.forwards.extend(forward(rest)),
            "route" => entry.allocation.routes.extend(route(rest)),
            "link" => entry.allocation.links.extend(name(rest)),
            "reflecting" => entry.allocation.hairpin_taps.extend(name(rest)),
            _ => {}
        }
    }
    entry
}

pub(super) fn forward(text: &str) -> Option<Forward> {
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

pub(super) fn route(text: &str) -> Option<Route> {
    let mut words = text.split(' ');
    let (to, device) = (words.next()?.parse().ok()?, name(words.next()?)?);
    let proxy = match words.next()? {
        "-" => None,
        device => Some(name(device)?),
    };
    Some(Route { to, device, proxy })
}

/// Escapes a name to one word: any byte but letters, digits, `.` and `_` becomes `%` and two hexadecimal digits.
pub(super) fn escaped(name: &[u8]) -> String {
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

pub(super) fn name(text: &str) -> Option<String> {
    String::from_utf8(unescaped(text)).ok().filter(|name| !name.is_empty())
}
