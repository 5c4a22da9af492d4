//! Finding an event's scripts in `custom/` and in the domain's own folder.

use std::io;
use std::os::unix::ffi::OsStrExt;

use super::listing::{FolderError, read};
use super::{Script, rest_for, tree};
use crate::driver::{Event, Operation};
use crate::paths::Paths;

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
