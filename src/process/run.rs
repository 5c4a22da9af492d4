//! One program, run to its end.
//!
//! It takes at most its timeout, its grace period and one second, whatever it does.

use std::io;
use std::path::Path;
use std::sync::atomic::{AtomicI32, Ordering};
use std::time::Instant;

use rustix::process::{Pid, Signal};

use super::capture::Lines;
use super::children::LeftBehind;
use super::held_pipes::HeldPipes;
use super::running::{Launch, Progress, Running, Show, Why};
use super::supervisor::Supervisor;
use crate::record::outcome::Outcome;

/// The process group of the running program, or 0.
static RUNNING: AtomicI32 = AtomicI32::new(0);

/// Kills the running program's group, for a hook that panics.
pub fn kill_running() {
    if let Some(group) = Pid::from_raw(RUNNING.load(Ordering::Relaxed)) {
        _ = rustix::process::kill_process_group(group, Signal::KILL);
    }
}

impl Supervisor {
    /// Runs a program to its end. Returns its outcome, and its pipes where another process still holds them.
    ///
    /// # Errors
    /// The program cannot be started, with the kernel's error.
    pub fn run(&mut self, task: Launch<'_>, show: Show<'_, '_>) -> io::Result<(Outcome, Option<HeldPipes>)> {
        self.prepare();
        self.left_behind = LeftBehind::now();
        let (timeout, grace, stops) = (task.timeout, task.grace, task.stops);
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
            if self.interruption.stop_may_be_requested() && is_stopped(&running, stops) {
                break Some(Why::Stopped);
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
            Some(Why::Stopped) => Outcome::Stopped { after },
            None => match (running.reap(after), self.interruption.received()) {
                // The signal went to the script as well (systemd's KillMode=control-group), and it ended first.
                (outcome, Some(signal)) if outcome.is_failure() => Outcome::Interrupted { signal, after },
                (outcome, _) => outcome,
            },
        };
        // Reaped, its id may become another's.
        RUNNING.store(0, Ordering::Relaxed);
        Ok((outcome, held_pipes(running, show)))
    }
}

/// Returns true if an operator requested the program's end.
fn is_stopped(running: &Running, stops: Option<&Path>) -> bool {
    // An older request was for an earlier process with this id.
    let age =
        |stops: &Path| stops.join(running.pid().to_string()).symlink_metadata().ok()?.modified().ok()?.elapsed().ok();
    stops.and_then(age).is_some_and(|age| age <= running.begun.elapsed())
}

/// Shows the rest of the output and returns the pipes that still have a writer.
fn held_pipes(mut running: Running, show: Show<'_, '_>) -> Option<HeldPipes> {
    // After SIGKILL it was not reaped yet.
    _ = running.child.try_wait();
    let mut print = |stream, lines: Lines<'_>| show(Progress::Printed { stream, lines });
    let stdout = running.stdout.release(&mut print);
    let stderr = running.stderr.release(&mut print);
    (stdout.is_some() || stderr.is_some()).then_some(HeldPipes { stdout, stderr })
}
