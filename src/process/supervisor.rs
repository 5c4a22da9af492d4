//! Running one script to its end: its process group, what it prints, its deadline.
//!
//! Nothing here waits without a bound, and nothing that a script does can lengthen its time beyond its deadline, its
//! grace period and one second.

use std::ffi::{OsStr, OsString};
use std::io;
use std::os::fd::{BorrowedFd, OwnedFd};
use std::os::unix::process::{CommandExt, ExitStatusExt};
use std::path::Path;
use std::process::{Child, Command, Stdio};
use std::sync::atomic::{AtomicI32, Ordering};
use std::time::{Duration, Instant};

use rustix::event::{PollFd, PollFlags, Timespec};
use rustix::process::{Pid, Signal};

use super::capture::{Capture, Lines, Stream};
use super::held_pipes::HeldPipes;
use super::interruption::Interruption;
use super::process_table::Process;
use super::terminate::{self, LeftBehind, Remaining, Why};
use crate::record::outcome::Outcome;

/// How long what a script left behind may hold its pipes before they are given to the background.
const DRAIN: Duration = Duration::from_millis(100);

/// The longest that a signal is relied upon to tell that a script has ended. One that was blocked in whatever started
/// the hook never arrives.
const LOOK_AGAIN: Duration = Duration::from_secs(1);

/// The same where signals can't be waited for at all.
const LOOK_OFTEN: Duration = Duration::from_millis(10);

/// How many reads empty the largest pipe that a script can make its output (`/proc/sys/fs/pipe-max-size`, 1 MiB), and
/// another one beside it.
const FULL_PIPE: u32 = 32;

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

/// The process group of the script that runs, or 0.
static RUNNING: AtomicI32 = AtomicI32::new(0);

/// Ends the script that runs, if one does, without any ado: for a hook that can't go on.
pub fn kill_running() {
    if let Some(group) = Pid::from_raw(RUNNING.load(Ordering::Relaxed)) {
        _ = rustix::process::kill_process_group(group, Signal::KILL);
    }
}

/// Who is told of it.
pub(super) type Show<'a, 'b> = &'a mut (dyn FnMut(Progress<'_>) + 'b);

/// Runs the scripts of one event, one after another.
#[derive(Debug)]
pub struct Supervisor {
    pub(super) interruption: Interruption,
    pub(super) left_behind: LeftBehind,
    /// Empty between the reads. Room that is never zeroed is never there where a script prints little.
    pub(super) buffer: Vec<u8>,
}

impl Supervisor {
    /// One that ends what it runs when `interruption` says so.
    pub fn new(interruption: Interruption) -> Self {
        // What loses its parent becomes the hook's child, so that a script can't hide what it started by a second fork.
        // Without that, its process group is all that can be ended.
        _ = rustix::process::set_child_subreaper(Some(rustix::process::getpid()));
        interruption.watch_with_scripts();
        // Scripts start where libvirt starts the hook. Where that fails they start where it is.
        _ = std::env::set_current_dir("/");
        Self { interruption, left_behind: LeftBehind::default(), buffer: Vec::with_capacity(BUFFER) }
    }

    /// Does something, and adopts meanwhile no process that loses its parent: it becomes process 1's.
    pub fn without_adopting<T>(&self, act: impl FnOnce() -> T) -> T {
        _ = rustix::process::set_child_subreaper(None);
        let done = act();
        _ = rustix::process::set_child_subreaper(Some(rustix::process::getpid()));
        done
    }

    /// The number of the signal that told the hook to end, if one has.
    pub fn interrupted(&mut self) -> Option<i32> {
        self.interruption.received()
    }

    /// Runs a script to its end. What it leaves behind with its pipes open comes back as a [`HeldPipes`].
    ///
    /// # Errors
    /// Where it can't be started, with what the kernel said.
    pub fn run(&mut self, task: Launch<'_>, show: Show<'_, '_>) -> io::Result<(Outcome, Option<HeldPipes>)> {
        self.left_behind = LeftBehind::now();
        let (timeout, grace) = (task.timeout, task.grace);
        let mut running = Running::start(task)?;
        RUNNING.store(running.pid(), Ordering::Relaxed);
        show(Progress::Started { pid: running.child.id() });
        let deadline = running.begun.checked_add(timeout);
        let why = loop {
            if running.has_ended() {
                break None;
            }
            if let Some(signal) = self.interruption.received() {
                break Some(Why::Interrupted(signal));
            }
            if deadline.is_some_and(|deadline| Instant::now() >= deadline) {
                break Some(Why::Deadline(timeout));
            }
            self.turn(&mut running, deadline, show);
        };
        if let Some(why) = why {
            self.terminate(&mut running, why, grace, show);
        }
        let after = running.begun.elapsed();
        self.drain(&mut running, show);
        let outcome = match why {
            Some(Why::Deadline(limit)) => Outcome::TimedOut { limit, after, ended: running.ended },
            Some(Why::Interrupted(signal)) => Outcome::Interrupted { signal, after },
            None => running.reap(after),
        };
        // Reaped, its id may become another's.
        RUNNING.store(0, Ordering::Relaxed);
        Ok((outcome, running.held_pipes(show)))
    }

    /// Waits until something happens or `until` comes, and shows what was printed. True where something was.
    pub(super) fn turn(&mut self, running: &mut Running, until: Option<Instant>, show: Show<'_, '_>) -> bool {
        // Whoever asked for an interruption took in the signal of a child as well, and no other comes to wake this up.
        self.note_children(running);
        let signals = self.interruption.readable();
        let longest = match &signals {
            _ if running.may_have_ended && !running.ended => Duration::ZERO,
            Ok(_) => LOOK_AGAIN,
            Err(_) => LOOK_OFTEN,
        };
        let wait = until.map_or(longest, |until| until.saturating_duration_since(Instant::now()).min(longest));
        let ready = Ready::wait([signals.ok(), running.stdout.open(), running.stderr.open()], wait);
        if ready.signal {
            self.interruption.collect();
        }
        self.note_children(running);
        running.may_have_ended |= ready.nothing() || running.looked.elapsed() >= LOOK_AGAIN;
        let mut print = |stream, lines: Lines<'_>| show(Progress::Printed { stream, lines });
        if ready.stdout {
            running.stdout.read(&mut self.buffer, &mut print);
        }
        if ready.stderr {
            running.stderr.read(&mut self.buffer, &mut print);
        }
        ready.stdout || ready.stderr
    }

    /// Takes notice of children that have ended, the script or others that the hook adopted.
    pub(super) fn note_children(&mut self, running: &mut Running) {
        if self.interruption.child_may_have_ended() {
            running.may_have_ended = true;
            // Nearly always it is the script itself that has just ended. What ended together with it is reaped later.
            if running.ended || !terminate::has_ended(running.pid()) {
                terminate::reap_adopted(running.pid());
            }
        }
    }

    /// Reads what is left in the pipes of a script that has ended: to their end, which comes at once unless something
    /// that it left behind holds them. What the script itself printed is in them by now, and is read however long that
    /// takes.
    pub(super) fn drain(&mut self, running: &mut Running, show: Show<'_, '_>) {
        let end = Instant::now() + DRAIN;
        let mut reads = 0;
        let mut printed = true;
        while running.is_open() && (Instant::now() < end || (printed && reads < FULL_PIPE)) {
            printed = self.turn(running, Some(end), show);
            reads += u32::from(printed);
            // Else what can't be ended would be looked for at every turn.
            running.has_ended();
        }
    }
}

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
            self.ended = terminate::has_ended(self.pid());
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

    pub(super) fn held_pipes(mut self, show: Show<'_, '_>) -> Option<HeldPipes> {
        // After SIGKILL it was not reaped yet.
        _ = self.child.try_wait();
        let mut print = |stream, lines: Lines<'_>| show(Progress::Printed { stream, lines });
        let stdout = self.stdout.release(&mut print);
        let stderr = self.stderr.release(&mut print);
        (stdout.is_some() || stderr.is_some()).then_some(HeldPipes { stdout, stderr })
    }
}
