//! Ending a script and everything that it started.
//!
//! SIGTERM to its process group, a grace period, then SIGKILL to the group and to what has left it. The group's leader
//! is not reaped before that, so that no other process can get its id, and the group's, meanwhile.

use std::collections::{HashMap, HashSet};
use std::fs;
use std::io;
use std::time::{Duration, Instant};

use rustix::process::{Pid, Signal, WaitId, WaitIdOptions, WaitOptions};

use super::libvirt_socket::LibvirtClients;
use super::process_table::{Process, processes};
use super::supervisor::{Progress, Running, Show, Supervisor};

/// How long SIGKILL is given. What has not ended then sleeps in the kernel and can't be ended by anybody.
const KILL_PATIENCE: Duration = Duration::from_millis(800);

/// How often it is looked whether a group whose leader has ended is empty, and whether SIGKILL has done its work.
const INTERVAL: Duration = Duration::from_millis(20);

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

/// Processes that earlier scripts of the same event left behind on purpose. Later ones don't take them along.
#[derive(Debug, Default)]
pub(super) struct LeftBehind {
    /// By id and beginning.
    pids: HashSet<(i32, u64)>,
    groups: HashSet<i32>,
}

impl LeftBehind {
    /// Those that there are before a script starts: whatever descends from the hook, which adopts what loses its parent.
    pub(super) fn now() -> Self {
        // One system call tells nearly every time that there are none.
        if !reap_ended() {
            return Self::default();
        }
        // Without a process table nobody will be swept either.
        let table = processes().unwrap_or_default();
        let left = descendants(&table, children_of(&table, own_pid()));
        Self {
            pids: left.iter().map(|process| (process.pid, process.began)).collect(),
            groups: left.iter().map(|process| process.group).filter(|&group| group != own_group()).collect(),
        }
    }

    fn includes(&self, process: &Process) -> bool {
        self.pids.contains(&(process.pid, process.began)) || self.groups.contains(&process.group)
    }
}

/// Takes note of every child that has ended; true where there are others.
fn reap_ended() -> bool {
    loop {
        match rustix::process::wait(WaitOptions::NOHANG) {
            Ok(Some(_)) | Err(rustix::io::Errno::INTR) => {}
            Ok(None) => return true,
            Err(_) => return false,
        }
    }
}

/// Takes note of adopted children that have ended while a script runs: each would hold its process id, and count against
/// limits on processes, until the hook ends. The script itself is left to be reaped.
///
/// Where the kernel does not list children (`CONFIG_PROC_CHILDREN`), they wait until the next script starts.
pub(super) fn reap_adopted(script: i32) {
    let children = fs::read_to_string("/proc/thread-self/children").unwrap_or_default();
    for child in children.split_ascii_whitespace().filter_map(|child| child.parse().ok()) {
        if let (true, Some(child)) = (child != script, Pid::from_raw(child)) {
            _ = rustix::process::waitpid(Some(child), WaitOptions::NOHANG);
        }
    }
}

fn own_pid() -> i32 {
    Pid::as_raw(Some(rustix::process::getpid()))
}

fn own_group() -> i32 {
    Pid::as_raw(Some(rustix::process::getpgrp()))
}

impl Supervisor {
    /// Ends a script, whatever it does.
    pub(super) fn terminate(&mut self, running: &mut Running, why: Why, grace: Duration, show: Show<'_, '_>) {
        let remaining = self.remaining(running);
        show(Progress::Terminating { why, grace, remaining });
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

    /// Ends with SIGKILL what is left, until nothing is or patience is over.
    fn kill(&mut self, running: &mut Running, show: Show<'_, '_>) {
        let end = Instant::now() + KILL_PATIENCE;
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

    fn remaining(&self, running: &Running) -> Remaining {
        let processes = processes().map(|table| self.of_script(running, &table));
        let known = processes.as_ref().map(Vec::as_slice).unwrap_or_default();
        let virsh = known.iter().find(|process| process.name == b"virsh");
        let calls_libvirt = virsh.or_else(|| {
            // Only where libvirt's own command is not among them is it worth asking the kernel.
            let clients = LibvirtClients::now().ok()?;
            known.iter().find(|process| clients.include(process.pid))
        });
        Remaining { calls_libvirt: calls_libvirt.cloned(), processes }
    }

    /// The processes of the table that are a script's: its group, and whatever descends from it or was adopted since.
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

/// Whether nothing runs of the group of a leader that has ended. Without a process table nothing can be seen to.
fn is_group_empty(running: &Running) -> bool {
    let Ok(table) = processes() else { return true };
    !table.iter().any(|process| process.group == running.pid() && !process.ended)
}

fn children_of(table: &[Process], parent: i32) -> impl Iterator<Item = &Process> {
    table.iter().filter(move |process| process.parent == parent)
}

/// These processes and all that descend from them.
fn descendants<'a>(table: &'a [Process], begin: impl Iterator<Item = &'a Process>) -> Vec<&'a Process> {
    let mut children: HashMap<i32, Vec<&Process>> = HashMap::new();
    for process in table {
        children.entry(process.parent).or_default().push(process);
    }
    let mut ahead: Vec<&Process> = begin.collect();
    let mut seen = HashSet::new();
    let mut found = Vec::new();
    while let Some(process) = ahead.pop() {
        if seen.insert(process.pid) {
            found.push(process);
            ahead.extend(children.get(&process.pid).into_iter().flatten());
        }
    }
    found
}

/// Ends the groups of which every process is to be ended: at one stroke, since one that forks without end would outrun a
/// process after a process. A group with others in it (libvirt's own, which a script may have joined) is spared.
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

/// Whether a child has ended. It stays to be reaped.
pub(super) fn has_ended(pid: i32) -> bool {
    let Some(pid) = Pid::from_raw(pid) else {
        return true;
    };
    let options = WaitIdOptions::EXITED | WaitIdOptions::NOHANG | WaitIdOptions::NOWAIT;
    match rustix::process::waitid(WaitId::Pid(pid), options) {
        Ok(status) => status.is_some(),
        Err(rustix::io::Errno::INTR) => false,
        // Somebody else has reaped it.
        Err(_) => true,
    }
}
