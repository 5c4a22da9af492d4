//! The host's tools by which rules of others are read and changed.

use std::io;

/// What this program's rules in others' chains are known by.
pub(super) const COMMENT: &str = "virt-hooks";

/// The programs and files of a host by which others' rules are seen and changed.
pub trait Tools {
    /// What a program prints that reads `input`. It takes no longer than it may.
    ///
    /// # Errors
    /// Where it is not there, or fails.
    fn run(&mut self, program: &str, arguments: &[&str], input: &str) -> Result<Vec<u8>, Refusal>;

    /// What is in a file of `/proc`.
    ///
    /// # Errors
    /// Where it is not there, or can't be read.
    fn read(&mut self, path: &str) -> io::Result<String>;
}

/// Why others' rules can't be seen or changed.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum Refusal {
    /// The program is not there.
    #[error("there is no {0} here")]
    Missing(String),
    /// It fails, and this is why.
    #[error("{0}")]
    Failed(String),
}
