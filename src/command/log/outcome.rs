//! What a record tells of the run that it is of.

use crate::record::Fields;
use crate::record::outcome::Outcome;

/// How far the run has come.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Stage {
    Started,
    Failed,
    Ended,
    /// Something in between, or nothing of a run.
    Other,
}

impl Stage {
    /// The stage that a record tells of.
    pub(super) fn of(fields: &Fields<'_>) -> Self {
        // What scripts print is most of a log.
        match fields.message.first() {
            Some(b's') if fields.message.starts_with(b"started as pid ") => Self::Started,
            Some(b'e' | b'k' | b't' | b'w' | b'n' | b'i') => match outcome(fields) {
                Some(Outcome::HandedOver) | None => Self::Other,
                Some(outcome) if outcome.is_failure() => Self::Failed,
                Some(_) => Self::Ended,
            },
            _ => Self::Other,
        }
    }
}

/// The outcome that a record tells, if it does.
pub(super) fn outcome(fields: &Fields<'_>) -> Option<Outcome> {
    fields.script?;
    let outcome = Outcome::parse(std::str::from_utf8(fields.message).ok()?)?;
    (outcome.level() == fields.level).then_some(outcome)
}
