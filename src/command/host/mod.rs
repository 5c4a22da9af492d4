//! The host as the command finds it: the hook file, libvirt's daemons, scripts, log rotation.

pub(crate) mod cloudstack_limit;
pub(crate) mod daemon;
pub(crate) mod hook_file;
pub(crate) mod inventory;
pub(crate) mod kept;
pub(crate) mod logrotate;
pub(crate) mod notice;
pub(crate) mod running;
pub(crate) mod tree;
pub(crate) mod virsh;
