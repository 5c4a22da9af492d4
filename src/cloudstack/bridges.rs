//! Bridges at a live migration: the XML names those of the source host, and CloudStack names the bridge of a guest network
//! after the host's own physical device.
//!
//! With b the bridge of an interface and G the physical device under this host's guest bridge:
//!
//! | b | becomes |
//! |---|---|
//! | begins with `cloudVirBr`, the agent's old style | `br<G>-<the rest>` |
//! | begins with `brvx-`, a VXLAN's | unchanged |
//! | `br<dev>-<digits>`, and the device `<dev>` exists here | unchanged |
//! | `br<dev>-<digits>`, and it does not | `br<G>-<digits>` |
//! | anything else, or none | unchanged |

use super::guest_device::{NoGuestDevice, shown};
use super::host::{Host, ThisHost};
use crate::domain::{Document, DomainXml, Edit, Interface, splice};
use crate::driver::{Event, Operation};
use crate::kernel::devices::MAXIMUM_NAME;
use crate::paths::Paths;
use crate::record::{Journal, Level};

/// Advice for XML that could not be read.
const CHECK: &str =
    "so the migration fails if one is called otherwise here; check it where it comes from: virsh dumpxml";

/// Number of interfaces that get a record each.
const TOLD: usize = 100;

/// The changes to a domain's bridges.
#[derive(Debug)]
pub struct Plan<'h> {
    /// The interfaces whose bridge is not this host's.
    pub findings: Vec<Finding<'h>>,
    /// The changes in the XML.
    pub edits: Vec<Edit>,
}

/// An interface whose bridge is not this host's.
#[derive(Debug)]
pub struct Finding<'h> {
    /// The interface's name in records: its MAC address, or its number, from 1.
    pub interface: String,
    /// The bridge in the XML.
    pub bridge: String,
    /// Its fate.
    pub fate: Fate<'h>,
}

/// The fate of a bridge that is not this host's.
#[derive(Debug)]
pub enum Fate<'h> {
    /// It is renamed.
    Becomes {
        /// The new name.
        name: String,
        /// True if this host has a device of that name.
        exists: bool,
    },
    /// It is unchanged, since its name on this host is unknown.
    Unknown(&'h NoGuestDevice),
    /// It is unchanged, since the next host would rename the new name again.
    Ambiguous {
        /// The new name.
        name: String,
    },
    /// It is unchanged, since no device can have the new name.
    TooLong {
        /// The new name.
        name: String,
    },
}

/// Returns true where a live migration arrives. libvirt has no other sub-operation of `migrate`, and CloudStack's hook
/// checks it too.
pub fn renames_bridges_at(event: &Event, operation: Operation) -> bool {
    event.driver().has_networking && operation.is_migration() && event.sub_operation() == operation.sub_operation()
}

/// Renames the bridges in `document`, which has been read, to the names that they have on this host, and records each change.
pub fn rename_bridges(document: &mut Document, paths: &Paths, journal: &mut Journal) {
    if let Some(fault) = document.fault() {
        return journal.warn(None, format_args!("the VM's XML {fault}; its bridges stay as they are, {CHECK}"));
    }
    if document.bytes().is_empty() {
        return;
    }
    let xml = match DomainXml::parse(document.bytes()) {
        Ok(xml) => xml,
        Err(why) => {
            return journal.warn(None, format_args!("the VM's XML {why}; its bridges stay as they are, {CHECK}"));
        }
    };
    let host = ThisHost::new(paths);
    let plan = plan(&xml, &host);
    plan.tell(journal);
    if !plan.edits.is_empty() {
        let renamed = splice(document.bytes(), &plan.edits);
        document.replace(renamed);
    }
}

/// Plans the changes to a domain's bridges on a host.
pub fn plan<'h>(xml: &DomainXml<'_>, host: &'h dyn Host) -> Plan<'h> {
    let mut plan = Plan { findings: Vec::new(), edits: Vec::new() };
    for (index, interface) in xml.interfaces().enumerate() {
        let Some(bridge) = &interface.bridge else { continue };
        let Some(suffix) = suffix_to_carry(bridge.text, host) else { continue };
        let fate = fate(suffix, host);
        match &fate {
            // It is right as it is: it has G's name already, or G is not known and there is such a bridge.
            Fate::Becomes { name, .. } if name == bridge.text => continue,
            Fate::Unknown(_) if host.has_device(bridge.text) => continue,
            Fate::Becomes { name, .. } => {
                plan.edits.push(Edit { place: bridge.place.clone(), value: name.clone() });
            }
            Fate::Unknown(_) | Fate::TooLong { .. } | Fate::Ambiguous { .. } => {}
        }
        let interface = called(&interface, index + 1);
        plan.findings.push(Finding { interface, bridge: bridge.text.to_owned(), fate });
    }
    plan
}

/// Returns the part of a bridge's name that its new name keeps, or nothing where the name stays.
fn suffix_to_carry<'a>(bridge: &'a str, host: &dyn Host) -> Option<&'a str> {
    if let Some(rest) = bridge.strip_prefix("cloudVirBr") {
        return Some(rest);
    }
    if bridge.starts_with("brvx-") {
        return None;
    }
    let (device, digits) = device_and_network(bridge)?;
    (!host.has_device(device)).then_some(digits)
}

/// Splits `br<dev>-<digits>` by the agent's pattern, `^br(\S+)-(\d+)$`.
fn device_and_network(bridge: &str) -> Option<(&str, &str)> {
    let (device, digits) = bridge.strip_prefix("br")?.rsplit_once('-')?;
    // Java's `\s` has the vertical tab, which Rust's ASCII whitespace has not.
    let blank = |character: char| character.is_ascii_whitespace() || character == '\x0b';
    let is_network = !digits.is_empty() && digits.bytes().all(|digit| digit.is_ascii_digit());
    (is_network && !device.is_empty() && !device.contains(blank)).then_some((device, digits))
}

fn fate<'h>(suffix: &str, host: &'h dyn Host) -> Fate<'h> {
    match host.guest_device() {
        Err(why) => Fate::Unknown(why),
        Ok(device) => {
            let name = format!("br{device}-{suffix}");
            if name.len() > MAXIMUM_NAME {
                return Fate::TooLong { name };
            }
            // Only an old-style name with `-<digits>` at its end can do that. The agent makes none.
            if device_and_network(&name).is_some_and(|(of, _)| of != device) {
                return Fate::Ambiguous { name };
            }
            let exists = host.has_device(&name);
            Fate::Becomes { name, exists }
        }
    }
}

fn called(interface: &Interface<'_>, number: usize) -> String {
    interface.mac.map_or_else(|| format!("number {number}"), shown)
}

impl Plan<'_> {
    /// Records the fate of each bridge, and the setting to check.
    pub fn tell(&self, journal: &mut Journal) {
        let (told, more) = self.findings.split_at(self.findings.len().min(TOLD));
        for finding in told {
            finding.tell(journal);
        }
        if !more.is_empty() {
            let renamed = more.iter().filter(|finding| matches!(finding.fate, Fate::Becomes { .. })).count();
            let left = more.len() - renamed;
            let level = if left > 0 { Level::Error } else { Level::Info };
            let message =
                format!("of {} more interfaces, the bridges of {renamed} are renamed, {left} stay", more.len());
            journal.note(level, None, message);
        }
    }
}

impl Finding<'_> {
    fn tell(&self, journal: &mut Journal) {
        let (interface, bridge) = (&self.interface, shown(&self.bridge));
        match &self.fate {
            Fate::Becomes { name, exists } => {
                let name = shown(name);
                journal.info(None, format_args!("interface {interface}: bridge {bridge} becomes {name}"));
                if !exists {
                    let message = format!(
                        "interface {interface}: bridge {name} does not exist here yet; without it the migration fails. \
                         Check that the CloudStack agent makes it: ip link show {name}"
                    );
                    journal.warn(None, message);
                }
            }
            Fate::Unknown(why) => {
                let message = format!(
                    "interface {interface}: bridge {bridge} does not exist here and stays as it is, since this host's \
                     guest device is not known: {why}"
                );
                journal.warn(None, message);
            }
            Fate::Ambiguous { name } => {
                let message = format!(
                    "interface {interface}: bridge {bridge} stays as it is: here it would be {}, which the next host \
                     would rename once more; check what made a bridge of that name, since CloudStack's agent does not",
                    shown(name)
                );
                journal.warn(None, message);
            }
            Fate::TooLong { name } => {
                let message = format!(
                    "interface {interface}: bridge {bridge} stays as it is: here it would be {}, and no device has a \
                     name of more than {MAXIMUM_NAME} bytes; fix: give the physical device a shorter name",
                    shown(name)
                );
                journal.error(None, message);
            }
        }
    }
}
