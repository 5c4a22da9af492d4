//! Reasons why a file is not trusted, and their fixes.

use std::fmt;
use std::path::{Path, PathBuf};

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
    /// A link leads to a place that somebody else owns.
    Elsewhere {
        /// The link among the scripts: the script itself or its folder.
        link: PathBuf,
        /// The place that it leads to.
        target: PathBuf,
        /// The fault there.
        fault: Box<Fault>,
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
                format!("{what}{} is owned by user {uid}, not by root", Quoted::path(path))
            }
            Self::Writable { path, mode } => {
                format!("{} is writable by users other than its owner (mode {mode:04o})", Quoted::path(path))
            }
            Self::Elsewhere { fault, .. } => fault.reason(),
            Self::SetId { path, mode } => {
                format!("{} is set-user-id or set-group-id (mode {mode:04o})", Quoted::path(path))
            }
        }
    }

    /// Returns the fault as one behind a link, if it lies behind the last link on the way to the script `path`.
    pub(super) fn seen_from(self, path: &Path) -> Self {
        let Self::Owner { path: own, link: false, .. } = &self else { return self };
        if path.starts_with(own) {
            return self;
        }
        let link = path.ancestors().take(2).find(|place| place.is_symlink()).map(Path::to_owned);
        match link.and_then(|link| Some((link.canonicalize().ok()?, link))) {
            Some((target, link)) if target.starts_with(own) => Self::Elsewhere { link, target, fault: Box::new(self) },
            _ => self,
        }
    }

    /// Returns the command that fixes it.
    pub fn remedy(&self) -> String {
        match self {
            Self::Owner { path, link, .. } => {
                format!("chown {}root {}", if *link { "-h " } else { "" }, shell(path))
            }
            Self::Writable { path, .. } => format!("chmod go-w {}", shell(path)),
            // A chown there would lock its owner out.
            Self::Elsewhere { link, target, .. } if target.is_dir() => {
                let (link, target) = (shell(link), shell(target));
                format!(
                    "install -d -o root -m 755 {link}.new && install -o root -m 755 {target}/* {link}.new && rm {link} && \
                     mv {link}.new {link}"
                )
            }
            Self::Elsewhere { link, target, .. } => format!("install -o root -m 755 {} {}", shell(target), shell(link)),
            Self::SetId { path, .. } => format!("chmod ug-s {}", shell(path)),
        }
    }
}

impl fmt::Display for Fault {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(formatter, "{}; fix: {}", self.reason(), self.remedy())
    }
}
