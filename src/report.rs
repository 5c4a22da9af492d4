//! What is said of a script's run, in the log's words.

use std::fmt::Write;

use crate::journal::{Escaped, Journal, Level, Quoted};
use crate::outcome::{Outcome, Signal};
use crate::supervise::{Lines, Process, Progress, Remaining, Stream, Why};

/// How many processes a record names.
const NAMED: usize = 16;

/// Records what happens while a script runs.
pub fn progress(journal: &mut Journal, script: &[u8], arguments: &str, progress: Progress<'_>) {
    match progress {
        Progress::Started { pid } => {
            journal.info(Some(script), format_args!("started as pid {pid} with arguments {arguments}"));
        }
        Progress::Printed { stream, lines } => printed(journal, script, stream, lines),
        Progress::Terminating { why, grace, remaining } => terminating(journal, script, why, grace, &remaining),
        Progress::Killing { processes } => {
            journal.warn(Some(script), format_args!("SIGKILL to {}", named(&processes)));
        }
        Progress::Unkillable { processes } => {
            let which = named(&processes);
            let message = format!("not even SIGKILL ends {which}: it sleeps in the kernel and is left to itself");
            journal.error(Some(script), message);
        }
    }
}

/// Records what a script printed.
pub fn printed(journal: &mut Journal, script: &[u8], stream: Stream, lines: Lines<'_>) {
    let (label, rest) = match stream {
        Stream::Stdout => ("stdout", "stdout, continued"),
        Stream::Stderr => ("stderr", "stderr, continued"),
    };
    let mut lines_of = lines.iter();
    if lines.continued {
        journal.output(script, rest, lines_of.by_ref().take(1));
    }
    journal.output(script, label, lines_of);
}

/// Records what became of a script.
pub fn outcome(journal: &mut Journal, script: &[u8], outcome: &Outcome) {
    journal.record(outcome.level(), Some(script), outcome);
}

fn terminating(journal: &mut Journal, script: &[u8], why: Why, grace: std::time::Duration, remaining: &Remaining) {
    let mut message = match why {
        Why::Deadline(limit) => format!("timed out after {} s", limit.as_secs_f64()),
        Why::Interrupted(signal) => format!("is ended, since the hook received {}", Signal(signal)),
    };
    let then = format!("SIGTERM to its process group now, SIGKILL to what runs in {} s", grace.as_secs_f64());
    // Writing to a string does not fail.
    _ = match &remaining.processes {
        Ok(processes) => write!(message, "; running: {}; {then}", named(processes)),
        Err(error) => {
            write!(message, "; {then}; what has left that group can't be found and goes on, since /proc: {error}")
        }
    };
    journal.record(Level::Warn, Some(script), message);
    if let Some(process) = &remaining.calls_libvirt {
        let message = format!(
            "{} waits for libvirt, and libvirt waits for this hook: a script can't call libvirt on its own VM; \
             to mend it, read the XML on stdin instead, or do it after the hook in a process of its own",
            named(std::slice::from_ref(process)),
        );
        journal.error(Some(script), message);
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
        text.push_str("nothing that can be seen");
    }
    if let Some(more @ 1..) = processes.len().checked_sub(NAMED) {
        _ = write!(text, " and {more} more");
    }
    text
}

/// Arguments as they stand in a record, each one word.
pub fn arguments(arguments: &[std::ffi::OsString]) -> String {
    arguments.iter().map(|argument| Quoted::name(argument).to_string()).collect::<Vec<_>>().join(" ")
}
