//! The processes of the host, as `/proc` shows them (proc(5)).

use std::ffi::{OsStr, OsString};
use std::fs;
use std::io::{self, Read};
use std::os::unix::ffi::OsStrExt;
use std::path::Path;
use std::time::{Duration, SystemTime};

use rustix::process::{Pid, PidfdFlags, Signal};

/// The longest command line that is shown, in bytes.
const COMMAND_LINE: u64 = 256;

/// The longest command line that is split into arguments, in bytes.
const ARGUMENTS: u64 = 64 << 10;

/// One process.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Process {
    /// Its process id.
    pub pid: i32,
    /// Its name (`comm`), which the process can change.
    pub name: Vec<u8>,
    /// Its parent's id.
    pub parent: i32,
    /// Its process group.
    pub group: i32,
    /// True if it is in uninterruptible sleep.
    pub stuck: bool,
    /// True if it is a zombie.
    pub ended: bool,
    /// Its start, in clock ticks since boot. Together with the id it identifies the process.
    pub began: u64,
}

impl Process {
    /// Parses the content of `/proc/PID/stat`.
    fn parse(stat: &[u8]) -> Option<Self> {
        // The name stands in parentheses and may hold blanks and parentheses itself.
        let open = stat.iter().position(|&byte| byte == b'(')?;
        let close = stat.iter().rposition(|&byte| byte == b')')?;
        let pid = number(stat.get(..open)?.trim_ascii())?;
        let name = stat.get(open + 1..close)?.to_vec();
        let fields: Vec<&[u8]> = stat.get(close + 1..)?.trim_ascii().split(|&byte| byte == b' ').collect();
        // A program whose first thread has ended looks like a zombie, and goes on by its others.
        let threads: u32 = number(fields.get(17)?)?;
        let state = fields.first()?;
        let ended = matches!(state, [b'Z' | b'X' | b'x']) && threads <= 1;
        let stuck = *state == b"D";
        let parent = number(fields.get(1)?)?;
        let group = number(fields.get(2)?)?;
        let began = number(fields.get(19)?)?;
        Some(Self { pid, name, parent, group, stuck, ended, began })
    }

    fn read(pid: i32) -> Option<Self> {
        Self::parse(&fs::read(format!("/proc/{pid}/stat")).ok()?)
    }

    /// Returns its command line, or its name where that is empty.
    pub fn command_line(&self) -> Vec<u8> {
        if self.stuck {
            // It may hold what the kernel needs to tell its command line.
            return self.name.clone();
        }
        let mut line = Vec::new();
        if let Ok(file) = fs::File::open(format!("/proc/{}/cmdline", self.pid)) {
            // Where reading ends early, what has come is shown.
            _ = file.take(COMMAND_LINE).read_to_end(&mut line);
        }
        while line.last() == Some(&0) {
            line.pop();
        }
        for byte in &mut line {
            if *byte == 0 {
                *byte = b' ';
            }
        }
        // A script may have passed on the VM's XML, with its passwords.
        if let Some(xml) = line.iter().position(|&byte| byte == b'<') {
            line.truncate(xml);
            line.extend_from_slice(b"...");
        }
        if line.is_empty() { self.name.clone() } else { line }
    }

    /// Returns its arguments, its name first: 64 KiB of them.
    pub(crate) fn arguments(&self) -> Vec<OsString> {
        if self.stuck {
            // It may hold the lock that the kernel needs to read them.
            return Vec::new();
        }
        let mut line = Vec::new();
        if let Ok(file) = fs::File::open(format!("/proc/{}/cmdline", self.pid)) {
            // Where reading ends early, what has come is used.
            _ = file.take(ARGUMENTS).read_to_end(&mut line);
        }
        let line = line.strip_suffix(b"\0").unwrap_or(&line);
        line.split(|&byte| byte == 0).map(|word| OsStr::from_bytes(word).to_owned()).collect()
    }

    /// Returns the time of its start, to a hundredth of a second.
    pub(crate) fn started(&self) -> Option<SystemTime> {
        let uptime = fs::read_to_string("/proc/uptime").ok()?;
        let uptime: f64 = uptime.split(' ').next()?.parse().ok()?;
        let began = self.began as f64 / rustix::param::clock_ticks_per_second() as f64;
        SystemTime::now().checked_sub(Duration::try_from_secs_f64(uptime - began).unwrap_or_default())
    }

    /// Sends SIGKILL to this process, never to a later one with its id.
    pub(super) fn kill(&self) {
        let Some(pid) = Pid::from_raw(self.pid) else {
            return;
        };
        // Once a descriptor holds the process, its id can't be given away between the look and the signal.
        let Ok(held) = rustix::process::pidfd_open(pid, PidfdFlags::empty()) else {
            if self.is_still_there() {
                // Before Linux 5.3. It may have ended a moment ago, which is what is wanted.
                _ = rustix::process::kill_process(pid, Signal::KILL);
            }
            return;
        };
        if self.is_still_there() {
            _ = rustix::process::pidfd_send_signal(&held, Signal::KILL);
        }
    }

    fn is_still_there(&self) -> bool {
        Self::read(self.pid).is_some_and(|now| now.began == self.began)
    }
}

/// Returns the inodes of the sockets that a process holds; none if they are unreadable.
pub(crate) fn sockets(pid: i32) -> impl Iterator<Item = u32> {
    let descriptors = fs::read_dir(format!("/proc/{pid}/fd"));
    descriptors.into_iter().flatten().flatten().filter_map(|entry| {
        let target = fs::read_link(entry.path()).ok()?;
        let inode = target.as_os_str().as_bytes().strip_prefix(b"socket:[")?.strip_suffix(b"]")?;
        number(inode)
    })
}

fn number<T: std::str::FromStr>(text: &[u8]) -> Option<T> {
    std::str::from_utf8(text).ok()?.parse().ok()
}

/// Lists every visible process.
///
/// # Errors
/// `/proc` is absent or belongs to another PID namespace.
pub(crate) fn processes() -> io::Result<Vec<Process>> {
    let own = fs::read_link("/proc/self")?;
    if own != Path::new(&std::process::id().to_string()) {
        return Err(io::Error::new(io::ErrorKind::NotFound, "/proc is of another process id namespace"));
    }
    let mut processes = Vec::new();
    for entry in fs::read_dir("/proc")? {
        if let Some(pid) = number(entry?.file_name().as_encoded_bytes()) {
            // One that has ended since is none any more.
            processes.extend(Process::read(pid));
        }
    }
    Ok(processes)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_name_may_hold_anything() {
        let stat = b"42 (a) S 1 (b) R 7 43 44 0 -1 4 0 0 0 0 0 0 0 0 20 0 1 0 12345 0 0\n";
        let expected = Process {
            pid: 42,
            name: b"a) S 1 (b".to_vec(),
            parent: 7,
            group: 43,
            stuck: false,
            ended: false,
            began: 12345,
        };
        assert_eq!(Process::parse(stat), Some(expected));
        assert_eq!(Process::parse(b"42 (short) S 1"), None);
    }

    #[test]
    fn a_program_goes_on_when_only_its_first_thread_has_ended() {
        let stat = |threads: &str| format!("42 (a) Z 7 43 44 0 -1 4 0 0 0 0 0 0 0 0 20 0 {threads} 0 12345 0 0\n");
        let ended = |threads| Process::parse(stat(threads).as_bytes()).map(|process| process.ended);
        assert_eq!((ended("1"), ended("0"), ended("2")), (Some(true), Some(true), Some(false)));
    }

    #[test]
    fn this_process_is_seen() {
        let own = i32::try_from(std::process::id()).expect("a process id");
        let found = processes().expect("the process table").into_iter().find(|process| process.pid == own);
        assert!(!found.expect("this process").command_line().is_empty());
    }
}
