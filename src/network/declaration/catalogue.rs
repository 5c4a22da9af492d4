//! Every key of the files of declarations: its name, and what its manual page says of it.
//!
//! A key is known by what is here and nothing else, so one that is read has its words here.

use crate::settings::catalogue::{DefaultValue, Entry};

/// The keys of `[network]`, in the manual page's order.
pub fn network_keys() -> impl Iterator<Item = Entry> {
    NetworkKey::ALL.into_iter().map(NetworkKey::entry)
}

/// The keys of a `[[forward]]`, in the manual page's order.
pub fn forward_keys() -> impl Iterator<Item = Entry> {
    ForwardKey::ALL.into_iter().map(ForwardKey::entry)
}

/// The keys of a `[[route]]`, in the manual page's order.
pub fn route_keys() -> impl Iterator<Item = Entry> {
    RouteKey::ALL.into_iter().map(RouteKey::entry)
}

/// A key of `[network]`.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum NetworkKey {
    OnFailure,
    Metadata,
    Listen,
    Ports,
    Routes,
    Proxy,
}

impl NetworkKey {
    pub(super) const ALL: [Self; 6] =
        [Self::OnFailure, Self::Metadata, Self::Listen, Self::Ports, Self::Routes, Self::Proxy];

    pub(super) fn named(name: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|key| key.name() == name)
    }

    pub(super) const fn name(self) -> &'static str {
        match self {
            Self::OnFailure => "onFailure",
            Self::Metadata => "metadata",
            Self::Listen => "listen",
            Self::Ports => "ports",
            Self::Routes => "routes",
            Self::Proxy => "proxy",
        }
    }

    const fn entry(self) -> Entry {
        let (takes, default, meaning) = match self {
            Self::OnFailure => (
                "`\"continue\"` or `\"abort\"`",
                DefaultValue::Toml("\"continue\""),
                "What it means if something that is declared for a VM can't be had. `\"continue\"` logs it and goes on with \
                 the rest. `\"abort\"` is a veto: libvirt refuses to start the VM. It counts at start only, where nothing runs \
                 yet.",
            ),
            Self::Metadata => (
                "`true` or `false`",
                DefaultValue::Toml("false"),
                "With `true`, what a VM's own `metadata` declares counts too, within what the following keys let VMs claim. \
                 Without any of them they can claim nothing.",
            ),
            Self::Listen => (
                "`<prefix>` or `[<prefix>, ...]`",
                DefaultValue::Toml("[]"),
                "The host's addresses on which VMs may listen by their metadata. A VM that names none claims every address: \
                 it may do so only with `\"*\"`, or for one family with `\"0.0.0.0/0\"` or `\"::/0\"`.",
            ),
            Self::Ports => (
                "`<ports>` or `[<ports>, ...]`",
                DefaultValue::Toml("[]"),
                "The host's ports that VMs may claim by their metadata, of TCP and UDP, each a port or `\"<first>-<last>\"`.",
            ),
            Self::Routes => (
                "`<prefix>` or `[<prefix>, ...]`",
                DefaultValue::Toml("[]"),
                "The destinations that VMs may claim by their metadata, these and whatever lies in them.",
            ),
            Self::Proxy => (
                "`<device>` or `[<device>, ...]`",
                DefaultValue::Toml("[]"),
                "The devices on which VMs may have the host answer for their routes by their metadata.",
            ),
        };
        Entry { name: self.name(), takes, default, meaning }
    }
}

/// A key of a `[[forward]]`, and, but for `domain`, an attribute of a `<forward>`.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum ForwardKey {
    Domain,
    Protocol,
    Listen,
    Port,
    To,
    ToPort,
    From,
}

impl ForwardKey {
    pub(super) const ALL: [Self; 7] =
        [Self::Domain, Self::Protocol, Self::Listen, Self::Port, Self::To, Self::ToPort, Self::From];

    pub(super) fn named(name: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|key| key.name() == name)
    }

    pub(super) const fn name(self) -> &'static str {
        match self {
            Self::Domain => "domain",
            Self::Protocol => "protocol",
            Self::Listen => "listen",
            Self::Port => "port",
            Self::To => "to",
            Self::ToPort => "toPort",
            Self::From => "from",
        }
    }

    const fn entry(self) -> Entry {
        let (takes, default, meaning) = match self {
            Self::Domain => (
                "`<pattern>` or `[<pattern>, ...]`",
                DefaultValue::Words("none; a table without it is refused"),
                "The VMs that it is for, by name. Two VMs can't have the same port: the one that starts later goes without.",
            ),
            Self::Protocol => {
                ("`\"tcp\"` or `\"udp\"`", DefaultValue::Toml("\"tcp\""), "Of which protocol the ports are.")
            }
            Self::Listen => (
                "`<address>`",
                DefaultValue::Words("every address of the host"),
                "The host's address that is listened on. `\"0.0.0.0\"` is every IPv4 address, `\"::\"` every IPv6 address. \
                 A loopback address is refused.",
            ),
            Self::Port => (
                "`<port>` or `\"<first>-<last>\"`",
                DefaultValue::Words("none; a table without it is refused"),
                "The host's port, or several in a row.",
            ),
            Self::To => (
                "`<address>`",
                DefaultValue::Words("what the libvirt network reserves for the VM's MAC addresses"),
                "The VM's address. Without it the address must be reserved (a `host` with `mac` and `ip` in the network's \
                 `dhcp`): when a VM starts, what it will get is not known in any other way. An IPv4 and an IPv6 address are \
                 both forwarded to.",
            ),
            Self::ToPort => (
                "`<port>`",
                DefaultValue::Words("the same port"),
                "The VM's port; the first one where `port` is a range.",
            ),
            Self::From => (
                "`<prefix>` or `[<prefix>, ...]`",
                DefaultValue::Words("anybody"),
                "Who may connect. From other addresses the port is as it would be without the table. Where all of them are of \
                 one family, nothing is forwarded in the other.",
            ),
        };
        Entry { name: self.name(), takes, default, meaning }
    }
}

/// A key of a `[[route]]`, and, but for `domain`, an attribute of a `<route>`.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum RouteKey {
    Domain,
    To,
    Proxy,
}

impl RouteKey {
    pub(super) const ALL: [Self; 3] = [Self::Domain, Self::To, Self::Proxy];

    pub(super) fn named(name: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|key| key.name() == name)
    }

    pub(super) const fn name(self) -> &'static str {
        match self {
            Self::Domain => "domain",
            Self::To => "to",
            Self::Proxy => "proxy",
        }
    }

    const fn entry(self) -> Entry {
        let (takes, default, meaning) = match self {
            Self::Domain => (
                "`<pattern>` or `[<pattern>, ...]`",
                DefaultValue::Words("none; a table without it is refused"),
                "The VMs that it is for, by name.",
            ),
            Self::To => (
                "`<prefix>`",
                DefaultValue::Words("none; a table without it is refused"),
                "The addresses that the host reaches through the VM's bridge or tap, of its first interface that has one. \
                 A default route is refused.",
            ),
            Self::Proxy => (
                "`<device>`",
                DefaultValue::Words("the host answers nowhere"),
                "The device on which the host answers ARP or NDP for these addresses, so that the network there sends them to \
                 it. It answers for each address by itself, so that `to` has at most 256 of them (`/24`, `/120`).",
            ),
        };
        Entry { name: self.name(), takes, default, meaning }
    }
}

#[cfg(test)]
mod tests {
    use std::path::Path;

    use super::super::{Everything, parse};
    use super::*;

    /// The file that is installed: every line of it is a comment.
    const SHIPPED: &str = include_str!("../../../packaging/virt-hooks-network.toml");

    /// What the installed file would say if every example in it were in force.
    fn in_force() -> String {
        let uncommented = SHIPPED.lines().filter_map(|line| line.strip_prefix('#'));
        uncommented.filter(|line| !line.is_empty() && !line.starts_with(' ')).map(|line| format!("{line}\n")).collect()
    }

    /// What a text declares, where nothing is wrong in it.
    #[track_caller]
    fn parsed(text: &str) -> Everything {
        let (everything, problems) = parse(text, Path::new("f"));
        assert_eq!(problems, [], "{text}");
        everything
    }

    #[test]
    fn the_defaults_are_those_in_force_without_the_key() {
        for (table, needed, keys) in [
            ("[network]", "", network_keys().collect::<Vec<_>>()),
            ("[[forward]]", "domain = \"a\"\nport = 80\n", forward_keys().collect()),
            ("[[route]]", "domain = \"a\"\nto = \"198.51.100.9\"\n", route_keys().collect()),
        ] {
            let without = parsed(&format!("{table}\n{needed}"));
            for Entry { name, default, .. } in keys {
                if let DefaultValue::Toml(value) = default {
                    assert_eq!(parsed(&format!("{table}\n{needed}{name} = {value}\n")), without, "{table} {name}");
                }
            }
        }
    }

    #[test]
    fn the_installed_file_shows_every_key_with_its_default() {
        let text = in_force();
        let (network, rest) = text.split_once("[[forward]]\n").unwrap_or_default();
        let (forward, route) = rest.split_once("[[route]]\n").unwrap_or_default();
        let keys = network_keys().map(|key| (network, key));
        let keys = keys.chain(forward_keys().map(|key| (forward, key))).chain(route_keys().map(|key| (route, key)));
        for (lines, Entry { name, default, .. }) in keys {
            let mut pairs = lines.lines().filter_map(|line| line.split_once(" = "));
            let shown = pairs.find(|(key, _)| *key == name).map(|(_, value)| value);
            assert!(shown.is_some(), "{name}");
            if let DefaultValue::Toml(value) = default {
                assert_eq!(shown, Some(value), "{name}");
            }
        }
    }

    #[test]
    fn the_installed_file_is_valid_with_every_example_in_force_and_says_nothing_as_it_stands() {
        assert_eq!(parsed(&in_force()).tables.len(), 2);
        assert_eq!(parsed(SHIPPED), Everything::default());
    }

    #[test]
    fn every_key_is_found_by_its_name() {
        assert!(NetworkKey::ALL.into_iter().all(|key| NetworkKey::named(key.name()) == Some(key)));
        assert!(ForwardKey::ALL.into_iter().all(|key| ForwardKey::named(key.name()) == Some(key)));
        assert!(RouteKey::ALL.into_iter().all(|key| RouteKey::named(key.name()) == Some(key)));
        assert_eq!(
            (NetworkKey::named("port"), ForwardKey::named("proxy"), RouteKey::named("from")),
            (None, None, None)
        );
    }
}
