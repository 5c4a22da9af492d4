//! What tasks ask of a host, found out when it is first asked for.

use std::cell::OnceCell;
use std::ffi::OsStr;

use super::guest_device::{self, NoGuestDevice};
use crate::kernel::devices::device;
use crate::paths::Paths;

/// A host, for what a task plans. Tests imagine others.
pub trait Host {
    /// Whether it has a network device of this name.
    fn has_device(&self, name: &str) -> bool;

    /// The physical device under its guest bridge.
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
