//! An object of a driver: what an event is about, and what all state is keyed by.

use std::cmp::Ordering;
use std::ffi::{OsStr, OsString};

use super::{Driver, QEMU};

/// A domain, or whatever else a driver manages, by its name. Objects of two drivers may have one name.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Object {
    driver: &'static Driver,
    name: OsString,
}

impl Object {
    /// The object of this name.
    pub fn new(driver: &'static Driver, name: &OsStr) -> Self {
        Self { driver, name: name.to_owned() }
    }

    /// The domain of this name, of the qemu driver.
    pub fn domain(name: impl AsRef<OsStr>) -> Self {
        Self::new(&QEMU, name.as_ref())
    }

    /// Returns its driver.
    pub const fn driver(&self) -> &'static Driver {
        self.driver
    }

    /// Returns its name.
    pub fn name(&self) -> &OsStr {
        &self.name
    }
}

impl Ord for Object {
    fn cmp(&self, other: &Self) -> Ordering {
        (&self.name, self.driver.name).cmp(&(&other.name, other.driver.name))
    }
}

impl PartialOrd for Object {
    fn partial_cmp(&self, other: &Self) -> Option<Ordering> {
        Some(self.cmp(other))
    }
}
