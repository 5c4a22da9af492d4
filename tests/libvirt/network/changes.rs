//! What becomes of forwards when something else changes: the VM ends, libvirt or its network is restarted, a firewall is
//! flushed, a declaration is edited, the VM moves to another host.

use virt_hooks::kernel::address::Protocol::Tcp;

use super::town::Town;
use testbed::eventually;

use crate::guest::Guest;
use crate::traffic::{Answer, by};

const HOST: [&str; 2] = ["198.51.100.1:8080", "[2001:db8:51::1]:8080"];

/// A forward and a route for which the host answers.
const DECLARATIONS: &str = r#"
[[forward]]
domain = "web-1"
port = 8080
toPort = 80

[[route]]
domain = "web-1"
to = "198.51.100.9/32"
proxy = "eth0"

[[route]]
domain = "web-1"
to = "2001:db8:51::9/128"
proxy = "eth0"
"#;

impl Town {
    /// Fails the test unless the forward is open for both families.
    #[track_caller]
    fn is_open(&self, when: &str) {
        for address in HOST {
            let answer = self.client.asks(Tcp, address);
            assert_eq!(answer, by("guest"), "{when}: {address}\n{}\n{}", self.host.log(), self.rules());
        }
    }

    #[track_caller]
    fn is_closed(&self, when: &str) {
        for address in HOST {
            assert_eq!(self.client.asks(Tcp, address), Answer::Refused, "{when}: {address}\n{}", self.rules());
        }
    }

    fn rules(&self) -> String {
        self.host.shell("nft list ruleset")
    }

    /// Restarts libvirtd and waits until the hook has applied the forwards of the running guest again.
    ///
    /// virsh answers before libvirtd calls the hook with `reconnect`, and the forwards work meanwhile. The hook applies
    /// them before its first script.
    fn restart_libvirtd(&self) {
        let reconnected = || {
            let records = self.host.records_of("all_00-witness.sh");
            records
                .iter()
                .filter(|record| record.event == "reconnect/begin" && record.message.starts_with("exited"))
                .count()
        };
        let before = reconnected();
        self.host.restart_libvirtd();
        eventually("the hook has handled reconnect", || reconnected() > before);
    }
}

#[test]
fn nothing_is_left_of_a_vm_that_is_destroyed_whatever_is_declared_by_then() {
    let town = Town::declaring(DECLARATIONS);
    assert_eq!(town.left(), "");
    let guest = Guest::named("web-1").on_libvirts_network("192.168.122.10");
    town.boots(&guest);
    town.is_open("at first");
    let mut open = town.client.connects(Tcp, HOST[0]);

    // Edited while the VM runs: nothing happens before it is applied.
    town.declares(&DECLARATIONS.replace("8080", "9090"));
    town.is_open("edited");
    assert!(!town.try_virt_hooks("network status").success, "status tells that it is not as declared");
    let applied = town.virt_hooks("network apply");
    assert!(applied.contains("closed   web-1: the forward tcp port 8080 to 192.168.122.10:80"), "{applied}");
    assert!(applied.contains("opened   web-1: the forward tcp port 9090 to 192.168.122.10:80"), "{applied}");
    town.is_closed("applied");
    assert!(!open.goes_on(), "what was open through the closed forward is cut");
    assert_eq!(town.client.asks(Tcp, "198.51.100.1:9090"), by("guest"));
    let mut open = town.client.connects(Tcp, "[2001:db8:51::1]:9090");

    town.declares("# nothing any more\n");
    town.host.destroy(&guest);
    assert!(!open.goes_on());
    assert_eq!(town.client.asks(Tcp, "198.51.100.1:9090"), Answer::Refused);
    assert_eq!(town.left(), "");
}

#[test]
fn a_forward_outlives_restarts_of_libvirt_and_its_network_and_apply_mends_what_was_flushed() {
    let town = Town::declaring(DECLARATIONS);
    let guest = Guest::named("web-1").on_libvirts_network("192.168.122.10");
    town.boots(&guest);
    town.is_open("at first");

    town.restart_libvirtd();
    town.is_open("libvirtd restarted");

    // A network that is started anew has none of its guests until libvirtd is.
    town.host.virsh(["net-destroy", "default"]);
    town.host.virsh(["net-start", "default"]);
    town.restart_libvirtd();
    eventually("the guest is on the network again", || town.client.asks(Tcp, HOST[0]) == by("guest"));
    town.is_open("the network restarted");

    town.host.shell("nft flush ruleset");
    town.is_closed("flushed");
    let reply = town.try_virt_hooks("network status");
    assert!(!reply.success && reply.stdout.contains("missing"), "{reply:?}");
    let applied = town.virt_hooks("network apply");
    assert!(applied.contains("mended"), "{applied}");
    town.is_open("applied");
    assert!(town.virt_hooks("network apply").contains("Nothing was changed"));

    // libvirtd brings back libvirt's own rules, which refuse, and then calls the hook with `reconnect`.
    town.restart_libvirtd();
    assert!(town.rules().contains("LIBVIRT_FWI") || town.rules().contains("libvirt_network"), "{}", town.rules());
    eventually("the forward is open again", || town.client.asks(Tcp, HOST[0]) == by("guest"));
    town.is_open("flushed, applied, libvirtd restarted");
    town.host.destroy(&guest);
    assert_eq!(town.left(), "");
}

#[test]
fn a_guest_that_moves_is_reached_through_the_other_host_and_no_more_through_the_first() {
    let (one, two) =
        Town::pair("[network]\nmetadata = true\nlisten = [\"0.0.0.0/0\", \"::/0\"]\nports = [\"8000-8999\"]\n");
    let forward = "<forward xmlns='urn:virt-hooks:network:1' port='8080' toPort='80'/>";
    let guest = Guest::named("web-1").on_libvirts_network("192.168.122.10").with_metadata(forward);
    one.boots(&guest);
    one.is_open("before");
    two.is_closed("before");

    let there = two.host.address();
    one.host.virsh([
        "migrate",
        "--live",
        "--p2p",
        "--migrateuri",
        &format!("tcp://{there}"),
        &guest.domain(),
        &format!("qemu+tcp://{there}/system"),
    ]);

    eventually("the guest answers there", || two.client.asks(Tcp, HOST[0]) == by("guest"));
    two.is_open("after");
    one.is_closed("after");
    assert_eq!(one.left(), "");
    two.host.destroy(&guest);
    assert_eq!(two.left(), "");
}
