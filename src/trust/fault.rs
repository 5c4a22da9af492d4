//! Reasons why a file is not trusted, and their fixes.

use std::fmt;
use std::path::PathBuf;

use super::shell::shell;
use crate::record::Quoted;

/// The reason why a file is not trusted, with the data of its fix.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Fault {
    /// Another user owns it.
    Owner {
        /// The file, link or folder.
        path: PathBuf,
        /// Its owner's user id.
        uid: u32,
        /// True if it is a symlink, whose own owner has to be changed.
        link: bool,
    },
    /// Its group or everybody may write to it.
    Writable {
        /// The file or folder.
        path: PathBuf,
        /// Its permission bits.
        mode: u32,
    },
    /// The file is set-user-ID or set-group-ID.
    SetId {
        /// The file.
        path: PathBuf,
        /// Its permission bits.
        mode: u32,
    },
}

impl Fault {
    /// Returns the reason without the fix.
    pub fn reason(&self) -> String {
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

    /// Returns the command that fixes it.
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
        write!(formatter, "{}; fix: {}", self.reason(), self.remedy())
    }
}
