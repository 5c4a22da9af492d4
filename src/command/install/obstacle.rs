//! What is where a folder has to be, and is none.

use std::fs;
use std::path::Path;

use rustix::io;

use crate::command::failure::Failure;
use crate::command::host::hook_file::led_to;
use crate::paths::Paths;
use crate::record::Quoted;
use crate::trust::shell;

/// Why no folder can be made at a place where none is: what is there, and the command that mends it. None where nothing is.
pub(crate) fn at(place: &Path, paths: &Paths) -> Option<Failure> {
    let status = fs::symlink_metadata(place).ok()?;
    let (what, remedy) = if status.is_symlink() {
        link(place, paths)
    } else {
        let what = if status.is_file() { "a file" } else { "not a folder" };
        (what.to_owned(), format!("mv {0} {0}.old", shell(place)))
    };
    Some(Failure::failed(format_args!(
        "{} is {what}, and a folder has to be there; nothing was changed; fix: {remedy}",
        Quoted::path(place)
    )))
}

fn link(place: &Path, paths: &Paths) -> (String, String) {
    let target = fs::read_link(place).unwrap_or_default();
    let seen = Quoted::path(&target);
    let what = match fs::metadata(place) {
        Ok(_) => format!("a link to {seen}, which is no folder"),
        Err(_) if place.with_file_name(&target) == place => "a link to itself".to_owned(),
        Err(error) if io::Errno::from_io_error(&error) == Some(io::Errno::LOOP) => {
            "a link that leads back to itself".to_owned()
        }
        Err(_) => format!("a link to {seen}, which is not there"),
    };
    // In an image it may be there on the host that the image becomes.
    match led_to(place, paths.root()).filter(|led_to| led_to.is_dir()) {
        Some(folder) => (what, format!("ln -sfnr {} {}", shell(&folder), shell(place))),
        None => (what, format!("rm {}", shell(place))),
    }
}
