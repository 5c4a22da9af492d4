//! Reachability: settings and rules of the host that stop or divert the packets of an applied forward or route.
//!
//! One file a kind of obstacle. All of it is read, none is changed, and no event pays for it: `status` and `check` ask. A set, a
//! helper or a program cannot be judged by reading, and is not.

mod listen;

use std::ffi::OsStr;
use std::net::IpAddr;

use crate::domain::Interface;
use crate::kernel::host_addresses;
use crate::kernel::tools::{HostTools, Tools};
use crate::network::allocation::{Forward, Route};
use crate::record::Quoted;

/// Something on the way of a forward's or a route's packets.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Obstacle {
    /// The object at fault: a VM, a setting, a chain.
    pub subject: String,
    /// The fault, and its effect.
    pub message: String,
    /// The fix.
    pub remedy: Remedy,
}

/// The fix of an obstacle.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Remedy {
    /// A command.
    Command(String),
    /// An edit of the declaration.
    Declaration,
}

/// An applied forward or route.
#[derive(Debug, Clone, Copy)]
pub enum Way<'a> {
    /// A forward.
    Forward(&'a Forward),
    /// A route.
    Route(&'a Route),
}

/// A running domain.
#[derive(Debug)]
pub struct Vm<'a> {
    /// Its name.
    pub name: &'a OsStr,
    /// Its interfaces.
    pub interfaces: Vec<Interface<'a>>,
}

/// The host's network as observed, read once for all forwards and routes.
#[derive(Debug)]
pub struct Host {
    /// The addresses of its devices; none where the kernel does not list them.
    addresses: Option<Vec<IpAddr>>,
}

impl Host {
    /// Observes this host.
    pub fn observe(tools: &mut HostTools<'_>) -> Self {
        Self { addresses: host_addresses::addresses(tools.deadline()).ok() }
    }

    /// Returns the obstacles on the way to a VM.
    pub fn obstacles(&self, vm: &Vm<'_>, way: Way<'_>, tools: &mut HostTools<'_>) -> Vec<Obstacle> {
        let found = [listen::find(vm, way, self.addresses.as_deref(), tools)];
        found.into_iter().flatten().collect()
    }
}

impl Vm<'_> {
    /// As messages name it.
    fn subject(&self) -> String {
        format!("the VM {}", Quoted::name(self.name))
    }
}
