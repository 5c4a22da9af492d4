//! A program that runs: how it is started, its process group, and what it prints.

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

/// How much is read of a pipe at a time, in bytes: all that it holds by default (pipe(7)).
pub(super) const BUFFER: usize = 64 << 10;

/// What is to be run, and how.
#[derive(Debug)]
pub struct Launch<'a> {
    /// The file, by its absolute path.
    pub program: &'a Path,
    /// Its arguments.
    pub arguments: &'a [OsString],
    /// Variables that it gets besides the hook's own; those without a value it does not get.
    pub environment: &'a [(&'a str, Option<&'a OsStr>)],
    /// Its standard input.
    pub stdin: Stdio,
    /// How long it may run.
    pub timeout: Duration,
    /// How long it has between SIGTERM and SIGKILL.
    pub grace: Duration,
}

/// What happens while a script runs.
#[derive(Debug)]
pub enum Progress<'a> {
    /// It runs.
    Started {
        /// As this process, which leads its group.
        pid: u32,
    },
    /// It printed something.
    Printed {
        /// Where.
        stream: Stream,
        /// What.
        lines: Lines<'a>,
    },
    /// It is told to end by SIGTERM.
    Terminating {
        /// Why.
        why: Why,
        /// How long it has before SIGKILL.
        grace: Duration,
        /// What runs of it.
        remaining: Remaining,
    },
    /// It is ended by SIGKILL.
    Killing {
        /// What ran of it still.
        processes: Vec<Process>,
    },
    /// Some of it could not be ended even so.
    Unkillable {
        /// What runs of it still, as far as it can be seen.
        processes: Vec<Process>,
    },
}

/// Why a script is ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Why {
    /// Its deadline has come, this long after its start.
    Deadline(Duration),
    /// The hook received this signal.
    Interrupted(i32),
}

/// What runs of a script when it is to be ended.
#[derive(Debug)]
pub struct Remaining {
    /// Its processes, or why they can't be known, in which case only the process group can be ended.
    pub processes: io::Result<Vec<Process>>,
    /// One of them waits for libvirt, which waits for the hook.
    pub calls_libvirt: Option<Process>,
}

/// Who is told of it.
pub(super) type Show<'a, 'b> = &'a mut (dyn FnMut(Progress<'_>) + 'b);

/// A script that runs, or has ended and is not reaped yet.
#[derive(Debug)]
pub(super) struct Running {
    pub(super) child: Child,
    pub(super) begun: Instant,
    pub(super) stdout: Capture,
    pub(super) stderr: Capture,
    /// Something told that it has perhaps ended, and nobody has looked since.
    pub(super) may_have_ended: bool,
    /// When it was last looked.
    pub(super) looked: Instant,
    pub(super) ended: bool,
}

/// What a wait was for.
#[derive(Debug, Default)]
pub(super) struct Ready {
    pub(super) signal: bool,
    pub(super) stdout: bool,
    pub(super) stderr: bool,
}

impl Ready {
    /// Waits until a signal has arrived or something can be read, but not longer than `longest`.
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

    /// Its process id, which is its group's as well.
    pub(super) fn pid(&self) -> i32 {
        self.child.id() as i32
    }

    /// Whether it has ended.
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

    /// Takes its exit code or the signal that ended it.
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
