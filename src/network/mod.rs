//! Declared networking: the forwards and routes that operators declare come and go with the VM ([`declaration`]).
//!
//! What goes wrong here is a record, and nothing else: it neither keeps a script from running nor, unless the settings ask
//! for that, a VM from starting.

pub mod allocation;
pub mod applied;
pub mod claim;
pub mod declaration;
pub mod desired;
pub mod firewall;
mod lifecycle;
pub mod reachable;
pub mod reconcile;
pub mod status;
pub mod timeouts;

pub use self::lifecycle::Lifecycle;
