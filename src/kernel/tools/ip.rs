//! `ip` (ip(8)): routes and neighbour proxies, listed and changed.

use std::collections::BTreeSet;
use std::fmt::Write;
use std::net::IpAddr;

use ipnet::IpNet;
use serde::Deserialize;

use super::Tools;
use crate::process::ToolError;

/// A destination and the device that it leads to, in the kernel's routing table.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct KernelRoute {
    /// The destination.
    pub to: IpNet,
    /// The device.
    pub device: String,
}

/// An address for which the host answers ARP or NDP on a device.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Proxy {
    /// The address.
    pub address: IpAddr,
    /// The device.
    pub device: String,
}

/// Lists the routes of a protocol (`ip route show proto`).
///
/// # Errors
/// `ip` is absent or fails.
pub fn routes(protocol: &str, tools: &mut impl Tools) -> Result<BTreeSet<KernelRoute>, ToolError> {
    let mut routes = BTreeSet::new();
    for family in FAMILIES {
        let shown = ip(&["-j", family, "route", "show", "proto", protocol], tools)?;
        routes.extend(shown.into_iter().filter_map(Shown::route));
    }
    Ok(routes)
}

/// Lists all neighbour proxies, each with the protocol of the program that added it.
///
/// # Errors
/// `ip` is absent or fails.
pub fn proxies(tools: &mut impl Tools) -> Result<Vec<(Proxy, Option<String>)>, ToolError> {
    let mut proxies = Vec::new();
    for family in FAMILIES {
        let shown = ip(&["-j", family, "neigh", "show", "proxy"], tools)?;
        proxies.extend(shown.into_iter().filter_map(Shown::proxy));
    }
    Ok(proxies)
}

/// Returns true if packets to this address are for the host itself (`ip route get`).
///
/// # Errors
/// `ip` is absent or fails.
pub fn is_local(address: IpAddr, tools: &mut impl Tools) -> Result<bool, ToolError> {
    match tools.run("ip", &["-o", "route", "get", &address.to_string()], "") {
        Ok(shown) => Ok(shown.starts_with(b"local ")),
        // Nothing leads there.
        Err(ToolError::Complained(..)) => Ok(false),
        Err(error) => Err(error),
    }
}

/// A rule of policy routing (ip-rule(8)).
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Rule {
    /// The source that it is for, if it is for one only.
    pub from: Option<IpNet>,
    /// The mark that it is for, if it is for one only.
    pub mark: Option<String>,
    /// The table that it looks up.
    pub table: String,
}

/// Lists the rules of policy routing that look up a table, of both families.
///
/// # Errors
/// Where `ip` is absent or fails.
pub fn rules(tools: &mut impl Tools) -> Result<Vec<Rule>, ToolError> {
    let mut rules = Vec::new();
    for family in FAMILIES {
        let shown = tools.run("ip", &["-o", family, "rule", "show"], "")?;
        rules.extend(String::from_utf8_lossy(&shown).lines().filter_map(rule));
    }
    Ok(rules)
}

/// Reads a rule as `ip rule show` prints it: `32765: from 10.98.0.1 lookup 100`. One that asks for anything else is left out:
/// a device, a port, a destination.
fn rule(line: &str) -> Option<Rule> {
    let mut words = line.split_whitespace().skip(1);
    let mut rule = Rule { from: None, mark: None, table: String::new() };
    while let Some(word) = words.next() {
        match (word, words.next()?) {
            ("from", "all") => {}
            ("from", from) => {
                rule.from = Some(from.parse().ok().or_else(|| from.parse::<IpAddr>().ok().map(IpNet::from))?);
            }
            ("fwmark", mark) => rule.mark = Some(mark.to_owned()),
            ("lookup", table) => table.clone_into(&mut rule.table),
            ("proto", _) => {}
            _ => return None,
        }
    }
    (!rule.table.is_empty()).then_some(rule)
}

/// Returns the default route of a table, as `ip` prints it; nothing where it has none.
///
/// # Errors
/// Where `ip` is absent or fails.
pub fn default_route(table: &str, is_ipv4: bool, tools: &mut impl Tools) -> Result<String, ToolError> {
    let family = if is_ipv4 { "-4" } else { "-6" };
    let shown = tools.run("ip", &["-o", family, "route", "show", "table", table, "default"], "")?;
    Ok(String::from_utf8_lossy(&shown).trim().to_owned())
}

/// Adds routes and proxies of this protocol, one after another.
///
/// # Errors
/// One is refused; those before it have been added.
pub fn add(
    routes: &BTreeSet<KernelRoute>,
    proxies: &BTreeSet<Proxy>,
    protocol: &str,
    tools: &mut impl Tools,
) -> Result<(), ToolError> {
    batch("add", &["-batch", "-"], routes, proxies, protocol, tools)
}

/// Deletes routes and proxies of this protocol. One that is absent already, with its device, is no error.
///
/// # Errors
/// `ip` is absent, or times out.
pub fn delete(
    routes: &BTreeSet<KernelRoute>,
    proxies: &BTreeSet<Proxy>,
    protocol: &str,
    tools: &mut impl Tools,
) -> Result<(), ToolError> {
    match batch("del", &["-force", "-batch", "-"], routes, proxies, protocol, tools) {
        Err(ToolError::Complained(..) | ToolError::Failed(..)) => Ok(()),
        done => done,
    }
}

const FAMILIES: [&str; 2] = ["-4", "-6"];

fn batch(
    verb: &str,
    arguments: &[&str],
    routes: &BTreeSet<KernelRoute>,
    proxies: &BTreeSet<Proxy>,
    protocol: &str,
    tools: &mut impl Tools,
) -> Result<(), ToolError> {
    let mut lines = String::new();
    for KernelRoute { to, device } in routes {
        // Writing to a String can't fail.
        _ = writeln!(lines, "route {verb} {to} dev {device} proto {protocol}");
    }
    for Proxy { address, device } in proxies {
        _ = writeln!(lines, "neigh {verb} proxy {address} dev {device} protocol {protocol}");
    }
    if lines.is_empty() { Ok(()) } else { tools.run("ip", arguments, &lines).map(drop) }
}

fn ip(arguments: &[&str], tools: &mut impl Tools) -> Result<Vec<Shown>, ToolError> {
    let said = tools.run("ip", arguments, "")?;
    if said.trim_ascii().is_empty() {
        return Ok(Vec::new());
    }
    serde_json::from_slice(&said)
        .map_err(|error| ToolError::Failed("ip".to_owned(), format!("says what can't be read: {error}")))
}

/// A route or a proxy as `ip -j` shows it.
#[derive(Debug, Deserialize)]
struct Shown {
    dst: String,
    dev: Option<String>,
    protocol: Option<String>,
}

impl Shown {
    fn route(self) -> Option<KernelRoute> {
        let to = self.dst.parse::<IpNet>().ok().or_else(|| self.dst.parse::<IpAddr>().ok().map(IpNet::from))?;
        Some(KernelRoute { to, device: self.dev? })
    }

    fn proxy(self) -> Option<(Proxy, Option<String>)> {
        Some((Proxy { address: self.dst.parse().ok()?, device: self.dev? }, self.protocol))
    }
}
