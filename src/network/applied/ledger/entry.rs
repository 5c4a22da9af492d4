//! A VM's allocation in the ledger.

use crate::network::allocation::Allocation;

/// A VM's allocation in the ledger.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Entry {
    /// All that it may have.
    pub allocation: Allocation,
    /// A change was begun and not brought to its end: of what is given some may be missing.
    pub incomplete: bool,
}
