//! Output pipes of a script that has ended, whose write ends another process still holds.

use std::os::fd::OwnedFd;
use std::time::Duration;

use super::capture::{Capture, Lines, Stream};
use super::running::{BUFFER, Ready};

/// The read ends of a script's output pipes. At least one still has a writer.
#[derive(Debug)]
pub struct HeldPipes {
    /// Its standard output.
    pub stdout: Option<OwnedFd>,
    /// Its standard error.
    pub stderr: Option<OwnedFd>,
}

impl HeldPipes {
    /// Shows all lines until the last writer closes the pipes.
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
