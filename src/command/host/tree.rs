//! The tree of scripts of VFIO-Tools' helper, as it lies on the host, and the helper itself.

use std::ffi::OsStr;
use std::fs;
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};

use memchr::memmem;

use super::inventory::{Entry, Fate, Look, looks_like_a_program, names};
use crate::paths::Paths;
use crate::script::{self, Origin, Scope, Script};

impl Look<'_> {
    /// Returns the scripts of the tree: by VM, operation and name.
    pub(super) fn tree(&self, paths: &Paths) -> Vec<Entry> {
        let mut entries = Vec::new();
        for domain in sorted(&paths.later_hooks()).iter().filter_map(|path| path.file_name()) {
            for &operation in paths.driver().operations {
                let (name, sub_operation) = (OsStr::new(operation.name()), OsStr::new(operation.sub_operation()));
                let Some(place) = paths.tree(domain, name, sub_operation) else { continue };
                let files = if place.is_dir() { sorted(&place) } else { vec![place] };
                let scope = Scope::Of(operation);
                entries.extend(files.into_iter().filter_map(|file| self.of_tree(paths, file, domain, scope)));
            }
        }
        entries
    }

    fn of_tree(&self, paths: &Paths, path: PathBuf, domain: &OsStr, scope: Scope) -> Option<Entry> {
        let is_file = fs::metadata(&path).is_ok_and(|status| status.is_file() && status.len() > 0);
        let masked = fs::canonicalize(&path).is_ok_and(|target| target == Path::new("/dev/null"));
        if !(masked || is_file && looks_like_a_program(&path)) {
            return None;
        }
        let script = Script::of_tree(paths, path);
        let fate = match self.fate(script.path()) {
            _ if self.is_left_out(script.file_name(), Some(domain)) => Fate::LeftOut,
            // A shell runs it, as that of the helper does.
            Fate::Unfit(_) if is_executable(script.path()) && self.is_trusted_text(script.path()) => Fate::Runs,
            fate => fate,
        };
        Some(Entry {
            path: script.path().to_owned(),
            label: script.label().to_vec(),
            domain: Some(domain.to_owned()),
            scope: Some(scope),
            fate,
            origin: Origin::Tree,
        })
    }

    fn is_trusted_text(&self, path: &Path) -> bool {
        script::is_plain_text(path) && self.is_trusted(path)
    }
}

/// Returns the programs directly in `qemu.d`, which libvirt 6.5 and newer call themselves.
pub(crate) fn called_by_libvirt(paths: &Paths) -> Vec<PathBuf> {
    let mut programs = sorted(&paths.later_hooks());
    programs.retain(|path| path.is_file() && is_executable(path));
    programs
}

/// Returns true for a file with a run bit.
pub(crate) fn is_executable(path: &Path) -> bool {
    fs::metadata(path).is_ok_and(|status| status.permissions().mode() & 0o111 != 0)
}

/// The paths in a folder, by name. None where it can't be read.
fn sorted(folder: &Path) -> Vec<PathBuf> {
    let mut names = names(folder).unwrap_or_default();
    names.sort();
    names.into_iter().map(|name| folder.join(name)).collect()
}

/// Returns true for a hook that dispatches to the tree: a script that composes the folder from its first three arguments and
/// goes through the files there.
pub(crate) fn is_dispatcher(text: &[u8]) -> bool {
    let code: Vec<u8> = text
        .split_inclusive(|&byte| byte == b'\n')
        .enumerate()
        .filter(|(line, text)| *line == 0 || !text.trim_ascii_start().starts_with(b"#"))
        .flat_map(|(_, text)| text.iter().copied())
        .collect();
    let has = |words: &[&str]| words.iter().any(|word| memmem::find(&code, word.as_bytes()).is_some());
    let argument = |number: u8| has(&[&format!("${number}"), &format!("${{{number}")]);
    let takes_arguments = (1..=3).all(argument) || has(&["sys.argv[1", "ARGV["]);
    let names_folder = has(&["qemu.d", "$0.d", "${0}.d"]);
    let goes_through = has(&["find ", "for ", "run-parts", "while read", "listdir", "glob"]);
    code.starts_with(b"#!") && names_folder && takes_arguments && goes_through
}
