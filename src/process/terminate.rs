//! The end of a program and of all that it started.
//!
//! SIGTERM to the process group, a grace period, then SIGKILL to the group and to descendants that left it. The leader is
//! reaped last, so that no other process can get its id, which is the group's.

use std::collections::{HashMap, HashSet};
use std::time::{Duration, Instant};

use rustix::process::{Pid, Signal};

use super::children::{children_of, descendants, own_pid};
use super::process_table::{Process, processes};
use super::running::{Progress, Running, Show, Why};
use super::supervisor::Supervisor;

/// Time for SIGKILL to take effect. A process that still runs then is in uninterruptible sleep.
const KILL_TIMEOUT: Duration = Duration::from_millis(800);

/// Interval of the checks for an empty group and for the effect of SIGKILL.
const INTERVAL: Duration = Duration::from_millis(20);

impl Supervisor {
    /// Ends a program, whatever it does.
    pub(super) fn terminate(&mut self, running: &mut Running, why: Why, grace: Duration, show: Show<'_, '_>) {
        let processes = processes().map(|table| self.of_script(running, &table));
        show(Progress::Terminating { why, grace, processes });
        signal_group(running, Signal::TERM);
        // A stopped process gets no other signal before it goes on.
        signal_group(running, Signal::CONT);
        let end = Instant::now().checked_add(grace);
        let mut look = Instant::now();
        while end.is_none_or(|end| Instant::now() < end) {
            if running.has_ended() && Instant::now() >= look {
                if is_group_empty(running) {
                    break;
                }
                look = Instant::now() + INTERVAL;
            }
            let next = running.has_ended().then_some(look);
            self.turn(running, [end, next].into_iter().flatten().min(), show);
        }
        self.kill(running, show);
    }

    /// Sends SIGKILL to the remaining processes until none is left or the time is over.
    fn kill(&mut self, running: &mut Running, show: Show<'_, '_>) {
        let end = Instant::now() + KILL_TIMEOUT;
        let mut told = false;
        loop {
            // Without a process table nothing but the group can be found.
            let table = processes().unwrap_or_default();
            let left = self.of_script(running, &table);
            let runs = !left.is_empty() || table.is_empty();
            if runs && !std::mem::replace(&mut told, true) {
                // Before the signal: what has ended can't be named any more.
                show(Progress::Killing { processes: left.clone() });
            }
            signal_group(running, Signal::KILL);
            kill_groups(&left, &table);
            for process in &left {
                process.kill();
            }
            if running.has_ended() && left.is_empty() {
                return;
            }
            if Instant::now() >= end {
                show(Progress::Unkillable { processes: left });
                return;
            }
            self.turn(running, Some(Instant::now() + INTERVAL), show);
        }
    }

    /// Returns the program's processes: its group, its descendants, and orphans adopted since its start.
    fn of_script(&self, running: &Running, table: &[Process]) -> Vec<Process> {
        let in_group = table.iter().filter(|process| process.group == running.pid());
        let begin = in_group.chain(children_of(table, own_pid())).filter(|process| !self.left_behind.includes(process));
        let mut of_script: Vec<Process> = descendants(table, begin)
            .into_iter()
            .filter(|process| !process.ended && !self.left_behind.includes(process))
            .cloned()
            .collect();
        of_script.sort_by_key(|process| process.pid);
        of_script
    }
}

/// Returns true if the group of an ended leader is empty, and false without a process table.
fn is_group_empty(running: &Running) -> bool {
    let Ok(table) = processes() else { return true };
    !table.iter().any(|process| process.group == running.pid() && !process.ended)
}

/// Kills the groups that consist of these processes only, each by one signal, which a process that forks without end cannot
/// outrun. A group with other processes in it (libvirt's, which a script may have joined) is spared.
fn kill_groups(left: &[Process], table: &[Process]) {
    let doomed: HashSet<i32> = left.iter().map(|process| process.pid).collect();
    let mut groups: HashMap<i32, bool> = left.iter().map(|process| (process.group, true)).collect();
    for process in table.iter().filter(|process| !process.ended) {
        if let Some(whole) = groups.get_mut(&process.group) {
            *whole &= doomed.contains(&process.pid);
        }
    }
    // To signal group 1 or 0 would be to signal everybody, or ourselves.
    for (group, _) in groups.into_iter().filter(|(group, whole)| *whole && *group > 1) {
        if let Some(group) = Pid::from_raw(group) {
            _ = rustix::process::kill_process_group(group, Signal::KILL);
        }
    }
}

fn signal_group(running: &Running, signal: Signal) {
    if let Some(group) = Pid::from_raw(running.pid()) {
        // It may be empty, or of processes that are not ours to signal any more (set-user-id).
        _ = rustix::process::kill_process_group(group, signal);
    }
}
