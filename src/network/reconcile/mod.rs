//! Changes the host from the allocation that a domain has to the one that it is to have.

pub mod all_domains;
pub mod connections;
mod devices;
pub mod diff;
pub mod domain;
pub mod outcome;
pub mod state;
