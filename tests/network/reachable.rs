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
