//! Forwards and routes that are applied and that nobody reaches: `status` and `check` name the obstacle, and the fix removes it.

use virt_hooks::kernel::address::Protocol::Tcp;

use crate::machine::Machine;
use crate::traffic::by;
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
