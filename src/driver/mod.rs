//! libvirt's drivers, as data: the operations at which each calls its hook, and how it takes the hook's answer.
//!
//! A driver is one file here. The rest of the program asks the driver of an event, and knows none by name.

mod daemon;
mod event;
mod libxl;
mod lxc;
mod network;
mod object;
mod operation;
mod qemu;

pub use self::daemon::DAEMON;
pub use self::event::Event;
pub use self::libxl::LIBXL;
pub use self::lxc::LXC;
pub use self::network::NETWORK;
pub use self::object::Object;
pub use self::operation::{ExitCode, Operation, Stage};
pub use self::qemu::QEMU;

use std::time::Duration;

/// A driver of libvirt that calls a hook.
#[derive(Debug, PartialEq, Eq)]
pub struct Driver {
    /// Its name, which is its hook's file name in `/etc/libvirt/hooks` (<https://libvirt.org/hooks.html>).
    pub name: &'static str,
    /// The folder beside the hook of which libvirt 6.5 and newer run every program as a further hook.
    pub folder: &'static str,
    /// The folder beside the hook in which its custom scripts lie.
    pub scripts: &'static str,
    /// The folder beside the hook from which a kept hook is called.
    pub kept: &'static str,
    /// The tag of its records in the log, which all drivers share.
    pub log_tag: &'static str,
    /// The daemon of this driver alone, on modular hosts; its unit, its AppArmor profile and its SELinux type have the name too.
    pub daemon: &'static str,
    /// The URI under which the host's daemon is asked for its objects (<https://libvirt.org/uri.html>).
    pub uri: &'static str,
    /// The name of an object, in examples.
    pub example: &'static str,
    /// The word for what it manages, in messages.
    pub object: &'static str,
    /// The effect of a failure at an operation whose exit code ends what runs.
    pub harm: &'static str,
    /// The command of virsh that prints an object's XML, with the option for its name; none where there is no XML, on stdin neither.
    pub dump: Option<[&'static str; 2]>,
    /// The element in which its hook gets an object's XML, if there is one around it.
    pub envelope: Option<&'static str>,
    /// The hook does network tasks for its domains: CloudStack's bridges, declared forwards and routes.
    pub has_networking: bool,
    /// The most that all scripts of an event may take, where the settings give more or no limit.
    pub event_timeout: Option<Duration>,
    /// Every operation, in the specification's order.
    pub operations: &'static [Operation],
}

impl Driver {
    /// Returns the daemons that call its hook: the one for all drivers first, then that of this driver alone.
    pub fn daemons(&self) -> impl Iterator<Item = &'static str> + use<> {
        std::iter::once(DAEMON.daemon).chain(Some(self.daemon).filter(|daemon| *daemon != DAEMON.daemon))
    }

    /// Returns the operation of this name, or of this old name. Names are matched exactly.
    pub fn operation(&self, name: &[u8]) -> Option<Operation> {
        self.operations.iter().copied().find(|operation| operation.is_called(name))
    }

    /// Returns the driver of this name.
    pub fn named(name: &[u8]) -> Option<&'static Self> {
        ALL.into_iter().find(|driver| driver.name.as_bytes() == name)
    }

    /// Returns the driver whose hook is called by this file name from a folder of this name.
    pub fn of_hook(file_name: &std::ffi::OsStr, folder: Option<&std::ffi::OsStr>) -> Option<&'static Self> {
        let is_of = |driver: &&Self| file_name == driver.name || folder.is_some_and(|folder| folder == driver.folder);
        ALL.into_iter().find(is_of)
    }
}

/// Every driver.
pub const ALL: [&Driver; 5] = [&QEMU, &NETWORK, &LXC, &LIBXL, &DAEMON];
