//! Marker files of VMs with an allocation, so that the ledger need not be read for others.

use std::os::unix::ffi::OsStrExt;
use std::path::Path;

use crate::driver::Object;
use crate::state::{Directory, StateError};

/// A file that exists if a VM has an allocation. Most have none, and the ledger is long.
#[derive(Debug)]
pub struct Marker {
    directory: Directory,
    name: Vec<u8>,
}

impl Marker {
    /// Returns the marker of this object.
    pub fn of(state: &Path, object: &Object) -> Self {
        // libvirt refuses names with a slash, which would lead to another folder.
        let domain: Vec<u8> =
            object.name().as_bytes().iter().map(|byte| if *byte == b'/' { b'%' } else { *byte }).collect();
        // The ending keeps every domain apart from `.`, `..` and drafts.
        Self { directory: Directory::of(state, object.driver(), "given"), name: [domain.as_slice(), b".vm"].concat() }
    }

    /// Returns true if it may exist. For a name that is too long for a file, the ledger decides.
    pub fn is_there(&self) -> bool {
        let is_short = self.name.len() <= MAXIMUM_NAME && !self.name.contains(&b'/');
        !is_short || self.is_seen()
    }

    /// Returns true if it certainly exists.
    pub fn is_seen(&self) -> bool {
        self.directory.path(&self.name).symlink_metadata().is_ok()
    }

    /// Creates it.
    ///
    /// # Errors
    /// The marker cannot be created.
    pub fn put(&self) -> Result<(), StateError> {
        if self.is_there() { Ok(()) } else { self.directory.write(&self.name, b"") }
    }

    /// Removes it.
    ///
    /// # Errors
    /// The marker exists and cannot be removed.
    pub fn take_away(&self) -> Result<(), StateError> {
        self.directory.remove(&self.name)
    }
}

/// The longest name that a file can have, in bytes (`NAME_MAX` of Linux).
const MAXIMUM_NAME: usize = 255;
