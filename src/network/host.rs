//! The network devices of this host, as the kernel shows them in sysfs
//! (`Documentation/ABI/testing/sysfs-class-net` of Linux).

use std::cell::OnceCell;
use std::ffi::OsStr;
use std::fs::{self, File};
use std::io::{self, Read};
use std::path::{Path, PathBuf};

use super::guest_device::{self, NoGuestDevice};
use crate::paths::Paths;

/// The longest name that a network device can have, in bytes: Linux' `IFNAMSIZ` without the closing NUL.
pub(super) const MAXIMUM_NAME: usize = 15;

/// What a task asks of a host.
pub trait Host {
    /// Whether it has a network device of this name.
    fn has_device(&self, name: &str) -> bool;

    /// The physical device under its guest bridge, found out when it is first asked for.
    ///
    /// # Errors
    /// Where it has none.
    fn guest_device(&self) -> Result<&str, &NoGuestDevice>;
}

/// The host that the hook runs on.
#[derive(Debug)]
pub struct ThisHost<'a> {
    paths: &'a Paths,
    guest_device: OnceCell<Result<String, NoGuestDevice>>,
}

impl<'a> ThisHost<'a> {
    /// The host of which these are the places.
    pub const fn new(paths: &'a Paths) -> Self {
        Self { paths, guest_device: OnceCell::new() }
    }
}

impl Host for ThisHost<'_> {
    fn has_device(&self, name: &str) -> bool {
        device(self.paths.network_devices(), OsStr::new(name)).is_some()
    }

    fn guest_device(&self) -> Result<&str, &NoGuestDevice> {
        self.guest_device.get_or_init(|| guest_device::find(self.paths)).as_deref()
    }
}

/// The folder of a network device, if there is a device of this name.
pub(super) fn device(devices: &Path, name: &OsStr) -> Option<PathBuf> {
    // Names come from XML: one that no device can have (Linux' `dev_valid_name`) must not lead to another folder.
    let bytes = name.as_encoded_bytes();
    let valid = !matches!(bytes, b"" | b"." | b"..") && bytes.len() <= MAXIMUM_NAME && !bytes.contains(&b'/');
    // There are files besides the devices' folders, such as `bonding_masters`.
    valid.then(|| devices.join(name)).filter(|folder| folder.is_dir())
}

/// The ports of a bridge with their numbers, lowest first. Nothing where the device is no bridge.
///
/// # Errors
/// Where they can't be read.
pub(super) fn ports(device: &Path) -> io::Result<Option<Vec<(u32, String)>>> {
    let entries = match fs::read_dir(device.join("brif")) {
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(None),
        entries => entries?,
    };
    let mut ports = Vec::new();
    for entry in entries {
        let entry = entry?;
        // A port that is just being taken out has no number any more.
        if let (Some(number), Ok(name)) = (port_number(&entry.path()), entry.file_name().into_string()) {
            ports.push((number, name));
        }
    }
    ports.sort();
    Ok(Some(ports))
}

/// The number of a bridge's port: `0x1`.
fn port_number(port: &Path) -> Option<u32> {
    let mut text = String::new();
    File::open(port.join("port_no")).ok()?.take(16).read_to_string(&mut text).ok()?;
    u32::from_str_radix(text.trim().strip_prefix("0x")?, 16).ok()
}
