//! Keys of the files of declarations, by which they are read and their manual page is written.

use ipnet::IpNet;

use super::draft::{Draft, Kind, forward, route};
use super::{Rules, value};
use crate::configuration::{DefaultValue, Entry, Key, Refusal, Section, Value, set};
use crate::settings::on_failure;

/// Returns the keys of `[network]`, in the manual page's order.
pub fn network_keys() -> impl Iterator<Item = Entry> {
    NETWORK.entries()
}

/// Returns the keys of a `[[forward]]`, in the manual page's order.
pub fn forward_keys() -> impl Iterator<Item = Entry> {
    FORWARD.table.entries()
}

/// Returns the keys of a `[[route]]`, in the manual page's order.
pub fn route_keys() -> impl Iterator<Item = Entry> {
    ROUTE.table.entries()
}

/// Examples of values.
const PREFIX: &str = "\"198.51.100.0/24\"";
const DEVICE: &str = "\"eth0\"";

/// `[network]`. A wrong value lets VMs claim less, never more.
pub(super) static NETWORK: Section<Rules> = Section {
    word: "key",
    unknown: "is not known",
    wrong: |_| "",
    keys: &[
        Key::new(
            "onFailure",
            "`\"continue\"` or `\"abort\"`",
            DefaultValue::Toml("\"continue\""),
            "What it means if something that is declared for a VM can't be had. `\"continue\"` logs it and goes on with \
             the rest. `\"abort\"` is a veto: libvirt refuses to start the VM. It counts at start only, where nothing runs \
             yet.",
            |rules, value| set(&mut rules.on_failure, on_failure(value)),
        ),
        Key::new(
            "metadata",
            "`true` or `false`",
            DefaultValue::Toml("false"),
            "With `true`, what a VM's own `metadata` declares counts too, within what the following keys let VMs claim. \
             Without any of them they can claim nothing.",
            |rules, value| {
                rules.metadata = false;
                set(&mut rules.metadata, value.boolean())
            },
        ),
        Key::new(
            "listen",
            "`<prefix>` or `[<prefix>, ...]`",
            DefaultValue::Toml("[]"),
            "The host's addresses on which VMs may listen by their metadata. A VM that names none claims every address: \
             it may do so only with `\"*\"`, or for one family with `\"0.0.0.0/0\"` or `\"::/0\"`.",
            |rules, value| claimable(&mut rules.listen, value),
        ),
        Key::new(
            "ports",
            "`<ports>` or `[<ports>, ...]`",
            DefaultValue::Toml("[]"),
            "The host's ports that VMs may claim by their metadata, of TCP and UDP, each a port or `\"<first>-<last>\"`.",
            |rules, value| value.each(&mut rules.ports, |one| one.number_or_text(value::ports)),
        ),
        Key::new(
            "routes",
            "`<prefix>` or `[<prefix>, ...]`",
            DefaultValue::Toml("[]"),
            "The destinations that VMs may claim by their metadata, these and whatever lies in them.",
            |rules, value| claimable(&mut rules.routes, value),
        ),
        Key::new(
            "proxy",
            "`<device>` or `[<device>, ...]`",
            DefaultValue::Toml("[]"),
            "The devices on which VMs may have the host answer for their routes by their metadata.",
            |rules, value| value.each(&mut rules.proxy, |one| one.text(DEVICE, value::device)),
        ),
    ],
};

/// Returns the kind of declaration of this name.
pub(super) fn kind(name: &str) -> Option<&'static Kind> {
    [&FORWARD, &ROUTE].into_iter().find(|kind| kind.name == name)
}

static FORWARD: Kind =
    Kind { name: "forward", table: table(FORWARD_KEYS), element: element(FORWARD_KEYS), finish: forward };

static ROUTE: Kind = Kind { name: "route", table: table(ROUTE_KEYS), element: element(ROUTE_KEYS), finish: route };

const fn table(keys: &'static [Key<Draft>]) -> Section<Draft> {
    Section { word: "key", unknown: "is not known", wrong: |_| "", keys }
}

/// Its attributes are the keys without `domain`.
const fn element(keys: &'static [Key<Draft>]) -> Section<Draft> {
    let keys = if let [_domain, keys @ ..] = keys { keys } else { keys };
    Section { word: "attribute", unknown: "is not known", wrong: |_| "", keys }
}

const FORWARD_KEYS: &[Key<Draft>] = &[
    Key::new(
        "domain",
        "`<pattern>` or `[<pattern>, ...]`",
        DefaultValue::Words("none; a table without it is refused"),
        "The VMs that it is for, by name. Two VMs can't have the same port: the one that starts later goes without.",
        domains,
    ),
    Key::new(
        "protocol",
        "`\"tcp\"` or `\"udp\"`",
        DefaultValue::Toml("\"tcp\""),
        "Of which protocol the ports are.",
        |draft, value| set(&mut draft.protocol, value.text("\"tcp\"", value::protocol)),
    ),
    Key::new(
        "listen",
        "`<address>`",
        DefaultValue::Words("every address of the host"),
        "The host's address that is listened on. `\"0.0.0.0\"` is every IPv4 address, `\"::\"` every IPv6 address. \
             A loopback address is refused.",
        |draft, value| set(&mut draft.listen, value.text("\"203.0.113.7\"", value::listen).map(Some)),
    ),
    Key::new(
        "port",
        "`<port>` or `\"<first>-<last>\"`",
        DefaultValue::Words("none; a table without it is refused"),
        "The host's port, or several in a row.",
        |draft, value| set(&mut draft.ports, value.number_or_text(value::ports).map(Some)),
    ),
    Key::new(
        "to",
        "`<address>`",
        DefaultValue::Words("what the libvirt network reserves for the VM's MAC addresses"),
        "The VM's address. Without it the address must be reserved (a `host` with `mac` and `ip` in the network's \
             `dhcp`): when a VM starts, what it will get is not known in any other way. An IPv4 and an IPv6 address are \
             both forwarded to.",
        |draft, value| set(&mut draft.to, value.text("\"192.168.122.10\"", value::guest).map(Some)),
    ),
    Key::new(
        "toPort",
        "`<port>`",
        DefaultValue::Words("the same port"),
        "The VM's port; the first one where `port` is a range.",
        |draft, value| set(&mut draft.to_port, value.number_or_text(value::port).map(Some)),
    ),
    Key::new(
        "from",
        "`<prefix>` or `[<prefix>, ...]`",
        DefaultValue::Words("anybody"),
        "Who may connect. From other addresses the port is as it would be without the table. Where all of them are of \
             one family, nothing is forwarded in the other.",
        |draft, value| value.each(&mut draft.from, |one| one.text(PREFIX, value::prefix)),
    ),
];

const ROUTE_KEYS: &[Key<Draft>] = &[
    Key::new(
        "domain",
        "`<pattern>` or `[<pattern>, ...]`",
        DefaultValue::Words("none; a table without it is refused"),
        "The VMs that it is for, by name.",
        domains,
    ),
    Key::new(
        "to",
        "`<prefix>`",
        DefaultValue::Words("none; a table without it is refused"),
        "The addresses that the host reaches through the VM's bridge or tap, of its first interface that has one. \
             A default route is refused.",
        |draft, value| set(&mut draft.destination, value.text("\"198.51.100.9/32\"", value::destination).map(Some)),
    ),
    Key::new(
        "proxy",
        "`<device>`",
        DefaultValue::Words("the host answers nowhere"),
        "The device on which the host answers ARP or NDP for these addresses, so that the network there sends them to \
             it. It answers for each address by itself, so that `to` has at most 256 of them (`/24`, `/120`).",
        |draft, value| set(&mut draft.proxy, value.text(DEVICE, value::device).map(Some)),
    ),
];

fn domains(draft: &mut Draft, value: Value<'_>) -> Vec<Refusal> {
    let (patterns, mut refusals) = value.several(Value::pattern);
    if patterns.is_empty() && refusals.is_empty() {
        refusals.push(value.refuse("is an empty array and names no VM"));
    } else if refusals.is_empty() {
        draft.domains = Some(patterns);
    }
    refusals
}

/// Reads the prefixes that VMs may claim.
fn claimable(place: &mut Vec<IpNet>, value: Value<'_>) -> Vec<Refusal> {
    let (prefixes, refusals) = value.several(|one| one.text(PREFIX, value::claimable));
    *place = prefixes.concat();
    refusals
}

#[cfg(test)]
mod tests {
    use std::path::Path;

    use super::super::{Everything, parse};
    use super::*;

    /// The file that is installed: every line of it is a comment.
    const SHIPPED: &str = include_str!("../../../packaging/virt-hooks-network.toml");

    /// Returns the installed file with every example in force.
    fn in_force() -> String {
        let uncommented = SHIPPED.lines().filter_map(|line| line.strip_prefix('#'));
        uncommented.filter(|line| !line.is_empty() && !line.starts_with(' ')).map(|line| format!("{line}\n")).collect()
    }

    /// Returns the declarations of a text without problems.
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
}
