//! The live XML of a domain, as libvirt passed it while the domain ran.
//!
//! At `stopped` and `release` libvirt passes the inactive XML, which has no taps and bridges. So the XML of `start`,
//! `started` and `reconnect` is kept until the domain is released.

use std::ffi::OsStr;
use std::fs;
use std::os::unix::ffi::OsStrExt;
use std::path::{Path, PathBuf};

use super::document::MAXIMUM_BYTES;
use crate::driver::{self, Object};
use crate::state::{Directory, StateError};

/// The place of one domain's live XML.
#[derive(Debug)]
pub struct LiveXml {
    directory: Directory,
    /// Directory of the running VM's XML, which a rehearsal reads and never changes.
    real: Option<Directory>,
    name: Vec<u8>,
}

impl LiveXml {
    /// The place of an object's live XML in the state folder. One whose name is empty or has a `/` has none.
    pub fn of(state: &Path, object: &Object) -> Option<Self> {
        let domain = object.name().as_bytes();
        let fits = !domain.is_empty() && !domain.contains(&b'/');
        // The ending keeps every domain apart from `.`, `..` and drafts.
        let directory = Directory::of(state, object.driver(), "live");
        fits.then(|| Self { directory, real: None, name: [domain, b".xml"].concat() })
    }

    /// Returns the live XML for an event that libvirt does not know of. Its XML is kept in a directory of its own;
    /// without one, the running VM's is read.
    pub fn rehearsed(state: &Path, object: &Object) -> Option<Self> {
        let Self { directory, name, .. } = Self::of(state, object)?;
        Some(Self { directory: Directory::of(state, object.driver(), "rehearsed"), real: Some(directory), name })
    }

    /// Returns the live XML of every object that has one.
    pub fn all(state: &Path) -> Vec<(Object, Vec<u8>)> {
        let of = |driver| {
            let directory = Directory::of(state, driver, "live");
            directory.names().into_iter().map(move |name| (driver, directory.clone(), name))
        };
        let domains = driver::ALL.into_iter().flat_map(of).filter_map(|(driver, directory, name)| {
            let domain = name.strip_suffix(b".xml").filter(|domain| !domain.is_empty())?;
            Some((Object::new(driver, OsStr::from_bytes(domain)), directory.read(&name, MAXIMUM_BYTES).ok().flatten()?))
        });
        domains.collect()
    }

    /// Returns the path of the file, which need not exist.
    pub fn path(&self) -> PathBuf {
        self.directory.path(&self.name)
    }

    /// The file, if there is one.
    pub fn file(&self) -> Option<PathBuf> {
        let real = self.real.as_ref().map(|real| real.path(&self.name));
        let is_file = |path: &PathBuf| fs::symlink_metadata(path).is_ok_and(|status| status.is_file());
        std::iter::once(self.path()).chain(real).find(is_file)
    }

    /// Returns true if exactly this XML is kept.
    pub fn matches(&self, xml: &[u8]) -> bool {
        self.directory.read(&self.name, MAXIMUM_BYTES).is_ok_and(|kept| kept.is_some_and(|kept| kept == xml))
    }

    /// Keeps `xml`, in place of the previous one.
    ///
    /// # Errors
    /// It cannot be written; the previous one stays.
    pub fn write(&self, xml: &[u8]) -> Result<(), StateError> {
        self.directory.write(&self.name, xml)
    }

    /// Removes the XML.
    ///
    /// # Errors
    /// It exists and cannot be removed.
    pub fn remove(&self) -> Result<(), StateError> {
        self.directory.remove(&self.name)
    }
}
