//! Declared networking: the forwards and routes that operators declare come and go with the VM ([`declaration`]).
//!
//! What goes wrong here is a record, and nothing else: it neither keeps a script from running nor, unless the settings ask
//! for that, a VM from starting.

pub mod address;
mod answering;
pub mod applied;
pub mod conntrack;
pub mod declaration;
pub mod given;
pub mod guard;
pub mod host_wide;
pub mod kernel;
pub mod ledger;
pub mod libvirt_network;
mod lifecycle;
pub mod listener;
pub mod mark;
pub mod marker;
pub mod plan;
pub mod reconcile;
pub mod reflection;
pub mod resolve;
pub mod settle;
pub mod status;
pub mod table;
pub mod taken;
pub mod traffic;
pub mod watch;

pub use self::lifecycle::{Step, perform, rehearse, take_what_came_late};
