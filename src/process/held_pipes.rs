//! The pipes of a script that has ended, while something that it left behind still holds their other ends.

use std::os::fd::OwnedFd;
use std::time::Duration;

use super::capture::{Capture, Lines, Stream};
use super::running::{BUFFER, Ready};

/// The reading ends of a script's pipes, of which at least one may still be printed into.
#[derive(Debug)]
pub struct HeldPipes {
    /// The one that was its standard output.
    pub stdout: Option<OwnedFd>,
    /// The one that was its standard error.
    pub stderr: Option<OwnedFd>,
}

impl HeldPipes {
    /// Shows what comes, for as long as anybody holds the other ends.
    pub fn follow(self, show: &mut dyn FnMut(Stream, Lines<'_>)) {
        let mut stdout = Capture::new(Stream::Stdout, self.stdout);
        let mut stderr = Capture::new(Stream::Stderr, self.stderr);
        let mut buffer = Vec::with_capacity(BUFFER);
        while stdout.open().is_some() || stderr.open().is_some() {
            let ready = Ready::wait([None, stdout.open(), stderr.open()], Duration::MAX);
            if ready.stdout {
                stdout.read(&mut buffer, show);
            }
            if ready.stderr {
                stderr.read(&mut buffer, show);
            }
        }
    }
}
