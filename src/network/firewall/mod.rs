//! This program's rules: its nftables table, and one rule in each third-party chain that may refuse forwarded packets.

pub mod mark;
pub mod pass_through;
pub mod table;
pub mod traffic;
