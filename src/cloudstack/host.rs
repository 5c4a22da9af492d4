//! Facts of a host, read when first needed.

use std::cell::OnceCell;
use std::ffi::OsStr;

use super::guest_device::{self, NoGuestDevice};
use crate::kernel::devices::device;
use crate::paths::Paths;

/// A host, as the plan for bridges sees it. Tests have others.
pub trait Host {
    /// Returns true if it has a network device of this name.
    fn has_device(&self, name: &str) -> bool;

    /// Returns the physical device under its guest bridge.
    ///
    /// # Errors
    /// The host has none, with the reason.
    fn guest_device(&self) -> Result<&str, &NoGuestDevice>;
}

/// The host that the hook runs on.
#[derive(Debug)]
pub struct ThisHost<'a> {
    paths: &'a Paths,
    guest_device: OnceCell<Result<String, NoGuestDevice>>,
}

impl<'a> ThisHost<'a> {
    /// Returns the host with these paths.
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
