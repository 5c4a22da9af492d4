//! The rules of this program: a table of its own in nftables, and one rule in each third-party chain that may refuse what is
//! forwarded.

pub mod mark;
pub mod pass_through;
pub mod table;
pub mod traffic;
