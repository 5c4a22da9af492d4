//! `virt-hooks get`: what scripts take out of the VM's XML.

use std::ffi::{OsStr, OsString};
use std::fs::File;
use std::io::{self, BufWriter, IsTerminal, Read, Write};
use std::os::fd::AsFd;
use std::path::{Path, PathBuf};
use std::process::ExitCode;

use clap::{Args, ValueEnum};
use memchr::memmem;
use serde::Serialize;
use serde_json::json;

use super::failure::Failure;
use crate::domain::{self, DomainXml, HookData, LiveXml, MAXIMUM_PARSED, Port};
use crate::driver::{Driver, Object, Operation, QEMU, Stage};
use crate::paths::Paths;
use crate::record::{Escaped, Quoted};

/// What is taken out, and of which XML.
#[derive(Debug, Args)]
#[command(after_help = "\
In a script it reads the XML that the script has on stdin, from its beginning each time, so that it can be called again and \
again. At stopped and release, where that XML names no tap any more, it reads the live XML instead. It never asks \
libvirt, and so never waits for it. The exit code is 1 if there is no XML, or no name or UUID in it; no tap is no failure.

Examples, in a script:
  uuid=$(virt-hooks get uuid)
  for tap in $(virt-hooks get taps); do tc qdisc show dev \"$tap\"; done
  virt-hooks get interfaces | while read -r mac type source tap; do echo \"$tap\"; done

And by hand:
  virsh dumpxml my-vm | virt-hooks get macs
  virt-hooks get interfaces --domain my-vm --json")]
pub(super) struct Arguments {
    /// What to take out
    #[arg(value_name = "WHAT")]
    pub(super) what: What,

    /// Of this file's XML; - is stdin, even where the live XML would be read
    #[arg(long, value_name = "FILE", conflicts_with_all = ["live", "domain"])]
    pub(super) xml: Option<PathBuf>,

    /// Of the live XML of the event's VM, whatever is on stdin
    #[arg(long)]
    pub(super) live: bool,

    /// Of this VM's live XML
    #[arg(long, value_name = "VM", allow_hyphen_values = true, conflicts_with = "live")]
    pub(super) domain: Option<OsString>,

    /// As JSON: a text, an array of texts, or for interfaces an array of objects
    #[arg(long)]
    pub(super) json: bool,
}

/// What a script may want to know of its VM.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub(super) enum What {
    /// The VM's or the network's name
    #[value(alias = "network")]
    Name,
    /// Its UUID
    Uuid,
    /// The MAC addresses of its interfaces, one a line
    #[value(alias = "mac")]
    Macs,
    /// The bridges that they are on, each once
    #[value(alias = "bridge")]
    Bridges,
    /// Their devices on the host, one a line
    #[value(alias = "tap")]
    Taps,
    /// In a network's script: the VM whose interface joins or leaves the network
    Owner,
    /// All of that, an interface a line: MAC address, type, bridge or other source, device; - where there is none
    Interfaces,
}

/// An interface, for programs.
#[derive(Debug, Serialize)]
struct Interface<'a> {
    mac: Option<&'a str>,
    r#type: Option<&'a str>,
    bridge: Option<&'a str>,
    source: Option<&'a str>,
    tap: Option<&'a str>,
}

/// Prints it.
pub(super) fn get(arguments: &Arguments, paths: &Paths) -> Result<ExitCode, Failure> {
    let (from, xml) = xml(arguments, paths)?;
    let unreadable = |error| Failure::failed(format_args!("the XML from {from} can't be read: it {error}"));
    // A domain's XML is not parsed twice.
    let may_be_hook_data = memmem::find(&xml, b"<hookData").is_some();
    let hook_data = if may_be_hook_data { HookData::parse(&xml).map_err(unreadable)? } else { None };
    let domain = if hook_data.is_none() { Some(DomainXml::parse(&xml).map_err(unreadable)?) } else { None };
    let port = hook_data.as_ref().and_then(HookData::port);
    let interfaces: Vec<Interface<'_>> = match &domain {
        Some(domain) => domain.interfaces().map(Interface::of_domain).collect(),
        None => port.iter().map(Interface::of_port).collect(),
    };
    let name = domain.as_ref().map_or_else(|| hook_data.as_ref()?.name(), |domain| domain.identity().name);
    let uuid = domain.as_ref().map_or_else(|| hook_data.as_ref()?.uuid(), DomainXml::uuid);
    let missing = |what: &str| Failure::failed(format_args!("the XML from {from} has no {what}"));
    let (json, lines) = match arguments.what {
        What::Name => one(name.filter(|name| !name.is_empty()).ok_or_else(|| missing("name"))?),
        What::Uuid => one(uuid.filter(|uuid| !uuid.is_empty()).ok_or_else(|| missing("uuid"))?),
        What::Macs => several(interfaces.iter().filter_map(|interface| interface.mac)),
        What::Owner => one(port.as_ref().and_then(|port| port.owner.clone()).ok_or_else(|| missing("owner"))?),
        What::Taps => several(interfaces.iter().filter_map(|interface| interface.tap)),
        What::Bridges => {
            let mut bridges: Vec<&str> = Vec::new();
            let network = hook_data.as_ref().and_then(HookData::bridge);
            for bridge in network.into_iter().chain(interfaces.iter().filter_map(|interface| interface.bridge)) {
                if !bridges.contains(&bridge) {
                    bridges.push(bridge);
                }
            }
            several(bridges.into_iter())
        }
        What::Interfaces => (json!(interfaces), interfaces.iter().map(Interface::line).collect()),
    };
    let mut out = BufWriter::new(io::stdout().lock());
    if arguments.json {
        writeln!(out, "{json}")?;
    } else {
        for line in lines {
            writeln!(out, "{line}")?;
        }
    }
    out.flush()?;
    Ok(ExitCode::SUCCESS)
}

impl<'a> Interface<'a> {
    fn of_domain(interface: domain::Interface<'a>) -> Self {
        Self {
            mac: interface.mac,
            r#type: interface.kind,
            bridge: interface.bridge.map(|bridge| bridge.text),
            source: interface.source,
            tap: interface.target,
        }
    }

    const fn of_port(port: &Port<'a>) -> Self {
        Self { mac: port.mac, r#type: port.kind, bridge: port.bridge, source: None, tap: port.tap }
    }

    fn line(&self) -> String {
        let source = self.bridge.or(self.source);
        [self.mac, self.r#type, source, self.tap].map(|field| field.map_or_else(|| "-".to_owned(), word)).join(" ")
    }
}

/// A field that `read` of a shell takes for one, whatever somebody wrote into a domain's XML.
fn word(text: &str) -> String {
    let word: String = text.chars().map(|letter| if letter.is_whitespace() { '_' } else { letter }).collect();
    if word.is_empty() { "-".to_owned() } else { Escaped(word.as_bytes()).to_string() }
}

fn one(text: String) -> (serde_json::Value, Vec<String>) {
    (json!(text), vec![text])
}

fn several<'a>(texts: impl Iterator<Item = &'a str>) -> (serde_json::Value, Vec<String>) {
    let texts: Vec<&str> = texts.collect();
    (json!(texts), texts.into_iter().map(word).collect())
}

/// The XML that is meant, and what it is from.
fn xml(arguments: &Arguments, paths: &Paths) -> Result<(String, Vec<u8>), Failure> {
    let stdin =
        || ("stdin".to_owned(), read(io::stdin()).map_err(|error| Failure::failed(format_args!("stdin: {error}"))));
    let (from, xml) = match (&arguments.xml, &arguments.domain) {
        (Some(path), _) if path == Path::new("-") => stdin(),
        (Some(path), _) => file(path),
        (None, Some(domain)) => file(&kept(paths, domain)?),
        (None, None) if arguments.live || is_over() => file(&event_s_live_xml()?),
        (None, None) if io::stdin().is_terminal() => {
            return Err(Failure::usage("there is no XML on stdin; give some: --domain VM, --xml FILE, or a pipe"));
        }
        (None, None) => stdin(),
    };
    let xml = xml?;
    if xml.trim_ascii().is_empty() {
        return Err(Failure::failed(format_args!("there is no XML in {from}")));
    }
    Ok((from, xml))
}

fn file(path: &Path) -> (String, Result<Vec<u8>, Failure>) {
    let from = Quoted::path(path).to_string();
    let read = File::open(path).and_then(read).map_err(|error| Failure::failed(format_args!("{from}: {error}")));
    (from, read)
}

/// Reads a file from its beginning, wherever whoever has it open has got to; a pipe from where it is. A byte more than can
/// be parsed is enough.
fn read(file: impl Read + AsFd) -> io::Result<Vec<u8>> {
    let most = MAXIMUM_PARSED as u64 + 1;
    let mut bytes = Vec::new();
    let Ok(whole) = file.as_fd().try_clone_to_owned().map(File::from) else { return Ok(bytes) };
    let mut at = 0;
    let mut piece = vec![0; 64 << 10];
    // pread moves no offset, which the script shares with whatever it starts.
    while let Ok(count @ 1..) = std::os::unix::fs::FileExt::read_at(&whole, &mut piece, at) {
        bytes.extend_from_slice(piece.get(..count).unwrap_or_default());
        at += count as u64;
        if at >= most {
            return Ok(bytes);
        }
    }
    if bytes.is_empty() {
        file.take(most).read_to_end(&mut bytes)?;
    }
    Ok(bytes)
}

/// Whether a script calls at an operation of which libvirt's XML names no tap and no bridge any more.
fn is_over() -> bool {
    let operation = std::env::var_os("VIRT_HOOKS_OPERATION").unwrap_or_default();
    let driver = std::env::var_os("VIRT_HOOKS_DRIVER").and_then(|name| Driver::named(name.as_encoded_bytes()));
    let stage = driver.unwrap_or(&QEMU).operation(operation.as_encoded_bytes()).map(Operation::stage);
    let over = matches!(stage, Some(Stage::Stopped | Stage::Released));
    over && std::env::var_os(LIVE_XML).is_some()
}

const LIVE_XML: &str = "VIRT_HOOKS_LIVE_XML";

fn event_s_live_xml() -> Result<PathBuf, Failure> {
    let place = std::env::var_os(LIVE_XML).map(PathBuf::from);
    place
        .ok_or_else(|| Failure::failed("the event's VM has no live XML: $VIRT_HOOKS_LIVE_XML is not set; see --domain"))
}

fn kept(paths: &Paths, domain: &OsStr) -> Result<PathBuf, Failure> {
    let name = Quoted::name(domain);
    let why = "it is kept from its start or the hook's installation until its release, for root";
    LiveXml::of(paths.state(), &Object::domain(domain))
        .and_then(|live_xml| live_xml.file())
        .ok_or_else(|| Failure::failed(format_args!("there is no live XML of {name}: {why}")))
}
