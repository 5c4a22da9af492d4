//! The supervisor of an event's programs: it waits for them, reads their output, and adopts their orphans.

use std::time::{Duration, Instant};

use super::capture::Lines;
use super::children::{self, LeftBehind};
use super::interruption::Interruption;
use super::running::{BUFFER, Progress, Ready, Running, Show};

/// Time that a process left behind may hold the pipes before they go to the background.
const DRAIN: Duration = Duration::from_millis(100);

/// Interval at which the program is checked without a signal. SIGCHLD never arrives where the daemon had blocked it.
const LOOK_AGAIN: Duration = Duration::from_secs(1);

/// The same interval where signals cannot be polled.
const LOOK_OFTEN: Duration = Duration::from_millis(10);

/// Number of reads that empty two pipes of the largest size (`/proc/sys/fs/pipe-max-size`, 1 MiB).
const FULL_PIPE: u32 = 32;

/// Runs programs to their end, one after another: the scripts of an event and the host's own tools.
#[derive(Debug)]
pub struct Supervisor {
    pub(super) interruption: Interruption,
    pub(super) left_behind: LeftBehind,
    /// Empty between the reads. Memory that is never zeroed costs nothing where a program prints little.
    pub(super) buffer: Vec<u8>,
    /// This process adopts orphans, watches its children and stands in `/`.
    prepared: bool,
}

impl Supervisor {
    /// Returns a supervisor that ends its program when `interruption` receives a signal. It changes nothing of this process
    /// before it runs the first program.
    pub fn new(interruption: Interruption) -> Self {
        Self { interruption, left_behind: LeftBehind::default(), buffer: Vec::new(), prepared: false }
    }

    /// Returns a supervisor that ends its program when this process receives a signal to end.
    pub fn watching() -> Self {
        Self::new(Interruption::watch())
    }

    /// Prepares this process for children, once.
    pub(super) fn prepare(&mut self) {
        if std::mem::replace(&mut self.prepared, true) {
            return;
        }
        // A process that loses its parent becomes the hook's child, so that a script can't hide it by a second fork. Without
        // that, only the process group can be ended.
        _ = rustix::process::set_child_subreaper(Some(rustix::process::getpid()));
        self.interruption.watch_with_scripts();
        // Scripts start where libvirt starts the hook. Where that fails they start where it is.
        _ = std::env::set_current_dir("/");
        self.buffer.reserve_exact(BUFFER);
    }

    /// Calls `act` without adopting orphans: a process that loses its parent meanwhile becomes process 1's child.
    pub fn without_adopting<T>(&self, act: impl FnOnce() -> T) -> T {
        if !self.prepared {
            return act();
        }
        _ = rustix::process::set_child_subreaper(None);
        let done = act();
        _ = rustix::process::set_child_subreaper(Some(rustix::process::getpid()));
        done
    }

    /// Returns the number of the signal that told this process to end, if it received one.
    pub fn interrupted(&mut self) -> Option<i32> {
        self.interruption.received()
    }

    /// Waits for output, a signal, or `until`, and shows the output. Returns true if there was output.
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

    /// Checks for ended children, the program itself and adopted ones.
    pub(super) fn note_children(&mut self, running: &mut Running) {
        if self.interruption.child_may_have_ended() {
            running.may_have_ended = true;
            // Nearly always it is the script itself that has just ended. What ended together with it is reaped later.
            if running.ended || !children::has_ended(running.pid()) {
                children::reap_adopted(running.pid());
            }
        }
    }

    /// Reads the pipes of an ended program to their end, which comes at once unless another process holds them. The program's
    /// own output is in them already and is read whole.
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
