//! What is said of a script's run, in the log's words.

use std::fmt::Write;
use std::path::Path;

use crate::driver::Event;
use crate::process::{Lines, Process, Progress, Remaining, Stream, Why};
use crate::record::outcome::{Outcome, Seconds, Signal};
use crate::record::{Escaped, Journal, Level, Quoted};
use crate::script::Script;
use crate::settings::{Place, Problem};
use crate::state::pause::Pause;

/// The first record of an event that an operator played, by which it is told from libvirt's.
pub const BY_HAND: &str = "called by hand, by virt-hooks run";

/// How many processes a record names.
const NAMED: usize = 16;

/// How much of what a run prints is still logged.
#[derive(Debug, Clone, Copy)]
pub struct Allowance {
    most: u64,
    left: u64,
    dropped: u64,
}

impl Allowance {
    /// So many bytes, of which `left` are left.
    pub const fn of(most: u64, left: u64) -> Self {
        Self { most, left, dropped: 0 }
    }

    /// How many bytes it was, and how many are left of them.
    pub const fn rest(&self) -> (u64, u64) {
        (self.most, self.left)
    }

    /// Records what a script printed, as much as is allowed.
    pub fn printed(&mut self, journal: &mut Journal, script: &[u8], stream: Stream, lines: Lines<'_>) {
        let (kept, dropped) = lines.cut(self.left);
        let length = kept.bytes().len() as u64;
        if length > 0 {
            printed(journal, script, stream, kept);
        }
        self.left -= length;
        if dropped > 0 && self.dropped == 0 {
            let most = self.most;
            let message = format!("has reached maxOutputBytes ({most}); the rest is counted, not logged");
            journal.warn(Some(script), message);
        }
        self.dropped += dropped;
    }

    /// Records how much was not logged, if any.
    pub fn tell(&self, journal: &mut Journal, script: &[u8]) {
        if self.dropped > 0 {
            let message = format!("{} bytes that it printed are not logged, by maxOutputBytes", self.dropped);
            journal.warn(Some(script), message);
        }
    }
}

/// Records what happens while a script runs.
pub fn progress(
    journal: &mut Journal,
    script: &[u8],
    event: &Event,
    allowance: &mut Allowance,
    progress: Progress<'_>,
) {
    match progress {
        Progress::Started { pid } => {
            let arguments = event.arguments().iter().map(|argument| Quoted::name(argument).to_string());
            let arguments = arguments.collect::<Vec<_>>().join(" ");
            journal.info(Some(script), format_args!("started as pid {pid} with arguments {arguments}"));
        }
        Progress::Printed { stream, lines } => allowance.printed(journal, script, stream, lines),
        Progress::Terminating { why, grace, remaining } => terminating(journal, script, why, grace, &remaining),
        Progress::Killing { processes } => {
            journal.warn(Some(script), format_args!("sent SIGKILL to what still ran of it: {}", named(&processes)));
        }
        Progress::Unkillable { processes } => {
            let which = named(&processes);
            let message =
                format!("not even SIGKILL ended it within a second, so it is left to itself; running: {which}");
            journal.error(Some(script), message);
        }
    }
}

/// Records what a script printed.
fn printed(journal: &mut Journal, script: &[u8], stream: Stream, lines: Lines<'_>) {
    let (label, rest) = match stream {
        Stream::Stdout => ("stdout", "stdout, continued"),
        Stream::Stderr => ("stderr", "stderr, continued"),
    };
    let mut lines_of = lines.iter();
    if lines.continued {
        // All of it may have come already, but for its end.
        journal.output(script, rest, lines_of.by_ref().take(1).filter(|line| !line.is_empty()));
    }
    journal.output(script, label, lines_of);
}

/// Records what became of a script.
pub fn outcome(journal: &mut Journal, script: &[u8], outcome: &Outcome) {
    journal.record(outcome.level(), Some(script), outcome);
}

fn terminating(journal: &mut Journal, script: &[u8], why: Why, grace: std::time::Duration, remaining: &Remaining) {
    let why = match why {
        Why::Deadline(limit) => format!("its {} are over", Seconds(limit)),
        Why::Interrupted(signal) => format!("the hook received signal {}", Signal(signal)),
    };
    let then = format!("sent SIGTERM to its process group, SIGKILL follows after {}", Seconds(grace));
    let message = match &remaining.processes {
        Ok(processes) => format!("{why}; still running: {}; {then}", named(processes)),
        Err(error) => {
            format!(
                "{why}; {then}; what has left the group can't be found and goes on, since the process table can't be read: {error}"
            )
        }
    };
    journal.record(Level::Warn, Some(script), message);
    if let Some(process) = &remaining.calls_libvirt {
        let message = format!(
            "{} was talking to libvirt. A script can't call libvirt on its own VM: it waits for libvirt, and libvirt for \
             this hook; fix: read the XML on stdin, or set wait = false for the script",
            named(std::slice::from_ref(process)),
        );
        journal.warn(Some(script), message);
    }
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
pub fn paused(journal: &mut Journal, pause: &Pause, scripts: &[Script]) {
    let shown: Vec<String> =
        scripts.iter().take(NAMED).map(|script| Quoted::bytes(script.label()).to_string()).collect();
    let mut message = match shown.is_empty() {
        true => format!("{pause}; no script would run at this event"),
        false => format!("{pause}; not run: {}", shown.join(", ")),
    };
    if let Some(more @ 1..) = scripts.len().checked_sub(NAMED) {
        _ = write!(message, " and {more} more");
    }
    journal.warn(None, format_args!("{message}; to have scripts run again: virt-hooks resume"));
}

/// Records what is wrong in a settings file, with a picture of the place.
pub fn problem(journal: &mut Journal, file: &Path, problem: &Problem) {
    wrong(journal, "settings", file, problem);
}

/// Records what is wrong in a file of network declarations, with a picture of the place.
pub fn misdeclared(journal: &mut Journal, file: &Path, problem: &Problem) {
    wrong(journal, "network declarations", file, problem);
}

fn wrong(journal: &mut Journal, what: &str, file: &Path, problem: &Problem) {
    journal.error(None, format_args!("{what} {}: {problem}", Quoted::path(file)));
    for line in problem.place.iter().flat_map(Place::picture) {
        journal.error(None, Escaped(line.as_bytes()));
    }
}
