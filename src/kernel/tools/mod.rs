//! The host's own tools that change its network, within a bound on the time that all of them take together.

pub mod ip;
pub mod iptables;
pub mod nft;

use std::fs;
use std::io;
use std::time::Duration;

use super::deadline::Deadline;
use crate::process::{Supervisor, ToolError};

/// The programs and files of a host by which its network is seen and changed.
pub trait Tools {
    /// Runs a program with `input` on stdin, and returns its output. It is bounded by the time left.
    ///
    /// # Errors
    /// The program is absent, fails, or there is no time left for it.
    fn run(&mut self, program: &str, arguments: &[&str], input: &str) -> Result<Vec<u8>, ToolError>;

    /// Returns the content of a file of `/proc`.
    ///
    /// # Errors
    /// The file is absent, or cannot be read.
    fn read(&mut self, path: &str) -> io::Result<String>;

    /// Returns when all has to be done.
    fn deadline(&self) -> Deadline;
}

/// The tools of this host.
#[derive(Debug)]
pub struct HostTools<'a> {
    supervisor: &'a mut Supervisor,
    deadline: Deadline,
    /// The longest that one of them runs.
    longest: Duration,
}

impl<'a> HostTools<'a> {
    /// Returns the tools of this host, until the deadline, each with a timeout of `longest` after which it is killed.
    pub const fn until(supervisor: &'a mut Supervisor, deadline: Deadline, longest: Duration) -> Self {
        Self { supervisor, deadline, longest }
    }

    /// Returns the same tools for a step with its own limit.
    pub fn within(&mut self, limit: Duration) -> HostTools<'_> {
        HostTools { deadline: self.deadline.within(limit), supervisor: self.supervisor, longest: self.longest }
    }
}

impl Tools for HostTools<'_> {
    fn run(&mut self, program: &str, arguments: &[&str], input: &str) -> Result<Vec<u8>, ToolError> {
        let left = self.deadline.left();
        if left.is_zero() {
            return Err(ToolError::NotStarted(program.to_owned()));
        }
        self.supervisor.tell(program, arguments, input.as_bytes(), left.min(self.longest))
    }

    fn read(&mut self, path: &str) -> io::Result<String> {
        fs::read_to_string(path)
    }

    fn deadline(&self) -> Deadline {
        self.deadline
    }
}
