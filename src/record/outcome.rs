//! What became of a script. The log, the exit code and the command's tables are views of it.

use std::fmt;
use std::time::Duration;

use signal_hook::low_level::signal_name;

use crate::record::Level;

/// What became of a script at an event.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Outcome {
    /// It ended by itself.
    Exited {
        /// Its exit code.
        code: i32,
        /// How long it ran.
        after: Duration,
    },
    /// It is a filter that exited with 0, and what it printed can't be the VM's XML.
    NotTaken {
        /// Why not.
        reason: String,
        /// How long it ran.
        after: Duration,
    },
    /// A signal ended it that was not ours.
    Signaled {
        /// The signal's number.
        signal: i32,
        /// How long it ran.
        after: Duration,
    },
    /// It was still running at its deadline, and was ended.
    TimedOut {
        /// How long it was allowed to run.
        limit: Duration,
        /// How long it ran, with what it took to end it.
        after: Duration,
        /// Whether it has ended. What sleeps in the kernel can't be.
        ended: bool,
    },
    /// The hook was told to end, and so it was ended.
    Interrupted {
        /// The number of the signal to the hook.
        signal: i32,
        /// How long it ran, with what it took to end it.
        after: Duration,
    },
    /// It goes to the background, and what becomes of it is told from there.
    HandedOver,
    /// It was switched off, or became a VM's folder, between the look at it and its start.
    Ignored,
    /// It could not be started, or was refused.
    NotStarted {
        /// Why, and what mends it, as it stands in a record.
        reason: String,
    },
    /// It has no run bit, and the specification says that it is logged and ignored.
    NotExecutable {
        /// The command that gives it one, as it stands in a record.
        remedy: String,
    },
}

impl Outcome {
    /// Whether the script failed, of which the settings may make a veto.
    pub const fn is_failure(&self) -> bool {
        !matches!(self, Self::Exited { code: 0, .. } | Self::Ignored | Self::HandedOver | Self::NotExecutable { .. })
    }

    /// How much the record of it matters.
    pub const fn level(&self) -> Level {
        match self {
            Self::Exited { code: 0, .. } | Self::Ignored | Self::HandedOver => Level::Info,
            Self::NotExecutable { .. } | Self::NotStarted { .. } | Self::Interrupted { .. } => Level::Warn,
            Self::Exited { .. } | Self::NotTaken { .. } | Self::Signaled { .. } | Self::TimedOut { .. } => Level::Error,
        }
    }
}

/// What stands between the reason and the time where a filter's output is not taken.
const EXITED_WITH_0_AFTER: &str = "; exited with 0 after ";
const NOT_TAKEN: &str = "what the filter printed is not taken, and the VM's XML stays as it was: ";
const IGNORED: &str = "ignored: it has been switched off since it was looked at";
const HANDED_OVER: &str = "goes to the background; libvirt is not kept waiting";
const NOT_STARTED: &str = "not started: ";
const NOT_EXECUTABLE: &str = "not executable, so it is ignored; to have it run: ";

impl Outcome {
    /// The outcome that a record's message tells, as it stands there; nothing where it tells something else. Times are
    /// as exact as the message: milliseconds, and tenths of a second for a limit of more than one.
    pub fn parse(message: &str) -> Option<Self> {
        if let Some(rest) = message.strip_prefix("exited with ") {
            let (code, after) = rest.split_once(" after ")?;
            return Some(Self::Exited { code: code.parse().ok()?, after: milliseconds(after)? });
        }
        if let Some(rest) = message.strip_prefix("killed by signal ") {
            let (signal, after) = rest.split_once(" after ")?;
            return Some(Self::Signaled { signal: signal_number(signal)?, after: milliseconds(after)? });
        }
        if let Some(rest) = message.strip_prefix("timed out after ") {
            let (limit, rest) = rest.split_once(", ")?;
            let (end, after) = rest.split_once(" after ")?;
            let ended = match end {
                "ended" => true,
                "given up" => false,
                _ => return None,
            };
            return Some(Self::TimedOut { limit: seconds(limit)?, after: milliseconds(after)?, ended });
        }
        if let Some(rest) = message.strip_prefix("ended after ") {
            let (after, signal) = rest.split_once(", since the hook received signal ")?;
            return Some(Self::Interrupted { signal: signal_number(signal)?, after: milliseconds(after)? });
        }
        if let Some(rest) = message.strip_prefix(NOT_TAKEN) {
            let (reason, after) = rest.rsplit_once(EXITED_WITH_0_AFTER)?;
            return Some(Self::NotTaken { reason: reason.to_owned(), after: milliseconds(after)? });
        }
        if let Some(reason) = message.strip_prefix(NOT_STARTED) {
            return Some(Self::NotStarted { reason: reason.to_owned() });
        }
        if let Some(remedy) = message.strip_prefix(NOT_EXECUTABLE) {
            return Some(Self::NotExecutable { remedy: remedy.to_owned() });
        }
        match message {
            IGNORED => Some(Self::Ignored),
            HANDED_OVER => Some(Self::HandedOver),
            _ => None,
        }
    }

    /// How long the script ran, where it did.
    pub const fn after(&self) -> Option<Duration> {
        match self {
            Self::Exited { after, .. }
            | Self::NotTaken { after, .. }
            | Self::Signaled { after, .. }
            | Self::TimedOut { after, .. }
            | Self::Interrupted { after, .. } => Some(*after),
            Self::HandedOver | Self::Ignored | Self::NotStarted { .. } | Self::NotExecutable { .. } => None,
        }
    }
}

/// Reads `12 ms`.
fn milliseconds(text: &str) -> Option<Duration> {
    text.strip_suffix(" ms")?.parse().ok().map(Duration::from_millis)
}

/// Reads what [`Seconds`] writes.
fn seconds(text: &str) -> Option<Duration> {
    milliseconds(text).or_else(|| Duration::try_from_secs_f64(text.strip_suffix(" s")?.parse().ok()?).ok())
}

/// Reads what [`Signal`] writes.
fn signal_number(text: &str) -> Option<i32> {
    text.split_once(' ').map_or(text, |(number, _name)| number).parse().ok()
}

impl fmt::Display for Outcome {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Exited { code, after } => write!(formatter, "exited with {code} after {} ms", after.as_millis()),
            Self::NotTaken { reason, after } => {
                let after = after.as_millis();
                write!(formatter, "{NOT_TAKEN}{reason}{EXITED_WITH_0_AFTER}{after} ms")
            }
            Self::Signaled { signal, after } => {
                write!(formatter, "killed by signal {} after {} ms", Signal(*signal), after.as_millis())
            }
            Self::TimedOut { limit, after, ended } => {
                let (limit, after) = (Seconds(*limit), after.as_millis());
                let end = if *ended { "ended" } else { "given up" };
                write!(formatter, "timed out after {limit}, {end} after {after} ms")
            }
            Self::Interrupted { signal, after } => {
                write!(
                    formatter,
                    "ended after {} ms, since the hook received signal {}",
                    after.as_millis(),
                    Signal(*signal)
                )
            }
            Self::Ignored => formatter.write_str(IGNORED),
            Self::HandedOver => formatter.write_str(HANDED_OVER),
            Self::NotStarted { reason } => write!(formatter, "{NOT_STARTED}{reason}"),
            Self::NotExecutable { remedy } => write!(formatter, "{NOT_EXECUTABLE}{remedy}"),
        }
    }
}

/// A time as settings have it: `600 s`; tenths, or milliseconds, only where there are some.
#[derive(Debug, Clone, Copy)]
pub struct Seconds(pub Duration);

impl fmt::Display for Seconds {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        if self.0.subsec_nanos() == 0 {
            write!(formatter, "{} s", self.0.as_secs())
        } else if self.0 < Duration::from_secs(1) {
            write!(formatter, "{} ms", self.0.as_millis())
        } else {
            write!(formatter, "{:.1} s", self.0.as_secs_f64())
        }
    }
}

/// A signal as people know it: `15 (SIGTERM)`.
#[derive(Debug, Clone, Copy)]
pub struct Signal(pub i32);

impl fmt::Display for Signal {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        match signal_name(self.0) {
            Some(name) => write!(formatter, "{} ({name})", self.0),
            None => write!(formatter, "{}", self.0),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// One of every kind. A new kind is missing here until it is told how it is read back.
    fn all() -> Vec<Outcome> {
        let after = Duration::from_millis(1234);
        let reason = "its interpreter \"/bin/no; such\" does not exist; exited with 0 after 7 ms".to_owned();
        let limits = [Duration::from_secs(600), Duration::from_millis(1500), Duration::from_millis(250)];
        let mut all = vec![
            Outcome::Exited { code: 0, after },
            Outcome::Exited { code: 255, after },
            Outcome::NotTaken { reason: reason.clone(), after },
            Outcome::Signaled { signal: 9, after },
            Outcome::Signaled { signal: 40, after },
            Outcome::Interrupted { signal: 15, after },
            Outcome::HandedOver,
            Outcome::Ignored,
            Outcome::NotStarted { reason: reason.clone() },
            Outcome::NotExecutable { remedy: "chmod +x '/etc/libvirt/hooks/custom/a b'".to_owned() },
        ];
        all.extend(limits.iter().map(|&limit| Outcome::TimedOut { limit, after, ended: true }));
        all.push(Outcome::TimedOut { limit: Duration::from_secs(1), after, ended: false });
        for outcome in &all {
            match outcome {
                Outcome::Exited { .. } | Outcome::NotTaken { .. } | Outcome::Signaled { .. } => {}
                Outcome::TimedOut { .. } | Outcome::Interrupted { .. } | Outcome::HandedOver => {}
                Outcome::Ignored | Outcome::NotStarted { .. } | Outcome::NotExecutable { .. } => {}
            }
        }
        all
    }

    #[test]
    fn an_outcome_is_read_back_as_it_was_told() {
        for outcome in all() {
            assert_eq!(Outcome::parse(&outcome.to_string()).as_ref(), Some(&outcome), "{outcome}");
        }
    }

    #[test]
    fn what_tells_no_outcome_is_none() {
        for message in [
            "",
            "stdout: exited with 0 after 1 ms",
            "exited with x after 1 ms",
            "exited with 0 after 1 s",
            "exited with 0",
            "timed out after 1 s, gone after 2 ms",
            "killed by signal after 1 ms",
            "started as pid 1 with arguments vm start begin -",
            "ignored",
        ] {
            assert_eq!(Outcome::parse(message), None, "{message}");
        }
    }
}
