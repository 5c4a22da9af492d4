//! A VM's allocation in the ledger.

use crate::network::allocation::Allocation;

/// A VM's allocation in the ledger.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Entry {
    /// All that it may have.
    pub allocation: Allocation,
    /// True if a change was interrupted: some of the allocation may be missing.
    pub incomplete: bool,
}
