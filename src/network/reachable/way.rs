//! A way to reach a VM, and an obstacle on it.

use std::ffi::OsStr;

use ipnet::IpNet;

use super::chains::packet::Packet;
use crate::domain::Interface;
use crate::kernel::address::Family;
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
    /// No command can do it.
    None,
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

impl Vm<'_> {
    /// As messages name it.
    pub(super) fn subject(&self) -> String {
        format!("the VM {}", Quoted::name(self.name))
    }
}

impl<'a> Way<'a> {
    pub(super) fn is_ipv4(self) -> bool {
        self.family() == Family::Ipv4
    }

    pub(super) fn family(self) -> Family {
        Family::of(&match self {
            Way::Forward(forward) => forward.to,
            Way::Route(route) => route.to.addr(),
        })
    }

    /// Returns a packet to the VM, as it is before or after its translation.
    pub(super) fn request(self, is_translated: bool) -> Packet<'a> {
        let family = self.family();
        match self {
            Way::Forward(forward) => {
                let (to, port) = match is_translated {
                    true => (Some(forward.to), forward.to_port),
                    false => (forward.listen, forward.ports.first()),
                };
                Packet {
                    protocol: Some(forward.protocol),
                    source: single(&forward.from),
                    destination: to.map(IpNet::from),
                    destination_port: Some(port),
                    ..Packet::of(family)
                }
            }
            Way::Route(route) => Packet { destination: Some(route.to), ..Packet::of(family) },
        }
    }

    /// Returns a packet from the VM, as it sends it or as it leaves the host.
    pub(super) fn reply(self, is_as_sent: bool) -> Packet<'a> {
        let family = self.family();
        match self {
            Way::Forward(forward) => Packet {
                protocol: Some(forward.protocol),
                source: is_as_sent.then(|| IpNet::from(forward.to)),
                destination: single(&forward.from),
                source_port: is_as_sent.then_some(forward.to_port),
                is_reply: true,
                ..Packet::of(family)
            },
            Way::Route(route) => Packet { source: Some(route.to), is_reply: true, ..Packet::of(family) },
        }
    }
}

/// Returns the only prefix, if there is one.
fn single(prefixes: &[IpNet]) -> Option<IpNet> {
    if let [prefix] = prefixes { Some(*prefix) } else { None }
}
