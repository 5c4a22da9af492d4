//! Destinations that lead to a VM, with and without the host answering for them.

use virt_hooks::kernel::address::Protocol::Tcp;

use crate::machine::Machine;
use crate::traffic::by;
use crate::vm::Vm;
use crate::world::World;

fn answers(host: &Machine, device: &str) -> String {
    host.shell(&format!("cat /proc/sys/net/ipv6/conf/{device}/proxy_ndp")).trim().to_owned()
}

#[test]
fn a_guest_has_public_addresses_that_the_host_answers_for_while_it_runs() {
    let world = World::declaring(
        "[[route]]\ndomain = \"router-1\"\nto = \"198.51.100.9/32\"\nproxy = \"eth0\"\n\
         [[route]]\ndomain = \"router-1\"\nto = \"2001:db8:51::9/128\"\nproxy = \"eth0\"\n",
    );
    world.guest.shell("ip address add 198.51.100.9/32 dev eth0; ip address add 2001:db8:51::9/128 dev eth0");
    let _services = ["198.51.100.9:80", "[2001:db8:51::9]:80"].map(|address| world.guest.serves(Tcp, address));
    let vm = Vm::new("router-1");
    for _ in 0..2 {
        assert_eq!(answers(&world.host, "eth0"), "0");
        world.host.starts(&vm);
        for address in ["198.51.100.9:80", "[2001:db8:51::9]:80"] {
            assert_eq!(world.client.asks(Tcp, address), by("guest"), "{address}\n{}", world.host.log());
            assert_eq!(world.far.asks(Tcp, address), by("guest"), "{address}");
        }
        assert_eq!(answers(&world.host, "eth0"), "1");
        assert!(world.host.virt_hooks("network status").success);
        assert!(world.host.virt_hooks("network apply").stdout.contains("Nothing was changed"));
        world.host.stops(&vm);
        assert_eq!(world.host.left(), "");
        assert_eq!(answers(&world.host, "eth0"), "0");
        assert_ne!(world.client.asks(Tcp, "198.51.100.9:80"), by("guest"));
    }
}

#[test]
fn without_proxy_whoever_sends_it_to_the_host_reaches_the_guest() {
    let world = World::declaring(
        "[[route]]\ndomain = \"router-1\"\nto = \"192.0.2.0/28\"\n[[route]]\ndomain = \"router-1\"\nto = \"2001:db8:2::/64\"\n",
    );
    world.guest.shell("ip address add 192.0.2.1/32 dev eth0; ip address add 2001:db8:2::1/128 dev eth0");
    let _services = ["192.0.2.1:80", "[2001:db8:2::1]:80"].map(|address| world.guest.serves(Tcp, address));
    let vm = Vm::new("router-1");
    world.host.starts(&vm);
    for address in ["192.0.2.1:80", "[2001:db8:2::1]:80"] {
        assert_eq!(world.client.asks(Tcp, address), by("guest"), "{address}\n{}", world.host.log());
    }
    assert_eq!(world.host.shell("ip neigh show proxy"), "");
    assert_eq!(answers(&world.host, "eth0"), "0");
    world.host.stops(&vm);
    assert_eq!(world.host.left(), "");
    for address in ["192.0.2.1:80", "[2001:db8:2::1]:80"] {
        assert_ne!(world.client.asks(Tcp, address), by("guest"), "{address}");
    }
}

#[test]
fn a_device_that_answered_before_goes_on_and_one_answers_as_long_as_one_vm_needs_it() {
    let host = Machine::declaring(
        "[[route]]\ndomain = \"a\"\nto = \"2001:db8:51::a/128\"\nproxy = \"eth0\"\n\
         [[route]]\ndomain = \"b\"\nto = \"2001:db8:51::b/128\"\nproxy = \"eth0\"\n",
    );
    let (a, b) = (Vm::new("a"), Vm::numbered("b", 11));
    host.starts(&a);
    host.starts(&b);
    host.stops(&a);
    assert_eq!(answers(&host, "eth0"), "1");
    host.stops(&b);
    assert_eq!(answers(&host, "eth0"), "0");
    host.shell("sysctl -qw net.ipv6.conf.eth0.proxy_ndp=1");
    host.starts(&a);
    host.stops(&a);
    assert_eq!(answers(&host, "eth0"), "1");
    assert_eq!(host.left(), "");
}

#[test]
fn what_was_done_before_a_step_that_fails_is_undone() {
    let declared = "[[route]]\ndomain = \"router-1\"\nto = \"2001:db8:51::9/128\"\nproxy = \"eth0\"\n\
                    [[route]]\ndomain = \"router-1\"\nto = \"192.0.2.0/28\"\n\
                    [[route]]\ndomain = \"router-1\"\nto = \"192.0.2.64/28\"\n\
                    [[forward]]\ndomain = \"router-1\"\nport = 8080\n";
    let foreign = "192.0.2.64/28 dev virbr1 scope link \n";
    for broken in ["ip route add 192.0.2.64/28 dev virbr1", "true"] {
        let host = Machine::declaring(declared);
        host.shell(broken);
        if broken == "true" {
            host.replaces("nft", "[ \"$1\" = list ] && exec /run/real/nft \"$@\"; echo no luck >&2; exit 1");
        }
        let vm = Vm::new("router-1");
        let routes = host.shell("ip -4 route; ip -6 route");
        host.starts(&vm);
        let log = host.log();
        assert!(log.contains("ERROR") && log.contains("so nothing was"), "{log}");
        if broken == "true" {
            host.regains("nft");
        }
        assert_eq!(host.shell("ip -4 route; ip -6 route"), routes, "{log}");
        assert_eq!(answers(&host, "eth0"), "0", "{log}");
        if broken == "true" {
            assert_eq!(host.left(), "", "{log}");
        } else {
            // What has no part in it is there.
            assert!(log.contains("added the forward tcp port 8080 to 192.168.122.10:8080"), "{log}");
            assert_eq!(host.shell("ip route show 192.0.2.64/28"), foreign);
            let applied = host.virt_hooks("network apply");
            assert!(!applied.success && applied.stdout.contains("router-1"), "{applied:?}");
            assert_eq!(host.shell("ip -4 route; ip -6 route"), routes);
            // Once it is away, all comes.
            host.shell("ip route del 192.0.2.64/28 dev virbr1");
        }
        assert!(host.virt_hooks("network apply").success);
        assert!(host.virt_hooks("network status").success);
        host.stops(&vm);
        assert_eq!(host.left(), "");
        assert_eq!(answers(&host, "eth0"), "0");
    }
}

#[test]
fn a_proxy_on_a_device_that_is_not_there_is_refused_whole() {
    let host = Machine::declaring("[[route]]\ndomain = \"r\"\nto = \"2001:db8:51::9/128\"\nproxy = \"eth7\"\n");
    let vm = Vm::new("r");
    host.starts(&vm);
    assert!(host.log().contains("eth7"), "{}", host.log());
    assert_eq!(host.left(), "");
    host.stops(&vm);
    assert_eq!(host.left(), "");
}

#[test]
fn a_route_follows_its_vm_to_another_bridge() {
    let host = Machine::declaring(
        "[[route]]\ndomain = \"r\"\nto = \"192.0.2.0/28\"\n[[route]]\ndomain = \"r\"\nto = \"2001:db8:2::/64\"\n",
    );
    let vm = Vm::new("r");
    host.starts(&vm);
    let moved = Vm { bridge: "virbr1", ..vm.clone() };
    host.takes_through(&moved, &["reconnect"]);
    let shown = || host.shell("ip -4 -o route show proto 118; ip -6 -o route show proto 118");
    assert_eq!(shown().matches("dev virbr1").count(), 2, "{}\n{}", shown(), host.log());
    assert_eq!(shown().lines().count(), 2, "{}", shown());
    assert!(host.virt_hooks("network status").success);
    // Where it can't be, what was there is there still.
    host.replaces("nft", "echo no luck >&2; exit 1");
    let back = Vm { bridge: "virbr0", ..moved.clone() };
    host.takes_through(&back, &["reconnect"]);
    assert_eq!(shown().matches("dev virbr1").count(), 2, "{}\n{}", shown(), host.log());
    host.regains("nft");
    host.stops(&moved);
    assert_eq!(host.left(), "");
}

#[test]
fn routes_go_with_a_bridge_that_is_destroyed_and_the_vm_s_end_is_as_ever() {
    let host = Machine::declaring(
        "[[route]]\ndomain = \"r\"\nto = \"192.0.2.9/32\"\nproxy = \"eth0\"\n[[forward]]\ndomain = \"r\"\nport = 80\n",
    );
    let vm = Vm::new("r");
    host.starts(&vm);
    host.shell("ip link del virbr0");
    assert!(!host.virt_hooks("network status").success);
    host.stops(&vm);
    assert!(!host.log().contains("ERROR"), "{}", host.log());
    assert_eq!(host.left(), "");
}

#[test]
fn a_prefix_may_hold_another_and_both_be_edited() {
    let declared = |prefixes: &[&str]| -> String {
        prefixes.iter().map(|to| format!("[[route]]\ndomain = \"r\"\nto = \"{to}\"\n")).collect()
    };
    let host = Machine::declaring(&declared(&["192.0.2.0/24", "192.0.2.0/28"]));
    let vm = Vm::new("r");
    host.starts(&vm);
    for prefixes in
        [&["192.0.2.0/28"][..], &["192.0.2.0/25"], &["192.0.2.0/24", "192.0.2.0/28", "192.0.2.7/32"], &["192.0.2.7/32"]]
    {
        host.declares(&declared(prefixes));
        let applied = host.virt_hooks("network apply");
        assert!(applied.success, "{prefixes:?}: {applied:?}");
        assert!(host.virt_hooks("network status").success, "{prefixes:?}");
        assert_eq!(host.shell("ip -4 route show proto 118").lines().count(), prefixes.len(), "{prefixes:?}");
    }
    host.stops(&vm);
    assert_eq!(host.left(), "");
}

#[test]
fn a_proxy_that_somebody_else_has_put_there_stays_theirs() {
    let host = Machine::declaring("[[route]]\ndomain = \"r\"\nto = \"192.0.2.8/31\"\nproxy = \"eth0\"\n");
    host.shell("ip neigh add proxy 192.0.2.9 dev eth0; ip neigh add proxy 192.0.2.77 dev eth0 protocol 3");
    let before = host.shell("ip neigh show proxy");
    let vm = Vm::new("r");
    host.starts(&vm);
    assert_eq!(host.shell("ip neigh show proxy proto 118"), "192.0.2.8 dev eth0 proxy proto 118 \n");
    assert!(host.virt_hooks("network status").success);
    assert!(host.virt_hooks("network apply").stdout.contains("Nothing was changed"));
    host.stops(&vm);
    assert_eq!(host.shell("ip neigh show proxy"), before);
}

#[test]
fn what_is_the_hosts_own_or_its_gateways_is_routed_to_no_vm() {
    let host = Machine::declaring(
        "[[route]]\ndomain = \"r\"\nto = \"198.51.100.0/28\"\n[[route]]\ndomain = \"r\"\nto = \"198.51.100.254/32\"\n\
         [[route]]\ndomain = \"r\"\nto = \"2001:db8:51::1/128\"\n[[route]]\ndomain = \"r\"\nto = \"2001:db8:51::fe/128\"\n\
         [[route]]\ndomain = \"r\"\nto = \"192.0.2.0/28\"\n",
    );
    host.shell(
        "ip address replace 198.51.100.1/24 dev eth0; ip -6 address replace 2001:db8:51::1/64 dev eth0
         ip route replace default via 198.51.100.254; ip -6 route replace default via 2001:db8:51::fe",
    );
    let vm = Vm::new("r");
    host.starts(&vm);
    let added_routes = host.shell("ip -4 route show proto 118; ip -6 route show proto 118");
    assert_eq!(added_routes.lines().count(), 1, "{added_routes}\n{}", host.log());
    assert!(added_routes.starts_with("192.0.2.0/28 "), "{added_routes}");
    assert_eq!(host.log().matches("is the host's own or its gateway's").count(), 8, "{}", host.log());
    host.stops(&vm);
    assert_eq!(host.left(), "");
}
