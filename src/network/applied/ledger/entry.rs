//! What one VM was given, as the ledger knows it.

use crate::network::allocation::Allocation;

/// What one VM has been given.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Entry {
    /// All that it may have.
    pub allocation: Allocation,
    /// A change was begun and not brought to its end: of what is given some may be missing.
    pub incomplete: bool,
}
