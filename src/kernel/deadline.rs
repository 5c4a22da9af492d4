//! The moment by which several steps have to be done together.

use std::time::{Duration, Instant};

/// Time by which an operation has to end.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub struct Deadline(Instant);

impl Deadline {
    /// Returns the moment `timeout` from now.
    pub fn after(timeout: Duration) -> Self {
        Self(Instant::now() + timeout)
    }

    /// Returns the earlier one of this and the moment `limit` from now: a step has its own limit, and no more than is left.
    #[must_use]
    pub fn within(self, limit: Duration) -> Self {
        self.min(Self::after(limit))
    }

    /// Returns the time that is left; zero once it is over.
    pub fn left(self) -> Duration {
        self.0.saturating_duration_since(Instant::now())
    }

    /// Returns true once it is over.
    pub fn is_over(self) -> bool {
        self.left().is_zero()
    }
}
