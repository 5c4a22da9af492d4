//! The network devices of this host, as the kernel shows them in sysfs
//! (`Documentation/ABI/testing/sysfs-class-net` of Linux).

use std::ffi::OsStr;
use std::fs::{self, File};
use std::io::{self, Read};
use std::path::{Path, PathBuf};

use rustix::io::Errno;

/// The longest name that a network device can have, in bytes: Linux' `IFNAMSIZ` without the closing NUL.
pub(crate) const MAXIMUM_NAME: usize = 15;

/// Returns true if a network device can have this name (Linux' `dev_valid_name`).
pub(crate) fn is_device_name(name: &OsStr) -> bool {
    let bytes = name.as_encoded_bytes();
    let forbidden = |byte: &u8| matches!(byte, b'/' | b':' | b'\0' | b'\x0b') || byte.is_ascii_whitespace();
    !matches!(bytes, b"" | b"." | b"..") && bytes.len() <= MAXIMUM_NAME && !bytes.iter().any(forbidden)
}

/// The folder of a network device, if there is a device of this name.
pub(crate) fn device(devices: &Path, name: &OsStr) -> Option<PathBuf> {
    // Names come from XML: one that no device can have must not lead to another folder. And there are files besides the
    // devices' folders, such as `bonding_masters`.
    is_device_name(name).then(|| devices.join(name)).filter(|folder| folder.is_dir())
}

/// Returns the index of a device (`ifindex`), if it exists.
pub(crate) fn index(devices: &Path, name: &str) -> Option<u32> {
    fs::read_to_string(device(devices, name.as_ref())?.join("ifindex")).ok()?.trim().parse().ok()
}

/// Returns the names of all devices, with their indices.
pub(crate) fn all(devices: &Path) -> Vec<(u32, String)> {
    let entries = fs::read_dir(devices).into_iter().flatten().flatten();
    let names = entries.filter_map(|entry| entry.file_name().into_string().ok());
    names.filter_map(|name| Some((index(devices, &name)?, name))).collect()
}

/// Returns true if a device exists and belongs to no bridge, Open vSwitch or other device (`master`).
pub(crate) fn is_without_master(devices: &Path, name: &str) -> bool {
    device(devices, name.as_ref()).is_some_and(|folder| !folder.join("master").is_symlink())
}

/// The ports of a bridge with their numbers, lowest first. Nothing where the device is no bridge.
///
/// # Errors
/// The ports cannot be read.
pub(crate) fn ports(device: &Path) -> io::Result<Option<Vec<(u32, String)>>> {
    let entries = match fs::read_dir(device.join("brif")) {
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(None),
        entries => entries?,
    };
    let mut ports = Vec::new();
    for entry in entries {
        let entry = entry?;
        // A port that was just removed has no number.
        let Some(number) = port_number(&entry.path())? else { continue };
        let name = entry.file_name().into_string().map_err(|_| io::Error::other("one has a name that is no UTF-8"))?;
        ports.push((number, name));
    }
    ports.sort();
    Ok(Some(ports))
}

/// Returns whether a bridge sends packets back by the port that they came in by (`hairpin_mode`,
/// `Documentation/networking/bridge.rst` of Linux). None where the device is no port.
pub(crate) fn hairpin_mode(devices: &Path, port: &str) -> Option<bool> {
    let file = device(devices, port.as_ref())?.join("brport/hairpin_mode");
    fs::read_to_string(file).ok().map(|value| value.trim() != "0")
}

/// Sets a bridge port's hairpin mode. A device that no longer exists is no error.
///
/// # Errors
/// The device exists and the kernel refuses.
pub(crate) fn set_hairpin_mode(devices: &Path, port: &str, enabled: bool) -> io::Result<()> {
    let Some(folder) = device(devices, port.as_ref()) else { return Ok(()) };
    match fs::write(folder.join("brport/hairpin_mode"), if enabled { "1" } else { "0" }) {
        Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(()),
        set => set,
    }
}

/// The number of a bridge's port, `0x1`; nothing where it is no port any more.
fn port_number(port: &Path) -> io::Result<Option<u32>> {
    let gone = |error: &io::Error| {
        error.kind() == io::ErrorKind::NotFound || error.raw_os_error() == Some(Errno::NODEV.raw_os_error())
    };
    let mut text = String::new();
    match File::open(port.join("port_no")).and_then(|file| file.take(16).read_to_string(&mut text)) {
        Err(error) if gone(&error) => return Ok(None),
        read => read?,
    };
    let number = text.trim().strip_prefix("0x").and_then(|digits| u32::from_str_radix(digits, 16).ok());
    number.map(Some).ok_or_else(|| io::Error::other("one has a port_no that is no number"))
}
