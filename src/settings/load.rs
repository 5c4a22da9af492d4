//! Reading the settings files: the main one, then the drop-ins.
//!
//! A file that can't be read as settings at all counts as it was when it last could, so that a typing error neither
//! opens a gate nor lets a script loose on other VMs.

use std::os::unix::ffi::OsStrExt;
use std::path::{Path, PathBuf};

use super::{Settings, parse};
use crate::configuration::{Cost, Problem, files, text};
use crate::paths::Paths;
use crate::state::Directory;
use crate::trust::Judge;

/// The most that is read of a settings file, in bytes.
const MAXIMUM_BYTES: u64 = 1 << 20;

/// Selects if a valid file is kept for later errors.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Keep {
    /// Valid files are kept, as in the hook.
    Valid,
    /// Nothing is written, as in commands that only read.
    Nothing,
}

/// Returns the settings of a host, and their problems, each with its file.
pub fn load(paths: &Paths, judge: &Judge, keep: Keep) -> (Settings, Vec<(PathBuf, Problem)>) {
    let kept = Kept { directory: Directory::new(paths.state(), "settings"), keep };
    let mut settings = Settings::default();
    let mut problems = Vec::new();
    let (files, unread) = files(paths.settings(), &paths.settings_drop_ins());
    problems.extend(unread);
    kept.remove_all_except(&files);
    for file in files {
        let taken = settings.rules.len();
        let found = read_file(&file, judge, &kept, &mut settings);
        for rule in settings.rules.iter_mut().skip(taken) {
            rule.place.0.clone_from(&file);
        }
        problems.extend(found.into_iter().map(|problem| (file.clone(), problem)));
    }
    (settings.of(paths.driver()), problems)
}

/// Reads one file into `settings`.
fn read_file(file: &Path, judge: &Judge, kept: &Kept, settings: &mut Settings) -> Vec<Problem> {
    let name = &copy_name(file);
    let text = match text(file, judge, MAXIMUM_BYTES) {
        Ok(Some(text)) => text,
        Ok(None) => {
            // The main file is always among them.
            kept.remove(name);
            return Vec::new();
        }
        Err(problem) => {
            return vec![fall_back(problem, kept.directory.read_trusted(name), settings)];
        }
    };
    let mut problems = parse(&text, settings);
    if let Some(index) = problems.iter().position(|problem| problem.cost == Cost::File) {
        let problem = problems.swap_remove(index);
        problems.push(fall_back(problem, kept.directory.read_trusted(name), settings));
    } else {
        kept.write(name, text.as_bytes());
    }
    problems
}

/// The files as they were when last valid.
struct Kept {
    directory: Directory,
    keep: Keep,
}

impl Kept {
    fn write(&self, name: &[u8], text: &[u8]) {
        if self.keep == Keep::Valid && self.directory.read_trusted(name).as_deref() != Some(text) {
            // Without the copy a later error costs more. The error of an unwritable state folder is reported where live
            // XML is written.
            _ = self.directory.write(name, text);
        }
    }

    /// Removes the kept copy of a file that the operator removed, so that a later error does not bring it back.
    fn remove(&self, name: &[u8]) {
        if self.keep == Keep::Valid {
            // The copy need not exist.
            _ = self.directory.remove(name);
        }
    }

    fn remove_all_except(&self, files: &[PathBuf]) {
        for name in self.directory.names() {
            if !files.iter().any(|file| copy_name(file) == name) {
                self.remove(&name);
            }
        }
    }
}

/// Returns the name of a file's copy, with its folder's name, since a drop-in may be called like the main file.
fn copy_name(file: &Path) -> Vec<u8> {
    let folder = file.parent().and_then(Path::file_name).unwrap_or_default();
    [folder.as_bytes(), b":", file.file_name().unwrap_or_default().as_bytes()].concat()
}

/// Uses the last valid copy of a file, and returns the problem with that consequence.
fn fall_back(problem: Problem, kept: Option<Vec<u8>>, settings: &mut Settings) -> Problem {
    let kept = kept.and_then(|text| String::from_utf8(text).ok());
    let instead = match kept {
        Some(text) => {
            // Its problems were reported while it was in force.
            _ = parse(&text, settings);
            "the last valid version of this file stays in force"
        }
        None => "the whole file is ignored: the other settings files and the defaults are in force",
    };
    Problem { message: format!("{instead}; {}", problem.message), ..problem }
}
