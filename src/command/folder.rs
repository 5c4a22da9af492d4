//! Folders that are made, whatever the umask is.

use std::fs::{self, DirBuilder, Permissions};
use std::io;
use std::os::unix::fs::{DirBuilderExt, PermissionsExt, chown};
use std::path::Path;

/// Makes a folder in one that is there, with these permission bits, of this user and group where they are not to be those
/// of this process.
///
/// # Errors
/// Where it can't be made so; then it is not there.
pub(crate) fn make(path: &Path, mode: u32, owner: Option<(u32, u32)>) -> io::Result<()> {
    DirBuilder::new().mode(mode).create(path)?;
    let finished = owner
        .map_or(Ok(()), |(user, group)| chown(path, Some(user), Some(group)))
        .and_then(|()| fs::set_permissions(path, Permissions::from_mode(mode)));
    if finished.is_err() {
        // The error worth telling is the first.
        _ = fs::remove_dir(path);
    }
    finished
}
