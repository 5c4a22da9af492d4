//! What one VM was given, as the ledger knows it.

use crate::network::given::Given;

/// What one VM has been given.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Entry {
    /// All that it may have.
    pub given: Given,
    /// A change was begun and not brought to its end: of what is given some may be missing.
    pub unsettled: bool,
}
