//! Outcomes of scripts. The log, the exit code and the command's tables are views of them.

use std::fmt;
use std::time::Duration;

use signal_hook::low_level::signal_name;

pub use super::message::Outcome;
use crate::record::Level;

impl Outcome {
    /// Returns true if the script failed. The settings may make a veto of that.
    pub const fn is_failure(&self) -> bool {
        !matches!(self, Self::Exited { code: 0, .. } | Self::Ignored | Self::HandedOver | Self::NotExecutable { .. })
    }

    /// Returns the severity of its record.
    pub const fn level(&self) -> Level {
        match self {
            Self::Exited { code: 0, .. } | Self::Ignored | Self::HandedOver => Level::Info,
            Self::NotExecutable { .. } | Self::NotStarted { .. } | Self::Interrupted { .. } | Self::Stopped { .. } => {
                Level::Warn
            }
            Self::Exited { .. } | Self::FilterRejected { .. } | Self::Signaled { .. } | Self::TimedOut { .. } => {
                Level::Error
            }
        }
    }

    /// Returns how long the script ran in milliseconds, where it did.
    pub fn milliseconds(&self) -> Option<u64> {
        let after = match self {
            Self::Exited { after, .. }
            | Self::FilterRejected { after, .. }
            | Self::Signaled { after, .. }
            | Self::TimedOut { after, .. }
            | Self::Interrupted { after, .. }
            | Self::Stopped { after } => after,
            Self::HandedOver | Self::Ignored | Self::NotStarted { .. } | Self::NotExecutable { .. } => return None,
        };
        Some(u64::try_from(after.as_millis()).unwrap_or(u64::MAX))
    }
}

impl fmt::Display for Outcome {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        let mut text = Vec::new();
        self.write(&mut text);
        formatter.write_str(&String::from_utf8_lossy(&text))
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
