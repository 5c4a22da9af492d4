//! Levels of records.

/// How much a record matters.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Level {
    /// What happened.
    Info,
    /// What an operator should look at.
    Warn,
    /// What went wrong.
    Error,
}

impl Level {
    /// Every level.
    pub const ALL: [Self; 3] = [Self::Info, Self::Warn, Self::Error];

    /// Its name in a record.
    pub const fn name(self) -> &'static str {
        match self {
            Self::Info => "INFO",
            Self::Warn => "WARN",
            Self::Error => "ERROR",
        }
    }
}
