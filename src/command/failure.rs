//! Why a verb could not do what it was asked to.

use std::fmt::Display;
use std::io::{self, Write};
use std::process::ExitCode;

/// Why a verb ended early, and with which exit code.
#[derive(Debug)]
pub(crate) enum Failure {
    /// The command line asks for what can't be.
    Usage(String),
    /// It could not be done; the message ends with what mends it.
    Failed(String),
    /// What it prints can't be written.
    Output(io::Error),
}

impl Failure {
    pub(crate) fn usage(message: impl Display) -> Self {
        Self::Usage(message.to_string())
    }

    pub(crate) fn failed(message: impl Display) -> Self {
        Self::Failed(message.to_string())
    }

    /// Tells it on stderr. A reader who has seen enough, as in `virt-hooks log | head -1`, is no failure.
    pub(crate) fn tell(&self) -> ExitCode {
        let (message, exit_code) = match self {
            Self::Usage(message) => (message.clone(), 2),
            Self::Failed(message) => (message.clone(), 1),
            Self::Output(error) if error.kind() == io::ErrorKind::BrokenPipe => return ExitCode::SUCCESS,
            Self::Output(error) => (format!("the output can't be written: {error}"), 1),
        };
        // A closed stderr is no failure.
        _ = writeln!(io::stderr(), "virt-hooks: {message}");
        ExitCode::from(exit_code)
    }
}

impl From<io::Error> for Failure {
    /// An error in writing to stdout. All other errors are told with what they are about.
    fn from(error: io::Error) -> Self {
        Self::Output(error)
    }
}
