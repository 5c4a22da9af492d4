//! The maps, sets, chains and rules of the table.

use std::fmt::Write;

use crate::network::firewall::mark::MARK;

/// Its maps and sets with their types, and its chains with their hooks.
///
/// `add` leaves an existing object unchanged (nft(8)).
pub(super) const ROOMS: [&str; 19] = [
    "add table inet virt-hooks",
    "add map inet virt-hooks any4 { type inet_proto . inet_service : ipv4_addr . inet_service; counter; }",
    "add map inet virt-hooks any6 { type inet_proto . inet_service : ipv6_addr . inet_service; counter; }",
    "add map inet virt-hooks listen4 { type inet_proto . ipv4_addr . inet_service : ipv4_addr . inet_service; counter; }",
    "add map inet virt-hooks listen6 { type inet_proto . ipv6_addr . inet_service : ipv6_addr . inet_service; counter; }",
    "add map inet virt-hooks from4 { type inet_proto . ipv4_addr . inet_service . ipv4_addr : ipv4_addr . inet_service; \
     flags interval; counter; }",
    "add map inet virt-hooks from6 { type inet_proto . ipv6_addr . inet_service . ipv6_addr : ipv6_addr . inet_service; \
     flags interval; counter; }",
    "add set inet virt-hooks routed4 { type ipv4_addr; flags interval; }",
    "add set inet virt-hooks routed6 { type ipv6_addr; flags interval; }",
    "add set inet virt-hooks links { type ifname; }",
    "add set inet virt-hooks within4 { type ifname . ipv4_addr; }",
    "add set inet virt-hooks within6 { type ifname . ipv6_addr; }",
    "add chain inet virt-hooks translate4",
    "add chain inet virt-hooks translate6",
    // Just before the place of others' destination NAT (-100), by number, since nft 1.0.6 knows no name for it at output.
    "add chain inet virt-hooks prerouting { type nat hook prerouting priority -105; policy accept; }",
    "add chain inet virt-hooks output { type nat hook output priority -105; policy accept; }",
    // Right after it, where translated packets have their new addresses.
    "add chain inet virt-hooks translated { type filter hook prerouting priority -99; policy accept; }",
    // Behind connection tracking (-200), and before anything that may refuse.
    "add chain inet virt-hooks routed { type filter hook prerouting priority -150; policy accept; }",
    "add chain inet virt-hooks postrouting { type nat hook postrouting priority 95; policy accept; }",
];

/// The table's rules, each after the name of its chain. `$mark` is [`MARK`], by which every table recognises a
/// connection. `$local`, the next higher bit, marks a connection from the host itself or from behind a VM's own bridge:
/// the VM would answer past the host, so its source becomes an address of the host. The rules are rewritten in every
/// transaction that changes more than elements, so that no change by others survives.
///
/// Marks are set before the translation, which ends the chain; they are removed again if no map has the packet. Only
/// packets to this host match (`fib daddr type local`). Those to its loopback do not, since the kernel would not route
/// them elsewhere.
const RULES: [(&str, &str); 21] = [
    ("translate4", "ct mark set ct mark or $mark"),
    ("translate4", "dnat ip to meta l4proto . th dport map @any4"),
    ("translate4", "dnat ip to meta l4proto . ip daddr . th dport map @listen4"),
    // nft wants to see the protocol again where the port is not the key's last part.
    ("translate4", "meta l4proto { tcp, udp } dnat ip to meta l4proto . ip daddr . th dport . ip saddr map @from4"),
    ("translate4", "ct mark set ct mark and $neither"),
    ("translate6", "ct mark set ct mark or $mark"),
    ("translate6", "dnat ip6 to meta l4proto . th dport map @any6"),
    ("translate6", "dnat ip6 to meta l4proto . ip6 daddr . th dport map @listen6"),
    ("translate6", "meta l4proto { tcp, udp } dnat ip6 to meta l4proto . ip6 daddr . th dport . ip6 saddr map @from6"),
    ("translate6", "ct mark set ct mark and $neither"),
    ("prerouting", "meta l4proto { tcp, udp } ip daddr != 127.0.0.0/8 fib daddr type local jump translate4"),
    ("prerouting", "meta l4proto { tcp, udp } ip6 daddr != { ::1, fe80::/10 } fib daddr type local jump translate6"),
    (
        "output",
        "meta l4proto { tcp, udp } ip daddr != 127.0.0.0/8 fib daddr type local ct mark set ct mark or $local jump \
         translate4",
    ),
    (
        "output",
        "meta l4proto { tcp, udp } ip6 daddr != { ::1, fe80::/10 } fib daddr type local ct mark set ct mark or $local jump \
         translate6",
    ),
    // Packets that leave by the link that they came from: the VM would answer their sender directly.
    ("translated", "ct state new ct status dnat iifname . ip daddr @within4 ct mark set ct mark or $local"),
    ("translated", "ct state new ct status dnat iifname . ip6 daddr @within6 ct mark set ct mark or $local"),
    ("routed", "ip daddr @routed4 ct mark set ct mark or $mark"),
    ("routed", "ip saddr @routed4 iifname @links ct mark set ct mark or $mark"),
    ("routed", "ip6 daddr @routed6 ct mark set ct mark or $mark"),
    ("routed", "ip6 saddr @routed6 iifname @links ct mark set ct mark or $mark"),
    ("postrouting", "ct mark and $both == $both ct status dnat masquerade"),
];

/// Writes the rules, which replace all in the chains.
pub(super) fn rules(text: &mut String) {
    let both = MARK | MARK << 1;
    let values = [("$mark", MARK), ("$local", MARK << 1), ("$both", both), ("$neither", !both)];
    let mut last = "";
    for (chain, rule) in RULES {
        if chain != last {
            // Writing to a String can't fail.
            _ = writeln!(text, "flush chain inet virt-hooks {chain}");
        }
        let rule =
            values.iter().fold(rule.to_owned(), |rule, (name, value)| rule.replace(name, &format!("{value:#010x}")));
        _ = writeln!(text, "add rule inet virt-hooks {chain} {rule}");
        last = chain;
    }
}
