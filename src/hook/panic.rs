//! A panic must not fail a VM: libvirt takes the exit code of an aborted hook for a veto, and at `reconnect` kills the VM.

use std::panic::PanicHookInfo;

use crate::driver::Event;
use crate::paths::Paths;
use crate::process;
use crate::record::{Escaped, Journal, Message};

/// From here on, a panic ends what runs, is logged under the process id `pid`, and leaves the hook with exit code 0.
pub fn never_fails_a_vm(paths: &Paths, event: &Event, pid: u32) {
    let (paths, event) = (paths.clone(), event.clone());
    std::panic::set_hook(Box::new(move |info| {
        process::kill_running();
        if !happened_in_the_log(info) {
            let mut journal = Journal::new(paths.log(), &event, pid);
            let why = format!(
                "; the running script was killed, the rest skipped, and the VM goes on; please report it: {}",
                Escaped(info.to_string().as_bytes())
            );
            journal.record(None, &Message::Panicked { why: why.into() });
        }
        std::process::exit(0);
    }));
}

/// Whether it happened where records are made. A second panic on the way to telling of the first would abort.
fn happened_in_the_log(info: &PanicHookInfo<'_>) -> bool {
    info.location().is_none_or(|location| ["record", "jiff"].iter().any(|room| location.file().contains(room)))
}
