//! The Linux kernel's own interfaces. Nothing here knows a rule of this program.

pub mod address;
pub(crate) mod devices;
pub(crate) mod host_addresses;
pub(crate) mod netlink;
pub mod nftables;
pub mod nftables_monitor;
