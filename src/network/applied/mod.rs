//! The forwards and routes that were applied, as recorded in the state folder.

pub mod ledger;
pub mod marker;
