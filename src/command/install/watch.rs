//! The hook's place as it was looked at: what has come there since was put there by somebody else, and is not replaced.

use std::fs::{self, Metadata};
use std::io;
use std::os::unix::fs::MetadataExt;
use std::path::{Path, PathBuf};

/// A place, and what was there.
#[derive(Debug)]
pub(in crate::command) struct Watched {
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
    pub(in crate::command) fn now(place: &Path) -> Self {
        Self { place: place.to_owned(), seen: Identity::of(place) }
    }

    /// # Errors
    /// Where `path` is the place, and what is there is not what was.
    pub(super) fn as_seen(&self, path: &Path) -> io::Result<()> {
        self.unless(path, Identity::of(path) != self.seen)
    }

    /// The same after a link to it was made, which changes a file's time of change.
    ///
    /// # Errors
    /// As above.
    pub(super) fn as_linked(&self, path: &Path) -> io::Result<()> {
        let linked = Identity::of(path).zip(self.seen).map(|(now, seen)| Identity { changed: seen.changed, ..now });
        self.unless(path, linked != self.seen)
    }

    fn unless(&self, path: &Path, differs: bool) -> io::Result<()> {
        if path == self.place && differs {
            return Err(io::Error::other("something else has changed it in the meantime; look at it and try again"));
        }
        Ok(())
    }

    /// Takes note of a change of one's own, if it was one of the place.
    pub(super) fn changed(&mut self, path: &Path) {
        if path == self.place {
            self.seen = Identity::of(path);
        }
    }
}
