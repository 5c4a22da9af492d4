//! Reading the files of declarations: the main one, then the drop-ins.

use std::ffi::OsStr;
use std::path::{Path, PathBuf};

use super::file::take;
use super::{Declarations, Everything};
use crate::configuration::{Problem, files, text};
use crate::paths::Paths;
use crate::trust::Judge;

/// The most that is read of one file, in bytes: some 150,000 forwards.
const MAXIMUM_BYTES: u64 = 16 << 20;

/// Whether anything may be declared on this host. Where nothing is, no more is asked of the kernel at an event than this.
pub fn are_there(paths: &Paths) -> bool {
    // Whatever lies there, even what can't be read, is looked at and told of.
    let is_there = |path: &Path| rustix::fs::lstat(path).is_ok();
    is_there(paths.network()) || is_there(&paths.network_drop_ins())
}

/// What files declare for one VM, and what is wrong in which of them.
pub fn load(paths: &Paths, judge: &Judge, domain: &OsStr) -> (Declarations, Vec<(PathBuf, Problem)>) {
    let (everything, problems) = read(paths, judge, Some(domain));
    (everything.of(domain), problems)
}

/// What files declare for all VMs, and what is wrong in which of them.
pub fn load_all(paths: &Paths, judge: &Judge) -> (Everything, Vec<(PathBuf, Problem)>) {
    read(paths, judge, None)
}

fn read(paths: &Paths, judge: &Judge, domain: Option<&OsStr>) -> (Everything, Vec<(PathBuf, Problem)>) {
    let mut everything = Everything::default();
    let (files, unread) = files(paths.network(), &paths.network_drop_ins());
    let mut problems: Vec<(PathBuf, Problem)> = unread.into_iter().collect();
    for file in files {
        let found = match text(&file, judge, MAXIMUM_BYTES) {
            Ok(Some(text)) => take(&text, &file, domain, &mut everything),
            Ok(None) => Vec::new(),
            Err(problem) => {
                let message = format!("nothing that it declares is in force; {}", problem.message);
                vec![Problem { message, ..problem }]
            }
        };
        problems.extend(found.into_iter().map(|problem| (file.clone(), problem)));
    }
    (everything, problems)
}
