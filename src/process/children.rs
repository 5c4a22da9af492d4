//! The hook's children, adopted ones included, and their descendants.

use std::collections::{BTreeMap, BTreeSet};
use std::fs;

use rustix::process::{Pid, WaitId, WaitIdOptions, WaitOptions};

use super::process_table::{Process, processes};

/// Processes that earlier scripts of the same event left running. The end of a later script spares them.
#[derive(Debug, Default)]
pub(super) struct LeftBehind {
    /// By process id and start time.
    pids: BTreeSet<(i32, u64)>,
    groups: BTreeSet<i32>,
}

impl LeftBehind {
    /// Returns the descendants that the hook has before a script starts.
    pub(super) fn now() -> Self {
        // One system call tells nearly every time that there are none.
        if !reap_ended() {
            return Self::default();
        }
        // Without a process table nobody will be swept either.
        let table = processes().unwrap_or_default();
        let left = descendants(&table, children_of(&table, own_pid()));
        let own_group = own_group(&table);
        Self {
            pids: left.iter().map(|process| (process.pid, process.began)).collect(),
            groups: left
                .iter()
                .filter_map(|process| known(process.group))
                .filter(|&group| Some(group) != own_group)
                .collect(),
        }
    }

    pub(super) fn includes(&self, process: &Process) -> bool {
        self.pids.contains(&(process.pid, process.began)) || self.groups.contains(&process.group)
    }
}

/// Reaps every child that has ended. Returns true if other children are left.
fn reap_ended() -> bool {
    loop {
        match rustix::process::wait(WaitOptions::NOHANG) {
            Ok(Some(_)) | Err(rustix::io::Errno::INTR) => {}
            Ok(None) => return true,
            Err(_) => return false,
        }
    }
}

/// Reaps adopted children that ended while a script runs. Unreaped, each would hold its process id and count against limits
/// until the hook ends. The script itself is not reaped.
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

pub(super) fn own_pid() -> i32 {
    Pid::as_raw(Some(rustix::process::getpid()))
}

/// Returns the hook's own process group.
///
/// It is read in the process table, since rustix takes the answer of getpgrp(2) for a positive number.
fn own_group(table: &[Process]) -> Option<i32> {
    let own_pid = own_pid();
    table.iter().find(|process| process.pid == own_pid).and_then(|process| known(process.group))
}

/// Returns the process group, unless it is 0: the kernel shows that number for every group whose leader lies outside the
/// PID namespace (pid_namespaces(7)).
fn known(group: i32) -> Option<i32> {
    (group > 0).then_some(group)
}

/// Returns true if a child has ended. It is not reaped.
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

pub(super) fn children_of(table: &[Process], parent: i32) -> impl Iterator<Item = &Process> {
    table.iter().filter(move |process| process.parent == parent)
}

/// Returns these processes and their descendants.
pub(super) fn descendants<'a>(table: &'a [Process], begin: impl Iterator<Item = &'a Process>) -> Vec<&'a Process> {
    let mut children: BTreeMap<i32, Vec<&Process>> = BTreeMap::new();
    for process in table {
        children.entry(process.parent).or_default().push(process);
    }
    let mut ahead: Vec<&Process> = begin.collect();
    let mut seen = BTreeSet::new();
    let mut found = Vec::new();
    while let Some(process) = ahead.pop() {
        if seen.insert(process.pid) {
            found.push(process);
            ahead.extend(children.get(&process.pid).into_iter().flatten());
        }
    }
    found
}
