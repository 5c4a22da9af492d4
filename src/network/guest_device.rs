//! The physical device under the host's guest bridge, by which CloudStack's agent names the bridges of guest networks.

use std::ffi::OsStr;
use std::fs::OpenOptions;
use std::io::{self, Read};
use std::os::unix::fs::OpenOptionsExt;
use std::path::{Path, PathBuf};

use rustix::fs::OFlags;

use super::agent_properties::property;
use super::host::{device, ports};
use crate::journal::Quoted;
use crate::paths::Paths;
use crate::trust::shell;

/// The properties that name the guest bridge; the agent takes the first that is there.
const KEYS: [&str; 2] = ["guest.network.device", "private.network.device"];

/// What the agent takes for the guest bridge where neither is there.
const DEFAULT: &str = "cloudbr1";

/// What guests' own devices are called: libvirt's taps, and those made by hand.
const TAPS: [&str; 2] = ["vnet", "tap"];

/// The most that is read of the agent's properties, in bytes.
const MAXIMUM_BYTES: u64 = 1 << 20;

/// Why a host has no guest device, and what to check.
#[derive(Debug, thiserror::Error)]
pub enum NoGuestDevice {
    /// No CloudStack agent is set up here.
    #[error("{} does not exist, which would name it; is this a CloudStack host?", Quoted::path(.properties))]
    NoAgent {
        /// Where its properties would be.
        properties: PathBuf,
    },
    /// The agent's properties can't be read.
    #[error("{} can't be read: {source}", Quoted::path(.properties))]
    Unread {
        /// Where they are.
        properties: PathBuf,
        /// What the kernel said.
        source: io::Error,
    },
    /// The agent's properties name a device that does not exist.
    #[error("{} names the guest bridge {}, and there is no such device here; check {setting} there, and `ip link`",
        Quoted::path(.properties), Quoted::bytes(.bridge.as_bytes()))]
    NoSuchDevice {
        /// Where the properties are.
        properties: PathBuf,
        /// The key that names it, or what holds without one.
        setting: String,
        /// The device.
        bridge: String,
    },
    /// The guest bridge has none but guests on it.
    #[error("no port of the guest bridge {} is a physical device; to mend it: ip link set DEVICE master {}",
        Quoted::bytes(.bridge.as_bytes()), shell(Path::new(.bridge)))]
    NoPort {
        /// The bridge.
        bridge: String,
    },
    /// The bridge's ports can't be read.
    #[error("the ports of the guest bridge {} can't be read: {source}", Quoted::bytes(.bridge.as_bytes()))]
    PortsUnread {
        /// The bridge.
        bridge: String,
        /// What the kernel said.
        source: io::Error,
    },
}

/// Finds the guest device of the host of which these are the places.
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
        (!value.is_empty()).then(|| (key.to_owned(), value))
    });
    let (setting, bridge) = named.unwrap_or_else(|| (KEYS.join(" and "), DEFAULT.to_owned()));
    let Some(folder) = device(paths.network_devices(), OsStr::new(&bridge)) else {
        return Err(NoGuestDevice::NoSuchDevice { properties, setting, bridge });
    };
    match ports(&folder) {
        Err(source) => Err(NoGuestDevice::PortsUnread { bridge, source }),
        // The agent takes a device that is no bridge for the physical one itself.
        Ok(None) => Ok(bridge),
        Ok(Some(ports)) => {
            let is_tap = |name: &str| TAPS.iter().any(|prefix| name.starts_with(prefix));
            let port = ports.into_iter().map(|(_, name)| name).find(|name| !is_tap(name));
            // `eth1.100` is the VLAN 100 on `eth1`.
            let device = port.and_then(|port| port.split('.').next().map(str::to_owned));
            device.filter(|device| !device.is_empty()).ok_or(NoGuestDevice::NoPort { bridge })
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
