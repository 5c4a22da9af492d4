//! What makes a file untrustworthy, and what mends it.

use std::fmt;
use std::path::PathBuf;

use super::shell::shell;
use crate::record::Quoted;

/// What makes a file untrustworthy. Each names what to mend.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Fault {
    /// Somebody else owns it.
    Owner {
        /// The file, link or folder.
        path: PathBuf,
        /// Its owner's user id.
        uid: u32,
        /// Whether it is a link, of which the owner is to be changed itself.
        link: bool,
    },
    /// Its group or everybody may write to it.
    Writable {
        /// The file or folder.
        path: PathBuf,
        /// Its permission bits.
        mode: u32,
    },
    /// It runs as its owner or group, whoever starts it.
    SetId {
        /// The file.
        path: PathBuf,
        /// Its permission bits.
        mode: u32,
    },
}

impl Fault {
    /// What is wrong, without what mends it.
    pub fn what(&self) -> String {
        match self {
            Self::Owner { path, uid, link } => {
                let what = if *link { "link " } else { "" };
                format!("{what}{} belongs to user {uid}, not to root", Quoted::path(path))
            }
            Self::Writable { path, mode } => {
                format!("{} may be written to by others than its owner (mode {mode:04o})", Quoted::path(path))
            }
            Self::SetId { path, mode } => {
                format!("{} is set-user-id or set-group-id (mode {mode:04o})", Quoted::path(path))
            }
        }
    }

    /// The command that mends it.
    pub fn remedy(&self) -> String {
        match self {
            Self::Owner { path, link, .. } => {
                format!("chown {}root {}", if *link { "-h " } else { "" }, shell(path))
            }
            Self::Writable { path, .. } => format!("chmod go-w {}", shell(path)),
            Self::SetId { path, .. } => format!("chmod ug-s {}", shell(path)),
        }
    }
}

impl fmt::Display for Fault {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(formatter, "{}; fix: {}", self.what(), self.remedy())
    }
}
