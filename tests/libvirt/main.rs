//! The hook under a real libvirt: real daemons, real Linux guests, a real live migration.
//!
//! Needs root and Debian's packages (`tests/packages`); `tests/libvirt/prepare` installs those and builds the guest, and the first test
//! runs it. Every test has hosts of its own in namespaces of their own, and none touches the folders of the machine
//! that it runs on.
//!
//! `VIRT_HOOKS_BIN` names another binary to test, `VIRT_HOOKS_GUEST` another folder for the guest.

#![forbid(unsafe_code)]
#![expect(clippy::unwrap_used, clippy::panic, reason = "a test ends at the first surprise")]

mod guest;
mod host;
#[expect(dead_code, reason = "tests/network needs more of it")]
#[path = "../network/machine.rs"]
mod machine;
#[path = "../network/traffic.rs"]
mod traffic;
mod witness;

mod drivers;
mod given;
mod incidents;
mod installation;
mod lifecycle;
mod migration;
mod moving;
mod network;
mod tour;
mod trust;
