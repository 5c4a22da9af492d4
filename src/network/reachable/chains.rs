//! Third-party rules that drop a forward's or a route's packets at another hook than forward, where no rule of this program
//! lets them pass.
//!
//! A packet from a client passes the ingress of an uplink, prerouting and postrouting, and the VM's bridge as output and
//! postrouting; the reply passes the same the other way round. A rule is an obstacle where it drops all of them, or where what
//! it asks is plainly so. Where another rule before it may accept them, nothing is judged.

use std::collections::BTreeMap;
use std::collections::btree_map::Entry;

use ipnet::IpNet;

use super::packet::{Device, ESTABLISHED, NEW, Packet};
use super::uplink;
use super::walk::{End, Rules, walk};
use super::{Host, Obstacle, Remedy, Vm, Way};
use crate::kernel::address::Family as AddressFamily;
use crate::kernel::deadline::Deadline;
use crate::kernel::devices;
use crate::kernel::nftables::{self, BaseChain, Expression, Family, Hook, Rule};
use crate::network::firewall::mark::MARK;
use crate::network::firewall::table;
use crate::network::timeouts;
use crate::record::Escaped;

/// Priorities of Linux and of this program's table: connections are known behind the first, marked behind the second, and
/// translated behind the last (`enum nf_ip_hook_priorities`).
const CONNTRACK: i32 = -200;
const MARKED: i32 = -150;
const TRANSLATED: i32 = -105;

/// The tables of iptables, whose rules only iptables may add.
const OF_IPTABLES: [&str; 5] = ["raw", "mangle", "nat", "filter", "security"];

/// The third-party base chains on the way, with the rules of their tables.
#[derive(Debug, Default)]
pub(super) struct Chains {
    chains: Vec<BaseChain>,
    tables: BTreeMap<(&'static str, String), Rules>,
    /// Whether a rule at prerouting sets the mark of connections.
    marks: bool,
}

impl Chains {
    /// Reads them, as far as the kernel lists them in time.
    pub(super) fn read(deadline: Deadline) -> Self {
        let deadline = deadline.within(timeouts::CHAINS);
        let mut read = Self::default();
        for chain in nftables::base_chains(deadline).unwrap_or_default() {
            if !is_on_the_way(&chain) {
                continue;
            }
            if let Entry::Vacant(entry) = read.tables.entry((chain.family.name(), chain.table.clone())) {
                let Ok(rules) = nftables::rules(chain.family, &chain.table, None, deadline) else { continue };
                let by_chain = entry.insert(Rules::new());
                for rule in rules {
                    by_chain.entry(rule.chain.clone()).or_default().push(rule);
                }
            }
            read.chains.push(chain);
        }
        let others = |chain: &BaseChain, name: &str| {
            read.chains.iter().any(|other| {
                other.hook != Hook::Prerouting
                    && (other.family, other.table.as_str(), other.name.as_str()) == (chain.family, &chain.table, name)
            })
        };
        let at_prerouting = read.chains.iter().filter(|chain| chain.hook == Hook::Prerouting);
        read.marks = { at_prerouting }.any(|chain| {
            let rules = read.tables.get(&(chain.family.name(), chain.table.clone()));
            rules.into_iter().flatten().any(|(name, rules)| !others(chain, name) && rules.iter().any(sets_mark))
        });
        read
    }

    fn rules(&self, chain: &BaseChain) -> Option<&Rules> {
        self.tables.get(&(chain.family.name(), chain.table.clone()))
    }
}

fn is_on_the_way(chain: &BaseChain) -> bool {
    let is_own = chain.family == Family::Inet && chain.table == table::NAME;
    !is_own
        && match chain.hook {
            Hook::Ingress | Hook::Egress | Hook::Prerouting | Hook::Postrouting => true,
            Hook::Input | Hook::Output => chain.family == Family::Bridge,
            Hook::Forward => false,
        }
}

fn sets_mark(rule: &Rule) -> bool {
    rule.expressions.iter().any(|part| match part {
        Expression::Other(name) => name == b"ct",
        Expression::Target(name) => name == b"CONNMARK",
        _ => false,
    })
}

/// Returns the obstacles.
pub(super) fn find(vm: &Vm<'_>, way: Way<'_>, host: &Host<'_>) -> Vec<Obstacle> {
    let Some(passage) = Passage::of(vm, way, host) else { return Vec::new() };
    let Some(chains) = &host.chains else { return Vec::new() };
    let found = chains.chains.iter().filter_map(|chain| {
        let rules = chains.rules(chain)?;
        passage.packets(chain, chains.marks).into_iter().find_map(|(packet, from)| {
            let by = match walk(rules, &chain.name, &packet) {
                End::Dropped(name, handle) if name == chain.name => format!("its rule with handle {handle} drops"),
                End::Dropped(name, handle) => {
                    format!("the rule with handle {handle} of {}, to which it leads, drops", Escaped(name.as_bytes()))
                }
                End::Policy if chain.drops => "its policy drops".to_owned(),
                End::Policy | End::Other => return None,
            };
            let (table, name) = (Escaped(chain.table.as_bytes()), Escaped(chain.name.as_bytes()));
            let subject = format!("the chain {name} of the table {} {table}", chain.family.name());
            let owner = if chain.is_owned { "; only the process that owns the table can change it" } else { "" };
            let message = format!("at the {} hook {by} {from}{owner}", chain.hook.name());
            Some(Obstacle { subject, message, remedy: passage.remedy(chain, &packet) })
        })
    });
    found.collect()
}

/// The way of a VM's packets through the host.
pub(super) struct Passage<'a> {
    way: Way<'a>,
    uplinks: Vec<Device<'a>>,
    bridge: Device<'a>,
    tap: Option<Device<'a>>,
}

impl<'a> Passage<'a> {
    pub(super) fn of(vm: &'a Vm<'_>, way: Way<'a>, host: &'a Host<'_>) -> Option<Self> {
        let device = |name: &'a str| Device { name, index: devices::index(host.paths.network_devices(), name) };
        let bridge = |interface: &&'a crate::domain::Interface<'a>| {
            Some((interface.bridge.as_ref().map(|bridge| bridge.text).or(interface.target)?, interface.target))
        };
        let (bridge, tap) = match way {
            Way::Forward(forward) => {
                let near = host.networks_with(vm, forward.to).map(|(interface, ..)| interface);
                let any = vm.interfaces.iter();
                near.chain(any).find_map(|interface| bridge(&interface))?
            }
            Way::Route(route) => {
                let bridges = vm.interfaces.iter().filter_map(|interface| bridge(&interface));
                { bridges }.find(|(bridge, _)| *bridge == route.device)?
            }
        };
        let uplinks = uplink::of(way, bridge, host).into_iter().map(device).collect();
        Some(Self { way, uplinks, bridge: device(bridge), tap: tap.map(device) })
    }

    /// Returns the devices by which its packets come to be routed.
    pub(super) fn devices(&self) -> impl Iterator<Item = &'a str> {
        self.uplinks.iter().map(|device| device.name).chain([self.bridge.name])
    }

    /// Returns the packets that pass a chain, each with its words.
    fn packets(&self, chain: &BaseChain, marks: bool) -> Vec<(Packet<'a>, String)> {
        let family = self.way.family();
        if matches!((chain.family, family), (Family::Ip, AddressFamily::Ipv6) | (Family::Ip6, AddressFamily::Ipv4)) {
            return Vec::new();
        }
        let is_routing = matches!(chain.family, Family::Ip | Family::Ip6 | Family::Inet) && chain.hook != Hook::Ingress;
        let is_translated = !is_routing || chain.hook != Hook::Prerouting || chain.priority > TRANSLATED;
        let is_known = is_routing && chain.priority > CONNTRACK;
        let is_marked = match self.way {
            Way::Forward(_) => is_known && is_translated,
            Way::Route(_) => is_known && (chain.hook != Hook::Prerouting || chain.priority > MARKED),
        };
        let mark = |is_marked| if is_marked { MARK } else { 0 };
        let request = |iif, oif, is_translated| Packet {
            state: is_known.then_some(NEW),
            mark: (is_known && !marks).then(|| mark(is_marked)),
            bridge: (chain.family == Family::Bridge).then_some(self.bridge.name),
            iif,
            oif,
            ..self.way.request(is_translated)
        };
        let reply = |iif, oif| Packet {
            state: is_known.then_some(ESTABLISHED),
            mark: (is_known && !marks).then_some(MARK),
            bridge: (chain.family == Family::Bridge).then_some(self.bridge.name),
            iif,
            oif,
            // Its source is translated back behind all that filters, or nearly so.
            ..self.way.reply(chain.hook != Hook::Egress && chain.hook != Hook::Postrouting)
        };
        let from_outside =
            |device: &Device<'_>| format!("what comes for the VM by {}", Escaped(device.name.as_bytes()));
        let is_here = |device: &&Device<'_>| chain.devices.iter().any(|name| name == device.name);
        let to_vm = || "what is on its way to the VM".to_owned();
        let from_vm = || "the VM's replies".to_owned();
        let uplinks = self.uplinks.iter();
        let inner = [Some(self.bridge), self.tap].into_iter().flatten();
        match (chain.family, chain.hook) {
            (Family::Bridge, Hook::Output | Hook::Postrouting) => vec![(request(None, self.tap, true), to_vm())],
            (Family::Bridge, Hook::Prerouting | Hook::Input) => vec![(reply(self.tap, None), from_vm())],
            (_, Hook::Ingress) => {
                let requests =
                    uplinks.filter(is_here).map(|device| (request(Some(*device), None, false), from_outside(device)));
                let replies =
                    inner.filter(|device| is_here(&device)).map(|device| (reply(Some(device), None), from_vm()));
                requests.chain(replies).collect()
            }
            (_, Hook::Egress) => {
                let replies = uplinks.filter(is_here).map(|device| (reply(None, Some(*device)), from_vm()));
                let requests =
                    inner.filter(|device| is_here(&device)).map(|device| (request(None, Some(device), true), to_vm()));
                requests.chain(replies).collect()
            }
            (_, Hook::Prerouting) => {
                let requests =
                    uplinks.map(|device| (request(Some(*device), None, is_translated), from_outside(device)));
                requests.chain([(reply(Some(self.bridge), None), from_vm())]).collect()
            }
            (_, Hook::Postrouting) => {
                let replies = uplinks.map(|device| (reply(None, Some(*device)), from_vm()));
                [(request(None, Some(self.bridge), true), to_vm())].into_iter().chain(replies).collect()
            }
            _ => Vec::new(),
        }
    }

    /// Returns the rule that accepts what is dropped, and nothing else of what the chain is for.
    fn remedy(&self, chain: &BaseChain, packet: &Packet<'_>) -> Remedy {
        if chain.is_owned || !is_word(&chain.table) || !is_word(&chain.name) {
            return Remedy::None;
        }
        let is_marked = packet.state.is_some() && (packet.is_reply || packet.mark != Some(0) && self.is_behind(chain));
        let is_of_iptables = matches!(chain.family, Family::Ip | Family::Ip6) && OF_IPTABLES.contains(&&*chain.table);
        let protocol = packet.protocol.map(|protocol| protocol.name());
        let single = |prefix: Option<IpNet>| prefix.filter(|prefix| prefix.prefix_len() > 0);
        let (source, destination) = (single(packet.source), single(packet.destination));
        let mut words = Vec::new();
        if is_of_iptables {
            let tool = if chain.family == Family::Ip { "iptables" } else { "ip6tables" };
            words.push(format!("{tool} -t {} -I {}", chain.table, chain.name));
            if is_marked {
                words.push(format!("-m connmark --mark {MARK:#010x}/{MARK:#010x}"));
            } else {
                words.extend(source.map(|prefix| format!("-s {prefix}")));
                words.extend(destination.map(|prefix| format!("-d {prefix}")));
                words.extend(protocol.map(|protocol| format!("-p {protocol}")));
                words.extend(packet.source_port.map(|port| format!("--sport {port}")));
                words.extend(packet.destination_port.map(|port| format!("--dport {port}")));
            }
            words.push("-j ACCEPT".to_owned());
        } else {
            words.push(format!("nft insert rule {} {} {}", chain.family.name(), chain.table, chain.name));
            if is_marked {
                words.push(format!("ct mark and {MARK:#010x} == {MARK:#010x}"));
            } else {
                let ip = if packet.family == AddressFamily::Ipv4 { "ip" } else { "ip6" };
                words.extend(source.map(|prefix| format!("{ip} saddr {prefix}")));
                words.extend(destination.map(|prefix| format!("{ip} daddr {prefix}")));
                let protocol = protocol.unwrap_or_default();
                words.extend(packet.source_port.map(|port| format!("{protocol} sport {port}")));
                words.extend(packet.destination_port.map(|port| format!("{protocol} dport {port}")));
            }
            words.push("accept".to_owned());
        }
        Remedy::Command(words.join(" "))
    }

    /// Returns true if this program has marked the connection when its first packet comes to a chain.
    fn is_behind(&self, chain: &BaseChain) -> bool {
        let marked = match self.way {
            Way::Forward(_) => TRANSLATED,
            Way::Route(_) => MARKED,
        };
        chain.hook != Hook::Prerouting || chain.priority > marked
    }
}

impl<'a> Way<'a> {
    pub(super) fn is_ipv4(self) -> bool {
        self.family() == AddressFamily::Ipv4
    }

    fn family(self) -> AddressFamily {
        AddressFamily::of(&match self {
            Way::Forward(forward) => forward.to,
            Way::Route(route) => route.to.addr(),
        })
    }

    /// Returns a packet to the VM, as it is before or after its translation.
    fn request(self, is_translated: bool) -> Packet<'a> {
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
    fn reply(self, is_as_sent: bool) -> Packet<'a> {
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

/// Returns true if nft and the shell take this name as it is.
fn is_word(name: &str) -> bool {
    let is_of_word = |byte: u8| byte.is_ascii_alphanumeric() || matches!(byte, b'_' | b'-' | b'.');
    name.bytes().all(is_of_word) && name.starts_with(|first: char| first.is_ascii_alphabetic() || first == '_')
}
