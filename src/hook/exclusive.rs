//! `exclusive = true`: a script that never runs twice at once on a host.

use std::path::Path;
use std::thread::sleep;
use std::time::{Duration, Instant};

use crate::event::Event;
use crate::journal::{Escaped, Journal, Quoted};
use crate::outcome::{Outcome, Seconds};
use crate::state::Drawer;

pub(super) use crate::state::Lock;

/// How often it is looked whether the other run has ended.
pub(super) const LOOK: Duration = Duration::from_millis(20);

/// How much of a script's name its lock has, in bytes. Of two that are alike so far one waits for the other.
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
        let lock = Drawer::new(self.state, "locks").lock(&file_name(label)).map_err(|error| not_started(&error))?;
        let holder = format!("{} (process {})", Quoted::name(self.event.domain()), std::process::id());
        let mut told = false;
        loop {
            if lock.take(holder.as_bytes()).map_err(|error| not_started(&error))? {
                return Ok(lock);
            }
            if let Some(signal) = interrupted() {
                return Err(Outcome::Interrupted { signal, after: begun.elapsed() });
            }
            let other = Escaped(&lock.holder()).to_string();
            if begun.elapsed() >= self.timeout {
                let limit = Seconds(self.timeout);
                let reason =
                    format!("timed out after {limit}, in which it waited for its other run, that of {other}, to end");
                return Err(Outcome::NotStarted { reason });
            }
            if !std::mem::replace(&mut told, true) {
                let message =
                    format!("waits for its other run to end, that of {other}, since exclusive = true is set for it");
                journal.info(Some(label), message);
            }
            sleep(LOOK);
        }
    }
}

/// A file name for a script's lock: it lies in a folder of its own, and no VM's name nor script's has a `/`.
fn file_name(label: &[u8]) -> Vec<u8> {
    label.iter().map(|&byte| if byte == b'/' { b':' } else { byte }).take(NAME).collect()
}
