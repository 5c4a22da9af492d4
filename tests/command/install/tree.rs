//! What is on a host: to tell what was changed, and that nothing was.

use std::collections::BTreeMap;
use std::fs;
use std::os::unix::fs::MetadataExt;
use std::path::Path;

use testbed::Host;

/// Everything in the folders that an installation might touch, by path.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Tree(BTreeMap<String, Thing>);

#[derive(Clone, PartialEq, Eq)]
struct Thing {
    mode: u32,
    /// A file's bytes, a symlink's target.
    content: Vec<u8>,
    /// When a file was last written. A folder's does not count: something may come into it and go again.
    written: Option<(i64, i64)>,
}

impl std::fmt::Debug for Thing {
    fn fmt(&self, formatter: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let begin = self.content.get(..80).unwrap_or(&self.content);
        write!(formatter, "{:o} {:?} {:?}", self.mode, String::from_utf8_lossy(begin), self.written)
    }
}

impl Tree {
    pub(crate) fn of(host: &Host) -> Self {
        let mut found = BTreeMap::new();
        for folder in ["etc", "var", "run", "srv"] {
            add(&mut found, &host.path(folder), &host.path(""));
        }
        Self(found)
    }

    /// The permission bits of what is at a path, if something is.
    pub(crate) fn mode(&self, path: &str) -> Option<u32> {
        self.0.get(path).map(|thing| thing.mode & 0o7777)
    }

    pub(crate) fn forget_time(&mut self, path: &str) {
        if let Some(thing) = self.0.get_mut(path) {
            thing.written = None;
        }
    }

    pub(crate) fn forget(&mut self, path: &str) {
        self.0.remove(path);
    }

    /// All but what lies in one folder.
    pub(crate) fn outside(mut self, folder: &str) -> Self {
        self.0.retain(|path, _| !path.starts_with(folder));
        self
    }
}

fn add(found: &mut BTreeMap<String, Thing>, folder: &Path, root: &Path) {
    for entry in fs::read_dir(folder).into_iter().flatten().flatten() {
        let path = entry.path();
        let Ok(status) = fs::symlink_metadata(&path) else { continue };
        let content = if status.is_symlink() {
            fs::read_link(&path).unwrap_or_default().into_os_string().into_encoded_bytes()
        } else if status.is_file() {
            fs::read(&path).unwrap_or_default()
        } else {
            Vec::new()
        };
        if status.is_dir() {
            add(found, &path, root);
        }
        let written = (!status.is_dir()).then_some((status.mtime(), status.mtime_nsec()));
        let name = format!("/{}", path.strip_prefix(root).unwrap_or(&path).display());
        found.insert(name, Thing { mode: status.mode(), content, written });
    }
}
