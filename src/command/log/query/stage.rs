//! Stage of a run that a record is of.

use crate::record::outcome::Outcome;
use crate::record::{Fields, Message};

/// Stage of a run.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Stage {
    Started,
    Failed,
    Ended,
    /// Something in between, or nothing of a run.
    Other,
}

impl Stage {
    /// The stage that a record reports.
    pub(crate) fn of(fields: &Fields<'_>) -> Self {
        if fields.script.is_none() {
            return Self::Other;
        }
        match fields.read_message() {
            Message::Started { .. } => Self::Started,
            Message::Outcome { outcome } if *outcome == Outcome::HandedOver => Self::Other,
            Message::Outcome { outcome } if outcome.is_failure() => Self::Failed,
            Message::Outcome { .. } => Self::Ended,
            _ => Self::Other,
        }
    }
}

/// The outcome that a record reports, if it does.
pub(crate) fn outcome(fields: &Fields<'_>) -> Option<Outcome> {
    fields.script?;
    match fields.read_message() {
        Message::Outcome { outcome } => Some(outcome.into_owned()),
        _ => None,
    }
}
