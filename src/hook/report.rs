//! What is said of a script's run, in the log's words.

use std::borrow::Cow;
use std::fmt::Write;
use std::io;
use std::os::unix::ffi::OsStrExt;
use std::time::Duration;

use crate::driver::{Driver, Event};
use crate::process::{Lines, Process, Progress, Stream, Why};
use crate::record::outcome::{Outcome, Seconds};
use crate::record::{Escaped, Journal, Message, Printed, Quoted, local_time};
use crate::script::Script;
use crate::state::pause::Pause;

use super::libvirt_client;

/// How many processes a record names.
const NAMED: usize = 16;

/// How much of what a run prints is still logged.
#[derive(Debug, Clone, Copy)]
pub(super) struct Allowance {
    most: u64,
    left: u64,
    dropped: u64,
}

impl Allowance {
    /// So many bytes, of which `left` are left.
    pub(super) const fn of(most: u64, left: u64) -> Self {
        Self { most, left, dropped: 0 }
    }

    /// How many bytes it was, and how many are left of them.
    pub(super) const fn rest(&self) -> (u64, u64) {
        (self.most, self.left)
    }

    /// Records what a script printed, as much as is allowed.
    pub(super) fn printed(&mut self, journal: &mut Journal, script: &[u8], stream: Stream, lines: Lines<'_>) {
        let (kept, dropped) = lines.cut(self.left);
        let length = kept.bytes().len() as u64;
        if length > 0 {
            printed(journal, script, stream, kept);
        }
        self.left -= length;
        if dropped > 0 && self.dropped == 0 {
            let why = "; the rest is counted, not logged".into();
            journal.record(Some(script), &Message::OutputLimit { limit: self.most, why });
        }
        self.dropped += dropped;
    }

    /// Records how much was not logged, if any.
    pub(super) fn tell(&self, journal: &mut Journal, script: &[u8]) {
        if self.dropped > 0 {
            journal.record(Some(script), &Message::OutputDropped { bytes: self.dropped });
        }
    }
}

/// Records what happens while a script runs.
pub(super) fn progress(
    journal: &mut Journal,
    script: &[u8],
    event: &Event,
    allowance: &mut Allowance,
    progress: Progress<'_>,
) {
    match progress {
        Progress::Started { pid } => {
            let arguments = event.arguments().iter().map(|argument| argument.as_bytes().into()).collect();
            journal.record(Some(script), &Message::Started { pid, arguments });
        }
        Progress::Printed { stream, lines } => allowance.printed(journal, script, stream, lines),
        Progress::Terminating { why, grace, processes } => terminating(journal, script, why, grace, &processes),
        Progress::Killing { processes } => {
            let processes = named(&processes).into();
            journal.record(Some(script), &Message::Killing { processes });
        }
        Progress::Unkillable { processes } => {
            let why = format!(", so it is left to itself; running: {}", named(&processes)).into();
            journal.record(Some(script), &Message::Unkillable { why });
        }
    }
}

/// Records what a script printed.
fn printed(journal: &mut Journal, script: &[u8], stream: Stream, lines: Lines<'_>) {
    let (whole, rest) = match stream {
        Stream::Stdout => (Printed::Stdout, Printed::StdoutContinued),
        Stream::Stderr => (Printed::Stderr, Printed::StderrContinued),
    };
    let mut lines_of = lines.iter();
    if lines.continued {
        // All of it may have come already, but for its end.
        journal.output(script, rest, lines_of.by_ref().take(1).filter(|line| !line.is_empty()));
    }
    journal.output(script, whole, lines_of);
}

/// Records what became of a script.
pub(super) fn outcome(journal: &mut Journal, script: &[u8], outcome: &Outcome) {
    journal.record(Some(script), &Message::Outcome { outcome: Cow::Borrowed(outcome) });
}

fn terminating(journal: &mut Journal, script: &[u8], why: Why, grace: Duration, processes: &io::Result<Vec<Process>>) {
    let then = format!("sent SIGTERM to its process group, SIGKILL follows after {}", Seconds(grace));
    let explanation = match processes {
        Ok(processes) => format!("still running: {}; {then}", named(processes)),
        Err(error) => format!(
            "{then}; what has left the group can't be found and goes on, since the process table can't be read: {error}"
        ),
    };
    let message = match why {
        Why::Deadline(limit) => Message::DeadlineReached { limit, why: explanation.into() },
        Why::Stopped => Message::Stopping { why: explanation.into() },
        Why::Interrupted(signal) => Message::Interrupting { signal, why: explanation.into() },
    };
    journal.record(Some(script), &message);
}

/// Records that one of these processes waits for libvirt, which waits for the hook.
pub(super) fn deadlock(journal: &mut Journal, script: &[u8], driver: &Driver, processes: &[Process]) {
    let Some(process) = libvirt_client::among(processes) else { return };
    let message = format!(
        "{} was talking to libvirt. A script can't call libvirt on its own {}: it waits for libvirt, and libvirt for this \
         hook; fix: read the XML on stdin, or set wait = false for the script",
        named(std::slice::from_ref(process)),
        driver.object,
    );
    journal.warn(Some(script), message);
}

/// Processes with their command lines: `4822 (bash /etc/libvirt/hooks/custom/all_b.sh)`.
fn named(processes: &[Process]) -> String {
    let shown = processes.iter().take(NAMED).map(|process| {
        let line = process.command_line();
        format!("{} ({})", process.pid, Escaped(&line))
    });
    let mut text = shown.collect::<Vec<_>>().join(", ");
    if processes.is_empty() {
        text.push_str("what can't be seen, since the process table can't be read");
    }
    if let Some(more @ 1..) = processes.len().checked_sub(NAMED) {
        _ = write!(text, " and {more} more");
    }
    text
}

/// Records that the operator's pause keeps an event's scripts from running.
pub(super) fn paused(journal: &mut Journal, pause: &Pause, scripts: &[Script]) {
    let shown: Vec<String> =
        scripts.iter().take(NAMED).map(|script| Quoted::bytes(script.label()).to_string()).collect();
    let mut why = match shown.is_empty() {
        true => "no script would run at this event".to_owned(),
        false => format!("not run: {}", shown.join(", ")),
    };
    if let Some(more @ 1..) = scripts.len().checked_sub(NAMED) {
        _ = write!(why, " and {more} more");
    }
    why.push_str("; to have scripts run again: virt-hooks resume");
    let until = pause.until.map(|until| local_time(until).into());
    journal.record(None, &Message::Paused { until, why: why.into() });
}
