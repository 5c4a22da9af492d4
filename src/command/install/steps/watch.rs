//! The hook's place as it was looked at: what has come there since was put there by somebody else, and is not replaced.

use std::fs::{self, Metadata};
use std::io;
use std::os::unix::fs::MetadataExt;
use std::path::{Path, PathBuf};

use crate::record::Quoted;

/// A place, and what was there.
#[derive(Debug)]
pub(crate) struct Watched {
    place: PathBuf,
    seen: Option<Identity>,
}

/// What tells one state of one file from another.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
struct Identity {
    device: u64,
    inode: u64,
    length: u64,
    written: (i64, i64),
    changed: (i64, i64),
}

impl From<&Metadata> for Identity {
    fn from(status: &Metadata) -> Self {
        Self {
            device: status.dev(),
            inode: status.ino(),
            length: status.len(),
            written: (status.mtime(), status.mtime_nsec()),
            changed: (status.ctime(), status.ctime_nsec()),
        }
    }
}

impl Identity {
    fn of(path: &Path) -> Option<Self> {
        fs::symlink_metadata(path).ok().as_ref().map(Self::from)
    }
}

impl Watched {
    /// A place from now on.
    pub(crate) fn now(place: &Path) -> Self {
        Self { place: place.to_owned(), seen: Identity::of(place) }
    }

    /// # Errors
    /// Where `path` is the place, and what is there is not what was.
    pub(crate) fn as_seen(&self, path: &Path) -> io::Result<()> {
        self.unless(path, Identity::of(path) != self.seen)
    }

    /// # Errors
    /// Where what is at the place is not what was, whatever is changed.
    pub(crate) fn still(&self) -> io::Result<()> {
        self.as_seen(&self.place)
    }

    /// The same after a link to it was made, which changes a file's time of change.
    ///
    /// # Errors
    /// As above.
    pub(crate) fn as_linked(&self, path: &Path) -> io::Result<()> {
        let linked = Identity::of(path).zip(self.seen).map(|(now, seen)| Identity { changed: seen.changed, ..now });
        self.unless(path, linked != self.seen)
    }

    fn unless(&self, path: &Path, differs: bool) -> io::Result<()> {
        if path == self.place && differs {
            let place = Quoted::path(path);
            return Err(io::Error::other(format!(
                "something else has changed {place} in the meantime; look and try again"
            )));
        }
        Ok(())
    }

    /// Takes note of a change of one's own, if it was one of the place.
    pub(crate) fn changed(&mut self, path: &Path) {
        if path == self.place {
            self.seen = Identity::of(path);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::command::install::steps::change::{Change, Changes, Content, Put};

    const PLACE: &str = "qemu";

    fn put(folder: &Path) -> Change {
        let content = Content::Text(b"ours".to_vec());
        Change::Put(Put { path: folder.join(PLACE), content, mode: 0o755, owner: None })
    }

    fn keep(folder: &Path) -> Change {
        Change::Keep { from: folder.join(PLACE), to: folder.join("backup") }
    }

    fn names(folder: &Path) -> Vec<String> {
        let entries = fs::read_dir(folder).expect("the folder").flatten();
        let mut names: Vec<String> = entries.map(|entry| entry.file_name().to_string_lossy().into_owned()).collect();
        names.sort();
        names
    }

    #[test]
    fn what_came_to_the_watched_place_since_is_neither_replaced_nor_removed_nor_kept() {
        type Come = fn(&Path);
        let by_rename: Come = |place| {
            fs::write(place.with_file_name("draft"), "theirs").expect("a file");
            fs::rename(place.with_file_name("draft"), place).expect("a rename");
        };
        let by_writing: Come = |place| fs::write(place, "theirs").expect("a file");
        type Planned = fn(&Path) -> Change;
        let planned: [Planned; 4] = [
            put,
            keep,
            |folder| Change::Remove(folder.join(PLACE)),
            |folder| Change::Move { from: folder.join("other"), to: folder.join(PLACE) },
        ];
        for before in [Some("before"), None] {
            for come in [by_rename, by_writing] {
                for planned in planned {
                    let folder = tempfile::tempdir().expect("a folder");
                    let place = folder.path().join(PLACE);
                    fs::write(folder.path().join("other"), "other").expect("a file");
                    if let Some(before) = before {
                        fs::write(&place, before).expect("a file");
                    }
                    let mut changes = Changes::watching(Watched::now(&place));
                    come(&place);
                    let elsewhere = folder.path().join("other");
                    let rewritten = Content::Text(b"other".to_vec());
                    let put = Put { path: elsewhere, content: rewritten, mode: 0o644, owner: None };
                    changes.make(&Change::Put(put)).expect("a change elsewhere");
                    let error = changes.make(&planned(folder.path())).expect_err("it is not what was seen");
                    assert!(error.to_string().contains("in the meantime"), "{error}");
                    assert_eq!(changes.take_back(), [""; 0]);
                    assert_eq!(fs::read_to_string(&place).expect("theirs"), "theirs");
                    assert_eq!(names(folder.path()), ["other", PLACE]);
                }
            }
        }
    }

    #[test]
    fn changes_of_one_s_own_are_none_of_somebody_else_s() {
        let folder = tempfile::tempdir().expect("a folder");
        let place = folder.path().join(PLACE);
        fs::write(&place, "before").expect("a file");
        let mut changes = Changes::watching(Watched::now(&place));
        for change in [keep(folder.path()), put(folder.path())] {
            changes.make(&change).expect("a change");
        }
        fs::write(&place, "theirs").expect("a file");
        changes.make(&put(folder.path())).expect_err("it is not what was seen");
        let mut changes = Changes::watching(Watched::now(&place));
        changes.make(&Change::Remove(place.clone())).expect("a change");
        changes.make(&put(folder.path())).expect("a change");
        changes.settle();
        assert_eq!(names(folder.path()), ["backup", PLACE]);
        assert_eq!(fs::read_to_string(place).expect("ours"), "ours");
    }
}
