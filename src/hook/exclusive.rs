//! `exclusive = true`: a script that never runs twice at once on a host.

use std::hash::{DefaultHasher, Hash, Hasher};
use std::os::unix::ffi::OsStrExt;
use std::path::Path;
use std::thread::sleep;
use std::time::{Duration, Instant};

use crate::driver::Event;
use crate::record::outcome::{Outcome, Seconds};
use crate::record::{Journal, Message, Quoted};
use crate::state::Directory;

pub(super) use crate::state::Lock;

/// How often it is looked whether the other run has ended: at first, and after a long wait.
const LOOKS: (Duration, Duration) = (Duration::from_millis(20), Duration::from_millis(200));

/// How long the name of a lock's file may be, in bytes: less than any file system takes.
const NAME: usize = 200;

/// A wait for a script's lock.
pub(super) struct Wait<'a> {
    /// The state folder.
    pub(super) state: &'a Path,
    /// For whom it is.
    pub(super) event: &'a Event,
    /// How long it may take.
    pub(super) timeout: Duration,
}

impl Wait<'_> {
    /// Takes the lock of the script `label`, as soon as nobody holds it.
    ///
    /// # Errors
    /// Where that takes too long, the hook is told to end, or there can be no lock: then the script must not run.
    pub(super) fn lock(
        self,
        label: &[u8],
        journal: &mut Journal,
        interrupted: &mut dyn FnMut() -> Option<i32>,
    ) -> Result<Lock, Outcome> {
        let begun = Instant::now();
        let not_started = |why: &dyn std::fmt::Display| Outcome::NotStarted {
            reason: format!("exclusive = true is set for it, and its lock can't be had: {why}"),
        };
        let lock = Directory::of(self.state, self.event.driver(), "locks");
        let lock = lock.lock(&file_name(label)).map_err(|error| not_started(&error))?;
        let holder = [format!("{}\n", std::process::id()).as_bytes(), self.event.domain().as_bytes()].concat();
        let mut waits = false;
        loop {
            let taken = lock.try_lock(&holder).map_err(|error| not_started(&error))?;
            let waited = begun.elapsed();
            if waited >= self.timeout {
                let (limit, other) = (Seconds(self.timeout), if taken { String::new() } else { named(&lock) });
                let reason = format!("timed out after {limit}, in which it waited for its other run{other} to end");
                return Err(Outcome::NotStarted { reason });
            }
            if taken {
                if waits {
                    journal.record(Some(label), &Message::Waited { after: waited });
                }
                return Ok(lock);
            }
            if let Some(signal) = interrupted() {
                return Err(Outcome::Interrupted { signal, after: waited });
            }
            if !std::mem::replace(&mut waits, true) {
                let other = named(&lock);
                let why = format!("{other} to end, since exclusive = true is set for it").into();
                journal.record(Some(label), &Message::Waiting { why });
            }
            sleep((waited / 20).clamp(LOOKS.0, LOOKS.1));
        }
    }
}

/// Whoever holds a lock, by the VM and the process: `, that of i-2-10-VM (process 4821),`.
fn named(lock: &Lock) -> String {
    let holder = lock.holder();
    let mut parts = holder.splitn(2, |&byte| byte == b'\n');
    match (parts.next().and_then(|pid| std::str::from_utf8(pid).ok()?.parse::<u32>().ok()), parts.next()) {
        (Some(pid), Some(domain)) => format!(", that of {} (process {pid}),", Quoted::bytes(domain)),
        _ => String::new(),
    }
}

/// A file name for a script's lock. A `/` stands between a VM's name and a script's, and in neither. Of two names that are
/// longer than any file's, and alike, one would only wait for the other.
fn file_name(label: &[u8]) -> Vec<u8> {
    let mut name = Vec::new();
    for &byte in label {
        match byte {
            b'/' => name.extend_from_slice(b"%2f"),
            b'%' => name.extend_from_slice(b"%25"),
            _ => name.push(byte),
        }
    }
    if name.len() > NAME {
        let mut hasher = DefaultHasher::new();
        label.hash(&mut hasher);
        name.truncate(NAME - 16);
        name.extend_from_slice(format!("{:016x}", hasher.finish()).as_bytes());
    }
    name
}
