//! The operator's pause: the hook runs no script while it is in force.
//!
//! The pause is a file in the state folder, and so ends with a reboot at the latest.

use std::fmt;
use std::path::{Path, PathBuf};

use jiff::Timestamp;

use crate::record;
use crate::state::{Directory, StateError};

/// Name of the file. It contains the end, in seconds since 1970, or is empty if there is none.
const UNTIL: &[u8] = b"until";

/// A pause.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Pause {
    /// Its end; `None` if only the operator ends it.
    pub until: Option<Timestamp>,
}

impl Pause {
    /// The pause that is in force, if one is.
    pub fn in_force(state: &Path) -> Option<Self> {
        let kept = directory(state).read_trusted(UNTIL)?;
        // An unreadable time still means that an operator began a pause.
        let seconds = std::str::from_utf8(&kept).ok().and_then(|text| text.trim().parse().ok());
        let until = seconds.and_then(|seconds| Timestamp::from_second(seconds).ok());
        until.is_none_or(|until| Timestamp::now() < until).then_some(Self { until })
    }

    /// Begins the pause, in place of one that is in force.
    ///
    /// # Errors
    /// The state folder cannot be written.
    pub fn begin(self, state: &Path) -> Result<(), StateError> {
        let text = self.until.map(|until| until.as_second().to_string()).unwrap_or_default();
        directory(state).write(UNTIL, text.as_bytes())
    }

    /// Ends the pause, if there is one.
    ///
    /// # Errors
    /// The state folder cannot be written.
    pub fn end(state: &Path) -> Result<(), StateError> {
        directory(state).remove(UNTIL)
    }

    /// The file that it consists of.
    pub fn path(state: &Path) -> PathBuf {
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
            None => formatter.write_str("paused until resumed"),
        }
    }
}
