//! CloudStack's own task of the hook: at a live migration the VM's bridges are renamed to those of this host.

mod agent_properties;
pub mod bridges;
mod guest_device;
mod host;

pub use self::agent_properties::property as agent_property;
pub use self::bridges::{rename_bridges, renames_bridges_at};
pub use self::guest_device::NoGuestDevice;
pub use self::host::{Host, ThisHost};
