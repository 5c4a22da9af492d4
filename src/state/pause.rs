//! The operator's off switch: while it is on, the hook runs no script.
//!
//! It is a file in the state folder, and so ends with the host's uptime at the latest.

use std::fmt;
use std::path::{Path, PathBuf};

use jiff::Timestamp;

use crate::record;
use crate::state::{Directory, StateError};

/// The file's name; what it holds is the end, in seconds since 1970, or nothing where there is none.
const UNTIL: &[u8] = b"until";

/// A pause.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Pause {
    /// When it ends; never by itself where nothing is said.
    pub until: Option<Timestamp>,
}

impl Pause {
    /// The pause that is in force, if one is.
    pub fn in_force(state: &Path) -> Option<Self> {
        let kept = directory(state).kept(UNTIL)?;
        // What can't be read as a time was begun by somebody all the same.
        let seconds = std::str::from_utf8(&kept).ok().and_then(|text| text.trim().parse().ok());
        let until = seconds.and_then(|seconds| Timestamp::from_second(seconds).ok());
        until.is_none_or(|until| Timestamp::now() < until).then_some(Self { until })
    }

    /// Begins it, in place of one that is in force.
    ///
    /// # Errors
    /// Where the state folder can't be written to.
    pub fn begin(self, state: &Path) -> Result<(), StateError> {
        let text = self.until.map(|until| until.as_second().to_string()).unwrap_or_default();
        directory(state).keep(UNTIL, text.as_bytes())
    }

    /// Ends whatever pause there is.
    ///
    /// # Errors
    /// Where the state folder can't be written to.
    pub fn end(state: &Path) -> Result<(), StateError> {
        directory(state).forget(UNTIL)
    }

    /// The file that it consists of.
    pub fn place(state: &Path) -> PathBuf {
        directory(state).path(UNTIL)
    }
}

fn directory(state: &Path) -> Directory {
    Directory::new(state, "pause")
}

impl fmt::Display for Pause {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.until {
            Some(until) => write!(formatter, "paused until {}", record::local_time(until)),
            None => formatter.write_str("paused until told otherwise"),
        }
    }
}
