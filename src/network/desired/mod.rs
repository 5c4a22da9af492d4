//! The allocation that a domain is to have: its declarations, resolved, without those that conflict with others.

pub mod conflicts;
pub mod libvirt_network;
pub mod listener;
pub mod plan;
pub mod reserved;
pub mod resolve;
