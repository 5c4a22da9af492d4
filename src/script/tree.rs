//! The tree of scripts of VFIO-Tools' helper: `qemu.d/VM/OPERATION/SUB-OPERATION/*`, or the sub-operation as one file.

use std::io;
use std::os::unix::ffi::OsStrExt;
use std::path::PathBuf;

use super::listing::{FolderError, read};
use super::{Origin, Script};
use crate::driver::Event;
use crate::paths::Paths;

impl Script {
    /// A script of the tree, at `place` below the folder of the hook.
    pub fn of_tree(paths: &Paths, place: PathBuf) -> Self {
        let below = paths.hook().parent().and_then(|folder| place.strip_prefix(folder).ok()).unwrap_or(&place);
        let label = below.as_os_str().as_bytes().to_vec();
        Self { origin: Origin::Tree, ..Self::at(place, &label) }
    }
}

/// Returns the scripts that the tree has for an event, in bytewise order.
///
/// # Errors
/// Where their folder can't be read.
pub(super) fn discover(paths: &Paths, event: &Event) -> Result<Vec<Script>, FolderError> {
    let Some(place) = paths.tree(event.domain(), event.operation_name(), event.sub_operation()) else {
        return Ok(Vec::new());
    };
    let mut names = Vec::new();
    match read(&place, |name| names.push(name.to_owned())) {
        Ok(_) => {}
        // The sub-operation is one script, or something else on the way is a file.
        Err(FolderError { source, .. }) if source.kind() == io::ErrorKind::NotADirectory => {
            let is_file = rustix::fs::lstat(&place).is_ok();
            return Ok(is_file.then(|| Script::of_tree(paths, place)).into_iter().collect());
        }
        Err(error) => return Err(error),
    }
    names.retain(|name| name != "." && name != "..");
    names.sort();
    Ok(names.into_iter().map(|name| Script::of_tree(paths, place.join(name))).collect())
}
