//! `virt-hooks import libvirt-hook-qemu`: declarations from hooks.json of saschpe/libvirt-hook-qemu.
//!
//! Nothing is opened wider than it was without saying so: what can't be had in the same way is left out, and told.

use std::collections::BTreeMap;
use std::fs::File;
use std::io::{self, Read, Write};
use std::net::IpAddr;
use std::path::{Path, PathBuf};
use std::process::ExitCode;

use clap::Args;
use ipnet::IpNet;
use serde_json::{Map, Value};

use crate::command::failure::Failure;
use crate::kernel::address::{Ports, Protocol};
use crate::network::allocation::Forward;
use crate::network::declaration::{DeclaredForward, Source, forward_as_toml, parse};
use crate::network::desired::reserved::Reserved;
use crate::record::{Escaped, Quoted};

/// From which file.
#[derive(Debug, Args)]
#[command(after_help = "\
The declarations are printed, and what could not be taken over as it was is told on stderr. The format is that of hooks.json \
(or qemu.json), comments included. It ends with 1 where something was left out. The old hook has to go: both would open the same ports.

Examples:
  virt-hooks import libvirt-hook-qemu /etc/libvirt/hooks/hooks.json
  virt-hooks import libvirt-hook-qemu hooks.json > /etc/libvirt/hooks/virt-hooks-network.d/imported.toml")]
pub(super) struct Arguments {
    /// The JSON file, or - for stdin
    #[arg(value_name = "FILE")]
    file: PathBuf,
}

/// The most that is read of a file, in bytes.
const MAXIMUM_BYTES: u64 = 16 << 20;

/// What a file came to.
#[derive(Debug, PartialEq, Eq)]
struct Imported {
    /// The declarations.
    toml: String,
    /// What is not as it was there.
    warnings: Vec<String>,
    /// Whether something there has no declaration.
    left_out: bool,
}

/// Reads the file and prints what it comes to.
pub(super) fn perform(arguments: &Arguments) -> Result<ExitCode, Failure> {
    let name = Quoted::path(&arguments.file);
    let text = read(&arguments.file).map_err(|error| Failure::failed(format_args!("{name} can't be read: {error}")))?;
    let imported = import(&text).map_err(|why| Failure::failed(format_args!("{name} is not imported: {why}")))?;
    io::stdout().write_all(imported.toml.as_bytes())?;
    for warning in &imported.warnings {
        // A closed stderr is no failure.
        _ = writeln!(io::stderr(), "virt-hooks: {warning}");
    }
    Ok(ExitCode::from(u8::from(imported.left_out)))
}

fn read(file: &Path) -> io::Result<String> {
    let mut text = String::new();
    let length = match file == Path::new("-") {
        true => io::stdin().take(MAXIMUM_BYTES).read_to_string(&mut text)?,
        false => File::open(file)?.take(MAXIMUM_BYTES).read_to_string(&mut text)?,
    };
    if length as u64 == MAXIMUM_BYTES {
        return Err(io::Error::other(format!("it is longer than {MAXIMUM_BYTES} bytes")));
    }
    Ok(text)
}

/// The declarations that a text in this format comes to.
fn import(text: &str) -> Result<Imported, String> {
    let value: Value =
        serde_json::from_str(&without_comments(text)).map_err(|error| format!("it is no JSON: {error}"))?;
    let Value::Object(domains) = value else { return Err("it is no object with a member for each VM".to_owned()) };
    let toml = "# From hooks.json, by virt-hooks import libvirt-hook-qemu.\n".to_owned();
    let mut import = Import {
        imported: Imported { toml, warnings: Vec::new(), left_out: false },
        domain: String::new(),
        reserved: Reserved::default(),
    };
    for (domain, value) in domains {
        import.domain = domain;
        import.reserved = Reserved::default();
        match value {
            Value::Object(one) => import.entry(&one),
            Value::Array(several) => {
                for one in several {
                    match one {
                        Value::Object(one) => import.entry(&one),
                        _ => import.leave_out("an entry that is no object is left out"),
                    }
                }
            }
            _ => import.leave_out("what is neither an object nor an array of objects is left out"),
        }
    }
    Ok(import.imported)
}

/// The text with blanks in the place of comments, so that every error is told where it is.
fn without_comments(text: &str) -> String {
    let mut without = String::with_capacity(text.len());
    let mut rest = text;
    while let Some(at) = rest.find(['"', '/']) {
        let (before, from) = rest.split_at(at);
        without.push_str(before);
        let length = if from.starts_with('"') {
            let length = string_length(from);
            without.push_str(from.get(..length).unwrap_or_default());
            length
        } else {
            let length = match from.as_bytes().get(1) {
                Some(b'/') => from.find('\n').unwrap_or(from.len()),
                Some(b'*') => from.get(2..).and_then(|inside| inside.find("*/")).map_or(from.len(), |end| end + 4),
                _ => 0,
            };
            let comment = from.get(..length).unwrap_or_default();
            without.extend(comment.chars().map(|character| if character == '\n' { '\n' } else { ' ' }));
            // A single slash is none, and JSON will say so.
            without.push_str(if length == 0 { "/" } else { "" });
            length.max(1)
        };
        rest = from.get(length..).unwrap_or_default();
    }
    without + rest
}

/// How long the string at the beginning of a text is, quotes included.
fn string_length(text: &str) -> usize {
    let mut escaped = false;
    for (at, byte) in text.bytes().enumerate().skip(1) {
        match byte {
            b'"' if !escaped => return at + 1,
            _ => escaped = byte == b'\\' && !escaped,
        }
    }
    text.len()
}

struct Import {
    imported: Imported,
    /// The VM whose entry is read.
    domain: String,
    /// What has been declared for it.
    reserved: Reserved<()>,
}

/// A port of the host with the VM's.
type Pair = (u16, u16);

impl Import {
    fn warn(&mut self, message: &str) {
        let domain = Escaped(self.domain.as_bytes());
        self.imported.warnings.push(format!("{domain}: {message}"));
    }

    fn leave_out(&mut self, message: &str) {
        self.imported.left_out = true;
        self.warn(message);
    }

    /// One object: the ports of one address of a VM.
    fn entry(&mut self, entry: &Map<String, Value>) {
        for key in entry.keys() {
            match key.as_str() {
                "private_ip" | "public_ip" | "source_ip" | "port_map" | "port_range" => {}
                "interface" => self.warn(
                    "\"interface\" is left out: which device leads to the VM is known from its XML, and nothing else is \
                     forwarded to",
                ),
                other => self.leave_out(&format!("\"{}\" is not known and left out", Escaped(other.as_bytes()))),
            }
        }
        let Some(to) = entry.get("private_ip").and_then(Value::as_str).and_then(|ip| ip.parse::<IpAddr>().ok()) else {
            return self.leave_out("an entry without an address in \"private_ip\" is left out");
        };
        let listen = match entry.get("public_ip") {
            None => {
                self.warn(
                    "without \"public_ip\" it listened on the address of the host's default route; now it listens on every \
                     address, unless \"listen\" names one",
                );
                None
            }
            Some(ip) => match ip.as_str().and_then(|ip| ip.parse::<IpAddr>().ok()) {
                Some(ip) => Some(ip),
                None => return self.leave_out(&format!("the entry for {to} is left out: \"public_ip\" is no address")),
            },
        };
        let from = match entry.get("source_ip") {
            None => Vec::new(),
            Some(ip) => match ip.as_str().and_then(sources) {
                Some(from) => from,
                None => {
                    let why =
                        "\"source_ip\" is neither an address nor a prefix, and without it everybody could connect";
                    return self.leave_out(&format!("the entry for {to} is left out: {why}"));
                }
            },
        };
        if !from.is_empty() && entry.contains_key("port_range") {
            self.warn("\"source_ip\" did not limit \"port_range\"; now it does");
        }
        let mut ports = BTreeMap::new();
        self.port_map(entry.get("port_map"), &mut ports);
        self.port_ranges(entry.get("port_range"), &mut ports);
        for (protocol, pairs) in ports {
            for (ports, to_port) in self.runs(protocol, pairs) {
                let to_port = Some(to_port).filter(|to_port| *to_port != ports.first());
                let source = Source::File { path: PathBuf::new(), line: 0 };
                let forward =
                    DeclaredForward { source, protocol, listen, ports, to: Some(to), to_port, from: from.clone() };
                self.declare(&forward, to);
            }
        }
    }

    fn protocol(&mut self, name: &str) -> Option<Protocol> {
        let protocol = name.parse().ok();
        match name {
            _ if protocol.is_some() => {}
            "icmp" => {
                self.leave_out("icmp is left out: it has no ports, and what pings the host's address is answered by it")
            }
            other => self.leave_out(&format!("the protocol \"{}\" is left out", Escaped(other.as_bytes()))),
        }
        protocol
    }

    fn port_map(&mut self, map: Option<&Value>, ports: &mut BTreeMap<Protocol, Vec<Pair>>) {
        let Some(map) = map else { return };
        let Some(map) = map.as_object() else { return self.leave_out("a \"port_map\" that is no object is left out") };
        for (name, list) in map {
            let Some(protocol) = self.protocol(name) else { continue };
            for value in list.as_array().map_or(std::slice::from_ref(list), Vec::as_slice) {
                let pair = match value.as_array().map(Vec::as_slice) {
                    None => port(value).map(|port| (port, port)),
                    Some([public, private]) => port(public).zip(port(private)),
                    Some(_) => None,
                };
                match pair {
                    Some(pair) => ports.entry(protocol).or_default().push(pair),
                    None => self.leave_out(&format!("{} in \"port_map\" is no port and is left out", brief(value))),
                }
            }
        }
    }

    fn port_ranges(&mut self, ranges: Option<&Value>, ports: &mut BTreeMap<Protocol, Vec<Pair>>) {
        let Some(ranges) = ranges else { return };
        for range in ranges.as_array().map_or(std::slice::from_ref(ranges), Vec::as_slice) {
            let first = range.get("init_port").and_then(port);
            let count = range.get("ports_num").and_then(port);
            let last = first.zip(count).and_then(|(first, count)| first.checked_add(count - 1));
            let (Some(first), Some(last)) = (first, last) else {
                self.leave_out(&format!("{} in \"port_range\" is no range of ports and is left out", brief(range)));
                continue;
            };
            let Some(protocol) = self.protocol(range.get("protocol").and_then(Value::as_str).unwrap_or_default())
            else {
                continue;
            };
            ports.entry(protocol).or_default().extend((first..=last).map(|port| (port, port)));
        }
    }

    /// The ports, each once, as few ranges as there can be, with the VM's port for the first.
    fn runs(&mut self, protocol: Protocol, pairs: Vec<Pair>) -> Vec<(Ports, u16)> {
        let mut leads_to = BTreeMap::new();
        for (public, private) in pairs {
            // Of two rules of iptables the first counts.
            let first = *leads_to.entry(public).or_insert(private);
            if first != private {
                self.warn(&format!("{protocol} port {public} leads to {first}, as it did, and never to {private}"));
            }
        }
        let mut runs: Vec<(u16, u16, u16)> = Vec::new();
        for (public, private) in leads_to {
            match runs.last_mut() {
                Some((first, last, to))
                    if last.checked_add(1) == Some(public) && to.checked_add(public - *first) == Some(private) =>
                {
                    *last = public;
                }
                _ => runs.push((public, public, private)),
            }
        }
        runs.into_iter().filter_map(|(first, last, to)| Some((Ports::new(first, last)?, to))).collect()
    }

    /// Prints a declaration, if it is one that will be taken.
    fn declare(&mut self, forward: &DeclaredForward, to: IpAddr) {
        let DeclaredForward { protocol, ports, .. } = *forward;
        let allocation = Forward {
            protocol,
            listen: forward.listen,
            ports,
            to,
            to_port: forward.to_port.unwrap_or(ports.first()),
            from: forward.from.clone(),
        };
        match self.reserved.overlapping(&allocation) {
            Some((other, ())) if *other != allocation => {
                let why = format!("an earlier entry has {other}, and one port leads to one address");
                return self.leave_out(&format!("{allocation} is left out: {why}"));
            }
            Some(_) => {}
            None => self.reserved.insert(&allocation, ()),
        }
        let table = forward_as_toml(&[glob::Pattern::escape(&self.domain)], forward);
        let (_, problems) = parse(&table, Path::new(""));
        match problems.first() {
            None => self.imported.toml += &format!("\n{table}"),
            Some(problem) => {
                let why = problem.message.split(';').next().unwrap_or_default();
                self.leave_out(&format!("{protocol} port {ports} is left out: {why}"));
            }
        }
    }
}

/// A port, or a number of them.
fn port(value: &Value) -> Option<u16> {
    value.as_u64().and_then(|port| u16::try_from(port).ok()).filter(|port| *port != 0)
}

/// What `iptables -s` takes but for names: addresses with or without a length or a mask, with commas between them.
fn sources(text: &str) -> Option<Vec<IpNet>> {
    let source = |text: &str| {
        let (address, mask) =
            text.trim().split_once('/').map_or((text.trim(), None), |(address, mask)| (address, Some(mask)));
        let address: IpAddr = address.parse().ok()?;
        let length = match mask {
            None => IpNet::from(address).prefix_len(),
            Some(length) if length.bytes().all(|byte| byte.is_ascii_digit()) => length.parse().ok()?,
            Some(mask) => ipnet::ip_mask_to_prefix(mask.parse().ok()?).ok()?,
        };
        // iptables takes no heed of bits behind the length.
        IpNet::new(address, length).ok().map(|prefix| prefix.trunc())
    };
    text.split(',').map(source).collect()
}

/// A value, for a message.
fn brief(value: &Value) -> String {
    let text: String = value.to_string().chars().take(60).collect();
    Escaped(text.as_bytes()).to_string()
}

#[cfg(test)]
mod tests;
