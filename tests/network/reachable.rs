//! Forwards and routes that are applied and that nobody reaches: `status` and `check` name the obstacle, and the fix removes it.

use virt_hooks::kernel::address::Protocol::Tcp;

use crate::machine::Machine;
use crate::traffic::{Answer, by};
use crate::vm::Vm;
use crate::world::World;

/// What `check --json` says of an obstacle: its subject, its message and its fix.
#[derive(Debug, PartialEq, Eq)]
struct Finding {
    subject: String,
    message: String,
    remedy: String,
}

/// The findings of `check`, without those that say that there is no libvirt here.
fn findings(host: &Machine) -> Vec<Finding> {
    let reply = host.virt_hooks("network check --json");
    let all: Vec<serde_json::Value> =
        serde_json::from_str(&reply.stdout).unwrap_or_else(|error| panic!("{error}: {reply:?}"));
    let text = |finding: &serde_json::Value, key: &str| finding[key].as_str().unwrap_or_default().to_owned();
    let found = all.iter().map(|finding| Finding {
        subject: text(finding, "subject"),
        message: text(finding, "message"),
        remedy: text(finding, "remedy"),
    });
    found.collect()
}

/// Asserts that `status` and `check` name one obstacle, in the same words, and returns it.
#[track_caller]
fn the_obstacle(host: &Machine) -> Finding {
    let mut found = findings(host);
    assert_eq!(found.len(), 1, "{found:#?}");
    let found = found.remove(0);
    let status = host.virt_hooks("network status");
    assert!(!status.success, "{status:?}");
    let said = format!("{}: {}\nfix: {}\n", found.subject, found.message, found.remedy);
    assert!(status.stdout.contains(" unreachable ") && status.stdout.contains(&said), "{said}\n{}", status.stdout);
    let json = host.virt_hooks("network status --json").stdout;
    let rows: Vec<serde_json::Value> = serde_json::from_str(&json).unwrap();
    let is_it = |row: &serde_json::Value| {
        row["state"] == "unreachable" && row["reason"] == format!("{}: {}", found.subject, found.message)
    };
    assert!(rows.iter().any(is_it), "{json}");
    found
}

/// Asserts that nothing is in the way.
#[track_caller]
fn no_obstacle(host: &Machine) {
    assert_eq!(findings(host), []);
    let status = host.virt_hooks("network status");
    assert!(status.success && !status.stdout.contains("unreachable"), "{status:?}");
}

const WEB: &str = "[[forward]]\ndomain = \"web-1\"\nport = 8080\ntoPort = 80\n";

#[test]
fn a_forward_that_nothing_stops_is_applied() {
    let world = World::declaring(WEB);
    let _service = world.guest.serves(Tcp, "192.168.122.10:80");
    world.host.starts(&Vm::new("web-1"));
    assert_eq!(world.client.asks(Tcp, "198.51.100.1:8080"), by("guest"));
    no_obstacle(&world.host);
}

#[test]
fn a_forward_on_an_address_that_the_host_does_not_have_is_unreachable() {
    let world = World::declaring(&format!("{WEB}listen = \"198.51.100.2\"\n"));
    let _service = world.guest.serves(Tcp, "192.168.122.10:80");
    world.host.starts(&Vm::new("web-1"));
    let found = the_obstacle(&world.host);
    assert_eq!(found.subject, "the VM web-1");
    assert_eq!(
        found.message,
        "the forward tcp 198.51.100.2:8080 to 192.168.122.10:80 listens on an address that this host does not have; it has \
         192.168.122.1, 198.51.100.1, 203.0.113.1"
    );
    assert_eq!(found.remedy, "${EDITOR:-vi} +1 /etc/libvirt/hooks/virt-hooks-network.toml");
    world.host.shell("ip address add 198.51.100.2/24 dev eth0");
    no_obstacle(&world.host);
    assert_eq!(world.client.asks(Tcp, "198.51.100.2:8080"), by("guest"));
}

#[test]
fn a_forward_on_an_address_of_a_local_route_is_applied() {
    let world = World::declaring(&format!("{WEB}listen = \"198.51.100.66\"\n"));
    let _service = world.guest.serves(Tcp, "192.168.122.10:80");
    world.host.starts(&Vm::new("web-1"));
    world.host.shell("ip route add local 198.51.100.64/28 dev lo");
    world.client.shell("ip route add 198.51.100.64/28 via 198.51.100.1");
    assert_eq!(world.client.asks(Tcp, "198.51.100.66:8080"), by("guest"));
    no_obstacle(&world.host);
}

/// Replaces a part of libvirt's description of the network.
fn network_with(host: &Machine, part: &str, other: &str) {
    let file = "/run/libvirt/network/default.xml";
    let xml = std::fs::read_to_string(host.path(file)).unwrap();
    assert!(xml.contains(part), "{xml}");
    host.write(file, xml.replace(part, other), 0o600);
}

#[test]
fn a_forward_to_a_network_without_a_way_out_is_unreachable() {
    let world = World::declaring(WEB);
    let _service = world.guest.serves(Tcp, "192.168.122.10:80");
    network_with(&world.host, "<forward mode='nat'/>", "");
    world.guest.shell("ip route del default; ip -6 route del default");
    world.host.starts(&Vm::new("web-1"));
    assert_eq!(world.client.asks(Tcp, "198.51.100.1:8080"), Answer::TimedOut);
    let found = the_obstacle(&world.host);
    assert_eq!((found.subject.as_str(), found.remedy.as_str()), ("the network default", "virsh net-edit default"));
    // As after net-edit, and with the gateway that the guest then gets.
    network_with(&world.host, "<name>default</name>", "<name>default</name><forward mode='open'/>");
    world.guest.shell("ip route add default via 192.168.122.1");
    no_obstacle(&world.host);
    assert_eq!(world.client.asks(Tcp, "198.51.100.1:8080"), by("guest"));
}

#[test]
fn a_forward_for_clients_on_a_network_without_a_way_out_is_applied() {
    let world = World::declaring(&format!("{WEB}from = \"192.168.122.0/24\"\n"));
    network_with(&world.host, "<forward mode='nat'/>", "");
    world.host.starts(&Vm::new("web-1"));
    no_obstacle(&world.host);
}

/// Writes the lease of the VM, until this second of Unix time.
fn leases(host: &Machine, address: &str, until: u64) {
    let lease = format!(
        "[{{\"ip-address\": \"{address}\", \"mac-address\": \"52:54:00:00:00:0a\", \"expiry-time\": {until}}}]"
    );
    host.write("/var/lib/libvirt/dnsmasq/virbr0.status", lease, 0o644);
}

const FOR_EVER: u64 = 1 << 40;

#[test]
fn a_forward_to_an_address_that_the_guest_does_not_have_is_unreachable() {
    let world = World::declaring(&format!("{WEB}to = \"192.168.122.77\"\n"));
    let host = &world.host;
    host.starts(&Vm::new("web-1"));
    // Its reservation says another address.
    let found = the_obstacle(host);
    assert_eq!(
        found.message,
        "the forward tcp port 8080 to 192.168.122.77:80 leads to an address that it does not have: the network default has \
         reserved it 192.168.122.10"
    );
    assert_eq!(found.remedy, "${EDITOR:-vi} +1 /etc/libvirt/hooks/virt-hooks-network.toml");
    leases(host, "192.168.122.44", FOR_EVER);
    assert!(the_obstacle(host).message.ends_with("has leased it 192.168.122.44"));
    // What it had, and what it has got in spite of its reservation.
    leases(host, "192.168.122.44", 1);
    assert!(the_obstacle(host).message.ends_with("has reserved it 192.168.122.10"));
    leases(host, "192.168.122.77", FOR_EVER);
    no_obstacle(host);
    host.write("/var/lib/libvirt/dnsmasq/virbr0.status", "[{\"ip-address\": ", 0o644);
    no_obstacle(host);
    // A guest that the network knows nothing of.
    leases(host, "192.168.122.44", 1);
    network_with(host, "52:54:00:00:00:0a", "52:54:00:00:00:ff");
    no_obstacle(host);
}

#[test]
fn a_forward_to_a_tap_on_no_bridge_is_unreachable_and_the_fix_brings_it_back() {
    let route = "[[route]]\ndomain = \"web-1\"\nto = \"198.51.100.9/32\"\n";
    let world = World::declaring(&format!("{WEB}{route}"));
    let _service = world.guest.serves(Tcp, "192.168.122.10:80");
    world.host.starts(&Vm::new("web-1"));
    world.host.shell("ip link set vnet0 nomaster");
    assert_eq!(world.client.asks(Tcp, "198.51.100.1:8080"), Answer::TimedOut);
    let found = the_obstacle(&world.host);
    assert_eq!(found.message, "its tap vnet0 is on no bridge, so nothing reaches it");
    world.host.shell(&found.remedy);
    no_obstacle(&world.host);
    assert_eq!(world.client.asks(Tcp, "198.51.100.1:8080"), by("guest"));
}

#[test]
fn a_drop_at_another_hook_than_forward_is_found_and_the_fix_lets_only_the_forward_through() {
    let world = World::declaring(WEB);
    let host = &world.host;
    let _service = world.guest.serves(Tcp, "192.168.122.10:80");
    let _other = world.guest.serves(Tcp, "192.168.122.10:81");
    host.starts(&Vm::new("web-1"));
    for (table, chain, rule, message) in [
        (
            "inet t",
            "type filter hook prerouting priority mangle",
            "iifname eth0 drop",
            "drops what comes for the VM by eth0",
        ),
        (
            "ip t",
            "type filter hook prerouting priority raw",
            "tcp dport 8080 counter drop",
            "drops what comes for the VM by eth0",
        ),
        (
            "inet t",
            "type filter hook prerouting priority 0",
            "ct state new log reject",
            "drops what comes for the VM by eth0",
        ),
        (
            "ip t",
            "type filter hook postrouting priority 0",
            "oifname virbr0 drop",
            "drops what is on its way to the VM",
        ),
        (
            "ip t",
            "type filter hook postrouting priority 0",
            "ip daddr 192.168.122.0/24 drop",
            "drops what is on its way",
        ),
        ("ip t", "type filter hook prerouting priority 0", "ip saddr 192.168.122.10 drop", "drops the VM's replies"),
        ("ip t", "type filter hook prerouting priority -1; policy drop", "iifname lo accept", "its policy drops"),
        ("bridge t", "type filter hook output priority 0", "oifname vnet0 drop", "drops what is on its way to the VM"),
        ("bridge t", "type filter hook input priority 0", "meta protocol ip drop", "drops the VM's replies"),
        (
            "netdev t",
            "type filter hook ingress device eth0 priority 0",
            "meta l4proto tcp drop",
            "comes for the VM by eth0",
        ),
        (
            "inet t",
            "type filter hook prerouting priority 0",
            "tcp dport 22 accept; meta nfproto ipv4 goto d",
            "of d, to which it",
        ),
    ] {
        host.nft(&format!("table {table} {{\n chain d {{\n tcp dport 80-81 counter\n drop\n }}\n chain c {{\n {chain}; {rule}\n }}\n }}"));
        assert_eq!(world.client.asks(Tcp, "198.51.100.1:8080"), refused_by(rule), "{rule}");
        let found = findings(host);
        let found: Vec<&Finding> = found.iter().filter(|found| !found.subject.contains("ip6")).collect();
        assert!(!found.is_empty(), "{table} {rule}");
        assert_eq!(found[0].subject, format!("the chain c of the table {table}"));
        assert!(found[0].message.contains(message), "{rule}: {found:#?}");
        // Each fix uncovers the next fault, if there is one.
        for _ in 0..6 {
            let Some(next) = findings(host).into_iter().next() else { break };
            host.shell(&next.remedy);
        }
        no_obstacle(host);
        assert_eq!(
            world.client.asks(Tcp, "198.51.100.1:8080"),
            by("guest"),
            "{rule}: {}",
            host.shell("nft list ruleset")
        );
        host.shell(&format!("nft delete table {table}"));
    }
    no_obstacle(host);
}

/// A table that a process owns, and one whose name nft does not take: a command that cannot work is not printed.
#[test]
fn where_no_command_can_work_none_is_printed() {
    let world = World::declaring(WEB);
    let host = &world.host;
    host.starts(&Vm::new("web-1"));
    let rules = "add table inet owned { flags owner; }\nadd chain inet owned c { type filter hook prerouting priority 0; \
                 policy drop; }\n";
    host.write("/run/owned", rules, 0o644);
    host.shell("mkfifo /run/wait; { cat /run/owned; read -r _ < /run/wait; } 2> /run/said | nft -i > /run/said 2>&1 &");
    host.shell("for attempt in {1..100}; do nft list tables | grep -q owned && break; sleep 0.1; done");
    let found = findings(host);
    assert!(!found.is_empty() && found.iter().all(|found| found.remedy.is_empty()), "{found:#?}");
    assert!(found[0].message.ends_with("; only the process that owns the table can change it"), "{found:#?}");
    for verb in ["status", "check"] {
        assert!(!host.virt_hooks(&format!("network {verb}")).stdout.contains("fix:"));
    }
    host.shell("echo > /run/wait");
}

fn refused_by(rule: &str) -> Answer {
    if rule.contains("reject") { Answer::Refused } else { Answer::TimedOut }
}

#[test]
fn rules_that_cannot_be_judged_or_do_not_concern_the_forward_are_no_obstacles() {
    let world = World::declaring(WEB);
    let host = &world.host;
    host.starts(&Vm::new("web-1"));
    for (table, rules) in [
        ("inet t", "type filter hook prerouting priority 0; ct state invalid drop; tcp dport 22 drop"),
        ("inet t", "type filter hook prerouting priority 0; ip saddr { 192.0.2.0/24, 10.0.0.0/8 } drop"),
        (
            "inet t",
            "type filter hook prerouting priority 0; iifname eth0 ip saddr 198.51.100.0/24 accept; iifname eth0 meta nfproto ipv4 drop",
        ),
        ("inet t", "type filter hook prerouting priority 0; fib saddr . iif oif missing drop"),
        ("inet t", "type filter hook prerouting priority raw; tcp flags & (fin | syn) == (fin | syn) drop"),
        ("inet t", "type filter hook prerouting priority 0; limit rate over 10/second drop"),
        ("inet t", "type filter hook input priority 0; policy drop"),
        ("inet t", "type filter hook output priority 0; policy drop"),
        ("inet t", "flags dormant; type filter hook prerouting priority 0; policy drop"),
        ("inet t", "type filter hook postrouting priority 0; udp dport 80 drop; ip6 daddr ::1 drop"),
        ("bridge t", "type filter hook forward priority 0; policy drop"),
        ("bridge t", "type filter hook output priority 0; ether type arp accept; oifname vnet9 drop"),
        ("netdev t", "type filter hook ingress device lo priority 0; policy drop"),
    ] {
        let (flags, rules) = match rules.strip_prefix("flags dormant; ") {
            Some(rules) => ("flags dormant\n", rules),
            None => ("", rules),
        };
        host.nft(&format!("table {table} {{\n {flags}chain c {{\n {rules}\n }}\n }}"));
        no_obstacle(host);
        host.shell(&format!("nft delete table {table}"));
    }
}

#[test]
fn a_drop_of_iptables_behind_a_mark_is_found_and_iptables_goes_on_to_work() {
    let world = World::declaring(WEB);
    let host = &world.host;
    let _service = world.guest.serves(Tcp, "192.168.122.10:80");
    host.starts(&Vm::new("web-1"));
    host.shell(
        "iptables-nft -t mangle -A PREROUTING -i eth0 -m connmark --mark 0xe1f1 -j ACCEPT
         iptables-nft -t mangle -A PREROUTING -i eth0 -j DROP",
    );
    assert_eq!(world.client.asks(Tcp, "198.51.100.1:8080"), Answer::TimedOut);
    let found = the_obstacle(host);
    assert_eq!(found.subject, "the chain PREROUTING of the table ip mangle");
    assert_eq!(found.remedy, "iptables -t mangle -I PREROUTING -p tcp --dport 8080 -j ACCEPT");
    host.shell(&found.remedy);
    no_obstacle(host);
    assert_eq!(world.client.asks(Tcp, "198.51.100.1:8080"), by("guest"));
    host.shell("iptables-nft -t mangle -S PREROUTING");
}

#[test]
fn replies_that_policy_routing_diverts_are_found_and_leave_by_the_way_they_came_after_the_fix() {
    let world = World::declaring(WEB);
    let host = &world.host;
    let _service = world.guest.serves(Tcp, "192.168.122.10:80");
    let _own = host.serves(Tcp, "0.0.0.0:7");
    host.starts(&Vm::new("web-1"));
    // The default route leads to the far host; what the host sends from its address on eth0 goes by the client.
    host.shell(
        "ip route add default via 203.0.113.9
         ip route add default via 198.51.100.7 table 100
         ip rule add from 198.51.100.1 lookup 100",
    );
    world.client.shell("ip address add 192.0.2.7/32 dev lo; ip route change default via 198.51.100.1 src 192.0.2.7");
    world.client.shell("ip route change 198.51.100.0/24 dev eth0 src 192.0.2.7");
    assert_eq!(world.client.asks(Tcp, "198.51.100.1:7"), by("host"));
    assert_eq!(world.client.asks(Tcp, "198.51.100.1:8080"), Answer::TimedOut);
    assert_eq!(world.far.asks(Tcp, "203.0.113.1:8080"), by("guest"));
    let found = the_obstacle(host);
    assert_eq!(found.subject, "ip rule from 198.51.100.1 lookup 100");
    host.shell(&found.remedy);
    no_obstacle(host);
    assert_eq!(world.client.asks(Tcp, "198.51.100.1:8080"), by("guest"));
    assert_eq!(world.client.asks(Tcp, "198.51.100.1:7"), by("host"));
    assert_eq!(world.far.asks(Tcp, "203.0.113.1:8080"), by("guest"));
}

#[test]
fn a_device_that_does_not_forward_is_found() {
    let world = World::declaring(WEB);
    let host = &world.host;
    let _service = world.guest.serves(Tcp, "192.168.122.10:80");
    host.starts(&Vm::new("web-1"));
    for device in ["virbr0", "eth0"] {
        host.shell(&format!("sysctl -qw net.ipv4.conf.{device}.forwarding=0"));
        assert_eq!(world.client.asks(Tcp, "198.51.100.1:8080"), Answer::TimedOut);
        let found = the_obstacle(host);
        assert_eq!(found.subject, format!("net.ipv4.conf.{device}.forwarding"));
        host.shell(&found.remedy);
        no_obstacle(host);
        assert_eq!(world.client.asks(Tcp, "198.51.100.1:8080"), by("guest"));
    }
}

/// Sends a router advertisement from a machine's `eth0`.
const ADVERTISEMENT: &str = r#"
perl -MSocket=:DEFAULT,inet_pton -e 'socket(my $socket, AF_INET6, SOCK_RAW, 58) or die $!;
setsockopt($socket, 41, 18, pack("i", 255)) or die $!;
setsockopt($socket, 41, 17, pack("i", $ARGV[0])) or die $!;
my $all = pack_sockaddr_in6(0, inet_pton(AF_INET6, "ff02::1"), $ARGV[0]);
send($socket, pack("CCnCCnNN", 134, 0, 0, 64, 0, 1800, 0, 0), 0, $all) or die $!' $(cat /sys/class/net/eth0/ifindex)"#;

#[test]
fn the_fix_for_ipv6_forwarding_keeps_the_default_route_of_a_router_advertisement() {
    let world = World::declaring(&format!("{WEB}to = \"fd00:122::10\"\n"));
    let host = &world.host;
    let _service = world.guest.serves(Tcp, "[fd00:122::10]:80");
    host.starts(&Vm::new("web-1"));
    host.shell("sysctl -qw net.ipv6.conf.all.forwarding=0 net.ipv6.conf.eth0.accept_ra=1");
    world.client.shell(ADVERTISEMENT);
    host.shell("for attempt in {1..50}; do ip -6 route show default | grep -q 'proto ra' && break; sleep 0.1; done");
    let routes = || host.shell("ip -6 route show default | sed 's/ expires.*//'");
    let before = routes();
    assert!(before.contains("proto ra"), "{before}");
    let found = findings(host);
    assert_eq!(found.len(), 1, "{found:#?}");
    host.shell(&found[0].remedy);
    no_obstacle(host);
    assert_eq!(routes(), before);
    assert_eq!(world.client.asks(Tcp, "[2001:db8:51::1]:8080"), by("guest"));
    let kept = host.shell("cat /etc/sysctl.d/60-virt-hooks-net.ipv6.conf.all.forwarding.conf");
    assert_eq!(kept, "net/ipv6/conf/eth0/accept_ra=2\nnet.ipv6.conf.all.forwarding=1\n");
}

#[test]
fn without_nft_the_missing_program_is_the_finding_and_no_other_fix_is_printed() {
    let host = Machine::declaring(WEB);
    host.shell("sysctl -qw net.ipv4.ip_forward=1; mkdir /run/bin && cp -a /usr/sbin/. /run/bin/ && rm /run/bin/nft && mount --bind /run/bin /usr/sbin");
    host.takes_through(&Vm::new("web-1"), &["prepare", "start", "started"]);
    let found = findings(&host);
    assert_eq!(found.len(), 1, "{found:#?}");
    assert_eq!(found[0].subject, "nft");
    let said = format!("{}; fix: {}", found[0].message, found[0].remedy);
    for verb in ["status", "status --json", "apply"] {
        let reply = host.virt_hooks(&format!("network {verb}"));
        assert!(!reply.success && reply.stderr.contains(&said), "{verb}: {reply:?}");
        assert_eq!(reply.stdout, "", "{verb}");
    }
}
