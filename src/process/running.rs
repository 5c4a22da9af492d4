//! A program to run, and the running program: its process group and its output.

use std::ffi::{OsStr, OsString};
use std::io;
use std::os::fd::{BorrowedFd, OwnedFd};
use std::os::unix::process::{CommandExt, ExitStatusExt};
use std::path::Path;
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

use rustix::event::{PollFd, PollFlags, Timespec};

use super::capture::{Capture, Lines, Stream};
use super::children;
use super::process_table::Process;
use crate::record::outcome::Outcome;

/// The size of one read, in bytes: the default capacity of a pipe (pipe(7)).
pub(super) const BUFFER: usize = 64 << 10;

/// A program to run.
#[derive(Debug)]
pub struct Launch<'a> {
    /// Its absolute path.
    pub program: &'a Path,
    /// Its arguments.
    pub arguments: &'a [OsString],
    /// Variables added to the hook's own environment, or without a value removed from it.
    pub environment: &'a [(&'a str, Option<&'a OsStr>)],
    /// Its standard input.
    pub stdin: Stdio,
    /// The longest time it runs.
    pub timeout: Duration,
    /// Time between SIGTERM and SIGKILL.
    pub grace: Duration,
    /// Directory in which a file named by the program's id requests its end. Checked after a [`STOP`](super::STOP).
    pub stops: Option<&'a Path>,
}

/// Progress of a running program.
#[derive(Debug)]
pub enum Progress<'a> {
    /// It was started.
    Started {
        /// Its process id, which is its group's.
        pid: u32,
    },
    /// It printed lines.
    Printed {
        /// The stream.
        stream: Stream,
        /// The lines.
        lines: Lines<'a>,
    },
    /// It is sent SIGTERM.
    Terminating {
        /// The reason.
        why: Why,
        /// The time before SIGKILL.
        grace: Duration,
        /// Its processes. Without a process table only the process group can be ended.
        processes: io::Result<Vec<Process>>,
    },
    /// It is sent SIGKILL.
    Killing {
        /// Its remaining processes.
        processes: Vec<Process>,
    },
    /// SIGKILL did not end all of its processes.
    Unkillable {
        /// Its remaining processes, as far as they are visible.
        processes: Vec<Process>,
    },
}

/// The reason for ending a program.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Why {
    /// It reached its timeout.
    Deadline(Duration),
    /// The hook received this signal.
    Interrupted(i32),
    /// An operator requested it.
    Stopped,
}

/// Receiver of the progress.
pub(super) type Show<'a, 'b> = &'a mut (dyn FnMut(Progress<'_>) + 'b);

/// A program that runs, or has ended and is not reaped yet.
#[derive(Debug)]
pub(super) struct Running {
    pub(super) child: Child,
    pub(super) begun: Instant,
    pub(super) stdout: Capture,
    pub(super) stderr: Capture,
    /// It may have ended since the last check.
    pub(super) may_have_ended: bool,
    /// Time of the last check.
    pub(super) looked: Instant,
    pub(super) ended: bool,
}

/// Result of a poll.
#[derive(Debug, Default)]
pub(super) struct Ready {
    pub(super) signal: bool,
    pub(super) stdout: bool,
    pub(super) stderr: bool,
}

impl Ready {
    /// Waits until a signal has arrived or a pipe is readable, for at most `longest`.
    pub(super) fn wait(sources: [Option<BorrowedFd<'_>>; 3], longest: Duration) -> Self {
        let mut polled: Vec<PollFd<'_>> =
            sources.iter().flatten().map(|source| PollFd::from_borrowed_fd(*source, PollFlags::IN)).collect();
        // What is too long for the kernel is for ever.
        let timeout = Timespec::try_from(longest).ok();
        if rustix::event::poll(&mut polled, timeout.as_ref()).is_err() {
            // A signal came; what is there to read is seen at the next turn.
            return Self { signal: true, ..Self::default() };
        }
        let mut results = polled.iter().map(|polled| !polled.revents().is_empty());
        let [signal, stdout, stderr] = sources.map(|source| source.is_some() && results.next().unwrap_or_default());
        Self { signal, stdout, stderr }
    }

    pub(super) const fn nothing(&self) -> bool {
        !self.signal && !self.stdout && !self.stderr
    }
}

impl Running {
    pub(super) fn start(task: Launch<'_>) -> io::Result<Self> {
        let mut command = Command::new(task.program);
        command.args(task.arguments).stdin(task.stdin).stdout(Stdio::piped()).stderr(Stdio::piped()).process_group(0);
        for (name, value) in task.environment {
            match value {
                Some(value) => command.env(name, value),
                None => command.env_remove(name),
            };
        }
        let begun = Instant::now();
        let mut child = command.spawn()?;
        let stdout = Capture::new(Stream::Stdout, child.stdout.take().map(OwnedFd::from));
        let stderr = Capture::new(Stream::Stderr, child.stderr.take().map(OwnedFd::from));
        Ok(Self { child, begun, stdout, stderr, may_have_ended: false, looked: begun, ended: false })
    }

    /// Returns its process id, which is its group's.
    pub(super) fn pid(&self) -> i32 {
        self.child.id() as i32
    }

    /// Returns true if it has ended.
    pub(super) fn has_ended(&mut self) -> bool {
        if std::mem::take(&mut self.may_have_ended) && !self.ended {
            self.looked = Instant::now();
            self.ended = children::has_ended(self.pid());
        }
        self.ended
    }

    pub(super) fn is_open(&self) -> bool {
        self.stdout.open().is_some() || self.stderr.open().is_some()
    }

    /// Reaps it and returns its exit code or the signal that ended it.
    pub(super) fn reap(&mut self, after: Duration) -> Outcome {
        match self.child.try_wait() {
            Ok(Some(status)) => match (status.code(), status.signal()) {
                (Some(code), _) => Outcome::Exited { code, after },
                (None, signal) => Outcome::Signaled { signal: signal.unwrap_or_default(), after },
            },
            // Where whatever started the hook ignored SIGCHLD, the kernel reaps, and nobody learns the exit code.
            _ => Outcome::Exited { code: 0, after },
        }
    }
}
