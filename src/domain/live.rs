//! The live XML: what libvirt said of a domain while it ran.
//!
//! At `stopped` and `release` libvirt passes the inactive XML, which knows no tap and no bridge any more. So the XML of
//! `start`, `started` and `reconnect` is kept until the domain is released.

use std::ffi::{OsStr, OsString};
use std::fs;
use std::os::unix::ffi::{OsStrExt, OsStringExt};
use std::path::{Path, PathBuf};

use super::document::MAXIMUM_BYTES;
use crate::state::{Directory, StateError};

/// The place of one domain's live XML.
#[derive(Debug)]
pub struct LiveXml {
    directory: Directory,
    /// Where a rehearsal finds that of a VM that really runs, which it leaves alone.
    real: Option<Directory>,
    name: Vec<u8>,
}

impl LiveXml {
    /// The place of `domain`'s live XML in the state folder. A domain whose name is empty or has a `/` has none.
    pub fn of(state: &Path, domain: &OsStr) -> Option<Self> {
        let domain = domain.as_bytes();
        let fits = !domain.is_empty() && !domain.contains(&b'/');
        // The ending keeps every domain apart from `.`, `..` and drafts.
        fits.then(|| Self { directory: Directory::new(state, "live"), real: None, name: [domain, b".xml"].concat() })
    }

    /// The same for an event that libvirt does not know of: what is kept has a place of its own, and where nothing is kept
    /// there, that of the real VM is shown.
    pub fn rehearsed(state: &Path, domain: &OsStr) -> Option<Self> {
        let Self { directory, name, .. } = Self::of(state, domain)?;
        Some(Self { directory: Directory::new(state, "rehearsed"), real: Some(directory), name })
    }

    /// That of every domain that has one, by name.
    pub fn all(state: &Path) -> Vec<(OsString, Vec<u8>)> {
        let directory = Directory::new(state, "live");
        let domains = directory.names().into_iter().filter_map(|name| {
            let domain = name.strip_suffix(b".xml").filter(|domain| !domain.is_empty())?;
            Some((OsString::from_vec(domain.to_vec()), directory.kept_up_to(&name, MAXIMUM_BYTES)?))
        });
        domains.collect()
    }

    /// Where the file is, or would be.
    pub fn place(&self) -> PathBuf {
        self.directory.path(&self.name)
    }

    /// The file, if there is one.
    pub fn file(&self) -> Option<PathBuf> {
        let real = self.real.as_ref().map(|real| real.path(&self.name));
        let is_file = |path: &PathBuf| fs::symlink_metadata(path).is_ok_and(|status| status.is_file());
        std::iter::once(self.place()).chain(real).find(is_file)
    }

    /// Whether it is kept, and says just this.
    pub fn is(&self, xml: &[u8]) -> bool {
        self.directory.kept_up_to(&self.name, MAXIMUM_BYTES).is_some_and(|kept| kept == xml)
    }

    /// Keeps `xml` in place of what was kept before.
    ///
    /// # Errors
    /// Where it can't be written; what was kept before stays.
    pub fn keep(&self, xml: &[u8]) -> Result<(), StateError> {
        self.directory.keep(&self.name, xml)
    }

    /// Drops what is kept.
    ///
    /// # Errors
    /// Where it is there and can't be removed.
    pub fn forget(&self) -> Result<(), StateError> {
        self.directory.forget(&self.name)
    }
}
