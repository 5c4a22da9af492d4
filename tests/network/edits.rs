//! Declarations that are edited while their VM runs.

use virt_hooks::kernel::address::Protocol::{Tcp, Udp};

use crate::traffic::{Answer, by};
use crate::vm::{DECLARATIONS, Vm};
use crate::world::World;

const HOST: &str = "198.51.100.1";

#[test]
fn what_was_given_is_taken_away_whatever_is_declared_by_then() {
    let world = World::declaring("[[forward]]\ndomain = \"web-1\"\nport = 8080\ntoPort = 80\n");
    let _service = world.guest.serves(Tcp, "192.168.122.10:80");
    let vm = Vm::new("web-1");
    for edited in ["[[forward]]\ndomain = \"web-1\"\nport = 9090\ntoPort = 80\n", "nonsense", ""] {
        world.host.declares("[[forward]]\ndomain = \"web-1\"\nport = 8080\ntoPort = 80\n");
        world.host.starts(&vm);
        let mut open = world.client.connects(Tcp, "198.51.100.1:8080");
        world.host.declares(edited);
        assert!(open.goes_on());
        world.host.takes_through(&vm, &["stopped"]);
        assert!(!open.goes_on());
        assert_eq!(world.client.asks(Tcp, "198.51.100.1:8080"), Answer::Refused);
        assert_eq!(world.host.left(), "", "{edited}");
        world.host.takes_through(&vm, &["release"]);
    }
}

#[test]
fn apply_brings_an_edit_into_force_and_cuts_what_went_through_what_is_gone() {
    let before = "[[forward]]\ndomain = \"web-1\"\nport = 8080\ntoPort = 80\n\
                  [[forward]]\ndomain = \"web-1\"\nprotocol = \"udp\"\nport = 53\n\
                  [[forward]]\ndomain = \"web-1\"\nport = 8090\ntoPort = 80\n";
    let world = World::declaring(before);
    let _services = [world.guest.serves(Tcp, "192.168.122.10:80"), world.guest.serves(Udp, "192.168.122.10:53")];
    world.host.starts(&Vm::new("web-1"));
    let mut gone = world.client.connects(Tcp, "198.51.100.1:8080");
    let mut others = [
        world.client.connects(Udp, "198.51.100.1:53"),
        world.client.connects(Tcp, "198.51.100.1:8090"),
        world.client.connects(Tcp, "192.168.122.10:80"),
    ];
    world.host.declares(&before.replace("8080", "8081"));

    let status = world.host.virt_hooks("network status");
    assert!(!status.success && status.stdout.contains("virt-hooks network apply"), "{status:?}");
    let of = |state: &str| world.host.stands().iter().filter(|[_, of, _]| of == state).count();
    assert_eq!(["missing", "left over", "applied"].map(of), [2, 2, 4], "{status:?}");
    assert_eq!(world.client.asks(Tcp, "198.51.100.1:8081"), Answer::Refused, "not before apply");
    assert!(gone.goes_on());

    let applied = world.host.virt_hooks("network apply");
    assert!(applied.success, "{applied:?}");
    for expected in ["opened   web-1: the forward tcp port 8081", "closed   web-1: the forward tcp port 8080", "cut"] {
        assert!(applied.stdout.contains(expected), "{expected}: {}", applied.stdout);
    }
    assert_eq!(world.client.asks(Tcp, "198.51.100.1:8081"), by("guest"));
    assert_eq!(world.client.asks(Tcp, "198.51.100.1:8080"), Answer::Refused);
    assert!(!gone.goes_on());
    for other in &mut others {
        assert!(other.goes_on(), "{other:?}");
    }
    assert!(world.host.virt_hooks("network status").success);
}

#[test]
fn a_port_leads_elsewhere_after_an_edit() {
    let declared = |to: u16| format!("[[forward]]\ndomain = \"web-1\"\nport = 8080\ntoPort = {to}\n");
    let world = World::declaring(&declared(80));
    let _services = [
        world.guest.serves_as("one", Tcp, "192.168.122.10:80"),
        world.guest.serves_as("two", Tcp, "192.168.122.10:81"),
    ];
    let vm = Vm::new("web-1");
    world.host.starts(&vm);
    let mut open = world.client.connects(Tcp, "198.51.100.1:8080");
    assert_eq!(open.by, "one");
    world.host.declares(&declared(81));
    // Not only apply: libvirt's restart comes to the same.
    world.host.takes_through(&vm, &["reconnect"]);
    assert_eq!(world.client.asks(Tcp, "198.51.100.1:8080"), by("two"), "{}", world.host.log());
    assert!(!open.goes_on());
    world.host.stops(&vm);
    assert_eq!(world.host.left(), "");
}

#[test]
fn who_may_connect_is_edited_prefix_by_prefix() {
    let declared = |from: &str| format!("[[forward]]\ndomain = \"web-1\"\nport = 8080\ntoPort = 80\nfrom = [{from}]\n");
    let world = World::declaring(&declared("\"198.51.100.0/24\", \"203.0.113.0/24\""));
    let _service = world.guest.serves(Tcp, "192.168.122.10:80");
    let vm = Vm::new("web-1");
    world.host.starts(&vm);
    let mut clients = world.client.connects(Tcp, "198.51.100.1:8080");
    let mut fars = world.far.connects(Tcp, "203.0.113.1:8080");
    world.host.declares(&declared("\"198.51.100.0/24\""));
    assert!(world.host.virt_hooks("network apply").success);
    assert!(clients.goes_on(), "its prefix is there still");
    assert!(!fars.goes_on());
    // Prefixes that hold each other, which the map takes one after the other, never together.
    for (from, expected) in [
        ("\"198.51.100.0/25\"", by("guest")),
        ("\"198.51.0.0/16\"", by("guest")),
        ("\"198.51.100.128/25\", \"198.51.100.8/32\"", Answer::Refused),
        ("\"0.0.0.0/0\"", by("guest")),
        ("\"198.51.100.7/32\"", by("guest")),
    ] {
        world.host.declares(&declared(from));
        let applied = world.host.virt_hooks("network apply");
        assert!(applied.success, "{applied:?}");
        assert_eq!(world.client.asks(Tcp, "198.51.100.1:8080"), expected, "{from}");
        assert!(world.host.virt_hooks("network status").success, "{from}");
        let again = world.host.virt_hooks("network apply");
        assert!(again.stdout.contains("Nothing was changed"), "{from}: {again:?}");
    }
    world.host.stops(&vm);
    assert_eq!(world.host.left(), "");
}

#[test]
fn two_vms_swap_their_ports_by_one_edit() {
    let declared = |one: u16, other: u16| {
        format!(
            "[[forward]]\ndomain = \"a\"\nport = {one}\nto = \"192.168.122.10\"\ntoPort = 80\n\
             [[forward]]\ndomain = \"b\"\nport = {other}\nto = \"192.168.122.10\"\ntoPort = 81\n"
        )
    };
    let world = World::declaring(&declared(8080, 8081));
    let _services =
        [world.guest.serves_as("a", Tcp, "192.168.122.10:80"), world.guest.serves_as("b", Tcp, "192.168.122.10:81")];
    for name in ["a", "b"] {
        world.host.starts(&Vm::new(name));
    }
    world.host.declares(&declared(8081, 8080));
    let applied = world.host.virt_hooks("network apply");
    assert!(applied.success, "{applied:?}");
    for (port, name) in [(8081, "a"), (8080, "b")] {
        assert_eq!(world.client.asks(Tcp, &format!("{HOST}:{port}")), by(name), "{applied:?}");
    }
    assert!(world.host.virt_hooks("network apply").stdout.contains("Nothing was changed"));
}

#[test]
fn without_any_declaration_left_apply_takes_everything_away() {
    let world = World::declaring("[[forward]]\ndomain = \"web-1\"\nport = 8080\ntoPort = 80\n");
    let _service = world.guest.serves(Tcp, "192.168.122.10:80");
    world.host.starts(&Vm::new("web-1"));
    assert_eq!(world.client.asks(Tcp, "198.51.100.1:8080"), by("guest"));
    world.host.shell(&format!("rm {DECLARATIONS}"));
    let applied = world.host.virt_hooks("network apply");
    assert!(applied.success, "{applied:?}");
    assert_eq!(world.client.asks(Tcp, "198.51.100.1:8080"), Answer::Refused);
    assert_eq!(world.host.left(), "");
    let again = world.host.virt_hooks("network apply");
    assert!(again.success && again.stdout.contains("Nothing is declared"), "{again:?}");
}

#[test]
fn a_file_that_can_not_be_read_any_more_closes_nothing_and_opens_nothing() {
    let world = World::new();
    world.host.has_virt_hooks();
    world.host.declares("[[forward]]\ndomain = \"web-1\"\nport = 8080\ntoPort = 80\n");
    let _service = world.guest.serves(Tcp, "192.168.122.10:80");
    let vm = Vm::new("web-1");
    world.host.starts(&vm);
    world.host.declares("[[forward]]\ndomain = \"web-1\"\nport = 8081\ntoPort = 80\n");
    world.host.shell(&format!("chmod 0666 {DECLARATIONS}"));
    world.host.takes_through(&vm, &["reconnect"]);
    assert!(!world.host.virt_hooks("network apply").success);
    assert_eq!(world.client.asks(Tcp, "198.51.100.1:8080"), by("guest"), "{}", world.host.log());
    assert_eq!(world.client.asks(Tcp, "198.51.100.1:8081"), Answer::Refused);
    world.host.shell(&format!("chmod 0644 {DECLARATIONS}"));
    assert!(world.host.virt_hooks("network apply").success);
    assert_eq!(world.client.asks(Tcp, "198.51.100.1:8080"), Answer::Refused);
    assert_eq!(world.client.asks(Tcp, "198.51.100.1:8081"), by("guest"));
    world.host.shell(&format!("chmod 0666 {DECLARATIONS}"));
    world.host.stops(&vm);
    assert_eq!(world.host.left(), "");
}
