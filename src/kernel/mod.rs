//! The Linux kernel's own interfaces, and the host's tools for them. Nothing here knows a rule of this program.

pub mod address;
pub(crate) mod conntrack;
pub mod deadline;
pub(crate) mod devices;
pub(crate) mod host_addresses;
pub(crate) mod netlink;
pub mod nftables;
pub mod nftables_monitor;
pub(crate) mod sock_diag;
pub(crate) mod sysctl;
pub mod tools;
