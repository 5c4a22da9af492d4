//! Declared networking: the forwards and routes that operators declare come and go with the VM ([`declaration`]).
//!
//! What goes wrong here is a record, and nothing else: it neither keeps a script from running nor, unless the settings ask
//! for that, a VM from starting.

pub mod address;
pub mod all_domains;
pub mod allocation;
pub mod applied;
pub mod apply_plan;
pub mod conntrack;
pub mod declaration;
pub mod firewall;
pub mod hairpin;
pub mod kernel;
pub mod ledger;
pub mod libvirt_network;
mod lifecycle;
pub mod listener;
pub mod mark;
pub mod marker;
mod ndp_proxy;
pub mod plan;
pub mod reconcile;
pub mod reserved;
pub mod resolve;
pub mod status;
pub mod table;
pub mod traffic;
pub mod watch;

pub use self::lifecycle::{Step, perform, rehearse, remove_late};
