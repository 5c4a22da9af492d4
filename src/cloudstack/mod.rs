//! CloudStack's task of the hook: it renames a VM's bridges to those of this host at a live migration.

mod agent_properties;
pub mod bridges;
mod guest_device;
mod host;

pub use self::agent_properties::property as agent_property;
pub use self::bridges::{rename_bridges, renames_bridges_at};
pub use self::guest_device::NoGuestDevice;
pub use self::host::{Host, ThisHost};
