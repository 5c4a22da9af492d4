//! Finding an event's scripts in `custom/` and in the domain's own folder.

use std::ffi::OsStr;
use std::io;
use std::os::unix::ffi::OsStrExt;
use std::path::{Path, PathBuf};

use rustix::fs::{Mode, OFlags, RawDir};
use rustix::io::Errno;

use super::{Script, rest_for, tree};
use crate::driver::{Event, Operation};
use crate::paths::Paths;
use crate::record::Quoted;

/// A folder that could not be read; its scripts don't run.
#[derive(Debug, thiserror::Error)]
#[error("the folder {} can't be read: {source}", Quoted::path(.folder))]
pub struct FolderError {
    /// Which one.
    pub folder: PathBuf,
    /// What the kernel said.
    pub source: io::Error,
}

/// The scripts of an event in the order in which they run, and the folders that could not be read.
///
/// A folder that is missing has no scripts: whoever uses none needs none.
pub fn discover(paths: &Paths, event: &Event, operation: Operation) -> (Vec<Script>, Vec<FolderError>) {
    let mut scripts = Vec::new();
    let mut errors = Vec::new();
    let custom = paths.custom();
    let own = paths.custom_of(event.domain());
    let mut has_own = false;
    let shared = read(custom, |name| {
        has_own |= name == event.domain();
        if rest_for(operation, name.as_bytes()).is_some() {
            scripts.push(Script::shared(custom, name));
        }
    });
    errors.extend(shared.err());
    if let (true, Some(own)) = (has_own, own) {
        let mut found = Vec::new();
        let read = read(&own, |name| {
            if rest_for(operation, name.as_bytes()).is_some() {
                found.push(Script::of_domain(&own, event.domain(), name));
            }
        });
        match read {
            // What is called like the domain is a file or leads nowhere, and is looked at like any other script.
            Ok(false) => {}
            Err(FolderError { source, .. }) if source.kind() == io::ErrorKind::NotADirectory => {}
            read => {
                // A folder called like a script is the domain's all the same.
                scripts.retain(|script| script.path() != own);
                scripts.append(&mut found);
                errors.extend(read.err());
            }
        }
    }
    scripts.sort_by(Script::order);
    match tree::discover(paths, event) {
        Ok(found) => scripts.extend(found),
        Err(error) => errors.push(error),
    }
    scripts.extend(Script::kept(paths));
    (scripts, errors)
}

/// The size of one listing of a folder, in bytes: the C library's.
const LISTED: usize = 32 << 10;

/// Shows each name in a folder to `see`. False where there is no such folder.
pub(super) fn read(folder: &Path, mut see: impl FnMut(&OsStr)) -> Result<bool, FolderError> {
    let failed = |error: Errno| FolderError { folder: folder.to_owned(), source: error.into() };
    let flags = OFlags::RDONLY | OFlags::DIRECTORY | OFlags::CLOEXEC;
    let opened = match rustix::fs::open(folder, flags, Mode::empty()) {
        Err(Errno::NOENT) => return Ok(false),
        opened => opened.map_err(failed)?,
    };
    // Not on the stack, where every page of it would be touched, whatever the folder holds.
    let mut buffer: Vec<u8> = Vec::with_capacity(LISTED);
    let mut entries = RawDir::new(opened, buffer.spare_capacity_mut());
    while let Some(entry) = entries.next() {
        see(OsStr::from_bytes(entry.map_err(failed)?.file_name().to_bytes()));
    }
    Ok(true)
}
