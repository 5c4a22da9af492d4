//! What becomes of a VM's XML when it arrives from another host: its bridges get the names that they have here.

mod agent_properties;
pub mod bridges;
mod guest_device;
mod host;

pub use self::agent_properties::property as agent_property;
pub use self::guest_device::NoGuestDevice;
pub use self::host::{Host, ThisHost};
