//! Reachability: settings and rules of the host that stop or divert the packets of an applied forward or route.
//!
//! One file a kind of obstacle. All of it is read, none is changed, and no event pays for it: `status` and `check` ask. A set, a
//! helper or a program cannot be judged by reading, and is not.

mod chains;
mod isolated;
mod lease;
mod listen;
mod packet;
mod replies;
mod sysctls;
mod tap;
mod uplink;
mod walk;

use self::chains::Chains;

use std::collections::BTreeMap;
use std::ffi::OsStr;
use std::net::IpAddr;
use std::time::SystemTime;

use crate::domain::Interface;
use crate::kernel::devices;
use crate::kernel::host_addresses;
use crate::kernel::tools::{HostTools, Tools, ip};
use crate::network::allocation::{Forward, Route};
use crate::network::desired::libvirt_network::{Network, Networks, ThisHostsNetworks};
use crate::paths::Paths;
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

/// The host's network as observed, read once for all forwards and routes.
#[derive(Debug)]
pub struct Host<'a> {
    paths: &'a Paths,
    /// The time of the observation.
    now: SystemTime,
    /// The addresses of its devices, with the device's index; none where the kernel does not list them.
    addresses: Option<Vec<(u32, IpAddr)>>,
    /// Its devices by their index.
    devices: BTreeMap<u32, String>,
    /// The third-party chains, once they are needed.
    chains: Option<Chains>,
    /// The rules of policy routing.
    rules: Vec<ip::Rule>,
    /// The libvirt networks of the domains, as far as they can be read.
    networks: BTreeMap<String, Network>,
}

impl<'a> Host<'a> {
    /// Observes this host.
    pub fn observe(tools: &mut HostTools<'_>, paths: &'a Paths) -> Self {
        let addresses = host_addresses::with_devices(tools.deadline()).ok();
        let devices = devices::all(paths.network_devices()).into_iter().collect();
        Self {
            paths,
            now: SystemTime::now(),
            addresses,
            devices,
            chains: None,
            rules: Vec::new(),
            networks: BTreeMap::new(),
        }
    }

    /// Reads the networks that a domain is on, and the third-party chains, as far as that has not been done.
    pub fn read(&mut self, vm: &Vm<'_>, tools: &mut HostTools<'_>) {
        if self.chains.is_none() {
            self.chains = Some(Chains::read(tools.deadline()));
            self.rules = ip::rules(tools).unwrap_or_default();
        }
        for name in vm.interfaces.iter().filter_map(|interface| interface.network) {
            if let (false, Ok(network)) =
                (self.networks.contains_key(name), ThisHostsNetworks::of(self.paths).network(name))
            {
                self.networks.insert(name.to_owned(), network);
            }
        }
    }

    /// Returns the obstacles on the way to a VM.
    pub fn obstacles(&self, vm: &Vm<'_>, way: Way<'_>, tools: &mut HostTools<'_>) -> Vec<Obstacle> {
        let found = [
            listen::find(vm, way, self, tools),
            isolated::find(vm, way, self),
            lease::find(vm, way, self),
            tap::find(vm, way, self),
        ];
        found
            .into_iter()
            .flatten()
            .chain(chains::find(vm, way, self))
            .chain(replies::find(way, self, tools))
            .chain(sysctls::find(vm, way, self))
            .collect()
    }

    /// Returns a network, if it is known.
    fn network(&self, name: &str) -> Option<&Network> {
        self.networks.get(name)
    }

    /// Returns the interfaces of a VM whose network has an address, with the network's name.
    fn networks_with<'v>(
        &'v self,
        vm: &'v Vm<'_>,
        address: IpAddr,
    ) -> impl Iterator<Item = (&'v Interface<'v>, &'v str, &'v Network)> {
        let known = vm.interfaces.iter().filter_map(|interface| {
            let name = interface.network?;
            Some((interface, name, self.network(name)?))
        });
        known.filter(move |(_, _, network)| network.has(address))
    }
}

impl Vm<'_> {
    /// As messages name it.
    fn subject(&self) -> String {
        format!("the VM {}", Quoted::name(self.name))
    }
}
