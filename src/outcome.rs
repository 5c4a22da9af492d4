//! What became of a script. The log, the exit code and the command's tables are views of it.

use std::fmt;
use std::time::Duration;

use signal_hook::low_level::signal_name;

use crate::journal::Level;

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

impl fmt::Display for Outcome {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Exited { code, after } => write!(formatter, "exited with {code} after {} ms", after.as_millis()),
            Self::NotTaken { reason, after } => {
                let after = after.as_millis();
                write!(
                    formatter,
                    "what the filter printed is not taken, and the VM's XML stays as it was: {reason}; exited with 0 after \
                     {after} ms"
                )
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
            Self::Ignored => formatter.write_str("ignored: it has been switched off since it was looked at"),
            Self::HandedOver => formatter.write_str("goes to the background; libvirt is not kept waiting"),
            Self::NotStarted { reason } => write!(formatter, "not started: {reason}"),
            Self::NotExecutable { remedy } => {
                write!(formatter, "not executable, so it is ignored; to have it run: {remedy}")
            }
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
