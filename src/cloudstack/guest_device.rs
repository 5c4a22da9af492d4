//! The physical device under the host's guest bridge, by which CloudStack's agent names the bridges of guest networks.

use std::ffi::OsStr;
use std::fs::OpenOptions;
use std::io::{self, Read};
use std::os::unix::fs::OpenOptionsExt;
use std::path::{Path, PathBuf};

use rustix::fs::OFlags;

use super::agent_properties::property;
use crate::kernel::devices::{device, is_device_name, ports};
use crate::paths::Paths;
use crate::record::Quoted;
use crate::trust::shell;

/// The properties that name the guest bridge, in the agent's order.
const KEYS: [&str; 2] = ["guest.network.device", "private.network.device"];

/// The agent's default guest bridge.
const DEFAULT: &str = "cloudbr1";

/// Prefixes of guests' devices: libvirt's taps, and hand-made ones.
const TAPS: [&str; 2] = ["vnet", "tap"];

/// The largest file of agent properties that is read, in bytes.
const MAXIMUM_BYTES: u64 = 1 << 20;

/// The longest part of a foreign name that is shown, in characters. A device's name has at most 15 bytes.
const SHOWN: usize = 64;

/// The reason why a host has no guest device.
#[derive(Debug, thiserror::Error)]
pub enum NoGuestDevice {
    /// No CloudStack agent is set up here.
    #[error("the file that names the guest bridge, {}, does not exist; is this a CloudStack host?", Quoted::path(.properties))]
    NoAgent {
        /// The path of its properties.
        properties: PathBuf,
    },
    /// The agent's properties can't be read.
    #[error("{} can't be read: {source}; check: ls -l {}", Quoted::path(.properties), shell(.properties))]
    Unread {
        /// Their path.
        properties: PathBuf,
        /// The kernel's error.
        source: io::Error,
    },
    /// The agent's properties name a device that does not exist.
    #[error("the guest bridge {} does not exist here; check {key} in {}, and: ip link", shown(.bridge),
        Quoted::path(.properties))]
    NoSuchDevice {
        /// The path of the properties.
        properties: PathBuf,
        /// The key that names it.
        key: &'static str,
        /// The device.
        bridge: String,
    },
    /// The agent's guest bridge cannot be the name of a device. It is not shown, since a wrongly continued line may hold a
    /// secret.
    #[error("what {key} is in {} is no name of a network device; check it there", Quoted::path(.properties))]
    NoName {
        /// The path of the properties.
        properties: PathBuf,
        /// The key.
        key: &'static str,
    },
    /// The agent's properties name none, and the agent's default does not exist.
    #[error("{} names no guest bridge, and {DEFAULT}, which the agent then takes, does not exist here; set {} there",
        Quoted::path(.properties), KEYS[0])]
    NoDefault {
        /// The path of the properties.
        properties: PathBuf,
    },
    /// The guest bridge has only guests' taps as ports.
    #[error("no port of the guest bridge {bridge} is a physical device; fix: ip link set DEVICE master {}",
        shell(Path::new(.bridge)))]
    NoPort {
        /// The bridge.
        bridge: String,
    },
    /// The bridge's ports can't be read.
    #[error("the ports of the guest bridge {bridge} can't be read: {source}; check: grep . {}/*/port_no",
        shell(.folder))]
    PortsUnread {
        /// The bridge.
        bridge: String,
        /// Their path in sysfs.
        folder: PathBuf,
        /// The kernel's error.
        source: io::Error,
    },
}

/// A foreign name as records have it: quoted, and cut where no device's name is as long.
pub(super) fn shown(name: &str) -> String {
    match name.char_indices().nth(SHOWN) {
        Some((end, _)) => format!("{}...", Quoted::bytes(name.get(..end).unwrap_or_default().as_bytes())),
        None => Quoted::bytes(name.as_bytes()).to_string(),
    }
}

/// Finds the host's guest device.
pub(super) fn find(paths: &Paths) -> Result<String, NoGuestDevice> {
    let properties = paths.agent_properties().to_owned();
    let text = match read(&properties) {
        Ok(text) => text,
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Err(NoGuestDevice::NoAgent { properties }),
        Err(source) => return Err(NoGuestDevice::Unread { properties, source }),
    };
    let named = KEYS.into_iter().find_map(|key| {
        // No device has a blank in its name, and one at the end of a line is never seen.
        let value = property(&text, key)?.trim().to_owned();
        (!value.is_empty()).then_some((key, value))
    });
    if let Some((key, _)) = named.as_ref().filter(|(_, bridge)| !is_device_name(OsStr::new(bridge))) {
        return Err(NoGuestDevice::NoName { properties, key });
    }
    let bridge = named.as_ref().map_or(DEFAULT, |(_, bridge)| bridge).to_owned();
    let Some(folder) = device(paths.network_devices(), OsStr::new(&bridge)) else {
        return Err(match named {
            Some((key, bridge)) => NoGuestDevice::NoSuchDevice { properties, key, bridge },
            None => NoGuestDevice::NoDefault { properties },
        });
    };
    match ports(&folder) {
        Err(source) => Err(NoGuestDevice::PortsUnread { bridge, folder: folder.join("brif"), source }),
        // The agent takes a device that is no bridge for the physical one itself.
        Ok(None) => Ok(bridge),
        Ok(Some(ports)) => {
            let is_tap = |name: &str| TAPS.iter().any(|prefix| name.starts_with(prefix));
            let physical = ports.iter().filter(|(_, name)| !is_tap(name));
            // `eth1.100` is the VLAN 100 on `eth1`.
            let mut devices = physical.filter_map(|(_, name)| name.split('.').next());
            let device = devices.find(|device| !device.is_empty()).map(str::to_owned);
            device.ok_or(NoGuestDevice::NoPort { bridge })
        }
    }
}

fn read(file: &Path) -> io::Result<Vec<u8>> {
    // NONBLOCK, should a FIFO be in its place.
    let flags = i32::try_from((OFlags::NONBLOCK | OFlags::NOCTTY).bits()).unwrap_or_default();
    let opened = OpenOptions::new().read(true).custom_flags(flags).open(file)?;
    if !opened.metadata()?.is_file() {
        return Err(io::Error::other("it is not a file"));
    }
    let mut text = Vec::new();
    opened.take(MAXIMUM_BYTES + 1).read_to_end(&mut text)?;
    if text.len() as u64 > MAXIMUM_BYTES {
        return Err(io::Error::other(format!("it is longer than {MAXIMUM_BYTES} bytes")));
    }
    Ok(text)
}
